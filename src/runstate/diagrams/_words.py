"""
What is shown of a name, and how wide that is where every character takes whole cells.
"""

import re
import unicodedata
from typing import Final

from .._text import printable

__all__ = ["cells", "shown", "wrap"]

LONGEST_NAME: Final = 100
"""Characters of one name that are shown."""

_EMOJI_STYLE: Final = "\ufe0f"
_PARTS: Final = re.compile(r"[^ _\-./:]*[ _\-./:]*")
"""A word with the separators that follow it: lines break after those."""


def shown(name: str) -> str:
    """
    Return *name* harmless to show, and of bounded length also where it is all escapes.
    """
    return printable(printable(name, LONGEST_NAME), LONGEST_NAME) or "(empty)"


def cells(text: str) -> int:
    """
    Return how many cells of a monospace font *text* takes.
    """
    return sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if character == _EMOJI_STYLE:
        return 1
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0

    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str, widest: int) -> tuple[str, ...]:
    """
    Return *text* in lines of at most *widest* cells, which joined are *text* again.

    Lines break after a separator, and inside a word only if it is wider than a line.
    """
    if cells(text) <= widest:
        return (text,)
    lines = [""]
    for part in _PARTS.findall(text):
        for piece in _pieces(part, widest):
            if lines[-1] and cells(lines[-1] + piece) > widest:
                lines.append("")
            lines[-1] += piece

    return tuple(lines)


def _pieces(part: str, widest: int) -> list[str]:
    pieces = [""]
    for character in part:
        if cells(pieces[-1] + character) > widest:
            pieces.append("")
        pieces[-1] += character

    return pieces
