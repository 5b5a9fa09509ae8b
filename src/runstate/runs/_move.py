"""
One move: the checks before it, its commit, and its record.

The table decides a move. The move is prepared, and then committed in one step under a lock, which
compares the status once more. Payload, guards and clock come before that step and may refuse the
move; the log and the observers come after it and cannot. So no move is half made, and of several
threads that fire on one run exactly one wins.

The process has one lock for all runs. It is held for the commit only, never while callbacks run. It
belongs to the process, so that two engines cannot both move a run, and a deleted run leaves no lock
behind. It is reentrant: a signal handler that fires a trigger during a commit makes its own move,
and the interrupted move then finds the status changed, and loses.

Objects of other classes have a second lock, because setting their attributes may run their own
code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple, NoReturn

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_snake

from .._text import printable
from ..errors import (
    GuardRefusedError,
    IllegalTransitionError,
    MoveRefusedError,
    PayloadError,
    UnknownTriggerError,
    WrongObjectError,
)
from ..lifecycle._rows import BAD_OUTCOMES, CREATE, Transition
from ..lifecycle._table import Lifecycle
from ..lifecycle._transitions import TableEvent
from ._compiled import written
from ._fields import holds_seconds, moment_of, respelled, seconds_of, word_of
from ._log import Moved, MoveLog
from ._models import LIFECYCLE_FIELDS, RunResponse
from ._observers import COMMITS, Observers
from ._wire import LAST_SECOND

__all__ = [
    "Clock",
    "Condition",
    "Guard",
    "Move",
    "Mover",
    "Moves",
    "Plan",
    "RunMove",
    "last_move",
    "remember",
]

Guard = Callable[[Any, Transition], "str | bool | None"]
"""
Called before each move that the table allows. None or True permits the move; False, or a reason,
refuses it. Its exceptions reach the caller, and the run is unchanged.
"""

Condition = Callable[[Any], bool]
"""
Returns whether something holds for an object, without changing anything.
"""

Clock = Callable[[], float]
"""Returns the time in Unix seconds."""

_MOST_CLASSES: Final = 256
"""How many classes of plain objects an engine remembers."""

_LOOKS: Final = (None,) * 100
"""How often a move tries again after another thread was faster."""

_new_record: Final = tuple.__new__
_set_last_move: Final = RunResponse._last_move.__set__  # type: ignore[attr-defined]  # noqa: SLF001


@dataclass(slots=True, eq=False, repr=False)
class Plan:
    """
    A row with everything that its move needs, computed once.
    """

    trigger: str
    source: str
    target: str
    row: Transition
    changes: dict[str, Any]
    """The new status, and None for every field that the target clears."""
    stamps: tuple[str, ...]
    requires: tuple[str, ...]
    payload: Mapping[str, type[BaseModel] | None]
    """Fields that the payload may set, each with its model if it has one."""
    demands: bool
    """Whether the row cannot be carried out without a payload."""
    prepare: Callable[[Any, "Plan", Mapping[str, Any], dict[str, Any]], None]
    """Checks the payload and adds it to the changes."""
    warn: bool
    """Whether the log records the move as a warning."""
    raises: str | None = None
    """The field that counts attempts, if the row reopens; else None."""
    holds: tuple[tuple["Condition", bool], ...] = ()
    """The conditions of the row, each with the answer that it needs."""
    choices: tuple["Plan", ...] = ()
    """If conditions decide, all plans of this trigger and source, in order; else empty."""

    def allowed_for(self, run: Any) -> bool:
        """
        Return whether the conditions of the row hold for *run*.
        """
        return all(bool(condition(run)) is wanted for condition, wanted in self.holds)


@dataclass(slots=True, eq=False, repr=False)
class Mover:
    """
    The parts that all moves of one engine share.
    """

    lifecycle: Lifecycle
    clock: Clock
    guards: tuple[Guard, ...]
    log: MoveLog
    observers: Observers | None
    """The observers of the engine; None if there are none."""
    plain: set[type] = field(default_factory=set)
    """Classes whose objects hold times as whole seconds and values without conversion."""

    def plan(self, row: Transition, models: Mapping[str, type[BaseModel]]) -> Plan:
        """
        Return the plan of *row*; *models* are the models of payload fields.
        """
        entry = self.lifecycle.entry(row.target)
        field = self.lifecycle.status_field

        return Plan(
            trigger=str(row.trigger),
            source=str(row.source),
            target=str(row.target),
            row=row,
            changes={field: row.target, **dict.fromkeys((*row.clears, *entry.clears))},
            stamps=entry.stamps,
            requires=entry.requires,
            payload={name: models.get(name) for name in (*entry.requires, *entry.accepts)},
            demands=bool(entry.requires),
            prepare=self.prepare_attempt if row.reopens else self.add_payload,
            warn=self.lifecycle.terminal.get(row.target) in BAD_OUTCOMES,
            raises=self.lifecycle.attempt_field if row.reopens else None,
        )

    def add_payload(
        self, run: Any, plan: Plan, payload: Mapping[str, Any], changes: dict[str, Any]
    ) -> None:
        """
        Add *payload* to *changes*; mappings are parsed into models.

        Raises:
            PayloadError: Something is missing, unexpected or malformed.
        """
        for name, value in payload.items():
            try:
                model = plan.payload[name]
            except KeyError:
                takes = ", ".join(sorted(plan.payload)) or "no payload"
                self.malformed(run, plan, f"takes {takes}, not {name!r}")
            if model is None or type(value) is model:
                changes[name] = value
            elif value is not None:
                changes[name] = self._parsed(run, plan, name, model, value)
        for name in plan.requires:
            if payload.get(name) is None:
                self.malformed(run, plan, f"{name!r} is required")

    def _parsed(
        self, run: Any, plan: Plan, name: str, model: type[BaseModel], value: Any
    ) -> BaseModel:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join([name, *(to_snake(str(part)) for part in first["loc"])])
        # Outside of the handler: pydantic's own error would bring the input along.
        return self.malformed(run, plan, f"{place}: {first['msg']}")

    def prepare_attempt(
        self, run: Any, plan: Plan, payload: Mapping[str, Any], changes: dict[str, Any]
    ) -> None:
        """
        Check that *run* can count its attempts, and add *payload* to *changes*.

        Raises:
            PayloadError: It has no field for the attempt, or not a whole number in it; or as
                for :meth:`add_payload`.
        """
        self.add_payload(run, plan, payload, changes)
        name, missing = str(plan.raises), object()
        attempt = getattr(run, name, missing)
        if attempt is None or (isinstance(attempt, int) and not isinstance(attempt, bool)):
            return
        found = "no such field" if attempt is missing else printable(repr(attempt), 80)
        reason = f"{name!r} counts the attempts: expected a whole number or None, found {found}"
        self.malformed(run, plan, reason)

    def ask(self, guard: Guard, run: Any, plan: Plan) -> None:
        """
        Ask *guard* about a move.

        Raises:
            GuardRefusedError: It said no.
        """
        verdict = guard(run, plan.row)
        if verdict is None or verdict is True:
            return
        reason = verdict if isinstance(verdict, str) else ""
        self._refuse(GuardRefusedError(*self._about(run, plan), reason))

    def latest_stamp(self, run: Any) -> float:
        """
        Return the latest time in the fields of *run*; minus infinity if there is none.
        """
        times = (seconds_of(run, name) for name in self.lifecycle.moment_fields)

        return max((at for at in times if at is not None), default=float("-inf"))

    def allowed(self, run: Any) -> tuple[str, ...]:
        """
        Return the triggers that the table allows *run* now.
        """
        status = self.status(run)
        reopening = [r.trigger for r in self.lifecycle.reopenings if r.source == status]

        return (*self.lifecycle.allowed(status), *reopening)

    def status(self, run: Any) -> str:
        """
        Return the status of *run*, by its name in the lifecycle.

        Raises:
            WrongObjectError: It is a class, or has no such attribute.
        """
        held = self.held(run)

        return held if type(held) is str else word_of(held, self.lifecycle.known)

    def held(self, run: Any) -> Any:
        """
        Return the status of *run* as it holds it, such as a member of an Enum.

        Raises:
            WrongObjectError: It is a class, or has no such attribute.
        """
        try:
            held = getattr(run, self.lifecycle.status_field)
        except AttributeError:
            self.not_movable(run)
        if isinstance(run, type):
            self.not_movable(run)

        return held

    def not_movable(self, run: Any) -> NoReturn:
        """
        Refuse an object that has no status, or that is a class.

        Raises:
            WrongObjectError: Always.
        """
        expected = f"an object with the attribute {self.lifecycle.status_field!r}"
        if isinstance(run, type):
            raise WrongObjectError(expected, f"the class {run.__qualname__}")
        found = "None" if run is None else f"{type(run).__qualname__} without it"
        raise WrongObjectError(expected, found)

    def run_id(self, run: Any) -> str | None:
        """
        Return the id of *run* in printable characters; None if it has none.
        """
        run_id = getattr(run, self.lifecycle.id_field, None)

        return None if run_id is None else printable(str(run_id), 512)

    # -- refusals: each is logged, then raised -----------------------------------

    def choose(self, run: Any, trigger: str, plan: Plan | None) -> Plan:
        """
        Return the first of the choices of *plan* whose conditions hold.

        Raises:
            IllegalTransitionError: There is no plan, or none of the conditions holds.
        """
        for each in plan.choices if plan else ():
            if each.allowed_for(run):
                return each
        return self.illegal(run, trigger, "no condition held" if plan else "")

    def illegal(self, run: Any, trigger: str, reason: str = "") -> NoReturn:
        """
        Refuse *trigger* because the table has no row for it from the run's status, or for *reason*.
        """
        # The status before the record of the move that led there: they are written the
        # other way round, so that a status never comes with the record before its own.
        status = str(self.status(run))
        last: Moved | None = getattr(run, "_last_move", None)
        beaten = last is not None and last.trigger != CREATE and last.target == status
        targets = {str(row.target) for row in self.lifecycle if row.trigger == trigger}
        self._refuse(
            IllegalTransitionError(
                self.run_id(run),
                status,
                trigger,
                targets.pop() if len(targets) == 1 else None,
                self.lifecycle.allowed(status),
                last.trigger if last is not None and beaten else None,
                status in self.lifecycle.known,
                reason,
            )
        )

    def unknown(self, run: Any, trigger: str) -> NoReturn:
        """
        Refuse *trigger* because the table does not have it at all.
        """
        status = str(self.status(run))
        known, allowed = self.lifecycle.triggers, self.lifecycle.allowed(status)
        self._refuse(UnknownTriggerError(self.run_id(run), status, trigger, known, allowed))

    def malformed(self, run: Any, plan: Plan, reason: str) -> NoReturn:
        """
        Refuse a payload because of *reason*.
        """
        self._refuse(PayloadError(*self._about(run, plan), reason))

    def _about(self, run: Any, plan: Plan) -> tuple[str | None, str, str, str, tuple[str, ...]]:
        allowed = self.lifecycle.allowed(plan.source)

        return self.run_id(run), plan.source, plan.trigger, plan.target, allowed

    def _refuse(self, error: MoveRefusedError) -> NoReturn:
        self.log.rejected(error)
        raise error


class Move(TableEvent[Plan]):
    """
    One trigger of an engine, for any object that has a status.
    """

    def __init__(self, name: str, machine: Any, mover: Mover) -> None:
        super().__init__(name, machine)
        self._mover = mover
        self._is_written = False

    def trigger(self, run: Any, payload: Mapping[str, Any]) -> Moved:  # type: ignore[override]
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
                mover.ask(guard, run, plan)
            moved = self._commit(run, plan, changes, mover.clock())
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

    def _commit(self, run: Any, plan: Plan, changes: dict[str, Any], now: float) -> Moved | None:
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
        self, run: RunResponse, payload: Mapping[str, Any]
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
                    mover.ask(guard, run, plan)
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
                        at > now,
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
