"""
Untrusted text made harmless to show.

Ids, statuses and reasons come from elsewhere and end in terminals, logs and
pages. This module is the one place that decides what "harmless" means.
"""

from typing import Final

__all__ = ["attribute", "markup", "printable"]

LONGEST_SHOWN = 200
"""Characters of one untrusted text that are shown."""

_MARKUP: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def printable(text: str, longest: int = LONGEST_SHOWN) -> str:
    r"""
    Return *text* on one line, with nothing in it that acts on a terminal or a reader's eye.

    Line breaks, control and escape codes, bidi controls, invisible and unpaired
    characters become their ``\x1b``-like escapes; beyond *longest* characters the
    text is cut and ends in an ellipsis.
    """
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isprintable():
        return text

    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def markup(text: str) -> str:
    """
    Return *text*, printable and whole, as the content of an element of XML.
    """
    return printable(text, len(text) + 1).translate(_MARKUP)


def attribute(text: str) -> str:
    """
    Return *text*, printable and whole, as the value of an attribute of XML, quoted.
    """
    return f'"{markup(text)}"'
