"""
Lower limits of the readers, so that a test's small input exceeds them; and the memory that is used.
"""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from runstate.readers import _rows, _source

__all__ = ["lower", "peak_memory"]


def lower(
    monkeypatch: Any,
    *,
    record: int = _source.LARGEST_RECORD,
    portion: int = _source.PORTION,
    lines: int = _rows.MOST_LINES,
) -> None:
    """
    Lower the limits that are named, until the test ends.

    Args:
        monkeypatch: The fixture of that name, or a context of it.
        record: Bytes of the largest record.
        portion: Bytes that are read at once.
        lines: Lines of the longest row of a CSV.
    """
    monkeypatch.setattr(_source, "LARGEST_RECORD", record)
    monkeypatch.setattr(_source, "PORTION", portion)
    monkeypatch.setattr(_rows, "MOST_LINES", lines)


@contextmanager
def peak_memory() -> Iterator[Callable[[], int]]:
    """
    Measure the block; the function returns the most bytes that Python held at once in it.
    """
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
