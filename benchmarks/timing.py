"""
Interleaved timing: A B C A B C, so that whatever else the machine does hits all alike.

Absolute times on a shared machine drift by half; what is reported as a ratio is the
median of the ratios within each round. The clock is processor time: the longer a measurement
is, the likelier it is that others run in the middle of it.
"""

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import process_time
from typing import Any

WARM_UP = 3
"""Rounds that are run first and thrown away."""


@dataclass(slots=True)
class Variant:
    """
    One way of doing the work.
    """

    name: str
    how: str
    """How it is driven, in one line."""
    prepare: Callable[[], Any]
    """Makes what one round works on; not timed."""
    go: Callable[[Any], Any]
    """Works on it; timed."""
    units: int
    """How many moves, calls or statuses that is."""
    seconds: list[float] = field(default_factory=list)
    """Seconds a unit, one for each round."""

    @property
    def micros(self) -> float:
        """Median microseconds a unit."""
        return median(self.seconds) * 1e6

    def over(self, other: "Variant") -> float:
        """
        Return how many times the time of *other* this takes.
        """
        return median(a / b for a, b in zip(self.seconds, other.seconds, strict=True))


def interleave(
    variants: Sequence[Variant], rounds: int, clock: Callable[[], float] = process_time
) -> None:
    """
    Time every variant once a round, each round beginning with another one.

    The collector runs between measurements and never within one, for all alike.

    Args:
        variants: What takes turns.
        rounds: How many turns each has, without those that warm up.
        clock: Seconds of processor time so far.

    """
    gc.collect()
    gc.freeze()
    try:
        for number in range(-WARM_UP, rounds):
            first = number % len(variants)
            for variant in (*variants[first:], *variants[:first]):
                seconds = _once(variant, clock)
                if number >= 0:
                    variant.seconds.append(seconds)
    finally:
        gc.unfreeze()


def _once(variant: Variant, clock: Callable[[], float]) -> float:
    work = variant.prepare()
    gc.collect()
    gc.disable()
    try:
        start = clock()
        variant.go(work)
        stop = clock()
    finally:
        gc.enable()

    return (stop - start) / variant.units


def available(makers: Iterable[Callable[[], Variant]]) -> tuple[list[Variant], list[str]]:
    """
    Return the variants that could be made, and a line for each that could not.
    """
    made, missing = [], []
    for maker in makers:
        try:
            made.append(maker())
        except ImportError as error:
            missing.append(f"not measured: {maker.__name__}: {error}")

    return made, missing
