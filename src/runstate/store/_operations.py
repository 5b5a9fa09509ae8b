"""
What a store does, on a connection that it is given.

Every operation is before or after, never between: state, journal and feed are written
in the transaction of the connection. :class:`RunStore` and :class:`AsyncRunStore` open
one of their own, or take the caller's; what happens in it is said here once.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

import sqlalchemy as sa

from .._keywords import refuse_unknown
from ..errors import PayloadError
from ..lifecycle._rows import CREATE, name_of
from ..lifecycle._table import Lifecycle
from ..runs._log import Moved
from ..runs._wire import FIRST_SECOND, LAST_SECOND
from ._archiving import Archive, check_archive
from ._arguments import mapping
from ._counts import count, count_rows, roll_up
from ._feed import feed_of
from ._hooks import Hooks, MoveEvent
from ._kinds import Kind, New, readable
from ._layout import Layout
from ._payload import Move, Preparation, check_not_before, key_of_attempt
from ._places import give_places
from ._records import (
    as_json,
    check_expires_after,
    check_expires_at,
    checked,
    creation_of,
    entry_of,
    is_seconds,
    is_word,
    last_moved,
    line_of,
    one_line,
    valid_id,
)
from ._retention import Retention
from ._row_errors import ClockError, UnreadableRunError, wrong_argument
from ._sql import LONGEST_LEASE
from ._statements import MoveStatements, Statements
from ._tables import Tables
from ._verdicts import (
    AnswerMismatchError,
    Applied,
    Duplicate,
    Fire,
    Held,
    History,
    Illegal,
    JournalEntry,
    KeyReusedError,
    Lease,
    Page,
    PageCursor,
    RunExistsError,
    RunNotFoundError,
    Stale,
    Superseded,
    Verdict,
)

__all__ = ["Creation", "Made", "Operations", "check_lease", "hash_of"]

_MOST_UNREADABLE: Final = 100
"""How many runs that cannot be read one claim sets aside."""
_SECONDS_ASIDE: Final = 60.0
"""How long such a run is left alone; another version of the package may read it then."""
_LOOKS: Final = 20
"""How often a run may be moved between two looks before something must be wrong."""


_MOST_LATE: Final = 20
"""So many late outcomes of a run are kept in its journal: the first ones."""


_T = TypeVar("_T")


class Creation(NamedTuple):
    """
    What an object is created with, besides its fields.
    """

    id: str | None = None
    status: str | None = None
    expires_after: int | None = None
    expires_at: int | None = None
    not_before: float | None = None
    key: str | None = None


class Made(NamedTuple, Generic[_T]):
    """
    An object, and the move that made it what it is.
    """

    object: _T
    moved: tuple[Moved, ...]


class Operations(Generic[_T]):
    """
    The operations of one store; each takes the connection to work on first.
    """

    def __init__(
        self,
        tables: Tables,
        lifecycle: Lifecycle,
        layout: Layout,
        statements: Statements,
        kind: Kind[_T],
        expires_after: int | None,
        report: Callable[[UnreadableRunError], None],
        hooks: Hooks,
    ) -> None:
        self._tables = tables
        self._lifecycle = lifecycle
        self._layout = layout
        self._sql = statements
        self._kind = kind
        self._expires_after = expires_after
        self._report = report
        self._hooks = hooks
        self._retention = Retention(tables, statements.say)
        self._prepare = Preparation(lifecycle, layout, kind, statements)
        self._feed = feed_of(tables, statements.say.database)

    # -- runs ----------------------------------------------------------------------

    def create(
        self, connection: sa.Connection, fields: Mapping[str, Any], creation: Creation
    ) -> Made[_T]:
        """
        Store a new run, and return it.
        """
        if not self._hooks:
            return self._create(connection, fields, creation)
        with self._hooks.undoing(connection):
            made = self._create(connection, fields, creation)
            for moved in made.moved:
                self._call_after(connection, moved, made.object)

        return made

    def _create(
        self, connection: sa.Connection, fields: Mapping[str, Any], creation: Creation
    ) -> Made[_T]:
        new, given = self._new(fields, creation)
        rows = self._sql.create[new.status].run(connection, **given)
        if not rows:
            self._check_clock(connection)
            return Made(self._created_before(connection, new.id, _digest(new), creation.key), ())
        row = rows[0]
        if (row.id, row.last_trigger) != (new.id, CREATE):
            raise AnswerMismatchError(row.id, CREATE, row.last_trigger, None)
        moved = creation_of(row)
        payload = None if creation.key is None else as_json({"digest": _digest(new)})
        self._sql.line.add(connection, [line_of(moved, key=creation.key, payload=payload)])

        return Made(self._kind.stored(new, row), (moved,))

    def create_many(
        self, connection: sa.Connection, items: Iterable[Mapping[str, Any]], creation: Creation
    ) -> Made[tuple[_T, ...]]:
        """
        Store new runs, all or none.
        """
        if not self._hooks:
            return self._create_many(connection, items, creation)
        with self._hooks.undoing(connection):
            made = self._create_many(connection, items, creation)
            for moved, each in zip(made.moved, made.object, strict=True):
                self._call_after(connection, moved, each)

        return made

    def _create_many(
        self, connection: sa.Connection, items: Iterable[Mapping[str, Any]], creation: Creation
    ) -> Made[tuple[_T, ...]]:
        pairs = [self._new(mapping("items", fields), creation) for fields in items]
        if not pairs:
            return Made((), ())
        statement = self._sql.create_many[pairs[0][0].status]
        batch = json.dumps([given for _, given in pairs])
        rows = {row.id: row for row in statement.run(connection, batch=batch)}
        if len(rows) < len(pairs):
            self._check_clock(connection)
            taken = (new.id for new, _ in pairs if rows.pop(new.id, None) is None)
            raise RunExistsError(next(taken), self._layout.noun)
        moved = tuple(creation_of(rows[new.id]) for new, _ in pairs)
        self._sql.line.add(connection, [line_of(each) for each in moved])

        return Made(tuple(self._kind.stored(new, rows[new.id]) for new, _ in pairs), moved)

    def _new(self, fields: Mapping[str, Any], creation: Creation) -> tuple[New[_T], dict[str, Any]]:
        """
        Return a new object, and what its statement is given.
        """
        self._check_creation(creation)
        identity = creation.id
        if identity is None and creation.key is not None:
            # The same key leads to the same id, so that the database finds out who was first.
            identity = f"{self._layout.noun}_{hash_of(creation.key)}"
        if "id" in fields:
            fields = dict(fields)
            identity = fields.pop("id")
        new = self._kind.new(identity, creation.status, fields)
        after = creation.expires_after
        given = {
            **self._sql.nothing_new,
            **new.values,
            "id": new.id,
            "expires_after": self._expires_after if after is None else after,
            "expires_at": creation.expires_at,
        }
        if self._layout.extended:
            given["not_before"] = creation.not_before

        return new, given

    def _created_before(
        self, connection: sa.Connection, run_id: str, digest: str, key: str | None
    ) -> _T:
        """
        Return the object that was created under *key* before.

        Raises:
            RunExistsError: The one that has its id was not.
            StoreArgumentError: It was created with other fields.
        """
        if key is None or not (lines := self._sql.keyed.run(connection, id=run_id, key=key)):
            raise RunExistsError(run_id, self._layout.noun)
        if entry_of(lines[0]).payload != {"digest": digest}:
            raise wrong_argument("key", "the same fields as when the key was first used", key)

        return self._kind.read(self._row(connection, run_id))

    def update(self, connection: sa.Connection, run_id: str, fields: Mapping[str, Any]) -> _T:
        """
        Replace fields that the lifecycle does not own, and return the run.
        """
        runs = self._tables.runs
        for _ in range(_LOOKS):
            row = self._row(connection, run_id)
            values = self._kind.changed(row, fields)
            # Only what differs: another writer may change another column meanwhile.
            new = {name: value for name, value in values.items() if value != getattr(row, name)}
            if not new:
                return self._kind.read(row)
            same = (runs.c[name].is_not_distinct_from(getattr(row, name)) for name in new)
            change = runs.update().where(runs.c.id == row.id, *same).values(new)
            if connection.execute(change).rowcount:
                return self._kind.read(self._row(connection, run_id))
        raise RuntimeError(
            f"{self._layout.noun} {run_id!r} kept changing; gave up after {_LOOKS} attempts"
        )

    def _check_creation(self, creation: Creation) -> None:
        check_expires_after(creation.expires_after)
        check_expires_at(creation.expires_at, creation.expires_after)
        check_not_before(creation.not_before, self._layout)
        one_line(key=creation.key)
        if self._layout.deadline is None and not (
            creation.expires_after is creation.expires_at is None
        ):
            expected = f"None: the lifecycle {self._lifecycle.name} has no field for a deadline"
            raise wrong_argument("expires_after", expected, creation.expires_after)

    def get(self, connection: sa.Connection, run_id: str) -> _T:
        """
        Return the run as it is now.
        """
        return self._kind.read(self._row(connection, run_id))

    def history(self, connection: sa.Connection, run_id: str) -> History:
        """
        Return everything the journal says of a run, oldest first, and what is missing of it.
        """
        runs, journal = self._tables.runs, self._tables.journal
        name = valid_id(run_id, self._layout.noun)
        # One statement, or a move in between would seem to be missing.
        lines = connection.execute(
            sa.select(journal, runs.c.version.label("moves_made"))
            .select_from(runs.outerjoin(journal, journal.c.run_id == runs.c.id))
            .where(runs.c.id == name)
            .order_by(journal.c.position)
        ).all()
        if lines:
            return _history(lines, lines[0].moves_made)
        lines = connection.execute(
            sa.select(journal).where(journal.c.run_id == name).order_by(journal.c.position)
        ).all()
        if not lines:
            raise RunNotFoundError(run_id, self._layout.noun)

        # The row was deleted, and its lines were not.
        return _history(lines, 0)

    def moves(self, connection: sa.Connection, after: str | None, limit: int) -> Page[JournalEntry]:
        """
        Return the moves that were committed since *after*.
        """
        return self._feed.moves(connection, after, checked(limit))

    def cursor(self, connection: sa.Connection) -> str:
        """
        Return the cursor behind the last move that is committed.
        """
        return self._feed.now(connection)

    def prune(
        self,
        connection: sa.Connection,
        seconds: Any,
        status: str | Iterable[str] | None,
        most: int,
        keep_after: str | Iterable[str] | None,
        archive: Archive | None,
    ) -> int:
        """
        Delete ended runs that were last moved *seconds* ago, and return how many.
        """
        if not is_seconds(seconds) or seconds < 0:
            raise wrong_argument("older_than", "a number of seconds from 0 on", seconds)
        wanted = self._lifecycle.terminal if status is None else _listed(status)
        ends = [self._known(each) for each in wanted]
        for each in ends:
            if not self._lifecycle.is_terminal(each):
                raise wrong_argument("status", "statuses that are terminal", each)
        checked(most)
        check_archive(connection, archive)
        if self._sql.say.mariadb:
            give_places(connection, self._tables)
        needed = self._needed_from(connection, keep_after)
        if needed == 0:
            return 0
        # What the archive raises undoes the deletion in a transaction of the caller's, too.
        if archive is None:
            return self._retention.prune(connection, ends, seconds, most, needed, None)
        with connection.begin_nested():
            return self._retention.prune(connection, ends, seconds, most, needed, archive)

    def _needed_from(
        self, connection: sa.Connection, cursors: str | Iterable[str] | None
    ) -> int | None:
        """
        Return from which place of the feed on *cursors* need lines; None if there are none.
        """
        if cursors is None:
            return None
        several: Any = [cursors] if isinstance(cursors, str) else cursors
        if not isinstance(several, Iterable) or None in (several := list(several)):
            raise wrong_argument("keep_after", "a cursor, or several", cursors)

        return min((self._feed.needed_from(connection, each) for each in several), default=None)

    def erase(self, connection: sa.Connection, run_id: str) -> _T:
        """
        Erase what came with the moves of an ended run, and return it.
        """
        rows = self._sql.locked_row.run(connection, id=valid_id(run_id, self._layout.noun))
        if not rows:
            raise RunNotFoundError(run_id, self._layout.noun)
        if not self._lifecycle.is_terminal(rows[0].status):
            raise wrong_argument("run_id", f"a {self._layout.noun} that has ended", run_id)
        self._retention.erase(connection, run_id)

        return self._kind.read(self._row(connection, run_id))

    def give_places(self, connection: sa.Connection) -> None:
        """
        Give the lines of the journal that are committed their places in the feed.
        """
        give_places(connection, self._tables)

    def counts(self, connection: sa.Connection) -> dict[str, int]:
        """
        Return how many runs are in each status.
        """
        known = dict.fromkeys(map(str, self._lifecycle.statuses), 0)
        met = self._sql.say.met()
        if met:
            return known | count_rows(connection, self._tables, met)

        return known | count(connection, self._tables)

    def stuck(
        self, connection: sa.Connection, limits: Mapping[str, float], most: int
    ) -> tuple[_T, ...]:
        """
        Return runs that have been in a status for longer than its limit, the longest first.
        """
        for status, seconds in mapping("limits", limits).items():
            self._known(status)
            if not (seconds == math.inf or (is_seconds(seconds) and seconds >= 0)):
                raise wrong_argument(f"limits[{status!r}]", "a number of seconds", seconds)
        runs, say = self._tables.runs, self._sql.say
        clock = say.clock()
        too_long = [
            sa.and_(
                say.seldom(runs.c.status == status), runs.c.moved_at <= clock.c.now - float(seconds)
            )
            for status, seconds in limits.items()
            if seconds != math.inf
        ]
        rows = connection.execute(
            sa.select(runs)
            .select_from(clock)
            .join(runs, sa.or_(sa.false(), *too_long))
            .where(*say.met())
            .order_by(runs.c.moved_at, runs.c.id)
            .limit(checked(most))
        ).all()

        return readable(self._kind, self._shown(connection, rows), self._report)

    def page(
        self,
        connection: sa.Connection,
        status: str | Iterable[str] | None,
        columns: Mapping[str, Any],
        after: str | None,
        before: str | None,
        limit: int,
        order: Literal["asc", "desc"],
    ) -> Page[_T]:
        """
        Return a page of runs by the time of their creation.
        """
        if order not in ("asc", "desc"):
            raise wrong_argument("order", "'asc' or 'desc'", order)
        if after is not None and before is not None:
            raise wrong_argument("before", "None where after is given", before)
        runs = self._tables.runs
        query = sa.select(runs).where(*self._filters(status, columns))
        place: Any = sa.tuple_(runs.c.born_at, runs.c.id)
        # A page before some run is read from there backwards, and turned round.
        newest_first = (order == "desc") == (before is None)
        beside = after if before is None else before
        if beside is not None:
            born_at, run_id = self._place(connection, beside)
            here = sa.tuple_(sa.literal(born_at, sa.Double()), sa.literal(run_id, sa.Text()))
            query = query.where(place < here if newest_first else place > here)
        by = [c.desc() if newest_first else c.asc() for c in (runs.c.born_at, runs.c.id)]
        rows = connection.execute(query.order_by(*by).limit(checked(limit) + 1)).all()
        found = rows[:limit] if before is None else rows[:limit][::-1]
        unreadable: list[UnreadableRunError] = []
        items = readable(self._kind, self._shown(connection, found), unreadable.append)
        for error in unreadable:
            self._report(error)
        more = len(rows) > limit or (before is not None and rows)

        cursor = PageCursor(found[-1].id, found[-1].born_at) if more else None

        return Page(items, cursor, tuple(unreadable))

    def _place(self, connection: sa.Connection, beside: str) -> tuple[float, str]:
        """
        Return by what a list is ordered, of the run whose id or whose page's cursor is *beside*.
        """
        if isinstance(beside, PageCursor):
            return beside.born_at, str(beside)
        try:
            row = self._row(connection, beside)
        except RunNotFoundError:
            advice = (
                "if it was deleted while a list was read, list from the beginning, or give the "
                "id of one that is there"
            )
            raise RunNotFoundError(beside, self._layout.noun, advice) from None

        return row.born_at, row.id

    def _filters(
        self, status: str | Iterable[str] | None, columns: Mapping[str, Any]
    ) -> Iterator[Any]:
        """
        Yield the conditions of a list.
        """
        runs = self._tables.runs.c
        if status is not None:
            known = [self._known(each) for each in _listed(status)]
            yield runs.status == known[0] if len(known) == 1 else runs.status.in_(known)
        for name, value in self._checked_columns("list", columns).items():
            # What no column can hold never reaches the database, which might choke on it.
            held = not isinstance(value, str) or is_word(value)
            yield runs[name] == value if held else sa.false()

    def _checked_columns(self, method: str, columns: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the columns that have a value, each of a type that the column can hold.
        """
        refuse_unknown(method, columns, self._layout.columns)
        for name, value in columns.items():
            kind = self._layout.columns[name]
            if type(value) is not kind and not isinstance(value, str):
                expected = "text" if kind is str else f"{kind.__name__}"
                raise wrong_argument(name, expected, value)

        return dict(columns)

    # -- moves ---------------------------------------------------------------------

    def fire(self, connection: sa.Connection, fire: Fire) -> Verdict:
        """
        Fire one trigger.
        """
        for look in range(_LOOKS):
            move = self._move(connection, fire, again=look > 0)
            made = self._hooked if self._hooks else self._made
            moved = made(connection, move)
            if moved is not None:
                return Applied(moved)
            verdict = self._refused(connection, move)
            if verdict is not None:
                return verdict
        raise RuntimeError(
            f"{self._layout.noun} {fire.run_id!r} kept changing; gave up after {_LOOKS} attempts"
        )

    def _made(self, connection: sa.Connection, move: Move) -> Moved | None:
        """
        Make one move, and return its record; None if it could not be made.
        """
        rows = move.way.one.run(connection, **move.given)
        if not rows:
            return None
        moved = move.moved(rows[0])
        if moved.run_id != move.run_id:
            raise AnswerMismatchError(moved.run_id, move.fire.trigger, moved.trigger, moved.target)
        if not self._sql.postgres:
            self._sql.line.add(connection, [move.line(moved)])

        return moved

    def _hooked(self, connection: sa.Connection, move: Move) -> Moved | None:
        """
        Make one move between its hooks.
        """
        with self._hooks.undoing(connection) as undo:
            rows = self._locked(connection, move.run_id)
            if not rows or not self._prepare.can_make(move, rows[0].status):
                return None
            fire, row = move.fire, rows[0]
            event = MoveEvent(
                self._snapshot(row), fire.trigger, row.status, move.way.target, fire.payload,
                fire.actor, None, None,
            )  # fmt: skip
            self._hooks.call_before(connection, event)
            moved = self._made(connection, move.at_version(row.version))
            if moved is None:
                # What the hooks wrote belongs to a move that was not made.
                undo()
                return None
            now = self._snapshot(self._row(connection, move.run_id))
            self._call_after(connection, moved, now, fire.payload, fire.actor)

        return moved

    def _snapshot(self, row: Any) -> _T | None:
        """
        Return the object that *row* holds; None if it holds none, which stops no move.
        """
        found = readable(self._kind, [row], self._report)

        return found[0] if found else None

    def _call_after(
        self,
        connection: sa.Connection,
        moved: Moved,
        snapshot: Any,
        payload: Mapping[str, Any] = MappingProxyType({}),
        actor: str | None = None,
    ) -> None:
        event = MoveEvent(
            snapshot, moved.trigger, moved.source, moved.target, payload, actor, None, moved
        )
        self._hooks.call_after(connection, event)

    def fire_many(self, connection: sa.Connection, fires: Iterable[Fire]) -> tuple[Verdict, ...]:
        """
        Fire triggers in order, in as few statements as that allows.
        """
        if self._hooks:
            return tuple(self.fire(connection, fire) for fire in fires)
        verdicts: list[Verdict] = []
        batch: dict[str, Move] = {}
        for fire in fires:
            # Looked over only when its turn comes: a batch before it may move the same run.
            if fire.run_id in batch:
                verdicts += self._fire_batch(connection, batch)
                batch = {}
            move = self._move(connection, fire)
            if any(first.way is not move.way for first in islice(batch.values(), 1)):
                verdicts += self._fire_batch(connection, batch)
                batch = {}
            batch[fire.run_id] = move

        return (*verdicts, *self._fire_batch(connection, batch))

    def _fire_batch(self, connection: sa.Connection, batch: Mapping[str, Move]) -> list[Verdict]:
        moved = self._moved(connection, tuple(batch.values())) if len(batch) > 1 else {}

        return [
            Applied(moved[run_id]) if run_id in moved else self.fire(connection, move.fire)
            for run_id, move in batch.items()
        ]

    def _moved(self, connection: sa.Connection, batch: Sequence[Move]) -> dict[str, Moved]:
        """
        Make moves of one trigger at different runs, and return those that were made.
        """
        if self._hooks:
            one_by_one = {move.run_id: self._hooked(connection, move) for move in batch}
            return {run_id: moved for run_id, moved in one_by_one.items() if moved is not None}
        given = json.dumps([move.given for move in batch])
        moved = {
            row[0]: batch[0].moved(row) for row in batch[0].way.many.run(connection, batch=given)
        }
        if not self._sql.postgres:
            made = [move.line(moved[move.run_id]) for move in batch if move.run_id in moved]
            self._sql.line.add(connection, made)

        return moved

    def _move(self, connection: sa.Connection, fire: Fire, *, again: bool = False) -> Move:
        """
        Return *fire* looked over, with its payload parsed; *again* if it was in vain before.
        """
        if not self._prepare.needs_the_run(fire):
            try:
                return self._prepare.move(fire)
            except PayloadError as error:
                row = self._row(connection, fire.run_id)
                raise self._prepare.fault(error, fire.run_id, row.status) from None
        row = self._row(connection, fire.run_id)
        if again and self._may_be_old(connection, row):
            # The snapshot of the caller's transaction would be the same at every look.
            row = self._locked(connection, fire.run_id)[0]
        try:
            move = self._prepare.move_of(fire, row)
        except PayloadError as error:
            if self._keyed(connection, fire, row):
                # A retry, of a trigger that was judged beside what the run held then.
                return self._prepare.unjudged(fire)
            raise self._prepare.fault(error, fire.run_id, row.status) from None
        if move.way.reopens and self._keyed(connection, fire, row):
            # A retry of the reopening that began this attempt, which has ended by now.
            return move.not_made("")

        return move

    def _refused(self, connection: sa.Connection, move: Move) -> Verdict | None:
        """
        Return why nothing was moved; None if it could be moved by now.
        """
        row, fire = self._row(connection, move.run_id), move.fire
        if self._may_be_old(connection, row):
            # PostgreSQL refuses the lock if the run has changed since: no verdict is out of date.
            row = self._locked(connection, move.run_id)[0]
        first = self._keyed(connection, fire, row)
        if first is not None:
            if first.trigger != fire.trigger:
                raise KeyReusedError(
                    fire.run_id, fire.key or "", fire.trigger, first.trigger, self._layout.noun
                )
            return Duplicate(entry_of(first).moved)
        ended = self._lifecycle.is_terminal(row.status)
        if fire.token is not None:
            held = row.lease_until is not None and row.lease_until > row.now
            if row.lease_token != fire.token or not (ended or held):
                return Stale(fire.token, status=row.status)
        moved_on = fire.expected_version not in (None, row.version)
        if moved_on and not ended:
            return Stale(fire.token, fire.expected_version, row.status)
        if ended and (moved_on or not self._lifecycle.reopening(fire.trigger, row.status)):
            if self._lifecycle.is_terminal(move.way.target):
                self._keep_late(connection, row, move)
            return Superseded(row.status, row.last_trigger, last_moved(row))
        legal = ended or self._lifecycle.candidates(fire.trigger, row.status)
        if legal and not move.reason:
            self._check_clock(connection)
            return None

        return Illegal(
            row.status, self._lifecycle.allowed(row.status), row.last_trigger, move.reason
        )

    def _may_be_old(self, connection: sa.Connection, row: Any) -> bool:
        """
        Return whether *row* may be older than what is committed.
        """
        if not self._sql.say.mariadb:
            return bool(row.is_snapshot)

        # No expression for it is the same on MariaDB and MySQL.
        return connection.get_isolation_level() != "READ COMMITTED"

    def _keyed(self, connection: sa.Connection, fire: Fire, row: Any) -> Any:
        """
        Return the journal's line of the move that was made under the key; None if there is none.
        """
        if fire.key is None:
            return None
        reopened = row.reopened if self._layout.extended else 0
        key = key_of_attempt(fire.key, reopened)
        lines = self._sql.keyed.run(connection, id=fire.run_id, key=key)

        return lines[0] if lines and lines[0].kind == "move" else None

    def _keep_late(self, connection: sa.Connection, row: Any, move: Move) -> None:
        """
        Keep a late outcome, if not many are kept of the run: any caller may send more.
        """
        if self._sql.late.run(connection, id=move.run_id)[0].kept >= _MOST_LATE:
            return
        at = max(row.now, row.moved_at)
        late = Moved(move.run_id, move.fire.trigger, row.status, "", at)
        self._sql.late_line.add(connection, [move.line(late, kind="late", target=None)])

    # -- leases --------------------------------------------------------------------

    def claim(
        self, connection: sa.Connection, worker: Any, seconds: Any, where: Mapping[str, Any]
    ) -> Made[Lease[_T] | None]:
        """
        Return a lease on a run that no worker holds; None if no run is waiting.
        """
        made = self._leased(connection, worker, seconds, where, None)

        return Made(made.object[0] if made.object else None, made.moved)

    def claim_many(
        self,
        connection: sa.Connection,
        worker: Any,
        seconds: Any,
        where: Mapping[str, Any],
        limit: int,
    ) -> Made[tuple[Lease[_T], ...]]:
        """
        Return leases on runs that no worker holds, as many as *limit*.
        """
        return self._leased(connection, worker, seconds, where, checked(limit))

    def _leased(
        self,
        connection: sa.Connection,
        worker: Any,
        seconds: Any,
        where: Mapping[str, Any],
        limit: int | None,
    ) -> Made[tuple[Lease[_T], ...]]:
        if not self._hooks:
            return self._claim(connection, worker, seconds, where, limit)
        with self._hooks.undoing(connection):
            made = self._claim(connection, worker, seconds, where, limit)
            runs = {lease.id: lease.run for lease in made.object}
            for moved in made.moved:
                self._call_after(connection, moved, runs[str(moved.run_id)], actor=worker)

        return made

    def _claim(
        self,
        connection: sa.Connection,
        worker: Any,
        seconds: Any,
        where: Mapping[str, Any],
        limit: int | None,
    ) -> Made[tuple[Lease[_T], ...]]:
        self._check_claim(worker, seconds)
        columns = self._checked_columns("where", mapping("where", where))
        statement = self._sql.leases.claim(columns, many=limit is not None)
        given = {f"where_{name}": value for name, value in columns.items()}
        leases: list[Lease[_T]] = []
        moved: list[Moved] = []
        for _ in range(_MOST_UNREADABLE):
            rows = statement.run(
                connection, worker=worker, seconds=float(seconds), most=limit, **given
            )
            rows = self._taken(connection, rows)
            for row in sorted(rows, key=_age) if len(rows) > 1 else rows:
                if row.lease_owner != worker:
                    raise AnswerMismatchError(row.id, "claim", row.last_trigger, row.status)
                try:
                    leases.append(self._lease(row, worker, seconds))
                    moved += [last_moved(row)] if row.attempt == 1 else []
                except UnreadableRunError as error:
                    self._set_aside(connection, row, error)
            if not self._sql.postgres:
                self._sql.line.add(connection, [_line_of_claim(row, seconds) for row in rows])
            if leases or not rows:
                break

        return Made(tuple(leases), tuple(moved))

    def _lease(self, row: Any, worker: str, seconds: float) -> Lease[_T]:
        run, claims = self._kind.read(row), row.claims if self._layout.extended else 0

        return Lease(
            run, row.lease_token, worker, row.lease_until, row.attempt, seconds, row.id, claims
        )

    def _check_claim(self, worker: Any, seconds: Any) -> None:
        one_line(worker=worker)
        if worker is None:
            raise wrong_argument("worker", "the name of the worker", worker)
        if not is_seconds(seconds) or not 0 < seconds <= LONGEST_LEASE:
            raise wrong_argument("seconds", "a positive number of seconds, up to 30 days", seconds)
        if not self._sql.say.claims:
            raise wrong_argument(
                "claim",
                f"a lifecycle with a trigger by which a worker takes a {self._layout.noun}; "
                "name it when the store is opened: claim=",
                None,
            )

    def _set_aside(self, connection: sa.Connection, row: Any, error: UnreadableRunError) -> None:
        """
        Keep a run that cannot be read leased for a while, so that claims find the others.
        """
        self._sql.leases.heartbeat.run(
            connection, id=row.id, token=row.lease_token, seconds=_SECONDS_ASIDE
        )
        self._report(error)

    def heartbeat(self, connection: sa.Connection, lease: Lease[_T]) -> Held | Stale:
        """
        Renew *lease*.
        """
        check_lease(lease)
        rows = self._sql.leases.heartbeat.run(
            connection, id=lease.id, token=lease.token, seconds=lease.seconds
        )
        if not rows:
            return Stale(lease.token)
        row = rows[0]

        return Held(row.lease_until, row.status in self._sql.say.given_up)

    def heartbeat_many(
        self, connection: sa.Connection, leases: Sequence[Lease[_T]]
    ) -> tuple[Held | Stale, ...]:
        """
        Renew *leases*.
        """
        batch = json.dumps([{"id": x.id, "token": x.token, "seconds": x.seconds} for x in leases])
        rows = self._sql.leases.heartbeats.run(connection, batch=batch) if leases else ()
        held = {
            (row.id, row.lease_token): Held(row.lease_until, row.status in self._sql.say.given_up)
            for row in rows
        }

        return tuple(held.get((x.id, x.token), Stale(x.token)) for x in leases)

    def release(self, connection: sa.Connection, lease: Lease[_T]) -> bool:
        """
        Give *lease* back.
        """
        check_lease(lease)
        rows = self._sql.leases.release.run(connection, id=lease.id, token=lease.token)
        if rows:
            at = max(rows[0].lease_until, rows[0].moved_at)
            line = _line_about(lease, "release", at)
            self._sql.line.add(connection, [line])

        return bool(rows)

    def sweep(self, connection: sa.Connection, limit: int) -> tuple[Moved, ...]:
        """
        End what is overdue, and bring the counts up to now.
        """
        moved: dict[str, Moved] = {}
        checked(limit)
        self._sql.leases.rearm.add(connection, [{}])
        for query in self._sql.leases.overdue:
            due: dict[MoveStatements, list[Move]] = {}
            for row in query.run(connection, most=limit - len(moved)):
                if row.id not in moved:
                    move = self._prepare.ending(
                        Fire(row.id, row.trigger, actor="sweep"), row.status
                    )
                    # Armed against what was seen: who moved the run meanwhile is not undone.
                    due.setdefault(move.way, []).append(move.at_version(row.version))
            for batch in due.values():
                moved |= self._moved(connection, batch)
        if self._sql.say.mariadb:
            give_places(connection, self._tables)
        roll_up(connection, self._tables)

        return tuple(moved.values())

    # -- shared ----------------------------------------------------------------------

    def _known(self, status: Any) -> str:
        word = name_of(status)
        if not isinstance(word, str) or word not in self._lifecycle.known:
            statuses = ", ".join(map(str, self._lifecycle.statuses))
            raise wrong_argument(
                "status", f"a status of {self._lifecycle.name} ({statuses})", status
            )

        return word

    def _check_clock(self, connection: sa.Connection) -> None:
        """
        Raise ClockError if the clock shows a time at which nothing can be stored.
        """
        now = self._sql.now.run(connection)[0].now
        if not (isinstance(now, float | int) and FIRST_SECOND <= now <= LAST_SECOND):
            raise ClockError(now)

    def _locked(self, connection: sa.Connection, run_id: str) -> Sequence[Any]:
        return self._sql.locked_row.run(connection, id=run_id)

    def _shown(self, connection: sa.Connection, rows: Sequence[Any]) -> Sequence[Any]:  # noqa: ARG002
        """
        Return *rows* with all that objects are read from.
        """
        return rows

    def _taken(self, connection: sa.Connection, rows: Sequence[Any]) -> Sequence[Any]:  # noqa: ARG002
        """
        Return *rows*, which a claim has taken, with all that objects are read from.
        """
        return rows

    def _row(self, connection: sa.Connection, run_id: str) -> Any:
        rows = self._sql.row.run(connection, id=valid_id(run_id, self._layout.noun))
        if not rows:
            raise RunNotFoundError(run_id, self._layout.noun)

        return rows[0]


def hash_of(text: str) -> str:
    """
    Return a short digest of *text*.
    """
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _history(lines: Sequence[Any], moves_made: int) -> History:
    """
    Return *lines* of a run that has made at least so many moves; one without a position stands for none.
    """
    entries = [entry_of(line) for line in lines if line.position is not None]
    there = {entry.seq for entry in entries if entry.kind == "move" and entry.seq is not None}
    last = max(moves_made, *there, 0)

    return History(entries, sorted(set(range(1, last + 1)) - there))


def _digest(new: New[Any]) -> str:
    """
    Return a digest of what an object is created with.
    """
    return hash_of(json.dumps(new.values, sort_keys=True))


def _listed(statuses: Any) -> Sequence[Any]:
    """
    Return *statuses*, one or several, as several; at least one.
    """
    if isinstance(statuses, str | Enum):
        return (statuses,)
    listed = tuple(statuses) if isinstance(statuses, Iterable) else ()
    if not listed:
        raise wrong_argument("status", "a status, or several", statuses)

    return listed


def check_lease(lease: Lease[Any]) -> None:
    """
    Refuse what no claim returned.
    """
    if not isinstance(lease, Lease):
        raise wrong_argument("lease", "a lease that claim() returned", lease)


def _age(row: Any) -> tuple[Any, ...]:
    return row.born_at, row.id


def _line_of_claim(row: Any, seconds: float) -> dict[str, Any]:
    """
    Return the journal's line about the claim that answered with *row*.
    """
    if row.attempt == 1:
        return line_of(last_moved(row), token=row.lease_token, actor=row.lease_owner)
    at = max(row.lease_until - seconds, row.moved_at)

    return _line_without_move(row.id, row.lease_token, row.lease_owner, "claim", at)


def _line_about(lease: Lease[Any], kind: str, at: float) -> dict[str, Any]:
    """
    Return the journal's line about what happened to *lease*.
    """
    return _line_without_move(lease.id, lease.token, lease.worker, kind, at)


def _line_without_move(
    run_id: str, token: int, worker: str, kind: str, at: float
) -> dict[str, Any]:
    nothing = {"seq": None, "trigger": None, "source": None, "target": None}
    line = line_of(Moved(run_id, "", None, "", at), token=token, actor=worker)

    return line | nothing | {"kind": kind}
