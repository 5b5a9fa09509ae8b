"""
A clock that was years ahead for a second freezes no lease and no deadline for years.
"""

import pytest

from databases import CLOCK
from runstate.store import RunStore, Superseded
from stores import brought_to, consistent

YEARS = 10 * 365 * 86_400.0


@pytest.mark.parametrize("jump", [40 * 86_400.0, YEARS])
@pytest.mark.parametrize("swept_first", [False, True])
def test_a_lease_from_a_wrong_clock_is_lost_once_the_clock_is_right(timed, now, jump, swept_first):
    """
    Its worker died; the next claim gets the run, and before the runs that wait in line.
    """
    right = now.now
    timed.create(id="a")
    now.set(right + jump)
    dead = timed.claim("dead", 30)
    timed.create(id="b")
    now.set(right + 1)
    if swept_first:
        timed.sweep()
    lease = timed.claim("w", 30)

    assert ("a", "a", 2) == (dead.run.id, lease.run.id, lease.attempt)
    assert not timed.heartbeat(dead).ok
    assert "b" == timed.claim("w", 30).run.id
    assert timed.claim("w", 30) is None
    assert timed.complete("a", token=lease.token).ok
    assert consistent(timed, "a")


def test_a_worker_that_lives_keeps_its_lease_by_a_heartbeat(timed, now):
    """
    It is renewed from the clock as it is now.
    """
    right = now.now
    timed.create(id="a")
    now.set(right + YEARS)
    lease = timed.claim("w", 30)
    now.set(right + 1)

    assert right + 31 == timed.heartbeat(lease).until
    assert timed.claim("other", 30) is None


@pytest.mark.parametrize("moment", ["claim", "cancel"])
def test_a_cancel_takes_effect_after_its_deadline_whatever_the_clock_once_was(timed, now, moment):
    """
    Whether the clock was wrong at an earlier move or at the request; and not before its time.
    """
    right = now.now
    timed.create(id="a")
    if moment == "claim":
        now.set(right + YEARS)
    lease = timed.claim("w", 3_600)
    if moment == "cancel":
        now.set(right + YEARS)
    else:
        now.set(right + 1)
        assert timed.heartbeat(lease).ok
    assert timed.request_cancel("a").ok
    now.set(right + 2)
    first = timed.sweep()
    now.step(58.0)
    second = timed.sweep()
    now.step(61.0)
    third = timed.sweep()

    assert ((), "confirm_cancel") == (first, (*second, *third)[0].trigger)
    assert moment == "claim" or () == second
    assert isinstance(timed.complete("a"), Superseded)
    assert consistent(timed, "a")


def test_a_deadline_far_ahead_that_was_asked_for_stays(database_url, now):
    """
    Only what lies more than a day beyond its own seconds was set by a wrong clock.
    """
    deadlines = {"requires_action": (400 * 86_400.0, "expire")}
    with RunStore.open(database_url, clock=CLOCK, deadlines=deadlines) as store:
        run_id = brought_to(store, "requires_action")
        right = now.now
        for step in (-80_000.0, 0.0, 399 * 86_400.0):
            now.set(right + step)
            assert () == store.sweep()
        now.set(right + 400 * 86_400.0)

        assert [run_id] == [moved.run_id for moved in store.sweep()]
