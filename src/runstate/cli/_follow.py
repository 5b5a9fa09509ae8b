"""
``runstate check --follow``: findings as they come, from a growing file, a pipe or a store's feed.
"""

import os
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC
from io import BytesIO
from itertools import islice
from math import isfinite
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import monotonic, sleep, time
from typing import Any, BinaryIO, Final, NamedTuple, cast

import click

from .._text import printable
from ..histories._monitor import Monitor
from ..histories._records import Finding, Observation
from ..readers._formats import PACKINGS, PARQUET, suffix_of
from ..readers._read import reads_of
from ..readers._record import Passed, Read
from ..readers._sample import sample_of
from ..readers._times import Times
from ..runs._wire import FIRST_SECOND
from ._feed import moves_of
from ._input import Reading
from ._recognise import MOST, refuse_known_records
from ._shared import BadInput

__all__ = ["Follower", "Following", "follow_options"]

_POLL: Final = 0.25
"""Seconds between two looks for something new."""
_MOST_WAITING: Final = 10_000
"""Records that are read ahead of those that are judged."""
_MOST_NAMED: Final = 5
"""Statuses in one report of what is open."""
_USUAL_EVERY: Final = 60.0
_USUAL_KEEP: Final = 100_000


class Following(NamedTuple):
    """
    How an input is followed.
    """

    follow: bool = False
    every: float = _USUAL_EVERY
    keep: int = _USUAL_KEEP


def _seconds(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    if not isfinite(value):
        raise BadInput(f"--every expects a number of seconds, got {value}")

    return value


def follow_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """
    Give a command the options of a :class:`Following`.
    """
    options = (
        click.option(
            "--follow", is_flag=True, help="Keep reading: a growing file, a pipe, a store."
        ),
        click.option(
            "--every",
            type=click.FloatRange(min=0),
            callback=_seconds,
            default=_USUAL_EVERY,
            show_default=True,
            metavar="SECONDS",
            help="With --follow: report what is open so often; 0 for never.",
        ),
        click.option(
            "--keep",
            type=click.IntRange(min=0),
            default=_USUAL_KEEP,
            show_default=True,
            metavar="COUNT",
            help="With --follow: ended runs that are remembered.",
        ),
    )
    for option in reversed(options):
        function = option(function)

    return function


class Follower:
    """
    Judges what one input says as it comes, and reports at an interval what is open.

    Remembers every run that is open, and the last that have ended. A record of a run that is
    forgotten is judged as the first of a new one.
    """

    def __init__(
        self,
        path: str,
        monitor: Monitor,
        reading: Reading,
        how: Following,
        *,
        table: str | None,
        recognise: bool,
    ) -> None:
        """
        Follow *path*.

        Args:
            path: A file, ``-`` for standard input, or the URL of a store.
            monitor: Judges, in the order of arrival.
            reading: How the input is read.
            how: How often to report, and how much to remember.
            table: The journal of the store; None for that of the lifecycle's usual tables.
            recognise: Whether to refuse the records of a known system, and say what to type.

        Raises:
            BadInput: The input cannot be followed.
        """
        _refuse_unfollowed(path)
        self._path, self._monitor, self._reading, self._how = path, monitor, reading, how
        self._table, self._recognise = table, recognise
        self._times = Times(UTC if reading.assume_utc else reading.zone)
        self._open: dict[str | None, tuple[str, float]] = {}
        self._ended: OrderedDict[str | None, None] = OrderedDict()
        self._dated = True
        """Whether the times of observations can be compared with the present."""
        self._queue: Queue[Read | BaseException | None] = Queue(_MOST_WAITING)
        self.passed: Passed = Passed()
        """Counts the records about something else."""
        self.forgotten: int = 0
        """How many ended runs are no longer remembered."""

    def findings(self) -> Iterator[Finding]:
        """
        Yield what is wrong, as it comes; ends where a pipe does. A file and a store never end.
        """
        due = monotonic() + self._how.every
        for read in self.arrivals():
            if read is not None:
                yield from self._judged(read)
            if self._how.every and monotonic() >= due:
                due = monotonic() + self._how.every
                yield from self._report()
        if not self._monitor.observations and self.passed.first is not None:
            yield self.passed.first

    def arrivals(self) -> Iterator[Read | None]:
        """
        Yield what comes as it comes, and None whenever nothing has come for a moment.
        """
        # Reading blocks where nothing comes, and reports are due all the same.
        Thread(target=self._read_all, daemon=True).start()
        while True:
            try:
                read = self._queue.get(timeout=_POLL)
            except Empty:
                yield None
                continue
            if isinstance(read, BaseException):
                raise read
            if read is None:
                return
            yield read

    def _judged(self, read: Read) -> Iterator[Finding]:
        if isinstance(read, Finding):
            yield read
        else:
            yield from self._monitor.observe(read)
            self._remember(read)

    def _remember(self, seen: Observation) -> None:
        run_id, status = seen.run_id, seen.status
        if status not in self._monitor.lifecycle.known:
            return
        if self._monitor.lifecycle.is_terminal(status):
            self._open.pop(run_id, None)
            self._ended[run_id] = None
            self._ended.move_to_end(run_id)
            if len(self._ended) > self._how.keep:
                self._monitor.forget(self._ended.popitem(last=False)[0])
                self.forgotten += 1
            return
        self._ended.pop(run_id, None)
        self._dated &= not self._times.naive and (seen.at is None or seen.at >= FIRST_SECOND)
        since = seen.at if seen.at is not None and self._dated else time()
        known = self._open.get(run_id)
        if known is None or known[0] != status:
            self._open[run_id] = (status, since)

    def _report(self) -> Iterator[Finding]:
        """
        Say what is open, and yield what has been for too long.
        """
        now = time()
        if self._dated:
            yield from self._monitor.overdue(now)
        click.echo(f"runstate: {_open_now(self._open, now)}", err=True)

    # -- in a thread of its own ---------------------------------------------------

    def _read_all(self) -> None:
        try:
            for read in self._reads():
                self._queue.put(read)
        except BaseException as error:  # noqa: BLE001  raised again where findings are asked for
            self._queue.put(error)
        else:
            self._queue.put(None)

    def _reads(self) -> Iterator[Read]:
        if "://" in self._path:
            return moves_of(self._path, self._monitor.lifecycle, self._table, _POLL)
        if self._path == "-":
            # Unbuffered: what is there is answered, and nothing is locked when the command ends.
            stdin = sys.stdin.buffer
            return self._of_stream(getattr(stdin, "raw", stdin), "<stdin>")

        return self._of_file(Path(self._path))

    def _of_file(self, path: Path) -> Iterator[Read]:
        """
        Yield what the file says, and then what each says that takes its place.
        """
        while True:
            with path.open("rb", buffering=0) as handle:
                growing = _Growing(path, handle)
                yield from self._of_stream(growing, str(path))
            click.echo(
                f"runstate: {printable(str(path))} was {growing.ended}: reading from the beginning",
                err=True,
            )

    def _of_stream(self, stream: Any, name: str) -> Iterator[Read]:
        reading, headed = self._reading, _Headed(stream)
        if self._recognise:
            sample = sample_of(BytesIO(headed.head()), format=reading.format, name=name)
            refuse_known_records([*islice(sample, MOST)], "-" if name == "<stdin>" else name)
            self._recognise = False

        return reads_of(
            cast("BinaryIO", headed), reading.columns, self._monitor.lifecycle, self._times,
            self.passed, format=reading.format, name=name, skip=reading.skip_others,
        )  # fmt: skip


class _Headed:
    """
    A stream whose beginning can be looked at.
    """

    def __init__(self, stream: Any) -> None:
        self._read = getattr(stream, "read1", stream.read)
        self._head = b""

    def head(self) -> bytes:
        """
        Return what the stream answers first, once it does.
        """
        self._head = self._head or self._read(1 << 16)

        return self._head

    def read(self, size: int) -> bytes:
        """
        Return the next bytes; empty at the end.
        """
        head, self._head = self._head, b""
        found: bytes = head or self._read(size)

        return found


class _Growing:
    """
    A file that others write to: its end comes only when another one takes its place.
    """

    def __init__(self, path: Path, handle: Any) -> None:
        self._path, self._handle = path, handle
        # Of the file that is open: another one may have taken its place since.
        self._opened = _identity_of(os.fstat(handle.fileno()))
        self.ended: str = ""
        """What became of the file, once it has ended."""

    def read(self, size: int) -> bytes:
        """
        Return the next bytes as soon as there are some; empty once the file was replaced or truncated.
        """
        while True:
            # Looked at before reading, so that what was written before is read.
            identity = _identity(self._path)
            data: bytes = self._handle.read(size)
            if data:
                return data
            if identity is not None:
                if identity[0] != self._opened[0]:
                    self.ended = "replaced"
                elif identity[1] < self._handle.tell():
                    self.ended = "truncated"
                if self.ended:
                    return b""
            sleep(_POLL)


def _identity(path: Path) -> tuple[tuple[int, int], int] | None:
    """
    Return what tells the file at *path* from another, and its size; None if there is none.
    """
    try:
        return _identity_of(path.stat())
    except OSError:
        return None  # between two files; the next one is waited for


def _identity_of(found: os.stat_result) -> tuple[tuple[int, int], int]:
    return (found.st_dev, found.st_ino), found.st_size


def _refuse_unfollowed(path: str) -> None:
    if path == "-" and sys.stdin is None:
        raise BadInput("<stdin>: is closed")
    if "://" in path or path == "-":
        return
    if not Path(path).is_file():
        raise BadInput(f"{printable(path)}: {_instead(Path(path))}")
    if path.lower().endswith(PACKINGS) or suffix_of(path) in PARQUET:
        raise BadInput(f"{printable(path)}: --follow reads text that grows, not a packed file")


def _instead(path: Path) -> str:
    """
    Return what is at *path* instead of a file, and what to do.
    """
    if path.is_fifo():
        return "is a named pipe; read it as standard input: --follow - < PATH"
    found = "is not a file" if path.exists() else "no such file"

    return f"{found}; --follow expects a file, - for standard input, or a store's URL"


def _open_now(runs: dict[str | None, tuple[str, float]], now: float) -> str:
    """
    Return how many runs are in which status, and the longest of each, the longest first.
    """
    if not runs:
        return "no run is open"
    counts = Counter(status for status, _ in runs.values())
    longest: dict[str, tuple[float, str | None]] = {}
    for run_id, (status, since) in runs.items():
        if status not in longest or since < longest[status][0]:
            longest[status] = (since, run_id)
    ordered = sorted(longest, key=lambda status: longest[status][0])
    parts = [
        f"{counts[status]:,} {printable(status)} (longest: {printable(longest[status][1] or 'run')}, "
        f"{max(now - longest[status][0], 0):,.0f} s)"
        for status in ordered[:_MOST_NAMED]
    ]
    more = ["..."] if len(ordered) > _MOST_NAMED else []
    number = f"{len(runs):,} {'run is' if len(runs) == 1 else 'runs are'} open"

    return f"{number}: {', '.join([*parts, *more])}"
