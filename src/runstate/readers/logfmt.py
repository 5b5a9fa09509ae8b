"""
Lines of ``key=value``, as logfmt and structlog's console renderer write them.

What stands before the first pair is the time, the level and the event. A value in quotes may hold
blanks; ``None``, ``null`` and an empty one are null.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from . import _source
from ._envelopes import unwrapped
from ._parse import Doubled, parse
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

    A line that names no status is the first of a record of several lines, as ``scontrol show job``
    prints them, where indented ones follow. Where lines for people are taken apart, each is a key
    of its record.
    """
    begun: tuple[dict[str, Any], int] | None = None
    for number, line in enumerate(source.lines(), 1):
        if begun is not None and line is not None and _continues(line):
            _add(begun[0], _text(line))
            continue
        if begun is not None:
            yield from interpreter.observe(*begun)
            begun = None
        if line is None:
            yield interpreter.refusal(too_large("line", _source.LARGEST_RECORD), number)
        elif line and not line.isspace():
            try:
                record = _record(line, interpreter)
            except BadRecordError as bad:
                yield interpreter.refusal(bad, number)
                continue
            if _may_go_on(line, record, interpreter):
                begun = (_as_doubled(record), number)
            else:
                yield from _said(record, number, interpreter)
    if begun is not None:
        yield from interpreter.observe(*begun)


def _said(record: dict[str, Any], line: int, interpreter: Interpreter) -> Sequence[Read]:
    if record:
        return interpreter.observe(record, line)
    interpreter.pass_over("a line without key=value", line)

    return ()


def _continues(line: bytes) -> bool:
    return line[:1] in (b" ", b"\t") and _PAIR.search(_text(line)) is not None


def _may_go_on(line: bytes, record: dict[str, Any], interpreter: Interpreter) -> bool:
    """
    Return whether *record*, of the first *line*, may have more pairs in the lines that follow.
    """
    status = interpreter.columns.status or interpreter.status_key
    wanted = interpreter.roots or {status, status.partition(".")[0], "target"}
    # Where a line is a key of its record, it says what it says alone.
    alone = (interpreter.takes_lines and interpreter.roots) or line[:1].isspace()

    return bool(record) and not alone and line[:1] != b"{" and wanted.isdisjoint(record)


def _as_doubled(record: dict[str, Any]) -> Doubled:
    doubled = Doubled(record)
    doubled.twice = record.twice if isinstance(record, Doubled) else frozenset()

    return doubled


def _add(record: dict[str, Any], text: str) -> None:
    """
    Add the pairs of *text* to *record*. A repeated key is a fault only if it is used.
    """
    for key, value in _PAIR.findall(text):
        if key in record and type(record) is Doubled:
            record.twice |= {key}
        record[key] = _value(key, value.removesuffix(","))


def _record(line: bytes, interpreter: Interpreter) -> Any:
    """
    Return the record that *line* is, of pairs or of JSON among lines of pairs; empty if of neither.

    Raises:
        BadRecordError: It is not JSON although it begins so.
    """
    if line.lstrip().startswith(b"{"):
        return parse(line)
    text = _text(line)
    record = Doubled()
    _add(record, text)
    if record:
        head = _head(text)
        record |= {key: head[key] for key in head if key not in record}
    if interpreter.takes_lines:
        plain = _COLOUR.sub("", line.decode("utf-8", "replace"))
        record[LINE] = " ".join(plain.split())

    return record if record.twice else dict(record)


def _text(line: bytes) -> str:
    return _COLOUR.sub("", (unwrapped(line) or line).decode("utf-8", "replace"))


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
