"""
What an observation may follow: the rules about the statuses of a run and their order.

RS102 to RS106, and RS109. Each rule is asked with what is remembered of the run, and notes there
what later ones depend on: that the run was reopened, or that a finding waits or depends on the order.
"""

from collections.abc import Iterator
from typing import Final

from .._text import printable
from ..lifecycle._table import Lifecycle
from ._findings import finding_on, no_move
from ._order import Placed
from ._records import Finding, Observation, ObservationModel
from ._reopened import Reopenings
from ._run_memory import RunMemory

__all__ = ["TransitionRules"]

_NOTHING_SEEN: Final = frozenset[str]()


class TransitionRules:
    """
    The rules about transitions under one lifecycle and one observation model.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        observed: ObservationModel,
        reopenings: Reopenings,
        *,
        allow_reopen: bool,
    ) -> None:
        """
        Prepare the rules.

        Args:
            lifecycle: The table.
            observed: What was seen of each run.
            reopenings: What follows an end legally.
            allow_reopen: Whether a run may be reopened without evidence.
        """
        self._lifecycle = lifecycle
        self._observed = observed
        self._reopenings = reopenings
        self._allow_reopen = allow_reopen
        self._in_order = observed != "unordered"
        self.follows = lifecycle.seen_next if observed == "complete" else lifecycle.seen_later
        """Pairs of statuses of which the second may be seen after the first."""

    def recorded(self, run: RunMemory, observation: Observation, source: str) -> Iterator[Finding]:
        """
        Yield what is wrong with a recorded move from *source*, which must be a row under every model.
        """
        target, trigger = observation.status, observation.trigger
        rows = self._lifecycle.rows(source, target)
        if not rows:
            if self._lifecycle.is_terminal(source):
                yield from self.after_end(run, observation, source, target)
            else:
                yield no_move("RS103", observation, source, target, self._lifecycle)
        elif trigger is not None and trigger not in {row.trigger for row in rows}:
            yield finding_on(
                "RS103",
                observation,
                f"{source} -{printable(trigger)}-> {target}: no such row",
                source=source,
                target=target,
                hint=f"that move is made by {', '.join(row.trigger for row in rows)}",
            )

    def creation(self, run: RunMemory, observation: Observation) -> Iterator[Finding]:
        """
        Yield what is wrong with a recorded creation: under every model, it is a run's first move.
        """
        begins = self._lifecycle.initial_statuses
        if observation.status not in begins and self._observed != "complete":
            yield finding_on(
                "RS102",
                observation,
                f"created in {observation.status}",
                target=observation.status,
                hint=f"a run is created in {' or '.join(begins)}",
            )
        if self._in_order and run.status is not None:
            yield finding_on(
                "RS103",
                observation,
                f"{run.status} -> {observation.status}: created again",
                source=run.status,
                target=observation.status,
                hint="two runs under one id, or two creators",
            )

    def transition(self, run: RunMemory, observation: Observation, *, gap: bool) -> list[Finding]:
        """
        Return what is wrong with *observation* coming next, where observations come in order.

        Args:
            run: What is remembered of the run before it.
            observation: The next observation of the run.
            gap: Whether the numbered move before it is missing.
        """
        before, source = run.status, observation.source
        attempt = observation.attempt
        if attempt is not None and self._reopenings.is_late(attempt, run.attempt):
            run.misplaced = True
            return [self._late(run, observation)]
        if before is None:
            found = self._start(run, observation)
        elif (
            run.headless is None and source is None and (before, observation.status) in self.follows
        ):
            if before == run.ended and self._reopenings.unseen(
                observation, run.attempt, before, before
            ):
                run.reopen(self._lifecycle.identity)
            return []
        elif run.headless is not None and self._is_next_snapshot(run, observation, before):
            found = []
            run.reopen(self._lifecycle.identity)
        elif run.headless is not None and self._is_same_snapshot(observation, before):
            found = []
        else:
            found = [] if run.headless is None else [run.headless]
            run.headless = None
            found += self._step(run, observation, before, gap=gap)
        if found or run.headless is not None:
            run.misplaced = True

        return found

    def misfit(self, run: RunMemory, observation: Observation) -> Iterator[Finding]:
        """
        Yield that a status cannot be of the same run as those before, where they come in no order.
        """
        attempt = observation.attempt
        seen = run.seen.get(attempt, _NOTHING_SEEN)
        for status in (observation.source, observation.status):
            if status is None or status in seen:
                continue
            fitted, seen = seen, seen | {status}
            run.seen[attempt] = seen
            if run.reopened:
                continue
            if not self._lifecycle.fits_one_run(seen) and self._lifecycle.fits_one_run(fitted):
                others = sorted(s for s in fitted if not self._lifecycle.fits_one_run({s, status}))
                yield finding_on(
                    "RS106",
                    observation,
                    f"{status} and {', '.join(others)} cannot belong to one run",
                    target=status,
                    hint="neither can be reached from the other",
                )

    def after_end(
        self, run: RunMemory, observation: Observation, before: str, target: str
    ) -> Iterator[Finding]:
        """
        Yield what is wrong with *target* after the end *before*: nothing if the run was reopened.
        """
        shown = self._reopenings.explained_by(observation, run.attempt, before, target)
        if shown:
            run.reopen(self._lifecycle.identity)
            return
        code = "RS105" if shown is False else self._reopenings.code(before, target)
        if code == "RS105":
            yield no_move(code, observation, before, target, self._lifecycle)
            return
        if self._allow_reopen:
            run.reopen(self._lifecycle.identity)
            return
        run.ended = None
        triggers = {row.trigger for row in self._lifecycle.reopenings if row.source == before}
        yield finding_on(
            code,
            observation,
            f"{before} -> {target}: reopened ({', '.join(sorted(triggers))}), or a late writer",
            source=before,
            target=target,
            hint="the record has no attempt and no trigger that would tell them apart; "
            "--allow-reopen accepts it",
        )

    def no_order(self, first: Placed, before: str | None) -> Finding:
        """
        Return the one finding about observations at one time that no order makes legal.

        Args:
            first: The first of them.
            before: The status before them; None if they are the first of the run.
        """
        rows = first.no_order
        said = dict.fromkeys(
            row.status if row.source is None else f"{row.source} -> {row.status}" for row in rows
        )
        impossible = "RS103" if self._observed == "complete" else "RS104"
        after = "" if before is None else f"after {before}: "

        return finding_on(
            "RS105" if first.ends_lifecycle else impossible,
            rows[0],
            f"{after}{', '.join(said)} at one time: no order of them is legal",
            source=before,
            hint=f"{len(rows)} rows of one run have one time, and are judged as a set",
        )

    def _start(self, run: RunMemory, observation: Observation) -> list[Finding]:
        start = observation.source or observation.status
        first = observation.seq is None or observation.seq == 1
        if self._observed != "complete" or not first or start in self._lifecycle.initial_statuses:
            return []
        finding = finding_on(
            "RS102",
            observation,
            f"begins in {start}",
            target=start,
            hint=f"a run begins in {' or '.join(self._lifecycle.initial_statuses)}; "
            "is the head missing? then: polled",
        )
        # A snapshot may be the only one of its run. Report this once the attempt has another one.
        if observation.fields:
            run.headless = finding
            return []

        return [finding]

    def _step(
        self, run: RunMemory, observation: Observation, before: str, *, gap: bool
    ) -> Iterator[Finding]:
        source = observation.source
        if source is None:
            yield from self._next_status(run, observation, before, observation.status)
        elif gap or self._observed != "complete":
            if (before, source) not in self._lifecycle.seen_later:
                yield from self._next_status(run, observation, before, source)
        elif before != source:
            yield from self._unmet(run, observation, before, source)

    def _unmet(
        self, run: RunMemory, observation: Observation, before: str, source: str
    ) -> Iterator[Finding]:
        """
        Yield what is wrong with a recorded move that begins in another status than the run was in.

        Every change was recorded, so it begins where the one before it ended.
        """
        if (before, source) not in self.follows:
            yield from self._next_status(run, observation, before, source)
            return

        yield finding_on(
            "RS103",
            observation,
            f"{before} -> {source}: no such move was recorded",
            source=before,
            target=source,
            hint=f"the recorded move begins in {source}, and the one before it ended in {before}",
        )

    def _next_status(
        self, run: RunMemory, observation: Observation, before: str, target: str
    ) -> Iterator[Finding]:
        if (before, target) in self.follows:
            return
        if self._lifecycle.is_terminal(before):
            yield from self.after_end(run, observation, before, target)
        elif self._observed != "complete" and self._reopenings.unseen(
            observation, run.attempt, before, target
        ):
            run.reopen(self._lifecycle.identity)
        else:
            code = "RS103" if self._observed == "complete" else "RS104"
            yield no_move(code, observation, before, target, self._lifecycle)

    def _is_next_snapshot(self, run: RunMemory, observation: Observation, before: str) -> bool:
        """
        Return whether *observation* is the first of another attempt, where each had one snapshot.

        A list with a row for each attempt holds a history of none of them.
        """
        return (
            observation.source is None
            and bool(observation.fields)
            and self._reopenings.unseen(observation, run.attempt, before, observation.status)
        )

    @staticmethod
    def _is_same_snapshot(observation: Observation, before: str) -> bool:
        """
        Return whether *observation* tells the status of the only one before it.

        Two pages of a list may have one object, and no history of it.
        """
        return (
            observation.source is None and bool(observation.fields) and observation.status == before
        )

    def _late(self, run: RunMemory, observation: Observation) -> Finding:
        """
        Return the finding about a record of an attempt before the one that is under way.
        """
        return finding_on(
            "RS105",
            observation,
            f"{observation.status} of attempt {observation.attempt} after attempt {run.attempt} "
            "began: a late writer",
            source=run.status,
            target=observation.status,
            hint="compare the attempt, or a token, with every write",
        )
