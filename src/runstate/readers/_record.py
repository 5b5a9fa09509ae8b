"""
One parsed record to what it says about a run.

Three kinds of record are told apart: a *move*, which names a source and a target
(runstate's own log, or a journal); a *snapshot*, which names a status; and what
is not about a run at all, which is passed over without a word.

What a record is about (its run, its status, where it moved from) must be
readable, or the record is not used. What it says besides (when it was seen, its
number, its stamps) is left out where it is not, and the rest of it is used.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pydantic.alias_generators import to_pascal

from .._text import printable
from ..histories._column_faults import ColumnFaults
from ..histories._records import NOTHING, Finding, Observation
from ..histories._rules import RULES
from ..lifecycle._table import Lifecycle
from ._envelopes import contents, is_log_envelope, own_event
from ._grouping import Grouping
from ._keys import found, missing, refuse_doubled, wire_keys
from ._parse import Doubled
from ._plain import Plain, plain_of
from ._run_ids import RunIds, no_value
from ._snapshot_fields import SnapshotFields
from ._times import Times
from ._values import (
    TIME_KEYS,
    BadRecordError,
    attempt_number,
    identifier,
    sequence_number,
    shown,
    status_name,
    tried,
)

__all__ = ["TIME_KEYS", "Columns", "Interpreter", "Passed", "Read", "kind_of"]

Read = Observation | Finding
"""What reading yields."""

MOVE_EVENT: Final = "run.transition"
OWN_EVENTS: Final = ("run.rejected", "run.observer_failed")
"""Events of runstate's own log that move nothing."""

NO_MOVES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "late": "a move that was refused",
        "claim": "a claim that moved nothing",
        "release": "the release of a lease",
    }
)
"""Kinds of records in a store's journal that move nothing, and what they are."""

LINE: Final = "line"
"""The key of a whole line of a log for people."""

NO_TIMES: Final = "none"
"""Named as the column of the time, it leaves times of observations out."""
_TIMES_HINT: Final = "--at KEY takes the times of another column, --at none leaves them out"
_KNOWN_BY: Final = frozenset({"object", "event", "target"})
_TOLD: Final = ("Object", "error", "kind", "trigger")
"""Further keys that are looked at under any lifecycle."""
_MOST_KINDS: Final = 200
"""Sets of keys that are told apart."""
_LONGEST_MESSAGE: Final = 500
_DEEPEST: Final = 8
"""Envelopes around a record that are opened."""


class Columns(NamedTuple):
    """
    Where a record keeps what is needed: keys, or dotted paths into nested objects.

    A key that is spelt with its dots wins over the path, which selects in lists as paths of a
    :class:`runstate.Shape` do. Several, with commas between them, are joined by ``/``. None means
    the usual keys. Naming *run_id* or *status* says that every record is about a run.

    Example:
        >>> from io import BytesIO
        >>> from runstate.readers import read
        >>> log = BytesIO(b'{"job": {"id": "a"}, "state": "queued", "seen": "2026-03-01T10:00:00Z"}')
        >>> [record] = read(log, format="jsonl", columns=Columns(run_id="job.id", status="state", at="seen"))
        >>> record.run_id, record.status, record.at
        ('a', 'queued', 1772359200.0)
    """

    run_id: str | None = None
    status: str | None = None
    at: str | None = None
    """
    When the run was seen to have its status. A stamp of the run that is named here is read as
    that, and not as a stamp. ``none`` leaves times of observations out.
    """
    source: str | None = None
    """The status before, where each record is a move; *status* is the one after it."""
    attempt: str | None = None
    """The number of the attempt, where the lifecycle has rows that reopen."""

    def named(
        self,
        run_id: str | None = None,
        status: str | None = None,
        at: str | None = None,
        source: str | None = None,
        attempt: str | None = None,
    ) -> "Columns":
        """
        Return these columns with those that the caller names one by one.

        Args:
            run_id: Column of the run's id; None leaves it as it is here.
            status: Column of the status.
            at: Column of the time.
            source: Column of the status before a move.
            attempt: Column of the number of the attempt.

        Raises:
            ValueError: A column is named here already.
            TypeError: A name is not text.
        """
        given = {
            "run_id": run_id,
            "status": status,
            "at": at,
            "source": source,
            "attempt": attempt,
        }
        for field, name in given.items():
            if name is None:
                continue
            if not isinstance(name, str):
                raise TypeError(f"{field} must be the name of a column, got {name!r}")
            if getattr(self, field) is not None:
                raise ValueError(f"{field} is named twice: in columns and as {field}={name!r}")

        return self._replace(**{field: name for field, name in given.items() if name is not None})


class Passed:
    """
    Counts the records that are about something else.
    """

    def __init__(self) -> None:
        self.count = 0
        """Records that were passed over."""
        self.first: Finding | None = None
        """What to say where nothing else was read: what was looked for in the first of them."""
        self.foreign: str | None = None
        """Of the first record of another kind, which is not counted: where it is, and its kind."""


class Interpreter:
    """
    Says what records mean, under one lifecycle and one set of columns.
    """

    lines: Mapping[int, int] = MappingProxyType({})
    """By ``id()``, the lines of the objects in the document that is read, if it has several."""

    def __init__(
        self,
        columns: Columns,
        lifecycle: Lifecycle,
        name: str | None,
        assume_utc: bool = False,
        *,
        times: Times | None = None,
        passed: Passed | None = None,
        skip: bool = False,
    ) -> None:
        self.passed: Passed = passed or Passed()
        """Counts what is about something else."""
        self.skip: bool = skip
        """Whether a record that lacks what is needed is about something else."""
        self.all_columns: bool = False
        """Whether any column of a table may be needed."""
        self.takes_lines: bool = False
        """Whether lines of a log for people are taken apart."""
        self.roots: frozenset[str] = frozenset()
        """Keys of a record whose nulls mean something, beside those of the id and the status."""
        self.untimed: bool = columns.at == NO_TIMES
        if self.untimed:
            columns = columns._replace(at=None)
        self.columns = columns
        self.named: bool = columns.run_id is not None or columns.status is not None
        """Whether the caller said where a run is found, and so means every record."""
        self._usual_status = columns.status is None
        self.kind: str | None = lifecycle.kind
        self.status_key: str = lifecycle.status_field
        self._ids = RunIds(lifecycle, columns.run_id)
        self.id_keys: tuple[str, ...] = self._ids.usual
        """The keys that may hold the id in a record other than a run object, in the order of the search."""
        self.times: Times = times or Times(UTC if assume_utc else None)
        self.fields: SnapshotFields = SnapshotFields(lifecycle, columns.at, self.times)
        """Reads the fields of a run that a snapshot has."""
        self.stamps: tuple[str, ...] = self.fields.stamps
        self._created: tuple[str, ...] = lifecycle.created
        self.details: tuple[str, ...] = lifecycle.detail_fields
        self.identity: tuple[str, ...] = lifecycle.identity

        own = {"object", self.status_key, lifecycle.id_field}.union(
            self.stamps, self.details, self.identity, lifecycle.fields or ()
        )
        self.pascal: dict[str, str] = {to_pascal(key): key for key in own if to_pascal(key) != key}
        """The wire's key by the reference's spelling, as far as a run's keys are known."""
        read = {"object", "event", "data", "source", "target", "seq", self.status_key}.union(
            TIME_KEYS, self.id_keys, self.stamps, lifecycle.detail_fields
        )
        attempt = columns.attempt or lifecycle.attempt_field
        self.attempt_key: str | None = attempt if lifecycle.reopenings else None
        """The key of the number of the attempt; None where a run has one attempt."""
        read |= {attempt} if lifecycle.reopenings else set()
        self._read_keys = frozenset(read | {to_pascal(key) for key in read})
        self.unseen: dict[str, str] = _named(columns, self.attempt_key)
        """Keys that the caller named and no record has had so far, each with its option."""
        self._plain: dict[tuple[str, ...], Plain | None] = {}
        self._lifecycle = lifecycle
        self.file: str | None = name
        self.column_faults: ColumnFaults | None = None
        """What counts the faults of whole columns; None where each is a finding at once."""
        self.watch: Grouping | None = None
        """What looks at each record for histories that are not read as such."""
        self.whole: Mapping[str, Any] | None = None
        """The record with the parts that a reader leaves out because no rule needs them."""
        self._line = 1

    def with_columns(self, columns: Columns) -> "Interpreter":
        """
        Return one like this that looks in other *columns*, and for times only if this one does.
        """
        other = Interpreter(
            columns._replace(at=NO_TIMES) if self.untimed else columns,
            self._lifecycle,
            self.file,
            times=self.times,
            passed=self.passed,
            skip=self.skip,
        )
        other.column_faults, other.unseen = self.column_faults, self.unseen

        return other

    def finding(
        self,
        code: str,
        reason: str,
        line: int | None,
        run_id: str | None = None,
        hint: str = "",
    ) -> Finding:
        """
        Return the finding that *reason* is, made harmless to show.
        """
        message = printable(reason, _LONGEST_MESSAGE)

        return Finding(
            code, RULES[code].severity, message, run_id, hint=hint, file=self.file, line=line
        )

    def refusal(self, bad: BadRecordError, line: int) -> Finding:
        """
        Return the finding that *bad* is.
        """
        return self.finding(bad.code, bad.reason, line, bad.run_id, bad.hint)

    def observe(self, value: Any, line: int) -> Sequence[Read]:
        """
        Return what *value* says: a record, or an array of them. Never raises for bad data.
        """
        self._line = line
        if type(value) is dict and (plain := self.plain(tuple(value))) is not None:
            run_id, status, at = plain.needed
            kept = {key: value[key] for key in plain.kept} if plain.kept else {}
            seen = plain.read(value[run_id], value[status], at and value[at], line, kept)
            if seen is not None:
                if self.unseen:
                    self.unseen.pop(at or "", None)
                return (seen,)
        if isinstance(value, list):
            return self._all(self._record, value, line)

        return self._guarded(self._record, value, line)

    def plain(self, keys: tuple[str, ...]) -> Plain | None:
        """
        Return what reads the records of *keys*; None where they may say more than a run's status.
        """
        if keys not in self._plain:
            if self.watch is not None or len(self._plain) > _MOST_KINDS:
                return None
            self._plain[keys] = plain_of(self, self._lifecycle, keys)

        return self._plain[keys]

    @cached_property
    def told(self) -> frozenset[str]:
        """
        The keys that are looked at, and the first ones of paths: what others hold changes nothing.
        """
        named = [key for key in (*self.columns, self.attempt_key) if key is not None]

        return self._read_keys.union(
            _TOLD, self.pascal, self.pascal.values(), self.stamps, self.details, self.identity,
            self._lifecycle.fields or (), named, (key.partition(".")[0] for key in named),
        )  # fmt: skip

    def may_be_read(self, value: Any) -> bool:
        """
        Return whether *value* has a key by which a record is known for what it is.
        """
        return isinstance(value, dict) and (
            self.gives_status(value) or not _KNOWN_BY.isdisjoint(value)
        )

    def gives_status(self, record: Mapping[str, Any]) -> bool:
        """
        Return whether *record* has the key of the status, in either spelling.
        """
        return self.status_key in record or to_pascal(self.status_key) in record

    # -- what kind of record it is -----------------------------------------

    def _all(
        self, read: Callable[[dict[str, Any], int], Sequence[Read]], records: list[Any], line: int
    ) -> Sequence[Read]:
        return [
            each
            for record in records
            for each in self._guarded(read, record, self.lines.get(id(record), line))
        ]

    def _guarded(
        self, read: Callable[[dict[str, Any], int], Sequence[Read]], record: Any, line: int
    ) -> Sequence[Read]:
        if not isinstance(record, dict):
            reason = f"a record must be a JSON object, not {shown(record)}"
            return (self.finding("RS901", reason, line),)
        try:
            return read(record, line)
        except BadRecordError as bad:
            opened = self._opened(record, line, _DEEPEST) if bad.code == "RS902" else None
            if opened is None and bad.code == "RS902" and self.skip:
                self.pass_over(bad.reason, line)
                return ()
            return (self.refusal(bad, line),) if opened is None else opened

    def pass_over(self, reason: str, line: int) -> None:
        """
        Count a record in *line* that is about something else; *reason* says what was looked for.
        """
        self.passed.count += 1
        if self.passed.first is None:
            self.passed.first = self.finding("RS902", reason, line)

    def _opened(self, record: dict[str, Any], line: int, deeper: int) -> Sequence[Read] | None:
        """
        Return what is said in *record*, an envelope; None if it is not one of a run.
        """
        own = own_event(record)
        if own is not None:
            return self._guarded(self._move, own, line)
        if is_log_envelope(record):
            inner = next(contents(record), None)
            if inner is not None:
                return self.observe(inner, line)
            self.pass_over("a line of a log that is not JSON", line)
            return ()
        for inner in contents(record) if deeper else ():
            each = [inner] if isinstance(inner, dict) else [r for r in inner if isinstance(r, dict)]
            if any(map(self._has_facts, each)):
                return self.observe(inner, line)
            found = self._opened(each[0], line, deeper - 1)
            if found is not None:
                rest = [self._opened(one, line, deeper - 1) or () for one in each[1:]]
                return [*found, *(read for reads in rest for read in reads)]

        return None

    def _has_facts(self, record: dict[str, Any]) -> bool:
        if record.get("event") == MOVE_EVENT:
            return True
        known, status = self._lifecycle.known, record.get(self.status_key)
        target = record.get("target") if "source" in record else None

        return any(isinstance(each, str) and each in known for each in (status, target))

    def _record(self, record: dict[str, Any], line: int) -> Sequence[Read]:
        """
        Return what *record* says, which may be a list object that holds records.
        """
        if self._usual_status and record.get("event") == MOVE_EVENT:
            return self._move(record, line)
        data = record.get("data")
        if isinstance(data, list) and record.get("object") == "list":
            refuse_doubled(record, {"object", "data"})
            return self._all(self._single, data, line)

        return self._single(record, line)

    def _single(self, record: dict[str, Any], line: int) -> Sequence[Read]:
        if not self._usual_status:
            return self._run_object(record, line)
        if record.get("event") is not None:
            return self._event(record, line)
        moved = "target" in record and "source" in record and not self.gives_status(record)

        return self._move(record, line) if moved else self._run_object(record, line)

    def _event(self, record: dict[str, Any], line: int) -> Sequence[Read]:
        """
        Return what a line of a structured log, or a stream's event as JSON, says.
        """
        refuse_doubled(record, {"event"})
        event, data = record["event"], record.get("data")
        if event == MOVE_EVENT:
            return self._move(record, line)
        if event in OWN_EVENTS:
            return ()
        if isinstance(data, dict) and not self.gives_status(record):
            refuse_doubled(record, {"data"})
            known = "object" in data or self._means_a_run(data)
            return self._run_object(data, line) if known else ()

        return self._run_object(record, line) if self._means_a_run(record) else ()

    def _means_a_run(self, record: dict[str, Any]) -> bool:
        """
        Return whether somebody else's log line has what a run's would: a status and an id.
        """
        record = wire_keys(record, self.pascal)
        named = self.columns.run_id
        keys = self.id_keys if named is None else (named.partition(".")[0], named)

        return isinstance(record.get(self.status_key), str) and any(key in record for key in keys)

    # -- a snapshot, and a move --------------------------------------------

    def _run_object(self, record: dict[str, Any], line: int) -> Sequence[Read]:
        if type(record) is Doubled:
            refuse_doubled(record, {"object", "Object"})
        kind = kind_of(record)
        foreign = kind is not None and self.kind is not None and kind != self.kind
        # What the service refused with, in a log of what it answered, is no run.
        refused = record.keys() == {"error"} and isinstance(record["error"], dict)
        if (foreign or refused) and not self.named:
            told = self._webhook(record, line)
            if told is not None:
                return told
            if foreign and self.passed.foreign is None:
                self.passed.foreign = (
                    f"the object of line {line} is {shown(kind)}, not '{self.kind}'"
                )
            return ()
        key = self.columns.status
        place = found(record, key) if key is not None else None
        holder = place[0] if place else record

        return self._snapshot(record, holder, place[1] if place else key, line)

    def _webhook(self, record: dict[str, Any], line: int) -> Sequence[Read] | None:
        """
        Return what an event of OpenAI's webhooks tells, whose type is a kind and a status; None if it is none.
        """
        kind, _, status = str(record.get("type")).rpartition(".")
        data = record.get("data")
        if kind_of(record) != "event" or kind != self.kind or not isinstance(data, dict):
            return None
        if status not in self._lifecycle.known or "id" not in data:
            return None
        notes: list[BadRecordError] = []
        at, created = self._time(record, notes), record.get("created_at")
        if self.columns.at is None and not self.untimed and created is not None:
            # The time of the event, and not of the object.
            at = self._seconds(created, "created_at", notes)
        run_id = identifier(data["id"])
        # Of the object as it is now, like a snapshot: no move, and no history alone.
        fields = {"id": run_id, "status": status}
        seen = Observation(status, run_id, at, fields, None, None, self.file, line)

        return self._with_notes(notes, seen) if notes else (seen,)

    def _snapshot(
        self, record: dict[str, Any], holder: dict[str, Any], key: str | None, line: int
    ) -> Sequence[Read]:
        """
        Return what the run in *holder* says, which is *record* or an object within it.
        """
        refuse_doubled(holder, self._read_keys)
        if holder is not record:
            refuse_doubled(record, {*TIME_KEYS, *self.id_keys})
        holder = wire_keys(holder, self.pascal)
        run_id, around = self._ids.find(record, holder)
        key = self.status_key if key is None else key
        status = holder.get(key)
        if status is None:
            there = key in holder
            reason = no_value(key) if there else missing([key], record, "keys", "--status")
            raise BadRecordError("RS902", reason, run_id)
        status = status_name(status, key, run_id)
        notes: list[BadRecordError] = []
        at = self._time(record, notes)
        around = None if around is None else wire_keys(around, self.pascal)
        fields = self.fields.read(self.fields.with_around(holder, around), self._line, notes)
        if self.watch is not None:
            self.watch.look_at(self.whole or record, status, at)
        if self._ids.differs(holder, run_id):
            at, fields = self._as_event(at, fields)
        seen = Observation(status, run_id, at, fields, None, None, self.file, line)
        if self.attempt_key is not None:
            seen = self._with_attempt(seen, holder, record, notes)

        return self._with_notes(notes, seen) if notes else (seen,)

    def _move(self, record: dict[str, Any], line: int) -> Sequence[Read]:
        if type(record) is Doubled:
            refuse_doubled(record, self._read_keys)
        run_id, _ = self._ids.find(record, record)
        target, source, seq = record.get("target"), record.get("source"), record.get("seq")
        kind = record.get("kind")
        if target is None and isinstance(kind, str) and kind in NO_MOVES:
            self.pass_over(NO_MOVES[kind], line)
            return ()
        if target is None:
            raise BadRecordError("RS902", "a move without a target", run_id)
        target = status_name(target, "target", run_id)
        if source is not None:
            source = status_name(source, "source", run_id)
        notes: list[BadRecordError] = []
        at = self._time(record, notes)
        if seq is not None:
            seq = tried(sequence_number, seq, "seq", notes)
        trigger = record.get("trigger")
        if not isinstance(trigger, str):
            trigger = None
        seen = Observation(target, run_id, at, NOTHING, source, seq, self.file, line, trigger)
        if self.attempt_key is not None:
            seen = self._with_attempt(seen, record, record, notes)

        return self._with_notes(notes, seen) if notes else (seen,)

    def _with_attempt(
        self,
        seen: Observation,
        holder: dict[str, Any],
        record: dict[str, Any],
        notes: list[BadRecordError],
    ) -> Observation:
        """
        Return *seen* with the number of the attempt that *holder* has, or *record* around it.
        """
        key = self.attempt_key or ""
        value = holder.get(key)
        if value is None and (place := found(record, key)) is not None:
            value = place[0][place[1]]
            self.unseen.pop(key, None)
        elif key in holder:
            self.unseen.pop(key, None)
        if value is None:
            return seen

        return seen._replace(attempt=tried(attempt_number, value, key, notes))

    def _with_notes(self, notes: list[BadRecordError], seen: Observation) -> Sequence[Read]:
        line = seen.line or 0
        found: list[Read] = []
        for bad in notes:
            finding = partial(
                self.finding, bad.code, bad.reason, line or None, seen.run_id, bad.hint
            )
            if bad.about and self.column_faults is not None:
                self.column_faults.note(bad.about, self.file, line, seen.run_id, finding)
            else:
                found.append(finding())

        return [*found, seen]

    # -- its parts ---------------------------------------------------------

    def _as_event(
        self, at: float | None, fields: Mapping[str, Any]
    ) -> tuple[float | None, Mapping[str, Any]]:
        """
        Take when a row was created for the time of the event, since the run was not created by each.
        """
        times = [fields[key] for key in self._created if fields.get(key) is not None]
        if at is None and self.columns.at is None and not self.untimed and times:
            at = times[0]
        left = {key: value for key, value in fields.items() if key not in self._created}

        return at, left

    def _time(self, record: dict[str, Any], notes: list[BadRecordError]) -> float | None:
        """
        Return when the record was made; None if it does not say, or not readably.
        """
        key = self.columns.at
        if key is None:
            return None if self.untimed else self._usual_time(record, notes)
        place = found(record, key)
        if place is None:
            return None
        if self.unseen:
            self.unseen.pop(key, None)
        value = place[0][place[1]]

        return None if value is None or value == "" else self._seconds(value, key, notes)

    def _usual_time(self, record: dict[str, Any], notes: list[BadRecordError]) -> float | None:
        for key in TIME_KEYS:
            value = record.get(key)
            if value is not None:
                kind = record.get("object")
                speaks = kind is None or self.kind is None or kind == self.kind
                return self._seconds(value, key, notes) if speaks else None

        return None

    def _seconds(self, value: Any, key: str, notes: list[BadRecordError]) -> float | None:
        try:
            return self.times.seconds(value, key, self._line)
        except BadRecordError as bad:
            bad.hint = bad.hint or _TIMES_HINT
            notes.append(bad)
            return None


def kind_of(record: Mapping[str, Any]) -> Any:
    """
    Return what *record* says that it is; None if it does not.
    """
    # Empty is as good as absent: a re-implementation was seen to send that.
    return record.get("object", record.get("Object")) or None


def _named(columns: Columns, attempt: str | None) -> dict[str, str]:
    named = {columns.at: "--at", columns.attempt: "--attempt" if attempt else ""}

    return {key: option for key, option in named.items() if key is not None and option}
