"""
The feed: every committed move at least once, those of a run in their order.
"""

import re
from typing import Any, Final

import sqlalchemy as sa

from ._records import entry_of
from ._tables import Tables
from ._verdicts import JournalEntry, Page

__all__ = ["moves_after"]

_POSITION: Final = re.compile(r"[0-9]{1,18}")
_SNAPSHOT: Final = r"[0-9]{1,18}:[0-9]{1,18}:([0-9]{1,18}(,[0-9]{1,18})*)?"
_SNAPSHOTS: Final = re.compile(rf"{_SNAPSHOT}\|({_SNAPSHOT})?\|[0-9]{{1,18}}")
_BEGINNING: Final = "1:1:||0"
_NOW_VISIBLE: Final = sa.text(
    # An older snapshot, or a standby, may well be behind a cursor.
    "SELECT pg_current_snapshot()::text, NOT pg_is_in_recovery() "
    "AND current_setting('transaction_isolation') = 'read committed'"
)
_BETWEEN: Final = sa.text(
    "txid >= pg_snapshot_xmin(CAST(:seen AS pg_snapshot)) "
    "AND txid < pg_snapshot_xmax(CAST(:upto AS pg_snapshot)) "
    "AND pg_visible_in_snapshot(txid, CAST(:upto AS pg_snapshot)) "
    "AND NOT pg_visible_in_snapshot(txid, CAST(:seen AS pg_snapshot))"
)


def moves_after(
    connection: sa.Connection, tables: Tables, after: str | None, limit: int
) -> Page[JournalEntry]:
    """
    Return the moves that were committed since *after*, a cursor; from the beginning if None.
    """
    postgres = connection.dialect.name == "postgresql"
    if after is not None and not (_is_cursor(after) if postgres else _POSITION.fullmatch(after)):
        raise _no_cursor(str(after))
    if postgres:
        return _between_snapshots(connection, tables, after or _BEGINNING, limit)

    # SQLite has one writer at a time: positions are committed in their order.
    lines = _read(connection, tables, int(after or 0), limit)
    if not lines and after and int(after) > _last_position(connection, tables):
        raise _no_cursor(after)

    return Page(_entries(lines), str(lines[-1].position) if lines else after or "0")


def _no_cursor(after: str) -> ValueError:
    return ValueError(f"not a cursor of this store: {after!r}")


def _last_position(connection: sa.Connection, tables: Tables) -> int:
    """
    Return the highest position that SQLite has ever given, also if its line is gone.
    """
    sequence = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
    last = sa.select(sequence.c.seq).where(sequence.c.name == tables.journal.name)

    return connection.execute(last).scalar() or 0


def _is_cursor(text: str) -> bool:
    """
    Return whether PostgreSQL will take what is between the bars of *text* for snapshots.
    """
    if not _SNAPSHOTS.fullmatch(text):
        return False

    return all(_is_snapshot(part) for part in text.split("|")[:2] if part)


def _is_snapshot(text: str) -> bool:
    first, end, between = text.split(":")
    running = [int(each) for each in between.split(",") if each]
    places = [int(first), *running, int(end)]

    return places == sorted(places) and places[0] > 0 and int(end) not in running


def _between_snapshots(
    connection: sa.Connection, tables: Tables, after: str, limit: int
) -> Page[JournalEntry]:
    """
    Read between two snapshots, since PostgreSQL does not commit positions in their order.

    What the later snapshot sees and the earlier one does not is new. A run's moves are
    committed one after the other: no snapshot sees one without those before it, and
    in order of position they are in order of their numbers.

    A cursor is the earlier snapshot, the later one while a page of it is left, and the
    position of the last line delivered from between them.
    """
    seen, upto, position = after.split("|")
    if upto:
        page = _page(connection, tables, (seen, upto, position), limit)
        if page.items:
            return page
        seen = upto
    now, newest = connection.execute(_NOW_VISIBLE).one()
    if newest and _end(seen) > _end(now):
        # Silence would last until the transactions here have caught up with it.
        raise _no_cursor(after)

    return _page(connection, tables, (seen, now, "0"), limit)


def _end(snapshot: str) -> int:
    return int(snapshot.split(":")[1])


def _page(
    connection: sa.Connection, tables: Tables, window: tuple[str, str, str], limit: int
) -> Page[JournalEntry]:
    seen, upto, position = window
    new = _BETWEEN.bindparams(seen=seen, upto=upto)
    lines = _read(connection, tables, int(position), limit, new)
    if len(lines) < limit:
        return Page(_entries(lines), f"{upto}||0")

    return Page(_entries(lines), f"{seen}|{upto}|{lines[-1].position}")


def _read(
    connection: sa.Connection, tables: Tables, position: int, limit: int, *which: Any
) -> list[Any]:
    journal = tables.journal

    return list(
        connection.execute(
            sa.select(journal)
            .where(journal.c.position > position, journal.c.kind == "move", *which)
            .order_by(journal.c.position)
            .limit(limit)
        )
    )


def _entries(lines: list[Any]) -> tuple[JournalEntry, ...]:
    return tuple(map(entry_of, lines))
