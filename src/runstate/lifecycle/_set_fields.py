"""
Which fields of a run hold a value in each status: what follows from the entries of a lifecycle.
"""

from collections import deque
from collections.abc import Mapping
from typing import Protocol

from ._rows import Deadline, Entry, Transition

__all__ = ["Effects", "may_be_set"]


class Effects(Protocol):
    """
    The attributes of a lifecycle that say what its moves do to fields.
    """

    @property
    def statuses(self) -> tuple[str, ...]: ...
    @property
    def initial_statuses(self) -> tuple[str, ...]: ...
    @property
    def reopenings(self) -> tuple[Transition, ...]: ...
    @property
    def created(self) -> tuple[str, ...]: ...
    @property
    def deadline(self) -> Deadline | None: ...
    @property
    def stamp_fields(self) -> tuple[str, ...]: ...
    @property
    def detail_fields(self) -> tuple[str, ...]: ...

    def entry(self, status: str) -> Entry:
        """Return the entry of *status*."""

    def targets(self, status: str) -> tuple[str, ...]:
        """Return the statuses one move away from *status*."""

    def is_terminal(self, status: str) -> bool:
        """Return whether a run that has *status* has ended."""


def may_be_set(table: Effects) -> Mapping[str, Mapping[str, set[bool]]]:
    """
    Return for each status and field whether it may hold a value there, may be None, or both.

    Follows every row from the initial statuses until nothing new turns up.
    """
    fields = (*table.stamp_fields, *table.detail_fields)
    found = {status: {name: set[bool]() for name in fields} for status in table.statuses}
    for begin in table.initial_statuses:
        found[begin] = {name: _when_created(table, begin, name) for name in fields}
    queue = deque(table.initial_statuses)
    while queue:
        source = queue.popleft()
        moves = [(target, Entry(target)) for target in table.targets(source)]
        moves += [
            (row.target, Entry(row.target, clears=row.clears))
            for row in table.reopenings
            if row.source == source
        ]
        for target, first in moves:
            before = {name: set(may) for name, may in found[target].items()}
            for name in fields:
                may = _after(first, name, found[source][name])
                found[target][name] |= _after(table.entry(target), name, may)
            if before != found[target]:
                queue.append(target)

    return found


def _when_created(table: Effects, status: str, name: str) -> set[bool]:
    """
    Return whether the field *name* may be set, may be None, or both, in a run that begins in *status*.
    """
    if table.deadline and name == table.deadline.field:
        return {True, False}
    if name in table.created:
        return {True}
    entry = table.entry(status)
    if table.is_terminal(status):
        # A run that is first seen at its end has what that end sets.
        return _after(entry, name, {False})
    # A service may create a run and move it on at once: then the entry has been carried out.
    return {False} | _after(entry, name, {False})


def _after(entry: Entry, name: str, before: set[bool]) -> set[bool]:
    """
    Return whether the field *name* may be set after *entry*, given whether it may have been *before*.
    """
    if name in entry.stamps or name in entry.requires:
        return {True}
    if name in entry.clears:
        return {False}

    return before | {True} if name in entry.accepts else before
