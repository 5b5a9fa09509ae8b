"""
What can be wrong with a cursor of a feed, and what the consumer should do about it.
"""

from .._text import shown_value
from ..errors import RunstateError

__all__ = ["CursorError", "CursorExpiredError", "CursorForeignError", "CursorInvalidError"]

_START_AGAIN = (
    "waiting does not help: discard what was derived from the feed, "
    "and read it from the beginning with after=None"
)


class CursorError(RunstateError, ValueError):
    """
    Base of the errors of :meth:`RunStore.moves` about its *after*. Waiting does not help with any.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     try:
        ...         store.moves(after="17")
        ...     except CursorError as error:
        ...         print(type(error).__name__, error.cursor)
        CursorExpiredError 17
    """

    def __init__(self, cursor: object, reason: str) -> None:
        self.cursor = cursor
        """The value that was given as *after*."""
        self.reason = reason
        """What is wrong with it."""
        super().__init__(cursor, reason)

    def _message(self) -> str:
        return f"cursor {shown_value(self.cursor, 80)}: {self.reason}"


class CursorInvalidError(CursorError):
    """
    Raised when *after* was never returned by any feed: it is a mistake of the caller.

    Give the ``cursor`` of the last page back unchanged, or None to read from the beginning.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     try:
        ...         store.moves(after="page 17")
        ...     except CursorInvalidError as error:
        ...         print(error)
        cursor 'page 17': it does not have format 2; expected the cursor of a page of moves(), unchanged, or None
    """

    def _message(self) -> str:
        return f"{super()._message()}; expected the cursor of a page of moves(), unchanged, or None"


class CursorForeignError(CursorError):
    """
    Raised when a cursor belongs to another history than the one in this database.

    Moves that were delivered before it are not in this database. They were lost in a
    failover to a standby that lacked them, in a crash of a server that did not wait for its
    disk, or by restoring an older backup; or they were deleted from the journal; or the
    cursor belongs to another store. The consumer may hold moves that never happened here.

    Waiting does not help, however many moves follow: discard what was derived from the
    feed, and read it from the beginning with ``after=None``.
    """

    def _message(self) -> str:
        return (
            f"{super()._message()}. The moves before it were lost in a failover, a crash or a "
            f"restore, or deleted, or the cursor belongs to another store; {_START_AGAIN}"
        )


class CursorExpiredError(CursorError):
    """
    Raised when a cursor was valid once and this store can no longer go on from it.

    The history is the same one; nothing that was delivered is wrong. Waiting does not help:
    list the runs, or read the feed from the beginning with ``after=None``, and go on from
    the cursor of that. The event ids tell which moves were dealt with before.

    Example:
        >>> import structlog
        >>> from runstate.store import RunStore
        >>> with RunStore.open("sqlite://") as store, structlog.testing.capture_logs():
        ...     run = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     try:
        ...         page = store.moves(after="17")
        ...     except CursorExpiredError as error:
        ...         print(error.reason)
        ...         page = store.moves(after=None)
        it has format 1, which proves no history; this version reads format 2
        >>> [move.event_id for move in page.items]
        ['run_1:1']
    """

    def _message(self) -> str:
        return (
            f"{super()._message()}; waiting does not help: read the feed from the beginning with "
            "after=None, and skip the event ids that were dealt with"
        )
