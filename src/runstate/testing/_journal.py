"""
Checks of what is written beside the status: journal, keys, and both or neither.
"""

from ._harness import Bench, check

__all__ = [
    "caller_may_roll_back",
    "claim_is_all_or_nothing",
    "journal_is_numbered",
    "journal_tells_every_row",
    "key_belongs_to_its_run",
    "key_of_a_refusal_stays_free",
    "late_outcome_is_kept",
    "move_is_all_or_nothing",
    "retry_after_coming_back_is_no_move",
    "retry_is_no_move",
    "told_after_the_commit",
]


@check("history")
def journal_is_numbered(bench: Bench) -> None:
    """
    Moves are numbered 1, 2, 3 … from the creation on, whatever else happens in between.
    """
    run_id, other = bench.store.create(), bench.store.create()
    for row in bench.round_trip(bench.lifecycle.initial) * 2:
        for each in (run_id, other):
            bench.must(each, row.trigger)
            for trigger in bench.lifecycle.triggers:
                if bench.lifecycle.row(trigger, row.target) is None:
                    bench.fire(each, trigger)
            bench.consistent(each)


@check("history")
def journal_tells_every_row(bench: Bench) -> None:
    """
    The journal says of every move by which trigger, from where and to where it was.
    """
    for row in bench.lifecycle:
        run_id = bench.run_in(row.source)
        bench.must(run_id, row.trigger)
        last = bench.journal(run_id)[-1]
        bench.same(
            (row.trigger, row.source, row.target),
            (last.trigger, last.source, last.target),
            "last line of the journal",
        )


@check("history", "late")
def late_outcome_is_kept(bench: Bench) -> None:
    """
    An outcome that comes after the end is kept in the journal, and moves nothing.
    """
    status, first, second = bench.contested()
    run_id = bench.run_in(status)
    bench.must(run_id, first)
    before = bench.photo(run_id)
    bench.expect(not bench.fire(run_id, second).ok, f"{second} was applied after {first}")
    late = [line.trigger for line in bench.store.history(run_id) if line.kind == "late"]

    bench.same([second], late, "late outcomes in the journal")
    bench.same(before, bench.photo(run_id), "the run after a late outcome")


@check("keys")
def retry_is_no_move(bench: Bench) -> None:
    """
    A trigger that is sent again under its key is answered as before, and moves nothing.
    """
    for row in bench.lifecycle:
        run_id = bench.run_in(row.source)
        bench.expect(bench.fire(run_id, row.trigger, key="k").ok, f"{row} was refused")
        before = bench.photo(run_id)
        answer = bench.fire(run_id, row.trigger, key="k")
        bench.expect(answer.ok, f"{row}, sent again under its key, was answered {answer!r}")
        bench.same(before, bench.photo(run_id), f"the run after {row} was sent again")


@check("keys")
def retry_after_coming_back_is_no_move(bench: Bench) -> None:
    """
    A key is remembered when the run has come back to where its trigger is legal again.
    """
    around = bench.round_trip()
    for n, row in enumerate(around):
        run_id = bench.run_in(row.source)
        bench.expect(bench.fire(run_id, row.trigger, key="k").ok, f"{row} was refused")
        bench.must(run_id, *(each.trigger for each in (*around[n + 1 :], *around[:n])))
        before = bench.photo(run_id)
        answer = bench.fire(run_id, row.trigger, key="k")
        bench.expect(answer.ok, f"{row}, sent again under its key, was answered {answer!r}")
        bench.same(before, bench.photo(run_id), f"the run after {row} was sent again")


@check("keys")
def key_belongs_to_its_run(bench: Bench) -> None:
    """
    Two runs may be moved under the same key.
    """
    row = next(iter(bench.lifecycle))
    for run_id in (bench.run_in(row.source), bench.run_in(row.source)):
        bench.expect(bench.fire(run_id, row.trigger, key="k").ok, f"{row} was refused")
        bench.same(row.target, bench.store.status(run_id), f"status after {row} under a key")


@check("keys")
def key_of_a_refusal_stays_free(bench: Bench) -> None:
    """
    A trigger that was refused may be sent again under its key when it has become legal.
    """
    first, second, *_ = bench.round_trip()
    run_id = bench.run_in(first.source)
    bench.expect(not bench.fire(run_id, second.trigger, key="k").ok, f"{second} came too early")
    bench.must(run_id, first.trigger)
    bench.expect(bench.fire(run_id, second.trigger, key="k").ok, f"{second} was refused")

    bench.same(second.target, bench.store.status(run_id), f"status after {second}")


@check("statements")
def move_is_all_or_nothing(bench: Bench) -> None:
    """
    Whatever statement of a move fails, the run is as before or moved, and the next move finds it so.
    """
    for row in bench.lifecycle:
        broken = bench.broken_off(
            lambda at=row.source: bench.run_in(at),  # type: ignore[misc]
            lambda run_id, t=row.trigger: bench.fire(run_id, t),  # type: ignore[misc]
        )
        for run_id, before in broken:
            after = bench.photo(run_id)
            unmoved = after["status"] == row.source
            if unmoved:
                bench.same(before, after, f"the run after {row} was broken off")
            bench.consistent(run_id)
            again = bench.fire(run_id, row.trigger)
            bench.same(unmoved, again.ok, f"whether {row} is legal afterwards")
            bench.same(row.target, bench.store.status(run_id), f"status after {row}")
            bench.consistent(run_id)


@check("leases", "statements")
def claim_is_all_or_nothing(bench: Bench) -> None:
    """
    Whatever statement of a claim fails, the run was claimed or it was not.
    """
    broken = bench.broken_off(bench.store.create, lambda _: bench.store.claim("worker-1", 30))
    for run_id, before in broken:
        bench.consistent(run_id)
        if bench.store.status(run_id) == before["status"]:
            lease = bench.store.claim("worker-2", 30)
            bench.same(run_id, lease and lease.run_id, "the run that was claimed afterwards")
            bench.consistent(run_id)
        bench.must(run_id, bench.end(bench.store.status(run_id)))


@check("on_move", "statements", "twin")
def told_after_the_commit(bench: Bench) -> None:
    """
    Whoever is told of a move finds it made, and is told of no move that was broken off.
    """
    twin = bench.store.twin()
    told: dict[tuple[str, str], str] = {}

    def hear(run_id: str, target: str) -> None:
        told[run_id, target] = twin.status(run_id)

    bench.store.on_move(hear)
    status, first, _ = bench.contested()
    for run_id, _ in bench.broken_off(
        lambda: bench.run_in(status), lambda at: bench.fire(at, first)
    ):
        now = twin.status(run_id)
        heard = {target for told_run, target in told if told_run == run_id}
        bench.expect(heard <= _before(bench, now), f"told of {sorted(heard)}, the run is {now}")
    run_id = bench.run_in(status)
    bench.must(run_id, first)
    bench.expect((run_id, bench.store.status(run_id)) in told, "a move that nobody was told of")
    for (told_run, target), seen in told.items():
        bench.same(target, seen, f"status of {told_run} when it was told")


def _before(bench: Bench, status: str) -> set[str]:
    """
    Return the statuses on the way to *status*, itself included.
    """
    path = bench.lifecycle.shortest_path(bench.lifecycle.initial, status) or ()

    return {status, *(row.source for row in path)}


@check("transaction")
def caller_may_roll_back(bench: Bench) -> None:
    """
    A move in a transaction of the caller's is undone by it, and kept when it is committed.
    """
    status, first, second = bench.contested()
    run_id = bench.run_in(status)
    before = bench.photo(run_id)
    try:
        with bench.store.transaction() as within:
            bench.expect(bench.fire(run_id, first, to=within).ok, f"{first} was refused")
            _change_ones_mind()
    except _RolledBack:
        pass
    bench.same(before, bench.photo(run_id), "the run after the caller rolled back")
    with bench.store.transaction() as within:
        bench.expect(bench.fire(run_id, second, to=within).ok, f"{second} was refused")
    row = bench.lifecycle.row(second, status)
    bench.same(row and row.target, bench.store.status(run_id), "status after the caller's commit")
    bench.consistent(run_id)


class _RolledBack(Exception):
    """
    What a caller raises in its transaction.
    """


def _change_ones_mind() -> None:
    raise _RolledBack
