"""
The transactions of a store for asyncio: its own, or the caller's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)

from ..runs._retries import pauses
from ._conflicts import (
    in_transaction_of_caller,
    readable_again,
    retriable,
    retriable_transaction,
)
from ._engines import (
    begin_immediate,
    check_engine,
    commit,
    drivers,
    engine_options,
    operate,
    set_up,
    set_up_engine,
    store_url,
)
from ._objects import check_caller, check_engine_kind
from ._operations import Operations
from ._poolers import PoolerError, find_pooler
from ._setup import Setup

__all__ = ["AsyncTransactions", "Caller", "Engine", "caller_of", "dialect_of"]

_T = TypeVar("_T")
_Object = TypeVar("_Object")
_Store = TypeVar("_Store", bound="AsyncTransactions[Any]")

_Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection]]

Engine = AsyncEngine
"""Where a store is."""
Caller = AsyncConnection | AsyncSession
"""The caller's own transaction."""


class AsyncTransactions(Generic[_Object]):
    """
    The engine of a store, and the transactions that its operations are carried out in.

    A task that is cancelled leaves a move before or after, never between.
    """

    def __init__(self, engine: AsyncEngine, setup: Any) -> None:
        # Any: it is not a type that applications see, and all of its parts would be.
        self.engine = engine
        """Where the store is; for transactions of the caller's own."""
        self._owns_engine = False
        self._setup: Setup[_Object] = setup
        self._do: Operations[_Object] = setup.operations
        self._pooled: bool | None = None
        check_engine(engine)

    @classmethod
    async def _opened(
        cls,
        make: Callable[[AsyncEngine], _Store],
        url: str,
        *,
        durable: bool,
        timeout: float,
        pooler: bool | None,
    ) -> _Store:
        """
        Return the store that *make* makes of an engine for *url*.
        """
        parsed = store_url(url, awaited=True)
        with drivers(parsed):
            engine = create_async_engine(parsed, **engine_options(parsed, timeout, pooler))
        set_up_engine(engine.sync_engine, durable, pooler)
        try:
            store = make(engine)
            await store.install()
        except PoolerError:
            # A driver that has to know of it from the start.
            await engine.dispose()
            return await cls._opened(make, url, durable=durable, timeout=timeout, pooler=True)
        except BaseException:
            await engine.dispose()
            raise
        store._owns_engine = True  # noqa: SLF001

        return store

    async def install(self) -> None:
        """
        Make or migrate the tables; :meth:`open` has done it.
        """
        async with self.engine.connect() as connection:
            await connection.run_sync(set_up)
            self._pooled = await connection.run_sync(find_pooler)
        await self._transact(self.engine.connect, self._setup.install)

    async def close(self) -> None:
        """
        Close the unused connections. An engine of the caller's stays open.
        """
        if self._owns_engine:
            await self.engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, connection: Caller | None, operation: Callable[..., _T], *args: Any) -> _T:
        if connection is not None:
            return await self._on(connection, operation, *args)

        return await self._transact(self.engine.connect, operation, *args)

    async def _at_once(
        self, connection: Caller | None, operation: Callable[..., _T], *args: Any
    ) -> _T:
        if connection is not None:
            return await self._on(connection, operation, *args)
        if self._setup.needs_transaction or self._pooled:
            return await self._transact(self.engine.connect, operation, *args)

        # A statement that commits by itself may have been carried out when its connection is lost.
        return await self._retried(retriable, self._once, self._brief, operation, *args)

    async def _read(
        self, connection: Caller | None, operation: Callable[..., _T], *args: Any
    ) -> _T:
        if connection is not None:
            return await self._on(connection, operation, *args)

        return await self._retried(readable_again, self._look, operation, *args)

    async def _on(self, caller: Caller, operation: Callable[..., _T], *args: Any) -> _T:
        check_caller("connection", caller, awaited=True)
        connection = await caller.connection() if isinstance(caller, AsyncSession) else caller
        where = self._setup.database

        return await connection.run_sync(in_transaction_of_caller, where, operation, *args)

    async def _look(self, operation: Callable[..., _T], *args: Any) -> _T:
        async with self._brief() as fresh:
            return await fresh.run_sync(operate, operation, *args)

    @asynccontextmanager
    async def _brief(self) -> AsyncIterator[AsyncConnection]:
        """
        Yield a connection for one statement, for which no BEGIN and no COMMIT are sent.
        """
        async with self.engine.connect() as connection:
            if self._pooled is None:
                self._pooled = await connection.run_sync(find_pooler)
                await connection.rollback()
            if not (self._setup.needs_transaction or self._pooled):
                # Not as an option of the engine: a task cancelled at that loses the connection.
                try:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                except BaseException:
                    # Nobody knows whether it commits by itself now.
                    await connection.invalidate()
                    raise
            yield connection

    async def _transact(self, connect: _Connect, operation: Callable[..., _T], *args: Any) -> _T:
        return await self._retried(retriable_transaction(), self._once, connect, operation, *args)

    async def _retried(
        self,
        again: Callable[[DBAPIError], bool],
        attempt: Callable[..., Coroutine[Any, Any, _T]],
        *args: Any,
    ) -> _T:
        for pause in pauses():
            try:
                return await self._whole(attempt(*args))
            except DBAPIError as error:
                if not again(error):
                    raise
            await asyncio.sleep(pause)

        return await self._whole(attempt(*args))

    async def _once(self, connect: _Connect, operation: Callable[..., _T], *args: Any) -> _T:
        async with connect() as connection:
            if self._setup.immediate:
                await connection.run_sync(begin_immediate)
            answer = await connection.run_sync(operate, operation, *args)
            await connection.run_sync(commit)

        return answer

    async def _whole(self, work: Coroutine[Any, Any, _T]) -> _T:
        """
        Await *work*; on SQLite to its end, also if this task is cancelled meanwhile.

        A connection to SQLite that is closed amid a statement keeps its lock until the
        garbage collector finds the cursor, and every other writer waits for that.
        """
        if not self._setup.immediate:
            return await work
        task = asyncio.create_task(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            # Looked at, since asyncio complains of errors that nobody looks at.
            _ = task.cancelled() or task.exception()
            raise


def caller_of(connection: Caller | None) -> sa.Connection | None:
    if isinstance(connection, AsyncSession):
        return connection.sync_session.connection()

    return None if connection is None else connection.sync_connection


def dialect_of(engine: Engine) -> sa.Dialect:
    """
    Return the dialect of *engine*.

    Raises:
        StoreArgumentError: It is something else than an engine for asyncio.
    """
    check_engine_kind(engine, awaited=True)

    return engine.dialect
