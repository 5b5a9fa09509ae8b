"""
How those who watch a feed are woken on PostgreSQL: every commit of a move sends NOTIFY.

A trigger on the journal sends it, so it does not matter which program wrote the move. The
notification carries no data. It tells a watcher to poll now. A watcher that lost its connection
polls at its usual times.
"""

import asyncio
import time
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from ..runs._driver_errors import sqlstate
from ._dialects import database_of
from ._poolers import find_pooler

__all__ = [
    "NOTIFY_TRIGGERS",
    "AsyncClock",
    "AsyncListener",
    "Clock",
    "Listener",
    "check_listens",
    "check_notify",
    "check_unpooled",
    "notifies",
]

_TRIGGER: Final = "journal_notify"
NOTIFY_TRIGGERS: Final = (
    f"""
CREATE OR REPLACE FUNCTION {{schema}}{{prefix}}{_TRIGGER}() RETURNS trigger LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM lines WHERE kind = 'move') THEN
        PERFORM pg_catalog.pg_notify('runstate_' || TG_RELID, '');
    END IF;
    RETURN NULL;
END
$function$
""",
    f"DROP TRIGGER IF EXISTS {{prefix}}{_TRIGGER} ON {{schema}}{{prefix}}journal",
    f"CREATE TRIGGER {{prefix}}{_TRIGGER} AFTER INSERT ON {{schema}}{{prefix}}journal "
    "REFERENCING NEW TABLE AS lines FOR EACH STATEMENT "
    f"EXECUTE FUNCTION {{schema}}{{prefix}}{_TRIGGER}()",
)
"""
The statements that have every commit of a move send NOTIFY.

``{prefix}`` stands for the prefix, ``{schema}`` for the quoted schema and a dot, if there is one.
"""
_NOTIFIES: Final = sa.text(
    "SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass(:journal) AND tgname = :name "
    "AND tgenabled IN ('O', 'A')"
)
_CHANNEL: Final = "SELECT 'runstate_' || CAST(to_regclass(%s) AS oid)"
_READ_ONLY: Final = "25006"
"""The SQLSTATE by which a standby refuses LISTEN."""
_AGAIN_AFTER: Final = 60.0
"""Seconds before a listener that a standby refused tries again."""


def check_notify(dialect: sa.Dialect) -> None:
    """
    Refuse a database that knows no NOTIFY.

    Raises:
        ValueError: It is another one than PostgreSQL.
    """
    if (database := database_of(dialect)) != "postgresql":
        raise ValueError(f"notify: {database} has no NOTIFY, leave it out: watch() polls there")


def check_listens(dialect: sa.Dialect) -> None:
    """
    Refuse a database that knows no NOTIFY, and a driver that cannot wait for it.

    Raises:
        ValueError: It is another database than PostgreSQL, or another driver than psycopg.
    """
    check_notify(dialect)
    if dialect.driver != "psycopg":
        raise ValueError(
            f"notify: expected the driver psycopg (postgresql+psycopg://), got {dialect.driver}"
        )


def check_unpooled(connection: sa.Connection) -> None:
    """
    Refuse a pooler, which has LISTEN be that of another client.

    Raises:
        ValueError: *connection* goes through one.
    """
    if find_pooler(connection):
        raise ValueError(
            "notify: a connection pooler is between this store and PostgreSQL, and LISTEN does "
            "not work through it: connect directly, or leave notify out"
        )


def notifies(connection: sa.Connection, journal: sa.Table) -> bool:
    """
    Return whether the commit of a move sends NOTIFY.
    """
    name = journal.name.removesuffix("journal") + _TRIGGER
    there = {"journal": _name_of(connection.dialect, journal), "name": name}

    return connection.execute(_NOTIFIES, there).scalar() is not None


def _name_of(dialect: sa.Dialect, journal: sa.Table) -> str:
    return dialect.identifier_preparer.format_table(journal)


class Clock:
    """
    Waits for the next time to poll.
    """

    def listen(self) -> None:
        """Be woken by what is committed from now on."""

    def wait(self, seconds: float) -> None:
        """Wait *seconds*."""
        time.sleep(seconds)

    def close(self) -> None:
        """Give up what is held."""


class Listener(Clock):
    """
    Waits for a NOTIFY, on a connection of its own.
    """

    def __init__(self, engine: sa.Engine, journal: sa.Table) -> None:
        self._engine, self._journal = engine, _name_of(engine.dialect, journal)
        self._driver: Any = None
        self._again_at = 0.0

    def listen(self) -> None:
        """Be woken by what is committed from now on, if the database can be listened to."""
        if self._driver is not None or time.monotonic() < self._again_at:
            return
        try:
            connection = self._engine.raw_connection()
            self._driver = connection.driver_connection
            connection.detach()
            self._driver.autocommit = True
            channel = self._driver.execute(_CHANNEL, [self._journal]).fetchone()[0]
            self._driver.execute(f"LISTEN {channel}")
        except _errors(self._engine) as error:
            self._again_at = _again_at(error)
            self.close()

    def wait(self, seconds: float) -> None:
        """Wait for a NOTIFY, and *seconds* at most."""
        if self._driver is None:
            time.sleep(seconds)
            return
        try:
            for _ in self._driver.notifies(timeout=seconds, stop_after=1):
                pass
        except _errors(self._engine):
            self.close()

    def close(self) -> None:
        """Close the connection."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()


class AsyncClock:
    """
    Waits for the next time to poll, in a task.
    """

    async def listen(self) -> None:
        """Be woken by what is committed from now on."""

    async def wait(self, seconds: float) -> None:
        """Wait *seconds*."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Give up what is held."""


class AsyncListener(AsyncClock):
    """
    Waits for a NOTIFY in a task, on a connection of its own.
    """

    def __init__(self, engine: AsyncEngine, journal: sa.Table) -> None:
        self._engine, self._journal = engine, _name_of(engine.dialect, journal)
        self._driver: Any = None
        self._again_at = 0.0

    async def listen(self) -> None:
        """Be woken by what is committed from now on, if the database can be listened to."""
        if self._driver is not None or time.monotonic() < self._again_at:
            return
        try:
            connection = await self._engine.raw_connection()
            self._driver = connection.driver_connection
            connection.detach()
            await self._driver.set_autocommit(True)
            answer = await self._driver.execute(_CHANNEL, [self._journal])
            channel = (await answer.fetchone())[0]
            await self._driver.execute(f"LISTEN {channel}")
        except _errors(self._engine.sync_engine) as error:
            self._again_at = _again_at(error)
            await self.close()

    async def wait(self, seconds: float) -> None:
        """Wait for a NOTIFY, and *seconds* at most."""
        if self._driver is None:
            await asyncio.sleep(seconds)
            return
        try:
            async for _ in self._driver.notifies(timeout=seconds, stop_after=1):
                pass
        except _errors(self._engine.sync_engine):
            await self.close()

    async def close(self) -> None:
        """Close the connection."""
        driver, self._driver = self._driver, None
        if driver is not None:
            await driver.close()


def _again_at(error: Any) -> float:
    """
    Return when to listen again after *error*: at the next poll, but on a standby after a while.
    """
    refused = sqlstate(getattr(error, "orig", error)) == _READ_ONLY

    return time.monotonic() + _AGAIN_AFTER if refused else 0.0


def _errors(engine: sa.Engine) -> tuple[type[Exception], ...]:
    """
    Return what the driver and SQLAlchemy raise where a connection is lost or cannot be had.
    """
    return sa.exc.SQLAlchemyError, engine.dialect.loaded_dbapi.Error
