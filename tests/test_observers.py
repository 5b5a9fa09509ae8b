"""
Observers: each hears every move of an object, in the order in which the moves were made.
"""

import asyncio
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from itertools import cycle, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstate import (
    Engine,
    IllegalTransitionError,
    Lifecycle,
    Monitor,
    Observation,
    RunEngine,
    Transition,
)

LAST_ERROR = {"code": "server_error", "message": "broken"}
RING = Lifecycle(
    "ring",
    (Transition("go", "a", "b"), Transition("on", "b", "c"), Transition("back", "c", "a")),
    "a",
    {},
)


class Thing:
    """
    An object on a ring.
    """

    def __init__(self) -> None:
        self.status = "a"


def test_an_observer_that_fires_on_is_heard_in_order():
    """
    The first observer makes the next moves; the last one hears all of them in their order.
    """
    heard = []

    def chain(moved):
        if moved.target == "queued":
            engine.start(run)
        if moved.target == "in_progress":
            engine.complete(run)

    engine = RunEngine()
    run = engine.create(id="run_1")
    engine = RunEngine(observers=[chain, heard.append])
    engine.start(run)
    monitor = Monitor()
    findings = [
        finding
        for moved in (heard[0]._replace(trigger="create", source=None, target="queued"), *heard)
        for finding in monitor.observe(Observation(moved.target, "run_1"))
    ]

    assert [(2, "in_progress"), (3, "completed")] == [(each.seq, each.target) for each in heard]
    assert [] == findings


@given(st.lists(st.sampled_from(("first", "last", "nobody")), min_size=1, max_size=12))
def test_any_chain_of_moves_is_heard_in_order_by_everybody(firing):
    """
    Whichever observer fires the next move of a chain, all of them hear the same order.
    """
    steps, heard = iter(firing), {"first": [], "last": []}
    triggers = {"a": "go", "b": "on", "c": "back"}

    def observer(name):
        def hear(moved):
            heard[name].append((moved.source, moved.target))
            if name == pending[0]:
                pending[0] = next(steps, "nobody")
                engine.fire(thing, triggers[thing.status])

        return hear

    thing, pending = Thing(), [next(steps)]
    engine = Engine(RING, observers=[observer("first"), observer("last")])
    engine.fire(thing, "go")

    assert heard["first"] == heard["last"]
    assert all(one[1] == other[0] for one, other in pairwise(heard["first"]))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_an_exception_that_ends_the_program_silences_no_other_observer(error):
    """
    The move stands, every other observer hears of it, and the exception reaches the caller.
    """
    heard = []

    def ends(moved):
        raise error

    engine = RunEngine()
    run = engine.create()
    engine = RunEngine(observers=[ends, heard.append])
    with pytest.raises(error):
        engine.start(run)
    with pytest.raises(error):
        engine.complete(run)

    assert ["in_progress", "completed"] == [moved.target for moved in heard]
    assert "completed" == run.status


def test_moves_of_many_threads_are_heard_in_the_order_of_their_numbers():
    """
    Threads that move one object tell its observers in the order in which they won.
    """
    heard = []
    engine = RunEngine(observers=[lambda moved: heard.append(moved.seq)])
    run = engine.create()
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}

    def work():
        for _ in range(60):
            for move in (
                lambda: engine.start(run),
                lambda: engine.require_action(run, action),
                lambda: engine.submit_tool_outputs(run, {"c": "x"}),
            ):
                with suppress(Exception):  # another thread was faster
                    move()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [*range(1, len(heard) + 1)] == heard
    assert len(heard) > 60


def test_a_signal_handler_that_fires_in_the_middle_of_a_move_loses_none():
    """
    It comes between any two steps of a move and of its telling, thousands of times.
    """
    made, heard, thing = [], [], Thing()
    engine = Engine(RING, observers=[heard.append])
    words = {"a": "go", "b": "on", "c": "back"}

    def move(*_):
        with suppress(IllegalTransitionError):  # the handler was faster
            made.append(engine.fire(thing, words[thing.status]))

    move()
    before = signal.signal(signal.SIGALRM, move)
    try:
        until = time.monotonic() + 1
        after = cycle(number * 1e-6 for number in range(1, 80))
        while time.monotonic() < until:
            signal.setitimer(signal.ITIMER_REAL, next(after))
            move()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert len(made) > 1_000
    assert Counter(made) == Counter(heard)
