"""
Leases: who may carry on a run, for how long, and how a worker that is late finds out.
"""

import pytest

from runstate.store import Applied, Duplicate, Fire, Held, Illegal, RunStore, Stale, Superseded
from stores import ACTION, ERROR, USAGE, brought_to, consistent, rows_of


def queue(store, now, *ids):
    """
    Create runs, a second apart.
    """
    for run_id in ids:
        store.create(id=run_id)
        now.step(1)


def kinds(store, run_id):
    """
    Return kind, token and actor of every line of a run.
    """
    return [(line.kind, line.token, line.actor) for line in store.history(run_id)]


def test_there_is_nothing_to_claim_where_nothing_waits(timed):
    """
    Only a queued run can be started, whoever moved the others.
    """
    for status in ("in_progress", "requires_action", "cancelling", "completed", "expired"):
        brought_to(timed, status)

    assert timed.claim("w") is None


def test_the_oldest_queued_run_is_claimed_and_started(timed, now):
    """
    The lease holds the run as it is now, a token, and until when.
    """
    queue(timed, now, "b", "a", "c")
    claimed = [timed.claim(f"w{n}", 10) for n in range(4)]
    first = claimed[0]

    assert ["b", "a", "c", None] == [lease and lease.run.id for lease in claimed]
    assert (timed.get("b"), 1, "w0", now.now + 10, 1, 10) == (
        first.run, first.token, first.worker, first.until, first.attempt, first.seconds,
    )  # fmt: skip
    assert ("in_progress", int(now.now)) == (first.run.status, first.run.started_at)
    assert [("move", None, None), ("move", 1, "w0")] == kinds(timed, "b")
    assert (2, "start", "queued", "in_progress", 3.0) == timed.history("b")[1][2:3] + (
        timed.history("b")[1][4:7] + timed.history("b")[1][8:9]
    )
    assert consistent(timed, "b")


def test_runs_of_the_same_moment_are_claimed_by_their_ids(timed):
    """
    So that the order is known.
    """
    for run_id in ("b", "a", "c"):
        timed.create(id=run_id)

    assert ["a", "b", "c"] == [timed.claim("w").run.id for _ in range(3)]


def test_a_run_whose_lease_ran_out_comes_before_those_that_wait(timed, now):
    """
    The one that ran out first before the others; it stays as it is, under a new token.
    """
    queue(timed, now, "a", "b", "c")
    for worker, seconds in (("w0", 20), ("w1", 10)):
        timed.claim(worker, seconds)
    now.step(19.5)
    before = timed.get("b")
    again = timed.claim("w2", 5)
    now.step(1)
    claimed = [timed.claim(f"w{n}", 100) for n in (3, 4, 5)]

    assert ("b", before, 2, 2) == (again.run.id, again.run, again.token, again.attempt)
    assert ["a", "c", None] == [lease and lease.run.id for lease in claimed]
    assert (2, 2) == (claimed[0].token, claimed[0].attempt)
    assert [("move", None, None), ("move", 1, "w1"), ("claim", 2, "w2")] == kinds(timed, "b")
    line = timed.history("b")[-1]
    assert (None, None, None, None, None, now.now - 1) == (
        line.seq, line.trigger, line.source, line.target, line.duration_s, line.at,
    )  # fmt: skip
    assert consistent(timed, "b")


def test_a_lease_runs_out_by_the_clock_alone(timed, now):
    """
    Until its very last moment it holds, and in that moment it does not.
    """
    queue(timed, now, "a")
    lease = timed.claim("w", 10)
    now.set(lease.until - 0.001)
    assert timed.claim("other") is None
    assert isinstance(timed.heartbeat(lease), Held)
    now.step(10)

    assert Stale(1) == timed.complete("a", token=1)
    assert Stale(1) == timed.heartbeat(lease)
    assert not timed.release(lease)
    assert "a" == timed.claim("other").run.id


def test_a_token_grows_with_every_claim_and_never_falls(timed, now):
    """
    Also over a pause for tool outputs; the attempts are counted from the last start.
    """
    queue(timed, now, "a")
    seen = []
    for _ in range(2):
        for _ in range(3):
            lease = timed.claim("w", 1)
            seen.append((lease.token, lease.attempt))
            now.step(2)
        lease = timed.claim("w", 5)
        seen.append((lease.token, lease.attempt))
        assert timed.require_action("a", ACTION, token=lease.token).ok
        assert timed.claim("w") is None
        assert timed.submit_tool_outputs("a", {"call_1": ""}).ok

    assert [(1, 1), (2, 2), (3, 3), (4, 4), (5, 1), (6, 2), (7, 3), (8, 4)] == seen
    assert consistent(timed, "a")


def test_a_write_with_a_lost_token_moves_and_journals_nothing(timed, now):
    """
    In every way to write, before and after the run has ended under its new owner.
    """
    queue(timed, now, "a")
    old = timed.claim("old", 5)
    now.step(6)
    for claimed in (None, timed.claim("new", 50)):
        before = rows_of(timed)
        assert Stale(1) == timed.complete("a", USAGE, token=1)
        assert Stale(1) == timed.fail("a", ERROR, token=1, key="k")
        assert (Stale(1), Stale(1)) == timed.fire_many(
            [
                Fire("a", "complete", token=1),
                Fire("a", "require_action", {"required_action": ACTION}, 1),
            ]
        )
        assert (Stale(1), False) == (timed.heartbeat(old), timed.release(old))
        assert before == rows_of(timed)
        if claimed is None:
            continue
    done = timed.complete("a", token=2, key="end")
    before = rows_of(timed)

    assert isinstance(done, Applied)
    assert Stale(1) == timed.complete("a", token=1)
    assert Duplicate(done.moved) == timed.complete("a", token=2, key="end")
    assert before == rows_of(timed)
    assert isinstance(timed.complete("a", token=2), Superseded)
    assert isinstance(timed.fail("a", ERROR), Superseded)


def test_a_lease_ends_with_the_work(timed, now):
    """
    Once a run waits for tool outputs or has ended, its worker holds nothing any more.
    """
    queue(timed, now, "a", "b")
    waiting, ended = timed.claim("w"), timed.claim("w")
    assert timed.require_action("a", ACTION, token=waiting.token).ok
    assert timed.complete("b", token=ended.token).ok

    assert (Stale(1), Stale(1)) == (timed.heartbeat(waiting), timed.heartbeat(ended))
    assert not timed.release(waiting)
    assert Stale(1) == timed.request_cancel("a", token=waiting.token)
    assert isinstance(timed.start("a"), Illegal)


def test_a_heartbeat_renews_and_tells_of_a_cancel(timed, now):
    """
    It lasts as long again as the lease was for, counted from now.
    """
    queue(timed, now, "a")
    lease = timed.claim("w", 10)
    now.step(9)
    held = timed.heartbeat(lease)
    assert timed.request_cancel("a", reason="the user left").ok
    now.step(9)

    assert Held(lease.until + 9, cancel_requested=False) == held
    assert Held(lease.until + 18, cancel_requested=True) == timed.heartbeat(lease)
    assert timed.confirm_cancel("a", token=lease.token).ok
    assert Stale(1) == timed.heartbeat(lease)
    assert 4 == len(timed.history("a"))


def test_a_released_run_is_claimed_next(timed, now):
    """
    Release is journaled once, and the old token is worth nothing.
    """
    queue(timed, now, "a", "b")
    lease = timed.claim("w", 100)
    now.step(1)
    assert timed.release(lease)
    assert not timed.release(lease)
    assert Stale(1) == timed.heartbeat(lease) == timed.complete("a", token=1)
    again = timed.claim("v")

    assert ("a", 2, 2) == (again.run.id, again.token, again.attempt)
    assert [
        ("move", None, None), ("move", 1, "w"), ("release", 1, "w"), ("claim", 2, "v"),
    ] == kinds(timed, "a")  # fmt: skip
    assert consistent(timed, "a")


def test_a_run_that_was_started_without_a_lease_is_nobodys_to_claim(timed, now):
    """
    Whoever started it does not use leases; the clock never takes it away.
    """
    queue(timed, now, "a")
    timed.start("a")
    now.step(10_000)

    assert timed.claim("w") is None
    assert timed.complete("a").ok


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_clock_that_jumps_never_turns_a_run_back(timed, now, step):
    """
    Times and durations stay in order, the numbers too, and what was clamped says so.
    """
    queue(timed, now, "a", "b")
    lease = timed.claim("w", 10)
    now.step(step)
    back = step < 0
    held = timed.heartbeat(lease)
    assert (Held(now.now + 10, cancel_requested=False) if back else Stale(1)) == held
    later = timed.claim("w2", 10)
    assert ("b" if back else "a") == later.run.id
    assert timed.require_action("a", ACTION).ok
    now.step(-step / 2)
    assert timed.submit_tool_outputs("a", {"call_1": ""}).ok
    now.step(-step)
    assert timed.start("a").ok
    assert timed.complete("a", USAGE).ok
    assert isinstance(timed.expire("a"), Superseded)
    lines = timed.history("a")

    assert consistent(timed, "a")
    assert {line.clock_regressed for line in lines if line.kind != "move"} <= {False}
    flags = [line.clock_regressed for line in lines if line.kind == "move"]
    expected = [False, False, True, True, False, False] if back else [
        False, False, False, True, True, True,
    ]  # fmt: skip
    assert expected == flags
    assert all(line.duration_s == 0 for line in lines if line.clock_regressed)
    run = timed.get("a")
    assert run.created_at <= run.started_at <= run.completed_at
    assert lines[-1].at >= lines[-2].at


def test_what_cannot_be_a_worker_or_a_time_is_refused(store):
    """
    And nothing is claimed.
    """
    store.create()
    for worker in ("", "a\nb", "\x00", "\ud800", "x" * 513):
        with pytest.raises(ValueError, match="worker: expected one line"):
            store.claim(worker)
    for seconds in (0, -1, float("nan"), float("inf"), 1e9):
        with pytest.raises(ValueError, match="seconds: expected a positive number of seconds"):
            store.claim("w", seconds)

    assert 1 == store.counts()["queued"]


def test_a_lease_in_the_callers_transaction_is_nobody_elses_until_then(postgresql_database):
    """
    Others skip the run without waiting; after a rollback it is there again.
    """
    with RunStore.open(postgresql_database) as store:
        for run_id in ("a", "b"):
            store.create(id=run_id)
        with store.engine.connect() as connection:
            mine = store.claim("w", connection=connection)
            theirs = store.claim("v")
            assert store.claim("u") is None
            connection.rollback()
        again = store.claim("u")

    assert ["a", "b", "a"] == [lease.run.id for lease in (mine, theirs, again)]
    assert (1, 1) == (again.token, again.attempt)
