"""
The map of one lifecycle to another.

A map is a table with one row for each status. It is checked when it is made: every legal
move must become a legal move, a repeated status, or an exception with a reason.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ..errors import StatusMapError
from ..histories._records import Observation, ObservationModel, Report
from ..histories._seen import Seen, observation_of
from ..lifecycle._table import Lifecycle
from ._faults import faults
from ._map_rows import Becomes, Excepted
from ._mapped import MapMonitor, Mapper

__all__ = ["StatusMap"]


@dataclass(frozen=True, repr=False)
class StatusMap:
    """
    The status of the target lifecycle for each status of the source lifecycle.

    Immutable, and checked when it is made; see :meth:`__post_init__`.

    Example:
        >>> from runstate.mapping import MAPS
        >>> langgraph = MAPS["langgraph-run-to-run"]
        >>> langgraph.statuses["interrupted"]
        'cancelled'
        >>> [f.message for f in langgraph.check(["running", "success", "error"]).findings]
        ['completed -> failed: completed is terminal, observed as success -> error']
    """

    name: str
    """The name of the map; a map of :data:`MAPS` is known by it."""
    source: Lifecycle
    """The lifecycle that was observed."""
    target: Lifecycle
    """The lifecycle whose rules are applied."""
    rows: tuple[Becomes, ...]
    """One row for each status of *source*."""
    exceptions: tuple[Excepted, ...] = ()
    """Legal moves without a legal counterpart, each with the reason."""
    observed: Literal["complete", "polled"] = "complete"
    """``complete`` if a move becomes one move; ``polled`` if it may become a path of several."""

    def __post_init__(self) -> None:
        """
        Check the map.

        Raises:
            StatusMapError: A status has no row, or becomes a status that *target* lacks; a
                terminal status becomes one that is not; a loss is not declared (a dropped
                status, several statuses that become one, a changed outcome); a legal move
                has no counterpart and no exception; an exception is not needed. The error
                lists all faults.
        """
        object.__setattr__(self, "rows", tuple(self.rows))
        object.__setattr__(self, "exceptions", tuple(self.exceptions))
        found = tuple(faults(self))
        if found:
            raise StatusMapError(self.name, found)

    def __repr__(self) -> str:
        return f"<StatusMap {self.name!r}: {self.source.name} as {self.target.name}>"

    def __hash__(self) -> int:
        return hash((self.name, self.rows, self.exceptions))

    def __iter__(self) -> Iterator[Becomes]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    # -- queries -------------------------------------------------

    @cached_property
    def statuses(self) -> Mapping[str, str | None]:
        """The target status for each status; None if it is dropped."""
        return {
            str(row.status): None if row.becomes is None else str(row.becomes) for row in self.rows
        }

    @cached_property
    def moves(self) -> tuple[tuple[str | None, str], ...]:
        """
        Every legal move of *source* after dropped statuses are left out; a creation has None before it.
        """
        kept = [status for status in map(str, self.source.statuses) if not self._drops(status)]

        return (
            *((None, status) for status in self._next_kept(map(str, self.source.initial_statuses))),
            *(
                (status, later)
                for status in kept
                for later in self._next_kept(map(str, self.source.targets(status)))
            ),
        )

    def tells(self, source: str | None, target: str) -> bool:
        """
        Return whether the move from *source* to *target* becomes a legal move, path or repeat.
        """
        becomes = self.statuses[target]
        if source is None:
            return becomes in self.target.initial_statuses
        legal = self.target.seen_next if self.observed == "complete" else self.target.seen_later

        return (self.statuses[source], becomes) in legal

    # -- histories ---------------------------------------------------------

    def history(self, seen: Iterable[Seen]) -> Iterator[Observation]:
        """
        Yield the observations *seen*, translated to the target lifecycle.

        Dropped statuses are left out. A move between two statuses that become one is the same
        status again. Fields are left out, because they have the names of their own system.

        Args:
            seen: What was seen, of one run or of many that Observations or snapshots
                tell apart by their ids, interleaved in any way; in the source lifecycle's words.

        Raises:
            TypeError: An item is neither a status, a snapshot nor an Observation.
        """
        mapper = self.mapper()
        for number, each in enumerate(seen, 1):
            observation = observation_of(each, self.source)
            if observation.file is None and observation.line is None:
                observation = observation._replace(line=number)
            yield from mapper.take(observation)
        yield from mapper.rest()

    def mapper(self) -> Mapper:
        """
        Return a mapper that translates one observation at a time.
        """
        return Mapper(self.statuses, self.source, self.target)

    def monitor(
        self,
        *,
        observed: ObservationModel | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> MapMonitor:
        """
        Return a monitor for mapped histories; its findings name both statuses.

        Args:
            observed: What was seen of each run: every change (``complete``), some of them
                (``polled``), or in no order (``unordered``); the model of the map by default.
            limits: The longest time in a status of the target lifecycle, in seconds (RS302).

        Raises:
            ValueError: *observed* is not an observation model, or the map does not hold
                under it; or a limit names an unknown status.
        """
        observed = self.observed if observed is None else observed
        if observed == "complete" != self.observed:
            raise ValueError(
                f"{self.name} needs observed='polled': {self.target.name} has statuses in "
                f"between that {self.source.name} never shows"
            )
        apart = next(self._apart(), None) if observed == "unordered" else None
        if apart is not None:
            raise ValueError(
                f"{self.name} cannot be used with observed='unordered': {apart[0]} and {apart[1]} "
                f"can occur in one run, their counterparts in {self.target.name} cannot"
            )

        return MapMonitor(
            self.source,
            self.target,
            lambda source, target: self._excuse(source, target, observed),
            observed=observed,
            limits=limits,
        )

    def check(
        self,
        history: Iterable[Seen],
        *,
        observed: ObservationModel | None = None,
        finished: bool = False,
        limits: Mapping[str, float] | None = None,
        now: float | None = None,
    ) -> Report:
        """
        Check a *history* of the source lifecycle by the rules of the target lifecycle.

        A finding names the translated and the observed statuses. A move that is legal in the
        source lifecycle and illegal in the target lifecycle is a warning.

        Args:
            history: What was seen, of one run or of many that Observations or snapshots
                tell apart by their ids, interleaved in any way; in the source lifecycle's words.
            observed: The observation model; that of the map by default.
            finished: Whether every run should have ended (RS107).
            limits: The longest time in a status of the target lifecycle, in seconds (RS302).
            now: The time at which open runs are judged, in Unix seconds (RS301, RS302).

        Returns:
            The findings and counts.

        Raises:
            TypeError: An item is neither a status, a snapshot nor an Observation.
            ValueError: *observed* is not an observation model, or the map does not hold
                under it; or a limit names an unknown status.
        """
        if isinstance(history, str | Mapping | Observation):
            raise TypeError(
                f"expected an iterable of observations, got one {type(history).__name__}"
            )
        monitor = self.monitor(observed=observed, limits=limits)
        findings = [finding for each in self.history(history) for finding in monitor.observe(each)]
        findings += monitor.finish(finished=finished, now=now)

        return Report(tuple(findings), monitor.runs, monitor.observations, monitor.undecided)

    # -- internals ----------------------------------------------

    def _drops(self, status: str) -> bool:
        return self.statuses[status] is None

    def _next_kept(self, statuses: Iterable[str]) -> Iterator[str]:
        """
        Yield the kept statuses of *statuses*, and the next kept ones after those that are dropped.
        """
        waiting = list(statuses)
        visited: set[str] = set()
        for status in waiting:
            if status in visited:
                continue
            visited.add(status)
            if self._drops(status):
                waiting += map(str, self.source.targets(status))
            else:
                yield status

    @cached_property
    def _why(self) -> dict[tuple[str | None, str], str]:
        return {(each.source, str(each.target)): each.why for each in self.exceptions}

    def _excuse(self, source: str | None, target: str, observed: ObservationModel) -> str | None:
        """
        Return why the move has no counterpart; None if it is illegal in its own lifecycle too.
        """
        why = self._why.get((source, target))
        if why is not None or source is None or observed == "complete":
            return why
        if (source, target) not in self.source.seen_later:
            return None
        # Statuses in between were not seen; the exceptions of the map may apply to them.
        return "; ".join(dict.fromkeys(self._why.values())) or None

    def _apart(self) -> Iterator[tuple[str, str]]:
        """
        Yield pairs of statuses that can occur in one run and whose counterparts cannot.
        """
        later = self.target.seen_later
        for pair in sorted(self.source.seen_later):
            one, other = (self.statuses[status] for status in pair)
            if None not in (one, other) and {(one, other), (other, one)}.isdisjoint(later):
                yield pair
