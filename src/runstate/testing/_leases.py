"""
Checks of leases: one worker for each run, and a worker that lost its lease can change nothing.
"""

from functools import partial
from typing import Any

from ._harness import Broken, Harness, check
from ._protocols import WholeStore

__all__ = [
    "claims_at_once_get_a_run_each",
    "claims_between_any_statements_get_a_run_each",
    "ended_run_is_not_claimed",
    "heartbeat_renews",
    "heartbeat_reports_a_cancel",
    "expired_lease_is_lost",
    "run_of_an_expired_lease_is_claimed_again",
    "leases_have_one_clock",
    "one_lease_a_run",
    "only_the_holder_releases",
    "released_run_is_claimed_again",
    "stale_worker_is_fenced",
    "stale_worker_is_fenced_between_any_statements",
]


def _again(harness: Harness, lease: Any, store: WholeStore | None = None) -> Any:
    """
    Return a second worker's lease on the run of *lease*.
    """
    other = (store or harness.store).claim("worker-2", 30)
    if other is None:
        raise Broken("claim() returned None although a run without a lease was waiting")
    harness.same(lease.run_id, other.run_id, "the run that was claimed again")

    return other


def _powerless(harness: Harness, lease: Any) -> None:
    """
    Expect that the holder of *lease* can change nothing of its run.
    """
    before = harness.snapshot(lease.run_id)
    trigger = harness.end(before["status"])
    answer = harness.fire(lease.run_id, trigger, token=lease.token)
    harness.expect(not answer.ok, f"the answer to {trigger} by a stale worker was {answer!r}")
    harness.expect(
        not harness.store.heartbeat(lease).ok, "the heartbeat of a stale worker was accepted"
    )
    harness.expect(not harness.store.release(lease), "a stale worker released the run")
    harness.same(before, harness.snapshot(lease.run_id), "the run after a stale worker wrote")


def _in_charge(harness: Harness, lease: Any) -> None:
    """
    Expect that the holder of *lease* can end its run.
    """
    harness.expect(harness.store.heartbeat(lease).ok, "the heartbeat of the holder was refused")
    trigger = harness.end(harness.store.status(lease.run_id))
    answer = harness.fire(lease.run_id, trigger, token=lease.token)
    harness.expect(answer.ok, f"the answer to {trigger} by the holder was {answer!r}")
    harness.consistent(lease.run_id)


@check("leases")
def one_lease_a_run(harness: Harness) -> None:
    """
    A run with a lease is not given to another worker, and its holder can end it.
    """
    harness.same(None, harness.store.claim("worker-1", 30), "a lease on an empty store")
    lease = harness.claimed()
    harness.same(None, harness.store.claim("worker-2", 30), "a second lease on the run")

    _in_charge(harness, lease)


@check("leases", "peer")
def claims_at_once_get_a_run_each(harness: Harness) -> None:
    """
    If several workers claim at the same time, no two get the same run.
    """
    stores = [harness.store, *(harness.store.peer() for _ in range(3))]
    runs = [harness.store.create() for _ in range(12)]
    taken = []
    for _ in range(4):
        leases = harness.together(
            *(partial(store.claim, f"worker-{n}", 30.0) for n, store in enumerate(stores))
        )
        taken += [lease.run_id for lease in leases if lease is not None]
    last = harness.store.claim("worker-0", 30)
    while last is not None:
        taken.append(last.run_id)
        harness.expect(len(taken) <= len(runs), f"{len(taken)} leases on {len(runs)} runs")
        last = harness.store.claim("worker-0", 30)

    harness.same(sorted(runs), sorted(taken), "runs that were claimed")


@check("leases", "peer", "statements")
def claims_between_any_statements_get_a_run_each(harness: Harness) -> None:
    """
    If a rival claims between any two statements of a claim, the run has one holder.
    """
    peer = harness.store.peer()
    for run_id, lease, rival in harness.interrupted(
        harness.store.create,
        lambda _: harness.store.claim("worker-1", 30),
        lambda _: peer.claim("worker-2", 30),
    ):
        held = [each for each in (lease, rival) if each is not None]
        harness.expect(len(held) == 1, f"{len(held)} workers hold the run")
        harness.same(run_id, held[0].run_id, "the run that was claimed")
        _in_charge(harness, held[0])


@check("leases", "advance")
def heartbeat_renews(harness: Harness) -> None:
    """
    A worker that sends heartbeats keeps its run for longer than the lease.
    """
    lease = harness.claimed(seconds=30)
    for _ in range(4):
        harness.store.advance(20)
        harness.expect(
            harness.store.heartbeat(lease).ok, "a heartbeat before the end of the lease was refused"
        )
    harness.same(None, harness.store.claim("worker-2", 30), "a lease on a run that is held")

    _in_charge(harness, lease)


@check("leases")
def heartbeat_reports_a_cancel(harness: Harness) -> None:
    """
    A heartbeat reports a requested cancel, and not before the request.
    """
    lease = harness.claimed()
    reported = [bool(getattr(harness.store.heartbeat(lease), "cancel_requested", None))]
    harness.must(lease.run_id, harness.cancel(harness.store.status(lease.run_id)))
    reported.append(bool(getattr(harness.store.heartbeat(lease), "cancel_requested", None)))

    harness.same([False, True], reported, "cancel_requested before and after")


@check("leases", "advance")
def expired_lease_is_lost(harness: Harness) -> None:
    """
    An expired lease is lost even if no other worker claimed the run, and no heartbeat renews it.
    """
    lease = harness.claimed(seconds=30)
    harness.store.advance(31)

    _powerless(harness, lease)


@check("leases", "advance")
def run_of_an_expired_lease_is_claimed_again(harness: Harness) -> None:
    """
    A run with an expired lease is claimed by the next worker under a higher token, any number of times.
    """
    lease = harness.claimed(seconds=30)
    for _ in range(3):
        harness.store.advance(31)
        other = _again(harness, lease)
        harness.expect(other.token > lease.token, f"token {other.token!r} after {lease.token!r}")
        lease = other

    _in_charge(harness, lease)


@check("leases", "advance")
def stale_worker_is_fenced(harness: Harness) -> None:
    """
    A worker whose run was claimed by another can neither move it nor renew or release its lease.
    """
    stale = harness.claimed(seconds=30)
    harness.store.advance(31)
    holder = _again(harness, stale)
    _powerless(harness, stale)

    _in_charge(harness, holder)


@check("leases", "advance", "peer", "statements")
def stale_worker_is_fenced_between_any_statements(harness: Harness) -> None:
    """
    If a worker's lease ends between any two statements of its last move, the run has one holder.
    """
    peer = harness.store.peer()
    stale: Any = None
    end = ""

    def lose(_: str) -> Any:
        harness.store.advance(31)

        return peer.claim("worker-2", 30)

    def prepare() -> str:
        nonlocal stale, end
        stale = harness.claimed(seconds=30)
        # Asked before the rival acts, at the statements of the write alone.
        end = harness.end(str(harness.store.status(stale.run_id)))

        return str(stale.run_id)

    for run_id, answer, holder in harness.interrupted(
        prepare, lambda at: harness.fire(at, end, token=stale.token), lose
    ):
        ended = harness.lifecycle.is_terminal(harness.store.status(run_id))
        harness.same(answer.ok, ended, "whether the move stands")
        harness.expect(
            not answer.ok or holder is None, f"the move was made, and the run given to {holder!r}"
        )
        harness.consistent(run_id)
        if not answer.ok:
            # A claim may pass over a row that the move has locked; the next one gets the run.
            _in_charge(harness, holder or _again(harness, stale))


@check("leases")
def released_run_is_claimed_again(harness: Harness) -> None:
    """
    A released run is claimed by the next worker at once, and the first worker has lost it.
    """
    lease = harness.claimed()
    harness.expect(harness.store.release(lease), "the holder could not release its run")
    _powerless(harness, lease)
    holder = _again(harness, lease)
    _powerless(harness, lease)

    _in_charge(harness, holder)


@check("leases", "advance")
def only_the_holder_releases(harness: Harness) -> None:
    """
    A worker that lost its lease cannot release the lease of another.
    """
    stale = harness.claimed(seconds=30)
    harness.store.advance(31)
    _again(harness, stale)
    harness.expect(not harness.store.release(stale), "a stale worker released the run")

    harness.same(None, harness.store.claim("worker-3", 30), "a lease on a run that another holds")


@check("leases", "advance")
def ended_run_is_not_claimed(harness: Harness) -> None:
    """
    A run that has ended is not claimed again when its lease would have expired.
    """
    lease = harness.claimed(seconds=30)
    harness.must(lease.run_id, harness.end(harness.store.status(lease.run_id)))
    before = harness.snapshot(lease.run_id)
    harness.store.advance(31)

    harness.same(None, harness.store.claim("worker-2", 30), "a lease on a run that has ended")
    harness.same(before, harness.snapshot(lease.run_id), "the run after the next claim")


@check("leases", "advance", "peer")
def leases_have_one_clock(harness: Harness) -> None:
    """
    The clock of the data decides whether a lease has expired, not the clock of the process.
    """
    peer = harness.store.peer()
    lease = harness.claimed(seconds=30)
    harness.store.advance(31)

    _in_charge(harness, _again(harness, lease, peer))
