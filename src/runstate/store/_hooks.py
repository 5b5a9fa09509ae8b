"""
The application's own part in a move: callables within its transaction.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ..runs._log import Moved
from ._row_errors import wrong_argument

__all__ = ["Hook", "Hooks", "MoveEvent"]


class MoveEvent(NamedTuple):
    """
    A move as a hook sees it, within its transaction.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> def note(event: MoveEvent) -> None:
        ...     insert = "INSERT INTO outbox VALUES (?, ?)"
        ...     event.connection.exec_driver_sql(insert, (event.snapshot.id, event.target))
        >>> with RunStore.open("sqlite://", after=[note]) as store, structlog.testing.capture_logs():
        ...     with store.engine.begin() as connection:
        ...         _ = connection.exec_driver_sql("CREATE TABLE outbox (run_id TEXT, status TEXT)")
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     _ = store.request_cancel(run.id)
        ...     with store.engine.begin() as connection:
        ...         print(connection.exec_driver_sql("SELECT * FROM outbox").all())
        [('run_1', 'queued'), ('run_1', 'cancelling')]
    """

    snapshot: Any
    """
    The object: as it is still, before the move; as it is now, after it.

    None where its row cannot be read.
    """
    trigger: str
    """``create`` for a creation."""
    source: str | None
    """The status that it leaves; None for a creation."""
    target: str
    """The status that it gets."""
    payload: Mapping[str, Any]
    """What came with the trigger; empty for a creation and a claim."""
    actor: str | None
    """Who fires: of a claim its worker, and ``sweep`` where a sweep ends an object."""
    connection: Any
    """
    The transaction of the move, for the hook's own statements and for moves of the store.

    A hook that commits it, rolls it back or closes it gets a StoreArgumentError.

    It is an AsyncConnection for a coroutine function, and a Connection for any other.
    """
    moved: Moved | None
    """The record of the move; None before it."""


Hook = Callable[[MoveEvent], Awaitable[None] | None]
"""What is called before or after a move. What it raises undoes the move, and reaches the caller."""


class Hooks:
    """
    The hooks of a store.
    """

    def __init__(self, before: Iterable[Hook], after: Iterable[Hook], dialect: sa.Dialect) -> None:
        given: tuple[Any, Any] = (before, after)
        for hooks in given:
            if not isinstance(hooks, Iterable) or isinstance(hooks, str):
                raise wrong_argument("hooks", "a list of callables", hooks)
        self._before, self._after = tuple(before), tuple(after)
        for hook in (*self._before, *self._after):
            if not callable(hook):
                raise wrong_argument("hooks", "callables", hook)
            if inspect.iscoroutinefunction(hook) and not dialect.is_async:
                raise ValueError(
                    f"hooks: {hook!r} is a coroutine function, which only a store for asyncio awaits"
                )

    def __bool__(self) -> bool:
        return bool(self._before or self._after)

    def call_before(self, connection: sa.Connection, event: MoveEvent) -> None:
        """
        Call those that see the object before its move.
        """
        for hook in self._before:
            _call(hook, connection, event)

    def call_after(self, connection: sa.Connection, event: MoveEvent) -> None:
        """
        Call those that see it after its move.
        """
        for hook in self._after:
            _call(hook, connection, event)

    @contextmanager
    def undoing(self, connection: sa.Connection) -> Iterator[Callable[[], None]]:
        """
        Have an error undo what was done within, also in the caller's transaction.

        Yields what undoes it without an error.
        """
        if not self:
            yield _nothing
            return
        with connection.begin_nested() as savepoint:
            yield savepoint.rollback


def _call(hook: Hook, connection: sa.Connection, event: MoveEvent) -> None:
    within = connection.get_nested_transaction()
    if not inspect.iscoroutinefunction(hook):
        hook(event._replace(connection=connection))
    else:
        awaited = AsyncConnection(AsyncEngine(connection.engine), connection)
        # The store's operations run in a greenlet, which can await.
        sa.util.await_only(hook(event._replace(connection=awaited)))
    # Otherwise the answer would tell of a move that was undone.
    if connection.closed or within is None or not within.is_active:
        raise wrong_argument("hooks", "callables that leave the transaction of the move open", hook)


def _nothing() -> None:
    """
    Undo nothing, where there is nothing that could raise.
    """
