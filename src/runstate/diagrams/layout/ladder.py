"""
A picture from top to bottom: the statuses in one column, their arrows beside it.

An arrow leaves its status on a level line of its own, with its label at the beginning,
goes up or down in a lane, and enters its target on a level line. Arrows into one status
share their lane. Level lines lie in the rows of their own boxes and lanes right of all
labels, so no arrow can meet a label or a box that is not its own, however narrow it gets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from .._figure import Arrow, Figure
from .._scene import Label, PlacedArrow, PlacedBox, Point, Rect, Scene
from .._words import wrap
from .curves import Piece, cut_for_head
from .fit import Fit, badge_width, label_lines, label_size
from .grid import box_size
from .legend import place_legend
from .place import ON_TOP
from .ranks import rank_boxes

__all__ = ["place_ladder"]

MARGIN: Final = 14.0
ENTRY: Final = 24.0
"""From the dot that a run comes from to its box."""
ROW: Final = 16.0
"""Height of a row in which arrows enter."""
EDGE: Final = 7.0
"""Least distance of a row from the upper or the lower side of its box."""
BOXES_APART: Final = 14.0
LABEL_AIR: Final = 3.0
"""Between a label and its line, and between a line and what is below."""
LEAD: Final = 14.0
"""From a box to the labels of its arrows, which holds arrowheads."""
LEAST_LANE: Final = 3.0
CORNER: Final = 6.0
"""Radius of the corners of arrows."""

Way = tuple[int, bool]
"""A lane's target, and whether its arrows are illegal, which share no lane with others."""


@dataclass(slots=True)
class _Rows:
    """
    The heights at which one box is entered and left.
    """

    top: float
    height: float
    enters: dict[bool, float]
    """By whether what enters is illegal."""
    leaves: dict[int, float]
    """By the number of the arrow."""


class _Lane(NamedTuple):
    """
    The heights between which the arrows of one way go up and down.
    """

    top: float
    bottom: float
    way: Way

    def meets(self, other: "_Lane") -> bool:
        """
        Return whether the two cannot be in one place.
        """
        return self.top - CORNER <= other.bottom and other.top - CORNER <= self.bottom


def place_ladder(figure: Figure, fit: Fit, width: float | None = None) -> Scene:
    """
    Return *figure* from top to bottom, as narrow as *fit* lets it be.

    With *width*, lanes move closer together where that makes it fit.
    """
    return _Ladder(figure, fit, width).scene()


class _Ladder:
    """
    A figure while it is given rows, then lanes.
    """

    def __init__(self, figure: Figure, fit: Fit, width: float | None) -> None:
        self.figure, self.fit = figure, fit
        ranks = rank_boxes(figure)
        self.order = sorted(range(len(figure.boxes)), key=lambda box: (ranks[box], box))
        self.place = {box: at for at, box in enumerate(self.order)}
        sizes = [box_size(box, fit, 1) for box in figure.boxes]
        begins = any(box.initial for box in figure.boxes)
        self.left = MARGIN + (ENTRY if begins else 0.0)
        self.right = self.left + max(width for width, _ in sizes)
        self.rows = dict(self._stacked([height for _, height in sizes]))
        labels = max((label_size(arrow, fit)[0] for arrow in figure.arrows), default=0.0)
        start = self.right + LEAD + labels + LEAD / 2
        packed = self._packed()
        apart = fit.lane
        if width is not None and packed:
            room = (width - MARGIN - start) / max(1, len(packed) - 1)
            apart = min(max(room, LEAST_LANE), apart)
        self.apart = apart
        self.lanes = {
            lane.way: start + at * apart for at, column in enumerate(packed) for lane in column
        }

    def scene(self) -> Scene:
        """
        Put the parts together.
        """
        last = self.rows[self.order[-1]]
        bottom = last.top + last.height
        wide = max(self.lanes.values(), default=self.right) + MARGIN
        legend = place_legend(self.figure, MARGIN, bottom + MARGIN, wide - 2 * MARGIN)
        if legend:
            bottom = max(entry.rect.bottom for entry in legend)
            wide = max(wide, *(entry.rect.right + MARGIN for entry in legend))
        boxes = tuple(self._boxes())
        arrows = [self._arrow(at, arrow) for at, arrow in enumerate(self.figure.arrows)]
        entries = tuple(
            ((MARGIN + 5, placed.rect.middle[1]), (placed.rect.x, placed.rect.middle[1]))
            for placed in boxes
            if placed.box.initial
        )

        return Scene(
            self.figure,
            wide,
            bottom + MARGIN,
            boxes,
            tuple(sorted(arrows, key=lambda placed: ON_TOP[placed.arrow.role])),
            entries,
            legend,
            self.apart,
        )

    def _stacked(self, heights: Sequence[float]) -> Iterator[tuple[int, _Rows]]:
        """
        Yield the rows of each box, from top to bottom.
        """
        top = MARGIN
        for box in self.order:
            y = top + EDGE
            enters: dict[bool, float] = {}
            for illegal in sorted({self._way(a)[1] for a in self.figure.arrows if a.target == box}):
                enters[illegal] = y + ROW / 2
                y += ROW
            leaves: dict[int, float] = {}
            for at in self._leaving(box):
                y += label_size(self.figure.arrows[at], self.fit)[1] + LABEL_AIR
                leaves[at] = y
                y += LABEL_AIR
            rows = _Rows(top, max(heights[box], y + EDGE - top), enters, leaves)
            if not leaves:
                # What only is entered is entered in its middle.
                lower = (rows.height - (y + EDGE - top)) / 2
                rows.enters = {illegal: y + lower for illegal, y in enters.items()}
            yield box, rows
            top += rows.height + BOXES_APART

    def _leaving(self, box: int) -> list[int]:
        """
        Return the arrows from *box* in an order with few crossings.

        Those that go up come first, the nearest first; then those that go down, the farthest first.
        """
        here = self.place[box]
        arrows = self.figure.arrows

        def rank(at: int) -> tuple[bool, int, int]:
            to = self.place[arrows[at].target]
            return (to > here, -to, at)

        return sorted((at for at, a in enumerate(arrows) if a.source == box), key=rank)

    def _way(self, arrow: Arrow) -> Way:
        return arrow.target, arrow.role == "illegal"

    def _packed(self) -> list[list[_Lane]]:
        """
        Return the lanes from left to right; short ones come first, and those apart share a place.
        """
        heights: dict[Way, list[float]] = {}
        for at, arrow in enumerate(self.figure.arrows):
            way = self._way(arrow)
            ends = heights.setdefault(way, [self.rows[way[0]].enters[way[1]]])
            ends.append(self.rows[arrow.source].leaves[at])
        lanes = [_Lane(min(ends), max(ends), way) for way, ends in heights.items()]
        packed: list[list[_Lane]] = []
        for lane in sorted(lanes, key=lambda lane: (lane.bottom - lane.top, lane.way)):
            shared = next((column for column in packed if not any(map(lane.meets, column))), None)
            if shared is None:
                packed.append([lane])
            else:
                shared.append(lane)

        return packed

    def _boxes(self) -> Iterator[PlacedBox]:
        for at, box in enumerate(self.figure.boxes):
            rows = self.rows[at]
            rect = Rect(self.left, rows.top, self.right - self.left, rows.height)
            yield PlacedBox(box, rect, wrap(box.name, self.fit.name))

    def _arrow(self, at: int, arrow: Arrow) -> PlacedArrow:
        way = self._way(arrow)
        y, end = self.rows[arrow.source].leaves[at], self.rows[arrow.target].enters[way[1]]
        curve = (((self.right, y),), *_detour((self.right, y), self.lanes[way], end))
        width, height = label_size(arrow, self.fit)
        rect = Rect(self.right + LEAD, y - LABEL_AIR - height, width, height)
        lines = label_lines(arrow, self.fit)
        label = Label(rect, lines, arrow.badge, badge_width(arrow), from_left=True)

        return PlacedArrow(arrow, *cut_for_head(curve), label)


def _detour(start: Point, lane: float, end: float) -> Iterator[Piece]:
    """
    Yield the pieces from *start* to the right, along *lane* to the height *end*, and back.
    """
    x, y = start
    turn = min(CORNER, abs(end - y) / 2)
    on = turn if end > y else -turn
    yield ((lane - turn, y),)
    yield (lane - turn / 2, y), (lane, y + on / 2), (lane, y + on)
    yield ((lane, end - on),)
    yield (lane, end - on / 2), (lane - turn / 2, end), (lane - turn, end)
    yield ((x, end),)
