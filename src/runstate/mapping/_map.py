"""
One lifecycle in the words of another, with what is lost said.

A map is a table, too: a row a status. It is checked when it is made, as a lifecycle is:
whatever is legal in the one has to become something that is legal in the other, a stay,
or an exception that has a reason.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ..errors import StatusMapError
from ..histories._monitor import Seen, observation_of
from ..histories._records import Observation, ObservationModel, Report
from ..lifecycle._table import Lifecycle
from ._faults import faults
from ._mapped import MapMonitor, Mapper
from ._rows import Becomes, Excepted

__all__ = ["StatusMap"]


@dataclass(frozen=True, repr=False)
class StatusMap:
    """
    What each status of one lifecycle becomes in another.

    Immutable. Built, it has passed its own check; see :meth:`__post_init__`.

    Example:
        >>> from runstate.mapping import MAPS
        >>> langgraph = MAPS["langgraph-run-to-run"]
        >>> langgraph.statuses["interrupted"]
        'cancelled'
        >>> [f.message for f in langgraph.check(["running", "success", "error"]).findings]
        ['completed -> failed: completed is terminal, observed as success -> error']
    """

    name: str
    source: Lifecycle
    """The lifecycle of what is observed."""
    target: Lifecycle
    """The lifecycle that it is told in."""
    rows: tuple[Becomes, ...]
    """What each status becomes; exactly one a status."""
    exceptions: tuple[Excepted, ...] = ()
    """Legal moves that become none, each with the reason."""
    observed: Literal["complete", "polled"] = "complete"
    """Whether a move becomes a move, or, as if some were missed, a way of several."""

    def __post_init__(self) -> None:
        """
        Freeze the parts, then refuse a map that is wrong or says too little.

        Raises:
            StatusMapError: A status becomes nothing that is said, or what the other
                lifecycle does not have; an end becomes none; a loss is not said: of
                what is dropped, of several that become one, of an outcome that
                changes; a legal move becomes none and is no exception; an exception is
                not needed. All faults in one error.
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

    # -- what can be asked -------------------------------------------------

    @cached_property
    def statuses(self) -> Mapping[str, str | None]:
        """What each status becomes; None where it is dropped."""
        return {
            str(row.status): None if row.becomes is None else str(row.becomes) for row in self.rows
        }

    @cached_property
    def moves(self) -> tuple[tuple[str | None, str], ...]:
        """
        Every move that is left where what is dropped was not seen; from None, where a run begins.
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
        Return whether the move from *source* to *target* becomes a move, a way, or a stay.
        """
        becomes = self.statuses[target]
        if source is None:
            return becomes in self.target.initial_statuses
        legal = self.target.seen_next if self.observed == "complete" else self.target.seen_later

        return (self.statuses[source], becomes) in legal

    # -- histories ---------------------------------------------------------

    def history(self, seen: Iterable[Seen]) -> Iterator[Observation]:
        """
        Yield what was *seen* in the other lifecycle's words, as it comes.

        What is dropped is left out; a move that becomes a stay is its status once more.
        Fields stay behind: they are in the words of their own system.

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
        Return what maps observations one at a time.
        """
        return Mapper(self.statuses, self.source, self.target)

    def monitor(
        self,
        *,
        observed: ObservationModel | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> MapMonitor:
        """
        Return a monitor for histories that were mapped; its findings name both statuses.

        Args:
            observed: As for :func:`runstate.check`; the map's own by default.
            limits: As for :func:`runstate.check`, by the other lifecycle's statuses.

        Raises:
            ValueError: *observed* is none of the three models, or one that the map does
                not hold under; or a limit is for no status.
        """
        observed = self.observed if observed is None else observed
        if observed == "complete" != self.observed:
            raise ValueError(
                f"{self.name} holds as polled: {self.target.name} has statuses between, "
                f"which {self.source.name} never shows"
            )
        apart = next(self._apart(), None) if observed == "unordered" else None
        if apart is not None:
            raise ValueError(
                f"{self.name} does not hold as unordered: "
                f"{apart[0]} and {apart[1]} may both be of one run, and become what may not"
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
        Return what is wrong with *history*, which was observed in the one lifecycle, in the other.

        A finding names the statuses as they are told and as they were observed. A move
        that is legal where it was observed, and none where it is told, is a warning.

        Args:
            history: As for :func:`runstate.check`.
            observed: What was seen of each run; the map's own model by default.
            finished: Whether every run should have ended (RS107).
            limits: Longest time in a status of the other lifecycle, in seconds (RS302).
            now: When to judge what is still under way, in Unix seconds (RS301, RS302).

        Raises:
            TypeError: An item is neither a status, a snapshot nor an Observation.
            ValueError: As for :meth:`monitor`.
        """
        if isinstance(history, str | Mapping | Observation):
            raise TypeError(
                f"a list of what was seen is expected, not one {type(history).__name__}"
            )
        monitor = self.monitor(observed=observed, limits=limits)
        findings = [finding for each in self.history(history) for finding in monitor.observe(each)]
        findings += monitor.finish(finished=finished, now=now)

        return Report(tuple(findings), monitor.runs, monitor.observations, monitor.undecided)

    # -- how it is worked out ----------------------------------------------

    def _drops(self, status: str) -> bool:
        return self.statuses[status] is None

    def _next_kept(self, statuses: Iterable[str]) -> Iterator[str]:
        """
        Yield those of *statuses* that are kept, and what is kept behind those that are dropped.
        """
        waiting = list(statuses)
        met: set[str] = set()
        for status in waiting:
            if status in met:
                continue
            met.add(status)
            if self._drops(status):
                waiting += map(str, self.source.targets(status))
            else:
                yield status

    @cached_property
    def _why(self) -> dict[tuple[str | None, str], str]:
        return {(each.source, str(each.target)): each.why for each in self.exceptions}

    def _excuse(self, source: str | None, target: str, observed: ObservationModel) -> str | None:
        """
        Return why the move is none in the other lifecycle; None where it is none in its own.
        """
        why = self._why.get((source, target))
        if why is not None or source is None or observed == "complete":
            return why
        if (source, target) not in self.source.seen_later:
            return None
        # What is between was not seen, and some of it becomes no move.
        return "; ".join(dict.fromkeys(self._why.values())) or None

    def _apart(self) -> Iterator[tuple[str, str]]:
        """
        Yield statuses that may be of one run, and become what may not.
        """
        later = self.target.seen_later
        for pair in sorted(self.source.seen_later):
            one, other = (self.statuses[status] for status in pair)
            if None not in (one, other) and {(one, other), (other, one)}.isdisjoint(later):
                yield pair
