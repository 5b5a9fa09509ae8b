"""
The demonstration from beginning to end, and what came of it.
"""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .._urls import shown_url, without_secrets
from ..runs._log import MoveLog, json_log
from ..runs._run import RUN
from ..store import JournalEntry, RunStore
from ._clients import Public
from ._config import PREFIX, SPEED, Refused, Stage
from ._processes import Crew

__all__ = ["Killed", "Outcome", "run_demo"]


class Killed(NamedTuple):
    """
    A worker that was killed, and what became of the runs in its hands.
    """

    worker: str
    fates: dict[str, str]
    """By run: the worker that took it over, or the sweep that ended it."""


class Outcome(NamedTuple):
    """
    What came of a demonstration.
    """

    statuses: Counter[str]
    """How many runs ended in each status, by the table of runs."""
    moves: Counter[tuple[str | None, str]]
    """How often each move was made, by source and target; None is creation."""
    refused: Refused
    takeovers: int
    """How often a worker carried on what another had let go."""
    killed: Killed | None
    """None if there were too few runs for the worker to get hold of one."""
    ended_twice: tuple[str, ...]
    """Runs with more than one end; there should be none."""
    seconds: float
    """How long it took on the wall."""


def run_demo(
    url: str, log: Path, *, runs: int = 200, workers: int = 4, seed: int | None = None
) -> Outcome:
    """
    Take *runs* from creation to an end with *workers* processes, and write the journal to *log*.

    Args:
        url: A SQLite file or a PostgreSQL database. What tables an earlier demonstration
            left there are dropped.
        log: A file of JSON lines; overwritten.
        runs: How many runs, at least 1.
        workers: How many processes work on them, at least 1.
        seed: Makes the chances repeatable, though not the order of the processes.

    Raises:
        ConnectionError: The database cannot be opened.
        ChildProcessError: A worker died that should not have.
    """
    began = time.perf_counter()
    stage = Stage(url, time.time(), SPEED, runs, workers, seed)
    with log.open("w", encoding="ascii") as stream, _fresh(stage) as store:
        public = Public(stage, store)
        crew = Crew(stage)
        try:
            while not public.done:
                busy = public.turn()
                if not crew.tend() and not busy:
                    time.sleep(0.002)
            crew.go_home()
        finally:
            crew.stop()
        moves, ended_twice = _written(store, MoveLog(json_log(stream)))

        return Outcome(
            Counter({status: n for status, n in store.counts().items() if n}),
            moves,
            public.refused + crew.refused,
            crew.takeovers,
            crew.killed and Killed(crew.killed[0], _fates(store, *crew.killed)),
            ended_twice,
            time.perf_counter() - began,
        )


def _fresh(stage: Stage) -> RunStore:
    """
    Return the store with nothing in it.
    """
    try:
        with stage.store() as old, old.engine.begin() as connection:
            for table in ("runs", "journal", "meta", "counts"):
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {PREFIX}{table}")

        return stage.store()
    except Exception as error:  # noqa: BLE001  whatever a driver raises
        # The first line says what.
        first, *_ = str(error).splitlines() or [type(error).__name__]
        reason = without_secrets(first, stage.url)
        raise ConnectionError(
            f"cannot open the database {shown_url(stage.url)}: {reason}"
        ) from None


def _entries(store: RunStore) -> Iterator[JournalEntry]:
    page = store.moves(limit=1000)
    while page.items:
        yield from page.items
        page = store.moves(after=page.cursor, limit=1000)


def _written(
    store: RunStore, log: MoveLog
) -> tuple[Counter[tuple[str | None, str]], tuple[str, ...]]:
    """
    Write every move of the journal to *log*; return their counts, and the runs that ended twice.
    """
    moves: Counter[tuple[str | None, str]] = Counter()
    ends: Counter[str] = Counter()
    for entry in _entries(store):
        moved = entry.moved
        log.moved(moved)
        moves[moved.source, moved.target] += 1
        ends[entry.run_id] += RUN.is_terminal(moved.target)

    return moves, tuple(run_id for run_id, n in ends.items() if n > 1)


def _fates(store: RunStore, worker: str, held: tuple[str, ...]) -> dict[str, str]:
    """
    Return who was the first to do something about each run that *worker* left behind.
    """
    fates = {}
    for run_id in held:
        lines = store.history(run_id)
        last = max(n for n, line in enumerate(lines) if line.actor == worker)
        # Whoever asks for a cancel does not carry a run on.
        after = [line.actor for line in lines[last + 1 :] if line.actor != "user"]
        fates[run_id] = str(after[0])

    return fates
