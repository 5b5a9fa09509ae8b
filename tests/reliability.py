"""
What the reliability tests share: sizes, processes, and what must always hold of a store.

RUNSTATE_LONG=1 gives every test its long form, for the night; without it, all of them
together take a few minutes on two cores. Each prints its figure: pytest -rP shows them.
"""

import json
import math
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import defaultdict
from contextlib import contextmanager, suppress
from functools import cache
from itertools import pairwise
from multiprocessing import forkserver
from pathlib import Path

import sqlalchemy as sa
import structlog

from conftest import PAYLOADS
from runstate import RUN, Observation, check
from runstate.store import RunStore

LONG = os.environ.get("RUNSTATE_LONG") == "1"
"""Whether the long forms are asked for."""

PATIENCE = 1_800 if LONG else 120
"""Seconds after which a process that has not answered is taken for hung."""

CLOCK = "(SELECT now FROM clock)"
BORN = 1_700_000_000.0

PAYLOAD = {**PAYLOADS, "stop_incomplete": {"incomplete_details": {"reason": "max_prompt_tokens"}}}
"""What each trigger needs to be fired at a store."""

# Forks from a server that has no thread and has done the imports: a child costs milliseconds.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        "pytest", "psycopg", "runstate.store", "sqlalchemy.dialects.sqlite",
        "sqlalchemy.dialects.postgresql.psycopg", "reliability_points", "reliability_workers", "reliability_warm",
    ]
)  # fmt: skip


def size(short, long):
    """
    Return how much of something a test does.
    """
    return long if LONG else short


def chance(seed):
    """
    Return a source of chance that is the same at every run.
    """
    return random.Random(seed)  # noqa: S311  nothing is kept secret with it


def figure(test, url, text):
    """
    Print what a test has seen, in one line.
    """
    print(f"{test} {sa.make_url(url).get_backend_name()}: {text}")


# -- processes ---------------------------------------------------------------------------


class Child:
    """
    A process of ours that can be killed, stopped and talked to.
    """

    def __init__(self, target, *args):
        _start_server()
        self.pipe, theirs = _PROCESSES.Pipe()
        self.process = _PROCESSES.Process(target=_child, args=(theirs, target, args), daemon=True)
        self.process.start()
        theirs.close()

    def answer(self, seconds=PATIENCE):
        """
        Return the next thing it says; EOFError if it died before.
        """
        assert self.pipe.poll(seconds), f"process {self.process.pid} hangs"
        said = self.pipe.recv()
        if isinstance(said, BaseException):
            raise said

        return said

    def said(self):
        """
        Return all that it said before it died.
        """
        heard = []
        try:
            while True:
                heard.append(self.answer())
        except (EOFError, ConnectionResetError):
            return heard

    def kill(self):
        """
        End it at once, unless it has ended by itself.
        """
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.end()

    def end(self):
        """
        Wait until it is gone.
        """
        self.process.join(PATIENCE)
        assert not self.process.is_alive(), f"process {self.process.pid} does not end"


@cache
def _start_server():
    # Some versions of Python do not tell it where the modules are that it is to import.
    usual = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        if usual is not None:
            os.environ["PYTHONPATH"] = usual


def _child(pipe, target, args):
    structlog.configure(processors=[drop])
    try:
        pipe.send(target(pipe, *args))
    except BaseException as error:  # noqa: BLE001  whatever it is, the test is to see it
        pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))


def drop(*_):
    """
    Swallow a log entry.
    """
    raise structlog.DropEvent


def all_answers(target, arguments):
    """
    Run *target* in as many processes as there are *arguments*, and return what each answers.
    """
    children = [Child(target, *each) for each in arguments]
    try:
        return [child.answer() for child in children]
    finally:
        for child in children:
            child.process.kill()
            child.end()


def barrier(parties):
    """
    Return a barrier for processes; it breaks for all if one does not come.
    """
    return _PROCESSES.Barrier(parties, timeout=PATIENCE)


def stopped(pid):
    """
    Wait until the process *pid* has stopped.
    """
    until = time.monotonic() + PATIENCE
    stat = Path(f"/proc/{pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] not in "tT":
        assert time.monotonic() < until, f"process {pid} does not stop"
        time.sleep(0.001)


# -- stores ------------------------------------------------------------------------------


def open_store(url, **options):
    """
    Open a store that tells every process the time of the table ``clock``.
    """
    return RunStore.open(url, **{"clock": CLOCK, "durable": False, **options})


@contextmanager
def timed_store(url, **options):
    """
    Yield a store on a clock that only :func:`set_clock` moves.
    """
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE clock (now DOUBLE PRECISION NOT NULL)")
        connection.execute(sa.text("INSERT INTO clock VALUES (:now)"), {"now": BORN})
    engine.dispose()
    with open_store(url, **options) as store:
        yield store


def set_clock(store, now):
    """
    Set the clock of all processes.
    """
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE clock SET now = :now"), {"now": now})


def pass_time(store, seconds):
    """
    Move the clock of all processes on.
    """
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE clock SET now = now + :by"), {"by": seconds})


def started(store, many):
    """
    Return the ids of *many* new runs in progress, on which nobody has a lease.
    """
    ids = []
    for _ in range(many):
        ids.append(store.create().id)
        assert store.start(ids[-1]).ok

    return ids


# -- what must hold ------------------------------------------------------------------------


def assert_consistent(store, only=None):
    """
    Fold every journal, compare it with its row and with the feed, and return the number of runs.

    With the ids of some runs as *only*, look at these alone, and not at feed and counts.
    """
    rows, journal = _everything(store, only)
    assert rows.keys() == journal.keys()
    for run_id, row in rows.items():
        moves = [line for line in journal[run_id] if line["kind"] == "move"]
        _assert_in_order(journal[run_id], moves)
        assert {name: row[name] for name in _FOLDED} == fold(moves) | _ended(row)
        assert {"seq": row["version"], **{n: row[f"last_{n}"] for n in ("trigger", "source")}} == {
            name: moves[-1][name] for name in ("seq", "trigger", "source")
        }
        assert (row["moved_at"], row["last_duration_s"]) == (
            moves[-1]["at"],
            moves[-1]["duration_s"],
        )
    _assert_legal(journal)
    if only is None:
        _assert_fed(store, journal)
        _assert_counted(store, rows)

    return len(rows)


_FOLDED = (
    "status", "created_at", "started_at", "completed_at", "failed_at", "cancelled_at",
    "required_action", "last_error", "incomplete_details", "usage",
)  # fmt: skip


def fold(moves):
    """
    Return what the fields of a run must be after *moves*, by the table alone.
    """
    fields = dict.fromkeys(_FOLDED)
    for line in moves:
        if line["seq"] == 1:
            assert ("create", None, RUN.initial) == (
                line["trigger"],
                line["source"],
                line["target"],
            )
            fields |= {"created_at": math.floor(line["at"]), "status": line["target"]}
            continue
        row = RUN.row(line["trigger"], line["source"])
        assert (row.source, row.target) == (fields["status"], line["target"])
        entry, payload = RUN.entry(row.target), json.loads(line["payload"] or "{}")
        fields["status"] = line["target"]
        fields |= {name: math.floor(line["at"]) for name in entry.stamps}
        fields |= {name: None for name in entry.clears if name in fields}
        fields |= {n: payload[n] for n in (*entry.requires, *entry.accepts) if n in payload}

    return fields


def _everything(store, only):
    """
    Return the rows by run, and the lines of the journal by run.
    """
    runs, lines = store._setup.tables.runs, store._setup.tables.journal
    all_rows, all_lines = sa.select(runs), sa.select(lines).order_by(lines.c.position)
    if only is not None:
        all_rows = all_rows.where(runs.c.id.in_(only))
        all_lines = all_lines.where(lines.c.run_id.in_(only))
    journal = defaultdict(list)
    # One transaction that sees one state, whoever writes meanwhile.
    with store.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        else:
            connection.exec_driver_sql("BEGIN")
        rows = {row["id"]: dict(row) for row in connection.execute(all_rows).mappings()}
        for line in connection.execute(all_lines).mappings():
            journal[line["run_id"]].append(dict(line))
    for row in rows.values():
        for name in ("required_action", "last_error", "incomplete_details", "usage"):
            row[name] = None if row[name] is None else json.loads(row[name])

    return rows, journal


def _ended(row):
    # When a run expires is no fact of the journal, but that an ended one does not, is.
    assert not (RUN.is_terminal(row["status"]) and row["expires_at"])

    return {}


def _assert_in_order(lines, moves):
    assert list(range(1, len(moves) + 1)) == [line["seq"] for line in moves]
    assert all(line["seq"] is None for line in lines if line["kind"] != "move")
    for before, line in pairwise(moves):
        assert line["at"] >= before["at"]
        assert line["duration_s"] == line["at"] - before["at"]
    # Fencing: once a token is seen, no line with a lower one follows.
    tokens = [line["token"] for line in lines if line["token"] is not None]
    assert sorted(tokens) == tokens
    ends = [line for line in moves if RUN.is_terminal(line["target"])]
    assert ends in ([], moves[-1:])
    keys = [line["key"] for line in lines if line["key"] is not None]
    assert len(set(keys)) == len(keys)


def _assert_fed(store, journal):
    fed, after = [], None
    while True:
        page = store.moves(after=after, limit=1000)
        if not page.items:
            break
        fed += [(entry.run_id, entry.seq) for entry in page.items]
        after = page.cursor
    lines = [(r, line["seq"]) for r, all_ in journal.items() for line in all_ if line["seq"]]
    assert sorted(lines) == sorted(fed)
    latest = defaultdict(int)
    for run_id, seq in fed:
        assert latest[run_id] + 1 == seq
        latest[run_id] = seq


def _assert_counted(store, rows):
    counted = dict.fromkeys(map(str, RUN.statuses), 0)
    for row in rows.values():
        counted[row["status"]] += 1
    assert counted == store.counts()


def _assert_legal(journal):
    report = check(
        [
            Observation(
                line["target"], run_id, at=line["at"], source=line["source"], seq=line["seq"],
                trigger=line["trigger"],
            )
            for run_id, lines in journal.items()
            for line in lines
            if line["kind"] == "move"
        ]
    )  # fmt: skip
    assert () == report.findings
