"""
Claims by several processes at once, against a queue written by hand.
"""

import multiprocessing
import sqlite3
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import psycopg

from report import Section
from runstate.store import RunStore

LEAD = """\
Processes take runs until none is left. The hand-written queue is one table `jobs(id, status, owner)`
with an index of what is queued, and takes a job in one statement: on PostgreSQL the usual
`UPDATE … WHERE id = (SELECT … FOR UPDATE SKIP LOCKED LIMIT 1)`, on SQLite the same under
`BEGIN IMMEDIATE`. It keeps no journal, no lease, no stamps and no version; a claim of the store keeps
them all. Every job and every run was taken exactly once, or the benchmark fails."""

WORKERS = 8

TAKE = """
UPDATE jobs SET status = 'running', owner = {mark}
WHERE id = (SELECT id FROM jobs WHERE status = 'queued' ORDER BY id {skip} LIMIT 1) RETURNING id"""


def measure(folder: Path, postgresql: str, *, quick: bool) -> Section:
    """
    Time both on both databases.
    """
    runs, rounds = (400, 1) if quick else (4_000, 3)
    rows = []
    sqlite_url = f"sqlite:///{folder}/claims.db"
    for name, url, bare in (
        ("SQLite", sqlite_url, str(folder / "queue.db")),
        ("PostgreSQL", postgresql, postgresql.replace("+psycopg", "")),
    ):
        store = RunStore.open(url, durable=name != "SQLite")
        ratios, ours, theirs = [], [], []
        for _ in range(rounds):
            with store.engine.begin() as connection:
                for _ in range(runs):
                    store.create(connection=connection)
            ours.append(_race(_claim_all, url, runs))
            _fill(bare, runs)
            theirs.append(_race(_take_all, bare, runs))
            ratios.append(ours[-1] / theirs[-1])
        store.close()
        rows.append(
            (
                name,
                f"{runs / median(ours):,.0f}",
                f"{runs / median(theirs):,.0f}",
                f"{median(ratios):.2f}",
            )
        )

    return Section(
        f"Claims by {WORKERS} processes",
        LEAD,
        (
            "database",
            "store, claims a second",
            "bare queue, claims a second",
            "store's time ÷ queue's",
        ),
        rows,
    )


def _race(work: Callable[..., None], where: str, runs: int) -> float:
    """
    Return the seconds until *runs* were taken, each once.
    """
    context = multiprocessing.get_context("spawn")
    ready, taken = context.Barrier(WORKERS + 1), context.Queue()
    workers = [
        context.Process(target=work, args=(where, f"w{n}", ready, taken)) for n in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    ready.wait(60)
    began = perf_counter()
    lists = [taken.get(timeout=300) for _ in workers]
    seconds = perf_counter() - began
    for worker in workers:
        worker.join(60)
    ids = [each for some in lists for each in some]
    if len(ids) != runs or len(set(ids)) != runs:
        raise AssertionError(f"{len(ids)} taken, {len(set(ids))} of them different, of {runs}")

    return seconds


def _claim_all(url: str, worker: str, ready: Any, taken: Any) -> None:
    import logging

    import structlog

    level = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=level, cache_logger_on_first_use=True)
    store = RunStore.open(url, durable=not url.startswith("sqlite"))
    mine = []
    ready.wait(60)
    while (lease := store.claim(worker, 3600)) is not None:
        mine.append(lease.run.id)
    store.close()
    taken.put(mine)


def _take_all(where: str, worker: str, ready: Any, taken: Any) -> None:
    mine = []
    if where.startswith("postgresql"):
        connection: Any = psycopg.connect(where, autocommit=True)
        statement, begin = TAKE.format(mark="%s", skip="FOR UPDATE SKIP LOCKED"), None
    else:
        connection = sqlite3.connect(where, isolation_level=None, timeout=60)
        connection.execute("PRAGMA synchronous=NORMAL")
        statement, begin = TAKE.format(mark="?", skip=""), "BEGIN IMMEDIATE"
    ready.wait(60)
    while True:
        if begin:
            connection.execute(begin)
        row = connection.execute(statement, (worker,)).fetchone()
        if begin:
            connection.execute("COMMIT")
        if row is None:
            break
        mine.append(row[0])
    connection.close()
    taken.put(mine)


def _fill(where: str, jobs: int) -> None:
    create = (
        "DROP TABLE IF EXISTS jobs",
        "CREATE TABLE jobs (id BIGINT PRIMARY KEY, status TEXT NOT NULL, owner TEXT)",
        "CREATE INDEX jobs_queued ON jobs (id) WHERE status = 'queued'",
    )
    values = [(n,) for n in range(jobs)]
    if where.startswith("postgresql"):
        with psycopg.connect(where) as connection, connection.cursor() as cursor:
            for statement in create:
                cursor.execute(statement)
            cursor.executemany("INSERT INTO jobs VALUES (%s, 'queued', NULL)", values)
        return
    with sqlite3.connect(where) as bare:
        bare.execute("PRAGMA journal_mode=WAL")
        for statement in create:
            bare.execute(statement)
        bare.executemany("INSERT INTO jobs VALUES (?, 'queued', NULL)", values)
    bare.close()
