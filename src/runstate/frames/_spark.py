"""
The rules on Apache Spark, where one machine is not enough.

Spark screens all rows with expressions of its own and counts what is in them. Only the rows of
runs that are wrong come here, in order, and are judged by the same :class:`Monitor` as ever.
"""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

try:
    from pyspark import StorageLevel
    from pyspark.sql import DataFrame, Row
    from pyspark.sql import functions as F  # noqa: N812  everybody's name for it
except ImportError as error:
    raise ImportError("Spark needs PySpark: pip install 'runstate[spark]'") from error

from .._history import Finding, Observation, ObservationModel
from .._lifecycle import Lifecycle
from .._monitor import Monitor
from .._run import RUN
from .._survey import Survey
from ..readers import Columns
from ._spark_input import SparkInputError, clear, read_paths, rows_of, session
from ._spark_screen import MOST_STATUSES, Question, coded, in_sequence, order_free
from ._spark_totals import Totals

__all__ = ["SparkInputError", "check_spark", "survey_paths", "survey_spark"]

LONGEST_TIMELINE: Final = 10_000
"""Observations of one run that are kept to be shown."""

MOST_NAMES: Final = 10_000
"""Statuses unknown to the lifecycle that are counted by name."""

_SCHEMA: Final = (
    "code string, severity string, message string, run_id string, source string, "
    "target string, hint string, file string, line long"
)
_USUAL_COLUMNS: Final = Columns()


def survey_spark(
    df: DataFrame,
    lifecycle: Lifecycle = RUN,
    *,
    observed: ObservationModel = "complete",
    columns: Columns = _USUAL_COLUMNS,
    finished: bool = False,
    limits: Mapping[str, float] | None = None,
    now: float | None = None,
    limit: int | None = 10_000,
    samples: int = 0,
    measured: bool = True,
) -> Survey:
    """
    Return what was observed of the runs in *df*, counted exactly, and what is wrong with them.

    The rows of a run are taken in the order of their time, and those of one time, which a
    table of Spark keeps in no order, in the order of the lifecycle's statuses. Times are taken
    to the microsecond. A row without a time has no place in that order: it is RS902, no
    observation, and the others are judged without it. Rows without an id are one run.

    Args:
        df: One row per observation: the run's id, its status, and when it was seen (a
            timestamp, of UTC where it has no zone; a date; a number of Unix seconds, or of
            milli-, micro- or nanoseconds where it is too large for them; or a text of these).
            In any order. Evaluated once, and once more where something is wrong, or a sample
            is asked for.
        lifecycle: The table to hold it against; of at most 62 statuses.
        observed: What was seen of each run; see :func:`runstate.check`.
        columns: Names of the columns, or dotted paths into nested ones.
        finished: Whether every run should have ended (RS107).
        limits: Longest time in a status, in seconds by status (RS302).
        now: When to judge what is still under way, in Unix seconds (RS302).
        limit: Findings that are kept, those of the smallest ids; None for all. They are
            counted beyond it, and have no file and no row.
        samples: Runs whose timelines are kept, at most half of them with findings.
        measured: Whether to count moves and durations, which ``polled`` takes a sort for;
            ``unordered`` has none.

    Raises:
        SparkInputError: A column is missing, or Spark cannot read *df*.
        ValueError: *observed* is none of the three models, a limit is for no status, or the
            lifecycle has too many statuses.
    """
    question = _question(lifecycle, observed, finished, limits, now, measured)

    rows = rows_of(df, columns, lifecycle, "the DataFrame")

    return _survey(rows, question, limit, samples, "the DataFrame")


def check_spark(df: DataFrame, lifecycle: Lifecycle = RUN, **options: Any) -> DataFrame:
    """
    Return what is wrong with the runs in *df*, as a DataFrame of the same session.

    Args:
        df: As for :func:`survey_spark`, whose *options* these are.
        lifecycle: The table to hold it against.
        options: Of :func:`survey_spark`; *limit* counts here too.

    Returns:
        One row per finding, with the columns of :class:`runstate.Finding`; sorted by run_id,
        and those of a run in the order of its rows.
    """
    survey = survey_spark(df, lifecycle, **{"measured": False, **options})

    return df.sparkSession.createDataFrame([tuple(f) for f in survey.findings], _SCHEMA)


def survey_paths(
    paths: Sequence[str],
    lifecycle: Lifecycle = RUN,
    *,
    observed: ObservationModel = "complete",
    columns: Columns = _USUAL_COLUMNS,
    finished: bool = False,
    limits: Mapping[str, float] | None = None,
    now: float | None = None,
    limit: int | None = 10_000,
    samples: int = 0,
    measured: bool = True,
) -> Survey:
    """
    Return what was observed of the runs in *paths*; for the other arguments see :func:`survey_spark`.

    Each path goes to Spark as it is, so it may be a folder, a pattern or an address
    (``s3a://…``). Its suffix says the format: Parquet where it says none. The caller's own
    session is used where one is active; else one is started on this machine, and kept.

    Raises:
        SparkInputError: A path cannot be read, holds no rows or lacks a column, or there is
            no Java.
        ValueError: As for :func:`survey_spark`.
    """
    question = _question(lifecycle, observed, finished, limits, now, measured)
    place = ", ".join(paths)
    frames = [rows_of(frame, columns, lifecycle, place) for frame in read_paths(paths, session())]
    survey = _survey(reduce(DataFrame.unionAll, frames), question, limit, samples, place)
    if not (survey.observations or survey.tally):
        raise SparkInputError(place, "holds no rows")

    return survey


def _question(
    lifecycle: Lifecycle,
    observed: ObservationModel,
    finished: bool,
    limits: Mapping[str, float] | None,
    now: float | None,
    measured: bool,
) -> Question:
    Monitor(lifecycle, observed=observed, limits=limits)  # refuses what it cannot judge
    if len(lifecycle.statuses) > MOST_STATUSES:
        raise ValueError(
            f"{lifecycle.name} has {len(lifecycle.statuses)} statuses: "
            f"on Spark, {MOST_STATUSES} at most"
        )

    return Question(lifecycle, observed, finished, dict(limits or {}), now, measured)


def _survey(
    rows: DataFrame, question: Question, limit: int | None, samples: int, place: str
) -> Survey:
    rows = coded(rows, question)
    totals, judge = Totals(question), _Judge(question, limit, samples // 2)
    with clear(place), _kept(_screened(rows, question)) as kinds:
        _add(totals, kinds, question)
        wrong = kinds.where("wrong").select("run_id").distinct()
        if not kinds.where("wrong").isEmpty():
            if not question.ordered:
                totals.tally = _tally(_only(rows, wrong), question)
            judge.judge(_fetched(_only(rows, _first(wrong, limit))))
            _add_names(totals, rows, question)
        timelines = judge.timelines
        if samples > len(timelines):
            timelines |= _sample(rows, question, samples, timelines)

    return totals.survey(judge.findings, timelines)


# -- what Spark does -------------------------------------------------------------


def _screened(rows: DataFrame, question: Question) -> DataFrame:
    return in_sequence(rows, question) if question.ordered else order_free(rows, question)


@contextmanager
def _kept(kinds: DataFrame) -> Iterator[DataFrame]:
    """
    Have Spark keep *kinds*, on its disks where memory is short, so that it is made only once.
    """
    kept = kinds.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield kept
    finally:
        kept.unpersist()


def _add(totals: Totals, kinds: DataFrame, question: Question) -> None:
    if question.ordered:
        _add_rows(totals, kinds)
        return
    summed = ["runs", *(f"seen_{code}" for code in range(question.timeless + 1))]
    for kind in _summed(kinds, ["mask", "end"], summed):
        totals.add_run(kind)


def _add_rows(totals: Totals, kinds: DataFrame) -> None:
    kind_of = ["before", "code", "last", "mask", "bucket"]
    for kind in _summed(kinds, kind_of, ["n", "total", "stuck"], ["longest"]):
        totals.add_row(kind)


def _summed(
    kinds: DataFrame, kind: Sequence[str], summed: Sequence[str], greatest: Sequence[str] = ()
) -> list[Row]:
    """
    Return *kinds* without the ids of those that are wrong, which is little, however large the log.
    """
    return (
        kinds.groupBy(*kind)
        .agg(
            *(F.sum(name).alias(name) for name in summed),
            *(F.max(name).alias(name) for name in (*greatest, "ended")),
            F.min("began").alias("began"),
        )
        .collect()
    )


def _tally(rows: DataFrame, question: Question) -> Counter[str]:
    """
    Return how many findings there are in *rows*, of the runs that are wrong.
    """
    totals = Totals(question)
    _add_rows(totals, in_sequence(rows, question))

    return totals.tally


def _add_names(totals: Totals, rows: DataFrame, question: Question) -> None:
    """
    Add the statuses that the lifecycle does not know by their names, the most frequent first.
    """
    strange = rows.where((F.col("code") >= question.unknown) & (F.col("code") < question.timeless))
    counted = strange.groupBy("status", "code").agg(
        F.count("*").alias("n"), F.min("at").alias("began"), F.max("at").alias("ended")
    )
    for name in counted.orderBy(F.desc("n"), "status").limit(MOST_NAMES).collect():
        totals.add_times(name.began, name.ended)
        if name.code == question.unknown:
            totals.seen[name.status] += name.n


def _first(ids: DataFrame, limit: int | None) -> DataFrame:
    return ids if limit is None else ids.orderBy(F.asc_nulls_first("run_id")).limit(limit)


def _only(rows: DataFrame, ids: DataFrame) -> DataFrame:
    """
    Return the *rows* of the runs whose *ids* are given; null is one of them.
    """
    wanted = ids.select(F.col("run_id").alias("wanted"))

    return rows.join(wanted, F.col("run_id").eqNullSafe(F.col("wanted")), "left_semi")


def _fetched(rows: DataFrame) -> Iterator[Row]:
    """
    Yield *rows* run by run and in order, holding one of Spark's partitions at a time.
    """
    order = [F.asc_nulls_first("run_id"), F.asc_nulls_last("at"), F.asc("code"), F.asc("status")]

    return rows.orderBy(*order).select("run_id", "at", "code", "status").toLocalIterator()


def _sample(
    rows: DataFrame, question: Question, samples: int, there: Collection[str | None]
) -> dict[str | None, tuple[Observation, ...]]:
    """
    Return timelines of runs that are not *there*, the same whenever asked, to make *samples* in all.
    """
    runs = rows.where(F.col("code") <= question.unknown).select("hash", "run_id").distinct()
    chosen = [row.run_id for row in runs.orderBy("hash", "run_id").limit(samples).collect()]
    chosen = [run_id for run_id in chosen if run_id not in there][: samples - len(there)]
    picked = F.col("run_id").isin([run_id for run_id in chosen if run_id is not None])
    if None in chosen:
        picked = F.col("run_id").isNull() | picked
    judge = _Judge(question, 0, samples)
    judge.judge(_fetched(rows.where(picked)))

    return judge.timelines


# -- what is judged here ---------------------------------------------------------


class _Judge:
    """
    Has the Monitor judge one run after the other, and keeps what comes of it.
    """

    def __init__(self, question: Question, limit: int | None, samples: int) -> None:
        self.findings: list[Finding] = []
        self.timelines: dict[str | None, tuple[Observation, ...]] = {}
        self._question = question
        self._limit = sys.maxsize if limit is None else limit
        self._samples = samples
        self._monitor = Monitor(
            question.lifecycle, observed=question.observed, limits=question.limits
        )

    def judge(self, rows: Iterable[Row]) -> None:
        """
        Judge *rows*, which come run by run and in order, until enough findings are kept.
        """
        for run_id, seen in groupby(rows, itemgetter(0)):
            shown = len(self.timelines) < self._samples
            timeline: list[Observation] = []
            for finding in self._found(run_id, self._watched(seen, timeline) if shown else seen):
                if len(self.findings) < self._limit:
                    # Its line would be a place in a history that nobody has.
                    self.findings.append(finding._replace(line=None))
                elif not shown:
                    return
            if shown:
                self.timelines[run_id] = tuple(timeline)

    def _watched(self, rows: Iterable[Row], timeline: list[Observation]) -> Iterator[Row]:
        for row in rows:
            run_id, at, code, status = row
            if code <= self._question.unknown and len(timeline) < LONGEST_TIMELINE:
                timeline.append(Observation(status, run_id, at / 1e6))
            yield row

    def _found(self, run_id: str | None, rows: Iterable[Row]) -> Iterator[Finding]:
        question, monitor = self._question, self._monitor
        for _, at, code, status in rows:
            if code == question.timeless:
                yield Finding("RS902", "error", "the record has no time", run_id)
            else:
                yield from monitor.observe(Observation(status, run_id, at / 1e6))
        yield from monitor.finish(finished=question.finished, now=question.now)
        monitor.forget(run_id)
