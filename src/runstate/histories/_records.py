"""
The records that observed histories come in and verdicts go out as.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from ._shown import shown, totals

__all__ = ["Finding", "Lagging", "Observation", "ObservationModel", "Report", "Severity"]

ObservationModel = Literal["complete", "polled", "unordered"]
"""
What was seen of a run.

``complete``: every change, in order. ``polled``: some changes may have been missed.
``unordered``: deliveries may be missing, repeated, late or swapped.
"""

Severity = Literal["error", "warning"]
"""``error`` cannot happen by the table; ``warning`` is known to happen, or may be in order."""

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Lagging(int):
    """
    The number of an attempt in a record that may still show that of the attempt before.

    A larger one shows that the run was reopened; any other shows nothing.
    """


class Observation(NamedTuple):
    """
    One observation of a run, or one recorded move.
    """

    status: str
    """The status seen; the target, where a move was recorded."""
    run_id: str | None = None
    """Which run; None where there is only one."""
    at: float | None = None
    """When it was seen, in Unix seconds; None where that is not known."""
    fields: Mapping[str, Any] = NOTHING
    """The snapshot's fields by wire name. A key that is absent is unknown, not null."""
    source: str | None = None
    """The status before, where the record is of a move; None otherwise."""
    seq: int | None = None
    """The move's number within its run, from 1, where the record has one."""
    file: str | None = None
    """Name of the input it was read from."""
    line: int | None = None
    """Line or row in *file*, from 1."""
    trigger: str | None = None
    """What caused the move, where the record says so; ``create`` for a creation."""
    attempt: int | None = None
    """The number of the attempt, from 1, where the record has one; a reopened run has a larger one."""


class Finding(NamedTuple):
    """
    Something wrong with one run's history, or with one record of it.

    Example:
        >>> from runstate import check
        >>> finding = check(["queued", "in_progress", "cancelled", "completed"]).findings[-1]
        >>> finding.code, finding.severity, finding.source, finding.target, finding.line
        ('RS105', 'error', 'cancelled', 'completed', 4)
        >>> print(finding.message)
        cancelled -> completed: cancelled is terminal
    """

    code: str
    """Code of the rule, such as ``RS103``; a key of :data:`RULES`."""
    severity: Severity
    """``error`` or ``warning``; see :data:`Severity`."""
    message: str
    """What was seen, in one line."""
    run_id: str | None = None
    """The run; None where a record names none."""
    source: str | None = None
    """Status before, where the rule is about a move."""
    target: str | None = None
    """Status seen."""
    hint: str = ""
    """What would have been legal, or where the rule comes from; may be empty."""
    file: str | None = None
    """Name of the input; None if it came from memory."""
    line: int | None = None
    """Line or row in *file*, from 1; without a file, the position in the history, from 1."""


class Report(NamedTuple):
    """
    What came of checking a history.

    Example:
        >>> from runstate import check
        >>> report = check(["queued", "completed"])
        >>> report.ok, report.runs, report.observations, len(report.findings)
        (False, 1, 2, 1)
        >>> check(["queued", "completed"], observed="polled").ok
        True
    """

    findings: tuple[Finding, ...]
    """In the order of the history; findings about its end come last."""
    runs: int
    """How many runs were seen."""
    observations: int
    """How many observations were seen, unreadable records not counted."""
    undecided: int = 0
    """Runs about which too little was seen to decide anything."""
    tied: int = 0
    """
    Observations without a number that share run and time with another one.

    Coarse times leave the order of these open, and so can hide what is wrong.
    """
    reopened: int = 0
    """How often a run was reopened by a new attempt, or by the trigger of a row that reopens."""

    @property
    def ok(self) -> bool:
        """Whether no finding has the severity error; undecided runs make no difference."""
        return not any(finding.severity == "error" for finding in self.findings)

    def _repr_html_(self) -> str:
        """
        Return the counts and the first findings, which notebooks show.
        """
        found = sum(finding.severity == "error" for finding in self.findings)
        warnings = len(self.findings) - found
        title = totals(self.runs, self.observations, found, warnings, self.undecided)

        return shown(
            title,
            ("Code", "Severity", "Run", "What was seen", "File", "Line", "Hint"),
            (
                (f.code, f.severity, f.run_id, f.message, f.file, f.line, f.hint)
                for f in self.findings
            ),
        )
