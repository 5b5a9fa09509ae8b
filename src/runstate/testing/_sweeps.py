"""
Checks of the sweep: what is overdue is ended once, and what moved on is left alone.
"""

from typing import Any, Final

from ._harness import Bench, NotApplicable, check

__all__ = [
    "cancel_never_sticks",
    "sweep_ends_once",
    "sweep_is_meant_for_one_stay",
    "sweep_leaves_what_ended_in_between",
    "sweep_spares_what_is_not_due",
    "sweepers_at_once_end_each_once",
]

_RUNS: Final = 12


def _timed(bench: Bench) -> list[str]:
    """
    Return the statuses with a limit in which a run is left alone until then.
    """
    timed = [status for status in bench.store.limits if status not in bench.giving_up]
    if not timed:
        raise NotApplicable("no status has a limit")

    return timed


def _swept(run_id: str, moved: Any) -> int:
    return sum(each.run_id == run_id for each in moved)


@check("sweep", "advance")
def sweep_ends_once(bench: Bench) -> None:
    """
    What is longer in a status than its limit is ended by the next sweep, and by no other.
    """
    for status in bench.store.limits:
        run_id = bench.run_in(status)
        bench.store.advance(bench.store.limits[status] + 1)
        found = [_swept(run_id, bench.store.sweep()) for _ in range(2)]
        bench.same([1, 0], found, f"moves of two sweeps of a run that was {status}")
        now = bench.store.status(run_id)
        bench.expect(bench.lifecycle.is_terminal(now), f"{status} and overdue, the run is {now}")
        bench.consistent(run_id)


@check("sweep", "advance")
def sweep_spares_what_is_not_due(bench: Bench) -> None:
    """
    A sweep touches neither what has time left, nor what has ended in time.
    """
    for status in _timed(bench):
        limit = bench.store.limits[status]
        ended = bench.run_in(status)
        bench.must(ended, bench.end(status))
        bench.store.advance(limit)
        waiting = bench.run_in(status)
        bench.store.advance(limit / 2)
        before = bench.photo(ended), bench.photo(waiting)
        moved = bench.store.sweep()
        found = _swept(ended, moved) + _swept(waiting, moved)
        bench.same(0, found, f"moves of runs that were {status} and not due")
        bench.same(before, (bench.photo(ended), bench.photo(waiting)), "runs that were not due")


@check("sweep", "advance", "twin")
def sweepers_at_once_end_each_once(bench: Bench) -> None:
    """
    Of several sweepers at once, each overdue run is ended by one.
    """
    status = _timed(bench)[0]
    runs = [bench.run_in(status) for _ in range(_RUNS)]
    bench.store.advance(bench.store.limits[status] + 1)
    stores = [bench.store, *(bench.store.twin() for _ in range(3))]
    moved = [each for batch in bench.together(*(s.sweep for s in stores)) for each in batch]

    bench.same(sorted(runs), sorted(each.run_id for each in moved), "runs that were swept")
    for run_id in runs:
        bench.consistent(run_id)


@check("sweep", "advance", "twin", "statements")
def sweep_leaves_what_ended_in_between(bench: Bench) -> None:
    """
    A run that ends between any two statements of a sweep is ended by one of the two.
    """
    status = _timed(bench)[0]
    trigger = bench.end(status)
    twin = bench.store.twin()

    def prepare() -> str:
        run_id = bench.run_in(status)
        bench.store.advance(bench.store.limits[status] + 1)

        return run_id

    for run_id, moved, answer in bench.interrupted(
        prepare, lambda _: bench.store.sweep(), lambda at: bench.fire(at, trigger, to=twin)
    ):
        winners = _swept(run_id, moved) + answer.ok
        bench.same(1, winners, "sweeps and workers that ended the run")
        row = bench.lifecycle.row(trigger, status)
        if answer.ok:
            bench.same(row and row.target, bench.store.status(run_id), "status of the run")
        bench.consistent(run_id)


@check("sweep", "advance", "twin", "statements")
def sweep_is_meant_for_one_stay(bench: Bench) -> None:
    """
    A run that left its status and came back during a sweep has its time before it anew.
    """
    status = next((s for s in _timed(bench) if s in bench.lifecycle.reachable(s)), None)
    if status is None:
        raise NotApplicable("no status with a limit is on a way back")
    round_trip = [row.trigger for row in bench.round_trip(status)]
    twin = bench.store.twin()

    def prepare() -> str:
        run_id = bench.run_in(status)
        bench.store.advance(bench.store.limits[status] + 1)

        return run_id

    def come_back(run_id: str) -> bool:
        return all(bench.fire(run_id, trigger, to=twin).ok for trigger in round_trip)

    for run_id, moved, back in bench.interrupted(prepare, lambda _: bench.store.sweep(), come_back):
        bench.same(1, _swept(run_id, moved) + back, "sweeps and round trips that succeeded")
        bench.same(
            not back, bench.lifecycle.is_terminal(bench.store.status(run_id)), "whether it ended"
        )
        bench.consistent(run_id)
        if back:
            bench.must(run_id, bench.end(status))


@check("sweep", "advance")
def cancel_never_sticks(bench: Bench) -> None:
    """
    A run that was asked to stop ends when its time is up, though nobody confirms it.
    """
    if not bench.giving_up:
        raise NotApplicable("the lifecycle has no cancel")
    waiting = max(bench.store.limits.values(), default=0) + 1
    for row in bench.lifecycle:
        if row.target not in bench.giving_up:
            continue
        run_id = bench.run_in(row.source)
        bench.must(run_id, row.trigger)
        bench.store.advance(waiting)
        bench.store.sweep()
        now = bench.store.status(run_id)
        bench.expect(bench.lifecycle.is_terminal(now), f"a cancelled run is {now} for ever")
