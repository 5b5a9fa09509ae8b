"""
The store, method by method, on both databases.
"""

import json

import pytest
import sqlalchemy as sa

from conftest import PAYLOADS, fire
from runstate import RUN, LifecycleFieldError, PayloadError, RunEngine, UnknownTriggerError
from runstate.store import (
    Applied,
    Duplicate,
    Fire,
    Illegal,
    RunExistsError,
    RunNotFoundError,
    Superseded,
)
from stores import ERROR, USAGE, brought_to, consistent

# -- creation --------------------------------------------------------------------


def test_a_created_run_comes_back_as_it_was_given(store):
    """
    Unicode, control characters and long values survive; the lifecycle's fields are set.
    """
    given = {
        "model": "m",
        "instructions": "say \u0000 \u2028 ' \" \\ \U0001f600 ;--",
        "metadata": {"k": "v" * 512},
        "tools": [{"type": "code_interpreter"}] * 20,
        "temperature": 0.25,
    }
    made = store.create(id="run_1", assistant_id="asst_1", thread_id="thread_1", **given)
    kept = store.get("run_1")

    assert made == kept
    assert given == {
        name: value
        for name, value in json.loads(kept.model_dump_json(exclude_unset=True)).items()
        if name in given
    }
    assert ("queued", None) == (kept.status, kept.expires_at)
    assert kept.model_fields_set >= {"status", *RUN.created, *RUN.stamp_fields, *RUN.detail_fields}
    assert [("create", None, "queued", 1)] == [
        (line.trigger, line.source, line.target, line.seq) for line in store.history("run_1")
    ]


def test_what_cannot_be_created_leaves_nothing(store):
    """
    An id that is taken, a field of the lifecycle, a field that holds nonsense.
    """
    store.create(id="run_1")
    with pytest.raises(RunExistsError, match="has a run 'run_1' already"):
        store.create(id="run_1")
    with pytest.raises(LifecycleFieldError):
        store.create(status="completed")
    with pytest.raises(ValueError, match="temperature"):
        store.create(temperature=9)
    with pytest.raises(ValueError, match="control"):
        store.create(id="run\x00")

    assert {"queued": 1} == {status: n for status, n in store.counts().items() if n}


def test_a_run_that_is_not_there_is_not_found(store):
    """
    Whatever the id, the answer is the same, and the database never sees what it cannot hold.
    """
    for run_id in ("nobody", "a\x00b", "\ud800", "", "x" * 600, "a\nb", "'; --", "\u202e"):
        for call in (store.get, store.history, store.start, store.complete, store.expire):
            with pytest.raises(RunNotFoundError, match="no run"):
                call(run_id)
        with pytest.raises(RunNotFoundError):
            store.list(after=run_id)
        with pytest.raises(RunNotFoundError):
            store.fire_many([Fire(run_id, "start"), Fire(run_id, "start")])


# -- moves -----------------------------------------------------------------------


@pytest.mark.parametrize("status", RUN.statuses)
def test_store_and_table_agree_on_every_trigger(store, status):
    """
    A trigger is applied exactly if there is a row; the row and the journal are as an engine makes them.
    """
    for trigger in RUN.triggers:
        run_id = brought_to(store, status)
        before = store.get(run_id)
        payload = PAYLOADS.get(trigger, {})
        verdict = store.fire(run_id, trigger, **payload)
        after, row = store.get(run_id), RUN.row(trigger, status)
        if row is None:
            kind = Superseded if RUN.is_terminal(status) else Illegal
            assert (kind, before) == (type(verdict), after)
            if kind is Illegal:
                assert RUN.allowed(status) == verdict.allowed
            continue
        engine = RunEngine(clock=lambda moved=verdict.moved: moved.at)
        fire(engine, before, trigger)
        assert isinstance(verdict, Applied)
        assert (before, row.target) == (after, after.status)
        assert verdict.moved == store.history(run_id)[-1].moved
        assert consistent(store, run_id)


def test_many_are_fired_in_order_and_answered_one_by_one(store):
    """
    Neighbours become one statement; what comes after them sees what they did.
    """
    ids = [store.create().id for _ in range(6)]
    fires = [Fire(run_id, "start", key=f"k{run_id}") for run_id in ids]
    fires += [Fire(run_id, "complete", {"usage": USAGE}, actor="me") for run_id in ids[:3]]
    fires += [
        Fire(ids[0], "complete"),
        Fire(ids[0], "fail", {"last_error": ERROR}),
        Fire(ids[3], "complete"),
        Fire(ids[3], "complete"),
        Fire(ids[1], "start", key=f"k{ids[1]}"),
        Fire(ids[4], "start"),
        Fire(ids[5], "fail", {"last_error": ERROR}),
    ]
    verdicts = store.fire_many(fires)

    assert [Applied] * 9 + [
        Superseded, Superseded, Applied, Superseded, Duplicate, Illegal, Applied,
    ] == [type(verdict) for verdict in verdicts]  # fmt: skip
    assert all(consistent(store, run_id) for run_id in ids)
    assert 3 == store.get(ids[0]).usage.total_tokens
    line = store.history(ids[0])[2]
    assert ("me", {"usage": USAGE}) == (line.actor, line.payload)
    assert () == store.fire_many([])


def test_a_batch_with_a_fault_moves_nothing(store):
    """
    An exception takes back what came before it.
    """
    ids = [store.create().id for _ in range(3)]
    with pytest.raises(UnknownTriggerError):
        store.fire_many([*(Fire(run_id, "start") for run_id in ids), Fire(ids[0], "jump")])
    with pytest.raises(RunNotFoundError):
        store.fire_many([Fire(ids[0], "start"), Fire("nobody", "start"), Fire(ids[1], "start")])

    assert ["queued"] * 3 == [store.get(run_id).status for run_id in ids]


def test_tool_outputs_answer_every_call_and_are_kept(store):
    """
    The outputs are in the journal, where the next worker finds them.
    """
    run_id = brought_to(store, "requires_action")
    with pytest.raises(PayloadError, match=r"is requires_action.*no output for call_1"):
        store.submit_tool_outputs(run_id, {"other": ""})
    verdict = store.submit_tool_outputs(run_id, {"call_1": "sun\u0000ny"})

    assert isinstance(verdict, Applied)
    assert {"outputs": {"call_1": "sun\u0000ny"}} == store.history(run_id)[-1].payload
    assert isinstance(store.submit_tool_outputs(run_id, {"call_1": ""}), Illegal)


def test_every_trigger_has_a_method(store):
    """
    The typed methods fire what they are called, with their payload.
    """
    run_id = store.create().id
    assert store.start(run_id).ok
    assert store.require_action(run_id, PAYLOADS["require_action"]["required_action"]).ok
    assert store.submit_tool_outputs(run_id, {"call_1": "x"}).ok
    assert store.request_cancel(run_id).ok
    assert store.confirm_cancel(run_id, USAGE).ok
    assert "cancelled" == store.get(run_id).status
    for end, call in {
        "completed": lambda each: store.complete(each, USAGE),
        "failed": lambda each: store.fail(each, ERROR, USAGE),
        "incomplete": lambda each: store.stop_incomplete(each, "max_prompt_tokens", USAGE),
        "expired": lambda each: store.expire(each, USAGE),
    }.items():
        each = brought_to(store, "in_progress")
        assert call(each).moved.target == end
        assert (end, 3) == (store.get(each).status, store.get(each).usage.total_tokens)


def test_a_payload_that_does_not_fit_is_told_with_the_real_status(store):
    """
    The error names the status that the run has, not one that the trigger would have wanted.
    """
    run_id = store.create().id
    with pytest.raises(PayloadError, match="is queued: cannot fail: 'last_error' is required"):
        store.fire(run_id, "fail")
    with pytest.raises(PayloadError, match="is queued: cannot complete: takes usage, not 'cost'"):
        store.fire(run_id, "complete", cost=1)
    with pytest.raises(UnknownTriggerError, match="is queued: no trigger 'stat'"):
        store.fire(run_id, "stat")
    for word in ("key", "actor", "reason"):
        with pytest.raises(
            ValueError,
            match=f"{word}: expected one line of text of at most 512 characters and 1,024 bytes",
        ):
            store.start(run_id, **{word: "a\x00b"})

    assert 1 == len(store.history(run_id))


# -- idempotency, late results -----------------------------------------------------


def test_a_retry_under_the_same_key_gets_the_first_answer(store):
    """
    Also when the run has come back to the status that the trigger leads from.
    """
    run_id = store.create().id
    first = store.start(run_id, key="once")
    assert Duplicate(first.moved) == store.start(run_id, key="once")
    store.require_action(run_id, PAYLOADS["require_action"]["required_action"])
    store.submit_tool_outputs(run_id, {"call_1": ""})

    assert "queued" == store.get(run_id).status
    assert Duplicate(first.moved) == store.start(run_id, key="once")
    assert Duplicate(first.moved) == store.fire_many([Fire(run_id, "start", key="once")] * 2)[1]
    other = store.create().id
    assert isinstance(store.start(other, key="once"), Applied)


def test_a_retry_of_tool_outputs_gets_the_first_answer_when_other_calls_are_waited_for(store):
    """
    Outputs are judged by what the run waits for, but not once they have been accepted.
    """
    action = PAYLOADS["require_action"]["required_action"]
    run_id = brought_to(store, "requires_action")
    first = store.submit_tool_outputs(run_id, {"call_1": ""}, key="once")
    assert Duplicate(first.moved) == store.submit_tool_outputs(run_id, {"call_1": ""}, key="once")
    store.start(run_id)
    call = {**action["submit_tool_outputs"]["tool_calls"][0], "id": "call_2"}
    store.require_action(
        run_id, {**action, "submit_tool_outputs": {"tool_calls": [call]}}, key="asked"
    )

    assert Duplicate(first.moved) == store.submit_tool_outputs(run_id, {"call_1": ""}, key="once")
    with pytest.raises(PayloadError, match="no output for call_2"):
        store.submit_tool_outputs(run_id, {"call_1": ""}, key="asked-not")
    assert [1, 2, 3, 4, 5, 6] == [line.seq for line in store.history(run_id)]


def test_outputs_that_came_too_early_are_judged_when_they_have_become_legal(store):
    """
    Between the glance at a run and the statement, it may have come to wait for other outputs.
    """
    run_id = brought_to(store, "in_progress")
    looks = []

    def another_writer(connection, *_):
        looks.append(connection)
        if len(looks) == 2 and store.engine.dialect.name == "postgresql":
            store.require_action(run_id, PAYLOADS["require_action"]["required_action"])

    event = (store.engine, "before_cursor_execute", another_writer)
    sa.event.listen(*event)
    try:
        if store.engine.dialect.name == "postgresql":
            with pytest.raises(PayloadError, match="no output for call_1"):
                store.submit_tool_outputs(run_id, {"other": ""})
        else:
            assert isinstance(store.submit_tool_outputs(run_id, {"other": ""}), Illegal)
    finally:
        sa.event.remove(*event)


def test_what_was_not_committed_is_seen_by_nobody(store, monkeypatch):
    """
    A connection whose COMMIT failed is given up, with the transaction that it may still be in.
    """

    def fails(_):
        raise store.engine.dialect.dbapi.OperationalError("disk I/O error")

    run_id = store.create().id
    with monkeypatch.context() as broken:
        broken.setattr(store.engine.dialect, "do_commit", fails)
        with pytest.raises(sa.exc.OperationalError, match="disk I/O error"):
            store.fire_many([Fire(run_id, "start")])
    assert "queued" == store.get(run_id).status

    assert store.start(run_id).ok
    assert consistent(store, run_id)


def test_a_late_outcome_is_kept_and_changes_nothing(store):
    """
    The loser is told the winner, and its result is in the journal, once a key.
    """
    run_id = brought_to(store, "completed")
    won = store.history(run_id)[-1].moved
    lost = store.fail(run_id, ERROR, actor="w2", reason="late", key="late-1")
    assert Superseded("completed", "complete", won) == lost
    assert lost == store.fail(run_id, ERROR, key="late-1")
    late = [line for line in store.history(run_id) if line.kind == "late"]

    assert [(None, "fail", "completed", None, {"last_error": ERROR}, "w2", "late", "late-1")] == [
        (e.seq, e.trigger, e.source, e.target, e.payload, e.actor, e.reason, e.key) for e in late
    ]
    assert Superseded("completed", "complete", won) == store.request_cancel(run_id)
    assert Superseded("completed", "complete", won) == store.start(run_id)
    assert 1 == len([line for line in store.history(run_id) if line.kind == "late"])
    assert consistent(store, run_id)


def test_an_engine_goes_on_where_the_store_left_off(store):
    """
    A run from the store knows its last move.
    """
    run = store.get(brought_to(store, "in_progress"))
    moved = RunEngine().complete(run)

    assert 3 == moved.seq


@pytest.mark.parametrize("name", ["error", "detail", "http_status_code", "HttpResponseHeaders"])
def test_fields_of_an_answer_to_a_request_are_refused(store, name):
    """
    They are no part of a run: nothing would be left of them in the database.
    """
    run = store.create()
    with pytest.raises(TypeError, match=rf"create\(\) got an unexpected keyword '{name}'"):
        store.create(**{name: None})
    with pytest.raises(TypeError, match=rf"update\(\) got an unexpected keyword '{name}'"):
        store.update(run.id, **{name: None})
