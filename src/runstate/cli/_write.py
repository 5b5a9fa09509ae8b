"""
Files that commands write: never over their own input, and whole or not at all.
"""

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

import click

from .._text import printable
from .._urls import shown_url
from ._shared import BadInput

__all__ = [
    "OutputPath", "output_option", "refuse_input", "sync_folder", "writing", "writing_text",
]  # fmt: skip

_FILE_URLS: Final = ("sqlite:///", "duckdb:///")
_PREFIX: Final = ".runstate-"


class OutputPath(click.Path):
    """
    The path of a file or folder to write; an empty text would mean the current folder.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("expected a name, got an empty text", param, ctx)

        return super().convert(value, param, ctx)


def output_option(*, folder: bool = False, **settings: Any) -> Callable[[Any], Any]:
    """
    Return the option ``-o`` of a command.

    Args:
        folder: Whether it names a folder rather than a file.
        settings: Further settings of :func:`click.option`.
    """
    kind = OutputPath(file_okay=not folder, dir_okay=folder, path_type=Path)

    return click.option("-o", "--out", type=kind, **settings)


def refuse_input(out: Path, inputs: Iterable[str | None]) -> None:
    """
    Pass an output that is none of the files that are read.

    Args:
        out: The file to write.
        inputs: What the command reads: names of files, ``-`` for standard input, URLs of
            database files. None and what is not there is passed over.

    Raises:
        BadInput: *out* is one of them, by whatever spelling, link or descriptor.
    """
    try:
        written = out.stat()
    except (OSError, ValueError):
        return
    for name in inputs:
        read = None if name is None else _status(name)
        if read is not None and os.path.samestat(read, written) and stat.S_ISREG(read.st_mode):
            shown = "standard input" if name == "-" else printable(shown_url(name or ""))
            raise BadInput(f"{printable(str(out))} is the input {shown}: name another file with -o")


def _status(name: str) -> os.stat_result | None:
    if name == "-":
        with suppress(OSError, ValueError, AttributeError):
            return os.fstat(sys.stdin.fileno())
        return None
    for scheme in _FILE_URLS:
        name = name.removeprefix(scheme)
    try:
        return Path(name).stat()
    except (OSError, ValueError):
        return None


@contextmanager
def writing(out: Path) -> Iterator[BinaryIO]:
    """
    Yield a stream whose bytes become *out* once the block has ended without an exception.

    They go to a temporary file in the same folder, which then replaces *out*: a full disk, a
    limit, an interrupt or any other failure leaves the file of yesterday. A link stays a link.
    What is not a regular file, such as a pipe or ``/dev/stdout``, is written as it is.

    Raises:
        OSError: It cannot be written; the error names *out*.
    """
    try:
        if out.exists() and not out.is_file():
            with out.open("wb") as stream:
                yield stream
            return
        target = out.resolve()
        with _temporary(target) as stream:
            yield stream
    except OSError as error:
        ours = error.filename is None or Path(str(error.filename)).name.startswith(_PREFIX)
        if error.errno is None or not ours:
            raise
        raise OSError(error.errno, error.strerror, str(out)) from None


@contextmanager
def writing_text(out: Path) -> Iterator[TextIO]:
    """
    Do the same for text in UTF-8.

    Raises:
        OSError: It cannot be written; the error names *out*.
    """
    with writing(out) as stream:
        text = TextIOWrapper(stream, "utf-8", newline="\n")
        try:
            yield text
        except BaseException:
            with suppress(OSError, ValueError):
                text.detach()
            raise
        text.detach()


def sync_folder(folder: Path) -> None:
    """
    Have the names of the files in *folder* outlive a power cut, where the system can do that.
    """
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _temporary(target: Path) -> Iterator[BinaryIO]:
    descriptor, name = tempfile.mkstemp(prefix=_PREFIX, dir=target.parent)
    try:
        with open(descriptor, "wb") as stream:  # noqa: PTH123  a descriptor, not a path
            yield stream
            stream.flush()
            os.fsync(descriptor)
        Path(name).chmod(_mode(target))
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _mode(target: Path) -> int:
    """
    Return the permissions that *target* has, or that a new file would have.
    """
    with suppress(OSError):
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)

    return 0o666 & ~mask
