"""
Many processes that write one SQLite file without a pause, against the same SQL by the bare driver.
"""

import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import sqlalchemy as sa

from report import Section, Target
from runstate import RunResponse
from runstate.store import RunStore

LEAD = """\
Each process creates runs in one file for as long as the others do. *By hand* are the store's own two
statements in a transaction of `sqlite3`, which waits for the lock as SQLite does by itself, and
`RunResponse.model_validate` of what was created. A process that creates few runs was starved."""

WORKERS = 32


def measure(folder: Path, _: str, *, quick: bool) -> Section:
    """
    Let both write for a while.
    """
    workers, seconds = (8, 1.0) if quick else (WORKERS, 8.0)
    path = str(folder / "contention.db")
    store = RunStore.open(f"sqlite:///{path}", durable=False)
    statements = _statements_of_a_create(store)
    rows, made = [], {}
    for name, work in (("store", _create), ("by hand", _create_by_hand)):
        counts = made[name] = _race(work, workers, seconds, path, statements)
        rows.append(
            (name, f"{sum(counts) / seconds:,.0f}", *(f"{n:,.0f}" for n in _spread(counts)))
        )
    store.close()
    slowest, middle, _ = _spread(made["store"])
    rate = sum(made["store"]) / sum(made["by hand"])

    return Section(
        f"{workers} processes on one SQLite file",
        LEAD,
        ("variant", "runs created a second", "by the slowest process", "median", "fastest"),
        rows,
        (),
        [
            Target(
                "the slowest of many processes on one SQLite file, against the median",
                "at least a quarter",
                f"{slowest / middle:.2f}",
                slowest / middle >= 0.25,
            ),
            Target(
                "their rate against the same SQL by hand",
                "at least half",
                f"{rate:.2f} times",
                rate >= 0.5,
            ),
        ],
    )


def _spread(counts: list[int]) -> tuple[int, float, int]:
    return min(counts), median(counts), max(counts)


def _statements_of_a_create(store: RunStore) -> list[tuple[str, tuple[Any, ...]]]:
    """
    Return the statements of one create with their parameters; the run's id comes first.
    """
    seen: list[tuple[str, tuple[Any, ...]]] = []

    def see(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith("INSERT"):
            seen.append((statement, tuple(parameters)))

    store.create()
    sa.event.listen(store.engine, "before_cursor_execute", see)
    store.create()
    sa.event.remove(store.engine, "before_cursor_execute", see)

    return seen


def _race(work: Callable[..., Any], workers: int, seconds: float, *what: Any) -> list[int]:
    """
    Return how many runs each process created.
    """
    context = multiprocessing.get_context("spawn")
    ready, made = context.Barrier(workers), context.Queue()
    processes = [
        context.Process(target=_count, args=(work, number, ready, made, seconds, *what))
        for number in range(workers)
    ]
    for process in processes:
        process.start()
    counts = [made.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)

    return counts


def _count(work: Any, number: int, ready: Any, made: Any, seconds: float, *what: Any) -> None:
    import logging

    import structlog

    level = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=level, cache_logger_on_first_use=True)
    creating, count = work(number, *what), 0
    # Opened before it is timed: the first of them.
    next(creating)
    ready.wait(120)
    until = perf_counter() + seconds
    for _ in creating:
        count += 1
        if perf_counter() >= until:
            break
    made.put(count)


def _create(_: int, path: str, __: Any) -> Iterator[None]:
    with RunStore.open(f"sqlite:///{path}", durable=False) as store:
        while True:
            store.create()
            yield


def _create_by_hand(number: int, path: str, statements: Any) -> Iterator[None]:
    (run, values), (line, others) = statements
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    connection.execute("PRAGMA synchronous=NORMAL")
    count = 0
    while True:
        count += 1
        run_id = f"run_{number}_{count}"
        connection.execute("BEGIN IMMEDIATE")
        row = connection.execute(run, (run_id, *values[1:])).fetchone()
        connection.execute(line, (run_id, *others[1:]))
        connection.execute("COMMIT")
        RunResponse.model_validate({"id": row[0], "status": row[2], "created_at": row[4]})
        yield
