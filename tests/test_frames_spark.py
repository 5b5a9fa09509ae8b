"""
The rules on a real Spark: the same findings as check(), and exact counts.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from recordings import PATHS, rows_of
from runstate import RUN, Finding, Lifecycle, Observation, Transition, check, cli
from runstate.frames import FrameError, _spark
from runstate.frames._spark import check_spark, survey_paths, survey_spark
from runstate.frames._spark_input import session
from runstate.frames._spark_question import Question
from runstate.frames._spark_rows import Given, given_as
from runstate.frames._spark_screen import _bucket, coded, in_sequence, order_free
from runstate.histories._survey import Dwell, Survey, bucket_of
from runstate.presets import PRESETS
from runstate.readers import Columns

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]

BORN = 1_700_000_000.0
USUAL = Columns()
Row = tuple[str | None, str | None, float | None]

UNKNOWN = ["runing", "\x1b[31mred", "zzz"]
STRANGE: list[str | None] = [*UNKNOWN, "", None]

MODELS: dict[str, dict[str, Any]] = {
    "complete": {"observed": "complete"},
    "complete, ended": {
        "observed": "complete",
        "finished": True,
        "limits": {"queued": 2.0, "in_progress": 1.5, "completed": 1},
        "now": BORN + 20.5,
    },
    "complete, unmeasured": {"observed": "complete", "finished": True, "measured": False},
    "polled": {"observed": "polled"},
    "polled, unmeasured": {"observed": "polled", "finished": True, "measured": False},
    "polled, limited": {"observed": "polled", "limits": {"queued": 3}, "measured": False},
    "unordered": {"observed": "unordered", "finished": True},
    "unordered, limited": {"observed": "unordered", "limits": {"queued": 3}, "now": BORN + 99},
}
"""What is asked of every log, by name."""

COMPILING = ("spark.sql.codegen.wholeStage", "spark.sql.codegen.factoryMode")


def _java() -> bool:
    home = os.environ.get("JAVA_HOME")

    return shutil.which("java") is not None or (
        home is not None and Path(home, "bin", "java").exists()
    )


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """
    A Spark on this machine, whose zone is not UTC; without Java it is skipped, but never in CI.
    """
    if not _java():
        if os.environ.get("CI"):
            pytest.fail("CI needs Java 17 or 21: apt-get install openjdk-17-jre-headless")
        pytest.skip("NO JAVA: the rules on Spark were NOT tested")
    # Compiling costs more than these few rows; see the test of compiled plans.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        started = session()
    started.conf.set("spark.sql.codegen.wholeStage", "false")
    started.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    started.conf.set("spark.sql.shuffle.partitions", "2")
    started.conf.set("spark.sql.session.timeZone", "America/New_York")
    yield started
    started.stop()


# -- what is to come out ---------------------------------------------------------


def in_order(rows: Sequence[Row], lifecycle: Lifecycle = RUN) -> list[Observation]:
    """
    The rows that have a time, by it and then by the order of the statuses.
    """
    rank = {str(status): place for place, status in enumerate(lifecycle.statuses)}

    def key(row: Row) -> Any:
        _, status, at = row
        return at, rank.get(status or "", 98 if status else 99), status or ""

    return [
        Observation(status, run_id, at)  # type: ignore[arg-type]
        for run_id, status, at in sorted((row for row in rows if row[2] is not None), key=key)
    ]


def expected_findings(rows: Sequence[Row], lifecycle: Lifecycle, **asked: Any) -> list[Finding]:
    """
    What check() finds, without the place in a history, and the rows without a time.
    """
    asked.pop("measured", None)
    report = check(in_order(rows, lifecycle), lifecycle, **asked)
    timeless = [
        Finding("RS902", "error", "the record has no time", run_id)
        for run_id, _, at in rows
        if at is None
    ]

    return [*(finding._replace(line=None) for finding in report.findings), *timeless]


class Durations(NamedTuple):
    """
    The durations before each move, in microseconds.
    """

    of: dict[tuple[str, str], list[int]]

    def dwell(self) -> dict[tuple[str, str], Dwell]:
        """
        As the survey has them.
        """
        return {
            move: Dwell(
                len(each),
                sum(each) / 1e6,
                max(each) / 1e6,
                dict(sorted(Counter(map(bucket_of, each)).items())),
            )
            for move, each in self.of.items()
        }


def durations(histories: dict[str | None, list[Observation]]) -> Durations:
    """
    How long each status was kept before the next, repeats being nothing.
    """
    found: dict[tuple[str, str], list[int]] = {}
    for history in histories.values():
        status, since = None, 0.0
        for seen in history:
            assert seen.at is not None
            if seen.status == status:
                continue
            if status is not None:
                micros = round(seen.at * 1e6) - round(since * 1e6)
                found.setdefault((status, seen.status), []).append(micros)
            status, since = seen.status, seen.at

    return Durations(found)


def expected(rows: Sequence[Row], lifecycle: Lifecycle = RUN, **asked: Any) -> Survey:
    """
    The survey that a plain loop over the rows gives.
    """
    measured = asked.pop("measured", True) and asked["observed"] != "unordered"
    findings = expected_findings(rows, lifecycle, **asked)
    seen = in_order(rows, lifecycle)
    report = check(seen, lifecycle, **asked)
    histories: dict[str | None, list[Observation]] = {}
    for each in seen:
        if each.status in lifecycle.known:
            histories.setdefault(each.run_id, []).append(each)
    dwell = durations(histories).dwell() if measured else {}
    tally = Counter(finding.code for finding in findings)

    return Survey(
        runs=report.runs,
        observations=report.observations,
        undecided=report.undecided,
        findings=tuple(sorted(findings, key=repr)),
        tally=dict(sorted(tally.items())),
        errors=sum(finding.severity == "error" for finding in findings),
        seen=Counter(each.status for each in seen if each.status in lifecycle.known),
        ends=Counter(history[-1].status for history in histories.values()),
        moves={move: each.times for move, each in dwell.items()},
        dwell=dwell,
        began=min((each.at for each in seen if each.at is not None), default=None),
        ended=max((each.at for each in seen if each.at is not None), default=None),
    )


def plain(survey: Survey) -> Survey:
    """
    The survey with its findings in an order of their own, and without timelines.
    """
    return survey._replace(findings=tuple(sorted(survey.findings, key=repr)), timelines={})


# -- what goes in ----------------------------------------------------------------


def history(chance: random.Random, lifecycle: Lifecycle, wrong: float) -> Iterator[str | None]:
    """
    Statuses of a run that mostly goes as it may.
    """
    status = str(lifecycle.initial)
    for _ in range(chance.randrange(1, 9)):
        odd = chance.random()
        yield status if odd > wrong else chance.choice([*map(str, lifecycle.statuses), *STRANGE])
        if chance.random() < 0.3:
            yield status
        targets = lifecycle.targets(status)
        if targets:
            status = str(chance.choice(targets))


def log(
    seed: int, *, runs: int = 120, wrong: float = 0.04, lifecycle: Lifecycle = RUN
) -> list[Row]:
    """
    Rows of runs, interleaved, with ties, duplicates, unknown statuses, and ids and times that are null.
    """
    chance = random.Random(seed)  # noqa: S311
    rows: list[Row] = []
    for number in range(runs):
        run_id = f"run_{number}" if number % 40 else None
        at: float | None = BORN + chance.randrange(40) / 4
        for status in history(chance, lifecycle, wrong):
            at = (at or BORN) + chance.choice([0, 0.25, 1, 2.5, 0.000_001])
            rows.append((run_id, status, round(at, 6)))
            if chance.random() < 0.05:
                rows.append(rows[-1])
            if chance.random() < 0.01:
                rows.append((run_id, status, None))
    rows += [("only", "runing", BORN), ("nothing", None, BORN), ("never", "queued", None)]
    chance.shuffle(rows)

    return judged(rows, lifecycle)


def judged(rows: Sequence[Row], lifecycle: Lifecycle = RUN) -> list[Row]:
    """
    The rows but those that Spark may refuse: of a run in several statuses at one time, or alone.
    """
    first: dict[tuple[str | None, float], str | None] = {}
    kept = [
        row
        for row in rows
        if row[2] is None or first.setdefault((row[0], row[2]), row[1]) == row[1]
    ]
    known = Counter(
        run_id for run_id, status, at in kept if status in lifecycle.known and at is not None
    )

    return [row for row in kept if known[row[0]] != 1]


def frame(spark: SparkSession, rows: Sequence[Row]) -> DataFrame:
    """
    The rows as a table of Spark.
    """
    return spark.createDataFrame(rows, "run_id string, status string, at double").repartition(3)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """
    A log with everything in it.
    """
    return log(1)


@pytest.fixture(scope="module")
def logged(spark: SparkSession, rows: list[Row]) -> DataFrame:
    """
    That log in Spark.
    """
    return frame(spark, rows).persist()


# -- agreement -------------------------------------------------------------------


@pytest.mark.parametrize("asked", MODELS.values(), ids=MODELS.keys())
def test_spark_agrees_with_check(logged: DataFrame, rows: list[Row], asked: dict[str, Any]):
    """
    Every finding and every count is what check() and a plain loop make of the sorted rows.
    """
    actual = survey_spark(logged, limit=None, **asked)

    assert plain(actual) == expected(rows, **asked)


@pytest.mark.parametrize("timing", ["in turn", "stamped"])
@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
def test_recordings_of_live_services_agree(spark: SparkSession, observed: str, timing: str):
    """
    Real runs are judged as check() judges them.
    """
    rows = judged(rows_of(PATHS, timing))
    actual = survey_spark(frame(spark, rows), limit=None, observed=observed, finished=True)

    assert plain(actual) == expected(rows, observed=observed, finished=True)


@pytest.mark.parametrize("measured", [True, False])
def test_compiled_plans_agree(
    spark: SparkSession, logged: DataFrame, rows: list[Row], measured: bool
):
    """
    Compiled as Spark does by default, the same plans answer the same.
    """
    asked = {"observed": "polled", "finished": True, "measured": measured}
    chosen = {name: spark.conf.get(name) for name in COMPILING}
    try:
        for name in COMPILING:
            spark.conf.unset(name)
        actual = survey_spark(logged, limit=None, **asked)
    finally:
        for name, value in chosen.items():
            spark.conf.set(name, value)

    assert plain(actual) == expected(rows, **asked)


@pytest.mark.parametrize("seed", [2, 3])
def test_more_logs_agree(spark: SparkSession, seed: int):
    """
    Logs of which hardly anything is right, or all is sorted by run, are judged alike.
    """
    rows = log(seed, runs=60, wrong=0.6 if seed == 2 else 0.02)
    if seed == 3:
        rows.sort(key=lambda row: (row[0] or "", row[2] or 0))
    actual = survey_spark(frame(spark, rows), limit=None)

    assert plain(actual) == expected(rows, observed="complete")


def test_runs_may_begin_in_each_initial_status(spark: SparkSession):
    """
    RS102 is told of the statuses that are not initial, and of no others.
    """
    river = PRESETS["river-job"]
    rows: list[Row] = [
        (f"begins {s}", str(s), BORN + second) for s in river.statuses for second in (0, 1)
    ]
    named = Columns(run_id="run_id", status="status")
    actual = survey_spark(frame(spark, rows), lifecycle=river, columns=named)

    assert {"RS102": 5} == actual.tally
    assert plain(actual) == expected(rows, river, observed="complete")


def test_a_log_without_a_fault_is_screened_alone(spark: SparkSession, monkeypatch):
    """
    Where nothing is wrong, no row leaves Spark.
    """
    monkeypatch.setattr(_spark, "_fetched", lambda rows: pytest.fail("rows were fetched"))
    rows: list[Row] = [("a", "queued", BORN), ("a", "in_progress", BORN + 1)]

    assert survey_spark(frame(spark, rows)) == expected(rows, observed="complete")


def large_lifecycle(statuses: int) -> Lifecycle:
    """
    A chain of many statuses.
    """
    names = [f"s{number:02}" for number in range(statuses)]

    return Lifecycle(
        name="chain",
        transitions=tuple(
            Transition(f"to_{after}", before, after) for before, after in pairwise(names)
        ),
        initial=names[0],
        terminal={names[-1]: "success"},
    )


def test_a_large_lifecycle_agrees(spark: SparkSession):
    """
    Beyond the statuses whose codes fit beside a time, the rows are sorted instead.
    """
    chain = large_lifecycle(62)
    rows = log(4, runs=20, lifecycle=chain)
    asked = {"observed": "polled", "measured": False, "finished": True}
    actual = survey_spark(frame(spark, rows), chain, limit=None, **asked)

    assert plain(actual) == expected(rows, chain, **asked)


def test_a_lifecycle_may_be_too_large(logged: DataFrame):
    """
    More statuses than a number has bits are refused.
    """
    with pytest.raises(ValueError, match="chain has 63 statuses: on Spark, 62 at most"):
        survey_spark(logged, large_lifecycle(63))


def test_rows_of_one_time_are_legal_or_refused(spark: SparkSession):
    """
    A run whose rows all have one time is legal where the order of the statuses is.

    Where that order is not, another may be: Spark does not look for it, and says who does.
    """
    legal: list[Row] = [("a", s, BORN) for s in ("completed", "queued", "in_progress")]
    other: list[Row] = [("a", s, BORN) for s in ("requires_action", "queued", "completed")]

    assert () == survey_spark(frame(spark, legal)).findings
    with pytest.raises(FrameError, match=r"in several statuses at one time.*--engine duckdb"):
        survey_spark(frame(spark, other))


def test_one_record_alone_is_refused_where_it_would_be_reported(spark: SparkSession):
    """
    The readers take a lone record for no history; Spark does not, and refuses it.
    """
    lone: list[Row] = [("a", "completed", BORN)]
    with pytest.raises(FrameError, match=r"has one record alone.*--engine duckdb"):
        survey_spark(frame(spark, lone))

    assert () == survey_spark(frame(spark, lone), observed="polled").findings


@pytest.mark.parametrize("observed", ["complete", "polled"])
def test_ids_with_one_hash_are_told_apart(
    logged: DataFrame, rows: list[Row], observed: str, monkeypatch
):
    """
    Runs whose ids collide are counted and judged each on its own.
    """
    monkeypatch.setattr(
        _spark,
        "coded",
        lambda rows, question: coded(rows, question).withColumn("hash", F.lit(7).cast("long")),
    )
    actual = survey_spark(logged, limit=None, observed=observed)

    assert plain(actual) == expected(rows, observed=observed)


# -- what is kept ----------------------------------------------------------------


def test_findings_are_capped_and_counted(logged: DataFrame, rows: list[Row]):
    """
    The first findings are kept, of the smallest ids and in the order of their rows; all are counted.
    """
    everything = survey_spark(logged, limit=None)
    few = survey_spark(logged, limit=7)

    assert few.findings == everything.findings[:7]
    assert few.tally == everything.tally
    by_run = sorted(everything.findings, key=lambda finding: finding.run_id or "")
    assert list(everything.findings) == by_run
    tied = [f for f in expected_findings(rows, RUN, observed="complete") if f.run_id == "run_2"]
    assert [f for f in everything.findings if f.run_id == "run_2"] == tied


def test_findings_are_a_frame_of_spark(logged: DataFrame):
    """
    Findings come back as a DataFrame with the columns of a finding.
    """
    found = check_spark(logged, observed="polled", limit=None)

    assert isinstance(found, DataFrame)
    assert tuple(found.columns) == Finding._fields
    listed = survey_spark(logged, observed="polled", limit=None).findings
    assert [Finding(*row) for row in found.collect()] == list(listed)


def test_timelines_are_of_wrong_runs_first(logged: DataFrame, rows: list[Row]):
    """
    Half of the timelines are of runs with findings, the others of the same runs every time.
    """
    one = survey_spark(logged, samples=6)
    other = survey_spark(logged.repartition(5), samples=6)

    assert one.timelines == other.timelines
    wrong = list(dict.fromkeys(finding.run_id for finding in one.findings))
    assert list(one.timelines)[:3] == wrong[:3]
    assert len(one.timelines) == 6
    seen = in_order(rows)
    for run_id, timeline in one.timelines.items():
        assert timeline == tuple(o for o in seen if o.run_id == run_id and o.status)


def test_a_whole_log_as_a_sample(spark: SparkSession):
    """
    Of fewer runs than asked for, all are shown, the one without an id too.
    """
    rows: list[Row] = [(None, "queued", BORN), ("a", "queued", BORN), ("b", "queued", BORN)]
    actual = survey_spark(frame(spark, rows), samples=9, limit=0)

    assert actual.findings == ()
    assert actual.timelines == {run: (Observation(s, run, at),) for run, s, at in rows}


# -- how Spark does it -----------------------------------------------------------


@pytest.mark.parametrize("asked", MODELS.values(), ids=MODELS.keys())
def test_no_row_of_the_bulk_is_python(logged: DataFrame, capsys, asked: dict[str, Any]):
    """
    Spark plans the screen without Python, and with one sort at most.
    """
    options = {"finished": False, "limits": {}, "now": None, "measured": True, **asked}
    question = Question(RUN, **options)
    rows = coded(given_as("", [("", logged)], Columns(), RUN).rows, question)
    kinds = in_sequence(rows, question) if question.ordered else order_free(rows, question)
    kinds.explain("extended")
    plan = capsys.readouterr().out

    assert "EvalPython" not in plan
    assert "PythonUDF" not in plan
    physical = plan.split("== Physical Plan ==")[1]
    assert physical.count("Sort [") == (1 if question.ordered else 0)


def test_buckets_are_those_of_the_formula(spark: SparkSession):
    """
    Spark's logarithm puts every duration into the bucket that Python's does.
    """
    chance = random.Random(5)  # noqa: S311
    powers = [(1 << bit) + off for bit in range(45) for off in (-1, 0, 1)]
    micros = [*powers, *(chance.randrange(10 ** chance.randrange(1, 14)) for _ in range(2_000))]
    counted = spark.createDataFrame([(each,) for each in micros], "micros long")
    rows = counted.select("micros", _bucket("micros").alias("bucket")).collect()

    assert [row.bucket for row in rows] == [bucket_of(row.micros) for row in rows]


# -- columns and times -----------------------------------------------------------

NOON = datetime(2024, 3, 10, 12, 30, 0, 250_000, tzinfo=UTC)
MICROS = 1_710_073_800_250_000

NOT_HERE = (
    "at '{}' is a time that Spark does not read here: expected Unix seconds or ISO 8601 with a "
    "zone; --engine duckdb reads it"
)

TIMES: list[tuple[str, Any, int | tuple[str, str]]] = [
    ("timestamp", NOON, MICROS),
    ("timestamp_ntz", NOON.replace(tzinfo=None), MICROS),
    # An hour that New York has skipped.
    ("timestamp_ntz", datetime(2024, 3, 10, 2, 30), MICROS - 36_000_250_000),  # noqa: DTZ001
    ("date", date(2024, 3, 10), MICROS - 45_000_250_000),
    ("double", MICROS / 1e6, MICROS),
    ("decimal(20, 6)", Decimal("1710073800.250000"), MICROS),
    ("int", 1_710_073_800, MICROS - 250_000),
    ("string", NOON.isoformat(), MICROS),
    ("string", NOON.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat(), MICROS),
    ("string", "2024-03-10T12:30:00.25Z", MICROS),
    ("string", "2024-03-10 12:30:00.25", MICROS),
    ("csv", "1710073800.25", MICROS),
    ("csv", "2024-03-10T12:30:00.25Z", MICROS),
    ("csv", "2024-03-10T02:30:00", MICROS - 36_000_250_000),
    ("void", None, ("RS902", "the record has no time")),
    ("double", None, ("RS902", "the record has no time")),
    ("string", "1710073800", ("RS901", NOT_HERE.format("1710073800"))),
    ("string", "yesterday", ("RS901", "at 'yesterday' is neither Unix seconds nor ISO 8601")),
    (
        "string",
        "20240310T123000Z",
        ("RS901", NOT_HERE.format("20240310T123000Z")),
    ),
    ("csv", "soon", ("RS901", "at 'soon' is neither Unix seconds nor ISO 8601")),
    (
        "long",
        MICROS // 1_000,
        ("RS901", NOT_HERE.format(MICROS // 1_000)),
    ),
    ("double", float("nan"), ("RS901", "at nan is not between the years 2000 and 2099")),
    (
        "timestamp",
        datetime(9999, 1, 1, tzinfo=UTC),
        ("RS901", "at 253370764800.0 is not between the years 2000 and 2099"),
    ),
]


def given(frame: DataFrame, columns: Columns = USUAL, **options: Any) -> Given:
    """
    The rows of a frame, as they are screened.
    """
    return given_as("runs", [(options.pop("form", ""), frame)], columns, RUN, **options)


@pytest.mark.parametrize(("kind", "value", "expected"), TIMES)
def test_times_are_microseconds(
    spark: SparkSession, kind: str, value: Any, expected: int | tuple[str, str]
):
    """
    A time of any kind is microseconds since 1970, of UTC where it has no zone; what is none is said.
    """
    column = "string" if kind == "csv" else kind
    one = spark.createDataFrame([("a", value)], f"run_id string, at {column}")
    read = given(one.withColumn("status", F.lit("queued")), form=kind, assume_utc=True)
    (row,) = read.rows.collect()

    said = read.times[row.form].refusal(row.given) if row.at is None else row.at
    assert said == expected


def test_the_fast_way_in_a_session_of_utc(spark: SparkSession):
    """
    Where the session's zone is UTC, times without one are the same.
    """
    one = spark.createDataFrame(
        [("a", "queued", NOON.replace(tzinfo=None))],
        "run_id string, status string, at timestamp_ntz",
    )
    zone = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    try:
        (row,) = given(one, assume_utc=True).rows.collect()
    finally:
        spark.conf.set("spark.sql.session.timeZone", zone)

    assert row.at == MICROS


def test_a_time_that_cannot_be_read_is_a_finding(spark: SparkSession):
    """
    A row with an unreadable time is told, and the run's others are judged without it.
    """
    rows = [
        ("a", "queued", "2024-01-01T00:00:00Z"),
        ("a", "in_progress", "2024-01-01T00:00:01Z"),
        ("a", "completed", "2024-01-01T00:00:00"),
    ]
    one = spark.createDataFrame(rows, "run_id string, status string, at string")
    survey = survey_spark(one)

    message = "at '2024-01-01T00:00:00' has no time zone; end it with Z, or pass --assume-utc"
    assert survey.findings == (Finding("RS901", "error", message, "a"),)
    assert (survey.observations, survey.tally) == (2, {"RS901": 1})


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("at date", "column 'at' is date, which has no time zone; pass --assume-utc if it is UTC"),
        ("at boolean", "column 'at' is boolean, which is no time"),
        ("at double, status int", "column 'status' is int; statuses are texts"),
        ("at double, id array<int>", "column 'id' is array<int>; ids are texts or whole numbers"),
    ],
)
def test_columns_of_the_wrong_kind_are_refused(spark: SparkSession, schema: str, message: str):
    """
    A column that can be no id, status or time is told with its type.
    """
    named = [part.split()[0] for part in schema.split(", ")]
    others = ", ".join(f"{name} string" for name in ("id", "status") if name not in named)
    empty = spark.createDataFrame([], ", ".join(part for part in (schema, others) if part))

    with pytest.raises(FrameError) as refused:
        given(empty)

    assert str(refused.value) == f"runs: {message}"


def test_columns_are_named_or_usual(spark: SparkSession):
    """
    Columns may have any name and be nested; a whole number is an id by its digits.
    """
    one = spark.createDataFrame(
        [(7, (("queued", 1),), int(BORN))],
        "`a.b` long, job struct<now: struct<`st``ate`: string, x: int>>, `at` long",
    )
    (row,) = given(one, Columns("a.b", "job.now.st`ate", None)).rows.collect()

    assert tuple(row) == ("7", "queued", BORN * 1_000_000, None, 0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            Columns(status="state"),
            "runs: no 'state' (did you mean 'status'? columns: run_id, status, at; "
            "--status names another)",
        ),
        (
            Columns(at="status.x"),
            "runs: no 'status.x' (did you mean 'status'? columns: run_id, status, at; "
            "--at names another); rows of Spark have no order, so a column of times must be named",
        ),
    ],
)
def test_a_missing_column_is_said(logged: DataFrame, columns: Columns, message: str):
    """
    A column that is not there is named, with those that are.
    """
    with pytest.raises(FrameError) as refused:
        given(logged, columns)

    assert str(refused.value) == message


def test_a_column_of_times_is_needed(logged: DataFrame):
    """
    Without a time nothing orders the rows of Spark.
    """
    with pytest.raises(FrameError, match="rows of Spark have no order"):
        survey_spark(logged.drop("at"))


def test_arguments_are_those_of_check(logged: DataFrame):
    """
    What check() refuses is refused.
    """
    with pytest.raises(ValueError, match="observed is complete, polled or unordered"):
        survey_spark(logged, observed="seen")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="limit given for unknown status 'runing'"):
        survey_spark(logged, limits={"runing": 3})


# -- files -----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["parquet", "csv", "json", "orc"])
def test_files_are_read_by_their_suffix(spark: SparkSession, tmp_path: Path, form: str):
    """
    A folder of files, a pattern and a packed file are read as their suffix says.
    """
    rows: list[Row] = [("007", "queued", BORN), ("007", "completed", BORN + 1.5)]
    options = {"header": "true", "compression": "gzip"} if form == "csv" else {}
    written = spark.createDataFrame(rows, "run_id string, status string, at double")
    written.coalesce(1).write.options(**options).format(form).save(f"{tmp_path}/log.{form}")
    packed = ".gz" if form == "csv" else ""
    actual = survey_paths([f"{tmp_path}/log.{form}/*.{form}{packed}"])

    assert actual == expected(rows, observed="complete")


def test_files_of_several_formats_are_one_log(tmp_path: Path, spark: SparkSession):
    """
    Paths of several formats are one log.
    """
    (tmp_path / "a.csv").write_text(f"run_id,status,at\na,queued,{BORN}\n")
    (tmp_path / "b.jsonl").write_text(
        f'{{"run_id": "a", "status": "completed", "at": {BORN + 1}}}\n'
    )
    actual = survey_paths([str(tmp_path / "a.csv"), str(tmp_path / "b.jsonl")])

    assert spark is session()
    assert [finding.message for finding in actual.findings] == ["queued -> completed: no such move"]


def test_what_cannot_be_read_is_one_line(spark: SparkSession, tmp_path: Path):
    """
    A file that is not there, is empty, is no Parquet, or holds no row is told in one line.
    """
    (tmp_path / "empty.parquet").write_bytes(b"")
    (tmp_path / "text.parquet").write_bytes(b"no table at all, but a text of some length\n")
    (tmp_path / "head.csv").write_text("run_id,status,at\n")
    said = {}
    for name in ("none.parquet", "empty.parquet", "text.parquet", "head.csv", "a.avro"):
        with pytest.raises(FrameError) as refused:
            survey_paths([f"{tmp_path}/{name}"])
        said[name] = str(refused.value).removeprefix(f"{tmp_path}/{name}: ")

    assert all("\n" not in reason and len(reason) < 1_000 for reason in said.values())
    assert "does not exist" in said["none.parquet"]
    assert said["head.csv"] == "holds no rows"
    assert said["empty.parquet"] == "is empty, or not of its format"
    assert "is not a Parquet file" in said["text.parquet"]


def test_a_failure_while_spark_works_is_one_line(spark: SparkSession):
    """
    What fails in the middle of the rows is told in one line too.
    """
    broken = spark.range(3).selectExpr(
        "'a' run_id", "'queued' status", "raise_error('the disk is\nfull') at"
    )
    with pytest.raises(FrameError, match=r"^the DataFrame: .*the disk is") as refused:
        survey_spark(broken.withColumn("at", F.col("at").cast("double")))

    assert "\n" not in str(refused.value)


SCRIPT = """
from runstate.frames._spark_input import session
try:
    print(session().range(3).count())
except ValueError as error:
    print(error)
"""


def test_a_session_of_its_own_is_quiet(spark: SparkSession):
    """
    Where no session is active one is started, which writes nothing to the terminal.
    """
    quick = {**os.environ, "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1"}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=quick)

    assert (done.stdout, done.stderr, done.returncode) == ("3\n", "", 0)


def test_without_java_it_says_so(tmp_path: Path):
    """
    A machine without Java is told what is missing, in one line.
    """
    without = {**os.environ, "JAVA_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=without)

    assert done.stdout.startswith("Spark: cannot be started; it needs Java 17 or 21 (")
    assert (done.stdout.count("\n"), done.stderr, done.returncode) == (1, "", 0)


def test_without_pyspark_it_says_what_to_install():
    """
    Where the extra is missing, one line says how to get it.
    """
    script = "import sys; sys.modules['pyspark'] = None\nimport runstate.frames._spark"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    said = done.stderr.splitlines()[-1]
    assert said.endswith("FrameError: PySpark is not installed: pip install 'runstate[spark]'")


# -- the command -----------------------------------------------------------------


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """
    Run the command as a shell does; return its exit status, and what it wrote.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["runstate", *arguments])
        with pytest.raises(SystemExit) as done:
            cli.main()
    written = capsys.readouterr()

    return int(done.value.code or 0), written.out, written.err


@pytest.fixture(scope="module")
def parquet(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """
    A log in Parquet with two faults in it, as Spark writes it.
    """
    rows: list[Row] = [
        ("a", "queued", BORN), ("a", "completed", BORN + 1), ("b", "queued", BORN + 2),
        ("a", "in_progress", BORN + 3), ("b", "in_progress", BORN + 3.5),
    ]  # fmt: skip
    path = str(tmp_path_factory.mktemp("spark") / "log")
    frame(spark, rows).write.parquet(path)

    return path


def test_the_command_reads_with_spark(parquet: str, capsys):
    """
    With the findings, the counts and the exit status that any engine gives.
    """
    status, out, err = command(capsys, "check", parquet, "--engine", "spark")

    assert (1, "") == (status, err)
    assert [
        "<history>: RS103 error: a: queued -> completed: no such move (shortest legal path: "
        "queued -start-> in_progress -complete-> completed)",
        "<history>: RS105 error: a: completed -> in_progress: completed is terminal (no legal path leads "
        "from completed to in_progress)",
        "2 runs, 5 observations: 2 errors, 0 warnings",
    ] == out.splitlines()

    status, out, _ = command(
        capsys, "check", parquet, "--engine", "spark", "--observed", "polled", "--summary",
        "--max", "0",
    )  # fmt: skip
    assert 1 == status
    assert "2 runs, 5 observations: 1 error, 0 warnings" in out
    assert "in_progress" in out.partition("2 runs")[2]


def test_the_command_makes_a_page_with_spark(parquet: str, tmp_path: Path, capsys):
    """
    The report asks the same engine.
    """
    page = tmp_path / "page.html"
    status, _, err = command(capsys, "report", parquet, "--engine", "spark", "-o", str(page))

    assert (1, "") == (status, err)
    assert "RS105" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["{parquet}", "--status", "state"],
            "no 'state' (did you mean 'status'? columns: run_id, status, at",
        ),
        (["{parquet}", "--at", "seen"], "no 'seen' (columns: run_id, status, at"),
        (["{tmp}/gone.parquet"], "does not exist"),
        (["{tmp}/text.parquet"], "is not a Parquet file"),
        (["{tmp}/empty.parquet"], "is empty, or not of its format"),
        (["{tmp}/head.csv"], "holds no rows"),
        (["-"], "spark cannot read standard input; --engine python can"),
        (["{parquet}", "--format", "csv"], "spark takes the format from the file suffix"),
        (["{parquet}", "--table", "runs"], "--table is not supported by --engine spark"),
        (["{parquet}", "--lifecycle", "{tmp}/large.json"], "on Spark, 62 at most"),
    ],
)
def test_what_the_command_cannot_do_is_one_line(
    parquet: str, tmp_path: Path, capsys, arguments: list[str], said: str
):
    """
    With exit status 2, and nothing else.
    """
    (tmp_path / "text.parquet").write_bytes(b"no table at all, but a text of some length\n")
    (tmp_path / "empty.parquet").write_bytes(b"")
    (tmp_path / "head.csv").write_text("run_id,status,at\n")
    rows = [
        {"trigger": row.trigger, "source": row.source, "target": row.target}
        for row in large_lifecycle(63)
    ]
    large = {"name": "chain", "initial": "s00", "terminal": ["s62"], "transitions": rows}
    (tmp_path / "large.json").write_text(json.dumps(large))
    given = [each.format(parquet=parquet, tmp=tmp_path) for each in arguments]
    status, out, err = command(capsys, "check", "--engine", "spark", *given)

    assert (2, "", 1) == (status, out, err.count("\n"))
    assert said in err
    assert err.startswith("runstate: ")


def test_the_command_without_pyspark_is_one_line():
    """
    That says what to install.
    """
    script = (
        "import sys; sys.modules['pyspark'] = None\n"
        "sys.argv = ['runstate', 'check', 'x.parquet', '--engine', 'spark']\n"
        "from runstate.cli import main; main()"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = "runstate: PySpark is not installed: pip install 'runstate[spark]'\n"

    assert (2, "", said) == (done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(sys.platform != "linux", reason="NO SUCH LIMIT: a full disk was NOT tested")
def test_a_full_disk_is_one_line(tmp_path: Path):
    """
    The system itself refuses to write what Spark puts aside: that is said, and nothing else.
    """
    import resource

    largest = 3 << 20
    (tmp_path / "aside").mkdir()
    log = str(tmp_path / "log.parquet")
    ids = ["".join(f"{random.getrandbits(64):016x}" for _ in range(6)) for _ in range(60_000)]
    statuses, times = ["queued"] * len(ids), [BORN] * len(ids)
    pq.write_table(pa.table({"run_id": ids, "status": statuses, "at": times}), log)
    done = subprocess.run(
        [sys.executable, "-m", "runstate", "check", log, "--engine", "spark"],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "SPARK_LOCAL_DIRS": str(tmp_path / "aside"),
            "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1",
        },
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest)),
    )
    said = f"runstate: {log}: Spark can put no more aside in spark.local.dir: File too large\n"

    assert (2, "", said) == (done.returncode, done.stdout, done.stderr)
