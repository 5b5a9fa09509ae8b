"""
Server-sent events, by the event stream rules of the HTML standard.

Lines end in LF, CR LF or CR; a blank line ends an event. Two departures: the
last event counts without its blank line, because recordings are cut there, and
an event about a run that has no data is reported, because the vendor's own
example forgets the field's name once.

The name of an event is not a status: in 2024 ``thread.run.completed`` carried a
run that was ``incomplete``.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from . import _source
from ._parse import parse
from ._record import Interpreter, Read
from ._source import Source
from ._values import BadRecordError, too_large

__all__ = ["read_sse"]

END_OF_STREAM: Final = b"[DONE]"


class _Event:
    """
    One event under construction.
    """

    def __init__(self) -> None:
        self.name = ""
        self.data: list[bytes] = []
        self.size = 0
        self.line = 0
        """Line of its first data, or of its name where it has none."""
        self.refused = False
        """Whether it was reported already, and is to be passed over."""

    def __bool__(self) -> bool:
        return bool(self.name or self.data)

    def take(self, line: bytes, number: int) -> None:
        """
        Take one line of the stream; comments and fields that do not matter are nothing.
        """
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self.line = number if not self.data else self.line
            self.data.append(value)
            self.size += len(value)
        elif field == b"event":
            self.line = self.line or number
            self.name = value.decode("utf-8", "replace")


def read_sse(source: Source, interpreter: Interpreter) -> Iterator[Read]:
    """
    Yield what the events of *source* say about runs.
    """
    event = _Event()
    for number, line in enumerate(source.lines(carriage_returns=True), 1):
        if line:
            event.take(line, number)
        if line is None or (event.size > _source.LARGEST_RECORD and not event.refused):
            bad = too_large("event", _source.LARGEST_RECORD)
            yield interpreter.refusal(bad, event.line or number)
            event.refused = True
        if event.refused:
            event.data.clear()
        if line == b"":
            yield from _read_event(event, interpreter)
            event = _Event()
    yield from _read_event(event, interpreter)


def _read_event(event: _Event, interpreter: Interpreter) -> Sequence[Read]:
    if event.refused or not event:
        return ()
    about_run = _is_about_run(event.name, interpreter.kind)
    data = b"\n".join(event.data)
    if about_run and not data:
        reason = f"event '{event.name}' has no data line"
        return (interpreter.finding("RS902", reason, event.line),)
    if not data or data == END_OF_STREAM or _is_about_else(event.name, interpreter):
        return ()
    try:
        value = parse(data, event.line)
    except BadRecordError as bad:
        return (interpreter.refusal(bad, event.line),)
    records = value if isinstance(value, list) else [value]
    meant = about_run or interpreter.named or any(map(interpreter.may_be_read, records))

    return interpreter.observe(value, event.line) if meant else ()


def _is_about_run(name: str, kind: str | None) -> bool:
    """
    Return whether an event's *name* promises a run; its steps are not runs.
    """
    if kind is None or not name.startswith(f"{kind}."):
        return False

    return not name.startswith(f"{kind}.step")


def _is_about_else(name: str, interpreter: Interpreter) -> bool:
    """
    Return whether an event's *name* promises something other than a run.

    It does where it belongs to the run's family of objects and is none: with runs
    called ``thread.run``, ``thread.message.delta`` is.
    """
    kind = interpreter.kind
    if name == "error":
        return True
    if kind is None or interpreter.named or "." not in kind:
        return False

    return name.startswith(f"{kind.partition('.')[0]}.") and not _is_about_run(name, kind)
