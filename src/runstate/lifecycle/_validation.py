"""
The checks that the constructor of a lifecycle runs.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from .._text import suggestion
from ._rows import EVIDENCE, OUTCOMES, Deadline, Deviation, Entry, Outcome, Transition
from ._shape import Shape, shape_faults

__all__ = ["Table", "faults"]

MOST_STATUSES: Final = 255
LONGEST_NAME: Final = 100

# Which codes there are is known on a higher floor.
_CODE: Final = re.compile(r"RS[0-9]{3}")


class Table(Protocol):
    """
    The attributes of a lifecycle that the checks read.
    """

    @property
    def name(self) -> str: ...
    @property
    def transitions(self) -> tuple[Transition, ...]: ...
    @property
    def initial_statuses(self) -> tuple[str, ...]: ...
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
    def deviations(self) -> tuple[Deviation, ...]: ...
    @property
    def reopenings(self) -> tuple[Transition, ...]: ...
    @property
    def shapes(self) -> tuple[Shape, ...]: ...
    @property
    def attempt_field(self) -> str: ...
    @property
    def status_field(self) -> str: ...
    @property
    def statuses(self) -> tuple[str, ...]: ...
    @property
    def known(self) -> frozenset[str]: ...
    @property
    def conditions(self) -> tuple[str, ...]: ...
    @property
    def triggers(self) -> tuple[str, ...]: ...

    def reachable(self, status: str) -> frozenset[str]:
        """Return the statuses one or more moves away from *status*."""


def faults(table: Table) -> Iterator[str]:
    """
    Yield a sentence for each way in which *table* contradicts itself, in its own order.
    """
    if not isinstance(table.terminal, Mapping):
        # Nothing else can be asked of a table that does not say how it ends.
        shape = type(table.terminal).__name__
        yield f"terminal: expected a mapping such as {{'completed': 'success'}}, got {shape}"
        return
    yield from _faulty_names(table)
    if not table.initial_statuses:
        yield "initial: expected the status that a run begins in, or several; got none"
        return
    if len(table.statuses) > MOST_STATUSES:
        # What follows takes the square of their number, and a file may hold many.
        yield f"expected at most {MOST_STATUSES} statuses, got {len(table.statuses)}"
        return
    yield from _faulty_rows(table)
    yield from _faulty_reopenings(table)
    yield from _faulty_statuses(table)
    yield from _faulty_entries(table)
    yield from _faulty_fields(table)
    yield from _faulty_deadline(table)
    yield from _faulty_deviations(table)
    for number, shape in enumerate(table.shapes):
        yield from shape_faults(number, shape, table.known)


def _faulty_names(table: Table) -> Iterator[str]:
    triggers = (*table.triggers, *(row.trigger for row in table.reopenings))
    names = {
        "lifecycle": [table.name],
        "status": table.statuses,
        "trigger": triggers,
        "condition": table.conditions,
    }
    for kind, values in names.items():
        for value in values:
            if not (value.isprintable() and 0 < len(value) <= LONGEST_NAME):
                yield f"{kind} {_wire(value)} is not a name of 1 to {LONGEST_NAME} visible characters"


def _faulty_rows(table: Table) -> Iterator[str]:
    groups: dict[tuple[str, str], list[Transition]] = {}
    for row in table.transitions:
        if row.evidence not in EVIDENCE:
            yield f"{row}: evidence: expected one of {', '.join(EVIDENCE)}; got {row.evidence!r}"
        if row.source in table.terminal:
            yield f"{row}: leads out of the terminal status {_wire(row.source)}"
        if row.clears:
            yield f"{row}: only rows that reopen may have clears; other rows use an Entry"
        group = groups.setdefault((row.trigger, row.source), [])
        yield from _clash(row, group)
        group.append(row)


def _clash(row: Transition, before: Iterable[Transition]) -> Iterator[str]:
    """
    Yield the faults of *row*, given the earlier rows of its trigger and source.
    """
    for other in before:
        # A row without conditions always fires, so that what follows it never does.
        if not other.conditional or (other.when, other.unless) == (row.when, row.unless):
            twice = "is repeated" if other.target == row.target else f"clashes with {other}"
            yield f"{row}: {twice}: one trigger has one target from a status"
            return


def _faulty_reopenings(table: Table) -> Iterator[str]:
    first: dict[tuple[str, str], Transition] = {}
    for row in table.reopenings:
        if row.evidence not in EVIDENCE:
            yield f"{row}: evidence: expected one of {', '.join(EVIDENCE)}; got {row.evidence!r}"
        if row.source not in table.terminal:
            yield f"{row}: reopens, and {_wire(row.source)} is not terminal"
        if row.conditional:
            yield f"{row}: reopens, and takes no conditions"
        if row.target in table.terminal:
            yield f"{row}: reopens, and {_wire(row.target)} is terminal"
        if first.setdefault((row.trigger, row.source), row) is not row:
            yield f"{row}: is repeated: one trigger has one target from a status"
        if row.target not in table.known or row.source not in table.known:
            yield f"{row}: reopens, and other rows must name both of its statuses"
        yield from _no_names(f"{row}: clears", row.clears)
        yield from _unknown_fields(table, f"{row}: clears", _names(row.clears))
        yield from _settled_fields(table, f"{row}: clears", _names(row.clears))


def _faulty_statuses(table: Table) -> Iterator[str]:
    for status, outcome in table.terminal.items():
        if outcome not in OUTCOMES:
            where = f"terminal status {_wire(status)}"
            yield f"{where}: outcome: expected one of {', '.join(OUTCOMES)}; got {outcome!r}"
    begins = table.initial_statuses
    for status in dict.fromkeys(s for s in begins if begins.count(s) > 1):
        yield f"initial names {_wire(status)} twice"
    reached = set(begins).union(*map(table.reachable, begins))
    for status in table.statuses:
        if status not in reached:
            guess = _guess(table, status)
            yield f"status {_wire(status)} is unreachable from {', '.join(map(_wire, begins))}{guess}"
        if status in table.terminal:
            continue
        ahead = table.reachable(status)
        if table.terminal and not ahead & table.terminal.keys():
            reason = "no terminal status is reachable from it"
        elif not ahead:
            reason = "no row leads out of it, and it is not terminal"
        else:
            continue
        yield f"status {_wire(status)} is a trap: {reason}{_guess(table, status)}"


def _guess(table: Table, status: str) -> str:
    """
    Return a question after the status of the rows that *status* may mean, if no row names it.
    """
    named = {name for row in table.transitions for name in (row.source, row.target)}

    return "" if status in named else suggestion(status, named)


def _faulty_entries(table: Table) -> Iterator[str]:
    seen: set[str] = set()
    for entry in table.entries:
        where = f"entry for {_wire(entry.status)}"
        if entry.status not in table.known:
            yield f"{where}: no such status"
        if entry.status in seen:
            yield f"{where} is repeated"
        seen.add(entry.status)
        every: list[str] = []
        for what in ("stamps", "requires", "accepts", "clears"):
            value = getattr(entry, what)
            yield from _no_names(f"{where}: {what}", value)
            every += _names(value)
        for name in dict.fromkeys(f for f in every if every.count(f) > 1):
            yield f"{where}: field {name!r} is named twice"
        yield from _unknown_fields(table, where, every)
        yield from _settled_fields(table, where, every)


def _settled_fields(table: Table, where: str, names: Iterable[str]) -> Iterator[str]:
    """
    Yield a fault for each of *names* that an entry must not touch.
    """
    settled = {
        **dict.fromkeys(_names(table.created), "is set once, at the creation"),
        **dict.fromkeys(_names(table.identity), "never changes: it is in the identity"),
        table.status_field: "holds the status",
    }
    if table.reopenings:
        settled[table.attempt_field] = "counts the attempts"
    for name in dict.fromkeys(names):
        if name in settled:
            yield f"{where}: field {name!r} {settled[name]}"


def _faulty_fields(table: Table) -> Iterator[str]:
    yield from _no_names("fields", table.fields)
    for where, names in (("creation", table.created), ("identity", table.identity)):
        yield from _no_names(where, names)
        yield from _unknown_fields(table, where, _names(names))
        if table.status_field in _names(names):
            yield f"{where}: field {table.status_field!r} holds the status"
    yield from _unknown_fields(table, "status_field", [table.status_field])
    if table.reopenings:
        yield from _unknown_fields(table, "attempt_field", [table.attempt_field])


def _faulty_deadline(table: Table) -> Iterator[str]:
    deadline = table.deadline
    if deadline is None:
        return
    yield from _unknown_fields(table, "deadline", [deadline.field])
    if deadline.field == table.status_field:
        yield f"deadline: field {deadline.field!r} holds the status"
    if deadline.seconds <= 0:
        yield f"deadline: seconds must be positive, got {deadline.seconds}"
    if deadline.longest < deadline.seconds:
        yield f"deadline: longest must be at least {deadline.seconds} s, got {deadline.longest} s"


def _faulty_deviations(table: Table) -> Iterator[str]:
    for deviation in table.deviations:
        where = f"deviation {deviation.code} of {deviation.field!r}"
        if not _CODE.fullmatch(deviation.code):
            yield f"{where}: expected the code of a rule, such as RS202"
        yield from _unknown_fields(table, where, [deviation.field])
        yield from _no_names(f"{where}: statuses", deviation.statuses)
        for status in sorted(_names(deviation.statuses)):
            if status not in table.known:
                yield f"{where}: no status {_wire(status)}"


def _unknown_fields(table: Table, where: str, names: Iterable[str]) -> Iterator[str]:
    if table.fields is None or isinstance(table.fields, str):
        return
    for name in names:
        if name not in table.fields:
            yield f"{where}: no field {name!r}"


def _no_names(where: str, value: Any) -> Iterator[str]:
    """
    Yield a fault if *value* is one string where several names are expected.
    """
    if isinstance(value, str):
        yield f"{where}: expected several names, such as ({value!r},), got the text {value!r}"


def _names(value: Any) -> tuple[str, ...]:
    """
    Return the names in *value*; none if it is a string, whose letters are not names.
    """
    return () if value is None or isinstance(value, str) else tuple(value)


def _wire(name: str) -> str:
    """
    Return the wire name of *name* in quotes; *name* may be a member of an Enum.
    """
    return repr(str(name))
