"""
One row that cannot be read concerns that row alone; and no time and no argument makes such a row.
"""

import pickle

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from conftest import PAYLOADS
from databases import CLOCK
from runstate import RUN, Lifecycle, RunstateError, Transition
from runstate.store import (
    Applied,
    ClockError,
    CursorError,
    Fire,
    RunStore,
    StoreArgumentError,
    UnreadableRunError,
)
from stores import brought_to, consistent

BAD_COLUMNS = {
    "not a run": {"document": '{"tools": 5}'},
    "not an object": {"document": "[1]"},
    "not JSON": {"document": "{"},
    "nested without end": {"document": "[" * 100_000},
    "an unknown field's value": {"document": '{"metadata": {"a": 1}}'},
    "an error that is none": {"last_error": "5"},
    "a time before the year 2000": {"created_at": 5},
    "a status of another version": {"status": "paused"},
}


def spoil(store, run_id, columns):
    """
    Write what another program might into a row.
    """
    runs = sa.table("runstate_runs", *map(sa.column, ["id", *columns]))
    with store.engine.begin() as connection:
        connection.execute(runs.update().where(runs.c.id == run_id).values(columns))


@pytest.mark.parametrize("bad", BAD_COLUMNS.values(), ids=list(BAD_COLUMNS))
@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelling"])
def test_one_unreadable_run_stops_nothing_for_the_others(timed, now, bad, status):
    """
    It is the oldest, its lease ran out, its deadline is over; all others are served as usual.
    """
    timed.create(id="bad")
    if status != "queued":
        timed.claim("w", 1)
    if status == "cancelling":
        timed.request_cancel("bad")
    now.step(1)
    good = {timed.create(id=f"good{number}").id for number in range(3)}
    spoil(timed, "bad", bad)
    now.step(2)
    with capture_logs() as logs:
        claimed = {timed.claim("w", 0.5).run.id for _ in good}
        timed.claim("w", 0.5)
        page = timed.list(limit=2, order="asc")
        rest = timed.list(limit=20, order="asc", after=page.cursor)
        stuck = {run.id for run in timed.stuck({"queued": 0, "in_progress": 0, "cancelling": 0})}
    now.step(70)
    timed.sweep()
    with pytest.raises(UnreadableRunError, match="run 'bad' cannot be read: ") as caught:
        timed.get("bad")
    for run_id in good:
        assert timed.complete(run_id).ok
        assert consistent(timed, run_id)

    assert good == claimed == stuck
    assert good == {run.id for run in (*page.items, *rest.items)}
    assert ["bad"] == [error.run_id for error in (*page.unreadable, *rest.unreadable)]
    assert {"bad"} == {log["run_id"] for log in logs if log["event"] == "run.unreadable"}
    assert caught.value.reason == page.unreadable[0].reason
    assert {"completed": 3} == {
        name: count for name, count in timed.counts().items() if name == "completed"
    }
    assert len(timed.history("bad")) >= 1
    assert {"bad", *good} == {entry.run_id for entry in timed.moves().items}


def test_an_unreadable_run_is_set_aside_for_a_minute_and_claimed_once_it_is_right(timed, now):
    """
    Also under a lease of a millisecond; its journal says each time who had it.
    """
    timed.create(id="bad", instructions="say hello")
    spoil(timed, "bad", {"document": '{"tools": 5}'})
    assert timed.claim("w", 0.001) is None
    now.step(30)
    assert timed.claim("w", 0.001) is None
    spoil(timed, "bad", {"document": "{}"})
    assert timed.claim("w", 5) is None
    now.step(31)
    lease = timed.claim("w2", 5)

    assert ("bad", 2) == (lease.run.id, lease.attempt)
    assert ["move", "move", "claim"] == [line.kind for line in timed.history("bad")]
    assert consistent(timed, "bad")


def test_a_hundred_unreadable_runs_do_not_keep_a_claim_busy(timed, now):
    """
    One claim sets aside a hundred, the next one goes on behind them.
    """
    for number in range(101):
        timed.create(id=f"bad{number:03}")
    with timed.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE runstate_runs SET document = '5'")
    now.step(1)
    timed.create(id="good")

    assert timed.claim("w") is None
    assert "good" == timed.claim("w").run.id


def test_a_line_of_the_journal_that_is_not_json_stops_no_feed(store):
    """
    It is delivered without its payload.
    """
    run_id = brought_to(store, "requires_action")
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE runstate_journal SET payload = '{' WHERE seq = 2")
        connection.exec_driver_sql("UPDATE runstate_journal SET payload = '[1]' WHERE seq = 3")

    assert [1, 2, 3] == [entry.seq for entry in store.moves().items]
    assert [None] * 3 == [line.payload for line in store.history(run_id)]


def test_a_sweep_ends_an_unreadable_run_by_a_trigger_that_leads_to_several_statuses(
    database_url, now
):
    """
    Where it leads is decided by the status; nothing of the rest of the row is needed.
    """
    lifecycle = Lifecycle(
        "short",
        (
            Transition("start", "queued", "in_progress"),
            Transition("complete", "in_progress", "completed"),
            Transition("give_up", "in_progress", "failed"),
            Transition("give_up", "queued", "expired"),
        ),
        "queued",
        {"completed": "success", "failed": "failure", "expired": "timeout"},
    )
    deadlines = {"queued": (5, "give_up"), "in_progress": (5, "give_up")}
    with RunStore.open(
        database_url, lifecycle=lifecycle, clock=CLOCK, deadlines=deadlines
    ) as store:
        for name in ("bad", "good", "worked"):
            store.create(id=name)
        store.start("worked")
        spoil(store, "bad", {"document": "5"})
        now.step(6)
        swept = {moved.run_id: moved.target for moved in store.sweep()}

    assert {"bad": "expired", "good": "expired", "worked": "failed"} == swept


@pytest.mark.parametrize(
    "time", [-1000.0, 3_600.0, 946_684_799.0, 4_102_444_800.0, 4_133_980_800.0, 253_402_300_000.0]
)
def test_at_a_time_that_no_field_can_hold_nothing_is_stored(timed, now, time):
    """
    Creation and moves raise ClockError; claims and sweeps find nothing; later all is as it was.
    """
    right = now.now
    for status in ("queued", "in_progress", "cancelling"):
        brought_to(timed, status, id=status)
    now.set(time)
    for call in (
        lambda: timed.create(id="new"),
        lambda: timed.start("queued"),
        lambda: timed.fire_many([Fire("queued", "start"), Fire("in_progress", "complete")]),
        lambda: timed.fail("in_progress", **PAYLOADS["fail"]),
    ):
        with pytest.raises(ClockError, match="2000 to 2099; set the clock") as caught:
            call()
        assert time == caught.value.now
    assert (None, ()) == (timed.claim("w"), timed.sweep())
    now.set(right + 1)
    found = {run.id: str(run.status) for run in timed.list().items}

    assert {s: s for s in ("queued", "in_progress", "cancelling")} == found
    assert all(consistent(timed, run_id) for run_id in found)
    assert isinstance(timed.start("queued"), Applied)


@pytest.mark.parametrize("clock", ["NULL", "'abc'", "1e400"])
def test_a_clock_that_shows_no_time_is_named(tmp_path, clock):
    """
    An SQL expression for the time that gives none.
    """
    with RunStore.open(f"sqlite:///{tmp_path}/runs.db", clock=clock) as store:
        with pytest.raises(ClockError, match="the database's clock shows "):
            store.create()
        assert () == store.list().items


def nested(levels):
    """
    Return a list in a list in a list.
    """
    value = []
    for _ in range(levels):
        value = [value]

    return value


ODD = [5, -1, 10**4_299, b"x", ["a"], {"a": 1}, object(), True, nested(9_000), 1.5, float("nan")]


def test_an_argument_of_the_wrong_type_gets_an_error_of_the_package(store):
    """
    Every argument by every odd value: it names the argument, what was expected and what was found.
    """
    lease_of = brought_to(store, "in_progress", id="a")
    calls = {
        "key": lambda odd: store.complete(lease_of, key=odd),
        "actor": lambda odd: store.complete(lease_of, actor=odd),
        "reason": lambda odd: store.complete(lease_of, reason=odd),
        "run_id": store.get,
        "worker": store.claim,
        "lease": store.heartbeat,
        "connection": lambda odd: store.get("a", connection=odd),
        "thread_id": lambda odd: store.list(thread_id=odd),
        "order": lambda odd: store.list(order=odd),
        "status": lambda odd: store.list(status=odd),
    }
    for argument, call in calls.items():
        for odd in ODD:
            with pytest.raises(StoreArgumentError, match=r"expected .* got ") as caught:
                call(odd)
            again = pickle.loads(pickle.dumps(caught.value))
            assert (argument, str(caught.value)) == (again.argument, str(again))
            assert len(str(again)) < 500


def test_a_number_out_of_bounds_gets_one_too(store):
    """
    Tokens, limits, seconds; and None where something must be said.
    """
    brought_to(store, "in_progress", id="a")
    wrong = {
        "token": (lambda odd: store.complete("a", token=odd), ["1", -1, 2**63, True, 1.5]),
        "limit": (lambda odd: store.list(limit=odd), ["1", 0, -1, 2**31, True, 1.5, None]),
        "seconds": (
            lambda odd: store.claim("w", odd),
            ["1", 0, -1, 1e9, True, None, float("nan"), float("inf"), 10**4_299],
        ),
        "limits['queued']": (
            lambda odd: store.stuck({"queued": odd}),
            ["1", -1, None, float("nan"), 10**4_299],
        ),
        "run_id": (store.get, [None]),
        "worker": (store.claim, [None, "", "a\nb"]),
        "lease": (store.release, [None, "a"]),
    }
    for argument, (call, values) in wrong.items():
        for odd in values:
            with pytest.raises(StoreArgumentError) as caught:
                call(odd)
            assert argument == caught.value.argument


@pytest.mark.parametrize("odd", ODD)
def test_a_cursor_of_the_wrong_type_gets_an_error_that_can_be_shown(store, odd):
    """
    Whatever it is, the message fits on a line.
    """
    store.create()
    with pytest.raises(CursorError) as caught:
        store.moves(after=odd)

    assert len(str(caught.value)) < 500
    assert isinstance(caught.value, RunstateError)


def test_every_status_can_be_told_apart_from_an_unreadable_row(store):
    """
    What the store itself writes is always readable.
    """
    for status in RUN.statuses:
        brought_to(store, str(status))
    page = store.list()

    assert (len(RUN.statuses), ()) == (len(page.items), page.unreadable)
