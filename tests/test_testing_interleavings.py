"""
Letting a second writer come in at every line: with create, fire and status alone, each bug is found.
"""

import threading
from contextlib import contextmanager, nullcontext
from itertools import count
from typing import NamedTuple

import pytest

from naive_jobs import (
    Adapter,
    CallsBackFirst,
    DagsterAdapter,
    Jobs,
    LateCrash,
    LateSuccess,
    LostCancel,
    Rescuer,
    RescuerAdapter,
    RunsAdapter,
    RunTable,
    StaleExecutor,
)
from runstate import RUN
from runstate.presets import PRESETS
from runstate.testing import drive, interleavings
from tiny_store import Answer


class Known(NamedTuple):
    """
    A service with a bug of the public record, under the lifecycle that its project has.
    """

    issue: str
    service: type[Jobs]
    adapter: type[Adapter]
    lifecycle: str
    said: str


KNOWN = (
    Known("dagster#34175", LateSuccess, DagsterAdapter, "dagster-run",
          "CANCELED: was answered Answer(ok=True), and the run is SUCCESS"),
    Known("river#1302", Rescuer, RescuerAdapter, "river-job",
          "rescue was granted, error_soon was granted, and the run is retryable; "
          "legal: retryable by rescue, or available by error_soon"),
    Known("oban#1496", StaleExecutor, Adapter, "oban-job",
          "complete was granted, discard was granted, and the run is completed; "
          "legal: completed by complete, or discarded by discard"),
    Known("dbos#767", LostCancel, RunsAdapter, "run",
          "complete was granted, fail was granted, and the run is failed; "
          "legal: completed by complete, or failed by fail"),
    Known("prefect#23025", LateCrash, RunsAdapter, "run",
          "fail from completed: was answered Answer(ok=True), and the run is failed"),
    Known("airflow#68008", CallsBackFirst, RunsAdapter, "run",
          "on_move reported expired and expired, and the run is expired"),
)  # fmt: skip


def making(service, adapter, folder):
    """
    Return what makes a fresh service.
    """
    number = count()

    return lambda: nullcontext(adapter(service(f"{folder}/{next(number)}.db")))


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.issue)
def test_each_known_bug_is_found_by_the_same_two_calls(known, tmp_path):
    """
    The service as its project had it, three methods between it and the kit, no capability for races.
    """
    make, table = making(known.service, known.adapter, tmp_path), PRESETS[known.lifecycle]
    said = f"{drive(make, lifecycle=table)}\n{interleavings(make, lifecycle=table)}"

    assert known.said in said, said


def test_nothing_is_found_in_a_service_that_is_right(tmp_path):
    """
    Every row is met, at many places, and each meeting has an order that explains it.
    """
    done = interleavings(making(RunTable, RunsAdapter, tmp_path))

    assert (tuple(RUN), ()) == (done.interleaved, done.conflicts), str(done)
    assert done.ok
    assert done.runs > 100


def test_the_gap_is_told_by_function_and_line(tmp_path):
    """
    Of the rescuer the rescue alone is blamed, where it has looked and not written.
    """
    done = interleavings(making(Rescuer, RescuerAdapter, tmp_path), lifecycle=PRESETS["river-job"])

    assert ["rescue"] == [conflict.row.trigger for conflict in done.conflicts]
    assert "> Rescuer.rescue:" in done.conflicts[0].place
    assert not done.ok


class Locked:
    """
    A service whose every operation is under one lock.
    """

    def __init__(self):
        self.runs, self.lock = {}, threading.Lock()

    def create(self):
        """See the protocol."""
        self.runs[f"run_{len(self.runs)}"] = "queued"

        return f"run_{len(self.runs) - 1}"

    def fire(self, run_id, trigger, **payload):
        """See the protocol."""
        with self.lock:
            row = RUN.row(trigger, self.runs[run_id])
            if row is not None:
                self.runs[run_id] = row.target

        return Answer(ok=row is not None)

    def status(self, run_id):
        """See the protocol."""
        return self.runs[run_id]


def test_a_rival_that_waits_for_a_lock_goes_on_when_it_is_let_go():
    """
    Nobody hangs, and nothing is found.
    """
    done = interleavings(lambda: nullcontext(Locked()))

    assert done.ok, str(done)


class Loses(Locked):
    """
    A service that loses every run, and says that all is well.
    """

    def status(self, run_id):
        """See the protocol."""
        if threading.current_thread() is threading.main_thread() and run_id in self.runs:
            del self.runs[run_id]
            return "queued"
        raise OSError("disk")


def test_what_a_service_raises_is_a_conflict_or_left_to_a_drive():
    """
    A run that is gone after a meeting is told; one that never gets there is not for a meeting.
    """
    done = interleavings(lambda: nullcontext(Loses()))

    assert all("raised OSError: disk" in str(conflict) for conflict in done.conflicts)
    assert {"queued"} == {str(conflict.row.source) for conflict in done.conflicts}


def test_a_service_that_is_not_in_this_process_is_not_vouched_for():
    """
    Where there is no line to come in at, the answer is not that all is well.
    """

    @contextmanager
    def make():
        yield Locked.__new__(Nowhere)

    done = interleavings(make)

    assert ((), 0, False) == (done.interleaved, done.runs, done.ok)
    assert "0 transitions, 0 interleavings, 0 conflicts" == str(done)


class Nowhere(Locked):
    """
    A service that cannot even create a run.
    """

    def create(self):
        """See the protocol."""
        raise OSError("no such host")
