"""
What is drawn, with its place: rectangles, texts and curves in pixels, y downwards.

This is all that the drawn formats know. Nothing in a scene overlaps: a curve meets
no label, and no box but those at its own ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Final

from ._figure import Arrow, Box, Figure

__all__ = ["Label", "LegendEntry", "PlacedArrow", "PlacedBox", "Point", "Rect", "Scene"]

EM_PER_CELL: Final = 0.6
NAME_SIZE: Final = 13.0
"""Font size of statuses."""
LABEL_SIZE: Final = 11.5
"""Font size of triggers, captions and the legend."""
NAME_LINE: Final = 17.0
"""Height of a line of a status."""
LABEL_LINE: Final = 15.0
"""Height of a line of any smaller text."""
HEAD: Final = 8.0
"""Length of an arrowhead."""

Point = tuple[float, float]
Curve = tuple[tuple[Point, ...], ...]
"""
The first holds the start; each other one the end of a straight line, or the two
control points and the end of a cubic one.
"""


@dataclass(frozen=True, slots=True)
class Rect:
    """
    A rectangle by its upper left corner and its size.
    """

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """X of its right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Y of its lower side."""
        return self.y + self.height

    @property
    def middle(self) -> Point:
        """The point in its middle."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """
    A box with its place.
    """

    box: Box
    rect: Rect
    lines: tuple[str, ...]
    """The name, wrapped."""


@dataclass(frozen=True, slots=True)
class Label:
    """
    The text at an arrow.
    """

    rect: Rect
    lines: tuple[str, ...]
    badge: str
    """Shown before the first line, in a pill; empty if there is none."""
    badge_width: float
    """Room for the pill; 0 without one. The text takes the rest of the rectangle."""
    from_left: bool
    """Whether the text begins at the left, else it is centred."""


@dataclass(frozen=True, slots=True)
class PlacedArrow:
    """
    An arrow with its way from source to target.
    """

    arrow: Arrow
    curve: Curve
    """Ends at the foot of the arrowhead."""
    tip: Point
    """Where the arrowhead meets its box."""
    label: Label


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """
    What one way of drawing means.
    """

    sample: str
    """The way: ``reopens``, ``inferred``, ``illegal``, ``path``, ``gap``, ``faint``, ``counted``, ``time``, ``current``, ``rare``, or empty."""
    text: str
    rect: Rect
    """Of sample and text together."""


@dataclass(frozen=True, slots=True)
class Scene:
    """
    A whole picture.
    """

    figure: Figure
    width: float
    height: float
    boxes: tuple[PlacedBox, ...]
    arrows: tuple[PlacedArrow, ...]
    """Those drawn on top come last."""
    entries: tuple[tuple[Point, Point], ...]
    """For each initial status, from the dot that a run comes from to the box it begins in."""
    legend: tuple[LegendEntry, ...]
    apart: float = inf
    """Pixels between the lines of two arrows that run side by side, at least."""

    @property
    def title(self) -> str:
        """The picture's name."""
        return f"Lifecycle {self.figure.lifecycle.name}"

    @property
    def summary(self) -> str:
        """The picture in a sentence or two."""
        lifecycle = self.figure.lifecycle
        ends = ", ".join(f"{status} ({what})" for status, what in lifecycle.terminal.items())

        reopen = f", {len(lifecycle.reopenings)} more that reopen" if lifecycle.reopenings else ""

        return (
            f"{len(lifecycle.statuses)} statuses and {len(lifecycle)} rows{reopen}. "
            f"A run is created {' or '.join(lifecycle.initial_statuses)} "
            f"and {f'ends {ends}' if ends else 'never ends'}."
        )


def walk_curve(curve: Curve, steps: int) -> Iterator[Point]:
    """
    Yield the points of *curve*, *steps* to each cubic piece.
    """
    (here,) = curve[0]
    yield here
    for piece in curve[1:]:
        if len(piece) == 1:
            yield piece[0]
        else:
            yield from (_bend(here, piece, k / steps) for k in range(1, steps + 1))
        here = piece[-1]


def _bend(start: Point, piece: tuple[Point, ...], t: float) -> Point:
    (x0, y0), ((x1, y1), (x2, y2), (x3, y3)) = start, piece
    a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3

    return a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3
