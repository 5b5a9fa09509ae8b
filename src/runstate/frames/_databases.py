"""
Tables and queries of databases, as a source.

Rows of a database stand in no order: those of one time are taken in the order of the
lifecycle's statuses.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from .._urls import shown_url, url_fault
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ._columns import Source, chosen, described, wide_columns
from ._duckdb import Engine, quoted, text
from ._errors import FrameError, needed

__all__ = ["is_database", "tables"]

_SQLITE: Final = b"SQLite format 3\x00"
_DUCK: Final = b"DUCK"
_URL: Final = re.compile(r"(postgres(?:ql)?|sqlite|duckdb)(?:\+\w+)?://(.*)", re.DOTALL)


def is_database(path: str) -> bool:
    """
    Return whether *path* is the URL of a database, or a file that is one.

    Args:
        path: A URL, or the path of a file.

    Example:
        >>> is_database("postgresql://localhost/jobs"), is_database("jobs.csv")
        (True, False)
    """
    return bool(_URL.match(path)) or _file_kind(path) is not None


def tables(
    engine: Engine,
    url: str,
    columns: Columns,
    lifecycle: Lifecycle,
    *,
    table: str | None,
    query: str | None,
) -> Source:
    """
    Return *table*, or what *query* answers, in the database at *url*.

    Raises:
        FrameError: It cannot be opened, the query fails, or a column lacks.
    """
    engine.place = url
    if (table is None) == (query is None):
        raise FrameError(url, "name one table, or one query (--table, --query)")
    kind, where = _kind(url)
    name = f"{shown_url(url)} {table or 'query'}"
    if kind == "duckdb":
        relation = _attached(engine, where, table, query)
    else:
        # The line feed ends a comment that the query may end with.
        statement = f"({query}\n)" if query is not None else _qualified(table or "")
        _copy(engine, kind, where, f"{statement} as given_rows", columns, lifecycle)
        # Of a table without rows, the driver can only guess the types.
        filled = engine.rows("select count(*) from fetched")[0][0]
        relation = "fetched" if filled else "(select columns(*)::varchar from fetched)"
    source = described(engine, relation, columns, lifecycle, names=[name], ordered=False)

    return source._replace(texts=kind == "sqlite")


def _qualified(table: str) -> str:
    return ".".join(map(quoted, table.split(".")))


def _attached(engine: Engine, where: str, table: str | None, query: str | None) -> str:
    """
    Return the relation of *table*, or of the rows of *query*, in the DuckDB file *where*.

    The file may be from somebody else. Its views reach no other file, and its macros, which
    could stand for functions of the same names, are in no statement but *query*.
    """
    engine.rows(f"attach {text(str(Path(where).absolute()))} as given (read_only)")
    engine.lock()
    if query is None:
        schema, _, name = (table or "").rpartition(".")
        return f"given.{_qualified(f'{schema}.{name}' if schema else f'main.{name}')} as given_rows"
    selecting = engine.selecting(query)
    engine.rows("use given")
    # The line feed ends a comment that the query may end with.
    engine.rows(f"create temp table fetched as select * from ({selecting}\n)")
    engine.rows("use memory")

    return "fetched"


def _kind(url: str) -> tuple[str, str]:
    """
    Return the kind of the database at *url*, and what its driver calls it.
    """
    match = _URL.match(url)
    if match is None:
        kind = _file_kind(url)
        if kind is None:
            raise FrameError(url, "there is no such database")
        return kind, url
    kind, rest = match[1], match[2]
    if kind.startswith("postgres"):
        fault = url_fault(url)
        if fault is not None:
            raise FrameError(url, fault)
        return "postgresql", f"postgresql://{rest}"
    path = rest.removeprefix("/")
    if not Path(path).is_file():
        raise FrameError(url, "there is no such database")

    return kind, path


def _file_kind(path: str) -> str | None:
    try:
        with Path(path).open("rb") as file:
            head = file.read(16)
    except (OSError, ValueError):
        return None
    if head == _SQLITE:
        return "sqlite"

    return "duckdb" if head[8:12] == _DUCK else None


def _copy(
    engine: Engine, kind: str, where: str, relation: str, columns: Columns, lifecycle: Lifecycle
) -> None:
    """
    Copy the columns that are used from another database, as a stream.
    """
    with _connected(engine, kind, where) as cursor:
        try:
            cursor.execute(f"select * from {relation} where 1 = 0")
            names = cursor.fetch_record_batch().schema.names
            used = chosen(engine.place, names, columns, lifecycle)
            cells = _cells(kind, used.at, wide_columns(names, used, columns, lifecycle), lifecycle)
            cursor.execute(f"select {cells} from {relation}")
            engine.take("fetched", cursor.fetch_record_batch())
        except (cursor.connection.Error, OSError, ValueError) as error:
            if isinstance(error, FrameError):
                raise
            raise FrameError(engine.place, " ".join(str(error).split())) from None


def _cells(kind: str, at: str | None, names: Sequence[str], lifecycle: Lifecycle) -> str:
    """
    Return the columns *names* as texts, but for times of a database that has a type for them.
    """
    typed = {at, *lifecycle.stamp_fields} if kind == "postgresql" else set[str | None]()

    return ", ".join(
        quoted(name) if name in typed else f"cast({quoted(name)} as text) as {quoted(name)}"
        for name in names
    )


@contextmanager
def _connected(engine: Engine, kind: str, where: str) -> Iterator[Any]:
    """
    Open a cursor that answers in Arrow.
    """
    try:
        if kind == "sqlite":
            from adbc_driver_sqlite import dbapi  # noqa: PLC0415  the extra that this room needs
        else:
            from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped,no-redef]  # noqa: PLC0415
    except ModuleNotFoundError:
        raise needed(f"adbc-driver-{kind}") from None
    try:
        connection = dbapi.connect(where)
    except dbapi.Error as error:
        raise FrameError(engine.place, " ".join(str(error).split())) from None
    with connection, connection.cursor() as cursor:
        yield cursor
