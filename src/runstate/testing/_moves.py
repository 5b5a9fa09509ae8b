"""
Checks of moves: every row of the table, no other, and what each does to the fields.
"""

from typing import Any

from ..lifecycle._rows import Transition
from ._harness import Bench, NotApplicable, check

__all__ = [
    "ended_runs_stay_as_they_are",
    "every_row_is_a_move",
    "loser_is_told_the_status",
    "loser_is_told_the_winner",
    "new_run_is_initial",
    "nothing_else_is_a_move",
    "payload_is_required",
    "runs_are_separate",
    "stamps_and_details_are_as_the_table_says",
    "stamps_are_the_times_of_the_moves",
    "twin_sees_what_was_moved",
    "unknown_run_raises",
    "unknown_trigger_raises",
]


@check()
def new_run_is_initial(bench: Bench) -> None:
    """
    A run begins in the initial status, each under an id of its own.
    """
    first, second = bench.store.create(), bench.store.create()

    bench.expect(first != second, f"two runs were created as {first!r}")
    bench.same(bench.lifecycle.initial, bench.store.status(first), "status of a new run")


@check()
def every_row_is_a_move(bench: Bench) -> None:
    """
    Every row of the table moves a run from its source to its target.
    """
    for row in bench.lifecycle:
        run_id = bench.run_in(row.source)
        answer = bench.fire(run_id, row.trigger)
        bench.expect(answer.ok, f"{row} was answered {answer!r}")
        bench.same(row.target, bench.store.status(run_id), f"status after {row}")
        bench.consistent(run_id)


@check()
def nothing_else_is_a_move(bench: Bench) -> None:
    """
    From a live status, a trigger without a row is refused, and changes nothing.
    """
    for status in bench.live:
        _refuses_all_others(bench, status)


@check()
def ended_runs_stay_as_they_are(bench: Bench) -> None:
    """
    No trigger moves or changes a run that has ended.
    """
    for status in bench.lifecycle.terminal:
        _refuses_all_others(bench, status)


def _refuses_all_others(bench: Bench, status: str) -> None:
    run_id = bench.run_in(status)
    before = bench.photo(run_id)
    for trigger in bench.lifecycle.triggers:
        if bench.lifecycle.row(trigger, status) is None:
            answer = bench.fire(run_id, trigger)
            bench.expect(not answer.ok, f"{trigger} from {status} was answered {answer!r}")
            bench.same(before, bench.photo(run_id), f"the run after {trigger} from {status}")


def _refused(bench: Bench) -> Any:
    """
    Yield status, trigger that led there, and the answer to a trigger that is too late.
    """
    for status in bench.lifecycle.terminal:
        path = bench.lifecycle.shortest_path(bench.lifecycle.initial, status) or ()
        for trigger in bench.lifecycle.triggers:
            yield status, path[-1].trigger, bench.fire(bench.run_in(status), trigger)


@check()
def loser_is_told_the_status(bench: Bench) -> None:
    """
    Whoever comes too late is told the status that the run has ended in.
    """
    for status, _, answer in _refused(bench):
        bench.same(status, getattr(answer, "status", None), f"status that {answer!r} tells of")


@check("blame")
def loser_is_told_the_winner(bench: Bench) -> None:
    """
    Whoever comes too late is told the trigger that ended the run.
    """
    for _, trigger, answer in _refused(bench):
        bench.same(trigger, getattr(answer, "by", None), f"trigger that {answer!r} blames")


@check()
def unknown_trigger_raises(bench: Bench) -> None:
    """
    A trigger that the table has not at all raises, and changes nothing.
    """
    for status in (bench.lifecycle.initial, next(iter(bench.lifecycle.terminal))):
        run_id = bench.run_in(status)
        before = bench.photo(run_id)
        for trigger in ("no_such_trigger", "", status):
            bench.raises(lambda t=trigger, r=run_id: bench.fire(r, t), f"{trigger!r}")  # type: ignore[misc]
        bench.same(before, bench.photo(run_id), "the run after an unknown trigger")


@check()
def unknown_run_raises(bench: Bench) -> None:
    """
    A run that does not exist can neither be asked for nor moved.
    """
    trigger = bench.lifecycle.triggers[0]

    bench.raises(lambda: bench.store.status("no_such_run"), "the status of no run")
    bench.raises(lambda: bench.fire("no_such_run", trigger), "a move of no run")


@check("payloads")
def payload_is_required(bench: Bench) -> None:
    """
    A move without the details that its target requires raises, and changes nothing.
    """
    rows = [row for row in bench.lifecycle if bench.lifecycle.entry(row.target).requires]
    if not rows:
        raise NotApplicable("no status requires a detail")
    for row in rows:
        run_id = bench.run_in(row.source)
        before = bench.photo(run_id)
        bench.raises(lambda r=run_id, t=row.trigger: bench.store.fire(r, t), f"{row} of nothing")  # type: ignore[misc]
        bench.same(before, bench.photo(run_id), f"the run after {row} of nothing")


@check()
def runs_are_separate(bench: Bench) -> None:
    """
    Moving one run leaves every other as it is.
    """
    other = bench.store.create()
    before = bench.photo(other)
    for status in bench.lifecycle.statuses:
        bench.run_in(status)

    bench.same(before, bench.photo(other), "a run that nobody moved")


@check("twin")
def twin_sees_what_was_moved(bench: Bench) -> None:
    """
    What was moved is there for every other connection at once, in both directions.
    """
    twin = bench.store.twin()
    run_id = bench.store.create()
    mover, other = bench.store, twin
    path = bench.lifecycle.shortest_path(bench.lifecycle.initial, bench.contested()[0]) or ()
    for row in (*path, bench.ends(bench.contested()[0])[0]):
        bench.same(row.source, other.status(run_id), f"what the twin sees before {row}")
        bench.expect(bench.fire(run_id, row.trigger, to=mover).ok, f"{row} was refused")
        bench.same(row.target, other.status(run_id), f"what the twin sees after {row}")
        mover, other = other, mover


@check("fields")
def stamps_and_details_are_as_the_table_says(bench: Bench) -> None:
    """
    A move sets the stamps and details of its target, clears what it must, and leaves the rest.
    """
    for row in bench.lifecycle:
        run_id = bench.run_in(row.source)
        before = dict(bench.store.fields(run_id))
        bench.must(run_id, row.trigger)
        after = dict(bench.store.fields(run_id))
        _as_the_table_says(bench, row, before, after)


def _as_the_table_says(
    bench: Bench, row: Any, before: dict[str, Any], after: dict[str, Any]
) -> None:
    entry = bench.lifecycle.entry(row.target)
    bench.same(before.keys(), after.keys(), f"fields after {row}")
    for name in after.keys() - {bench.lifecycle.status_field}:
        if name in entry.clears:
            bench.same(None, after[name], f"{name} after {row}")
        elif name in (*entry.stamps, *entry.requires):
            bench.expect(after[name] is not None, f"{name} is None after {row}")
        elif name not in entry.accepts:
            bench.same(before[name], after[name], f"{name} after {row}")


@check("fields", "advance")
def stamps_are_the_times_of_the_moves(bench: Bench) -> None:
    """
    A stamp holds the time of the move that last set it, by the one clock of the data.
    """
    born = next(iter(bench.lifecycle.created), None)
    if born is None:
        raise NotApplicable("nothing is stamped at creation")
    ways = [
        (*(bench.lifecycle.shortest_path(bench.lifecycle.initial, row.source) or ()), row)
        for row in bench.lifecycle
    ]
    for way in (*ways, *_round_trips(bench)):
        run_id = bench.store.create()
        expected = {born: bench.store.fields(run_id)[born]}
        for passed, move in enumerate(way, 1):
            bench.store.advance(7)
            bench.must(run_id, move.trigger)
            entry = bench.lifecycle.entry(move.target)
            expected |= dict.fromkeys(entry.stamps, expected[born] + 7 * passed)
        fields = bench.store.fields(run_id)
        actual = {name: fields[name] for name in expected if name in fields}
        kept = {name: expected[name] for name in actual}
        bench.same(kept, actual, f"stamps after {way[-1]}")


def _round_trips(bench: Bench) -> list[tuple[Transition, ...]]:
    """
    Return a way twice round from the initial status, if there is one.
    """
    try:
        return [bench.round_trip(bench.lifecycle.initial) * 2]
    except NotApplicable:
        return []
