"""
What is done with lines of the journal in the transaction that deletes them.
"""

import inspect
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from ._row_errors import wrong_argument
from ._verdicts import JournalEntry

__all__ = ["Archive", "archived", "check_archive"]

Archive = Callable[[tuple[JournalEntry, ...]], object]
"""Is given the lines that are deleted. What it raises undoes the deletion, and reaches the caller."""


def check_archive(connection: sa.Connection, archive: Any) -> None:
    """
    Pass None, and what can be called with the lines that are deleted on *connection*.

    Raises:
        StoreArgumentError: It is something else, or the database does not say what it deletes.
    """
    if archive is None:
        return
    if not callable(archive):
        raise wrong_argument("archive", "a function that takes lines of the journal", archive)
    if inspect.iscoroutinefunction(archive) and not connection.dialect.is_async:
        expected = "a function that answers at once: only a store for asyncio awaits one"
        raise wrong_argument("archive", expected, archive)
    if not connection.dialect.delete_returning:
        raise wrong_argument("archive", "None on a database without DELETE RETURNING", archive)


def archived(archive: Archive, lines: tuple[JournalEntry, ...]) -> None:
    """
    Call *archive* with *lines*, and await it if it is a coroutine function.
    """
    kept: Any = archive(lines)
    if inspect.iscoroutinefunction(archive):
        # The store's operations run in a greenlet, which can await.
        sa.util.await_only(kept)
