"""
Lines of ``key=value``, as logfmt and structlog's console renderer write them.

What stands before the first pair is the time, the level and the event. A value in quotes may hold
blanks; ``None``, ``null`` and an empty one are null.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from . import _source
from ._envelopes import unwrapped
from ._parse import parse
from ._record import LINE, Interpreter, Read
from ._source import Source
from ._values import TIME_KEYS, BadRecordError, too_large

__all__ = ["is_logfmt", "read_logfmt"]

_PAIR: Final = re.compile(
    r"""(?<![^\s,])([A-Za-z_@][\w.@-]*)=("(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|[^\s"']*+)"""
)
_ESCAPED: Final = re.compile(r"\\(.)")
_COLOUR: Final = re.compile(r"\x1b\[[\d;]*m")
_HEAD: Final = re.compile(
    r"(?P<timestamp>\d{4}-\d\d-\d\d[T ][\d:.,]+\S*)?\s*(?:\[\s*(?P<level>\w+)\s*\])?"
)
_WHOLE: Final = re.compile(r"\d{1,19}")
_FEWEST: Final = 2
"""Pairs in a line of which one can say that it is made of pairs."""


def is_logfmt(line: bytes) -> bool:
    """
    Return whether *line* is made of pairs.
    """
    return len(_PAIR.findall(_text(line))) >= _FEWEST


def read_logfmt(source: Source, interpreter: Interpreter) -> Iterator[Read]:
    """
    Yield what each line of *source* says. A line without pairs is about something else.

    Where lines for people are taken apart, each is a key of its record.
    """
    for number, line in enumerate(source.lines(), 1):
        if line is None:
            yield interpreter.refusal(too_large("line", _source.LARGEST_RECORD), number)
        elif line and not line.isspace():
            try:
                record = _record(line)
                if interpreter.takes_lines and not line.lstrip().startswith(b"{"):
                    plain = _COLOUR.sub("", line.decode("utf-8", "replace"))
                    record[LINE] = " ".join(plain.split())
            except BadRecordError as bad:
                yield interpreter.refusal(bad, number)
                continue
            if record:
                yield from interpreter.observe(record, number)
            else:
                interpreter.pass_over("a line without key=value", number)


def _record(line: bytes) -> Any:
    """
    Return the record that *line* is, of pairs or of JSON among lines of pairs; empty if of neither.

    Raises:
        BadRecordError: It is not JSON although it begins so, or a key is given twice.
    """
    if line.lstrip().startswith(b"{"):
        return parse(line)
    text = _text(line)
    record = _pairs(text)

    return {**_head(text), **record} if record else record


def _text(line: bytes) -> str:
    return _COLOUR.sub("", (unwrapped(line) or line).decode("utf-8", "replace"))


def _pairs(text: str) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in _PAIR.findall(text):
        if key in record:
            raise BadRecordError("RS903", f"given more than once: '{key}'")
        record[key] = _value(key, value.removesuffix(","))

    return record


def _value(key: str, text: str) -> Any:
    if text[:1] in ('"', "'"):
        return _ESCAPED.sub(r"\1", text[1:-1])
    if text in ("", "None", "null"):
        return None

    return int(text) if (key in (*TIME_KEYS, "seq") and _WHOLE.fullmatch(text)) else text


def _head(text: str) -> dict[str, str]:
    """
    Return what stands before the first pair: the time and the event.
    """
    first = _PAIR.search(text)
    before = text[: first.start()] if first else text
    match = _HEAD.match(before)
    found = {key: value for key, value in match.groupdict().items() if value} if match else {}
    event = before[match.end() :].strip() if match else ""

    return {**found, **({"event": event} if event else {})}
