"""
Numbered moves in the order of their numbers, however they come.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from ._records import Observation

__all__ = ["Sequencer", "in_sequence"]

MOST_AHEAD: Final = 1_000
"""Numbered moves of one run that are held back until the one before them arrives."""


def in_sequence(observations: Iterable[Observation]) -> Iterator[Observation]:
    """
    Yield *observations*, the numbered ones of a run in the order of their numbers, each once.

    Whoever logs after committing may log two moves of one run in the wrong order, and
    whoever delivers at least once delivers twice. What has no number stays as it comes.
    """
    sequencer = Sequencer()
    for observation in observations:
        yield from sequencer.take(observation)
    yield from sequencer.rest()


class Sequencer:
    """
    Holds numbered moves back until it is their turn.

    What comes under a number that was there before is dropped; or it is handed on behind
    what had the number, for who judges that.
    """

    def __init__(self, *, drops_repeats: bool = True) -> None:
        self._drops_repeats = drops_repeats
        self._runs: dict[str | None, _Sequence] = {}

    def take(self, observation: Observation) -> Iterable[Observation]:
        """
        Take one in, and return those whose turn it is; what has no number is one of them.
        """
        if observation.seq is None:
            return (observation,)
        run = self._runs.get(observation.run_id)
        if run is None:
            run = self._runs[observation.run_id] = _Sequence(self._drops_repeats)

        return run.take(observation, observation.seq)

    def rest(self) -> Iterator[Observation]:
        """
        Yield those whose predecessors never came.
        """
        for run in self._runs.values():
            yield from run.rest()


class _Sequence:
    """
    The numbered moves of one run, as far as they are held back.
    """

    __slots__ = ("_ahead", "_done", "_drops_repeats", "_others")

    def __init__(self, drops_repeats: bool) -> None:
        self._drops_repeats = drops_repeats
        self._ahead: dict[int, Observation] = {}
        self._others: dict[int, Observation] = {}
        """What contradicts one that is held back: the first, of each number."""
        self._done = 0

    def take(self, observation: Observation, seq: int) -> list[Observation]:
        """
        Take one more in, and return those whose turn it is.
        """
        if seq <= self._done:
            return [] if self._drops_repeats else [observation]
        if seq in self._ahead:
            if not self._drops_repeats and _said(observation) != _said(self._ahead[seq]):
                self._others.setdefault(seq, observation)
            return []
        self._ahead[seq] = observation
        if len(self._ahead) > MOST_AHEAD:
            self._done = min(self._ahead) - 1
        turn: list[Observation] = []
        while self._done + 1 in self._ahead:
            self._done += 1
            turn += self._of(self._done)

        return turn

    def rest(self) -> Iterator[Observation]:
        """
        Yield those whose predecessors never came.
        """
        for seq in sorted(self._ahead):
            yield from self._of(seq)

    def _of(self, seq: int) -> Iterator[Observation]:
        yield self._ahead.pop(seq)
        if seq in self._others:
            yield self._others.pop(seq)


def _said(observation: Observation) -> tuple[str | None, str]:
    return observation.source, observation.status
