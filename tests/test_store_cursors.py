"""
Cursors, and what they prove: laws, on histories made up and on real files.
"""

import random
import shutil
import sqlite3
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstate.store import CursorError, CursorForeignError, RunStore
from runstate.store._cursors import (
    PositionCursor,
    SnapshotCursor,
    position_cursor,
    snapshot_cursor,
)
from runstate.store._snapshot_feed import _witnesses
from runstate.store._transaction_sets import NOTHING, TransactionSet, below_all_running, parse_set

DIGEST = "AAAAAAAAAAAA"


@st.composite
def sets(draw):
    """
    Draw a set of transactions with small numbers.
    """
    end = draw(st.integers(1, 30))
    running = draw(st.frozensets(st.integers(1, 29), max_size=8))

    return TransactionSet(end, frozenset(each for each in running if each < end))


@given(sets(), sets(), st.integers(0, 31))
def test_sets_of_transactions_are_sets(one, other, last):
    """
    Both, either, a part and an exception mean what they say of every transaction.
    """
    for each in range(1, 35):
        assert (each in one.both(other)) == (each in one and each in other)
        assert (each in one.either(other)) == (each in one or each in other)
        assert (each in one.up_to(last)) == (each in one and each <= last)
        assert (each in one.without(last)) == (each in one and each != last)
        assert each not in NOTHING
    assert one == parse_set(str(one))


def test_a_snapshot_of_a_standby_hides_what_is_running():
    """
    Its first number is all that is certain.
    """
    assert TransactionSet(731, frozenset()) == below_all_running("731:733:")
    assert TransactionSet(731, frozenset()) == below_all_running("731:733:731")


@given(sets(), st.none() | sets(), st.integers(0, 10**18 - 1), st.integers(1, 10**6))
def test_a_cursor_comes_back_as_it_was(seen, upto, position, top):
    """
    Of either kind; a cursor of a feed that has delivered nothing, too.
    """
    wanted = SnapshotCursor(seen, upto, position, top, ((position, top), (1, 2)), DIGEST)

    assert wanted == snapshot_cursor(str(wanted))
    assert SnapshotCursor() == snapshot_cursor(str(SnapshotCursor())) == snapshot_cursor(None)
    assert PositionCursor(top, DIGEST) == position_cursor(str(PositionCursor(top, DIGEST)))
    assert PositionCursor() == position_cursor(str(PositionCursor())) == position_cursor(None)


@given(st.text(max_size=60) | st.binary(max_size=20) | st.integers())
def test_nothing_but_a_cursor_is_taken_for_one(garbage):
    """
    Whatever it is, the error is that of cursors.
    """
    for read in (position_cursor, snapshot_cursor):
        with pytest.raises(CursorError):
            read(garbage)


class _Cluster:
    """
    Transactions that overlap, as PostgreSQL numbers, shows and logs them.
    """

    def __init__(self):
        self.next = 1
        self.running, self.lines, self.log = {}, [], []

    def write(self, name):
        """
        Have a transaction write a line; its first write gives it its number.
        """
        if name not in self.running:
            self.running[name] = self.next
            self.next += 1
        own = self.running[name]
        others = frozenset(self.running.values()) - {own}
        end = max([each for each, _ in self.log], default=0) + 1
        seen = TransactionSet(end, frozenset(each for each in others if each < end))
        self.lines.append(
            SimpleNamespace(position=len(self.lines) + 1, txid=str(own), snapshot=str(seen))
        )

    def commit(self, name):
        """
        Commit what a transaction has written.
        """
        self.log.append((self.running.pop(name), len(self.lines)))


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60), st.integers(0))
def test_witnesses_prove_everything_that_was_delivered(steps, seed):
    """
    Wherever the log is cut: if the witnesses are there, so is everything, and its numbers are used.
    """
    cluster, dice, delivered, proof = _Cluster(), random.Random(seed), [], []  # noqa: S311
    for name, ends in steps:
        if ends and name in cluster.running:
            cluster.commit(name)
        else:
            cluster.write(name)
        if dice.random() < 0.4:
            committed = {txid for txid, _ in cluster.log}
            page = [x for x in cluster.lines if int(x.txid) in committed and x not in delivered]
            delivered += page
            proof = _witnesses([*proof, *page])
    assert len(proof) <= 4
    order = [txid for txid, _ in cluster.log]
    for length in range(len(order) + 1):
        kept = set(order[:length])
        if all(int(line.txid) in kept for line in proof):
            assert all(int(line.txid) in kept for line in delivered)


def test_lines_from_before_the_migration_prove_each_other():
    """
    They keep no snapshot, and were all committed before the tables were migrated.
    """
    old = [SimpleNamespace(position=n, txid=str(n), snapshot=None) for n in (1, 2, 3)]
    new = SimpleNamespace(position=4, txid="9", snapshot="9:9:")

    assert [old[2]] == _witnesses(old)
    assert [new] == _witnesses([*old, new])


def _all(store, after, limit):
    seen = []
    while True:
        page = store.moves(after=after, limit=limit)
        if not page.items:
            return seen, page.cursor
        seen, after = [*seen, *(line.event_id for line in page.items)], page.cursor


@pytest.mark.parametrize("seed", range(6))
def test_a_restored_file_takes_a_cursor_exactly_if_it_has_all_that_was_delivered(tmp_path, seed):
    """
    Consumers stop at any place, the file is put back from a backup, and grows past them.

    A cursor that is taken delivers exactly what its consumer lacks. The others are refused
    for good.
    """
    dice = random.Random(seed)  # noqa: S311
    live, backup = tmp_path / "runs.db", tmp_path / "backup.db"
    consumers = [([], None)]

    def work(store, count):
        for _ in range(count):
            run = store.create()
            if dice.random() < 0.5:
                store.start(run.id)
            seen, after = dice.choice(consumers)
            page = store.moves(after=after, limit=dice.randint(1, 4))
            consumers.append(([*seen, *(line.event_id for line in page.items)], page.cursor))

    with RunStore.open(f"sqlite:///{live}") as store:
        work(store, dice.randint(0, 12))
        with sqlite3.connect(live) as source, sqlite3.connect(backup) as target:
            source.backup(target)
        work(store, 12)
        consumers.append(_all(store, None, 5))
    for rest in tmp_path.glob("runs.db*"):
        rest.unlink()
    shutil.copy(backup, live)
    with RunStore.open(f"sqlite:///{live}") as store:
        kept = set(_all(store, None, 100)[0])
        refused = {cursor for seen, cursor in consumers if not set(seen) <= kept}
        for _ in range(3):
            everything, _ = _all(store, None, 100)
            for seen, cursor in consumers:
                if cursor in refused:
                    with pytest.raises(CursorForeignError):
                        store.moves(after=cursor)
                else:
                    assert everything == [*seen, *_all(store, cursor, 3)[0]]
            for _ in range(15):
                store.create()

    assert refused
