"""
What a screening answers: counts, exact ones, and the runs that may be wrong.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..histories._survey import Dwell
from ._columns import Source
from ._sort_key import Codes

__all__ = ["Screening", "Suspect"]

Suspect = tuple[int, int | str]
"""Where a finding is, such that the earlier one compares less; and the run, by what it is grouped by."""


@dataclass
class Screening:
    """
    What was seen of all runs at once.
    """

    runs: int = 0
    observations: int = 0
    undecided: int = 0
    tally: Counter[str] = field(default_factory=Counter)
    """Findings by code."""
    counted: bool = True
    """Whether *tally* has all findings, and *observations* no row without a time; else some."""
    suspects: list[Suspect] = field(default_factory=list)
    """Of findings along the way, the first ones."""
    late: list[Suspect] = field(default_factory=list)
    """Of findings about ends, the first ones by the beginning of their runs."""
    named: bool = True
    """Whether all runs that may be wrong are among *suspects* and *late*."""
    certain: bool = True
    """Whether this will do; else there are too many suspects for what was counted."""
    seen: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    dwell: Mapping[tuple[str, str], Dwell] = field(default_factory=dict)
    began: float | None = None
    ended: float | None = None
    sample: list[int | str] = field(default_factory=list)
    few: Source | None = None
    """Where all of these runs are, if they were looked for already."""

    def count_odd(self, codes: Codes, odd: Mapping[int, int]) -> None:
        """
        Count the findings about rows that have no place in a run, given their numbers by code.
        """
        self.tally["RS101"] += odd.get(codes.unknown, 0)
        self.tally["RS902"] += odd.get(codes.missing, 0) + odd.get(codes.timeless, 0)
        self.tally["RS901"] += odd.get(codes.mistimed, 0)
