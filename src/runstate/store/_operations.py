"""
What a store does, on a connection that it is given.

Every operation is before or after, never between: state, journal and feed are written
in the transaction of the connection. :class:`RunStore` and :class:`AsyncRunStore` open
one of their own, or take the caller's; what happens in it is said here once.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal

import sqlalchemy as sa

from ..errors import PayloadError
from ..lifecycle._rows import CREATE
from ..lifecycle._table import Lifecycle
from ..runs._engine import RunEngine
from ..runs._log import Moved
from ..runs._models import RunResponse
from ..runs._move import remember
from ..runs._wire import FIRST_SECOND, LAST_SECOND
from ._counts import count, roll_up
from ._feed import feed_of
from ._payload import Move, Preparation
from ._records import (
    check_expires_after,
    check_expires_at,
    checked,
    document_of,
    entry_of,
    is_seconds,
    is_word,
    last_moved,
    line_of,
    one_line,
    readable,
    run_of,
    valid_id,
)
from ._row_errors import ClockError, UnreadableRunError, wrong_argument
from ._sql import LONGEST_LEASE
from ._statements import MoveStatements, Statements
from ._tables import Tables
from ._verdicts import (
    AnswerMismatchError,
    Applied,
    Duplicate,
    Fire,
    Held,
    Illegal,
    JournalEntry,
    KeyReusedError,
    Lease,
    Page,
    RunExistsError,
    RunNotFoundError,
    Stale,
    Superseded,
    Verdict,
)

__all__ = ["Operations"]

_MOST_UNREADABLE: Final = 100
"""How many runs that cannot be read one claim sets aside."""
_SECONDS_ASIDE: Final = 60.0
"""How long such a run is left alone; another version of the package may read it then."""
_LOOKS: Final = 20
"""How often a run may be moved between two looks before something must be wrong."""


_MOST_LATE: Final = 20
"""So many late outcomes of a run are kept in its journal: the first ones."""


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
        report: Callable[[UnreadableRunError], None],
    ) -> None:
        self._tables = tables
        self._lifecycle = lifecycle
        self._sql = statements
        self._engine = engine
        self._expires_after = expires_after
        self._report = report
        self._prepare = Preparation(lifecycle, engine, statements)
        self._feed = feed_of(tables, postgres=statements.postgres)

    # -- runs ----------------------------------------------------------------------

    def create(
        self,
        connection: sa.Connection,
        fields: dict[str, Any],
        expires_after: int | None,
        expires_at: int | None,
    ) -> RunResponse:
        """
        Store a new run, and return it.
        """
        check_expires_after(expires_after)
        check_expires_at(expires_at, expires_after)
        run, _ = self._engine._draft(**fields)  # noqa: SLF001  its own judgement
        one_line(id=run.id, thread_id=run.thread_id, assistant_id=run.assistant_id)
        rows = self._sql.create.run(
            connection,
            id=run.id,
            thread_id=run.thread_id,
            assistant_id=run.assistant_id,
            document=document_of(run),
            expires_after=self._expires_after if expires_after is None else expires_after,
            expires_at=expires_at,
        )
        if not rows:
            self._check_clock(connection)
            raise RunExistsError(run.id)
        created_at, expires_at, at, created_id, trigger = rows[0]
        if (created_id, trigger) != (run.id, CREATE):
            raise AnswerMismatchError(created_id, CREATE, trigger, None)
        moved = Moved(run.id, CREATE, None, str(run.status), at, None, 1)
        self._sql.line.add(connection, [line_of(moved)])
        run.__dict__.update(created_at=created_at, expires_at=expires_at)
        remember(run, moved)

        return run

    def get(self, connection: sa.Connection, run_id: str) -> RunResponse:
        """
        Return the run as it is now.
        """
        return run_of(self._row(connection, run_id))

    def history(self, connection: sa.Connection, run_id: str) -> tuple[JournalEntry, ...]:
        """
        Return everything the journal says of a run, oldest first.
        """
        journal = self._tables.journal
        lines = connection.execute(
            sa.select(journal)
            .where(journal.c.run_id == valid_id(run_id))
            .order_by(journal.c.position)
        ).all()
        if not lines:
            raise RunNotFoundError(run_id)

        return tuple(map(entry_of, lines))

    def moves(self, connection: sa.Connection, after: str | None, limit: int) -> Page[JournalEntry]:
        """
        Return the moves that were committed since *after*.
        """
        return self._feed.moves(connection, after, checked(limit))

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
        Return runs that have been in a status for longer than its limit, the longest first.
        """
        for status, seconds in limits.items():
            self._known(status)
            if not (seconds == math.inf or (is_seconds(seconds) and seconds >= 0)):
                raise wrong_argument(f"limits[{status!r}]", "a number of seconds", seconds)
        runs, say = self._tables.runs, self._sql.say
        clock = say.clock()
        too_long = [
            sa.and_(
                say.seldom(runs.c.status == status), runs.c.moved_at <= clock.c.now - float(seconds)
            )
            for status, seconds in limits.items()
        ]
        rows = connection.execute(
            sa.select(runs)
            .select_from(clock)
            .join(runs, sa.or_(sa.false(), *too_long))
            .order_by(runs.c.moved_at, runs.c.id)
            .limit(checked(most))
        ).all()

        return readable(rows, self._report)

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
        if order not in ("asc", "desc"):
            raise wrong_argument("order", "'asc' or 'desc'", order)
        runs = self._tables.runs
        query = sa.select(runs)
        if status is not None:
            query = query.where(runs.c.status == self._known(status))
        if thread_id is not None:
            if not isinstance(thread_id, str):
                raise wrong_argument("thread_id", "the id of a thread, as text", thread_id)
            # What no thread can be called never reaches the database, which might choke on it.
            query = query.where(runs.c.thread_id == thread_id if is_word(thread_id) else sa.false())
        place: Any = sa.tuple_(runs.c.born_at, runs.c.id)
        if after is not None:
            row = self._row(connection, after)
            here = sa.tuple_(sa.literal(row.born_at, sa.Double()), sa.literal(row.id, sa.Text()))
            query = query.where(place < here if order == "desc" else place > here)
        by = [c.desc() if order == "desc" else c.asc() for c in (runs.c.born_at, runs.c.id)]
        rows = connection.execute(query.order_by(*by).limit(checked(limit) + 1)).all()
        unreadable: list[UnreadableRunError] = []
        items = readable(rows[:limit], unreadable.append)
        for error in unreadable:
            self._report(error)

        return Page(items, rows[limit - 1].id if len(rows) > limit else None, tuple(unreadable))

    # -- moves ---------------------------------------------------------------------

    def fire(self, connection: sa.Connection, fire: Fire) -> Verdict:
        """
        Fire one trigger.
        """
        for _ in range(_LOOKS):
            move = self._move(connection, fire)
            rows = move.way.one.run(connection, **move.given)
            if rows:
                moved = move.moved(rows[0])
                if moved.run_id != fire.run_id:
                    raise AnswerMismatchError(
                        moved.run_id, fire.trigger, moved.trigger, moved.target
                    )
                if not self._sql.postgres:
                    self._sql.line.add(connection, [move.line(moved)])
                return Applied(moved)
            verdict = self._refused(connection, move)
            if verdict is not None:
                return verdict
        raise RuntimeError(f"run {fire.run_id!r} is moved faster than {_LOOKS} looks can follow")

    def fire_many(self, connection: sa.Connection, fires: Iterable[Fire]) -> tuple[Verdict, ...]:
        """
        Fire triggers in order, in as few statements as that allows.
        """
        verdicts: list[Verdict] = []
        batch: dict[str, Move] = {}
        for fire in fires:
            # Looked over only when its turn comes: a batch before it may move the same run.
            if fire.run_id in batch:
                verdicts += self._fire_batch(connection, batch)
                batch = {}
            move = self._move(connection, fire)
            if any(first.way is not move.way for first in islice(batch.values(), 1)):
                verdicts += self._fire_batch(connection, batch)
                batch = {}
            batch[fire.run_id] = move

        return (*verdicts, *self._fire_batch(connection, batch))

    def _fire_batch(self, connection: sa.Connection, batch: Mapping[str, Move]) -> list[Verdict]:
        moved = self._moved(connection, tuple(batch.values())) if len(batch) > 1 else {}

        return [
            Applied(moved[run_id]) if run_id in moved else self.fire(connection, move.fire)
            for run_id, move in batch.items()
        ]

    def _moved(self, connection: sa.Connection, batch: Sequence[Move]) -> dict[str, Moved]:
        """
        Make moves of one trigger at different runs, and return those that were made.
        """
        given = json.dumps([move.given for move in batch])
        moved = {
            row[0]: batch[0].moved(row) for row in batch[0].way.many.run(connection, batch=given)
        }
        if not self._sql.postgres:
            made = [move.line(moved[move.run_id]) for move in batch if move.run_id in moved]
            self._sql.line.add(connection, made)

        return moved

    def _move(self, connection: sa.Connection, fire: Fire) -> Move:
        """
        Return *fire* looked over, with its payload parsed.
        """
        needs_the_run = self._prepare.needs_the_run(fire)
        try:
            if not needs_the_run:
                return self._prepare.move(fire)
            return self._prepare.move_of(fire, self._row(connection, fire.run_id))
        except PayloadError as error:
            if needs_the_run and self._keyed(connection, fire):
                # A retry, of a trigger that was judged beside what the run held then.
                return self._prepare.unjudged(fire)
            status = self._row(connection, fire.run_id).status
            raise self._prepare.fault(error, fire.run_id, status) from None

    def _refused(self, connection: sa.Connection, move: Move) -> Verdict | None:
        """
        Return why nothing was moved; None if it could be moved by now.
        """
        row, fire = self._row(connection, move.run_id), move.fire
        if row.is_snapshot:
            # PostgreSQL refuses the lock if the run has changed since: no verdict is out of date.
            row = self._sql.locked_row.run(connection, id=move.run_id)[0]
        first = self._keyed(connection, fire)
        if first is not None:
            if first.trigger != fire.trigger:
                raise KeyReusedError(fire.run_id, fire.key or "", fire.trigger, first.trigger)
            return Duplicate(entry_of(first).moved)
        ended = self._lifecycle.is_terminal(row.status)
        if fire.token is not None:
            held = row.lease_until is not None and row.lease_until > row.now
            if row.lease_token != fire.token or not (ended or held):
                return Stale(fire.token)
        if ended:
            if self._lifecycle.is_terminal(move.way.target):
                self._keep_late(connection, row, move)
            return Superseded(row.status, row.last_trigger, last_moved(row))
        if self._lifecycle.row(fire.trigger, row.status) is not None:
            self._check_clock(connection)
            return None

        return Illegal(row.status, self._lifecycle.allowed(row.status), row.last_trigger)

    def _keyed(self, connection: sa.Connection, fire: Fire) -> Any:
        """
        Return the journal's line of the move that was made under the key; None if there is none.
        """
        if fire.key is None:
            return None
        lines = self._sql.keyed.run(connection, id=fire.run_id, key=fire.key)

        return lines[0] if lines and lines[0].kind == "move" else None

    def _keep_late(self, connection: sa.Connection, row: Any, move: Move) -> None:
        """
        Keep a late outcome, if not many are kept of the run: any caller may send more.
        """
        journal = self._tables.journal
        kept = sa.select(sa.func.count()).where(
            journal.c.run_id == move.run_id, journal.c.kind == "late"
        )
        if connection.execute(kept).scalar_one() >= _MOST_LATE:
            return
        at = max(row.now, row.moved_at)
        late = Moved(move.run_id, move.fire.trigger, row.status, "", at)
        self._sql.line.add(connection, [move.line(late, kind="late", target=None)])

    # -- leases --------------------------------------------------------------------

    def claim(self, connection: sa.Connection, worker: Any, seconds: Any) -> Lease | None:
        """
        Return a lease on a run that no worker holds; None if no run is waiting.
        """
        one_line(worker=worker)
        if worker is None:
            raise wrong_argument("worker", "the name of the worker", worker)
        if not is_seconds(seconds) or not 0 < seconds <= LONGEST_LEASE:
            raise wrong_argument("seconds", "a positive number of seconds, up to 30 days", seconds)
        for _ in range(_MOST_UNREADABLE):
            rows = self._sql.leases.claim.run(connection, worker=worker, seconds=float(seconds))
            if not rows:
                return None
            row = rows[0]
            if row.lease_owner != worker:
                raise AnswerMismatchError(row.id, "claim", row.last_trigger, row.status)
            if not self._sql.postgres:
                self._sql.line.add(connection, [_line_of_claim(row, seconds)])
            try:
                run = run_of(row)
            except UnreadableRunError as error:
                self._set_aside(connection, row, error)
            else:
                return Lease(run, row.lease_token, worker, row.lease_until, row.attempt, seconds)

        return None

    def _set_aside(self, connection: sa.Connection, row: Any, error: UnreadableRunError) -> None:
        """
        Keep a run that cannot be read leased for a while, so that claims find the others.
        """
        self._sql.leases.heartbeat.run(
            connection, id=row.id, token=row.lease_token, seconds=_SECONDS_ASIDE
        )
        self._report(error)

    def heartbeat(self, connection: sa.Connection, lease: Lease) -> Held | Stale:
        """
        Renew *lease*.
        """
        _check_lease(lease)
        rows = self._sql.leases.heartbeat.run(
            connection, id=lease.run.id, token=lease.token, seconds=lease.seconds
        )
        if not rows:
            return Stale(lease.token)
        until, status, _ = rows[0]

        return Held(until, status in self._sql.say.given_up)

    def release(self, connection: sa.Connection, lease: Lease) -> bool:
        """
        Give *lease* back.
        """
        _check_lease(lease)
        rows = self._sql.leases.release.run(connection, id=lease.run.id, token=lease.token)
        if rows:
            until, _, moved_at = rows[0]
            line = _line_about(lease, "release", max(until, moved_at))
            self._sql.line.add(connection, [line])

        return bool(rows)

    def sweep(self, connection: sa.Connection, limit: int) -> tuple[Moved, ...]:
        """
        End what is overdue, and bring the counts up to now.
        """
        moved: dict[str, Moved] = {}
        checked(limit)
        self._sql.leases.rearm.add(connection, [{}])
        for query in self._sql.leases.overdue:
            due: dict[MoveStatements, list[Move]] = {}
            for row in query.run(connection, most=limit - len(moved)):
                if row.id not in moved:
                    move = self._prepare.ending(
                        Fire(row.id, row.trigger, actor="sweep"), row.status
                    )
                    # Armed against what was seen: who moved the run meanwhile is not undone.
                    due.setdefault(move.way, []).append(move.at_version(row.version))
            for batch in due.values():
                moved |= self._moved(connection, batch)
        roll_up(connection, self._tables)

        return tuple(moved.values())

    # -- shared ----------------------------------------------------------------------

    def _known(self, status: Any) -> str:
        if not isinstance(status, str) or status not in self._lifecycle.known:
            statuses = ", ".join(map(str, self._lifecycle.statuses))
            raise wrong_argument(
                "status", f"a status of {self._lifecycle.name} ({statuses})", status
            )

        return status

    def _check_clock(self, connection: sa.Connection) -> None:
        """
        Raise ClockError if the clock shows a time at which nothing can be stored.
        """
        now = self._sql.now.run(connection)[0].now
        if not (isinstance(now, float | int) and FIRST_SECOND <= now <= LAST_SECOND):
            raise ClockError(now)

    def _row(self, connection: sa.Connection, run_id: str) -> Any:
        rows = self._sql.row.run(connection, id=valid_id(run_id))
        if not rows:
            raise RunNotFoundError(run_id)

        return rows[0]


def _check_lease(lease: Lease) -> None:
    if not isinstance(lease, Lease):
        raise wrong_argument("lease", "a lease that claim() returned", lease)


def _line_of_claim(row: Any, seconds: float) -> dict[str, Any]:
    """
    Return the journal's line about the claim that answered with *row*.
    """
    if row.attempt == 1:
        return line_of(last_moved(row), token=row.lease_token, actor=row.lease_owner)
    at = max(row.lease_until - seconds, row.moved_at)

    return _line_without_move(row.id, row.lease_token, row.lease_owner, "claim", at)


def _line_about(lease: Lease, kind: str, at: float) -> dict[str, Any]:
    """
    Return the journal's line about what happened to *lease*.
    """
    return _line_without_move(lease.run.id, lease.token, lease.worker, kind, at)


def _line_without_move(
    run_id: str, token: int, worker: str, kind: str, at: float
) -> dict[str, Any]:
    nothing = {"seq": None, "trigger": None, "source": None, "target": None}
    line = line_of(Moved(run_id, "", None, "", at), token=token, actor=worker)

    return line | nothing | {"kind": kind}
