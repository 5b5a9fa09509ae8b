"""
Many threads, one run: exactly one wins, and every loser is told by what.
"""

import itertools
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from conftest import PAYLOADS
from runstate import RUN, Engine, IllegalTransitionError, RunEngine

THREADS = 64
RUNS = 2_000 if os.environ.get("RUNSTATE_LONG") == "1" else 500

CONFLICTING = ("complete", "fail", "request_cancel", "expire")
"""Triggers that a run in progress can only take one of: none can follow another but by a cancel."""

TO_AN_END = ("complete", "fail", "stop_incomplete", "expire")


@pytest.fixture(autouse=True)
def _hurry() -> Iterator[None]:
    """
    Switch threads a hundred times more often than usual.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(usual)


def race(engine, runs, triggers):
    """
    Let THREADS threads fire at all *runs*, and return what each got, run by run.
    """
    barrier = threading.Barrier(THREADS)
    verdicts = [[] for _ in runs]

    def contend(trigger):
        for run, verdict in zip(runs, verdicts, strict=True):
            barrier.wait(60)  # a thread that died breaks it, and ends the test
            try:
                verdict.append(engine.fire(run, trigger, **PAYLOADS.get(trigger, {})))
            except IllegalTransitionError as lost:
                verdict.append(lost)

    threads = [
        threading.Thread(target=contend, args=(triggers[n % len(triggers)],))
        for n in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    return verdicts


def test_of_64_threads_that_end_a_run_exactly_one_wins():
    """
    On each of many runs one thread wins, and 63 are told the status and the trigger that beat them.
    """
    engine = RunEngine()
    runs = [engine.create() for _ in range(RUNS)]
    for run in runs:
        engine.start(run)
    winners = Counter()
    for run, verdict in zip(runs, race(engine, runs, TO_AN_END), strict=True):
        won = [v for v in verdict if not isinstance(v, IllegalTransitionError)]
        lost = [v for v in verdict if isinstance(v, IllegalTransitionError)]
        assert 1 == len(won)
        assert THREADS - 1 == len(lost)
        assert {(str(run.status), won[0].trigger)} == {(e.status, e.beaten_by) for e in lost}
        assert won[0].target == run.status
        winners[won[0].trigger] += 1
    print(f"{RUNS} runs, {THREADS} threads: winners {dict(winners)}")


def test_two_engines_race_for_one_run_as_one_would():
    """
    The lock belongs to no engine: of two, one wins.
    """
    engines = [RunEngine(), RunEngine()]
    runs = [engines[0].create() for _ in range(200)]
    for run in runs:
        engines[0].start(run)

    class Either:
        """
        Fires through one engine or the other.
        """

        def fire(self, run, trigger, **payload):
            return engines[threading.get_ident() % 2].fire(run, trigger, **payload)

    for verdict in race(Either(), runs, TO_AN_END):
        assert 1 == sum(not isinstance(v, IllegalTransitionError) for v in verdict)


def test_cancel_and_complete_in_either_order_are_both_legal():
    """
    Cancel first, a run may still complete; complete first, the cancel is told so.
    """
    engine = RunEngine()
    runs = [engine.create() for _ in range(300)]
    for run in runs:
        engine.start(run)
    for run, verdict in zip(runs, race(engine, runs, CONFLICTING), strict=True):
        won = sorted(
            (v for v in verdict if not isinstance(v, IllegalTransitionError)), key=lambda m: m.seq
        )
        sources = ["in_progress", *[moved.target for moved in won]]
        assert RUN.is_terminal(run.status)
        assert [(m.source, m.target) for m in won] == list(itertools.pairwise(sources))
        assert len(won) in {1, 2}
        assert all(RUN.row(m.trigger, m.source).target == m.target for m in won)


def test_of_64_threads_that_move_any_object_exactly_one_wins():
    """
    The same holds for objects that are no runs.
    """

    class Job:
        """
        Something with a status.
        """

        def __init__(self):
            self.status = "in_progress"

    jobs = [Job() for _ in range(300)]
    lifecycle = RUN.without(statuses=["requires_action"], name="jobs")
    for verdict in race(Engine(lifecycle), jobs, ("complete", "expire")):
        assert 1 == sum(not isinstance(v, IllegalTransitionError) for v in verdict)


def test_no_thread_sees_half_a_move():
    """
    Whoever takes a snapshot sees status and stamp together, or neither.
    """
    engine = RunEngine()
    torn = []
    stop = threading.Event()
    current = [engine.create()]

    def watch():
        while not stop.is_set():
            fields = current[0].model_copy().__dict__
            ended = fields["status"] == "completed"
            if ended != (fields["completed_at"] is not None) or ended == (
                fields["expires_at"] is not None
            ):
                torn.append(fields)

    watchers = [threading.Thread(target=watch) for _ in range(4)]
    for watcher in watchers:
        watcher.start()
    for _ in range(3_000):
        run = current[0] = engine.create()
        engine.start(run)
        engine.complete(run)
    stop.set()
    for watcher in watchers:
        watcher.join()

    assert [] == torn
