"""
The store under cancelled tasks: wherever a cancel comes, no connection is lost or left changed.
"""

import asyncio

import psycopg
import pytest

from databases import awaited
from runstate.store import AsyncRunStore, RunStore

STEPS = 40
"""No operation takes more turns of the loop than that before it waits for the server."""


async def cancelled_after(steps, work):
    """
    Begin *work*, and cancel it after *steps* turns of the loop.
    """
    task = asyncio.create_task(work)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("operation", ["claim", "get", "complete", "sweep"])
def test_cancelled_task_gives_its_connection_back(database_url, operation, monkeypatch):
    """
    A task that is cancelled at any point holds no connection, and the next one can roll back.
    """
    # A busy loop gets its turn between any two steps of the driver, not only after a while.
    monkeypatch.setattr(psycopg.waiting, "MAX_BUSY_TIME", 0, raising=False)
    url = awaited(database_url)
    lost = []

    async def scenario():
        async with await AsyncRunStore.open(url) as store:
            await store.create(id="run_1")
            arguments = {"claim": ["worker-1"], "sweep": []}.get(operation, ["run_1"])
            for steps in range(STEPS):
                await cancelled_after(steps, getattr(store, operation)(*arguments))
                lost.append(store.engine.pool.checkedout())
            async with store.engine.connect() as connection:
                await store.create(id="run_2", connection=connection)
                await connection.rollback()

    asyncio.run(scenario())
    with RunStore.open(database_url) as store:
        assert ["run_1"] == [run.id for run in store.list().items]

    assert [0] * STEPS == lost
