"""
Histories in another lifecycle's words, and findings that say what was observed.

A status that was mapped remembers what it was: whatever holds it back, and whoever
finds fault with it, the finding can name both.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from .._text import printable
from ..histories._monitor import Monitor, Seen
from ..histories._records import NOTHING, Finding, Observation, ObservationModel
from ..histories._reorder import Sequencer
from ..lifecycle._rows import CREATE
from ..lifecycle._table import Lifecycle

__all__ = ["Mapper", "MapMonitor", "Mapped"]

_OF_MOVES: Final = frozenset({"RS102", "RS103", "RS104", "RS105"})


class Mapped(str):
    """
    A status in another lifecycle's words.
    """

    __slots__ = ("born", "observed")

    observed: str
    """As it was observed."""
    born: bool
    """Whether it is that of a recorded creation."""

    @classmethod
    def of(cls, observed: str, becomes: str, *, born: bool = False) -> "Mapped":
        """
        Return *becomes*, which was *observed* as another word.
        """
        status = cls(becomes)
        status.observed, status.born = str(observed), born

        return status


class _Number(int):
    """
    A move's number after others were left out, which is shown as it was observed.
    """

    observed: int

    @classmethod
    def of(cls, observed: int, number: int) -> "_Number":
        """
        Return *number*, which was *observed* as another one.
        """
        new = cls(number)
        new.observed = observed

        return new

    def __str__(self) -> str:
        return str(self.observed)


class _Numbers:
    """
    The numbers of one run, which close up where moves are left out.
    """

    __slots__ = ("_last", "_left_out")

    def __init__(self) -> None:
        self._last = self._left_out = 0

    def of(self, seq: int) -> _Number:
        """
        Return the number of a move that is kept; of one whose number has passed, one that has, too.
        """
        if seq < self._last:
            return _Number.of(seq, 0)
        self._last = seq

        return _Number.of(seq, seq - self._left_out)

    def leave_out(self, seq: int) -> None:
        """
        Note that a move is left out; again, it is the same one.
        """
        if seq > self._last:
            self._last = seq
            self._left_out += 1


class Mapper:
    """
    Maps observations as they come; of each run it keeps how many were left out.
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
        Take one in, and yield what can be told by now.

        Where statuses are left out, the numbers of moves close up. That takes the moves
        in their order, so those that come early are held back.
        """
        if not self._drops:
            yield from self._mapped(observation)
            return
        for each in self._sequencer.take(observation):
            yield from self._mapped(each)

    def rest(self) -> Iterator[Observation]:
        """
        Yield what was held back for predecessors that never came.
        """
        for each in self._sequencer.rest():
            yield from self._mapped(each)

    def _mapped(self, observation: Observation) -> Iterator[Observation]:
        said: Any = observation.status
        if not isinstance(said, str) or not said:
            yield observation  # For the monitor to tell.
            return
        status = self._word(said, born=observation.trigger == CREATE)
        run = observation.run_id
        if status is None:
            if observation.seq is not None:
                self._numbers.setdefault(run, _Numbers()).leave_out(observation.seq)
            return
        source = None if observation.source is None else self._word(observation.source)
        if source is not None and source in self._target.known:
            # A move that becomes none of theirs was still seen to lead here.
            source = source if self._target.rows(source, status) else None
        seq = observation.seq
        if seq is not None and self._drops:
            seq = self._numbers.setdefault(run, _Numbers()).of(seq)
        yield observation._replace(
            status=status,
            source=source,
            seq=seq,
            # Fields and triggers are in their own words, which nobody maps. A snapshot stays one.
            fields={self._target.id_field: run} if observation.fields else NOTHING,
            trigger=CREATE if observation.trigger == CREATE else None,
        )

    def _word(self, observed: str, *, born: bool = False) -> str | None:
        """
        Return what *observed* becomes; what the map does not know, so that no other does.
        """
        if observed in self._statuses:
            becomes = self._statuses[observed]
            return None if becomes is None else Mapped.of(observed, becomes, born=born)
        word = observed
        while word in self._target.known:
            word = f"{word}, which is no status of {self._source.name}"

        return Mapped.of(observed, word)


class MapMonitor(Monitor):
    """
    A monitor of mapped histories: its findings say what was observed, too.

    What is wrong in the other lifecycle alone, is the map's doing: a warning.
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
        Watch under *target*; *excuse* says why a move of *source* is none there, None if it is one.
        """
        super().__init__(target, observed=observed, limits=limits)
        self._theirs, self._excuse = source, excuse

    def observe(self, seen: Seen) -> list[Finding]:
        """
        Take one mapped observation in, and return what is wrong with it.
        """
        return self._told(super().observe(seen))

    def finish(self, *, finished: bool = False, now: float | None = None) -> list[Finding]:
        """
        Return what can only be said once nothing more comes.
        """
        return self._told(super().finish(finished=finished, now=now))

    def _told(self, findings: Sequence[Finding]) -> list[Finding]:
        return [self._in_both(finding) for finding in findings]

    def _in_both(self, finding: Finding) -> Finding:
        source, target = finding.source, finding.target
        was = [each.observed for each in (source, target) if isinstance(each, Mapped)]
        plain = finding._replace(
            source=None if source is None else str(source),
            target=None if target is None else str(target),
        )
        if not was:
            return plain
        if finding.code == "RS101":
            return self._unknown_to_both(plain, was[-1])
        plain = plain._replace(
            message=f"{finding.message}, observed as {' -> '.join(map(printable, was))}"
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
            return None  # Created again, which no lifecycle knows.

        return self._excuse(source.observed, target.observed)

    def _unknown_to_both(self, finding: Finding, observed: str) -> Finding:
        known = ", ".join(self._theirs.statuses)

        return finding._replace(
            message=f"unknown status '{printable(observed)}'",
            target=observed,
            hint=f"{self._theirs.name} knows: {known}",
        )
