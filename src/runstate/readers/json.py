"""
One JSON document: an array of records, or one object that is a record or holds a list of them.

An array is read element by element, however long it is. An object is read whole,
because a key that decides what it is may come last.
"""

from collections.abc import Iterator
from typing import Final

from ._elements import Cursor, elements
from ._parse import parse
from ._record import Interpreter, Read
from ._source import Source
from ._values import BadRecordError, too_large

__all__ = ["LARGEST_DOCUMENT", "read_json"]

LARGEST_DOCUMENT: Final = 64 * 1024 * 1024
"""Bytes of the largest document that is read whole."""


def read_json(source: Source, interpreter: Interpreter) -> Iterator[Read]:
    """
    Yield what the document that *source* is says.
    """
    cursor = Cursor(source)
    cursor.blank()
    ahead = cursor.peek()
    if ahead == b"[":
        yield from _read_array(cursor, interpreter)
    elif ahead:
        yield from _read_whole(cursor, interpreter)


def _read_array(cursor: Cursor, interpreter: Interpreter) -> Iterator[Read]:
    for element in elements(cursor):
        try:
            if element.fault:
                raise element.fault
            value = parse(element.text, element.line)
        except BadRecordError as bad:
            yield interpreter.refusal(bad, element.line)
        else:
            yield from interpreter.observe([value], element.line)


def _read_whole(cursor: Cursor, interpreter: Interpreter) -> Iterator[Read]:
    line, document = cursor.line, bytearray()
    while cursor.peek():
        document += cursor.text[cursor.place :]
        cursor.place = len(cursor.text)
        if len(document) > LARGEST_DOCUMENT:
            yield interpreter.refusal(too_large("document", LARGEST_DOCUMENT), line)
            return
    try:
        value = parse(bytes(document), line)
    except BadRecordError as bad:
        hint = "; one value a line is --format jsonl" if "follows the value" in bad.reason else ""
        yield interpreter.finding(bad.code, bad.reason + hint, line)
    else:
        yield from interpreter.observe(value, line)
