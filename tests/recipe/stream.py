"""
The moves of a run as events: the journal, played again.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import structlog

from runstate import RUN, Moved, RunEngine, RunResponse
from runstate.store import AsyncRunStore, JournalEntry

TAKEN = {
    "assistant_id", "model", "instructions", "tools", "metadata", "temperature", "top_p",
    "max_prompt_tokens", "max_completion_tokens", "truncation_strategy", "tool_choice",
    "parallel_tool_calls", "response_format",
}  # fmt: skip
"""What a client may say of its run; all else is the lifecycle's business, or the store's."""
LOOK = 0.02
"""Seconds between two looks at the journal of a run that is streamed."""


async def events(store: AsyncRunStore, run_id: str, since: int) -> AsyncIterator[str]:
    """
    Yield events until the run has ended, or waits for tool outputs.
    """
    while True:
        moves = [line for line in await store.history(run_id) if line.kind == "move"]
        if len(moves) >= since:
            played = [*replayed(await store.get(run_id), moves)]
            for moved, body in played[since - 1 :]:
                created = ["created"] if moved.source is None else []
                for name in [*created, moved.target]:
                    yield f"event: thread.run.{name}\ndata: {body}\n\n"
                if RUN.is_terminal(moved.target) or RUN.row("submit_tool_outputs", moved.target):
                    yield "event: done\ndata: [DONE]\n\n"
                    return
            since = len(moves) + 1
        await asyncio.sleep(LOOK)


def replayed(run: RunResponse, moves: Iterable[JournalEntry]) -> Iterator[tuple[Moved, str]]:
    """
    Yield each of a run's *moves* with the run as it was right after: an engine makes them again.
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


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent


_NO_LOG = structlog.wrap_logger(None, processors=[_drop])
"""What is replayed was logged when it happened."""
