"""
Checks of the journal, of idempotency keys, and of atomicity.
"""

from ._harness import Harness, NotApplicable, check

__all__ = [
    "caller_may_roll_back",
    "claim_is_all_or_nothing",
    "journal_is_numbered",
    "journal_records_every_transition",
    "key_belongs_to_its_run",
    "key_of_a_refusal_can_be_used_again",
    "late_outcome_is_kept",
    "move_is_all_or_nothing",
    "retry_after_a_round_trip_moves_nothing",
    "retry_moves_nothing",
    "notified_after_the_commit",
]


@check("history")
def journal_is_numbered(harness: Harness) -> None:
    """
    Moves are numbered 1, 2, 3 … from the creation on, also when refused triggers come in between.
    """
    run_id, other = harness.store.create(), harness.store.create()
    for row in harness.round_trip(harness.lifecycle.initial) * 2:
        for each in (run_id, other):
            harness.must(each, row.trigger)
            for trigger in harness.lifecycle.triggers:
                if harness.lifecycle.row(trigger, row.target) is None:
                    harness.fire(each, trigger)
            harness.consistent(each)


@check("history")
def journal_records_every_transition(harness: Harness) -> None:
    """
    The journal records the trigger, the source and the target of every move.
    """
    for row in harness.lifecycle:
        run_id = harness.run_in(row.source)
        harness.must(run_id, row.trigger)
        last = harness.journal(run_id)[-1]
        harness.same(
            (row.trigger, row.source, row.target),
            (last.trigger, last.source, last.target),
            "last line of the journal",
        )


@check("history", "late")
def late_outcome_is_kept(harness: Harness) -> None:
    """
    An outcome that arrives after the end is kept in the journal and moves nothing.
    """
    status, first, second = harness.contested()
    run_id = harness.run_in(status)
    harness.must(run_id, first)
    before = harness.snapshot(run_id)
    harness.expect(not harness.fire(run_id, second).ok, f"{second} was applied after {first}")
    late = [line.trigger for line in harness.store.history(run_id) if line.kind == "late"]

    harness.same([second], late, "late outcomes in the journal")
    harness.same(before, harness.snapshot(run_id), "the run after a late outcome")


@check("keys")
def retry_moves_nothing(harness: Harness) -> None:
    """
    A trigger that is sent again under its key gets the same answer and moves nothing.
    """
    for row in harness.lifecycle:
        run_id = harness.run_in(row.source)
        harness.expect(harness.fire(run_id, row.trigger, key="k").ok, f"{row} was refused")
        before = harness.snapshot(run_id)
        answer = harness.fire(run_id, row.trigger, key="k")
        harness.expect(answer.ok, f"{row}, sent again under its key, got the answer {answer!r}")
        harness.same(before, harness.snapshot(run_id), f"the run after {row} was sent again")


@check("keys")
def retry_after_a_round_trip_moves_nothing(harness: Harness) -> None:
    """
    A key is remembered after the run returned to a status where its trigger is legal again.
    """
    around = harness.round_trip()
    for n, row in enumerate(around):
        run_id = harness.run_in(row.source)
        harness.expect(harness.fire(run_id, row.trigger, key="k").ok, f"{row} was refused")
        harness.must(run_id, *(each.trigger for each in (*around[n + 1 :], *around[:n])))
        before = harness.snapshot(run_id)
        answer = harness.fire(run_id, row.trigger, key="k")
        harness.expect(answer.ok, f"{row}, sent again under its key, got the answer {answer!r}")
        harness.same(before, harness.snapshot(run_id), f"the run after {row} was sent again")


@check("keys")
def key_belongs_to_its_run(harness: Harness) -> None:
    """
    Two runs may be moved under the same key.
    """
    row = next(iter(harness.lifecycle))
    for run_id in (harness.run_in(row.source), harness.run_in(row.source)):
        harness.expect(harness.fire(run_id, row.trigger, key="k").ok, f"{row} was refused")
        harness.same(row.target, harness.store.status(run_id), f"status after {row} under a key")


@check("keys")
def key_of_a_refusal_can_be_used_again(harness: Harness) -> None:
    """
    A trigger that was refused can be sent again under its key once it is legal.
    """
    first, second, *_ = harness.round_trip()
    if harness.lifecycle.candidates(second.trigger, first.source):
        raise NotApplicable(f"{second.trigger} is legal from {first.source} already")
    run_id = harness.run_in(first.source)
    harness.expect(
        not harness.fire(run_id, second.trigger, key="k").ok,
        f"{second} was applied before it was legal",
    )
    harness.must(run_id, first.trigger)
    harness.expect(harness.fire(run_id, second.trigger, key="k").ok, f"{second} was refused")

    harness.same(second.target, harness.store.status(run_id), f"status after {second}")


@check("statements")
def move_is_all_or_nothing(harness: Harness) -> None:
    """
    If any statement of a move fails, the run is either unchanged or moved completely.
    """
    for row in harness.lifecycle:
        broken = harness.broken_off(
            lambda at=row.source: harness.run_in(at),  # type: ignore[misc]
            lambda run_id, t=row.trigger: harness.fire(run_id, t),  # type: ignore[misc]
        )
        for run_id, before in broken:
            after = harness.snapshot(run_id)
            unmoved = after["status"] == row.source
            if unmoved:
                harness.same(before, after, f"the run after a failed {row}")
            harness.consistent(run_id)
            again = harness.fire(run_id, row.trigger)
            harness.same(unmoved, again.ok, f"whether {row} is legal afterwards")
            harness.same(row.target, harness.store.status(run_id), f"status after {row}")
            harness.consistent(run_id)


@check("leases", "statements")
def claim_is_all_or_nothing(harness: Harness) -> None:
    """
    If any statement of a claim fails, the run is either claimed or unchanged.
    """
    broken = harness.broken_off(harness.store.create, lambda _: harness.store.claim("worker-1", 30))
    for run_id, before in broken:
        harness.consistent(run_id)
        if harness.store.status(run_id) == before["status"]:
            lease = harness.store.claim("worker-2", 30)
            harness.same(run_id, lease and lease.run_id, "the run that was claimed afterwards")
            harness.consistent(run_id)
        harness.must(run_id, harness.end(harness.store.status(run_id)))


@check("on_move", "statements", "peer")
def notified_after_the_commit(harness: Harness) -> None:
    """
    A callback finds the move committed, and is never called for a move that failed.
    """
    peer = harness.store.peer()
    notified: dict[tuple[str, str], str] = {}

    def hear(run_id: str, target: str) -> None:
        notified[run_id, target] = peer.status(run_id)

    harness.store.on_move(hear)
    status, first, _ = harness.contested()
    for run_id, _ in harness.broken_off(
        lambda: harness.run_in(status), lambda at: harness.fire(at, first)
    ):
        now = peer.status(run_id)
        heard = {target for moved_run, target in notified if moved_run == run_id}
        harness.expect(
            heard <= _before(harness, now), f"notified of {sorted(heard)}; the run is {now}"
        )
    run_id = harness.run_in(status)
    harness.must(run_id, first)
    harness.expect(
        (run_id, harness.store.status(run_id)) in notified, "the callback was not called for a move"
    )
    for (moved_run, target), seen in notified.items():
        harness.same(target, seen, f"status of {moved_run} when the callback was called")


def _before(harness: Harness, status: str) -> set[str]:
    """
    Return the statuses on the shortest path to *status*, including it.
    """
    path = harness.lifecycle.path_to(status) or ()

    return {status, *(row.source for row in path)}


@check("transaction")
def caller_may_roll_back(harness: Harness) -> None:
    """
    A move in the caller's transaction is undone by its rollback and kept by its commit.
    """
    status, first, second = harness.contested()
    run_id = harness.run_in(status)
    before = harness.snapshot(run_id)
    try:
        with harness.store.transaction() as within:
            harness.expect(harness.fire(run_id, first, to=within).ok, f"{first} was refused")
            _roll_back()
    except _RolledBack:
        pass
    harness.same(before, harness.snapshot(run_id), "the run after the caller rolled back")
    with harness.store.transaction() as within:
        harness.expect(harness.fire(run_id, second, to=within).ok, f"{second} was refused")
    row = harness.lifecycle.row(second, status)
    harness.same(
        row and row.target, harness.store.status(run_id), "status after the caller's commit"
    )
    harness.consistent(run_id)


class _RolledBack(Exception):
    """
    Raised by the caller inside its transaction.
    """


def _roll_back() -> None:
    raise _RolledBack
