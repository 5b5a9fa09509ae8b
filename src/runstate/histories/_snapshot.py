"""
What a snapshot of a run must hold, and what it must not (RS2xx).

Nothing here is a rule of its own: which fields a status requires and excludes,
which stamp comes before which, and which move may rewrite what, all follows from
the lifecycle's entries. What real services are known to do in spite of it is in
the lifecycle's deviations, and makes a warning of an error.

A key that a snapshot lacks is unknown, not null, and says nothing.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from .._text import printable
from ..lifecycle._rows import Deviation, Entry
from ..lifecycle._table import Lifecycle
from ._records import ObservationModel, Severity
from ._rules import RULES

__all__ = ["Fault", "SnapshotRules"]


class Fault(NamedTuple):
    """
    One thing wrong with a snapshot.
    """

    code: str
    severity: Severity
    message: str
    hint: str


class SnapshotRules:
    """
    The rules about fields that follow from one lifecycle under one observation model.
    """

    def __init__(self, lifecycle: Lifecycle, observed: ObservationModel) -> None:
        self._lifecycle = lifecycle
        self._observed = observed
        self._stamps = frozenset(lifecycle.stamp_fields)
        self._entries: dict[tuple[str | None, str], tuple[Entry, ...]] = {}
        self.kept = (*lifecycle.stamp_fields, *lifecycle.identity)
        """Fields whose last values must be kept to check the next snapshot."""
        self.told = frozenset((*self.kept, *lifecycle.detail_fields))
        """Fields that a rule is about."""

    def faults(
        self,
        status: str,
        fields: Mapping[str, Any],
        before: str | None = None,
        kept: Mapping[str, Any] | None = None,
    ) -> Iterator[Fault]:
        """
        Yield what is wrong with a snapshot of a run in *status*.

        Args:
            status: A status of the lifecycle.
            fields: The snapshot.
            before: The status of the run's last snapshot; None if this is the first.
            kept: What is known of the run's kept fields; None if nothing.
        """
        if self.told.isdisjoint(fields):
            return
        yield from self._missing(status, fields)
        yield from self._excluded(status, fields)
        yield from self._disordered(status, fields)
        if kept:
            yield from self._changed(status, fields, before, kept)

    def _missing(self, status: str, fields: Mapping[str, Any]) -> Iterator[Fault]:
        for name in self._required[status]:
            if name in fields and not _is_set(fields[name]):
                code = "RS201" if name in self._stamps else "RS204"
                yield self._fault(
                    code,
                    status,
                    name,
                    f"{name} is null in {status}",
                    f"every way there sets {name}",
                )

    def _excluded(self, status: str, fields: Mapping[str, Any]) -> Iterator[Fault]:
        for name in self._null[status]:
            value = fields.get(name)
            if value is None or not _is_set(value):
                continue
            yield self._fault(
                self._code_of_excluded(status, name),
                status,
                name,
                f"{name} is set in {status}" + (f" ({value})" if isinstance(value, int) else ""),
                f"no way to {status} leaves {name} set",
            )

    def _code_of_excluded(self, status: str, name: str) -> str:
        if name in self._stamps:
            return "RS202"
        # What ends merely accept, such as usage, is a total: it is early rather than stale.
        early = not self._lifecycle.is_terminal(status) and name not in self._demanded

        return "RS206" if early else "RS205"

    def _disordered(self, status: str, fields: Mapping[str, Any]) -> Iterator[Fault]:
        times = {
            name: value
            for name in self._stamps.intersection(fields)
            if isinstance(value := fields[name], int | float) and not isinstance(value, bool)
        }
        if len(times) < 2:
            return
        for earlier, later in self._order:
            if earlier in times and later in times and times[later] < times[earlier]:
                message = f"{later} is {times[earlier] - times[later]:.15g} s before {earlier}"
                yield self._fault("RS203", status, later, message, f"{earlier} comes first")
        yield from self._late(times)

    def _late(self, times: Mapping[str, float]) -> Iterator[Fault]:
        deadline, created = self._lifecycle.deadline, self._lifecycle.created
        if deadline is None or not created or created[0] not in times:
            return
        birth = times[created[0]]
        last = max(times.get(deadline.field, birth + deadline.longest), birth)
        for name in self._live_stamps:
            if name in times and times[name] > last:
                yield Fault(
                    "RS203",
                    "warning",
                    f"{name} is {times[name] - birth:.15g} s after {created[0]}",
                    f"by then a run has passed its {deadline.field}",
                )

    def _changed(
        self, status: str, fields: Mapping[str, Any], before: str | None, kept: Mapping[str, Any]
    ) -> Iterator[Fault]:
        for name in self.kept:
            if name not in fields or name not in kept or fields[name] == kept[name]:
                continue
            shown = f"{name} changed from {_shown(kept[name])} to {_shown(fields[name])}"
            if name not in self._stamps:
                yield self._fault("RS207", status, name, shown, f"{name} never changes")
            elif not self._may_become(name, kept[name], fields[name], before, status):
                since = "" if before is None else f" between {before} and {status}"
                yield self._fault("RS208", status, name, shown, f"no move{since} writes {name}")

    def _may_become(self, name: str, old: Any, new: Any, before: str | None, status: str) -> bool:
        """
        Whether the moves between two snapshots may have made *new* of the stamp's *old* value.
        """
        entries = self._entries_between(before, status)
        if new is None:
            return any(name in entry.clears for entry in entries)
        if self._deviation("RS202", name, status):
            return True
        grows = not (isinstance(old, int | float) and isinstance(new, int | float)) or new >= old
        in_order = self._observed != "unordered"

        return any(name in entry.stamps for entry in entries) and (grows or not in_order)

    def _entries_between(self, before: str | None, status: str) -> tuple[Entry, ...]:
        known = self._entries.get((before, status))
        if known is None:
            known = tuple(self._lifecycle.entry(s) for s in self._between(before, status))
            self._entries[before, status] = known

        return known

    def _between(self, before: str | None, status: str) -> Iterator[str]:
        lifecycle = self._lifecycle
        if before is None or self._observed == "unordered":
            yield from lifecycle.statuses
        elif self._observed == "complete":
            if before != status or lifecycle.rows(status, status):
                yield status
        else:
            for entered in lifecycle.reachable(before):
                if (entered, status) in lifecycle.seen_later:
                    yield entered

    def _fault(self, code: str, status: str, name: str, message: str, hint: str) -> Fault:
        deviation = self._deviation(code, name, status)
        if deviation is not None:
            return Fault(code, "warning", message, f"{hint}, but: {deviation.citation}")

        return Fault(code, RULES[code].severity, message, hint)

    def _deviation(self, code: str, name: str, status: str) -> Deviation | None:
        for deviation in self._lifecycle.deviations:
            if (deviation.code, deviation.field) == (code, name) and (
                deviation.statuses is None or status in deviation.statuses
            ):
                return deviation

        return None

    @cached_property
    def _required(self) -> dict[str, tuple[str, ...]]:
        every = (*self._lifecycle.stamp_fields, *self._lifecycle.detail_fields)

        return {
            status: tuple(f for f in every if f in self._lifecycle.required_fields(status))
            for status in self._lifecycle.statuses
        }

    @cached_property
    def _null(self) -> dict[str, tuple[str, ...]]:
        every = (*self._lifecycle.stamp_fields, *self._lifecycle.detail_fields)

        return {
            status: tuple(f for f in every if f in self._lifecycle.excluded_fields(status))
            for status in self._lifecycle.statuses
        }

    @cached_property
    def _demanded(self) -> frozenset[str]:
        return frozenset(name for entry in self._lifecycle.entries for name in entry.requires)

    @cached_property
    def _live_stamps(self) -> tuple[str, ...]:
        """Stamps of statuses that a run passes through alive."""
        return tuple(
            name
            for entry in self._lifecycle.entries
            if not self._lifecycle.is_terminal(entry.status)
            for name in entry.stamps
        )

    @cached_property
    def _order(self) -> tuple[tuple[str, str], ...]:
        """
        Pairs of stamps of which the first is never the later one.
        """
        created, deadline = self._lifecycle.created, self._lifecycle.deadline
        entered: dict[str, set[str]] = {}
        for entry in self._lifecycle.entries:
            for name in entry.stamps:
                entered.setdefault(name, set()).add(entry.status)
        moved = [
            (a, b)
            for a in entered
            for b in entered
            if all(
                t in self._lifecycle.reachable(s) and s not in self._lifecycle.reachable(t)
                for s in entered[a]
                for t in entered[b]
            )
        ]
        born = [(birth, name) for birth in created for name in entered if name not in created]
        due = [(birth, deadline.field) for birth in created] if deadline else []

        # Of an earlier attempt, a stamp may be left that no row clears.
        left = {b for row in self._lifecycle.reopenings for _, b in moved if b not in row.clears}

        return (*born, *due, *((a, b) for a, b in moved if b not in left))


def _shown(value: Any) -> str:
    return "null" if value is None else printable(str(value), 80)


def _is_set(value: Any) -> bool:
    """
    Return whether a field has a value: some services send an object of nulls, or none, for null.
    """
    if isinstance(value, Mapping):
        return any(part is not None for part in value.values())

    return value is not None
