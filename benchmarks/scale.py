"""
Whole logs: ``runstate check`` against the floors of its engine, and the ways one would write by hand.

    python benchmarks/scale.py [--runs N,N] [--rounds N] [--folder DIR] [--pm4py PYTHON] [-o scale.md]

Every measurement is a process of its own, timed from its start to its end, and the
variants take turns. What takes minutes runs on a sample, which is said.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from report import Section, Target, render
from runstate import RUN

HERE = Path(__file__).parent
SLOW_ROUNDS = 1
"""Turns of what takes far longer than the rest."""
SAMPLE = 20
"""Of so many runs, one is in the sample."""

LEAD = """\
{rows:,} rows of {runs:,} runs, {size:,.0f} MB of Parquet: run id (28 bytes), status, time in
microseconds, {order}; one run in a thousand has a fault. Whole processes, from start to end,
in seconds of wall time: medians of {rounds} turns, and of the ratios within each (of {slow} where it says so). *Floors* do in
DuckDB no more than what cannot be left out: to read the three columns; to group the rows by
`hash(run_id)`; to sort them by that and a key of 64 bits of time and status; to sort the log
itself, its three columns, by the same. `runstate check` reads again the runs that may be wrong,
and names each finding with file and row."""

ORDERS = {
    "time": "in the order of their times, so that the rows of a run stand near each other",
    "random": "in random order, the worst there is",
}

CODE = "CASE status {} ELSE 15 END".format(
    " ".join(f"WHEN '{status}' THEN {number}" for number, status in enumerate(RUN.statuses, 1))
)
KEY = f'(epoch_us("at") << 4) | {CODE}'
PAIRS = ", ".join(f"('{row.source}', '{row.target}')" for row in RUN)


class Way(NamedTuple):
    """
    One way of looking at a log.
    """

    name: str
    arguments: Sequence[str]
    """Of the interpreter; the log comes after them."""
    slow: bool = False
    sampled: bool = False


class Measured(NamedTuple):
    seconds: float
    mebibytes: float


def floor(statement):
    """A process that imports DuckDB, and has it answer one statement."""
    return [
        "-c",
        f"import duckdb, sys\nlog = sys.argv[1]\nprint(duckdb.sql({statement!r}.replace('LOG', repr(log))).fetchall())",
    ]


FLOORS = {
    "read": Way("floor: read", floor('SELECT count(run_id), count(status), min(epoch_us("at")), max(status) FROM LOG')),
    "group": Way("floor: group", floor('SELECT count(*), sum(n), max(t), max(s) FROM (SELECT hash(run_id), count(*) AS n, max(epoch_us("at")) AS t, count(status) AS s FROM LOG GROUP BY 1)')),
    "sort": Way("floor: sort keys", floor(f"SELECT count(*), max(h) FROM (SELECT hash(run_id) AS h, {KEY} AS k FROM LOG ORDER BY h, k OFFSET 1)")),
    "log": Way("floor: sort the log", floor(f'SELECT count(*), max(run_id), max(status), max(epoch_us("at")) FROM (SELECT * FROM LOG ORDER BY hash(run_id), {KEY} OFFSET 1)')),
}  # fmt: skip

NAIVE = f"""
SELECT count(*) FROM (
    SELECT status, lag(status) OVER (PARTITION BY run_id ORDER BY "at") AS before FROM LOG
) WHERE coalesce((before, status) NOT IN ({PAIRS}), status <> 'queued')"""


def check(*options):
    return ["-m", "runstate", "check", *options]


CHECKS = {
    "complete": Way("**`check`**, complete", check()),
    "polled": Way("**`check --observed polled`**", check("--observed", "polled")),
    "unordered": Way("**`check --observed unordered`**", check("--observed", "unordered")),
    "1GB": Way("`check --memory 1GB`, complete", check("--memory", "1GB")),
    "300MB": Way("`check --memory 300MB`, complete", check("--memory", "300MB")),
    "summary": Way("`check --summary`, complete: moves and dwell times, too", check("--summary")),
    "summary polled": Way("`check --summary`, polled", check("--summary", "--observed", "polled")),
}


def by_dict(log):
    """What is wrong, by a dict of the last status of each run."""
    import pyarrow.parquet as pq

    pairs = {(str(row.source), str(row.target)) for row in RUN}
    table = pq.read_table(log).sort_by("at")
    before, wrong = {}, 0
    for batch in table.to_batches():
        for run_id, status in zip(
            batch["run_id"].to_pylist(), batch["status"].to_pylist(), strict=True
        ):
            last = before.get(run_id)
            wrong += (last, status) not in pairs and (last is not None or status != "queued")
            before[run_id] = status

    return wrong


class Model:
    """What a machine moves."""


def by_transitions(log):
    """What is wrong, by moving one machine to where each run was, and on."""
    import pyarrow.parquet as pq

    machine, model = RUN.machine(), Model()
    machine.add_model(model)
    triggers = {(str(row.source), str(row.target)): str(row.trigger) for row in RUN}
    table = pq.read_table(log).sort_by([("run_id", "ascending"), ("at", "ascending")])
    before, wrong = None, 0
    for run_id, status in zip(
        table["run_id"].to_pylist(), table["status"].to_pylist(), strict=True
    ):
        if run_id != before:
            wrong += status != "queued"
            machine.set_state("queued", model)
        elif trigger := triggers.get((model.state, status)):
            model.trigger(trigger)
        else:
            wrong += 1
            if status in machine.states:
                machine.set_state(status, model)
        before = run_id

    return wrong


# In another interpreter, which has pm4py and need not have runstate.
BY_PM4PY = """
import sys
import pandas
import pm4py
frame = pandas.read_parquet(sys.argv[1]).sort_values("at")
frame = pm4py.format_dataframe(
    frame, case_id="run_id", activity_key="status", timestamp_key="at"
)
print(len(pm4py.discover_dfg(frame)[0]))
"""

# A window over the runs, as one would write it for Spark by hand: pairs of statuses and their times.
BY_SPARK_SQL = """
import sys
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false")
spark = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
spark.read.parquet(sys.argv[1]).createOrReplaceTempView("log")
spark.sql('''
    select before, status, count(*), sum(unix_micros(at) - unix_micros(since))
    from (
        select status, at, lag(status) over run as before, lag(at) over run as since
        from log window run as (partition by run_id order by at)
    )
    group by before, status
''').collect()
"""

OTHERS = {
    "naive": Way("a window in SQL: `lag(status)` by run id and time; counts, names nothing", floor(NAIVE)),
    "dict": Way("a loop in Python: a dict of runs, one lookup a row", [str(HERE / "scale.py"), "--one", "dict"], slow=True),
    "transitions": Way("a replay through `transitions`, one machine", [str(HERE / "scale.py"), "--one", "transitions"], slow=True, sampled=True),
    "pm4py": Way("pm4py: the log as a frame, and its directly-follows graph", ["-c", BY_PM4PY], slow=True, sampled=True),
    "spark_sql": Way("the same window in Spark SQL, on the same cores", ["-c", BY_SPARK_SQL], slow=True),
    "spark": Way("`check --engine spark`, on the same cores", check("--engine", "spark"), slow=True),
}  # fmt: skip

ONE = {"dict": by_dict, "transitions": by_transitions}


def timed(python, way, log):
    """Run it once; None if it failed for want of a library."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [python, *way.arguments, str(log)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) not in {0, 1, 2} or b"Error" in told:
        print(f"not measured: {way.name}: {told.decode(errors='replace')[-300:]}", file=sys.stderr)
        return None

    return Measured(seconds, usage.ru_maxrss / 1024)


def measure(ways, log, sample, rounds, pythons):
    """Times of every way, which take turns."""
    found: dict[str, list[Measured]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            if number >= SLOW_ROUNDS and way.slow:
                continue
            once = timed(pythons.get(name, sys.executable), way, sample if way.sampled else log)
            if once:
                found[name].append(once)

    return {name: each for name, each in found.items() if each}


def section(runs, order, rounds, folder, pythons, skipped):
    """One log, and all that looks at it."""
    log, sample = folder / f"{runs}-{order}.parquet", folder / f"{runs}-{order}-sample.parquet"
    generator = str(HERE / "generate_log.py")
    for path, number in ((log, runs), (sample, max(1, runs // SAMPLE))):
        if not path.exists():
            subprocess.run(
                [sys.executable, generator, str(path), "--runs", str(number), "--order", order],
                check=True,
            )
    import duckdb

    rows, few = (duckdb.sql(f"select count(*) from '{p}'").fetchall()[0][0] for p in (log, sample))
    ways = {k: w for k, w in (FLOORS | CHECKS | OTHERS).items() if k not in skipped}
    found = measure(ways, log, sample, rounds, pythons)
    lines = [
        (
            ways[name].name
            + (
                f" (once{f', {few:,} rows' if ways[name].sampled else ''})"
                if ways[name].slow
                else ""
            ),
            f"{(seconds := median(each.seconds for each in times)):.2f}",
            f"{max(each.mebibytes for each in times):,.0f}",
            *(
                "-" if ways[name].sampled else f"{over(times, found[base]):.2f}"
                for base in ("group", "sort")
            ),
            f"{(few if ways[name].sampled else rows) / seconds / 1e6:,.2f}",
        )
        for name, times in found.items()
    ]
    lead = LEAD.format(
        rows=rows,
        runs=runs,
        size=log.stat().st_size / 1e6,
        order=ORDERS[order],
        rounds=rounds,
        slow=SLOW_ROUNDS,
    )
    title = f"{rows / 1e6:.0f} million rows, {order} order"

    return Section(
        title,
        lead,
        ("what", "seconds", "MiB at most", "÷ group", "÷ sort keys", "million rows a second"),
        lines,
        targets=[*_targets(title, found)],
    )


def over(times, base):
    """How many times as long, in the median of the turns."""
    return median(a.seconds / b.seconds for a, b in zip(times, base, strict=False))


def _targets(title, found):
    for name, base, most in (
        ("polled", "group", 2.5),
        ("unordered", "group", 2.5),
        ("complete", "sort", 1.1),
        ("complete", "log", 1.1),
    ):
        if name in found and base in found:
            ratio = over(found[name], found[base])
            yield Target(
                f"{title}: {name} against {FLOORS[base].name.removeprefix('floor: ')}",
                f"at most {most} times",
                f"{ratio:.2f} times",
                ratio <= most,
            )
    if "1GB" in found:
        most = max(each.mebibytes for each in found["1GB"])
        yield Target(
            f"{title}: complete under `--memory 1GB`",
            "at most 1,250 MiB with the interpreter",
            f"{most:,.0f} MiB",
            most <= 1250,
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", nargs="?")
    parser.add_argument("--one", choices=[*ONE])
    parser.add_argument("--runs", default="755000,7550000")
    parser.add_argument("--orders", default="time,random")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--pm4py", help="interpreter that has pm4py, which is AGPL and in no extra")
    parser.add_argument("--skip", default="")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "scale.md")
    given = parser.parse_args()
    if given.one:
        print(ONE[given.one](given.log))
        return
    pythons = {"pm4py": given.pm4py} if given.pm4py else {}
    skipped = {*given.skip.split(","), *(() if given.pm4py else ("pm4py",))}
    with TemporaryDirectory() as folder:
        sections = [
            section(int(runs), order, given.rounds, given.folder or Path(folder), pythons, skipped)
            for runs in given.runs.split(",")
            for order in given.orders.split(",")
        ]
    given.output.write_text(render(sections, "python benchmarks/scale.py"))


if __name__ == "__main__":
    main()
