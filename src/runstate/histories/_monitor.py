"""
Histories as they come, held against the table one observation at a time.

The observation model is declared, because it changes what is impossible: a poller
that sees ``queued`` and then ``completed`` has missed something, and whoever saw
every change has seen a fault. Nothing here raises for bad data.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from .._text import printable
from ..lifecycle._rows import CREATE
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._order import Placed, first_backwards, placed
from ._records import NOTHING, Finding, Lagging, Observation, ObservationModel, Severity
from ._reopened import Reopenings
from ._rules import RULES
from ._snapshot import SnapshotRules

__all__ = ["Monitor", "Seen", "observation_of"]

Seen = str | Mapping[str, Any] | BaseModel | Observation
"""A status, a snapshot as a mapping or a model, or an :class:`Observation`."""

_MOST_AHEAD = 1_000
"""Numbered moves of one run that are held back until the one before them arrives."""

_PLAIN_FIELDS: Final = frozenset({dict, MappingProxyType})
_KINDS: Final[Mapping[str, tuple[type, str]]] = {
    "at": (Real, "Unix seconds"),
    "fields": (Mapping, "a mapping"),
    "source": (str, "a status"),
    "seq": (Integral, "a whole number"),
    "trigger": (str, "a name"),
    "attempt": (Integral, "a whole number"),
}
"""What the parts of an observation must be, where they are not None."""


_NOTHING_SEEN: Final = frozenset[str]()


class _Run:
    """
    What is remembered of one run: a constant amount, whatever its length.
    """

    __slots__ = (
        "ahead", "at", "attempt", "backwards", "decided", "due", "ended", "file", "headless", "kept", "last", "line", "misplaced",
        "overdue", "reopened", "seen", "seq", "since", "status", "stuck", "tied", "tied_at",
    )  # fmt: skip

    def __init__(self) -> None:
        self.status: str | None = None
        self.ended: str | None = None
        self.at: float | None = None
        self.attempt: int | None = None
        """The largest attempt that was seen."""
        self.reopened = 0
        """How often it was reopened."""
        self.since: float | None = None
        """When it was first seen in its status."""
        self.due: float | None = None
        self.kept: dict[str, Any] = {}
        self.seen: dict[int | None, frozenset[str]] = {}
        """Statuses by attempt, where they come in no order."""
        self.seq = 0
        self.last: tuple[str | None, str] | None = None
        """Source and target of the last numbered move."""
        self.ahead: dict[int, Observation] = {}
        self.backwards = False
        """Whether an observation without a number came behind a later one."""
        self.misplaced = False
        """Whether a finding depends on the order of its observations."""
        self.tied: int = 0
        """How many of its observations share their time with another one."""
        self.tied_at: float | None = None
        self.decided = False
        self.headless: Finding | None = None
        self.overdue = False
        self.stuck = False
        self.file: str | None = None
        self.line: int | None = None


_Brief = tuple[str, float | None, bool, str | None, int | None]
"""
What is remembered of a run in which nothing was unusual so far: its status, when it was seen last,
whether anything is decided, and the file and line of that. A seventh of the room of a :class:`_Run`.
"""


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
        if observed not in {"complete", "polled", "unordered"}:
            raise ValueError(f"observed is complete, polled or unordered, not {observed!r}")
        for status in limits or {}:
            if status not in lifecycle.statuses:
                raise ValueError(
                    f"limit given for unknown status {str(status)!r} (lifecycle {lifecycle.name})"
                )
        self.lifecycle = lifecycle
        self.observed = observed
        self.observations: int = 0
        """How many observations were seen."""
        self.tied: int = 0
        """How many observations without a number share run and time with another one."""
        self.reopened: int = 0
        """How often a run was reopened, by a larger attempt or by the trigger of a row that reopens."""
        self._recorded = False
        self._contradicting: dict[str | None, _Run] = {}
        self._limits = dict(limits or {})
        self._rules = SnapshotRules(lifecycle, observed)
        self._reopenings = Reopenings(lifecycle, observed)
        self._allow_reopen = allow_reopen
        self._in_order = observed != "unordered"
        self._next = lifecycle.seen_next if observed == "complete" else lifecycle.seen_later
        self._usual = _usual_steps(lifecycle, self._next, observed) if not limits else {}
        self._unseen = (None, None, observed == "complete", None, None)
        self._runs: dict[str | None, _Run | _Brief] = {}

    @property
    def runs(self) -> int:
        """How many runs are remembered."""
        return len(self._runs)

    @property
    def undecided(self) -> int:
        """How many of them were seen too little of to decide anything."""
        return sum(
            not (run.decided if isinstance(run, _Run) else run[2]) for run in self._runs.values()
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
            _sound(seen) if isinstance(seen, Observation) else observation_of(seen, self.lifecycle)
        )
        self.observations += 1
        if observation.file is None and observation.line is None:
            observation = observation._replace(line=self.observations)
        status: Any = observation.status
        if not isinstance(status, str) or not status:
            return [_finding("RS902", observation, "the record has no status")]
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
        rows = [_sound(row) for row in observations]
        if all(row.file is None and row.line is None for row in rows):
            rows = [row._replace(line=place) for place, row in enumerate(rows, 1)]
        if not rows:
            return
        run_id = rows[0].run_id
        self.observations += 0 if run_id in self._runs else len(rows)
        known = self._remembered(run_id)
        self.tied -= known.tied
        self.reopened -= known.reopened
        self._contradicting.pop(run_id, None)
        run = self._runs[run_id] = _Run()
        # A record of an unknown status has no place, here as when it comes as a stream.
        placed_rows = [row for row in rows if self._is_known(row)] if self._in_order else []
        back = first_backwards(placed_rows)
        for each in placed(rows, self.lifecycle, self.observed):
            row = each.row
            found: list[Finding] = []
            if back is not None and row is back[0]:
                found.append(_backwards(*back))
            if each.no_order:
                found.append(self._no_order(each, run.status))
            yield row, [*found, *self._observed_in(run, row, judged=each.follows)]

    def _is_known(self, row: Observation) -> bool:
        statuses: tuple[Any, ...] = (row.status, row.source or row.status)

        return all(isinstance(each, str) and each in self.lifecycle.known for each in statuses)

    def _observed_in(self, run: _Run, row: Observation, *, judged: bool) -> list[Finding]:
        status: Any = row.status
        if not isinstance(status, str) or not status:
            return [_finding("RS902", row, "the record has no status")]
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
            if type(run) is _Run  # of others, neither a limit nor when they are due is known
            for finding in self._overdue_now(run_id, run, now)
        ]

    def _overdue_now(self, run_id: str | None, run: _Run, now: float) -> Iterator[Finding]:
        if run.status is not None and run.ended is None:
            last = Observation(run.status, run_id, at=now, file=run.file, line=run.line)
            yield from self._waiting(run, last, now)

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
                    _finding("RS107", last, f"ends in {run.status}", source=run.status, hint=hint)
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
        try:
            last, then, decided, _, _ = before  # type: ignore[misc]  # a _Run cannot be unpacked
            status = self._usual[last][status]
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
                fields is NOTHING or (type(fields) is dict and self._rules.told.isdisjoint(fields))
            )
        ):
            return False
        self.observations += 1
        if file is None and line is None:
            line = self.observations
        decided = decided or bool(fields) or (last is not None and last != status)
        self._runs[run_id] = (status, then if at is None else at, decided, file, line)

        return True

    def _remembered(self, run_id: str | None) -> _Run:
        """
        Return all that is remembered of a run, which is kept so from now on.
        """
        known = self._runs.get(run_id)
        run = self._whole(known)
        if run is not known:
            self._runs[run_id] = run

        return run

    def _whole(self, known: "_Run | _Brief | None") -> _Run:
        if type(known) is _Run:
            return known
        run = _Run()
        if type(known) is tuple:
            run.status, run.at, run.decided, run.file, run.line = known
            run.ended = run.status if self.lifecycle.is_terminal(run.status) else None
            run.last = (None, run.status)

        return run

    def _in_sequence(self, run: _Run, observation: Observation, seq: int) -> Iterator[Finding]:
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

    def _again(self, run: _Run, observation: Observation, seq: int) -> Iterator[Finding]:
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
            yield _finding("RS903", observation, message, source=now[0], target=now[1])
        elif (
            then is None
            and run.ended is not None
            and not run.reopened  # the end of an earlier attempt may be delivered again
            and self.lifecycle.is_terminal(now[1])
        ):
            yield from self._after_end(run, observation, run.ended, now[1])

    def _judge(
        self, run: _Run, observation: Observation, *, gap: bool = False, judged: bool = True
    ) -> list[Finding]:
        """
        Judge the next observation of *run*.

        Args:
            run: What is remembered of it.
            observation: One whose turn it is.
            gap: Whether the numbered move before it is missing.
            judged: Whether its transition is judged; False where a finding was given on its set.
        """
        observation = _timely(observation, run.attempt)
        status, source = observation.status, observation.source
        known = self.lifecycle.known
        if source is not None and source not in known:
            return [self._unknown(observation, source)]
        if status not in known:
            return [self._unknown(observation, status)]
        before, moved = run.status, judged
        found: list[Finding] = []
        if source is not None:
            self._recorded = True
            found += self._wrong_row(run, observation, source)
        elif judged and observation.trigger == CREATE:
            found += self._wrong_birth(run, observation)
            run.misplaced |= before is not None
        if not self._in_order:
            found += self._misfit(run, observation)
        else:
            at = observation.at
            if at is not None and run.at is not None and at <= run.at:
                found += self._not_later(run, observation, at, run.at)
            if judged and (wrong := self._wrong_transition(run, observation, gap=gap)):
                found += wrong
                moved = wrong[-1].code == "RS102"
        if observation.fields:
            found += self._misheld(run, observation, before, moved=moved)
        if observation.at is not None:
            found += self._waiting(run, observation, observation.at)
        self._remember(run, observation)

        return found

    def _unknown(self, observation: Observation, status: str) -> Finding:
        return _finding(
            "RS101",
            observation,
            f"unknown status '{printable(status)}'",
            target=status,
            hint=_meant(status, self.lifecycle.statuses),
        )

    def _not_later(
        self, run: _Run, observation: Observation, at: float, before: float
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
            yield _backwards(observation, before - at)
        if not numbered:
            run.backwards = True
            self._contradicting[observation.run_id] = run

    def _wrong_transition(self, run: _Run, observation: Observation, *, gap: bool) -> list[Finding]:
        before, source = run.status, observation.source
        if self._is_late(run, observation.attempt):
            run.misplaced = True
            return [self._late(run, observation)]
        if before is None:
            found = self._wrong_start(run, observation)
        elif run.headless is None and source is None and (before, observation.status) in self._next:
            if before == run.ended and self._reopened_unseen(run, observation, before, before):
                self._count_reopening(run)
            return []
        elif run.headless is not None and self._is_next_snapshot(run, observation, before):
            found = []
            self._count_reopening(run)
        else:
            found = [] if run.headless is None else [run.headless]
            run.headless = None
            found += self._wrong_step(run, observation, before, gap=gap)
        if found or run.headless is not None:
            run.misplaced = True

        return found

    def _wrong_step(
        self, run: _Run, observation: Observation, before: str, *, gap: bool
    ) -> Iterator[Finding]:
        source = observation.source
        if source is None:
            yield from self._wrong_next(run, observation, before, observation.status)
        elif gap or self.observed != "complete":
            if (before, source) not in self.lifecycle.seen_later:
                yield from self._wrong_next(run, observation, before, source)
        elif before != source:
            yield from self._unmet(run, observation, before, source)

    def _no_order(self, of: Placed, before: str | None) -> Finding:
        """
        Return the one finding about observations at one time that no order makes legal.
        """
        rows = of.no_order
        said = dict.fromkeys(
            row.status if row.source is None else f"{row.source} -> {row.status}" for row in rows
        )
        impossible = "RS103" if self.observed == "complete" else "RS104"
        after = "" if before is None else f"after {before}: "

        return _finding(
            "RS105" if of.ends_lifecycle else impossible,
            rows[0],
            f"{after}{', '.join(said)} at one time: no order of them is legal",
            source=before,
            hint=f"{len(rows)} rows of one run have one time, and are judged as a set",
        )

    def _wrong_row(self, run: _Run, observation: Observation, source: str) -> Iterator[Finding]:
        """
        A recorded move is one move under every model: it must be a row.
        """
        target, trigger = observation.status, observation.trigger
        rows = self.lifecycle.rows(source, target)
        if not rows:
            if self.lifecycle.is_terminal(source):
                yield from self._after_end(run, observation, source, target)
            else:
                yield self._no_move("RS103", observation, source, target)
        elif trigger is not None and trigger not in {row.trigger for row in rows}:
            yield _finding(
                "RS103",
                observation,
                f"{source} -{printable(trigger)}-> {target}: no such row",
                source=source,
                target=target,
                hint=f"that move is made by {', '.join(row.trigger for row in rows)}",
            )

    def _wrong_birth(self, run: _Run, observation: Observation) -> Iterator[Finding]:
        """
        A recorded creation is the first move of a run, under every model.
        """
        begins = self.lifecycle.initial_statuses
        if observation.status not in begins and self.observed != "complete":
            yield _finding(
                "RS102",
                observation,
                f"created in {observation.status}",
                target=observation.status,
                hint=f"a run is created in {' or '.join(begins)}",
            )
        if self._in_order and run.status is not None:
            yield _finding(
                "RS103",
                observation,
                f"{run.status} -> {observation.status}: created again",
                source=run.status,
                target=observation.status,
                hint="two runs under one id, or two creators",
            )

    def _unmet(
        self, run: _Run, observation: Observation, before: str, source: str
    ) -> Iterator[Finding]:
        """
        Every change was recorded, so a recorded move begins where the one before it ended.
        """
        if (before, source) not in self._next:
            yield from self._wrong_next(run, observation, before, source)
            return

        yield _finding(
            "RS103",
            observation,
            f"{before} -> {source}: no such move was recorded",
            source=before,
            target=source,
            hint=f"the recorded move begins in {source}, and the one before it ended in {before}",
        )

    def _wrong_start(self, run: _Run, observation: Observation) -> list[Finding]:
        start = observation.source or observation.status
        first = observation.seq is None or observation.seq == 1
        if self.observed != "complete" or not first or start in self.lifecycle.initial_statuses:
            return []
        finding = _finding(
            "RS102",
            observation,
            f"begins in {start}",
            target=start,
            hint=f"a run begins in {' or '.join(self.lifecycle.initial_statuses)}; "
            "is the head missing? then: polled",
        )
        # One snapshot is no history. The finding waits for a second snapshot of the same attempt.
        if observation.fields:
            run.headless = finding
            return []

        return [finding]

    def _wrong_next(
        self, run: _Run, observation: Observation, before: str, target: str
    ) -> Iterator[Finding]:
        if (before, target) in self._next:
            return
        if self.lifecycle.is_terminal(before):
            yield from self._after_end(run, observation, before, target)
        elif self.observed != "complete" and self._reopened_unseen(
            run, observation, before, target
        ):
            self._count_reopening(run)
        else:
            code = "RS103" if self.observed == "complete" else "RS104"
            yield self._no_move(code, observation, before, target)

    def _after_end(
        self, run: _Run, observation: Observation, before: str, target: str
    ) -> Iterator[Finding]:
        """
        Judge what was seen after an end: the record shows that the run was reopened, or it does not.
        """
        shown = self._reopenings.explained_by(observation, run.attempt, before, target)
        if shown:
            self._count_reopening(run)
            return
        code = "RS105" if shown is False else self._reopenings.code(before, target)
        if code == "RS105":
            yield self._no_move(code, observation, before, target)
            return
        if self._allow_reopen:
            self._count_reopening(run)
            return
        run.ended = None
        triggers = {row.trigger for row in self.lifecycle.reopenings if row.source == before}
        yield _finding(
            code,
            observation,
            f"{before} -> {target}: reopened ({', '.join(sorted(triggers))}), or a late writer",
            source=before,
            target=target,
            hint="the record has no attempt and no trigger that would tell them apart; "
            "--allow-reopen accepts it",
        )

    def _is_late(self, run: _Run, attempt: int | None) -> bool:
        return (
            attempt is not None
            and run.attempt is not None
            and attempt < run.attempt
            and bool(self.lifecycle.reopenings)
        )

    def _late(self, run: _Run, observation: Observation) -> Finding:
        """
        Return the finding about a record of an attempt before the one that is under way.
        """
        return _finding(
            "RS105",
            observation,
            f"{observation.status} of attempt {observation.attempt} after attempt {run.attempt} "
            "began: a late writer",
            source=run.status,
            target=observation.status,
            hint="compare the attempt, or a token, with every write",
        )

    def _reopened_unseen(
        self, run: _Run, observation: Observation, before: str, target: str
    ) -> bool:
        """
        Return whether a larger attempt shows that the run was reopened since it was seen last.
        """
        return (
            observation.attempt is not None
            and observation.attempt > (run.attempt or 1)
            and self._reopenings.may_follow(before, target)
        )

    def _is_next_snapshot(self, run: _Run, observation: Observation, before: str) -> bool:
        """
        Return whether *observation* is the first of another attempt, where each had one snapshot.

        A list with a row for each attempt holds a history of none of them.
        """
        return (
            observation.source is None
            and bool(observation.fields)
            and self._reopened_unseen(run, observation, before, observation.status)
        )

    def _count_reopening(self, run: _Run) -> None:
        run.reopened += 1
        self.reopened += 1
        run.ended = None
        # What the row clears, and which moves nobody saw after it, is not known.
        run.kept = {name: run.kept[name] for name in self.lifecycle.identity if name in run.kept}

    def _misfit(self, run: _Run, observation: Observation) -> Iterator[Finding]:
        attempt = observation.attempt
        seen = run.seen.get(attempt, _NOTHING_SEEN)
        for status in (observation.source, observation.status):
            if status is None or status in seen:
                continue
            fitted, seen = seen, seen | {status}
            run.seen[attempt] = seen
            if run.reopened:
                continue
            if not self.lifecycle.fits_one_run(seen) and self.lifecycle.fits_one_run(fitted):
                others = sorted(s for s in fitted if not self.lifecycle.fits_one_run({s, status}))
                yield _finding(
                    "RS106",
                    observation,
                    f"{status} and {', '.join(others)} cannot belong to one run",
                    target=status,
                    hint="neither can be reached from the other",
                )

    def _misheld(
        self, run: _Run, observation: Observation, before: str | None, *, moved: bool
    ) -> Iterator[Finding]:
        """
        Yield what is wrong with a snapshot's fields.

        Of a transition that is a finding (not *moved*), it does not say again that no move writes
        the stamps that changed with it.
        """
        for fault in self._rules.faults(observation.status, observation.fields, before, run.kept):
            if fault.code == "RS208" and not moved:
                continue
            yield _finding(
                fault.code,
                observation,
                fault.message,
                severity=fault.severity,
                target=observation.status,
                hint=fault.hint,
            )

    def _waiting(self, run: _Run, observation: Observation, at: float) -> Iterator[Finding]:
        """
        Yield what has gone on for too long at the time *at*, once a run or a status.
        """
        status = observation.status
        due = self._due(observation.fields, run.due)
        if (
            due is not None
            and at > due
            and not run.overdue
            and not self.lifecycle.is_terminal(status)
        ):
            run.overdue = True
            yield _finding(
                "RS301", observation, f"still {status} {at - due:.15g} s after it was due"
            )
        if run.status is None or run.since is None or run.stuck:
            return
        limit, kept = self._limits.get(run.status), at - run.since
        if limit is not None and kept > limit:
            run.stuck = True
            yield _finding(
                "RS302", observation, f"{run.status} for {kept:.15g} s", source=run.status,
                hint=f"the limit is {limit:.15g} s",
            )  # fmt: skip

    def _remember(self, run: _Run, observation: Observation) -> None:
        if self._in_order and self._is_late(run, observation.attempt):
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
        if observation.attempt is not None:
            run.attempt = max(observation.attempt, run.attempt or observation.attempt)
        if observation.at is not None:
            run.at = observation.at
        run.due = self._due(observation.fields, run.due)
        for name in self._rules.kept:
            if name in observation.fields:
                run.kept[name] = observation.fields[name]
        run.file, run.line = observation.file, observation.line
        run.last = (observation.source, status)

    # -- wording -----------------------------------------------------------------

    def _due(self, fields: Mapping[str, Any], known: float | None) -> float | None:
        deadline = self.lifecycle.deadline
        if deadline is None or deadline.field not in fields:
            return known
        value = fields[deadline.field]

        return value if isinstance(value, int | float) else None

    def _no_move(self, code: str, observation: Observation, source: str, target: str) -> Finding:
        path = self.lifecycle.shortest_path(source, target)
        if self.lifecycle.is_terminal(source):
            message = f"{source} -> {target}: {source} is terminal"
        else:
            message = (
                f"{source} -> {target}: {'not reachable' if code == 'RS104' else 'no such move'}"
            )
        if path:
            hint = f"shortest legal path: {source} " + " ".join(
                f"-{row.trigger}-> {row.target}" for row in path
            )
        else:
            hint = f"no legal path leads from {source} to {target}"

        return _finding(code, observation, message, source=source, target=target, hint=hint)


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


def _timely(observation: Observation, attempt: int | None) -> Observation:
    """
    Return *observation* without a number that may be that of an attempt before.

    Args:
        observation: What was seen.
        attempt: The largest attempt of the run that was seen; None where none was.
    """
    own = observation.attempt
    if type(own) is not Lagging or own > (1 if attempt is None else attempt):
        return observation

    return observation._replace(attempt=None)


def _sound(seen: Observation) -> Observation:
    """
    Return *seen*, whose parts are of the types that they are said to be; no fields are none.

    Raises:
        TypeError: One is not. Its status is judged like that of any other record.
    """
    parts: tuple[Any, ...] = seen
    _, _, at, fields, source, seq, _, _, trigger, attempt = parts
    # What nearly all are, told apart without asking an abstract class.
    if not (
        type(fields) in _PLAIN_FIELDS
        and (seq is None or type(seq) is int)
        and (at is None or type(at) is float or type(at) is int)
        and (source is None or isinstance(source, str))
        and (trigger is None or isinstance(trigger, str))
        and (attempt is None or type(attempt) is int)
    ):
        _refuse_misfits(seen)

    return seen if fields is not None else seen._replace(fields=NOTHING)


def _refuse_misfits(seen: Observation) -> None:
    for name, (kind, said) in _KINDS.items():
        value = getattr(seen, name)
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"Observation.{name} must be {said}, not {type(value).__name__}")


def observation_of(seen: Seen, lifecycle: Lifecycle) -> Observation:
    """
    Return *seen* as an observation of a run of *lifecycle*.

    Raises:
        TypeError: It is neither a status, a snapshot nor an Observation, or an
            Observation's part is of the wrong type.
    """
    if isinstance(seen, Observation):
        return _sound(seen)
    if isinstance(seen, str):
        return Observation(str(seen))
    if isinstance(seen, BaseModel):
        fields: Mapping[str, Any] = {name: getattr(seen, name) for name in seen.model_fields_set}
    elif isinstance(seen, Mapping):
        fields = seen
    else:
        raise TypeError(
            f"a status, a snapshot or an Observation is expected, not {type(seen).__name__}"
        )
    run_id = fields.get(lifecycle.id_field)

    return Observation(
        fields.get(lifecycle.status_field),  # type: ignore[arg-type]  # judged, not trusted, by observe()
        None if run_id is None else str(run_id),
        fields=fields,
    )


def _backwards(observation: Observation, seconds: float) -> Finding:
    message = f"seen {seconds:.15g} s before the observation that precedes it"

    return _finding("RS108", observation, message)


def _finding(
    code: str,
    observation: Observation,
    message: str,
    *,
    severity: Severity | None = None,
    source: str | None = None,
    target: str | None = None,
    hint: str = "",
) -> Finding:
    return Finding(
        code,
        severity or RULES[code].severity,
        message,
        observation.run_id,
        source,
        target,
        hint,
        observation.file,
        observation.line,
    )


@lru_cache(256)  # a log that has a wrong status has it in every run
def _meant(status: str, statuses: tuple[str, ...]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  for a mistake's sake alone

    close = get_close_matches(status, statuses, n=1)

    return f"did you mean {close[0]}?" if close else f"known: {', '.join(statuses)}"
