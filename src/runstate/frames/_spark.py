"""
The rules on Apache Spark, where one machine is not enough.

Spark screens all rows with expressions of its own and counts what is in them. Only the rows of
runs that are wrong come here, in order, and are judged by the same :class:`Monitor` as ever.
"""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from ._errors import FrameError

try:
    from pyspark import StorageLevel
    from pyspark.sql import DataFrame, Row
    from pyspark.sql import functions as F  # noqa: N812  everybody's name for it
except ImportError as error:
    raise FrameError("", "PySpark is not installed: pip install 'runstate[spark]'") from error

from .._text import printable
from .._urls import shown_url
from ..histories._monitor import Monitor
from ..histories._records import Finding, Observation, ObservationModel
from ..histories._rules import RULES
from ..histories._survey import Survey
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ..runs._run import RUN
from ._spark_input import clear, read_paths, session
from ._spark_question import MOST_STATUSES, Question
from ._spark_rows import Given, Times, given_as
from ._spark_screen import coded, in_sequence, order_free
from ._spark_totals import Totals

__all__ = ["check_spark", "survey_paths", "survey_spark"]

LONGEST_TIMELINE: Final = 1_000
"""Observations of one run that are kept to be shown."""

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
    assume_utc: bool = False,
    finished: bool = False,
    limits: Mapping[str, float] | None = None,
    now: float | None = None,
    limit: int | None = 10_000,
    samples: int = 0,
    measured: bool = True,
) -> Survey:
    """
    Return what was observed of the runs in *df*, counted exactly, and what is wrong with them.

    The rows of a run are taken in the order of their times, and those of one time, which a
    table of Spark keeps in no order, in the order of the lifecycle's statuses. Times are taken
    to the microsecond. A row whose time is missing or cannot be read has no place in that
    order: it is a finding, and no observation. Rows without an id are one run.

    Args:
        df: One row per observation, in any order: the run's id (text or a whole number; may be
            null), its status (text), and when it was seen (a timestamp, a number of Unix
            seconds, or ISO 8601 as text). Evaluated once, and again for what is wrong and for
            a sample.
        lifecycle: The table to hold it against; of at most 62 statuses.
        observed: What was seen of each run; see :func:`runstate.check`.
        columns: Names of the columns, or dotted paths into nested ones, if not as usual.
        assume_utc: Whether a time without a zone is UTC rather than none.
        finished: Whether every run should have ended (RS107).
        limits: Longest time in a status, in seconds by status (RS302).
        now: When to judge what is still under way, in Unix seconds (RS302).
        limit: Findings that are kept, those of the smallest ids; None for all. They are
            counted beyond it, and have no file and no row.
        samples: Runs whose timelines are kept, at most half of them with findings.
        measured: Whether to count moves and durations, which ``polled`` takes a sort for;
            ``unordered`` has none.

    Raises:
        FrameError: A column is missing, or Spark cannot read *df*.
        ValueError: *observed* is none of the three models, a limit is for no status, or the
            lifecycle has too many statuses.
    """
    question = _question(lifecycle, observed, finished, limits, now, measured)
    given = given_as("the DataFrame", [("", df)], columns, lifecycle, assume_utc=assume_utc)

    return _survey(given, question, limit, samples)


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
    assume_utc: bool = False,
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
        FrameError: A path cannot be read, holds no rows or lacks a column, or there is
            no Java.
        ValueError: As for :func:`survey_spark`.
    """
    question = _question(lifecycle, observed, finished, limits, now, measured)
    place = ", ".join(map(shown_url, paths))
    frames = read_paths(paths, session())
    given = given_as(place, frames, columns, lifecycle, assume_utc=assume_utc)
    survey = _survey(given, question, limit, samples)
    if not (survey.observations or survey.tally):
        raise FrameError(place, "holds no rows")

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

    if lifecycle.reopenings and (finished or limits):
        raise ValueError(
            f"{lifecycle.name} has rows that reopen: Spark does not follow which run ended last; "
            "use --engine duckdb or python with --finished and --limit"
        )

    return Question(lifecycle, observed, finished, dict(limits or {}), now, measured)


def _survey(given: Given, question: Question, limit: int | None, samples: int) -> Survey:
    rows, totals = coded(given.rows, question), Totals(question)
    judge = _Judge(question, given.times, limit, samples // 2)
    with clear(given.place), _kept(_screened(rows, question)) as kinds:
        _add(totals, kinds, question)
        wrong = kinds.where("wrong").select("run_id").distinct()
        if not kinds.where("wrong").isEmpty():
            if question.observed != "unordered":
                _refuse_sets(rows, wrong, question, given.place)
            _settle(rows, wrong, judge, totals, question, limit)
        others = _Judge(question, given.times, 0, samples)
        if samples > len(judge.timelines):
            sampled = [i for i in _sample(rows, question, samples) if i not in judge.timelines]
            others.judge(_fetched(_those(rows, sampled[: samples - len(judge.timelines)])))

    return totals.survey(judge.findings, {**judge.timelines, **others.timelines})


# -- what Spark does -------------------------------------------------------------


def _screened(rows: DataFrame, question: Question) -> DataFrame:
    return in_sequence(rows, question) if question.ordered else order_free(rows, question)


def _refuse_sets(rows: DataFrame, wrong: DataFrame, question: Question, place: str) -> None:
    """
    Pass *rows* whose *wrong* runs are wrong by the rules of :func:`runstate.check`.

    Rows at one time are legal in any order that is, and one record alone is no history; Spark
    takes them in the order of the statuses, and reports the record.
    """
    known = _only(rows, wrong).where(F.col("code") < question.unknown)
    times = known.groupBy("run_id", "at").agg(
        F.min("code").alias("least"), F.max("code").alias("greatest"), F.count("*").alias("n")
    )
    runs = times.groupBy("run_id").agg(
        F.max(F.col("least") != F.col("greatest")).alias("tied"), F.sum("n").alias("n")
    )
    lone = (F.col("n") == 1) if question.observed == "complete" else F.lit(False)  # noqa: FBT003  Spark takes no name
    undecided = runs.where(F.col("tied") | lone).limit(1).collect()
    if undecided:
        what = (
            "was in several statuses at one time" if undecided[0].tied else "has one record alone"
        )
        raise FrameError(
            place,
            f"run '{printable(str(undecided[0].run_id), 60)}' {what}, which Spark does not judge: "
            "use --engine duckdb",
        )


def _settle(
    rows: DataFrame,
    wrong: DataFrame,
    judge: "_Judge",
    totals: Totals,
    question: Question,
    limit: int | None,
) -> None:
    """
    Read the *rows* of the *wrong* runs once more, and have the first of them judged.

    Without the order of the rows, it is not yet known how much is wrong with them: all are read
    then, and counted.
    """
    first = _first(wrong, limit)
    with _kept(_only(rows, first if question.ordered else wrong)) as suspects:
        if not question.ordered:
            totals.tally = _tally(suspects, question)
            judge.judge(_fetched(_only(suspects, first)))
        else:
            judge.judge(_fetched(suspects))


@contextmanager
def _kept(frame: DataFrame) -> Iterator[DataFrame]:
    """
    Have Spark keep *frame*, on its disks where memory is short, so that it is made only once.
    """
    kept = frame.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield kept
    finally:
        kept.unpersist()


def _add(totals: Totals, kinds: DataFrame, question: Question) -> None:
    if question.ordered:
        _add_rows(totals, kinds)
        return
    summed = ["runs", *(f"seen_{code}" for code in range(question.mistimed + 1))]
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
    order = [F.asc_nulls_first("run_id"), F.asc_nulls_last("at"), F.asc("code")]
    order += [F.asc("status"), F.asc("given")]

    return (
        rows.orderBy(*order)
        .select("run_id", "at", "code", "status", "given", "form")
        .toLocalIterator()
    )


def _sample(rows: DataFrame, question: Question, samples: int) -> list[str | None]:
    """
    Return the ids of some runs, the same ones whenever asked.
    """
    runs = rows.where(F.col("code") <= question.unknown).select("hash", "run_id").distinct()

    return [row.run_id for row in runs.orderBy("hash", "run_id").limit(samples).collect()]


def _those(rows: DataFrame, ids: Collection[str | None]) -> DataFrame:
    """
    Return the *rows* of the runs that have one of a few *ids*.
    """
    named = F.col("run_id").isin([run_id for run_id in ids if run_id is not None])

    return rows.where(F.col("run_id").isNull() | named if None in ids else named)


# -- what is judged here ---------------------------------------------------------


class _Judge:
    """
    Has the Monitor judge one run after the other, and keeps what comes of it.
    """

    def __init__(
        self, question: Question, times: Sequence[Times], limit: int | None, samples: int
    ) -> None:
        self.findings: list[Finding] = []
        self.timelines: dict[str | None, tuple[Observation, ...]] = {}
        self._question = question
        self._times = times
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
            run_id, at, code, status, *_ = row
            if code <= self._question.unknown and len(timeline) < LONGEST_TIMELINE:
                timeline.append(Observation(status, run_id, at / 1e6))
            yield row

    def _found(self, run_id: str | None, rows: Iterable[Row]) -> Iterator[Finding]:
        question, monitor = self._question, self._monitor
        for _, at, code, status, given, form in rows:
            if code >= question.timeless:
                rule, message = self._times[form].refusal(given)
                yield Finding(rule, RULES[rule].severity, message, run_id)
            else:
                yield from monitor.observe(Observation(status, run_id, at / 1e6))
        yield from monitor.finish(finished=question.finished, now=question.now)
        monitor.forget(run_id)
