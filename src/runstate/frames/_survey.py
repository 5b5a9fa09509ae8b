"""
Screen, then judge: a source to the record of what was observed.
"""

from collections import Counter

from ..histories._records import Observation
from ..histories._rules import RULES
from ..histories._survey import Survey
from ._duckdb import Engine
from ._ends import count_ends, screen_ends
from ._errors import FrameError
from ._judge import Verdict, judge
from ._request import Question
from ._result import Screening
from ._screen_sorted import count_rows, count_unknown, screen_sorted
from ._screen_unsorted import MOST_STATUSES, count_odd, screen_free

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
    found = _screened(engine, asked)
    if asked.finished:
        screen_ends(engine, asked, found)
        found.few = None
    if asked.observed == "unordered" and not found.named:
        count_odd(engine, found, asked)
    if asked.measured and (found.tally["RS101"] or not found.counted):
        count_unknown(engine, found, asked)
    found.suspects.sort()
    found.late.sort()
    suspects = [key for _, key in (*found.suspects, *found.late)]
    narrowed = asked._replace(source=found.few or asked.source)
    verdict = judge(engine, narrowed, suspects, found.sample)

    return _survey(asked, found, verdict)


def _collide(engine: Engine, asked: Question) -> bool:
    """
    Return whether there are fewer hashes than ids.
    """
    table = asked.source.unnumbered or asked.source.table
    hashes = f"select count(*) from (select distinct {asked.run_key} from {table})"
    ids = f"select count(*) from (select distinct id from {table})"

    return engine.rows(hashes) != engine.rows(ids)


def _screened(engine: Engine, asked: Question) -> Screening:
    if asked.observed == "unordered":
        return _unordered(engine, asked)
    few = len(asked.lifecycle.statuses) <= MOST_STATUSES
    ordered = asked.measured or asked.waits or not asked.source.timed
    if asked.observed == "polled" and few and not ordered:
        found = screen_free(engine, asked)
        if found.certain:
            return found

    return screen_sorted(engine, asked)


def _unordered(engine: Engine, asked: Question) -> Screening:
    """
    Return what needs no order, and what needs the order of times besides.
    """
    if len(asked.lifecycle.statuses) > MOST_STATUSES:
        raise FrameError("", f"unordered takes lifecycles of at most {MOST_STATUSES} statuses here")
    found = screen_free(engine, asked)
    if asked.waits:
        waiting = screen_sorted(engine, asked._replace(measured=False))
        found.suspects += waiting.suspects
        found.late += waiting.late
        found.tally["RS302"] += waiting.tally["RS302"]
        found.named &= waiting.named
    if asked.measured:
        counted = Screening()
        count_rows(engine, counted, asked)
        found.seen, found.began, found.ended = counted.seen, counted.began, counted.ended
        count_ends(engine, asked, found)

    return found


def _survey(asked: Question, found: Screening, verdict: Verdict) -> Survey:
    tally = _tally(found, verdict)
    unread = Counter({"RS901": asked.source.unread})
    tally = +(tally + unread)

    return Survey(
        found.runs,
        found.observations - (0 if found.counted else verdict.unplaced),
        found.undecided,
        (*asked.source.unreadable, *verdict.findings)[: asked.limit],
        dict(sorted(tally.items())),
        sum(number for code, number in tally.items() if RULES[code].severity == "error"),
        +found.seen,
        +found.ends,
        +found.moves,
        found.dwell,
        found.began,
        found.ended,
        _timelines(asked, verdict),
    )


def _tally(found: Screening, verdict: Verdict) -> Counter[str]:
    if found.named:
        return +verdict.tally
    if found.counted:
        return +found.tally

    return +(verdict.tally | Counter({"RS107": found.tally["RS107"]}))


def _timelines(asked: Question, verdict: Verdict) -> dict[str | None, tuple[Observation, ...]]:
    """
    Return what was seen of runs with findings, at most half of those asked for, and of others.
    """
    wrong = dict.fromkeys(f.run_id for f in verdict.findings if f.run_id in verdict.timelines)
    first = list(wrong)[: asked.samples // 2]
    rest = [run_id for run_id in verdict.sampled if run_id not in first]

    return {run_id: verdict.timelines[run_id] for run_id in [*first, *rest][: asked.samples]}
