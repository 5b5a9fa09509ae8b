"""
A kit to test whatever moves runs: a service of one's own, a store, a history.

``drive(make)`` fires every row of the table and everything that is none; ``meetings(make)``
lets a second writer come in at every line of the service's own code; ``conformance(make)``
runs every check that a store must pass so that one writer wins. Both know no database: what
is tested answers ``create``, ``fire`` and ``status``, and the more it offers, the more is
checked. ``strategies`` and ``machines`` have what needs Hypothesis, and are imported by path.
"""

from ._clock import ManualClock
from ._drive import Driven, Fault, drive, walks
from ._harness import Bench, Check
from ._interleavings import Conflict, Meetings, meetings
from ._legal import assert_legal
from ._protocols import (
    CAPABILITIES,
    Answer,
    Beat,
    Feed,
    Line,
    Service,
    StoreUnderTest,
    Taken,
    WholeStore,
)
from ._race import race
from ._suite import CHECKS, PAYLOADS, Conformance, Failure, Skipped, conformance

__all__ = [
    "CAPABILITIES",
    "CHECKS",
    "PAYLOADS",
    "Answer",
    "Beat",
    "Bench",
    "Check",
    "Conflict",
    "Conformance",
    "Driven",
    "Failure",
    "Fault",
    "Feed",
    "Line",
    "ManualClock",
    "Meetings",
    "Service",
    "Skipped",
    "StoreUnderTest",
    "Taken",
    "WholeStore",
    "assert_legal",
    "conformance",
    "drive",
    "meetings",
    "race",
    "walks",
]
