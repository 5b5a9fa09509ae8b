"""
What is packed with zstd, read as it is: packing never changes what is found.
"""

import gzip
import io
import sys
from importlib import import_module

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from reader_limits import lower, peak_memory
from runstate import Finding
from runstate.readers import read

LINES = b'{"id": "r", "status": "queued"}\n{"id": "r", "status": "completed"}\n'


def told(data, name="log", **options):
    """
    Return what is read: status and line of the observations, code, line and reason of findings.
    """
    return [
        (r.code, r.line, r.message) if isinstance(r, Finding) else (r.status, r.line)
        for r in read(io.BytesIO(data), name=name, **options)
    ]


class Trickle:
    """
    A stream that gives a few bytes at a time.
    """

    def __init__(self, data, size):
        self._data, self._size = io.BytesIO(data), size

    def read(self, size):
        """
        Give some bytes, *size* at most.
        """
        return self._data.read(min(size, self._size))


@given(
    st.binary(max_size=3_000) | st.just(LINES * 5_000),
    st.integers(1, 700),
    st.sampled_from(["log", "log.csv", "log.jsonl"]),
)
def test_packing_never_changes_what_is_found(data, size, name):
    """
    Plain, gzip and zstd have one verdict, in whatever portions they come.
    """
    plain = told(data, name) if data[:4] != b"\x28\xb5\x2f\xfd" else None
    if plain is None or data[:2] == b"\x1f\x8b":
        return

    assert plain == told(gzip.compress(data), f"{name}.gz")
    assert plain == told(zstandard.compress(data), f"{name}.zst")
    packed = Trickle(zstandard.compress(data), size)
    assert len(plain) == len([*read(packed, name=f"{name}.zst")])


def test_frames_appended_to_one_another_are_one():
    """
    Rotated logs are put together by appending them.
    """
    first, second = (zstandard.compress(line) for line in LINES.splitlines(keepends=True))

    assert [("queued", 1), ("completed", 2)] == told(first + second)


def test_a_broken_or_truncated_input_is_a_finding():
    """
    What comes before the fault is read, and the fault has its line.
    """
    packed = zstandard.compress(LINES)
    cut, broken = told(packed[:-5]), told(packed + b"\xff" * 50)

    assert [("queued", 1), ("completed", 2)] == broken[:-1]
    assert ("RS901", "the zstd input ends in the middle") == (cut[-1][0], cut[-1][2])
    assert ("RS901", "the zstd input is broken from here on") == (broken[-1][0], broken[-1][2])


def test_a_bomb_is_unpacked_in_portions(monkeypatch):
    """
    A line of 64 MiB that is packed into a few kilobytes is passed over, not held.
    """
    lower(monkeypatch, record=1 << 17)
    bomb = zstandard.compress(b"0" * (64 << 20) + b"\n" + LINES)

    with peak_memory() as peak:
        found = told(bomb, "log.jsonl.zst")

    assert ["RS904", "queued", "completed"] == [each[0] for each in found]
    assert peak() < 16 << 20


def test_without_the_library_the_extra_is_named(monkeypatch):
    """
    Where zstandard is not installed, one finding says what to install.
    """
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ImportError):
        import_module("zstandard")
    ((code, _, reason),) = told(zstandard.compress(LINES))

    assert ("RS901", True) == (code, "install runstate[zstd]" in reason)
