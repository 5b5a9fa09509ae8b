"""
Calls that wait for the commit of a caller's transaction.
"""

from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

import sqlalchemy as sa

__all__ = ["at_commit"]


def at_commit(connection: sa.Connection, call: Callable[[], None]) -> None:
    """
    Make *call* once the transaction is committed, and never if it is rolled back.
    """
    waiting = _WAITING.get(connection)
    if waiting is None:
        waiting = _WAITING[connection] = _Waiting()
        waiting.listen(connection)
    waiting.calls.append(call)


class _Waiting:
    """
    What is to be called when a connection commits.
    """

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []
        self._marks: list[int] = []
        """Of each open savepoint, how many calls were waiting when it was set."""

    def listen(self, connection: sa.Connection) -> None:
        """
        Hear of all that becomes of the transactions on *connection*.
        """
        for name in ("commit", "rollback", "savepoint", "rollback_savepoint", "release_savepoint"):
            sa.event.listen(connection, name, getattr(self, f"_{name}"))

    def _commit(self, *_: Any) -> None:
        calls = self.calls.copy()
        self._rollback()
        for call in calls:
            call()

    def _rollback(self, *_: Any) -> None:
        self.calls.clear()
        self._marks.clear()

    def _savepoint(self, *_: Any) -> None:
        self._marks.append(len(self.calls))

    def _release_savepoint(self, *_: Any) -> int:
        # One that was set before anybody listened: all that waits came after it.
        return self._marks.pop() if self._marks else 0

    def _rollback_savepoint(self, *_: Any) -> None:
        del self.calls[self._release_savepoint() :]


_WAITING: Final[WeakKeyDictionary[sa.Connection, _Waiting]] = WeakKeyDictionary()
