"""
The parts that rows play in a store: who takes an object, where a cancel waits, what times out.
"""

from contextlib import ExitStack
from itertools import count

import pytest
import sqlalchemy as sa

from conftest import PAYLOADS
from runstate import RUN, Entry, Lifecycle, Transition
from runstate.presets import PRESETS
from runstate.store import RunStore, Store, StoreArgumentError
from stores_under_test import CLOCK, make_clock


def work(*rows, **more):
    """
    Return a lifecycle of a piece of work.
    """
    ends = {"done": "success", "cancelled": "cancelled", "late": "timeout"}
    found = {row.target for row in rows}

    return Lifecycle("work", rows, "new", {e: o for e, o in ends.items() if e in found}, **more)


@pytest.fixture
def opened(tmp_path):
    """
    Open a new store of a lifecycle, whose clock stands still.
    """
    numbers = count()
    with ExitStack() as stack:

        def new(lifecycle, **options):
            url = f"sqlite:///{tmp_path}/{next(numbers)}.db"
            make_clock(url)
            options |= {"clock": CLOCK, "durable": False}
            store = (
                RunStore.open(url, **options)
                if lifecycle is RUN
                else Store.open(url, lifecycle, **options)
            )
            return stack.enter_context(store)

        yield new


def wait(store, seconds):
    """
    Let the store's clock go on.
    """
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE clock SET now = now + :seconds"), {"seconds": seconds})


def brought_to(store, lifecycle, status):
    """
    Return the id of a new object that has come to *status* by the shortest way.
    """
    path = min(
        (path for begin in lifecycle.initial_statuses
         if (path := lifecycle.shortest_path(begin, status)) is not None),
        key=len,
    )  # fmt: skip
    if lifecycle is RUN:
        key, payloads = store.create().id, PAYLOADS
    else:
        begin = path[0].source if path else status
        key, payloads = store.create(status=begin)[lifecycle.id_field], {}
    for row in path:
        needs = dict.fromkeys(lifecycle.entry(row.target).requires, "x")
        assert store.fire(key, row.trigger, **payloads.get(row.trigger, needs)).ok

    return key


def claims(opened, lifecycle, **options):
    """
    Return the moves by which a worker takes an object: from each status, if there is one.
    """
    moves = []
    for status in lifecycle.statuses:
        if lifecycle.is_terminal(status):
            continue
        store = opened(lifecycle, **options)
        key = brought_to(store, lifecycle, status)
        try:
            lease = store.claim("worker")
        except StoreArgumentError:
            continue
        if lease is not None:
            entry = store.history(key)[-1]
            moves.append((entry.source, entry.trigger, entry.target))

    return moves


def given_up(opened, lifecycle, status, **options):
    """
    Return the trigger by which a sweep ends an object in *status* that nobody works on; None without.
    """
    store = opened(lifecycle, **options)
    key = brought_to(store, lifecycle, status)
    wait(store, 61)
    store.sweep()
    entry = store.history(key)[-1]

    return entry.trigger if lifecycle.is_terminal(entry.target) else None


def test_a_run_is_claimed_by_start_and_cancelled_while_cancelling(opened):
    """
    As a store of runs has always done it.
    """
    waiting = [status for status in RUN.statuses if not RUN.is_terminal(status)]

    assert [("queued", "start", "in_progress")] == claims(opened, RUN)
    assert {"cancelling": "confirm_cancel"} == {
        status: trigger for status in waiting if (trigger := given_up(opened, RUN, status))
    }


@pytest.mark.parametrize("status", [s for s in RUN.statuses if not RUN.is_terminal(s)])
def test_a_run_expires_in_every_status_that_is_not_an_end(opened, status):
    """
    Where nobody has ended it by its time; a worker that still has it does not matter.
    """
    late = {"deadlines": {"cancelling": (10_000, "confirm_cancel")}, "expires_after": 100}
    store = opened(RUN, **late)
    key = store.create().id
    if status != "queued":
        lease = store.claim("worker", 1_000)
        for row in RUN.shortest_path("in_progress", status):
            payload = PAYLOADS.get(row.trigger, {})
            assert store.fire(key, row.trigger, token=lease.token, **payload).ok
    wait(store, 101)
    store.sweep()
    entry = store.history(key)[-1]

    assert (status, "expire", "expired") == (entry.source, entry.trigger, entry.target)


def test_a_claim_leads_to_where_an_object_can_succeed(opened):
    """
    By one trigger to one status, from wherever that is possible.
    """
    lifecycle = PRESETS["oban-job"]
    moves = claims(opened, lifecycle)
    working = {row.source for row in lifecycle if lifecycle.terminal.get(row.target) == "success"}

    assert 1 == len({(trigger, target) for _, trigger, target in moves})
    assert {target for *_, target in moves} <= working


def test_a_lifecycle_without_such_a_row_has_no_claims(opened):
    """
    And a trigger that has no such row is refused at once.
    """
    assert [] == claims(opened, PRESETS["temporal-workflow"])
    with pytest.raises(ValueError, match="claim: expected a trigger of oban-job"):
        opened(PRESETS["oban-job"], claim="nothing")


def test_a_row_with_a_payload_or_a_condition_is_not_for_the_unattended(opened):
    """
    Nobody is there to give the one, or to ask the other.
    """
    lifecycle = work(
        Transition("start", "new", "busy"),
        Transition("go", "new", "busy", when="may"),
        Transition("go", "new", "done"),
        Transition("end", "busy", "done"),
        Transition("cancel", ["new", "busy"], "cancelled"),
        entries=[Entry("busy", requires=("worker",))],
    )
    may = {"conditions": {"may": lambda _: False}}

    assert [] == claims(opened, lifecycle, **may)
    with pytest.raises(ValueError, match="claim: expected a trigger of work"):
        opened(lifecycle, claim="end", **may)
    assert [None, None] == [given_up(opened, lifecycle, each, **may) for each in ("new", "busy")]
    for status, trigger, usable in (
        ("new", "start", False), ("new", "go", False), ("busy", "end", True),
    ):  # fmt: skip
        due = {"deadlines": {status: (1, trigger)}, **may}
        if usable:
            assert opened(lifecycle, **due)
        else:
            with pytest.raises(ValueError, match=trigger):
                opened(lifecycle, **due)


def test_a_status_in_which_a_cancel_waits_says_so_in_its_name(opened):
    """
    One that can also be cancelled at once is not such a status.
    """
    lifecycle = work(
        Transition("take", "new", "busy"),
        Transition("end", "busy", "done"),
        Transition("cancel", "new", "cancelled"),
        Transition("ask", "busy", "CANCEL_REQUESTED"),
        Transition("confirm", "CANCEL_REQUESTED", "cancelled"),
    )

    assert [None, None, "confirm"] == [
        given_up(opened, lifecycle, status) for status in ("new", "busy", "CANCEL_REQUESTED")
    ]
    assert [("new", "take", "busy")] == claims(opened, lifecycle)
