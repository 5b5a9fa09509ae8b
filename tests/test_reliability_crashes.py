"""
Death and failure at every point of every operation: R6 and R7 of the reliability bar.
"""

import logging
import sqlite3
import time
from collections import Counter
from contextlib import suppress

import psycopg
import pymysql
import pytest
import sqlalchemy as sa

from reliability import (
    Child,
    assert_consistent,
    chance,
    figure,
    open_store,
    pass_time,
    size,
    timed_store,
)
from reliability_points import OPERATIONS, Points, die_at, prepare, tidy, work_until_killed
from runstate.store import Applied, Duplicate, RunStore

pytestmark = pytest.mark.slow

KINDS = pytest.mark.parametrize(
    ("database_url", "durable"),
    [
        ("sqlite", True),
        ("sqlite", False),
        pytest.param("postgresql", True, marks=pytest.mark.postgres),
        pytest.param("mariadb", False, marks=pytest.mark.mariadb),
    ],
    indirect=["database_url"],
    ids=["sqlite, durable", "sqlite, quick", "postgresql", "mariadb"],
)


@pytest.fixture(autouse=True)
def _no_pool_log(caplog):
    """
    Spare us what the pool says of connections that we broke.
    """
    caplog.set_level(logging.CRITICAL + 1, "sqlalchemy.pool")


def state(store, ids):
    """
    Return what the database holds of each of *ids*: its row, and how many lines.
    """
    tables = store._setup.tables
    with store.engine.begin() as connection:
        rows = {
            row["id"]: dict(row)
            for row in connection.execute(
                sa.select(tables.runs).where(tables.runs.c.id.in_(ids))
            ).mappings()
        }
        lines = Counter(
            connection.execute(
                sa.select(tables.journal.c.run_id).where(tables.journal.c.run_id.in_(ids))
            ).scalars()
        )

    return [(rows.get(each), lines[each]) for each in ids]


def assert_before_or_after(store, ids, before):
    """
    Hold that of *ids* all are as *before*, or none is; return which.
    """
    now = state(store, ids)
    changed = [was != is_ for was, is_ in zip(before, now, strict=True)]
    assert len(set(changed)) == 1
    assert_consistent(store, ids)

    return changed[0]


def assert_repeatable(store, operation, ids, lease, was_done):
    """
    Do the operation again, as a client would that was told nothing, and look at the outcome.
    """
    lines_before = [lines for _, lines in state(store, ids)]
    answer = OPERATIONS[operation](store, ids, lease)
    lines_added = [b - a for a, b in zip(lines_before, _lines(store, ids), strict=True)]
    if operation in {"fire", "fire_many"}:
        verdicts = answer if isinstance(answer, tuple) else (answer,)
        assert {Duplicate if was_done else Applied} == {type(each) for each in verdicts}
    if operation in {"create", "fire", "fire, late", "fire_many", "sweep", "claim", "claim again"}:
        assert [0 if was_done else 1] * len(ids) == lines_added
    if operation == "sweep":
        assert (0 if was_done else len(ids)) == len(answer)
    if operation == "release":
        assert answer is not was_done
    if operation == "heartbeat":
        assert answer.ok
    if operation.startswith("claim") and was_done:
        # The dead one has the run, and whoever comes after its lease gets it.
        assert answer is None
        pass_time(store, 31)
        assert ids[0] == store.claim("heir", 30).run.id
    tidy(store, ids)


def _lines(store, ids):
    return [lines for _, lines in state(store, ids)]


@KINDS
def test_r6_killed_at_any_point_an_operation_is_done_or_not(database_url, durable):
    """
    SIGKILL before and after every call to the driver: journal, row and feed agree.
    """
    points, done = Counter(), 0
    with timed_store(database_url, expires_after=600, durable=durable) as store:
        for operation in OPERATIONS:
            for place in range(1, 100):
                ids, lease = prepare(store, operation, f"{operation}_{place}")
                before = state(store, ids)
                victim = Child(die_at, database_url, durable, operation, ids, lease, place)
                survived = victim.said()
                victim.end()
                was_done = assert_before_or_after(store, ids, before)
                assert_repeatable(store, operation, ids, lease, was_done)
                if survived:
                    assert was_done
                    points += Counter(survived[0][: place - 1])
                    break
                assert -9 == victim.process.exitcode
                done += was_done
        runs = assert_consistent(store)
    figure(
        f"R6 {'durable' if durable else 'quick'}", database_url,
        f"{points.total()} kills at {len(points)} points of {len(OPERATIONS)} operations: "
        f"{done} done, {points.total() - done} not done, 0 between; {runs} runs, 0 disagree",
    )  # fmt: skip
    assert points.total() > 5 * len(OPERATIONS)


@KINDS
def test_r6_killed_at_any_time_what_was_acknowledged_is_there(database_url, durable):
    """
    SIGKILL at a random time of two that work: everything they were told is in the journal.
    """
    kills, acknowledged, random = size(20, 1_000), 0, chance(6)
    with open_store(database_url, durable=durable, clock=None) as store:
        for round_ in range(kills // 2):
            victims = [
                Child(work_until_killed, database_url, durable, f"run_{round_}_{n}")
                for n in range(2)
            ]
            heard = [[victim.answer()] for victim in victims]
            for victim, said in zip(victims, heard, strict=True):
                time.sleep(random.uniform(0, 0.06))
                victim.kill()
                said.extend(victim.said())
            told = [each for said in heard for each in said]
            acknowledged += len(told)
            with store.engine.begin() as connection:
                journal = store._setup.tables.journal.c
                there = set(connection.execute(sa.select(journal.run_id, journal.seq)).all())
            assert set() == set(told) - there
            if round_ % 10 == 9:
                assert_consistent(store)
        runs = assert_consistent(store)
    figure(
        f"R6 {'durable' if durable else 'quick'}", database_url,
        f"{kills} kills at random: {acknowledged} acknowledged, 0 lost; {runs} runs, 0 disagree",
    )  # fmt: skip


# -- R7: a call fails -------------------------------------------------------------------------


def _raising(error):
    def fail(*_):
        raise error

    return fail


def _dropping(url):
    def drop(connection):
        """
        End the server's side of a connection, and wait until it is gone.
        """
        driver = getattr(connection, "driver_connection", None) or connection.connection
        if driver.closed:
            return
        pid = driver.info.backend_pid
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", [pid])
            query = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
            while admin.execute(query, [pid]).fetchone() != (0,):
                time.sleep(0.001)

    return drop


def _killing(url):
    def drop(connection):
        """
        End the server's side of a connection to MariaDB, and wait until it is gone.
        """
        driver = getattr(connection, "driver_connection", None) or connection.connection
        if not driver.open:
            return
        admin = sa.create_engine(url, poolclass=sa.NullPool)
        query = (
            f"SELECT count(*) FROM information_schema.processlist WHERE id = {driver.thread_id()}"  # noqa: S608
        )
        with admin.connect() as other:
            if other.exec_driver_sql(query).scalar():
                other.exec_driver_sql(f"KILL {driver.thread_id()}")
            while other.exec_driver_sql(query).scalar():
                time.sleep(0.001)

    return drop


def faults(url):
    """
    Return what may go wrong at a call, by name.
    """
    if url.startswith("sqlite"):
        some = {"disk I/O error": _raising(sqlite3.OperationalError("disk I/O error"))}
        more = {"disk full": _raising(sqlite3.OperationalError("database or disk is full"))}
    elif url.startswith("mysql"):
        some = {
            "timeout": _raising(pymysql.OperationalError(2013, "Lost connection")),
            "connection dropped": _killing(url),
        }
        more = {"disk full": _raising(pymysql.OperationalError(1021, "Disk full"))}
    else:
        some = {
            "timeout": _raising(psycopg.OperationalError("the server did not answer")),
            "connection dropped": _dropping(url),
        }
        more = {"disk full": _raising(psycopg.errors.DiskFull("could not extend file"))}

    return size(some, some | more)


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_r7_whatever_call_fails_an_operation_is_done_or_not(database_url, lasting):
    """
    Every call raises in turn: state before or after, and the store goes on as if nothing was.
    """
    failed = Counter()
    with timed_store(database_url, expires_after=600) as store:
        for fault, fail in faults(database_url).items():
            for operation in OPERATIONS:
                for place in range(1, 100):
                    ids, lease = prepare(store, operation, f"{fault}_{operation}_{place}")
                    before = state(store, ids)
                    raised = _with_fault(store, operation, ids, lease, place, fail, lasting)
                    was_done = assert_before_or_after(store, ids, before)
                    assert_repeatable(store, operation, ids, lease, was_done)
                    if raised is None:
                        assert was_done
                        break
                    failed[fault] += raised
        runs = assert_consistent(store)
    figure(
        f"R7 {'from then on' if lasting else 'once'}", database_url,
        f"{failed.total()} operations failed {dict(failed)}: 0 between, 0 done twice; "
        f"{runs} runs, 0 disagree, the store usable after each",
    )  # fmt: skip
    assert min(failed.values()) > 2 * len(OPERATIONS)


def _with_fault(store, operation, ids, lease, place, fail, lasting):
    """
    Do *operation* with a fault at point *place*.

    Returns None if there was no such point, or else whether the caller was told.
    """

    def act(number, connection):
        if number == place or (lasting and number > place):
            fail(connection)

    points = Points(store, act)
    raised = False
    try:
        OPERATIONS[operation](store, ids, lease)
    except sa.exc.DBAPIError:
        raised = True
    finally:
        points.gone()
    if fail.__name__ == "drop" and not raised:
        # It broke when all was said: whoever uses the connection next is told, and once.
        with suppress(sa.exc.DBAPIError):
            store.counts()

    return raised if len(points.names) >= place else None


def test_r7_a_disk_that_is_really_full_loses_nothing(tmp_path):
    """
    SQLite runs into its page limit at ever other points; with room again, the same keys go through.
    """
    url, full = f"sqlite:///{tmp_path}/runs.db", 0
    with open_store(url, clock=None) as store:
        room = _Room(store)
        for number in range(size(60, 600)):
            room.limit(number % 3)
            for step in (_create, _start, RunStore.complete):
                try:
                    step(store, f"run_{number}")
                except sa.exc.OperationalError as error:
                    assert "full" in str(error.orig)
                    full += 1
                    assert_consistent(store, [f"run_{number}"])
                    room.limit(100)
                    step(store, f"run_{number}")
        assert assert_consistent(store) == size(60, 600)
    figure("R7", url, f"{full} times really full, {size(60, 600)} runs, 0 disagree")
    assert full > size(10, 100)


def _create(store, run_id):
    store.create(id=run_id, instructions="x" * 3000)


def _start(store, run_id):
    assert store.start(run_id, key="once").ok


class _Room:
    """
    The room that SQLite has on its disk.
    """

    def __init__(self, store):
        self._pages = 10**6
        sa.event.listen(store.engine, "checkout", self._tell)

    def limit(self, pages):
        """
        Leave room for so many more *pages*.
        """
        self._more = pages

    def _tell(self, connection, *_):
        used = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {used + self._more}")
