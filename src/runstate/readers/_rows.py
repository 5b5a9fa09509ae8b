"""
Lines of comma-separated values to rows, strictly, and without losing the rest.

The standard library's ``csv`` takes an unfinished quotation for one row up to
the end of the file, and its largest cell is a setting of the whole process; this
one knows where a quotation began, gives up in time, and goes on one line later.
"""

import re
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from . import _source
from ._values import BadRecordError, too_large

__all__ = ["MOST_LINES", "Row", "Rows"]

MOST_LINES: Final = 1_000
"""Lines that one row may span."""

_QUOTED: Final = re.compile(r'[^"]*+(?:""[^"]*+)*+')
"""Possessive, so that no way back is kept for each of millions of quotation marks."""


_Line = tuple[int, bytes | None]
"""The number of a line, and the line; None where it is too large."""


class Row(NamedTuple):
    """
    One row, or what is wrong with one.
    """

    line: int
    """Line that it begins in; where a quotation is not finished, the one that that begins in."""
    cells: list[str]
    fault: BadRecordError | None = None


# Not Row(...), whose generated constructor takes longer than the rest of a usual line.
_new_row: Final = tuple.__new__


class _Unfinished:
    """
    A row under construction, fed line by line.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self.cells: list[str] = []
        self.open: list[str] | None = None
        """The lines so far of a quoted cell that has not ended; None outside of one."""
        self.opened_in = 0
        """Which of the lines fed, from 0, that cell began in."""

    def feed(self, text: str, index: int) -> None:
        """
        Take one more line, without its line feed.

        Raises:
            BadRecordError: Something follows a closing quotation mark.
        """
        place = 0
        if self.open is not None:
            place = self._quoted(text, 0, index)
        while place <= len(text) and self.open is None:
            if text.startswith('"', place):
                place = self._quoted(text, place + 1, index)
            else:
                delimiter = text.find(self._delimiter, place)
                end = delimiter if delimiter >= 0 else len(text)
                self.cells.append(text[place:end])
                place = end + 1

    def _quoted(self, text: str, place: int, index: int) -> int:
        """
        Take quoted text from *place* on; return where the next cell begins, if it ends here.
        """
        if self.open is None:
            self.open, self.opened_in = [], index
        match = _QUOTED.match(text, place)
        end = match.end() if match else place
        self.open.append(text[place:end])
        if end == len(text):
            return end
        if text[end + 1 : end + 2] not in ("", self._delimiter):
            raise BadRecordError("RS901", "not CSV: something follows a closing quotation mark")
        self.cells.append("\n".join(self.open).replace('""', '"'))
        self.open = None

        return end + 2


class Rows:
    """
    Iterates over the rows of some lines, whose cells *delimiter* separates. Blank lines are none.
    """

    def __init__(self, lines: Iterator[bytes | None], delimiter: str = ",") -> None:
        self._delimiter = delimiter
        self._ahead = deque[_Line]()
        """Lines that were looked at, and are to be read again."""
        self._numbered = enumerate(lines, 1)
        self.width: int | None = None
        """Cells that a row has at most, once that is known; a row of more is not read on."""
        self._spoilt = ""
        """Why the row under construction cannot be used; empty if it can."""

    def __iter__(self) -> Iterator[Row]:
        ahead, numbered, delimiter = self._ahead, self._numbered, self._delimiter
        while line := ahead.popleft() if ahead else next(numbered, None):
            number, raw = line
            if raw is None:
                yield Row(number, [], too_large("line", _source.LARGEST_RECORD))
            elif (text := self._text(raw, begins=True)) and not text.isspace():
                if '"' in text or self._spoilt:
                    yield self._judged(self._quoted_row(line, text))
                else:
                    yield _new_row(Row, (number, text.split(delimiter), None))

    def _next(self) -> _Line | None:
        return self._ahead.popleft() if self._ahead else next(self._numbered, None)

    def _text(self, raw: bytes, *, begins: bool) -> str:
        self._spoilt = "" if begins else self._spoilt
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("utf-8", "surrogateescape")
            self._spoilt = "it is not UTF-8"
        if "\0" in text and not self._spoilt:
            self._spoilt = "it holds a NUL byte"

        return text.removesuffix("\r")

    def _judged(self, row: Row) -> Row:
        if self._spoilt and not row.fault:
            return Row(row.line, [], BadRecordError("RS901", f"not CSV: {self._spoilt}"))

        return row

    def _quoted_row(self, line: _Line, text: str) -> Row:
        """
        Return the row that begins with *line*; if it has a fault, give back what follows that.
        """
        row, taken = _Unfinished(self._delimiter), [line]
        try:
            row.feed(text, 0)
            size = len(text)
            while row.open is not None:
                text = self._continuation(row, taken, size)
                row.feed(text, len(taken) - 1)
                size += len(text)
        except BadRecordError as bad:
            self._ahead.extendleft(reversed(taken[row.opened_in + 1 :]))
            return Row(taken[row.opened_in][0], [], bad)

        return Row(line[0], row.cells)

    def _continuation(self, row: _Unfinished, taken: list[_Line], size: int) -> str:
        """
        Return the text of the line that goes on with *row*, and add the line to *taken*.

        Raises:
            BadRecordError: There is none, or the row is too large by now.
        """
        wide = self.width is not None and len(row.cells) >= self.width
        if not wide and len(taken) < MOST_LINES and size <= _source.LARGEST_RECORD:
            line = self._next()
            if line is not None:
                taken.append(line)
                if line[1] is not None:
                    return self._text(line[1], begins=False)

        raise BadRecordError("RS901", "not CSV: a quoted cell begins here and does not end")
