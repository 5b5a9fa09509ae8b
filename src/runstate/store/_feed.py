"""
The feed: every committed move at least once, those of a run in their order.

A feed goes on from a cursor only if everything that was delivered before it is still
there. After a failover, a crash that lost commits, or the restore of a backup, it raises
:class:`CursorForeignError` instead of passing over moves that took the places of lost ones.
"""

from typing import Any, Final, Protocol

import sqlalchemy as sa

from ._cursor_errors import CursorExpiredError, CursorForeignError
from ._cursors import PositionCursor, digest_of, position_cursor
from ._dialects import Database
from ._records import entry_of
from ._retention import Horizon, horizon
from ._snapshot_feed import SnapshotFeed
from ._tables import PRUNED, Tables
from ._verdicts import JournalEntry, Page

__all__ = ["Feed", "feed_of"]


_PRUNED: Final = "moves behind it were pruned before they were delivered"


class Feed(Protocol):
    """
    Reads the moves of a store in an order in which nothing is passed over.
    """

    def moves(self, connection: sa.Connection, after: str | None, limit: int) -> Page[JournalEntry]:
        """Return the moves that were committed since *after*; from the beginning if None."""

    def now(self, connection: sa.Connection) -> str:
        """Return the cursor behind the last move that is committed."""

    def needed_from(self, connection: sa.Connection, after: str) -> int:
        """Return from which place on the cursor *after* needs lines; 0 if it needs all."""


def feed_of(tables: Tables, database: Database) -> Feed:
    """
    Return the feed that proves its order on this kind of database.
    """
    if database == "postgresql":
        return SnapshotFeed(tables)

    return PositionFeed(tables, "place" if database == "mariadb" else "position")


class PositionFeed:
    """
    A feed by a column whose numbers are committed in their order.

    It is the position on SQLite, which has one writer at a time. Elsewhere it is the place that
    a line is given once it is committed.
    """

    def __init__(self, tables: Tables, column: str) -> None:
        journal, self._column = tables.journal, column
        place = journal.c[column]
        self._pruned = sa.select(tables.meta.c.value).where(tables.meta.c.name == PRUNED)
        self._last = (
            sa.select(journal)
            .where(journal.c.kind == "move", place.is_not(None))
            .order_by(place.desc())
            .limit(1)
        )
        self._lines = (
            sa.select(journal, self._pruned.scalar_subquery().label("pruned"))
            .where(place >= sa.bindparam("position"), journal.c.kind == "move")
            .order_by(place)
            .limit(sa.bindparam("limit"))
        )

    def moves(self, connection: sa.Connection, after: str | None, limit: int) -> Page[JournalEntry]:
        """
        Return the moves that were committed since *after*.

        The line that the cursor stands behind is read again, and proves all before it.
        """
        cursor = position_cursor(after)
        proof = 1 if cursor.position else 0
        lines = self._read(connection, cursor.position, limit + proof)
        past = self._checked(connection, cursor, lines, after)
        if after is None:
            cursor = cursor._replace(times=past.times)
        del lines[:proof]
        if lines:
            place = getattr(lines[-1], self._column)
            cursor = PositionCursor(place, digest_of(lines[-1:]), cursor.times)

        return Page(tuple(map(entry_of, lines)), str(cursor))

    def now(self, connection: sa.Connection) -> str:
        """
        Return the cursor behind the last move that is committed.
        """
        lines = list(connection.execute(self._last))
        place = getattr(lines[0], self._column) if lines else 0

        return str(PositionCursor(place, digest_of(lines)))

    def needed_from(self, connection: sa.Connection, after: str) -> int:
        """
        Return from which place on the cursor *after* needs lines; 0 if it needs all.

        That is the line it stands behind, which proves it.
        """
        cursor = position_cursor(after)
        lines = self._read(connection, cursor.position, 1)
        past = self._checked(connection, cursor, lines, after)

        # It began after a pruning and has not passed it yet: one more would have it expire.
        return cursor.position if cursor.position > past.moves else 0

    def _checked(
        self, connection: sa.Connection, cursor: PositionCursor, lines: list[Any], after: object
    ) -> Horizon:
        """
        Return how far pruning reached, if the feed can go on from *cursor* with *lines*.

        Raises:
            CursorError: It cannot.
        """
        if not cursor.position:
            past = horizon(lines[0].pruned if lines else None)
            if after is not None and past.times != cursor.times:
                raise CursorExpiredError(after, _PRUNED)
            return past
        pruned = lines[0].pruned if lines else connection.execute(self._pruned).scalar()
        past = horizon(pruned)
        if past.times != cursor.times and cursor.position <= past.moves:
            raise CursorExpiredError(after, _PRUNED)
        if not lines or digest_of(lines[:1]) != cursor.digest:
            raise CursorForeignError(
                after, f"position {cursor.position} of the journal is not the move it proves"
            )

        return past

    def _read(self, connection: sa.Connection, position: int, limit: int) -> list[Any]:
        bound = {"position": position, "limit": limit}

        return list(connection.execute(self._lines, bound))
