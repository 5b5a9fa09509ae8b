"""
Checks of leases: one worker a run, and a worker that lost its run can do nothing to it.
"""

from functools import partial
from typing import Any

from ._harness import Bench, Broken, check
from ._protocols import WholeStore

__all__ = [
    "claims_at_once_get_a_run_each",
    "claims_between_any_statements_get_a_run_each",
    "ended_run_is_not_claimed",
    "heartbeat_renews",
    "heartbeat_tells_of_a_cancel",
    "lapsed_lease_is_lost",
    "lapsed_run_is_claimed_again",
    "leases_have_one_clock",
    "one_lease_a_run",
    "only_the_holder_releases",
    "released_run_is_claimed_again",
    "stale_worker_is_fenced",
    "stale_worker_is_fenced_between_any_statements",
]


def _again(bench: Bench, lease: Any, store: WholeStore | None = None) -> Any:
    """
    Return a second worker's lease on the run of *lease*.
    """
    other = (store or bench.store).claim("worker-2", 30)
    if other is None:
        raise Broken("a run that nobody holds was not given to the worker that claimed")
    bench.same(lease.run_id, other.run_id, "the run that was claimed again")

    return other


def _powerless(bench: Bench, lease: Any) -> None:
    """
    Expect that whoever holds *lease* can do nothing to its run.
    """
    before = bench.photo(lease.run_id)
    trigger = bench.end(before["status"])
    answer = bench.fire(lease.run_id, trigger, token=lease.token)
    bench.expect(not answer.ok, f"{trigger} by a stale worker was answered {answer!r}")
    bench.expect(
        not bench.store.heartbeat(lease).ok, "the heartbeat of a stale worker was answered"
    )
    bench.expect(not bench.store.release(lease), "a stale worker released the run")
    bench.same(before, bench.photo(lease.run_id), "the run after a stale worker wrote")


def _in_charge(bench: Bench, lease: Any) -> None:
    """
    Expect that whoever holds *lease* can end its run.
    """
    bench.expect(bench.store.heartbeat(lease).ok, "the heartbeat of the holder was refused")
    trigger = bench.end(bench.store.status(lease.run_id))
    answer = bench.fire(lease.run_id, trigger, token=lease.token)
    bench.expect(answer.ok, f"{trigger} by the holder was answered {answer!r}")
    bench.consistent(lease.run_id)


@check("leases")
def one_lease_a_run(bench: Bench) -> None:
    """
    A run that one worker holds is not given to another, and its holder can end it.
    """
    bench.same(None, bench.store.claim("worker-1", 30), "a lease where there is no run")
    lease = bench.claimed()
    bench.same(None, bench.store.claim("worker-2", 30), "a second lease on the run")

    _in_charge(bench, lease)


@check("leases", "twin")
def claims_at_once_get_a_run_each(bench: Bench) -> None:
    """
    Of several workers that claim at once, no two get the same run.
    """
    stores = [bench.store, *(bench.store.twin() for _ in range(3))]
    runs = [bench.store.create() for _ in range(12)]
    taken = []
    for _ in range(4):
        leases = bench.together(
            *(partial(store.claim, f"worker-{n}", 30.0) for n, store in enumerate(stores))
        )
        taken += [lease.run_id for lease in leases if lease is not None]
    last = bench.store.claim("worker-0", 30)
    while last is not None:
        taken.append(last.run_id)
        bench.expect(len(taken) <= len(runs), f"{len(taken)} leases on {len(runs)} runs")
        last = bench.store.claim("worker-0", 30)

    bench.same(sorted(runs), sorted(taken), "runs that were claimed")


@check("leases", "twin", "statements")
def claims_between_any_statements_get_a_run_each(bench: Bench) -> None:
    """
    A run that is claimed between any two statements of a claim has one holder.
    """
    twin = bench.store.twin()
    for run_id, lease, rival in bench.interrupted(
        bench.store.create,
        lambda _: bench.store.claim("worker-1", 30),
        lambda _: twin.claim("worker-2", 30),
    ):
        held = [each for each in (lease, rival) if each is not None]
        bench.expect(len(held) == 1, f"{len(held)} workers hold the run")
        bench.same(run_id, held[0].run_id, "the run that was claimed")
        _in_charge(bench, held[0])


@check("leases", "advance")
def heartbeat_renews(bench: Bench) -> None:
    """
    A worker that keeps sending heartbeats keeps its run for longer than the lease.
    """
    lease = bench.claimed(seconds=30)
    for _ in range(4):
        bench.store.advance(20)
        bench.expect(bench.store.heartbeat(lease).ok, "a heartbeat in time was refused")
    bench.same(None, bench.store.claim("worker-2", 30), "a lease on a run that is held")

    _in_charge(bench, lease)


@check("leases")
def heartbeat_tells_of_a_cancel(bench: Bench) -> None:
    """
    The heartbeat tells the worker when cancel was asked for, and not before.
    """
    lease = bench.claimed()
    told = [bool(getattr(bench.store.heartbeat(lease), "cancel_requested", None))]
    bench.must(lease.run_id, bench.cancel(bench.store.status(lease.run_id)))
    told.append(bool(getattr(bench.store.heartbeat(lease), "cancel_requested", None)))

    bench.same([False, True], told, "cancel_requested before and after")


@check("leases", "advance")
def lapsed_lease_is_lost(bench: Bench) -> None:
    """
    A lease that ran out is lost even if nobody has claimed the run, and no heartbeat revives it.
    """
    lease = bench.claimed(seconds=30)
    bench.store.advance(31)

    _powerless(bench, lease)


@check("leases", "advance")
def lapsed_run_is_claimed_again(bench: Bench) -> None:
    """
    A run whose worker is gone is claimed by the next one, under a higher token, any number of times.
    """
    lease = bench.claimed(seconds=30)
    for _ in range(3):
        bench.store.advance(31)
        other = _again(bench, lease)
        bench.expect(other.token > lease.token, f"token {other.token!r} after {lease.token!r}")
        lease = other

    _in_charge(bench, lease)


@check("leases", "advance")
def stale_worker_is_fenced(bench: Bench) -> None:
    """
    A worker whose run was given to another can neither move, renew nor release it.
    """
    stale = bench.claimed(seconds=30)
    bench.store.advance(31)
    holder = _again(bench, stale)
    _powerless(bench, stale)

    _in_charge(bench, holder)


@check("leases", "advance", "twin", "statements")
def stale_worker_is_fenced_between_any_statements(bench: Bench) -> None:
    """
    A worker that loses its run between any two statements of its last move loses that too, or made it.
    """
    twin = bench.store.twin()
    stale: Any = None

    def lose(_: str) -> Any:
        bench.store.advance(31)

        return twin.claim("worker-2", 30)

    def prepare() -> str:
        nonlocal stale
        stale = bench.claimed(seconds=30)

        return str(stale.run_id)

    for run_id, answer, holder in bench.interrupted(
        prepare, lambda at: bench.fire(at, "complete", token=stale.token), lose
    ):
        won = "the worker" if answer.ok else "nobody"
        ended = bench.lifecycle.is_terminal(bench.store.status(run_id))
        bench.same(answer.ok, ended, "whether the move stands")
        bench.expect(answer.ok != (holder is not None), f"{won} and {holder!r} both had the run")
        bench.consistent(run_id)
        if holder is not None:
            _in_charge(bench, holder)


@check("leases")
def released_run_is_claimed_again(bench: Bench) -> None:
    """
    A run that was given back is claimed by the next worker at once, and the first has lost it.
    """
    lease = bench.claimed()
    bench.expect(bench.store.release(lease), "the holder could not release its run")
    _powerless(bench, lease)
    holder = _again(bench, lease)
    _powerless(bench, lease)

    _in_charge(bench, holder)


@check("leases", "advance")
def only_the_holder_releases(bench: Bench) -> None:
    """
    A worker that lost its run cannot give away what another holds.
    """
    stale = bench.claimed(seconds=30)
    bench.store.advance(31)
    _again(bench, stale)
    bench.expect(not bench.store.release(stale), "a stale worker released the run")

    bench.same(None, bench.store.claim("worker-3", 30), "a lease on a run that another holds")


@check("leases", "advance")
def ended_run_is_not_claimed(bench: Bench) -> None:
    """
    A run that has ended stays so when its lease would have run out: nobody rescues it.
    """
    lease = bench.claimed(seconds=30)
    bench.must(lease.run_id, bench.end(bench.store.status(lease.run_id)))
    before = bench.photo(lease.run_id)
    bench.store.advance(31)

    bench.same(None, bench.store.claim("worker-2", 30), "a lease on a run that has ended")
    bench.same(before, bench.photo(lease.run_id), "the run after the next claim")


@check("leases", "advance", "twin")
def leases_have_one_clock(bench: Bench) -> None:
    """
    Whether a lease has run out is told by the clock of the data, not by that of the process.
    """
    twin = bench.store.twin()
    lease = bench.claimed(seconds=30)
    bench.store.advance(31)

    _in_charge(bench, _again(bench, lease, twin))
