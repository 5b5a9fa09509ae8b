"""
The store: state, journal and feed in one transaction, and one winner a move.

``Store`` keeps the objects of any lifecycle on SQLite, PostgreSQL or MariaDB through SQLAlchemy,
and ``RunStore`` runs; ``AsyncStore`` and ``AsyncRunStore`` are the asyncio versions. ``guard`` and
``apply_move`` do the same for a table of your own.

Example:
    >>> import structlog, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, structlog.testing.capture_logs():
    ...     with RunStore.open(f"sqlite:///{folder}/runs.db") as store:
    ...         run = store.create(assistant_id="asst_1", thread_id="thread_1")
    ...         lease = store.claim("worker-1")
    ...         done = store.complete(run.id, token=lease.token)
    ...         late = store.request_cancel(run.id)
    ...         moves = [entry.trigger for entry in store.history(run.id)]
    >>> done.moved.seq, done.ok, late.status, late.by, moves
    (3, True, 'completed', 'complete', ['create', 'start', 'complete'])

    The same for asyncio, and for jobs of another lifecycle:

    >>> import asyncio
    >>> from runstate.presets import PRESETS
    >>> async def finish(url):
    ...     columns = {"queue": str}
    ...     async with await AsyncStore.open(url, PRESETS["oban-job"], columns=columns) as store:
    ...         job = await store.create({"url": "https://example.org"}, queue="fetch")
    ...         lease = await store.claim("worker-1", where={"queue": "fetch"})
    ...         return await store.fire(job.id, "complete", token=lease.token)
    >>> with tempfile.TemporaryDirectory() as folder, structlog.testing.capture_logs():
    ...     done = asyncio.run(finish(f"sqlite:///{folder}/jobs.db"))
    >>> done.moved.target
    'completed'
"""

from ..errors import MissingExtraError

try:
    import sqlalchemy.ext.asyncio  # noqa: F401
except ImportError as _missing:
    raise MissingExtraError("runstate.store", "SQLAlchemy", "store") from _missing

from ._async_store import AsyncRunStore, AsyncStore
from ._async_transactions import Caller as AsyncCaller
from ._cursor_errors import (
    CursorError,
    CursorExpiredError,
    CursorForeignError,
    CursorInvalidError,
)
from ._hooks import Hook, MoveEvent
from ._kinds import Record
from ._poolers import PoolerError
from ._row_errors import (
    ClockError,
    ConcurrentMoveError,
    StatusMissingError,
    StoreArgumentError,
    UnreadableRunError,
)
from ._row_keys import row_id
from ._schema import metadata, schema_sql
from ._store import RunStore, Store
from ._transactions import Caller
from ._verdicts import (
    AnswerMismatchError,
    Applied,
    Duplicate,
    Fire,
    Held,
    History,
    Illegal,
    JournalEntry,
    KeyReusedError,
    Lease,
    LifecycleMismatchError,
    Page,
    RunExistsError,
    RunNotFoundError,
    Stale,
    StoreVersionError,
    Superseded,
    Verdict,
)
from .own import apply_move, apply_move_async, guard

__all__ = [
    "AnswerMismatchError",
    "Applied",
    "AsyncCaller",
    "AsyncRunStore",
    "AsyncStore",
    "Caller",
    "CursorError",
    "CursorExpiredError",
    "CursorForeignError",
    "CursorInvalidError",
    "ClockError",
    "ConcurrentMoveError",
    "Duplicate",
    "Fire",
    "Held",
    "History",
    "Hook",
    "Illegal",
    "JournalEntry",
    "Lease",
    "LifecycleMismatchError",
    "MoveEvent",
    "Page",
    "PoolerError",
    "KeyReusedError",
    "Record",
    "RunExistsError",
    "RunNotFoundError",
    "RunStore",
    "Stale",
    "Store",
    "StatusMissingError",
    "StoreArgumentError",
    "StoreVersionError",
    "Superseded",
    "UnreadableRunError",
    "Verdict",
    "apply_move",
    "apply_move_async",
    "guard",
    "metadata",
    "row_id",
    "schema_sql",
]
