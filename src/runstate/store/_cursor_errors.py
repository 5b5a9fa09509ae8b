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
    Base of what :meth:`RunStore.moves` raises about its *after*. Waiting mends none of them.
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
    """

    def _message(self) -> str:
        return (
            f"{super()._message()}; waiting does not help: read the feed from the beginning with "
            "after=None, and skip the event ids that were dealt with"
        )
