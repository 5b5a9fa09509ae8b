"""
The suite for any store: ours pass it, and it says so honestly.
"""

import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, nullcontext
from itertools import count
from types import MappingProxyType

import pytest
import sqlalchemy as sa

from broken_stores import BROKEN
from databases import BACKENDS, fresh_database
from runstate import RUN, Lifecycle, Transition
from runstate.testing import CAPABILITIES, CHECKS, PAYLOADS, Harness, conformance
from stores_under_test import AsyncSubject, OwnTable, Subject, subjects
from tiny_store import Answer, Page, TinyStore

pytestmark = pytest.mark.slow


@pytest.fixture(params=BACKENDS)
def fresh(request, tmp_path):
    """
    A context manager that yields the URL of an empty database, any number of times.
    """
    number = count()
    if request.param == "sqlite":
        yield lambda: nullcontext(f"sqlite:///{tmp_path}/{next(number)}.db")
        return
    with fresh_database(request.getfixturevalue("postgresql_url")) as url:
        yield lambda: emptied(url)


@contextmanager
def emptied(url):
    """
    Yield *url*, and leave nothing in the database; sooner done than a new one is made.
    """
    try:
        yield url
    finally:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()


@pytest.mark.parametrize("kind", [Subject, AsyncSubject])
def test_our_stores_do_everything(fresh, kind):
    """
    The stores of this package pass every check, and none is skipped.
    """
    before = time.monotonic()
    done = conformance(subjects(fresh, kind))
    print(f"{kind.__name__}: {len(done.passed)} checks in {time.monotonic() - before:.1f} s")

    assert (tuple(CHECKS), (), ()) == done, str(done)


def test_a_table_of_ones_own_does_what_it_can(fresh):
    """
    A mapped class that is moved with apply_move passes every check of what it is capable of.
    """
    done = conformance(subjects(fresh, OwnTable))

    assert () == done.failed, str(done)
    assert len(CHECKS) == len(done.passed) + len(done.skipped)


def tiny(kind, tmp_path):
    """
    Return what makes a fresh tiny store of a kind.
    """
    number = count()

    return lambda: closing(kind(f"{tmp_path}/{kind.__name__}{next(number)}.db"))


def test_a_store_that_is_right_passes(tmp_path):
    """
    The reference that the broken stores are made from fails nothing.
    """
    done = conformance(tiny(TinyStore, tmp_path))

    assert (tuple(CHECKS), (), ()) == done, str(done)


def test_every_broken_store_is_caught(tmp_path):
    """
    Each fails the very check that proves what it gets wrong, and each check has a store that fails it.
    """
    missed = []
    for like, name, store in BROKEN:
        done = conformance(tiny(store, tmp_path), only=[name])
        if [name] != [failure.check for failure in done.failed]:
            missed.append((like, name))
    print(f"R23: {len(BROKEN)} broken stores, {len(BROKEN) - len(missed)} caught")

    assert [] == missed
    assert len(BROKEN) >= 30
    assert set(CHECKS) == {name for _, name, _ in BROKEN}


class FeedByPosition(Subject):
    """
    Reads the journal by its position, as if that were the order of the commits.
    """

    def moves(self, *, after=None, limit=100):
        """See the protocol."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.text(
                    "SELECT * FROM runstate_journal WHERE kind = 'move' AND position > :after "
                    "ORDER BY position LIMIT :limit"
                ),
                {"after": after or 0, "limit": limit},
            ).all()

        return Page(tuple(rows), rows[-1].position if rows else after)


def test_a_feed_that_misses_what_is_committed_late_is_caught(postgresql_database):
    """
    On PostgreSQL a later position may be committed earlier; a cursor over it skips the other.
    """
    names = ["feed_misses_no_late_commit", "feed_has_every_move"]
    done = conformance(subjects(lambda: emptied(postgresql_database), FeedByPosition), only=names)

    assert names[:1] == [failure.check for failure in done.failed], str(done)
    assert (names[1],) == done.passed


# -- what the suite says of itself ------------------------------------------------------


class Least:
    """
    A store that has nothing but what every store has.
    """

    capabilities = ()

    def __init__(self, lifecycle=RUN):
        self.lifecycle, self.runs = lifecycle, {}

    def create(self):
        """See the protocol."""
        self.runs[f"run_{len(self.runs)}"] = self.lifecycle.initial

        return f"run_{len(self.runs) - 1}"

    def fire(self, run_id, trigger, **payload):
        """See the protocol."""
        if trigger not in self.lifecycle.triggers:
            raise ValueError(trigger)
        row = self.lifecycle.row(trigger, self.runs[run_id])
        if row is not None:
            self.runs[run_id] = row.target

        return Answer(ok=row is not None, status=self.runs[run_id])

    def status(self, run_id):
        """See the protocol."""
        return self.runs[run_id]


def test_what_a_store_is_not_capable_of_is_skipped_and_said():
    """
    A store with the least is checked for the least; the rest is named, with what is missing.
    """
    done = conformance(lambda: nullcontext(Least()))
    least = tuple(name for name, each in CHECKS.items() if not each.needs)

    assert (least, ()) == (done.passed, done.failed)
    assert set(CHECKS) == {*least, *(skipped.check for skipped in done.skipped)}
    assert "the store lacks the capabilities: blame" in str(done)
    assert done.ok


def test_a_table_without_ways_round_or_cancels_is_no_failure(tmp_path):
    """
    What the lifecycle gives nothing to do is skipped, with the reason.
    """
    door = Lifecycle(
        name="door",
        transitions=(Transition("open", "closed", "opened"), Transition("burn", "opened", "ash")),
        initial="closed",
        terminal={"ash": "failure"},
    )

    class Everything(Least):
        """
        Says that it is capable of everything.
        """

        capabilities = tuple(CAPABILITIES)
        limits = MappingProxyType({})

        def fields(self, run_id):
            """See the protocol."""
            return {"status": self.runs[run_id]}

        def peer(self):
            """See the protocol."""
            return self

        def advance(self, seconds):
            """See the protocol."""

        def sweep(self):
            """See the protocol."""
            return []

        def history(self, run_id):
            """See the protocol."""
            return []

        def claim(self, worker, seconds):
            """See the protocol."""

    done = conformance(lambda: nullcontext(Everything(door)), lifecycle=door, payloads={})
    reasons = {skipped.why for skipped in done.skipped}

    assert {
        "no status leads to two terminal statuses",
        "no path leads back to its beginning",
        "no status requires a payload",
        "creation sets no stamp",
        "no status has a limit",
        "the lifecycle has no cancel",
    } <= reasons, str(done)


def test_whatever_a_store_does_is_a_failure_and_not_an_error():
    """
    A store that cannot be made, or raises, or answers nonsense, fails; on one line.
    """

    def unmade():
        raise OSError("no\ndisk")

    done = conformance(unmade, only=["new_run_is_initial"])

    assert not done.ok
    assert ("raised OSError: no\\ndisk",) == tuple(failure.message for failure in done.failed)
    assert CHECKS["new_run_is_initial"].proves == done.failed[0].proves
    assert str(done).splitlines() == [
        "FAILED new_run_is_initial: raised OSError: no\\ndisk",
        "0 passed, 1 failed, 0 skipped",
    ]


def test_a_check_that_does_not_exist_is_told():
    """
    A misspelt name would be a check that passes always.
    """
    with pytest.raises(ValueError, match="unknown checks: nonsense"):
        conformance(lambda: nullcontext(Least()), only=["nonsense"])


def test_every_check_says_what_it_proves():
    """
    In one line, under its own name.
    """
    for name, each in CHECKS.items():
        assert name == each.name
        assert each.proves.endswith(".")
        assert 1 == len(each.proves.splitlines())
        assert set(each.needs) <= set(CAPABILITIES)


def test_the_suite_needs_no_database():
    """
    Whoever checks a store of another kind has not got SQLAlchemy.
    """
    program = "import sys, runstate.testing; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert b"False" == done.stdout.strip()


class Slips(TinyStore):
    """
    Gets one thing wrong that a check meets by the way.
    """

    slip = ""

    def sweep(self):
        """See the protocol."""
        if self.slip == "sweep":
            raise OSError("disk")

        return super().sweep()

    def moves(self, *, after=None, limit=100):
        """See the protocol."""
        if self.slip == "endless":
            after = None

        return super().moves(after=after, limit=limit)

    def claim(self, worker, seconds):
        """See the protocol."""
        if self.slip == "seldom" and len(self.family) > 1:
            return None

        return super().claim(worker, seconds)

    def fire(self, run_id, trigger, **payload):
        """See the protocol."""
        if self.slip == "rival" and len(self.family) > 1 and self is not self.family[0]:
            raise OSError("disk")
        if self.slip == "hangs" and self is not self.family[0]:
            self.family[0].released.wait(10)

        return super().fire(run_id, trigger, **payload)


@pytest.mark.parametrize(
    ("slip", "name", "message"),
    [
        ("sweep", "sweep_ends_once", "raised OSError: disk"),
        ("endless", "feed_has_every_move", "the feed does not end within"),
        ("seldom", "claims_at_once_get_a_run_each", "runs that were claimed: expected"),
        ("rival", "one_winner_between_any_statements", "raised OSError: disk"),
        ("rival", "one_winner_among_threads", "raised OSError: disk"),
        ("hangs", "one_winner_between_any_statements", "the store did not answer within 60 s"),
    ],
)
def test_a_slip_on_the_way_is_a_failure_too(slip, name, message, tmp_path, monkeypatch):
    """
    An error in a rival's thread, a feed without end, an answer that never comes.
    """
    join, most = threading.Thread.join, 0.3 if slip == "hangs" else 30.0
    # A minute is over sooner.
    monkeypatch.setattr(
        threading.Thread, "join", lambda t, seconds=None: join(t, seconds and min(seconds, most))
    )
    monkeypatch.setattr(Slips, "slip", slip)
    monkeypatch.setattr(Slips, "released", released := threading.Event(), raising=False)
    done = conformance(tiny(Slips, tmp_path), only=[name])
    released.set()

    assert [name] == [failure.check for failure in done.failed]
    assert message in done.failed[0].message


class PassesOver(TinyStore):
    """
    Its claims pass over what the operation of another has begun to look at, as SKIP LOCKED does.
    """

    loses, lost = False, False

    def claim(self, worker, seconds):
        """See the protocol."""
        if any(store.hooks for store in self.family):
            self.family[0].lost = self.loses
            return None

        return None if self.family[0].lost else super().claim(worker, seconds)


@pytest.mark.parametrize(
    ("loses", "messages"),
    [(False, []), (True, ["claim() returned None although a run without a lease was waiting"])],
)
def test_a_run_that_a_claim_passed_over_must_be_claimed_next(
    loses, messages, tmp_path, monkeypatch
):
    """
    Where its worker's lease ended before the move: that is refused, and the run is free, and not lost.
    """
    monkeypatch.setattr(PassesOver, "loses", loses)
    done = conformance(
        tiny(PassesOver, tmp_path), only=["stale_worker_is_fenced_between_any_statements"]
    )

    assert messages == [failure.message for failure in done.failed]


def test_a_table_with_little_to_it_is_held_to_little(tmp_path):
    """
    What has neither cancel nor way back from where a limit is, is not asked for them.
    """
    harness = Harness(TinyStore(f"{tmp_path}/runs.db"), RUN, PAYLOADS)
    with pytest.raises(Exception, match="no trigger ends a run in completed"):
        harness.end("completed")
    with pytest.raises(Exception, match="no trigger requests a cancel in completed"):
        harness.cancel("completed")
    harness.store.close()


@pytest.mark.parametrize(
    ("limits", "without", "why"),
    [
        ({"cancelling": 60.0}, [], "no status has a limit"),
        (
            {"in_progress": 300.0}, ["submit_tool_outputs"],
            "no path leads from a status with a limit back to it",
        ),
    ],
)  # fmt: skip
def test_what_does_not_apply_to_a_table_is_skipped(limits, without, why, tmp_path):
    """
    With the reason; the other checks go on.
    """
    lifecycle = RUN.without(triggers=without, name="narrower")
    kind = type("Limited", (TinyStore,), {"limits": limits})
    names = ["sweep_spares_a_run_that_came_back", "stamps_are_the_times_of_the_moves"]
    done = conformance(tiny(kind, tmp_path), lifecycle=lifecycle, only=names)

    assert (names[1:], ()) == ([*done.passed], done.failed)
    assert names[:1] == [skipped.check for skipped in done.skipped]
    assert why in done.skipped[0].why
