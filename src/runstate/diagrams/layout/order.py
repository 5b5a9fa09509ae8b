"""
The order of slots in each column, with few crossings.

Sweeps over the columns put each slot at the mean place of its neighbours, then
neighbours that are better the other way round change places. Many starts, the best
result kept. Nothing is left to chance: the same figure gives the same order.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import count, islice
from typing import Final, NamedTuple

from .grid import Grid, Slot

__all__ = ["count_crossings", "order_columns"]

WORK: Final = 45_000
"""Slots that may be placed, over all starts and sweeps: bounds the time of a large figure."""
MOST_STARTS: Final = 24
SWEEPS: Final = 12
LEAST_STARTS: Final = 2
MOST_EXCHANGES: Final = 6
"""How often a sweep goes through all neighbours."""

Columns = list[list[int]]


class _Joined(NamedTuple):
    """
    What the order depends on of a slot.
    """

    column: int
    left: tuple[int, ...]
    right: tuple[int, ...]


def order_columns(grid: Grid) -> None:
    """
    Put the slots of each of *grid*'s columns into the best order found.
    """
    slots = tuple(_Joined(s.column, tuple(s.left), tuple(s.right)) for s in grid.slots)
    grid.columns = [list(column) for column in _best(slots, len(grid.columns))]


# A page draws one graph several times: wide and narrow, with counts and without.
@lru_cache(maxsize=8)
def _best(slots: tuple[_Joined, ...], columns: int) -> Columns:
    many = min(max(WORK // (SWEEPS * len(slots)), LEAST_STARTS), MOST_STARTS)
    found = [_improve(slots, start) for start in islice(_starts(slots, columns), many)]

    return min(found, key=lambda order: _badness(slots, order))


def count_crossings(slots: Sequence[Slot | _Joined], columns: Columns) -> int:
    """
    Return how often two arrows cross.
    """
    place = _places(columns)

    return sum(_crossings_after(slots, column, place) for column in columns)


def _crossings_after(
    slots: Sequence[Slot | _Joined], column: Iterable[int], place: Sequence[int]
) -> int:
    ends = [far for at in column for far in sorted(place[to] for to in slots[at].right)]
    crossings, seen = 0, list[int]()
    for far in ends:
        crossings += len(seen) - bisect_right(seen, far)
        insort(seen, far)

    return crossings


def _badness(slots: Sequence[_Joined], columns: Columns) -> tuple[int, float]:
    """
    Crossings count first, then how far arrows climb and fall.
    """
    place = _places(columns)
    middle = [len(columns[slot.column]) / 2 for slot in slots]
    climb = sum(
        abs((place[at] - middle[at]) - (place[to] - middle[to]))
        for at, slot in enumerate(slots)
        for to in slot.right
    )

    return count_crossings(slots, columns), round(climb, 6)


def _places(columns: Columns) -> list[int]:
    place = [0] * sum(map(len, columns))
    for column in columns:
        for at, slot in enumerate(column):
            place[slot] = at

    return place


def _starts(slots: Sequence[_Joined], columns: int) -> Iterator[Columns]:
    """
    Yield orders to begin with: as met by following arrows; upside down; then well mixed.
    """
    seen = dict[int, None]()
    stack = [*reversed(range(len(slots)))]
    while stack:
        at = stack.pop()
        if at not in seen:
            seen[at] = None
            stack += reversed(slots[at].right + slots[at].left)
    met = [[at for at in seen if slots[at].column == c] for c in range(columns)]
    yield met
    yield [column[::-1] for column in met]
    for turn in count(1):
        yield [sorted(column, key=partial(_mixed, turn)) for column in met]


def _mixed(turn: int, number: int) -> int:
    """
    Return a number that is far from that of *number*'s neighbours, another one each *turn*.
    """
    return (number + 1) * (2 * turn + 1) * 2_654_435_761 % 4_294_967_296


def _improve(slots: Sequence[_Joined], start: Columns) -> Columns:
    """
    Return the best order that sweeps from *start* lead to.
    """
    columns = [list(column) for column in start]
    best, least = columns, _badness(slots, columns)
    for sweep in range(SWEEPS):
        columns = [list(column) for column in columns]
        # Slots with the same mean keep their order two times, and turn it the next two.
        _sweep(slots, columns, rightwards=sweep % 2 == 0, turned=sweep % 4 > 1)
        _exchange(slots, columns)
        badness = _badness(slots, columns)
        if badness < least:
            best, least = columns, badness

    return best


def _sweep(slots: Sequence[_Joined], columns: Columns, *, rightwards: bool, turned: bool) -> None:
    place = _places(columns)
    for column in columns if rightwards else reversed(columns):
        mean = {}
        for at in column:
            near = slots[at].left if rightwards else slots[at].right
            mean[at] = sum(place[to] for to in near) / len(near) if near else float(place[at])
        if turned:
            column.reverse()
        column.sort(key=mean.__getitem__)
        for at, slot in enumerate(column):
            place[slot] = at


def _exchange(slots: Sequence[_Joined], columns: Columns) -> None:
    """
    Let neighbours change places for as long as that saves crossings.
    """
    place = _places(columns)
    better, rounds = True, 0
    while better and rounds < MOST_EXCHANGES:
        better, rounds = False, rounds + 1
        for column in columns:
            for at in range(len(column) - 1):
                upper, lower = column[at], column[at + 1]
                if _gain(slots, place, upper, lower) > 0:
                    column[at], column[at + 1] = lower, upper
                    place[upper], place[lower] = at + 1, at
                    better = True


def _gain(slots: Sequence[_Joined], place: Sequence[int], upper: int, lower: int) -> int:
    """
    Return how many crossings go if *upper* and *lower* change places.
    """
    gain = 0
    for above, below in (
        (slots[upper].left, slots[lower].left),
        (slots[upper].right, slots[lower].right),
    ):
        if above and below:
            ends = sorted(place[to] for to in below)
            for to in above:
                gain += bisect_left(ends, place[to])
                gain -= len(ends) - bisect_right(ends, place[to])

    return gain
