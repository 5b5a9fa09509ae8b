"""
Files and standard input, as the command reads them.
"""

import errno
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from datetime import UTC, tzinfo
from pathlib import Path
from tempfile import SpooledTemporaryFile
from threading import Event, Thread
from typing import Any, BinaryIO, Final, NamedTuple, cast

import click

from .._urls import shown_url
from ..histories._records import Finding, Observation, ObservationModel
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ..readers._paths import why_remote
from ..readers._read import reads_of, remark_on_times, unread_histories
from ..readers._record import Passed
from ..readers._sample import sample_of
from ..readers._times import Times

__all__ = ["Reading", "Records", "records", "working"]

LONG_READ: Final = 8 << 20
"""Bytes from which on a progress bar is worth it."""
MOST_SPOOLED: Final = 8 << 20
"""Bytes of an input that are kept in memory; more of it goes to a temporary file."""


class Reading(NamedTuple):
    """
    How inputs are to be read; for each see :func:`runstate.readers.read`.
    """

    format: str = "auto"
    columns: Columns = Columns()
    assume_utc: bool = False
    by_position: bool = False
    """Whether records are ordered by their place in the file instead of their time."""
    zone: tzinfo | None = None
    skip_others: bool = False
    """Whether records that lack what is needed are about something else."""


_AS_IT_COMES: Final = Reading()


def records(
    paths: Sequence[str], lifecycle: Lifecycle, reading: Reading = _AS_IT_COMES
) -> "Records":
    """
    Return the records of all *paths*; one that cannot be read is a finding, not the end.
    """
    return Records(paths, lifecycle, reading)


class Records:
    """
    The records of some files, which can be read several times.
    """

    def __init__(self, paths: Sequence[str], lifecycle: Lifecycle, reading: Reading) -> None:
        self._paths, self._lifecycle, self._reading = paths, lifecycle, reading
        self._spools: dict[str, _Spool] = {}
        self._notices: dict[str, None] = {}
        self.passed = Passed()
        """Counts the records that are about something else, of the reading that was begun last."""

    def __iter__(self) -> Iterator[Observation | Finding]:
        self.passed = Passed()

        return self._each(self.passed)

    def _each(self, passed: Passed) -> Iterator[Observation | Finding]:
        anything = False
        with _progress(self._paths) as told:
            for path in self._paths:
                before, found = passed.count, False
                passed.foreign = None
                try:
                    for record in self._in_file(path, passed, told):
                        found = anything = True
                        yield record
                except OSError as error:
                    found = anything = True
                    reason = error.strerror or type(error).__name__
                    yield _unreadable(path, why_remote(path) or reason)
                if not found and passed.count == before:
                    yield _unreadable(path, _nothing(passed))
        if not anything and passed.first is not None:
            yield passed.first

    def _in_file(
        self, path: str, passed: Passed, told: Callable[[BinaryIO], None]
    ) -> Iterator[Observation | Finding]:
        reading, name = self._reading, _name(path)
        times = Times(UTC if reading.assume_utc else reading.zone)
        with self._opened(path) as stream:
            told(stream)
            yield from reads_of(
                stream, reading.columns, self._lifecycle, times, passed, format=reading.format,
                name=name, skip=reading.skip_others,
            )  # fmt: skip
            told(stream)
        self._notice(remark_on_times(name, times))

    def sample(self, path: str) -> Iterator[dict[str, Any]]:
        """
        Yield the records at the beginning of *path*, as they stand; none of what cannot be read again.
        """
        if not self.rereadable(path):
            return
        with suppress(OSError), self._opened(path) as stream:
            yield from sample_of(stream, format=self._reading.format, name=_name(path))

    def rereadable(self, path: str) -> bool:
        """
        Return whether *path* can be read again: a file, or what is copied as it is read.

        Records in the order of the file need no second reading, and may have no end.
        """
        return not (self._reading.by_position and _is_read_once(path))

    def unread_histories(self, observed: ObservationModel) -> Iterator[Finding]:
        """
        Yield a finding for each file with histories that are not read as such.

        Asked for where no run was seen twice. Who names the column of the id means it.
        """
        reading = self._reading
        if (
            reading.columns.run_id is not None
            or self._lifecycle.shapes
            or not all(map(self.rereadable, self._paths))
        ):
            return
        for path in self._paths:
            try:
                with self._opened(path) as stream:
                    found = unread_histories(
                        stream,
                        observed,
                        format=reading.format,
                        name=_name(path),
                        columns=reading.columns,
                        lifecycle=self._lifecycle,
                    )
            except OSError:
                continue  # which the first reading reported
            if found is not None:
                yield found

    def _opened(self, path: str) -> AbstractContextManager[BinaryIO]:
        """
        Open *path* at its beginning.
        """
        if not _is_read_once(path):
            return Path(path).open("rb")
        if self._reading.by_position:
            return _open_once(path)
        spool = self._spools.setdefault(path, _Spool(path))
        spool.begin()

        return nullcontext(cast("BinaryIO", spool))

    def _notice(self, text: str) -> None:
        """
        Say once what is to be known about an input as a whole.
        """
        if text and text not in self._notices:
            self._notices[text] = None
            click.echo(f"runstate: {text}", err=True)


def _nothing(passed: Passed) -> str:
    """
    Return why an input without a finding holds nothing to judge.
    """
    if passed.foreign is None:
        return "holds no record of a run"

    return f"holds no record of a run: {passed.foreign}; --run-id and --status read it all the same"


def _unreadable(path: str, reason: str) -> Finding:
    return Finding("RS901", "error", reason, file=_name(path))


def _name(path: str) -> str:
    return "<stdin>" if path == "-" else shown_url(path)


def _is_read_once(path: str) -> bool:
    """
    Return whether what *path* says is gone once it is read: standard input, a pipe, a terminal.
    """
    if path == "-":
        return True
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False  # which opening it will tell

    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _open_once(path: str) -> AbstractContextManager[BinaryIO]:
    if path != "-":
        return Path(path).open("rb")
    if sys.stdin is None:
        raise OSError(errno.EBADF, "is closed")

    return nullcontext(sys.stdin.buffer)


class _Spool:
    """
    What can be read once, copied to a temporary file as it is read, so that it can be read again.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._open = ExitStack()
        self._source: BinaryIO | None = None
        self._copy: SpooledTemporaryFile[bytes] | None = None
        self._place = 0

    def begin(self) -> None:
        """
        Go back to the beginning.
        """
        if self._copy is None:
            self._source = self._open.enter_context(_open_once(self._path))
            self._copy = self._open.enter_context(SpooledTemporaryFile(MOST_SPOOLED))  # noqa: SIM115
            context = click.get_current_context(silent=True)
            if context is not None:
                context.call_on_close(self._open.close)
        self._place = 0

    def read1(self, size: int) -> bytes:
        """
        Return the next bytes, *size* at most; empty at the end.
        """
        copy, source = self._copy, self._source
        if copy is None or source is None:
            return b""
        copy.seek(self._place)
        data = copy.read(size)
        if not data:
            data = getattr(source, "read1", source.read)(size)
            copy.write(data)
        self._place += len(data)

        return data

    read = read1


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0  # which opening it will tell


@contextmanager
def _progress(paths: Sequence[str]) -> Iterator[Callable[[BinaryIO], None]]:
    """
    Show how much of *paths* was read, where it is much and somebody is there to see it.

    A thread looks at the open file from time to time, which costs the reading nothing.
    """
    size = sum(map(_size, paths))
    if size < LONG_READ or not sys.stderr.isatty():
        yield lambda stream: None  # noqa: ARG005
        return
    from rich.console import Console  # noqa: PLC0415  only where there is a bar to show
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        watch = _Watch(bar, bar.add_task("reading", total=size))
        watch.start()
        try:
            yield watch.look_at
        finally:
            watch.stop()


@contextmanager
def working(paths: Sequence[str]) -> Iterator[None]:
    """
    Show that an engine is at work on *paths*, and for how long, where somebody is there to see it.
    """
    # Of a folder, a pattern and a database, nobody knows the size.
    size = sum(_size(path) if Path(path).is_file() else LONG_READ for path in paths)
    if size < LONG_READ or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415  only where there is somebody to see it
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("reading"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        bar.add_task("reading", total=None)
        yield


class _Watch(Thread):
    """
    Moves a progress bar along with the file that is being read.
    """

    def __init__(self, bar: Any, task: Any) -> None:
        super().__init__(daemon=True)
        self._bar = bar
        self._task = task
        self._stopped = Event()
        self._stream: BinaryIO | None = None
        self._before = 0

    def look_at(self, stream: BinaryIO) -> None:
        """
        Watch *stream* from its beginning; a second time, count it as read.
        """
        if self._stream is stream:
            self._before += self._place()
            self._stream = None
        else:
            self._stream = stream

    def stop(self) -> None:
        """
        End the watch.
        """
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """
        Look ten times a second.
        """
        while not self._stopped.wait(0.1):
            self._bar.update(self._task, completed=self._before + self._place())

    def _place(self) -> int:
        try:
            return self._stream.tell() if self._stream is not None else 0
        except (OSError, ValueError):
            return 0
