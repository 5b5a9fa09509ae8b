"""
Whole runs counted by the database: when they began and ended, by which way, and which are open.
"""

from collections.abc import Sequence
from typing import Any, Final

from ..histories._counts import State
from ..histories._journeys import MOST_OPEN, JourneyCounts, Ways, period_of
from ..histories._records import Observation
from ..histories._survey import OCTAVE, Journeys, OpenRun
from ._duckdb import Engine
from ._judge import Verdict
from ._request import Question
from ._result import Screening
from ._sort_key import CODE, NO_TIME

__all__ = ["count_journeys", "open_runs"]

MOST_FOLLOWED: Final = 1_000_000
"""Runs whose ways are counted; of more, a fair sample of them."""
MOST_WAYS: Final = 10_000
_RUNS: Final = "journeys"


def open_runs(engine: Engine, asked: Question) -> list[Any]:
    """
    Return the runs that have not ended and were unchanged for longest, by what their rows are grouped by.

    Leaves a table of all runs for :func:`count_journeys`.
    """
    engine.rows(
        f"create or replace temp table {_RUNS} as select h, min(t) as b, max(t) as e, "
        f"(max({asked.key.where()}) & {CODE})::integer as c "
        f"from {asked.rows} where t < {NO_TIME} group by h"
    )
    rows = engine.rows(
        f"select h from {_RUNS} where c not in ({_ends(asked)}) order by e, h limit {MOST_OPEN}"
    )

    return [h for (h,) in rows]


def count_journeys(
    engine: Engine, asked: Question, found: Screening, verdict: Verdict
) -> Journeys | None:
    """
    Return the counts of whole runs; those that were judged apart are counted from their rows.
    """
    began = min(found.began, verdict.counted.began)
    ended = max(found.ended, verdict.counted.ended)
    if began > ended:
        return None
    counts = JourneyCounts(asked.lifecycle, period_of(began, ended))
    _count_times(engine, asked, counts)
    followed = _count_ways(engine, asked, counts)
    for run_id, rows in verdict.apart_rows:
        _count_rows(counts, run_id, rows, only_open=False)
    apart = {run_id for run_id, _ in verdict.apart_rows}
    for run_id in verdict.sampled:
        if run_id not in apart:
            _count_rows(counts, run_id, verdict.timelines[run_id], only_open=True)

    return counts.counted(
        verdict.found_at.by_period(counts.period), followed + len(verdict.apart_rows)
    )


def _count_times(engine: Engine, asked: Question, counts: JourneyCounts) -> None:
    names, width = asked.codes.statuses, counts.period * 1_000_000
    for number, times in engine.rows(f"select b // {width}, count(*) from {_RUNS} group by 1"):
        counts.begun[number] += times
    over = f"from {_RUNS} where c in ({_ends(asked)})"
    for code, number, times in engine.rows(
        f"select c, e // {width}, count(*) {over} group by 1, 2"
    ):
        counts.end(names[code - 1], number, times)
    for code, bucket, *figures in engine.rows(
        f"select c, {_BUCKET}, count(*), sum(e - b), max(e - b) {over} group by 1, 2"
    ):
        counts.lasted_in(names[code - 1]).add(bucket, *map(int, figures))


def _count_ways(engine: Engine, asked: Question, counts: JourneyCounts) -> int:
    """
    Count the ways of all runs, or of a sample of them, and return of how many.
    """
    ((runs,),) = engine.rows(f"select count(*) from {_RUNS}")
    each = -(-runs // MOST_FOLLOWED) or 1
    chosen = f" and hash(h) % {each} = 0" if each > 1 else ""
    steps = f"list((p & {CODE})::integer order by t, p)"
    rows = (
        f"select h, {steps} as s, min(t) as b, max(t) as e from {asked.rows} "
        f"where t < {NO_TIME}{chosen} group by h"
    )
    changes = "list_filter(s, lambda x, i: i = 1 or s[i - 1] <> x)"
    names, followed = asked.codes.statuses, 0
    ends = {*asked.codes.of(frozenset(asked.lifecycle.terminal))}
    for codes, bucket, times, total, longest in engine.rows(
        f"select {changes} as way, {_BUCKET}, count(*), sum(e - b), max(e - b) from ({rows}) "
        f"group by 1, 2 order by 3 desc, 1, 2 limit {MOST_WAYS}"
    ):
        way = tuple(names[code - 1] for code in codes)
        counts.taken[way] += times
        followed += times
        if codes[-1] in ends:
            counts.lasted_on(way).add(bucket, times, int(total), int(longest))

    return followed


def _count_rows(
    counts: JourneyCounts, run_id: str | None, rows: Sequence[Observation], *, only_open: bool
) -> None:
    """
    Count one run from its rows; or keep it only if it is open, where it was counted already.
    """
    ways = Ways()
    state: State = ("", None)
    for row in rows:
        if row.status != state[0]:
            state = row.status, row.at
            ways.move(run_id, *state)
    if not only_open:
        counts.add(run_id, *ways.taken(run_id), state)
    elif not counts.lifecycle.is_terminal(state[0]):
        counts.open.append(OpenRun(run_id, *state))


def _ends(asked: Question) -> str:
    # An endless lifecycle has none, and an empty list is not SQL.
    return ", ".join(map(str, asked.codes.of(frozenset(asked.lifecycle.terminal)))) or "-1"


_BUCKET: Final = f"case when e > b then (1 + floor({OCTAVE} * log2(e - b)))::integer else 0 end"
