"""
The engines that a store opens itself: what their connections know, share and outlive.
"""

import asyncio
import os
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa

from runstate.store import Applied, AsyncRunStore, RunStore
from stores import consistent

SETTINGS = "SELECT current_schema(), current_setting('synchronous_commit')"


@pytest.mark.parametrize("kind", [RunStore, AsyncRunStore])
def test_a_store_that_may_forget_at_a_power_cut_keeps_what_its_url_says(postgresql_database, kind):
    """
    Such as the schema that its tables live in.
    """
    engine = sa.create_engine(postgresql_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA mine")
    engine.dispose()
    url = f"{postgresql_database}?options=-csearch_path%3Dmine"

    async def asynchronous():
        store = await AsyncRunStore.open(url, durable=False)
        async with store, store.engine.connect() as connection:
            return tuple((await connection.exec_driver_sql(SETTINGS)).one())

    if kind is AsyncRunStore:
        assert ("mine", "off") == asyncio.run(asynchronous())
        return
    with RunStore.open(url, durable=False) as store, store.engine.connect() as connection:
        assert ("mine", "off") == tuple(connection.exec_driver_sql(SETTINGS).one())


def _in_children(work, count):
    """
    Return the exit codes of *count* forked children that do *work*, and have a minute for it.
    """
    children = []
    for _ in range(count):
        child = os.fork()
        if not child:
            signal.alarm(60)
            code = 1
            try:
                code = work()
            finally:
                os._exit(code)
        children.append(child)

    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_store_that_was_open_at_a_fork_serves_parent_and_children(store):
    """
    As in a server that forks its workers: each has connections of its own, and one wins.
    """
    run_ids = [store.create().id for _ in range(40)]

    def start_all():
        return sum(isinstance(store.start(run_id, key="k"), Applied) for run_id in run_ids)

    codes = _in_children(start_all, 4)

    assert len(run_ids) == sum(codes) + start_all()
    assert all(consistent(store, run_id) for run_id in run_ids)


def test_a_database_in_memory_is_one_for_all_threads():
    """
    They wait for each other, as writers do.
    """
    with RunStore.open("sqlite://") as store, ThreadPoolExecutor(8) as threads:
        run_ids = list(threads.map(lambda _: store.create().id, range(40)))
        won = list(threads.map(lambda run_id: store.start(run_id).ok, run_ids * 2))

        assert len(run_ids) == sum(won)
        assert all(consistent(store, run_id) for run_id in run_ids)


def test_a_database_in_memory_is_one_for_all_tasks():
    """
    And none is in the middle of another's transaction.
    """

    async def scenario():
        async with await AsyncRunStore.open("sqlite+aiosqlite://") as store:
            runs = await asyncio.gather(*(store.create() for _ in range(20)))
            await asyncio.gather(*(store.start(run.id) for run in runs))
            return await store.counts()

    assert 20 == asyncio.run(scenario())["in_progress"]


def _end_all_connections(url):
    server, _, name = url.rpartition("/")
    engine = sa.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
            (name,),
        )
    engine.dispose()


def test_a_connection_that_was_lost_while_idle_is_not_used(postgresql_database, monkeypatch):
    """
    The server may have been restarted in a quiet hour: nobody need notice.
    """
    now, hours = time.monotonic, []
    monkeypatch.setattr(time, "monotonic", lambda: now() + 3_600 * len(hours))

    async def asynchronous():
        async with await AsyncRunStore.open(postgresql_database) as store:
            run_id = (await store.create()).id
            _end_all_connections(postgresql_database)
            hours.append("quiet")
            return await store.start(run_id)

    with RunStore.open(postgresql_database) as store:
        run_id = store.create().id
        _end_all_connections(postgresql_database)
        hours.append("quiet")
        assert store.start(run_id).ok
    assert asyncio.run(asynchronous()).ok


def test_a_driver_of_the_other_kind_of_store_is_refused():
    """
    With the name of the one that takes it.
    """
    with pytest.raises(ValueError, match=r"sqlite.aiosqlite is asynchronous: .* AsyncRunStore"):
        RunStore.open("sqlite+aiosqlite:///runs.db")
    for url in ("sqlite+pysqlite:///runs.db", "postgresql+psycopg2://h/d"):
        with pytest.raises(ValueError, match="blocks: open the store as RunStore"):
            asyncio.run(AsyncRunStore.open(url))


@pytest.mark.parametrize(
    "url",
    ["redis://:secret@h",
     "mongodb+srv://u:secret@h/d", "oracle://h", "mssql+pyodbc://h", "nonsense://h"],
)  # fmt: skip
@pytest.mark.parametrize("kind", [RunStore, AsyncRunStore])
def test_a_database_that_no_store_lives_in_is_named_before_its_driver_is_looked_for(url, kind):
    """
    With what is expected, and without the password.
    """
    name = url.split(":")[0].split("+")[0]

    async def opened():
        answer = kind.open(url)
        await answer

    with pytest.raises(
        ValueError, match=f"SQLite, PostgreSQL or MariaDB, not in {name};"
    ) as caught:
        asyncio.run(opened())

    assert "sqlite:///runs.db" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_driver_that_sqlalchemy_does_not_know_is_named():
    """
    Beside the one that is used without it.
    """
    with pytest.raises(ValueError, match=r"driver nonsense of postgresql: .* postgresql.psycopg"):
        RunStore.open("postgresql+nonsense://h/d")


def test_what_hosts_call_a_database_is_understood(postgresql_database, tmp_path):
    """
    By both kinds of store, with the drivers that the extras bring.
    """
    rest = postgresql_database.partition("://")[2]

    async def create(url):
        async with await AsyncRunStore.open(url) as store:
            return (await store.create()).id

    for scheme in ("postgres", "postgresql"):
        url = f"{scheme}://{rest}"
        run_id = asyncio.run(create(url))
        with RunStore.open(url) as store:
            assert run_id == store.get(run_id).id
    assert asyncio.run(create(f"sqlite:///{tmp_path}/runs.db"))


def test_sqlite_is_waited_for_as_long_as_the_store_was_told_and_no_longer(tmp_path):
    """
    Then SQLAlchemy's error says so; and the connection waits as before when it is used again.
    """
    path = tmp_path / "runs.db"
    with RunStore.open(f"sqlite:///{path}", timeout=0.25) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            with pytest.raises(sa.exc.OperationalError, match="database is locked"):
                store.create()
            assert 0.25 <= time.monotonic() - began < 5
            other.execute("ROLLBACK")
        run_id = store.create().id
        with store.engine.connect() as connection:
            assert 250 == connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
        assert consistent(store, run_id)
