"""
The columns of a picture, and what has a slot in them.

Columns alternate: even ones hold boxes, odd ones the labels between them. An arrow
has a slot of its own in every column that it crosses, and its label is in one of
those, so no arrow can meet a label or a box that is not its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from .._figure import Arrow, Box, Figure
from .._scene import EM_PER_CELL, LABEL_LINE, LABEL_SIZE, NAME_LINE, NAME_SIZE
from .._words import cells, wrap
from .fit import ROOMY, Fit, label_size
from .ranks import rank_boxes

__all__ = ["Grid", "Slot", "box_size", "enters_from_below", "make_grid"]

PORT: Final = 13.0
"""Least distance between two arrows that meet a box on the same side."""
PORT_MARGIN: Final = 9.0
"""Least distance of an arrow from a corner."""
TURN: Final = 7.0
"""Radius of the turn of an arrow between two boxes of one column."""
LOOP: Final = 22.0
"""Height of the loop of an arrow from a box to itself."""
ENTRY_BELOW: Final = 28.0
"""Room below a box for the arrow of a run that begins in it."""
MARK: Final = 18.0
"""Width of the mark of an outcome, with what keeps it from the name."""


@dataclass(slots=True)
class Slot:
    """
    A place in a column: a box, a label above its line, or a line alone.
    """

    column: int
    up: float
    """Room needed above its line, or above the middle of its box."""
    down: float
    width: float = 0.0
    box: int | None = None
    """Index of the box in it."""
    arrow: int | None = None
    """Index of the arrow through it."""
    labelled: bool = False
    """Whether the arrow's label is here."""
    turn: bool = False
    """Whether the arrow turns here, and goes back to the column it came from."""
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    """Slots in the neighbouring columns that it is joined to."""


@dataclass(slots=True)
class Grid:
    """
    Slots in columns, joined along the arrows.
    """

    figure: Figure
    slots: list[Slot]
    """Those of the boxes come first, in their order."""
    columns: list[list[int]]
    """Slots of each column, from top to bottom."""
    routes: dict[int, list[int]]
    """Slots of each arrow from left to right; of one that turns, both its boxes around the turn."""
    loops: dict[int, int]
    """The arrow of a box to itself."""
    box_sizes: list[tuple[float, float]]
    """Width and height of each box, without its loop."""
    fit: Fit = ROOMY


def make_grid(figure: Figure, fit: Fit = ROOMY, most_columns: int | None = None) -> Grid:
    """
    Return the grid of *figure*, each column in an order still to be improved.

    With *most_columns*, statuses share as few columns as that.
    """
    ranks = rank_boxes(figure, most_columns)
    loops = {a.source: at for at, a in enumerate(figure.arrows) if a.source == a.target}
    sizes = [
        box_size(box, fit, _busiest_side(figure, ranks, at)) for at, box in enumerate(figure.boxes)
    ]
    grid = Grid(figure, [], [], {}, loops, sizes, fit)
    slots = grid.slots
    slots += [_box_slot(grid, ranks, at) for at in range(len(figure.boxes))]
    _route_all(grid, ranks)
    grid.columns = [[] for _ in range(1 + max(slot.column for slot in slots))]
    for at, slot in enumerate(slots):
        grid.columns[slot.column].append(at)

    return grid


def _busiest_side(figure: Figure, ranks: Sequence[int], box: int) -> int:
    """
    Return how many arrows meet *box* on the side where more do.
    """
    left = right = 0
    for arrow in figure.arrows:
        if box in (arrow.source, arrow.target) and arrow.source != arrow.target:
            other = arrow.target if box == arrow.source else arrow.source
            left += ranks[other] < ranks[box]
            right += ranks[other] >= ranks[box]

    return max(left, right)


def box_size(box: Box, fit: Fit, arrows: int) -> tuple[float, float]:
    """
    Return width and height of *box*, which *arrows* meet on one side.
    """
    lines = wrap(box.name, fit.name)
    name = max(map(cells, lines)) * NAME_SIZE * EM_PER_CELL + (MARK if box.outcome else 0)
    caption = cells(box.caption) * LABEL_SIZE * EM_PER_CELL
    height = len(lines) * NAME_LINE + (LABEL_LINE if box.caption else 0) + 18
    side = (arrows - 1) * PORT + 2 * PORT_MARGIN

    return max(name, caption) + 28, max(height, side, 38.0)


def _box_slot(grid: Grid, ranks: Sequence[int], box: int) -> Slot:
    """
    Return the slot of a box, with room for its loop and the loop's label above it.
    """
    figure = grid.figure
    width, height = grid.box_sizes[box]
    up = height / 2 + 4
    if box in grid.loops:
        label_width, label_height = label_size(figure.arrows[grid.loops[box]], grid.fit)
        up += LOOP + label_height
        width = max(width, label_width)

    down = height / 2 + 4
    if enters_from_below(figure.boxes[box], 2 * ranks[box]):
        down += ENTRY_BELOW

    return Slot(2 * ranks[box], up, down, width, box=box)


def enters_from_below(box: Box, column: int) -> bool:
    """
    Return whether a run that begins in *box* comes from below: arrows reach its left side.
    """
    return box.initial and column > 0


def _route_all(grid: Grid, ranks: Sequence[int]) -> None:
    """
    Give each arrow its slots, the short ones first; its label stands right beside its source.
    """
    arrows = grid.figure.arrows
    spans = {at: abs(ranks[a.source] - ranks[a.target]) for at, a in enumerate(arrows)}
    for at in sorted(spans, key=lambda at: (spans[at], at)):
        arrow = arrows[at]
        if arrow.source == arrow.target:
            continue
        ends = sorted((arrow.source, arrow.target), key=lambda box: ranks[box])
        first, last = 2 * ranks[ends[0]], 2 * ranks[ends[1]]
        home = first + 1 if ends[0] == arrow.source else max(last, first + 2) - 1
        inner = [
            _line_slot(arrow, at, c, grid.fit if c == home else None)
            for c in range(first + 1, max(last, first + 2))
        ]
        if first == last:
            inner = [_turn_slot(arrow, at, first + 1, grid.fit)]
        start = len(grid.slots)
        grid.slots += inner
        _join(grid, at, [ends[0], *range(start, start + len(inner)), ends[1]])


def _join(grid: Grid, arrow: int, route: list[int]) -> None:
    grid.routes[arrow] = route
    slots = grid.slots
    for here, there in pairwise(route):
        # The second half of a turn leads back to the left.
        left, right = (here, there) if slots[here].column < slots[there].column else (there, here)
        slots[left].right.append(right)
        slots[right].left.append(left)


def _line_slot(arrow: Arrow, at: int, column: int, label: Fit | None) -> Slot:
    if label is None:
        return Slot(column, 5.0, 5.0, arrow=at)
    width, height = label_size(arrow, label)

    return Slot(column, height + 5, 5.0, width, arrow=at, labelled=True)


def _turn_slot(arrow: Arrow, at: int, column: int, fit: Fit) -> Slot:
    width, height = label_size(arrow, fit)
    half = max(height / 2, TURN) + 4

    return Slot(column, half, half, width + TURN + 8, arrow=at, labelled=True, turn=True)
