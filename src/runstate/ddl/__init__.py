"""
SQL from a lifecycle: triggers and constraints against illegal moves, and a query for them.

The guard is for a table that other programs write, too, or a person at a console. Nothing
here opens a database. The SQL is text: read it, keep it with your migrations, and execute it
again after the lifecycle has changed or a migration has rebuilt the table.
``TableGuard.check`` asks an open connection whether every part is in place.
"""

from collections.abc import Iterable

from ..lifecycle._table import Lifecycle
from ._check_query import QUERY_DIALECTS, TRANSLATED_DIALECTS, check_query
from ._table_guard import DIALECTS, Dialect, Part, TableGuard

__all__ = [
    "DIALECTS", "QUERY_DIALECTS", "TRANSLATED_DIALECTS", "Dialect", "Part", "TableGuard",
    "check_query", "guard_sql",
]  # fmt: skip


def guard_sql(
    lifecycle: Lifecycle,
    dialect: Dialect,
    *,
    table: str = "runs",
    column: str = "status",
    key: str = "id",
    fields: Iterable[str] = (),
    attempt: str | None = None,
    unfenced_reopen: bool = False,
) -> str:
    """
    Return the SQL that makes a database refuse what *lifecycle* does not allow.

    May be run again, and replaces what it made before; rows that break the rules
    already make it fail. It then refuses, with SQLSTATE 23514 or as a violated
    constraint (on MariaDB error 4025), a status that is unknown or NULL; an update of the status
    without a row (an unchanged status is not a move), also by an upsert, a merge, a move to another
    partition or a ``REPLACE`` of the same key; a new key for a run; and *fields* that contradict
    the status.

    Runs may be inserted in any status, and deleted. A run that is deleted and inserted again, also
    by a ``REPLACE`` because of another unique column, is a new run. A user with the right to change
    the schema can drop the guard. On PostgreSQL, tables that
    inherit from it (``INHERITS``; not its partitions) have the checks and not the triggers.
    On MariaDB, the script is for the command-line client; a driver executes the statements of
    :class:`TableGuard` one at a time. The table must be of InnoDB, a foreign key that cascades
    into the status or the key fires no trigger, and where a row breaks the rules already, the
    triggers stay and the last statement fails.

    Args:
        lifecycle: The table of legal moves.
        dialect: PostgreSQL from version 14 on, SQLite from 3.24 on, MariaDB from 10.6 on. The
            SQL for MariaDB is such that MySQL 8 should take it, on which it is not tested.
        table: Name of the table; for PostgreSQL also ``schema.table``.
        column: The column of the status: a text, for PostgreSQL also an enum.
        key: The column that tells runs apart, which has a unique index.
        fields: Columns to tie to the status: stamps and details of the lifecycle.
        attempt: The column that counts the attempts, a whole number. A row that reopens is let
            through only if the same update raises it; a ``REPLACE`` cannot reopen.
        unfenced_reopen: Whether rows that reopen are let through without such a column. A
            late writer of an earlier attempt then passes for a reopening.

    Raises:
        ValueError: A name is invalid, the lifecycle lacks a field, or it has rows that
            reopen and neither *attempt* nor *unfenced_reopen* is given.

    Example:
        >>> from runstate import RUN
        >>> print(guard_sql(RUN, "sqlite", table="jobs").splitlines()[0])
        -- What may become of "status" in "jobs": the lifecycle run, for sqlite.
    """
    return TableGuard(
        lifecycle,
        dialect,
        table=table,
        column=column,
        key=key,
        fields=fields,
        attempt=attempt,
        unfenced_reopen=unfenced_reopen,
    ).sql
