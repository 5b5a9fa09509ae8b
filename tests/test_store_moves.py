"""
The moves of a store beside the table and the engine: for every status, trigger and way to fire.
"""

import json

import pytest

from conftest import PAYLOADS, fire
from runstate import RUN, PayloadError, RunEngine, UnknownTriggerError
from runstate.store import (
    Applied,
    Duplicate,
    Fire,
    Illegal,
    RunNotFoundError,
    Stale,
    Superseded,
)
from stores import ACTION, ERROR, USAGE, brought_to, consistent, rows_of

PAYLOADS_MORE = {
    "complete": {"usage": USAGE},
    "confirm_cancel": {"usage": USAGE},
    "expire": {"usage": USAGE},
    "fail": {"last_error": ERROR, "usage": USAGE},
    "stop_incomplete": {"incomplete_details": {"reason": "max_prompt_tokens"}, "usage": USAGE},
}
"""What triggers take beyond what they need."""


def whole(run):
    """
    Return all that a run says on the wire, what is null included.
    """
    return json.loads(run.model_dump_json(exclude_unset=True))


def expected_refusal(status, history):
    """
    Return what the store must answer where the table has no row.
    """
    last = history[-1].moved
    if RUN.is_terminal(status):
        return Superseded(status, last.trigger, last)

    return Illegal(status, RUN.allowed(status), last.trigger)


@pytest.mark.parametrize("way", ["fire", "fire_many"])
@pytest.mark.parametrize("more", [{}, PAYLOADS_MORE], ids=["least", "most"])
def test_a_trigger_is_applied_exactly_if_there_is_a_row(timed, now, way, more):
    """
    For every status and trigger, row and journal are what an engine makes of the same run.
    """
    for status in RUN.statuses:
        ids = {trigger: brought_to(timed, status, thread_id="t") for trigger in RUN.triggers}
        before = {trigger: timed.get(run_id) for trigger, run_id in ids.items()}
        past = {trigger: timed.history(run_id) for trigger, run_id in ids.items()}
        now.step(7.5)
        payloads = {t: more.get(t, PAYLOADS.get(t, {})) for t in RUN.triggers}
        if way == "fire_many":
            fires = [Fire(ids[t], t, given) for t, given in payloads.items()]
            verdicts = dict(zip(payloads, timed.fire_many(fires), strict=True))
        else:
            verdicts = {t: timed.fire(ids[t], t, **given) for t, given in payloads.items()}
        for trigger, verdict in verdicts.items():
            run_id, run = ids[trigger], before[trigger]
            if RUN.row(trigger, status) is None:
                assert expected_refusal(status, past[trigger]) == verdict
                assert whole(run) == whole(timed.get(run_id))
                moves = [line for line in timed.history(run_id) if line.kind == "move"]
                assert past[trigger] == tuple(moves)
                continue
            moved = RunEngine(clock=lambda: now.now).fire(run, trigger, **payloads[trigger])
            assert Applied(moved) == verdict
            assert whole(run) == whole(timed.get(run_id))
            assert (*[line.moved for line in past[trigger]], moved) == tuple(
                line.moved for line in timed.history(run_id)
            )


def test_every_way_through_the_table_is_that_of_the_engine(timed, now):
    """
    A cancel that is overtaken, an action that is answered twice: the fields agree after each move.
    """
    ways = [
        ["start", "require_action", "submit_tool_outputs", "start", "require_action", "expire"],
        ["start", "require_action", "request_cancel", "confirm_cancel"],
        ["start", "request_cancel", "complete"],
        ["request_cancel", "fail"],
        ["start", "request_cancel", "stop_incomplete"],
    ]
    engine = RunEngine(clock=lambda: now.now, expires_after=None)
    for way in ways:
        run = timed.create(metadata={"way": "-".join(way)})
        mine = engine.create(id=run.id, metadata=run.metadata)
        for trigger in way:
            now.step(3.25)
            moved = fire(engine, mine, trigger)
            assert Applied(moved) == timed.fire(run.id, trigger, **PAYLOADS.get(trigger, {}))
            assert whole(mine) == whole(timed.get(run.id))
        assert consistent(timed, run.id)


def test_a_retry_is_a_duplicate_after_everything(store):
    """
    Whatever happened since, whoever asks again under the key is told of its move.
    """
    run_id = store.create().id
    firsts = {}
    for n, trigger in enumerate(
        ["start", "require_action", "submit_tool_outputs", "start", "request_cancel", "complete"]
    ):
        payload = PAYLOADS.get(trigger, {})
        firsts[f"k{n}"] = (trigger, payload, store.fire(run_id, trigger, key=f"k{n}", **payload))
        for key, (again, given, first) in firsts.items():
            assert Duplicate(first.moved) == store.fire(run_id, again, key=key, **given)
            many = [Fire(run_id, again, given, key=key)] * 2
            assert (Duplicate(first.moved),) * 2 == store.fire_many(many)

    assert 7 == len(store.history(run_id))
    assert consistent(store, run_id)


def test_a_key_in_a_batch_counts_from_there_on(store):
    """
    The second of two under one key in one batch is a duplicate of the first, also in a batch of many.
    """
    ids = [store.create().id for _ in range(3)]
    fires = [Fire(run_id, "start", key="k") for run_id in (*ids, *ids)]
    verdicts = store.fire_many(fires)

    assert [Applied] * 3 == [type(verdict) for verdict in verdicts[:3]]
    assert tuple(Duplicate(verdict.moved) for verdict in verdicts[:3]) == verdicts[3:]
    assert [2, 2, 2] == [len(store.history(run_id)) for run_id in ids]


def test_a_late_result_is_kept_once_a_key_and_changes_no_count(store):
    """
    With a key once however often it comes, also in a batch; without one, each time.
    """
    run_id = brought_to(store, "cancelled")
    last = store.history(run_id)[-1].moved
    before, counts = store.get(run_id), store.counts()
    late = Fire(run_id, "complete", {"usage": USAGE}, key="k", actor="w", reason="too late")
    answers = store.fire_many([late, late, late._replace(key=None), late._replace(key=None)])
    lines = [line for line in store.history(run_id) if line.kind == "late"]

    assert (Superseded("cancelled", "confirm_cancel", last),) * 4 == answers
    assert [("k", {"usage": USAGE}), (None, {"usage": USAGE}), (None, {"usage": USAGE})] == [
        (line.key, line.payload) for line in lines
    ]
    assert {(None, "complete", "cancelled", None, None, False, "w", "too late")} == {
        (e.seq, e.trigger, e.source, e.target, e.duration_s, e.clock_regressed, e.actor, e.reason)
        for e in lines
    }
    assert (before, counts) == (store.get(run_id), store.counts())
    assert lines == [e for e in store.history(run_id) if e not in store.moves().items]


def test_the_key_of_a_late_result_does_not_answer_for_a_move(store):
    """
    Nothing was moved under it, so there is nothing to be a duplicate of.
    """
    run_id = brought_to(store, "completed")
    for _ in range(2):
        assert isinstance(store.expire(run_id, key="k"), Superseded)


def test_words_and_documents_that_are_hostile_come_back_as_they_were(store):
    """
    Quotes, SQL, JSON and unicode in every place that takes text; the tables are still there.
    """
    words = [
        "'; DROP TABLE runstate_runs; --",
        'a"b\\c',
        "%s %(id)s :id ?",
        "\U0001f600\u00e9",
        "$.x",
    ]
    for word in words:
        run_id = store.create(id=f"run {word}", thread_id=word, assistant_id=word).id
        store.start(run_id, key=word, actor=word, reason=word)
        store.fire_many(
            [
                Fire(run_id, "require_action", {"required_action": ACTION}, key=word + "1"),
                Fire(
                    run_id, "submit_tool_outputs", {"outputs": {"call_1": word + "\x00\n"}},
                    actor=word,
                ),
            ]
        )  # fmt: skip
        store.fail(run_id, {"code": "server_error", "message": word + "\x00\n"}, key=word + "2")
        lines = store.history(run_id)
        assert (word, word, word) == (lines[1].key, lines[1].actor, lines[1].reason)
        assert {"outputs": {"call_1": word + "\x00\n"}} == lines[3].payload
        assert word + "\x00\n" == store.get(run_id).last_error.message
        assert [run_id] == [run.id for run in store.list(thread_id=word).items]
        assert consistent(store, run_id)


def test_why_a_run_stopped_may_be_given_as_to_an_engine(store):
    """
    As a reason, in the payload or beside it, or as the field itself; each stands in the run.
    """
    name, reason = "stop_incomplete", "max_prompt_tokens"
    details = {"incomplete_details": {"reason": reason}}
    ids = [brought_to(store, "in_progress") for _ in range(5)]
    store.stop_incomplete(ids[0], reason)
    store.fire(ids[1], name, reason=reason)
    store.fire(ids[2], name, reason="the user left", **details)
    store.fire_many([Fire(ids[3], name, {"reason": reason}), Fire(ids[4], name, details)])
    with pytest.raises(PayloadError, match="takes usage, not 'reason'"):
        store.fire_many([Fire(ids[0], "complete", {"reason": reason})])

    assert [reason] * 5 == [store.get(run_id).incomplete_details.reason for run_id in ids]
    assert [None, reason, "the user left", None, None] == [
        store.history(run_id)[-1].reason for run_id in ids
    ]
    assert [details] * 5 == [store.history(run_id)[-1].payload for run_id in ids]


BAD_WORDS = ["", "a\x00", "\ud800", "a\nb", "x" * 513, "\x85"]
BAD_TOKENS = ["1", 1.0, True, -1, 2**63, 2**80]


def test_no_error_writes_or_breaks_the_callers_transaction(store):
    """
    After every kind of refusal the connection works, and nothing has changed.
    """
    run_id = brought_to(store, "requires_action")
    before = rows_of(store)
    nonsense = [
        ("start", {}, {word: bad}) for word in ("key", "actor", "reason") for bad in BAD_WORDS
    ]
    nonsense += [("start", {}, {"token": bad}) for bad in BAD_TOKENS]
    nonsense += [
        ("jump", {}, {}),
        ("fail", {}, {}),
        ("fail", {"last_error": 5}, {}),
        ("fail", {"last_error": {"message": ""}}, {}),
        ("complete", {"usage": {"total_tokens": "many"}}, {}),
        ("start", {"usage": USAGE}, {}),
        ("stop_incomplete", {"incomplete_details": {"reason": 5}}, {}),
        ("submit_tool_outputs", {}, {}),
        ("submit_tool_outputs", {"outputs": {}}, {}),
        ("submit_tool_outputs", {"outputs": {"call_1": "x", "call_2": "y"}}, {}),
        ("submit_tool_outputs", {"outputs": {"call_1": "x"}, "usage": USAGE}, {}),
        ("require_action", {"required_action": None}, {}),
    ]
    with store.engine.begin() as connection:
        for trigger, payload, options in nonsense:
            with pytest.raises((ValueError, PayloadError, UnknownTriggerError)):
                store.fire(run_id, trigger, **payload, **options, connection=connection)
            with pytest.raises((ValueError, PayloadError, UnknownTriggerError)):
                store.fire_many([Fire(run_id, trigger, payload, **options)], connection=connection)
        with pytest.raises(RunNotFoundError):
            store.start("nobody", connection=connection)
        assert "requires_action" == store.get(run_id, connection=connection).status

    assert before == rows_of(store)


@pytest.mark.parametrize("status", RUN.statuses)
def test_a_payload_error_names_the_runs_own_status(store, status):
    """
    Also of a trigger that would be illegal from there.
    """
    run_id = brought_to(store, status)
    for trigger in ("start", "complete", "fail"):
        with pytest.raises(PayloadError) as caught:
            store.fire(run_id, trigger, nonsense=1)
        error = caught.value
        assert (run_id, status, trigger, RUN.allowed(status)) == (
            error.run_id, error.status, error.trigger, error.allowed,
        )  # fmt: skip


def test_a_token_that_is_nobodys_is_stale_wherever_the_run_is(store):
    """
    Before any claim, after the end, and in a batch; nothing is written.
    """
    for status in ("queued", "in_progress", "requires_action", "completed"):
        run_id = brought_to(store, status)
        before = store.history(run_id)
        assert Stale(5) == store.complete(run_id, token=5)
        assert (Stale(5), Stale(2**63 - 1)) == store.fire_many(
            [
                Fire(run_id, "complete", token=5),
                Fire(run_id, "fail", {"last_error": ERROR}, 2**63 - 1),
            ]
        )
        assert before == store.history(run_id)
