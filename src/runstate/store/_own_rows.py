"""
The rows of an application's own table, as a store reads, locks and writes them.

The application's row holds the status. The store's own row holds the rest: the lease, the number
of moves, and a copy of the primary key. An operation that needs both rows locks the application's
row first, as ``apply_move`` does; a claim or a sweep skips a row that is locked.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from pydantic_core import to_jsonable_python

from .._keywords import refuse_unknown
from .._text import printable
from ..errors import LifecycleFieldError
from ..lifecycle._table import Lifecycle
from ..runs._log import Moved
from ._arguments import mapping
from ._dialects import CLOCKS, database_of
from ._objects import check_table
from ._own_table import FIRST, OwnTable, check_stamp, members_of, stamp
from ._row_condition import row_condition
from ._row_errors import (
    ConcurrentMoveError,
    StatusMissingError,
    UnreadableRunError,
    wrong_argument,
)
from ._row_keys import row_id
from ._sql import Value, word
from ._tables import Tables

__all__ = ["ADOPT", "ADOPTED", "OwnRow", "OwnRows"]

ADOPT: Final = "adopt"
"""What a refusal names as the last move of a row that something else inserted or moved."""
ADOPTED: Final = "adopted"
"""The reason in the journal's line about it, which has no trigger."""


class OwnRow(NamedTuple):
    """
    What a store needs of one row.
    """

    id: str
    """The primary key as text."""
    key: Any
    status: str | None
    """As the database holds it."""
    version: Any
    attempt: int | None
    """As the table holds it."""
    born: float | None
    """When it was created, in Unix seconds, where the table says so."""
    due: int | None
    """When it expires, where the table says so."""
    now: float | None
    """The time when it was locked."""


class OwnRows:
    """
    The rows of the table that a store was opened with.
    """

    def __init__(
        self,
        table: Any,
        lifecycle: Lifecycle,
        names: Mapping[str, Any],
        dialect: sa.Dialect,
        clock: str | None,
        where: Any,
    ) -> None:
        """
        Look *table* over, of which only the rows that meet *where* are meant; None for all.

        Raises:
            ValueError: A store cannot work with it, with the reason.
        """
        check_table(table)
        _refuse_parent(table)
        self._lifecycle, self._dialect, self._names = lifecycle, dialect, dict(names)
        self._own = OwnTable(table, lifecycle, self._names)
        self.table: sa.Table = self._own.status.table
        _check_names(self._names, lifecycle, self.table)
        self.key = self._own.key
        self.noun = lifecycle.name
        self.key.check_types()
        _check_status(self._own.status, lifecycle)
        self._check_times()
        self.where: Value | None = (
            None if where is None else row_condition(where, self.table, self._set_by_moves())
        )
        """What every row of the store meets; None where it has all rows."""
        self._met: Value = sa.true() if self.where is None else self.where
        if ADOPT in {row.trigger for row in (*lifecycle, *lifecycle.reopenings)}:
            raise ValueError(
                f"table: {lifecycle.name} has a trigger {ADOPT!r}, by which a store in "
                "your own table names a move that was made outside of it"
            )
        members = members_of(self._own.status.type)
        self._members = {str(s): members.get(str(s), str(s)) for s in lifecycle.statuses}
        bind = _binding(self._own.status.type, dialect)
        self._spelled: dict[str, str] = {s: str(bind(m)) for s, m in self._members.items()}
        self._words = {spelled: status for status, spelled in self._spelled.items()}
        self._rows = {
            (row.trigger, row.source, row.target): row
            for row in (*lifecycle, *lifecycle.reopenings)
        }
        self._field_of = {self._names.get(f, f): f for f in _fields_of(lifecycle)}
        """The lifecycle's name of a column."""
        self._now: Value = sa.literal_column(
            f"({clock or CLOCKS[database_of(dialect)]})", sa.Double()
        )
        self._among = sa.and_(self.key.among("keys"), self._met)
        self._looking = self._reading()
        self._locking = self._locked(self._looking, skip=False)
        self._passing = self._locked(self._looking, skip=True)
        self._nothing = self._own.nothing()
        self._everything = sa.select(
            *(
                (sa.type_coerce(c, sa.Text()) if c is self._own.status else c).label(f"c{n}")
                for n, c in enumerate(self.table.c)
            )
        ).where(self._among)

    def _check_times(self) -> None:
        """
        Refuse columns that cannot hold the time of creation, or the moment of the deadline.
        """
        columns = [self._own.column(field) for field in self._lifecycle.created]
        for column in columns:
            if column is not None:
                check_stamp(column)
        deadline = self._lifecycle.deadline
        due = self._own.column(deadline.field) if deadline else None
        if due is not None:
            # A day has begun long before most moments in it.
            check_stamp(due, sa.Date)

    def _set_by_moves(self) -> list[Any]:
        """
        Return the columns that a move sets, which say what the row is by now.
        """
        lifecycle, own = self._lifecycle, self._own
        fields = [lifecycle.status_field, *lifecycle.detail_fields]
        fields += [name for each in lifecycle.entries for name in (*each.stamps, *each.clears)]
        fields += [name for row in lifecycle.reopenings for name in row.clears]
        fields += [lifecycle.deadline.field] if lifecycle.deadline else []
        found = [own.version, own.attempt, *map(own.column, fields)]

        return [column for column in found if column is not None]

    # -- statements of the store -----------------------------------------------------

    def copied_key(self, key: Any) -> dict[str, Any]:
        """
        Return the columns that copy *key*, with its values as the driver takes them.
        """
        return self.key.copied(key, lambda kind: _binding(kind, self._dialect))

    def beside(self, query: Any, tables: Tables, statuses: Iterable[str]) -> Any:
        """
        Return *query* without the objects whose row has another status than the store knows.

        A query that locks then locks the rows of both, or passes both over.
        """
        query = query.where(
            self.key.beside(tables.runs),
            self._same(tables.runs, map(str, statuses)),
            self._met,
        )
        if database_of(self._dialect) != "mariadb":
            return query

        # From the other end, it would lock every row that is in the status.
        return query.prefix_with("STRAIGHT_JOIN")

    def column(self, name: str) -> Any:
        """
        Return the column that lists and claims call *name*.
        """
        return self.table.c[self._names.get(name, name)]

    def bound(self, method: str, columns: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the values of *columns* as the driver takes them.
        """
        refuse_unknown(method, columns, [self._field_of.get(c.key, c.key) for c in self.table.c])

        return {
            name: _binding(self.column(name).type, self._dialect)(value)
            for name, value in columns.items()
        }

    def are(self, runs: Any, statuses: Iterable[str] | None, columns: Mapping[str, Any]) -> Value:
        """
        Return the condition that the row of an object is in one of *statuses*, with *columns*.
        """
        query = self._there(runs).where(self._met)
        if statuses is not None:
            query = query.where(self._in(statuses))
        for name, value in columns.items():
            query = query.where(self.column(name) == value)

        return query.exists()

    def met(self, runs: Any) -> list[Value]:
        """
        Return the condition that the row of an object meets that of the store, if it has one.
        """
        return [] if self.where is None else [self.are(runs, None, {})]

    def is_gone(self, runs: Any) -> Value:
        """
        Return the condition that the row of an object was deleted; one that is hidden was not.
        """
        return ~self._there(runs).exists()

    def _there(self, runs: Any) -> sa.Select[Any]:
        there: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(self.table)

        return there.where(self.key.beside(runs))

    def _same(self, runs: Any, statuses: Iterable[str]) -> Value:
        return sa.or_(
            *(
                sa.and_(runs.c.status == word(s), self._own.status == word(self._spelled[s]))
                for s in statuses
            )
        )

    def _in(self, statuses: Iterable[str]) -> Value:
        return sa.or_(*(self._own.status == word(self._spelled[str(s)]) for s in statuses))

    # -- reading -----------------------------------------------------------------------

    def check(self, connection: sa.Connection) -> None:
        """
        Refuse a database that does not have the table, or cannot evaluate the condition.
        """
        if not sa.inspect(connection).has_table(self.table.name, schema=self.table.schema):
            raise ValueError(
                f"table: the database has no table {self.table.fullname}; make it before the "
                "store is opened"
            )
        if self.where is not None:
            connection.execute(sa.select(*self.key.columns).where(self.where).limit(0))

    def hides(self, connection: sa.Connection, run_id: str) -> bool:
        """
        Return whether the table has a row of this id that does not meet the condition.
        """
        if self.where is None:
            return False
        same = self.key.equals(self.key.parsed(run_id))
        # A plain read may be older than the row that the database refused another one for.
        query = sa.select(*self.key.columns).where(same).with_for_update()

        return connection.execute(query).first() is not None

    def locked(
        self, connection: sa.Connection, ids: Iterable[str], *, skip: bool = False
    ) -> list[OwnRow]:
        """
        Return the rows of *ids*, locked; without those that others have locked, if *skip*.
        """
        keys = [key for key in map(self.key.parsed, ids) if key is not None]
        if keys and database_of(self._dialect) == "sqlite":
            # It has no FOR UPDATE, and takes its lock for an update of no row as well.
            connection.execute(self._nothing)

        return self._read(connection, keys, self._passing if skip else self._locking)

    def seen(self, connection: sa.Connection, ids: Iterable[str]) -> dict[str, OwnRow]:
        """
        Return the rows of *ids*, not locked, by id.
        """
        keys = [key for key in map(self.key.parsed, ids) if key is not None]

        return {row.id: row for row in self._read(connection, keys, self._looking)}

    def _read(self, connection: sa.Connection, keys: Sequence[Any], query: Any) -> list[OwnRow]:
        if not keys:
            return []
        nothing = dict.fromkeys(OwnRow._fields)
        found = self._found(connection, query, keys)

        return [self._row({**nothing, **row._mapping}) for row in found]  # noqa: SLF001

    def _found(self, connection: sa.Connection, query: Any, keys: Sequence[Any]) -> list[Any]:
        """
        Return what *query* finds of *keys*.
        """
        if len(self.key.columns) == 1 or database_of(self._dialect) != "mariadb":
            return list(connection.execute(query, {"keys": keys}))

        # MariaDB finds no row of several tuples where a column has another character set.
        each = sorted(set(keys), key=repr)

        return [row for key in each for row in connection.execute(query, {"keys": [key]})]

    def _reading(self) -> Any:
        """
        Return the query for rows, in one order: two who lock several do not wait for each other.
        """
        own, deadline = self._own, self._lifecycle.deadline
        columns = {
            "status": sa.type_coerce(own.status, sa.Text()),
            "version": own.version,
            "attempt": own.attempt,
            "born": next((own.column(field) for field in self._lifecycle.created), None),
            "due": own.column(deadline.field) if deadline else None,
            "now": self._now,
        }
        there = [c.label(name) for name, c in columns.items() if c is not None]
        keys = [c.label(name) for name, c in zip(self.key.copies, self.key.columns, strict=True)]

        return sa.select(*keys, *there).where(self._among).order_by(*self.key.columns)

    def _locked(self, query: Any, *, skip: bool) -> Any:
        database = database_of(self._dialect)
        if database == "sqlite":
            return query
        # MariaDB has no OF, and locks nothing of a subquery.
        which = self.table if database == "postgresql" else None

        return query.with_for_update(skip_locked=skip, of=which)

    def _row(self, values: Mapping[str, Any]) -> OwnRow:
        due = _seconds(values["due"])
        key = self.key.of([values[name] for name in self.key.copies])

        return OwnRow(
            self.key.text(key), key, values["status"], values["version"],
            values["attempt"], _seconds(values["born"]), None if due is None else int(due),
            values["now"],
        )  # fmt: skip

    def status_of(self, row: OwnRow) -> str:
        """
        Return the status of *row* in the lifecycle's words.

        Raises:
            StatusMissingError: It is NULL.
            UnreadableRunError: It is none of the lifecycle's.
        """
        if row.status is None:
            raise StatusMissingError(row.id, str(self._own.status))

        return self.word_of(row.id, row.status)

    def word_of(self, run_id: str, spelled: Any) -> str:
        """
        Return the lifecycle's word for a status as the database holds it.

        Raises:
            UnreadableRunError: It is none of the lifecycle's.
        """
        found = self._words.get(spelled)
        if found is None:
            expected = ", ".join(self._words)
            reason = f"its status in {self.table.name}: expected {expected}, found {spelled!r}"
            raise UnreadableRunError(run_id, reason, self.noun)

        return found

    def values(self, connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """
        Return the values of every column by id, under the lifecycle's names where it has one.

        The status is as the database holds it.
        """
        keys = [key for key in map(self.key.parsed, ids) if key is not None]
        if not keys:
            return {}
        names = [self._field_of.get(c.key, c.key) for c in self.table.c]
        places = [[*self.table.c].index(column) for column in self.key.columns]
        rows = self._found(connection, self._everything, keys)

        return {
            row_id(*(row[place] for place in places)): dict(zip(names, row, strict=True))
            for row in rows
        }

    def strange(
        self, connection: sa.Connection, tables: Tables, statuses: Sequence[str] | None, most: int
    ) -> list[str]:
        """
        Return ids of rows that the store does not know, or knows in another status.

        Args:
            connection: Where to look.
            tables: The store's.
            statuses: Those that are looked for; None for all but what has ended.
            most: How many at most.
        """
        runs, lifecycle = tables.runs, self._lifecycle
        known = [str(s) for s in lifecycle.statuses]
        active = [s for s in known if not lifecycle.is_terminal(s)] or known
        looked = active if statuses is None else statuses
        keys = self.key.columns
        beside = self.table.outerjoin(runs, self.key.beside(runs))
        differs = sa.or_(runs.c.id.is_(None), ~self._same(runs, looked))
        every = sa.select(*keys).where(self._met).order_by(*keys)
        queries = [every.select_from(beside).where(self._in(looked), differs)]
        if statuses is None:
            joined = runs.join(self.table, self.key.beside(runs))
            ended = [s for s in known if s not in active]
            among = runs.c.status.in_([word(s) for s in active])
            if ended:
                queries.append(every.select_from(joined).where(among, self._in(ended)))
        found: dict[str, None] = {}
        for query in queries:
            left = most - len(found)
            if left:
                rows = connection.execute(query.limit(left))
                found |= dict.fromkeys(row_id(*row) for row in rows)

        return list(found)

    # -- writing -------------------------------------------------------------------------

    def write(self, connection: sa.Connection, moved: Moved, payload: Mapping[str, Any]) -> None:
        """
        Have the row say what *moved* says; it is locked.

        Raises:
            ConcurrentMoveError: Something else in this transaction has changed it.
        """
        run_id, row = str(moved.run_id), self._rows[moved.trigger, moved.source, moved.target]
        key = self.key.parsed(run_id)
        seen: list[Any] = [self._members[str(moved.source)]]
        if self._own.version is not None or self._own.attempt is not None:
            now = self.seen(connection, [run_id]).get(run_id)
            version, attempt = (None, None) if now is None else (now.version, now.attempt)
            seen += [v for c, v in ((self._own.version, version),) if c is not None]
            seen += [v for c, v in ((self._own.attempt, attempt),) if c is not None]
        entry = self._lifecycle.entry(row.target)
        values = {
            name: self._stored(name, payload.get(name))
            for name in (*entry.requires, *entry.accepts)
            if name in payload and self._own.column(name) is not None
        }
        update = self._own.update(key, seen, row, moved.at, values).where(self._met)
        if connection.execute(update).rowcount != 1:
            raise ConcurrentMoveError(run_id)

    def _stored(self, name: str, value: Any) -> Any:
        """
        Return what came with a trigger as the column *name* takes it.
        """
        plain = to_jsonable_python(value, inf_nan_mode="constants")
        if isinstance(self.column(name).type, sa.String) and not isinstance(plain, str | None):
            return json.dumps(plain, separators=(",", ":"))

        return plain

    def set(self, connection: sa.Connection, row: OwnRow, fields: Mapping[str, Any]) -> None:
        """
        Set *fields*, which the lifecycle does not own, in the row that is locked.
        """
        changes = {self.column(name): value for name, value in fields.items()}
        changes |= self._own.next_version(row.version)
        connection.execute(self.table.update().where(self.key.equals(row.key)).values(changes))

    def check_fields(self, method: str, fields: Mapping[str, Any], allowed: Iterable[str]) -> None:
        """
        Refuse a field that is not a column, or that only a move sets, unless it is *allowed*.
        """
        mapping("fields", fields)
        lifecycle, own = self._lifecycle, self._own
        owned = {lifecycle.status_field, *lifecycle.stamp_fields, *lifecycle.detail_fields}
        fixed = [c.key for c in (*self.key.columns, own.version, own.attempt) if c is not None]
        for name in fields:
            if name in (owned | {*fixed}) - {*allowed}:
                raise LifecycleFieldError(self.noun, name)
        refuse_unknown(method, fields, [self._field_of.get(c.key, c.key) for c in self.table.c])

    def key_given(self, run_id: str | None, fields: dict[str, Any]) -> dict[Any, Any]:
        """
        Return the values of the primary key that a new row is given, and take them out of *fields*.

        Raises:
            StoreArgumentError: *run_id* is not the id of a row.
        """
        columns = self.key.columns
        if run_id is None:
            several = len(columns) > 1
            return {c: fields.pop(c.key) for c in columns if several and c.key in fields}
        key = self.key.parsed(run_id)
        if key is None:
            example = "" if len(columns) == 1 else ", made by row_id()"
            raise wrong_argument("id", f"a text that {self.key} can hold{example}", run_id)

        return dict(zip(columns, self.key.parts(key), strict=True))

    def insert(
        self,
        connection: sa.Connection,
        key: Mapping[Any, Any],
        status: str,
        at: float,
        fields: Mapping[str, Any],
    ) -> Any:
        """
        Insert a row in *status*, and return its primary key.

        Args:
            connection: Where to.
            key: The values of the primary key's columns, but for what the table gives.
            status: One of the lifecycle.
            at: The time of its creation.
            fields: Its other columns.
        """
        own, lifecycle = self._own, self._lifecycle
        entry = lifecycle.entry(status)
        stamps = {n: own.column(n) for n in (*lifecycle.created, *entry.stamps)}
        values = {c: stamp(c.type, at) for c in stamps.values() if c is not None}
        details = {*entry.requires, *entry.accepts}
        values |= {
            self.column(n): self._stored(n, v) if n in details else v for n, v in fields.items()
        }
        values[own.status] = self._members[status]
        values |= own.next_version(None)
        if own.attempt is not None:
            values[own.attempt] = FIRST
        values |= key
        made: Any = connection.execute(self.table.insert().values(values))

        # The table may list its key in another order than its columns.
        key_of = dict(zip(self.table.primary_key, made.inserted_primary_key, strict=True))

        return self.key.of([key_of[column] for column in self.key.columns])

    def due_value(self, seconds: int) -> dict[str, Any]:
        """
        Return the column of the deadline with its value; nothing where the table has none.
        """
        deadline = self._lifecycle.deadline
        column = self._own.column(deadline.field) if deadline else None

        return {} if deadline is None or column is None else {
            deadline.field: stamp(column.type, seconds)
        }  # fmt: skip


def _refuse_parent(table: Any) -> None:
    mapper = None if isinstance(table, sa.Table) else sa.inspect(table)
    if mapper is not None and mapper.inherits is not None:
        raise ValueError(
            f"table: {table.__name__} inherits its table from {mapper.inherits.class_.__name__}, "
            "which a store cannot work with; pass a class without a mapped parent"
        )


def _fields_of(lifecycle: Lifecycle) -> tuple[str, ...]:
    fields = (*lifecycle.stamp_fields, *lifecycle.detail_fields)
    attempt = (lifecycle.attempt_field,) if lifecycle.reopenings else ()

    return (lifecycle.status_field, *attempt, *fields)


def _check_names(names: Mapping[str, Any], lifecycle: Lifecycle, table: sa.Table) -> None:
    for field, name in names.items():
        if field not in _fields_of(lifecycle):
            expected = ", ".join(_fields_of(lifecycle))
            raise wrong_argument("columns", f"fields of {lifecycle.name} ({expected})", field)
        if not isinstance(name, str) or name not in table.c:
            raise wrong_argument(f"columns[{field!r}]", f"a column of {table.name}", name)


def _check_status(column: Any, lifecycle: Lifecycle) -> None:
    kind, members = column.type, members_of(column.type)
    if not isinstance(kind, sa.String):
        raise wrong_argument("table", f"String, Text or Enum as the type of {column}", kind)
    known = [str(status) for status in lifecycle.statuses]
    if isinstance(kind, sa.Enum):
        missing = [s for s in known if s not in (members or kind.enums)]
    else:
        missing = [s for s in known if kind.length is not None and len(s) > kind.length]
    if missing:
        raise ValueError(
            f"table: the column {column} cannot hold {', '.join(map(repr, missing[:3]))} of "
            f"{printable(lifecycle.name, 60)}, got {printable(repr(kind), 200)}"
        )


def _binding(kind: Any, dialect: sa.Dialect) -> Any:
    """
    Return what makes of a value the one that the driver takes.
    """
    return kind.dialect_impl(dialect).bind_processor(dialect) or (lambda value: value)


def _seconds(value: Any) -> float | None:
    """
    Return the time in a column as Unix seconds; None where it is nothing that says a time.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()

    return float(value) if isinstance(value, int | float | Decimal) else None
