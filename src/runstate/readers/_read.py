"""
Bytes to what they say about runs, whatever the format.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, tzinfo
from itertools import islice
from types import MappingProxyType
from typing import BinaryIO, Final

from pydantic_core import from_json

from .._text import printable
from ..histories._records import Finding, ObservationModel
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from . import _source
from ._formats import TEXTS, suffix_of
from ._grouping import MOST_RECORDS, Grouping
from ._record import MOVE_EVENT, Columns, Interpreter, Read, Repeated
from ._source import Source
from ._times import Times, moment
from .csv import read_csv, read_tsv
from .json import read_json
from .jsonl import read_after_prose, read_jsonl
from .ocel import begins_as_ocel, read_ocel
from .sse import read_sse
from .xes import read_xes

__all__ = ["FORMATS", "read", "unread_histories"]

_READERS: Final[Mapping[str, Callable[[Source, Interpreter], Iterator[Read]]]] = MappingProxyType(
    {
        "json": read_json,
        "jsonl": read_jsonl,
        "sse": read_sse,
        "csv": read_csv,
        "tsv": read_tsv,
        "xes": read_xes,
        "ocel": read_ocel,
    }
)

FORMATS: Final[tuple[str, ...]] = tuple(_READERS)
"""The formats that can be read."""

_USUAL_COLUMNS: Final = Columns()
_SSE_BEGINNINGS: Final = (b"event:", b"data:", b"id:", b"retry:", b":")
_LONGEST_BEGINNING: Final = max(map(len, _SSE_BEGINNINGS))
_NEAR: Final = 4_096
"""Bytes within which an event log is known for what it is."""
_PROSE_MARKS: Final = (b"\x1b", b"=", b": ", MOVE_EVENT.encode())
"""What a line of a log for people has, and no header of a table."""


def read(
    stream: BinaryIO,
    *,
    format: str = "auto",  # noqa: A002 - the name of the option it is
    name: str = "<stdin>",
    columns: Columns = _USUAL_COLUMNS,
    run_id: str | None = None,
    status: str | None = None,
    at: str | None = None,
    lifecycle: Lifecycle = RUN,
    assume_utc: bool = False,
    zone: tzinfo | None = None,
    notice: Callable[[str], object] | None = None,
) -> Iterator[Read]:
    """
    Yield what *stream* says about runs: observations, and a finding for each bad record.

    Reads on as the caller takes. Holds one record at a time (of JSON, a top-level
    object is one), so the stream may be a pipe, and endless. Records that are not
    about a run are passed over: steps, messages, other people's log lines.

    Args:
        stream: Bytes, open for reading, packed with gzip, with zstd (the extra zstd) or not; never sought, and not closed.
        format: One of :data:`FORMATS`, or ``auto``: by the suffix of *name*, ``.gz``
            and ``.zst`` not counted, else by how the bytes begin. What begins like none of them is
            a finding, and read as JSON lines from its first object on.
        name: What observations and findings call the input.
        columns: Where records keep what is needed, if not under the usual keys.
        run_id: Key of the run's id; the same as in *columns*.
        status: Key of the status; the same as in *columns*.
        at: Key of the time when the run was seen; the same as in *columns*.
        lifecycle: Whose field names and ``object`` the records use. Statuses that it
            does not know are yielded like all others.
        assume_utc: Whether a time without a zone is UTC. The same as ``zone=UTC``.
        zone: The zone of times without one. Where it is None, they are taken as UTC for their
            differences alone, *notice* says so, and a column that also holds times with a zone
            is a finding.
        notice: Called once with each remark about the input as a whole.

    Raises:
        ValueError: *format* is none of them, or a key is named twice.
        OSError: The stream failed; what it gave before has been yielded.
    """
    if format != "auto" and format not in _READERS:
        raise ValueError(f"no format {format!r} (known: auto, {', '.join(FORMATS)})")
    columns = columns.named(run_id, status, at)
    times = Times(UTC if assume_utc else zone)
    interpreter = Interpreter(columns, lifecycle, name, times=times)

    return _noticed(_read(stream, format, name, interpreter), name, times, notice)


def unread_histories(
    stream: BinaryIO,
    observed: ObservationModel,
    *,
    format: str = "auto",  # noqa: A002
    name: str = "<stdin>",
    columns: Columns = _USUAL_COLUMNS,
    lifecycle: Lifecycle = RUN,
) -> Finding | None:
    """
    Return the finding that *stream* holds histories which :func:`read` does not see; None if not.

    Made for an input in which no run was seen twice. Looks for another column that makes
    histories of the records, and for an array of statuses inside of them.

    Args:
        stream: As for :func:`read`, from its beginning.
        observed: What was seen of each run.
        format: As for :func:`read`.
        name: As for :func:`read`.
        columns: As for :func:`read`.
        lifecycle: As for :func:`read`.
    """
    times = Times(UTC)
    interpreter = Interpreter(columns, lifecycle, name, times=times)
    watch = interpreter.watch = Grouping(
        lifecycle, observed, lambda value, key: moment(value, key, UTC).seconds
    )
    for _ in islice(_read(stream, format, name, interpreter), MOST_RECORDS):
        pass
    column = watch.column()
    if column is not None:
        reason = (
            f"no run was seen twice, but the records of each {column} are a history: "
            f"--run-id {column} reads them so; --run-id {lifecycle.id_field} takes each for a run"
        )
    elif watch.array is not None:
        reason = (
            f"no run was seen twice, and the statuses in the array {watch.array} are not read: "
            "write each as a record of its own, with the run's id"
        )
    else:
        return None

    return interpreter.finding("RS902", reason, None)


def _noticed(
    reads: Iterator[Read], name: str, times: Times, notice: Callable[[str], object] | None
) -> Iterator[Read]:
    yield from reads
    if notice is not None and times.naive:
        columns = ", ".join(printable(key, 60) for key in times.naive)
        notice(
            f"{printable(name)}: times without a zone in {columns}: only their differences are used; "
            "--zone NAME or --assume-utc says which zone they are in"
        )


def _read(stream: BinaryIO, chosen: str, name: str, interpreter: Interpreter) -> Iterator[Read]:
    source = Source(stream)
    if source.foreign:
        yield interpreter.finding("RS901", source.foreign, 1)
        return
    if chosen == "auto":
        chosen = TEXTS.get(suffix_of(name)) or _sniffed(source)
        if chosen in {"json", "jsonl", "xes"} and begins_as_ocel(bytes(source.held[:_NEAR])):
            chosen = "ocel"

    reader = _READERS[chosen] if chosen else read_after_prose
    counted = interpreter.repeated = Repeated()
    yield from reader(source, interpreter)
    for code, reason, line, run_id in counted.each():
        yield interpreter.finding(code, reason, line, run_id)
    if source.packed and source.packed.fault:
        yield interpreter.finding("RS901", source.packed.fault, source.packed.line)


def _sniffed(source: Source) -> str:
    """
    Return the format that *source* begins like, without taking anything from it; empty if none.
    """
    start = _visible(source, 0)
    head = bytes(source.held[start : start + _LONGEST_BEGINNING])
    if head.startswith(b"["):
        return "json"
    if head.startswith(b"{"):
        return _sniffed_object(source, start)

    if head.startswith(b"<"):
        return "xes"
    if head.startswith(_SSE_BEGINNINGS):
        return "sse"

    return "csv" if _is_header(source, start) else ""


def _is_header(source: Source, start: int) -> bool:
    """
    Return whether the line at *start* may be the header of a table.

    A run takes two columns at least, and no column is called like the rest of a time
    that a log line begins with.
    """
    line = bytes(source.held[start : _line_end(source, start)])
    if b"," not in line or any(mark in line for mark in _PROSE_MARKS):
        return False

    return not any(cell[:1].isdigit() for cell in line.split(b","))


def _sniffed_object(source: Source, start: int) -> str:
    """
    Return ``json`` for an object that goes on after its first line, else ``jsonl``.

    A first line that breaks off is a broken line where another object follows it.
    """
    end = _line_end(source, start)
    if end is None:
        return "jsonl"
    try:
        from_json(bytes(source.held[start:end]), allow_inf_nan=False)
    except ValueError as error:
        if str(error).startswith("EOF"):
            following = _visible(source, end)
            return "jsonl" if source.held[following : following + 1] == b"{" else "json"

    return "jsonl"


def _line_end(source: Source, start: int) -> int | None:
    """
    Return where in what *source* holds the line at *start* ends; None if it does not, so far.

    Has as much of it held as a record may be long.
    """
    end = source.held.find(b"\n", start)
    while end < 0 and len(source.held) < _source.LARGEST_RECORD:
        before = len(source.held)
        if not source.look_further():
            break
        end = source.held.find(b"\n", before)

    return end if end >= 0 else None


def _visible(source: Source, start: int) -> int:
    """
    Return where in what *source* holds, from *start*, the first byte is that is not blank.

    Has as many bytes held after it as a format may need to be known by.
    """
    while True:
        start = len(source.held) - len(source.held[start:].lstrip())
        if len(source.held) - start >= _LONGEST_BEGINNING:
            return start
        if len(source.held) >= _source.LARGEST_RECORD or not source.look_further():
            return start
