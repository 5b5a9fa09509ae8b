"""
The libraries that read a table: transitions, python-statemachine, xstate-statemachine, sismic.

They get all 18 rows. None of them can write to the model, so they move a plain object or a
mapping with the same fields, which is cheaper to write to.
"""

from collections.abc import Callable
from time import time
from typing import Any

from runstate import RUN
from timing import Variant
from work import ACTION, MOVES, RUNS, USAGE, plain_run, plain_runs

_BATCH = RUNS * MOVES
_BY_CALLER = "fields written by the caller"


def transitions_() -> Variant:
    """
    Time ``transitions``.
    """
    events = RUN.machine(model_attribute="status").events
    start, require_action, submit, complete = (
        events[name] for name in ("start", "require_action", "submit_tool_outputs", "complete")
    )

    def go(runs: list[Any]) -> None:
        for run in runs:
            start.trigger(run)
            run.started_at = int(time())
            require_action.trigger(run)
            run.required_action = ACTION
            submit.trigger(run)
            run.required_action = None
            start.trigger(run)
            run.started_at = int(time())
            complete.trigger(run)
            _complete(run)

    how = f"one shared machine, `events[name].trigger(plain object)`; {_BY_CALLER}"

    return Variant("transitions", how, plain_runs, go, _BATCH)


def python_statemachine() -> Variant:
    """
    Time ``python-statemachine``.
    """
    machine_cls = statemachine_cls()

    def go(machines: list[Any]) -> None:
        for machine in machines:
            run = machine.model
            machine.start()
            run.started_at = int(time())
            machine.require_action()
            run.required_action = ACTION
            machine.submit_tool_outputs()
            run.required_action = None
            machine.start()
            run.started_at = int(time())
            machine.complete()
            _complete(run)

    def prepare() -> list[Any]:
        return [machine_cls(model=run, state_field="status") for run in plain_runs()]

    how = f"one machine a run, `model=` plain object, event methods; {_BY_CALLER}"

    return Variant("python-statemachine", how, prepare, go, _BATCH)


def statemachine_cls() -> type:
    """
    Return a ``python-statemachine`` class of all 18 rows.
    """
    from statemachine import State, StateMachine

    states = {
        str(status): State(
            value=str(status), initial=status == RUN.initial, final=RUN.is_terminal(status)
        )
        for status in RUN.statuses
    }
    events: dict[str, Any] = {}
    for row in RUN:
        way = states[str(row.source)].to(states[str(row.target)])
        events[str(row.trigger)] = events[row.trigger] | way if row.trigger in events else way

    return type(StateMachine)("RunMachine", (StateMachine,), {**states, **events})


def xstate_statemachine() -> Variant:
    """
    Time ``xstate-statemachine``.
    """
    new = xstate_factory()

    def go(interpreters: list[Any]) -> None:
        for interpreter in interpreters:
            _walk(interpreter.context, interpreter.send)

    def prepare() -> list[Any]:
        return [new() for _ in range(RUNS)]

    how = f"one `SyncInterpreter` a run, `send(name)`; {_BY_CALLER.replace('fields', 'context')}"

    return Variant("xstate-statemachine", how, prepare, go, _BATCH)


def xstate_factory() -> Callable[[], Any]:
    """
    Return what makes a started ``xstate-statemachine`` interpreter of all 18 rows.
    """
    from xstate_statemachine import SyncInterpreter, create_machine

    states = {
        str(status): {"type": "final"}
        if RUN.is_terminal(status)
        else {"on": {str(row.trigger): str(row.target) for row in RUN if row.source == status}}
        for status in RUN.statuses
    }
    machine = create_machine(
        {"id": "run", "initial": "queued", "context": vars(plain_run()), "states": states}
    )

    return lambda: SyncInterpreter(machine).start()


def sismic_() -> Variant:
    """
    Time ``sismic``.
    """
    new = _sismic_factory()

    def go(interpreters: list[Any]) -> None:
        for interpreter in interpreters:
            queue, execute = interpreter.queue, interpreter.execute_once

            def fire(name: str, queue: Any = queue, execute: Any = execute) -> None:
                queue(name)
                execute()

            _walk(interpreter.context, fire)

    def prepare() -> list[Any]:
        return [new() for _ in range(RUNS)]

    how = f"one `Interpreter` a run, `queue` and `execute_once`; {_BY_CALLER}"

    return Variant("sismic", how, prepare, go, _BATCH)


def _sismic_factory() -> Callable[[], Any]:
    from sismic.interpreter import Interpreter
    from sismic.model import BasicState, CompoundState, FinalState, Statechart, Transition

    chart = Statechart("run")
    chart.add_state(CompoundState("run", initial="queued"), None)
    for status in RUN.statuses:
        state_cls = FinalState if RUN.is_terminal(status) else BasicState
        chart.add_state(state_cls(str(status)), "run")
    for row in RUN:
        chart.add_transition(Transition(str(row.source), str(row.target), event=str(row.trigger)))

    def new() -> Any:
        interpreter = Interpreter(chart, initial_context=vars(plain_run()))
        interpreter.execute_once()

        return interpreter

    return new


def _walk(context: Any, fire: Callable[[str], Any]) -> None:
    fire("start")
    context["started_at"] = int(time())
    fire("require_action")
    context["required_action"] = ACTION
    fire("submit_tool_outputs")
    context["required_action"] = None
    fire("start")
    context["started_at"] = int(time())
    fire("complete")
    context["completed_at"] = int(time())
    context["expires_at"] = None
    context["usage"] = USAGE


def _complete(run: Any) -> None:
    run.completed_at = int(time())
    run.expires_at = None
    run.usage = USAGE
