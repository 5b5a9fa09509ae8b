"""
The clients of the demonstration: they create runs, answer tool calls and cancel.
"""

import heapq
import time
from collections import Counter
from itertools import count
from typing import Any

from ..runs._run import RUN
from ..store import JournalEntry, RunStore
from ._config import MOST_RUNS, Config, Refused, note

__all__ = ["Clients"]


class Clients:
    """
    Creates runs, submits tool outputs and cancels, by what the feed says.
    """

    def __init__(self, config: Config, store: RunStore) -> None:
        self._config, self._store = config, store
        self._random = config.random_for("clients")
        self._cursor: str | None = None
        self._statuses: dict[str, str] = {}
        self._plans: list[tuple[float, int, str, str, dict[str, Any]]] = []
        self._number = count()
        self._created = 0
        self._ended: set[str] = set()
        self.refused: Refused = Counter()

    @property
    def done(self) -> bool:
        """Whether all runs of the demonstration have ended."""
        return len(self._ended) == self._config.runs

    def turn(self) -> bool:
        """
        Do what is due; return False if nothing was.
        """
        page = self._store.moves(after=self._cursor)
        self._cursor = page.cursor
        for entry in page.items:
            self._see(entry)
        due = self._next_due()
        if due is not None:
            run_id, trigger, payload = due
            verdict = self._store.fire(run_id, trigger, actor="user", **payload)
            note(self.refused, trigger, verdict)
        ready = [*self._statuses.values()].count(str(RUN.initial))
        more = self._created < self._config.runs and ready < MOST_RUNS * self._config.workers
        if more:
            self._created += 1
            self._store.create(assistant_id="asst_demo", thread_id=f"thread_{self._created}")

        return bool(page.items or due or more)

    def _see(self, entry: JournalEntry) -> None:
        """
        Read one move of the feed, and plan the requests that follow from it.
        """
        moved = entry.moved
        self._statuses[entry.run_id] = moved.target
        if RUN.is_terminal(moved.target):
            self._ended.add(entry.run_id)
            del self._statuses[entry.run_id]
        elif moved.source in {None, RUN.initial} and self._random.random() < 0.12:
            for _ in range(self._random.choice((1, 1, 2))):
                self._plan(self._random.random() * 0.05, entry.run_id, "request_cancel")
        elif RUN.row("submit_tool_outputs", moved.target):
            wait = self._random.random() * 0.02
            if self._random.random() < 0.1:
                # About when the run expires: either may win.
                wait += self._config.wall(560)
            self._plan(wait, entry.run_id, "submit_tool_outputs", outputs={"call_1": "sunny"})

    def _plan(self, wait: float, run_id: str, trigger: str, **payload: Any) -> None:
        plan = (time.monotonic() + wait, next(self._number), run_id, trigger, payload)
        heapq.heappush(self._plans, plan)

    def _next_due(self) -> tuple[str, str, dict[str, Any]] | None:
        if not self._plans or self._plans[0][0] > time.monotonic():
            return None
        _, _, run_id, trigger, payload = heapq.heappop(self._plans)

        return run_id, trigger, payload
