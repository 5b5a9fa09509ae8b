"""
Observed histories: their records, the rules that judge them, and the counts over many of them.
"""

from ._check import check
from ._monitor import Monitor
from ._records import Finding, Observation, ObservationModel, Report, Severity
from ._rules import RULES, Rule
from ._seen import Seen
from ._survey import Dwell, Journeys, OpenRun, Survey, Variant
from ._surveyed import survey

__all__ = [
    "RULES",
    "Dwell",
    "Finding",
    "Journeys",
    "Monitor",
    "Observation",
    "ObservationModel",
    "OpenRun",
    "Report",
    "Rule",
    "Seen",
    "Severity",
    "Survey",
    "Variant",
    "check",
    "survey",
]
