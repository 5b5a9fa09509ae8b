"""
What comes before a move: its plan, the payload, the guards, and every refusal.

A plan is computed once for each row of the table. Each refusal is logged, and then raised.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import signature
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
from ._fields import seconds_of, word_of
from ._log import Moved, MoveLog
from ._observers import Observers

__all__ = ["UNSTATED", "Clock", "Condition", "Context", "Guard", "Mover", "Plan", "asked"]

_TOLD: Final = frozenset({"payload", "actor", "reason"})
"""What a guard is told by keyword."""

Guard = Callable[..., "str | bool | None"]
"""
Called with the object and the row before each move that the table allows.

It is given ``payload``, ``actor`` and ``reason`` by keyword as well, those of them that it has as
parameters: what came with the trigger, who fires, and why. None or True permits the move; False, or
a reason, refuses it. Its exceptions reach the caller, and the run is unchanged.
"""

Condition = Callable[[Any], bool]
"""
Returns whether something holds for an object, without changing anything.
"""

Clock = Callable[[], float]
"""Returns the time in Unix seconds."""


class Context(NamedTuple):
    """
    Who makes a move, and why, as the caller states it.
    """

    actor: str | None = None
    reason: str | None = None


UNSTATED: Final = Context()


class _Asked(NamedTuple):
    """
    A guard, and what it has parameters for beside the object and the row.
    """

    guard: Guard
    names: frozenset[str]


def asked(guards: Iterable[Guard]) -> tuple[_Asked, ...]:
    """
    Return *guards* with what each has parameters for.
    """
    return tuple(_Asked(guard, _told(guard)) for guard in guards)


def _told(guard: Guard) -> frozenset[str]:
    try:
        parameters = signature(guard).parameters
    except (ValueError, TypeError):
        return frozenset()

    # The first two are the object and the row, whatever they are called.
    return _TOLD.intersection(
        [*parameters][2:] + [n for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY]
    )


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
    guards: tuple[_Asked, ...]
    log: MoveLog
    noun: str
    """What a message calls an object."""
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

    def ask(
        self, guard: _Asked, run: Any, plan: Plan, payload: Mapping[str, Any], context: Context
    ) -> None:
        """
        Ask *guard* about a move.

        Raises:
            GuardRefusedError: It said no.
        """
        more: dict[str, Any] = {}
        if guard.names:
            facts = {"payload": payload, **context._asdict()}
            more = {name: facts[name] for name in guard.names}
        verdict = guard.guard(run, plan.row, **more)
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
            IllegalTransitionError: *plan* is None, or all of its conditions fail.
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
        error.noun = self.noun
        self.log.rejected(error)
        raise error
