"""
What a store does when others get in its way: it looks again, or it says so.
"""

import asyncio
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from threading import get_ident

import pytest
import sqlalchemy as sa

from databases import awaited
from runstate import store as store_package
from runstate.store import (
    Applied,
    AsyncRunStore,
    Fire,
    KeyReusedError,
    RunStore,
    Superseded,
)
from stores import ERROR, brought_to, consistent

TRIES = 12
"""How often a store tries a transaction."""


class BrokenOff(Exception):
    """
    What a driver raises when the database broke a transaction off.
    """

    def __init__(self, sqlstate):
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def breaking_off(operation, times, sqlstate="40P01", *, done=False):
    """
    Return *operation*, which is broken off so many times: before anything is done, or after.
    """
    left = [times]

    def broken(*args):
        if left[0]:
            left[0] -= 1
            if done:
                operation(*args)
            raise sa.exc.OperationalError("", {}, BrokenOff(sqlstate))
        return operation(*args)

    return broken


def both(database_url, times, sqlstate="40P01"):
    """
    Yield a call of each kind of store that starts a run, broken off so many times.
    """
    with RunStore.open(database_url) as store:
        run_id = store.create().id
        store._do.fire = breaking_off(store._do.fire, times, sqlstate)
        yield store, run_id, lambda: store.start(run_id)
    url = awaited(database_url)

    async def start(run_id):
        async with await AsyncRunStore.open(url) as loop:
            loop._do.fire = breaking_off(loop._do.fire, times, sqlstate)
            return await loop.start(run_id)

    with RunStore.open(database_url) as store:
        run_id = store.create().id
        yield store, run_id, lambda: asyncio.run(start(run_id))


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_batch_that_is_broken_off_for_anothers_sake_is_tried_again(database_url, sqlstate):
    """
    From its beginning, in a new transaction; nothing of the first attempt remains.
    """
    with RunStore.open(database_url) as store:
        ids = [store.create().id for _ in range(2)]
        store._do.fire_many = breaking_off(store._do.fire_many, TRIES - 1, sqlstate, done=True)
        verdicts = store.fire_many([Fire(run_id, "start") for run_id in ids])

        assert [Applied, Applied] == [type(verdict) for verdict in verdicts]
        assert all(consistent(store, run_id) for run_id in ids)


def test_the_last_attempt_is_the_last(database_url):
    """
    After the last attempt the error is the caller's, and one that means something else is so at once.
    """
    for times, sqlstate in ((TRIES, "40001"), (1, "53100"), (1, "23505")):
        for _, _, start in both(database_url, times, sqlstate):
            with pytest.raises(sa.exc.OperationalError):
                start()


def test_both_stores_start_again(database_url):
    """
    Whichever is broken off, its caller gets an answer.
    """
    for store, run_id, start in both(database_url, TRIES - 1):
        assert start().ok
        assert consistent(store, run_id)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_reads_that_are_broken_off_are_tried_again(database_url, sqlstate):
    """
    Under SERIALIZABLE they may be, as writes are; by both stores.
    """
    url = awaited(database_url)

    async def scenario(run_id):
        async with await AsyncRunStore.open(url) as loop:
            loop._do.get = breaking_off(loop._do.get, TRIES - 1, sqlstate)
            return await loop.get(run_id)

    with RunStore.open(database_url) as store:
        run_id = store.create().id
        store._do.get = breaking_off(store._do.get, TRIES - 1, sqlstate)
        assert run_id == store.get(run_id).id == asyncio.run(scenario(run_id)).id
        store._do.get = breaking_off(store._do.get, TRIES, sqlstate)
        with pytest.raises(sa.exc.OperationalError):
            store.get(run_id)
        store._do.get = breaking_off(store._do.get, 1, "53100")
        with pytest.raises(sa.exc.OperationalError):
            store.get(run_id)


def test_a_database_that_is_serializable_by_default_breaks_off_no_call(postgresql_database):
    """
    Threads that move, read, sweep and claim the same runs get an answer to every call.
    """
    server = sa.create_engine(postgresql_database, isolation_level="AUTOCOMMIT")
    name = sa.make_url(postgresql_database).database
    with server.connect() as connection:
        connection.exec_driver_sql(
            f"ALTER DATABASE {name} SET default_transaction_isolation TO serializable"
        )
    server.dispose()
    with RunStore.open(postgresql_database) as store, ThreadPoolExecutor(4) as threads:
        run_ids = [store.create().id for _ in range(25)]

        def work(trigger):
            won = 0
            for run_id in run_ids:
                won += store.fire(run_id, trigger).ok
                store.moves(limit=5)
                store.counts()
                store.sweep()
                store.claim("worker", 5)
            return won

        work = list(threads.map(work, ("start", "complete", "request_cancel", "expire")))
        assert sum(work) > 0
        assert all(consistent(store, run_id) for run_id in run_ids)


def sleeping_by(monkeypatch, sleep):
    """
    Have this thread sleep by *sleep*; threads of others sleep, too.
    """
    thread, others = get_ident(), time.sleep

    def slept(seconds):
        (sleep if get_ident() == thread else others)(seconds)

    monkeypatch.setattr(time, "sleep", slept)


def test_pauses_between_attempts_grow_and_differ(monkeypatch, tmp_path):
    """
    Two that broke each other off do not meet again at once, and none waits long.
    """
    slept, drawn = [], []
    sleeping_by(monkeypatch, slept.append)
    with RunStore.open(f"sqlite:///{tmp_path}/runs.db", durable=False) as store:
        store._do.get = breaking_off(store._do.get, 200 * TRIES)
        for _ in range(200):
            with pytest.raises(sa.exc.OperationalError):
                store.get("run_1")
            drawn.append([*slept])
            slept.clear()

    assert {TRIES - 1} == {len(each) for each in drawn}
    assert len({each[-1] for each in drawn}) > 100
    for number in range(TRIES - 1):
        longest = max(each[number] for each in drawn)
        most = min(0.25, 0.005 * 2**number)
        assert 0.4 * most < longest <= most


def test_reads_survive_a_restart_of_the_server(postgresql_database):
    """
    A read changes nothing: a lost connection is replaced.
    """
    with RunStore.open(postgresql_database) as store, RunStore.open(postgresql_database) as other:
        run_id = store.create().id
        with other.engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert "queued" == store.get(run_id).status


def end_all_connections(url):
    """
    End every connection to the database, as a server does that is shut down.
    """
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return
        others = (
            "FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
        )
        for (number,) in connection.exec_driver_sql(f"SELECT id {others}").all():
            connection.exec_driver_sql(f"KILL {number}")
        while connection.exec_driver_sql(f"SELECT count(*) {others}").scalar():
            time.sleep(0.01)


def writes(store):
    """
    Yield what writes to *store*, each after what it needs has been made.
    """
    run_ids = [store.create().id for _ in range(5)]
    lease = store.claim("worker")
    yield store.create
    yield lambda: store.create_many([{}, {}])
    yield lambda: store.claim("worker")
    yield lambda: store.claim_many("worker", 2)
    yield lambda: store.heartbeat(lease)
    yield lambda: store.release(lease)
    yield lambda: store.request_cancel(run_ids[4])
    yield lambda: store.fire_many([Fire(lease.id, "complete"), Fire(run_ids[1], "start")])
    yield lambda: store.update(run_ids[1], metadata={"a": "b"})
    yield store.sweep
    yield lambda: store.erase(lease.id)
    yield lambda: store.prune(0)


@pytest.mark.parametrize("hooks", [{}, {"after": [lambda _: None]}], ids=["plain", "hooked"])
def test_writes_survive_a_restart_of_the_server(server_database, hooks):
    """
    Each is made once on a new connection, though the pool had those of before, unused for a moment.
    """
    with RunStore.open(server_database, **hooks) as store:
        for write in writes(store):
            store.counts()
            end_all_connections(server_database)
            write()

        assert 7 == len(store.list().items)
        assert all(consistent(store, run.id) for run in store.list().items)


def test_writes_of_the_awaited_store_survive_it_too(server_database):
    """
    With every driver.
    """

    async def scenario(url):
        async with await AsyncRunStore.open(url) as store:
            run_id = (await store.create()).id
            end_all_connections(server_database)
            await asyncio.sleep(0.01)
            assert (await store.start(run_id)).ok
            end_all_connections(server_database)
            await asyncio.sleep(0.01)
            await store.sweep()
            return [entry.trigger for entry in await store.history(run_id)]

    for url in {awaited(server_database), awaited(server_database).replace("psycopg", "asyncpg")}:
        assert ["create", "start"] == asyncio.run(scenario(url))


def losing(engine, at, times):
    """
    End the connections of *engine* in front of so many statements, or commits.
    """
    left = [times]

    def lose(*_):
        if left[0]:
            left[0] -= 1
            end_all_connections(engine.url.render_as_string(hide_password=False))

    sa.event.listen(engine, at, lose)


def test_a_transaction_that_loses_its_connection_is_run_again_once(server_database):
    """
    It left nothing; a second loss may be its own doing.
    """
    for times in (1, 2):
        with RunStore.open(server_database, prefix=f"n{times}_", after=[lambda _: None]) as store:
            run_id = store.create().id
            losing(store.engine, "before_cursor_execute", times)
            if times == 2:
                with pytest.raises(sa.exc.DBAPIError) as caught:
                    store.start(run_id)
                assert caught.value.connection_invalidated
            else:
                assert store.start(run_id).ok
            assert 3 - times == len(store.history(run_id))


def test_a_commit_that_loses_its_connection_is_not_repeated(server_database):
    """
    Whether it was carried out, only the database knows.
    """
    with RunStore.open(server_database, after=[lambda _: None]) as store:
        store.create()
        losing(store.engine, "commit", 1)
        with pytest.raises(sa.exc.DBAPIError) as caught:
            store.create()

        assert caught.value.connection_invalidated
        assert 1 == len(store.list().items)


def waiting(engine):
    """
    Return once somebody waits for a lock.
    """
    question = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with engine.connect() as connection:
        while not connection.exec_driver_sql(question).scalar_one():
            connection.rollback()
            time.sleep(0.01)


def overtaken(store, winner, loser, *args):
    """
    Return what *loser* is answered, which waits until *winner* has committed on its connection.
    """
    with closing(store.engine.connect()) as connection, ThreadPoolExecutor(1) as pool:
        winner(connection)
        answer = pool.submit(loser, *args)
        waiting(store.engine)
        connection.commit()
        return answer.result(60)


def test_a_key_that_is_used_while_a_store_waits_is_seen(postgresql_database):
    """
    It looked for the key in vain, waited for the run, and finds the key taken: it looks again.
    """
    with RunStore.open(postgresql_database) as store:
        run_id = store.create().id
        with pytest.raises(KeyReusedError, match="belongs to start"):
            overtaken(
                store,
                lambda c: store.start(run_id, key="k", connection=c),
                lambda: store.request_cancel(run_id, key="k"),
            )

        assert "in_progress" == store.get(run_id).status
        assert consistent(store, run_id)


def test_who_waited_for_a_run_is_told_what_became_of_it(postgresql_database):
    """
    Neither of what it was before, nor that a clock stepped back.
    """
    with RunStore.open(postgresql_database) as store:
        ended, going = (brought_to(store, "in_progress") for _ in range(2))
        answers = [
            overtaken(
                store, lambda c: store.complete(ended, connection=c), store.fail, ended, ERROR
            ),
            overtaken(
                store, lambda c: store.request_cancel(going, connection=c), store.complete, going
            ),
        ]

        assert [Superseded, Applied] == [type(answer) for answer in answers]
        assert not answers[1].moved.clock_regressed
        assert consistent(store, ended)
        assert consistent(store, going)


def test_a_run_that_never_stands_still_is_given_up(store):
    """
    After twenty looks something must be wrong.
    """
    run_id = store.create().id
    store._do._refused = lambda *_: None

    with pytest.raises(
        RuntimeError, match=rf"run '{run_id}' kept changing; gave up after 20 attempts"
    ):
        store.complete(run_id)


def test_a_file_that_is_locked_for_a_moment_is_opened(tmp_path, monkeypatch):
    """
    SQLite does not wait when it is asked for a write-ahead log, so the store asks again.
    """
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE mine (word text)")
        other.execute("BEGIN IMMEDIATE")
        sleeping_by(monkeypatch, lambda _: other.execute("COMMIT"))
        with RunStore.open(f"sqlite:///{tmp_path}/runs.db", timeout=0) as store:
            with store.engine.connect() as connection:
                mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
            assert ("wal", "queued") == (mode, store.create().status)


def test_a_file_that_stays_locked_is_the_drivers_error(tmp_path):
    """
    After as long as the store was told to wait.
    """
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE mine (word text)")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sa.exc.OperationalError, match="database is locked"):
            RunStore.open(f"sqlite:///{tmp_path}/runs.db", timeout=0)
        other.execute("ROLLBACK")


def test_counts_are_right_while_a_sweep_brings_them_up_to_now(database_url):
    """
    Who reads the sums and the place from before and after it reads again, wherever it comes between.
    """
    statements = []
    for number in count(1):
        with RunStore.open(database_url) as store, RunStore.open(database_url) as other:
            brought_to(store, "completed")
            left = [number]

            def meanwhile(*_, left=left, other=other):
                left[0] -= 1
                if not left[0]:
                    other.sweep()

            sa.event.listen(store.engine, "before_cursor_execute", meanwhile)
            counts = store.counts()
            sa.event.remove(store.engine, "before_cursor_execute", meanwhile)

            assert {"completed": number} == {s: n for s, n in counts.items() if n}
            statements.append(number - left[0])
            if left[0] > 0:
                break

    assert statements[-1] < max(statements)


def test_of_two_sweeps_at_once_one_counts(postgresql_database):
    """
    The other leaves it at that, and does not wait.
    """
    with RunStore.open(postgresql_database) as store:
        run_id = store.create().id
        with closing(store.engine.connect()) as connection:
            connection.exec_driver_sql("SELECT * FROM runstate_meta FOR UPDATE")
            assert () == store.sweep()
            assert 1 == store.counts()["queued"]
            connection.rollback()
        store.sweep()

        assert ("queued", 1) == (store.get(run_id).status, store.counts()["queued"])


def test_without_sqlalchemy_the_store_says_what_it_needs(monkeypatch):
    """
    As an import error with the command that helps.
    """
    monkeypatch.setitem(sys.modules, "sqlalchemy.ext.asyncio", None)
    spec = spec_from_file_location("runstate.alone", store_package.__file__)

    with pytest.raises(ImportError, match=r"needs SQLAlchemy: pip install 'runstate\[store\]'"):
        spec.loader.exec_module(module_from_spec(spec))


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("postgresql+psycopg://x/y", "psycopg", "postgresql"),
        ("postgresql+asyncpg://x/y", "asyncpg", "asyncpg"),
        ("sqlite+aiosqlite://", "aiosqlite", "async"),
    ],
)
def test_without_its_driver_a_url_says_what_it_needs(monkeypatch, url, module, extra):
    """
    As an import error with the command that helps.
    """
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ImportError, match=rf"pip install 'runstate\[{extra}\]'"):
        asyncio.run(AsyncRunStore.open(url))


def test_a_driver_that_nobody_promised_is_missed_in_pythons_words(monkeypatch):
    """
    No extra of ours brings it.
    """
    monkeypatch.setitem(sys.modules, "psycopg2", None)

    with pytest.raises(ModuleNotFoundError, match="psycopg2"):
        RunStore.open("postgresql+psycopg2://x/y")


def test_a_key_is_one_request(database_url):
    """
    Fired under it by another trigger, a run is not said to have moved.
    """
    with RunStore.open(database_url) as store:
        run_id = store.create().id
        store.start(run_id, key="k")
        with pytest.raises(KeyReusedError) as caught:
            store.complete(run_id, key="k")

        assert (run_id, "k", "complete", "start") == caught.value.args
        assert "key 'k' belongs to start: complete needs a key of its own" in str(caught.value)
        assert "in_progress" == store.get(run_id).status


def test_longest_names_fit_into_an_index(database_url):
    """
    Of characters that take four bytes each, fewer are taken.
    """
    with RunStore.open(database_url) as store:
        longest = chr(0x1F600) * 256
        store.create(id=longest)

        assert store.start(longest, key=longest).ok
        with pytest.raises(ValueError, match="1,024 bytes"):
            store.create(id=longest + "x")
