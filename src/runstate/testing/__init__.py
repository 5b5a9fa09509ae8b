"""
A test kit for code that moves runs: your own service, a store, or a recorded history.

``drive(make)`` fires every legal transition, and checks that every other one is refused.
``interleavings(make)`` pauses the service at each line of its own code, lets a second writer act,
and checks the result. ``conformance(make)`` runs every check that a store must pass so that one
writer wins. The kit needs no database of its own: the service offers ``create``, ``fire`` and
``status``, and each further capability that it declares adds checks. ``strategies`` and
``machines`` need Hypothesis and are imported by path.
"""

from ._clock import ManualClock
from ._drive import Driven, Fault, drive, walks
from ._harness import Check, Harness
from ._interleavings import Conflict, Interleavings, interleavings
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
    "Harness",
    "Check",
    "Conflict",
    "Conformance",
    "Driven",
    "Failure",
    "Fault",
    "Feed",
    "Line",
    "ManualClock",
    "Interleavings",
    "Service",
    "Skipped",
    "StoreUnderTest",
    "Taken",
    "WholeStore",
    "assert_legal",
    "conformance",
    "drive",
    "interleavings",
    "race",
    "walks",
]
