"""
A plain connection to a database that is there already, to look at what is in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from .._text import printable
from .._urls import shown_url, without_secrets
from ._dialects import Database, database_of
from ._engines import drivers, store_url

__all__ = ["faults_named", "is_beside_a_table", "looking_at"]


@contextmanager
def looking_at(url: str) -> Iterator[tuple[Database, Any]]:
    """
    Yield what the database at *url* is called, such as ``sqlite``, and a DB-API connection.

    Nothing is committed, and no SQLite file is made.

    Raises:
        ValueError: It is the URL of something else, the database cannot be opened, or the driver
            raises an error while it is. The message holds no secret.
        MissingExtraError: The driver is not installed.
    """
    parsed = store_url(url, awaited=False)
    with drivers(parsed):
        engine = sa.create_engine(parsed, poolclass=sa.NullPool)
    name = database_of(engine.dialect)
    if name == "sqlite" and not _is_there(parsed.database):
        raise ValueError(f"{printable(shown_url(url), 500)}: there is no such database")
    with faults_named(url, engine.dialect.loaded_dbapi.Error), engine.connect() as connection:
        yield name, connection.connection


@contextmanager
def faults_named(url: str, *of_driver: type[Exception]) -> Iterator[None]:
    """
    Raise ValueError, in one line without a secret, in place of an error of the database at *url*.

    Args:
        url: Of the database.
        of_driver: Errors that do not come by way of SQLAlchemy.
    """
    kinds: tuple[type[Exception], ...] = (sa.exc.SQLAlchemyError, *of_driver)
    try:
        yield
    except kinds as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        raise ValueError(
            f"{printable(shown_url(url), 500)}: {printable(without_secrets(reason, url), 500)}"
        ) from None


def is_beside_a_table(store: Any) -> bool:
    """
    Return whether the objects of the store that these tables are of are rows of another table.
    """
    runs = store._setup.tables.runs  # noqa: SLF001  no application asks that of its own store
    columns = sa.inspect(store.engine).get_columns(runs.name, schema=runs.schema)

    return any(column["name"] == "table_key" for column in columns)


def _is_there(database: str | None) -> bool:
    # The name of an SQLite URI holds more than a path; what it opens, its own mode says.
    return bool(database) and (str(database).startswith("file:") or Path(str(database)).is_file())
