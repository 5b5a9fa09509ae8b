"""
Every statement of a store, made from the table once.

A move is one compare-and-set: ``UPDATE … WHERE id = … AND status IN (<the row's
sources>)``, whose new values come from what the table says of the target. On
PostgreSQL the same statement adds the line to the journal; SQLite has no such form,
and gets it as a second statement under the same lock.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from ..lifecycle._table import Lifecycle
from ._lease_statements import LeaseStatements
from ._sql import Deadlines, Phrases, Prepared, Value, among, inserting, word
from ._tables import JSON_FIELDS, Tables

__all__ = ["MoveStatements", "Statements"]

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

_LINE: Final = (
    "run_id", "seq", "kind", "trigger", "source", "target", "at", "duration_s", "clock_regressed",
)  # fmt: skip
_CARRIED: Final = ("payload", "key", "token", "actor", "reason")


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
        say = self.say = Phrases(tables, lifecycle, deadlines, clock, dialect)
        self.postgres = say.postgres
        self._tables, self._lifecycle, self._dialect = tables, lifecycle, dialect
        self.moves = {
            (trigger, target): self._move_statements(trigger, target)
            for trigger in lifecycle.triggers
            for target in dict.fromkeys(r.target for r in lifecycle if r.trigger == trigger)
        }
        self.line = Prepared(self._line(), dialect)
        self.create = Prepared(self._create(), dialect)
        self.row = Prepared(self._row(), dialect)
        self.now = Prepared(sa.select(self.say.clock().c.now), dialect)
        self.locked_row = Prepared(self._row(lock=True), dialect)
        self.keyed = Prepared(self._keyed(), dialect)
        self.leases = LeaseStatements(say, dialect)

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

    def _move(self, trigger: str, target: str, given: Mapping[str, Value], batch: Any) -> Any:
        runs = self._tables.runs.c
        clock = self.say.clock()
        sources = [r.source for r in self._lifecycle if (r.trigger, r.target) == (trigger, target)]
        update = (
            self._tables.runs.update()
            .where(
                runs.id == given["id"],
                self.say.sane(clock.c.now),
                among(self.say.compared("status"), sources),
                sa.or_(
                    given["token"].is_(None),
                    sa.and_(runs.lease_token == given["token"], runs.lease_until > clock.c.now),
                ),
                sa.or_(given["version"].is_(None), runs.version == given["version"]),
                sa.or_(given["key"].is_(None), ~self._used(given)),
            )
            .values(self.say.changes(trigger, target, clock.c.now, given))
        )
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

    def _line(self) -> Any:
        columns = {
            c.name: sa.bindparam(c.name, type_=c.type)
            for c in self._tables.journal.c
            if c.name not in {"position", "txid", "snapshot"}
        }
        insert: Any = inserting(self.postgres)(self._tables.journal)

        # Twice the same late result is one line; a move never meets this, it was looked for.
        return insert.values(columns).on_conflict_do_nothing()

    # -- creation, and what a run is now ---------------------------------------------

    def _create(self) -> Any:
        runs, clock = self._tables.runs, self.say.clock()
        initial = self._lifecycle.initial
        now = clock.c.now
        columns: dict[str, Any] = {
            "id": sa.bindparam("id", type_=sa.Text()),
            "thread_id": sa.bindparam("thread_id", type_=sa.Text()),
            "assistant_id": sa.bindparam("assistant_id", type_=sa.Text()),
            "document": sa.bindparam("document", type_=sa.Text()),
            "status": word(initial),
            "version": sa.literal_column("1"),
            "created_at": self.say.whole(now),
            "expires_at": sa.func.coalesce(
                sa.bindparam("expires_at", type_=sa.BigInteger()),
                self.say.whole(now) + sa.bindparam("expires_after", type_=sa.BigInteger()),
            ),
            "born_at": now,
            "moved_at": now,
            "last_trigger": sa.literal_column("'create'"),
            "clock_regressed": sa.false(),
            "deadline_at": self.say.deadline(initial, now),
            "lease_token": sa.literal_column("0"),
            "attempt": sa.literal_column("0"),
        }
        insert: Any = inserting(self.postgres)(runs)
        # The WHERE also keeps SQLite from taking ON CONFLICT for a join's ON.
        values = sa.select(*columns.values()).select_from(clock).where(self.say.sane(now))

        return (
            insert.from_select(list(columns), values)
            .on_conflict_do_nothing(index_elements=["id"])
            .returning(
                runs.c.created_at,
                runs.c.expires_at,
                runs.c.moved_at,
                runs.c.id,
                runs.c.last_trigger,
            )
        )

    def _row(self, *, lock: bool = False) -> Any:
        """
        Return the query for one run, with the time and whether it may be older than what is committed.
        """
        runs, clock = self._tables.runs, self.say.clock()
        level = sa.func.current_setting("transaction_isolation")
        snapshot = level != sa.literal_column("'read committed'") if self.postgres else sa.false()
        query = (
            sa.select(runs, clock.c.now, snapshot.label("is_snapshot"))
            .select_from(clock)
            .join(runs, sa.true())
            .where(runs.c.id == sa.bindparam("id", type_=sa.Text()))
        )

        return query.with_for_update(of=runs) if lock else query

    def _keyed(self) -> Any:
        journal = self._tables.journal

        return sa.select(journal).where(
            journal.c.run_id == sa.bindparam("id", type_=sa.Text()),
            journal.c.key == sa.bindparam("key", type_=sa.Text()),
        )


def _last_move(runs: Any) -> tuple[Any, ...]:
    return (
        runs.id, runs.version, runs.last_trigger, runs.last_source, runs.status, runs.moved_at,
        runs.last_duration_s, runs.clock_regressed,
    )  # fmt: skip
