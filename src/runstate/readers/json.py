"""
JSON documents that follow each other: arrays of records, and objects that are or hold some.

An array is read element by element, however long it is. An object is read whole,
because a key that decides what it is may come last.
"""

import re
from collections.abc import Generator, Iterator
from typing import Final

from ._elements import Cursor, elements
from ._lines import lines_within
from ._parse import parse
from ._record import Interpreter, Read
from ._source import Source
from ._values import BadRecordError, too_large

__all__ = ["LARGEST_DOCUMENT", "read_json"]

LARGEST_DOCUMENT: Final = 64 * 1024 * 1024
"""Bytes of the largest document that is read whole."""

_BEGINNING: Final = re.compile(rb"\n[ \t]*(?=[\[{])")
"""How a document begins that follows something else."""


def read_json(source: Source, interpreter: Interpreter) -> Iterator[Read]:
    """
    Yield what the document that *source* is says, or the documents that follow each other in it.
    """
    cursor = Cursor(source)
    cursor.blank()
    while ahead := cursor.peek():
        line = cursor.line
        if ahead == b"[":
            whole = yield from _read_array(cursor, interpreter)
            if not whole:
                return
        elif ahead == b"{":
            yield from _read_object(cursor, interpreter)
        else:
            cursor.kept = bytearray()
            yield from _read_rest(cursor, interpreter, line)
        cursor.blank()
        if ahead in (b"[", b"{") and cursor.peek() not in (b"", b"[", b"{"):
            what = "array" if ahead == b"[" else "value"
            yield interpreter.finding(
                "RS901", f"not JSON: something follows the {what}", cursor.line
            )
            return


def _read_array(cursor: Cursor, interpreter: Interpreter) -> Generator[Read, None, bool]:
    """
    Yield what each element says; return whether the end of the array was found.
    """
    whole = True
    for element in elements(cursor):
        whole = element.ended
        try:
            if element.fault:
                raise element.fault
            value = parse(element.text, element.line)
        except BadRecordError as bad:
            yield interpreter.refusal(bad, element.line)
        else:
            interpreter.lines = lines_within(value, element.text, element.line)
            yield from interpreter.observe([value], element.line)

    return whole


def _read_object(cursor: Cursor, interpreter: Interpreter) -> Iterator[Read]:
    element = cursor.element(LARGEST_DOCUMENT)
    if element.fault and not element.ended:
        yield from _read_rest(cursor, interpreter, element.line)
        return
    if element.fault:
        yield interpreter.refusal(too_large("document", LARGEST_DOCUMENT), element.line)
        return
    try:
        value = parse(element.text, element.line)
    except BadRecordError as bad:
        yield interpreter.finding(bad.code, bad.reason, element.line)
    else:
        interpreter.lines = lines_within(value, element.text, element.line)
        yield from interpreter.observe(value, element.line)


def _read_rest(cursor: Cursor, interpreter: Interpreter, line: int) -> Iterator[Read]:
    """
    Yield what is wrong with the rest of the stream, whose value began in *line* and has no end.
    """
    document = bytearray(cursor.kept or b"")
    while cursor.peek() and len(document) <= LARGEST_DOCUMENT:
        document += cursor.text[cursor.place :]
        cursor.place = len(cursor.text)
    if cursor.kept is None or len(document) > LARGEST_DOCUMENT:
        yield interpreter.refusal(too_large("document", LARGEST_DOCUMENT), line)
        return
    try:
        value = parse(bytes(document), line)
    except BadRecordError as bad:
        yield interpreter.finding(bad.code, bad.reason, line)
    else:
        yield from interpreter.observe(value, line)
