"""
The demonstration: what its processes did is in its journal, and the journal is possible.
"""

import itertools
import json
import multiprocessing
import os
import random
import socket
import threading
import time
from collections import Counter
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from runstate import RUN, Finding, Observation, check
from runstate.demo import Outcome, run_demo
from runstate.readers import read
from runstate.store import RunStore

PREFIX = "runstate_demo_"
"""The prefix of the tables of a demonstration."""


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


class ThreadedWorker(threading.Thread):
    """
    A worker in a thread of this process. What kills it cuts its pipe off, which ends it.
    """

    def __init__(self, target: Any, args: tuple[Any, ...], **options: Any) -> None:
        config, name, wire, hang = args
        # The caller closes its own.
        self._wire = Connection(os.dup(wire.fileno()))
        super().__init__(target=target, args=(config, name, self._wire, hang), **options)

    def kill(self) -> None:
        """
        End the worker.
        """
        with socket.socket(fileno=os.dup(self._wire.fileno())) as pipe:
            pipe.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """
        Close its end of the pipe.
        """
        self._wire.close()


@pytest.fixture
def threaded(monkeypatch):
    """
    Have the workers in threads, so that whatever looks at this process sees them too.
    """
    threads = SimpleNamespace(Pipe=multiprocessing.Pipe, Process=ThreadedWorker)
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: threads)


@pytest.mark.usefixtures("threaded")
def test_there_is_something_to_see(url, tmp_path):
    """
    Runs complete, ask for tools, are cancelled and expire; leases are lost and taken over.

    In one demonstration of eight no run expires, as this depends on how fast the threads are.
    """
    ends = {"completed", "cancelled", "expired", "failed", "incomplete"}
    winners = {"another worker's lease", "expire", "complete"}
    statuses, by = set(), set()
    for _ in range(8):
        outcome, _ = played(url, tmp_path, 150, 2)
        statuses |= {*outcome.statuses}
        by |= {won for _, won in outcome.refused}
        assert () == outcome.ended_twice
        assert outcome.moves["requires_action", "queued"] > 0
        assert outcome.takeovers > 0
        if ends <= statuses and winners <= by:
            break

    assert ends == statuses
    assert winners <= by


@pytest.mark.usefixtures("threaded")
def test_random_numbers_are_the_same_for_the_same_seed(url, tmp_path, monkeypatch):
    """
    With a seed everybody's numbers are repeatable, and not everybody's are the same.
    """
    seeds = []

    drawn = random.Random
    monkeypatch.setattr(random, "Random", lambda seed=None: seeds.append(seed) or drawn(seed))
    played(url, tmp_path, 1, 1)
    seeded, seeds[:] = {*seeds}, []
    run_demo(url, tmp_path / "moves.jsonl", runs=1, workers=1)

    assert {"7 clients", "7 worker-1", "7 worker-2"} == seeded
    assert {None} == {*seeds}


@pytest.mark.usefixtures("threaded")
def test_a_heartbeat_tells_a_worker_what_it_lost(url, tmp_path, monkeypatch):
    """
    The run, if the worker was too late; or its purpose, if a user cancelled the run meanwhile.
    """
    heartbeat, late, cancelled = RunStore.heartbeat, [], []

    class LongAtFirst(random.Random):
        """
        The numbers of a worker whose first calls of the model take long.
        """

        def __init__(self, seed=None):
            self.left = 3 if "worker" in str(seed) else 0
            super().__init__(seed)

        def random(self):
            """
            Return the next number.
            """
            self.left -= 1
            return 0.05 if self.left >= 0 else super().random()

    def beat(store, lease):
        if not late:
            late.append(lease.run.id)
            time.sleep(0.5)  # two and a half minutes of the store; a lease lasts one
        elif not cancelled:
            cancelled.append(lease.run.id)
            store.request_cancel(lease.run.id, actor="user")
        return heartbeat(store, lease)

    monkeypatch.setattr(random, "Random", LongAtFirst)
    monkeypatch.setattr(RunStore, "heartbeat", beat)
    outcome, logged = played(url, tmp_path, 20, 2)

    assert outcome.refused["heartbeat", "another worker's lease"] > 0
    assert "cancelled" == [move.status for move in logged if move.run_id == cancelled[0]][-1]


def test_fate_is_who_came_next(url, tmp_path, monkeypatch):
    """
    A run left behind is the next worker's, whoever asks for a cancel in between.
    """
    kill = SpawnProcess.kill

    def cancelled_and_killed(process: SpawnProcess) -> None:
        if process.name == "worker-1":
            with RunStore.open(url, prefix=PREFIX) as store:
                for run in store.list(status="in_progress").items:
                    store.request_cancel(run.id, actor="user")
        kill(process)

    monkeypatch.setattr(SpawnProcess, "kill", cancelled_and_killed)
    outcome, _ = played(url, tmp_path, 1, 1)
    assert outcome.killed is not None
    ((run_id, fate),) = outcome.killed.fates.items()
    with RunStore.open(url, prefix=PREFIX) as store:
        actors = [entry.actor for entry in store.history(run_id)]
    left = actors[actors.index("worker-1") :]

    assert "user" == left[1]
    assert fate == left[2] != "user"


def test_every_demonstration_begins_with_nothing(database_url, tmp_path):
    """
    What an earlier one left in the database is dropped, and nothing but that.
    """
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (id INTEGER)")
    played(database_url, tmp_path, 3, 1)
    outcome, _ = played(database_url, tmp_path, 2, 1)
    tables = set(sa.inspect(engine).get_table_names())
    engine.dispose()

    assert 2 == outcome.statuses.total() == outcome.moves[None, "queued"]
    assert {"mine"} == {name for name in tables if not name.startswith(PREFIX)}


def test_clock_goes_faster(database_url, tmp_path):
    """
    A second on the wall is 300 of a run's, in every process alike.
    """
    outcome, logged = played(database_url, tmp_path, 1, 1)
    times = [move.at for move in logged]

    # The lease of the worker that was killed lasts for a minute.
    assert 60 <= times[-1] - times[0] <= 300 * outcome.seconds
    assert sorted(times) == times


@pytest.mark.usefixtures("threaded")
def test_the_log_is_one_ascii_object_a_line(url, tmp_path, monkeypatch):
    """
    Every entry is one line that parses, whatever ids hold and whatever structlog is configured to.
    """
    create, number = RunStore.create, itertools.count()

    def created(store: RunStore, **facts: Any) -> Any:
        return create(store, id=f'é\\"}} {{"event": "forged"}} {next(number)}', **facts)

    monkeypatch.setattr(RunStore, "create", created)
    structlog.configure(processors=[lambda *_: 1 / 0])
    played(url, tmp_path, 20, 1)
    text = (tmp_path / "moves.jsonl").read_text(encoding="ascii")
    lines = [json.loads(line) for line in text.splitlines()]

    assert text.replace("\n", "").isprintable()
    assert {
        "event": "run.transition",
        "lifecycle": "run",
        "run_id": 'é\\"} {"event": "forged"} 0',
        "trigger": "create",
        "source": None,
        "target": "queued",
        "at": lines[0]["at"],
        "duration_s": None,
        "seq": 1,
        "level": "info",
    } == lines[0]
    assert {("run.transition", "info")} == {(line["event"], line["level"]) for line in lines}


@pytest.mark.parametrize("asked", ["poll", "send_bytes"])
def test_worker_that_dies_of_itself_is_an_error(url, tmp_path, monkeypatch, asked):
    """
    A worker that is gone without having been killed ends the demonstration, whatever is asked of it.
    """
    ask = getattr(Connection, asked)

    def of_the_dead(wire: Connection, *arguments: Any) -> Any:
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
        return ask(wire, *arguments)

    monkeypatch.setattr(Connection, asked, of_the_dead)
    with pytest.raises(ChildProcessError, match=r"worker-\d died"):
        played(url, tmp_path, 1, 1)

    assert [] == multiprocessing.active_children()


def test_log_that_cannot_be_written_is_an_error(url, tmp_path):
    """
    Without a place for its log, the demonstration does not begin.
    """
    with pytest.raises(FileNotFoundError):
        run_demo(url, tmp_path / "none" / "moves.jsonl", runs=1, workers=1)
