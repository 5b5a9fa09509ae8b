"""
Screen, then judge: a source to the record of what was observed.
"""

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from ..histories._counts import Counts
from ..histories._records import Finding, Observation
from ..histories._rules import RULES
from ..histories._survey import Survey
from ..histories._surveyed import survey as survey_of_records
from ._apart import set_apart
from ._duckdb import Engine, listed
from ._ends import count_ends, screen_ends
from ._errors import FrameError
from ._interpreted import Records
from ._journeys import count_journeys, open_runs
from ._judge import Place, Verdict, judge, judge_unusable
from ._request import Question
from ._result import Screening
from ._screen_sorted import count_rows, count_unknown, screen_sorted
from ._screen_unsorted import MOST_STATUSES, screen_free
from ._sort_key import coded
from ._spellings import refuse_spellings

__all__ = ["surveyed"]


def surveyed(engine: Engine, asked: Question, *, exact: bool) -> Survey:
    """
    Return what *asked* asks; where *exact*, having made sure that no two ids look like one.
    """
    if exact and _collide(engine, asked):
        asked = asked._replace(by_id=True)
    if asked.observed != "unordered" and not (asked.source.ordered or asked.source.timed):
        raise FrameError(
            engine.place, "rows of a database are in no order: name the column of their time (--at)"
        )
    refuse_spellings(engine, asked.source, asked.lifecycle)
    one_by_one = asked.source.facts or asked.counts_reopenings
    if one_by_one or (asked.waits and not asked.in_order):
        return streamed(engine, asked)
    asked = _read_once(engine, asked)
    found = _screened(engine, asked)
    unusable = judge_unusable(engine, asked) if found.unusable else ([], Counter[str]())
    if unusable is None or not found.certain:
        return streamed(engine, asked)
    rest = asked
    if found.apart:
        set_apart(engine, asked, found.apart)
        rest = asked._replace(apart=True)
    if asked.finished:
        screen_ends(engine, rest, found)
    if found.tally["RS101"] or not found.counted:
        count_unknown(engine, found, rest)
    found.suspects.sort()
    found.late.sort()
    suspects = [key for _, key in (*found.suspects, *found.late)]
    follows = bool(asked.samples) and asked.in_order and asked.source.timed
    wanted = open_runs(engine, rest) if follows else []
    verdict = judge(
        engine,
        asked,
        suspects,
        dict.fromkeys([*_kept(engine, asked), *wanted, *found.sample]),
        found.apart,
    )
    survey = _survey(asked, found, verdict, *unusable)
    if follows:
        survey = survey._replace(journeys=count_journeys(engine, rest, found, verdict))

    return survey


def _read_once(engine: Engine, asked: Question) -> Question:
    """
    Return *asked* of texts that are read into numbers once: to read a time takes longer than to sort.
    """
    if not (asked.source.texts and asked.source.ordered):
        return asked
    rows = coded(asked, asked.codes, placed=True)
    engine.rows(f"create or replace temp table coded as select h, us, c, f, r from {rows}")

    return asked._replace(source=asked.source._replace(coded="coded"))


def streamed(engine: Engine, asked: Question) -> Survey:
    """
    Return what *asked* asks of rows that the interpreter and the monitor read one by one.

    Takes memory for each run. Findings in the order of the rows.
    """
    return survey_of_records(
        Records(engine, asked),
        asked.lifecycle,
        observed=asked.observed,
        finished=asked.finished,
        limits=asked.limits,
        now=asked.now,
        limit=asked.limit,
        samples=asked.samples,
        allow_reopen=asked.allow_reopen,
        keep=asked.keep,
    )


def _kept(engine: Engine, asked: Question) -> list[Any]:
    """
    Return what the rows of the runs that are to be kept are grouped by.
    """
    if not asked.keep:
        return []
    table = asked.source.unnumbered or asked.source.table
    ids = f"list_contains({listed(asked.keep)}, id::varchar)"

    return [h for (h,) in engine.rows(f"select distinct {asked.run_key} from {table} where {ids}")]


def _collide(engine: Engine, asked: Question) -> bool:
    """
    Return whether there are fewer hashes than ids.
    """
    table = asked.source.unnumbered or asked.source.table
    hashes = f"select count(*) from (select distinct {asked.run_key} from {table})"
    ids = f"select count(*) from (select distinct id from {table})"

    return engine.rows(hashes) != engine.rows(ids)


def _screened(engine: Engine, asked: Question) -> Screening:
    return screen_sorted(engine, asked) if asked.in_order else _unordered(engine, asked)


def _unordered(engine: Engine, asked: Question) -> Screening:
    """
    Return what is seen of runs whose rows come in no order.
    """
    if len(asked.lifecycle.statuses) > MOST_STATUSES:
        raise FrameError("", f"unordered takes lifecycles of at most {MOST_STATUSES} statuses here")
    found = screen_free(engine, asked)
    if asked.measured:
        counted = Screening()
        count_rows(engine, counted, asked)
        found.seen, found.began, found.ended = counted.seen, counted.began, counted.ended
        count_ends(engine, asked, found)

    return found


def _survey(
    asked: Question,
    found: Screening,
    verdict: Verdict,
    unusable: Sequence[tuple[Place, Finding]],
    tally_unusable: Counter[str],
) -> Survey:
    findings = sorted((*unusable, *verdict.findings), key=itemgetter(0))
    tally = _tally(found, verdict) + tally_unusable
    counts = Counts().merge(found).merge(verdict.counted)
    counts.limit, counts.tally, counts.kept = asked.limit, tally, findings[: asked.limit]
    counts.errors = sum(n for code, n in tally.items() if RULES[code].severity == "error")

    return counts.survey(_timelines(asked, verdict))


def _tally(found: Screening, verdict: Verdict) -> Counter[str]:
    if found.named:
        return +verdict.tally
    if found.counted:
        return found.tally + verdict.apart

    return +(verdict.tally | Counter({"RS107": found.tally["RS107"]}))


def _timelines(asked: Question, verdict: Verdict) -> dict[str | None, tuple[Observation, ...]]:
    """
    Return what was seen of runs with findings, at most half of those asked for, and of others.
    """
    wrong = dict.fromkeys(f.run_id for _, f in verdict.findings if f.run_id in verdict.timelines)
    first = list(wrong)[: asked.samples // 2]
    rest = [run_id for run_id in verdict.sampled if run_id not in first]
    kept = [run_id for run_id in asked.keep if run_id in verdict.timelines]
    shown = dict.fromkeys([*kept, *[*first, *rest][: asked.samples]])

    return {run_id: verdict.timelines[run_id] for run_id in shown}
