"""
The counts of many histories, in one call.
"""

from collections.abc import Iterable, Mapping

from ..lifecycle._table import Lifecycle
from ..runs._run import RUN
from ._monitor import Monitor
from ._records import Finding, Observation, ObservationModel
from ._survey import Survey

__all__ = ["survey"]


def survey(
    records: Iterable[Observation | Finding],
    lifecycle: Lifecycle = RUN,
    *,
    observed: ObservationModel = "complete",
    finished: bool = False,
    limits: Mapping[str, float] | None = None,
    now: float | None = None,
    limit: int = 10_000,
    samples: int = 0,
    allow_reopen: bool = False,
    keep: Iterable[str] = (),
) -> Survey:
    """
    Count what *records* say of runs, and check it; findings among them are counted with the others.

    :func:`runstate.report.render_report` and :func:`runstate.diagrams.overlay_of` take the result::

        with open("runs.jsonl", "rb") as stream:
            page = render_report(survey(read(stream, name="runs.jsonl")))

    Args:
        records: What :func:`runstate.readers.read` yields, or observations of any number of
            runs, interleaved in any way; see :func:`check`.
        lifecycle: The table that the observations are checked against.
        observed: What was seen of each run: every change (``complete``), some of them
            (``polled``), or in no order (``unordered``).
        finished: Whether every run should have ended (RS107).
        limits: Longest time in a status, in seconds by status (RS302).
        now: When to judge what is still under way, in Unix seconds (RS301, RS302).
        limit: How many findings are kept; all are counted.
        samples: How many runs have their timelines kept, those with findings first.
        allow_reopen: Whether a run may be reopened without evidence such as a larger attempt;
            such a record is then counted as a reopening instead of reported (RS109).
        keep: Ids of runs whose timelines are kept beside the *samples*.

    Raises:
        TypeError: A part of an Observation is of the wrong type.
        ValueError: *observed* is not one of the three models, or a limit names an unknown status.
    """
    from ._counter import Census  # noqa: PLC0415  `import runstate` needs no counters

    monitor = Monitor(lifecycle, observed=observed, limits=limits, allow_reopen=allow_reopen)
    census = Census(monitor, limit, samples, keep)
    for _ in census.findings(records, finished=finished, now=now):
        pass

    return census.survey()
