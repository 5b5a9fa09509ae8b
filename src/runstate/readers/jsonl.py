"""
One JSON value a line.

A line is what ends in a line feed, so that the number in a finding is the one an
editor shows. Blank lines are nothing; an array is so many records of one line.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from ..histories._records import Finding
from . import _source
from ._envelopes import is_json, is_partial, unwrapped
from ._parse import parse
from ._prose import OWN_LOG, what_it_is
from ._record import MOVE_EVENT, Interpreter, Read
from ._source import Source
from ._values import BadRecordError, too_large

__all__ = ["read_after_prose", "read_jsonl"]

_OWN: Final = MOVE_EVENT.encode()

_Line = tuple[int, bytes | None]
"""The number of a line, and the line; None where it is too large."""


def read_jsonl(source: Source, interpreter: Interpreter) -> Iterator[Read]:
    """
    Yield what each line of *source* says.
    """
    return _read(enumerate(source.lines(), 1), interpreter)


def read_after_prose(source: Source, interpreter: Interpreter) -> Iterator[Read]:
    """
    Yield that *source* begins in no format, and what it says from the first JSON object on.

    A server has often said something else before its log begins.
    """
    lines = enumerate(source.lines(), 1)
    told = False
    for number, line in lines:
        content = None if line is None else line.lstrip()
        if content and (content.startswith(b"{") or is_json(unwrapped(content) or b"")):
            yield from _read(chain([(number, line)], lines), interpreter)
            break
        if not told and (line is None or content):
            told = True
            yield interpreter.finding("RS901", what_it_is(content or b""), number)


def _read(lines: Iterable[_Line], interpreter: Interpreter) -> Iterator[Read]:
    observe = interpreter.observe
    begun = b""
    for number, line in lines:
        if line is None:
            yield interpreter.refusal(too_large("line", _source.LARGEST_RECORD), number)
        elif line and not line.isspace():
            try:
                value = parse(line)
            except BadRecordError as bad:
                rest = unwrapped(line.lstrip())
                if rest is None:
                    yield _refused(bad, line, number, interpreter)
                elif is_partial(line) and len(begun) <= _source.LARGEST_RECORD:
                    begun += rest
                else:
                    yield from _unwrapped(begun + rest, number, interpreter)
                    begun = b""
            else:
                yield from observe(value, number)


def _refused(bad: BadRecordError, line: bytes, number: int, interpreter: Interpreter) -> Finding:
    own = f"; {OWN_LOG}" if _OWN in line and not line.lstrip().startswith(b"{") else ""

    return interpreter.finding(bad.code, bad.reason + own, number)


def _unwrapped(rest: bytes, number: int, interpreter: Interpreter) -> Iterable[Read]:
    """
    Return what the *rest* of a line says that a collector of logs put something before.
    """
    if not is_json(rest):
        interpreter.pass_over("a line of a log that is not JSON", number)
        return ()
    try:
        value = parse(rest)
    except BadRecordError as bad:
        return (interpreter.refusal(bad, number),)

    return interpreter.observe(value, number)
