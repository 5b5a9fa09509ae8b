"""
What every process of a demonstration knows.
"""

import random
from collections import Counter
from typing import Any, Final, NamedTuple

from ..store import Illegal, RunStore, Stale, Superseded, Verdict
from ..store._dialects import CLOCKS, database_of
from ..store._engines import store_url

__all__ = ["HANDS", "LEASE", "PREFIX", "SPEED", "Refused", "Stage", "note"]

SPEED: Final = 300
"""Seconds of a run's time in one second of ours."""
HANDS: Final = 3
"""How many runs a worker carries on at once."""
PREFIX: Final = "runstate_demo_"
"""What the tables of a demonstration are called; they are made anew every time."""
LEASE: Final = 60.0
"""How long a worker may be silent, in seconds of a run's time."""

Refused = Counter[tuple[str, str]]
"""Triggers that moved nothing, by the trigger and what beat it."""


class Stage(NamedTuple):
    """
    What every process of a demonstration knows.
    """

    url: str
    began: float
    """When it began, in Unix seconds."""
    speed: int
    runs: int
    workers: int
    seed: int | None

    def store(self) -> RunStore:
        """
        Open the store, whose clock goes faster from *began* on.
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

    def chance(self, who: str) -> random.Random:
        """
        Return the luck of *who*, the same whenever there is a seed.
        """
        return random.Random(None if self.seed is None else f"{self.seed} {who}")  # noqa: S311

    def wall(self, seconds: float) -> float:
        """
        Return what *seconds* of a run's time take on the wall.
        """
        return seconds / self.speed


class _Silence:
    """
    A logger that says nothing: the log of a demonstration is its journal.
    """

    def bind(self, **_: Any) -> "_Silence":
        return self

    def info(self, *_: Any, **__: Any) -> None:
        pass

    warning = info


def note(refused: Refused, trigger: str, verdict: Verdict) -> None:
    """
    Count *verdict* if nothing was moved.
    """
    if isinstance(verdict, Superseded | Illegal):
        refused[trigger, str(verdict.by)] += 1
    elif isinstance(verdict, Stale):
        refused[trigger, "another worker's lease"] += 1
