"""
Some runs of many, with what was seen of them: those with findings, and a fair sample.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

from ._records import NOTHING, Observation

__all__ = ["Samples", "keep"]

ROOM: Final = 200_000
"""Observations kept at any one time, of all runs together."""
LONGEST: Final = 500
"""Observations kept of one run: the first ones. A status that goes on takes two."""


class Samples:
    """
    Keeps what was seen of some runs, in a bounded amount of memory.

    While there is room, of every run. Then those runs go whose ids have the largest hashes,
    but none with a finding. So what is left is the same for the same log, and is whole.
    """

    def __init__(self, most: int) -> None:
        """
        Keep *most* runs in the end, half of them for their findings.
        """
        self._most = most
        self._kept: dict[str | None, list[Observation]] = {}
        self._wrong: dict[str | None, None] = {}
        self._size = 0
        self._bound: int | None = None
        """Runs whose hash is not below this are let go; None while there is room for all."""

    def take(self, observation: Observation) -> None:
        """
        Take one more in, the next of its run.
        """
        kept = self._kept.get(observation.run_id)
        if kept is None:
            if self._bound is not None and _hash(observation.run_id) >= self._bound:
                return
            kept = self._kept[observation.run_id] = []
        before = len(kept)
        keep(kept, observation)
        self._size += len(kept) - before
        if self._size > ROOM:
            self._make_room()

    def mark(self, run_id: str | None) -> None:
        """
        Keep the run *run_id*, with which something is wrong.
        """
        if len(self._wrong) < self._most // 2:
            self._wrong[run_id] = None

    def _make_room(self) -> None:
        """
        Let runs go until half of the room is free.
        """
        others = sorted(
            ((_hash(run), run) for run in self._kept if run not in self._wrong), key=_first
        )
        while self._size > ROOM // 2 and others:
            self._bound, run = others.pop()
            self._size -= len(self._kept.pop(run))

    @property
    def missed(self) -> frozenset[str | None]:
        """Runs with a finding that were let go before it was found."""
        return frozenset(run for run in self._wrong if run not in self._kept)

    def timelines(
        self, found: Mapping[str | None, Iterable[Observation]] = {}
    ) -> dict[str | None, tuple[Observation, ...]]:
        """
        Return what was seen of the runs with findings, and then of as many others as may be.

        *found* holds those of the :attr:`missed` ones that were read once more.
        """
        wrong = [run for run in self._wrong if run in self._kept or run in found]
        fair = sorted(
            ((_hash(run), run) for run in self._kept if run not in self._wrong), key=_first
        )
        runs = [*wrong, *(run for _, run in fair[: self._most - len(wrong)])]

        return {run: tuple(self._kept.get(run) or found[run]) for run in runs}


def keep(kept: list[Observation], observation: Observation) -> None:
    """
    Put *observation* at the end of its run's, unless there are too many.
    """
    if observation.fields:
        observation = observation._replace(fields=NOTHING)
    if _goes_on(kept, observation):
        kept[-1] = observation
    elif len(kept) < LONGEST:
        kept.append(observation)


def _first(pair: tuple[int, str | None]) -> int:
    return pair[0]


def _hash(run_id: str | None) -> int:
    name = b"" if run_id is None else run_id.encode("utf-8", "surrogatepass")

    return int.from_bytes(blake2b(name, digest_size=8).digest())


def _goes_on(kept: list[Observation], observation: Observation) -> bool:
    """
    Return whether *observation* only says once more that a status goes on.
    """
    return (
        len(kept) > 1
        and observation.source is None
        and kept[-1].source is None
        and kept[-1].status == kept[-2].status == observation.status
    )
