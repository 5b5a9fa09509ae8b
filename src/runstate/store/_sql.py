"""
How the store's statements are put: a time, a comparison, what a move changes.

All time is the database's: two machines never compare their clocks. Within a run it
is clamped to the last move's, so that it never runs backwards.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Final

import sqlalchemy as sa

from ..lifecycle._roles import cancelling_rows
from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ..runs._wire import FIRST_SECOND, LAST_SECOND
from ._dialects import AGAIN, CLOCKS, database_of
from ._layout import Layout
from ._tables import Tables, quoted

__all__ = [
    "CLOCK_ERROR",
    "LONGEST_LEASE",
    "Deadlines",
    "Phrases",
    "Prepared",
    "Value",
    "among",
    "word",
]

Deadlines = Mapping[str, tuple[float, str]]
"""By status: the seconds that a run may be in it, and the trigger that ends it then."""

LONGEST_LEASE: Final = 30 * 86_400.0
"""Seconds that a lease can be given for."""
CLOCK_ERROR: Final = 86_400.0
"""Seconds by which a time may lie further ahead than it can, before the clock that set it was wrong."""

Value = sa.ColumnElement[Any]
"""An SQL expression."""

_LAST: Final = ("moved_at", "status", "reopened")
"""Columns that are assigned last, because others read them: MariaDB evaluates SET from left to right."""


class Prepared:
    """
    A statement as the driver takes it, compiled once: half the price of a move is saved so.

    Compiled when it is first executed, because a store has hundreds and uses few of them.
    """

    def __init__(self, statement: Any, dialect: sa.Dialect) -> None:
        """
        Keep *statement*, or a function that makes it, for *dialect*.
        """
        self._statement, self._dialect = statement, dialect

    @cached_property
    def _compiled(self) -> tuple[str, dict[str, Any], Sequence[str] | None]:
        """
        The SQL, the values that are always the same, and the order of all where they have one.
        """
        made = self._statement() if callable(self._statement) else self._statement
        compiled = made.compile(dialect=self._dialect)
        given = {bind.key: None for bind in compiled.bind_names if bind.required}
        # Each value of an IN becomes a parameter, and each constant what its type sends.
        state = compiled.construct_expanded_state(given, escape_names=False)
        processors = {n: self._processor(bind.type) for bind, n in compiled.bind_names.items()}
        processors |= state.processors
        escaped = {} if compiled.positional else compiled.escaped_bind_names
        constants = {
            escaped.get(name, name): process(value) if (process := processors.get(name)) else value
            for name, value in state.parameters.items()
            if name not in given
        }

        return state.statement, constants, state.positiontup

    def _processor(self, kind: Any) -> Any:
        """
        Return what makes the driver's value of a Python value; None where they are the same.
        """
        return kind.dialect_impl(self._dialect).bind_processor(self._dialect)

    def run(self, connection: sa.Connection, **given: Any) -> Sequence[Any]:
        """
        Execute with *given*, and return all rows.
        """
        return connection.exec_driver_sql(self._compiled[0], self._parameters(given)).all()

    def change(self, connection: sa.Connection, **given: Any) -> int:
        """
        Execute with *given* what returns nothing, and return how many rows it was about.
        """
        return connection.exec_driver_sql(self._compiled[0], self._parameters(given)).rowcount

    def add(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """
        Execute once for each of *rows*, for what returns nothing.
        """
        many: Any = [self._parameters(row) for row in rows]
        if not many:
            return
        connection.exec_driver_sql(self._compiled[0], many if len(many) > 1 else many[0])

    def _parameters(self, given: Mapping[str, Any]) -> Any:
        _, constants, order = self._compiled
        values = {**constants, **given}
        if order is None:
            return values

        return tuple([values[name] for name in order])


class Phrases:
    """
    What statements of one store have in common.
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
        self.own = own
        """The rows of the application's own table, where the objects are these."""
        self.max_claims = max_claims
        """How often a run may be claimed, and the trigger that ends it then."""
        self.tables = tables
        self.layout = layout
        self.claims = claims
        """The rows by which a worker takes a run."""
        self.database = database_of(dialect)
        self.postgres = self.database == "postgresql"
        self.mariadb = self.database == "mariadb"
        self.lifecycle = lifecycle
        self.deadlines = deadlines
        self._now = clock or CLOCKS[self.database]
        self._again = clock or AGAIN.get(self.database, self._now)
        self.worked = working_statuses(lifecycle, claims)
        """Statuses in which a worker has the run."""
        self.given_up = frozenset(cancelling_rows(lifecycle))
        """Statuses in which a worker should stop."""

    def clock(self) -> Any:
        """
        Return the time as something to select from, so that one statement has one time.
        """
        return sa.select(sa.literal_column(self._now, sa.Double()).label("now")).subquery("clock")

    def clock_of_update(self) -> Any:
        """
        Return the same for an UPDATE.
        """
        if not self.mariadb:
            return self.clock()

        # It has no FROM, and one time for the whole statement.
        return SimpleNamespace(
            c=SimpleNamespace(now=sa.literal_column(f"({self._now})", sa.Double()))
        )

    def changed(self, update: Any, changes: dict[str, Any]) -> Any:
        """
        Return *update* with *changes*, each of which sees the row as it was.
        """
        if not self.mariadb:
            return update.values(changes)
        names = sorted(changes, key=lambda name: _LAST.index(name) + 1 if name in _LAST else 0)

        return update.ordered_values(*((name, changes[name]) for name in names))

    def too_far(self, now: Value) -> Value:
        """
        Return whether a lease ends later than any can: the clock that it was given by was wrong.
        """
        return self.tables.runs.c.lease_until > now + sa.literal_column(
            repr(LONGEST_LEASE + CLOCK_ERROR)
        )

    def sane(self, now: Value) -> Value:
        """
        Return whether the clock shows a time that the fields of a run can hold.

        A move at another time would leave a run behind that nothing can read.
        """
        return now.between(
            sa.literal_column(str(FIRST_SECOND)), sa.literal_column(str(LAST_SECOND))
        )

    def latest(self, one: Value, other: Value) -> Value:
        """
        Return the later of two times.
        """
        return (
            sa.func.max(one, other) if self.database == "sqlite" else sa.func.greatest(one, other)
        )

    def earliest(self, one: Value, other: Value) -> Value:
        """
        Return the earlier of two times.
        """
        return sa.func.min(one, other) if self.database == "sqlite" else sa.func.least(one, other)

    def whole(self, seconds: Value) -> Value:
        """
        Return a time in whole seconds, as on the wire.
        """
        whole = seconds if self.database == "sqlite" else sa.func.floor(seconds)

        return sa.cast(whole, sa.BigInteger())

    def compared(self, name: str) -> Any:
        """
        Return a column that no index is to be looked up by.

        SQLite does not know how few runs a batch names, or how few are due, and would
        read all that are in a status; a unary plus keeps it from that.
        """
        column = self.tables.runs.c[name]

        if self.database != "sqlite":
            return column

        return sa.literal_column(f"+{self.tables.runs.name}.{name}")

    def seldom(self, clause: Any) -> Any:
        """
        Return *clause*, of which few runs are true.

        SQLite counts on a status having as many runs as any other. Told by ``ANALYZE`` of a
        store whose runs have all ended, it would read them all to find those that have not.
        """
        return sa.func.unlikely(clause) if self.database == "sqlite" else clause

    def beside(self, query: Any, statuses: Iterable[str]) -> Any:
        """
        Return *query*, of runs in *statuses*, with the application's own rows where it has any.
        """
        return query if self.own is None else self.own.beside(query, self.tables, statuses)

    def met(self) -> list[Value]:
        """
        Return the condition that the application's own rows meet, if the store has one.
        """
        return [] if self.own is None else self.own.met(self.tables.runs)

    def column(self, name: str) -> Any:
        """
        Return the column that lists and claims call *name*.
        """
        return self.tables.runs.c[name] if self.own is None else self.own.column(name)

    def skipping(self, select: Any) -> Any:
        """
        Have *select* pass over what another transaction works on.
        """
        # SQLite has one writer at a time, so that there is nothing to skip.
        return select if self.database == "sqlite" else select.with_for_update(skip_locked=True)

    def batch(self, given: Mapping[str, sa.types.TypeEngine[Any]]) -> Any:
        """
        Return a list of objects with the members *given*, one JSON text, as rows to select from.
        """
        batch = sa.bindparam("batch", type_=sa.Text())
        if self.postgres:
            columns: list[Any] = [sa.column(name, type_) for name, type_ in given.items()]
            rows = sa.func.json_to_recordset(sa.cast(batch, sa.JSON())).table_valued(*columns)
            return rows.render_derived(name="batch", with_types=True)
        each = sa.func.json_each(batch).table_valued("value")

        return sa.select(
            *(sa.func.json_extract(each.c.value, f"$.{name}").label(name) for name in given)
        ).subquery("batch")

    def changes(
        self,
        trigger: str,
        target: str,
        now: Value,
        given: Mapping[str, Value],
        reopening: Transition | None = None,
    ) -> dict[str, Any]:
        """
        Return the new value of every column that a move changes.
        """
        runs = self.tables.runs.c
        entry = self.lifecycle.entry(target)
        at = self.latest(now, runs.moved_at)
        changes: dict[str, Any] = {
            "status": word(target),
            "version": runs.version + sa.literal_column("1"),
            "last_trigger": word(trigger),
            "last_source": runs.status,
            "last_duration_s": at - runs.moved_at,
            "clock_regressed": self._regressed(now),
            "moved_at": at,
            # From the clock, not from *at*: a clock that once was years ahead left a last
            # move there, and the deadline must not wait for it.
            "deadline_at": self.deadline(target, now),
        }
        fields = self.layout.fields
        if target not in self.worked or reopening:
            changes |= {"lease_owner": sa.null(), "lease_until": sa.null()}
        if self.layout.extended:
            changes["not_before"] = given.get("not_before", sa.null())
        if reopening:
            changes |= {fields[name]: sa.null() for name in reopening.clears if name in fields}
            changes |= {
                "reopened": runs.reopened + sa.literal_column("1"),
                "lease_token": runs.lease_token + sa.literal_column("1"),
                "attempt": sa.literal_column("0"),
                "claims": sa.literal_column("0"),
            }
        changes |= {fields[name]: self.whole(at) for name in entry.stamps}
        changes |= {fields[name]: sa.null() for name in entry.clears if name in fields}
        for name in (*entry.requires, *entry.accepts):
            column = fields[name]
            changes[column] = sa.func.coalesce(given[column], runs[column])

        return changes

    def _regressed(self, now: Value) -> Value:
        """
        Return whether the clock is behind the run's last move.
        """
        behind = now < self.tables.runs.c.moved_at
        if self.database == "sqlite":
            return behind
        # A statement that waited for the row has a time from before the wait, and the run
        # may have been moved meanwhile. Written out, the clock is read again after it.
        again = sa.literal_column(self._again, sa.Double()) < self.tables.runs.c.moved_at

        return sa.and_(behind, again)

    def deadline(self, status: str, at: Value) -> Any:
        """
        Return the time at which a run must have left *status*; null if it may stay.
        """
        seconds = self.deadlines.get(status, (None, ""))[0]

        return sa.null() if seconds is None else at + sa.literal_column(repr(float(seconds)))


def working_statuses(lifecycle: Lifecycle, claims: Sequence[Transition]) -> tuple[str, ...]:
    """
    Return the statuses in which a worker has the run.

    They are the one that claims lead to, those from which it can succeed, and those in which the
    worker has to confirm a cancel.
    """
    good = {status for status, outcome in lifecycle.terminal.items() if outcome == "success"}

    worked = dict.fromkeys(row.source for row in lifecycle if row.target in good)

    worked |= dict.fromkeys(row.target for row in claims)

    return tuple(worked | dict.fromkeys(cancelling_rows(lifecycle)))


def word(text: str) -> sa.ColumnClause[Any]:
    """
    Return *text* as a literal of a statement.
    """
    return sa.literal_column(quoted(str(text)), sa.Text())


def among(column: Value, words: Sequence[str]) -> Value:
    """
    Return whether *column* is one of *words*.
    """
    if len(words) == 1:
        return column == word(words[0])

    return column.in_([word(each) for each in words])
