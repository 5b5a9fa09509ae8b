"""
The feed, read by a consumer that dies: R11 of the reliability bar.
"""

import time
from collections import Counter, defaultdict

import pytest

from reliability import Child, assert_consistent, chance, figure, open_store, size
from reliability_workers import consume, produce

pytestmark = pytest.mark.slow


def test_r11_a_consumer_that_dies_gets_every_move(database_url, tmp_path):
    """
    Killed at random and started again where it was: every move at least once, a run's in order.
    """
    kills, random = size(12, 200), chance(11)
    delivered, place = tmp_path / "delivered", tmp_path / "place"
    with open_store(database_url, clock=None) as store:
        producers = [Child(produce, database_url, seed) for seed in range(2)]
        try:
            for _ in range(kills):
                consumer = Child(consume, database_url, delivered, place)
                _wait_for_a_delivery(delivered)
                time.sleep(random.uniform(0, 0.15))
                consumer.kill()
            for producer in producers:
                producer.pipe.send("enough")
                assert producer.answer() > 0
        finally:
            for producer in producers:
                producer.process.kill()
                producer.end()
        consumer = Child(consume, database_url, delivered, place)
        consumer.pipe.send("stop when there is no more")
        assert consumer.answer()
        consumer.end()
        assert_consistent(store)
        moves = {(e.run_id, e.seq, e.event_id) for e in _all_moves(store)}
    seen = _deliveries(delivered.read_text())
    assert moves == seen.keys()
    assert all(event_id == f"{run_id}:{seq}" for run_id, seq, event_id in seen)
    figure(
        "R11", database_url,
        f"{kills} kills of the consumer, {len(moves)} moves, {seen.total()} deliveries: "
        f"0 missed, {seen.total() - len(moves)} again, 0 out of order within a run",
    )  # fmt: skip


def _wait_for_a_delivery(delivered):
    size_ = delivered.stat().st_size if delivered.exists() else 0
    until = time.monotonic() + 60
    while not delivered.exists() or delivered.stat().st_size <= size_ + 50:
        assert time.monotonic() < until
        time.sleep(0.002)


def _all_moves(store):
    after, items = None, True
    while items:
        page = store.moves(after=after, limit=1000)
        items, after = page.items, page.cursor
        yield from items


def _deliveries(text):
    """
    Return how often each move was delivered; in each life of the consumer a run's came in order.
    """
    seen = Counter()
    latest_ever, latest = defaultdict(int), {}
    for line in text.splitlines():
        if line == "born":
            latest = {}
            continue
        # A life that ended in the middle of a line has handled nothing with it.
        parts = line.removesuffix("born").split()
        if len(parts) == 3 and parts[2] == f"{parts[0]}:{parts[1]}":
            run_id, seq = parts[0], int(parts[1])
            assert seq == latest.get(run_id, seq - 1) + 1
            assert seq <= latest_ever[run_id] + 1
            latest[run_id] = seq
            latest_ever[run_id] = max(seq, latest_ever[run_id])
            seen[run_id, seq, parts[2]] += 1
        if line.endswith("born"):
            latest = {}

    return seen
