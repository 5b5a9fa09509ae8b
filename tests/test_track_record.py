"""
The track record: six bugs of well-known projects, each shown by a naive store and absent from ours.

Each scenario is what happened there, in the words of this package. The naive store must
go on showing the bug: a scenario that shows nothing would vouch for nothing.
"""

from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

import pytest

from broken_stores import (
    CallsBackFirst,
    CrashesAlways,
    RescuesTheEnded,
    RowcountIgnored,
    Unconditional,
    WhereIdOnly,
)
from runstate import RUN, check
from runstate.testing import CHECKS, PAYLOADS, Harness, conformance
from stores_under_test import Subject, make_clock
from tiny_store import TinyStore


class Witness(NamedTuple):
    """
    What a scenario left behind.
    """

    runs: list[str]
    """The runs, whose histories are checked."""
    winners: int = 1
    """Most often that one end of one run was reported."""


class Track(NamedTuple):
    """
    A bug of the public record.
    """

    issue: str
    happened: str
    naive: type[TinyStore]
    scenario: Callable[[Harness], Witness]
    code: str | None
    """Rule that flags the history; None if it is seen by counting winners."""
    check: str
    """The conformance check that catches it."""


def late_success(harness):
    """
    A worker finishes a run that was cancelled meanwhile.
    """
    run_id = harness.run_in("cancelled")
    harness.fire(run_id, "complete")

    return Witness([run_id])


def rescue(harness):
    """
    A rescuer looks at a lease that ran out after its run was completed.
    """
    lease = harness.claimed(seconds=30)
    harness.fire(lease.run_id, "complete", token=lease.token)
    harness.store.advance(31)
    harness.store.claim("rescuer", 30)

    return Witness([lease.run_id])


def meeting(first, second):
    """
    Return the scenario of two writers, one of which comes in between the other's statements.
    """

    def scenario(harness):
        peer = harness.store.peer()
        met = harness.interrupted(
            lambda: harness.run_in("in_progress"),
            lambda run_id: harness.fire(run_id, first),
            lambda run_id: harness.fire(run_id, second, to=peer),
        )

        return Witness([run_id for run_id, _, _ in met])

    return scenario


def late_crash(harness):
    """
    The process of a completed run is told to stop, and reports a crash.
    """
    run_id = harness.run_in("completed")
    harness.fire(run_id, "fail")

    return Witness([run_id])


def two_sweeps(harness):
    """
    Two sweeps find the same run overdue.
    """
    run_id = harness.run_in("in_progress")
    harness.store.advance(harness.store.limits["in_progress"] + 1)
    reported = [each.run_id for _ in range(2) for each in harness.store.sweep()]

    return Witness([run_id], reported.count(run_id))


TRACK_RECORD = (
    Track(
        "dagster-io/dagster#34175",
        "a late worker turned CANCELED into SUCCESS",
        Unconditional, late_success, "RS105", "ended_runs_stay_as_they_are",
    ),
    Track(
        "riverqueue/river#1302",
        "the rescuer moved a completed job back to be worked again",
        RescuesTheEnded, rescue, "RS105", "ended_run_is_not_claimed",
    ),
    Track(
        "oban-bg/oban#1496",
        "a stale executor overwrote a terminal state",
        WhereIdOnly, meeting("complete", "fail"), "RS105", "one_winner_between_any_statements",
    ),
    Track(
        "dbos-inc/dbos-transact-py#767",
        "a cancel was acknowledged, and silently lost to a completion",
        RowcountIgnored, meeting("request_cancel", "complete"), "RS105",
        "cancel_and_outcome_may_come_in_either_order",
    ),
    Track(
        "PrefectHQ/prefect#23025",
        "a SIGTERM after the end turned Completed into Crashed",
        CrashesAlways, late_crash, "RS105", "ended_runs_stay_as_they_are",
    ),
    Track(
        "apache/airflow#68008",
        "one expiry fired twice, since the callback came before the transition",
        CallsBackFirst, two_sweeps, None, "sweep_ends_once",
    ),
)  # fmt: skip


def shown(track, store):
    """
    Return the codes that flag what the scenario left in the journal, and how many won.
    """
    harness = Harness(store, RUN, PAYLOADS)
    witness = track.scenario(harness)
    assert witness.runs
    histories: list[list[Any]] = [
        [line.target for line in store.history(run_id) if line.kind == "move"]
        for run_id in witness.runs
    ]
    codes = {finding.code for history in histories for finding in check(history).findings}

    return codes, witness.winners


@pytest.fixture(params=TRACK_RECORD, ids=lambda track: track.issue.partition("/")[2])
def track(request):
    """
    A row of the record.
    """
    return request.param


def test_the_naive_store_shows_the_bug(track, tmp_path):
    """
    Its history is flagged by the rule, or one end of its run is reported twice.
    """
    store = track.naive(f"{tmp_path}/naive.db")
    codes, winners = shown(track, store)
    store.close()

    assert (track.code in codes) if track.code else (winners == 2)


def test_our_store_does_not(track, database_url):
    """
    The same scenario leaves a legal history on either database, and one winner.
    """
    make_clock(database_url)
    with ExitStack() as stack:
        codes, winners = shown(track, Subject(database_url, stack))

    assert (set(), True) == (codes, winners <= 1)


def test_the_suite_catches_it(track, tmp_path):
    """
    A store of that shape does not pass the conformance suite.
    """
    done = conformance(lambda: closing(track.naive(f"{tmp_path}/naive.db")), only=[track.check])

    assert track.check in CHECKS
    assert [track.check] == [failure.check for failure in done.failed]
