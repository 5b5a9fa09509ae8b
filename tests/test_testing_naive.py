"""
The kit finds the bugs of the track record in services that were written without it.

The call is the same for all of them, and so is the adapter: there is no case for any bug.
"""

from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from naive_services import (
    Airflow,
    Dagster,
    Dbos,
    Oban,
    Prefect,
    Queue,
    Right,
    River,
    Runs,
    Timeouts,
    making,
)
from runstate.testing import conformance, drive
from runstate.testing.machines import service_machine


class Bug(NamedTuple):
    """
    A bug of the public record, and what the kit says of it.
    """

    issue: str
    service: type[Runs]
    check: str
    says: str


BUGS = (
    Bug("dagster#34175: a late worker turned CANCELED into SUCCESS", Dagster,
        "ended_runs_stay_as_they_are", "the answer to start from cancelled was"),
    Bug("river#1302: the rescuer moved a completed job back", River,
        "ended_run_is_not_claimed", "a lease on a run that has ended: expected None"),
    Bug("oban#1496: a stale executor overwrote a terminal state", Oban,
        "one_winner_between_any_statements", "expected one winner, got 2 (['fail', 'expire'])"),
    Bug("dbos#767: a cancel was acknowledged, and lost", Dbos,
        "cancel_and_outcome_may_come_in_either_order",
        "['fail', 'request_cancel'] were applied; the run is cancelling"),
    Bug("prefect#23025: a SIGTERM turned Completed into Crashed", Prefect,
        "ended_runs_stay_as_they_are", "the answer to fail from cancelled was"),
    Bug("airflow#68008: one expiry fired twice", Airflow,
        "sweep_ends_once", "moves by two sweeps of a run that was in_progress: "
        "expected [1, 0], found [1, 1]"),
)  # fmt: skip


def said(service, folder):
    """
    Return what the kit says of a service, by the check that says it.
    """
    make = making(service, folder)
    faults = {str(fault): fault.message for fault in drive(make).faults}

    return faults | {failure.check: failure.message for failure in conformance(make).failed}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.issue.partition(":")[0])
def test_the_kit_finds_the_bug(bug, tmp_path):
    """
    A naive service fails, and the message says what was seen.
    """
    found = said(bug.service, tmp_path)

    assert bug.check in found
    assert found[bug.check].startswith(bug.says)


@pytest.mark.parametrize("service", [Runs, Queue, Timeouts, Right])
def test_the_kit_finds_nothing_where_nothing_is(service, tmp_path):
    """
    The services that the naive ones were made from, done right, are told nothing of.
    """
    assert {} == said(service, tmp_path)


@pytest.mark.parametrize("service", [Dagster, Prefect])
def test_a_drive_alone_names_the_moves_that_are_none(service, tmp_path):
    """
    Where no rival is needed to show the bug, a drive shows it: an ended run that fails.
    """
    driven = drive(making(service, tmp_path))
    places = {(fault.status, fault.trigger) for fault in driven.faults}

    assert ("completed", "fail") in places
    assert all(fault.row is None for fault in driven.faults)
    assert 18 == len(driven.covered)
    assert not driven.ok
    assert (
        "FAILED fail from completed: was answered Answer(ok=True, status='failed'), "
        "and the run is failed" in str(driven).splitlines()
    )


few = settings(
    max_examples=10,
    stateful_step_count=20,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_actors_who_know_too_little_do_no_harm(tmp_path):
    """
    Whoever acts on what was true a while ago is refused by a service that is right.
    """
    run_state_machine_as_test(service_machine(making(Right, tmp_path)), settings=few)


@pytest.mark.parametrize("service", [Dagster, Prefect])
def test_actors_who_know_too_little_find_the_bug(service, tmp_path):
    """
    The state machine fails on what takes no rival between two statements, and says what was fired.
    """
    with pytest.raises(AssertionError, match=r"the answer to [a-z_]+ from [a-z_]+ was Answer"):
        run_state_machine_as_test(service_machine(making(service, tmp_path)), settings=few)
