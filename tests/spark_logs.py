"""
Logs with everything in them, and what the core says of them run by run.
"""

import random
from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

from runstate import RUN, Finding, Lifecycle, Observation
from runstate.histories import Monitor, Survey
from runstate.histories._counts import Counts, judged_alone
from runstate.histories._sample import Timelines
from runstate.readers import Columns
from runstate.readers._record import Interpreter

BORN = 1_700_000_000.0
Row = tuple[str | None, str | None, float | None]

STRANGE: list[str | None] = ["runing", "\x1b[31mred", "zzz", "", None, "y" * 300]

MODELS: dict[str, dict[str, Any]] = {
    "complete": {"observed": "complete"},
    "complete, ended": {
        "observed": "complete",
        "finished": True,
        "limits": {"queued": 2.0, "in_progress": 1.5, "completed": 1},
        "now": BORN + 20.5,
    },
    "complete, unmeasured": {"observed": "complete", "finished": True, "measured": False},
    "polled": {"observed": "polled"},
    "polled, limited": {"observed": "polled", "limits": {"queued": 3}, "measured": False},
    "unordered": {"observed": "unordered", "finished": True},
    "unordered, limited": {"observed": "unordered", "limits": {"queued": 3}, "now": BORN + 99},
}
"""What is asked of every log, by name."""


def history(chance: random.Random, lifecycle: Lifecycle, wrong: float) -> Iterator[str | None]:
    """
    Statuses of a run that mostly goes as it may.
    """
    status = str(chance.choice(lifecycle.initial_statuses))
    for _ in range(chance.randrange(1, 9)):
        odd = chance.random()
        yield status if odd > wrong else chance.choice([*map(str, lifecycle.statuses), *STRANGE])
        if chance.random() < 0.2:
            yield status
        targets = lifecycle.targets(status)
        if targets:
            status = str(chance.choice(targets))


def log(
    seed: int, *, runs: int = 120, wrong: float = 0.04, lifecycle: Lifecycle = RUN
) -> list[Row]:
    """
    Rows in any order: ties, repeats, unknown statuses, ids that are null or too long, no times.
    """
    chance = random.Random(seed)  # noqa: S311
    rows: list[Row] = []
    for number in range(runs):
        run_id = {5: None, 7: "x" * 600, 9: "ünï"}.get(number % 41, f"run_{number}")
        at = BORN + chance.randrange(40) / 4
        for status in history(chance, lifecycle, wrong):
            at += chance.choice([0, 0, 0.25, 1, 2.5, 0.000_001])
            timed = None if chance.random() < 0.01 else round(at, 6)
            rows.append((run_id, status, 5.0 if chance.random() < 0.005 else timed))
    chance.shuffle(rows)

    return rows


def expected(
    rows: Sequence[Row],
    lifecycle: Lifecycle = RUN,
    *,
    limit: int = 1_000_000,
    samples: int = 0,
    finished: bool = False,
    now: float | None = None,
    measured: bool = True,
    **asked: Any,
) -> Survey:
    """
    What the readers, the monitor and the counter make of *rows*, one run after the other.
    """
    interpreter = Interpreter(Columns("run_id", "status", "at"), lifecycle, None)
    rank = {str(status): place for place, status in enumerate(lifecycle.statuses)}
    monitor, counts = Monitor(lifecycle, **asked), Counts(limit, Timelines(samples))
    interpreter.column_faults = counts.faults
    by_run: dict[str | None, list[Observation | Finding]] = {}
    for run_id, status, at in rows:
        timed = {} if at is None else {"at": at}
        for read in interpreter.observe({"run_id": run_id, "status": status, **timed}, 0):
            by_run.setdefault(read.run_id, []).append(read._replace(line=None))
    for run_id in sorted(by_run, key=str):
        notes = [each for each in by_run[run_id] if isinstance(each, Finding)]
        seen = [each for each in by_run[run_id] if isinstance(each, Observation)]
        seen.sort(
            key=lambda row: (
                -inf if row.at is None else row.at,
                rank.get(row.status, 99),
                row.status,
            )
        )
        place = (run_id or "",)
        found = [((*place, -1, number), note) for number, note in enumerate(notes)]
        if seen:
            verdict = judged_alone(monitor, seen, (*place, 0), finished=finished, now=now)
            found += [(where, each._replace(line=None)) for where, each in verdict.findings]
            rows_of_run = [row._replace(line=None) for row in verdict.rows]
            counts.add(verdict._replace(rows=rows_of_run, findings=found), monitor)
        else:
            for each in notes:
                counts.note((run_id or "", *map(str, each)), each)
    if not measured:
        counts.dwell = {}

    return counts.survey()


def plain(survey: Survey) -> Survey:
    """
    The survey with its findings in an order of their own.
    """
    return survey._replace(findings=tuple(sorted(survey.findings, key=repr)))
