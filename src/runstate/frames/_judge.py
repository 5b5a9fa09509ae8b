"""
The runs that may be wrong, read again and judged one by one, by the code that judges everywhere.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

from ..histories._counts import Counts
from ..histories._counts import Verdict as History
from ..histories._journeys import FoundTimes
from ..histories._records import Finding, Observation
from ._duckdb import Engine
from ._interpreted import Records, Told
from ._request import Question

__all__ = ["Place", "Verdict", "judge", "judge_unusable"]

_ALONG_THE_WAY, _AT_THE_END = range(2)
_LONGEST_TIMELINE: Final = 1_000
_MOST_AT_ONCE: Final = 20_000
"""Runs that are asked for in one statement."""

Place = tuple[int, float, int, int, int]
"""What findings are sorted by: part of the answer, time where rows have no place, file, row, number."""


class Verdict(NamedTuple):
    """
    What came of judging some runs.
    """

    findings: list[tuple[Place, Finding]]
    """In the order of the history; those about ends last."""
    tally: Counter[str]
    """All findings, by code."""
    apart: Counter[str]
    """Those about the runs that were set apart."""
    counted: Counts
    """What was seen of the runs that were set apart. Has no findings but those that many records share."""
    timelines: dict[str | None, tuple[Observation, ...]]
    """By run id, in the order of the ids."""
    sampled: list[str | None]
    """Ids of the runs that were wanted, in the order in which they were."""
    found_at: FoundTimes
    """When the findings were made."""
    apart_rows: list[tuple[str | None, list[Observation]]]
    """What was seen of the runs that were set apart, where samples are asked for."""


class _Judge:
    """
    Judges runs one after another, and remembers none of them.
    """

    def __init__(self, asked: Question) -> None:
        self._asked = asked
        self._monitor = asked.monitor()
        self.counts = Counts()
        self.found_at = FoundTimes()
        self.apart_rows: list[tuple[str | None, list[Observation]]] = []

    def judged(
        self, rows: Sequence[Told], timeline: list[Observation], *, counts: bool
    ) -> Iterator[tuple[Place, Finding]]:
        """
        Yield what is wrong with one run, whose *rows* come as they stand.

        Args:
            rows: All of the run.
            timeline: Takes what was seen.
            counts: Whether the run is counted.
        """
        monitor = self._monitor
        observations = _observations(rows)
        places = {id(read): told for told in rows for read in told.reads}
        yield from _notes(rows)
        first: tuple[float, int, int] | None = None
        judged: list[Observation] = []
        tied, reopened = monitor.tied, monitor.reopened
        for each, findings in monitor.observe_history(observations):
            told = places[id(each)]
            time = 0.0 if self._asked.source.ordered else each.at or 0.0
            place = (time, told.file, told.row)
            first = place if first is None else min(first, place)
            if self._asked.samples and len(timeline) < _LONGEST_TIMELINE:
                timeline.append(each)
            judged.append(each)
            for number, finding in enumerate(findings, len(told.reads)):
                self.found_at.add(finding.code, each.at)
                yield (_ALONG_THE_WAY, *place, number), finding
        for number, finding in enumerate(
            monitor.finish(finished=self._asked.finished, now=self._asked.now)
        ):
            yield (_AT_THE_END, *(first or (0.0, 0, 0)), number), finding
        if not observations:
            return
        run_id = observations[0].run_id
        if counts:
            facts = bool(monitor.undecided), monitor.tied - tied, monitor.reopened - reopened
            self.counts.add(History(run_id, judged, (), *facts), monitor)
            if self._asked.samples:
                self.apart_rows.append((run_id, judged))
        monitor.forget(run_id)


def judge(
    engine: Engine,
    asked: Question,
    runs: Iterable[Any],
    wanted: Iterable[Any] = (),
    apart: frozenset[Any] = frozenset(),
) -> Verdict:
    """
    Return what is wrong with *runs* and those *apart*, and what was seen of them and of those *wanted*.

    All are given by what their rows are grouped by. Findings beyond the limit are
    counted, and may be left out.
    """
    wanted = [*wanted]
    keys = [*dict.fromkeys((*apart, *runs, *wanted))]
    judge = _Judge(asked)
    found: list[tuple[Place, Finding]] = []
    tally: Counter[str] = Counter()
    tally_apart: Counter[str] = Counter()
    timelines: dict[str | None, tuple[Observation, ...]] = {}
    by_key: dict[Any, str | None] = {}
    records = Records(engine, asked)
    for key, rows in _by_run(records, keys):
        counts, timeline = key in apart, list[Observation]()
        for kept, (place, finding) in enumerate(judge.judged(rows, timeline, counts=counts)):
            tally[finding.code] += 1
            tally_apart[finding.code] += counts
            if kept < asked.limit or place[0] == _AT_THE_END:
                found.append((place, finding))
        if asked.samples and timeline:
            timelines[timeline[0].run_id] = tuple(timeline)
            by_key[key] = timeline[0].run_id
    found.sort(key=lambda pair: pair[0])
    judge.counts.faults = records.faults
    return Verdict(
        found, tally, tally_apart, judge.counts, timelines,
        [by_key[key] for key in wanted if key in by_key], judge.found_at, judge.apart_rows,
    )  # fmt: skip


def _notes(rows: Iterable[Told]) -> Iterator[tuple[Place, Finding]]:
    for told in rows:
        for number, read in enumerate(told.reads):
            if isinstance(read, Finding):
                yield (_ALONG_THE_WAY, 0.0, told.file, told.row, number), read


def _observations(rows: Iterable[Told]) -> list[Observation]:
    return [read for told in rows for read in told.reads if isinstance(read, Observation)]


def _by_run(records: Records, keys: Sequence[Any]) -> Iterator[tuple[Any, list[Told]]]:
    for start in range(0, len(keys), _MOST_AT_ONCE):
        rows = records.of_runs(keys[start : start + _MOST_AT_ONCE])
        for key, of_one in groupby(rows, attrgetter("key")):
            yield key, [*of_one]


def judge_unusable(
    engine: Engine, asked: Question
) -> tuple[list[tuple[Place, Finding]], Counter[str]] | None:
    """
    Return what is wrong with the rows that belong to no run; None if one of them does, by another id.
    """
    found: list[tuple[Place, Finding]] = []
    tally: Counter[str] = Counter()
    for told in Records(engine, asked).unusable():
        for number, read in enumerate(told.reads):
            if isinstance(read, Observation):
                return None
            tally[read.code] += 1
            if len(found) < asked.limit:
                found.append(((_ALONG_THE_WAY, 0.0, told.file, told.row, number), read))

    return found, tally
