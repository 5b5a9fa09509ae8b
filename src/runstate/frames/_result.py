"""
What a screening answers: counts, exact ones, and the runs that may be wrong.
"""

from dataclasses import dataclass, field
from typing import Any

from ..histories._counts import Counts

__all__ = ["Screening", "Suspect"]

Suspect = tuple[int, int | str]
"""Where a finding is, such that the earlier one compares less; and the run, by what it is grouped by."""


@dataclass
class Screening(Counts):
    """
    What was seen of all runs at once, but for those *apart*.
    """

    counted: bool = True
    """Whether *tally* has all findings; else some."""
    suspects: list[Suspect] = field(default_factory=list)
    """Of findings along the way, the first ones."""
    late: list[Suspect] = field(default_factory=list)
    """Of findings about ends, the first ones by the beginning of their runs."""
    named: bool = True
    """Whether all runs that may be wrong are among *suspects* and *late*."""
    certain: bool = True
    """Whether this will do; else the rows are to be read in another way."""
    apart: frozenset[Any] = frozenset()
    """Runs that are judged and counted one by one: SQL does not count them right."""
    unusable: int = 0
    """Rows whose id or status the readers would not take; they belong to no run."""
    sample: list[int | str] = field(default_factory=list)
