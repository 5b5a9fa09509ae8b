"""
A mark for each outcome, so that none is told by its colour alone.
"""

from typing import Final

from ..lifecycle._rows import Outcome
from ._scene import Curve, Point

__all__ = ["mark_curves"]

_RADIUS: Final = 5.0
_ROUND: Final = 0.5523 * _RADIUS
"""How far a control point of a quarter of a circle lies from its end."""

_CIRCLE: Final[Curve] = (
    ((0.0, -_RADIUS),),
    ((_ROUND, -_RADIUS), (_RADIUS, -_ROUND), (_RADIUS, 0.0)),
    ((_RADIUS, _ROUND), (_ROUND, _RADIUS), (0.0, _RADIUS)),
    ((-_ROUND, _RADIUS), (-_RADIUS, _ROUND), (-_RADIUS, 0.0)),
    ((-_RADIUS, -_ROUND), (-_ROUND, -_RADIUS), (0.0, -_RADIUS)),
)

_MARKS: Final[dict[Outcome, tuple[Curve, ...]]] = {
    "success": ((((-4.5, 0.5),), ((-1.5, 3.7),), ((4.7, -3.5),)),),
    "failure": ((((-3.7, -3.7),), ((3.7, 3.7),)), (((3.7, -3.7),), ((-3.7, 3.7),))),
    "error": ((((0.0, -5.0),), ((0.0, 1.2),)), (((0.0, 4.7),), ((0.0, 4.8),))),
    "timeout": (_CIRCLE, (((0.0, -2.8),), ((0.0, 0.3),), ((2.2, 1.6),))),
    "cancelled": (_CIRCLE, (((-3.5, 3.5),), ((3.5, -3.5),))),
    "incomplete": tuple((((x, 0.0),), ((x + 0.1, 0.0),)) for x in (-4.4, 0.0, 4.4)),
}


def mark_curves(outcome: Outcome, middle: Point) -> tuple[Curve, ...]:
    """
    Return the curves of *outcome*'s mark around *middle*.
    """
    x, y = middle

    return tuple(
        tuple(tuple((x + px, y + py) for px, py in piece) for piece in curve)
        for curve in _MARKS[outcome]
    )
