"""
The store, for asyncio: the same operations, run on an asynchronous connection.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)

from ..lifecycle._table import Lifecycle
from ..runs._log import Moved
from ..runs._models import RunResponse
from ..runs._run import RUN
from ..runs._wire import LastError, RequiredAction, Usage
from ._conflicts import in_transaction_of_caller, retriable
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
from ._install import install
from ._poolers import PoolerError, find_pooler
from ._retries import pauses, readable_again
from ._row_errors import wrong_argument
from ._setup import Setup, moved_by, new_run_id
from ._verdicts import Applied, Fire, Held, JournalEntry, Lease, Page, Stale, Verdict

__all__ = ["AsyncRunStore"]

_T = TypeVar("_T")

_Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection]]

Caller = AsyncConnection | AsyncSession
"""The caller's own transaction."""


class AsyncRunStore:
    """
    :class:`RunStore` for asyncio: the same methods, answers and errors, awaited.

    A task that is cancelled leaves a move before or after, never between.

    Example:
        >>> import asyncio, structlog, tempfile
        >>> async def finish(url):
        ...     async with await AsyncRunStore.open(url) as store:
        ...         run = await store.create(assistant_id="asst_1")
        ...         lease = await store.claim("worker-1")
        ...         return await store.complete(run.id, token=lease.token)
        >>> with tempfile.TemporaryDirectory() as folder, structlog.testing.capture_logs():
        ...     done = asyncio.run(finish(f"sqlite+aiosqlite:///{folder}/runs.db"))
        >>> done.moved.target
        'completed'
    """

    def __init__(
        self,
        engine: AsyncEngine,
        lifecycle: Lifecycle = RUN,
        *,
        prefix: str = "runstate_",
        expires_after: int | None = None,
        deadlines: Mapping[str, tuple[float, str]] | None = None,
        clock: str | None = None,
        new_id: Callable[[], str] = new_run_id,
        logger: Any = None,
        adopt_lifecycle: bool = False,
    ) -> None:
        """
        Use *engine*, the caller's own. :meth:`install` makes the tables in its database.

        Args:
            engine: For SQLite or PostgreSQL. The caller closes it.
            lifecycle: The table; :data:`RUN`, or a narrower or wider one.
            prefix: This and all others as for :class:`RunStore`.
            expires_after: See there.
            deadlines: See there.
            clock: See there.
            new_id: See there.
            logger: See there.
            adopt_lifecycle: See there.

        Raises:
            ValueError: An option makes no sense, or the engine knows no transactions.
        """
        self.engine = engine
        """Where the store is; for transactions of the caller's own."""
        self._opened = False
        options = {
            "prefix": prefix,
            "expires_after": expires_after,
            "deadlines": deadlines,
            "clock": clock,
            "new_id": new_id,
            "logger": logger,
            "adopt_lifecycle": adopt_lifecycle,
        }
        self._setup = Setup(engine.dialect, lifecycle, **options)
        self._do = self._setup.operations
        self._pooled: bool | None = None
        check_engine(engine)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        lifecycle: Lifecycle = RUN,
        durable: bool = True,
        timeout: float = 30.0,
        pooler: bool | None = None,
        prefix: str = "runstate_",
        expires_after: int | None = None,
        deadlines: Mapping[str, tuple[float, str]] | None = None,
        clock: str | None = None,
        new_id: Callable[[], str] = new_run_id,
        logger: Any = None,
        adopt_lifecycle: bool = False,
    ) -> Self:
        """
        Open the store at *url*, and make or migrate its tables; see :meth:`RunStore.open`.

        Args:
            url: ``sqlite+aiosqlite:///runs.db`` or ``postgresql+psycopg://host/database``;
                ``sqlite://``, ``postgres://`` and ``postgresql://`` mean these.
            lifecycle: As for :meth:`RunStore.open`, and so are all others.
            durable: See there.
            timeout: See there.
            pooler: See there.
            prefix: See there.
            expires_after: See there.
            deadlines: See there.
            clock: See there.
            new_id: See there.
            logger: See there.
            adopt_lifecycle: See there.
        """
        options: dict[str, Any] = {
            "prefix": prefix,
            "expires_after": expires_after,
            "deadlines": deadlines,
            "clock": clock,
            "new_id": new_id,
            "logger": logger,
            "adopt_lifecycle": adopt_lifecycle,
        }
        parsed = store_url(url, awaited=True)
        with drivers(parsed):
            engine = create_async_engine(parsed, **engine_options(parsed, timeout, pooler))
        set_up_engine(engine.sync_engine, durable, pooler)
        try:
            store = cls(engine, lifecycle, **options)
            await store.install()
        except PoolerError:
            # A driver that has to know of it from the start.
            await engine.dispose()
            return await cls.open(
                url, lifecycle=lifecycle, durable=durable, timeout=timeout, pooler=True, **options
            )
        except BaseException:
            await engine.dispose()
            raise
        store._opened = True

        return store

    async def install(self) -> None:
        """
        Make or migrate the tables; :meth:`open` has done it.
        """
        async with self.engine.connect() as connection:
            await connection.run_sync(set_up)
            self._pooled = await connection.run_sync(find_pooler)
        await self._transact(
            self.engine.connect,
            install,
            self._setup.tables,
            self._setup.lifecycle,
            self._setup.adopt_lifecycle,
        )

    async def close(self) -> None:
        """
        Close the unused connections. An engine of the caller's stays open.
        """
        if self._opened:
            await self.engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- runs ----------------------------------------------------------------------

    async def create(
        self,
        *,
        id: str | None = None,  # noqa: A002  the wire's own name
        assistant_id: str | None = None,
        thread_id: str | None = None,
        expires_after: int | None = None,
        expires_at: int | None = None,
        connection: Caller | None = None,
        **fields: Any,
    ) -> RunResponse:
        """
        Store a new run in the initial status, and return it.

        See :meth:`RunStore.create`.
        """
        given = {"id": id, "assistant_id": assistant_id, "thread_id": thread_id, **fields}
        run = await self._run(connection, self._do.create, given, expires_after, expires_at)
        self._setup.log(_sync(connection), moved_by(run))

        return run

    async def get(self, run_id: str, *, connection: Caller | None = None) -> RunResponse:
        """
        Return the run as it is now: a snapshot, which the store's moves do not change.

        See :meth:`RunStore.get`.
        """
        return await self._read(connection, self._do.get, run_id)

    async def history(
        self, run_id: str, *, connection: Caller | None = None
    ) -> tuple[JournalEntry, ...]:
        """
        Return everything the journal says of a run, oldest first.

        See :meth:`RunStore.history`.
        """
        return await self._read(connection, self._do.history, run_id)

    async def counts(self, *, connection: Caller | None = None) -> dict[str, int]:
        """
        Return how many runs are in each status: what the last sweep counted, and every move since.
        """
        return await self._read(connection, self._do.counts)

    async def stuck(
        self,
        limits: Mapping[str, float],
        *,
        limit: int = 100,
        connection: Caller | None = None,
    ) -> tuple[RunResponse, ...]:
        """
        Return runs that have been in a status for longer than its limit, the longest first.

        See :meth:`RunStore.stuck`.
        """
        return await self._read(connection, self._do.stuck, limits, limit)

    async def list(
        self,
        *,
        status: str | None = None,
        thread_id: str | None = None,
        after: str | None = None,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
        connection: Caller | None = None,
    ) -> Page[RunResponse]:
        """
        Return a page of runs by the time of their creation, the newest first.

        See :meth:`RunStore.list`.
        """
        return await self._read(connection, self._do.page, status, thread_id, after, limit, order)

    async def moves(
        self, *, after: str | None = None, limit: int = 100, connection: Caller | None = None
    ) -> Page[JournalEntry]:
        """
        Return the next committed moves of all runs, each at least once.

        See :meth:`RunStore.moves`.
        """
        return await self._read(connection, self._do.moves, after, limit)

    # -- moves ---------------------------------------------------------------------

    async def fire(
        self,
        run_id: str,
        trigger: str,
        /,
        *,
        token: int | None = None,
        key: str | None = None,
        actor: str | None = None,
        reason: str | None = None,
        connection: Caller | None = None,
        **payload: Any,
    ) -> Verdict:
        """
        Move a run by *trigger*, or return why not.

        See :meth:`RunStore.fire`.
        """
        fire = Fire(run_id, trigger, payload, token, key, actor, reason)
        verdict = await self._at_once(connection, self._do.fire, fire)
        self._tell(connection, fire, verdict)

        return verdict

    async def fire_many(
        self, fires: Iterable[Fire], *, connection: Caller | None = None
    ) -> tuple[Verdict, ...]:
        """
        Fire triggers in one transaction, in order; much cheaper than one after the other.

        See :meth:`RunStore.fire_many`.
        """
        fires = tuple(fires)
        verdicts = await self._run(connection, self._do.fire_many, fires)
        for fire, verdict in zip(fires, verdicts, strict=True):
            self._tell(connection, fire, verdict)

        return verdicts

    async def start(self, run_id: str, **options: Any) -> Verdict:
        """
        Move a queued run to ``in_progress``. For *options* see :meth:`fire`.
        """
        return await self.fire(run_id, "start", **options)

    async def require_action(
        self, run_id: str, required_action: RequiredAction | Mapping[str, Any], **options: Any
    ) -> Verdict:
        """
        Move a run in progress to ``requires_action``, where it waits for tool outputs.
        """
        return await self.fire(run_id, "require_action", required_action=required_action, **options)

    async def submit_tool_outputs(
        self, run_id: str, outputs: Mapping[str, str], **options: Any
    ) -> Verdict:
        """
        Queue a run again that waits for tool outputs, which the journal keeps by call id.
        """
        return await self.fire(run_id, "submit_tool_outputs", outputs=outputs, **options)

    async def complete(
        self, run_id: str, usage: Usage | Mapping[str, Any] | None = None, **options: Any
    ) -> Verdict:
        """
        End a run well.
        """
        return await self.fire(run_id, "complete", usage=usage, **options)

    async def fail(
        self,
        run_id: str,
        last_error: LastError | Mapping[str, Any],
        usage: Usage | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Verdict:
        """
        End a run as failed, because of *last_error*.
        """
        return await self.fire(run_id, "fail", last_error=last_error, usage=usage, **options)

    async def stop_incomplete(
        self,
        run_id: str,
        reason: str,
        usage: Usage | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Verdict:
        """
        End a run at a token limit: ``max_completion_tokens`` or ``max_prompt_tokens``.
        """
        details = {"reason": reason}

        return await self.fire(
            run_id, "stop_incomplete", incomplete_details=details, usage=usage, **options
        )

    async def request_cancel(self, run_id: str, **options: Any) -> Verdict:
        """
        Ask for a run to be cancelled. It may still end otherwise, until that is confirmed.
        """
        return await self.fire(run_id, "request_cancel", **options)

    async def confirm_cancel(
        self, run_id: str, usage: Usage | Mapping[str, Any] | None = None, **options: Any
    ) -> Verdict:
        """
        End a run that is being cancelled as ``cancelled``.
        """
        return await self.fire(run_id, "confirm_cancel", usage=usage, **options)

    async def expire(
        self, run_id: str, usage: Usage | Mapping[str, Any] | None = None, **options: Any
    ) -> Verdict:
        """
        End a run that took too long.
        """
        return await self.fire(run_id, "expire", usage=usage, **options)

    # -- leases --------------------------------------------------------------------

    async def claim(
        self, worker: str, seconds: float = 30.0, *, connection: Caller | None = None
    ) -> Lease | None:
        """
        Return a lease on a run that no worker holds; None if no run is waiting.

        See :meth:`RunStore.claim`.
        """
        lease = await self._at_once(connection, self._do.claim, worker, seconds)
        self._setup.log(_sync(connection), moved_by(lease))

        return lease

    async def heartbeat(self, lease: Lease, *, connection: Caller | None = None) -> Held | Stale:
        """
        Renew *lease*; the answer says whether cancel was asked for, or that the lease is lost.
        """
        return await self._at_once(connection, self._do.heartbeat, lease)

    async def release(self, lease: Lease, *, connection: Caller | None = None) -> bool:
        """
        Give *lease* back, so that the next claim finds the run; False if it was lost already.
        """
        return await self._run(connection, self._do.release, lease)

    async def sweep(
        self, *, limit: int = 1000, connection: Caller | None = None
    ) -> tuple[Moved, ...]:
        """
        End what is overdue, and return the moves that did.

        See :meth:`RunStore.sweep`.
        """
        moved = await self._run(connection, self._do.sweep, limit)
        self._setup.log(_sync(connection), moved)

        return moved

    # -- transactions ----------------------------------------------------------------

    def _tell(self, connection: Caller | None, fire: Fire, verdict: Verdict) -> None:
        if isinstance(verdict, Applied):
            self._setup.log(_sync(connection), moved_by(verdict))
        elif not verdict.ok:
            self._setup.refused(fire, verdict)

    async def _run(self, connection: Caller | None, operation: Callable[..., _T], *args: Any) -> _T:
        if connection is not None:
            return await _on(connection, operation, *args)

        return await self._transact(self.engine.connect, operation, *args)

    async def _at_once(
        self, connection: Caller | None, operation: Callable[..., _T], *args: Any
    ) -> _T:
        if connection is not None:
            return await _on(connection, operation, *args)

        return await self._transact(self._brief, operation, *args)

    async def _read(
        self, connection: Caller | None, operation: Callable[..., _T], *args: Any
    ) -> _T:
        if connection is not None:
            return await _on(connection, operation, *args)

        return await self._retried(readable_again, self._look, operation, *args)

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
            if not (self._setup.immediate or self._pooled):
                # Not as an option of the engine: a task cancelled at that loses the connection.
                try:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                except BaseException:
                    # Nobody knows whether it commits by itself now.
                    await connection.invalidate()
                    raise
            yield connection

    async def _transact(self, connect: _Connect, operation: Callable[..., _T], *args: Any) -> _T:
        return await self._retried(retriable, self._once, connect, operation, *args)

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


async def _on(caller: Caller, operation: Callable[..., _T], *args: Any) -> _T:
    connection = await caller.connection() if isinstance(caller, AsyncSession) else caller
    if not isinstance(connection, AsyncConnection):
        raise wrong_argument("connection", "an AsyncConnection or AsyncSession", connection)

    return await connection.run_sync(in_transaction_of_caller, operation, *args)


def _sync(connection: Caller | None) -> sa.Connection | None:
    if isinstance(connection, AsyncSession):
        return connection.sync_session.connection()

    return None if connection is None else connection.sync_connection
