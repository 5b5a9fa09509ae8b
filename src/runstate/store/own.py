"""
A move in a table that is not the store's: the caller's columns, session and transaction.

One statement decides: ``UPDATE … WHERE key = … AND status = <the status that was read>``.
A writer that comes too late updates no row, and gets the status that the winner set.
"""

import time
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from ..lifecycle._rows import BAD_OUTCOMES, Transition
from ..lifecycle._table import Lifecycle
from ..runs._log import Moved, MoveLog
from ..runs._run import RUN
from ._after_commit import at_commit
from ._conflicts import conflicts_named
from ._engines import in_transaction
from ._objects import check_caller, check_column
from ._own_table import (
    FIRST,
    OwnTable,
    connection_of,
    members_of,
    unknown_trigger,
    wrong_attempt,
)
from ._row_errors import ConcurrentMoveError
from ._row_keys import told
from ._sql import word
from ._verdicts import Applied, Illegal, RunNotFoundError, Stale, Superseded

__all__ = ["apply_move", "apply_move_async", "guard"]

_LOOKS: Final = 20
"""How often a row may change between a read and an update before the caller must start again."""
_UNLOCKED: Final = 1
"""How many of these reads take no lock on the row."""
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
        StoreArgumentError: *status* is not a column; or *attempt* is missing where the lifecycle
            reopens, given where not, or not a column and a number.

    Example:
        >>> import sqlalchemy as sa
        >>> jobs = sa.table("jobs", sa.column("status"))
        >>> print(guard(jobs.c.status, "complete"))
        jobs.status IN ('in_progress', 'cancelling')
    """
    rows = (*lifecycle, *lifecycle.reopenings)
    sources = [r.source for r in rows if r.trigger == trigger and target in (None, r.target)]
    if not sources:
        raise unknown_trigger(lifecycle, None, trigger)
    check_column("status", status)
    pair = isinstance(attempt, tuple) and len(attempt) == len(("column", "number"))
    if (attempt is not None) != bool(lifecycle.reopenings) or not (attempt is None or pair):
        raise wrong_attempt(lifecycle, attempt, "(column, number)")

    members = members_of(getattr(status, "type", None))
    # What is stored of a Python enum, by its names or its values, its type knows.
    legal: sa.ColumnElement[bool] = (
        status.in_([members[each] for each in sources if each in members])
        if members
        else sa.type_coerce(status, sa.Text()).in_([word(source) for source in sources])
    )
    if attempt is None:
        return legal
    column, number = attempt
    check_column("attempt[0]", column)

    return sa.and_(legal, sa.func.coalesce(column, FIRST) == number)


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
    where: Any = None,
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
        table: A mapped class, or a table. A table does not know which of its columns is the
            ORM's version: pass the mapped class.
        key: The value of the row's primary key; of one of several columns a tuple, in the
            order of the table.
        trigger: A trigger of the lifecycle.
        lifecycle: The table of legal moves.
        values: Other columns to set, by the lifecycle's name of the field.
        columns: Names of columns that differ from the lifecycle's, by field:
            ``{"status": "state"}``.
        attempt: The attempt that the writer belongs to, where the lifecycle reopens, as it
            was in the row when the work began; a row without a number is in its first.
        where: A condition of SQLAlchemy that the row must meet besides, such as
            ``Job.tenant == "acme"``. A row that does not meet it counts as missing.
        now: When, in Unix seconds; the clock of this machine by default. Integer
            columns get whole seconds, date columns UTC.
        log: Whether the move is logged, as every move is, after the commit.

    Raises:
        RunNotFoundError: The table has no row with this key; or the row does not meet *where*,
            is not one of the mapped class that shares its table with others, or is kept from
            the caller's statements, such as by ``with_loader_criteria`` or row-level security.
        StatusMissingError: The row's status is NULL.
        ConcurrentMoveError: Another transaction changed the row, and the database cannot
            show the caller's transaction how: PostgreSQL at REPEATABLE READ or
            SERIALIZABLE, a deadlock, SQLite's lock. Roll back and run the transaction
            again.
        UnknownTriggerError: The lifecycle has no such trigger.
        PayloadError: *values* lack what the target requires and the table has.
        StoreArgumentError: *caller* or *table* is of another library, such as Django, whose
            objects :func:`runstate.django.move` moves; *key* is an object, or a text for a
            column of integers; or *attempt* is missing where the lifecycle reopens, or given
            where not.
        ValueError: The table lacks a column that is needed: of the status, or of the attempt.
            With joined inheritance, pass the class whose table has it, as the message says.
    """
    check_caller("caller", caller)
    own = OwnTable(table, lifecycle, columns or {}, where)
    own.key.check(key)
    name = told(key)
    own.check_attempt(attempt)
    if not own.is_trigger(trigger):
        raise unknown_trigger(lifecycle, name, trigger)
    at = time.time() if now is None else now
    before = None
    with conflicts_named(name):
        for number in range(_LOOKS):
            seen, row = _look(caller, own, key, trigger, attempt, number)
            # Two looks under a lock have seen the same, and the update between them did not match
            # it: something that the look does not know of keeps the row from this caller.
            if seen is None or (number > _UNLOCKED and seen == before):
                raise RunNotFoundError(name, lifecycle.name)
            before = seen
            if own.is_stale(seen, attempt):
                return Stale(attempt, status=own.word_of(seen))
            if row is None:
                return _refusal(lifecycle, own.status_of(seen, name))
            if caller.execute(own.update(key, seen, row, at, values or {})).rowcount == 1:  # type: ignore[attr-defined]
                moved = Moved(name, trigger, str(row.source), str(row.target), at)
                if log:
                    _log_at_commit(caller, lifecycle, moved)
                return Applied(moved)
    raise ConcurrentMoveError(name)


def _log_at_commit(caller: Session | sa.Connection, lifecycle: Lifecycle, moved: Moved) -> None:
    bad = lifecycle.terminal.get(moved.target) in BAD_OUTCOMES
    at_commit(connection_of(caller), partial(_log_of(lifecycle.name).moved, moved, bad))


@cache
def _log_of(lifecycle: str) -> MoveLog:
    return MoveLog(lifecycle=lifecycle)


def _look(
    caller: Session | sa.Connection,
    own: OwnTable,
    key: Any,
    trigger: str,
    attempt: int | None,
    number: int,
) -> tuple[Any, Transition | None]:
    """
    Return what the row holds and the transition that is legal from there, None for neither.

    The first look, of *number* 0, takes no lock unless it may be old.
    """
    # A plain read may be older than what the last update met: a lock waits for the other
    # transactions, and the read with it sees what they committed.
    if number > 0:
        return own.read(caller, key, trigger, lock=True, is_locked=number > _UNLOCKED)
    seen, row = own.read(caller, key, trigger)
    refused = row is None or own.is_stale(seen, attempt)
    if refused and _reads_a_snapshot(caller):
        return own.read(caller, key, trigger, lock=True)

    return seen, row


def _reads_a_snapshot(caller: Session | sa.Connection) -> bool:
    """
    Return whether a plain read may be older than what others have committed by now.
    """
    connection = connection_of(caller)
    if connection.dialect.name == "postgresql":
        return connection.get_isolation_level() in _SNAPSHOT_LEVELS
    if connection.dialect.name == "sqlite":
        return in_transaction(connection)

    return connection.dialect.name in {"mysql", "mariadb"}


async def apply_move_async(
    caller: AsyncSession | AsyncConnection, table: Any, key: Any, trigger: str, **options: Any
) -> Applied | Superseded | Illegal | Stale:
    """
    Do the same on an asynchronous session or connection; see :func:`apply_move`.

    Args:
        caller: The session or connection, whose transaction it is.
        table: A mapped class, or a table. A table does not know which of its columns is the
            ORM's version: pass the mapped class.
        key: The value of the row's primary key; of one of several columns a tuple, in the
            order of the table.
        trigger: A trigger of the lifecycle.
        options: *lifecycle*, *values*, *columns*, *attempt*, *where*, *now* and *log*, which
            :func:`apply_move` explains.

    Example:
        >>> import asyncio
        >>> import sqlalchemy as sa
        >>> from sqlalchemy.ext.asyncio import create_async_engine
        >>> columns = sa.Column("id", sa.Text, primary_key=True), sa.Column("status", sa.Text)
        >>> jobs = sa.Table("jobs", sa.MetaData(), *columns)
        >>> async def cancel():
        ...     engine = create_async_engine("sqlite+aiosqlite://")
        ...     async with engine.begin() as connection:
        ...         await connection.run_sync(jobs.create)
        ...         await connection.execute(jobs.insert().values(id="job_1", status="completed"))
        ...         verdict = await apply_move_async(connection, jobs, "job_1", "request_cancel")
        ...     await engine.dispose()
        ...     return verdict
        >>> verdict = asyncio.run(cancel())
        >>> verdict.ok, verdict.status
        (False, 'completed')
    """
    check_caller("caller", caller, awaited=True)

    return await caller.run_sync(lambda sync: apply_move(sync, table, key, trigger, **options))


def _refusal(lifecycle: Lifecycle, status: str) -> Superseded | Illegal:
    if lifecycle.is_terminal(status):
        return Superseded(status, None, None)

    return Illegal(status, lifecycle.allowed(status), None)
