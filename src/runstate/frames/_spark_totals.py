"""
What Spark counted, put together: kinds of rows and of runs, and how many there are of each.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..histories._records import Finding, Observation
from ..histories._reopened import Reopenings
from ..histories._rules import RULES
from ..histories._survey import Dwell, Survey
from ._spark_question import Question

__all__ = ["Totals"]


class Totals:
    """
    Adds up what Spark counted; what is wrong with each kind is asked of the lifecycle.
    """

    def __init__(self, question: Question) -> None:
        self.runs = 0
        self.observations = 0
        self.undecided = 0
        self.tally: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self._question = question
        self._ends: Counter[str] = Counter()
        self._dwell: dict[tuple[str, str], _Durations] = {}
        self._began: list[int] = []

    # -- rows in the order of their runs -------------------------------------------

    def add_row(self, kind: Any) -> None:
        """
        Add one kind of row, as :func:`in_sequence` counted it.
        """
        question, code, times = self._question, kind.code, kind.n
        self.tally["RS302"] += kind.stuck
        if code >= question.unknown:
            self._add_odd(code, times, kind.began, kind.ended)
            if code == question.unknown and kind.before is None:
                self.runs += times
                self.undecided += times
            return
        self.observations += times
        self._add_times(kind.began, kind.ended)
        status = question.statuses[code]
        self.seen[status] += times
        if kind.before is None:
            self.runs += times
            begins = question.lifecycle.initial_statuses
            begun = question.observed != "complete" or status in begins
            self.tally["RS102"] += 0 if begun else times
        elif kind.before != code:
            self._add_move(question.statuses[kind.before], status, kind)
        if kind.last:
            self._add_end(status, kind.mask, times)

    def _add_odd(self, code: int, times: int, began: int, ended: int) -> None:
        question = self._question
        kinds = {question.unknown: "RS101", question.mistimed: "RS901"}
        self.tally[kinds.get(code, "RS902")] += times
        if code < question.timeless:
            self.observations += times
            self._add_times(began, ended)

    def _add_move(self, source: str, target: str, kind: Any) -> None:
        question = self._question
        if not question.may_follow(source, target):
            other = "RS103" if question.observed == "complete" else "RS104"
            if question.lifecycle.is_terminal(source):
                other = Reopenings(question.lifecycle, question.observed).code(source, target)
            self.tally[other] += kind.n
        if question.moving:
            self._dwell.setdefault((source, target), _Durations()).add(kind)

    def _add_end(self, status: str, mask: int, times: int) -> None:
        question = self._question
        had = self._had(mask)
        self._ends[status] += times
        self._add_undecided(had, times)
        if question.observed == "unordered" and not question.lifecycle.fits_one_run(had):
            self.tally["RS106"] += times
        if question.finished and not any(map(question.lifecycle.is_terminal, had)):
            self.tally["RS107"] += times

    # -- runs, whatever the order of their rows ------------------------------------

    def add_run(self, kind: Any) -> None:
        """
        Add one kind of run, as :func:`order_free` counted it; its findings are not counted.
        """
        question = self._question
        self.runs += kind.runs
        for code in range(question.timeless):
            times = kind[f"seen_{code}"]
            self.observations += times
            if code < question.unknown and times:
                self.seen[question.statuses[code]] += times
        if kind.end is not None:
            self._ends[question.statuses[kind.end]] += kind.runs
        self._add_undecided(self._had(kind.mask), kind.runs)
        self._add_times(kind.began, kind.ended)

    # -- both ----------------------------------------------------------------------

    def _add_times(self, *times: int | None) -> None:
        known = [*self._began, *(time for time in times if time is not None)]
        self._began = [min(known), max(known)] if known else []

    def survey(
        self,
        findings: Iterable[Finding],
        timelines: Mapping[str | None, tuple[Observation, ...]],
    ) -> Survey:
        """
        Return all that was added, with the *findings* and *timelines* that were kept.
        """
        tally = {code: self.tally[code] for code in RULES if self.tally[code]}
        dwell = {move: durations.dwell() for move, durations in self._dwell.items()}

        return Survey(
            runs=self.runs,
            observations=self.observations,
            undecided=self.undecided,
            findings=tuple(findings),
            tally=tally,
            errors=sum(n for code, n in tally.items() if RULES[code].severity == "error"),
            seen=dict(self.seen),
            ends=dict(self._ends),
            moves={move: each.times for move, each in dwell.items()},
            dwell=dwell,
            began=self._began[0] / 1e6 if self._began else None,
            ended=self._began[1] / 1e6 if self._began else None,
            timelines=timelines,
        )

    def _had(self, mask: int) -> tuple[str, ...]:
        return tuple(s for code, s in enumerate(self._question.statuses) if mask >> code & 1)

    def _add_undecided(self, had: tuple[str, ...], times: int) -> None:
        # As the Monitor has it: complete is decided by its first status, else it takes two.
        enough = 1 if self._question.observed == "complete" else 2
        self.undecided += times if len(had) < enough else 0


class _Durations:
    """
    How long runs were in the first status of one move.
    """

    def __init__(self) -> None:
        self.times = 0
        self.micros = 0.0
        self.longest = 0
        self.buckets: Counter[int] = Counter()

    def add(self, kind: Any) -> None:
        self.times += kind.n
        self.micros += kind.total
        self.longest = max(self.longest, kind.longest)
        self.buckets[kind.bucket] += kind.n

    def dwell(self) -> Dwell:
        buckets = dict(sorted(self.buckets.items()))

        return Dwell(self.times, self.micros / 1e6, self.longest / 1e6, buckets)
