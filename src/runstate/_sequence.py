"""
Numbered moves in the order of their numbers, however they come.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from ._history import Observation

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
    """

    def __init__(self) -> None:
        self._runs: dict[str | None, _Sequence] = {}

    def take(self, observation: Observation) -> Iterable[Observation]:
        """
        Take one in, and return those whose turn it is; what has no number is one of them.
        """
        if observation.seq is None:
            return (observation,)
        run = self._runs.get(observation.run_id)
        if run is None:
            run = self._runs[observation.run_id] = _Sequence()

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

    __slots__ = ("_ahead", "_done")

    def __init__(self) -> None:
        self._ahead: dict[int, Observation] = {}
        self._done = 0

    def take(self, observation: Observation, seq: int) -> list[Observation]:
        """
        Take one more in, and return those whose turn it is.
        """
        if seq <= self._done or seq in self._ahead:
            return []
        self._ahead[seq] = observation
        if len(self._ahead) > MOST_AHEAD:
            self._done = min(self._ahead) - 1
        turn = []
        while self._done + 1 in self._ahead:
            self._done += 1
            turn.append(self._ahead.pop(self._done))

        return turn

    def rest(self) -> Iterator[Observation]:
        """
        Yield those whose predecessors never came.
        """
        for seq in sorted(self._ahead):
            yield self._ahead[seq]
