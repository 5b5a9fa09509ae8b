"""
Where everything of a figure is drawn.

Between columns arrows are curves that leave and arrive level, all over the same
width, so that two of them meet only where their order changes; inside a column
they are level lines through their own slots.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from .._figure import Arrow, Role
from .._scene import Label, PlacedArrow, PlacedBox, Point, Rect, Scene
from .._words import wrap
from .curves import bend, cut_for_head, loop, reverse, simplify, turn
from .fit import Fit, badge_width, label_lines, label_size
from .grid import ENTRY_BELOW, LOOP, TURN, Grid, enters_from_below
from .heights import Heights
from .legend import place_legend
from .order import order_columns

__all__ = ["ON_TOP", "least_height", "least_width", "place_columns"]

MARGIN: Final = 20.0
ENTRY: Final = 34.0
"""From the dot that a run comes from to its first box."""
LEAD: Final = 13.0
"""Level way at a box, which holds the arrowhead."""
LEAST_GAP: Final = 44.0
MOST_GAP: Final = 120.0
"""Width between two columns."""
STEEPNESS: Final = 0.28
"""Width of a gap for each pixel that its steepest arrow climbs or falls."""
CLIMB: Final = 0.09
"""Width of a gap for each pixel of the picture's height, where the width is limited."""
SPARE: Final = 0.01
"""By how much a picture is narrower than it may be, so that rounding makes it no wider."""
LABEL_AIR: Final = 4.0
"""Between a label and its line."""

ON_TOP: Final[dict[Role, int]] = {"faint": 0, "plain": 1, "gap": 2, "path": 3, "illegal": 4}


def place_columns(grid: Grid, width: float | None = None) -> Scene:
    """
    Return the figure of *grid* in columns from left to right, with a place for everything.

    With *width*, no wider than that, if :func:`least_width` allows.
    """
    order_columns(grid)
    heights = Heights(grid)
    heights.find()

    return _Layout(grid, heights, width).scene()


def least_width(grid: Grid) -> float:
    """
    Return how wide *grid*'s picture is at least, with gaps in which arrows can be followed.
    """
    wide = sum(max(grid.slots[at].width for at in column) for column in grid.columns)

    return 2 * MARGIN + ENTRY + wide + (len(grid.columns) - 1) * _least_gap(grid)


def _least_gap(grid: Grid) -> float:
    """
    Return the least width of a gap: the higher the picture, the steeper its arrows may be.
    """
    return min(max(LEAST_GAP, CLIMB * least_height(grid)), MOST_GAP)


def least_height(grid: Grid) -> float:
    """
    Return how high the fullest of *grid*'s columns is at least.
    """
    slots = grid.slots

    return max(sum(slots[at].up + slots[at].down for at in column) for column in grid.columns)


class _Layout:
    """
    A grid with heights, while it is given widths and curves.
    """

    def __init__(self, grid: Grid, heights: Heights, width: float | None) -> None:
        self.grid, self.figure = grid, grid.figure
        self.y = heights.y
        top = min(self.y[at] - slot.up for at, slot in enumerate(grid.slots))
        self.y[:] = [y - top + MARGIN for y in self.y]
        self.ports = {
            (box, slot): y
            for box in range(len(self.figure.boxes))
            for on_right in (False, True)
            for slot, y in heights.ports(box, on_right=on_right).items()
        }
        self.left, self.right = self._sides(MOST_GAP)
        spare = 0.0 if width is None else self.right[-1] + MARGIN - width
        if spare > 0:
            self.left, self.right = self._sides(self._widest_gap(spare + SPARE))

    def scene(self) -> Scene:
        """
        Put the parts together.
        """
        boxes = tuple(self._boxes())
        arrows = sorted(self._arrows(boxes), key=lambda placed: ON_TOP[placed.arrow.role])
        bottom = max(self.y[at] + slot.down for at, slot in enumerate(self.grid.slots))
        wide = self.right[-1] + MARGIN
        legend = place_legend(self.figure, MARGIN, bottom + MARGIN, wide - 2 * MARGIN)
        if legend:
            bottom = max(entry.rect.bottom for entry in legend)
            wide = max(wide, *(entry.rect.right + MARGIN for entry in legend))

        return Scene(
            self.figure,
            wide,
            bottom + MARGIN,
            boxes,
            tuple(arrows),
            tuple(self._entries(boxes)),
            legend,
        )

    def _entries(self, boxes: Sequence[PlacedBox]) -> Iterator[tuple[Point, Point]]:
        for at, placed in enumerate(boxes):
            (x, y), rect = placed.rect.middle, placed.rect
            if enters_from_below(placed.box, self.grid.slots[at].column):
                yield (x, rect.bottom + ENTRY_BELOW - 6), (x, rect.bottom)
            elif placed.box.initial:
                yield (rect.x - ENTRY + 5, y), (rect.x, y)

    def _widest_gap(self, spare: float) -> float:
        """
        Return what no gap may be wider than, so that they all are *spare* narrower together.
        """
        gaps = sorted((self._gap(at) for at in range(len(self.grid.columns) - 1)), reverse=True)
        for many, gap in enumerate(gaps, 1):
            below = gaps[many] if many < len(gaps) else 0.0
            if spare <= many * (gap - below):
                return gap - spare / many
            spare -= many * (gap - below)

        return LEAST_GAP

    def _sides(self, widest_gap: float) -> tuple[list[float], list[float]]:
        """
        Return the left and the right side of each column, with gaps of *widest_gap* at most.
        """
        left, right = [], []
        x = MARGIN + ENTRY
        for number, column in enumerate(self.grid.columns):
            left.append(x)
            right.append(x + max(self.grid.slots[at].width for at in column))
            x = right[-1] + min(self._gap(number), widest_gap)

        return left, right

    def _gap(self, column: int) -> float:
        """
        Return the width of the gap after *column*: the steeper its arrows, the wider.
        """
        climb = max(
            (
                abs(self._joint(at, to) - self._joint(to, at))
                for at in self.grid.columns[column]
                for to in self.grid.slots[at].right
            ),
            default=0.0,
        )

        return min(max(LEAST_GAP, STEEPNESS * climb + LEAD), MOST_GAP)

    def _joint(self, at: int, to: int) -> float:
        """
        Return the height at which slot *at* is joined to its neighbour *to*.
        """
        slot = self.grid.slots[at]
        if slot.box is not None:
            return self.ports[slot.box, to]
        if slot.turn:
            upper = min(slot.left, key=lambda box: self.y[box])
            return self.y[at] + (-TURN if to == upper else TURN)

        return self.y[at]

    def _boxes(self) -> Iterator[PlacedBox]:
        sizes = self.grid.box_sizes
        columns = [self.grid.slots[at].column for at in range(len(sizes))]
        widest: dict[int, float] = {}
        for column, (width, _) in zip(columns, sizes, strict=True):
            widest[column] = max(width, widest.get(column, 0.0))
        for at, box in enumerate(self.figure.boxes):
            column, height = columns[at], sizes[at][1]
            x = (self.left[column] + self.right[column] - widest[column]) / 2
            rect = Rect(x, self.y[at] - height / 2, widest[column], height)
            yield PlacedBox(box, rect, wrap(box.name, self.grid.fit.name))

    def _arrows(self, boxes: Sequence[PlacedBox]) -> Iterator[PlacedArrow]:
        for at, route in self.grid.routes.items():
            arrow = self.figure.arrows[at]
            curve = simplify(self._way(route, boxes))
            if route[0] != arrow.source:
                curve = reverse(curve)
            yield PlacedArrow(arrow, *cut_for_head(curve), self._label(arrow, route))
        for box, at in self.grid.loops.items():
            rect, arrow = boxes[box].rect, self.figure.arrows[at]
            width, height = label_size(arrow, self.grid.fit)
            place = Rect(rect.middle[0] - width / 2, rect.y - LOOP - height, width, height)
            yield PlacedArrow(arrow, *loop(rect, LOOP), _make_label(arrow, self.grid.fit, place))

    def _way(self, route: Sequence[int], boxes: Sequence[PlacedBox]) -> Iterator[tuple[Point, ...]]:
        """
        Yield the pieces of the curve along *route*.
        """
        yield ((boxes[route[0]].rect.right, self._joint(route[0], route[1])),)
        for at, to in pairwise(route):
            start, end = self._edge(at, to), self._edge(to, at)
            yield (start,)
            yield bend(start, end)
            if self.grid.slots[to].turn:
                across = self._edge(to, route[-1])
                yield turn(end, across)
        last = boxes[route[-1]].rect
        side = last.right if self.grid.slots[route[-2]].turn else last.x
        yield ((side, self._joint(route[-1], route[-2])),)

    def _edge(self, at: int, to: int) -> Point:
        """
        Return where the curve from slot *at* to its neighbour *to* begins to bend.
        """
        slot = self.grid.slots[at]
        lead = 0.0 if slot.box is None else LEAD
        if slot.column < self.grid.slots[to].column:
            return self.right[slot.column] + lead, self._joint(at, to)

        return self.left[slot.column] - lead, self._joint(at, to)

    def _label(self, arrow: Arrow, route: Sequence[int]) -> Label:
        (at,) = (at for at in route if self.grid.slots[at].labelled)
        slot, (width, height) = self.grid.slots[at], label_size(arrow, self.grid.fit)
        left, right = self.left[slot.column], self.right[slot.column]
        if slot.turn:
            place = Rect(left + TURN + LABEL_AIR, self.y[at] - height / 2, width, height)
            return _make_label(arrow, self.grid.fit, place, from_left=True)
        top = self.y[at] - LABEL_AIR - height

        return _make_label(
            arrow, self.grid.fit, Rect((left + right - width) / 2, top, width, height)
        )


def _make_label(arrow: Arrow, fit: Fit, rect: Rect, *, from_left: bool = False) -> Label:
    from_left = from_left or bool(arrow.badge)

    return Label(rect, label_lines(arrow, fit), arrow.badge, badge_width(arrow), from_left)
