"""
What a store does, on a connection that it is given.

Every operation is before or after, never between: state, journal and feed are written
in the transaction of the connection. :class:`RunStore` and :class:`AsyncRunStore` open
one of their own, or take the caller's; what happens in it is said here once.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NoReturn

import sqlalchemy as sa
from pydantic import BaseModel

from .._engine import RunEngine
from .._hooks import CREATE, Moved
from .._lifecycle import Lifecycle
from .._models import LIFECYCLE_FIELDS, RunResponse, RunStatus
from .._move import Plan, remember
from ..errors import PayloadError
from ._answers import (
    Applied,
    Duplicate,
    Fire,
    Held,
    Illegal,
    JournalEntry,
    Lease,
    Page,
    RunExistsError,
    RunNotFoundError,
    Stale,
    Superseded,
    Verdict,
)
from ._statements import MoveStatements, Statements
from ._tables import JSON_FIELDS, SECOND_FIELDS, Tables
from ._tally import count, roll_up

__all__ = ["Operations"]

_ANSWER: Final = "submit_tool_outputs"
_OWN_COLUMNS: Final = ("id", "thread_id", "assistant_id")
_ELSEWHERE: Final = LIFECYCLE_FIELDS | frozenset(_OWN_COLUMNS)
_WORD: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,512}")
_ENTRY_FIELDS: Final = tuple(name for name in JournalEntry._fields if name != "position")
_RETRIES: Final = 20


class Operations:
    """
    The operations of one store; each takes the connection to work on first.
    """

    def __init__(
        self,
        tables: Tables,
        lifecycle: Lifecycle,
        statements: Statements,
        engine: RunEngine,
        expires_after: int | None,
    ) -> None:
        self._tables = tables
        self._lifecycle = lifecycle
        self._sql = statements
        self._engine = engine
        self._expires_after = expires_after
        # The payload of most triggers can be judged without the run.
        self._stand_ins = {
            trigger: self._stand_in(lifecycle.sources(trigger)[0])
            for trigger in lifecycle.triggers
            if trigger != _ANSWER
            and len({r.target for r in lifecycle if r.trigger == trigger}) == 1
        }

    @staticmethod
    def _stand_in(status: str) -> RunResponse:
        return RunResponse.model_construct(id="", created_at=0, status=RunStatus(status))

    # -- runs ----------------------------------------------------------------------

    def create(self, connection: sa.Connection, fields: dict[str, Any]) -> RunResponse:
        """
        Store a new run, and return it.
        """
        run, _ = self._engine.draft(**fields)
        wire = run.model_dump(mode="json", exclude_unset=True, exclude=set(_ELSEWHERE))
        rows = self._sql.created.run(
            connection,
            id=run.id,
            thread_id=run.thread_id,
            assistant_id=run.assistant_id,
            document=json.dumps(wire, ensure_ascii=True, separators=(",", ":")),
            expires_after=self._expires_after,
        )
        if not rows:
            raise RunExistsError(run.id)
        created_at, expires_at, at = rows[0]
        moved = Moved(run.id, CREATE, None, str(run.status), at, None, 1)
        self._enter(connection, moved, {})
        run.__dict__.update(created_at=created_at, expires_at=expires_at)
        remember(run, moved)

        return run

    def get(self, connection: sa.Connection, run_id: str) -> RunResponse:
        """
        Return the run as it is now.
        """
        return _run(self._row(connection, run_id))

    def history(self, connection: sa.Connection, run_id: str) -> tuple[JournalEntry, ...]:
        """
        Return everything the journal says of a run, oldest first.
        """
        journal = self._tables.journal
        lines = connection.execute(
            sa.select(journal)
            .where(journal.c.run_id == _asked(run_id))
            .order_by(journal.c.position)
        ).all()
        if not lines:
            raise RunNotFoundError(run_id)

        return tuple(_entry(line) for line in lines)

    def counts(self, connection: sa.Connection) -> dict[str, int]:
        """
        Return how many runs are in each status.
        """
        known = dict.fromkeys(map(str, self._lifecycle.statuses), 0)

        return known | count(connection, self._tables)

    def stuck(
        self, connection: sa.Connection, limits: Mapping[str, float], most: int
    ) -> tuple[RunResponse, ...]:
        """
        Return runs that have been in a status for longer than its limit, oldest first.
        """
        unknown = [s for s in limits if s not in self._lifecycle.known]
        if unknown:
            raise ValueError(
                f"limit for {unknown[0]!r}, which is no status of {self._lifecycle.name}"
            )
        if not limits:
            return ()
        runs, clock = self._tables.runs, self._sql.clock()
        too_long = [
            sa.and_(runs.c.status == status, runs.c.moved_at <= clock.c.now - float(seconds))
            for status, seconds in limits.items()
        ]
        rows = connection.execute(
            sa.select(runs)
            .select_from(clock)
            .join(runs, sa.or_(*too_long))
            .order_by(runs.c.moved_at, runs.c.id)
            .limit(most)
        ).all()

        return tuple(_run(row) for row in rows)

    def page(
        self,
        connection: sa.Connection,
        status: str | None,
        thread_id: str | None,
        after: str | None,
        limit: int,
        order: Literal["asc", "desc"],
    ) -> Page[RunResponse]:
        """
        Return a page of runs by the time of their creation.
        """
        runs = self._tables.runs
        query = sa.select(runs)
        for column, wanted in ((runs.c.status, status), (runs.c.thread_id, thread_id)):
            if wanted is not None:
                query = query.where(column == wanted)
        place: Any = sa.tuple_(runs.c.born_at, runs.c.id)
        if after is not None:
            row = self._row(connection, after)
            here = sa.tuple_(sa.literal(row.born_at, sa.Double()), sa.literal(row.id, sa.Text()))
            query = query.where(place < here if order == "desc" else place > here)
        by = [c.desc() if order == "desc" else c.asc() for c in (runs.c.born_at, runs.c.id)]
        rows = connection.execute(query.order_by(*by).limit(limit + 1)).all()
        items = tuple(_run(row) for row in rows[:limit])

        return Page(items, items[-1].id if len(rows) > limit else None)

    # -- moves ---------------------------------------------------------------------

    def fire_many(self, connection: sa.Connection, fires: Iterable[Fire]) -> tuple[Verdict, ...]:
        """
        Fire triggers in order, in as few statements as that allows.
        """
        verdicts: list[Verdict] = []
        batch: list[_Move] = []
        for fire in fires:
            move = self._move(connection, fire)
            if batch and not _fits(batch, move):
                verdicts += self._fire_batch(connection, batch)
                batch = []
            batch.append(move)

        return (*verdicts, *self._fire_batch(connection, batch))

    def fire(self, connection: sa.Connection, fire: Fire) -> Verdict:
        """
        Fire one trigger.
        """
        return self._fire_one(connection, self._move(connection, fire))

    def _fire_batch(self, connection: sa.Connection, batch: Sequence["_Move"]) -> list[Verdict]:
        if len(batch) < 2:
            return [self._fire_one(connection, move) for move in batch]
        rows = batch[0].way.many.run(connection, batch=json.dumps([m.given for m in batch]))
        moved = {row[0]: _moved(batch[0], row) for row in rows}
        if not self._sql.postgres and moved:
            lines = [_line(moved[m.run_id], m) for m in batch if m.run_id in moved]
            self._sql.entry.add(connection, lines)

        return [
            Applied(moved[m.run_id]) if m.run_id in moved else self._fire_one(connection, m)
            for m in batch
        ]

    def _fire_one(self, connection: sa.Connection, move: "_Move") -> Verdict:
        for _ in range(_RETRIES):
            rows = move.way.one.run(connection, **move.given)
            if rows:
                moved = _moved(move, rows[0])
                if not self._sql.postgres:
                    self._sql.entry.add(connection, [_line(moved, move)])
                return Applied(moved)
            verdict = self._refused(connection, move)
            if verdict is not None:
                return verdict
            # Somebody moved the run between the two looks, to where the trigger is legal.
            move = self._move(connection, move.fire)
        raise RuntimeError(f"run {move.run_id!r} is moved faster than {_RETRIES} looks can follow")

    def _refused(self, connection: sa.Connection, move: "_Move") -> Verdict | None:
        """
        Return why nothing was moved; None if it could be moved by now.
        """
        row = self._row(connection, move.run_id)
        last = _last_moved(row)
        fire = move.fire
        if fire.key is not None:
            lines = self._sql.keyed.run(connection, id=move.run_id, key=fire.key)
            if lines and lines[0].kind == "move":
                return Duplicate(_entry(lines[0]).moved)
        ended = self._lifecycle.is_terminal(row.status)
        if fire.token is not None:
            held = row.lease_until is not None and row.lease_until > row.now
            if row.lease_token != fire.token or not (ended or held):
                return Stale(fire.token)
        if ended:
            if self._lifecycle.is_terminal(move.way.target):
                self._keep_late(connection, row, move)
            return Superseded(row.status, row.last_trigger, last)
        if self._lifecycle.row(fire.trigger, row.status) is not None:
            return None

        return Illegal(row.status, self._lifecycle.allowed(row.status), row.last_trigger)

    def _keep_late(self, connection: sa.Connection, row: Any, move: "_Move") -> None:
        late = Moved(move.run_id, move.fire.trigger, row.status, "", max(row.now, row.moved_at))
        self._sql.entry.add(connection, [_line(late, move) | {"kind": "late", "target": None}])

    def _enter(self, connection: sa.Connection, moved: Moved, more: dict[str, Any]) -> None:
        self._sql.entry.add(connection, [dict.fromkeys(_ENTRY_FIELDS) | _facts(moved) | more])

    def _move(self, connection: sa.Connection, fire: Fire) -> "_Move":
        """
        Return *fire* looked over, with its payload parsed.
        """
        run_id = _asked(fire.run_id)
        for name, word in (("key", fire.key), ("actor", fire.actor), ("reason", fire.reason)):
            if word is not None and not _WORD.fullmatch(word):
                raise ValueError(f"{name} is one line of at most 512 characters, not {word!r}")
        run = self._stand_ins.get(fire.trigger)
        version = None
        if run is None:
            # The payload is held against the run itself, or the trigger is none at all.
            row = self._row(connection, run_id)
            run, version = _run(row), row.version
            if self._lifecycle.row(fire.trigger, row.status) is None:
                run = self._sample(fire, run)
        try:
            plan, changes = self._engine.prepare(run, fire.trigger, fire.payload)
        except PayloadError as error:
            self._malformed(connection, run_id, error)

        return _Move(self._sql.moves[fire.trigger, plan.target], fire, plan, changes, version)

    def _sample(self, fire: Fire, run: RunResponse) -> RunResponse:
        """
        Return a run from which the trigger is legal, so that the refusal is left to the database.
        """
        for source in self._lifecycle.sources(fire.trigger):
            return self._stand_in(source)

        return run

    def _malformed(self, connection: sa.Connection, run_id: str, error: PayloadError) -> NoReturn:
        status = self._row(connection, run_id).status
        allowed = self._lifecycle.allowed(status)
        raise PayloadError(
            run_id, status, error.trigger, error.target, allowed, error.reason
        ) from None

    # -- leases --------------------------------------------------------------------

    def claim(self, connection: sa.Connection, worker: str, seconds: float) -> Lease | None:
        """
        Return a lease on a run that nobody works on; None if there is none.
        """
        if not _WORD.fullmatch(worker):
            raise ValueError(f"a worker is one line of at most 512 characters, not {worker!r}")
        rows = self._sql.claim.run(connection, worker=worker, seconds=_seconds(seconds))
        if not rows:
            return None
        row = rows[0]
        about = {"token": row.lease_token, "actor": worker}
        if not self._sql.postgres:
            if row.attempt == 1:
                self._enter(connection, _last_moved(row), about)
            else:
                at = max(row.lease_until - seconds, row.moved_at)
                self._enter(connection, Moved(row.id, "", None, "", at), about | _NO_MOVE["claim"])

        return Lease(_run(row), row.lease_token, worker, row.lease_until, row.attempt, seconds)

    def heartbeat(self, connection: sa.Connection, lease: Lease) -> Held | Stale:
        """
        Renew *lease*.
        """
        rows = self._sql.heartbeat.run(
            connection, id=lease.run.id, token=lease.token, seconds=lease.seconds
        )
        if not rows:
            return Stale(lease.token)
        until, status, _ = rows[0]

        return Held(until, status in self._sql.given_up)

    def release(self, connection: sa.Connection, lease: Lease) -> bool:
        """
        Give *lease* back.
        """
        rows = self._sql.release.run(connection, id=lease.run.id, token=lease.token)
        if rows:
            until, _, moved_at = rows[0]
            released = Moved(lease.run.id, "", None, "", max(until, moved_at))
            about = {"token": lease.token, "actor": lease.worker}
            self._enter(connection, released, about | _NO_MOVE["release"])

        return bool(rows)

    def sweep(self, connection: sa.Connection, limit: int) -> tuple[Moved, ...]:
        """
        End what is overdue.
        """
        moved: list[Moved] = []
        seen: set[str] = set()
        for query in self._sql.overdue:
            due = [
                row for row in query.run(connection, most=limit - len(seen)) if row.id not in seen
            ]
            seen.update(row.id for row in due)
            for trigger in dict.fromkeys(row.trigger for row in due):
                fires = [
                    (Fire(r.id, trigger, actor="sweep"), r.version)
                    for r in due
                    if r.trigger == trigger
                ]
                moved += self._sweep(connection, fires)
        roll_up(connection, self._tables)

        return tuple(moved)

    def _sweep(self, connection: sa.Connection, due: Sequence[tuple[Fire, int]]) -> list[Moved]:
        batch = []
        for fire, version in due:
            move = self._move(connection, fire)
            batch.append(_Move(move.way, fire, move.plan, move.changes, version))
        rows = batch[0].way.many.run(connection, batch=json.dumps([m.given for m in batch]))
        moved = {row[0]: _moved(batch[0], row) for row in rows}
        if not self._sql.postgres and moved:
            lines = [_line(moved[m.run_id], m) for m in batch if m.run_id in moved]
            self._sql.entry.add(connection, lines)

        return list(moved.values())

    # -- the feed --------------------------------------------------------------------

    def moves(self, connection: sa.Connection, after: str | None, limit: int) -> Page[JournalEntry]:
        """
        Return the moves that were committed since *after*.
        """
        return (self._moves_by_snapshot if self._sql.postgres else self._moves_by_position)(
            connection, after, limit
        )

    def _moves_by_position(
        self, connection: sa.Connection, after: str | None, limit: int
    ) -> Page[JournalEntry]:
        # SQLite has one writer at a time: positions are committed in their order.
        if after is not None and not _POSITION.fullmatch(after):
            raise ValueError(f"not a cursor of this store: {after!r}")
        journal = self._tables.journal
        lines = connection.execute(
            sa.select(journal)
            .where(journal.c.position > int(after or 0), journal.c.kind == "move")
            .order_by(journal.c.position)
            .limit(limit)
        ).all()
        items = tuple(_entry(line) for line in lines)

        return Page(items, str(items[-1].position) if items else after or "0")

    def _moves_by_snapshot(
        self, connection: sa.Connection, after: str | None, limit: int
    ) -> Page[JournalEntry]:
        """
        Read between two snapshots, since positions are not committed in their order.

        What the later snapshot sees and the earlier one does not is new. A run's moves
        are committed one after the other, so that within a snapshot none is missing
        before another, and in order of position they are in order of their numbers.
        """
        if after is not None and not _SNAPSHOTS.fullmatch(after):
            raise ValueError(f"not a cursor of this store: {after!r}")
        seen, upto, position = (after or "1:1:||0").split("|")
        journal = self._tables.journal
        for _ in range(2):
            fresh = not upto
            if fresh:
                upto, position = connection.execute(_NOW_VISIBLE).scalar_one(), "0"
            lines = connection.execute(
                sa.select(journal)
                .where(
                    sa.text(_BETWEEN).bindparams(seen=seen, upto=upto),
                    journal.c.position > int(position),
                    journal.c.kind == "move",
                )
                .order_by(journal.c.position)
                .limit(limit)
            ).all()
            if len(lines) == limit:
                return Page(tuple(map(_entry, lines)), f"{seen}|{upto}|{lines[-1].position}")
            seen, upto = upto, ""
            if lines or fresh:
                break

        return Page(tuple(map(_entry, lines)), f"{seen}||0")

    # -- shared ----------------------------------------------------------------------

    def _row(self, connection: sa.Connection, run_id: str) -> Any:
        rows = self._sql.row.run(connection, id=_asked(run_id))
        if not rows:
            raise RunNotFoundError(run_id)

        return rows[0]


class _Move:
    """
    A trigger looked over, and what it gives to the statement.
    """

    __slots__ = ("changes", "fire", "given", "plan", "run_id", "way")

    def __init__(
        self,
        way: MoveStatements,
        fire: Fire,
        plan: Plan,
        changes: Mapping[str, Any],
        version: int | None,
    ) -> None:
        self.way, self.fire, self.plan, self.changes = way, fire, plan, changes
        self.run_id = fire.run_id
        payload = {
            name: _as_json(changes[name]) for name in plan.payload if changes.get(name) is not None
        }
        if fire.trigger == _ANSWER:
            payload["outputs"] = _as_json(dict(fire.payload["outputs"]))
        self.given: dict[str, Any] = {
            **_NOTHING,
            **{name: text for name, text in payload.items() if name in _NOTHING},
            "id": fire.run_id,
            "token": fire.token,
            "version": version,
            "key": fire.key,
            "actor": fire.actor,
            "reason": fire.reason,
            "payload": _object(payload) if payload else None,
        }


_NOTHING: Final = dict.fromkeys(
    ("id", "token", "version", "key", "actor", "reason", "payload", *JSON_FIELDS)
)
_POSITION: Final = re.compile(r"[0-9]{1,18}")
_SNAPSHOTS: Final = re.compile(
    r"([0-9]{1,20}:[0-9]{1,20}:[0-9,]*)\|([0-9]{1,20}:[0-9]{1,20}:[0-9,]*)?\|[0-9]{1,18}"
)
_NOW_VISIBLE: Final = sa.text("SELECT pg_current_snapshot()::text")
_BETWEEN: Final = (
    "txid >= pg_snapshot_xmin(CAST(:seen AS pg_snapshot)) "
    "AND txid < pg_snapshot_xmax(CAST(:upto AS pg_snapshot)) "
    "AND pg_visible_in_snapshot(txid, CAST(:upto AS pg_snapshot)) "
    "AND NOT pg_visible_in_snapshot(txid, CAST(:seen AS pg_snapshot))"
)
_NO_MOVE: Final[dict[str, dict[str, Any]]] = {
    kind: {"kind": kind, "seq": None, "trigger": None, "source": None, "target": None}
    for kind in ("claim", "release")
}


def _fits(batch: Sequence[_Move], move: _Move) -> bool:
    return batch[0].way is move.way and all(move.run_id != other.run_id for other in batch)


def _asked(run_id: str) -> str:
    """
    Return *run_id* if it can be one; what cannot be is not found, and never reaches the database.
    """
    if not _WORD.fullmatch(run_id):
        raise RunNotFoundError(run_id)

    return run_id


def _seconds(seconds: float) -> float:
    if not 0 < seconds < 1e9:
        raise ValueError(f"a lease lasts for a positive number of seconds, not {seconds!r}")

    return float(seconds)


def _as_json(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_unset=True)

    return json.dumps(value, separators=(",", ":"))


def _object(parts: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in parts.items()) + "}"


def _run(row: Any) -> RunResponse:
    """
    Return the run that a row of the table holds.
    """
    values = json.loads(row.document)
    for name in (*_OWN_COLUMNS, "status", *SECOND_FIELDS):
        values[name] = getattr(row, name)
    for name in JSON_FIELDS:
        text = getattr(row, name)
        values[name] = None if text is None else json.loads(text)
    run = RunResponse.model_validate(values)
    remember(run, _last_moved(row))

    return run


def _last_moved(row: Any) -> Moved:
    return Moved(
        row.id,
        row.last_trigger,
        row.last_source,
        row.status,
        row.moved_at,
        row.last_duration_s,
        row.version,
        bool(row.clock_regressed),
    )


def _moved(move: _Move, row: Any) -> Moved:
    run_id, seq, source, at, duration_s, regressed = row

    return Moved(
        run_id, move.fire.trigger, source, move.way.target, at, duration_s, seq, bool(regressed)
    )


def _facts(moved: Moved) -> dict[str, Any]:
    return moved._asdict() | {"kind": "move"}


def _line(moved: Moved, move: _Move) -> dict[str, Any]:
    given = move.given

    return _facts(moved) | {
        name: given[name] for name in ("payload", "key", "token", "actor", "reason")
    }


def _entry(line: Any) -> JournalEntry:
    return JournalEntry(
        line.position,
        line.run_id,
        line.seq,
        line.kind,
        line.trigger,
        line.source,
        line.target,
        line.at,
        line.duration_s,
        bool(line.clock_regressed),
        None if line.payload is None else json.loads(line.payload),
        line.key,
        line.token,
        line.actor,
        line.reason,
    )
