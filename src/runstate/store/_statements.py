"""
Every statement of a store, made from the table once.

A move is one compare-and-set: ``UPDATE … WHERE id = … AND status IN (<the row's
sources>)``, whose new values come from what the table says of the target. On
PostgreSQL the same statement adds the line to the journal; SQLite has no such form,
and gets it as a second statement under the same lock.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ._dialects import inserting
from ._layout import Layout
from ._lease_statements import LeaseStatements
from ._mariadb import Changing, Creating, Repeated
from ._sql import Deadlines, Phrases, Prepared, Value, among, word
from ._tables import Tables

__all__ = ["MoveStatements", "Statements"]

_GIVEN: Final[dict[str, sa.types.TypeEngine[Any]]] = {
    "id": sa.Text(),
    "token": sa.BigInteger(),
    "version": sa.BigInteger(),
    "key": sa.Text(),
    "actor": sa.Text(),
    "reason": sa.Text(),
    "payload": sa.Text(),
}
"""What comes with every move, by name."""

_LINE: Final = (
    "run_id", "seq", "kind", "trigger", "source", "target", "at", "duration_s", "clock_regressed",
)  # fmt: skip
_CARRIED: Final = ("payload", "key", "token", "actor", "reason")


class MoveStatements(NamedTuple):
    """
    The compare-and-set of one trigger to one target.
    """

    target: str
    reopens: bool
    one: Prepared | Changing
    many: Prepared | Repeated
    """The same for a list of them, given as JSON under the name ``batch``."""


class Statements:
    """
    The SQL statements of a store.
    """

    def __init__(
        self,
        tables: Tables,
        lifecycle: Lifecycle,
        layout: Layout,
        claims: Sequence[Transition],
        deadlines: Deadlines,
        clock: str | None,
        dialect: sa.Dialect,
        max_claims: tuple[int, str] | None = None,
        own: Any = None,
    ) -> None:
        say = self.say = Phrases(
            tables, lifecycle, layout, claims, deadlines, clock, dialect, max_claims, own
        )
        self.postgres = say.postgres
        self._tables, self._lifecycle, self._dialect = tables, lifecycle, dialect
        self._layout = layout
        self._given = _GIVEN | dict.fromkeys(layout.details.values(), sa.Text())
        if layout.extended:
            self._given["not_before"] = sa.Double()
        if own is not None:
            self._given["met_at"] = sa.Double()
        self.no_values: dict[str, Any] = dict.fromkeys(self._given)
        """Every value that a move can be given, and None for it."""
        self.moves = {
            (trigger, target): self._move_statements(trigger, target)
            for trigger in lifecycle.triggers
            for target in dict.fromkeys(r.target for r in lifecycle if r.trigger == trigger)
        }
        self.reopenings = {
            (row.trigger, row.source): self._move_statements(row.trigger, row.target, row)
            for row in lifecycle.reopenings
        }
        self.line = Prepared(self._line(plain=say.mariadb), dialect)
        self.late_line = Prepared(self._line(), dialect)
        self._new = self._new_values()
        self.nothing_new: dict[str, Any] = dict.fromkeys(self._new)
        """Every value that a new run can be given, and None for it."""
        one = {name: sa.bindparam(name, type_=type_) for name, type_ in self._new.items()}
        # A row of the application's own may be in any status when the store meets it first.
        first = lifecycle.initial_statuses if own is None else lifecycle.statuses
        self.create = {str(s): self._creation(s, one, ()) for s in first}
        self.create_many = {} if own else {s: self._creations(s) for s in first}
        self.row = Prepared(self._row(), dialect)
        self.now = Prepared(sa.select(self.say.clock().c.now), dialect)
        self.locked_row = Prepared(self._row(lock=True), dialect)
        self.keyed = Prepared(self._keyed(), dialect)
        self.late = Prepared(self._late(), dialect)
        self.leases = LeaseStatements(say, dialect)
        self.met = {} if own is None else {str(s): self._met(s) for s in lifecycle.statuses}
        """By status, what says that something else has moved the row there."""

    # -- a move --------------------------------------------------------------------

    def _move_statements(
        self, trigger: str, target: str, reopening: Transition | None = None
    ) -> MoveStatements:
        if self.say.mariadb:
            one = self._move_of_one(trigger, target, reopening)
            changing = Changing(one, self._last_move_of(), self._dialect)
            return MoveStatements(str(target), reopening is not None, changing, Repeated(changing))

        return MoveStatements(
            str(target),
            reopening is not None,
            Prepared(lambda: self._move_of_one(trigger, target, reopening), self._dialect),
            Prepared(lambda: self._move_of_many(trigger, target, reopening), self._dialect),
        )

    def _move_of_one(self, trigger: str, target: str, reopening: Transition | None) -> Any:
        each = {n: sa.bindparam(n, type_=t) for n, t in self._given.items()}

        return self._move(trigger, target, each, None, reopening)

    def _move_of_many(self, trigger: str, target: str, reopening: Transition | None) -> Any:
        batch = self.say.batch(self._given)
        given = {name: batch.c[name] for name in self._given}

        return self._move(trigger, target, given, batch, reopening)

    def _last_move_of(self) -> Any:
        runs = self._tables.runs.c

        return sa.select(*_last_move(runs)).where(runs.id == sa.bindparam("id", type_=sa.Text()))

    def _move(
        self,
        trigger: str,
        target: str,
        given: Mapping[str, Value],
        batch: Any,
        reopening: Transition | None,
    ) -> Any:
        runs = self._tables.runs.c
        clock = self.say.clock_of_update()
        sources = [r.source for r in self._lifecycle if (r.trigger, r.target) == (trigger, target)]
        if reopening:
            sources = [reopening.source]
        update = self.say.changed(
            self._tables.runs.update().where(
                runs.id == given["id"],
                self.say.sane(clock.c.now),
                among(self.say.compared("status"), sources),
                sa.or_(
                    given["token"].is_(None),
                    sa.and_(
                        runs.lease_token == given["token"],
                        # Since the application's row was locked, no claim could take it.
                        runs.lease_until > given.get("met_at", clock.c.now),
                    )
                    if reopening is None
                    else runs.lease_token == given["token"],
                ),
                sa.or_(given["version"].is_(None), runs.version == given["version"]),
                sa.or_(given["key"].is_(None), ~self._used(given)),
            ),
            self.say.changes(trigger, target, clock.c.now, given, reopening),
        )
        if self.say.mariadb:
            return update
        if not self.postgres:
            return update.returning(*_last_move(runs))
        passed_on = () if batch is None else tuple(given[n].label(f"given_{n}") for n in _CARRIED)
        moved = update.returning(*_last_move(runs), *passed_on).cte("moved")
        carried = [given[n] if batch is None else moved.c[f"given_{n}"] for n in _CARRIED]
        journal = self._tables.journal
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
                lines.run_id, lines.seq, lines.trigger, lines.source, lines.target, lines.at,
                lines.duration_s, lines.clock_regressed,
            )
        )  # fmt: skip

    def _used(self, given: Mapping[str, Value]) -> Value:
        journal = self._tables.journal.c

        return (
            sa.select(sa.literal_column("1"))
            .where(journal.run_id == given["id"], journal.key == given["key"])
            .correlate_except(self._tables.journal)
            .exists()
        )

    def _line(self, *, plain: bool = False) -> Any:
        journal = self._tables.journal
        columns = {
            c.name: sa.bindparam(c.name, type_=c.type)
            for c in journal.c
            if c.name not in {"position", "place", "key_hash", "txid", "snapshot"}
        }
        insert = inserting(self.say.database)(journal).values(columns)
        if plain:
            # The key of another move of the same run may be seen only now: then all is done again.
            return insert
        if self.say.mariadb:
            return insert.on_duplicate_key_update(position=journal.c.position)

        # Twice the same late result is one line; a move never meets this, it was looked for.
        return insert.on_conflict_do_nothing()

    # -- creation, and what a run is now ---------------------------------------------

    def _new_values(self) -> dict[str, sa.types.TypeEngine[Any]]:
        """
        Return what comes with a new run, by name.
        """
        runs, layout = self._tables.runs.c, self._layout
        own = {name: runs[name].type for name in (*layout.columns, *layout.details.values())}
        more: dict[str, Any] = {"not_before": sa.Double()} if layout.extended else {}
        expiry = dict.fromkeys(("expires_at", "expires_after"), sa.BigInteger())
        if layout.keys:
            more |= {**layout.keys, "trigger": sa.Text(), "born_at": sa.Double()}

        return {"id": sa.Text(), "document": sa.Text(), **own, **expiry, **more}

    def _creation(self, status: str, given: Mapping[str, Value], source: Sequence[Any]) -> Any:
        insert, runs = self._create(status, given, source), self._tables.runs.c
        born = tuple(runs) if self._layout.extended else _born(runs)
        if self.say.mariadb:
            query = sa.select(*born).where(runs.id == sa.bindparam("id", type_=sa.Text()))
            return Creating(insert, query, self._dialect)
        insert = insert.on_conflict_do_nothing(index_elements=["id"]).returning(*born)

        return Prepared(insert, self._dialect)

    def _creations(self, status: str) -> Any:
        if self.say.mariadb:
            return Repeated(self.create[status], all_or_none=True)
        batch = self.say.batch(self._new)

        return self._creation(status, {name: batch.c[name] for name in self._new}, (batch,))

    def _create(self, status: str, given: Mapping[str, Value], source: Sequence[Any]) -> Any:
        runs, clock, layout = self._tables.runs, self.say.clock(), self._layout
        now = clock.c.now
        columns: dict[str, Any] = {
            "id": given["id"],
            **{name: given[name] for name in layout.columns},
            "document": given["document"],
            "status": word(status),
            "version": sa.literal_column("1"),
            **self._born_with(status, now, given),
            "born_at": now,
            "moved_at": now,
            "last_trigger": sa.literal_column("'create'"),
            "clock_regressed": sa.false(),
            "deadline_at": self.say.deadline(status, now),
            "lease_token": sa.literal_column("0"),
            "attempt": sa.literal_column("0"),
        }
        if layout.extended:
            columns |= {"reopened": sa.literal_column("0"), "claims": sa.literal_column("0")}
            columns["not_before"] = given["not_before"]
        if layout.keys:
            # A row was there before the store met it; not later than now, though.
            later = sa.func.coalesce(given["born_at"], now)
            columns |= {
                **{name: given[name] for name in layout.keys},
                "last_trigger": given["trigger"],
                "born_at": self.say.earliest(later, now),
            }
        insert: Any = inserting(self.say.database)(runs)
        # The WHERE also keeps SQLite from taking ON CONFLICT for a join's ON.
        values = sa.select(*columns.values()).select_from(clock, *source)
        values = values.where(self.say.sane(now))

        return insert.from_select(list(columns), values)

    def _born_with(self, status: str, now: Value, given: Mapping[str, Value]) -> dict[str, Any]:
        """
        Return the fields of the lifecycle that an object has which begins in *status*.
        """
        layout, entry = self._layout, self._lifecycle.entry(status)
        fields: dict[str, Any] = {}
        if layout.deadline is not None and layout.deadline not in entry.clears:
            fields[layout.deadline] = sa.func.coalesce(
                given["expires_at"], self.say.whole(now) + given["expires_after"]
            )
        fields |= {name: self.say.whole(now) for name in (*layout.created, *entry.stamps)}
        for name in (*entry.requires, *entry.accepts):
            fields[name] = given[layout.details[name]]

        return {layout.fields[name]: value for name, value in fields.items()}

    def _met(self, status: str) -> Any:
        """
        Return the statement for a row of the application's own that something else moved to *status*.

        The work of a worker who had it goes on where it can, unless the row was reopened.
        """
        runs, clock = self._tables.runs, self.say.clock_of_update()
        one = runs.c.id == sa.bindparam("id", type_=sa.Text())
        reopened = sa.bindparam("reopened", type_=sa.BigInteger())
        again = runs.c.reopened != reopened
        nothing = dict.fromkeys(runs.c.keys(), sa.null())
        changes = self.say.changes("adopt", status, clock.c.now, nothing)
        for name, fresh in {
            "lease_owner": sa.null(), "lease_until": sa.null(),
            "lease_token": runs.c.lease_token + sa.literal_column("1"),
            "attempt": sa.literal_column("0"), "claims": sa.literal_column("0"),
        }.items():  # fmt: skip
            changes.setdefault(name, sa.case((again, fresh), else_=runs.c[name]))
        update = self.say.changed(
            runs.update().where(one, self.say.sane(clock.c.now)), changes | {"reopened": reopened}
        )
        if self.say.mariadb:
            return Changing(update, self._last_move_of(), self._dialect)

        return Prepared(update.returning(*_last_move(runs.c)), self._dialect)

    def _row(self, *, lock: bool = False) -> Any:
        """
        Return the query for one run, with the time and whether it may be older than what is committed.
        """
        runs, clock = self._tables.runs, self.say.clock()
        snapshot: Any = sa.false()
        if self.postgres:
            level = sa.func.current_setting("transaction_isolation")
            snapshot = level != sa.literal_column("'read committed'")
        query = (
            sa.select(runs, clock.c.now, snapshot.label("is_snapshot"))
            .select_from(clock)
            .join(runs, sa.true())
            .where(runs.c.id == sa.bindparam("id", type_=sa.Text()))
        )

        if not lock:
            return query

        return query.with_for_update() if self.say.mariadb else query.with_for_update(of=runs)

    def _keyed(self) -> Any:
        journal = self._tables.journal

        return sa.select(journal).where(
            journal.c.run_id == sa.bindparam("id", type_=sa.Text()),
            journal.c.key == sa.bindparam("key", type_=sa.Text()),
        )

    def _late(self) -> Any:
        """
        Return the query for how many late outcomes the journal keeps of one run.
        """
        journal = self._tables.journal

        return sa.select(sa.func.count().label("kept")).where(
            journal.c.run_id == sa.bindparam("id", type_=sa.Text()),
            journal.c.kind == word("late"),
        )


def _born(runs: Any) -> tuple[Any, ...]:
    """
    Return the columns of a new run that only the database knows, and what proves the answer.
    """
    return (
        runs.id, runs.last_trigger, runs.status, runs.moved_at, runs.created_at, runs.expires_at,
    )  # fmt: skip


def _last_move(runs: Any) -> tuple[Any, ...]:
    return (
        runs.id, runs.version, runs.last_trigger, runs.last_source, runs.status, runs.moved_at,
        runs.last_duration_s, runs.clock_regressed,
    )  # fmt: skip
