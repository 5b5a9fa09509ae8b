"""
Observed histories: their records, the rules that judge them, and the counts over many of them.
"""

from ._check import check
from ._counter import survey
from ._monitor import Monitor, Seen
from ._records import Finding, Observation, ObservationModel, Report, Severity
from ._rules import RULES, Rule
from ._survey import Dwell, Survey

__all__ = [
    "RULES",
    "Dwell",
    "Finding",
    "Monitor",
    "Observation",
    "ObservationModel",
    "Report",
    "Rule",
    "Seen",
    "Severity",
    "Survey",
    "check",
    "survey",
]
