"""
The store for asyncio: the same methods and answers, and a cancelled task leaves before or after.
"""

import asyncio
import gc
import inspect
import re
import threading
from functools import wraps

import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine

from databases import CLOCK, awaited
from runstate import PayloadError, UnknownTriggerError
from runstate.store import (
    Applied,
    AsyncRunStore,
    Duplicate,
    Fire,
    Held,
    Illegal,
    RunExistsError,
    RunNotFoundError,
    RunStore,
    Stale,
    Superseded,
)
from stores import ACTION, ERROR, USAGE, consistent, rows_of


def asynchronous(test):
    """
    Run a coroutine function as a test.
    """

    @wraps(test)
    def run(**fixtures):
        asyncio.run(asyncio.wait_for(test(**fixtures), 60))

    return run


@pytest.fixture
def url(database_url):
    """
    The fresh database, as asyncio reaches it.
    """
    return awaited(database_url)


def public(cls):
    """
    Return the public methods of a store, by name.
    """
    return {
        name: member
        for name, member in inspect.getmembers(cls, callable)
        if not name.startswith("_")
    }


def sentence(member):
    """
    Return the first sentence of a docstring, however its twin refers to the rest.
    """
    return inspect.getdoc(member).partition(";")[0].partition("\n")[0].rstrip(".")


def test_both_stores_have_the_same_methods():
    """
    With the same parameters and sentences; one is awaited, or iterated over with async for.

    A named move returns what fire returns. The one for asyncio makes its tables when it can await.
    """
    threads, loop = public(RunStore), public(AsyncRunStore)
    caller = re.compile(r"\bAsync(Connection|Session|Engine)\b|sqlalchemy\.[a-z.]*")

    def parameters(member):
        signature = inspect.signature(member)
        return [
            (p.name, p.kind, p.default)
            for p in signature.parameters.values()
        ], caller.sub("", str(signature.return_annotation)).replace("AsyncIter", "Iter")  # fmt: skip

    assert {"install"} == loop.keys() - threads.keys()
    assert set() == threads.keys() - loop.keys()
    for name, member in threads.items():
        assert parameters(member) == parameters(loop[name]), name
        awaited = member.__qualname__.startswith("NamedMoves")
        waits = inspect.iscoroutinefunction(loop[name]) or inspect.isasyncgenfunction(loop[name])
        assert awaited or waits, name
        if name != "open":
            assert sentence(member) == sentence(loop[name]), name


@asynchronous
async def test_every_method_answers_as_its_twin(url, now):
    """
    A run's whole way, its journal and all reads, beside what the other store reads of it.
    """
    async with await AsyncRunStore.open(url, clock=CLOCK, expires_after=600) as store:
        run = await store.create(id="a", thread_id="t", metadata={"k": "\x00"})
        first = await store.start("a", key="k")
        assert [Applied, Duplicate, Illegal] == [
            type(each) for each in (first, await store.start("a", key="k"), await store.start("a"))
        ]
        assert (await store.require_action("a", ACTION)).ok
        assert (await store.submit_tool_outputs("a", {"call_1": ""})).ok
        lease = await store.claim("w", 5)
        assert Held(now.now + 5, cancel_requested=False) == await store.heartbeat(lease)
        assert await store.release(lease)
        assert not await store.release(lease)
        assert Stale(1) == await store.heartbeat(lease)
        again = await store.claim("v")
        assert (await store.request_cancel("a")).ok
        assert (await store.confirm_cancel("a", USAGE, token=again.token)).ok
        late = await store.fail("a", ERROR)
        assert isinstance(late, Superseded)
        for n, end in enumerate((store.complete, store.expire)):
            other = await store.create(id=f"b{n}")
            assert all(v.ok for v in await store.fire_many([Fire(other.id, "start")]))
            assert (await end(other.id)).ok
        stopped = await store.create(id="c")
        await store.start("c")
        assert (await store.stop_incomplete("c", "max_prompt_tokens")).ok
        await store.create(id="d")
        now.step(1_000)
        stuck = await store.stuck({"queued": 5})
        assert ["d"] == [each.run_id for each in await store.sweep()]
        page, feed = await store.list(limit=2, order="asc"), await store.moves(limit=100)
        answers = [
            run.id, await store.get("a"), await store.history("a"), await store.counts(),
            page, feed.items, stopped.id, len(stuck),
        ]  # fmt: skip
    with RunStore.open(url.replace("+aiosqlite", "").replace("+aiomysql", ""), clock=CLOCK) as twin:
        assert answers == [
            "a", twin.get("a"), twin.history("a"), twin.counts(), twin.list(limit=2, order="asc"),
            twin.moves(limit=100).items, "c", 1,
        ]  # fmt: skip
        assert all(consistent(twin, run_id) for run_id in ("a", "b0", "b1", "c", "d"))


@asynchronous
async def test_errors_are_those_of_its_twin(url):
    """
    And leave nothing behind.
    """
    async with await AsyncRunStore.open(url) as store:
        await store.create(id="a")
        with pytest.raises(RunExistsError):
            await store.create(id="a")
        with pytest.raises(RunNotFoundError):
            await store.get("b")
        with pytest.raises(RunNotFoundError):
            await store.history("\x00")
        with pytest.raises(UnknownTriggerError):
            await store.fire("a", "jump")
        with pytest.raises(PayloadError):
            await store.fire_many([Fire("a", "start"), Fire("a", "fail")])
        with pytest.raises(ValueError, match="limit: expected a positive whole number"):
            await store.moves(limit=0)
        assert 1 == len(await store.history("a"))


@pytest.mark.parametrize("kind", [AsyncConnection, AsyncSession])
@asynchronous
async def test_a_move_in_the_callers_transaction_stands_and_falls_with_it(url, kind):
    """
    On a connection or a session; the log hears of it when it is committed, and only then.
    """
    async with await AsyncRunStore.open(url) as store:
        caller = AsyncSession(store.engine) if kind is AsyncSession else store.engine.connect()
        with structlog.testing.capture_logs() as log:
            async with caller as connection:
                for end in (connection.rollback, connection.commit):
                    await store.create(id="a", connection=connection)
                    assert (await store.start("a", connection=connection)).ok
                    assert await store.fire_many([Fire("a", "start")], connection=connection)
                    assert "in_progress" == (await store.get("a", connection=connection)).status
                    assert await store.claim("w", connection=connection) is None
                    assert () == await store.sweep(connection=connection)
                    assert ["run.rejected"] == [entry["event"] for entry in log]
                    log.clear()
                    await end()
            told = [entry["trigger"] for entry in log]

        assert ["create", "start"] == told
        assert 2 == len(await store.history("a"))


@asynchronous
async def test_a_task_that_is_cancelled_leaves_a_move_before_or_after(url):
    """
    Whenever it is cancelled, row and journal agree, and no writer after it waits for a lock.
    """
    async with await AsyncRunStore.open(url) as store:
        seen = set()
        for n in range(60):
            run_id = (await store.create()).id
            task = asyncio.create_task(
                store.fire_many([Fire(run_id, "start"), Fire(run_id, "complete")])
            )
            await pause(n)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            status = (await asyncio.wait_for(store.get(run_id), 5)).status
            triggers = [entry.trigger for entry in await store.history(run_id)]
            assert (status, triggers) in [
                ("queued", ["create"]),
                ("completed", ["create", "start", "complete"]),
            ]
            seen.add(str(status))
            assert (await asyncio.wait_for(store.expire(run_id), 5)).ok is (status == "queued")

    assert {"queued", "completed"} == seen


async def pause(n):
    """
    Give the other tasks *n* turns, and a while.
    """
    if not n:
        return
    for _ in range(n % 20):
        await asyncio.sleep(0)
    await asyncio.sleep(0.0005 * (n // 4))


@asynchronous
async def test_a_task_that_is_cancelled_and_fails_fails_in_silence(url):
    """
    It ends as cancelled, nothing has moved, and asyncio has nothing to complain of.
    """
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
    async with await AsyncRunStore.open(url) as store:
        run_id = (await store.create()).id
        for n in range(1, 20):
            task = asyncio.create_task(store.fire_many([Fire(run_id, "start"), Fire("b", "start")]))
            reading = asyncio.create_task(store.get("nobody"))
            for _ in range(n):
                await asyncio.sleep(0)
            for each in (task, reading):
                each.cancel()
            answers = await asyncio.gather(task, reading, return_exceptions=True)
            assert {type(each) for each in answers} <= {asyncio.CancelledError, RunNotFoundError}
        assert 1 == len(await store.history(run_id))
    del task, reading, answers
    gc.collect()
    await asyncio.sleep(0)

    assert [] == complaints


@asynchronous
async def test_many_tasks_race_and_one_wins_each_run(url):
    """
    The others are told of the winner.
    """
    async with await AsyncRunStore.open(url) as store:
        run_id = (await store.create()).id
        await store.start(run_id)
        ends = [store.complete, store.expire, lambda each: store.fail(each, ERROR)] * 3
        verdicts = await asyncio.gather(*(end(run_id) for end in ends))
        won = [verdict for verdict in verdicts if isinstance(verdict, Applied)]
        lost = [verdict for verdict in verdicts if isinstance(verdict, Superseded)]

        assert (1, 8) == (len(won), len(lost))
        assert {won[0].moved} == {verdict.moved for verdict in lost}
        assert 8 == len([e for e in await store.history(run_id) if e.kind == "late"])


@asynchronous
async def test_a_store_on_the_callers_engine_is_installed_when_asked(url):
    """
    The engine stays the caller's, and works after the store is not used any more.
    """
    engine = create_async_engine(url)
    store = AsyncRunStore(engine, prefix="mine_")
    await store.install()
    await store.install()
    run, pool = await store.create(), engine.pool
    await store.close()
    assert pool is engine.pool
    async with engine.connect() as connection:
        rows = (await connection.execute(sa.text("SELECT id FROM mine_runs"))).all()
    await engine.dispose()

    assert [(run.id,)] == [tuple(row) for row in rows]


@asynchronous
async def test_a_store_that_cannot_be_opened_leaves_no_connection(url, tmp_path):
    """
    The error is the one that says why, and the threads that SQLite was asked from end.
    """
    threads = threading.active_count()
    with pytest.raises(ValueError, match="a prefix is lower-case letters"):
        await AsyncRunStore.open(url, prefix="No")
    with pytest.raises(sa.exc.OperationalError):
        await AsyncRunStore.open(f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/runs.db")
    while threading.active_count() > threads:
        await asyncio.sleep(0.01)


def test_one_database_serves_both_stores(database_url, url):
    """
    What one writes, the other reads.
    """

    async def write():
        async with await AsyncRunStore.open(url, durable=False) as store:
            await store.create(id="a")

    with RunStore.open(database_url) as store:
        asyncio.run(write())
        assert store.start("a").ok
        assert 1 == len(rows_of(store)[0])
