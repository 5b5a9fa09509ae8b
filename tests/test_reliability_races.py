"""
Many processes, one run: R2, R9 and R13 of the reliability bar, on both databases.
"""

import threading
import time
from collections import Counter

import pytest
import sqlalchemy as sa

from conftest import PAYLOADS
from reliability import (
    Child,
    all_answers,
    assert_consistent,
    barrier,
    chance,
    figure,
    open_store,
    pass_time,
    size,
    started,
    timed_store,
)
from reliability_workers import (
    complete_all,
    complete_with_one_key,
    end_by_many,
    sweep_until_nothing,
)
from runstate import RUN, PayloadError
from runstate.store import Duplicate, RunStore

pytestmark = pytest.mark.slow

WAYS = (("complete",), ("fail",), ("request_cancel", "confirm_cancel"), ("expire",))


def test_r2_of_many_workers_that_end_a_run_one_wins(database_url):
    """
    One terminal line a run, and whoever lost is told by what, and keeps the late result.
    """
    processes, threads, many = size((4, 4, 300), (16, 4, 2_000))
    with open_store(database_url, clock=None) as store:
        ids = started(store, many)
        gate = barrier(processes * threads)
        answers = all_answers(
            end_by_many,
            [(database_url, ids, gate, p * threads, threads, WAYS) for p in range(processes)],
        )
        assert many == assert_consistent(store)
        ends, losers = Counter(), 0
        for run_id, *told in zip(ids, *answers, strict=True):
            lines = store.history(run_id)
            end = next(e for e in reversed(lines) if e.kind == "move")
            assert RUN.is_terminal(end.target)
            assert not any(entry.clock_regressed for entry in lines)
            ends[end.trigger] += 1
            losers += _assert_all_told([each for some in told for each in some], end, lines)
        figure(
            "R2", database_url,
            f"{many} runs, {processes * threads} workers, {sum(ends.values())} winners "
            f"{dict(sorted(ends.items()))}, {losers} losers told by whom, 0 runs with two",
        )  # fmt: skip


def _assert_all_told(told, end, lines):
    """
    Hold what the contenders for one run were told against its journal; return how many lost.
    """
    moves = {e.seq: (e.trigger, e.target, e.seq) for e in lines if e.kind == "move"}
    ended = ("Superseded", end.target, end.trigger, moves[end.seq])
    cancelling = ("Illegal", "cancelling", "request_cancel", None)
    won = [(trigger, verdict) for trigger, verdict in told if verdict[0] == "Applied"]
    assert sorted(verdict[3] for _, verdict in won) == sorted(moves[s] for s in moves if s > 2)
    assert 1 == sum(trigger == end.trigger for trigger, _ in won)
    lost = [(trigger, verdict) for trigger, verdict in told if verdict[0] != "Applied"]
    assert {verdict for _, verdict in lost} <= {ended, cancelling}
    assert {trigger for trigger, verdict in lost if verdict == cancelling} <= {"request_cancel"}
    late = Counter(trigger for trigger, v in lost if v == ended and trigger != "request_cancel")
    assert late == Counter(e.trigger for e in lines if e.kind == "late")

    return len(lost)


def test_r9_one_key_sent_50_times_at_once_moves_once(database_url):
    """
    One line under the key, and fifty times the same answer.
    """
    processes, threads, many = 5, 10, size(20, 500)
    with open_store(database_url, clock=None) as store:
        ids = started(store, many)
        gate = barrier(processes * threads)
        answers = all_answers(
            complete_with_one_key,
            [(database_url, ids, gate, threads) for _ in range(processes)],
        )
        assert many == assert_consistent(store)
        for run_id, *told in zip(ids, *answers, strict=True):
            verdicts = [each for some in told for each in some]
            lines = [e for e in store.history(run_id) if e.key is not None]
            assert [("move", "complete")] == [(e.kind, e.trigger) for e in lines]
            assert {lines[0].moved} == {moved for _, moved in verdicts}
            kinds = Counter(kind for kind, _ in verdicts)
            assert {"Applied": 1, "Duplicate": processes * threads - 1} == kinds
        figure(
            "R9", database_url,
            f"{many} runs, one key sent {processes * threads} times each: {many} lines, "
            f"{many * processes * threads} equal answers",
        )  # fmt: skip


def test_r13_what_is_due_ends_once_however_many_sweep(database_url):
    """
    Eight sweepers race completions: each run is expired or completed, once, and one was told.
    """
    many, completers = size(300, 5_000), 4
    with timed_store(database_url, expires_after=10) as store:
        ids = started(store, many)
        pass_time(store, 11)
        limits = (1, 1, 1, 2, 2, 3, 5, 8)
        gate = barrier(len(limits) + completers)
        shuffled = [chance(n).sample(ids, many) for n in range(completers)]
        swept, completed = _race_sweepers(database_url, gate, limits, shuffled)
        assert many == assert_consistent(store)
        ends = {run_id: store.get(run_id).status for run_id in ids}
        expired = sorted((r, "expire", "expired", 3) for r, s in ends.items() if s == "expired")
        assert expired == sorted(each for some in swept for each in some)
        for run_id, status in ends.items():
            verdicts = sorted(each[run_id][0] for each in completed)
            won = ["Applied"] if status == "completed" else []
            assert [*won, *["Superseded"] * (completers - len(won))] == verdicts
        figure(
            "R13", database_url,
            f"{many} due runs, {len(limits)} sweepers, {completers} completers: {len(expired)} expired, "
            f"{many - len(expired)} completed, 0 both, 0 twice",
        )  # fmt: skip


def _race_sweepers(url, gate, limits, completers):
    sweeping = [Child(sweep_until_nothing, url, gate, limit) for limit in limits]
    completing = [Child(complete_all, url, gate, ids) for ids in completers]
    try:
        return [c.answer() for c in sweeping], [c.answer() for c in completing]
    finally:
        for child in (*sweeping, *completing):
            child.process.kill()
            child.end()


# -- PostgreSQL: statements that waited for a run ---------------------------------------------


def while_waiting(url, wait, meanwhile):
    """
    Return what *wait* was told, a call that was kept waiting until *meanwhile* was committed.
    """
    told = []
    with RunStore.open(url) as store:
        run = store.create()
        waiting = threading.Thread(target=lambda: told.append(wait(store, run.id)))
        with store.engine.begin() as connection:
            connection.exec_driver_sql("SELECT 1 FROM runstate_runs FOR UPDATE")
            waiting.start()
            _until_one_waits(store)
            meanwhile(store, run.id, connection)
        waiting.join()
        assert_consistent(store)
        lines = store.history(run.id)

    return told, lines


def _until_one_waits(store):
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    until = time.monotonic() + 30
    with store.engine.connect() as connection:
        while not connection.exec_driver_sql(query).scalar():
            assert time.monotonic() < until
            time.sleep(0.01)
    time.sleep(0.05)


def test_waiting_for_a_run_is_no_step_back_of_the_clock(postgresql_database):
    """
    A move that waited for another is not earlier than it, and no clock is blamed.
    """
    told, lines = while_waiting(
        postgresql_database,
        lambda store, run_id: store.fire(run_id, "fail", **PAYLOADS["fail"]),
        lambda store, run_id, mine: store.request_cancel(run_id, connection=mine),
    )

    assert ["create", "request_cancel", "fail"] == [e.trigger for e in lines]
    assert [lines[-1].moved] == [verdict.moved for verdict in told]
    assert [False] * 3 == [entry.clock_regressed for entry in lines]


def test_a_key_that_was_used_while_waiting_is_a_duplicate(postgresql_database):
    """
    The run is back where the trigger is legal, but the key has moved it: it does so no more.
    """

    def around(store, run_id, mine):
        store.start(run_id, key="once", connection=mine)
        store.require_action(run_id, **PAYLOADS["require_action"], connection=mine)
        store.submit_tool_outputs(run_id, {"call_1": "sunny"}, connection=mine)

    told, lines = while_waiting(
        postgresql_database, lambda store, run_id: store.start(run_id, key="once"), around
    )

    assert [None, "once", None, None] == [entry.key for entry in lines]
    assert [Duplicate(lines[1].moved)] == told


def test_outputs_that_come_a_moment_early_are_judged_like_any(postgresql_database):
    """
    The run asks for them between two statements: they must answer it, and are not lost.
    """
    action = PAYLOADS["require_action"]["required_action"]

    def submitted_while_asked(outputs):
        with RunStore.open(url) as store, RunStore.open(url) as worker:
            run_id = store.create().id
            store.start(run_id)
            said = []

            @sa.event.listens_for(store.engine, "after_cursor_execute")
            def looked(*_):
                if not said:
                    said.append(worker.require_action(run_id, action))

            try:
                return run_id, store.submit_tool_outputs(run_id, outputs)
            finally:
                assert [True] == [verdict.ok for verdict in said]

    url = postgresql_database
    with pytest.raises(PayloadError, match="no output for call_1"):
        submitted_while_asked({"other": "x"})
    run_id, verdict = submitted_while_asked({"call_1": "sunny"})
    assert verdict.ok
    with RunStore.open(url) as store:
        assert {"outputs": {"call_1": "sunny"}} == store.history(run_id)[-1].payload
        assert 2 == assert_consistent(store)
