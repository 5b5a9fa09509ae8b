"""
How many runs are in each status, without counting them.

A counter that every move writes would make all moves wait for each other. So the
journal is added up instead: ``counts`` holds the sums up to a place in the feed, and
what was moved since is added when somebody asks. A sweep carries the place forward.
Triggers keep both true when rows are deleted.
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from ._dialects import Database, database_of, inserting
from ._tables import COUNTED, Snapshot, Tables

__all__ = ["count", "count_rows", "recount", "roll_up"]


class _Statements(NamedTuple):
    """
    The statements of one store; to build them takes longer than to run them.
    """

    place: Any
    """The place that the sums are of."""
    place_for_update: Any
    """The same, held until the end of the transaction; nothing while another one holds it."""
    count: Any
    """The sums, and what was moved since the place *before*."""
    upto: Any
    """The last place now."""
    moved: Any
    """What was moved between the places *before* and *upto*."""
    add: Any
    """Adds *runs* to the sum of *status*."""
    carry: Any
    """Makes *upto* the place that the sums are of."""


def count(connection: sa.Connection, tables: Tables) -> dict[str, int]:
    """
    Return the number of runs by status, of those statuses that were ever seen.
    """
    statements = _statements(tables, database_of(connection.dialect))
    while True:
        # The place as a value, so that the database knows how few lines lie behind it.
        before = connection.execute(statements.place).scalar_one()
        found = _added_up(connection, statements.count, before=_value(connection, before))
        if connection.execute(statements.place).scalar_one() == before:
            return found


def count_rows(
    connection: sa.Connection, tables: Tables, where: list[sa.ColumnElement[Any]]
) -> dict[str, int]:
    """
    Return the number of runs by status that meet the conditions *where*, by counting them.
    """
    status = tables.runs.c.status
    rows = connection.execute(sa.select(status, sa.func.count()).where(*where).group_by(status))

    return {status: int(runs) for status, runs in rows}


def roll_up(connection: sa.Connection, tables: Tables) -> None:
    """
    Bring the sums up to now; of several who do so at once, one does.
    """
    statements = _statements(tables, database_of(connection.dialect))
    before = connection.execute(statements.place_for_update).scalar()
    upto = connection.execute(statements.upto).scalar() or 0
    if before is None:
        return
    moved = _added_up(connection, statements.moved, before=_value(connection, before), until=upto)
    for status, runs in sorted(moved.items()):
        connection.execute(statements.add, {"status": status, "runs": runs})
    connection.execute(statements.carry, {"upto": str(upto)})


def recount(connection: sa.Connection, tables: Tables) -> None:
    """
    Set the sums anew, so that they and what was moved since are the number of rows.
    """
    meta, runs = tables.meta, tables.runs.c
    counted = sa.select(meta.c.value).where(meta.c.name == COUNTED)
    place = connection.execute(counted.with_for_update()).scalar_one()
    rows = sa.select(runs.status, sa.func.count().label("runs")).group_by(runs.status)
    behind = _behind(tables, database_of(connection.dialect))
    taken = _sums([rows], tables, behind, sign=-1)
    sums = _added_up(connection, taken, before=_value(connection, place))
    connection.execute(tables.counts.delete())
    if sums:
        connection.execute(
            tables.counts.insert(), [{"status": s, "runs": n} for s, n in sums.items()]
        )


_VISIBLE: Final = sa.select(sa.cast(sa.func.pg_current_snapshot(), sa.Text()))


def _value(connection: sa.Connection, place: str) -> Any:
    return place if database_of(connection.dialect) == "postgresql" else int(place)


@lru_cache(maxsize=64)
def _statements(tables: Tables, database: Database) -> _Statements:
    postgres = database == "postgresql"
    meta, counts, journal = tables.meta, tables.counts, tables.journal.c
    place = sa.select(meta.c.value).where(meta.c.name == COUNTED)
    behind = _behind(tables, database)
    until: Any = sa.bindparam("until", type_=sa.Text() if postgres else sa.BigInteger())
    if postgres:
        visible = sa.func.pg_visible_in_snapshot(journal.txid, sa.cast(until, Snapshot()))
        upto: Any = _VISIBLE
    else:
        place_of = journal.place if database == "mariadb" else journal.position
        visible = place_of <= until
        upto = sa.select(sa.func.max(place_of))

    return _Statements(
        place,
        place if database == "sqlite" else place.with_for_update(skip_locked=True),
        _sums([sa.select(counts.c.status, counts.c.runs)], tables, behind),
        upto,
        _sums([], tables, sa.and_(behind, visible)),
        _adding(counts, database),
        meta.update().where(meta.c.name == COUNTED).values(value=sa.bindparam("upto")),
    )


def _adding(counts: sa.Table, database: Database) -> Any:
    # The database adds, because another process may delete runs and lower the sums meanwhile.
    insert: Any = inserting(database)(counts)
    if database == "mariadb":
        return insert.on_duplicate_key_update(runs=counts.c.runs + insert.inserted.runs)
    more = {"runs": counts.c.runs + insert.excluded.runs}

    return insert.on_conflict_do_update(index_elements=["status"], set_=more)


def _behind(tables: Tables, database: Database) -> Any:
    """
    Return the condition that a line of the journal is none of those up to the place *before*.
    """
    journal = tables.journal.c
    if database != "postgresql":
        before = sa.bindparam("before", type_=sa.BigInteger())
        if database == "sqlite":
            return journal.position > before
        return sa.or_(journal.place > before, journal.place.is_(None))
    # In the text of the statement: a plan that was made while all lines lay behind the place would
    # be kept for a connection's life.
    place: Any = sa.bindparam("before", type_=sa.Text(), literal_execute=True)
    snapshot = sa.cast(place, Snapshot())

    return sa.and_(
        journal.txid >= sa.func.pg_snapshot_xmin(snapshot),
        ~sa.func.pg_visible_in_snapshot(journal.txid, snapshot),
    )


def _sums(sums: list[Any], tables: Tables, new: Any, sign: int = 1) -> Any:
    """
    Return the statement of *sums* and what the *new* lines add to them; or take, if *sign* is -1.
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

    return sa.select(parts.c.status, sa.func.sum(parts.c.runs)).group_by(parts.c.status)


def _added_up(connection: sa.Connection, statement: Any, **places: Any) -> dict[str, int]:
    return {status: int(runs) for status, runs in connection.execute(statement, places) if runs}
