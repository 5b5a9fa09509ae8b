"""
Assert that a history is legal.
"""

from collections.abc import Iterable, Mapping

from .._text import printable
from ..histories._check import check
from ..histories._records import Finding, ObservationModel
from ..histories._seen import Seen
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN

__all__ = ["assert_legal"]


def assert_legal(
    history: Iterable[Seen],
    lifecycle: Lifecycle = RUN,
    *,
    observed: ObservationModel = "complete",
    finished: bool = False,
    limits: Mapping[str, float] | None = None,
    now: float | None = None,
) -> None:
    """
    Raise ``AssertionError`` if *history* has a finding of severity error.

    Args:
        history: What was seen, of one run or of many that Observations or snapshots tell apart
            by their ids, interleaved in any way.
        lifecycle: The table to hold it against.
        observed: What was seen of each run: every change (``complete``), some of them
            (``polled``), or in no order (``unordered``).
        finished: Whether every run should have ended (RS107).
        limits: Longest time in a status, in seconds by status (RS302).
        now: When to judge what is still under way, in Unix seconds (RS301, RS302).

    Raises:
        AssertionError: There is a finding of severity error. The message has one line for
            each finding: its place, its code, and what would have been legal.

    Example:
        >>> assert_legal(["queued", "completed"], observed="polled")
        >>> assert_legal(["queued", "completed"])
        Traceback (most recent call last):
        ...
        AssertionError: not a legal history of run, observed complete:
        [2] RS103 error: queued -> completed: no such move (shortest legal path: queued -start-> ...
    """
    __tracebackhide__ = True
    report = check(history, lifecycle, observed=observed, finished=finished, limits=limits, now=now)
    if not report.ok:
        lines = "\n".join(_line(finding) for finding in report.findings)
        raise AssertionError(
            f"not a legal history of {printable(lifecycle.name)}, observed {observed}:\n{lines}"
        )


def _line(finding: Finding) -> str:
    places = (finding.file, None if finding.line is None else str(finding.line))
    place = printable(":".join(part for part in places if part is not None))
    run = "" if finding.run_id is None else f" {printable(finding.run_id)}:"
    hint = f" ({printable(finding.hint, 500)})" if finding.hint else ""

    return (
        f"[{place}] {finding.code} {finding.severity}:{run} {printable(finding.message, 500)}{hint}"
    )
