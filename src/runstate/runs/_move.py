"""
One move: its commit, and its record.

The table decides a move. The move is prepared (:mod:`._mover`), and then committed in one step
under a lock, which compares the status once more. Payload, guards and clock come before that step
and may refuse the move; the log and the observers come after it and cannot. So no move is half
made, and of several threads that fire on one run exactly one wins.

The process has one lock for all runs. It is held for the commit only, never while callbacks run. It
belongs to the process, so that two engines cannot both move a run, and a deleted run leaves no lock
behind. It is reentrant: a signal handler that fires a trigger during a commit makes its own move,
and the interrupted move then finds the status changed, and loses.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple, NoReturn

from pydantic import BaseModel

from ..errors import WrongObjectError
from ..lifecycle._transitions import TableEvent
from ._compiled import written
from ._fields import holds_seconds, moment_of, respelled, word_of
from ._log import Moved
from ._models import LIFECYCLE_FIELDS, RunResponse
from ._mover import UNSTATED, Context, Mover, Plan
from ._observers import COMMITS
from ._wire import LAST_SECOND

__all__ = ["Move", "Moves", "RunMove", "last_move", "remember"]

_MOST_CLASSES: Final = 256
"""How many classes of plain objects an engine remembers."""

_LOOKS: Final = (None,) * 100
"""How often a move tries again after another thread was faster."""

_new_record: Final = tuple.__new__
_set_last_move: Final = RunResponse._last_move.__set__  # type: ignore[attr-defined]  # noqa: SLF001


class Move(TableEvent[Plan]):
    """
    One trigger of an engine, for any object that has a status.
    """

    def __init__(self, name: str, machine: Any, mover: Mover) -> None:
        super().__init__(name, machine)
        self._mover = mover
        self._is_written = False

    def trigger_as(self, context: Context, run: Any, payload: Mapping[str, Any]) -> Moved:
        """
        Move *run* as :meth:`trigger` does, and state who does it, and why.
        """
        # Of the class: the compiled function knows no context.
        return type(self).trigger(self, run, payload, context)

    def trigger(  # type: ignore[override]
        self, run: Any, payload: Mapping[str, Any], context: Context = UNSTATED
    ) -> Moved:
        """
        Move *run*, or raise with the run as it was.

        For plain objects this is the first move of their class; see :mod:`._compiled` for the others.
        """
        mover, status_field = self._mover, self._mover.lifecycle.status_field
        if isinstance(run, RunResponse):
            raise WrongObjectError(
                "an object of another class",
                "a RunResponse, which a RunEngine moves because it knows its payloads",
            )
        for _ in _LOOKS:
            # Read once: another thread may write a status of another type in between.
            held = mover.held(run)
            word = held if type(held) is str else word_of(held, mover.lifecycle.known)
            plan = self.rows.get(word)
            if plan is None or plan.choices:
                plan = mover.choose(run, self.name, plan)
            changes = dict(plan.changes)
            if type(held) is not str:
                changes[status_field] = self._respelled(held, plan)
            plan.prepare(run, plan, payload, changes)
            for guard in mover.guards:
                mover.ask(guard, run, plan, payload, context)
            moved = self._commit(run, plan, changes, mover.clock(), context)
            if moved is not None:
                break
            # Another thread was faster; the trigger may be legal from there as well.
        else:
            mover.illegal(run, self.name)
        self._learn(type(run))
        if plan.warn or not mover.log.silent:
            mover.log.moved(moved, plan.warn)
        if mover.observers is not None:
            mover.observers.deliver(run)

        return moved

    def _learn(self, kind: type) -> None:
        """
        Compile this trigger, unless it is, and remember *kind* if its objects are plain.
        """
        mover = self._mover
        if not self._is_written:
            self._is_written = True
            function = written(self.rows, mover, COMMITS, self.trigger)
            if function is not None:
                self.trigger = function  # type: ignore[method-assign]
        if kind in mover.plain or issubclass(kind, BaseModel):
            return
        if all(holds_seconds(kind, name) for name in mover.lifecycle.moment_fields):
            if len(mover.plain) >= _MOST_CLASSES:
                mover.plain.clear()
            mover.plain.add(kind)

    def _commit(
        self, run: Any, plan: Plan, changes: dict[str, Any], now: float, context: Context
    ) -> Moved | None:
        """
        Write *changes* to *run*; return None if it has left the source of *plan* meanwhile.
        """
        mover = self._mover
        with COMMITS:
            if mover.status(run) != plan.source:
                return None
            at = max(now, mover.latest_stamp(run))
            for name in plan.stamps:
                changes[name] = moment_of(run, name, at, mover.lifecycle.moment_fields)
            if plan.raises:
                # An object that has not been retried may have no number yet.
                attempt = getattr(run, plan.raises)
                changes[plan.raises] = (1 if attempt is None else attempt) + 1
            _write(run, changes)
            moved = Moved(
                mover.run_id(run),
                plan.trigger,
                plan.source,
                plan.target,
                at,
                clock_regressed=at > now,
                actor=context.actor,
                reason=context.reason,
            )
            if mover.observers is not None:
                mover.observers.note(run, moved)

            return moved

    def _respelled(self, held: Any, plan: Plan) -> Any:
        """
        Return the new status in the type of the one that is *held*.
        """
        if not isinstance(held, Enum):
            return plan.changes[self._mover.lifecycle.status_field]
        try:
            return respelled(held, plan.source, plan.target)
        except ValueError as error:
            raise WrongObjectError(
                "an Enum with every status of the lifecycle", str(error)
            ) from None


class RunMove(Move):
    """
    The same for a run, in one function for speed.

    A call spared here is a twentieth of a move. The fields are written in one update
    of the run's ``__dict__``, which no other thread can see half of.
    """

    def trigger(  # type: ignore[override]  # noqa: C901, PLR0912  one piece, so that it is fast
        self, run: RunResponse, payload: Mapping[str, Any], context: Context = UNSTATED
    ) -> Moved:
        """
        Move *run*, or raise with the run as it was.
        """
        mover = self._mover
        try:
            fields = run.__dict__
            run_id = fields["id"]
            fields["status"]
        except (AttributeError, KeyError):
            no_run(run)
        for _ in _LOOKS:
            plan = self.rows.get(fields["status"])
            if plan is None:
                mover.illegal(run, self.name)
            changes = plan.changes.copy()
            if payload or plan.demands:
                plan.prepare(run, plan, payload, changes)
            if mover.guards:
                for guard in mover.guards:
                    mover.ask(guard, run, plan, payload, context)
            now = mover.clock()
            if not now <= LAST_SECOND:  # nor is NaN; a time too early is clamped
                raise ValueError(f"the clock returned {now!r}: expected Unix seconds")
            duration_s: float | None
            seq: int | None
            with COMMITS:
                last: Moved | None = getattr(run, "_last_move", None)
                # A record that does not end in the run's status is of a move that was
                # interrupted. By index: an attribute of a named tuple costs twice as much.
                if last is None or last[3] != plan.source:
                    at, duration_s, seq = max(now, mover.latest_stamp(run)), None, None
                    # Once for all moves to come: what is null from here on is known to be.
                    run.__pydantic_fields_set__.update(LIFECYCLE_FIELDS)
                else:
                    before, seq = last[4], last[6]
                    at = now if now >= before else before  # noqa: FURB136
                    duration_s = at - before
                    if seq is not None:
                        seq += 1
                for name in plan.stamps:
                    changes[name] = int(at)
                # Not Moved(...): its generated constructor doubles the price of a record.
                moved = _new_record(
                    Moved,
                    (
                        run_id, plan.trigger, plan.source, plan.target, at, duration_s, seq,
                        at > now, context[0], context[1],
                    ),
                )  # fmt: skip
                # From here on nothing may be called between a look and the write that it
                # allows: only where a call returns can a signal handler come between. The
                # record before the fields: a reader of the new status finds its record.
                won = fields["status"] == plan.source
                if won:
                    _set_last_move(run, moved)
                    won = fields["status"] == plan.source
                    if won:
                        fields.update(changes)
                        if mover.observers is not None:
                            mover.observers.note(run, moved)
            if won:
                break
            # Somebody was faster; it may be legal from there as well.
        else:
            mover.illegal(run, self.name)
        if plan.warn or not mover.log.silent:
            mover.log.moved(moved, plan.warn)
        if mover.observers is not None:
            mover.observers.deliver(run)

        return moved


class Moves(dict[str, Move]):
    """
    The moves of an engine by trigger. A trigger that the table lacks is refused.
    """

    def __init__(self, moves: Mapping[str, Move], mover: Mover) -> None:
        super().__init__(moves)
        self._mover = mover

    def __missing__(self, trigger: str) -> Any:
        return _NoMove(trigger, self._mover)


class _NoMove(NamedTuple):
    name: str
    mover: Mover

    def trigger(self, run: Any, payload: Mapping[str, Any]) -> NoReturn:  # noqa: ARG002
        self.mover.unknown(run, self.name)

    def trigger_as(self, context: Context, run: Any, payload: Mapping[str, Any]) -> NoReturn:  # noqa: ARG002
        self.mover.unknown(run, self.name)


def no_run(found: Any) -> NoReturn:
    """
    Refuse an object that is not a run.

    Raises:
        WrongObjectError: Always.
    """
    if isinstance(found, RunResponse):
        lacks = [name for name in ("id", "status") if name not in found.__dict__]
        raise WrongObjectError("a RunResponse", f"one without {' and '.join(lacks)}")
    what = (
        f"the class {found.__qualname__}" if isinstance(found, type) else type(found).__qualname__
    )
    raise WrongObjectError("a RunResponse", "None" if found is None else what)


def last_move(run: RunResponse) -> Moved | None:
    """
    Return the record of the last move of *run*; None if this process made none.
    """
    moved: Moved | None = getattr(run, "_last_move", None)

    return moved


def remember(run: RunResponse, moved: Moved) -> None:
    """
    Store *moved* as the record of the run's last move.
    """
    _set_last_move(run, moved)


def _write(target: Any, changes: Mapping[str, Any]) -> None:
    """
    Write *changes* to *target*: all of them, or none.
    """
    # A model that is mapped to a table, too, must see each field being set.
    if isinstance(target, BaseModel) and not hasattr(type(target), "__mapper__"):
        target.__dict__.update(changes)
        target.__pydantic_fields_set__.update(changes)
        return
    missing = object()
    before = {name: getattr(target, name, missing) for name in changes}
    try:
        for name, value in changes.items():
            setattr(target, name, value)
    except BaseException:
        for name, value in before.items():
            if value is not missing:
                setattr(target, name, value)
            elif hasattr(target, name):
                delattr(target, name)
        raise
