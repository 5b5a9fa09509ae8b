"""
How much room a picture may take: the widths at which its texts wrap, and its columns.
"""

from typing import Final, NamedTuple

from .._figure import Arrow
from .._scene import EM_PER_CELL, LABEL_LINE, LABEL_SIZE
from .._words import cells

__all__ = ["FITS", "ROOMY", "Fit", "badge_width", "label_lines", "label_size"]

BADGE_PADDING: Final = 9.0
BADGE_APART: Final = 4.0
"""Between the pill and the text."""


class Fit(NamedTuple):
    """
    One way to be narrower or wider.
    """

    name: int
    """Characters in a line of a status."""
    label: int
    """Characters in a line of a label."""
    lane: float
    """Pixels between two parallel lines of a ladder."""


ROOMY: Final = Fit(22, 26, 12.0)
"""Where nobody asks for a width."""
FITS: Final = (ROOMY, Fit(17, 20, 11.0), Fit(14, 15, 10.0), Fit(12, 12, 9.0), Fit(11, 10, 7.0))
"""From wide to narrow. The narrowest still holds most words of the presets without a break."""


def label_lines(arrow: Arrow, fit: Fit) -> tuple[str, ...]:
    """
    Return what *arrow*'s label says, wrapped for *fit*.
    """
    return arrow.label(fit.label)


def badge_width(arrow: Arrow) -> float:
    """
    Return the width of the pill with *arrow*'s steps and what keeps it apart; 0 without steps.
    """
    if not arrow.badge:
        return 0.0

    return cells(arrow.badge) * LABEL_SIZE * EM_PER_CELL + BADGE_PADDING + BADGE_APART


def label_size(arrow: Arrow, fit: Fit) -> tuple[float, float]:
    """
    Return width and height of *arrow*'s label.
    """
    lines = label_lines(arrow, fit)
    text = max(map(cells, lines)) * LABEL_SIZE * EM_PER_CELL

    return text + badge_width(arrow), len(lines) * LABEL_LINE
