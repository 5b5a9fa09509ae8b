"""
Checks of the sweep: overdue runs are ended once, and others are left alone.
"""

from typing import Any, Final

from ._harness import Harness, NotApplicable, check

__all__ = [
    "cancel_never_sticks",
    "sweep_ends_once",
    "sweep_spares_a_run_that_came_back",
    "sweep_leaves_runs_that_ended_meanwhile",
    "sweep_leaves_runs_that_are_not_due",
    "sweepers_at_once_end_each_once",
]

_RUNS: Final = 12


def _timed(harness: Harness) -> list[str]:
    """
    Return the statuses that have a limit, except those of a requested cancel.
    """
    timed = [status for status in harness.store.limits if status not in harness.cancelling]
    if not timed:
        raise NotApplicable("no status has a limit")

    return timed


def _swept(run_id: str, moved: Any) -> int:
    return sum(each.run_id == run_id for each in moved)


@check("sweep", "advance")
def sweep_ends_once(harness: Harness) -> None:
    """
    A run that exceeds the limit of its status is ended by the next sweep, once.
    """
    for status in harness.store.limits:
        run_id = harness.run_in(status)
        harness.store.advance(harness.store.limits[status] + 1)
        found = [_swept(run_id, harness.store.sweep()) for _ in range(2)]
        harness.same([1, 0], found, f"moves by two sweeps of a run that was {status}")
        now = harness.store.status(run_id)
        harness.expect(
            harness.lifecycle.is_terminal(now),
            f"the run was overdue in {status}; after the sweep it is {now}",
        )
        harness.consistent(run_id)


@check("sweep", "advance")
def sweep_leaves_runs_that_are_not_due(harness: Harness) -> None:
    """
    A sweep changes neither runs with time left nor runs that ended in time.
    """
    for status in _timed(harness):
        limit = harness.store.limits[status]
        ended = harness.run_in(status)
        harness.must(ended, harness.end(status))
        harness.store.advance(limit)
        waiting = harness.run_in(status)
        harness.store.advance(limit / 2)
        before = harness.snapshot(ended), harness.snapshot(waiting)
        moved = harness.store.sweep()
        found = _swept(ended, moved) + _swept(waiting, moved)
        harness.same(0, found, f"moves of runs in {status} that were not due")
        harness.same(
            before, (harness.snapshot(ended), harness.snapshot(waiting)), "runs that were not due"
        )


@check("sweep", "advance", "peer")
def sweepers_at_once_end_each_once(harness: Harness) -> None:
    """
    If several sweepers run at the same time, each overdue run is ended by one of them.
    """
    status = _timed(harness)[0]
    runs = [harness.run_in(status) for _ in range(_RUNS)]
    harness.store.advance(harness.store.limits[status] + 1)
    stores = [harness.store, *(harness.store.peer() for _ in range(3))]
    moved = [each for batch in harness.together(*(s.sweep for s in stores)) for each in batch]

    harness.same(sorted(runs), sorted(each.run_id for each in moved), "runs that were swept")
    for run_id in runs:
        harness.consistent(run_id)


@check("sweep", "advance", "peer", "statements")
def sweep_leaves_runs_that_ended_meanwhile(harness: Harness) -> None:
    """
    If a run ends between any two statements of a sweep, either the sweep or the rival ended it.
    """
    status = _timed(harness)[0]
    trigger = harness.end(status)
    peer = harness.store.peer()

    def prepare() -> str:
        run_id = harness.run_in(status)
        harness.store.advance(harness.store.limits[status] + 1)

        return run_id

    for run_id, moved, answer in harness.interrupted(
        prepare, lambda _: harness.store.sweep(), lambda at: harness.fire(at, trigger, to=peer)
    ):
        winners = _swept(run_id, moved) + answer.ok
        harness.same(1, winners, "sweeps and workers that ended the run")
        row = harness.lifecycle.row(trigger, status)
        if answer.ok:
            harness.same(row and row.target, harness.store.status(run_id), "status of the run")
        harness.consistent(run_id)


@check("sweep", "advance", "peer", "statements")
def sweep_spares_a_run_that_came_back(harness: Harness) -> None:
    """
    A run that left its status and returned during a sweep starts a new time limit.
    """
    status = next((s for s in _timed(harness) if s in harness.lifecycle.reachable(s)), None)
    if status is None:
        raise NotApplicable("no path leads from a status with a limit back to it")
    round_trip = [row.trigger for row in harness.round_trip(status)]
    peer = harness.store.peer()

    def prepare() -> str:
        run_id = harness.run_in(status)
        harness.store.advance(harness.store.limits[status] + 1)

        return run_id

    def come_back(run_id: str) -> bool:
        return all(harness.fire(run_id, trigger, to=peer).ok for trigger in round_trip)

    for run_id, moved, back in harness.interrupted(
        prepare, lambda _: harness.store.sweep(), come_back
    ):
        harness.same(1, _swept(run_id, moved) + back, "sweeps and round trips that succeeded")
        harness.same(
            not back,
            harness.lifecycle.is_terminal(harness.store.status(run_id)),
            "whether it ended",
        )
        harness.consistent(run_id)
        if back:
            harness.must(run_id, harness.end(status))


@check("sweep", "advance")
def cancel_never_sticks(harness: Harness) -> None:
    """
    A run with a requested cancel ends at its deadline even if no worker confirms it.
    """
    if not harness.cancelling:
        raise NotApplicable("the lifecycle has no cancel")
    waiting = max(harness.store.limits.values(), default=0) + 1
    for row in harness.lifecycle:
        if row.target not in harness.cancelling:
            continue
        run_id = harness.run_in(row.source)
        harness.must(run_id, row.trigger)
        harness.store.advance(waiting)
        harness.store.sweep()
        now = harness.store.status(run_id)
        harness.expect(
            harness.lifecycle.is_terminal(now), f"a run with a requested cancel stays {now}"
        )
