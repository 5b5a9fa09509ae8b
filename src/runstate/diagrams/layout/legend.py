"""
What the ways of drawing mean, as far as a figure uses them.
"""

from collections.abc import Callable
from typing import Final

from .._figure import Figure
from .._scene import EM_PER_CELL, LABEL_LINE, LABEL_SIZE, LegendEntry, Rect
from .._words import cells

__all__ = ["SAMPLE", "UNDRAWN", "legend_texts", "place_legend"]

SAMPLE: Final = 34.0
"""Width of a sample with the space after it."""
BETWEEN: Final = 26.0
"""Between two entries of a line."""
LINE: Final = LABEL_LINE + 5
UNDRAWN: Final = ("", "rare")
"""Samples that are no more than their text."""

_MEANINGS: Final[tuple[tuple[str, str, Callable[[Figure], bool]], ...]] = (
    ("current", "current status", lambda f: any(box.current for box in f.boxes)),
    ("path", "path of the run, moves numbered", lambda f: any(a.role == "path" for a in f.arrows)),
    ("gap", "moves between were not seen", lambda f: any(a.role == "gap" for a in f.arrows)),
    (
        "counted",
        "observed, wider is more often",
        lambda f: any(a.count and a.rows for a in f.arrows),
    ),
    (
        "time",
        "in the status before the move: median, p95",
        lambda f: any(a.dwell for a in f.arrows),
    ),
    (
        "faint",
        "not observed",
        lambda f: any(a.role == "faint" and a.count == 0 for a in f.arrows),
    ),
    ("illegal", "illegal", lambda f: any(a.role == "illegal" for a in f.arrows)),
    ("reopens", "reopens a run that has ended", lambda f: any(a.reopens for a in f.arrows)),
    (
        "inferred",
        "inferred: no source states it",
        lambda f: any(a.dash == "dashed" for a in f.arrows),
    ),
)


def legend_texts(figure: Figure) -> tuple[tuple[str, str], ...]:
    """
    Return what *figure* uses: the way of drawing, and its meaning.
    """
    used = [(sample, text) for sample, text, is_used in _MEANINGS if is_used(figure)]
    if figure.left_out:
        moves = "move" if figure.left_out == 1 else "moves"
        used.append(("", f"and {figure.left_out:,} more illegal {moves}, not drawn"))
    if figure.rare:
        moves = "1 move" if figure.rare == 1 else f"{figure.rare:,} moves"
        used.append(("rare", f"{moves} {_seldom(figure.least)}, not drawn"))

    return tuple(used)


def _seldom(least: int) -> str:
    return "never observed" if least == 1 else f"observed fewer than {least:,} times"


def place_legend(figure: Figure, x: float, y: float, width: float) -> tuple[LegendEntry, ...]:
    """
    Return the legend of *figure* in lines of at most *width*, from its upper left corner.
    """
    entries, right, start = [], x + width, x
    for sample, text in legend_texts(figure):
        wide = (0 if sample in UNDRAWN else SAMPLE) + cells(text) * LABEL_SIZE * EM_PER_CELL
        if start > x and start + wide > right:
            start, y = x, y + LINE
        entries.append(LegendEntry(sample, text, Rect(start, y, wide, LABEL_LINE)))
        start += wide + BETWEEN

    return tuple(entries)
