"""
What was observed of a lifecycle's runs, made ready to be drawn over its table.

As for a check, what was observed is declared: a poller that sees ``queued`` and then
``completed`` has missed the moves between, and has seen none that is illegal.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from .._history import Observation, ObservationModel
from .._lifecycle import Lifecycle
from ._figure import Overlay

__all__ = ["in_sequence", "overlay_of"]

MOST_AHEAD: Final = 1_000
"""Numbered moves of one run that are held back until the one before them arrives."""


def overlay_of(
    observations: Iterable[Observation],
    lifecycle: Lifecycle,
    *,
    observed: ObservationModel = "complete",
) -> Overlay:
    """
    Return how often each move was made, and which statuses were seen.

    A recorded move counts under every model. Statuses that follow each other count
    as a move where every change was seen; where some were missed, unless there are
    legal moves between them; and not at all where they come in no order.
    """
    counts: Counter[tuple[str, str]] = Counter()
    seen: set[str] = set()
    last: dict[str | None, str] = {}
    for observation in in_sequence(observations):
        before = last.get(observation.run_id)
        last[observation.run_id] = observation.status
        seen.add(observation.status)
        move = _move(observation, before, lifecycle, observed)
        if move is not None:
            counts[move] += 1

    return Overlay(counts=counts, seen=frozenset(seen))


def _move(
    observation: Observation, before: str | None, lifecycle: Lifecycle, observed: ObservationModel
) -> tuple[str, str] | None:
    """
    Return the move that *observation* tells of, after the status *before*; None if it is none.
    """
    after = observation.status
    if observation.source is not None:
        return observation.source, after
    if observed == "unordered" or before is None or before == after:
        return None
    missed = not lifecycle.rows(before, after) and (before, after) in lifecycle.seen_later

    return None if observed == "polled" and missed else (before, after)


def in_sequence(observations: Iterable[Observation]) -> Iterator[Observation]:
    """
    Yield *observations*, the numbered ones of a run in the order of their numbers, each once.

    Whoever logs after committing may log two moves of one run in the wrong order, and
    whoever delivers at least once delivers twice. What has no number stays as it comes.
    """
    runs: dict[str | None, _Sequence] = {}
    for observation in observations:
        if observation.seq is None:
            yield observation
            continue
        run = runs.get(observation.run_id)
        if run is None:
            run = runs[observation.run_id] = _Sequence()
        yield from run.take(observation, observation.seq)
    for run in runs.values():
        yield from run.rest()


class _Sequence:
    """
    The numbered moves of one run, as far as they are held back.
    """

    __slots__ = ("_ahead", "_done")

    def __init__(self) -> None:
        self._ahead: dict[int, Observation] = {}
        self._done = 0

    def take(self, observation: Observation, seq: int) -> Iterator[Observation]:
        """
        Take one more in, and yield those whose turn it is.
        """
        if seq <= self._done or seq in self._ahead:
            return
        self._ahead[seq] = observation
        if len(self._ahead) > MOST_AHEAD:
            self._done = min(self._ahead) - 1
        while self._done + 1 in self._ahead:
            self._done += 1
            yield self._ahead.pop(self._done)

    def rest(self) -> Iterator[Observation]:
        """
        Yield those whose predecessors never came.
        """
        for seq in sorted(self._ahead):
            yield self._ahead[seq]
