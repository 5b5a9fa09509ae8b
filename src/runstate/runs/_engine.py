"""
The engines: only they move a run.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import iscoroutinefunction
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar
from uuid import uuid4

from .._keywords import refuse_unknown
from ..errors import LifecycleError, LifecycleFieldError
from ..lifecycle._rows import CREATE, Transition
from ..lifecycle._table import Lifecycle, check_lifecycle
from ..lifecycle._transitions import Dispatcher
from ._log import Moved, MoveLog, Observer
from ._models import LIFECYCLE_FIELDS, OWNED_NAMES, BaseResponse, RunResponse
from ._move import Move, Moves, RunMove, remember
from ._mover import Clock, Condition, Context, Guard, Mover, Plan, asked
from ._observers import Observers
from ._run import RUN
from ._run_payloads import RunPayloads
from ._wire import LastError, RequiredAction, Usage, reference_names

__all__ = ["Engine", "RunEngine", "check_conditions"]

_T = TypeVar("_T")

_NO_PAYLOAD: Final[Mapping[str, Any]] = {}
_EXPIRES_AFTER: Final = RUN.deadline.seconds if RUN.deadline else None
_CREATED: Final = frozenset(RunResponse.model_fields) | reference_names(RunResponse).keys()
"""The keyword arguments of :meth:`RunEngine.create`; fields that only a move changes are not among
them."""


def check_conditions(lifecycle: Lifecycle, conditions: Mapping[str, Condition]) -> None:
    """
    Raise unless *conditions* has exactly the names that the rows of *lifecycle* use.

    Raises:
        LifecycleError: A name is missing, or is not the name of a condition.
    """
    needed = lifecycle.conditions
    found = [f"condition {name!r} is missing: conditions={{{name!r}: ...}}" for name in needed
             if name not in conditions]  # fmt: skip
    found += [f"no row has the condition {name!r}" for name in conditions if name not in needed]
    if found:
        raise LifecycleError(lifecycle.name, found)


def _check_answers_at_once(functions: Iterable[Callable[..., Any]]) -> None:
    for function in functions:
        if iscoroutinefunction(function):
            raise ValueError(
                f"a guard or condition answers at once, and {function!r} is a coroutine function: "
                "await what it needs first, or use the hook before= of a store for asyncio"
            )


def _unfit_for_runs(lifecycle: Lifecycle) -> Iterator[str]:
    """
    Yield why a RunResponse cannot be moved through *lifecycle*.
    """
    for row in lifecycle.reopenings:
        yield f"{row}: a RunResponse has no field {lifecycle.attempt_field!r}"
    for status in lifecycle.statuses:
        if status not in RUN.known:
            yield f"a RunResponse cannot be {status!r}"
    entries = map(lifecycle.entry, lifecycle.statuses)
    set_by = [name for e in entries for name in (*e.stamps, *e.requires, *e.accepts, *e.clears)]
    for name in dict.fromkeys(set_by):
        if name not in RunResponse.model_fields or name in BaseResponse.model_fields:
            yield f"a RunResponse has no field {name!r}"


class Engine(Generic[_T]):
    """
    Moves any object through a lifecycle; :class:`RunEngine` is its typed form for runs.

    Thread-safe, and usable as it is inside asyncio: a move never blocks and never
    awaits. Holds no reference to any object it has moved.

    It guards one object in memory, and not a row in a database: two copies of a row can both make
    a move. Where objects are saved, :class:`runstate.store.Store` or
    :func:`runstate.store.apply_move` lets one writer win.

    Example:
        >>> from runstate import Lifecycle, Transition
        >>> class Door:
        ...     status = "closed"
        >>> door = Door()
        >>> opening = Transition("open", "closed", "opened")
        >>> engine = Engine(Lifecycle("door", (opening,), "closed", {"opened": "success"}))
        >>> import structlog
        >>> with structlog.testing.capture_logs() as log:
        ...     moved = engine.fire(door, "open")
        >>> moved.source, moved.target, door.status, engine.allowed(door)
        ('closed', 'opened', 'opened', ())
    """

    _move_cls: type[Move] = Move
    _noun: str | None = None
    """What messages call an object, if not by the name of the lifecycle."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        *,
        clock: Clock = time.time,
        guards: Iterable[Guard] = (),
        observers: Iterable[Observer] = (),
        logger: Any = None,
        conditions: Mapping[str, Condition] = MappingProxyType({}),
    ) -> None:
        """
        Prepare every row of *lifecycle*.

        Args:
            lifecycle: The table.
            clock: Unix seconds; asked once a move.
            guards: Asked before a move, in this order, outside of any lock. Each is called with the
                object and the row, and with those of ``payload=``, ``actor=`` and ``reason=``
                that it has as parameters.
            observers: Called after a move with its record, in this order. They hear the moves of
                one object in the order in which these were made, also where one of them fires
                the next; that move then returns before the others have heard of it.
            logger: A logger of structlog or of the standard library. By default the one that
                structlog is configured to, or while it is not configured, the standard
                library's logger ``runstate``.
            conditions: What each name in ``when`` and ``unless`` of the rows stands for: a
                function that is called with the object and returns whether it holds. It
                changes nothing, runs outside of any lock, and is asked again where another
                thread was faster.

        Raises:
            LifecycleError: *conditions* lacks a name that the rows have, or has one that they
                lack.
            ValueError: A guard or a condition is a coroutine function.
        """
        check_lifecycle(lifecycle)
        check_conditions(lifecycle, conditions)
        guards = tuple(guards)
        _check_answers_at_once((*guards, *conditions.values()))
        self.lifecycle = lifecycle
        log, heard_by = MoveLog(logger, lifecycle.name), tuple(observers)
        self._mover = Mover(
            lifecycle,
            clock,
            asked(guards),
            log,
            self._noun or lifecycle.name,
            Observers(heard_by, log) if heard_by else None,
        )
        payloads = [lifecycle.entry(status) for status in lifecycle.statuses]
        taken = {name for entry in payloads for name in (*entry.requires, *entry.accepts)}
        self._stated = tuple(name for name in Context._fields if name not in taken)
        """What the caller states of a move, but for names that fields of the lifecycle have."""
        machine = Dispatcher(
            self._plans(conditions),
            lifecycle.statuses,
            lifecycle.initial,
            lambda trigger, machine: self._move_cls(trigger, machine, self._mover),
        )
        self._moves = Moves(machine.events, self._mover)

    def fire(self, run: _T, trigger: str, /, **payload: Any) -> Moved:
        """
        Move *run* by *trigger*; nothing has changed if this raises.

        Args:
            run: The object to move, in place.
            trigger: A trigger of the lifecycle.
            payload: Values of the fields that the target's entry requires or accepts; and
                ``actor`` and ``reason``, who fires and why, for the guards and the record. Where
                the lifecycle has a field of such a name, it is that field's value.

        Raises:
            WrongObjectError: *run* is not a run that this engine can move.
            IllegalTransitionError: The table has no such row from the run's status,
                or another thread was faster.
            UnknownTriggerError: The table has no such trigger at all.
            GuardRefusedError: A guard refused the move.
            PayloadError: The payload lacks a field, has an unknown one, or has a value that does
            not fit.
        """
        try:
            move = self._moves[trigger]
        except TypeError:
            # Unhashable, and so no name.
            move = self._moves[repr(trigger)]
        if payload and ("actor" in payload or "reason" in payload):
            return self._fire_as(run, move, payload)

        return move.trigger(run, payload)

    def _fire_as(self, run: _T, move: Move, payload: dict[str, Any]) -> Moved:
        """
        Move *run* by *move*, with what *payload* states of the caller in the record and before the guards.
        """
        stated = {name: payload.pop(name) for name in self._stated if name in payload}

        return move.trigger_as(Context(**stated), run, payload)

    def now(self) -> float:
        """
        Return the engine's own time, in Unix seconds.
        """
        return self._mover.clock()

    def can(self, run: _T, trigger: str) -> bool:
        """
        Return whether the table allows *trigger* now. Asks no guard and changes nothing.

        Args:
            run: The object; it is not moved.
            trigger: A trigger of the lifecycle.
        """
        status = self._mover.status(run)
        move = self._moves.get(trigger) if self.lifecycle.conditions else None
        plan = move.rows.get(status) if move is not None else None
        if plan is not None and plan.choices:
            return any(each.allowed_for(run) for each in plan.choices)

        return (
            self.lifecycle.row(trigger, status) or self.lifecycle.reopening(trigger, status)
        ) is not None

    def allowed(self, run: _T) -> tuple[str, ...]:
        """
        Return the triggers that the table allows now; of an ended run, those that reopen it.

        Args:
            run: The object; it is not moved.
        """
        return self._mover.allowed(run)

    def _plans(self, conditions: Mapping[str, Condition]) -> list[Plan]:
        """
        Return a plan for each trigger and source; of several rows, the first lists all.
        """
        plans: dict[tuple[str, str], Plan] = {}
        for row in (*self.lifecycle, *self.lifecycle.reopenings):
            plan = self._plan(row)
            plan.holds = tuple(
                (conditions[name], wanted)
                for names, wanted in ((row.when, True), (row.unless, False))
                for name in names
            )
            first = plans.setdefault((row.trigger, row.source), plan)
            if row.conditional or first is not plan:
                first.choices = (*first.choices, plan)

        return [*plans.values()]

    def _plan(self, row: Transition) -> Plan:
        return self._mover.plan(row, {})


class RunEngine(Engine[RunResponse]):
    """
    Moves runs, with one typed method for each trigger.

    One is enough for a program. It holds no reference to any run. What each method
    raises is said once, at :meth:`fire`, which takes the keyword arguments of the method that
    has the trigger's name.

    It guards one run in memory, and not a row in a database: two copies of a row can both make a
    move. Where runs are saved, :class:`runstate.store.RunStore` lets one writer win.

    Example:
        >>> import structlog
        >>> engine = RunEngine(clock=lambda: 1_700_000_000.0)
        >>> usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        >>> with structlog.testing.capture_logs() as log:
        ...     run = engine.create(id="run_1", assistant_id="asst_1", thread_id="thread_1")
        ...     moved = engine.start(run)
        ...     allowed = engine.allowed(run)
        ...     ended = engine.complete(run, usage=usage)
        >>> allowed
        ('require_action', 'complete', 'fail', 'stop_incomplete', 'expire', 'request_cancel')
        >>> moved.target, ended.seq, run.completed_at, run.usage.total_tokens
        ('in_progress', 3, 1700000000, 7)
        >>> [(entry["event"], entry["trigger"]) for entry in log]
        [('run.transition', 'create'), ('run.transition', 'start'), ('run.transition', 'complete')]
    """

    _move_cls = RunMove
    _noun = "run"

    def __init__(
        self,
        lifecycle: Lifecycle = RUN,
        *,
        clock: Clock = time.time,
        new_id: Callable[[], str] = lambda: f"run_{uuid4().hex}",
        expires_after: int | None = _EXPIRES_AFTER,
        guards: Iterable[Guard] = (),
        observers: Iterable[Observer] = (),
        logger: Any = None,
    ) -> None:
        """
        Prepare every row of *lifecycle*.

        Args:
            lifecycle: The table; :data:`RUN`, or a narrower or wider one.
            clock: Unix seconds; asked once a move.
            new_id: Makes the id of a run that is created without one.
            expires_after: Seconds from creation to ``expires_at``; None for never.
            guards: Asked before a move, in this order, outside of any lock. Each is called with the
                object and the row, and with those of ``payload=``, ``actor=`` and ``reason=``
                that it has as parameters.
            observers: Called after a move with its record, in this order. They hear the moves of
                one object in the order in which these were made, also where one of them fires
                the next; that move then returns before the others have heard of it.
            logger: A logger of structlog or of the standard library. By default the one that
                structlog is configured to, or while it is not configured, the standard
                library's logger ``runstate``.

        Raises:
            LifecycleError: A RunResponse cannot have a status of *lifecycle*, or lacks a field
                that its entries set, or that counts the attempts of rows that reopen.
        """
        check_lifecycle(lifecycle)
        unfit = [*_unfit_for_runs(lifecycle)]
        if unfit:
            instead = "use Engine and Store, which take any model"
            raise LifecycleError(lifecycle.name, [f"{reason}: {instead}" for reason in unfit])
        super().__init__(lifecycle, clock=clock, guards=guards, observers=observers, logger=logger)
        self._new_id = new_id
        self._expires_after = expires_after

    def create(
        self,
        *,
        id: str | None = None,  # noqa: A002  the wire's own name
        assistant_id: str | None = None,
        thread_id: str | None = None,
        **fields: Any,
    ) -> RunResponse:
        """
        Return a new run in the initial status.

        Args:
            id: The run's id; a new one by default.
            assistant_id: The assistant to execute.
            thread_id: The thread to execute it on.
            fields: Any other field that the lifecycle does not own, such as ``model``.

        Raises:
            LifecycleFieldError: A field is given that only a move may set.
            TypeError: A run has no field of that name.
            pydantic.ValidationError: A field does not hold what it must.
        """
        run, at = self._draft(id, assistant_id=assistant_id, thread_id=thread_id, **fields)
        moved = Moved(run.id, CREATE, None, str(run.status), at, None, 1)
        remember(run, moved)
        self._mover.log.moved(moved)
        if self._mover.observers is not None:
            self._mover.observers.note(run, moved)
            self._mover.observers.deliver(run)

        return run

    def _draft(self, id: str | None = None, **fields: Any) -> tuple[RunResponse, float]:  # noqa: A002
        """
        Return a new run and its time of creation, without a log record; see :meth:`create`.
        """
        for name in fields:
            if name in OWNED_NAMES:
                raise LifecycleFieldError(RunResponse.__name__, name)
        refuse_unknown("create", fields, _CREATED)
        at = self._mover.clock()
        run = RunResponse(
            id=self._new_id() if id is None else id,
            status=self.lifecycle.initial,
            created_at=int(at),
            expires_at=None if self._expires_after is None else int(at) + self._expires_after,
            **fields,
        )
        # As on the wire: what the run does not have yet is null, not unknown.
        run.__pydantic_fields_set__.update(LIFECYCLE_FIELDS)

        return run, at

    def start(self, run: RunResponse) -> Moved:
        """
        Move a queued run to ``in_progress``. For what it raises see :meth:`fire`.

        Args:
            run: The run, moved in place.
        """
        return self._moves["start"].trigger(run, _NO_PAYLOAD)

    def require_action(
        self, run: RunResponse, required_action: RequiredAction | Mapping[str, Any]
    ) -> Moved:
        """
        Move a run in progress to ``requires_action``, where it waits for tool outputs.

        Args:
            run: The run, moved in place.
            required_action: The tool calls whose outputs the run waits for.
        """
        return self._moves["require_action"].trigger(run, {"required_action": required_action})

    def submit_tool_outputs(self, run: RunResponse, outputs: Mapping[str, str]) -> Moved:
        """
        Queue a run again that waits for tool outputs.

        Args:
            run: The run.
            outputs: Output by call id; each call must be answered, and no other.
        """
        return self._moves["submit_tool_outputs"].trigger(run, {"outputs": outputs})

    def complete(self, run: RunResponse, usage: Usage | Mapping[str, Any] | None = None) -> Moved:
        """
        End a run as completed.

        Args:
            run: The run, moved in place.
            usage: The tokens that the run has used; None if they are not known.
        """
        return self._moves["complete"].trigger(run, {"usage": usage})

    def fail(
        self,
        run: RunResponse,
        last_error: LastError | Mapping[str, Any],
        usage: Usage | Mapping[str, Any] | None = None,
    ) -> Moved:
        """
        End a run as failed, because of *last_error*.

        Args:
            run: The run, moved in place.
            last_error: Code and message of the error.
            usage: The tokens that the run has used; None if they are not known.
        """
        return self._moves["fail"].trigger(run, {"last_error": last_error, "usage": usage})

    def stop_incomplete(
        self,
        run: RunResponse,
        reason: str,
        usage: Usage | Mapping[str, Any] | None = None,
    ) -> Moved:
        """
        End a run at a token limit: ``max_completion_tokens`` or ``max_prompt_tokens``.

        Args:
            run: The run, moved in place.
            reason: Which limit: ``max_completion_tokens`` or ``max_prompt_tokens``.
            usage: The tokens that the run has used; None if they are not known.
        """
        return self._moves["stop_incomplete"].trigger(
            run, {"incomplete_details": {"reason": reason}, "usage": usage}
        )

    def request_cancel(self, run: RunResponse) -> Moved:
        """
        Request that a run is cancelled. It may still end otherwise until the cancel is confirmed.

        Args:
            run: The run, moved in place.
        """
        return self._moves["request_cancel"].trigger(run, _NO_PAYLOAD)

    def confirm_cancel(
        self, run: RunResponse, usage: Usage | Mapping[str, Any] | None = None
    ) -> Moved:
        """
        End a run that is being cancelled as ``cancelled``.

        Args:
            run: The run, moved in place.
            usage: The tokens that the run has used; None if they are not known.
        """
        return self._moves["confirm_cancel"].trigger(run, {"usage": usage})

    def expire(self, run: RunResponse, usage: Usage | Mapping[str, Any] | None = None) -> Moved:
        """
        End a run that took too long.

        Args:
            run: The run, moved in place.
            usage: The tokens that the run has used; None if they are not known.
        """
        return self._moves["expire"].trigger(run, {"usage": usage})

    def _fire_as(self, run: RunResponse, move: Move, payload: dict[str, Any]) -> Moved:
        """
        See the base; the reason of an end that needs details is one of them.
        """
        if "reason" in payload and "incomplete_details" not in payload:
            targets = {row.target for row in self.lifecycle if row.trigger == move.name}
            if any("incomplete_details" in self.lifecycle.entry(each).requires for each in targets):
                payload["incomplete_details"] = {"reason": payload.pop("reason")}

        return super()._fire_as(run, move, payload)

    def _prepare(
        self, run: RunResponse, trigger: str, payload: Mapping[str, Any]
    ) -> tuple[Plan, dict[str, Any]]:
        """
        Return the row that *trigger* takes from the run's status, and the changes it would make.

        Stamps are not among them, and nothing is moved. Raises as :meth:`fire` does.
        """
        move = self._moves[trigger]
        if not isinstance(move, Move):
            self._mover.unknown(run, trigger)
        plan = move.rows.get(run.status)
        if plan is None:
            self._mover.illegal(run, trigger)
        changes = plan.changes.copy()
        plan.prepare(run, plan, payload, changes)

        return plan, changes

    def _plan(self, row: Transition) -> Plan:
        return RunPayloads(self._mover).plan(row)
