"""
Driving a service through its table, and the small parts of the kit.
"""

import subprocess
import sys
import threading
from contextlib import nullcontext
from typing import NamedTuple

import pytest

from runstate import RUN, Lifecycle, Observation, Transition
from runstate.presets import PRESETS
from runstate.testing import ManualClock, assert_legal, conformance, drive, race, walks
from runstate.testing.machines import service_machine


class Answer(NamedTuple):
    """
    Whether a run was moved, and where it is.
    """

    ok: bool
    status: str


class Plain:
    """
    A service that moves runs by a table of its own, and offers the least.
    """

    def __init__(self, lifecycle=RUN, *, without=None, instead=None):
        self.lifecycle, self.runs = lifecycle, {}
        rows = (*lifecycle, *lifecycle.reopenings)
        self.triggers = {row.trigger for row in rows}
        self.table = {(row.trigger, row.source): row.target for row in rows if row != without}
        self.table |= instead or {}

    def create(self, status=None):
        """See the protocol."""
        self.runs[f"run_{len(self.runs)}"] = status or self.lifecycle.initial

        return f"run_{len(self.runs) - 1}"

    def fire(self, run_id, trigger, **payload):
        """See the protocol."""
        if trigger not in self.triggers:
            raise ValueError(trigger)
        before = self.runs[run_id]
        self.runs[run_id] = self.table.get((trigger, before), before)

        return Answer((trigger, before) in self.table, str(self.runs[run_id]))

    def status(self, run_id):
        """See the protocol."""
        return self.runs[run_id]


def behind(row):
    """
    Return the rows that no run can come to without *row*, itself among them.
    """
    reached = {RUN.initial}
    for _ in RUN:
        reached |= {each.target for each in RUN if each.source in reached and each != row}

    return tuple(each for each in RUN if each == row or each.source not in reached)


# -- walks -------------------------------------------------------------------------------


@pytest.mark.parametrize("lifecycle", PRESETS.values(), ids=PRESETS)
def test_a_walk_leads_to_each_row(lifecycle):
    """
    Every row has a walk that ends in it, from creation on, and no shorter one.
    """
    found = walks(lifecycle)

    assert [*lifecycle, *lifecycle.reopenings] == [walk[-1] for walk in found]
    for walk in found:
        begin = walk[0].source
        assert begin in lifecycle.initial_statuses
        leads = lifecycle.shortest_path(lifecycle.initial, walk[-1].source)
        assert (begin == lifecycle.initial) == (leads is not None)
        assert [row.target for row in walk[:-1]] == [row.source for row in walk[1:]]
        shortest = lifecycle.shortest_path(begin, walk[-1].source)
        assert len(shortest) + 1 == len(walk)


# -- a drive -----------------------------------------------------------------------------


@pytest.mark.parametrize("lifecycle", PRESETS.values(), ids=PRESETS)
def test_a_service_that_keeps_to_its_table_is_covered(lifecycle):
    """
    All rows move, and all other pairs of status and trigger are refused, for every lifecycle.
    """
    driven = drive(lambda: nullcontext(Plain(lifecycle)), lifecycle=lifecycle, payloads={})
    rows = (*lifecycle, *lifecycle.reopenings)
    pairs = len(lifecycle.statuses) * len({row.trigger for row in rows}) - len(rows)

    assert (rows, (), pairs, pairs, ()) == driven
    assert driven.ok
    assert f"{len(rows)} of {len(rows)} rows, {pairs} of {pairs} refusals" == str(driven)


@pytest.mark.parametrize("row", list(RUN), ids=str)
def test_a_row_that_is_missing_is_told_alone(row):
    """
    A service without one row has that fault and no other; what lies behind the row is not reached.
    """
    driven = drive(lambda: nullcontext(Plain(without=row)))

    assert [row] == [fault.row for fault in driven.faults]
    assert behind(row) == driven.never
    assert f"FAILED {row}: was answered Answer(ok=False, status='{row.source}')" in str(driven)
    assert f"; never: {', '.join(map(str, driven.never))}" in str(driven)


@pytest.mark.parametrize("row", list(RUN), ids=str)
def test_a_row_that_leads_elsewhere_is_told_alone(row):
    """
    Wherever a row leads instead, that is the one fault, and it says where the run is.
    """
    for status in RUN.statuses:
        if status != row.target:
            service = Plain(instead={(row.trigger, row.source): status})
            driven = drive(lambda service=service: nullcontext(service))
            assert [f"{row}: the run is {status}"] == [str(fault) for fault in driven.faults]
            assert behind(row) == driven.never


def test_a_move_too_many_is_told_alone():
    """
    Every pair that is no row, and that the service moves by, is the one fault.
    """
    for status in RUN.statuses:
        for trigger in RUN.triggers:
            if RUN.row(trigger, status) is None:
                service = Plain(instead={(trigger, status): "cancelled"})
                driven = drive(lambda service=service: nullcontext(service))
                (fault,) = driven.faults
                assert (status, trigger, None) == fault[:3]
                assert (RUN.transitions, ()) == (driven.covered, driven.never)
                assert driven.refusals - 1 == driven.refused


def test_a_refusal_that_moves_the_run_is_told():
    """
    Whoever says no, and moves the run all the same, has not refused.
    """

    class Liar(Plain):
        """
        Cancels what has completed, and says no.
        """

        def fire(self, run_id, trigger, **payload):
            """See the protocol."""
            answer = super().fire(run_id, trigger, **payload)
            if trigger == "request_cancel" and self.runs[run_id] == "completed":
                self.runs[run_id] = "cancelled"

            return answer

    driven = drive(lambda: nullcontext(Liar()))

    assert ["request_cancel from completed: was refused, and the run is cancelled"] == [
        str(fault) for fault in driven.faults
    ]


@pytest.mark.parametrize(
    ("method", "answer", "message"),
    [
        ("create", lambda self: 1 / 0, "raised ZeroDivisionError: division by zero"),
        ("create", lambda self: self.runs.update(a="completed") or "a", "a new run is completed"),
        ("status", lambda self, run_id: "queued\x1b[2J", "a new run is queued\\x1b[2J"),
    ],
)
def test_a_service_that_cannot_begin_is_one_fault(method, answer, message):
    """
    Where no run can be made, nothing is reached, and the drive says why, on one line.
    """
    service = type("Broken", (Plain,), {method: answer})()
    driven = drive(lambda: nullcontext(service))

    assert [f"create from queued: {message}"] == [str(fault) for fault in driven.faults]
    assert ((), RUN.transitions, 0) == (driven.covered, driven.never, driven.refused)
    assert not driven.ok


def test_what_is_raised_or_is_no_answer_is_a_fault():
    """
    A refusal is an answer: an exception is none, nor is a bool.
    """

    class Odd(Plain):
        """
        Raises once a run has ended, and says True to a cancel.
        """

        def fire(self, run_id, trigger, **payload):
            """See the protocol."""
            if RUN.is_terminal(self.runs[run_id]):
                raise AssertionError("too\nlate")
            answer = super().fire(run_id, trigger, **payload)

            return answer.ok if trigger == "confirm_cancel" else answer

    driven = drive(lambda: nullcontext(Odd()))
    told = {str(fault) for fault in driven.faults}

    assert "complete from failed: raised AssertionError: too\\nlate" in told
    assert (
        "cancelling -confirm_cancel-> cancelled: raised AttributeError: "
        "'bool' object has no attribute 'ok'" in told
    )


def test_the_same_adapter_is_driven_and_checked():
    """
    What offers create, fire and status passes the suite, as far as that goes.
    """
    done = conformance(lambda: nullcontext(Plain()))

    assert () == done.failed, str(done)
    assert "new_run_is_initial" in done.passed
    assert "the store lacks the capabilities: history" in str(done)


def test_a_state_machine_is_made_for_any_lifecycle():
    """
    Actors on a service of another table; its TestCase is what pytest would collect.
    """
    river = PRESETS["river-job"]
    machine = service_machine(lambda: nullcontext(Plain(river)), river, payloads={})

    machine.TestCase("runTest").runTest()


# -- a history that must be legal --------------------------------------------------------


def test_a_legal_history_says_nothing():
    """
    What is possible under the model passes, warnings included.
    """
    assert_legal(["queued", "in_progress", "completed"])
    assert_legal(["completed", "queued"], observed="unordered")
    assert_legal(["queued", "in_progress"], finished=False)


def test_an_illegal_history_reads_like_its_findings():
    """
    The message has every finding with its place, code and hint, and nothing that acts on a terminal.
    """
    history = [
        Observation("queued", "a\x1b[2J", file="log.jsonl", line=7),
        Observation("completed", "a\x1b[2J", file="log.jsonl", line=8),
        Observation("failed", "a\x1b[2J", file="log.jsonl", line=9),
    ]
    with pytest.raises(AssertionError) as caught:
        assert_legal(history)
    with pytest.raises(AssertionError) as unfinished:
        assert_legal(["queued"], finished=True)

    assert str(caught.value).splitlines() == [
        "not a legal history of run, observed complete:",
        "[log.jsonl:8] RS103 error: a\\x1b[2J: queued -> completed: no such move "
        "(shortest legal path: queued -start-> in_progress -complete-> completed)",
        "[log.jsonl:9] RS105 error: a\\x1b[2J: completed -> failed: completed is terminal "
        "(no legal path leads from completed to failed)",
    ]
    assert str(unfinished.value).splitlines()[1:] == [
        "[1] RS107 error: ends in queued (from queued: start, request_cancel, fail, expire)"
    ]


# -- a clock and a race ------------------------------------------------------------------


def test_a_manual_clock_stands_still_and_only_goes_on():
    """
    Time passes when it is told to, and never backwards but by setting it.
    """
    clock = ManualClock(100)
    clock.advance(2.5)
    times = [clock(), clock()]
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="expected seconds of zero or more"):
            clock.advance(wrong)
    clock.now = 50.0

    assert [102.5, 102.5, 50.0] == [*times, clock()]


def test_a_race_begins_together_and_ends_in_order():
    """
    No act begins before all can; results and what was raised come back in order.
    """
    everybody = threading.Barrier(3)

    def fails():
        everybody.wait(10)
        raise KeyError("lost")

    first, second, third = race(
        lambda: everybody.wait(10) and "a", fails, lambda: everybody.wait(10)
    )

    assert isinstance(second, KeyError)
    assert {first, third} & {"a", 0}
    assert [] == race()


def test_a_race_does_not_wait_for_ever():
    """
    Who hangs is named, and left behind.
    """
    released = threading.Event()
    with pytest.raises(TimeoutError, match=r"acts did not finish within 0\.1 s: 1"):
        race(lambda: None, lambda: released.wait(10), timeout=0.1)
    released.set()


def test_the_kit_needs_no_test_library():
    """
    Whoever has no pytest and no Hypothesis can drive a service.
    """
    program = (
        "import sys, runstate.testing; print(sorted({'pytest', 'hypothesis'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert b"[]" == done.stdout.strip()


def test_a_lifecycle_with_two_rows_between_two_statuses_is_driven():
    """
    Each of two triggers that do the same is a row of its own, and told by itself.
    """
    ending, breaking = (Transition(name, "going", "ended") for name in ("end", "break"))
    twice = Lifecycle("twice", (ending, breaking), "going", {"ended": "success"})
    driven = drive(
        lambda: nullcontext(Plain(twice, without=breaking)), lifecycle=twice, payloads={}
    )

    assert (ending,) == driven.covered
    assert (breaking,) == driven.never
    assert 2 == driven.refused == driven.refusals
