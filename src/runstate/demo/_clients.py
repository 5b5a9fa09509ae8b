"""
Those who want something of runs.
"""

import heapq
import time
from collections import Counter
from itertools import count
from typing import Any

from ..runs._run import RUN
from ..store import JournalEntry, RunStore
from ._config import HANDS, Refused, Stage, note

__all__ = ["Public"]


class Public:
    """
    Those who create runs, submit tool outputs, and are impatient; they follow the feed.
    """

    def __init__(self, stage: Stage, store: RunStore) -> None:
        self._stage, self._store = stage, store
        self._chance = stage.chance("public")
        self._cursor: str | None = None
        self._statuses: dict[str, str] = {}
        self._plans: list[tuple[float, int, str, str, dict[str, Any]]] = []
        self._number = count()
        self._created = 0
        self._ended: set[str] = set()
        self.refused: Refused = Counter()

    @property
    def done(self) -> bool:
        """Whether every run there will be has ended."""
        return len(self._ended) == self._stage.runs

    def turn(self) -> bool:
        """
        Do what is due; False if nothing was.
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
        more = self._created < self._stage.runs and ready < HANDS * self._stage.workers
        if more:
            self._created += 1
            self._store.create(assistant_id="asst_demo", thread_id=f"thread_{self._created}")

        return bool(page.items or due or more)

    def _see(self, entry: JournalEntry) -> None:
        """
        Learn of a move, and plan what follows from it.
        """
        moved = entry.moved
        self._statuses[entry.run_id] = moved.target
        if RUN.is_terminal(moved.target):
            self._ended.add(entry.run_id)
            del self._statuses[entry.run_id]
        elif moved.source in {None, RUN.initial} and self._chance.random() < 0.12:
            for _ in range(self._chance.choice((1, 1, 2))):
                self._plan(self._chance.random() * 0.05, entry.run_id, "request_cancel")
        elif RUN.row("submit_tool_outputs", moved.target):
            wait = self._chance.random() * 0.02
            if self._chance.random() < 0.1:
                # About when the run expires: either may win.
                wait += self._stage.wall(560)
            self._plan(wait, entry.run_id, "submit_tool_outputs", outputs={"call_1": "sunny"})

    def _plan(self, wait: float, run_id: str, trigger: str, **payload: Any) -> None:
        plan = (time.monotonic() + wait, next(self._number), run_id, trigger, payload)
        heapq.heappush(self._plans, plan)

    def _next_due(self) -> tuple[str, str, dict[str, Any]] | None:
        if not self._plans or self._plans[0][0] > time.monotonic():
            return None
        _, _, run_id, trigger, payload = heapq.heappop(self._plans)

        return run_id, trigger, payload
