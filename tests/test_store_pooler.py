"""
A store behind a real PgBouncer in transaction pooling, and what durability is true of.
"""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from runstate.store import (
    AnswerMismatchError,
    Applied,
    AsyncRunStore,
    Fire,
    PoolerError,
    RunStore,
)
from servers import pgbouncer

COMMITS = "SELECT current_setting('synchronous_commit')"


@pytest.fixture
def pooled(postgresql_database):
    """
    A fresh database through a PgBouncer that has two connections to it.
    """
    with pgbouncer(postgresql_database, size=2) as url:
        yield url


def as_asyncpg(url):
    """
    Return *url* for another driver.
    """
    return url.replace("+psycopg", "+asyncpg")


@pytest.mark.pgbouncer
def test_behind_a_pooler_every_answer_is_that_of_the_move_that_was_made(
    pooled, postgresql_database
):
    """
    Stores that fire different triggers share server connections, and never statements.
    """
    triggers = ("start", "request_cancel", "expire")
    with RunStore.open(postgresql_database) as direct:
        runs = {trigger: [direct.create().id for _ in range(40)] for trigger in triggers}
        stores = {trigger: RunStore.open(pooled) for trigger in triggers}

        def work(trigger):
            return [stores[trigger].fire(run_id, trigger) for run_id in runs[trigger]]

        with ThreadPoolExecutor(3) as threads:
            answers = dict(zip(triggers, threads.map(work, triggers), strict=True))
        for trigger in triggers:
            assert all(isinstance(each, Applied) for each in answers[trigger])
            made = {tuple(e.trigger for e in direct.history(run_id)) for run_id in runs[trigger]}
            assert {("create", trigger)} == made
            stores[trigger].close()


async def _live(store, number):
    """
    Take runs through everything that a store does.
    """
    for n in range(12):
        run = await store.create(id=f"{number}-{n}", thread_id=f"{number}")
        await store.claim("worker")
        await store.complete(run.id, key="k")
        await store.moves(limit=3)
        await store.list(thread_id=f"{number}")
        await store.counts()
    await store.sweep()

    return await store.counts()


@pytest.mark.pgbouncer
@pytest.mark.parametrize("adapt", [str, as_asyncpg])
@pytest.mark.parametrize("pooler", [None, True])
def test_both_async_drivers_work_behind_a_pooler(pooled, adapt, pooler):
    """
    Found at connect, or declared.
    """

    async def scenario():
        stores = [await AsyncRunStore.open(adapt(pooled), pooler=pooler) for _ in range(3)]
        await asyncio.gather(*(_live(store, n) for n, store in enumerate(stores)))
        counts = await stores[0].counts()
        for store in stores:
            await store.close()
        return counts

    counts = asyncio.run(scenario())

    assert 36 == sum(counts.values())
    assert counts["queued"] == 0


@pytest.mark.pgbouncer
def test_a_direct_connection_is_not_taken_for_a_pooler(postgresql_database, pooled):
    """
    It keeps its prepared statements; and a user who declares a pooler, or denies it, is believed.
    """
    cases = [
        (postgresql_database, None, False), (postgresql_database, True, True),
        (pooled, None, True), (pooled, False, False),
    ]  # fmt: skip
    for url, pooler, found in cases:
        with RunStore.open(url, pooler=pooler) as store, store.engine.connect() as connection:
            driver = connection.connection.dbapi_connection
            assert found == (driver.prepare_threshold is None)


@pytest.mark.pgbouncer
def test_an_engine_of_the_callers_own_that_prepares_is_refused_behind_a_pooler(pooled):
    """
    With what to give it instead, which is then taken.
    """
    engine = sa.create_engine(pooled)
    with pytest.raises(PoolerError, match="prepare_threshold") as caught:
        RunStore(engine)
    engine.dispose()
    assert "psycopg" == caught.value.driver

    engine = sa.create_engine(pooled, connect_args={"prepare_threshold": None})
    with RunStore(engine) as store:
        assert store.start(store.create().id).ok
    engine.dispose()

    async def scenario():
        engine = create_async_engine(as_asyncpg(pooled))
        with pytest.raises(PoolerError, match="asyncpg"):
            await AsyncRunStore(engine).counts()
        await engine.dispose()

    asyncio.run(scenario())


@pytest.mark.pgbouncer
@pytest.mark.parametrize("durable", [True, False])
def test_durability_does_not_leak_into_a_pool(pooled, postgresql_database, durable):
    """
    Every transaction of the store has its own; the next client of the server's is untouched.
    """
    server = sa.create_engine(postgresql_database, isolation_level="AUTOCOMMIT")
    name = sa.make_url(postgresql_database).database
    with server.connect() as connection:
        default = "off" if durable else "on"
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit TO {default}")
    server.dispose()
    other = sa.create_engine(pooled, connect_args={"prepare_threshold": None})
    with RunStore.open(pooled, durable=durable) as store:
        for _ in range(5):
            store.start(store.create().id)
            with store.engine.connect() as connection:
                mine = connection.exec_driver_sql(COMMITS).scalar_one()
            with other.connect() as connection:
                theirs = connection.exec_driver_sql(COMMITS).scalar_one()
            assert (("on", "off") if durable else ("off", "on")) == (mine, theirs)
    other.dispose()


@pytest.mark.parametrize(
    ("default", "durable", "expected"),
    [("off", True, "on"), ("on", False, "off"), ("remote_write", True, "remote_write")],
)
def test_durable_holds_against_the_settings_of_server_and_role(
    postgresql_database, default, durable, expected
):
    """
    What outlives a power cut is left as it is set.
    """
    server = sa.create_engine(postgresql_database, isolation_level="AUTOCOMMIT")
    name = sa.make_url(postgresql_database).database
    with server.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit TO {default}")
    server.dispose()

    async def asynchronous(url):
        store = await AsyncRunStore.open(url, durable=durable)
        async with store, store.engine.connect() as connection:
            return (await connection.exec_driver_sql(COMMITS)).scalar_one()

    store = RunStore.open(postgresql_database, durable=durable)
    with store, store.engine.connect() as connection:
        assert expected == connection.exec_driver_sql(COMMITS).scalar_one()
    for url in (postgresql_database, as_asyncpg(postgresql_database)):
        assert expected == asyncio.run(asynchronous(url))


def test_the_answer_to_another_statement_is_not_taken_for_ones_own(store):
    """
    Whoever mixed them up: the error says what was sent, and what was answered.
    """
    run_ids = [store.create().id for _ in range(4)]
    moves = store._do._sql.moves
    start, cancel = moves["start", "in_progress"], moves["request_cancel", "cancelling"]
    store._do._sql.moves["start", "in_progress"] = start._replace(one=cancel.one, many=cancel.many)
    with pytest.raises(AnswerMismatchError, match=r"sent start .* answer to request_cancel") as one:
        store.start(run_ids[0])
    assert (run_ids[0], "start", "request_cancel", "cancelling") == one.value.args
    fires = [("start", run_id) for run_id in run_ids[1:]]
    with pytest.raises(AnswerMismatchError):
        store.fire_many([Fire(run_id, trigger) for trigger, run_id in fires])

    assert Counter({"queued": 3}) <= Counter(store.counts())
