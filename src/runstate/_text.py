"""
Untrusted text made harmless to show.

Ids, statuses and reasons come from elsewhere and end in terminals, logs and
pages. This module is the one place that decides what "harmless" means.
"""

from collections.abc import Iterable
from reprlib import Repr
from typing import Final

__all__ = ["attribute", "markup", "printable", "shown_value", "suggestion"]

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


def shown_value(value: object, limit: int = 200) -> str:
    """
    Return any *value* as one line for a message: nested and long ones shortened, and never an error.
    """
    short = Repr()
    short.maxstring = short.maxother = limit
    try:
        text = short.repr(value)
    except Exception:  # noqa: BLE001  the value of a mistake must not hide the mistake
        text = f"<{type(value).__name__}>"

    return printable(text, limit)


def suggestion(name: object, known: Iterable[str]) -> str:
    """
    Return a question after the one of the *known* names that *name* may mean; empty if none is close.
    """
    from difflib import get_close_matches  # noqa: PLC0415  only for the message of a mistake

    # Letters in the wrong case are the closest of all, which difflib does not know.
    spelled = {str(each).casefold(): str(each) for each in known}
    close = get_close_matches(str(name).casefold(), spelled, n=1)

    return f" (did you mean '{printable(spelled[close[0]])}'?)" if close else ""
