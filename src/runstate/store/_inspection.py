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

__all__ = ["looking_at"]


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
    try:
        with engine.connect() as connection:
            yield name, connection.connection
    except (sa.exc.SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        raise ValueError(
            f"{printable(shown_url(url), 500)}: {printable(without_secrets(reason, url), 500)}"
        ) from None


def _is_there(database: str | None) -> bool:
    # The name of an SQLite URI holds more than a path; what it opens, its own mode says.
    return bool(database) and (str(database).startswith("file:") or Path(str(database)).is_file())
