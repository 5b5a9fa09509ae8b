"""
The lines of the objects in a JSON document that has more than one.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ._parse import Doubled

__all__ = ["lines_within"]

_TO_OBJECT: Final = re.compile(rb'[^"{]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{]*+)*+\{', re.DOTALL)
"""Everything up to the next object; a bracket inside a string begins none."""


def lines_within(value: Any, text: bytes, line: int) -> Mapping[int, int]:
    """
    Return the line of each object in *value* by its ``id()``, if they do not all begin in one.

    The objects of a text come in the order of its opening brackets. Where the two cannot be
    matched, because a key was given twice, no line is known.

    Args:
        value: What *text* was parsed to.
        text: The JSON text of one value.
        line: The line that *text* begins in, from 1.
    """
    if b"\n" not in text:
        return {}
    places: list[int] = []
    place = 0
    while match := _TO_OBJECT.match(text, place):
        line += match[0].count(b"\n")
        places.append(line)
        place = match.end()
    objects = [*_objects(value)]
    if len(objects) != len(places) or any(isinstance(each, Doubled) for each in objects):
        return {}

    return {id(each): place for each, place in zip(objects, places, strict=True)}


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """
    Yield every object of *value* in the order in which they begin.
    """
    ahead = [value]
    while ahead:
        value = ahead.pop()
        if isinstance(value, dict):
            yield value
            ahead.extend(reversed(value.values()))
        elif isinstance(value, list):
            ahead.extend(reversed(value))
