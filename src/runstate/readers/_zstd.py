"""
What is packed with zstd, unpacked as it is taken, by the library ``zstandard`` (the extra zstd).
"""

from collections.abc import Callable
from typing import Final

__all__ = ["MAGIC", "MISSING", "Unpacked", "available"]

MAGIC: Final = b"\x28\xb5\x2f\xfd"
MISSING: Final = (
    "the input is compressed with zstd, which needs the library zstandard: "
    "install runstate[zstd], or unpack it first"
)
_PIECE: Final = 512
"""
Packed bytes that are unpacked in one go.

A block of four bytes can stand for 128 KiB, so that this bounds what is held to 16 MiB.
"""


def available() -> bool:
    """
    Return whether the library is installed.
    """
    try:
        import zstandard  # noqa: F401, PLC0415  an extra
    except ImportError:
        return False

    return True


class Unpacked:
    """
    Reads as a stream does; one that is broken ends there, and says so.
    """

    def __init__(self, begun: bytes | bytearray, read: Callable[[int], bytes | None]) -> None:
        """
        Unpack what *begun* and then *read* give.
        """
        self.fault: str | None = None
        """Why it ended before its end; None if it did not."""
        self.line: int = 1
        """The line that was come to, from 1."""
        self._read = read
        self._packed = bytes(begun)
        self._unpacked = b""
        import zstandard  # noqa: PLC0415  an extra

        self._error: type[Exception] = zstandard.ZstdError
        self._decompressor = zstandard.ZstdDecompressor()
        self._frame = self._decompressor.decompressobj()

    def __call__(self, size: int) -> bytes | None:
        """
        Return the next bytes, *size* at most; empty at the end, None if none are there yet.
        """
        while not self._unpacked and not self.fault:
            if not self._packed:
                packed = self._read(size)
                if packed is None:
                    return None
                if not packed:
                    ended = self._frame.eof
                    self.fault = None if ended else "the zstd input ends in the middle"
                    return b""
                self._packed = packed
            self._unpack()
        given, self._unpacked = self._unpacked[:size], self._unpacked[size:]
        self.line += given.count(b"\n")

        return given

    def _unpack(self) -> None:
        if self._frame.eof:
            # Files are appended to one another.
            self._frame = self._decompressor.decompressobj()
        piece, self._packed = self._packed[:_PIECE], self._packed[_PIECE:]
        try:
            self._unpacked = self._frame.decompress(piece)
        except self._error:
            self.fault = "the zstd input is broken from here on"
            return
        self._packed = self._frame.unused_data + self._packed
