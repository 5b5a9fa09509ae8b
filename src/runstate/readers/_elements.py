"""
The elements of one JSON array, cut out of the stream without parsing it.

Only brackets, strings and line ends are looked at, so that an element that is
broken inside stays one element, and so that no more than one is held. Strings
never span lines in JSON; a lost quotation mark therefore ends with its line.
Where an element has no end, reading goes on at the next line that looks as the
beginning of this one did.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from . import _source
from ._parse import parse
from ._source import Source
from ._values import BadRecordError, too_large

__all__ = ["Cursor", "Element", "elements", "members"]

_BLANK: Final = re.compile(rb"[ \t\r\n]*")
_SCALAR: Final = re.compile(rb'[^,\[\]{}"\n]*')
_STRINGS: Final = rb'[^"\[\]{}]*+(?:"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"[^"\[\]{}]*+)*+'
_TO_BRACKET: Final = re.compile(_STRINGS)
"""Everything up to a bracket, or to a string that does not end in these bytes."""
_SHALLOW: Final = re.compile(
    rb"\{%b(?:(?:\{%b\}|\[%b\])%b)*+\}" % (_STRINGS, _STRINGS, _STRINGS, _STRINGS)
)
"""A whole object with nothing in it that is nested twice, as almost all of them are."""
_TO_QUOTE: Final = re.compile(rb'[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+')
"""The rest of a string, up to its quotation mark, the line's end, or these bytes'."""
_PAIRS: Final = {b"}": b"{", b"]": b"["}
_DEEPEST: Final = 1_000
"""Brackets that are counted; the parser refuses fewer."""
_MOST_RESCANNED: Final = 2
"""How many of the largest records are read again in one input, at most, to go on after faults."""
_LONGEST_INDENT: Final = 4_096
_MIDDLE: Final = "it ends in the middle"


class Element(NamedTuple):
    """
    One element, or what is wrong where one was expected.
    """

    line: int
    """Line that it begins in."""
    text: bytes
    fault: BadRecordError | None = None
    ended: bool = True
    """Whether its end was found, so that the next one is ahead."""


class Cursor:
    """
    A place in a stream, which knows its line and keeps what it passes if asked to.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._most: int | None = None
        self.text = b""
        self.place = 0
        self.line = 1
        self.kept: bytearray | None = None
        """What was passed since it was made empty; None where that is not wanted, or too much."""
        self._rescanned = 0

    @property
    def largest(self) -> int:
        """Bytes of the largest value that is kept."""
        return self._most or _source.LARGEST_RECORD

    def peek(self) -> bytes:
        """
        Return the byte ahead; empty at the end of the stream.
        """
        if self.place == len(self.text):
            self.fill()

        return self.text[self.place : self.place + 1]

    def fill(self) -> bool:
        """
        Have more bytes ahead, after those not passed yet; False if there are none.
        """
        portion = self._source.portion()
        self.text, self.place = self.text[self.place :] + portion, 0

        return bool(portion)

    def pass_to(self, place: int) -> None:
        """
        Pass everything up to *place* in :attr:`text`.
        """
        passed = self.text[self.place : place]
        self.line += passed.count(b"\n")
        self.place = place
        if self.kept is not None:
            self.kept += passed
            if len(self.kept) > self.largest:
                self.kept = None

    def take(self, pattern: re.Pattern[bytes]) -> None:
        """
        Pass all that *pattern* matches, however far that goes; it may match nothing.
        """
        while True:
            match = pattern.match(self.text, self.place)
            self.pass_to(match.end() if match else self.place)
            if self.place < len(self.text) or not self.fill():
                return

    def element(self, largest: int) -> Element:
        """
        Return the value that is ahead, of *largest* bytes at most.
        """
        self._most = largest
        element = _element(self, bounded=False)
        self._most = None

        return element

    def blank(self) -> bytes:
        """
        Pass blanks and line ends, and return them; empty if they are longer than any record.
        """
        self.kept = bytearray()
        self.take(_BLANK)

        return bytes(self.kept or b"")

    def go_back(self, line: int) -> None:
        """
        Have what was kept ahead once more, beginning in *line*, as long as that is worth it.
        """
        kept, self.kept = self.kept, None
        if kept is None:
            return
        self._rescanned += len(kept)
        if self._rescanned <= _MOST_RESCANNED * _source.LARGEST_RECORD:
            self.text, self.place = bytes(kept) + self.text[self.place :], 0
            self.line = line

    def find_line(self, beginning: re.Pattern[bytes]) -> bool:
        """
        Pass to the end of the next match of *beginning*, which starts with a line feed.
        """
        while True:
            match = beginning.search(self.text, self.place)
            if match:
                self.pass_to(match.end())
                return True
            last = self.text.rfind(b"\n", self.place)
            near = len(self.text) - last <= _LONGEST_INDENT
            self.pass_to(last if last >= 0 and near else len(self.text))
            if not self.fill():
                return False


def members(cursor: Cursor) -> Iterator[tuple[str, Element]]:
    """
    Yield the elements of every array of the object that *cursor* is at, by the array's key.

    Whatever else the object holds is passed over.

    Raises:
        BadRecordError: What comes cannot be told any more.
    """
    cursor.pass_to(cursor.place + 1)
    while _ahead(cursor) != b"}":
        key = _key(cursor)
        if _ahead(cursor) == b"[":
            yield from ((key, element) for element in elements(cursor))
            if not cursor.peek():
                return  # which its last element told
        else:
            value = _element(cursor, bounded=False)
            if value.fault and not value.ended:
                raise value.fault
        if _ahead(cursor) == b",":
            cursor.pass_to(cursor.place + 1)
        elif cursor.peek() != b"}":
            raise _bad("a comma or a bracket is missing")
    cursor.pass_to(cursor.place + 1)
    if _ahead(cursor):
        raise _bad("something follows the value")


def _ahead(cursor: Cursor) -> bytes:
    cursor.blank()

    return cursor.peek()


def _key(cursor: Cursor) -> str:
    """
    Return the key that *cursor* is at, and pass its colon; empty if it is longer than any record.
    """
    if cursor.peek() != b'"':
        raise _bad("a key is not a string in double quotes" if cursor.peek() else _MIDDLE)
    cursor.kept = bytearray()
    _pass_string(cursor)
    key = parse(bytes(cursor.kept or b'""'), cursor.line)
    if _ahead(cursor) != b":":
        raise _bad("a colon is missing after a key")
    cursor.pass_to(cursor.place + 1)

    return str(key)


def elements(cursor: Cursor) -> Iterator[Element]:
    """
    Yield the elements of the array that *cursor* is at, and what is wrong between them.

    Args:
        cursor: At its bracket; afterwards, where it is whole, behind the other one.
    """
    cursor.pass_to(cursor.place + 1)
    due = ""
    while True:
        blank, ahead, line = cursor.blank(), cursor.peek(), cursor.line
        if ahead in (b"", b"]"):
            yield from _end(cursor, due)
            return
        if ahead == b",":
            if due != "comma":
                yield _fault(line, "an element is missing before a comma")
            cursor.pass_to(cursor.place + 1)
            due = "element"
            continue
        if due == "comma":
            yield _fault(line, "a comma is missing before an element")
        element = _element(cursor, bounded=b"\n" in blank)
        yield element
        due = "comma"
        if not element.ended:
            cursor.go_back(line)
            if not cursor.find_line(_beginning(blank)):
                return
            due = ""


def _end(cursor: Cursor, due: str) -> Iterator[Element]:
    if not cursor.peek():
        yield _fault(cursor.line, "the array does not end")
        return
    if due == "element":
        yield _fault(cursor.line, "an element is missing after a comma")
    cursor.pass_to(cursor.place + 1)


def _element(cursor: Cursor, *, bounded: bool) -> Element:
    """
    Return the element that *cursor* is at.

    If *bounded*, stops where it gets too large, because the next one can be found by
    its line; else passes all of it.
    """
    line, cursor.kept = cursor.line, bytearray()
    match = _SHALLOW.match(cursor.text, cursor.place)
    if match and len(match[0]) <= cursor.largest:
        cursor.kept = None
        cursor.pass_to(match.end())
        return Element(line, match[0])
    try:
        if cursor.peek() in (b"{", b"["):
            _pass_container(cursor, bounded)
        elif cursor.peek() == b'"':
            _pass_string(cursor)
        else:
            cursor.pass_to(cursor.place + 1)
            cursor.take(_SCALAR)
    except BadRecordError as bad:
        return Element(line, b"", bad, ended=False)
    if cursor.kept is None:
        return Element(line, b"", too_large("record", _source.LARGEST_RECORD))

    return Element(line, bytes(cursor.kept))


def _pass_container(cursor: Cursor, bounded: bool) -> None:
    """
    Pass an object or an array, whatever is in it.

    Raises:
        BadRecordError: It does not end, or is too large and *bounded*.
    """
    open_brackets: list[bytes] = []
    while True:
        cursor.take(_TO_BRACKET)
        ahead = cursor.peek()
        if bounded and cursor.kept is None:
            raise too_large("record", _source.LARGEST_RECORD)
        if not ahead:
            raise _bad(_MIDDLE)
        if ahead == b'"':
            _pass_string(cursor)
            continue
        if ahead not in _PAIRS:
            open_brackets.append(ahead)
        elif open_brackets.pop() != _PAIRS[ahead]:
            raise _bad("a bracket is closed by one of the other kind")
        if len(open_brackets) > _DEEPEST:
            raise _bad("it is nested too deeply")
        cursor.pass_to(cursor.place + 1)
        if not open_brackets:
            return


def _pass_string(cursor: Cursor) -> None:
    """
    Pass a string.

    Raises:
        BadRecordError: It does not end in its line.
    """
    cursor.pass_to(cursor.place + 1)
    while True:
        cursor.take(_TO_QUOTE)
        if cursor.peek() == b'"':
            cursor.pass_to(cursor.place + 1)
            return
        # A backslash may be waiting for what it escapes.
        if cursor.text[cursor.place :] != b"\\" or not cursor.fill():
            raise _bad("a string does not end in its line")


def _beginning(blank: bytes) -> re.Pattern[bytes]:
    """
    Return how the line of an object begins that is indented like one that followed *blank*.
    """
    _, own_line, indent = blank.rpartition(b"\n")

    return re.compile(rb"\n" + (re.escape(indent) if own_line else rb"[ \t]*") + rb"(?=\{)")


def _bad(reason: str) -> BadRecordError:
    return BadRecordError("RS901", f"not JSON: {reason}")


def _fault(line: int, reason: str) -> Element:
    return Element(line, b"", _bad(reason))
