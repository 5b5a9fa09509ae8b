"""
Engines and their connections: what each must be told for a transaction to be one.
"""

import os
import random
import select
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, TypeVar
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from .._text import printable
from .._urls import shown_url, url_fault
from ..errors import MissingExtraError
from ..runs._driver_errors import is_busy, is_denied
from ._arguments import check_flag
from ._dialects import listed
from ._poolers import is_pooled, note_pooler, prepare_nothing, unprepared_options
from ._row_errors import wrong_argument

__all__ = [
    "begin_immediate",
    "check_engine",
    "commit",
    "drivers",
    "engine_options",
    "in_transaction",
    "operate",
    "set_up",
    "set_up_engine",
    "store_url",
]

_T = TypeVar("_T")

_DRIVERS: Final = MappingProxyType(
    {
        "sqlite": ("pysqlite", "aiosqlite"),
        "postgresql": ("psycopg", "psycopg"),
        "mariadb": ("pymysql", "aiomysql"),
        "mysql": ("pymysql", "aiomysql"),
    }
)
"""By database, the driver of a store that blocks, and of one that is awaited."""
_SAME: Final = MappingProxyType({"postgres": "postgresql"})
_TRIES: Final = 5
_PATIENCE: Final = "runstate_busy_timeout"
_FIRST_PAUSE: Final = 0.008
_LONGEST_PAUSE: Final = 0.2
_IDLE_SINCE: Final = "runstate_idle_since"
_IDLE_SECONDS: Final = 1.0
_EXTRAS: Final = MappingProxyType(
    {
        "psycopg": "postgresql",
        "aiosqlite": "async",
        "asyncpg": "asyncpg",
        "pymysql": "mariadb",
        "aiomysql": "mariadb",
    }
)


def operate(connection: sa.Connection, operation: Callable[..., _T], *args: Any) -> _T:
    """
    Return what *operation* answers on *connection*.

    Raises:
        StoreArgumentError: The connection would have SQLAlchemy rewrite the tables' schema.
    """
    refuse_translation("connection", connection.get_execution_options())
    try:
        return operation(connection, *args)
    except DBAPIError as error:
        if is_denied(error.orig):
            # SQLAlchemy would add the whole statement to the one line that names the privilege.
            error.statement = None
        raise


def refuse_translation(argument: str, options: Mapping[str, Any]) -> None:
    """
    Refuse execution options that name another schema for the tables.

    The store compiles its statements once and hands them to the driver: SQLAlchemy would
    rewrite the reads, and not the writes.
    """
    if options.get("schema_translate_map"):
        raise wrong_argument(
            argument,
            "no schema_translate_map (open one store for each schema: with schema=, or with a "
            "search_path in the URL, as ?options=-csearch_path%3Dtenant_a)",
            options["schema_translate_map"],
        )


def check_engine(engine: sa.Engine | AsyncEngine) -> None:
    """
    Refuse an engine whose execution options a store cannot work with.

    It must not commit each statement by itself: a store needs transactions. SQLite is
    excepted, where the store sends BEGIN and COMMIT itself, whatever the driver does.

    Raises:
        ValueError: The engine commits each statement by itself.
        StoreArgumentError: The engine would have SQLAlchemy rewrite the tables' schema.
    """
    refuse_translation("engine", engine.get_execution_options())
    level = engine.get_execution_options().get("isolation_level")
    level = level or getattr(engine.dialect, "_on_connect_isolation_level", None)
    if level == "AUTOCOMMIT" and engine.dialect.name != "sqlite":
        raise ValueError(
            "a store needs transactions, which an engine with isolation_level='AUTOCOMMIT' has "
            "none of: give it engine.execution_options(isolation_level='READ COMMITTED')"
        )


_IN_MEMORY: Final = (None, "", ":memory:")
_OPENED: Final[WeakSet[sa.Engine]] = WeakSet()
_OF_THE_PARENT: Final[list[sa.Pool]] = []


def _in_a_forked_child() -> None:
    """
    Leave the connections that were there before the fork to the parent, and make new ones.

    They are not even closed: the parent's server, or SQLite's locks, would hear of it.
    """
    for engine in list(_OPENED):
        _OF_THE_PARENT.append(engine.pool)
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_forked_child)


def begin_immediate(connection: sa.Connection) -> None:
    """
    Begin with SQLite's write lock: one that is only taken at the first write cannot be waited for.
    """
    connection.begin()
    if in_transaction(connection):
        # An engine of the caller's own may say BEGIN by itself; that one gives way.
        connection.exec_driver_sql("ROLLBACK")
    driver: Any = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        _begin_among_many(connection, driver)
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_among_many(connection: sa.Connection, driver: sqlite3.Connection) -> None:
    """
    Begin with SQLite's write lock, and ask for it at random times.

    By itself SQLite would ask every tenth of a second at last, and miss the moment between two
    transactions of a process that writes without a pause. So the pauses are random. They grow,
    or many processes that ask would leave the one that writes no time.
    """
    info = connection.info
    patience = info.get(_PATIENCE)
    if patience is None:
        patience = info[_PATIENCE] = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    driver.execute("PRAGMA busy_timeout=0")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except DBAPIError as error:
        if not is_busy(error.orig):
            raise
        until, longest = time.monotonic() + patience / 1_000, _FIRST_PAUSE
        while (refusal := _refusal(driver)) is not None:
            if time.monotonic() >= until or not is_busy(refusal):
                # Again by SQLAlchemy, which raises the error as its own.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                break
            time.sleep(random.uniform(0, longest))  # noqa: S311
            longest = min(2 * longest, _LONGEST_PAUSE)
    finally:
        driver.execute(f"PRAGMA busy_timeout={patience}")


def _refusal(driver: sqlite3.Connection) -> sqlite3.OperationalError | None:
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return error

    return None


def in_transaction(connection: sa.Connection) -> bool:
    """
    Return whether SQLite is in a transaction, whatever SQLAlchemy takes it for.
    """
    driver: Any = connection.connection.driver_connection

    return bool(driver.in_transaction)


def commit(connection: sa.Connection) -> None:
    """
    Commit; or else give the connection up.

    SQLAlchemy takes a transaction for ended whose COMMIT failed. SQLite is still in it,
    and would show what was never committed to whoever gets the connection next.
    """
    try:
        connection.commit()
    except BaseException:
        connection.invalidate()
        raise


def parsed_url(url: str) -> sa.URL:
    """
    Return *url* parsed.

    Raises:
        ValueError: It is not a database's URL, or a part of its password would be taken for
            the host, which drivers quote. The message holds no secret.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError(
            f"{printable(shown_url(url))} is not a database URL such as sqlite:///runs.db "
            "or postgresql+psycopg://user@host/database"
        ) from None
    # A host that is the rest of a password, or parameters that end as one.
    if "@" in (parsed.host or "") or "?" in f"{parsed.username}{parsed.password}":
        raise ValueError(f"{printable(shown_url(url))}: {url_fault(url)}")

    return parsed


def store_url(url: str, *, awaited: bool) -> sa.URL:
    """
    Return the URL of a store parsed, with the driver that it is opened by.

    No driver is looked for. What hosts call ``postgres://`` is PostgreSQL.

    Raises:
        StoreArgumentError: It is something else than a text or a URL of SQLAlchemy.
        ValueError: It is the URL of something else, or of a driver of the other kind of store.
    """
    if not isinstance(url, str | sa.URL):
        raise wrong_argument("url", "the URL of a database, as text", url)
    parsed = parsed_url(url)
    backend, _, driver = parsed.drivername.partition("+")
    backend = _SAME.get(backend, backend)
    if backend not in _DRIVERS:
        raise ValueError(
            f"{printable(shown_url(url))}: a store lives in {listed()}, not in "
            f"{printable(backend)}; expected a URL such as sqlite:///runs.db or "
            "postgresql+psycopg://user@host/database"
        )
    parsed = parsed.set(drivername=f"{backend}+{driver or _DRIVERS[backend][awaited]}")
    try:
        dialect = parsed.get_dialect()
    except sa.exc.NoSuchModuleError:
        raise ValueError(
            f"SQLAlchemy does not know the driver {printable(driver)} of {backend}: leave it out, "
            f"for {backend}+{_DRIVERS[backend][awaited]}"
        ) from None
    # SQLAlchemy's dialect of psycopg is one for both.
    if driver != "psycopg" and dialect.is_async != awaited and driver:
        kind, other = ("blocks", "RunStore") if awaited else ("is asynchronous", "AsyncRunStore")
        raise ValueError(f"the driver {parsed.drivername} {kind}: open the store as {other}")

    return parsed


@contextmanager
def drivers(url: sa.URL) -> Iterator[None]:
    """
    Have a driver that is not installed be named, with the extra that brings it.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        extra = _EXTRAS.get(url.get_driver_name())
        if extra is None:
            raise
        raise MissingExtraError(url.drivername, str(missing.name), extra) from None


def engine_options(url: sa.URL, timeout: float, pooler: bool | None) -> dict[str, Any]:
    """
    Return what an engine for *url* is to be made with.
    """
    if pooler is not None:
        check_flag("pooler", pooler)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise wrong_argument("timeout", "a number of seconds", timeout)
    if url.get_backend_name() in ("mysql", "mariadb"):
        # At the default level the gaps between rows are locked, too, and writers deadlock.
        return {"isolation_level": "READ COMMITTED"}
    if url.get_backend_name() != "sqlite":
        return {"connect_args": unprepared_options(url.get_driver_name())} if pooler else {}
    options: dict[str, Any] = {"connect_args": {"timeout": timeout}}
    if url.database not in _IN_MEMORY:
        return options
    # It lives and dies with its connection: there is one, and who wants it waits in line.
    options["connect_args"]["check_same_thread"] = False
    pool = sa.AsyncAdaptedQueuePool if url.get_dialect().is_async else sa.QueuePool

    return options | {"poolclass": pool, "pool_size": 1, "max_overflow": 0, "pool_timeout": timeout}


def set_up_engine(engine: sa.Engine, durable: bool, pooler: bool | None) -> None:
    """
    Have every connection of a store's own *engine* say what databases forget with each.
    """
    check_flag("durable", durable)
    if engine.dialect.name == "sqlite":
        _say_at_connect(engine, f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        _begin_before_savepoints(engine.dialect)
    else:
        _ask_the_idle(engine)
    if engine.dialect.name == "postgresql":
        _settle_at_connect(engine, durable, pooler)
        _settle_at_begin(engine.dialect, durable)
    if engine.url.database not in _IN_MEMORY:
        _OPENED.add(engine)


def _settle_at_connect(engine: sa.Engine, durable: bool, pooler: bool | None) -> None:
    """
    Have every connection to PostgreSQL be durable as asked, and find a pooler in between.

    A server or a role may have ``synchronous_commit`` off; other values are left alone, since
    each of them outlives a power cut. Through a pooler, SET would reach other clients.
    """

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("SELECT pg_backend_pid(), current_setting('synchronous_commit')")
        backend, commits = cursor.fetchone()
        if note_pooler(connection, record.info, backend, pooler):
            prepare_nothing(connection)
        elif durable and commits == "off":
            cursor.execute("SET synchronous_commit TO on")
        elif not durable:
            cursor.execute("SET synchronous_commit TO off")
        cursor.close()
        connection.commit()


def _settle_at_begin(dialect: Any, durable: bool) -> None:
    """
    Make every transaction behind a pooler durable as asked, for itself alone.

    This replaces a method of the dialect, because a listener on the engine makes every statement
    slower.
    """
    only_off = "WHERE current_setting('synchronous_commit') = 'off'" if durable else ""
    value = "on" if durable else "off"
    begin = dialect.do_begin

    def do_begin(connection: Any) -> None:
        begin(connection)
        if is_pooled(connection):
            cursor = connection.cursor()
            cursor.execute(f"SELECT set_config('synchronous_commit', '{value}', true) {only_off}")
            cursor.close()

    dialect.do_begin = do_begin


def _say_at_connect(engine: sa.Engine, statement: str) -> None:
    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        connection.commit()


def _ask_the_idle(engine: sa.Engine) -> None:
    """
    Have a connection be asked whether it is still there, if that is in doubt.

    It is after a while without use, and where the server has closed the connection or sent
    something. Before every use, as SQLAlchemy could do it, that would be a second round trip.
    """

    @sa.event.listens_for(engine, "checkin")
    def given_back(_: Any, record: Any) -> None:
        record.info[_IDLE_SINCE] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def taken(connection: Any, record: Any, _: Any) -> None:
        since = record.info.pop(_IDLE_SINCE, None)
        if since is None:
            return
        if time.monotonic() - since < _IDLE_SECONDS and not _has_news(record.driver_connection):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise sa.exc.DisconnectionError("lost while idle") from error


def _has_news(driver: Any) -> bool:
    """
    Return whether the server has closed the connection, or sent what was not asked for.

    The operating system knows, so that this costs no round trip. A server that is shut down sends
    an error, or closes the connection. Drivers of MariaDB do not show their socket.
    """
    if hasattr(driver, "is_closed"):
        # asyncpg, which reads whatever comes.
        return bool(driver.is_closed())
    if not hasattr(driver, "fileno"):
        return False
    if driver.closed:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([driver], [], [], 0)[0])
    poll = select.poll()
    poll.register(driver, select.POLLIN)

    return bool(poll.poll(0))


def _begin_before_savepoints(dialect: Any) -> None:
    """
    Begin a transaction before its first savepoint.

    The driver begins a transaction at the first write only. Without one, SQLite commits a savepoint
    when the savepoint is released. The method of the dialect is replaced: a listener on the engine
    would slow every statement down.
    """
    savepoint = dialect.do_savepoint

    def do_savepoint(connection: sa.Connection, name: str) -> None:
        if not in_transaction(connection):
            connection.exec_driver_sql("BEGIN")
        savepoint(connection, name)

    dialect.do_savepoint = do_savepoint


def set_up(connection: sa.Connection) -> None:
    """
    Have SQLite keep a write-ahead log, so that readers and the writer do not wait for each other.
    """
    if connection.dialect.name == "sqlite":
        for _ in range(_TRIES):
            # Two that ask at once may both be told that the file is locked, whatever the timeout.
            try:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                break
            except DBAPIError:
                time.sleep(0.1)
