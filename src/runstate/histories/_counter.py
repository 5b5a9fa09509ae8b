"""
Counting, in one pass, what was observed of many runs, while it is checked.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ._counts import Attempts, Counts, State, has_status
from ._journeys import FoundTimes, JourneyCounts, Ways, period_of
from ._monitor import Monitor
from ._passes import judged
from ._records import Finding, Observation
from ._reorder import Sequencer
from ._sample import Samples
from ._survey import Journeys, Survey

__all__ = ["Census"]


class Census:
    """
    Counts what passes by on its way through a monitor.

    Keeps for each run its status and since when; of the log, nothing but what it samples.
    """

    def __init__(
        self,
        monitor: Monitor,
        limit: int = 10_000,
        samples: int = 0,
        keep: Iterable[str] = (),
    ) -> None:
        """
        Count what *monitor* judges; for *limit*, *samples* and *keep* see :func:`survey`.
        """
        self._keep = frozenset(keep)
        self._monitor = monitor
        self._most_samples = samples
        self._found = Counts(limit)
        self.restart()

    def restart(self) -> None:
        """
        Forget everything that was counted of observations, and every timeline.
        """
        self._sequencer = Sequencer()
        self._rows = Counts()
        self._states: dict[str | None, State] = {}
        self._attempts = Attempts()
        is_over = self._monitor.lifecycle.is_terminal
        self.samples = (
            Samples(self._most_samples, self._keep, is_over) if self._most_samples else None
        )
        """The timelines kept, if any are."""
        in_order = self._monitor.observed != "unordered"
        self._ways = Ways() if self._most_samples and in_order else None
        self._found_at = FoundTimes()
        self._wrong_since: dict[str | None, float | None] = {}

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
        if has_status(observation):
            self._rows.see(observation)
            for each in self._sequencer.take(observation):
                self._follow(each)

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
            self._follow(observation)

    def survey(self, missed: Mapping[str | None, Iterable[Observation]] = {}) -> Survey:
        """
        Return the counts so far; *missed* holds timelines that were let go and read once more.
        """
        monitor = self._monitor
        counts = replace(
            self._rows,
            limit=self._found.limit,
            runs=monitor.runs,
            observations=monitor.observations,
            undecided=monitor.undecided,
            tied=monitor.tied,
            reopened=monitor.reopened,
            ends=Counter(status for status, _ in self._states.values()),
            tally=self._found.tally,
            errors=self._found.errors,
            kept=self._found.kept,
        )

        journeys = self._journeys()
        waiting = [run.run_id for run in journeys.open] if journeys else []
        survey = counts.survey(self.samples.timelines(missed, waiting) if self.samples else {})

        return survey._replace(journeys=journeys)

    @property
    def compared(self) -> bool:
        """Whether any run was seen more than once, or a move was recorded."""
        return self._monitor.compared

    def note(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        """
        Count *findings*, and return them.
        """
        for finding in findings:
            self._found.note(self._found.tally.total(), finding)
            self.suspect(finding)
            if self._ways is not None:
                self._found_at.add(finding.code, self._wrong_since.get(finding.run_id))

        return findings

    def suspect(self, finding: Finding) -> None:
        """
        Keep the timeline of the run that *finding* is about, and when it first went wrong.
        """
        run = finding.run_id
        if self.samples and run in self._states:
            self.samples.mark(run)
            self._wrong_since.setdefault(run, self._states[run][1])

    def _journeys(self) -> Journeys | None:
        """
        Return the counts of whole runs, if they are counted and any time is known.
        """
        rows = self._rows
        if self._ways is None or rows.began > rows.ended:
            return None
        counts = JourneyCounts(self._monitor.lifecycle, period_of(rows.began, rows.ended))
        for run, state in self._states.items():
            counts.add(run, *self._ways.taken(run), state)

        return counts.counted(self._found_at.by_period(counts.period), len(self._states))

    def _follow(self, observation: Observation) -> None:
        """
        Count the next observation of a run, in its turn.
        """
        run = observation.run_id
        before = self._states.get(run)
        if self.samples:
            self.samples.take(observation, begins=before is None)
        unseen = self._attempts.begun_by(observation)
        after = self._rows.follow(before, observation, self._monitor, unseen=unseen)
        self._states[run] = after
        if self._ways is not None and after is not before:
            self._ways.move(run, *after)
