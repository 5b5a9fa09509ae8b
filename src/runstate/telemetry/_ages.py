"""
The ages and counts that a store reports at each collection of metrics.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from inspect import iscoroutinefunction
from typing import Protocol

from ..lifecycle._table import Lifecycle
from ..runs._models import RunResponse
from ..runs._move import last_move

__all__ = ["Store", "ages", "check_answers"]


class Store(Protocol):
    """
    The methods of a store that metrics use: the counts by status, and the longest waits.
    """

    def counts(self) -> Mapping[str, int]:
        """Return how many runs there are in each status."""

    def stuck(self, limits: Mapping[str, float], *, limit: int) -> Iterable[RunResponse]:
        """Return at most *limit* runs that are in a status longer than *limits* has for it, the longest first."""


def check_answers(store: Store) -> None:
    """
    Refuse an asyncio store: metrics are collected without an event loop.

    Raises:
        TypeError: *store* is one for asyncio.
    """
    for name in ("counts", "stuck"):
        if iscoroutinefunction(getattr(store, name, None)):
            raise TypeError(
                f"metrics are collected without an event loop, and {type(store).__name__}.{name}() "
                "has to be awaited: give a RunStore that is open on the same database"
            )


def ages(store: Store, lifecycle: Lifecycle) -> Iterator[tuple[str, float]]:
    """
    Yield each live status that has runs, with the seconds its oldest run has been in it.
    """
    for status in lifecycle.statuses:
        if lifecycle.is_terminal(status):
            continue
        for run in store.stuck({status: 0.0}, limit=1):
            moved = last_move(run)
            if moved is not None:
                yield str(status), max(0.0, time.time() - moved.at)
