"""
The libraries that turn methods into moves: automat, viewflow.fsm, django-fsm-2.

They get the four triggers of the walk. What a move writes stands in the method itself,
without a helper: on a plain object by assignment, on the model straight into ``__dict__``.
"""

from collections.abc import Callable
from functools import partial
from time import time
from typing import Any, Protocol

from runstate import RunEngine, RunResponse, RunStatus
from timing import Variant
from work import ACTION, IDENTITY, MOVES, RUNS, USAGE, model_runs, plain_runs

_QUEUED, _IN_PROGRESS, _REQUIRES_ACTION, _CANCELLING, _COMPLETED = (
    RunStatus.QUEUED,
    RunStatus.IN_PROGRESS,
    RunStatus.REQUIRES_ACTION,
    RunStatus.CANCELLING,
    RunStatus.COMPLETED,
)


def walk(subjects: list[Any]) -> None:
    """
    Move every subject by its methods.
    """
    for subject in subjects:
        subject.start()
        subject.require_action(ACTION)
        subject.submit_tool_outputs()
        subject.start()
        subject.complete(USAGE)


class _Inputs(Protocol):
    def start(self) -> None: ...
    def require_action(self, required_action: Any) -> None: ...
    def submit_tool_outputs(self) -> None: ...
    def complete(self, usage: Any) -> None: ...


def automat_plain() -> Variant:
    """
    Time ``automat`` on a plain object.
    """

    def start(_: _Inputs, run: Any) -> None:
        run.status = _IN_PROGRESS
        run.started_at = int(time())

    def require_action(_: _Inputs, run: Any, required_action: Any) -> None:
        run.status = _REQUIRES_ACTION
        run.required_action = required_action

    def submit(_: _Inputs, run: Any) -> None:
        run.status = _QUEUED
        run.required_action = None

    def complete(_: _Inputs, run: Any, usage: Any) -> None:
        run.status = _COMPLETED
        run.completed_at = int(time())
        run.expires_at = None
        run.usage = usage

    build = _automat(start, require_action, submit, complete)

    return _automat_variant("automat, plain object", "a plain object", build, plain_runs)


def automat_model() -> Variant:
    """
    Time ``automat`` on the model.
    """

    def start(_: _Inputs, run: RunResponse) -> None:
        changes = {"status": _IN_PROGRESS, "started_at": int(time())}
        run.__dict__.update(changes)
        run.__pydantic_fields_set__.update(changes)

    def require_action(_: _Inputs, run: RunResponse, required_action: Any) -> None:
        changes = {"status": _REQUIRES_ACTION, "required_action": required_action}
        run.__dict__.update(changes)
        run.__pydantic_fields_set__.update(changes)

    def submit(_: _Inputs, run: RunResponse) -> None:
        changes = {"status": _QUEUED, "required_action": None}
        run.__dict__.update(changes)
        run.__pydantic_fields_set__.update(changes)

    def complete(_: _Inputs, run: RunResponse, usage: Any) -> None:
        at = int(time())
        changes = {"status": _COMPLETED, "completed_at": at, "expires_at": None, "usage": usage}
        run.__dict__.update(changes)
        run.__pydantic_fields_set__.update(changes)

    build = _automat(start, require_action, submit, complete)

    return _automat_variant("automat", "the model", build, partial(model_runs, RunEngine()))


def _automat(
    start: Callable[..., None],
    require_action: Callable[..., None],
    submit: Callable[..., None],
    complete: Callable[..., None],
) -> Callable[[Any], Any]:
    from automat import TypeMachineBuilder

    builder = TypeMachineBuilder(_Inputs, object)
    queued, in_progress, requires_action, completed = (
        builder.state(name) for name in ("queued", "in_progress", "requires_action", "completed")
    )
    queued.upon(_Inputs.start).to(in_progress)(start)
    in_progress.upon(_Inputs.require_action).to(requires_action)(require_action)
    requires_action.upon(_Inputs.submit_tool_outputs).to(queued)(submit)
    in_progress.upon(_Inputs.complete).to(completed)(complete)

    return builder.build()


def _automat_variant(
    name: str, what: str, build: Callable[[Any], Any], runs: Callable[[], list[Any]]
) -> Variant:
    def go(machines: list[Any]) -> None:
        for machine, _ in machines:
            machine.start()
            machine.require_action(ACTION)
            machine.submit_tool_outputs()
            machine.start()
            machine.complete(USAGE)

    def prepare() -> list[Any]:
        # A machine hides its core, and the check at the end wants to see it.
        return [(build(run), run) for run in runs()]

    how = f"`TypeMachineBuilder`, one machine a run, core is {what}; fields written in the body"

    return Variant(name, how, prepare, go, RUNS * MOVES)


def viewflow_plain() -> Variant:
    """
    Time ``viewflow.fsm`` on a plain object. A getter and a setter make it faster.
    """
    _set_up_django()
    run_cls = _plain_flow_cls()

    def prepare() -> list[Any]:
        expires_at = int(time()) + 600
        return [run_cls(expires_at) for _ in range(RUNS)]

    how = "a plain object that has the `State`, getter and setter; fields written in the method"

    return Variant("viewflow.fsm, plain object", how, prepare, walk, RUNS * MOVES)


def _plain_flow_cls() -> type:
    from viewflow.fsm import State

    class Run:
        status = State(RunStatus, default=_QUEUED)

        def __init__(self, expires_at: int) -> None:
            self.value = _QUEUED
            self.expires_at = expires_at

        @status.setter()
        def _set_status(self, value: RunStatus) -> None:
            self.value = value

        @status.getter()
        def _get_status(self) -> RunStatus:
            return self.value

        @status.transition(source=_QUEUED, target=_IN_PROGRESS)
        def start(self) -> None:
            self.started_at = int(time())

        @status.transition(source=_IN_PROGRESS, target=_REQUIRES_ACTION)
        def require_action(self, required_action: Any) -> None:
            self.required_action = required_action

        @status.transition(source=_REQUIRES_ACTION, target=_QUEUED)
        def submit_tool_outputs(self) -> None:
            self.required_action = None

        @status.transition(source={_IN_PROGRESS, _CANCELLING}, target=_COMPLETED)
        def complete(self, usage: Any) -> None:
            self.completed_at = int(time())
            self.expires_at = None
            self.usage = usage

    return Run


def viewflow_model() -> Variant:
    """
    Time ``viewflow.fsm`` on the model.
    """
    _set_up_django()
    flow_cls, engine = _flow_cls(), RunEngine()

    def prepare() -> list[Any]:
        return [flow_cls(run) for run in model_runs(engine)]

    how = "a flow around the model, getter and setter on its status; fields written in the method"

    return Variant("viewflow.fsm", how, prepare, walk, RUNS * MOVES)


def _flow_cls() -> type:
    from viewflow.fsm import State

    class RunFlow:
        state = State(RunStatus, default=_QUEUED)

        def __init__(self, run: RunResponse) -> None:
            self.run = run

        @state.setter()
        def _set_state(self, value: RunStatus) -> None:
            self.run.__dict__["status"] = value
            self.run.__pydantic_fields_set__.add("status")

        @state.getter()
        def _get_state(self) -> RunStatus:
            return self.run.__dict__["status"]

        @state.transition(source=_QUEUED, target=_IN_PROGRESS)
        def start(self) -> None:
            self.run.__dict__["started_at"] = int(time())
            self.run.__pydantic_fields_set__.add("started_at")

        @state.transition(source=_IN_PROGRESS, target=_REQUIRES_ACTION)
        def require_action(self, required_action: Any) -> None:
            self.run.__dict__["required_action"] = required_action
            self.run.__pydantic_fields_set__.add("required_action")

        @state.transition(source=_REQUIRES_ACTION, target=_QUEUED)
        def submit_tool_outputs(self) -> None:
            self.run.__dict__["required_action"] = None
            self.run.__pydantic_fields_set__.add("required_action")

        @state.transition(source={_IN_PROGRESS, _CANCELLING}, target=_COMPLETED)
        def complete(self, usage: Any) -> None:
            changes = {"completed_at": int(time()), "expires_at": None, "usage": usage}
            self.run.__dict__.update(changes)
            self.run.__pydantic_fields_set__.update(changes)

    return RunFlow


def django_fsm_2() -> Variant:
    """
    Time ``django-fsm-2``.
    """
    row_cls = _row_cls()

    def prepare() -> list[Any]:
        expires_at = int(time()) + 600
        return [row_cls(id="run_1", expires_at=expires_at, **IDENTITY) for _ in range(RUNS)]

    how = "a Django model with the same fields, never saved; fields written in the method"

    return Variant("django-fsm-2", how, prepare, walk, RUNS * MOVES)


def _row_cls() -> type:
    _set_up_django()
    from django.db import models
    from django_fsm import FSMField, transition

    class RunRow(models.Model):
        id = models.CharField(primary_key=True, max_length=64)
        assistant_id = models.CharField(max_length=64)
        thread_id = models.CharField(max_length=64)
        status = FSMField(default="queued")
        started_at = models.IntegerField(null=True)
        completed_at = models.IntegerField(null=True)
        expires_at = models.IntegerField(null=True)
        required_action = models.JSONField(null=True)
        usage = models.JSONField(null=True)

        class Meta:
            app_label = "benchmarks"

        @transition(field=status, source="queued", target="in_progress")
        def start(self) -> None:
            self.started_at = int(time())

        @transition(field=status, source="in_progress", target="requires_action")
        def require_action(self, required_action: Any) -> None:
            self.required_action = required_action

        @transition(field=status, source="requires_action", target="queued")
        def submit_tool_outputs(self) -> None:
            self.required_action = None

        @transition(field=status, source=["in_progress", "cancelling"], target="completed")
        def complete(self, usage: Any) -> None:
            self.completed_at = int(time())
            self.expires_at = None
            self.usage = usage

    return RunRow


def _set_up_django() -> None:
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(INSTALLED_APPS=[], DEFAULT_AUTO_FIELD="django.db.models.AutoField")
        django.setup()
