"""
JSON text to values, with nothing lost silently and nothing that overflows.

``pydantic_core`` parses: it bounds the depth, refuses ``NaN`` and unpaired
surrogates, and answers ``ValueError`` to everything. Like every parser it keeps
the last of several equal keys, which nobody could tell afterwards; so the value
is written back, and where quotation marks have gone missing on the way, parsed a
second time by one that shows the pairs.
"""

import re
from collections import Counter
from json import loads
from typing import Any, Final

from pydantic_core import from_json, to_json

from .._text import printable
from ._values import BadRecordError

__all__ = ["Doubled", "parse"]

_REASONS: Final = (
    ("EOF while parsing", "it ends in the middle"),
    ("recursion limit", "it is nested too deeply"),
    ("number out of range", "a number has too many digits"),
    ("invalid unicode", "it is not UTF-8"),
    ("lone leading surrogate", "an escape is half of a surrogate pair"),
    ("unexpected end of hex escape", "an escape is half of a surrogate pair, or incomplete"),
    ("trailing characters", "something follows the value"),
    ("trailing comma", "something is missing after a comma"),
    ("expected `:`", "a colon is missing after a key"),
    ("expected `,`", "a comma or a bracket is missing"),
    ("invalid escape", "a string holds an unknown escape"),
    ("invalid number", "a number is misspelt"),
    ("control character", "a string holds a raw control character"),
    ("expected value", "a value is missing or misspelt"),
    ("expected ident", "a value is missing or misspelt"),
    ("key must be a string", "a key is not a string in double quotes"),
)
"""How the parser's messages begin, and what is said instead."""
_PLACE: Final = re.compile(r"(.*) at line (\d+) column (\d+)", re.DOTALL)


class Doubled(dict[str, Any]):
    """
    An object that gave some of its keys more than once. It holds the last of each.
    """

    twice: frozenset[str] = frozenset()
    """The keys given more than once."""


def parse(raw: bytes, line: int = 1) -> Any:
    """
    Return the value that *raw* is, in which objects with repeated keys are :class:`Doubled`.

    *line* is where *raw* begins, from 1, for the message.

    Raises:
        BadRecordError: It is not one JSON value.
    """
    try:
        value = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise BadRecordError("RS901", _reason(str(error), line)) from None
    if _kept_all(raw, value):
        return value

    try:
        # The first parse bounded depth, digits and encoding for this one.
        return loads(raw, object_pairs_hook=_with_doubles)
    except RecursionError:
        raise BadRecordError("RS901", "not JSON: it is nested too deeply") from None


def _kept_all(raw: bytes, value: Any) -> bool:
    """
    Return whether *value* certainly has every pair of *raw*, without looking at any.

    A lost pair takes two quotation marks with it, or more; only an escaped mark in a
    string could make up for that.
    """
    marks = raw.count(b'"')
    if type(value) is dict and b"\\" not in raw:
        # Three times faster than writing it back, where nothing is nested.
        strings = [*map(type, value.values())].count(str)
        if marks == 2 * (len(value) + strings):
            return True

    return marks == to_json(value).count(b'"') and b"\\u0022" not in raw


def _with_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    doubled = Doubled(value)
    counts = Counter(key for key, _ in pairs)
    doubled.twice = frozenset(key for key, count in counts.items() if count > 1)

    return doubled


def _reason(message: str, line: int) -> str:
    place = _PLACE.fullmatch(message)
    what, row, column = place.groups() if place else (message, "1", "0")
    said = next((ours for theirs, ours in _REASONS if what.startswith(theirs)), printable(what))
    where = (
        f" (column {column})" if row == "1" else f" (line {line + int(row) - 1}, column {column})"
    )

    return f"not JSON: {said}{where if place else ''}"
