"""
Bytes to what they say about runs, whatever the format.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, tzinfo
from itertools import islice
from types import MappingProxyType
from typing import Any, BinaryIO, Final

from pydantic_core import from_json

from .._text import printable
from ..histories._column_faults import ColumnFaults
from ..histories._records import Finding, Observation, ObservationModel
from ..lifecycle._table import Lifecycle, check_lifecycle
from ..runs._run import RUN
from . import _source
from ._envelopes import is_json, unwrapped
from ._formats import TEXTS, suffix_of
from ._grouping import MOST_RECORDS, Grouping
from ._record import MOVE_EVENT, Columns, Interpreter, Passed, Read
from ._shape_columns import shapes_for
from ._shaped import Shaped
from ._source import Source
from ._times import Times, moment
from .csv import read_csv, read_tsv
from .json import read_json
from .jsonl import read_after_prose, read_jsonl
from .logfmt import is_logfmt, read_logfmt
from .ocel import begins_as_ocel, read_ocel
from .sse import read_sse
from .xes import read_xes

__all__ = ["FORMATS", "read", "read_with", "reads_of", "remark_on_times", "unread_histories"]

_READERS: Final[Mapping[str, Callable[[Source, Interpreter], Iterator[Read]]]] = MappingProxyType(
    {
        "json": read_json,
        "jsonl": read_jsonl,
        "sse": read_sse,
        "csv": read_csv,
        "tsv": read_tsv,
        "xes": read_xes,
        "ocel": read_ocel,
        "logfmt": read_logfmt,
    }
)

FORMATS: Final[tuple[str, ...]] = tuple(_READERS)
"""The formats that can be read."""

_USUAL_COLUMNS: Final = Columns()
_SSE_BEGINNINGS: Final = (b"event:", b"data:", b"id:", b"retry:", b":")
_LONGEST_BEGINNING: Final = max(map(len, _SSE_BEGINNINGS))
_SAID_BY_NAME: Final = ("xes", "ocel", "sse")
"""Formats that the name of a file is believed about."""
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
    source: str | None = None,
    skip_others: bool = False,
    attempt: str | None = None,
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
        source: Key of the status before, where records are moves; the same as in *columns*.
        skip_others: Whether a record that lacks what is needed is about something else. Where the
            lifecycle has shapes, one that fits none always is. *notice* says how many there were.
        attempt: Key of the number of the attempt; the same as in *columns*. By default the
            lifecycle's ``attempt_field``.

    Raises:
        ValueError: *format* is none of them, or a key is named twice or cannot be read.
        OSError: The stream failed; what it gave before has been yielded.
    """
    check_lifecycle(lifecycle)
    columns = columns.named(run_id, status, at, source, attempt)
    times = Times(UTC if assume_utc else zone)
    passed = Passed()
    reads = reads_of(
        stream, columns, lifecycle, times, passed, format=format, name=name, skip=skip_others
    )

    return _noticed(reads, name, times, passed, notice)


def reads_of(
    stream: BinaryIO,
    columns: Columns,
    lifecycle: Lifecycle,
    times: Times,
    passed: Passed,
    *,
    format: str,  # noqa: A002
    name: str,
    skip: bool,
) -> Iterator[Read]:
    """
    Yield what *stream* says, as :func:`read` does, and leave to *passed* what is passed over.

    Args:
        stream: As for :func:`read`, like the others.
        columns: Every column that the caller named.
        lifecycle: Whose records they are.
        times: Reads the times.
        passed: Counts the records that are about something else.
        format: As for :func:`read`.
        name: As for :func:`read`.
        skip: Whether a record that lacks what is needed is about something else.
    """
    if format != "auto" and format not in _READERS:
        raise ValueError(f"no format {format!r} (known: auto, {', '.join(FORMATS)})")
    shapes = shapes_for(columns, lifecycle)
    common: dict[str, Any] = {"times": times, "passed": passed}
    interpreter: Interpreter
    if shapes:
        skip = skip or bool(lifecycle.shapes)
        interpreter = Shaped(columns, lifecycle, name, shapes=shapes, skip=skip, **common)
    else:
        interpreter = Interpreter(columns, lifecycle, name, skip=skip, **common)

    return read_with(interpreter, stream, format, name)


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
    for _ in islice(read_with(interpreter, stream, format, name), MOST_RECORDS):
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
    reads: Iterator[Read],
    name: str,
    times: Times,
    passed: Passed,
    notice: Callable[[str], object] | None,
) -> Iterator[Read]:
    found = False
    for each in reads:
        found = True
        yield each
    if passed.first is not None and not found:
        yield passed.first
    if notice is None:
        return
    naive = remark_on_times(name, times)
    if naive:
        notice(naive)
    if passed.count:
        records = "record" if passed.count == 1 else "records"
        notice(f"{printable(name)}: {passed.count:,} {records} about something else passed over")


def remark_on_times(name: str, times: Times) -> str:
    """
    Return what is to be known about the times in the input *name*; empty if nothing is.
    """
    if not times.naive:
        return ""
    columns = ", ".join(printable(key, 60) for key in times.naive)

    return (
        f"{printable(name)}: times without a zone in {columns}: only their differences are used; "
        "--zone NAME or --assume-utc says which zone they are in"
    )


def read_with(interpreter: Interpreter, stream: BinaryIO, chosen: str, name: str) -> Iterator[Read]:
    """
    Yield what *interpreter* says of the records of *stream*.

    Args:
        interpreter: Says what each record means.
        stream: As for :func:`read`.
        chosen: The format, or ``auto``.
        name: As for :func:`read`.
    """
    source = Source(stream)
    if source.foreign:
        yield interpreter.finding("RS901", source.foreign, 1)
        return
    if chosen == "auto":
        chosen = _chosen(source, TEXTS.get(suffix_of(name), ""))
        if chosen in {"json", "jsonl", "xes"} and begins_as_ocel(bytes(source.held[:_NEAR])):
            chosen = "ocel"
    if interpreter.takes_lines and _are_lines(source, chosen, TEXTS.get(suffix_of(name), "")):
        chosen = "logfmt"

    reader = _READERS[chosen] if chosen else read_after_prose
    faults = interpreter.column_faults = ColumnFaults()
    yield from _complete(reader(source, interpreter), interpreter)
    yield from faults.findings()
    if source.packed and source.packed.fault:
        yield interpreter.finding("RS901", source.packed.fault, source.packed.line)


def _complete(reads: Iterator[Read], interpreter: Interpreter) -> Iterator[Read]:
    """
    Yield *reads*, and the findings that no record had a key that the caller named.

    Without these, a mistyped ``--at`` would leave every record without its time in silence.
    """
    if not interpreter.unseen:
        yield from reads
        return
    observed = False
    for each in reads:
        observed = observed or isinstance(each, Observation)
        yield each
    for key, option in interpreter.unseen.items() if observed else ():
        reason = f"no record has '{printable(key, 60)}': {option} names another key"
        yield interpreter.finding("RS902", reason, None)


def _are_lines(source: Source, chosen: str, named: str) -> bool:
    """
    Return whether *source*, which begins like *chosen*, is a log for people.
    """
    prefixed = chosen == "csv" != named and unwrapped(source.first_line()) is not None

    return not chosen or prefixed


def _chosen(source: Source, named: str) -> str:
    """
    Return the format of *source*, whose name says *named*: the content goes before the name.
    """
    if named in _SAID_BY_NAME:
        return named
    start = _visible(source, 0)
    head = bytes(source.held[start : start + 1])
    words = head == b"[" and _is_prose(source, start)
    if named in ("json", "jsonl") and head in (b"[", b"{") and not words:
        return _one_or_lines(source, start, named, head)
    found = _sniffed(source)
    if named in ("csv", "tsv") and found not in ("json", "jsonl"):
        return named
    if found or named != "jsonl":
        return found or named

    return "" if _is_prose(source, start) else named


def _one_or_lines(source: Source, start: int, named: str, head: bytes) -> str:
    """
    Return ``json`` or ``jsonl`` for JSON at *start* in a file that is *named* either.
    """
    if head == b"[" and named == "json":
        return named
    if named == "jsonl":
        return _sniffed_object(source, start, trailing="jsonl")
    end = _line_end(source, start)
    if end is None or _visible(source, end) == len(source.held):
        return named

    return _sniffed_object(source, start)


def _is_prose(source: Source, start: int) -> bool:
    """
    Return whether a line that is not JSON begins at *start*.
    """
    end = _line_end(source, start)
    if end is None and len(source.held) >= _source.LARGEST_RECORD:
        return False
    line = bytes(source.held[start:end])
    try:
        from_json(line)
    except ValueError as error:
        if line[:1] == b"[":
            return line[1:2].isalnum() and not str(error).startswith("EOF")
        return line[:1].isalnum() or line[:1] == b"\x1b"

    return False


def _sniffed(source: Source) -> str:
    """
    Return the format that *source* begins like, without taking anything from it; empty if none.
    """
    start = _visible(source, 0)
    head = bytes(source.held[start : start + _LONGEST_BEGINNING])
    if head.startswith(b"[") and not _is_prose(source, start):
        return "json"
    if head.startswith(b"{"):
        return _sniffed_object(source, start)
    if head.startswith(b"<"):
        return "xes"
    if head.startswith(_SSE_BEGINNINGS):
        return "sse"

    return _sniffed_line(source, start)


def _sniffed_line(source: Source, start: int) -> str:
    line = bytes(source.held[start : _line_end(source, start)])
    if is_json(unwrapped(line) or b""):
        return "jsonl"
    if _is_header(source, start, line):
        return "csv"

    return "logfmt" if is_logfmt(line) else ""


def _is_header(source: Source, start: int, line: bytes) -> bool:
    """
    Return whether *line* at *start* may be the header of a table.

    A run takes two columns at least, and no column is called like the rest of a time
    that a log line begins with. What has no comma is a table if its second line has as many cells.
    """
    if any(mark in line for mark in _PROSE_MARKS) or line.startswith((b"|", b"+")):
        return False
    if b"," in line:
        return not any(cell[:1].isdigit() for cell in line.split(b","))
    end = _line_end(source, start)
    if end is None:
        return False
    second = bytes(source.held[end + 1 : _line_end(source, end + 1)])

    return any(
        line.count(mark) and line.count(mark) == second.count(mark) and b"{" not in line
        for mark in (b"\t", b";", b"|")
    )


def _sniffed_object(source: Source, start: int, trailing: str = "json") -> str:
    """
    Return ``json`` for a value that goes on after its first line, else ``jsonl``.

    A first line that breaks off is a broken line where another object follows it. *trailing* is
    for a first line with more than one value.
    """
    end = _line_end(source, start)
    if end is None and len(source.held) >= _source.LARGEST_RECORD:
        return "jsonl"
    try:
        from_json(bytes(source.held[start:end]), allow_inf_nan=False)
    except ValueError as error:
        if str(error).startswith("trailing"):
            return trailing
        if str(error).startswith("EOF") and end is not None:
            following = _visible(source, end)
            in_list = b"[" in (
                source.held[start : start + 1], source.held[start:end].rstrip()[-1:],
            )  # fmt: skip
            broken = source.held[following : following + 1] == b"{" and not in_list
            return "jsonl" if broken else "json"

    return "jsonl"


def _line_end(source: Source, start: int) -> int | None:
    """
    Return the end of the line at *start*; None if it is not in the buffer of *source* yet.

    Fills the buffer up to the longest record.
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
