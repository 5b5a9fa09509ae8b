"""
One move: what it checks, what it writes, what it tells.
"""

import asyncio
import gc
import logging
import time
import weakref
from types import SimpleNamespace

import pydantic
import pytest
import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from conftest import BORN, PAYLOADS, fire, run_in
from runstate import (
    RUN,
    BaseResponse,
    Engine,
    Entry,
    GuardRefusedError,
    IllegalTransitionError,
    IncompleteDetails,
    Lifecycle,
    LifecycleError,
    LifecycleFieldError,
    Moved,
    PayloadError,
    RequiredAction,
    RunEngine,
    RunResponse,
    RunStatus,
    Transition,
    UnknownTriggerError,
    Usage,
    check,
)
from runstate.presets import PRESETS
from runstate.testing import ManualClock

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
EXPIRY = BORN + 600


def facts(run):
    """
    What the lifecycle owns of *run*, without what is None.
    """
    names = [*RUN.stamp_fields, *RUN.detail_fields]

    return {name: getattr(run, name) for name in names if getattr(run, name) is not None}


def test_create_makes_a_queued_run(engine):
    """
    A new run has its ids, its birth and its deadline, and nothing else.
    """
    run = engine.create(id="run_1", assistant_id="asst_1", thread_id="thread_1", model="m")

    assert run == RunResponse(
        id="run_1",
        assistant_id="asst_1",
        thread_id="thread_1",
        model="m",
        status="queued",
        created_at=BORN,
        expires_at=EXPIRY,
    )


def test_create_makes_up_an_id_and_knows_no_deadline_if_told_so(clock):
    """
    Ids and deadlines come in through the door.
    """
    engine = RunEngine(clock=clock, new_id=lambda: "run_made_up", expires_after=None)
    run = engine.create()

    assert ("run_made_up", None, BORN) == (run.id, run.expires_at, run.created_at)
    assert RunEngine().create().id.startswith("run_")
    assert len({RunEngine().create().id for _ in range(100)}) == 100


def test_create_refuses_what_only_a_move_may_set(engine):
    """
    A run cannot be born in the middle of its life.
    """
    for name in ("status", "completed_at", "usage", "Status", "CompletedAt"):
        with pytest.raises(LifecycleFieldError) as refused:
            engine.create(**{name: "completed"})

        assert (refused.value.model, refused.value.field) == ("RunResponse", name)


def test_a_run_goes_through_tools_to_its_end(engine, clock):
    """
    Stamps, details and the deadline change as the recordings show.
    """
    run = engine.create(id="run_1")
    clock.now += 2
    engine.start(run)
    assert {"created_at": BORN, "started_at": BORN + 2, "expires_at": EXPIRY} == facts(run)

    action = RequiredAction.model_validate(PAYLOADS["require_action"]["required_action"])
    clock.now += 1
    engine.require_action(run, action)
    assert run.status is RunStatus.REQUIRES_ACTION
    assert run.required_action is action

    clock.now += 5
    engine.submit_tool_outputs(run, {"call_1": "sunny"})
    assert {"created_at": BORN, "started_at": BORN + 2, "expires_at": EXPIRY} == facts(run)

    clock.now += 1.5
    engine.start(run)
    assert run.started_at == BORN + 9

    clock.now += 3
    moved = engine.complete(run, usage=USAGE)
    assert {
        "created_at": BORN,
        "started_at": BORN + 9,
        "completed_at": BORN + 12,
        "usage": Usage(**USAGE),
    } == facts(run)
    assert moved == Moved(
        "run_1", "complete", "in_progress", "completed", BORN + 12.5, 3.0, 6, clock_regressed=False
    )
    assert run.model_fields_set >= {"status", "completed_at", "usage", "expires_at"}


@pytest.mark.parametrize(
    ("trigger", "arguments", "source", "written"),
    [
        ("fail", ({"code": "server_error", "message": "m"}, USAGE), "in_progress", {"failed_at"}),
        ("fail", ({"code": "server_error", "message": "m"},), "queued", {"failed_at"}),
        ("stop_incomplete", ("max_prompt_tokens", USAGE), "in_progress", {"completed_at"}),
        ("expire", (), "requires_action", {"completed_at"}),
        ("expire", (USAGE,), "cancelling", {"completed_at"}),
        ("confirm_cancel", (USAGE,), "cancelling", {"cancelled_at"}),
        ("complete", (), "in_progress", {"completed_at"}),
    ],
)
def test_each_end_stamps_its_own_field_and_clears_the_deadline(
    engine, trigger, arguments, source, written
):
    """
    An end writes one stamp, its detail and its usage, and leaves no deadline or action behind.
    """
    run = run_in(engine, source)
    before = facts(run).keys()
    getattr(engine, trigger)(run, *arguments)
    details = {"fail": {"last_error"}, "stop_incomplete": {"incomplete_details"}}.get(
        trigger, set()
    )
    usage = {"usage"} if USAGE in arguments else set()

    assert (
        before - {"expires_at", "required_action"} | written | details | usage == facts(run).keys()
    )
    assert dict.fromkeys(written, BORN) == {name: getattr(run, name) for name in written}


def test_cancel_leaves_cancelled_at_alone_until_it_is_a_fact(engine):
    """
    While cancelling, nothing is stamped and nothing waits for outputs any more.
    """
    run = run_in(engine, "requires_action")
    engine.request_cancel(run)

    assert {"created_at": BORN, "started_at": BORN, "expires_at": EXPIRY} == facts(run)
    engine.confirm_cancel(run)
    assert {"created_at": BORN, "started_at": BORN, "cancelled_at": BORN} == facts(run)


def test_an_illegal_trigger_names_everything_and_changes_nothing(engine):
    """
    The refusal carries run, status, trigger, target, what is allowed, and what came before.
    """
    run = run_in(engine, "completed")
    before = run.model_dump()
    with pytest.raises(IllegalTransitionError) as refused:
        engine.start(run)

    error = refused.value
    assert ("run_1", "completed", "start", "in_progress", (), "complete") == (
        error.run_id, error.status, error.trigger, error.target, error.allowed, error.beaten_by,
    )  # fmt: skip
    assert (
        str(error)
        == "run 'run_1' is completed: cannot start (allowed: nothing, completed is terminal)"
    )
    assert before == run.model_dump()


def test_status_that_is_none_is_not_said_to_be_terminal():
    """
    An object of another lifecycle, or one that holds a member of an Enum, has not ended.
    """
    with pytest.raises(IllegalTransitionError, match="paused is no status of the lifecycle"):
        Engine(RUN).fire(SimpleNamespace(status="paused"), "start")


def test_a_new_run_was_beaten_by_nobody(engine):
    """
    A run that has only been created, or was read from the wire, names no earlier move.
    """
    for run in (engine.create(id="r"), RunResponse(id="r", created_at=BORN, status="queued")):
        with pytest.raises(IllegalTransitionError) as refused:
            engine.complete(run)

        assert refused.value.beaten_by is None
        assert str(refused.value) == (
            "run 'r' is queued: cannot complete (allowed: start, request_cancel, fail, expire)"
        )


def test_an_unknown_trigger_is_told_apart(engine):
    """
    A misspelt trigger is not an illegal one; the nearest is suggested.
    """
    run = engine.create(id="run_1")
    with pytest.raises(UnknownTriggerError) as refused:
        engine.fire(run, "strat")

    assert refused.value.known == RUN.triggers
    assert refused.value.allowed == RUN.allowed("queued")
    assert str(refused.value) == "run 'run_1' is queued: no trigger 'strat' (did you mean 'start'?)"
    with pytest.raises(UnknownTriggerError, match="known: start, request_cancel"):
        engine.fire(run, "zzz")


def test_a_narrowed_lifecycle_refuses_the_method_it_lacks(clock):
    """
    A typed method whose trigger the table lacks is an unknown trigger.
    """
    engine = RunEngine(RUN.without(statuses=["incomplete"], name="azure"), clock=clock)
    run = engine.create()
    engine.start(run)
    with pytest.raises(UnknownTriggerError):
        engine.stop_incomplete(run, "max_prompt_tokens")


def test_a_run_takes_more_rows_but_no_foreign_status(clock):
    """
    A wider table of the same statuses moves runs; another status needs a model that has it.
    """
    retry = Transition("requeue", "in_progress", "queued", "implemented")
    engine = RunEngine(RUN.with_transitions(retry), clock=clock)
    run = engine.create()
    engine.start(run)
    engine.fire(run, "requeue")

    assert run.status is RunStatus.QUEUED
    wider = RUN.with_transitions(
        Transition("reject", "queued", "rejected"), terminal={"rejected": "error"}
    )
    with pytest.raises(LifecycleError) as refused:
        RunEngine(wider)

    assert ("a RunResponse cannot be 'rejected': use Engine and Store, which take any model",) == (
        refused.value.faults
    )


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_lifecycle_is_moved_as_runs_are_or_refused_when_the_engine_is_made(name):
    """
    No move of a run engine that was made lacks a field.
    """
    lifecycle = PRESETS[name]
    try:
        engine = RunEngine(lifecycle)
    except LifecycleError as refused:
        assert all("use Engine and Store" in fault for fault in refused.faults)
        return
    fields = RunResponse.model_fields.keys() - BaseResponse.model_fields

    assert set(engine.lifecycle.stamp_fields + engine.lifecycle.detail_fields) <= fields
    assert set(engine.lifecycle.statuses) <= set(RunStatus)


def test_fire_by_name_is_the_typed_method(engine):
    """
    Every trigger can be fired by its name with the same payload.
    """
    for row in RUN:
        run = run_in(engine, row.source)
        moved = fire(engine, run, row.trigger)

        assert (row.trigger, row.source, row.target) == (moved.trigger, moved.source, moved.target)
        assert run.status is RunStatus(row.target)
    assert run_in(engine, "incomplete").incomplete_details.reason == "max_completion_tokens"
    run = run_in(engine, "in_progress")
    engine.stop_incomplete(run, "max_prompt_tokens")
    assert run.incomplete_details.reason == "max_prompt_tokens"


@pytest.mark.parametrize(
    ("source", "trigger", "payload", "reason"),
    [
        ("in_progress", "require_action", {}, "'required_action' is required"),
        ("in_progress", "require_action", {"required_action": None}, "'required_action' is required"),
        ("in_progress", "fail", {"usage": USAGE}, "'last_error' is required"),
        ("in_progress", "start_", {}, None),
        ("queued", "start", {"usage": USAGE}, "takes no payload, not 'usage'"),
        ("in_progress", "complete", {"useage": 1}, "takes usage, not 'useage'"),
        ("in_progress", "fail", {"x": 1}, "takes last_error, usage, not 'x'"),
        (
            "in_progress", "complete", {"usage": {"prompt_tokens": -1}},
            "usage.prompt_tokens: Input should be greater than or equal to 0",
        ),
        ("in_progress", "complete", {"usage": 7}, None),
        ("requires_action", "submit_tool_outputs", {}, "takes 'outputs' by tool call id, and nothing else"),
        (
            "requires_action", "submit_tool_outputs", {"outputs": ["sunny"]},
            "takes 'outputs' by tool call id, and nothing else",
        ),
        (
            "requires_action", "submit_tool_outputs", {"outputs": {"call_1": ""}, "usage": 1},
            "takes 'outputs' by tool call id, and nothing else, not 'usage'",
        ),
        ("requires_action", "submit_tool_outputs", {"outputs": {}}, "no output for call_1"),
        (
            "requires_action", "submit_tool_outputs",
            {"outputs": {"call_1": "", "call_3": "", "call_2": ""}},
            "no tool call is waiting for call_2, call_3",
        ),
    ],
)  # fmt: skip
def test_a_payload_that_does_not_fit_moves_nothing(engine, source, trigger, payload, reason):
    """
    What is missing, unexpected or malformed is named, and the run stays as it was.
    """
    run = run_in(engine, source)
    before = run.model_dump()
    with pytest.raises((PayloadError, UnknownTriggerError)) as refused:
        engine.fire(run, trigger, **payload)

    assert before == run.model_dump()
    if reason is not None:
        assert refused.value.reason == reason
        assert str(refused.value) == f"run 'run_1' is {source}: cannot {trigger}: {reason}"
        assert refused.value.target == RUN.row(trigger, source).target


def test_legality_comes_before_the_payload(engine):
    """
    A run that has ended says so, whatever rubbish came with the trigger.
    """
    run = run_in(engine, "completed")
    with pytest.raises(IllegalTransitionError):
        engine.fail(run, {"rubbish": True})


def test_a_payload_error_does_not_carry_the_input_along(engine):
    """
    What was sent may be a secret: it is in no message and in no chained error.
    """
    run = run_in(engine, "in_progress")
    with pytest.raises(PayloadError) as refused:
        engine.complete(run, usage={"prompt_tokens": "canary"})

    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "action",
    [
        {"type": "submit_tool_approval"},
        {"type": "approve", "question": "ship it?"},
        {"type": "submit_tool_outputs"},
        {"type": "submit_tool_approval", "submit_tool_outputs": {"tool_calls": []}},
    ],
)
def test_an_action_that_nothing_can_answer_is_refused(engine, action):
    """
    A run that waits for what no trigger answers would never resume: it stays where it is.
    """
    run = run_in(engine, "in_progress")
    with pytest.raises(PayloadError, match="required_action: "):
        engine.require_action(run, action)

    assert ("in_progress", None) == (run.status, run.required_action)


@pytest.mark.parametrize(
    ("action", "waits_for"),
    [({"type": "submit_tool_approval"}, "submit_tool_approval"), (None, "nothing known")],
)
def test_an_action_that_was_read_from_elsewhere_is_not_answered_by_outputs(
    engine, action, waits_for
):
    """
    Azure's approvals wait for something else; of a run that does not say, nothing is known.
    """
    run = RunResponse(id="run_2", created_at=BORN, status="requires_action", required_action=action)
    with pytest.raises(PayloadError, match=f"it waits for {waits_for}, which outputs do not"):
        engine.submit_tool_outputs(run, {})

    assert "requires_action" == run.status


def test_where_no_call_was_made_nothing_can_be_answered(engine):
    """
    An action without calls takes no output at all.
    """
    run = run_in(engine, "in_progress")
    engine.require_action(run, {"submit_tool_outputs": {"tool_calls": []}})
    with pytest.raises(PayloadError, match="no tool call is waiting for call_1"):
        engine.submit_tool_outputs(run, {"call_1": "sunny"})
    engine.submit_tool_outputs(run, {})

    assert "queued" == run.status


def test_two_calls_under_one_id_are_answered_by_one_output(engine):
    """
    Ids are what outputs are submitted under; one that no tool call is waiting for is still refused.
    """
    run = run_in(engine, "in_progress")
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    engine.require_action(run, {"submit_tool_outputs": {"tool_calls": [call, call]}})
    with pytest.raises(PayloadError, match="no tool call is waiting for bogus"):
        engine.submit_tool_outputs(run, {"c": "x", "bogus": "y"})
    engine.submit_tool_outputs(run, {"c": "x"})

    assert run.status == "queued"


@pytest.mark.parametrize("now", [1_700_000_000_000.0, float("nan"), float("inf")])
def test_a_clock_that_does_not_tell_seconds_moves_nothing(engine, clock, now):
    """
    Milliseconds would be written to a stamp that no reader takes.
    """
    run = engine.create()
    clock.now = now
    with pytest.raises(ValueError, match="expected Unix seconds"):
        engine.start(run)

    assert run.status == "queued"


def test_a_run_is_not_moved_by_the_engine_for_any_object(engine):
    """
    The typed engine knows what belongs into its fields.
    """
    run = engine.create()
    with pytest.raises(TypeError, match="got a RunResponse, which a RunEngine moves"):
        Engine(RUN).fire(run, "start")


def test_a_malformed_payload_is_named_as_it_was_given(engine):
    """
    Field names are the wire's, not the aliases.
    """
    run = run_in(engine, "in_progress")
    with pytest.raises(PayloadError, match=r"last_error\.message: Input should be a valid string"):
        engine.fail(run, {"code": "x", "message": 5})


class Watched(str):
    """
    A status that acts just before one of the looks at it, as a signal handler may.

    Args:
        status: The status.
        number: Number of the look.
        act: Acts, and returns the status that the look finds.
    """

    __slots__ = ("act", "left")
    __hash__ = str.__hash__

    def __new__(cls, status, number, act):
        """
        Make a text that can be given attributes.
        """
        watched = super().__new__(cls, status)
        watched.left, watched.act = number, act
        return watched

    def __eq__(self, other):
        self.left -= 1
        return str(self if self.left else self.act()) == other


@pytest.mark.parametrize(("look", "seq"), [(1, 3), (2, 3), (3, None)])
def test_whoever_interrupts_a_commit_wins_and_the_interrupted_one_loses(engine, look, seq):
    """
    A signal handler that fires before or in the midst of a commit takes the lock again, and wins.
    """
    run = run_in(engine, "in_progress")

    def interrupted():
        run.__dict__["status"] = RunStatus.IN_PROGRESS
        engine.expire(run)
        return run.status

    run.__dict__["status"] = watched = Watched("in_progress", look, interrupted)
    with pytest.raises(IllegalTransitionError) as lost:
        engine.complete(run)

    assert watched.left <= 0
    assert ("expired", "expired", "expire") == (run.status, lost.value.status, lost.value.beaten_by)
    assert run.completed_at == BORN
    assert (seq, "expired") == (run._last_move.seq, run._last_move.target)


def test_whoever_loses_to_a_move_that_leaves_the_trigger_legal_goes_on_from_there():
    """
    A cancel that was asked for in the midst of a completion does not lose the completion.
    """
    fired = []

    def interrupted(run, row):
        if row.trigger == "complete" and not fired:
            fired.append(True)
            engine.request_cancel(run)

    engine = RunEngine(guards=[interrupted])
    run = run_in(engine, "in_progress")
    moved = engine.complete(run)

    assert ("cancelling", "completed", 4) == (moved.source, moved.target, moved.seq)


@pytest.mark.parametrize("kind", ["run", "object"])
def test_whoever_is_always_too_late_is_told_so_in_the_end(kind):
    """
    Nobody looks for ever: after a hundred times it is enough.
    """
    others, looks = {"in_progress": "cancelling", "cancelling": "in_progress"}, []

    def interrupted(run, row):
        looks.append(row.source)
        vars(run)["status"] = others[row.source]

    if kind == "run":
        engine = RunEngine(guards=[interrupted])
        run = engine.create()
        vars(run)["status"] = "in_progress"
        with pytest.raises(IllegalTransitionError):
            engine.complete(run)
    else:
        with pytest.raises(IllegalTransitionError):
            Engine(RUN, guards=[interrupted]).fire(SimpleNamespace(status="cancelling"), "expire")

    assert 100 == len(looks)
    assert set(others) == {*looks}


def test_a_move_is_judged_without_being_made(engine):
    """
    The store asks what a move would change, and is refused as a caller would be.
    """
    run = run_in(engine, "queued")
    plan, changes = engine._prepare(run, "start", {})
    with pytest.raises(IllegalTransitionError):
        engine._prepare(run, "complete", {})

    assert ("in_progress", {"status": "in_progress"}, "queued") == (
        plan.target, changes, run.status,
    )  # fmt: skip


def test_a_record_that_was_never_followed_by_its_move_is_not_believed(engine, clock):
    """
    After an interrupt between record and fields, the next move starts from the stamps.
    """
    run = run_in(engine, "in_progress")
    torn = run._last_move._replace(target="completed", seq=9)
    object.__setattr__(run, "_last_move", torn)
    clock.now += 5
    moved = engine.complete(run)

    assert (None, None, BORN + 5) == (moved.seq, moved.duration_s, moved.at)
    assert run.status == "completed"


def test_a_mapping_that_is_no_dict_answers_too(engine):
    """
    Outputs may be any mapping.
    """
    from types import MappingProxyType

    run = run_in(engine, "requires_action")
    engine.submit_tool_outputs(run, MappingProxyType({"call_1": "sunny"}))

    assert run.status == "queued"


@pytest.mark.parametrize(
    ("verdict", "reason"), [(False, ""), ("too late in the day", "too late in the day"), ("", "")]
)
def test_a_guard_refuses_with_or_without_a_reason(clock, verdict, reason):
    """
    False or a reason stops a move that the table allows, with the run untouched.
    """
    asked = []

    def guard(run, row):
        asked.append((run.status, row))
        return verdict if row.trigger == "complete" else None

    engine = RunEngine(clock=clock, guards=[guard])
    run = run_in(engine, "in_progress")
    before = run.model_dump()
    with pytest.raises(GuardRefusedError) as refused:
        engine.complete(run)

    assert before == run.model_dump()
    assert (reason, "complete", "completed", "in_progress") == (
        refused.value.reason, refused.value.trigger, refused.value.target, refused.value.status,
    )  # fmt: skip
    assert refused.value.allowed == RUN.allowed("in_progress")
    assert [RUN.row("start", "queued"), RUN.row("complete", "in_progress")] == [r for _, r in asked]
    suffix = f": {reason}" if reason else ""
    assert str(refused.value) == f"run 'run_1' is in_progress: a guard refused complete{suffix}"


def test_a_guard_that_must_be_awaited_is_refused():
    """
    Nobody would await it: every move would be refused, whatever it says.
    """

    async def allowed(run, transition):
        return True

    with pytest.raises(ValueError, match=r"allowed .*is a coroutine function"):
        RunEngine(guards=[allowed])


def test_a_guard_may_raise_and_nothing_has_moved(clock):
    """
    What a guard raises reaches the caller.
    """

    def guard(run, row):
        raise RuntimeError("the database is down")

    engine = RunEngine(clock=clock, guards=[lambda run, row: True, guard])
    run = engine.create()
    with pytest.raises(RuntimeError, match="the database is down"):
        engine.start(run)

    assert run.status == "queued"
    assert engine.can(run, "start")


def test_a_guard_that_moves_the_run_makes_the_outer_move_lose(clock):
    """
    Guards run outside of the lock: a re-entrant one wins, and deadlocks nothing.
    """

    def guard(run, row):
        if row.trigger == "complete":
            engine.request_cancel(run)

    engine = RunEngine(clock=clock, guards=[guard])
    run = run_in(engine, "in_progress")
    with pytest.raises(IllegalTransitionError) as lost:
        engine.complete(run)

    assert (run.status, lost.value.status, lost.value.beaten_by) == (
        "cancelling", "cancelling", "request_cancel",
    )  # fmt: skip


def test_observers_are_told_in_order_and_cannot_undo(clock):
    """
    One that raises is logged, the others are still told, the move stands.
    """
    told = []

    def broken(moved):
        raise ValueError("no")

    engine = RunEngine(
        clock=clock,
        observers=[
            lambda m: told.append(("a", m.target)),
            broken,
            lambda m: told.append(("b", m.target)),
        ],
    )
    with structlog.testing.capture_logs() as log:
        run = engine.create(id="run_1")
        engine.start(run)

    assert [("a", "queued"), ("b", "queued"), ("a", "in_progress"), ("b", "in_progress")] == told
    failures = [entry for entry in log if entry["event"] == "run.observer_failed"]
    assert ["create", "start"] == [entry["trigger"] for entry in failures]
    assert failures[0]["log_level"] == "error"
    assert failures[0]["run_id"] == "run_1"
    assert failures[0]["observer"].endswith("broken")
    assert isinstance(failures[0]["exc_info"], ValueError)


def test_async_observers_are_scheduled_not_awaited(clock):
    """
    Inside a loop they run later, survive garbage collection, and their errors are logged.
    """
    told = []

    async def observe(moved):
        await asyncio.sleep(0)
        told.append(moved.target)

    async def broken(moved):
        raise ValueError("no")

    async def main():
        engine = RunEngine(clock=clock, observers=[observe, broken])
        run = engine.create()
        engine.start(run)
        before = list(told)
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        return before, engine

    with structlog.testing.capture_logs() as log:
        before, engine = asyncio.run(main())

    assert [] == before
    assert ["queued", "in_progress"] == told
    assert [] == list(engine._mover.observers._pending)
    failures = [entry for entry in log if entry["event"] == "run.observer_failed"]
    assert 2 == len(failures)
    assert failures[0]["observer"].endswith("broken")
    assert isinstance(failures[0]["exc_info"], ValueError)


def test_an_async_observer_without_a_loop_is_reported(clock):
    """
    Outside of a loop there is nobody to await it: the log says so, and nothing is left unawaited.
    """

    async def observe(moved):
        raise AssertionError("never runs")

    engine = RunEngine(clock=clock, observers=[observe])
    with structlog.testing.capture_logs() as log:
        engine.create()

    assert ["run.observer_failed"] == [e["event"] for e in log if e["log_level"] == "error"]
    assert isinstance(log[-1]["exc_info"], RuntimeError)


def test_an_awaitable_that_is_no_coroutine_is_reported_too(clock):
    """
    Only a coroutine needs closing.
    """

    class Later:
        """
        An awaitable of another kind.
        """

        def __await__(self):
            yield

    engine = RunEngine(clock=clock, observers=[lambda moved: Later()])
    with structlog.testing.capture_logs() as log:
        engine.create()

    assert isinstance(log[-1]["exc_info"], RuntimeError)


def test_every_move_is_one_event_with_fixed_keys(engine, clock):
    """
    The log holds facts and never what the run carries for its model or its user.
    """
    with structlog.testing.capture_logs() as log:
        run = engine.create(id="run_1", instructions="secret", metadata={"k": "secret"})
        clock.now += 2.5
        engine.start(run)
        engine.fail(run, {"code": "server_error", "message": "secret"})
        with pytest.raises(IllegalTransitionError):
            engine.start(run)

    plain = {
        "event": "run.transition", "log_level": "info", "run_id": "run_1", "lifecycle": "run"
    }  # fmt: skip
    assert [
        {**plain, "trigger": "create", "source": None, "target": "queued", "at": BORN,
         "duration_s": None, "seq": 1},
        {**plain, "trigger": "start", "source": "queued", "target": "in_progress",
         "at": BORN + 2.5, "duration_s": 2.5, "seq": 2},
        {**plain, "log_level": "warning", "trigger": "fail", "source": "in_progress",
         "target": "failed", "at": BORN + 2.5, "duration_s": 0.0, "seq": 3},
        {"event": "run.rejected", "log_level": "info", "run_id": "run_1", "trigger": "start",
         "status": "failed", "target": "in_progress", "kind": "illegal", "lifecycle": "run"},
    ] == log  # fmt: skip
    assert {str} == {type(entry["target"]) for entry in log}
    assert "secret" not in str(log)


def test_a_logger_of_ones_own_is_used(clock):
    """
    Both engines write to the logger they were given.
    """
    logger = structlog.wrap_logger(None, processors=[capture := structlog.testing.LogCapture()])
    RunEngine(clock=clock, logger=logger).create()
    Engine(PLAIN, clock=clock, logger=logger).fire(Job(), "begin")

    assert ["create", "begin"] == [entry["trigger"] for entry in capture.entries]


def test_a_log_that_is_filtered_for_good_is_not_written_to(clock):
    """
    Where the level of a plain move is filtered out and loggers are kept, only bad ends are logged.
    """
    capture = structlog.testing.LogCapture()
    structlog.configure(
        processors=[capture],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        cache_logger_on_first_use=True,
    )
    typed, generic = RunEngine(clock=clock), Engine(PLAIN, clock=clock)
    run, job = typed.create(), Job()
    typed.start(run)
    generic.fire(job, "begin")
    generic.fire(job, "beat")
    typed.expire(run)

    assert ["expire"] == [entry["trigger"] for entry in capture.entries]


def test_an_objects_bad_end_is_a_warning(clock):
    """
    Failures and timeouts are warnings for any object.
    """
    lifecycle = Lifecycle("l", (Transition("end", "on", "off"),), "on", {"off": "timeout"})
    with structlog.testing.capture_logs() as log:
        Engine(lifecycle, clock=clock).fire(type("Thing", (), {"status": "on"})(), "end")

    assert ["warning"] == [entry["log_level"] for entry in log]


def test_an_illegal_trigger_with_several_targets_names_none(clock):
    """
    Where a trigger would lead depends on the status, so nothing is claimed.
    """
    lifecycle = Lifecycle(
        "l",
        (Transition("go", "a", "b"), Transition("go", "b", "c")),
        "a",
        {"c": "success"},
    )
    with pytest.raises(IllegalTransitionError) as refused:
        Engine(lifecycle, clock=clock).fire(type("Thing", (), {"status": "c"})(), "go")

    assert refused.value.target is None


def test_refusals_say_of_what_kind_they_are(clock):
    """
    Guards, payloads and unknown triggers are told apart in the log.
    """
    engine = RunEngine(clock=clock, guards=[lambda run, row: row.trigger != "expire"])
    run = engine.create(id="run_1")
    with structlog.testing.capture_logs() as log:
        for trigger, payload in (("expire", {}), ("fail", {}), ("nonsense", {}), ("complete", {})):
            with pytest.raises(Exception):  # noqa: B017, PT011
                engine.fire(run, trigger, **payload)

    assert [
        ("expire", "expired", "guard"),
        ("fail", "failed", "payload"),
        ("nonsense", None, "illegal"),
        ("complete", "completed", "illegal"),
    ] == [(entry["trigger"], entry["target"], entry["kind"]) for entry in log]


def test_time_never_runs_backwards_inside_a_run(engine, clock):
    """
    A clock that steps back is clamped to the run's last time, and the move says so.
    """
    run = engine.create()
    clock.now += 100.75
    engine.start(run)
    clock.now -= 50
    with structlog.testing.capture_logs() as log:
        moved = engine.complete(run)

    assert (BORN + 100.75, 0.0, True) == (moved.at, moved.duration_s, moved.clock_regressed)
    assert run.completed_at == BORN + 100
    assert log[0]["clock_regressed"] is True


def test_a_run_from_the_wire_is_clamped_to_its_own_stamps(engine, clock):
    """
    What an engine did not see, the stamps tell; durations and numbers stay unknown.
    """
    run = RunResponse(
        id="run_1",
        created_at=BORN,
        started_at=BORN + 50,
        expires_at=BORN + 90_000,
        status="in_progress",
    )
    moved = engine.request_cancel(run)
    assert (
        Moved(
            "run_1",
            "request_cancel",
            "in_progress",
            "cancelling",
            BORN + 50,
            None,
            None,
            clock_regressed=True,
        )
        == moved
    )
    clock.now += 60
    later = engine.confirm_cancel(run)

    assert (BORN + 60, 10.0, None, False) == (
        later.at, later.duration_s, later.seq, later.clock_regressed,
    )  # fmt: skip
    assert run.cancelled_at == BORN + 60


def test_can_and_allowed_ask_the_table_alone(engine):
    """
    Asking changes nothing and asks no guard.
    """
    refusing = RunEngine(guards=[lambda run, row: False])
    run = engine.create()

    assert refusing.can(run, "start")
    assert not refusing.can(run, "complete")
    assert not refusing.can(run, "nonsense")
    assert RUN.allowed("queued") == refusing.allowed(run)
    assert engine.now() == BORN


def test_a_terminal_run_refuses_everything(engine):
    """
    No trigger leads out of an end, by name or by method.
    """
    for status in RUN.terminal:
        run = run_in(engine, status)
        before = run.model_dump()
        for trigger in RUN.triggers:
            with pytest.raises(IllegalTransitionError):
                fire(engine, run, trigger)

        assert before == run.model_dump()
        assert () == engine.allowed(run)


def test_nothing_is_kept_of_a_run(engine):
    """
    A run that is dropped is gone, whatever the engine did with it.
    """
    run = run_in(engine, "completed")
    gone = weakref.ref(run)
    del run
    gc.collect()

    assert gone() is None


def test_a_snapshot_stands_still(engine):
    """
    A copy shows the run as it was, and remembers none of its moves.
    """
    run = run_in(engine, "in_progress")
    snapshot = run.model_copy()
    engine.complete(run)

    assert (snapshot.status, run.status) == ("in_progress", "completed")
    assert getattr(snapshot, "_last_move", None) is None


# -- any object ----------------------------------------------------------------


PLAIN = Lifecycle(
    "job",
    (
        Transition("begin", "new", "busy"),
        Transition("finish", "busy", "done"),
        Transition("beat", "busy", "busy"),
    ),
    "new",
    {"done": "success"},
    entries=(
        Entry("busy", stamps=("began",), accepts=("worker",)),
        Entry("done", stamps=("ended",), requires=("result",), clears=("worker",)),
    ),
    status_field="state",
    id_field="key",
)


class Job:
    """
    An object with a state of its own.
    """

    def __init__(self):
        self.key = "job\n1"
        self.state = "new"


def test_an_engine_drives_any_object(clock):
    """
    The status attribute is the lifecycle's; ids are made harmless to show.
    """
    engine = Engine(PLAIN, clock=clock)
    job = Job()
    moved = engine.fire(job, "begin", worker="w1")

    assert Moved("job\\n1", "begin", "new", "busy", BORN) == moved
    assert {"key": "job\n1", "state": "busy", "began": BORN, "worker": "w1"} == vars(job)
    clock.now += 5.5
    engine.fire(job, "beat")
    engine.fire(job, "finish", result=42)
    assert {
        "key": "job\n1", "state": "done", "began": BORN + 5, "ended": BORN + 5, "worker": None,
        "result": 42,
    } == vars(job)  # fmt: skip
    with pytest.raises(IllegalTransitionError, match=r"job 'job\\n1' is done: cannot begin"):
        engine.fire(job, "begin")


def test_an_engine_refuses_payloads_for_any_object(clock):
    """
    The entry says what a payload may bring.
    """
    engine = Engine(PLAIN, clock=clock)
    job = Job()
    engine.fire(job, "begin")
    with pytest.raises(PayloadError, match="'result' is required"):
        engine.fire(job, "finish")
    with pytest.raises(PayloadError, match="takes result, not 'worker'"):
        engine.fire(job, "finish", result=1, worker="w")
    with pytest.raises(UnknownTriggerError):
        engine.fire(job, "explode")

    assert job.state == "busy"


def test_an_objects_clock_is_clamped_and_guards_are_asked(clock):
    """
    Any object gets the same manners as a run.
    """
    told = []
    engine = Engine(
        PLAIN,
        clock=clock,
        guards=[lambda job, row: row.trigger != "finish"],
        observers=[told.append],
    )
    job = Job()
    engine.fire(job, "begin")
    clock.now -= 10
    moved = engine.fire(job, "beat")
    with pytest.raises(GuardRefusedError):
        engine.fire(job, "finish", result=1)

    assert (BORN, True) == (moved.at, moved.clock_regressed)
    assert job.began == BORN
    assert ["begin", "beat"] == [m.trigger for m in told]


def test_an_object_without_an_id_is_called_by_its_lifecycle_alone(clock):
    """
    The id is optional.
    """
    job = Job()
    del job.key

    assert Engine(PLAIN, clock=clock).fire(job, "begin").run_id is None
    with pytest.raises(IllegalTransitionError, match=r"^job is busy: cannot begin"):
        Engine(PLAIN, clock=clock).fire(job, "begin")


class Stubborn(Job):
    """
    An object one of whose attributes refuses to be set.
    """

    @property
    def ended(self):
        """
        Never there.
        """
        raise AttributeError

    @ended.setter
    def ended(self, value):
        raise RuntimeError("not today")


def test_all_or_nothing_holds_for_any_object(clock):
    """
    If one attribute refuses, those already written are put back.
    """
    engine = Engine(PLAIN, clock=clock)
    job = Stubborn()
    engine.fire(job, "begin", worker="w1")
    before = dict(vars(job))
    with pytest.raises(RuntimeError, match="not today"):
        engine.fire(job, "finish", result=1)

    assert before == vars(job)


def test_all_or_nothing_takes_back_what_was_not_there(clock):
    """
    An attribute that did not exist does not exist afterwards either.
    """
    lifecycle = Lifecycle(
        "job", (Transition("finish", "new", "done"),), "new", {"done": "success"},
        entries=(Entry("done", stamps=("began", "ended")),), status_field="state", id_field="key",
    )  # fmt: skip
    job = Stubborn()
    with pytest.raises(RuntimeError, match="not today"):
        Engine(lifecycle, clock=clock).fire(job, "finish")

    assert {"key": "job\n1", "state": "new"} == vars(job)


def test_a_pydantic_model_of_the_users_is_moved_in_one_step(clock):
    """
    A model needs no setter and no validation to be moved; its set fields are told.
    """

    class Task(pydantic.BaseModel, frozen=True):
        """
        A frozen model.
        """

        key: str
        state: str = "new"
        began: int | None = None

    task = Task(key="t")
    Engine(PLAIN, clock=clock).fire(task, "begin")

    assert Task(key="t", state="busy", began=BORN) == task
    assert {"key", "state", "began"} == task.model_fields_set


def test_an_object_whose_status_moved_meanwhile_is_refused(clock):
    """
    The status is looked at again when the move is committed.
    """
    job = Job()

    def meddle(job, row):
        job.state = "done"

    with pytest.raises(IllegalTransitionError, match="is done: cannot begin"):
        Engine(PLAIN, clock=clock, guards=[meddle]).fire(job, "begin")


def test_the_default_clock_is_the_walls():
    """
    Without a clock, moves happen now.
    """
    before = time.time()
    moved = Engine(PLAIN).fire(Job(), "begin")

    assert before <= moved.at <= time.time()


# -- all of it -----------------------------------------------------------------


class EveryMove(RuleBasedStateMachine):
    """
    Fires anything at a run in any order, against the table as the only oracle.
    """

    def __init__(self):
        super().__init__()
        self.clock = ManualClock(BORN)
        self.moves = []
        self.engine = RunEngine(clock=self.clock, observers=[self.moves.append])
        self.run = self.engine.create(id="run_1")
        self.snapshots = [self.run.model_copy()]

    @rule(seconds=st.floats(-5, 30))
    def wait(self, seconds):
        """
        Let time pass, or jump back.
        """
        self.clock.now += seconds

    @rule(trigger=st.sampled_from(RUN.triggers))
    def try_to(self, trigger):
        """
        Fire one trigger: it moves exactly if there is a row.
        """
        before = self.run.model_dump()
        row = RUN.row(trigger, self.run.status)
        try:
            moved = fire(self.engine, self.run, trigger)
        except IllegalTransitionError as refused:
            assert row is None
            assert before == self.run.model_dump()
            assert refused.allowed == RUN.allowed(self.run.status)
        else:
            assert row is not None
            assert (row.source, row.target) == (moved.source, moved.target)
            assert row.target == self.run.status
            self.snapshots.append(self.run.model_copy())

    @invariant()
    def what_is_seen_is_legal(self):
        """
        The snapshots pass the checker under every model, and the moves are numbered.
        """
        for observed in ("complete", "polled", "unordered"):
            assert () == check(self.snapshots, observed=observed).findings
        assert [*range(1, len(self.moves) + 1)] == [moved.seq for moved in self.moves]
        assert sorted(m.at for m in self.moves) == [m.at for m in self.moves]
        assert all(m.duration_s is None or m.duration_s >= 0 for m in self.moves)


EveryMove.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestEveryMove = EveryMove.TestCase


@pytest.mark.parametrize(
    ("trigger", "payload", "details", "reason"),
    [
        ("complete", {}, None, "by hand"),
        ("stop_incomplete", {"incomplete_details": {"reason": "max_prompt_tokens"}},
         IncompleteDetails(reason="max_prompt_tokens"), "by hand"),
        ("stop_incomplete", {}, IncompleteDetails(reason="max_prompt_tokens"), None),
    ],
)  # fmt: skip
def test_a_reason_is_that_of_the_caller_unless_the_trigger_takes_one(
    trigger, payload, details, reason
):
    """
    A reason beside the details that the trigger takes is why the caller fires.
    """
    engine = RunEngine()
    run = engine.create()
    engine.start(run)
    moved = engine.fire(run, trigger, reason=reason or "max_prompt_tokens", **payload)

    assert (details, reason) == (run.incomplete_details, moved.reason)


class Asked(list):
    """
    Guards that note what they are told, each by parameters of its own.
    """

    def all(self, thing, row, payload, *, actor, reason=None):
        """Take everything."""
        self.append((row.trigger, dict(payload), actor, reason))

    def some(self, *about, actor):
        """Take the actor by keyword."""
        self.append(actor)

    def none(self, payload, actor):
        """Take the object and the row, whatever they are called."""
        self.append((type(payload), actor.trigger))


def movable(form):
    """
    Return an engine with guards that note what they are told, an object for it, and the notes.
    """
    asked, heard = Asked(), []
    guards = [
        asked.all,
        asked.some,
        asked.none,
        lambda *_: None,
        lambda *_, **more: bool(more) or None,
    ]
    if form == "run":
        engine = RunEngine(clock=lambda: BORN, guards=guards, observers=[heard.append])
        run = engine.create()
    else:
        engine = Engine(RUN, clock=lambda: BORN, guards=guards, observers=[heard.append])
        run = SimpleNamespace(**dict.fromkeys(RUN.fields) | {"status": "queued"})
    engine.fire(run, "start")
    asked.clear(), heard.clear()

    return engine, run, asked, heard


@pytest.mark.parametrize("form", ["run", "object"])
def test_guards_and_observers_hear_who_fires_and_why(form):
    """
    Each guard is told what it has parameters for, and the record has it.
    """
    engine, run, asked, heard = movable(form)
    error = {"code": "server_error", "message": "m"}
    moved = engine.fire(run, "fail", last_error=error, actor="alice", reason="stuck")

    assert [
        ("fail", {"last_error": error}, "alice", "stuck"),
        "alice",
        (type(run), "fail"),
    ] == asked
    assert ("alice", "stuck") == (moved.actor, moved.reason)
    assert [moved] == heard


@pytest.mark.parametrize("form", ["run", "object"])
def test_what_nobody_states_is_none(form):
    """
    To the guards and in the record, compiled or not.
    """
    engine, run, asked, _ = movable(form)
    moved = engine.fire(run, "request_cancel")

    assert [("request_cancel", {}, None, None), None, (type(run), "request_cancel")] == asked
    assert (None, None) == (moved.actor, moved.reason)


def test_a_compiled_move_states_who_fires_too():
    """
    The long way is taken for it, with the same result.
    """
    engine = Engine(RUN, clock=lambda: BORN)
    runs = [SimpleNamespace(**dict.fromkeys(RUN.fields) | {"status": "queued"}) for _ in range(3)]
    first, second, third = (
        engine.fire(run, "start", **stated)
        for run, stated in zip(runs, [{}, {"actor": "bob"}, {"reason": "late"}], strict=True)
    )

    assert [(None, None), ("bob", None), (None, "late")] == [
        (moved.actor, moved.reason) for moved in (first, second, third)
    ]
    assert vars(runs[0]) == vars(runs[1]) == vars(runs[2])
    with pytest.raises(UnknownTriggerError):
        engine.fire(runs[0], "explode", actor="bob")


def test_a_field_of_the_lifecycle_that_is_called_reason_is_that_field():
    """
    The lifecycle said first what the word means.
    """
    told = []
    lifecycle = Lifecycle(
        "job",
        (Transition("fail", "running", "failed"),),
        "running",
        {"failed": "failure"},
        entries=(Entry("failed", requires=("reason",)),),
    )
    engine = Engine(
        lifecycle, guards=[lambda job, row, payload, reason: told.append((payload, reason))]
    )
    job = SimpleNamespace(status="running", reason=None)
    moved = engine.fire(job, "fail", reason="no memory", actor="alice")

    assert ("no memory", "alice", None) == (job.reason, moved.actor, moved.reason)
    assert [({"reason": "no memory"}, None)] == told
