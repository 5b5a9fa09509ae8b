"""
A worker: ``python worker.py NAME SECONDS`` carries runs on until none is left for a second.

It answers a line of its input for each run that waits for one, and prints what it did.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import Any

from agents import stores

from runstate.store import AsyncRunStore, Lease, Stale

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
ACTION = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [CALL]}}


async def model(store: AsyncRunStore, lease: Lease[Any]) -> tuple[str, dict[str, Any]]:
    """Do what the instructions of the run say, in place of a model."""
    match lease.run.instructions:
        case "tool" if all(
            e.trigger != "submit_tool_outputs" for e in await store.history(lease.id)
        ):
            return "require_action", {"required_action": ACTION}
        case "ask":
            await asyncio.to_thread(sys.stdin.readline)
        case "back":
            return "give_back", {}

    return "complete", {"usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}


async def carry_on(store: AsyncRunStore, lease: Lease[Any]) -> str:
    """Carry a run on while its lease is renewed, and return what came of it."""
    answer = asyncio.ensure_future(model(store, lease))
    while not (await asyncio.wait({answer}, timeout=lease.seconds / 3))[0]:
        if isinstance(beat := await store.heartbeat(lease), Stale):
            return "Stale"
        if beat.cancel_requested:
            answer.cancel()
            return type(await store.confirm_cancel(lease.id, token=lease.token)).__name__
    trigger, payload = answer.result()

    return type(await store.fire(lease.id, trigger, token=lease.token, **payload)).__name__


async def main(name: str, seconds: float) -> None:
    """Take runs of every tenant in turn, sweep, and drop what ended more than a month ago."""
    async with AsyncExitStack() as until:
        opened, idle = await stores(until), 0
        while (idle := idle + 1) < 20:
            for store in opened.values():
                await store.sweep()
                if lease := await store.claim(name, seconds):
                    print("took", lease.run.instructions, flush=True)
                    print(lease.run.instructions, await carry_on(store, lease), flush=True)
                    idle = 0
            await asyncio.sleep(0.05)
        for store in opened.values():
            print("pruned", await store.prune(30 * 86_400))


asyncio.run(main(sys.argv[1], float(sys.argv[2])))
