"""
The workers: they claim runs, have the model carry them on, and say how that went.

Any number of them, in any number of processes, may do this over one store. A worker
that dies leaves nothing behind but a lease, and that runs out.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from runstate import RunResponse
from runstate.store import AsyncRunStore, Illegal, Lease, Stale

Outcome = tuple[str, dict[str, Any]]
"""A trigger, and what it takes."""
Model = Callable[[RunResponse, Mapping[str, str]], Awaitable[Outcome]]
"""Carries a run on, given the tool outputs that were submitted by now."""

IDLE = 0.02
ATTEMPTS = 3
ERROR = {"code": "server_error", "message": "The run could not be carried on."}

log = logging.getLogger(__name__)


async def work(store: AsyncRunStore, name: str, model: Model, seconds: float) -> None:
    """
    Carry runs on, one after the other, under leases of *seconds*.
    """
    while True:
        lease = await store.claim(name, seconds)
        if lease is None:
            await asyncio.sleep(IDLE)
        else:
            await carry_on(store, lease, model)


async def carry_on(store: AsyncRunStore, lease: Lease, model: Model) -> None:
    """
    Have *model* carry on the run of *lease*, and move the run by what came of it.
    """

    async def fire(trigger: str, **payload: Any) -> Any:
        # With the token: a worker that slept through its lease moves nothing.
        return await store.fire(
            lease.run.id, trigger, token=lease.token, actor=lease.worker, **payload
        )

    if lease.attempt > ATTEMPTS:
        await fire("fail", last_error=ERROR)
        return
    answer = asyncio.ensure_future(model(lease.run, await outputs(store, lease.run.id)))
    try:
        while not (await asyncio.wait({answer}, timeout=lease.seconds / 3))[0]:
            beat = await store.heartbeat(lease)
            if isinstance(beat, Stale):
                return  # Another worker has the run by now.
            if beat.cancel_requested:
                await fire("confirm_cancel")
                return
        trigger, payload = answer.result()
        verdict = await fire(trigger, **payload)
        if isinstance(verdict, Illegal) and "confirm_cancel" in verdict.allowed:
            # A cancel was faster, and the table knows no such way on from there.
            await fire("confirm_cancel")
    finally:
        answer.cancel()


async def outputs(store: AsyncRunStore, run_id: str) -> dict[str, str]:
    """
    Return what was submitted for the run's tool calls, which the journal keeps.
    """
    lines = await store.history(run_id)

    return {
        call: output
        for line in lines
        if line.kind == "move" and line.trigger == "submit_tool_outputs"
        for call, output in (line.payload or {})["outputs"].items()
    }


async def sweep(store: AsyncRunStore, every: float) -> None:
    """
    End what is overdue, and what was cancelled while nobody worked on it.
    """
    while True:
        await store.sweep()
        await asyncio.sleep(every)


async def always(name: str, job: Callable[[], Awaitable[None]]) -> None:
    """
    Do *job*, and again should it die: what it held is for whoever claims it next.
    """
    while True:
        try:
            await job()
        except Exception:
            log.exception("%s died", name)
            await asyncio.sleep(IDLE)
