"""
Whole runs: when they began and ended, by which way, how long they took, and which are still open.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from math import floor, inf, isfinite
from types import MappingProxyType
from typing import Final

from ..lifecycle._table import Lifecycle
from ._counts import Durations
from ._survey import Journeys, OpenRun, Variant, bucket_of

__all__ = ["FoundTimes", "JourneyCounts", "Way", "Ways", "period_of"]

MOST_PERIODS: Final = 130
MOST_OPEN: Final = 1_000
MOST_VARIANTS: Final = 100
MOST_STEPS: Final = 20_000
"""Steps of ways that are told apart; runs that take others have no way."""
MOST_TIMES: Final = 50_000
"""Times of findings that are told apart to the second; beyond, to the hour."""

_PERIODS: Final = (1, 5, 15, 60, 300, 900, 3_600, 10_800, 21_600, 86_400, 604_800)
"""Seconds; each divides the next."""
_MICROSECONDS: Final = 1_000_000

Way = tuple[str, ...]


def period_of(began: float, ended: float) -> int:
    """
    Return the seconds of a period, so that there are few from *began* to *ended*.
    """
    for seconds in _PERIODS:
        if ended // seconds - began // seconds < MOST_PERIODS:
            return seconds
    seconds = _PERIODS[-1]
    while ended // seconds - began // seconds >= MOST_PERIODS:
        seconds *= 2

    return seconds


class Ways:
    """
    Counts the commonest paths of runs; of an open run it keeps a number and a time.
    """

    def __init__(self) -> None:
        self._steps: dict[tuple[int, str], int] = {}
        self._before: list[tuple[int, str]] = [(0, "")]
        self._runs: dict[str | None, tuple[float | None, int]] = {}

    def move(self, run_id: str | None, status: str, at: float | None) -> None:
        """
        Take the next status of the run *run_id*, which it has since *at*.
        """
        began, here = self._runs.get(run_id) or (at, 0)
        key = here, status
        step = self._steps.get(key)
        if step is None:
            step = -1
            if here >= 0 and len(self._before) < MOST_STEPS:
                step = self._steps[key] = len(self._before)
                self._before.append(key)
        self._runs[run_id] = began, step

    def taken(self, run_id: str | None) -> tuple[float | None, Way | None]:
        """
        Return since when the run *run_id* is known, and its way; None for a way of too many.
        """
        began, step = self._runs[run_id]
        way: list[str] = []
        while step > 0:
            step, status = self._before[step]
            way.append(status)

        return began, tuple(reversed(way)) or None


@dataclass
class JourneyCounts:
    """
    Counts whole runs, one by one or many of a kind at once.
    """

    lifecycle: Lifecycle
    period: int
    """Seconds."""
    begun: Counter[int] = field(default_factory=Counter)
    ended: dict[str, Counter[int]] = field(default_factory=dict)
    lasted: dict[str, Durations] = field(default_factory=dict)
    taken: Counter[Way] = field(default_factory=Counter)
    lasted_by_way: dict[Way, Durations] = field(default_factory=dict)
    open: list[OpenRun] = field(default_factory=list)

    def add(
        self,
        run_id: str | None,
        began: float | None,
        way: Way | None,
        last: tuple[str, float | None],
    ) -> None:
        """
        Count a run that is known since *began* and has its *last* status since some time.
        """
        status, since = last
        over = self.lifecycle.is_terminal(status)
        lasted = None
        if began is not None and since is not None and 0 <= since - began < inf:
            lasted = round(since * _MICROSECONDS) - round(began * _MICROSECONDS)
        if began is not None and isfinite(began):
            self.begun[floor(began / self.period)] += 1
        if way is not None:
            self.taken[way] += 1
        if not over:
            self.open.append(OpenRun(run_id, status, since))
            return
        if since is not None and isfinite(since):
            self.end(status, floor(since / self.period), 1)
        if lasted is not None:
            self.lasted_in(status).add(bucket_of(lasted), 1, lasted, lasted)
            if way is not None:
                self.lasted_on(way).add(bucket_of(lasted), 1, lasted, lasted)

    def end(self, status: str, period: int, times: int) -> None:
        """
        Count ends in *status* within a *period*.
        """
        self.ended.setdefault(status, Counter())[period] += times

    def lasted_in(self, status: str) -> Durations:
        """
        Return the histogram of durations up to the end *status*, to be added to.
        """
        return self.lasted.setdefault(status, Durations())

    def lasted_on(self, way: Way) -> Durations:
        """
        Return the histogram of durations of runs that took *way*, to be added to.
        """
        return self.lasted_by_way.setdefault(way, Durations())

    def counted(self, found: Mapping[str, Mapping[int, int]], followed: int) -> Journeys:
        """
        Return the record of it, with what was *found* when, and of how many runs the ways are.
        """
        ways = nsmallest(MOST_VARIANTS, self.taken.items(), key=lambda way: (-way[1], way[0]))
        lasted = self.lasted_by_way

        return Journeys(
            self.period,
            MappingProxyType(dict(sorted(self.begun.items()))),
            _sorted(self.ended),
            _sorted(found),
            MappingProxyType({s: each.counted() for s, each in sorted(self.lasted.items())}),
            tuple(nsmallest(MOST_OPEN, self.open, key=_longest_first)),
            tuple(
                Variant(way, runs, lasted[way].counted() if way in lasted else None)
                for way, runs in ways
            ),
            followed,
        )


class FoundTimes:
    """
    When findings were made, by code: to the second as long as these are few.
    """

    def __init__(self) -> None:
        self._each = 1
        self._times: Counter[tuple[str, int]] = Counter()

    def add(self, code: str, at: float | None) -> None:
        """
        Count a finding of *code* at a time, if it has one.
        """
        if at is None or not isfinite(at):
            return
        self._times[code, floor(at / self._each)] += 1
        if self._each == 1 and len(self._times) > MOST_TIMES:
            self._each = 3_600
            hours: Counter[tuple[str, int]] = Counter()
            for (known, second), times in self._times.items():
                hours[known, second // 3_600] += times
            self._times = hours

    def by_period(self, seconds: int) -> dict[str, Counter[int]]:
        """
        Return how many there are of each code in each period of so many *seconds*.
        """
        found: dict[str, Counter[int]] = {}
        for (code, number), times in self._times.items():
            found.setdefault(code, Counter())[number * self._each // seconds] += times

        return found


def _sorted(counts: Mapping[str, Mapping[int, int]]) -> Mapping[str, Mapping[int, int]]:
    return MappingProxyType(
        {name: MappingProxyType(dict(sorted(counts[name].items()))) for name in sorted(counts)}
    )


def _longest_first(run: OpenRun) -> tuple[float, str]:
    return (inf if run.since is None else run.since), run.run_id or ""
