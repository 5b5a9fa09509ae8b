"""
The settings that all processes of a demonstration share.
"""

import random
from collections import Counter
from typing import Any, Final, NamedTuple

from ..store import Illegal, RunStore, Stale, Superseded, Verdict
from ..store._dialects import CLOCKS, database_of
from ..store._engines import store_url

__all__ = ["MOST_RUNS", "LEASE", "PREFIX", "SPEED", "Refused", "Config", "note"]

SPEED: Final = 300
"""Seconds of store time in one second of real time."""
MOST_RUNS: Final = 3
"""The most runs that a worker holds at once."""
PREFIX: Final = "runstate_demo_"
"""The prefix of its tables, which every demonstration creates anew."""
LEASE: Final = 60.0
"""Duration of a lease, in seconds of store time."""

Refused = Counter[tuple[str, str]]
"""The number of refusals by trigger and by the trigger that won."""


class Config(NamedTuple):
    """
    The settings that all processes of a demonstration share.
    """

    url: str
    began: float
    """When the demonstration began, in Unix seconds."""
    speed: int
    runs: int
    workers: int
    seed: int | None

    def store(self) -> RunStore:
        """
        Open the store, whose clock is *speed* times as fast from *began* on.
        """
        dialect = store_url(self.url, awaited=False).get_dialect()
        now = CLOCKS[database_of(dialect())]
        clock = f"(({now}) - {self.began!r}) * {self.speed} + {self.began!r}"

        return RunStore.open(
            self.url,
            durable=False,
            prefix=PREFIX,
            clock=clock,
            logger=_Silence(),
            expires_after=600,
        )

    def random_for(self, who: str) -> random.Random:
        """
        Return the random numbers of *who*; with a seed they are the same every time.
        """
        return random.Random(None if self.seed is None else f"{self.seed} {who}")  # noqa: S311

    def wall(self, seconds: float) -> float:
        """
        Return how long *seconds* of store time take, in seconds of real time.
        """
        return seconds / self.speed


class _Silence:
    """
    A logger that drops everything: the log of a demonstration is its journal.
    """

    def bind(self, **_: Any) -> "_Silence":
        return self

    def info(self, *_: Any, **__: Any) -> None:
        pass

    warning = info


def note(refused: Refused, trigger: str, verdict: Verdict) -> None:
    """
    Count *verdict* if it is a refusal.
    """
    if isinstance(verdict, Superseded | Illegal):
        refused[trigger, str(verdict.by)] += 1
    elif isinstance(verdict, Stale):
        refused[trigger, "another worker's lease"] += 1
