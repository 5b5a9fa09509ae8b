"""
Which errors of a database's driver say that another transaction, or a missing privilege, got in the way.

The errors are those of psycopg, psycopg2, asyncpg, sqlite3 and the drivers of MariaDB and MySQL,
as SQLAlchemy and Django chain them to their own.
"""

from typing import Any, Final

__all__ = ["driver_message", "error_number", "is_broken_off", "is_busy", "is_denied", "sqlstate"]

_SERIALIZATION: Final = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialization failure and of a deadlock."""
_MYSQL: Final = frozenset({1020, 1213})
"""MariaDB's and MySQL's "record has changed since last read" and "deadlock found"."""
_DENIED: Final = "42501"
"""SQLSTATE of an insufficient privilege."""
_MYSQL_DENIED: Final = frozenset({1044, 1142, 1143, 1227, 1370, 1419})
"""
What MariaDB and MySQL deny: a database, a command on a table, a column, an operation, a routine, and
a trigger that would be written to the binary log.
"""
_SQLITE_BUSY: Final = 5
"""SQLite's "database is locked", in the low byte of the extended codes."""


def is_broken_off(error: Any) -> bool:
    """
    Return whether the server broke the transaction off because of another one.
    """
    return sqlstate(error) in _SERIALIZATION or error_number(error) in _MYSQL


def is_denied(error: Any) -> bool:
    """
    Return whether the role of the connection lacks a privilege.
    """
    return sqlstate(error) == _DENIED or error_number(error) in _MYSQL_DENIED


def driver_message(error: Any) -> str:
    """
    Return what the database says in the driver's *error*, in one line.
    """
    arguments = getattr(error, "args", ()) or (error,)
    # Drivers of MariaDB give a number first, and asyncpg's errors are wrapped with their class.
    first_line = str(arguments[-1]).strip().partition("\n")[0]

    return first_line.rpartition("'>: ")[2]


def is_busy(error: Any) -> bool:
    """
    Return whether SQLite could not get the lock that another transaction holds.
    """
    code = getattr(error, "sqlite_errorcode", None)

    return isinstance(code, int) and code & 0xFF == _SQLITE_BUSY


def sqlstate(error: Any) -> Any:
    """
    Return the SQLSTATE of the driver's *error*; None if it has none.
    """
    # psycopg and asyncpg call it sqlstate, psycopg2 pgcode.
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)


def error_number(error: Any) -> int | None:
    """
    Return the number that the drivers of MariaDB and MySQL give first; None if there is none.
    """
    arguments = getattr(error, "args", ())
    number = arguments[0] if arguments else None

    return number if isinstance(number, int) else None
