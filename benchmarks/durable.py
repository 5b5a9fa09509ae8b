"""
A durable move: the store against the same statements by hand, in the bare driver.

Both write to the same tables. The hand-written move is the shortest that keeps the same
promises: one guarded UPDATE that stamps by the database's clock, and the journal's line,
in one transaction; on PostgreSQL both in one statement.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg

from report import Section, Target
from runstate.store import Fire, RunStore
from timing import Variant, interleave

LEAD = """\
Each move is `start`: status, version, `started_at`, the last move's facts, and a line of the
journal, which is the feed at the same time. *Single* moves are a transaction each; *batched* ones
are 100 in a transaction, by the store's `fire_many` and by a loop over the hand-written statements.
Wall time, since the database may be another process."""

BATCH = 100

_NOW = "((julianday('now') - 2440587.5) * 86400.0)"
SQLITE_UPDATE = f"""
UPDATE runstate_runs
SET status = 'in_progress', version = version + 1, started_at = CAST({_NOW} AS INTEGER),
    last_source = status, last_trigger = 'start', last_duration_s = max({_NOW}, moved_at) - moved_at,
    clock_regressed = 0, moved_at = max({_NOW}, moved_at)
WHERE id = ? AND status = 'queued'
RETURNING version, moved_at, last_duration_s"""
SQLITE_INSERT = """
INSERT INTO runstate_journal
    (run_id, seq, kind, trigger, source, target, at, duration_s, clock_regressed)
VALUES (?, ?, 'move', 'start', 'queued', 'in_progress', ?, ?, 0)"""

POSTGRES_MOVE = """
WITH moved AS (
    UPDATE runstate_runs
    SET status = 'in_progress', version = version + 1, started_at = floor(clock.now),
        last_source = status, last_trigger = 'start',
        last_duration_s = greatest(clock.now, moved_at) - moved_at, clock_regressed = false,
        moved_at = greatest(clock.now, moved_at)
    FROM (SELECT extract(epoch FROM clock_timestamp())::double precision AS now) AS clock
    WHERE id = %s AND status = 'queued'
    RETURNING id, version, moved_at, last_duration_s
)
INSERT INTO runstate_journal
    (run_id, seq, kind, trigger, source, target, at, duration_s, clock_regressed)
SELECT id, version, 'move', 'start', 'queued', 'in_progress', moved_at, last_duration_s, false
FROM moved RETURNING seq"""


def measure(folder: Path, postgresql: str, *, quick: bool) -> Section:
    """
    Time single and batched moves on both databases.
    """
    rows, targets = [], []
    for name, open_both in (
        ("SQLite, synchronous=NORMAL", lambda: _sqlite(folder / "normal.db", durable=False)),
        ("SQLite, synchronous=FULL", lambda: _sqlite(folder / "full.db", durable=True)),
        ("PostgreSQL", lambda: _postgresql(postgresql)),
    ):
        store, by_hand, close = open_both()
        for shape, size, promised in (("single", 1, 3.0), ("batched", BATCH, 1.5)):
            ours, theirs = _pair(store, by_hand, size, moves=200 if quick else 1_000)
            interleave([ours, theirs], 2 if quick else 9, perf_counter)
            ratio = ours.over(theirs)
            rows.append((name, shape, f"{ours.micros:.0f}", f"{theirs.micros:.0f}", f"{ratio:.2f}"))
            targets.append(
                Target(
                    f"a durable move by hand, {name}, {shape}",
                    f"at most {promised:g} times",
                    f"{ratio:.2f} times",
                    ratio <= promised,
                )
            )
        close()
        store.close()

    return Section(
        "A durable move",
        LEAD,
        ("database", "moves", "store, µs", "by hand, µs", "store ÷ by hand"),
        rows,
        (),
        targets,
    )


def _pair(
    store: RunStore, by_hand: Callable[[list[str], int], None], size: int, moves: int
) -> tuple[Variant, Variant]:
    def prepare() -> list[str]:
        with store.engine.begin() as connection:
            return [store.create(connection=connection).id for _ in range(moves)]

    def ours(ids: list[str]) -> None:
        if size == 1:
            for run_id in ids:
                store.start(run_id)
        else:
            for first in range(0, len(ids), size):
                store.fire_many([Fire(run_id, "start") for run_id in ids[first : first + size]])

    return (
        Variant("store", "", prepare, ours, moves),
        Variant("by hand", "", prepare, lambda ids: by_hand(ids, size), moves),
    )


def _sqlite(path: Path, *, durable: bool) -> Any:
    store = RunStore.open(f"sqlite:///{path}", durable=durable)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")

    def by_hand(ids: list[str], size: int) -> None:
        for first in range(0, len(ids), size):
            connection.execute("BEGIN IMMEDIATE")
            for run_id in ids[first : first + size]:
                row = connection.execute(SQLITE_UPDATE, (run_id,)).fetchone()
                connection.execute(SQLITE_INSERT, (run_id, *row))
            connection.execute("COMMIT")

    return store, by_hand, connection.close


def _postgresql(url: str) -> Any:
    store = RunStore.open(url)
    connection = psycopg.connect(url.replace("+psycopg", ""))

    def by_hand(ids: list[str], size: int) -> None:
        for first in range(0, len(ids), size):
            for run_id in ids[first : first + size]:
                connection.execute(POSTGRES_MOVE, (run_id,)).fetchall()
            connection.commit()

    return store, by_hand, connection.close
