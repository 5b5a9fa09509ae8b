"""
The sweep: what is overdue ends once, by the right trigger, and nothing else does.
"""

from contextlib import closing

import pytest
import sqlalchemy as sa

from databases import CLOCK
from runstate import RUN
from runstate.store import Fire, RunStore, StoreArgumentError
from stores import ACTION, brought_to, consistent


@pytest.fixture
def timed(database_url, now):
    """
    A store whose runs expire after ten minutes.
    """
    with RunStore.open(database_url, clock=CLOCK, expires_after=600) as opened:
        yield opened


def swept(store, **options):
    """
    Sweep, and return what was ended by which trigger.
    """
    return {moved.run_id: moved.trigger for moved in store.sweep(**options)}


def test_what_passed_its_expiry_is_expired(timed, now):
    """
    In every status that has a way to expire, to the second, and once; a cancel ends at once.
    """
    ids = {status: brought_to(timed, status) for status in RUN.statuses}
    overdue = {ids[s]: "expire" for s in ("queued", "in_progress", "requires_action")}
    first = swept(timed)
    now.step(599)
    assert {} == swept(timed)
    now.step(1)
    moved = timed.sweep()

    assert {ids["cancelling"]: "confirm_cancel"} == first
    assert overdue == {each.run_id: each.trigger for each in moved}
    assert () == timed.sweep()
    assert moved == tuple(timed.history(each.run_id)[-1].moved for each in moved)
    for run_id in ids.values():
        assert consistent(timed, run_id)
        assert timed.history(run_id)[-1].actor in {None, "sweep"}
    assert [0, 1, 4, 1] == [
        timed.counts()[s] for s in ("queued", "failed", "expired", "incomplete")
    ]


def test_no_run_expires_unless_that_was_asked_for(database_url, now):
    """
    A worker that keeps its lease keeps its run, however long that takes; a cancel ends in time.
    """
    with RunStore.open(database_url, clock=CLOCK) as store:
        run = store.create()
        lease = store.claim("w", 100)
        other = store.create()
        for _ in range(100):
            now.step(50)
            assert store.heartbeat(lease).ok
            assert () == store.sweep()
        assert None is run.expires_at is store.get(run.id).expires_at
        store.request_cancel(other.id)
        now.step(60)

        assert {other.id: "confirm_cancel"} == swept(store)
        assert store.complete(lease.run.id, token=lease.token).ok


def test_one_run_may_have_a_time_of_its_own(database_url, now):
    """
    In seconds from its creation, or as a time; beside a store's own, and in a store without one.
    """
    for seconds in (None, 600):
        with RunStore.open(database_url, clock=CLOCK, expires_after=seconds) as store:
            born = int(now.now)
            ids = {
                store.create(expires_after=30).id: 30,
                store.create(expires_at=born + 40).id: 40,
                store.create(expires_after=0).id: 0,
            }
            own = store.create()
            assert seconds == (None if own.expires_at is None else own.expires_at - born)
            assert {r: born + s for r, s in ids.items()} == {
                r: store.get(r).expires_at for r in ids
            }
            for later in (0, 30, 40):
                now.set(born + later)
                assert {r: "expire" for r, s in ids.items() if s == later} == swept(store)
            now.step(1_000)
            assert ({own.id: "expire"} if seconds else {}) == swept(store)


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_after": -1}, {"expires_after": 1.5}, {"expires_after": "5"},
        {"expires_after": True}, {"expires_after": 10**9}, {"expires_at": 5},
        {"expires_at": 1_700_000_000.5}, {"expires_at": "2026-01-01"},
        {"expires_at": 1_700_000_000_000}, {"expires_at": 1_800_000_000, "expires_after": 5},
    ],
    ids=str,
)  # fmt: skip
def test_a_time_of_its_own_that_makes_no_sense_is_refused(store, wrong):
    """
    The error names the argument, and nothing is stored.
    """
    with pytest.raises(StoreArgumentError, match=f"{next(iter(wrong))}: expected "):
        store.create(**wrong)

    assert () == store.list().items


def test_a_deadline_of_a_status_counts_from_its_entry(database_url, now):
    """
    Each status by its own seconds and trigger; leaving in time disarms it, coming again rearms it.
    """
    deadlines = {
        "queued": (5, "request_cancel"),
        "in_progress": (10.5, "expire"),
        "requires_action": (20, "expire"),
    }
    options = {"clock": CLOCK, "deadlines": deadlines, "expires_after": None}
    with RunStore.open(database_url, **options) as store:
        waiting, working = store.create(id="waiting").id, store.create(id="working").id
        now.step(4)
        store.start(working)
        now.step(1)
        assert {waiting: "request_cancel"} == swept(store)
        now.step(9)
        store.require_action(working, ACTION)
        now.step(19)
        assert {waiting: "confirm_cancel"} == swept(store)
        store.submit_tool_outputs(working, {"call_1": ""})
        store.start(working)
        now.step(10.25)
        assert working not in swept(store)
        now.step(0.25)
        assert "expire" == swept(store)[working]
        assert consistent(store, working)


def test_a_cancel_takes_effect_when_nobody_works_on_the_run(timed, now):
    """
    At once where nobody can, when the lease has run out where somebody did, and never before.
    """
    for run_id in ("leased", "lost", "unleased"):
        timed.create(id=run_id)
        now.step(1)
    timed.create(id="waiting")
    lease = timed.claim("w", 30)
    timed.claim("w", 3)
    timed.start("unleased")
    timed.fire_many(
        [Fire("waiting", "start"), Fire("waiting", "require_action", {"required_action": ACTION})]
    )
    for run_id in ("leased", "lost", "unleased", "waiting"):
        timed.request_cancel(run_id)
    timed.create(id="queued")
    timed.request_cancel("queued")

    assert dict.fromkeys(["queued", "waiting"], "confirm_cancel") == swept(timed)
    now.step(3)
    assert {"lost": "confirm_cancel"} == swept(timed)
    now.step(26.5)
    assert timed.heartbeat(lease).cancel_requested
    assert {} == swept(timed)
    now.step(29)
    assert timed.heartbeat(lease).ok
    # The deadline of a cancel, a minute by default, is for whoever never answers.
    now.step(2)
    assert dict.fromkeys(["leased", "unleased"], "confirm_cancel") == swept(timed)
    assert not timed.heartbeat(lease).ok


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_a_sweep_ends_no_more_than_its_limit(timed, now, limit):
    """
    And the next goes on, until nothing is left.
    """
    ids = [brought_to(timed, s) for s in ("queued", "in_progress", "requires_action", "cancelling")]
    now.step(601)
    ended = []
    while moved := timed.sweep(limit=limit):
        assert len(moved) <= limit
        ended += [each.run_id for each in moved]

    assert sorted(ids) == sorted(ended)
    assert all(timed.get(run_id).status in {"expired", "cancelled"} for run_id in ids)


def test_a_sweep_skips_what_somebody_else_is_moving(postgresql_database):
    """
    It neither waits for an open transaction nor undoes what that has done.
    """
    with RunStore.open(postgresql_database, expires_after=0) as store:
        a, b = store.create(id="a").id, store.create(id="b").id
        with closing(store.engine.connect()) as connection:
            store.start(a, connection=connection)
            first = swept(store)
            connection.commit()

        assert {b: "expire"} == first
        assert {a: "expire"} == swept(store)
        assert ["create", "start", "expire"] == [entry.trigger for entry in store.history(a)]


def test_a_sweep_ends_nothing_that_has_moved_since_it_looked(timed, now):
    """
    Each is ended only at the version that was seen.
    """
    run_id = timed.create().id
    now.step(601)
    moved = timed._do._moved  # the moment between the look and the write

    def meanwhile(connection, batch):
        timed._do._moved = moved
        timed.start(run_id, connection=connection)
        return moved(connection, batch)

    timed._do._moved = meanwhile
    assert () == timed.sweep()
    assert "in_progress" == timed.get(run_id).status
    assert {run_id: "expire"} == swept(timed)
    assert consistent(timed, run_id)


def plans(engine, operation):
    """
    Return how SQLite finds what *operation* asks the table of runs for.
    """
    found = []

    def explained(connection, _, statement, parameters, *__):
        if not statement.startswith(("EXPLAIN", "BEGIN")):
            cursor = connection.connection.dbapi_connection.cursor()
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            found.extend(line[-1] for line in cursor.fetchall() if "runstate_runs" in line[-1])

    sa.event.listen(engine, "before_cursor_execute", explained)
    operation()
    sa.event.remove(engine, "before_cursor_execute", explained)

    return found


def test_what_has_ended_is_not_read_to_find_what_has_not(tmp_path):
    """
    Not even where SQLite was told to look at a store in which every run has ended.
    """
    with RunStore.open(f"sqlite:///{tmp_path}/runs.db") as store:
        for _ in range(200):
            store.expire(store.create().id)
        with store.engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    # A connection knows what ANALYZE found when it was opened.
    with RunStore.open(f"sqlite:///{tmp_path}/runs.db") as store:
        for operation in (
            store.sweep,
            lambda: store.stuck({"in_progress": 3_600, "cancelling": 60}),
            lambda: store.claim("w", 60),
        ):
            found = plans(store.engine, operation)
            assert found
            assert [] == [line for line in found if line.startswith("SCAN")]
