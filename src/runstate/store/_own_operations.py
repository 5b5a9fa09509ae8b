"""
What a store does where its objects are rows of the application's own table.

Each operation on an object locks the application's row, and then looks whether it is in the
status that the store knows. If something else has inserted or moved it, the store takes that
for what it is, adds it to the journal as adopted, and goes on from there.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..lifecycle._rows import CREATE
from ..runs._log import Moved
from ._kinds import RecordKind
from ._operations import Creation, Made, Operations, check_lease, hash_of
from ._own_rows import ADOPT, ADOPTED, OwnRow, OwnRows
from ._own_table import FIRST
from ._payload import Move
from ._records import (
    as_json,
    creation_of,
    is_word,
    last_moved,
    line_of,
    one_line,
    valid_id,
)
from ._row_errors import StatusMissingError, UnreadableRunError, wrong_argument
from ._row_keys import row_id
from ._verdicts import (
    Fire,
    Held,
    History,
    Lease,
    RunExistsError,
    RunNotFoundError,
    Stale,
    Verdict,
)

__all__ = ["OwnKind", "OwnOperations"]

_T = TypeVar("_T")

_MOST_AT_ONCE: Final = 100
"""How many rows that wait a claim takes into the store when it knows of none."""


class _MetFire(Fire):
    """
    A trigger to fire at a row that is locked.
    """

    met_at: float | None
    """Since when."""


def _met_by(fire: Fire, row: OwnRow) -> _MetFire:
    met = _MetFire._make(fire._replace(run_id=row.id))
    met.met_at = row.now

    return met


def _line(moved: Moved, **more: Any) -> dict[str, Any]:
    """
    Return the journal's line about *moved*; nobody knows the trigger of a move that was adopted.
    """
    if moved.trigger == ADOPT:
        more |= {"trigger": None, "reason": ADOPTED}

    return line_of(moved, **more)


class OwnKind(RecordKind[_T]):
    """
    Objects that are rows of the application's own table.
    """

    def draft(self, status: str | None) -> str:
        """
        Return the status that a new object begins in.
        """
        return self._beginning(status)

    def read(self, row: Any) -> _T:
        """See the protocol."""
        if row.own is None:
            reason = "its row was deleted, or does not meet the condition of the store"
            raise UnreadableRunError(row.id, reason, self._layout.noun)
        if row.unknown is not None:
            raise row.unknown

        return super().read(row)

    def _facts(self, row: Any) -> dict[str, Any]:
        lifecycle, facts = self._lifecycle, super()._facts(row)
        ours = (lifecycle.id_field, lifecycle.status_field, lifecycle.attempt_field, "version")

        return {**facts, **row.own, **{name: facts[name] for name in ours}}


class OwnOperations(Operations[_T]):
    """
    The operations of a store whose objects are rows of *own*.
    """

    def __init__(self, own: OwnRows, *parts: Any) -> None:
        super().__init__(*parts)
        self._own = own

    # -- meeting the rows --------------------------------------------------------------

    def _met(self, connection: sa.Connection, run_id: str) -> OwnRow:
        """
        Return the row of *run_id*, locked, with the store knowing its status.
        """
        rows = self._own.locked(connection, [valid_id(run_id, self._layout.noun)])
        if not rows:
            raise RunNotFoundError(run_id, self._layout.noun)
        self._adopt(connection, rows[0])

        return rows[0]

    def _adopt(self, connection: sa.Connection, row: OwnRow) -> None:
        """
        Add to the journal what something else has done to *row*, which is locked.
        """
        if not is_word(row.id):
            reason = "its primary key is not one line of at most 512 characters"
            raise UnreadableRunError(row.id, reason, self._layout.noun)
        status = self._own.status_of(row)
        known = self._sql.locked_row.run(connection, id=row.id)
        reopened = (FIRST if row.attempt is None else row.attempt) - FIRST
        if not self._lifecycle.reopenings:
            reopened = 0
        if not known:
            moved = self._entered(connection, row, status, ADOPT)
        elif (known[0].status, known[0].reopened) == (status, reopened):
            return
        else:
            made = self._sql.met[status].run(connection, id=row.id, reopened=reopened)
            if not made:
                self._check_clock(connection)
            moved = last_moved(made[0])
        self._sql.line.add(connection, [_line(moved)])

    def _entered(
        self,
        connection: sa.Connection,
        row: OwnRow,
        status: str,
        trigger: str,
        **more: Any,
    ) -> Moved:
        """
        Have the store know *row*, and return the first line about it.
        """
        given = {
            **self._sql.nothing_new,
            "id": row.id,
            "document": "{}",
            **self._own.copied_key(row.key),
            "trigger": trigger,
            "born_at": row.born,
            "expires_at": row.due,
            **more,
        }
        made = self._sql.create[status].run(connection, **given)
        if not made:
            self._check_clock(connection)

        return creation_of(made[0])

    def _adopt_strange(
        self, connection: sa.Connection, statuses: Sequence[str] | None, most: int
    ) -> int:
        """
        Adopt rows that something else inserted or moved, and return how many were looked at.
        """
        found = self._own.strange(connection, self._tables, statuses, most)
        rows = self._own.locked(connection, found, skip=True)
        for row in rows:
            try:
                self._adopt(connection, row)
            except StatusMissingError:
                continue
            except UnreadableRunError as error:
                self._report(error)

        return len(rows)

    def _noticed(self, connection: sa.Connection, ids: Iterable[str]) -> set[str]:
        """
        Adopt those of *ids* that something else has moved, and return those whose row is there.
        """
        runs = self._tables.runs
        wanted = list(ids)
        rows = self._own.seen(connection, wanted)
        query = sa.select(runs.c.id, runs.c.status).where(runs.c.id.in_(wanted))
        there = set()
        for known in connection.execute(query).all():
            row = rows.get(known.id)
            if row is None:
                continue
            if row.status is None or self._own.word_of(row.id, row.status) != known.status:
                try:
                    self._met(connection, row.id)
                except RunNotFoundError:
                    continue
            there.add(row.id)

        return there

    def _check_met(
        self, connection: sa.Connection, run_id: str, fields: Mapping[str, Any]
    ) -> OwnRow:
        """
        Return the row that *fields* were written to, if it meets the condition of the store.
        """
        rows = self._own.locked(connection, [run_id])
        if not rows:
            expected = "values of a row that meets the condition of the store, where="
            raise wrong_argument("fields", expected, dict(fields))

        return rows[0]

    # -- creation and reading ------------------------------------------------------------

    def _create(
        self, connection: sa.Connection, fields: Mapping[str, Any], creation: Creation
    ) -> Made[_T]:
        self._check_creation(creation)
        fields = dict(fields)
        given_id = fields.pop("id", creation.id)
        one_line(id=given_id)
        key = self._own.key_given(given_id, fields)
        if given_id is None and self._own.key.is_whole(key):
            given_id = row_id(*key.values())
        if creation.key is not None and given_id is None:
            expected = "None without id=, where the table gives the id"
            raise wrong_argument("key", expected, creation.key)
        kind: Any = self._kind
        status = kind.draft(creation.status)
        entry = self._lifecycle.entry(status)
        details = {*entry.requires, *entry.accepts}
        self._own.check_fields("create", fields, details)
        for name in entry.requires:
            if fields.get(name) is None:
                raise wrong_argument(name, f"a value, which {status} requires", None)
        digest = hash_of(json.dumps([status, given_id, fields], sort_keys=True, default=repr))
        now = self._sql.now.run(connection)[0].now
        self._check_clock(connection)
        deadline = self._due(creation, status, now)
        try:
            with connection.begin_nested():
                made = self._own.insert(connection, key, status, now, {**fields, **deadline})
                row = self._check_met(connection, self._own.key.text(made), fields)
        except IntegrityError:
            there = [] if given_id is None else self._own.locked(connection, [given_id])
            if given_id is not None and not there and self._own.hides(connection, given_id):
                raise RunExistsError(given_id, self._layout.noun) from None
            if not there:
                raise
            before = self._created_before(connection, there[0].id, digest, creation.key)
            return Made(before, ())
        more = {name: as_json(fields[name]) for name in details if name in fields}
        moved = self._first(connection, row, status, creation, {
            self._layout.details[name]: text for name, text in more.items()
        })  # fmt: skip
        payload = None if creation.key is None else as_json({"digest": digest})
        self._sql.line.add(connection, [_line(moved, key=creation.key, payload=payload)])

        return Made(self._kind.read(self._row(connection, row.id)), (moved,))

    def _due(self, creation: Creation, status: str, now: float) -> dict[str, Any]:
        """
        Return the deadline of a new object, as the application's table holds it.
        """
        deadline = self._lifecycle.deadline
        if deadline is None or deadline.field in self._lifecycle.entry(status).clears:
            return {}
        after = self._expires_after if creation.expires_after is None else creation.expires_after
        moment = creation.expires_at
        if moment is None:
            moment = None if after is None else int(now) + after

        return {} if moment is None else self._own.due_value(moment)

    def _first(
        self,
        connection: sa.Connection,
        row: OwnRow,
        status: str,
        creation: Creation,
        details: Mapping[str, str],
    ) -> Moved:
        """
        Have the store know the new *row*, which may have the key of one that was deleted.
        """
        if self._sql.locked_row.run(connection, id=row.id):
            made = self._sql.met[status].run(connection, id=row.id, reopened=0)
            return last_moved(made[0])

        return self._entered(
            connection, row, status, CREATE, born_at=None, not_before=creation.not_before,
            expires_at=creation.expires_at,
            expires_after=self._expires_after
            if creation.expires_after is None
            else creation.expires_after,
            **details,
        )  # fmt: skip

    def _create_many(
        self, connection: sa.Connection, items: Iterable[Mapping[str, Any]], creation: Creation
    ) -> Made[tuple[_T, ...]]:
        with connection.begin_nested():
            made = []
            for fields in items:
                each = self._create(connection, fields, creation)
                made.append(each)

        return Made(
            tuple(each.object for each in made), tuple(moved for e in made for moved in e.moved)
        )

    def update(self, connection: sa.Connection, run_id: str, fields: Mapping[str, Any]) -> _T:
        """
        Replace columns that the lifecycle does not own, and return the object.
        """
        row = self._met(connection, run_id)
        self._own.check_fields("update", fields, ())
        if fields and self._own.where is None:
            self._own.set(connection, row, fields)
        elif fields:
            with connection.begin_nested():
                self._own.set(connection, row, fields)
                self._check_met(connection, row.id, fields)

        return self._kind.read(self._row(connection, row.id))

    def history(self, connection: sa.Connection, run_id: str) -> History:
        """
        Return everything the journal says of an object, oldest first, and what is missing of it.
        """
        rows = self._own.seen(connection, [valid_id(run_id, self._layout.noun)])
        if not rows and self._own.where is not None:
            raise RunNotFoundError(run_id, self._layout.noun)
        known = next(iter(rows), run_id)
        try:
            return super().history(connection, known)
        except RunNotFoundError:
            if not rows:
                raise
            # The store has not met it yet.
            return History()

    def erase(self, connection: sa.Connection, run_id: str) -> _T:
        """
        Erase what the store keeps of the moves of an ended object, and return it.
        """
        return super().erase(connection, self._met(connection, run_id).id)

    def _row(self, connection: sa.Connection, run_id: str) -> Any:
        found = self._own.values(connection, [valid_id(run_id, self._layout.noun)])
        if not found:
            raise RunNotFoundError(run_id, self._layout.noun)
        known, values = next(iter(found.items()))
        rows = self._sql.row.run(connection, id=known)
        if rows:
            return self._with(rows[0], values)
        nothing = dict.fromkeys(self._tables.runs.c.keys())
        blank = {"id": known, "document": "{}", "version": 0, "reopened": 0, "is_snapshot": False}

        return self._with(SimpleNamespace(_mapping={**nothing, **blank}), values)

    def _with(self, row: Any, values: Mapping[str, Any] | None) -> Any:
        """
        Return the store's *row* with the *values* of the application's, whose status it gets.
        """
        facts = {**row._mapping, "own": values, "unknown": None}  # noqa: SLF001
        if values is not None:
            spelled = values[self._lifecycle.status_field]
            try:
                facts["status"] = self._own.word_of(facts["id"], spelled)
            except UnreadableRunError as error:
                facts["unknown"] = error

        return SimpleNamespace(**facts)

    def _locked(self, connection: sa.Connection, run_id: str) -> Sequence[Any]:
        return self._shown(connection, super()._locked(connection, run_id))

    def _shown(self, connection: sa.Connection, rows: Sequence[Any]) -> Sequence[Any]:
        values = self._own.values(connection, [row.id for row in rows])

        return [self._with(row, values.get(row.id)) for row in rows]

    def _filters(
        self, status: str | Iterable[str] | None, columns: Mapping[str, Any]
    ) -> Iterator[Any]:
        known = None
        if status is not None:
            several = [status] if isinstance(status, str) else list(status)
            known = [self._known(each) for each in several]
        self._own.bound("list", columns)
        yield self._own.are(self._tables.runs, known, columns)

    def _checked_columns(self, method: str, columns: Mapping[str, Any]) -> dict[str, Any]:
        return self._own.bound(method, columns)

    # -- moves and leases ------------------------------------------------------------------

    def fire(self, connection: sa.Connection, fire: Fire) -> Verdict:
        """
        Fire one trigger.
        """
        self._prepare.needs_the_run(fire)
        return super().fire(connection, _met_by(fire, self._met(connection, fire.run_id)))

    def fire_many(self, connection: sa.Connection, fires: Iterable[Fire]) -> tuple[Verdict, ...]:
        """
        Fire triggers in order, in as few statements as that allows.
        """
        fires = tuple(fires)
        for fire in fires:
            self._prepare.needs_the_run(fire)
        # In one order, so that two who fire at the same rows do not wait for each other.
        ids = sorted({fire.run_id for fire in fires})
        rows = {each: self._met(connection, each) for each in ids}

        return super().fire_many(connection, [_met_by(f, rows[f.run_id]) for f in fires])

    def _move(self, connection: sa.Connection, fire: Fire, *, again: bool = False) -> Move:
        move = super()._move(connection, fire, again=again)
        move.given["met_at"] = fire.met_at if isinstance(fire, _MetFire) else None

        return move

    def _made(self, connection: sa.Connection, move: Move) -> Moved | None:
        moved = super()._made(connection, move)
        if moved is not None:
            self._own.write(connection, moved, move.fire.payload)

        return moved

    def _moved(self, connection: sa.Connection, batch: Sequence[Move]) -> dict[str, Moved]:
        moved = super()._moved(connection, batch)
        # Between hooks, each was made by itself, and written.
        for move in () if self._hooks else batch:
            if move.run_id in moved:
                self._own.write(connection, moved[move.run_id], move.fire.payload)

        return moved

    def _claim(
        self,
        connection: sa.Connection,
        worker: Any,
        seconds: Any,
        where: Mapping[str, Any],
        limit: int | None,
    ) -> Made[tuple[Lease[_T], ...]]:
        made = super()._claim(connection, worker, seconds, where, limit)
        if made.object:
            return made
        ready = [str(row.source) for row in self._sql.say.claims]
        if not self._adopt_strange(connection, ready, max(limit or 0, _MOST_AT_ONCE)):
            return made

        return super()._claim(connection, worker, seconds, where, limit)

    def _taken(self, connection: sa.Connection, rows: Sequence[Any]) -> Sequence[Any]:
        for row in rows:
            if row.attempt == 1:
                self._own.write(connection, last_moved(row), {})

        return self._shown(connection, rows)

    def heartbeat(self, connection: sa.Connection, lease: Lease[_T]) -> Held | Stale:
        """
        Renew *lease*.
        """
        check_lease(lease)
        if not self._noticed(connection, [lease.id]):
            return Stale(lease.token)

        return super().heartbeat(connection, lease)

    def heartbeat_many(
        self, connection: sa.Connection, leases: Sequence[Lease[_T]]
    ) -> tuple[Held | Stale, ...]:
        """
        Renew *leases*.
        """
        there = self._noticed(connection, sorted(lease.id for lease in leases))
        renewed = iter(super().heartbeat_many(connection, [x for x in leases if x.id in there]))

        return tuple(next(renewed) if x.id in there else Stale(x.token) for x in leases)

    def release(self, connection: sa.Connection, lease: Lease[_T]) -> bool:
        """
        Give *lease* back, unless its row is not there any more.
        """
        check_lease(lease)
        if not self._own.seen(connection, [lease.id]):
            return False

        return super().release(connection, lease)

    def sweep(self, connection: sa.Connection, limit: int) -> tuple[Moved, ...]:
        """
        Adopt what something else has inserted or moved, end what is overdue, and bring the counts up to now.
        """
        self._adopt_strange(connection, None, limit)

        return super().sweep(connection, limit)
