"""
The check that a lifecycle passes before it exists.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

from ._rows import EVIDENCE, OUTCOMES, Deadline, Entry, Outcome, Transition

__all__ = ["Table", "faults"]

MOST_STATUSES: Final = 255
LONGEST_NAME: Final = 100


class Table(Protocol):
    """
    What is asked of a lifecycle to check it.
    """

    @property
    def name(self) -> str: ...
    @property
    def transitions(self) -> tuple[Transition, ...]: ...
    @property
    def initial(self) -> str: ...
    @property
    def terminal(self) -> Mapping[str, Outcome]: ...
    @property
    def entries(self) -> tuple[Entry, ...]: ...
    @property
    def created(self) -> tuple[str, ...]: ...
    @property
    def deadline(self) -> Deadline | None: ...
    @property
    def identity(self) -> tuple[str, ...]: ...
    @property
    def fields(self) -> frozenset[str] | None: ...
    @property
    def statuses(self) -> tuple[str, ...]: ...
    @property
    def known(self) -> frozenset[str]: ...
    @property
    def triggers(self) -> tuple[str, ...]: ...

    def reachable(self, status: str) -> frozenset[str]:
        """Return the statuses one or more moves away from *status*."""


def faults(table: Table) -> Iterator[str]:
    """
    Yield a sentence for each way in which *table* contradicts itself, in its own order.
    """
    yield from _faulty_names(table)
    if len(table.statuses) > MOST_STATUSES:
        # What follows takes the square of their number, and a file may hold many.
        yield f"{len(table.statuses)} statuses are more than {MOST_STATUSES}"
        return
    yield from _faulty_rows(table)
    yield from _faulty_statuses(table)
    yield from _faulty_entries(table)


def _faulty_names(table: Table) -> Iterator[str]:
    names = {"lifecycle": [table.name], "status": table.statuses, "trigger": table.triggers}
    for kind, values in names.items():
        for value in values:
            if not (value.isprintable() and 0 < len(value) <= LONGEST_NAME):
                yield f"{kind} {value!r} is not a name of 1 to {LONGEST_NAME} visible characters"


def _faulty_rows(table: Table) -> Iterator[str]:
    first: dict[tuple[str, str], Transition] = {}
    for row in table.transitions:
        if row.evidence not in EVIDENCE:
            yield f"{row}: evidence {row.evidence!r} is none of {', '.join(EVIDENCE)}"
        if row.source in table.terminal:
            yield f"{row}: leads out of the terminal status {row.source!r}"
        other = first.setdefault((row.trigger, row.source), row)
        if other is not row:
            twice = "is there twice" if other.target == row.target else f"clashes with {other}"
            yield f"{row}: {twice}: one trigger has one target from a status"


def _faulty_statuses(table: Table) -> Iterator[str]:
    if not table.terminal:
        yield "no status is terminal"
    for status, outcome in table.terminal.items():
        if outcome not in OUTCOMES:
            yield f"terminal status {status!r}: outcome {outcome!r} is none of {', '.join(OUTCOMES)}"
    for status in table.statuses:
        if status != table.initial and status not in table.reachable(table.initial):
            yield f"status {status!r} is unreachable from {table.initial!r}"
        if status not in table.terminal and not table.reachable(status) & table.terminal.keys():
            yield f"status {status!r} is a trap: no terminal status is reachable from it"


def _faulty_entries(table: Table) -> Iterator[str]:
    told: set[str] = set()
    for entry in table.entries:
        if entry.status not in table.known:
            yield f"entry for {entry.status!r}: no such status"
        if entry.status in told:
            yield f"entry for {entry.status!r} is there twice"
        told.add(entry.status)
        every = (*entry.stamps, *entry.requires, *entry.accepts, *entry.clears)
        for name in dict.fromkeys(f for f in every if every.count(f) > 1):
            yield f"entry for {entry.status!r}: field {name!r} is named twice"
        yield from _unknown_fields(table, f"entry for {entry.status!r}", every)
    yield from _unknown_fields(table, "creation", table.created)
    yield from _unknown_fields(table, "identity", table.identity)
    if table.deadline:
        yield from _unknown_fields(table, "deadline", [table.deadline.field])


def _unknown_fields(table: Table, where: str, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if table.fields is not None and name not in table.fields:
            yield f"{where}: no field {name!r}"
