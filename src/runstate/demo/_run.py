"""
Runs the demonstration and returns its outcome.
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
from ._clients import Clients
from ._config import PREFIX, SPEED, Config, Refused
from ._processes import Workers

__all__ = ["Killed", "Outcome", "run_demo"]


class Killed(NamedTuple):
    """
    A worker that was killed, and what became of its runs.
    """

    worker: str
    fates: dict[str, str]
    """For each run, the worker that took it over, or the sweep that ended it."""


class Outcome(NamedTuple):
    """
    The outcome of a demonstration.
    """

    statuses: Counter[str]
    """Number of runs in each status, counted in the table of runs."""
    moves: Counter[tuple[str | None, str]]
    """Number of moves by source and target; the source of a creation is None."""
    refused: Refused
    takeovers: int
    """How often a worker continued a run that another worker had lost."""
    killed: Killed | None
    """None if there were too few runs for the worker to hold one."""
    ended_twice: tuple[str, ...]
    """Runs with more than one end; there should be none."""
    seconds: float
    """Seconds of real time that it took."""


def run_demo(
    url: str, log: Path, *, runs: int = 200, workers: int = 4, seed: int | None = None
) -> Outcome:
    """
    Take *runs* from creation to an end with *workers* processes, and write the journal to *log*.

    Args:
        url: A SQLite file or a PostgreSQL database. Tables that an earlier demonstration left there
        are dropped.
        log: A file of JSON lines; overwritten.
        runs: How many runs, at least 1.
        workers: How many processes work on them, at least 1.
        seed: Seed of the random numbers. The order of the processes still varies.

    Raises:
        ConnectionError: The database cannot be opened.
        ChildProcessError: A worker died that was not killed here.
    """
    began = time.perf_counter()
    config = Config(url, time.time(), SPEED, runs, workers, seed)
    with log.open("w", encoding="ascii") as stream, _fresh(config) as store:
        clients = Clients(config, store)
        processes = Workers(config)
        try:
            while not clients.done:
                busy = clients.turn()
                if not processes.replace_hung() and not busy:
                    time.sleep(0.002)
            processes.finish()
        finally:
            processes.stop()
        moves, ended_twice = _written(store, MoveLog(json_log(stream)))

        return Outcome(
            Counter({status: n for status, n in store.counts().items() if n}),
            moves,
            clients.refused + processes.refused,
            processes.takeovers,
            processes.killed and Killed(processes.killed[0], _fates(store, *processes.killed)),
            ended_twice,
            time.perf_counter() - began,
        )


def _fresh(config: Config) -> RunStore:
    """
    Return the store without any runs.
    """
    try:
        with config.store() as old, old.engine.begin() as connection:
            for table in ("runs", "journal", "meta", "counts"):
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {PREFIX}{table}")

        return config.store()
    except Exception as error:  # noqa: BLE001  whatever a driver raises
        # The first line says what.
        first, *_ = str(error).splitlines() or [type(error).__name__]
        reason = without_secrets(first, config.url)
        raise ConnectionError(
            f"cannot open the database {shown_url(config.url)}: {reason}"
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
    Return the actor of the next move of each run that *worker* held when it was killed.
    """
    fates = {}
    for run_id in held:
        lines = store.history(run_id)
        last = max(n for n, line in enumerate(lines) if line.actor == worker)
        # A user who requests a cancel does not take the run over.
        after = [line.actor for line in lines[last + 1 :] if line.actor != "user"]
        if after:  # or else the worker itself ended the run, just before it was killed
            fates[run_id] = str(after[0])

    return fates
