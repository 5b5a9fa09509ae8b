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
from typing import Any, Final, NamedTuple, TypeVar

from pydantic.alias_generators import to_pascal

from .._text import printable
from ..histories._column_faults import ColumnFaults
from ..histories._records import NOTHING, Finding, Observation
from ..histories._rules import RULES
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ..runs._wire import FIRST_SECOND, LAST_SECOND
from ._envelopes import contents, is_log_envelope, own_event
from ._grouping import Grouping
from ._keys import found, missing, refuse_doubled, wire_keys
from ._parse import Doubled
from ._plain import Plain, plain_of
from ._times import Times
from ._values import (
    TIME_KEYS,
    BadRecordError,
    attempt_number,
    identifier,
    sequence_number,
    shown,
    status_name,
)

__all__ = ["TIME_KEYS", "Columns", "Interpreter", "Passed", "Read", "tried"]

_T = TypeVar("_T")

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
_TIMES_HINT: Final = "--at KEY takes the times of another column, --at none leaves them out"
"""Named as the column of the time, it leaves times of observations out."""
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
        self.id_key: str = lifecycle.id_field
        self.id_keys: tuple[str, ...] = _usual_ids(lifecycle)
        """Where the run id is looked for, in this order, in a record that is no run object."""
        self.stamps: tuple[str, ...] = tuple(
            name for name in lifecycle.stamp_fields if name != columns.at
        )
        self._created: tuple[str, ...] = lifecycle.created
        self.details: tuple[str, ...] = lifecycle.detail_fields
        self.identity: tuple[str, ...] = lifecycle.identity

        self._fields = lifecycle.fields
        own = {self.status_key, self.id_key, "object", *lifecycle.identity, *self.stamps}.union(
            lifecycle.detail_fields, lifecycle.fields or ()
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
        self.times: Times = times or Times(UTC if assume_utc else None)
        self.column_faults: ColumnFaults | None = None
        """What counts the faults of whole columns; None where each is a finding at once."""
        self.watch: Grouping | None = None
        """What looks at each record for histories that are not read as such."""
        self.whole: Mapping[str, Any] | None = None
        """The record with the parts that a reader leaves out because no rule needs them."""
        self._line = 1
        self._around = (*self.stamps, *lifecycle.detail_fields, *lifecycle.identity)

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
            _TOLD, self.pascal, self.pascal.values(), self._around, self._fields or (),
            named, (key.partition(".")[0] for key in named),
        )  # fmt: skip

    def fields_among(self, keys: Sequence[str]) -> Sequence[str]:
        """
        Return which of the *keys* of a record are fields of a run; of a snapshot, one is at least.
        """
        known, stamps = self._fields, self._lifecycle.stamp_fields
        fields = [key for key in keys if key != self.columns.at or key not in stamps]
        if known is None:
            return fields

        return [key for key in fields if key in known] or fields[:1]

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
        # Empty is as good as absent: a re-implementation was seen to send that.
        kind = record.get("object", record.get("Object")) or None
        foreign = kind is not None and self.kind is not None and kind != self.kind
        # What the service refused with, in a log of what it answered, is no run.
        refused = record.keys() == {"error"} and isinstance(record["error"], dict)
        if (foreign or refused) and not self.named:
            return ()
        key = self.columns.status
        place = found(record, key) if key is not None else None
        holder = place[0] if place else record

        return self._snapshot(record, holder, place[1] if place else key, line)

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
        run_id, around = self._run_id(record, holder)
        key = self.status_key if key is None else key
        status = holder.get(key)
        if status is None:
            there = key in holder
            reason = _no_value(key) if there else missing([key], record, "keys", "--status")
            raise BadRecordError("RS902", reason, run_id)
        status = status_name(status, key, run_id)
        notes: list[BadRecordError] = []
        at = self._time(record, notes)
        fields = self._snapshot_fields(self._with_around(holder, around), notes)
        if self.watch is not None:
            self.watch.look_at(self.whole or record, status, at)
        if self._is_event(holder, run_id):
            at, fields = self._as_event(at, fields)
        seen = Observation(status, run_id, at, fields, None, None, self.file, line)
        if self.attempt_key is not None:
            seen = self._with_attempt(seen, holder, record, notes)

        return self._with_notes(notes, seen) if notes else (seen,)

    def _move(self, record: dict[str, Any], line: int) -> Sequence[Read]:
        if type(record) is Doubled:
            refuse_doubled(record, self._read_keys)
        run_id, _ = self._run_id(record, record)
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

    def _run_id(
        self, record: dict[str, Any], holder: dict[str, Any]
    ) -> tuple[str, dict[str, Any] | None]:
        """
        Return the run's id, and the object around *holder* that the id was found in; None if in *holder*.

        It is taken from the column named, from the run object, or from a usual key.
        """
        named = self.columns.run_id
        keys = self.id_keys
        around = None
        if named is not None:
            place = found(record, named)
            value, keys = place[0][place[1]] if place else None, (named,)
            around = record if place and place[0] is record is not holder else None
        elif self.kind is not None and holder.get("object") == self.kind:
            value, keys = holder.get(self.id_key), (self.id_key,)
        else:
            # An object that a key of the record names has an id of its own.
            value = _first(keys if holder is record else (self.id_key, *keys), holder)
            if value is None and holder is not record:
                value, around = _first(keys, record), record
        if value is None:
            there = next((key for key in keys if key in holder), None)
            reason = _no_value(there) if there else missing(keys, record, "keys", "--run-id")
            raise BadRecordError("RS902", reason)

        return identifier(value), around

    def _with_around(self, holder: dict[str, Any], around: dict[str, Any] | None) -> dict[str, Any]:
        """
        Return what *holder* says of a run, and what the object *around* it that has its id says.
        """
        if around is None:
            return holder
        around = wire_keys(around, self.pascal)
        more = {key: around[key] for key in self._around if key in around and key not in holder}

        return {**holder, **more} if more else holder

    def _is_event(self, holder: dict[str, Any], run_id: str) -> bool:
        """
        Return whether a record has an id of its own beside the run's, as a row of a table of events has.
        """
        own = holder.get(self.id_key)

        return own is not None and own != run_id and type(own) in {str, int} and str(own) != run_id

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

    def _stamp(self, value: Any, key: str) -> float:
        seconds = self.times.seconds(value, key, self._line)

        return int(seconds) if seconds.is_integer() else seconds

    def _snapshot_fields(
        self, holder: dict[str, Any], notes: list[BadRecordError]
    ) -> Mapping[str, Any]:
        """
        Return the fields of a run that *holder* has, its stamps being Unix seconds or null.
        """
        fields = holder
        if self._fields is not None or self.columns.at in self._lifecycle.stamp_fields:
            # A record that is a snapshot has fields, also where none of them is known.
            fields = {key: holder[key] for key in self.fields_among([*holder])}
        for key in self.stamps:
            value = fields.get(key)
            if value == "":
                # Some clients print a time that is not known so.
                fields = {name: each for name, each in fields.items() if name != key}
            elif value is not None and not (
                type(value) is int and FIRST_SECOND <= value <= LAST_SECOND
            ):
                fields = dict(fields)
                seconds = tried(self._stamp, value, key, notes)
                if seconds is None:
                    del fields[key]
                else:
                    fields[key] = seconds

        return fields


def _named(columns: Columns, attempt: str | None) -> dict[str, str]:
    named = {columns.at: "--at", columns.attempt: "--attempt" if attempt else ""}

    return {key: option for key, option in named.items() if key is not None and option}


def _usual_ids(lifecycle: Lifecycle) -> tuple[str, ...]:
    """
    Return where the id of a run of *lifecycle* may stand, the likeliest place first.

    Its own field comes first. A record that is no run object under OpenAI's lifecycle is a line
    about one, and names it by ``run_id``. What never changes during a run is no id of it: the
    ``run_id`` of a job or of a task is that of the workflow around it.
    """
    own = lifecycle.id_field
    keys = ("run_id", "id") if lifecycle.kind == RUN.kind and own == "id" else (own, "run_id", "id")

    return tuple(key for key in dict.fromkeys(keys) if key == own or key not in lifecycle.identity)


def _no_value(key: str) -> str:
    return f"{key} has no value"


def _first(keys: Sequence[str], record: dict[str, Any]) -> Any:
    for key in keys:
        value = record.get(key)
        if value is not None:
            return value

    return None


def tried(
    read: Callable[[Any, str], _T], value: Any, key: str, notes: list[BadRecordError]
) -> _T | None:
    try:
        return read(value, key)
    except BadRecordError as bad:
        notes.append(bad)
        return None
