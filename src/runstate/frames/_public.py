"""
What can be asked of files, tables and frames.
"""

from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import Final

from .._history import ObservationModel
from .._lifecycle import Lifecycle
from .._monitor import Monitor
from .._run import RUN
from .._survey import Survey
from ..readers import Columns
from ._engine import opened
from ._question import Question
from ._source import files
from ._whole import surveyed

__all__ = ["survey_files"]

_USUAL_COLUMNS: Final = Columns()

Paths = str | PathLike[str] | Iterable[str | PathLike[str]]


def survey_files(
    paths: Paths,
    lifecycle: Lifecycle = RUN,
    *,
    observed: ObservationModel = "complete",
    columns: Columns = _USUAL_COLUMNS,
    assume_utc: bool = False,
    finished: bool = False,
    limits: Mapping[str, float] | None = None,
    now: float | None = None,
    memory: str | None = None,
    exact: bool = False,
    measured: bool = True,
    limit: int = 10_000,
    samples: int = 0,
) -> Survey:
    """
    Return what was observed in whole files, and what is wrong with it by the rules of :func:`runstate.check`.

    One row is one observation: run id, status and, where there is one, time. The rows of
    a run are in the order of their times, those of one time in the order in which they
    stand; without times, as they stand. A row without a time, where others have one, has
    no place in its run and is a finding.

    Args:
        paths: Files, folders and patterns such as ``logs/*.parquet``; one, or several.
        lifecycle: The table to hold it against.
        observed: What was seen of each run; see :func:`runstate.check`.
        columns: What the columns are called, if not as usual.
        assume_utc: Whether a time without a zone is UTC rather than unreadable.
        finished: Whether every run should have ended (RS107).
        limits: Longest time in a status, in seconds by status (RS302).
        now: When to judge what is still under way, in Unix seconds (RS302).
        memory: Most that the engine takes, such as ``1GB``; what is beyond goes to disk.
        exact: Whether to make sure that no two ids have one hash. Else, of a billion ids,
            two do so with a probability of about one in 10,000; a fault of theirs might then
            be missed, and none is ever made up.
        measured: Whether to count moves and how long they took, not only what is wrong.
        limit: Findings that are kept, the first ones; all are counted.
        samples: Runs whose timelines are kept: at most half of them such with findings.

    Raises:
        FrameError: A file cannot be read or lacks a column, or the engine is not installed.
        ValueError: *observed* is none of the three models, or a limit is for no status.
    """
    Monitor(lifecycle, observed=observed, limits=limits)
    with opened(memory) as engine:
        source = files(engine, _names(paths), columns, lifecycle)
        asked = Question(
            source, lifecycle, observed, finished, dict(limits or {}), now, assume_utc, measured, limit, samples,
        )  # fmt: skip

        return surveyed(engine, asked, exact=exact)


def _names(paths: Paths) -> list[str]:
    if isinstance(paths, str | PathLike):
        return [fspath(paths)]

    return [fspath(path) for path in paths]
