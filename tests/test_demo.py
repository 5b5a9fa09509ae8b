"""
The demonstration: what its processes did is in its journal, and the journal is possible.
"""

import random
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from runstate import RUN, Finding, Observation, check
from runstate.demo import Outcome, run_demo
from runstate.demo._clients import Clients
from runstate.demo._config import PREFIX, Config
from runstate.demo._processes import Workers
from runstate.demo._run import _fates, _fresh, _written
from runstate.demo._worker import Worker
from runstate.readers import read


def moves(log: Path) -> list[Observation]:
    """
    Return the moves that were written, of which every one can be read.
    """
    with log.open("rb") as stream:
        records = list(read(stream, name=log.name))
    assert not [record for record in records if isinstance(record, Finding)]

    return [record for record in records if isinstance(record, Observation)]


def played(url: str, tmp_path: Path, runs: int, workers: int) -> tuple[Outcome, list[Observation]]:
    """
    Return what came of a demonstration, and what it wrote.
    """
    log = tmp_path / "moves.jsonl"
    log.write_text("what was here before")

    return run_demo(url, log, runs=runs, workers=workers, seed=7), moves(log)


def config(url: str, runs: int = 1, workers: int = 1, speed: int = 3_000) -> Config:
    """
    Return settings under which ten minutes of a run take a fifth of a second.
    """
    return Config(url, time.time(), speed, runs, workers, 7)


@pytest.fixture
def url(tmp_path):
    """
    A SQLite file.
    """
    return f"sqlite:///{tmp_path}/runs.db"


def test_every_run_ends_once_and_was_possible(database_url, tmp_path):
    """
    Processes race and one is killed; every run ends once, by legal moves, and all was counted.
    """
    outcome, logged = played(database_url, tmp_path, 60, 3)
    made = Counter((move.source, move.status) for move in logged)
    ended = Counter(move.status for move in logged if RUN.is_terminal(move.status))

    assert ((), 60, len(logged), 0, 0, 0) == check(logged, observed="complete", finished=True)
    assert (made, ended, ()) == (outcome.moves, outcome.statuses, outcome.ended_twice)
    assert 60 == outcome.statuses.total() == outcome.moves[None, "queued"]
    assert {trigger for trigger, _ in outcome.refused} <= {*RUN.triggers, "heartbeat"}
    assert outcome.refused.total() > 0
    assert outcome.seconds > 0


def test_the_dead_are_replaced(url, tmp_path):
    """
    The only worker is killed with the only run in its hands, and the next one carries it on.
    """
    outcome, logged = played(url, tmp_path, 1, 1)

    assert ((), 1, len(logged), 0, 0, 0) == check(logged, observed="complete", finished=True)
    assert outcome.killed is not None
    assert "worker-1" == outcome.killed.worker
    assert {*outcome.killed.fates.values()} <= {"worker-2", "sweep"}
    assert 1 == len(outcome.killed.fates)


def test_there_is_something_to_see(url):
    """
    Runs complete, ask for tools, are cancelled and expire; leases are lost and taken over.
    """
    here = config(url, runs=150, workers=2)
    with _fresh(here) as store:
        clients = Clients(here, store)
        workers = [Worker(here, store, name) for name in ("worker-1", "worker-2")]
        while not clients.done:
            clients.turn()
            for worker in workers:
                worker.turn()
        made, ended_twice = _written(store, _NoLog())
        statuses = {status for status, n in store.counts().items() if n}
    reports = [worker.report for worker in workers]
    refused = sum((report.refused for report in reports), clients.refused)

    assert () == ended_twice
    assert {"completed", "cancelled", "expired", "failed", "incomplete"} == statuses
    assert made["requires_action", "queued"] > 0
    assert sum(report.takeovers for report in reports) > 0
    assert {()} == {report.held for report in reports}
    assert {"another worker's lease", "expire", "complete"} <= {by for _, by in refused}


class _NoLog:
    """
    Takes moves, and does nothing with them.
    """

    def moved(self, moved):
        """
        Do nothing.
        """


def test_fate_is_who_came_next(url):
    """
    A run left behind is the next worker's, whoever asks for a cancel in between.
    """
    with config(url, speed=1).store() as store:
        run = store.create(id="run_1")
        lease = store.claim("worker-1", 0.01)
        store.request_cancel(run.id, actor="user")
        time.sleep(0.02)
        store.claim("worker-2", 1)

        assert lease is not None
        assert {"run_1": "worker-2"} == _fates(store, "worker-1", ("run_1",))


def test_every_demonstration_begins_with_nothing(database_url):
    """
    What an earlier one left in the database is dropped, and nothing but that.
    """
    here = config(database_url)
    with here.store() as store:
        store.create()
        with store.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE mine (id INTEGER)")
    with _fresh(here) as store:
        tables = set(sa.inspect(store.engine).get_table_names())
        assert 0 == sum(store.counts().values())

    assert {"mine"} == {name for name in tables if not name.startswith(PREFIX)}


def test_clock_goes_faster(database_url):
    """
    A second on the wall is many of a run's, in every process alike.
    """
    here = config(database_url, speed=1_000)
    with here.store() as store, here.store() as other:
        run = store.create()
        time.sleep(0.1)
        lease = other.claim("worker-1")

        assert lease is not None
        assert lease.run.started_at - run.created_at >= 99


def test_random_numbers_are_the_same_for_the_same_seed(url):
    """
    With a seed everybody's drawn is repeatable, and not everybody's the same.
    """
    here = config(url)
    drawn = [here.random_for(who).random() for who in ("a", "a", "b")]

    assert drawn[0] == drawn[1] != drawn[2]
    assert isinstance(here._replace(seed=None).random_for("a"), random.Random)


@pytest.mark.parametrize("ask", ["replace_hung", "finish"])
def test_worker_that_dies_of_itself_is_an_error(url, ask):
    """
    A worker that is gone without having been killed ends the demonstration.
    """
    processes = Workers(config(url))
    try:
        process, _ = processes._members["worker-1"]
        process.kill()
        process.join()
        with pytest.raises(ChildProcessError, match="worker-1 died"):
            getattr(processes, ask)()
    finally:
        processes.stop()

    assert {} == processes._members


def test_log_that_cannot_be_written_is_an_error(url, tmp_path):
    """
    Without a place for its log, the demonstration does not begin.
    """
    with pytest.raises(FileNotFoundError):
        run_demo(url, tmp_path / "none" / "moves.jsonl", runs=1, workers=1)
