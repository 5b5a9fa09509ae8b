"""
The feed on PostgreSQL, which does not commit positions in their order: between snapshots.

What a later snapshot sees and an earlier one does not is new. A run's moves are committed
one after the other: no snapshot sees one without those before it, and in order of position
they are in order of their numbers.

Which history a cursor belongs to is proven by *witnesses*. Every line keeps the snapshot
that its writer saw. If line B's writer saw the transaction of line A, then A was committed
before B: a history that has B has A. So the lines that no delivered line's writer had
seen yet, usually one or a few, prove all that was delivered. A history that has them has
also used up the numbers of all transactions that wrote delivered lines, and gives those
to no other. A cursor therefore never claims to have seen a transaction above them.
"""

from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from ._cursor_errors import CursorExpiredError, CursorForeignError
from ._cursors import SnapshotCursor, digest_of, snapshot_cursor
from ._records import entry_of
from ._retention import horizon
from ._tables import PRUNED, Tables, TransactionId
from ._transaction_sets import NOTHING, TransactionSet, below_all_running, parse_set
from ._verdicts import JournalEntry, Page

__all__ = ["SnapshotFeed"]

_PRUNED: Final = "moves behind it were pruned before they were delivered"
_GAP: Final = 1_000
"""So many transactions behind, an idle cursor moves on to a line that is not a move."""

_STRETCH: Final = 2
"""How many positions are read for each line of a page, and how much further each time."""

_NOW: Final = sa.text(
    "SELECT pg_current_snapshot()::text AS visible, "
    "pg_current_xact_id_if_assigned()::text AS own, pg_is_in_recovery() AS standby"
)
_SEEN, _UPTO = (
    # A subquery is evaluated once, and a cast of a parameter for every row.
    f"(SELECT CAST(CAST(:{name} AS text) AS pg_snapshot))"
    for name in ("seen", "upto")
)
# Two statements of what a snapshot had not seen, and not one from its oldest running transaction
# on: that may have begun a million lines ago.
_BEGUN_SINCE: Final = sa.text(
    f"txid >= (SELECT pg_snapshot_xmax({_SEEN})) AND txid < (SELECT pg_snapshot_xmax({_UPTO})) "
    f"AND pg_visible_in_snapshot(txid, {_UPTO})"
)
_ENDED: Final = sa.text(f"pg_visible_in_snapshot(txid, {_UPTO})")
_BETWEEN: Final = sa.text(
    f"position <= :last AND pg_visible_in_snapshot(txid, {_UPTO}) "
    f"AND NOT pg_visible_in_snapshot(txid, {_SEEN})"
)
_SINCE: Final = (
    f"txid >= CAST(CAST(:first AS text) AS xid8) AND pg_visible_in_snapshot(txid, {_UPTO})"
)
_NEXT: Final = sa.text("SELECT pg_current_xact_id()::text")


class _Now(NamedTuple):
    """
    Which transactions have ended by now.
    """

    ended: TransactionSet
    standby: bool
    pruned: str | None = None
    """How far into the feed lines were deleted."""


class SnapshotFeed:
    """
    The feed on PostgreSQL, primary or standby.
    """

    def __init__(self, tables: Tables) -> None:
        self._journal = tables.journal
        self._pruned = sa.select(tables.meta.c.value).where(tables.meta.c.name == PRUNED)
        position = self._journal.c.position
        # Not by the column itself: PostgreSQL would read all of the journal in its order, in the hope
        # to meet enough lines soon.
        self._sorted = position + sa.literal_column("0")
        self._first_page = self._page_lines(self._sorted, _BEGUN_SINCE)
        self._first_page_of_both = self._page_of_both()
        self._further_page = self._page_lines(position, _BETWEEN)
        self._end = sa.select(sa.func.max(position))
        self._now_and_proof = self._witnesses_now()
        self._last = self._last_line()
        self._since = sa.select(*self._columns()).where(sa.text(_SINCE))

    def moves(self, connection: sa.Connection, after: str | None, limit: int) -> Page[JournalEntry]:
        """
        Return the moves that were committed since *after*.
        """
        cursor = snapshot_cursor(after)
        now, proof = self._now(connection, cursor)
        _check_pruned(cursor, proof, now.pruned, after)
        if not _proven(connection, cursor, proof, now, after):
            return Page((), after)
        # Of another history, *upto* may count transactions as ended that are running here.
        upto = now.ended if cursor.upto is None else cursor.upto.both(now.ended)
        lines = self._read(connection, cursor, upto, limit)
        if cursor.upto is not None and not lines:
            cursor, upto = cursor.past(upto), now.ended
            lines = self._read(connection, cursor, upto, limit)
        # Pruning may have met the page since the proof was read.
        pruned = self._pruned_by_now(connection, cursor, lines)
        if after is None:
            cursor = cursor._replace(times=horizon(pruned).times)
        _check_passed(cursor, pruned, after)
        found = lines or self._beside(connection, cursor, upto)
        witnesses = _witnesses([*proof, *found])
        following = cursor._replace(
            upto=upto,
            top=max(cursor.top, *(int(line.txid) for line in found)) if found else cursor.top,
            position=lines[-1].position if lines else 0,
            witnesses=tuple((line.position, int(line.txid)) for line in witnesses),
            digest=digest_of(witnesses),
        )
        if len(lines) < limit:
            following = following.past(upto)

        return Page(tuple(map(entry_of, lines)), str(following))

    def _now(self, connection: sa.Connection, cursor: SnapshotCursor) -> tuple[_Now, list[Any]]:
        """
        Return which transactions have ended, and the cursor's witnesses as far as they are here.
        """
        if not cursor.witnesses:
            return _now_of(connection.execute(_NOW).one()), []
        positions = [position for position, _ in cursor.witnesses]
        rows = list(connection.execute(self._now_and_proof, {"witnesses": positions}))
        proof = [row for row in rows if row.position is not None]

        now = _now_of(rows[0])._replace(pruned=rows[0].pruned)

        return now, sorted(proof, key=_position)

    def now(self, connection: sa.Connection) -> str:
        """
        Return the cursor behind the last move that is committed.

        The lines that prove it are the last one, and those that its writer had not seen.
        """
        ended = _now_of(connection.execute(_NOW).one()).ended
        start = {"seen": str(NOTHING), "upto": str(ended)}
        lines = list(connection.execute(self._last, start))
        if not lines:
            return str(SnapshotCursor())
        top = int(lines[0].txid)
        seen = parse_set(lines[0].snapshot) if lines[0].snapshot else NOTHING
        first = min(seen.running, default=seen.end)
        since = {"first": str(first), "upto": str(ended)}
        witnesses = _witnesses(list(connection.execute(self._since, since)))
        proven = tuple((line.position, int(line.txid)) for line in witnesses)

        return str(SnapshotCursor(ended.up_to(top), None, 0, top, proven, digest_of(witnesses)))

    def needed_from(self, connection: sa.Connection, after: str) -> int:
        """
        Return from which transaction on the cursor *after* needs lines; 0 if it needs all.

        It needs what it has not seen, and its witnesses.
        """
        cursor = snapshot_cursor(after)
        now, proof = self._now(connection, cursor)
        pruned = connection.execute(self._pruned).scalar()
        _check_pruned(cursor, proof, pruned, after)
        first = min(cursor.seen.running, default=cursor.seen.end)
        # It began after a pruning and has not passed it yet: one more would have it expire.
        passed = first > horizon(pruned).moves
        if not (passed and cursor.witnesses and _proven(connection, cursor, proof, now, after)):
            return 0

        return min(first, *(txid for _, txid in cursor.witnesses))

    def _pruned_by_now(
        self, connection: sa.Connection, cursor: SnapshotCursor, lines: list[Any]
    ) -> str | None:
        """
        Return how far pruning had reached when *lines* were read, or later.

        Without lines, nothing is passed over but what transactions wrote that ran before.
        """
        if lines or not cursor.seen.running:
            return lines[0].pruned if lines else None

        return connection.execute(self._pruned).scalar()

    def _read(
        self, connection: sa.Connection, cursor: SnapshotCursor, upto: TransactionSet, limit: int
    ) -> list[Any]:
        bound: dict[str, Any] = _between(cursor, upto)
        bound |= {"position": cursor.position, "limit": limit}
        if cursor.position:
            return self._read_on(connection, bound)
        if cursor.seen.running:
            page = self._first_page_of_both
            bound["running"] = [str(transaction) for transaction in cursor.seen.running]
        else:
            page = self._first_page

        return list(connection.execute(page, bound))

    def _read_on(self, connection: sa.Connection, bound: dict[str, Any]) -> list[Any]:
        """
        Return the lines from a position on, by stretches of the journal.

        PostgreSQL would read all that is left of a backlog for every page, and sort it.
        """
        lines: list[Any] = []
        limit, stretch, end = bound["limit"], _STRETCH * bound["limit"], None
        while True:
            last = bound["position"] + stretch
            bound |= {"last": last, "limit": limit - len(lines)}
            lines += connection.execute(self._further_page, bound)
            if len(lines) == limit:
                return lines
            if end is None:
                end = connection.execute(self._end).scalar() or 0
            if last >= end:
                return lines
            bound["position"], stretch = last, stretch * _STRETCH

    def _beside(
        self, connection: sa.Connection, cursor: SnapshotCursor, upto: TransactionSet
    ) -> list[Any]:
        """
        Return the last line behind an idle cursor, which is not a move, if many were written.

        Without it, every poll would pass over all of them again.
        """
        if upto.end - cursor.top <= _GAP:
            return []

        return list(connection.execute(self._last, _between(cursor, upto)))

    def _columns(self) -> list[Any]:
        """
        Return the columns of a line, with the types of PostgreSQL's own as text.
        """
        journal = self._journal
        columns: list[Any] = [c for c in journal.c if c.name not in {"txid", "snapshot"}]

        return columns + [
            sa.cast(journal.c[name], sa.Text).label(name) for name in ("txid", "snapshot")
        ]

    def _page_lines(self, order: Any, *new: Any) -> Any:
        journal = self._journal.c

        return (
            sa.select(*self._columns(), self._pruned.scalar_subquery().label("pruned"))
            .where(journal.position > sa.bindparam("position"), journal.kind == "move", *new)
            .order_by(order)
            .limit(sa.bindparam("limit"))
        )

    def _page_of_both(self) -> Any:
        running = sa.bindparam("running", expanding=True, type_=TransactionId())
        then = self._page_lines(self._sorted, self._journal.c.txid.in_(running), _ENDED)
        both = self._first_page.subquery(), then.subquery()
        union = sa.union_all(*(sa.select(each) for each in both)).subquery()

        return sa.select(union).order_by(union.c.position).limit(sa.bindparam("limit"))

    def _witnesses_now(self) -> Any:
        """
        Return the query for both of one moment, a row for each witness and one if none is here.
        """
        now = _NOW.columns(visible=sa.Text, own=sa.Text, standby=sa.Boolean).subquery("now")
        # Not any(array), for which PostgreSQL would make a plan at every poll.
        witness = self._journal.c.position.in_(sa.bindparam("witnesses", expanding=True))

        pruned = self._pruned.scalar_subquery().label("pruned")
        columns = sa.select(now, pruned, *self._columns())

        return columns.select_from(now.outerjoin(self._journal, witness))

    def _last_line(self) -> Any:
        return (
            sa.select(*self._columns())
            .where(_BEGUN_SINCE)
            .order_by(self._journal.c.txid.desc())
            .limit(1)
        )


def _now_of(row: Any) -> _Now:
    ended = below_all_running(row.visible) if row.standby else parse_set(row.visible)
    if row.own is not None:
        # What this transaction goes on to write would otherwise be taken for delivered.
        ended = ended.without(int(row.own))

    return _Now(ended, row.standby)


def _check_pruned(
    cursor: SnapshotCursor, proof: list[Any], pruned: str | None, after: object
) -> None:
    """
    Raise CursorExpiredError if moves were pruned that the cursor had not passed, or its proof was.
    """
    past = horizon(pruned)
    here = {line.position for line in proof}
    lost = any(txid <= past.lines for position, txid in cursor.witnesses if position not in here)
    if lost and past.times != cursor.times:
        raise CursorExpiredError(after, _PRUNED)
    _check_passed(cursor, pruned, after)


def _check_passed(cursor: SnapshotCursor, pruned: str | None, after: object) -> None:
    """
    Raise CursorExpiredError if moves were pruned that the cursor had not passed.
    """
    past, seen = horizon(pruned), cursor.seen
    if past.times in {0, cursor.times}:
        return
    if seen.end <= past.moves or any(txid <= past.moves for txid in seen.running):
        raise CursorExpiredError(after, _PRUNED)


def _between(cursor: SnapshotCursor, upto: TransactionSet) -> dict[str, Any]:
    return {"seen": str(cursor.seen), "upto": str(upto)}


def _position(line: Any) -> int:
    return int(line.position)


def _proven(
    connection: sa.Connection, cursor: SnapshotCursor, proof: list[Any], now: _Now, after: object
) -> bool:
    """
    Return whether everything that was delivered is here; False if it may only be on its way.

    A standby may lag behind a cursor, or be ahead of its primary for a moment; and the
    caller's transaction may see an older state.

    Raises:
        CursorForeignError: Something that was delivered is not here, and will not come.
    """
    if digest_of(proof) == cursor.digest:
        return True
    here = {line.position for line in proof}
    running = [t for p, t in cursor.witnesses if p not in here and t not in now.ended]
    if running and (now.standby or max(running) < int(connection.execute(_NEXT).scalar_one())):
        return False
    position = max(position for position, _ in cursor.witnesses)
    raise CursorForeignError(
        after, f"the journal does not hold what it proves, up to position {position}"
    )


def _witnesses(lines: list[Any]) -> list[Any]:
    """
    Return those of *lines* that no writer of another one had seen, in order of position.

    A writer sees only lines of lower positions.
    """
    found: list[tuple[Any, int, TransactionSet | None]] = []
    for line in sorted(lines, key=_position, reverse=True):
        txid = int(line.txid)
        if not any(_implies(seen, other, txid, line) for _, other, seen in found):
            found.append((line, txid, line.snapshot and parse_set(line.snapshot)))

    return [line for line, _, _ in reversed(found)]


def _implies(seen: TransactionSet | None, other: int, txid: int, line: Any) -> bool:
    if seen is None:
        # Lines of version 1 of the tables keep no snapshot. All were committed when the
        # tables were migrated, and are there together or not at all.
        return line.snapshot is None

    return txid == other or txid in seen
