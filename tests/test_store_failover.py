"""
The feed on real servers that lag, fail over and crash: nothing is passed over in silence.
"""

import os
import signal
import time
from contextlib import closing

import pytest
import sqlalchemy as sa

from runstate.store import Applied, CursorForeignError, RunStore
from servers import caught_up, cluster, running

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def primary():
    """
    A PostgreSQL of this test's own.
    """
    with cluster() as server:
        yield server


class Consumer:
    """
    Reads a feed to its end, page by page, and keeps what was delivered.
    """

    def __init__(self, limit=7):
        self.cursor, self.seen, self.limit = None, [], limit

    def poll(self, store):
        """
        Read on until nothing comes.
        """
        while True:
            page = store.moves(after=self.cursor, limit=self.limit)
            self.cursor = page.cursor
            self.seen += [line.event_id for line in page.items]
            if not page.items:
                return


def everything(store):
    """
    Return all moves that a store has, by event id.
    """
    consumer = Consumer(1000)
    consumer.poll(store)

    return consumer.seen


def test_a_standby_delivers_what_was_open_on_the_primary_once_it_is_committed(primary):
    """
    A poll in the meantime delays a move, and loses none; nor does going back to the primary.
    """
    with running(primary.standby()) as standby, RunStore.open(primary.url) as store:
        store.create(id="first")
        caught_up(primary, standby)
        with RunStore.open(standby.url) as replica:
            consumer = Consumer()
            for round_ in range(3):
                with closing(store.engine.connect()) as slow:
                    store.create(id=f"slow{round_}", connection=slow)
                    store.create(id=f"fast{round_}")
                    caught_up(primary, standby)
                    consumer.poll(replica)
                    slow.commit()
                caught_up(primary, standby)
                consumer.poll((store, replica, replica)[round_])
            caught_up(primary, standby)
            consumer.poll(replica)

            assert 7 == len(consumer.seen)
            assert sorted(everything(store)) == sorted(consumer.seen)


def test_a_standby_that_lags_behind_a_cursor_delivers_nothing_yet(primary):
    """
    It is not another history: the consumer goes on once the standby has caught up.
    """
    with running(primary.standby()) as standby, RunStore.open(primary.url) as store:
        store.create(id="first")
        caught_up(primary, standby)
        with RunStore.open(standby.url) as replica:
            standby.say("SELECT pg_wal_replay_pause()")
            store.create(id="second")
            consumer = Consumer()
            consumer.poll(store)
            page = replica.moves(after=consumer.cursor)
            assert ((), consumer.cursor) == (page.items, page.cursor)
            standby.say("SELECT pg_wal_replay_resume()")
            store.create(id="third")
            caught_up(primary, standby)
            consumer.poll(replica)

        assert ["first:1", "second:1", "third:1"] == consumer.seen


def _cut_off(primary, standby):
    """
    Have the standby receive nothing from now on.
    """
    caught_up(primary, standby)
    standby.say("ALTER SYSTEM SET primary_conninfo = ''")
    standby.say("SELECT pg_reload_conf()")
    until = time.monotonic() + 30
    while standby.say("SELECT count(*) FROM pg_stat_wal_receiver"):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_after_a_failover_that_lost_moves_their_cursors_are_refused_for_good(primary):
    """
    Before the new primary has used as many transaction ids, and after; the others go on.
    """
    with running(primary.standby()) as standby:
        with RunStore.open(primary.url) as store:
            for n in range(10):
                store.create(id=f"kept{n}")
            safe, half, lost, empty = Consumer(), Consumer(), Consumer(), Consumer()
            page = store.moves(limit=4)
            half.cursor, half.seen = page.cursor, [line.event_id for line in page.items]
            safe.poll(store)
            _cut_off(primary, standby)
            for n in range(20):
                store.create(id=f"lost{n}")
            lost.poll(store)
            ahead = store.moves(limit=15)
        primary.stop()
        standby.promote()
        with RunStore.open(standby.url) as store:
            for _ in range(4):
                for cursor in (lost.cursor, ahead.cursor):
                    with pytest.raises(CursorForeignError):
                        store.moves(after=cursor)
                for n in range(12):
                    store.create(id=f"new{n}.{time.time_ns()}")
                for consumer in (safe, half, empty):
                    consumer.poll(store)
            whole = everything(store)

    assert 58 == len(whole)
    for consumer in (safe, half, empty):
        assert sorted(whole) == sorted(consumer.seen)


@pytest.mark.parametrize("survivor", ["early", "late"])
def test_a_failover_between_two_overlapping_commits_is_seen(primary, survivor):
    """
    The transaction with the lower id may be committed last, and be the one that is lost.
    """
    with running(primary.standby()) as standby:
        with RunStore.open(primary.url) as store:
            consumer = Consumer()
            with (
                closing(store.engine.connect()) as early,
                closing(store.engine.connect()) as late,
            ):
                store.create(id="early", connection=early)
                store.create(id="late", connection=late)
                first, second = (early, late) if survivor == "early" else (late, early)
                first.commit()
                _cut_off(primary, standby)
                second.commit()
            consumer.poll(store)
            assert 2 == len(consumer.seen)
        primary.stop()
        standby.promote()
        with RunStore.open(standby.url) as store:
            assert [f"{survivor}:1"] == everything(store)
            for n in range(3):
                with pytest.raises(CursorForeignError):
                    store.moves(after=consumer.cursor)
                store.create(id=f"new{n}")


@pytest.mark.parametrize("durable", [True, False])
def test_a_killed_backend_loses_no_durable_move_and_no_other_in_silence(primary, durable):
    """
    Without durability the server's recovery may lose the last moves: their cursors are refused.
    """
    with RunStore.open(primary.url, durable=durable) as store:
        acknowledged = [store.create(id=f"run{n}").id for n in range(60)]
        consumer = Consumer()
        consumer.poll(store)
        with store.engine.connect() as connection:
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        os.kill(pid, signal.SIGKILL)
    _wait_for_recovery(primary)
    with RunStore.open(primary.url, durable=durable) as store:
        kept = {each.split(":")[0] for each in everything(store)}
        lost = set(acknowledged) - kept
        for n in range(80):
            assert isinstance(store.request_cancel(store.create(id=f"new{n}").id), Applied)
        if durable:
            assert not lost
        if lost:
            with pytest.raises(CursorForeignError):
                store.moves(after=consumer.cursor)
        else:
            consumer.poll(store)
            assert sorted(everything(store)) == sorted(consumer.seen)


def _wait_for_recovery(server):
    until = time.monotonic() + 30
    time.sleep(0.5)
    while True:
        try:
            server.say("SELECT 1")
        except sa.exc.OperationalError:
            assert time.monotonic() < until
            time.sleep(0.2)
        else:
            return
