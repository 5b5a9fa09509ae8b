"""
A move in a table that is not the store's: the caller's columns, session and transaction.

One statement decides: ``UPDATE … WHERE key = … AND status = <the status that was read>``.
A writer that comes too late updates no row, and gets the status that the winner set.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import cache, partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from .._text import printable
from ..errors import PayloadError, UnknownTriggerError
from ..lifecycle._rows import BAD_OUTCOMES, Transition, name_of
from ..lifecycle._table import Lifecycle
from ..runs._log import Moved, MoveLog
from ..runs._run import RUN
from ._after_commit import at_commit
from ._conflicts import conflicts_named
from ._engines import in_transaction
from ._row_errors import (
    ConcurrentMoveError,
    StatusMissingError,
    StoreArgumentError,
    wrong_argument,
)
from ._sql import word
from ._verdicts import Applied, Illegal, RunNotFoundError, Stale, Superseded

__all__ = ["apply_move", "apply_move_async", "guard"]

_LOOKS: Final = 20
"""How often a row may change between a read and an update before the caller must start again."""
_FIRST: Final = 1
"""The attempt of a row without a number."""
_SNAPSHOT_LEVELS: Final = frozenset({"REPEATABLE READ", "SERIALIZABLE"})
"""Isolation levels at which PostgreSQL answers a plain read from the transaction's first moment."""


def guard(
    status: Any,
    trigger: str,
    target: str | None = None,
    lifecycle: Lifecycle = RUN,
    *,
    attempt: tuple[Any, int] | None = None,
) -> sa.ColumnElement[bool]:
    """
    Return the condition under which *trigger* is legal, for a WHERE of the caller's own.

    Args:
        status: The column, or mapped attribute, that holds the status.
        trigger: A trigger of the lifecycle.
        target: Where it should lead, for a trigger that leads to several statuses.
        lifecycle: The table.
        attempt: The column of the attempt and the number of the caller's, where the lifecycle
            reopens: a writer of an earlier attempt changes nothing. A statement that reopens
            has to raise the column too.

    Raises:
        UnknownTriggerError: The lifecycle has no such trigger.
        StoreArgumentError: *attempt* is missing where the lifecycle reopens, or given where not.

    Example:
        >>> import sqlalchemy as sa
        >>> jobs = sa.table("jobs", sa.column("status"))
        >>> print(guard(jobs.c.status, "complete"))
        jobs.status IN ('in_progress', 'cancelling')
    """
    rows = (*lifecycle, *lifecycle.reopenings)
    sources = [r.source for r in rows if r.trigger == trigger and target in (None, r.target)]
    if not sources:
        raise UnknownTriggerError(None, "any", trigger, lifecycle.triggers, ())
    if (attempt is not None) != bool(lifecycle.reopenings):
        raise _wrong_attempt(lifecycle, attempt, "(column, number)")

    members = _members(getattr(status, "type", None))
    # What is stored of a Python enum, by its names or its values, its type knows.
    legal: sa.ColumnElement[bool] = (
        status.in_([members[each] for each in sources if each in members])
        if members
        else sa.type_coerce(status, sa.Text()).in_([word(source) for source in sources])
    )
    if attempt is None:
        return legal
    column, number = attempt

    return sa.and_(legal, sa.func.coalesce(column, _FIRST) == number)


def _wrong_attempt(lifecycle: Lifecycle, found: object, form: str) -> StoreArgumentError:
    """
    Return the error that an attempt is missing where *lifecycle* reopens, or given where not.
    """
    name = printable(lifecycle.name, 60)
    if lifecycle.reopenings:
        expected = f"the attempt that the writer belongs to, as {form}: {name!r} reopens"
    else:
        expected = f"none, as {name!r} does not reopen"

    return wrong_argument("attempt", expected, found)


def _members(kind: Any) -> Mapping[str, Enum]:
    """
    Return the members of a column's Python enum by their values; none if it is of another type.
    """
    members = (kind.enum_class or ()) if isinstance(kind, sa.Enum) else ()

    return {_as_word(member): member for member in members}


def _as_word(status: Any) -> str:
    name = name_of(status)

    # str() of a member of a (str, Enum) is "Class.MEMBER", and not its text.
    return name.value if isinstance(name, Enum) else str(name)


def apply_move(
    caller: Session | sa.Connection,
    table: Any,
    key: Any,
    trigger: str,
    *,
    lifecycle: Lifecycle = RUN,
    values: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    attempt: int | None = None,
    now: float | None = None,
    log: bool = True,
) -> Applied | Superseded | Illegal | Stale:
    """
    Move one row of the caller's own table by *trigger*, in the caller's transaction.

    Sets the status, stamps and clears what the lifecycle says, as far as the table has
    the columns, and sets *values*. Writes no journal; the answer is the record, and the
    move is logged when the caller's transaction is committed. The
    ``version_id_col`` of a mapped class is raised as the ORM would raise it, so that a
    session that loaded the row before gets ``StaleDataError``. Where the lifecycle
    reopens, a row that reopens raises the attempt, and a writer of another attempt than
    the row's is answered ``Stale``.

    Tested on SQLite, PostgreSQL and MariaDB, at each one's READ COMMITTED, REPEATABLE
    READ and SERIALIZABLE. Before it refuses, MariaDB and MySQL are asked again with a
    lock on the row, since a plain read there may be older than the winner's commit.

    Args:
        caller: The session or connection.
        table: A mapped class, or a table, with a primary key of one column. A table does
            not know which of its columns is the ORM's version: pass the mapped class.
        key: The value of the row's primary key.
        trigger: A trigger of the lifecycle.
        lifecycle: The table of legal moves.
        values: Other columns to set, by the lifecycle's name of the field.
        columns: Names of columns that differ from the lifecycle's, by field:
            ``{"status": "state"}``.
        attempt: The attempt that the writer belongs to, where the lifecycle reopens, as it
            was in the row when the work began; a row without a number is in its first.
        now: When, in Unix seconds; the clock of this machine by default. Integer
            columns get whole seconds, date columns UTC.
        log: Whether the move is logged, as every move is, after the commit.

    Raises:
        RunNotFoundError: There is no such row.
        StatusMissingError: The row's status is NULL.
        ConcurrentMoveError: Another transaction changed the row, and the database cannot
            show the caller's transaction how: PostgreSQL at REPEATABLE READ or
            SERIALIZABLE, a deadlock, SQLite's lock. Roll back and run the transaction
            again.
        UnknownTriggerError: The lifecycle has no such trigger.
        PayloadError: *values* lack what the target requires and the table has.
        StoreArgumentError: *key* is an object, or a text for a column of integers; or *attempt*
            is missing where the lifecycle reopens, or given where not.
        ValueError: The table lacks a column that is needed: of the status, or of the attempt.
    """
    own = _Own(table, lifecycle, columns or {})
    own.check_key(key)
    own.check_attempt(attempt)
    if not own.is_trigger(trigger):
        raise UnknownTriggerError(str(key), "any", trigger, lifecycle.triggers, ())
    at = time.time() if now is None else now
    with conflicts_named(str(key)):
        for number in range(_LOOKS):
            seen, row = _look(caller, own, key, trigger, attempt, again=number > 0)
            if seen is None:
                raise RunNotFoundError(str(key))
            if own.is_stale(seen, attempt):
                return Stale(attempt)
            if row is None:
                return _refusal(lifecycle, own.status_of(seen, str(key)))
            if caller.execute(own.update(key, seen, row, at, values or {})).rowcount == 1:  # type: ignore[attr-defined]
                moved = Moved(str(key), trigger, str(row.source), str(row.target), at)
                if log:
                    _log_at_commit(caller, lifecycle, moved)
                return Applied(moved)
    raise ConcurrentMoveError(str(key))


def _log_at_commit(caller: Session | sa.Connection, lifecycle: Lifecycle, moved: Moved) -> None:
    bad = lifecycle.terminal.get(moved.target) in BAD_OUTCOMES
    at_commit(_connection(caller), partial(_log_of(lifecycle.name).moved, moved, bad))


@cache
def _log_of(lifecycle: str) -> MoveLog:
    return MoveLog(lifecycle=lifecycle)


def _look(
    caller: Session | sa.Connection,
    own: "_Own",
    key: Any,
    trigger: str,
    attempt: int | None,
    *,
    again: bool,
) -> tuple[Any, Transition | None]:
    """
    Return what the row holds and the transition that is legal from there, None for neither.
    """
    # A plain read may be older than what the last update met: a lock waits for the other
    # transactions, and the read with it sees what they committed.
    if again and _reads_a_snapshot(caller):
        return own.read(caller, key, trigger, lock=True)
    seen, row = own.read(caller, key, trigger)
    refused = row is None or own.is_stale(seen, attempt)
    if refused and _reads_a_snapshot(caller):
        return own.read(caller, key, trigger, lock=True)

    return seen, row


def _reads_a_snapshot(caller: Session | sa.Connection) -> bool:
    """
    Return whether a plain read may be older than what others have committed by now.
    """
    connection = _connection(caller)
    if connection.dialect.name == "postgresql":
        return connection.get_isolation_level() in _SNAPSHOT_LEVELS
    if connection.dialect.name == "sqlite":
        return in_transaction(connection)

    return connection.dialect.name in {"mysql", "mariadb"}


def _connection(caller: Session | sa.Connection) -> sa.Connection:
    return caller.connection() if isinstance(caller, Session) else caller


async def apply_move_async(
    caller: AsyncSession | AsyncConnection, table: Any, key: Any, trigger: str, **options: Any
) -> Applied | Superseded | Illegal | Stale:
    """
    Do the same on an asynchronous session or connection; see :func:`apply_move`.
    """
    return await caller.run_sync(lambda sync: apply_move(sync, table, key, trigger, **options))


class _Own:
    """
    The caller's table, in the lifecycle's words.
    """

    def __init__(self, table: Any, lifecycle: Lifecycle, columns: Mapping[str, str]) -> None:
        self.target = table
        self._mapper = None if isinstance(table, sa.Table) else sa.inspect(table)
        self._columns = table.c if self._mapper is None else self._mapper.local_table.c
        self._lifecycle, self._names = lifecycle, columns
        keys = [column for column in self._columns if column.primary_key]
        status = self._column(lifecycle.status_field)
        if len(keys) != 1 or status is None:
            raise ValueError(f"{table!r} needs a primary key of one column, and one for the status")
        self.key: Any = keys[0]
        self.status: Any = status
        self.attempt: Any = self._column(lifecycle.attempt_field) if lifecycle.reopenings else None
        if lifecycle.reopenings and self.attempt is None:
            raise ValueError(
                f"{table!r} needs a column for the attempt, {lifecycle.attempt_field!r}: "
                f"{lifecycle.name!r} reopens"
            )
        self.version: Any = None if self._mapper is None else self._mapper.version_id_col
        self._generator: Any = None if self._mapper is None else self._mapper.version_id_generator
        if self.version is not None and self._columns.get(self.version.key) is not self.version:
            raise ValueError(
                f"{table!r} keeps its version in another table, {self.version.table.name}: "
                "pass the mapped class of that table"
            )

    def check_key(self, key: Any) -> None:
        """
        Refuse a key that cannot be the value of the primary key's column.
        """
        if sa.inspect(key, raiseerr=False) is not None:
            raise wrong_argument("key", "the value of the primary key, not an object", key)
        if isinstance(self.key.type, sa.Integer) and isinstance(key, str | bytes):
            raise wrong_argument("key", f"an integer, as {self.key} holds", key)

    def check_attempt(self, attempt: int | None) -> None:
        """
        Refuse a missing attempt where the lifecycle reopens, and one where it does not.
        """
        given = type(attempt) is int
        if (attempt is not None) != given or given != bool(self._lifecycle.reopenings):
            raise _wrong_attempt(self._lifecycle, attempt, "a whole number")

    def is_trigger(self, trigger: str) -> bool:
        """
        Return whether a row of the lifecycle has *trigger*.
        """
        return trigger in self._lifecycle.triggers or any(
            row.trigger == trigger for row in self._lifecycle.reopenings
        )

    def is_stale(self, seen: Any, attempt: int | None) -> bool:
        """
        Return whether the row that was *seen* is in another attempt.
        """
        if self.attempt is None or seen is None:
            return False

        return (_FIRST if seen[-1] is None else seen[-1]) != attempt

    def read(
        self, caller: Session | sa.Connection, key: Any, trigger: str, *, lock: bool = False
    ) -> tuple[Any, Transition | None]:
        """
        Return the row's status, version and attempt, and the transition that is legal from there.
        """
        wanted = (self.status, self.version, self.attempt)
        columns = [column for column in wanted if column is not None]
        query = sa.select(*columns).where(self.key == key)
        if lock and _connection(caller).dialect.name == "sqlite":
            # It ignores FOR UPDATE, and takes its lock for an update of no row as well;
            # it refuses the lock to a transaction whose snapshot is out of date.
            nothing = sa.update(self.key.table).where(sa.false()).values({self.key: self.key})
            caller.execute(nothing.execution_options(synchronize_session=False))
        seen = caller.execute(query.with_for_update() if lock else query).first()
        if seen is None or seen[0] is None:
            return seen, None

        status = _as_word(seen[0])

        return seen, (
            self._lifecycle.row(trigger, status) or self._lifecycle.reopening(trigger, status)
        )

    def status_of(self, seen: Any, key: str) -> str:
        """
        Return the status that was *seen*.

        Raises:
            StatusMissingError: It is NULL.
        """
        if seen[0] is None:
            raise StatusMissingError(key, str(self.status))

        return _as_word(seen[0])

    def update(
        self, key: Any, seen: Any, row: Transition, at: float, values: Mapping[str, Any]
    ) -> sa.Update:
        """
        Return the statement that makes the move, if the row still is as it was *seen*.
        """
        changes = self.changes(row, at, str(key), values)
        update = sa.update(self.target).where(self.key == key, self.status == seen[0])
        if self.attempt is not None:
            update = update.where(self.attempt.is_not_distinct_from(seen[-1]))
            if row.reopens:
                number = _FIRST if seen[-1] is None else seen[-1]
                changes[self._settable(self.attempt)] = number + 1
        if self.version is not None:
            update = update.where(self.version == seen[1])
            generator = self._generator
            # False where the database raises the version by itself.
            if callable(generator):
                changes[self._settable(self.version)] = generator(seen[1])

        return update.values(changes)

    def _column(self, field: str) -> Any:
        return self._columns.get(self._names.get(field, field))

    def _settable(self, column: Any) -> Any:
        # A mapped attribute need not be called what its column is.
        if self._mapper is None:
            return column

        return self._mapper.get_property_by_column(column).class_attribute

    def changes(
        self, row: Transition, at: float, key: str, values: Mapping[str, Any]
    ) -> dict[Any, Any]:
        """
        Return the new value of every column that the move changes.
        """
        entry = self._lifecycle.entry(row.target)
        for field in entry.requires:
            if values.get(field) is None and self._column(field) is not None:
                allowed = self._lifecycle.allowed(row.source)
                raise PayloadError(
                    key, row.source, row.trigger, row.target, allowed, f"{field!r} is required"
                )
        fields: dict[str, Any] = {
            **dict.fromkeys((*row.clears, *entry.clears)),
            **dict.fromkeys(entry.stamps, _STAMP),
            **values,
            self._lifecycle.status_field: _members(self.status.type).get(
                row.target, str(row.target)
            ),
        }
        changes = {}
        for field, value in fields.items():
            column = self._column(field)
            if column is not None:
                stamped = _stamp(column.type, at) if value is _STAMP else value
                changes[self._settable(column)] = stamped
            elif field in values:
                raise ValueError(f"the table has no column for {field!r}")

        return changes


_STAMP: Final = object()


def _stamp(kind: sa.types.TypeEngine[Any], at: float) -> Any:
    if isinstance(kind, sa.DateTime):
        moment = datetime.fromtimestamp(at, UTC)
        return moment if kind.timezone else moment.replace(tzinfo=None)

    return int(at) if isinstance(kind, sa.Integer) else at


def _refusal(lifecycle: Lifecycle, status: str) -> Superseded | Illegal:
    if lifecycle.is_terminal(status):
        return Superseded(status, None, None)

    return Illegal(status, lifecycle.allowed(status), None)
