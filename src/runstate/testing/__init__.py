"""
Checks for any store of runs: what it must do so that one writer wins, told once, as code.

``conformance(make)`` runs every check against a fresh store and returns what passed,
what failed and what had to be skipped. Knows no database: a store is whatever answers
``create``, ``fire`` and ``status``, and the more it offers, the more is checked.
"""

from ._bench import Bench, Check
from ._subject import CAPABILITIES, Answer, Beat, Feed, Line, StoreUnderTest, Taken, WholeStore
from ._suite import CHECKS, PAYLOADS, Conformance, Failure, Skipped, conformance

__all__ = [
    "CAPABILITIES",
    "CHECKS",
    "PAYLOADS",
    "Answer",
    "Beat",
    "Bench",
    "Check",
    "Conformance",
    "Failure",
    "Feed",
    "Line",
    "Skipped",
    "StoreUnderTest",
    "Taken",
    "WholeStore",
    "conformance",
]
