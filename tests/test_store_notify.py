"""
Watchers of a feed that PostgreSQL's NOTIFY wakes.
"""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from runstate.presets import PRESETS
from runstate.store import (
    AsyncRunStore,
    RunStore,
    Store,
    StoreArgumentError,
    StoreVersionError,
    schema_sql,
)
from servers import caught_up, cluster, pgbouncer, running

LONG = 60.0
"""Seconds between polls: a test that waited for one would take this long."""
SOON = 10.0
"""Seconds within which a watcher that is woken has answered, on a busy machine."""
LISTENERS = "SELECT pid FROM pg_stat_activity WHERE starts_with(query, 'LISTEN ') AND datname = current_database()"


@pytest.fixture
def notifying(postgresql_database):
    """
    A store whose moves wake those who watch.
    """
    with RunStore.open(postgresql_database, notify=True) as store:
        yield store


def listeners(store):
    """
    Return the server processes that listen.
    """
    with store.engine.connect() as connection:
        return connection.exec_driver_sql(LISTENERS).scalars().all()


def listening(store, number=1):
    """
    Wait until *number* watchers listen, and return their server processes.
    """
    until = time.monotonic() + SOON
    while len(found := listeners(store)) < number:
        assert time.monotonic() < until, "nobody listens"
        time.sleep(0.01)

    return found


def first_of(store, **options):
    """
    Return a thread's future for the first page of a watcher that begins now.
    """
    pages = store.watch(after=store.cursor(), every=LONG, **options)
    pool = ThreadPoolExecutor(1)
    future = pool.submit(lambda: (next(pages), time.monotonic(), pages.close())[:2])
    pool.shutdown(wait=False)

    return future


def test_a_move_of_another_process_wakes_a_watcher_at_its_commit(notifying, postgresql_database):
    """
    Not before the commit, and long before the next poll; whoever writes, and however it was opened.
    """
    with RunStore.open(postgresql_database) as writer:
        page = first_of(notifying)
        listening(notifying)
        with writer.engine.begin() as transaction:
            writer.create(id="run_1", connection=transaction)
            time.sleep(0.3)
            assert not page.done()
            before = time.monotonic()
        found, at = page.result(timeout=SOON)

    assert ["run_1"] == [entry.run_id for entry in found.items]
    assert before <= at < before + SOON


def test_a_watcher_for_asyncio_is_woken_too(postgresql_database):
    """
    While it waits, other tasks run; its connection ends with it.
    """

    async def use():
        async with await AsyncRunStore.open(postgresql_database, notify=True) as store:

            async def wait():
                pages = store.watch(after=await store.cursor(), every=LONG)
                page = await anext(pages)
                await pages.aclose()
                return page

            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0.5)
            await store.create(id="run_1")
            page = await asyncio.wait_for(waiting, SOON)
            async with store.engine.connect() as connection:
                until = time.monotonic() + SOON
                # A server process ends a moment after its client has gone.
                while (await connection.exec_driver_sql(LISTENERS)).all():
                    assert time.monotonic() < until
                    await asyncio.sleep(0.01)
            return [entry.run_id for entry in page.items]

    assert ["run_1"] == asyncio.run(use())


def test_no_wake_up_is_missed_between_a_poll_and_the_next(notifying, postgresql_database):
    """
    Two watchers see all moves of four writers, none of them at the next poll.
    """

    def see(pages, number):
        seen = set()
        while len(seen) < number:
            seen.update(entry.position for entry in next(pages).items)
        pages.close()
        return len(seen)

    start = notifying.cursor()
    with ThreadPoolExecutor(6) as pool, RunStore.open(postgresql_database) as writer:
        watching = [
            pool.submit(see, notifying.watch(after=start, every=LONG), 4 * 100) for _ in range(2)
        ]
        listening(notifying, 2)

        def write():
            for _ in range(50):
                writer.start(writer.create().id)

        for each in [pool.submit(write) for _ in range(4)]:
            each.result()
        assert [400, 400] == [each.result(timeout=LONG / 2) for each in watching]


def test_a_watcher_that_lost_its_connection_listens_anew(notifying):
    """
    The one that is cut ends neither the watching nor the waking.
    """
    page = first_of(notifying)
    lost = listening(notifying)[0]
    with notifying.engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": lost})
    until = time.monotonic() + SOON
    while lost in listening(notifying):
        assert time.monotonic() < until
    notifying.create(id="run_1")

    assert ["run_1"] == [entry.run_id for entry in page.result(timeout=SOON)[0].items]


def test_a_watcher_that_is_given_lost_connections_listens_all_the_same(postgresql_database):
    """
    After a restart of the server, those that the pool keeps are lost.
    """
    engine = sa.create_engine(postgresql_database)
    store = RunStore(engine, notify=True)
    held = [engine.connect() for _ in range(3)]
    for connection in held:
        connection.exec_driver_sql("SELECT 1")
        connection.close()
    with RunStore.open(postgresql_database) as other:
        cursor = other.cursor()
        with other.engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        pages = store.watch(after=cursor, every=0.05)
        with ThreadPoolExecutor(1) as pool:
            page = pool.submit(next, pages)
            try:
                listening(other)
            finally:
                other.create(id="run_1")
            assert ["run_1"] == [entry.run_id for entry in page.result(timeout=SOON).items]
        pages.close()
    engine.dispose()


def test_a_closed_watcher_gives_its_connection_up(notifying):
    """
    Also where it was never waited for.
    """
    pages = notifying.watch(every=LONG)
    notifying.create()
    next(pages)
    assert 1 == len(listeners(notifying))
    pages.close()
    until = time.monotonic() + SOON
    while listeners(notifying):
        assert time.monotonic() < until


def test_more_can_watch_than_the_engine_has_connections(postgresql_database):
    """
    A watcher's connection is not one of those that the store's own operations share.
    """
    engine = sa.create_engine(postgresql_database, pool_size=1, max_overflow=0, pool_timeout=SOON)
    store = RunStore(engine, notify=True)
    pages = [first_of(store) for _ in range(3)]
    with RunStore.open(postgresql_database) as other:
        listening(other, 3)
        other.create(id="run_1")
    for page in pages:
        assert "run_1" == page.result(timeout=SOON)[0].items[0].run_id
    engine.dispose()


def test_only_moves_wake(notifying):
    """
    A line about a late outcome is none, and neither is a statement that lost its race.
    """
    run_id = notifying.create().id
    token = notifying.claim("w", seconds=60).token
    assert notifying.fire(run_id, "expire").ok
    driver = notifying.engine.raw_connection()
    psycopg = driver.driver_connection
    psycopg.autocommit = True
    psycopg.execute(
        "LISTEN runstate_"
        + str(psycopg.execute("SELECT 'runstate_journal'::regclass::oid").fetchone()[0])
    )
    assert not notifying.complete(run_id, token=token).ok
    assert not notifying.start(run_id).ok
    assert [] == list(psycopg.notifies(timeout=0.3))
    notifying.create_many([{}, {}])
    assert 1 == len(list(psycopg.notifies(timeout=SOON, stop_after=1)))
    driver.detach()
    psycopg.close()


def test_the_trigger_is_made_once(notifying, postgresql_database):
    """
    A process that opens the store later does not lock the journal to make it again.
    """
    query = "SELECT oid FROM pg_trigger WHERE tgname = 'runstate_journal_notify'"
    with notifying.engine.connect() as connection:
        before = connection.exec_driver_sql(query).scalars().all()
    with RunStore.open(postgresql_database, notify=True), notifying.engine.connect() as connection:
        assert before == connection.exec_driver_sql(query).scalars().all()
    assert 1 == len(before)


def test_a_trigger_that_is_disabled_is_missing(notifying, postgresql_database):
    """
    A store that may make nothing says so; another one makes the trigger anew.
    """
    disable = "ALTER TABLE runstate_journal DISABLE TRIGGER runstate_journal_notify"
    with notifying.engine.begin() as connection:
        connection.exec_driver_sql(disable)

    with pytest.raises(StoreVersionError, match="without the trigger that notifies"):
        RunStore.open(postgresql_database, notify=True, install=False)
    RunStore.open(postgresql_database, notify=True).close()
    RunStore.open(postgresql_database, notify=True, install=False).close()


def test_a_migration_of_the_applications_own_makes_the_trigger(postgresql_database):
    """
    With schema_sql(notify=True); without it, a store that installs nothing says what is missing.
    """
    job = PRESETS["river-job"]
    statements = schema_sql("postgresql", job, notify=True)
    plain = [each for each in statements if "journal_notify" not in each]
    assert list(schema_sql("postgresql", job)) == plain
    engine = sa.create_engine(postgresql_database)
    with engine.begin() as connection:
        for each in plain:
            connection.exec_driver_sql(each)
    with pytest.raises(StoreVersionError, match="without the trigger that notifies"):
        Store(engine, job, install=False, notify=True)
    with engine.begin() as connection:
        for each in statements:
            if each not in plain:
                connection.exec_driver_sql(each)
    store = Store(engine, job, install=False, notify=True)
    page = first_of(store)
    listening(store)
    made = store.create()
    assert made.id == page.result(timeout=SOON)[0].items[0].run_id
    engine.dispose()


def test_in_a_schema_of_its_own_a_store_wakes_its_own_watchers(postgresql_database):
    """
    Two stores of one database, with tables of one name.
    """
    with (
        RunStore.open(postgresql_database, schema="a", notify=True) as a,
        RunStore.open(postgresql_database, schema="b", notify=True) as b,
    ):
        page, other = first_of(a), first_of(b)
        listening(a, 2)
        a.create(id="run_1")
        assert "run_1" == page.result(timeout=SOON)[0].items[0].run_id
        time.sleep(0.2)
        assert not other.done()
        b.create(id="run_2")
        assert "run_2" == other.result(timeout=SOON)[0].items[0].run_id


@pytest.mark.postgres
@pytest.mark.slow
def test_on_a_standby_a_watcher_polls():
    """
    Nobody can LISTEN there.
    """
    with (
        cluster() as primary,
        RunStore.open(primary.url, notify=True) as store,
        running(primary.standby()) as standby,
    ):
        store.create(id="run_1")
        caught_up(primary, standby)
        with RunStore.open(standby.url, notify=True) as replica:
            pages = replica.watch(every=0.05)
            assert ["run_1"] == [entry.run_id for entry in next(pages).items]
            threading.Timer(0.2, store.create, kwargs={"id": "run_2"}).start()
            assert ["run_2"] == [entry.run_id for entry in next(pages).items]
            pages.close()


@pytest.mark.pgbouncer
def test_behind_a_pooler_notify_is_refused(postgresql_database):
    """
    It would have one client listen on the connection of another.
    """
    refused = pytest.raises(ValueError, match="notify: a connection pooler is between")
    with pgbouncer(postgresql_database, size=2) as url, refused:
        RunStore.open(url, notify=True)


def test_databases_and_drivers_that_cannot_notify_are_refused(tmp_path):
    """
    In one line that says what to do.
    """
    with pytest.raises(ValueError, match="notify: sqlite has no NOTIFY, leave it out"):
        RunStore.open(f"sqlite:///{tmp_path}/a.db", notify=True)
    for dialect in ("sqlite", "mariadb"):
        with pytest.raises(ValueError, match=f"notify: {dialect} has no NOTIFY"):
            schema_sql(dialect, notify=True)
    with pytest.raises(ValueError, match=r"expected the driver psycopg .*, got asyncpg"):
        AsyncRunStore(create_async_engine("postgresql+asyncpg://host/db"), notify=True)
    with pytest.raises(StoreArgumentError, match="notify: expected True or False"):
        schema_sql("postgresql", notify=1)
