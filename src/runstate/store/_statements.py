"""
Every statement of a store, made from the table once.

A move is one compare-and-set: ``UPDATE … WHERE id = … AND status IN (<the row's
sources>)``, whose new values come from what the table says of the target. On
PostgreSQL the same statement adds the line to the journal; SQLite has no such form,
and gets it as a second statement under the same lock.

All time is the database's: two machines never compare their clocks. Within a run it
is clamped to the last move's, so that it never runs backwards.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from .._lifecycle import Lifecycle
from ._tables import JSON_FIELDS, Tables, quoted

__all__ = ["CLOCKS", "Deadlines", "MoveStatements", "Prepared", "Statements", "word"]

Deadlines = Mapping[str, tuple[float, str]]
"""By status: the seconds that a run may be in it, and the trigger that ends it then."""

CLOCKS: Final = {
    # Not unixepoch('subsec'), which is NULL before SQLite 3.42.
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    # Not now(), which stands still within the caller's transaction.
    "postgresql": "extract(epoch from clock_timestamp())::double precision",
}
"""The database's own time in Unix seconds, by dialect."""

_GIVEN: Final[dict[str, sa.types.TypeEngine[Any]]] = {
    "id": sa.Text(),
    "token": sa.BigInteger(),
    "version": sa.BigInteger(),
    "key": sa.Text(),
    "actor": sa.Text(),
    "reason": sa.Text(),
    "payload": sa.Text(),
    **{name: sa.Text() for name in JSON_FIELDS},
}
"""What comes with a move, by name."""

_Value = sa.ColumnElement[Any]


class Prepared:
    """
    A statement as the driver takes it, compiled once: half the price of a move is saved so.
    """

    __slots__ = ("_constants", "_order", "sql")

    def __init__(self, statement: Any, dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        self._constants = {k: v for k, v in compiled.params.items() if v is not None}
        self._order: Sequence[str] | None = compiled.positiontup if compiled.positional else None

    def run(self, connection: sa.Connection, **given: Any) -> Sequence[Any]:
        """
        Execute with *given*, and return all rows.
        """
        return connection.exec_driver_sql(self.sql, self._parameters(given)).all()

    def add(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """
        Execute once for each of *rows*, for what returns nothing.
        """
        many: Any = [self._parameters(row) for row in rows]
        if not many:
            return
        connection.exec_driver_sql(self.sql, many if len(many) > 1 else many[0])

    def _parameters(self, given: Mapping[str, Any]) -> Any:
        values = {**self._constants, **given}
        if self._order is None:
            return values

        return tuple([values[name] for name in self._order])


class MoveStatements(NamedTuple):
    """
    The compare-and-set of one trigger to one target.
    """

    target: str
    one: Prepared
    many: Prepared
    """The same for a list of them, given as JSON under the name ``batch``."""


class Statements:
    """
    What a store says to its database.
    """

    def __init__(
        self,
        tables: Tables,
        lifecycle: Lifecycle,
        deadlines: Deadlines,
        clock: str | None,
        dialect: sa.Dialect,
    ) -> None:
        self.tables = tables
        self.postgres = dialect.name == "postgresql"
        self._lifecycle = lifecycle
        self._deadlines = deadlines
        self._dialect = dialect
        self._now = clock or CLOCKS[dialect.name]
        self.worked = working_statuses(lifecycle)
        """Statuses in which a worker has the run."""
        self.given_up = frozenset(
            row.source for row in lifecycle if lifecycle.terminal.get(row.target) == "cancelled"
        )
        """Statuses in which a worker should stop."""
        self.moves = {
            (trigger, target): self._move_statements(trigger, target)
            for trigger in lifecycle.triggers
            for target in dict.fromkeys(r.target for r in lifecycle if r.trigger == trigger)
        }
        self.line = Prepared(self._line(), dialect)
        self.claim = Prepared(self._claim(), dialect)
        self.heartbeat = Prepared(self._renew(sa.bindparam("seconds", type_=sa.Double())), dialect)
        self.release = Prepared(self._renew(sa.literal_column("0.0")), dialect)
        self.create = Prepared(self._create(), dialect)
        self.row = Prepared(self._row(), dialect)
        self.keyed = Prepared(self._keyed(), dialect)
        self.overdue = tuple(Prepared(each, dialect) for each in self._overdue())

    # -- pieces --------------------------------------------------------------------

    def clock(self) -> Any:
        """
        Return the time as something to select from, so that one statement has one time.
        """
        return sa.select(sa.literal_column(self._now, sa.Double()).label("now")).subquery("clock")

    def _latest(self, one: _Value, other: _Value) -> _Value:
        return sa.func.greatest(one, other) if self.postgres else sa.func.max(one, other)

    def _whole(self, seconds: _Value) -> _Value:
        whole = sa.func.floor(seconds) if self.postgres else seconds

        return sa.cast(whole, sa.BigInteger())

    def _compared(self, name: str) -> Any:
        """
        Return a column that no index is to be looked up by.

        SQLite does not know how few runs a batch names, or how few are due, and would
        read all that are in a status; a unary plus keeps it from that.
        """
        column = self.tables.runs.c[name]

        return column if self.postgres else sa.literal_column(f"+{self.tables.runs.name}.{name}")

    def _skipping(self, select: Any) -> Any:
        # SQLite has one writer at a time, so that there is nothing to skip.
        return select.with_for_update(skip_locked=True) if self.postgres else select

    # -- a move --------------------------------------------------------------------

    def _move_statements(self, trigger: str, target: str) -> MoveStatements:
        one = self._move(
            trigger, target, {n: sa.bindparam(n, type_=t) for n, t in _GIVEN.items()}, None
        )
        batch = self._batch()
        many = self._move(trigger, target, {name: batch.c[name] for name in _GIVEN}, batch)

        return MoveStatements(
            str(target), Prepared(one, self._dialect), Prepared(many, self._dialect)
        )

    def _batch(self) -> Any:
        """
        Return a list of moves, given as one JSON text, as rows to select from.
        """
        batch = sa.bindparam("batch", type_=sa.Text())
        if self.postgres:
            columns: list[Any] = [sa.column(name, type_) for name, type_ in _GIVEN.items()]
            rows = sa.func.json_to_recordset(sa.cast(batch, sa.JSON())).table_valued(*columns)
            return rows.render_derived(name="batch", with_types=True)
        each = sa.func.json_each(batch).table_valued("value")

        return sa.select(
            *(sa.func.json_extract(each.c.value, f"$.{name}").label(name) for name in _GIVEN)
        ).subquery("batch")

    def _move(self, trigger: str, target: str, given: Mapping[str, _Value], batch: Any) -> Any:
        runs = self.tables.runs.c
        clock = self.clock()
        sources = [r.source for r in self._lifecycle if (r.trigger, r.target) == (trigger, target)]
        update = (
            self.tables.runs.update()
            .where(
                runs.id == given["id"],
                _among(self._compared("status"), sources),
                sa.or_(
                    given["token"].is_(None),
                    sa.and_(runs.lease_token == given["token"], runs.lease_until > clock.c.now),
                ),
                sa.or_(given["version"].is_(None), runs.version == given["version"]),
                sa.or_(given["key"].is_(None), ~self._used(given)),
            )
            .values(self._changes(trigger, target, clock.c.now, given))
        )
        if not self.postgres:
            return update.returning(
                runs.id, runs.version, runs.last_source, runs.moved_at, runs.last_duration_s,
                runs.clock_regressed,
            )  # fmt: skip
        passed_on = () if batch is None else tuple(given[n].label(f"given_{n}") for n in _CARRIED)
        moved = update.returning(*_last_move(runs), *passed_on).cte("moved")
        carried = [given[n] if batch is None else moved.c[f"given_{n}"] for n in _CARRIED]
        journal = self.tables.journal
        line = sa.select(
            moved.c.id, moved.c.version, sa.literal_column("'move'"), moved.c.last_trigger,
            moved.c.last_source, moved.c.status, moved.c.moved_at, moved.c.last_duration_s,
            moved.c.clock_regressed, *carried,
        )  # fmt: skip
        lines = journal.c

        return (
            journal.insert()
            .from_select([*_LINE, *_CARRIED], line)
            .returning(
                lines.run_id, lines.seq, lines.source, lines.at, lines.duration_s,
                lines.clock_regressed,
            )
        )  # fmt: skip

    def _used(self, given: Mapping[str, _Value]) -> _Value:
        journal = self.tables.journal.c

        return (
            sa.select(sa.literal_column("1"))
            .where(journal.run_id == given["id"], journal.key == given["key"])
            .correlate_except(self.tables.journal)
            .exists()
        )

    def _changes(
        self, trigger: str, target: str, now: _Value, given: Mapping[str, _Value]
    ) -> dict[str, Any]:
        """
        Return the new value of every column that a move changes.
        """
        runs = self.tables.runs.c
        entry = self._lifecycle.entry(target)
        at = self._latest(now, runs.moved_at)
        changes: dict[str, Any] = {
            "status": word(target),
            "version": runs.version + sa.literal_column("1"),
            "last_trigger": word(trigger),
            "last_source": runs.status,
            "last_duration_s": at - runs.moved_at,
            "clock_regressed": self._regressed(now),
            "moved_at": at,
            "deadline_at": self._deadline(target, at),
        }
        if target not in self.worked:
            changes |= {"lease_owner": sa.null(), "lease_until": sa.null()}
        changes |= {name: self._whole(at) for name in entry.stamps}
        changes |= {name: sa.null() for name in entry.clears}
        for name in (*entry.requires, *entry.accepts):
            changes[name] = sa.func.coalesce(given[name], runs[name])

        return changes

    def _regressed(self, now: _Value) -> _Value:
        """
        Return whether the clock is behind the run's last move.
        """
        behind = now < self.tables.runs.c.moved_at
        if not self.postgres:
            return behind
        # A statement that waited for the row has a time from before the wait, and the run
        # may have been moved meanwhile. Written out, the clock is read again after it.
        again = sa.literal_column(self._now, sa.Double()) < self.tables.runs.c.moved_at

        return sa.and_(behind, again)

    def _deadline(self, status: str, at: _Value) -> Any:
        seconds = self._deadlines.get(status, (None, ""))[0]

        return sa.null() if seconds is None else at + sa.literal_column(repr(float(seconds)))

    def _line(self) -> Any:
        columns = {
            c.name: sa.bindparam(c.name, type_=c.type)
            for c in self.tables.journal.c
            if c.name not in {"position", "txid"}
        }
        insert: Any = _inserting(self.postgres)(self.tables.journal)

        # Twice the same late result is one line; a move never meets this, it was looked for.
        return insert.values(columns).on_conflict_do_nothing()

    # -- creation, and what a run is now ---------------------------------------------

    def _create(self) -> Any:
        runs, clock = self.tables.runs, self.clock()
        initial = self._lifecycle.initial
        now = clock.c.now
        columns: dict[str, Any] = {
            "id": sa.bindparam("id", type_=sa.Text()),
            "thread_id": sa.bindparam("thread_id", type_=sa.Text()),
            "assistant_id": sa.bindparam("assistant_id", type_=sa.Text()),
            "document": sa.bindparam("document", type_=sa.Text()),
            "status": word(initial),
            "version": sa.literal_column("1"),
            "created_at": self._whole(now),
            "expires_at": self._whole(now) + sa.bindparam("expires_after", type_=sa.BigInteger()),
            "born_at": now,
            "moved_at": now,
            "last_trigger": sa.literal_column("'create'"),
            "clock_regressed": sa.false(),
            "deadline_at": self._deadline(initial, now),
            "lease_token": sa.literal_column("0"),
            "attempt": sa.literal_column("0"),
        }
        insert: Any = _inserting(self.postgres)(runs)
        # The WHERE keeps SQLite from taking ON CONFLICT for a join's ON.
        values = sa.select(*columns.values()).select_from(clock).where(sa.true())

        return (
            insert.from_select(list(columns), values)
            .on_conflict_do_nothing(index_elements=["id"])
            .returning(runs.c.created_at, runs.c.expires_at, runs.c.moved_at)
        )

    def _row(self) -> Any:
        runs, clock = self.tables.runs, self.clock()

        return (
            sa.select(runs, clock.c.now)
            .select_from(clock)
            .join(runs, sa.true())
            .where(runs.c.id == sa.bindparam("id", type_=sa.Text()))
        )

    def _keyed(self) -> Any:
        journal = self.tables.journal

        return sa.select(journal).where(
            journal.c.run_id == sa.bindparam("id", type_=sa.Text()),
            journal.c.key == sa.bindparam("key", type_=sa.Text()),
        )

    # -- leases ------------------------------------------------------------------------

    def _claim(self) -> Any:
        """
        Return the claim: a run whose lease ran out, or else the oldest that can start.
        """
        table, clock = self.tables.runs, self.clock()
        runs, now = table.c, clock.c.now
        row = next(r for r in self._lifecycle if r.trigger == CLAIM)
        ready = [r.source for r in self._lifecycle if r.trigger == CLAIM]
        fresh = _among(runs.status, ready)
        update = (
            table.update()
            .where(runs.id == self._claimable(ready))
            .values(
                {
                    name: sa.case((fresh, value), else_=runs[name])
                    for name, value in self._changes(CLAIM, row.target, now, {}).items()
                }
                | {
                    "lease_owner": sa.bindparam("worker", type_=sa.Text()),
                    "lease_token": runs.lease_token + sa.literal_column("1"),
                    "lease_until": now + sa.bindparam("seconds", type_=sa.Double()),
                    "attempt": sa.case((fresh, 1), else_=runs.attempt + sa.literal_column("1")),
                }
            )
        )
        if not self.postgres:
            return update.returning(table)
        moved = update.returning(table).cte("moved")
        line = self._claim_line(moved)
        insert = self.tables.journal.insert().from_select(list(line), sa.select(*line.values()))

        return sa.select(moved).add_cte(insert.cte("line"))

    def _claimable(self, ready: Sequence[str]) -> Any:
        runs, clock = self.tables.runs.c, self.clock().alias("since")
        lost = self._skipping(
            sa.select(runs.id)
            .where(runs.lease_until <= sa.select(clock.c.now).scalar_subquery())
            .order_by(runs.lease_until)
            .limit(1)
        )
        fresh = self._skipping(
            sa.select(runs.id)
            .where(_among(runs.status, ready))
            .order_by(runs.born_at, runs.id)
            .limit(1)
        )
        if self.postgres:
            # FOR UPDATE needs a room of its own on either side of a UNION.
            picked = [
                sa.select(each.cte(name).c.id) for each, name in ((lost, "lost"), (fresh, "fresh"))
            ]
        else:
            picked = [
                sa.select(each.subquery(name).c.id)
                for each, name in ((lost, "lost"), (fresh, "fresh"))
            ]
        either = sa.union_all(*picked).subquery("either")

        return sa.select(either.c.id).limit(1).scalar_subquery()

    def _claim_line(self, moved: Any) -> dict[str, Any]:
        """
        Return the journal's line about a claim: a move if it started the run.
        """
        c = moved.c
        started = c.attempt == sa.literal_column("1")

        def if_started(value: Any) -> Any:
            return sa.case((started, value), else_=sa.null())

        return {
            "run_id": c.id,
            "seq": if_started(c.version),
            "kind": sa.case(
                (started, sa.literal_column("'move'")), else_=sa.literal_column("'claim'")
            ),
            "trigger": if_started(c.last_trigger),
            "source": if_started(c.last_source),
            "target": if_started(c.status),
            "at": sa.case(
                (started, c.moved_at),
                else_=self._latest(
                    c.lease_until - sa.bindparam("seconds", type_=sa.Double()), c.moved_at
                ),
            ),
            "duration_s": if_started(c.last_duration_s),
            "clock_regressed": sa.case((started, c.clock_regressed), else_=sa.false()),
            "token": c.lease_token,
            "actor": c.lease_owner,
        }

    def _renew(self, seconds: _Value) -> Any:
        table, clock = self.tables.runs, self.clock()
        runs, now = table.c, clock.c.now

        return (
            table.update()
            .where(
                runs.id == sa.bindparam("id", type_=sa.Text()),
                runs.lease_token == sa.bindparam("token", type_=sa.BigInteger()),
                runs.lease_until > now,
            )
            .values(lease_until=now + seconds)
            .returning(runs.lease_until, runs.status, runs.moved_at)
        )

    def _overdue(self) -> list[Any]:
        """
        Return the runs that somebody must end, each with the trigger to do it.
        """
        runs, clock = self.tables.runs.c, self.clock()
        now = sa.select(clock.c.now).scalar_subquery()
        ends = self._lifecycle.terminal
        giving_up = {
            r.source: r.trigger for r in self._lifecycle if ends.get(r.target) == "cancelled"
        }
        timeouts = {r.source: r.trigger for r in self._lifecycle if ends.get(r.target) == "timeout"}
        nobody_on_it = sa.or_(
            runs.lease_until <= now,
            sa.and_(runs.lease_until.is_(None), ~_among(runs.last_source, self.worked)),
        )
        found = [
            ({s: t for s, (_, t) in self._deadlines.items()}, runs.deadline_at <= now),
            (giving_up, sa.and_(_among(runs.status, list(giving_up)), nobody_on_it)),
            (timeouts, runs.expires_at <= now),
        ]

        return [
            self._skipping(
                sa.select(
                    runs.id,
                    runs.version,
                    sa.case(
                        *((runs.status == word(s), word(t)) for s, t in triggers.items())
                    ).label("trigger"),
                )
                .where(_among(self._compared("status"), list(triggers)), due)
                .limit(sa.bindparam("most", type_=sa.BigInteger()))
            )
            for triggers, due in found
            if triggers
        ]


CLAIM: Final = "start"
"""The trigger by which a worker takes a run."""

_LINE: Final = (
    "run_id", "seq", "kind", "trigger", "source", "target", "at", "duration_s", "clock_regressed",
)  # fmt: skip
_CARRIED: Final = ("payload", "key", "token", "actor", "reason")


def _last_move(runs: Any) -> tuple[Any, ...]:
    return (
        runs.id, runs.version, runs.last_trigger, runs.last_source, runs.status, runs.moved_at,
        runs.last_duration_s, runs.clock_regressed,
    )  # fmt: skip


def working_statuses(lifecycle: Lifecycle) -> tuple[str, ...]:
    """
    Return the statuses in which a worker has the run: those from which it can succeed.
    """
    good = {status for status, outcome in lifecycle.terminal.items() if outcome == "success"}

    return tuple(dict.fromkeys(row.source for row in lifecycle if row.target in good))


def word(text: str) -> sa.ColumnClause[Any]:
    """
    Return *text* as a literal of a statement.
    """
    return sa.literal_column(quoted(str(text)), sa.Text())


def _among(column: _Value, words: Sequence[str]) -> _Value:
    if len(words) == 1:
        return column == word(words[0])

    return column.in_([word(each) for each in words])


def _inserting(postgres: bool) -> Any:
    if postgres:
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415

        return insert
    from sqlalchemy.dialects.sqlite import insert as insert_sqlite  # noqa: PLC0415

    return insert_sqlite
