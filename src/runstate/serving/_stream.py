"""
The transitions of a run as server-sent events, made from the journal.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from ..runs import RUN, Moved, RunEngine, RunResponse
from ..store import AsyncRunStore, CursorError, JournalEntry

__all__ = ["TAKEN", "Moves", "events"]

TAKEN: Final = {
    "assistant_id", "model", "instructions", "tools", "metadata", "temperature", "top_p",
    "max_prompt_tokens", "max_completion_tokens", "truncation_strategy", "tool_choice",
    "parallel_tool_calls", "response_format",
}  # fmt: skip
"""The fields of a run that its creator may set; the lifecycle and the store set the others."""
_INTERVAL: Final = 0.05
"""Seconds between two reads of the feed."""
_PATIENCE: Final = 1.0
"""Seconds after which a stream reads its run's journal though the feed showed no transition."""
_PAGE: Final = 1_000


class Moves:
    """
    Wakes the streams of this process: one task reads the feed for all of them.
    """

    def __init__(self, store: AsyncRunStore) -> None:
        self._store = store
        self._cursor: str | None = None
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    async def watch(self) -> None:
        """
        Read the feed once per interval, from now on, and wake the streams of the runs in it.
        """
        if self._cursor is None:
            self._cursor = await self._store.cursor()
        while True:
            try:
                page = await self._store.moves(after=self._cursor, limit=_PAGE)
            except CursorError:
                # A failover lost transitions, or pruning passed them: each stream reads its
                # run's journal anyway.
                self._cursor = await self._store.cursor()
                continue
            self._cursor = page.cursor
            for run_id in {line.run_id for line in page.items} & self._waiting.keys():
                for event in self._waiting[run_id]:
                    event.set()
            if len(page.items) < _PAGE:
                await asyncio.sleep(_INTERVAL)

    @contextmanager
    def of(self, run_id: str) -> Iterator[asyncio.Event]:
        """
        Yield an event that is set whenever the run makes a transition.
        """
        event = asyncio.Event()
        self._waiting[run_id].add(event)
        try:
            yield event
        finally:
            self._waiting[run_id].discard(event)
            if not self._waiting[run_id]:
                del self._waiting[run_id]


async def events(store: AsyncRunStore, moves: Moves, run_id: str, since: int) -> AsyncIterator[str]:
    """
    Yield the transitions of a run from number *since* on, until it has ended or needs tool outputs.
    """
    with moves.of(run_id) as moved_on:
        while True:
            # Cleared before the journal is read: a transition after that sets it again.
            moved_on.clear()
            lines = [line for line in await store.history(run_id) if line.kind == "move"]
            if len(lines) >= since:
                played = [*_replayed(await store.get(run_id), lines)]
                for moved, body in played[since - 1 :]:
                    created = ["created"] if moved.source is None else []
                    for name in [*created, moved.target]:
                        yield f"event: thread.run.{name}\ndata: {body}\n\n"
                    if _ends(moved.target):
                        yield "event: done\ndata: [DONE]\n\n"
                        return
                since = len(lines) + 1
            with suppress(TimeoutError):
                await asyncio.wait_for(moved_on.wait(), _PATIENCE)


def _ends(status: str) -> bool:
    """
    Return whether a stream ends where its run enters *status*.
    """
    return RUN.is_terminal(status) or RUN.row("submit_tool_outputs", status) is not None


def _replayed(run: RunResponse, moves: Iterable[JournalEntry]) -> Iterator[tuple[Moved, str]]:
    """
    Yield each of a run's *moves* with the run as it was right after it: an engine repeats them.
    """
    creation, *rest = moves
    at = creation.at
    engine = RunEngine(clock=lambda: at, logger=_NO_LOG)
    given = run.model_dump(include=TAKEN | {"thread_id"}, exclude_unset=True)
    was = engine.create(id=run.id, **given)
    yield creation.moved, was.model_dump_json()
    for line in rest:
        at = line.at
        moved = engine.fire(was, line.trigger or "", **(line.payload or {}))
        yield moved, was.model_dump_json()


_NO_LOG: Final = logging.Logger("replayed", logging.CRITICAL + 1)
"""Drops everything: each transition was logged when it happened."""
