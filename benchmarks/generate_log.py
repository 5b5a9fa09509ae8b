"""
Writes a large log of runs as Parquet, for the benchmarks of ``runstate.frames``.

    python benchmarks/generate_log.py OUT.parquet --runs N [--illegal F] [--seed S] [--order time|run|random]

Columns: run_id (string, 28 bytes), status (string), at (timestamp, microseconds, UTC). About
six rows a run. Each run is a legal walk through the lifecycle; a stated share of them has one
fault: a status after the end, a move left out, a wrong beginning, or a status nobody knows.
The same arguments write the same rows.
"""

import argparse
import random
import time
from pathlib import Path

import duckdb
import pyarrow as pa

from runstate import RUN

WALKS = 4_096
LONGEST = 24
DAYS = 30


def walk(rng):
    """A legal walk from the beginning to an end, cut short where it goes in circles."""
    statuses = [RUN.initial]
    while not RUN.is_terminal(statuses[-1]):
        choices = RUN.targets(statuses[-1])
        # Those that lead back to the beginning are what runs with tool calls are made of.
        circle = [status for status in choices if RUN.initial in RUN.reachable(status)]
        going_on = circle and len(statuses) < LONGEST and rng.random() < 0.8
        statuses.append(rng.choice(circle if going_on else choices))

    return statuses


def spoilt(rng, statuses):
    """The walk with one fault in it."""
    fault = rng.randrange(4)
    if fault == 0:
        return [*statuses, rng.choice([s for s in RUN.statuses if s != statuses[-1]])]
    if fault == 1:
        return [statuses[0], statuses[-1], *statuses[1:]]
    if fault == 2:
        return ["in_progress", *statuses[2:]] if len(statuses) > 2 else statuses[1:]

    place = rng.randrange(1, len(statuses))
    return [*statuses[:place], "runing", *statuses[place:]]


def steps(seed):
    """One row a step of each walk: walk, faulty, place, status, share of the run's length."""
    rng = random.Random(seed)
    for number in range(2 * WALKS):
        statuses = walk(rng)
        if number >= WALKS:
            statuses = spoilt(rng, statuses)
        shares = sorted(rng.random() for _ in statuses[1:])
        for place, (status, share) in enumerate(zip(statuses, [0.0, *shares], strict=True)):
            yield number, place, status, share


def generate(out, *, runs, illegal, seed, order):
    """Write *out*; returns the number of rows."""
    connection = duckdb.connect()
    names = ("walk", "place", "status", "share")
    table = pa.table(dict(zip(names, zip(*steps(seed), strict=True), strict=True)))
    connection.register("steps", table)
    sorting = {
        "time": "order by 3, 1",
        "run": "order by i, place",
        "random": "order by hash(i, place, 7)",
    }
    span = DAYS * 86_400 * 1_000_000
    connection.sql(f"""
        copy (
            with runs as (
                select range as i, hash(range, {seed}) as h,
                    'run_' || substr(md5(range::varchar || '/{seed}'), 1, 24) as run_id,
                    hash(range, {seed}, 1) % 1000000 < {round(illegal * 1_000_000)} as faulty,
                    hash(range, {seed}, 2) % {span} as born,
                    -- Most runs last seconds, some hours.
                    1e6 * exp(((hash(range, {seed}, 3) % 1000000) / 1e6) * 9) as length
                from range({runs})
            )
            select run_id, status,
                make_timestamp((1767225600000000 + born + share * length)::bigint)::timestamptz as at
            from runs join steps on walk = (h % {WALKS}) + (case when faulty then {WALKS} else 0 end)
            {sorting[order]}
        ) to '{out}' (format parquet, compression snappy, row_group_size 122880)
    """)

    return connection.execute(f"select count(*) from '{out}'").fetchall()[0][0]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out")
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--illegal", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--order", choices=("time", "run", "random"), default="time")
    arguments = vars(parser.parse_args())
    began = time.perf_counter()
    rows = generate(**arguments)
    took, size = time.perf_counter() - began, Path(arguments["out"]).stat().st_size
    print(f"{rows:,} rows, {arguments['runs']:,} runs, {size / 1e6:.0f} MB, {took:.1f} s")


if __name__ == "__main__":
    main()
