"""
How ended objects and what is personal in them leave a store, so that its feed stays honest.

The feed cannot deliver what is deleted. So pruning notes how far it reached into the feed, its
*horizon*, and a cursor that has not passed it expires. The object of the last move of the
feed is kept, so that there is always a place behind the horizon.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from ._archiving import Archive, archived
from ._dialects import Database, inserting
from ._records import entry_of
from ._sql import Phrases, among
from ._tables import PRUNED, Tables, TransactionId
from ._verdicts import JournalEntry

__all__ = ["Horizon", "Retention", "horizon"]


class Retention:
    """
    What is said to delete and to erase.
    """

    def __init__(self, tables: Tables, say: Phrases) -> None:
        self._tables, self._say = tables, say
        self._database: Database = say.database

    def prune(
        self,
        connection: sa.Connection,
        statuses: Sequence[str],
        seconds: float,
        most: int,
        needed: int | None,
        archive: Archive | None,
    ) -> int:
        """
        Delete objects that have been in one of *statuses* for *seconds*, and return how many.

        Those with a line in the feed from the place *needed* on are kept. *archive* is given the
        lines that are deleted.
        """
        runs, journal = self._tables.runs, self._tables.journal
        ids = list(connection.execute(self._due(statuses, seconds, most, needed)).scalars())
        if not ids:
            return 0
        moves, lines = (self._last(connection, ids, kind) for kind in ("move", None))
        lines_gone = journal.delete().where(journal.c.run_id.in_(ids))
        if archive is None:
            connection.execute(lines_gone)
        elif deleted := self._deleted(connection, lines_gone):
            archived(archive, deleted)
        connection.execute(runs.delete().where(runs.c.id.in_(ids), *self._is_gone()))
        self._note(connection, moves, lines)

        return len(ids)

    def _deleted(self, connection: sa.Connection, lines_gone: Any) -> tuple[JournalEntry, ...]:
        """
        Delete lines, and return them: a late outcome may have come since the objects were chosen.
        """
        columns = (self._tables.journal.c[name] for name in JournalEntry._fields)
        gone = connection.execute(lines_gone.returning(*columns)).all()

        return tuple(sorted(map(entry_of, gone)))

    def _due(self, statuses: Sequence[str], seconds: float, most: int, needed: int | None) -> Any:
        runs, clock = self._tables.runs.c, self._say.clock()
        now = sa.select(clock.c.now).scalar_subquery()
        journal = self._tables.journal.alias("line")
        where = [
            self._may_go(statuses),
            runs.moved_at <= now - sa.literal(float(seconds), sa.Double()),
            runs.id.not_in(sa.select(self._latest().c.run_id)),
        ]
        if self._database == "mariadb":
            nowhere = sa.select(journal.c.position).where(
                journal.c.run_id == runs.id, journal.c.place.is_(None)
            )
            where.append(~nowhere.exists())
        if needed is not None:
            where.append(~self._lines_from(needed).exists())
        query = sa.select(runs.id).where(*where).order_by(runs.moved_at).limit(most)

        return self._say.skipping(query)

    def _lines_from(self, needed: int) -> Any:
        """
        Return the lines of an object from a place in the feed on.
        """
        journal = self._tables.journal.alias("needed")
        place: Any = sa.literal(needed, sa.BigInteger())
        if self._database == "postgresql":
            place = sa.cast(sa.literal(str(needed), sa.Text()), TransactionId())

        return sa.select(journal.c.position).where(
            journal.c.run_id == self._tables.runs.c.id, self._order(journal) >= place
        )

    def _may_go(self, statuses: Sequence[str]) -> Any:
        """
        Return the condition under which an object, or its lines in the journal, may be deleted.

        In a table of the application's own, an ended object keeps its row, its number of moves
        and its last token. Only its lines are deleted, so an object without lines is left out.
        """
        runs, journal = self._tables.runs.c, self._tables.journal.alias("kept")
        ended = among(runs.status, statuses)
        if self._say.own is None:
            return ended
        lines = sa.select(journal.c.position).where(journal.c.run_id == runs.id)

        return sa.or_(sa.and_(ended, lines.exists(), *self._say.met()), *self._is_gone())

    def _is_gone(self) -> list[Any]:
        """
        Return the condition that the application has deleted its row, where it has one.
        """
        own = self._say.own

        return [] if own is None else [own.is_gone(self._tables.runs)]

    def _latest(self) -> Any:
        """
        Return the last move of the feed.
        """
        journal = self._tables.journal.alias("latest")
        query = sa.select(journal.c.run_id).where(journal.c.kind == "move")
        if self._database == "mariadb":
            query = query.where(journal.c.place.is_not(None))

        return query.order_by(self._order(journal).desc()).limit(1).subquery("last_of_all")

    def _order(self, journal: Any) -> Any:
        columns = {"postgresql": "txid", "mariadb": "place", "sqlite": "position"}

        return journal.c[columns[self._database]]

    def _last(self, connection: sa.Connection, ids: Sequence[str], kind: str | None) -> int:
        """
        Return how far into the feed lines of *ids* reach.
        """
        journal = self._tables.journal
        order = self._order(journal)
        query = sa.select(sa.cast(order, sa.Text) if self._database == "postgresql" else order)
        query = query.where(journal.c.run_id.in_(ids))
        if kind is not None:
            query = query.where(journal.c.kind == kind)

        return int(connection.execute(query.order_by(order.desc()).limit(1)).scalar() or 0)

    def _note(self, connection: sa.Connection, moves: int, lines: int) -> None:
        """
        Store the positions up to which moves, and all lines, are pruned.
        """
        meta = self._tables.meta
        here = meta.c.name == PRUNED
        connection.execute(self._first_note())
        known = connection.execute(sa.select(meta.c.value).where(here).with_for_update())
        before = horizon(known.scalar_one())
        value = f"{max(before.moves, moves)}:{max(before.lines, lines)}:{before.times + 1}"
        connection.execute(meta.update().where(here).values(value=value))

    def _first_note(self) -> Any:
        """
        Return the statement that makes the note, unless another one has.
        """
        insert = inserting(self._database)(self._tables.meta).values(name=PRUNED, value="0:0:0")
        if self._database == "mariadb":
            return insert.on_duplicate_key_update(value=self._tables.meta.c.value)

        return insert.on_conflict_do_nothing()

    def erase(self, connection: sa.Connection, run_id: str) -> None:
        """
        Erase the payloads, actors and reasons of the moves of one object.
        """
        runs, journal = self._tables.runs, self._tables.journal
        lines = journal.update().where(journal.c.run_id == run_id)
        connection.execute(lines.values(actor=sa.null(), reason=sa.null()))
        # What a creation keeps is a digest, by which a key finds out whether it was used alike.
        told = sa.or_(journal.c.trigger.is_(None), journal.c.trigger != "create")
        connection.execute(lines.where(told).values(payload=sa.null()))
        details = dict.fromkeys(self._say.layout.details.values(), sa.null())
        if details:
            connection.execute(runs.update().where(runs.c.id == run_id).values(details))


class Horizon(NamedTuple):
    """
    How far into the feed pruning reached.
    """

    moves: int
    lines: int
    """Of all lines, moves among them."""
    times: int
    """How often it deleted something: where this is the same, all is there that was then."""


def horizon(text: str | None) -> Horizon:
    """
    Return how far pruning reached.
    """
    return Horizon(*map(int, (text or "0:0:0").split(":")))
