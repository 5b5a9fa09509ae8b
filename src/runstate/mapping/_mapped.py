"""
Mapped histories, and findings that name the observed statuses.

A mapped status keeps the observed one, so that a finding can name both.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from .._text import printable
from ..histories._monitor import Monitor
from ..histories._records import NOTHING, Finding, Observation, ObservationModel
from ..histories._reorder import Sequencer
from ..histories._seen import Seen
from ..lifecycle._rows import CREATE
from ..lifecycle._table import Lifecycle

__all__ = ["Mapper", "MapMonitor", "Mapped"]

_OF_MOVES: Final = frozenset({"RS102", "RS103", "RS104", "RS105"})


class Mapped(str):
    """
    A status of the target lifecycle that keeps the observed status.
    """

    __slots__ = ("born", "observed")

    observed: str
    """The status as it was observed."""
    born: bool
    """Whether it belongs to a recorded creation."""

    @classmethod
    def of(cls, observed: str, becomes: str, *, born: bool = False) -> "Mapped":
        """
        Return *becomes* with the *observed* status attached.
        """
        status = cls(becomes)
        status.observed, status.born = str(observed), born

        return status


class _Number(int):
    """
    The number of a move after dropped moves; shown as it was observed.
    """

    observed: int

    @classmethod
    def of(cls, observed: int, number: int) -> "_Number":
        """
        Return *number* with the *observed* number attached.
        """
        new = cls(number)
        new.observed = observed

        return new

    def __str__(self) -> str:
        return str(self.observed)


class _Numbers:
    """
    The numbers of one run, renumbered without the dropped moves.
    """

    __slots__ = ("_last", "_left_out")

    def __init__(self) -> None:
        self._last = self._left_out = 0

    def of(self, seq: int) -> _Number:
        """
        Return the new number of a kept move; a number that has passed stays a number that has passed.
        """
        if seq < self._last:
            return _Number.of(seq, 0)
        self._last = seq

        return _Number.of(seq, seq - self._left_out)

    def leave_out(self, seq: int) -> None:
        """
        Note that the move *seq* is dropped; a repeat counts once.
        """
        if seq > self._last:
            self._last = seq
            self._left_out += 1


class Mapper:
    """
    Maps observations one at a time; for each run it keeps the number of dropped moves.

    Args:
        statuses: The target status for each status; None if it is dropped.
        source: The lifecycle that was observed.
        target: The lifecycle that the observations are mapped to.

    Example:
        >>> from runstate.mapping import MAPS
        >>> mapper = MAPS["langgraph-run-to-run"].mapper()
        >>> [str(each.status) for each in mapper.take(Observation("interrupted", "run_1"))]
        ['cancelled']
        >>> [each for each in mapper.rest()]
        []
    """

    def __init__(
        self, statuses: Mapping[str, str | None], source: Lifecycle, target: Lifecycle
    ) -> None:
        self._statuses, self._source, self._target = statuses, source, target
        self._drops = None in statuses.values()
        self._sequencer = Sequencer(drops_repeats=False)
        self._numbers: dict[str | None, _Numbers] = {}

    def take(self, observation: Observation) -> Iterator[Observation]:
        """
        Add one observation and yield those that can be mapped by now.

        Where statuses are dropped, moves are renumbered. That needs the moves in their order,
        so a move that comes early is held back.

        Args:
            observation: An observation of the source lifecycle.
        """
        if not self._drops:
            yield from self._mapped(observation)
            return
        for each in self._sequencer.take(observation):
            yield from self._mapped(each)

    def rest(self) -> Iterator[Observation]:
        """
        Yield the observations whose predecessors never came.
        """
        for each in self._sequencer.rest():
            yield from self._mapped(each)

    def _mapped(self, observation: Observation) -> Iterator[Observation]:
        observed: Any = observation.status
        if not isinstance(observed, str) or not observed:
            yield observation  # the monitor reports it
            return
        status = self._word(observed, born=observation.trigger == CREATE)
        run = observation.run_id
        if status is None:
            if observation.seq is not None:
                self._numbers.setdefault(run, _Numbers()).leave_out(observation.seq)
            return
        source = None if observation.source is None else self._word(observation.source)
        if source is not None and source in self._target.known:
            # A move without a counterpart still shows that the run came to this status.
            source = source if self._target.rows(source, status) else None
        seq = observation.seq
        if seq is not None and self._drops:
            seq = self._numbers.setdefault(run, _Numbers()).of(seq)
        yield observation._replace(
            status=status,
            source=source,
            seq=seq,
            # Fields and triggers keep the names of their own system. A snapshot stays a snapshot.
            fields={self._target.id_field: run} if observation.fields else NOTHING,
            trigger=CREATE if observation.trigger == CREATE else None,
        )

    def _word(self, observed: str, *, born: bool = False) -> str | None:
        """
        Return the counterpart of *observed*; an unknown status stays unknown to the target lifecycle.
        """
        if observed in self._statuses:
            becomes = self._statuses[observed]
            return None if becomes is None else Mapped.of(observed, becomes, born=born)
        word = observed
        while word in self._target.known:
            word = f"{word} (not a status of {self._source.name})"

        return Mapped.of(observed, word)


class MapMonitor(Monitor):
    """
    A monitor of mapped histories whose findings also name the observed statuses.

    A move that is illegal only in the target lifecycle is a warning: the map causes it.

    Example:
        >>> from runstate.mapping import MAPS
        >>> langgraph = MAPS["langgraph-run-to-run"]
        >>> monitor = langgraph.monitor()
        >>> for seen in langgraph.history(["pending", "running", "success", "error"]):
        ...     for finding in monitor.observe(seen):
        ...         print(finding.message)
        completed -> failed: completed is terminal, observed as success -> error
    """

    def __init__(
        self,
        source: Lifecycle,
        target: Lifecycle,
        excuse: Callable[[str | None, str], str | None],
        *,
        observed: ObservationModel,
        limits: Mapping[str, float] | None = None,
    ) -> None:
        """
        Judge by *target* what was observed under *source*; :meth:`StatusMap.monitor` makes one.

        Args:
            source: The lifecycle that was observed.
            target: The lifecycle whose rules are applied.
            excuse: Returns why a move of *source*, given by its two statuses, has no counterpart
                in *target*; None if it is illegal in *source* too.
            observed: What was seen of each run; see :func:`runstate.check`.
            limits: Longest time in a status of *target*, in seconds by status (RS302).
        """
        super().__init__(target, observed=observed, limits=limits)
        # Every status is kept as it came, with the one that was observed.
        self._usual = {}
        self._theirs, self._excuse = source, excuse

    def observe(self, seen: Seen) -> list[Finding]:
        """
        Add one mapped observation and return its findings.

        Args:
            seen: An observation that a :class:`Mapper` has mapped.
        """
        return self._named(super().observe(seen))

    def finish(self, *, finished: bool = False, now: float | None = None) -> list[Finding]:
        """
        Return the findings that need the end of the history.

        Args:
            finished: Whether every run should have ended (RS107).
            now: When to judge what is still under way, in Unix seconds (RS301, RS302).
        """
        return self._named(super().finish(finished=finished, now=now))

    def _named(self, findings: Sequence[Finding]) -> list[Finding]:
        return [self._in_both(finding) for finding in findings]

    def _in_both(self, finding: Finding) -> Finding:
        source, target = finding.source, finding.target
        observed = [each.observed for each in (source, target) if isinstance(each, Mapped)]
        plain = finding._replace(
            source=None if source is None else str(source),
            target=None if target is None else str(target),
        )
        if not observed:
            return plain
        if finding.code == "RS101":
            return self._unknown_to_both(plain, observed[-1])
        plain = plain._replace(
            message=f"{finding.message}, observed as {' -> '.join(map(printable, observed))}"
        )
        why = self._excuse_of(finding)

        return plain if why is None else plain._replace(severity="warning", hint=why)

    def _excuse_of(self, finding: Finding) -> str | None:
        source, target = finding.source, finding.target
        if finding.code not in _OF_MOVES or not isinstance(target, Mapped):
            return None
        if source is None:
            return self._excuse(None, target.observed) if finding.code == "RS102" else None
        if not isinstance(source, Mapped) or target.born:
            return None  # a second creation is legal in neither lifecycle

        return self._excuse(source.observed, target.observed)

    def _unknown_to_both(self, finding: Finding, observed: str) -> Finding:
        known = ", ".join(self._theirs.statuses)

        return finding._replace(
            message=f"unknown status '{printable(observed)}'",
            target=observed,
            hint=f"statuses of {self._theirs.name}: {known}",
        )
