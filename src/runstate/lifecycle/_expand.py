"""
Splits rows with several sources into rows with one, and knows what the source ``"*"`` means.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ._rows import ANY, Transition
from ._transitions import MachineRow

__all__ = ["expanded", "without_ends"]


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


def without_ends(
    rows: Sequence[MachineRow],
    statuses: Iterable[str],
    ends: Collection[str],
    reopening: Collection[str] = (),
) -> tuple[list[MachineRow], list[str]]:
    """
    Return *rows* without those that only the source ``"*"`` leads out of an end; and a line for each.

    ``transitions`` writes ``"*"`` out at once, as a row from every state. Here it stands for every
    status that is not terminal, so a row out of an end that every other status has, too, is left out.

    Args:
        rows: The rows of a machine, one for each source.
        statuses: Every state of the machine.
        ends: The terminal statuses.
        reopening: Triggers whose rows out of an end are kept.
    """
    everywhere = set(statuses)
    leaving: dict[MachineRow, set[str]] = {}
    staying: dict[MachineRow, set[str]] = {}
    for row in rows:
        if row.source in everywhere:
            leaving.setdefault(row._replace(source=ANY), set()).add(row.source)
        if row.source in everywhere and row.source == row.target:
            staying.setdefault(row._replace(source=ANY, target=ANY), set()).add(row.source)

    def from_any(row: MachineRow) -> bool:
        to_one = leaving.get(row._replace(source=ANY))
        to_itself = staying.get(row._replace(source=ANY, target=ANY))

        return everywhere == to_one or (row.source == row.target and everywhere == to_itself)

    left_out = dict.fromkeys(
        row for row in rows if row.source in ends and row.trigger not in reopening and from_any(row)
    )

    return [row for row in rows if row not in left_out], [
        f"{row.source} -{row.trigger}-> {row.target}: left out, because the source '*' stands "
        "for every status that is not terminal"
        for row in left_out
    ]
