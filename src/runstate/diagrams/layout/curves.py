"""
The curves of arrows, as pieces from point to point.
"""

from collections.abc import Iterable
from typing import Final

from .._scene import HEAD, Curve, Point, Rect

__all__ = ["bend", "cut_for_head", "loop", "reverse", "simplify", "turn"]

Piece = tuple[Point, ...]

LOOP_WIDTH: Final = 26.0
OVERLAP: Final = 1.0
"""How far a line reaches into its arrowhead, so that no seam shows."""


def bend(start: Point, end: Point) -> Piece:
    """
    Return the cubic piece that is level at both ends.
    """
    middle = (start[0] + end[0]) / 2

    return (middle, start[1]), (middle, end[1]), end


def turn(start: Point, end: Point) -> Piece:
    """
    Return the half circle to the right that joins *start* to *end*, above or below it.
    """
    out = start[0] + abs(end[1] - start[1]) * 2 / 3

    return (out, start[1]), (out, end[1]), end


def loop(rect: Rect, height: float) -> tuple[Curve, Point]:
    """
    Return the curve of an arrow from the top of *rect* to itself, and the arrow's tip.
    """
    x = rect.middle[0]
    left, right = x - LOOP_WIDTH / 2, x + LOOP_WIDTH / 2
    peak = rect.y - height * 1.2
    foot = (right, rect.y - HEAD + OVERLAP)

    return (((left, rect.y),), ((left, peak), (right, peak), foot)), (right, rect.y)


def reverse(curve: Curve) -> Curve:
    """
    Return *curve* from its end to its start.
    """
    starts = [piece[-1] for piece in curve]
    pieces = zip(curve[:0:-1], starts[-2::-1], strict=True)

    return ((starts[-1],), *((*piece[-2::-1], start) for piece, start in pieces))


def simplify(pieces: Iterable[Piece]) -> Curve:
    """
    Return *pieces* as a curve, with level bends as lines and lines in a row as one.
    """
    kept: list[Piece] = []
    for piece in pieces:
        if kept and all(point[1] == kept[-1][-1][1] for point in piece):
            level = len(kept) > 1 and len(kept[-1]) == 1
            if level:
                kept.pop()
            kept.append((piece[-1],))
        else:
            kept.append(piece)

    return tuple(kept)


def cut_for_head(curve: Curve) -> tuple[Curve, Point]:
    """
    Return *curve* without the way under its arrowhead, and the arrow's tip.
    """
    tip = curve[-1][-1]
    before = curve[-2][-1]
    back = HEAD - OVERLAP if before[0] < tip[0] else OVERLAP - HEAD

    return (*curve[:-1], ((tip[0] - back, tip[1]),)), tip
