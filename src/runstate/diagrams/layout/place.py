"""
Where everything of a figure is drawn.

Between columns arrows are curves that leave and arrive level, all over the same
width, so that two of them meet only where their order changes; inside a column
they are level lines through their own slots.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from .._figure import Arrow, Figure, Role
from .._scene import Label, PlacedArrow, PlacedBox, Point, Rect, Scene
from .._words import wrap
from .curves import bend, cut_for_head, loop, reverse, simplify, turn
from .grid import (
    ENTRY_BELOW,
    LOOP,
    TURN,
    WIDEST_NAME,
    Grid,
    badge_width,
    enters_from_below,
    label_lines,
    label_size,
    make_grid,
)
from .heights import Heights
from .legend import place_legend
from .order import order_columns

__all__ = ["lay_out"]

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
LABEL_AIR: Final = 4.0
"""Between a label and its line."""

_ON_TOP: Final[dict[Role, int]] = {"faint": 0, "plain": 1, "gap": 2, "path": 3, "illegal": 4}


def lay_out(figure: Figure) -> Scene:
    """
    Return *figure* with a place for everything.
    """
    grid = make_grid(figure)
    order_columns(grid)
    heights = Heights(grid)
    heights.find()

    return _Layout(grid, heights).scene()


class _Layout:
    """
    A grid with heights, while it is given widths and curves.
    """

    def __init__(self, grid: Grid, heights: Heights) -> None:
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
        self.left, self.right = self._sides()

    def scene(self) -> Scene:
        """
        Put the parts together.
        """
        boxes = tuple(self._boxes())
        arrows = sorted(self._arrows(boxes), key=lambda placed: _ON_TOP[placed.arrow.role])
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

    def _sides(self) -> tuple[list[float], list[float]]:
        """
        Return the left and the right side of each column.
        """
        left, right = [], []
        x = MARGIN + ENTRY
        for number, column in enumerate(self.grid.columns):
            left.append(x)
            right.append(x + max(self.grid.slots[at].width for at in column))
            x = right[-1] + self._gap(number)

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
            yield PlacedBox(box, rect, wrap(box.name, WIDEST_NAME))

    def _arrows(self, boxes: Sequence[PlacedBox]) -> Iterator[PlacedArrow]:
        for at, route in self.grid.routes.items():
            arrow = self.figure.arrows[at]
            curve = simplify(self._way(route, boxes))
            if route[0] != arrow.source:
                curve = reverse(curve)
            yield PlacedArrow(arrow, *cut_for_head(curve), self._label(arrow, route))
        for box, at in self.grid.loops.items():
            rect, arrow = boxes[box].rect, self.figure.arrows[at]
            width, height = label_size(arrow)
            place = Rect(rect.middle[0] - width / 2, rect.y - LOOP - height, width, height)
            yield PlacedArrow(arrow, *loop(rect, LOOP), _make_label(arrow, place))

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
        slot, (width, height) = self.grid.slots[at], label_size(arrow)
        left, right = self.left[slot.column], self.right[slot.column]
        if slot.turn:
            place = Rect(left + TURN + LABEL_AIR, self.y[at] - height / 2, width, height)
            return _make_label(arrow, place, from_left=True)
        top = self.y[at] - LABEL_AIR - height

        return _make_label(arrow, Rect((left + right - width) / 2, top, width, height))


def _make_label(arrow: Arrow, rect: Rect, *, from_left: bool = False) -> Label:
    from_left = from_left or bool(arrow.badge)

    return Label(rect, label_lines(arrow), arrow.badge, badge_width(arrow), from_left)
