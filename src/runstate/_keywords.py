"""
Keywords that a function does not have, refused as Python refuses them.
"""

from collections.abc import Collection, Iterable
from typing import Final

from ._text import printable

__all__ = ["refuse_unknown"]

_MOST_NAMES: Final = 16


def refuse_unknown(function: str, given: Iterable[str], known: Collection[str]) -> None:
    """
    Refuse the first of the keywords *given* that is not *known*.

    Every function that takes ``**keywords`` and does not pass them on to another function calls
    this, so that a misspelt option is an error and never an option that is ignored.

    Args:
        function: Name of the function, for the message.
        given: Names of the keywords that the caller gave.
        known: Names of the keywords that the function has.

    Raises:
        TypeError: One of them is not known; the message suggests the closest known name.
    """
    for name in given:
        if name in known:
            continue
        from difflib import get_close_matches  # noqa: PLC0415  only for the message

        close = get_close_matches(name, known, n=1)
        # Other spellings of the same names come last.
        ordered = sorted(known, key=lambda each: (not each.islower(), each))
        listed = ", ".join(ordered[:_MOST_NAMES]) + (", …" if len(known) > _MOST_NAMES else "")
        hint = f"did you mean {close[0]!r}?" if close else f"known: {listed}"
        raise TypeError(f"{function}() got an unexpected keyword '{printable(name)}' ({hint})")
