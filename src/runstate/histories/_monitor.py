"""
Histories as they come, held against the table one observation at a time.

The observation model is declared, because it changes what is impossible: a poller
that sees ``queued`` and then ``completed`` has missed something, and whoever saw
every change has seen a fault. Nothing here raises for bad data.

The monitor decides which observation is the next of its run, and remembers what the rules need to
know of the run. The rules are in the modules beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from .._text import printable
from ..lifecycle._rows import CREATE
from ..lifecycle._table import Lifecycle, check_lifecycle
from ..runs._run import RUN
from ._findings import backwards, finding_on, unknown_status
from ._order import first_backwards, placed
from ._records import NOTHING, Finding, Observation, ObservationModel
from ._reopened import Reopenings, with_own_attempt
from ._run_memory import Brief, RunMemory
from ._seen import Seen, numbered, observation_of, sound
from ._snapshot import SnapshotRules
from ._time_rules import TimeRules
from ._transition_rules import TransitionRules

__all__ = ["Monitor"]

_MOST_AHEAD: Final = 1_000
"""Numbered moves of one run that are held back until the one before them arrives."""


class Monitor:
    """
    Checks histories as they come, one observation at a time.

    Judges in the order of arrival, apart from numbered moves. Where rows of one run arrive in
    another order than that of their times, or at one time, :func:`check` reads them once more
    and may find less.

    Keeps a constant amount for each run, and no observation. A run that has ended is kept too, so
    that an observation after its end is found; :meth:`forget` drops a run.

    Example:
        >>> monitor = Monitor(observed="polled")
        >>> monitor.observe(Observation("completed", run_id="run_1"))
        []
        >>> [f.code for f in monitor.observe(Observation("in_progress", run_id="run_1"))]
        ['RS105']
    """

    def __init__(
        self,
        lifecycle: Lifecycle = RUN,
        *,
        observed: ObservationModel = "complete",
        limits: Mapping[str, float] | None = None,
        allow_reopen: bool = False,
    ) -> None:
        """
        Watch under *lifecycle*.

        Args:
            lifecycle: The table.
            observed: What was seen of each run; see :func:`check`.
            limits: Longest time in a status, in seconds by status (RS302).
            allow_reopen: Whether a run may be reopened without evidence (RS109); see :func:`check`.

        Raises:
            ValueError: *observed* is not one of the three models, or a limit names an unknown status.
        """
        check_lifecycle(lifecycle)
        if observed not in {"complete", "polled", "unordered"}:
            raise ValueError(f"observed is complete, polled or unordered, not {observed!r}")
        self.lifecycle = lifecycle
        self.observed = observed
        self.observations: int = 0
        """How many observations were seen."""
        self.tied: int = 0
        """How many observations without a number share run and time with another one."""
        self.reopened: int = 0
        """How often a run was reopened, by a larger attempt or by the trigger of a row that reopens."""
        self._recorded = False
        self._contradicting: dict[str | None, RunMemory] = {}
        self._reopenings = Reopenings(lifecycle, observed)
        self._transitions = TransitionRules(
            lifecycle, observed, self._reopenings, allow_reopen=allow_reopen
        )
        self._snapshots = SnapshotRules(lifecycle, observed)
        self._times = TimeRules(lifecycle, limits or {})
        self._in_order = observed != "unordered"
        self._usual: Mapping[str | None, Mapping[str, str]] | None = {} if limits else None
        """Of each status, those that usually follow; None until the first row is compared."""
        self._unseen = (None, None, observed == "complete", None, None)
        self._runs: dict[str | None, RunMemory | Brief] = {}

    @property
    def runs(self) -> int:
        """How many runs are remembered."""
        return len(self._runs)

    @property
    def undecided(self) -> int:
        """How many of them were seen too little of to decide anything."""
        return sum(
            not (run.decided if isinstance(run, RunMemory) else run[2])
            for run in self._runs.values()
        )

    @property
    def compared(self) -> bool:
        """Whether any run was seen more than once, or a move was recorded; True before the first."""
        return self._recorded or self.observations > len(self._runs) or not self._runs

    @property
    def contradicting(self) -> frozenset[str | None]:
        """
        Ids of the runs whose observations contradict their order of arrival.

        An observation of theirs came behind a later one, or some came at one time and a finding
        depends on their order. :meth:`observe_history` judges such a run in the right order.
        """
        return frozenset(
            run_id
            for run_id, run in self._contradicting.items()
            if run.backwards or (run.tied and run.misplaced)
        )

    def forget(self, run_id: str | None) -> None:
        """
        Drop what is remembered of a run; unknown ones are fine.

        Args:
            run_id: Id of the run; None for the run of observations without an id.
        """
        self._runs.pop(run_id, None)
        self._contradicting.pop(run_id, None)

    def observe(self, seen: Seen) -> list[Finding]:
        """
        Take one observation in, and return what is wrong with it.

        A numbered move that comes before its predecessor is held back until that
        arrives, or until :meth:`finish`.

        Raises:
            TypeError: *seen* is neither a status, a snapshot nor an Observation, or an
                Observation's part is of the wrong type.
        """
        if type(seen) is Observation and self._is_usual(seen):
            return []
        observation = (
            sound(seen) if isinstance(seen, Observation) else observation_of(seen, self.lifecycle)
        )
        self.observations += 1
        observation = numbered(observation, self.observations)
        status: Any = observation.status
        if not isinstance(status, str) or not status:
            return [finding_on("RS902", observation, "the record has no status")]
        run = self._remembered(observation.run_id)
        if observation.seq is None or not self._in_order:
            return self._judge(run, observation)

        return list(self._in_sequence(run, observation, observation.seq))

    def observe_history(
        self, observations: Sequence[Observation]
    ) -> Iterator[tuple[Observation, list[Finding]]]:
        """
        Judge all observations of one run, and yield each with what is wrong with it.

        They are judged, and yielded, by number, else by time, else as they stand; those at one
        time as one set. If the run was observed before, this replaces what is remembered of it,
        and its observations are not counted again.

        Args:
            observations: All of one run, in the order of the input.

        Raises:
            TypeError: A part of an observation is of the wrong type.
        """
        rows = [sound(row) for row in observations]
        if all(row.file is None and row.line is None for row in rows):
            rows = [numbered(row, place) for place, row in enumerate(rows, 1)]
        if not rows:
            return
        run_id = rows[0].run_id
        self.observations += 0 if run_id in self._runs else len(rows)
        known = self._remembered(run_id)
        self.tied -= known.tied
        self.reopened -= known.reopened
        self._contradicting.pop(run_id, None)
        run = self._runs[run_id] = RunMemory()
        # A record of an unknown status has no place, here as when it comes as a stream.
        placed_rows = [row for row in rows if self._is_known(row)] if self._in_order else []
        back = first_backwards(placed_rows)
        for each in placed(rows, self.lifecycle, self.observed):
            row = each.row
            found: list[Finding] = []
            if back is not None and row is back[0]:
                found.append(backwards(*back))
            if each.no_order:
                found.append(self._transitions.no_order(each, run.status))
            yield row, [*found, *self._observed_in(run, row, judged=each.follows)]

    def _is_known(self, row: Observation) -> bool:
        statuses: tuple[Any, ...] = (row.status, row.source or row.status)

        return all(isinstance(each, str) and each in self.lifecycle.known for each in statuses)

    def _observed_in(self, run: RunMemory, row: Observation, *, judged: bool) -> list[Finding]:
        status: Any = row.status
        if not isinstance(status, str) or not status:
            return [finding_on("RS902", row, "the record has no status")]
        if row.seq is None or not self._in_order:
            return self._judge(run, row, judged=judged)

        return list(self._in_sequence(run, row, row.seq))

    def overdue(self, now: float) -> list[Finding]:
        """
        Return which runs have gone on for too long, each once (RS301, RS302).

        Args:
            now: The present, in Unix seconds.
        """
        return [
            finding
            for run_id, run in self._runs.items()
            if type(run) is RunMemory  # of others, neither a limit nor when they are due is known
            for finding in self._overdue_now(run_id, run, now)
        ]

    def _overdue_now(self, run_id: str | None, run: RunMemory, now: float) -> Iterator[Finding]:
        if run.status is not None and run.ended is None:
            last = Observation(run.status, run_id, at=now, file=run.file, line=run.line)
            yield from self._times.too_long(run, last, now)

    def finish(self, *, finished: bool = False, now: float | None = None) -> list[Finding]:
        """
        Return what can only be said once nothing more comes.

        Args:
            finished: Whether every run should have ended (RS107).
            now: When to judge what is still under way, in Unix seconds (RS301, RS302).
        """
        findings: list[Finding] = []
        for run_id, known in self._runs.items():
            if type(known) is tuple and (not finished or self.lifecycle.is_terminal(known[0])):
                continue
            run = self._whole(known)
            for seq in sorted(run.ahead):
                findings += self._judge(run, run.ahead.pop(seq), gap=True)
            if run.status is None or run.ended is not None:
                continue
            if now is not None:
                findings += self._overdue_now(run_id, run, now)
            last = Observation(run.status, run_id, at=now, file=run.file, line=run.line)
            if finished:
                hint = f"from {run.status}: {', '.join(self.lifecycle.allowed(run.status))}"
                findings.append(
                    finding_on("RS107", last, f"ends in {run.status}", source=run.status, hint=hint)
                )

        return findings

    # -- one observation ---------------------------------------------------------

    def _is_usual(self, seen: Observation) -> bool:
        """
        Take *seen* in, if it is as nearly all are: a legal status, later than the one before it, and no more.

        Returns False for all others, and takes nothing in. What this passes, the whole way passes.
        """
        status, run_id, at, fields, source, seq, file, line, trigger, attempt = seen
        before = self._runs.get(run_id, self._unseen)
        usual = self._usual
        if usual is None:
            follows = self._transitions.follows
            usual = self._usual = _usual_steps(self.lifecycle, follows, self.observed)
        try:
            last, then, decided, _, _ = before  # type: ignore[misc]  # a RunMemory cannot be unpacked
            status = usual[last][status]
        except (TypeError, KeyError):
            return False
        if not (
            source is None
            and seq is None
            and trigger is None
            and attempt is None
            and (
                at is None
                or ((type(at) is float or type(at) is int) and (then is None or not at <= then))
            )
            and (
                fields is NOTHING
                or (type(fields) is dict and self._snapshots.told.isdisjoint(fields))
            )
        ):
            return False
        self.observations += 1
        if file is None and line is None:
            line = self.observations
        decided = decided or bool(fields) or (last is not None and last != status)
        self._runs[run_id] = (status, then if at is None else at, decided, file, line)

        return True

    def _remembered(self, run_id: str | None) -> RunMemory:
        """
        Return all that is remembered of a run, which is kept so from now on.
        """
        known = self._runs.get(run_id)
        run = self._whole(known)
        if run is not known:
            self._runs[run_id] = run

        return run

    def _whole(self, known: RunMemory | Brief | None) -> RunMemory:
        if type(known) is RunMemory:
            return known
        run = RunMemory()
        if type(known) is tuple:
            run.status, run.at, run.decided, run.file, run.line = known
            run.ended = run.status if self.lifecycle.is_terminal(run.status) else None
            run.last = (None, run.status)

        return run

    def _in_sequence(self, run: RunMemory, observation: Observation, seq: int) -> Iterator[Finding]:
        """
        Judge numbered moves in the order of their numbers.

        Whoever logs after committing, as everyone should, may log two moves of one
        run in the wrong order; and whoever delivers at least once delivers twice.
        """
        if seq <= run.seq or seq in run.ahead:
            yield from self._again(run, observation, seq)
            return
        run.ahead[seq] = observation
        if len(run.ahead) > _MOST_AHEAD:
            run.seq = min(run.ahead)
            yield from self._judge(run, run.ahead.pop(run.seq), gap=True)
        while run.seq + 1 in run.ahead:
            run.seq += 1
            yield from self._judge(run, run.ahead.pop(run.seq))

    def _again(self, run: RunMemory, observation: Observation, seq: int) -> Iterator[Finding]:
        """
        Judge a move whose number was there before: delivered twice, or made twice.
        """
        now = (observation.source, observation.status)
        if seq in run.ahead:
            then: tuple[str | None, str] | None = (run.ahead[seq].source, run.ahead[seq].status)
        else:
            # Of earlier numbers only the end is known: a second one cannot be theirs.
            then = run.last if seq == run.seq else None
        if then is not None and then != now:
            message = (
                f"move {seq} is there twice: to {printable(then[1])} and to {printable(now[1])}"
            )
            yield finding_on("RS903", observation, message, source=now[0], target=now[1])
        elif (
            then is None
            and run.ended is not None
            and not run.reopened  # the end of an earlier attempt may be delivered again
            and self.lifecycle.is_terminal(now[1])
        ):
            reopened = run.reopened
            yield from self._transitions.after_end(run, observation, run.ended, now[1])
            self.reopened += run.reopened - reopened

    def _judge(
        self, run: RunMemory, observation: Observation, *, gap: bool = False, judged: bool = True
    ) -> list[Finding]:
        """
        Judge the next observation of *run*.

        Args:
            run: What is remembered of it.
            observation: One whose turn it is.
            gap: Whether the numbered move before it is missing.
            judged: Whether its transition is judged; False where a finding was given on its set.
        """
        observation = with_own_attempt(observation, run.attempt)
        status, source = observation.status, observation.source
        known = self.lifecycle.known
        if source is not None and source not in known:
            return [unknown_status(observation, source, self.lifecycle)]
        if status not in known:
            return [unknown_status(observation, status, self.lifecycle)]
        before, reopened, moved = run.status, run.reopened, judged
        found: list[Finding] = []
        if source is not None:
            self._recorded = True
            found += self._transitions.recorded(run, observation, source)
        elif judged and observation.trigger == CREATE:
            found += self._transitions.creation(run, observation)
            run.misplaced |= before is not None
        if not self._in_order:
            found += self._transitions.misfit(run, observation)
        else:
            at = observation.at
            if at is not None and run.at is not None and at <= run.at:
                found += self._not_later(run, observation, at, run.at)
            if judged and (wrong := self._transitions.transition(run, observation, gap=gap)):
                found += wrong
                moved = wrong[-1].code == "RS102"
        if observation.fields:
            found += self._wrong_fields(run, observation, before, moved=moved)
        if observation.at is not None:
            found += self._times.too_long(run, observation, observation.at)
        self.reopened += run.reopened - reopened
        self._remember(run, observation)

        return found

    def _not_later(
        self, run: RunMemory, observation: Observation, at: float, before: float
    ) -> Iterator[Finding]:
        """
        Record that an observation is not later than the one before it; an earlier one is a finding.
        """
        numbered = observation.seq is not None
        if at == before:
            if not numbered:
                more = 1 if run.tied_at == at else 2
                run.tied_at = at
                run.tied += more
                self.tied += more
                self._contradicting[observation.run_id] = run
            return
        if numbered or not run.backwards:
            yield backwards(observation, before - at)
        if not numbered:
            run.backwards = True
            self._contradicting[observation.run_id] = run

    def _wrong_fields(
        self, run: RunMemory, observation: Observation, before: str | None, *, moved: bool
    ) -> Iterator[Finding]:
        """
        Yield what is wrong with a snapshot's fields.

        Of a transition that is a finding (not *moved*), it does not say again that no move writes
        the stamps that changed with it.
        """
        for fault in self._snapshots.faults(
            observation.status, observation.fields, before, run.kept
        ):
            if fault.code == "RS208" and not moved:
                continue
            yield finding_on(
                fault.code,
                observation,
                fault.message,
                severity=fault.severity,
                target=observation.status,
                hint=fault.hint,
            )

    def _remember(self, run: RunMemory, observation: Observation) -> None:
        attempt = observation.attempt
        if (
            attempt is not None
            and self._in_order
            and self._reopenings.is_late(attempt, run.attempt)
        ):
            return
        status = observation.status
        known = run.status is not None
        # Complete is decided by its first status; else it takes two, or a snapshot's fields.
        run.decided |= (
            self.observed == "complete"
            or bool(observation.fields)
            or observation.source is not None
            or (known and run.status != status)
        )
        if run.status != status:
            run.since, run.stuck = observation.at, False
        run.status = status
        if self.lifecycle.is_terminal(status):
            run.ended = status
        if attempt is not None:
            run.attempt = max(attempt, run.attempt or attempt)
        if observation.at is not None:
            run.at = observation.at
        run.due = self._times.due(observation.fields, run.due)
        for name in self._snapshots.kept:
            if name in observation.fields:
                run.kept[name] = observation.fields[name]
        run.file, run.line = observation.file, observation.line
        run.last = (observation.source, status)


def _usual_steps(
    lifecycle: Lifecycle, follows: AbstractSet[tuple[str, str]], observed: ObservationModel
) -> dict[str | None, dict[str, str]]:
    """
    Return the statuses that may be seen after each, and first of all, where nothing else is known.
    """
    if observed == "unordered":
        return {}
    first = lifecycle.initial_statuses if observed == "complete" else lifecycle.known
    steps: dict[str | None, dict[str, str]] = {None: {str(status): str(status) for status in first}}
    for before, after in follows:
        steps.setdefault(str(before), {})[str(after)] = str(after)

    return steps
