"""
Splits rows with several sources into rows with one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ._rows import ANY, Transition

__all__ = ["expanded"]


def expanded(
    rows: Iterable[Transition], initial: Iterable[str], terminal: Any
) -> tuple[Transition, ...]:
    """
    Return *rows* with one row for each source, in the order of the sources.

    Args:
        rows: Rows as they were written. The source ``"*"`` stands for every status that some
            row, *initial* or *terminal* names and that is not terminal.
        initial: The initial statuses.
        terminal: The terminal statuses.
    """
    rows = tuple(rows)
    if not any(row.more_sources or row.source == ANY for row in rows):
        return rows
    live = [status for status in dict.fromkeys(_named(rows, initial)) if status not in terminal]

    return tuple(single for row in rows for single in _singles(row, live))


def _singles(row: Transition, live: Iterable[str]) -> Iterator[Transition]:
    for source in dict.fromkeys((row.source, *row.more_sources)):
        for each in live if source == ANY else (source,):
            yield replace(row, source=each, more_sources=())


def _named(rows: Iterable[Transition], initial: Iterable[str]) -> Iterator[str]:
    yield from initial
    for row in rows:
        yield from (source for source in (row.source, *row.more_sources) if source != ANY)
        yield row.target
