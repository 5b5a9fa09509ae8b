"""
The parts that rows play: who takes an object, where a cancel waits, what times out.
"""

import pytest

from runstate import RUN, Entry, Lifecycle, Transition
from runstate.lifecycle._roles import cancelling_rows, claim_rows, timeout_rows, unattended
from runstate.presets import PRESETS


def work(*rows, **more):
    """
    Return a lifecycle of a piece of work.
    """
    ends = {"done": "success", "cancelled": "cancelled", "late": "timeout"}
    found = {row.target for row in rows}

    return Lifecycle("work", rows, "new", {e: o for e, o in ends.items() if e in found}, **more)


def test_a_run_is_claimed_by_start_and_cancelled_while_cancelling():
    """
    As a store of runs has always done it.
    """
    assert ["queued -start-> in_progress"] == [str(row) for row in claim_rows(RUN)]
    assert {"cancelling": "confirm_cancel"} == cancelling_rows(RUN)
    assert {"queued", "in_progress", "requires_action", "cancelling"} == timeout_rows(RUN).keys()


@pytest.mark.parametrize(
    ("name", "trigger", "claimed"),
    [("oban-job", None, True), ("temporal-workflow", None, False), ("oban-job", "nothing", False)],
)
def test_a_claim_leads_to_where_an_object_can_succeed(name, trigger, claimed):
    """
    Unless the lifecycle has no such row, or not the trigger that is asked for.
    """
    lifecycle = PRESETS[name]
    rows = claim_rows(lifecycle, trigger)

    assert claimed == bool(rows)
    assert len({(row.trigger, row.target) for row in rows}) == claimed
    working = {row.source for row in lifecycle if lifecycle.terminal.get(row.target) == "success"}
    assert {row.target for row in rows} <= working


def test_a_row_with_a_payload_or_a_condition_is_not_for_the_unattended():
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

    assert () == claim_rows(lifecycle) == claim_rows(lifecycle, "end")
    assert [False, False, True] == [
        unattended(lifecycle, *move) for move in (("start", "new"), ("go", "new"), ("end", "busy"))
    ]
    assert {} == cancelling_rows(lifecycle)


def test_a_status_in_which_a_cancel_waits_says_so_in_its_name():
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

    assert {"CANCEL_REQUESTED": "confirm"} == cancelling_rows(lifecycle)
    assert ["new -take-> busy"] == [str(row) for row in claim_rows(lifecycle)]
