"""
Counting, in one pass, what was observed of many runs, while it is checked.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf, isfinite
from types import MappingProxyType
from typing import Any

from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._monitor import Monitor
from ._passes import judged
from ._records import Finding, Observation, ObservationModel
from ._reorder import Sequencer
from ._sample import Samples
from ._survey import Dwell, Survey, bucket_of

__all__ = ["Census", "survey"]


def survey(
    records: Iterable[Observation | Finding],
    lifecycle: Lifecycle = RUN,
    *,
    observed: ObservationModel = "complete",
    finished: bool = False,
    limits: Mapping[str, float] | None = None,
    now: float | None = None,
    limit: int = 10_000,
    samples: int = 0,
    allow_reopen: bool = False,
) -> Survey:
    """
    Count what *records* say of runs, and check it; findings among them are counted with the others.

    :func:`runstate.report.render_report` and :func:`runstate.diagrams.overlay_of` take the result::

        with open("runs.jsonl", "rb") as stream:
            page = render_report(survey(read(stream, name="runs.jsonl")))

    Args:
        records: What :func:`runstate.readers.read` yields, or observations of any number of
            runs, interleaved in any way; see :func:`check`.
        lifecycle: The table that the observations are checked against.
        observed: As for :func:`check`.
        finished: As for :func:`check`.
        limits: As for :func:`check`.
        now: As for :func:`check`.
        limit: How many findings are kept; all are counted.
        samples: How many runs have their timelines kept, those with findings first.
        allow_reopen: As for :func:`check`.

    Raises:
        TypeError: A part of an Observation is of the wrong type.
        ValueError: *observed* is not one of the three models, or a limit names an unknown status.
    """
    monitor = Monitor(lifecycle, observed=observed, limits=limits, allow_reopen=allow_reopen)
    census = Census(monitor, limit, samples)
    for _ in census.findings(records, finished=finished, now=now):
        pass

    return census.survey()


class Census:
    """
    Counts what passes by on its way through a monitor.

    Keeps for each run its status and since when; of the log, nothing but what it samples.
    """

    def __init__(self, monitor: Monitor, limit: int = 10_000, samples: int = 0) -> None:
        """
        Count what *monitor* judges; for *limit* and *samples* see :func:`survey`.
        """
        self._monitor = monitor
        self._limit = limit
        self._most_samples = samples
        self._in_order = monitor.observed != "unordered"
        self._findings: list[Finding] = []
        self._tally: Counter[str] = Counter()
        self._errors = 0
        self.restart()

    def restart(self) -> None:
        """
        Forget everything that was counted of observations, and every timeline.
        """
        self._sequencer = Sequencer()
        self._seen: Counter[str] = Counter()
        self._moves: Counter[tuple[str, str]] = Counter()
        self._recorded: Counter[tuple[str, str]] = Counter()
        self._dwell: dict[tuple[str, str], _Dwell] = {}
        self._status: dict[str | None, str] = {}
        self._since: dict[str | None, float | None] = {}
        self._began, self._ended = inf, -inf
        self.samples = Samples(self._most_samples) if self._most_samples else None
        """The timelines kept, if any are."""

    def findings(
        self,
        records: Iterable[Observation | Finding],
        *,
        finished: bool = False,
        now: float | None = None,
        by_position: bool = False,
    ) -> Iterator[Finding]:
        """
        Yield what is wrong with *records*, those findings included that are among them.

        For *by_position* see :func:`judged`, for the others :func:`check`.
        """
        for finding in judged(records, self._monitor, self, by_position=by_position):
            yield from self.note([finding])
        yield from self.finish(finished=finished, now=now)

    @property
    def runs(self) -> int:
        """How many runs were seen."""
        return self._monitor.runs

    @property
    def observations(self) -> int:
        """How many observations were seen."""
        return self._monitor.observations

    @property
    def undecided(self) -> int:
        """How many runs were seen too little of to decide anything."""
        return self._monitor.undecided

    def observe(self, observation: Observation) -> Sequence[Finding]:
        """
        Take one in, and return what is wrong with it.
        """
        found = self._monitor.observe(observation)
        self.count(observation)

        return self.note(found)

    def count(self, observation: Observation) -> None:
        """
        Count the next observation of a run that the monitor has judged.
        """
        status: Any = observation.status
        if isinstance(status, str) and status:
            self._seen[status] += 1
            at = observation.at
            if at is not None and isfinite(at):
                self._began, self._ended = min(self._began, at), max(self._ended, at)
            for each in self._sequencer.take(observation):
                self._count(each)

    def finish(self, *, finished: bool = False, now: float | None = None) -> Sequence[Finding]:
        """
        Return what can only be said once nothing more comes.
        """
        self.count_rest()

        return self.note(self._monitor.finish(finished=finished, now=now))

    def count_rest(self) -> None:
        """
        Count the numbered moves whose predecessors never came.
        """
        for observation in self._sequencer.rest():
            self._count(observation)

    def survey(self, missed: Mapping[str | None, Iterable[Observation]] = {}) -> Survey:
        """
        Return the counts so far; *missed* holds timelines that were let go and read once more.
        """
        timelines = self.samples.timelines(missed) if self.samples else {}

        return Survey(
            runs=self._monitor.runs,
            observations=self._monitor.observations,
            undecided=self._monitor.undecided,
            findings=tuple(self._findings),
            tally=MappingProxyType(dict(self._tally)),
            errors=self._errors,
            seen=MappingProxyType(dict(self._seen)),
            ends=MappingProxyType(dict(Counter(self._status.values()))),
            moves=MappingProxyType(dict(self._moves)),
            dwell=MappingProxyType({pair: dwell.counted() for pair, dwell in self._dwell.items()}),
            began=self._began if self._began <= self._ended else None,
            ended=self._ended if self._began <= self._ended else None,
            timelines=MappingProxyType(timelines),
            recorded=MappingProxyType(dict(self._recorded)),
            tied=self._monitor.tied,
            reopened=self._monitor.reopened,
        )

    @property
    def compared(self) -> bool:
        """Whether any run was seen more than once, or a move was recorded."""
        return self._monitor.compared

    def note(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        """
        Count *findings*, and return them.
        """
        for finding in findings:
            self._tally[finding.code] += 1
            self._errors += finding.severity == "error"
            if len(self._findings) < self._limit:
                self._findings.append(finding)
            if self.samples and finding.run_id in self._status:
                self.samples.mark(finding.run_id)

        return findings

    def _count(self, observation: Observation) -> None:
        """
        Count the next observation of a run.
        """
        status, run, source = observation.status, observation.run_id, observation.source
        if self.samples:
            self.samples.take(observation)
        before = self._status.get(run)
        if source is not None:
            self._recorded[source, status] += 1
            self._moves[source, status] += 1
        elif self._in_order and before is not None and before != status:
            self._moves[before, status] += 1
        if before == status:
            return
        if self._in_order:
            if before is not None and source in {None, before}:
                self._measure((before, status), self._since[run], observation.at)
            self._since[run] = observation.at
        elif before is not None and self._monitor.lifecycle.is_terminal(before):
            return  # In no order, what has ended stays so.
        self._status[run] = status

    def _measure(self, move: tuple[str, str], since: float | None, at: float | None) -> None:
        """
        Count the time before *move*, if it is known. What goes back in time takes none.
        """
        if since is None or at is None or not 0 <= at - since < inf:
            return
        if move not in self._dwell:
            self._dwell[move] = _Dwell()
        self._dwell[move].add(at - since)


class _Dwell:
    """
    A histogram of durations while it is filled.
    """

    __slots__ = ("_buckets", "_longest", "_times", "_total")

    def __init__(self) -> None:
        self._times = 0
        self._total = self._longest = 0.0
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self._times += 1
        self._total += seconds
        self._longest = max(self._longest, seconds)
        self._buckets[bucket_of(round(seconds * 1_000_000))] += 1

    def counted(self) -> Dwell:
        return Dwell(self._times, self._total, self._longest, MappingProxyType(dict(self._buckets)))
