"""
The databases that a store lives in, by the names that SQLAlchemy and the store have for them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

__all__ = ["AGAIN", "CLOCKS", "LONG", "WORD", "Database", "database_of", "inserting", "listed"]

Database = Literal["sqlite", "postgresql", "mariadb"]
"""A database as a store calls it."""

_NAMES: Final[Mapping[str, Database]] = MappingProxyType(
    {"sqlite": "sqlite", "postgresql": "postgresql", "mysql": "mariadb", "mariadb": "mariadb"}
)

CLOCKS: Final[Mapping[Database, str]] = MappingProxyType(
    {
        # Not unixepoch('subsec'), which is NULL before SQLite 3.42.
        "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
        # Not now(), which stands still within the caller's transaction.
        "postgresql": "extract(epoch from clock_timestamp())::double precision",
        # Not unix_timestamp(now(6)), which an hour has twice where the summer ends.
        "mariadb": "timestampdiff(microsecond, '1970-01-01', utc_timestamp(6)) / 1e6",
    }
)
"""The database's own time in Unix seconds: of the statement, or of the moment on PostgreSQL."""

AGAIN: Final[Mapping[Database, str]] = MappingProxyType(
    {"mariadb": "(unix_timestamp(sysdate(6)) + 0e0)"}
)
"""The time at which a statement gets to it, where that is another expression."""


def database_of(dialect: sa.Dialect) -> Database:
    """
    Return the database of *dialect*.

    Raises:
        ValueError: No store lives there.
    """
    found = _NAMES.get(dialect.name)
    if found is None:
        raise ValueError(f"a store lives in {listed()}, not in {dialect.name}")

    return found


def listed() -> str:
    """
    Return the databases that a store lives in, for a message.
    """
    return "SQLite, PostgreSQL or MariaDB"


def inserting(database: Database) -> Any:
    """
    Return the INSERT of this kind of database, which can say what to do about conflicts.
    """
    if database == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415

        return insert
    if database == "mariadb":
        from sqlalchemy.dialects.mysql import insert as insert_mysql  # noqa: PLC0415

        return insert_mysql
    from sqlalchemy.dialects.sqlite import insert as insert_sqlite  # noqa: PLC0415

    return insert_sqlite


class _Word(sa.types.UserDefinedType[str]):
    """
    A text of one line in MariaDB, which has to know the length of what is in an index.
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "VARCHAR(576)"


class _Long(sa.types.UserDefinedType[str]):
    """
    A text of any length in MariaDB.
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "LONGTEXT"


@compiles(_Word, "mysql", "mariadb")
@compiles(_Long, "mysql", "mariadb")
def _exact(kind: Any, compiler: Any, **_: Any) -> str:
    """
    Return the type with a collation that takes case and trailing blanks for what they are.
    """
    # An engine knows what it is connected to; for a text of SQL the dialect's name decides.
    maria = getattr(compiler.dialect, "is_mariadb", False)
    collation = "utf8mb4_nopad_bin" if maria else "utf8mb4_0900_bin"

    return f"{kind.get_col_spec()} CHARACTER SET utf8mb4 COLLATE {collation}"


_MYSQL: Final = ("mysql", "mariadb")
WORD: Final = sa.Text().with_variant(_Word(), *_MYSQL)
"""A text of one line, which may be in an index."""
LONG: Final = sa.Text().with_variant(_Long(), *_MYSQL)
"""A text of any length."""
