"""
What is asked of a log on Spark, and what its lifecycle answers.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ..histories._records import ObservationModel
from ..lifecycle._table import Lifecycle

__all__ = ["MOST_STATUSES", "Question"]

MOST_STATUSES: Final = 62
"""Statuses whose bits fit into one number of Spark's."""

_BITS_OF_A_CODE: Final = 5
"""With them, a time up to the year 9999 and a code fit into one number."""


class Question(NamedTuple):
    """
    What is asked of a log.
    """

    lifecycle: Lifecycle
    observed: ObservationModel
    finished: bool
    limits: Mapping[str, float]
    now: float | None
    measured: bool
    """Whether moves and durations are wanted too."""

    @property
    def statuses(self) -> tuple[str, ...]:
        """Every status by its code."""
        return tuple(map(str, self.lifecycle.statuses))

    @property
    def unknown(self) -> int:
        """The code of a status that is none of the lifecycle's; those of its own are smaller."""
        return len(self.lifecycle.statuses)

    @property
    def nameless(self) -> int:
        """The code of a row without a status."""
        return self.unknown + 1

    @property
    def timeless(self) -> int:
        """The code of a row without a time."""
        return self.unknown + 2

    @property
    def mistimed(self) -> int:
        """The code of a row whose time cannot be read, the highest."""
        return self.unknown + 3

    @property
    def moving(self) -> bool:
        """Whether moves and durations are counted; deliveries in no order have none."""
        return self.measured and self.observed != "unordered"

    @property
    def ordered(self) -> bool:
        """Whether the order of the rows is needed, or which there are says it all."""
        large = self.mistimed.bit_length() > _BITS_OF_A_CODE

        return self.observed == "complete" or self.moving or bool(self.limits) or large

    def may_follow(self, source: str, target: str) -> bool:
        """
        Return whether *target* may be seen right after *source*.
        """
        if self.observed == "unordered":
            return True
        pairs = "seen_next" if self.observed == "complete" else "seen_later"

        return (source, target) in getattr(self.lifecycle, pairs)

    def in_one_run(self, one: str, other: str) -> bool:
        """
        Return whether some run can have had both statuses, in whatever order.
        """
        return self.lifecycle.fits_one_run((one, other))
