"""
A stream of bytes in pieces: looked at without losing them, and cut into lines.

Works on anything that has ``read``: files, pipes, sockets, in whatever portions
they answer. Nothing is ever sought.
"""

from collections.abc import Iterator
from typing import BinaryIO, Final

from . import _gzip, _packings, _zstd

__all__ = ["LARGEST_RECORD", "Source"]

LARGEST_RECORD: Final = 16 * 1024 * 1024
"""Bytes of the largest record that is read; what is beyond is reported and passed over."""

PORTION: Final = 1 << 16

_BOM: Final = b"\xef\xbb\xbf"
_FOREIGN: Final = ((_zstd.MAGIC, _zstd.MISSING), *_packings.FOREIGN)
"""How inputs begin that cannot be text, and what they are."""
_TAR: Final = (slice(257, 262), b"ustar")


class Source:
    """
    Hands out a stream's bytes once, in portions, unpacked and without its byte order mark.
    """

    def __init__(self, stream: BinaryIO) -> None:
        # read1 answers what is there, so that a pipe's lines are seen as they come.
        self._read = getattr(stream, "read1", stream.read)
        self.packed: _gzip.Unpacked | _zstd.Unpacked | _packings.Unpacked | None = None
        """What unpacks the stream, where it is packed; else None."""
        self._held = bytearray()
        self._hold_beginning()
        if self._held.startswith(_gzip.MAGIC):
            self.packed = self._read = _gzip.Unpacked(self._held, self._read)
        elif self._held.startswith(_zstd.MAGIC) and _zstd.available():
            self.packed = self._read = _zstd.Unpacked(self._held, self._read)
        else:
            self.packed = _packings.unpacked(self._held, self._read)
            self._read = self.packed or self._read
        if self.packed is not None:
            self._held = bytearray()
            self._hold_beginning()
        if _packings.is_wide(self._held):
            self._read = _packings.Narrowed(self._held, self._read)
            self._held = bytearray()
            self._hold_beginning()
        self.foreign: str | None = next(
            (what for how, what in _FOREIGN if self._held.startswith(how)), None
        )
        """What the input is, if it begins like something that is no text; else None."""
        if self._held[_TAR[0]] == _TAR[1]:
            self.foreign = "the input is a tar archive: unpack it, and name the files in it"
        if self._held.startswith(_BOM):
            del self._held[: len(_BOM)]

    @property
    def held(self) -> bytearray:
        """The bytes that were looked at and not handed out."""
        return self._held

    def look_further(self) -> bool:
        """
        Hold one more portion; False if there is none.
        """
        portion = self._next_portion()
        self._held += portion

        return bool(portion)

    def first_line(self) -> bytes:
        """
        Return the line ahead without its line feed, as far as a record may be long; it stays ahead.
        """
        start = 0
        while True:
            start = len(self._held) - len(self._held[start:].lstrip())
            end = self._held.find(b"\n", start)
            if end >= 0 or len(self._held) >= LARGEST_RECORD or not self.look_further():
                return bytes(self._held[start : end if end >= 0 else None])

    def portion(self) -> bytes:
        """
        Return the next bytes; empty at the end.
        """
        if not self._held:
            return self._next_portion()
        portion, self._held = bytes(self._held), bytearray()

        return portion

    def lines(self, *, carriage_returns: bool = False) -> Iterator[bytes | None]:
        """
        Yield each line without its line feed; None in place of one that is too large.

        A last line without a line feed counts; an empty one does not.

        Args:
            carriage_returns: Whether CR LF and a lone CR end a line too. Else they
                are part of it.
        """
        largest = LARGEST_RECORD
        begun, size = bytearray(), 0
        for portion in self._unified() if carriage_returns else iter(self.portion, b""):
            first, *others = portion.split(b"\n")
            size += len(first)
            if size <= largest:
                begun += first
            else:
                begun.clear()
            if not others:
                continue
            yield bytes(begun) if size <= largest else None
            last = others.pop()
            if len(portion) <= largest:
                yield from others
            else:
                yield from (line if len(line) <= largest else None for line in others)
            begun, size = bytearray(last if len(last) <= largest else b""), len(last)
        if size:
            yield bytes(begun) if size <= largest else None

    def _hold_beginning(self) -> None:
        while len(self._held) < _packings.begins_longer(self._held) and self.look_further():
            pass

    def _unified(self) -> Iterator[bytes]:
        """
        Yield the portions with LF for every CR LF and every lone CR.
        """
        after_return = False
        while portion := self.portion():
            # The CR has ended its line already, so that nobody waits for the LF.
            if after_return and portion.startswith(b"\n"):
                portion = portion[1:]
                after_return = False
            if portion:
                after_return = portion.endswith(b"\r")
                yield portion.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _next_portion(self) -> bytes:
        portion: bytes | None = self._read(PORTION)
        if portion is None:
            raise BlockingIOError("the stream has nothing to read yet; give a blocking one")

        return portion
