"""
The runs that may be wrong, read again and judged one by one, by the code that judges everywhere.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from .._text import printable
from ..histories._records import Finding, Observation
from ..histories._rules import RULES
from ._duckdb import Engine, listed
from ._request import Question
from ._times import refused, seconds

__all__ = ["Verdict", "judge"]

_UNPLACED, _ALONG_THE_WAY, _AT_THE_END = range(3)
_LONGEST_TIMELINE: Final = 1_000


class Verdict(NamedTuple):
    """
    What came of judging some runs.
    """

    findings: list[Finding]
    """In the order of the history; those about ends last."""
    tally: Counter[str]
    timelines: dict[str | None, tuple[Observation, ...]]
    """By run id, in the order of the ids."""
    unplaced: int
    """Rows of theirs that have no time, where others have one."""
    sampled: list[str | None]
    """Ids of the runs that were wanted, in the order in which they were."""


class _Row(NamedTuple):
    run_id: str | None
    status: str | None
    at: float | None
    raw: str | None
    """The time as it is given, where it is none."""
    file: int
    row: int
    key: Any
    """What the run's rows are grouped by."""


_Place = tuple[int, float, int, int, int]
"""What findings are sorted by: part of the answer, time, file, row, and which of the row's."""


def judge(
    engine: Engine, asked: Question, runs: Iterable[Any], wanted: Iterable[Any] = ()
) -> Verdict:
    """
    Return what is wrong with *runs*, and what was seen of those and of the runs *wanted*.

    Both are given by what their rows are grouped by. Findings beyond the limit are
    counted, and may be left out.
    """
    wanted = [*wanted]
    keys = [*dict.fromkeys((*runs, *wanted))]
    found: list[tuple[_Place, Finding]] = []
    tally: Counter[str] = Counter()
    timelines: dict[str | None, tuple[Observation, ...]] = {}
    if not keys:
        return Verdict([], tally, timelines, 0, [])
    by_key: dict[Any, str | None] = {}
    unplaced = 0
    for (run_id, key), rows in groupby(
        _rows(engine, asked, keys), lambda row: (row.run_id, row.key)
    ):
        by_key[key] = run_id
        seen: list[Observation] = []
        for kept, (place, finding) in enumerate(_judged(asked, run_id, rows, seen)):
            tally[finding.code] += 1
            unplaced += place[0] == _UNPLACED
            if kept < asked.limit or place[0] == _AT_THE_END:
                found.append((place, finding))
        if asked.samples:
            timelines[run_id] = tuple(seen)
    found.sort(key=lambda pair: pair[0])

    ids = [by_key[key] for key in wanted if key in by_key]

    return Verdict([finding for _, finding in found], tally, timelines, unplaced, ids)


def _judged(
    asked: Question, run_id: str | None, rows: Iterable[_Row], seen: list[Observation]
) -> Iterator[tuple[_Place, Finding]]:
    """
    Yield what is wrong with one run, whose *rows* come in order; put what was seen into *seen*.
    """
    monitor, source = asked.monitor(), asked.source
    first: tuple[float, int, int] | None = None
    for row in rows:
        name, line = source.place(row.file, row.row)
        if source.timed and row.at is None:
            finding = _unplaced(asked, row, name, line)
            yield (_UNPLACED, 0.0, row.file, row.row, 0), finding
            continue
        observation = Observation(row.status, run_id, row.at, file=name, line=line)  # type: ignore[arg-type]  # judged, not trusted
        place = (row.at or 0.0, row.file, row.row)
        if row.status:
            first = first or place
            if asked.samples and len(seen) < _LONGEST_TIMELINE:
                seen.append(observation)
        for number, finding in enumerate(monitor.observe(observation)):
            yield (_ALONG_THE_WAY, *place, number), finding
    for number, finding in enumerate(monitor.finish(finished=asked.finished, now=asked.now)):
        yield (_AT_THE_END, *(first or (0.0, 0, 0)), number), finding


def _unplaced(asked: Question, row: _Row, name: str | None, line: int | None) -> Finding:
    """
    Return the finding about a row that has no time, where rows have times.
    """
    code, reason = refused(row.raw, asked.source, assume_utc=asked.assume_utc)
    severity = RULES[code].severity

    return Finding(code, severity, printable(reason, 500), row.run_id, file=name, line=line)


def _rows(engine: Engine, asked: Question, keys: Sequence[Any]) -> Iterator[_Row]:
    """
    Yield the rows of the runs *keys*: run by run, each in its order.
    """
    source = asked.source
    at = seconds(source, assume_utc=asked.assume_utc) if source.timed else "null"
    by_status = "" if source.ordered else f", list_position({listed(asked.codes.statuses)}, status)"
    statement = (
        f"select id::varchar as id, status, {at} as at_s, "
        f"case when {at} is null then moment::varchar end as raw, f, r, h "
        f"from (select *, {asked.run_key} as h from {source.table}) "
        f"where h in (select unnest($1::{asked.key_kind}[])) order by 1, 3 nulls first, f, r{by_status}"
    )

    return (_Row(*row) for row in engine.portions(statement, [keys]))
