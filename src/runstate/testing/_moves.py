"""
Checks of moves: every transition of the table, no other, and the fields that each sets.
"""

from functools import partial
from typing import Any

from ..lifecycle._rows import Transition
from ._harness import Harness, NotApplicable, check, new_run

__all__ = [
    "ended_runs_stay_as_they_are",
    "every_row_is_a_move",
    "refusal_names_the_status",
    "refusal_names_the_winner",
    "new_run_is_initial",
    "every_other_trigger_is_refused",
    "payload_is_required",
    "runs_are_separate",
    "stamps_and_details_are_as_the_table_says",
    "stamps_are_the_times_of_the_moves",
    "second_connection_sees_every_move",
    "unknown_run_raises",
    "unknown_trigger_raises",
]


@check()
def new_run_is_initial(harness: Harness) -> None:
    """
    A run begins in the initial status and has its own id.
    """
    first, second = harness.store.create(), harness.store.create()

    harness.expect(first != second, f"two runs were created as {first!r}")
    harness.same(harness.lifecycle.initial, harness.store.status(first), "status of a new run")


@check()
def every_row_is_a_move(harness: Harness) -> None:
    """
    Every row of the table moves a run from its source to its target.
    """
    for row in harness.lifecycle:
        run_id = harness.run_in(row.source)
        answer = harness.fire(run_id, row.trigger)
        harness.expect(answer.ok, f"the answer to {row} was {answer!r}")
        harness.same(row.target, harness.store.status(run_id), f"status after {row}")
        harness.consistent(run_id)


@check()
def every_other_trigger_is_refused(harness: Harness) -> None:
    """
    From a status that is not terminal, a trigger without a row is refused and changes nothing.
    """
    for status in harness.live:
        _refuses_all_others(harness, status)


@check()
def ended_runs_stay_as_they_are(harness: Harness) -> None:
    """
    No trigger moves or changes a run that has ended.
    """
    for status in harness.lifecycle.terminal:
        _refuses_all_others(harness, status)


def _refuses_all_others(harness: Harness, status: str) -> None:
    run_id = harness.run_in(status)
    before = harness.snapshot(run_id)
    for trigger in harness.lifecycle.triggers:
        if not _is_row(harness, trigger, status):
            answer = harness.fire(run_id, trigger)
            harness.expect(not answer.ok, f"the answer to {trigger} from {status} was {answer!r}")
            harness.same(before, harness.snapshot(run_id), f"the run after {trigger} from {status}")


def _is_row(harness: Harness, trigger: str, status: str) -> bool:
    lifecycle = harness.lifecycle

    return bool(lifecycle.row(trigger, status) or lifecycle.reopening(trigger, status))


def _refused(harness: Harness) -> Any:
    """
    Yield a terminal status, the trigger that led to it, and the answer to a late trigger.
    """
    for status in harness.lifecycle.terminal:
        path = harness.lifecycle.path_to(status) or ()
        if not path:
            continue
        for trigger in harness.lifecycle.triggers:
            if _is_row(harness, trigger, status):
                continue
            yield status, path[-1].trigger, harness.fire(harness.run_in(status), trigger)


@check()
def refusal_names_the_status(harness: Harness) -> None:
    """
    The answer to a late trigger has the status that the run ended in.
    """
    for status, _, answer in _refused(harness):
        harness.same(status, getattr(answer, "status", None), f"status in {answer!r}")


@check("blame")
def refusal_names_the_winner(harness: Harness) -> None:
    """
    The answer to a late trigger names the trigger that ended the run.
    """
    for _, trigger, answer in _refused(harness):
        harness.same(trigger, getattr(answer, "by", None), f"trigger named by {answer!r}")


@check()
def unknown_trigger_raises(harness: Harness) -> None:
    """
    A trigger that the table does not have raises and changes nothing.
    """
    for status in (harness.lifecycle.initial, *[*harness.lifecycle.terminal][:1]):
        run_id = harness.run_in(status)
        before = harness.snapshot(run_id)
        for trigger in ("no_such_trigger", "", status):
            harness.raises(lambda t=trigger, r=run_id: harness.fire(r, t), f"{trigger!r}")  # type: ignore[misc]
        harness.same(before, harness.snapshot(run_id), "the run after an unknown trigger")


@check()
def unknown_run_raises(harness: Harness) -> None:
    """
    Reading or moving a run that does not exist raises.
    """
    trigger = harness.lifecycle.triggers[0]

    harness.raises(lambda: harness.store.status("no_such_run"), "the status of an unknown run")
    harness.raises(lambda: harness.fire("no_such_run", trigger), "a move of an unknown run")


@check("payloads")
def payload_is_required(harness: Harness) -> None:
    """
    A move without the payload that its target requires raises and changes nothing.
    """
    rows = [row for row in harness.lifecycle if harness.lifecycle.entry(row.target).requires]
    if not rows:
        raise NotApplicable("no status requires a payload")
    for row in rows:
        run_id = harness.run_in(row.source)
        before = harness.snapshot(run_id)
        harness.raises(partial(harness.store.fire, run_id, row.trigger), f"{row} without a payload")
        harness.same(before, harness.snapshot(run_id), f"the run after {row} without a payload")


@check()
def runs_are_separate(harness: Harness) -> None:
    """
    Moving one run leaves every other run unchanged.
    """
    other = harness.store.create()
    before = harness.snapshot(other)
    for status in harness.lifecycle.statuses:
        harness.run_in(status)

    harness.same(before, harness.snapshot(other), "a run that was not moved")


@check("peer")
def second_connection_sees_every_move(harness: Harness) -> None:
    """
    A committed move is visible to every other connection at once, in both directions.
    """
    peer = harness.store.peer()
    run_id = harness.store.create()
    mover, other = harness.store, peer
    path = harness.lifecycle.path_to(harness.contested()[0]) or ()
    for row in (*path, harness.ends(harness.contested()[0])[0]):
        harness.same(
            row.source, other.status(run_id), f"what the second connection sees before {row}"
        )
        harness.expect(harness.fire(run_id, row.trigger, to=mover).ok, f"{row} was refused")
        harness.same(
            row.target, other.status(run_id), f"what the second connection sees after {row}"
        )
        mover, other = other, mover


@check("fields")
def stamps_and_details_are_as_the_table_says(harness: Harness) -> None:
    """
    A move sets the stamps and payload of its target, clears what the table says, and keeps the rest.
    """
    for row in harness.lifecycle:
        run_id = harness.run_in(row.source)
        before = dict(harness.store.fields(run_id))
        harness.must(run_id, row.trigger)
        after = dict(harness.store.fields(run_id))
        _as_the_table_says(harness, row, before, after)


def _as_the_table_says(
    harness: Harness, row: Any, before: dict[str, Any], after: dict[str, Any]
) -> None:
    entry = harness.lifecycle.entry(row.target)
    harness.same(before.keys(), after.keys(), f"fields after {row}")
    for name in after.keys() - {harness.lifecycle.status_field}:
        if name in entry.clears:
            harness.same(None, after[name], f"{name} after {row}")
        elif name in (*entry.stamps, *entry.requires):
            harness.expect(after[name] is not None, f"{name} is None after {row}")
        elif name not in entry.accepts:
            harness.same(before[name], after[name], f"{name} after {row}")


@check("fields", "advance")
def stamps_are_the_times_of_the_moves(harness: Harness) -> None:
    """
    A stamp holds the time of the last move that set it, by the clock of the data.
    """
    born = next(iter(harness.lifecycle.created), None)
    if born is None:
        raise NotApplicable("creation sets no stamp")
    paths = [(*(harness.lifecycle.path_to(row.source) or ()), row) for row in harness.lifecycle]
    for path in (*paths, *_round_trips(harness)):
        run_id = new_run(harness.store, harness.lifecycle, path[0].source)
        expected = {born: harness.store.fields(run_id)[born]}
        for passed, move in enumerate(path, 1):
            harness.store.advance(7)
            harness.must(run_id, move.trigger)
            entry = harness.lifecycle.entry(move.target)
            expected |= dict.fromkeys(entry.stamps, expected[born] + 7 * passed)
        fields = harness.store.fields(run_id)
        actual = {name: fields[name] for name in expected if name in fields}
        kept = {name: expected[name] for name in actual}
        harness.same(kept, actual, f"stamps after {path[-1]}")


def _round_trips(harness: Harness) -> list[tuple[Transition, ...]]:
    """
    Return two rounds from the initial status back to it, if there is such a path.
    """
    try:
        return [harness.round_trip(harness.lifecycle.initial) * 2]
    except NotApplicable:
        return []
