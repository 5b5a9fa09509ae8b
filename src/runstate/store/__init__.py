"""
The store: state, journal and feed in one transaction, and one winner a move.

``RunStore`` keeps runs on SQLite or PostgreSQL through SQLAlchemy; ``AsyncRunStore`` is
the asyncio version. ``guard`` and ``apply_move`` do the same for a table of your own.
"""

from ..errors import MissingExtraError

try:
    import sqlalchemy.ext.asyncio  # noqa: F401
except ImportError as _missing:
    raise MissingExtraError("runstate.store", "SQLAlchemy", "store") from _missing

from ._async_store import AsyncRunStore
from ._async_store import Caller as AsyncCaller
from ._cursor_errors import (
    CursorError,
    CursorExpiredError,
    CursorForeignError,
    CursorInvalidError,
)
from ._poolers import PoolerError
from ._row_errors import (
    ClockError,
    ConcurrentMoveError,
    StatusMissingError,
    StoreArgumentError,
    UnreadableRunError,
)
from ._store import Caller, RunStore
from ._verdicts import (
    AnswerMismatchError,
    Applied,
    Duplicate,
    Fire,
    Held,
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
    "Illegal",
    "JournalEntry",
    "Lease",
    "LifecycleMismatchError",
    "Page",
    "PoolerError",
    "KeyReusedError",
    "RunExistsError",
    "RunNotFoundError",
    "RunStore",
    "Stale",
    "StatusMissingError",
    "StoreArgumentError",
    "StoreVersionError",
    "Superseded",
    "UnreadableRunError",
    "Verdict",
    "apply_move",
    "apply_move_async",
    "guard",
]
