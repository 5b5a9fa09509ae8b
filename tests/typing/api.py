"""
The public API as users write it. Type-checked, never run.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple, assert_type

from hypothesis.strategies import SearchStrategy

from runstate import (
    RULES,
    RUN,
    BaseResponse,
    Deadline,
    Deviation,
    Engine,
    Entry,
    Error,
    ErrorResponse,
    Finding,
    Function,
    IllegalTransitionError,
    IncompleteDetails,
    LastError,
    Lifecycle,
    Monitor,
    Moved,
    Observation,
    Report,
    RequiredAction,
    ResponseFormat,
    Rule,
    RunEngine,
    RunResponse,
    RunStatus,
    SubmitToolOutputs,
    Tool,
    ToolCall,
    ToolChoice,
    Transition,
    TruncationStrategy,
    Usage,
    check,
    load_lifecycle,
)
from runstate.diagrams import Overlay, draw
from runstate.errors import GuardRefusedError, LifecycleError, UnknownTriggerError
from runstate.presets import PRESETS
from runstate.testing import (
    Conformance,
    Driven,
    Interleavings,
    ManualClock,
    conformance,
    drive,
    interleavings,
)
from runstate.testing.strategies import BrokenHistory, broken_histories, legal_histories


def a_run_is_moved(engine: RunEngine) -> None:
    """
    Each trigger is a method with its payload, and answers with the move.
    """
    run = engine.create(assistant_id="asst_1", thread_id="thread_1", model="m")
    assert_type(run, RunResponse)
    assert_type(engine.start(run), Moved)
    call = ToolCall(id="call_1", function=Function(name="f", arguments="{}"))
    action = RequiredAction(submit_tool_outputs=SubmitToolOutputs(tool_calls=(call,)))
    assert_type(engine.require_action(run, action), Moved)
    assert_type(engine.require_action(run, {"type": "submit_tool_outputs"}), Moved)
    assert_type(engine.submit_tool_outputs(run, {"call_1": "sunny"}), Moved)
    usage = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    assert_type(engine.complete(run), Moved)
    assert_type(engine.complete(run, usage=usage), Moved)
    assert_type(engine.fail(run, LastError(code="server_error", message="m"), usage), Moved)
    assert_type(engine.fail(run, {"code": "server_error", "message": "m"}), Moved)
    assert_type(engine.stop_incomplete(run, "max_prompt_tokens"), Moved)
    assert_type(engine.request_cancel(run), Moved)
    assert_type(engine.confirm_cancel(run), Moved)
    assert_type(engine.expire(run), Moved)
    assert_type(engine.fire(run, "complete", usage=usage), Moved)
    assert_type(engine.can(run, "start"), bool)
    assert_type(engine.allowed(run), tuple[str, ...])


def wrong_calls_are_refused(engine: RunEngine, run: RunResponse) -> None:
    """
    What would fail when it runs already fails the type checker.
    """
    engine.start()  # type: ignore[call-arg]
    engine.start("run_1")  # type: ignore[arg-type]
    engine.require_action(run)  # type: ignore[call-arg]
    engine.fail(run)  # type: ignore[call-arg]
    engine.fail(run, "broken")  # type: ignore[arg-type]
    engine.submit_tool_outputs(run, [])  # type: ignore[arg-type]
    engine.retry(run)  # type: ignore[attr-defined]
    check(["queued"], observed="guessed")  # type: ignore[arg-type]
    Transition("start", "queued", "in_progress", "gossip")  # type: ignore[arg-type]


def a_run_is_read(run: RunResponse) -> None:
    """
    Every property has a type, and an HTTP response is a run or a refusal.
    """
    assert_type(run.id, str)
    assert_type(run.status, RunStatus)
    assert_type(run.created_at, int)
    assert_type(run.completed_at, int | None)
    assert_type(run.usage, Usage | None)
    assert_type(run.tools, list[Tool])
    assert_type(run.metadata, dict[str, str] | None)
    assert_type(run.temperature, float | None)
    assert_type(run.is_successful, bool)
    assert_type(run.error, Error | None)
    assert_type(run.error_message, str | None)
    assert_type(run.incomplete_details, IncompleteDetails | None)
    assert_type(run.truncation_strategy, TruncationStrategy | None)
    assert_type(run.model_copy(), RunResponse)
    answer = RunResponse.from_http(200, b"{}", {"x-request-id": "1"})
    assert_type(answer, RunResponse | ErrorResponse)
    if isinstance(answer, RunResponse):
        assert_type(answer.status, RunStatus)
    else:
        assert_type(answer.detail, str | None)
    envelope: BaseResponse = answer
    assert_type(envelope.reason_phrase, str | None)
    run.metadata = {"k": "v"}
    run.tool_choice = "auto"
    run.tool_choice = ToolChoice(type="function", function=Function(name="f"))
    run.response_format = ResponseFormat(type="text")


def refusals_carry_facts(engine: RunEngine, run: RunResponse) -> str:
    """
    Each error has what it is about.
    """
    try:
        engine.start(run)
    except IllegalTransitionError as error:
        assert_type(error.run_id, str | None)
        assert_type(error.status, str)
        assert_type(error.allowed, tuple[str, ...])
        assert_type(error.beaten_by, str | None)
    except GuardRefusedError as error:
        return error.reason
    except UnknownTriggerError as error:
        assert_type(error.known, tuple[str, ...])
    except LifecycleError as error:
        assert_type(error.faults, tuple[str, ...])

    return ""


def histories_are_checked(polls: list[Observation], snapshots: list[Mapping[str, Any]]) -> None:
    """
    Statuses, snapshots, models and observations can be checked alike.
    """
    assert_type(check(["queued", "completed"], observed="polled"), Report)
    assert_type(check([RunStatus.QUEUED], finished=True, limits={"queued": 60}, now=1.5), Report)
    check(snapshots, RUN, observed="unordered")
    check(RunResponse(id="r", created_at=1_700_000_000, status=s) for s in RunStatus)
    report = check(polls)
    assert_type(report.ok, bool)
    assert_type(report.findings, tuple[Finding, ...])
    monitor = Monitor(RUN, observed="polled", limits={"cancelling": 30.0})
    for poll in polls:
        assert_type(monitor.observe(poll), list[Finding])
    assert_type(monitor.finish(finished=True), list[Finding])
    assert_type(monitor.undecided, int)
    assert_type(RULES["RS103"], Rule)


def lifecycles_are_tables() -> None:
    """
    A lifecycle can be made, loaded, asked, narrowed, widened and drawn.
    """
    door = Lifecycle(
        name="door",
        transitions=(Transition("open", "shut", "opened", "observed", "seen"),),
        initial="shut",
        terminal={"opened": "success"},
        entries=(Entry("opened", stamps=("opened_at",)),),
        deadline=Deadline("due_at", seconds=60, longest=600),
        deviations=(Deviation("RS202", "opened_at"),),
    )
    assert_type(load_lifecycle("door.toml"), Lifecycle)
    assert_type(RUN.only("documented"), Lifecycle)
    assert_type(RUN.without(triggers=["expire"]), Lifecycle)
    assert_type(RUN.with_transitions(Transition("retry", "queued", "queued")), Lifecycle)
    assert_type(RUN.row("start", RunStatus.QUEUED), Transition | None)
    assert_type(RUN.shortest_path("queued", "completed"), tuple[Transition, ...] | None)
    assert_type(door.reachable("shut"), frozenset[str])
    assert_type([row.trigger for row in door], list[str])
    assert_type(PRESETS, Mapping[str, Lifecycle])
    assert_type(draw(RUN, "svg", Overlay(current="queued", counts={("a", "b"): 1})), bytes)


class Job:
    """
    An object of the user's own.
    """

    status: str = "queued"


def any_object_is_moved(job: Job) -> None:
    """
    The general engine moves objects of one type; guards and observers are plain functions.
    """

    def guard(moved: Job, row: Transition) -> str | None:
        return None if row.target == moved.status else "no"

    async def observer(moved: Moved) -> None:
        """
        See when the status before was entered.
        """
        assert_type(moved.duration_s, float | None)

    engine = Engine[Job](RUN, clock=lambda: 1.5, guards=[guard], observers=[observer, print])
    assert_type(engine.fire(job, "start"), Moved)
    engine.fire("job", "start")  # type: ignore[arg-type]


class Answer(NamedTuple):
    """
    What a service of the user's own answers.
    """

    ok: bool


class Jobs:
    """
    A service of the user's own, with the least that the kit wants.
    """

    def create(self) -> str:
        """See the protocol."""
        return "job_1"

    def fire(self, run_id: str, trigger: str, **payload: Any) -> Answer:
        """See the protocol."""
        return Answer(run_id == trigger)

    def status(self, run_id: str) -> str:
        """See the protocol."""
        return run_id


def any_service_is_tested() -> None:
    """
    What has the three methods is driven and checked; strategies make plain statuses.
    """
    assert_type(drive(lambda: nullcontext(Jobs())), Driven)
    assert_type(conformance(lambda: nullcontext(Jobs())), Conformance)
    assert_type(interleavings(lambda: nullcontext(Jobs())), Interleavings)
    assert_type(legal_histories(RUN, most=3), SearchStrategy[list[str]])
    assert_type(broken_histories(RUN, "polled"), SearchStrategy[BrokenHistory])
    RunEngine(clock=ManualClock())
    drive(lambda: nullcontext(Job()))  # type: ignore[arg-type]
