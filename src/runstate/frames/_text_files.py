"""
What is looked at in a file of text before DuckDB reads it.

DuckDB takes some bytes for something else than the readers of this package do: it ends a line at
a lone carriage return, and keeps what is not visible. Such files are refused.
"""

from codecs import getincrementaldecoder
from collections.abc import Iterator
from typing import Any

from ..readers._formats import PACKINGS
from ._errors import FrameError, needed

__all__ = ["count_lines"]

_PORTION = 1 << 20


def count_lines(name: str, *, one_end: bool = False) -> int:
    """
    Return the number of lines of the file *name*, unpacked.

    Args:
        name: The file.
        one_end: Whether all lines must end in the same way, as DuckDB wants it of tables.

    Raises:
        FrameError: It is not UTF-8, or holds a NUL byte, or a carriage return that no line feed
            follows, or ends lines in two ways.
    """
    decoder = getincrementaldecoder("utf-8")()
    lines, last, plain, returns = 0, b"", True, 0
    try:
        for portion in _portions(name):
            # The decoder may hold the beginning of a character.
            plain = plain and portion.isascii()
            if not plain:
                decoder.decode(portion)
            if b"\0" in portion:
                raise FrameError(name, "holds a NUL byte: use --engine python")
            if last == b"\r" or b"\r" in portion:
                _refuse_returns(name, last + portion)
            lines += portion.count(b"\n")
            returns += portion.count(b"\r")
            last = portion[-1:]
        decoder.decode(b"", final=True)
        _refuse_returns(name, last, ended=True)
    except UnicodeDecodeError:
        raise FrameError(name, "is not UTF-8: use --engine python") from None
    if one_end and returns not in {0, lines, lines + (last == b"\r")}:
        reason = "ends some lines with a carriage return, and some without: use --engine python"
        raise FrameError(name, reason)

    return lines + (last not in {b"", b"\n"})


def _refuse_returns(name: str, text: bytes, *, ended: bool = False) -> None:
    """
    Pass *text* in which line feeds follow all carriage returns, but for one at its end.
    """
    returns = text.count(b"\r") - (not ended and text.endswith(b"\r"))
    if returns != text.count(b"\r\n"):
        raise FrameError(name, "holds carriage returns within lines: use --engine python")


def _portions(name: str) -> Iterator[bytes]:
    try:
        with _unpacked(name) as stream:
            while portion := stream.read(_PORTION):
                yield portion
    except OSError as error:
        raise FrameError(name, " ".join((error.strerror or str(error)).split())) from None


def _unpacked(name: str) -> Any:
    # What is not packed is read without pyarrow, which takes longer to import than DuckDB.
    if not name.lower().endswith(PACKINGS):
        return open(name, "rb")  # noqa: PTH123  the caller closes it
    try:
        import pyarrow  # type: ignore[import-untyped]  # noqa: ICN001, PLC0415  the extra
    except ModuleNotFoundError:
        raise needed("pyarrow") from None

    return pyarrow.input_stream(name, compression="detect")
