"""
How many runs are in each status, without counting them.

A counter that every move writes would make all moves wait for each other. So the
journal is added up instead: ``counts`` holds the sums up to a place in the feed, and
what was moved since is added when somebody asks. A sweep carries the place forward.
Triggers keep both true when rows are deleted.
"""

from typing import Any, Final

import sqlalchemy as sa

from ._sql import inserting
from ._tables import COUNTED, Snapshot, Tables

__all__ = ["count", "recount", "roll_up"]


def count(connection: sa.Connection, tables: Tables) -> dict[str, int]:
    """
    Return the number of runs by status, of those statuses that were ever seen.
    """
    meta = tables.meta.c
    place = sa.select(meta.value).where(meta.name == COUNTED)
    sums = sa.select(tables.counts.c.status, tables.counts.c.runs)
    while True:
        # The place as a value, so that the database knows how few lines lie behind it.
        before = connection.execute(place).scalar_one()
        found = _added_up(connection, [sums], tables, _behind(connection, tables, before))
        if connection.execute(place).scalar_one() == before:
            return found


def roll_up(connection: sa.Connection, tables: Tables) -> None:
    """
    Bring the sums up to now; of several who do so at once, one does.
    """
    meta, counts, journal = tables.meta, tables.counts, tables.journal.c
    mine = sa.select(meta.c.value).where(meta.c.name == COUNTED)
    upto: Any
    until: Any
    if _is_postgres(connection):
        before = connection.execute(mine.with_for_update(skip_locked=True)).scalar()
        upto = connection.execute(_VISIBLE).scalar_one()
        until = sa.func.pg_visible_in_snapshot(journal.txid, _snapshot(upto))
    else:
        before = connection.execute(mine).scalar()
        upto = connection.execute(sa.select(sa.func.max(journal.position))).scalar() or 0
        until = journal.position <= upto
    if before is None:
        return
    new = sa.and_(_behind(connection, tables, before), until)
    insert: Any = inserting(_is_postgres(connection))(counts)
    # Added in the database: whoever deletes runs takes them from the sums meanwhile.
    more = {"runs": counts.c.runs + insert.excluded.runs}
    add = insert.on_conflict_do_update(index_elements=["status"], set_=more)
    for status, runs in sorted(_added_up(connection, [], tables, new).items()):
        connection.execute(add, {"status": status, "runs": runs})
    connection.execute(meta.update().where(meta.c.name == COUNTED).values(value=str(upto)))


def recount(connection: sa.Connection, tables: Tables) -> None:
    """
    Set the sums anew, so that they and what was moved since are the number of rows.
    """
    meta, runs = tables.meta, tables.runs.c
    counted = sa.select(meta.c.value).where(meta.c.name == COUNTED)
    place = connection.execute(counted.with_for_update()).scalar_one()
    rows = sa.select(runs.status, sa.func.count().label("runs")).group_by(runs.status)
    behind = _behind(connection, tables, place)
    sums = _added_up(connection, [rows], tables, behind, sign=-1)
    connection.execute(tables.counts.delete())
    if sums:
        connection.execute(
            tables.counts.insert(), [{"status": s, "runs": n} for s, n in sums.items()]
        )


_VISIBLE: Final = sa.select(sa.cast(sa.func.pg_current_snapshot(), sa.Text()))


def _is_postgres(connection: sa.Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _snapshot(text: str) -> Any:
    return sa.cast(sa.literal(text, sa.Text()), Snapshot())


def _behind(connection: sa.Connection, tables: Tables, place: str) -> Any:
    """
    Return the condition that a line of the journal is none of those up to *place*.
    """
    journal = tables.journal.c
    if not _is_postgres(connection):
        return journal.position > int(place)
    snapshot = _snapshot(place)

    return sa.and_(
        journal.txid >= sa.func.pg_snapshot_xmin(snapshot),
        ~sa.func.pg_visible_in_snapshot(journal.txid, snapshot),
    )


def _added_up(
    connection: sa.Connection, sums: list[Any], tables: Tables, new: Any, sign: int = 1
) -> dict[str, int]:
    """
    Return *sums* and what the *new* lines add to them; or take from them, if *sign* is -1.
    """
    journal = tables.journal.c
    moves = sa.and_(journal.kind == "move", new)
    arrived = sa.select(journal.target.label("status"), (sign * sa.func.count()).label("runs"))
    left = sa.select(journal.source, -sign * sa.func.count())
    parts = sa.union_all(
        *sums,
        arrived.where(moves).group_by(journal.target),
        left.where(moves, journal.source.is_not(None)).group_by(journal.source),
    ).subquery("parts")
    rows = connection.execute(
        sa.select(parts.c.status, sa.func.sum(parts.c.runs)).group_by(parts.c.status)
    ).all()

    return {status: int(runs) for status, runs in rows if runs}
