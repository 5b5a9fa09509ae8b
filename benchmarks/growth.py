"""
What every operation of the store costs as the tables grow, and by which index it goes.
"""

import re
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import sqlalchemy as sa

from report import Section, Target
from runstate.store import RunStore

LEAD = """\
The tables are filled by SQL with runs that have ended and a thousand that have not; each run has a
line in the journal. A sweep has kept up with the counts, as one does in use. Medians of wall time, µs,
of fifty rounds in which the sizes take turns."""

LIVE = 1_000
FLAT = 3.0
"""How many times the smallest table's time still counts as flat: caches have grown cold by then."""

_RUN = """
INSERT INTO {prefix}runs (id, status, version, document, created_at, started_at, completed_at,
    born_at, moved_at, last_trigger, last_source, clock_regressed, lease_token, attempt, thread_id)
SELECT 'old_' || n, 'completed', 3, '{{}}', 1700000000 + n / 100, 1700000001 + n / 100,
    1700000002 + n / 100, 1700000000 + n / 100.0, 1700000002 + n / 100.0, 'complete', 'in_progress',
    {false}, 0, 0, 'thread_' || mod(n, 100000)
FROM {series}"""
_LINE = """
INSERT INTO {prefix}journal
    (run_id, seq, kind, trigger, source, target, at, clock_regressed)
SELECT 'old_' || n, 3, 'move', 'complete', NULL, 'completed', 1700000002 + n / 100.0, {false}
FROM {series}"""
_SERIES = {
    "sqlite": "(WITH RECURSIVE k(n) AS (SELECT {a} UNION ALL SELECT n + 1 FROM k WHERE n < {b}) SELECT n FROM k)",
    "postgresql": "generate_series({a}, {b}) AS k(n)",
}


def measure(folder: Path, postgresql: str, *, quick: bool) -> Section:
    """
    Time each operation at each size, on both databases.
    """
    sizes = (1_000, 10_000) if quick else (10_000, 100_000, 1_000_000, 10_000_000)
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    targets: list[Target] = []
    for name, url in (("SQLite", f"sqlite:///{folder}/growth_{{}}.db"), ("PostgreSQL", postgresql)):
        stores = [_filled(url.format(size), size) for size in sizes]
        times = _timed(stores)
        for operation, each in times.items():
            rows.append(
                (name, operation, *(f"{t:,.0f}" for t in each), f"{each[-1] / each[0]:.1f}")
            )
        worst = max(times, key=lambda operation: times[operation][-1] / times[operation][0])
        growth = times[worst][-1] / times[worst][0]
        targets.append(
            Target(
                f"{name}: growth from {sizes[0]:,} to {sizes[-1]:,} runs",
                f"flat: at most {FLAT:g} times",
                f"most for {worst}: {growth:.1f} times",
                growth <= FLAT,
            )
        )
        notes += [f"{name}: {line}" for line in _plans(stores[-1])]
        for store in stores:
            store.close()

    return Section(
        "Growth",
        LEAD,
        ("database", "operation", *(f"{size:,} runs" for size in sizes), "last ÷ first"),
        rows,
        notes,
        targets,
    )


def _filled(url: str, size: int) -> RunStore:
    """
    Return a store of its own with as many runs, in the state that use would leave it in.
    """
    prefix = f"g{size}_"
    store = RunStore.open(url, durable=not url.startswith("sqlite"), prefix=prefix)
    kind = store.engine.dialect.name
    false = "0" if kind == "sqlite" else "false"
    step = 1_000_000
    for a in range(1, size + 1, step):
        series = _SERIES[kind].format(a=a, b=min(a + step - 1, size))
        with store.engine.begin() as connection:
            for statement in (_RUN, _LINE):
                filled = statement.format(false=false, series=series, prefix=prefix)
                connection.exec_driver_sql(
                    filled.replace("mod(n, 100000)", "n % 100000") if kind == "sqlite" else filled
                )
    while store.counts()["queued"] < LIVE:
        with store.engine.begin() as connection:
            for _ in range(LIVE // 10):
                store.create(thread_id="thread_live", connection=connection)
    # A table that was just filled is still being written to disk: not what is to be measured.
    settle = {
        "sqlite": ("ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"),
        "postgresql": (
            f"VACUUM ANALYZE {prefix}runs",
            f"VACUUM ANALYZE {prefix}journal",
            "CHECKPOINT",
        ),
    }
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in settle[kind]:
            connection.exec_driver_sql(statement)
    store.sweep()

    return store


def _timed(stores: Sequence[RunStore], calls: int = 50) -> dict[str, list[float]]:
    """
    Return the median microseconds of each operation in each store, the stores taking turns.
    """
    each = [_operations(store) for store in stores]
    times = {}
    for name in each[0]:
        taken: list[list[float]] = [[] for _ in stores]
        for _ in range(calls):
            for operations, mine in zip(each, taken, strict=True):
                began = perf_counter()
                operations[name]()
                mine.append(perf_counter() - began)
        times[name] = [median(mine) * 1e6 for mine in taken]

    return times


def _operations(store: RunStore) -> dict[str, Callable[[], Any]]:
    """
    Return what is measured, with the feed read up to its end.
    """
    feed = store.moves(limit=1)
    cursor = feed.cursor
    while True:
        feed = store.moves(after=cursor, limit=100_000)
        cursor = feed.cursor
        if not feed.items:
            break
    leases = [store.claim("w", 3_600) for _ in range(60)]
    held = iter(leases)
    again = iter(leases)
    numbers = count()

    def one_old() -> str:
        return f"old_{next(numbers) * 37 % 1_000 + 1}"

    return {
        "create": lambda: store.create(thread_id="thread_live"),
        "get": lambda: store.get(one_old()),
        "fire, applied": lambda: store.request_cancel(next(again).run.id),
        "fire, superseded": lambda: store.request_cancel(one_old()),
        "claim": lambda: store.claim("w", 3_600),
        "heartbeat": lambda: store.heartbeat(next(held)),
        "history": lambda: store.history(one_old()),
        "moves, 100 new": lambda: store.moves(after=cursor),
        "list, a page": store.list,
        "list, a thread": lambda: store.list(thread_id="thread_5"),
        "list, a status": lambda: store.list(status="completed"),
        "stuck": lambda: store.stuck({"in_progress": 3_600, "cancelling": 60}),
        "counts": store.counts,
        "sweep": store.sweep,
    }


def _plans(store: RunStore) -> list[str]:
    """
    Return how the database finds what each statement is about.
    """
    seen: dict[str, dict[str, None]] = {}
    explain = "EXPLAIN QUERY PLAN " if store.engine.dialect.name == "sqlite" else "EXPLAIN "

    def explained(connection: Any, _: Any, statement: str, parameters: Any, *__: Any) -> None:
        if (
            statement.startswith(("EXPLAIN", "BEGIN"))
            or "journal (run_id, seq, kind, trigger, source, target, at, duration_s"
            in statement[:120]
        ):
            return
        other = connection.connection.dbapi_connection.cursor()
        other.execute(explain + statement, parameters)
        lines = [row[-1] for row in other.fetchall()]
        seen.setdefault(doing[0], {}).update(dict.fromkeys(filter(None, map(_named, lines))))

    doing = [""]
    sa.event.listen(store.engine, "before_cursor_execute", explained)
    run = store.create()
    lease = store.claim("w", 3_600)
    for doing[0], call in {
        "get": lambda: store.get(run.id),
        "fire": lambda: store.request_cancel(run.id),
        "claim": lambda: store.claim("w", 3_600),
        "heartbeat": lambda: store.heartbeat(lease),
        "history": lambda: store.history(run.id),
        "moves": lambda: store.moves(after=None),
        "list": store.list,
        "list of a thread": lambda: store.list(thread_id="thread_5"),
        "stuck": lambda: store.stuck({"cancelling": 60}),
        "counts": store.counts,
        "sweep": store.sweep,
    }.items():
        call()
    sa.event.remove(store.engine, "before_cursor_execute", explained)

    return [f"{operation}: {'; '.join(plan)}" for operation, plan in seen.items() if operation]


def _named(line: str) -> str | None:
    found = _LOOKUP.search(line)

    return found[0] if found else None


_LOOKUP = re.compile(
    r"(SEARCH|SCAN) (runstate_|g\d+_).*|(Index.* using|Index Scan on|Seq Scan on) (runstate_|g\d+_)\w+"
)
