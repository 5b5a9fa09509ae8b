"""
A small orchestrator in memory, to see the whole of it at work.

Workers race for runs, an impatient user cancels some, a forgetful one never submits
tool outputs, and a sweeper expires what took too long. All of them fire at the same
runs from threads of their own; the engine decides who wins. Time passes 600 times
faster than on the wall, so that a run's ten minutes take a second.
"""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

from ._engine import RunEngine
from ._hooks import Moved, json_log
from ._models import RunResponse, RunStatus
from ._parts import LastError, RequiredAction, Usage
from .errors import IllegalTransitionError

__all__ = ["Outcome", "run_demo"]

SPEED: Final = 600
"""Seconds of a run's time in one second of ours."""

_TOOL_CALL: Final = RequiredAction.model_validate(
    {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": "{}"},
                }
            ]
        },
    }
)
_ERROR: Final = LastError(code="server_error", message="The model was not available.")
_USAGE: Final = Usage(prompt_tokens=120, completion_tokens=34, total_tokens=154)


class Outcome(NamedTuple):
    """
    What came of a demonstration.
    """

    statuses: Counter[str]
    """How many runs ended in each status."""
    moves: Counter[tuple[str | None, str]]
    """How often each move was made, by source and target; None is creation."""
    beaten: Counter[tuple[str, str]]
    """Refused triggers, by the trigger and the status that beat it."""
    seconds: float
    """How long it took on the wall."""


def run_demo(log: Path, *, runs: int = 200, workers: int = 8, seed: int | None = None) -> Outcome:
    """
    Take *runs* from creation to an end with *workers* threads, and write every move to *log*.

    Args:
        log: A file of JSON lines; overwritten.
        runs: How many runs, at least 1.
        workers: How many threads work on them, at least 1; three more interfere.
        seed: Makes the chances repeatable, though not the order of the threads.
    """
    began = time.perf_counter()
    with log.open("w", encoding="ascii") as stream:
        stage = _Stage(json_log(stream), runs, random.Random(seed))  # noqa: S311  no secret
        roles = [*[stage.work] * workers, stage.answer, stage.cancel, stage.sweep]
        with ThreadPoolExecutor(len(roles)) as pool:
            for task in [pool.submit(role) for role in roles]:
                task.result()

    return Outcome(
        Counter(str(run.status) for run in stage.runs),
        stage.moves,
        stage.beaten,
        time.perf_counter() - began,
    )


class _Stage:
    """
    The runs, the queues between the threads, and what each thread does.
    """

    def __init__(self, logger: Any, runs: int, chance: random.Random) -> None:
        began = time.time()
        self.moves: Counter[tuple[str | None, str]] = Counter()
        self.beaten: Counter[tuple[str, str]] = Counter()
        self._ended = 0
        self._counting = threading.Lock()
        self._chance = chance
        self._engine = RunEngine(
            clock=lambda: began + (time.time() - began) * SPEED,
            observers=[self._count],
            logger=logger,
        )
        self.runs = [
            self._engine.create(assistant_id="asst_demo", thread_id=f"thread_{n}")
            for n in range(runs)
        ]
        self._ready: SimpleQueue[RunResponse] = SimpleQueue()
        self._asking: SimpleQueue[RunResponse] = SimpleQueue()
        for run in self.runs:
            self._ready.put(run)

    def work(self) -> None:
        """
        Take runs and carry them on, until all have ended.
        """
        while not self._all_ended():
            run = _next(self._ready)
            if run is None:
                continue
            if self._try(run, "start"):
                self._pause()
                self._carry_on(run)
            elif run.status == RunStatus.CANCELLING:
                self._try(run, "confirm_cancel")

    def _carry_on(self, run: RunResponse) -> None:
        luck = self._chance.random()
        if luck < 0.35:
            if self._try(run, "require_action", required_action=_TOOL_CALL):
                self._asking.put(run)
        elif luck < 0.42:
            self._try(run, "fail", last_error=_ERROR, usage=_USAGE)
        elif luck < 0.47:
            self._try(run, "stop_incomplete", reason="max_completion_tokens", usage=_USAGE)
        else:
            self._try(run, "complete", usage=_USAGE)
        if run.status == RunStatus.CANCELLING:
            self._try(run, "confirm_cancel")

    def answer(self) -> None:
        """
        Submit tool outputs, but now and then forget to.
        """
        while not self._all_ended():
            run = _next(self._asking)
            if run is None or self._chance.random() < 0.1:
                continue
            self._pause()
            if self._try(run, "submit_tool_outputs", outputs={"call_1": "sunny"}):
                self._ready.put(run)

    def cancel(self) -> None:
        """
        Ask for runs to be cancelled, whatever they are doing.
        """
        for run in self._chance.sample(self.runs, k=len(self.runs) // 4):
            if self._all_ended():
                return
            self._pause()
            waiting = run.status == RunStatus.REQUIRES_ACTION
            if self._try(run, "request_cancel") and waiting:
                self._try(run, "confirm_cancel")

    def sweep(self) -> None:
        """
        Expire every run whose time is up.
        """
        while not self._all_ended():
            now = self._engine.now()
            for run in self.runs:
                due = run.expires_at
                if due is not None and now > due:
                    self._try(run, "expire")
            time.sleep(0.02)

    def _try(self, run: RunResponse, trigger: str, **payload: Any) -> bool:
        try:
            self._engine.fire(run, trigger, **payload)
        except IllegalTransitionError as lost:
            with self._counting:
                self.beaten[trigger, str(lost.status)] += 1
            return False

        return True

    def _count(self, moved: Moved) -> None:
        with self._counting:
            self.moves[moved.source, moved.target] += 1
            self._ended += self._engine.lifecycle.is_terminal(moved.target)

    def _pause(self) -> None:
        time.sleep(self._chance.random() * 0.004)

    def _all_ended(self) -> bool:
        return self._ended == len(self.runs)


def _next(queue: SimpleQueue[RunResponse]) -> RunResponse | None:
    try:
        return queue.get(timeout=0.02)
    except Empty:
        return None
