"""
What is packed with gzip, unpacked as it is taken: no more than a portion is ever held.
"""

import zlib
from collections.abc import Callable
from typing import Final

__all__ = ["MAGIC", "Unpacked"]

MAGIC: Final = b"\x1f\x8b"

_WITH_HEADER: Final = 16 + zlib.MAX_WBITS


class Unpacked:
    """
    Reads as a stream does; one that is broken ends there, and says so.
    """

    def __init__(self, begun: bytes | bytearray, read: Callable[[int], bytes | None]) -> None:
        self.fault: str | None = None
        """Why it ended before its end; None if it did not."""
        self.line: int = 1
        """The line that was come to, from 1."""
        self._read = read
        self._packed = bytes(begun)
        self._member = zlib.decompressobj(_WITH_HEADER)

    def __call__(self, size: int) -> bytes | None:
        """
        Return the next bytes, *size* at most; empty at the end, None if none are there yet.
        """
        while not self.fault:
            if not self._packed:
                packed = self._read(size)
                if packed is None:
                    return None
                self._packed = packed
            if not self._packed:
                # What a member was packed from is known to be whole by its end alone.
                self.fault = None if self._member.eof else "the gzip input ends in the middle"
                return b""
            unpacked = self._more(size)
            if unpacked:
                self.line += unpacked.count(b"\n")
                return unpacked

        return b""

    def _more(self, size: int) -> bytes:
        """
        Return what the bytes at hand give, *size* of it at most; perhaps nothing.
        """
        if self._member.eof:
            # Files are appended to one another, and padded with zeros.
            self._packed = self._packed.lstrip(b"\0")
            if not self._packed:
                return b""
            self._member = zlib.decompressobj(_WITH_HEADER)
        try:
            unpacked = self._member.decompress(self._packed, size)
        except zlib.error:
            self.fault = "the gzip input is broken from here on"
            return b""
        self._packed = self._member.unused_data or self._member.unconsumed_tail

        return unpacked
