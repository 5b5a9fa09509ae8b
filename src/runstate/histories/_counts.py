"""
What was observed of many histories, counted: the one counter of every engine.

The counters of two sets of runs add up to that of both. In whatever order they are merged, and
however they are grouped, they give what one pass over all of the runs gives: numbers are whole,
times are taken to the microsecond, and what is kept as an example is chosen by an order of its own.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import inf, isfinite
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from ._column_faults import ColumnFaults
from ._monitor import Monitor
from ._records import Finding, Observation
from ._reorder import in_sequence
from ._sample import Timelines
from ._survey import Dwell, Survey, bucket_of

__all__ = ["Attempts", "Counts", "Durations", "State", "Verdict", "has_status", "judged_alone"]

_MICROSECONDS = 1_000_000
_PLACE = itemgetter(0)

State = tuple[str, float | None]
"""The status of a run, and since when it has had it, as far as its rows were counted."""


class Verdict(NamedTuple):
    """
    The whole history of one run, judged.
    """

    run_id: str | None
    rows: Sequence[Observation]
    """In the order in which they were judged."""
    findings: Sequence[tuple[Any, Finding]]
    """Each with its place among the findings of all runs: something that can be sorted."""
    undecided: bool = False
    tied: int = 0
    reopened: int = 0


@dataclass
class Durations:
    """
    A histogram of durations while it is filled, in whole microseconds.
    """

    times: int = 0
    total: int = 0
    longest: int = 0
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, bucket: int, times: int, total: int, longest: int) -> None:
        """
        Add durations of one bucket: how many, their sum, and the longest of them.
        """
        self.times += times
        self.total += total
        self.longest = max(self.longest, longest)
        self.buckets[bucket] += times

    def counted(self) -> Dwell:
        """
        Return the histogram as a survey has it, in seconds.
        """
        return Dwell(
            self.times,
            self.total / _MICROSECONDS,
            self.longest / _MICROSECONDS,
            MappingProxyType({bucket: n for bucket, n in sorted(self.buckets.items()) if n}),
        )


class Attempts:
    """
    The largest attempt that was seen of each run that records attempts.
    """

    def __init__(self) -> None:
        self._largest: dict[str | None, int] = {}

    def begun_by(self, observation: Observation) -> bool:
        """
        Take the next observation of its run in, and return whether it is of a larger attempt.
        """
        attempt, run_id = observation.attempt, observation.run_id
        if attempt is None:
            return False
        before = self._largest.get(run_id)
        if before is not None and attempt <= before:
            return False
        self._largest[run_id] = attempt

        return attempt > (before or 1)


@dataclass
class Counts:
    """
    Counts whole histories, or rows of histories in their order; can be pickled and merged.

    Moves to and from a status that the lifecycle does not know are counted as others are.
    """

    limit: int = 10_000
    """How many findings are kept, those of the smallest places; all are counted."""
    timelines: Timelines = field(default_factory=Timelines)
    """The rows of some runs, kept to be shown."""
    runs: int = 0
    observations: int = 0
    undecided: int = 0
    tied: int = 0
    reopened: int = 0
    errors: int = 0
    tally: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    recorded: Counter[tuple[str, str]] = field(default_factory=Counter)
    dwell: dict[tuple[str, str], Durations] = field(default_factory=dict)
    began: float = inf
    ended: float = -inf
    kept: list[tuple[Any, Finding]] = field(default_factory=list)
    """Findings with their places, in order."""
    faults: ColumnFaults = field(default_factory=ColumnFaults)
    """Those that many records share; a survey has one finding for each."""

    def add(self, verdict: Verdict, monitor: Monitor) -> None:
        """
        Count one whole history, as *monitor* judged it.
        """
        self.runs += 1
        self.observations += len(verdict.rows)
        self.undecided += verdict.undecided
        self.tied += verdict.tied
        self.reopened += verdict.reopened
        state: State | None = None
        rows = [row for row in verdict.rows if has_status(row)]
        for row in rows:
            self.see(row)
        in_turn = [*in_sequence(rows)]
        attempts = Attempts()
        for row in in_turn:
            state = self.follow(state, row, monitor, unseen=attempts.begun_by(row))
        if state is not None:
            self.ends[state[0]] += 1
        for place, finding in verdict.findings:
            self.note(place, finding)
        first = min(map(_PLACE, verdict.findings), default=None)
        self.timelines.take(verdict.run_id, in_turn, first)

    def see(self, observation: Observation) -> None:
        """
        Count the status and the time of *observation*, whatever came before it.
        """
        self.seen[observation.status] += 1
        at = observation.at
        if at is not None and isfinite(at):
            self.began, self.ended = min(self.began, at), max(self.ended, at)

    def follow(
        self,
        before: State | None,
        observation: Observation,
        monitor: Monitor,
        *,
        unseen: bool = False,
    ) -> State:
        """
        Count the move that *observation* is, and return the state of its run after it.

        Args:
            before: The state of the run after the row before; None where there was none.
            observation: The next row of the run, in the order in which rows are judged.
            monitor: What judged it.
            unseen: Whether an attempt began since the row before, so that moves between them
                may have been missed.
        """
        status, source, at = observation.status, observation.source, observation.at
        in_order = monitor.observed != "unordered"
        then = None if before is None else before[0]
        if (
            unseen
            and source is None
            and then is not None
            and not monitor.lifecycle.ways(then, status)
        ):
            return status, at
        if source is not None:
            self.recorded[source, status] += 1
            self.moves[source, status] += 1
        elif in_order and then is not None and then != status:
            self.moves[then, status] += 1
        if before is None:
            return status, at
        if then == status:
            return before
        if in_order:
            if source is None or source == then:
                self._measure((before[0], status), before[1], at)
        elif monitor.lifecycle.is_terminal(before[0]):
            return before  # In no order, what has ended stays so.

        return status, at

    def _measure(self, move: tuple[str, str], since: float | None, at: float | None) -> None:
        """
        Count the time before *move*, if it is known. What goes back in time takes none.
        """
        if since is None or at is None or not 0 <= at - since < inf:
            return
        lasted = round(at * _MICROSECONDS) - round(since * _MICROSECONDS)
        self.measure(move).add(bucket_of(lasted), 1, lasted, lasted)

    def measure(self, move: tuple[str, str]) -> Durations:
        """
        Return the histogram of the times before *move*, to be added to.
        """
        if move not in self.dwell:
            self.dwell[move] = Durations()

        return self.dwell[move]

    def note(self, place: Any, finding: Finding) -> None:
        """
        Count *finding*, and keep it if its *place* is among the smallest.
        """
        self.tally[finding.code] += 1
        self.errors += finding.severity == "error"
        if self.keeps(place):
            insort(self.kept, (place, finding), key=_PLACE)
            del self.kept[self.limit :]

    def keeps(self, place: Any) -> bool:
        """
        Return whether a finding of this *place* would be kept.
        """
        kept = self.kept

        return len(kept) < self.limit or bool(kept and place < kept[-1][0])

    def merge(self, other: "Counts", times: int = 1) -> Self:
        """
        Add what *other* counted of other runs, so many *times*, and return this counter.

        What *other* keeps is taken over once.
        """
        for name in ("runs", "observations", "undecided", "tied", "reopened", "errors"):
            setattr(self, name, getattr(self, name) + getattr(other, name) * times)
        for name in ("tally", "seen", "ends", "moves", "recorded"):
            mine: Counter[Any] = getattr(self, name)
            for key, number in getattr(other, name).items():
                mine[key] += number * times
        for move, lasted in other.dwell.items():
            mine_of_move = self.measure(move)
            for bucket, number in lasted.buckets.items():
                mine_of_move.add(bucket, number * times, 0, lasted.longest)
            mine_of_move.total += lasted.total * times
        self.began, self.ended = min(self.began, other.began), max(self.ended, other.ended)
        self.kept = sorted([*self.kept, *other.kept], key=_PLACE)[: self.limit]
        self.timelines.merge(other.timelines)
        self.faults.merge(other.faults)

        return self

    def survey(
        self, timelines: Mapping[str | None, tuple[Observation, ...]] | None = None
    ) -> Survey:
        """
        Return the counts as a record, with *timelines*, or else with those that were kept.
        """
        shown = self.timelines.chosen() if timelines is None else timelines
        spans = self.began <= self.ended
        shared = [*self.faults.findings()]
        tally = self.tally + Counter(finding.code for finding in shared)
        kept = (*(finding for _, finding in self.kept), *shared)

        return Survey(
            runs=self.runs,
            observations=self.observations,
            undecided=self.undecided,
            findings=kept[: self.limit],
            tally=_positive(sorted(tally.items())),
            errors=self.errors + sum(finding.severity == "error" for finding in shared),
            seen=_positive(self.seen.items()),
            ends=_positive(self.ends.items()),
            moves=_positive(self.moves.items()),
            dwell=MappingProxyType({move: each.counted() for move, each in self.dwell.items()}),
            began=self.began if spans else None,
            ended=self.ended if spans else None,
            timelines=MappingProxyType(shown),
            recorded=_positive(self.recorded.items()),
            tied=self.tied,
            reopened=self.reopened,
        )


def has_status(observation: Observation) -> bool:
    """
    Return whether *observation* says a status at all; a record may say anything.
    """
    status: object = observation.status

    return isinstance(status, str) and bool(status)


def _positive(counted: Iterable[tuple[Any, int]]) -> Mapping[Any, int]:
    return MappingProxyType({key: number for key, number in counted if number})


def judged_alone(
    monitor: Monitor,
    rows: Sequence[Observation],
    place: Any = (),
    *,
    finished: bool = False,
    now: float | None = None,
) -> Verdict:
    """
    Return what *monitor*, which remembers no run, says of all *rows* of one; it forgets the run.

    Args:
        monitor: Judges.
        rows: In the order of the input.
        place: A tuple that sorts the run among others; its findings are numbered after it.
        finished: As for :func:`runstate.check`.
        now: As for :func:`runstate.check`.
    """
    tied, reopened = monitor.tied, monitor.reopened
    each = [*monitor.observe_history(rows)]
    found = chain(*(f for _, f in each), monitor.finish(finished=finished, now=now))
    numbered = [((*place, number), finding) for number, finding in enumerate(found)]
    run_id = rows[0].run_id if rows else None
    verdict = Verdict(
        run_id,
        [row for row, _ in each],
        numbered,
        bool(monitor.undecided),
        monitor.tied - tied,
        monitor.reopened - reopened,
    )
    monitor.forget(run_id)

    return verdict
