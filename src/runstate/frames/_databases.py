"""
Tables and queries of databases, as a source.

Rows of a database stand in no order: those of one time are taken in the order of the
lifecycle's statuses.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from .._urls import shown_url, url_fault
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ._columns import Source, chosen, columns_of, described, wide_columns
from ._duckdb import Engine, quoted, text
from ._errors import FrameError, needed

__all__ = ["is_database", "tables"]

_DUCK: Final = b"DUCK"
_SMALLEST: Final = 100
"""Bytes of the header of an SQLite database; SQLite takes an empty file for one as well."""
_ROWS_AT_ONCE: Final = 20_000
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
        if not Path(path).is_file():
            return None
        if Path(path).stat().st_size >= _SMALLEST and _is_sqlite(path):
            return "sqlite"
        with Path(path).open("rb") as file:
            head = file.read(12)
    except (OSError, ValueError):
        return None

    return "duckdb" if head[8:] == _DUCK else None


def _is_sqlite(path: str) -> bool:
    try:
        with closing(_read_only(path)) as connection:
            connection.execute("pragma schema_version")
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    except sqlite3.DatabaseError:
        return False

    return True


def _read_only(path: str) -> sqlite3.Connection:
    """
    Open the SQLite database at *path* by the SQLite that a store in this process uses.

    A driver may bring an SQLite of its own. Two SQLite libraries in one process do not see each
    other's locks. When one closes the file, the system drops the locks of the other too, and a
    store that has the file open loses rows.
    """
    name = f"{Path(path).absolute().as_uri()}?mode=ro"

    # DuckDB reads in a thread of its own.
    return sqlite3.connect(name, uri=True, check_same_thread=False)


_Select = Callable[[str], Any]
"""Executes a statement, and returns a stream of Arrow."""


def _copy(
    engine: Engine, kind: str, where: str, relation: str, columns: Columns, lifecycle: Lifecycle
) -> None:
    """
    Copy the columns that are used from another database, as a stream.
    """
    with (_of_sqlite if kind == "sqlite" else _of_postgresql)(engine, where) as select:
        names = select(f"select * from {relation} where 1 = 0").schema.names
        columns = columns_of(names, columns)
        used = chosen(engine.place, names, columns, lifecycle)
        cells = _cells(kind, used.at, wide_columns(names, used, columns, lifecycle), lifecycle)
        engine.take("fetched", select(f"select {cells} from {relation}"))


def _cells(kind: str, at: str | None, names: Sequence[str], lifecycle: Lifecycle) -> str:
    """
    Return the columns *names*: of PostgreSQL as texts, but for times, which it has a type for.
    """
    if kind == "sqlite":
        # It would round a number to 15 digits, and a time to hundredths of a millisecond.
        return ", ".join(map(quoted, names))
    typed = {at, *lifecycle.stamp_fields}

    return ", ".join(
        quoted(name) if name in typed else f"cast({quoted(name)} as text) as {quoted(name)}"
        for name in names
    )


@contextmanager
def _of_sqlite(engine: Engine, path: str) -> Iterator[_Select]:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415  the extra
    except ModuleNotFoundError:
        raise needed("pyarrow") from None

    with (
        _as_frame_errors(engine, (sqlite3.Error, sqlite3.Warning)),
        closing(_read_only(path)) as connection,
    ):
        failed: list[Exception] = []

        def select(statement: str) -> Any:
            found = connection.execute(statement)
            schema = pa.schema([(each[0], pa.string()) for each in found.description])

            return pa.RecordBatchReader.from_batches(schema, batches(found, schema))

        def batches(found: sqlite3.Cursor, schema: Any) -> Iterator[Any]:
            try:
                while rows := found.fetchmany(_ROWS_AT_ONCE):
                    columns = zip(*rows, strict=True)
                    cells = [pa.array(map(_as_text, column), pa.string()) for column in columns]
                    yield pa.record_batch(cells, schema=schema)
            except (sqlite3.Error, ValueError) as error:
                failed.append(error)
                raise

        try:
            yield select
        except FrameError:
            # DuckDB tells the error of a stream with its traceback.
            if failed:
                raise failed[0] from None
            raise


def _as_text(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value

    return value.decode() if isinstance(value, bytes) else repr(value)


@contextmanager
def _of_postgresql(engine: Engine, url: str) -> Iterator[_Select]:
    try:
        from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped]  # noqa: PLC0415  the extra
    except ModuleNotFoundError:
        raise needed("adbc-driver-postgresql") from None

    with (
        _as_frame_errors(engine, (dbapi.Error,)),
        dbapi.connect(url) as connection,
        connection.cursor() as cursor,
    ):

        def select(statement: str) -> Any:
            cursor.execute(statement)

            return cursor.fetch_record_batch()

        yield select


@contextmanager
def _as_frame_errors(engine: Engine, errors: tuple[type[Exception], ...]) -> Iterator[None]:
    kinds: tuple[type[Exception], ...] = (*errors, OSError, ValueError)
    try:
        yield
    except FrameError:
        raise
    except kinds as error:
        raise FrameError(engine.place, " ".join(str(error).split())) from None
