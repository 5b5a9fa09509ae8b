"""
Reading a feed as it grows.
"""

import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

from ._records import is_seconds
from ._row_errors import wrong_argument
from ._verdicts import JournalEntry, Page
from ._wake import AsyncClock, AsyncListener, Clock, Listener

__all__ = ["AsyncWatching", "Watching"]


class Watching:
    """
    The endless feed of a store.
    """

    moves: Any
    engine: Any
    _setup: Any

    def watch(
        self, *, after: str | None = None, every: float = 0.5, limit: int = 100
    ) -> Iterator[Page[JournalEntry]]:
        """
        Yield the pages of :meth:`moves` without end, each as soon as a poll finds it.

        A store that was opened with *notify* also polls as soon as a move is committed. No page is
        empty. Keep the *cursor* of each once its items are dealt with, and begin with it after a
        restart; begin with :meth:`cursor` for what happens from now on.

        Args:
            after: The cursor of the last page whose items were dealt with; None for the first
                move of the store.
            every: The most seconds between two polls while nothing happens.
            limit: How many moves a page has at most.

        Raises:
            StoreArgumentError: *every* is not a positive number of seconds.
            CursorError: *after* is not a cursor of this store, or what came after it was pruned.
        """
        _check_every(every)
        notify, journal = self._setup.notify, self._setup.tables.journal
        clock = Listener(self.engine, journal) if notify else Clock()
        try:
            while True:
                clock.listen()
                page = self.moves(after=after, limit=limit)
                after = page.cursor
                if page.items:
                    yield page
                else:
                    clock.wait(every)
        finally:
            clock.close()


class AsyncWatching:
    """
    The endless feed of a store for asyncio.
    """

    moves: Any
    engine: Any
    _setup: Any

    async def watch(
        self, *, after: str | None = None, every: float = 0.5, limit: int = 100
    ) -> AsyncIterator[Page[JournalEntry]]:
        """
        Yield the pages of :meth:`moves` without end, each as soon as a poll finds it.

        A store that was opened with *notify* also polls as soon as a move is committed. No page is
        empty. Keep the *cursor* of each once its items are dealt with, and begin with it after a
        restart; begin with :meth:`cursor` for what happens from now on.

        Args:
            after: The cursor of the last page whose items were dealt with; None for the first
                move of the store.
            every: The most seconds between two polls while nothing happens.
            limit: How many moves a page has at most.

        Raises:
            StoreArgumentError: *every* is not a positive number of seconds.
            CursorError: *after* is not a cursor of this store, or what came after it was pruned.
        """
        _check_every(every)
        notify, journal = self._setup.notify, self._setup.tables.journal
        clock = AsyncListener(self.engine, journal) if notify else AsyncClock()
        try:
            while True:
                await clock.listen()
                page = await self.moves(after=after, limit=limit)
                after = page.cursor
                if page.items:
                    yield page
                else:
                    await clock.wait(every)
        finally:
            await clock.close()


def _check_every(every: Any) -> None:
    if not is_seconds(every) or not 0 < every < math.inf:
        raise wrong_argument("every", "a positive number of seconds", every)
