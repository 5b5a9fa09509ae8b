"""
Workers that stand still, die, or do not listen: R4 and R14 of the reliability bar.
"""

import os
import signal

import pytest

from reliability import (
    PAYLOAD,
    Child,
    assert_consistent,
    chance,
    figure,
    pass_time,
    size,
    stopped,
    timed_store,
)
from reliability_points import die_cancelling
from reliability_workers import heartbeat_when_told, stand_still_and_go_on
from runstate import RUN
from stores import brought_to

pytestmark = pytest.mark.slow

PLACES = ("idle", "heartbeat", "complete", "fail", "submit", "require_action", "release")


def _finish(store, lease, way):
    """
    Carry a run on as its new worker, in one of several ways.
    """
    run_id, token = lease.run.id, lease.token
    if way == "answered":
        assert store.fire(run_id, "require_action", **PAYLOAD["require_action"], token=token).ok
        assert store.submit_tool_outputs(run_id, {"call_1": "sunny"}).ok
        lease = store.claim("B", 1e6)
        assert store.complete(run_id, token=lease.token).ok
    elif way == "waiting":
        assert store.fire(run_id, "require_action", **PAYLOAD["require_action"], token=token).ok
    elif way == "cancelled":
        assert store.request_cancel(run_id).ok
        assert store.confirm_cancel(run_id, token=token).ok
    elif way == "held":
        assert store.heartbeat(lease).ok
    else:
        assert store.fire(run_id, way, **PAYLOAD.get(way, {}), token=token).ok


def test_r4_who_stood_still_past_its_lease_can_write_nothing(database_url):
    """
    A is stopped, B takes the run over, A wakes: every word of A's is stale, and leaves no line.
    """
    schedules, stale, random = size(60, 500), 0, chance(4)
    ways = ("complete", "fail", "stop_incomplete", "cancelled", "answered", "waiting", "held")
    with timed_store(database_url, expires_after=None) as store:
        sleeper = Child(stand_still_and_go_on, database_url)
        try:
            assert "ready" == sleeper.answer()
            for number in range(schedules):
                place, way = PLACES[number % len(PLACES)], random.choice(ways)
                store.create(id=f"run_{number}")
                sleeper.pipe.send((place, random.randrange(3)))
                run_id, token = sleeper.answer()
                stopped(sleeper.process.pid)
                pass_time(store, 30 + random.choice([0, 0.001, 5, 1000]))
                lease = store.claim("B", 1e6)
                assert (run_id, token + 1) == (lease.run.id, lease.token)
                early = random.random() < 0.5
                if early:
                    os.kill(sleeper.process.pid, signal.SIGCONT)
                _finish(store, lease, way)
                lines = len(store.history(run_id))
                if not early:
                    os.kill(sleeper.process.pid, signal.SIGCONT)
                answers = sleeper.answer()
                assert {True, "Stale"} == {answer for _, answer in answers}
                assert {"release"} == {name for name, answer in answers if answer is True}
                stale += len(answers)
                history = store.history(run_id)
                assert lines == len(history)
                taken = next(n for n, e in enumerate(history) if e.token == lease.token)
                assert not [e for e in history[taken:] if e.actor == "A" or e.token == token]
                store.request_cancel(run_id)
                store.confirm_cancel(run_id)
            sleeper.pipe.send(None)
            assert "done" == sleeper.answer()
        finally:
            sleeper.kill()
        assert schedules == assert_consistent(store)
    figure(
        "R4", database_url,
        f"{schedules} schedules, {stale} calls of a worker past its lease: all stale, 0 lines",
    )  # fmt: skip


# -- R14 -----------------------------------------------------------------------------------


def _cancelled_by_the_dead(store, url, run_id, place):
    """
    Ask for a cancel from a process that dies at *place*, again and again until it is asked for.
    """
    deaths = 0
    while store.get(run_id).status not in {"cancelling", "cancelled"}:
        victim = Child(die_cancelling, url, run_id, place)
        deaths += not victim.said()
        victim.end()
        place += 1

    return deaths


def _seconds_until_it_ends(store, run_id, worker):
    """
    Sweep as time passes, with a worker that renews its lease or with none.
    """
    for waited in range(0, 61, 10):
        if RUN.is_terminal(store.get(run_id).status):
            return waited
        if worker is not None:
            worker.pipe.send("again")
            assert "Held" == worker.answer()
        pass_time(store, 10)
        store.sweep()
    raise AssertionError(f"{run_id} is {store.get(run_id).status} for ever")


@pytest.mark.parametrize("dead", ["worker", "canceller", "both"])
def test_r14_no_run_stays_cancelling(database_url, dead):
    """
    Whoever dies, and at whatever point: a run that is being cancelled has ended by its deadline.
    """
    rounds, deaths, waited = size(4, 60), 0, []
    with timed_store(database_url) as store:
        for number in range(rounds):
            run_id = store.create(id=f"run_{number}").id
            worker = Child(heartbeat_when_told, database_url)
            try:
                assert "Held" == worker.answer()
                if dead == "worker":
                    assert store.request_cancel(run_id).ok
                else:
                    deaths += _cancelled_by_the_dead(
                        store, database_url, run_id, 3 * number % 12 + 1
                    )
                if dead != "canceller":
                    worker.kill()
                    deaths += 1
                left = worker if dead == "canceller" else None
                waited.append(_seconds_until_it_ends(store, run_id, left))
                assert "cancelled" == store.get(run_id).status
            finally:
                worker.process.kill()
                worker.end()
        assert rounds == assert_consistent(store)
    figure(
        "R14", database_url,
        f"dead {dead}: {rounds} runs, {deaths} deaths, 0 stuck in cancelling; "
        f"ended after at most {max(waited)} s, of 60",
    )  # fmt: skip


@pytest.mark.parametrize("status", ["queued", "in_progress", "requires_action"])
def test_r14_a_run_that_nobody_works_on_is_cancelled_by_its_deadline(database_url, status):
    """
    The cancel of a run without a lease takes effect too, wherever the run was.
    """
    with timed_store(database_url) as store:
        run_id = brought_to(store, status)
        assert store.request_cancel(run_id).ok
        waited = _seconds_until_it_ends(store, run_id, None)
        assert "cancelled" == store.get(run_id).status
        assert_consistent(store)
    figure("R14", database_url, f"cancelled while {status}: ended after {waited} s, of 60")
