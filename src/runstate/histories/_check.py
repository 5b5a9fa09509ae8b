"""
Check an observed history against a lifecycle.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel

from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._monitor import Monitor
from ._passes import judged
from ._records import Observation, ObservationModel, Report
from ._seen import Seen

__all__ = ["check"]

# Not Report(...): its generated constructor is a tenth of a check.
_new_report: Final = tuple.__new__


def check(
    history: Iterable[Seen],
    lifecycle: Lifecycle = RUN,
    *,
    observed: ObservationModel = "complete",
    finished: bool = False,
    limits: Mapping[str, float] | None = None,
    now: float | None = None,
    allow_reopen: bool = False,
) -> Report:
    """
    Return what is wrong with *history*; nothing is, where every run in it is possible.

    Within a run, observations are judged by their number (``seq``), else by time, else as they
    stand in *history*. A place that contradicts a time is a finding (RS108). Observations of one
    run at one time are one set, which is legal if some order of it is. :class:`Monitor` judges in
    the order of arrival.

    Args:
        history: What was seen, of one run or of many that Observations or snapshots
            tell apart by their ids, interleaved in any way. Memory grows with the number of runs;
            an iterator, which cannot be read again, is kept as well.
        lifecycle: The table to hold it against.
        observed: What was seen of each run: every change (``complete``), some of them
            (``polled``), or in no order (``unordered``).
        finished: Whether every run should have ended (RS107).
        limits: Longest time in a status, in seconds by status (RS302).
        now: When to judge what is still under way, in Unix seconds (RS301, RS302).
        allow_reopen: Whether a run may be reopened without evidence such as a larger attempt;
            such a record is then counted as a reopening instead of reported (RS109).

    Raises:
        TypeError: *history* is one item rather than several, or an item is neither a status, a snapshot nor an Observation.
        ValueError: *observed* is not one of the three models, or a limit names an unknown status.

    Example:
        >>> check(["queued", "in_progress", "completed"]).ok
        True
        >>> [finding.message for finding in check(["queued", "completed"]).findings]
        ['queued -> completed: no such move']
        >>> check(["queued", "completed"], observed="polled").ok
        True
    """
    if type(history) is list and not (finished or limits or now is not None):
        legal = _nothing_wrong(history, lifecycle, observed)
        if legal is not None:
            return legal
    elif isinstance(history, str | Mapping | BaseModel | Observation):
        raise TypeError(f"a list of what was seen is expected, not one {type(history).__name__}")
    monitor = Monitor(lifecycle, observed=observed, limits=limits, allow_reopen=allow_reopen)
    if type(history) is list and {*map(type, history)} <= {str}:
        # Bare statuses have no time, so that their order cannot contradict it.
        findings = [finding for status in history for finding in monitor.observe(status)]
    else:
        findings = [*judged(history, monitor)]
    findings += monitor.finish(finished=finished, now=now)

    return Report(
        tuple(findings),
        monitor.runs,
        monitor.observations,
        monitor.undecided,
        monitor.tied,
        monitor.reopened,
    )


def _nothing_wrong(
    statuses: list[Any], lifecycle: Lifecycle, observed: ObservationModel
) -> Report | None:
    """
    Return the report on a list of bare statuses that is legal; None for anything else.

    Compares sets of pairs, which runs at the speed of C. Whatever is no bare status
    is in no pair of the table, or is unhashable, and takes the long way.
    """
    undecided = 0
    try:
        first = statuses[0]
        if observed == "complete":
            pairs = set(zip(statuses, statuses[1:]))  # noqa: B905, RUF007  half the time of pairwise
            legal = first in lifecycle.initial_statuses and pairs <= lifecycle.seen_next
        elif observed == "polled":
            pairs = set(zip(statuses, statuses[1:]))  # noqa: B905, RUF007
            legal = first in lifecycle.known and pairs <= lifecycle.seen_later
            undecided = int(len(pairs) < 2 and first == statuses[-1])
        elif observed == "unordered":
            seen = frozenset(statuses)
            legal = seen <= lifecycle.known and lifecycle.fits_one_run(seen)
            undecided = int(len(seen) == 1)
        else:
            return None
    except (TypeError, IndexError, AttributeError):
        return None

    return _new_report(Report, ((), 1, len(statuses), undecided, 0, 0)) if legal else None
