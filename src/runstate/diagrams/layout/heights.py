"""
How high each slot stands, with the order in its column kept.

A slot is drawn towards its neighbours, again and again, and each column is settled
by least squares under the distances that its slots need. What remains of a bend in
a long arrow is then straightened, as far as there is room.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import fsum
from typing import Final

from .grid import PORT, PORT_MARGIN, TURN, Grid, Slot

__all__ = ["Heights", "settle", "spread_ports"]

APART: Final = 6.0
"""Kept free between any two slots of a column."""
BOXES_APART: Final = 14.0
"""Kept free between a box and what is above or below it."""
STRAIGHT: Final = 60.0
"""How much more a bend within an arrow weighs than one at its box."""
ROUNDS: Final = 60
SMOOTHINGS: Final = 4


def settle(
    wanted: Sequence[float], weights: Sequence[float], distances: Sequence[float]
) -> list[float]:
    """
    Return the heights nearest to *wanted* that keep their order and *distances*.

    Nearest by least weighted squares, by pooling neighbours that violate the order.

    Args:
        wanted: Where each would be if it were alone.
        weights: How much each matters; positive.
        distances: Least distance of each from the one before; that of the first is ignored.
    """
    offsets, offset = [], 0.0
    for at, distance in enumerate(distances):
        offset += distance if at else 0.0
        offsets.append(offset)
    pools: list[tuple[float, float, int]] = []
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, total, size = want - offset, weight, 1
        while pools and pools[-1][0] >= mean:
            other, heavy, many = pools.pop()
            mean = (mean * total + other * heavy) / (total + heavy)
            total, size = total + heavy, size + many
        pools.append((mean, total, size))
    level = [mean for mean, _, size in pools for _ in range(size)]

    return [low + offset for low, offset in zip(level, offsets, strict=True)]


def spread_ports(wanted: Sequence[float], top: float, bottom: float) -> list[float]:
    """
    Return places between *top* and *bottom*, in order and apart, nearest to *wanted*.
    """
    room = max(bottom - top, 0.0)
    apart = min(PORT, room / max(len(wanted) - 1, 1))
    places = settle(wanted, [1.0] * len(wanted), [apart] * len(wanted))
    last = bottom - apart * (len(wanted) - 1)

    return [
        min(max(place - apart * at, top), max(last, top)) + apart * at
        for at, place in enumerate(places)
    ]


class Heights:
    """
    The heights of a grid's slots, while they are being found.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.slots: list[Slot] = grid.slots
        self.y: list[float] = [0.0] * len(grid.slots)
        """Of each slot's line, and of each box's middle."""
        self.place: dict[int, int] = {
            at: k for column in grid.columns for k, at in enumerate(column)
        }
        self.shift: dict[tuple[int, int], float] = dict(self._shifts())

    def find(self) -> None:
        """
        Work out all heights; the topmost is anywhere.
        """
        columns = self.grid.columns
        for column in columns:
            self._settle(column, dict.fromkeys(column, 0.0), dict.fromkeys(column, 1.0))
        for turn in range(ROUNDS):
            for column in columns if turn % 2 else reversed(columns):
                self._draw(column)
        for _ in range(ROUNDS):
            for column in columns:
                self._draw(column)
        for _ in range(SMOOTHINGS):
            for route in self.grid.routes.values():
                self._straighten(route[1:-1])
            for box in range(len(self.grid.figure.boxes)):
                self._recentre(box)

    def ports(self, box: int, *, on_right: bool) -> dict[int, float]:
        """
        Return the height at which each slot on one side of *box* is joined to it.
        """
        joined = self.joined(box, on_right=on_right)
        wanted = [self.y[to] + self.shift.get((to, box), 0.0) for to in joined]
        half = self.grid.box_sizes[box][1] / 2 - PORT_MARGIN
        middle = self.y[box]

        return dict(zip(joined, spread_ports(wanted, middle - half, middle + half), strict=True))

    def joined(self, box: int, *, on_right: bool) -> list[int]:
        """
        Return the slots joined to one side of *box*, from top to bottom.
        """
        slot = self.slots[box]

        return sorted(slot.right if on_right else slot.left, key=self.place.__getitem__)

    def _shifts(self) -> Iterable[tuple[tuple[int, int], float]]:
        """
        Yield, for a slot and a neighbour, how far from the slot's height the neighbour is joined.
        """
        for box, (_, height) in enumerate(self.grid.box_sizes):
            for on_right in (False, True):
                joined = self.joined(box, on_right=on_right)
                apart = (height - 2 * PORT_MARGIN) / max(len(joined) - 1, 1)
                for k, to in enumerate(joined):
                    yield (box, to), (k - (len(joined) - 1) / 2) * apart
        for at, slot in enumerate(self.slots):
            if slot.turn:
                upper, lower = sorted(slot.left, key=self.place.__getitem__)
                yield (at, upper), -TURN
                yield (at, lower), TURN

    def _distance(self, upper: int, lower: int) -> float:
        above, below = self.slots[upper], self.slots[lower]
        apart = APART if above.box is None and below.box is None else BOXES_APART

        return above.down + apart + below.up

    def _settle(
        self, column: Sequence[int], wanted: dict[int, float], weights: dict[int, float]
    ) -> None:
        pairs = pairwise(column)
        distances = [0.0, *(self._distance(upper, lower) for upper, lower in pairs)]
        heights = settle([wanted[at] for at in column], [weights[at] for at in column], distances)
        for at, height in zip(column, heights, strict=True):
            self.y[at] = height

    def _draw(self, column: Sequence[int]) -> None:
        """
        Move the slots of *column* towards their neighbours on both sides.
        """
        wanted, weights = {}, {}
        for at in column:
            wanted[at], weights[at] = self._wish(at)
        self._settle(column, wanted, weights)

    def _wish(self, at: int) -> tuple[float, float]:
        slot, total, weight = self.slots[at], 0.0, 0.0
        for to in (*slot.left, *slot.right):
            heavy = STRAIGHT if slot.box is None and self.slots[to].box is None else 1.0
            pull = self.y[to] + self.shift.get((to, at), 0.0) - self.shift.get((at, to), 0.0)
            total += heavy * pull
            weight += heavy

        return (total / weight, weight) if weight else (self.y[at], 1.0)

    def _room(self, at: int) -> tuple[float, float]:
        """
        Return the range of heights for *at* while the rest of its column stays.
        """
        column, k = self.grid.columns[self.slots[at].column], self.place[at]
        low = self.y[column[k - 1]] + self._distance(column[k - 1], at) if k else float("-inf")
        high = float("inf")
        if k + 1 < len(column):
            high = self.y[column[k + 1]] - self._distance(at, column[k + 1])

        return low, high

    def _straighten(self, chain: Sequence[int]) -> None:
        """
        Bring the slots of *chain* to one height, or to as few heights as there is room for.
        """
        run: list[int] = []
        low, high = float("-inf"), float("inf")
        for at in chain:
            floor, ceiling = self._room(at)
            if run and max(low, floor) > min(high, ceiling):
                self._level(run, low, high)
                run, low, high = [], float("-inf"), float("inf")
            run.append(at)
            low, high = max(low, floor), min(high, ceiling)
        self._level(run, low, high)

    def _level(self, run: Sequence[int], low: float, high: float) -> None:
        # Not sum(), which rounds floats in one way before Python 3.12 and in another since.
        mean = fsum(self.y[at] for at in run) / len(run)
        for at in run:
            self.y[at] = min(max(mean, low), high)

    def _recentre(self, box: int) -> None:
        low, high = self._room(box)
        self.y[box] = min(max(self._wish(box)[0], low), high)
