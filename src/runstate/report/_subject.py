"""
What a page is about.
"""

from typing import NamedTuple

from ..histories._records import ObservationModel
from ..histories._survey import Survey
from ..lifecycle._table import Lifecycle

__all__ = ["Subject"]


class Subject(NamedTuple):
    """
    What was observed, against which table.
    """

    survey: Survey
    """As it is, gaps among its moves."""
    made: Survey
    """The same with those moves alone that were made."""
    lifecycle: Lifecycle
    observed: ObservationModel
    files: tuple[str, ...]
    """What the observations were read from."""

    @property
    def warnings(self) -> int:
        """How many findings are no errors."""
        return sum(self.survey.tally.values()) - self.survey.errors

    @property
    def open(self) -> int:
        """How many runs had not ended when they were last seen."""
        ends = self.survey.ends.items()
        return sum(n for status, n in ends if not self.lifecycle.is_terminal(status))

    @property
    def unread(self) -> int:
        """How many records could not be taken in."""
        return sum(n for rule, n in self.survey.tally.items() if rule.startswith("RS9"))

    @property
    def statuses(self) -> tuple[str, ...]:
        """Those of the lifecycle in its order, then the others that were seen, most often first."""
        known = tuple(map(str, self.lifecycle.statuses))
        others = {status for pair in self.survey.moves for status in pair} | {*self.survey.seen}
        seen = self.survey.seen

        return (*known, *sorted(others - {*known}, key=lambda s: (-seen.get(s, 0), s)))

    def legal(self, source: str, target: str) -> bool:
        """
        Return whether *target* may be seen right after *source*.
        """
        return bool(self.lifecycle.ways(source, target)) or self.gap(source, target)

    def gap(self, source: str, target: str) -> bool:
        """
        Return whether moves between *source* and *target* may have been missed.
        """
        return (
            self.observed == "polled"
            and not self.lifecycle.ways(source, target)
            and (source, target) in self.lifecycle.seen_later
        )
