"""
The places of lines in the feed on MariaDB, which does not tell in which order it commits.

Its auto-increment numbers a line when the line is written, and lines may be committed in
another order. So a line is written without a place. Each poll and each sweep gives places to
the lines that are committed by then, in the order of their positions, one pass after another.
Moves of one run are written under the lock of its row and committed one after another. Their
positions are therefore in order, and a pass that sees one move sees all moves before it.
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from ._tables import PLACED, Tables

__all__ = ["give_places"]

_MOST: Final = 1_000
"""How many lines get their places in one statement."""


class _Statements(NamedTuple):
    waiting: Any
    last: Any
    """The last place that was given, held until the end; nothing while another one holds it."""
    lines: Any
    carry: Any


def give_places(connection: sa.Connection, tables: Tables) -> None:
    """
    Give places to all lines that are committed; of several who do so at once, one does.
    """
    statements = _statements(tables)
    if not connection.execute(statements.waiting).first():
        return
    last = connection.execute(statements.last).scalar()
    if last is None:
        return
    place = int(last)
    while positions := list(connection.execute(statements.lines).scalars()):
        connection.exec_driver_sql(_placing(connection, tables, place, positions))
        place += len(positions)
        if len(positions) < _MOST:
            break
    connection.execute(statements.carry, {"last": str(place)})


def _placing(connection: sa.Connection, tables: Tables, after: int, positions: list[int]) -> str:
    """
    Return the statement that gives *positions* the places after *after*, in order.
    """
    journal = connection.dialect.identifier_preparer.format_table(tables.journal)
    order = ", ".join(map(str, positions))

    # FIELD says which of them a position is, from one on. All are whole numbers.
    return (
        f"UPDATE {journal} SET place = {after} + FIELD(position, {order}) "  # noqa: S608
        f"WHERE position IN ({order})"
    )


@lru_cache(maxsize=64)
def _statements(tables: Tables) -> _Statements:
    meta, journal = tables.meta, tables.journal
    nowhere = sa.select(journal.c.position).where(journal.c.place.is_(None))
    last = sa.select(meta.c.value).where(meta.c.name == PLACED)

    return _Statements(
        nowhere.limit(1),
        last.with_for_update(skip_locked=True),
        nowhere.order_by(journal.c.position).limit(_MOST),
        meta.update().where(meta.c.name == PLACED).values(value=sa.bindparam("last")),
    )
