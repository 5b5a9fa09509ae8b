"""
The guard of one table: its SQL as a script and as a list, and whether a database has it.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple, get_args

from ..lifecycle._table import Lifecycle, check_lifecycle
from ._guard import Guard
from ._mariadb import MariaDB
from ._postgresql import PostgreSQL
from ._sqlite import SQLite

__all__ = ["DIALECTS", "Dialect", "Part", "State", "TableGuard"]

Dialect = Literal["postgresql", "sqlite", "mariadb"]
"""A database that :class:`TableGuard` writes SQL for."""
DIALECTS: Final[tuple[str, ...]] = get_args(Dialect)
"""Every :data:`Dialect`."""

_KINDS: Final[dict[Dialect, type[Guard]]] = {
    "postgresql": PostgreSQL,
    "sqlite": SQLite,
    "mariadb": MariaDB,
}

State = Literal["in place", "missing", "different"]
"""The state of a part of a guard in a database."""


class Part(NamedTuple):
    """
    One trigger, constraint, function or table of a guard, and whether a database has it.

    Example:
        >>> import sqlite3
        >>> from runstate import RUN
        >>> database = sqlite3.connect(":memory:")
        >>> _ = database.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, status TEXT NOT NULL)")
        >>> guard = TableGuard(RUN, "sqlite", table="jobs")
        >>> [(part.kind, part.state) for part in guard.check(database)][0]
        ('table', 'missing')
        >>> database.close()
    """

    kind: str
    """``trigger``, ``constraint``, ``function`` or ``table``."""
    name: str
    """Its name in the database."""
    state: State
    """``different`` if the name exists with another text, such as that of an older guard."""


class TableGuard:
    """
    The SQL that makes a database refuse what a lifecycle does not allow, for one table.

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
        >>> guard = TableGuard(RUN, "sqlite", table="jobs")
        >>> guard.statements[0]
        'SAVEPOINT "jobs$status$guard";'
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        dialect: Dialect,
        *,
        table: str = "runs",
        column: str = "status",
        key: str = "id",
        fields: Iterable[str] = (),
        attempt: str | None = None,
        unfenced_reopen: bool = False,
    ) -> None:
        check_lifecycle(lifecycle)
        if dialect not in DIALECTS:
            raise ValueError(f"no dialect {dialect!r} (known: {', '.join(DIALECTS)})")
        if attempt is None and lifecycle.reopenings and not unfenced_reopen:
            raise ValueError(
                f"lifecycle {lifecycle.name} has rows that reopen, such as "
                f"{lifecycle.reopenings[0]}: name the column that counts the attempts (--attempt), "
                "or let a late writer pass for a reopening (--unfenced-reopen)"
            )
        if attempt is not None and attempt in (column, key):
            raise ValueError(f"the attempt must have a column of its own; it cannot be {attempt!r}")
        self._guard = _KINDS[dialect](
            lifecycle, table, column, key, tuple(dict.fromkeys(fields)), attempt
        )

    @property
    def sql(self) -> str:
        """
        Every statement as one script, with a comment on top.
        """
        return self._guard.script()

    @property
    def statements(self) -> tuple[str, ...]:
        """
        The same statements one by one, for what executes one at a time.

        Such as Alembic's ``op.execute`` or Django's ``RunSQL`` on SQLite. Execute all of them, in
        this order, on one connection. Alembic takes a colon before a word, in a status of the
        lifecycle, for a parameter: execute such statements by ``op.get_bind().exec_driver_sql``.
        """
        return tuple(statement for block in self._guard.blocks() for statement in block)

    def check(self, connection: Any) -> tuple[Part, ...]:
        """
        Return every part of this guard, and whether the database has it in its present text.

        A migration that rebuilds an SQLite table drops its triggers: call this after each one. The
        check changes nothing. On MariaDB it needs the privilege TRIGGER to see triggers. On
        PostgreSQL it makes a temporary table and drops it, for which it needs the privilege
        TEMPORARY and a primary server.

        Args:
            connection: An open DB-API connection whose rows are tuples, such as one of sqlite3,
                psycopg or Django, or ``connection.connection`` of SQLAlchemy's.

        Raises:
            Exception: The driver's error, where the table or one of its columns cannot be read.
        """
        cursor = connection.cursor()
        try:
            cursor.execute(self._guard.probe())
            found = self._guard.inspect(cursor)
        finally:
            cursor.close()

        return tuple(Part(kind, name, _state(*texts)) for (kind, name), texts in found.items())


def _state(expected: Any, found: Any) -> State:
    if found is None:
        return "missing"

    return "in place" if expected == found else "different"
