"""
Inputs packed with xz, bzip2 or zip, and text in UTF-16: unpacked as they are taken.

A portion is held and no more, except of a zip file, which waits in a temporary file because its
table of contents comes last.
"""

import codecs
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final
from weakref import finalize

__all__ = ["FOREIGN", "Narrowed", "Unpacked", "begins_longer", "is_wide", "unpacked"]

_XZ: Final = b"\xfd7zXZ\x00"
_BZIP2: Final = b"BZh"
_BZIP2_BLOCKS: Final = (b"1AY&SY", b"\x17rE8P\x90")
"""How the first block of bzip2 begins, and how the end of one without blocks does."""
_ZIP: Final = b"PK\x03\x04"
_7Z: Final = b"7z\xbc\xaf"
FOREIGN: Final = (
    (_7Z, "the input is a 7z archive: unpack it first"),
    (b"Obj\x01", "the input is Avro; write its records as JSON lines, for example with avro-tools"),
    (b"PAR1", "the input is Parquet: --engine duckdb reads it from a file whose name ends in .parquet"),
    (b"ORC", "the input is ORC; write its records as JSON lines or Parquet"),
    (b"%PDF", "the input is a PDF; write its records as CSV or JSON lines"),
)  # fmt: skip
"""How inputs begin that this package does not read, and what to do with them."""

_MOST_MEMORY: Final = 256 << 20
"""Bytes that an xz stream may ask for; its largest usual setting takes 65 MiB."""
_MOST_SPOOLED: Final = 8 << 20
_PORTION: Final = 1 << 16

_Read = Callable[[int], bytes | None]


def begins_longer(held: bytes | bytearray) -> int:
    """
    Return how many bytes are needed to know what an input is that begins with *held*.
    """
    return 10 if held.startswith((_XZ[:4], _BZIP2)) else 4


def unpacked(held: bytes | bytearray, read: _Read) -> "Unpacked | None":
    """
    Return what unpacks an input that begins with *held* and goes on with *read*; None if it is not packed.
    """
    if held.startswith(_ZIP):
        return _Zip(held, read)
    if held.startswith(_XZ):
        return _Stream("xz", held, read)
    if held.startswith(_BZIP2) and bytes(held[4:10]) in _BZIP2_BLOCKS:
        return _Stream("bzip2", held, read)

    return None


class Unpacked(ABC):
    """
    Reads as a stream does; one that is broken ends there, and says so.
    """

    def __init__(self, name: str) -> None:
        """
        Unpack an input that *name* names the packing of.
        """
        self._name = name
        self.fault: str | None = None
        """Why it ended before its end; None if it did not."""
        self.line: int = 1
        """The line that was come to, from 1."""

    def __call__(self, size: int) -> bytes | None:
        """
        Return the next bytes, *size* at most; empty at the end, None if none are there yet.
        """
        if self.fault:
            return b""
        try:
            portion = self._next(size)
        except ImportError:
            self.fault = f"this Python cannot unpack {self._name}: unpack the input first"
            return b""
        except Exception:  # noqa: BLE001  each library has errors of its own
            self.fault = f"the {self._name} input is broken from here on"
            return b""
        self.line += portion.count(b"\n") if portion else 0

        return portion

    @abstractmethod
    def _next(self, size: int) -> bytes | None: ...


class _Stream(Unpacked):
    """
    An input packed with xz or bzip2.
    """

    def __init__(self, name: str, held: bytes | bytearray, read: _Read) -> None:
        super().__init__(name)
        self._packed, self._read = bytes(held), read
        self._member: Any = None

    def _next(self, size: int) -> bytes | None:
        while True:
            if self._member is None or self._member.eof:
                self._packed = self._member.unused_data if self._member else self._packed
                self._packed = (self._packed or self._read(size) or b"").lstrip(b"\0")
                if not self._packed:
                    return b""
                self._member = self._new()
            if self._member.needs_input and not self._packed:
                packed = self._read(size)
                if packed is None:
                    return None
                if not packed:
                    self.fault = f"the {self._name} input ends in the middle"
                    return b""
                self._packed = packed
            data, self._packed = self._packed, b""
            found: bytes = self._member.decompress(data, size)
            if found:
                return found

    def _new(self) -> Any:
        if self._name == "bzip2":
            from bz2 import BZ2Decompressor  # noqa: PLC0415  few inputs are packed so

            return BZ2Decompressor()
        from lzma import LZMADecompressor  # noqa: PLC0415

        return LZMADecompressor(memlimit=_MOST_MEMORY)


class _Zip(Unpacked):
    """
    A zip file with one file in it.
    """

    def __init__(self, held: bytes | bytearray, read: _Read) -> None:
        super().__init__("zip")
        self._begun, self._read = bytes(held), read
        self._member: IO[bytes] | None = None

    def _next(self, size: int) -> bytes | None:
        if self._member is None:
            self._member = self._opened()

        return self._member.read(size) if self._member else b""

    def _opened(self) -> IO[bytes] | None:
        copy = SpooledTemporaryFile(_MOST_SPOOLED)  # noqa: SIM115  read as long as the input is
        finalize(self, copy.close)
        portion: bytes | None = self._begun
        while portion:
            copy.write(portion)
            portion = self._read(_PORTION)
        archive = zipfile.ZipFile(copy)
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            self.fault = (
                f"the zip input holds {len(names)} files, and one is expected: unpack it first"
            )
            return None

        return archive.open(names[0])


def is_wide(held: bytes | bytearray) -> bool:
    """
    Return whether text begins with *held* that is in UTF-16.
    """
    return held.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


class Narrowed:
    """
    Reads text in UTF-16 as UTF-8. What is not UTF-16 becomes a byte that is not UTF-8.
    """

    def __init__(self, held: bytes | bytearray, read: _Read) -> None:
        self._begun = bytes(held)
        self._read = read
        self._decoder = codecs.getincrementaldecoder("utf-16")("surrogatepass")

    def __call__(self, size: int) -> bytes | None:
        """
        Return the next bytes, about *size* at most; empty at the end, None if none are there yet.
        """
        while True:
            portion = self._begun or self._read(size)
            self._begun = b""
            if portion is None:
                return None
            text = self._decode(portion)
            if text or not portion:
                return text.encode("utf-8", "surrogatepass")

    def _decode(self, portion: bytes) -> str:
        try:
            return self._decoder.decode(portion, final=not portion)
        except UnicodeDecodeError:
            self._decoder.reset()
            return "\udcff"
