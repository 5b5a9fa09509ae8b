"""
The rules on a real Spark: the same findings as check(), and exact counts.
"""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from recordings import PATHS, rows_of
from runstate import RUN, Finding, Lifecycle, cli
from runstate.ddl import check_query
from runstate.frames import FrameError, check_frame, survey_frame, survey_table
from runstate.presets import PRESETS
from runstate.readers import Columns
from servers import missing
from spark_logs import BORN, MODELS, Row, expected, log, plain
from test_check_query import ENDLESS, QUOTES, found_by_check

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


def _java() -> bool:
    home = os.environ.get("JAVA_HOME")

    return shutil.which("java") is not None or (
        home is not None and Path(home, "bin", "java").exists()
    )


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """
    A Spark on this machine, whose zone is not UTC; without Java it is skipped, but never in CI.

    The command starts it, and leaves it to those who ask for Spark's active session.
    """
    if not _java():
        missing("Java 17 or 21")
    # Compiling costs more than these few rows; see the test of compiled plans.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        first = tmp_path_factory.mktemp("first") / "log.csv"
        first.write_text(ONE_ROW)
        arguments = ["check", str(first), "--engine", "spark"]
        assert 0 == CliRunner().invoke(cli.command, arguments, standalone_mode=False).return_value
    started = SparkSession.getActiveSession()
    assert started is not None
    started.conf.set("spark.sql.codegen.wholeStage", "false")
    started.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    started.conf.set("spark.sql.session.timeZone", "America/New_York")
    yield started
    started.stop()


ONE_ROW = f"run_id,status,at\na,queued,{BORN}\n"


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
def test_spark_agrees_with_the_core(logged: DataFrame, rows: list[Row], asked: dict[str, Any]):
    """
    Every finding and every count is what the core makes of each run by itself.
    """
    actual = survey_frame(logged, limit=1_000_000, samples=6, **asked)

    assert plain(actual) == plain(expected(rows, samples=6, **asked))


@pytest.mark.parametrize("lifecycle", [RUN, QUOTES, ENDLESS], ids=str)
def test_the_query_for_spark_returns_what_check_finds(spark: SparkSession, lifecycle: Lifecycle):
    """
    Quotes and backslashes in a status mean to Spark what they mean to the others.
    """
    chance = random.Random(3)  # noqa: S311
    rows = [
        (f"r{run}", chance.choice([*map(str, lifecycle.statuses), "it's\\unknown"]), float(at))
        for run in range(60)
        for at in range(chance.randrange(1, 6))
    ]
    observed = spark.createDataFrame(rows, "run string, status string, at double")
    observed.createOrReplaceTempView("events")

    answer = spark.sql(check_query(lifecycle, dialect="spark", table="events", key="run")).collect()

    found = found_by_check(rows, lifecycle)
    assert len(found) > 60
    assert found == {(r.run_id, r.observed_at, r.previous, r.status, r.code) for r in answer}
    assert len(found) == len(answer)


@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
def test_recordings_of_live_services_agree(spark: SparkSession, observed: str):
    """
    Real runs are judged as the core judges them.
    """
    rows = rows_of(PATHS, "stamped")
    actual = survey_frame(frame(spark, rows), observed=observed, finished=True)

    assert plain(actual) == plain(expected(rows, observed=observed, finished=True))


@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
def test_spark_agrees_with_duckdb(
    logged: DataFrame, rows: list[Row], tmp_path: Path, observed: str
):
    """
    A table of a database, whose rows have no order either, has the same findings.
    """
    with closing(sqlite3.connect(tmp_path / "log.db")) as database, database:
        database.execute("create table log (run_id text, status text, at real)")
        database.executemany("insert into log values (?, ?, ?)", rows)
    asked = {"observed": observed, "finished": True, "limits": {"queued": 3}}
    theirs = survey_table(str(tmp_path / "log.db"), table="log", **asked)
    ours = survey_frame(logged, **asked)

    assert verdict(ours) == verdict(theirs)


def verdict(survey: Any) -> Any:
    """
    What is compared of two engines.
    """
    findings = Counter((f.code, f.run_id, f.source, f.target, f.message) for f in survey.findings)

    return findings, survey.tally, survey.runs, survey.observations, survey.undecided, survey.tied


def test_ties_and_lone_records_are_judged(spark: SparkSession):
    """
    Rows at one time are legal in any order that is, and one snapshot alone is no history.
    """
    rows: list[Row] = [("a", s, BORN) for s in ("requires_action", "queued", "completed")]
    rows.append(("b", "completed", BORN))
    actual = survey_frame(frame(spark, rows))

    assert plain(actual) == plain(expected(rows, observed="complete"))
    assert (3, {}) == (actual.tied, actual.tally) or actual.tally


def test_rows_that_say_more_are_read_as_records(spark: SparkSession):
    """
    From/to records with numbers, and a snapshot's stamps, are judged as by the other engines.
    """
    moves = [
        ("a", "queued", "in_progress", 1),
        ("a", "in_progress", "failed", 2),
        ("a", "in_progress", "completed", 2),
    ]
    schema = "run_id string, source string, target string, seq int, at timestamp"
    rows = [(*move, datetime.fromtimestamp(BORN + n, UTC)) for n, move in enumerate(moves)]
    moved = spark.createDataFrame(rows, schema)
    stamped = spark.createDataFrame(
        [("a", "completed", BORN, None), ("b", "queued", BORN, int(BORN))],
        "id string, status string, at double, completed_at long",
    )

    assert {"RS903": 1} == survey_frame(moved).tally
    assert {"RS202": 1} == survey_frame(stamped, observed="polled").tally


def test_a_run_that_reopens_is_followed(spark: SparkSession):
    """
    Attempts tell a reopened run from a late writer; without them it is accepted where that is asked for.
    """
    issue = PRESETS["github-workflow-run"]
    first = str(issue.reopenings[0].source)
    then = str(issue.reopenings[0].target)
    rows: list[Row] = [("a", then, BORN), ("a", first, BORN + 1), ("a", then, BORN + 2)]
    named = Columns("run_id", "status", "at")
    asked = {"observed": "polled", "columns": named, "finished": True}
    told = survey_frame(frame(spark, rows), issue, **asked)
    accepted = survey_frame(frame(spark, rows), issue, allow_reopen=True, **asked)

    assert {"RS109": 1, "RS107": 1} == told.tally
    assert ({"RS107": 1}, 1) == (accepted.tally, accepted.reopened)


# -- what is kept ----------------------------------------------------------------


def test_findings_are_a_frame_of_spark(logged: DataFrame):
    """
    Findings come back as a DataFrame with the columns of a finding, the smallest ids first.
    """
    found = check_frame(logged, observed="polled", limit=7)

    assert isinstance(found, DataFrame)
    assert tuple(found.columns) == Finding._fields
    listed = survey_frame(logged, observed="polled").findings
    assert [Finding(*row) for row in found.collect()] == list(listed[:7])


def test_timelines_are_of_wrong_runs_first(logged: DataFrame):
    """
    Half of the timelines are of runs with findings, the others of the same runs every time.
    """
    one = survey_frame(logged, samples=6)
    other = survey_frame(logged.repartition(5), samples=6)

    assert one.timelines == other.timelines
    wrong = dict.fromkeys(finding.run_id for finding in one.findings)
    assert list(one.timelines)[:3] == [run for run in wrong if run in one.timelines][:3]
    assert len(one.timelines) == 6


# -- how Spark does it -----------------------------------------------------------


def test_a_small_table_is_one_task_after_one_shuffle(spark: SparkSession):
    """
    Rows meet by id alone, in one exchange, and a few of them are not spread over 200 tasks.
    """
    tracker = spark.sparkContext.statusTracker()
    rows: list[Row] = [("a", "queued", BORN), ("a", "in_progress", BORN + 1)] * 4
    few = spark.createDataFrame(rows, "run_id string, status string, at double").coalesce(1)
    spark.sparkContext.setJobGroup("small", "a small table")
    survey_frame(few)
    spark.sparkContext.setJobGroup("", "")
    jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup("small")]
    tasks = [tracker.getStageInfo(stage).numTasks for job in jobs for stage in job.stageIds]

    assert "200" == spark.conf.get("spark.sql.shuffle.partitions")
    assert sum(tasks) <= 4


# -- columns and times -----------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("at date", "column 'at' is date, which has no time zone; pass --assume-utc if it is UTC"),
        ("at boolean", "column 'at' is boolean; times are timestamps, numbers or ISO 8601 texts"),
        ("at double, status int", "column 'status' is int; statuses are texts"),
        ("at double, id array<int>", "column 'id' is array<int>; ids are texts or whole numbers"),
    ],
)
def test_columns_of_the_wrong_kind_are_refused(spark: SparkSession, schema: str, message: str):
    """
    A column that can be no id, status or time is named with its type.
    """
    named = [part.split()[0] for part in schema.split(", ")]
    others = ", ".join(f"{name} string" for name in ("id", "status") if name not in named)
    empty = spark.createDataFrame([], ", ".join(part for part in (schema, others) if part))

    with pytest.raises(FrameError) as refused:
        survey_frame(empty)

    assert str(refused.value) == f"the DataFrame: {message}"


@pytest.mark.parametrize("kind", ["timestamp", "timestamp_ntz", "long", "string"])
def test_times_are_the_same_whatever_the_session_s_zone(spark: SparkSession, kind: str):
    """
    A time without a zone is of UTC where that is said, though the session is in New York.
    """
    noon = datetime(2024, 3, 10, 12, 30, 0, 250_000, tzinfo=UTC)
    value = {
        "timestamp": noon,
        "timestamp_ntz": noon.replace(tzinfo=None),
        "long": 1_710_073_800_250,
        "string": "2024-03-10 12:30:00.25",
    }[kind]
    one = spark.createDataFrame(
        [("a", "queued", value)], f"run_id string, status string, at {kind}"
    )

    assert 1_710_073_800.25 == survey_frame(one, assume_utc=True).began


def test_columns_are_named_or_usual(spark: SparkSession):
    """
    Columns may have any name and be nested; a whole number is an id by its digits.
    """
    one = spark.createDataFrame(
        [(7, (("queued", 1),), int(BORN))],
        "`a.b` long, job struct<now: struct<`st``ate`: string, x: int>>, `at` long",
    )
    survey = survey_frame(one, columns=Columns("a.b", "job.now.st`ate", None), samples=1)

    assert (["7"], {"queued": 1}, BORN) == ([*survey.timelines], survey.seen, survey.began)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            Columns(status="state"),
            "the DataFrame: no column 'state' (did you mean 'status'? columns: run_id, status, at; "
            "--status names another)",
        ),
        (
            Columns(at="status.x"),
            "the DataFrame: no column 'status.x' (did you mean 'status'? columns: run_id, status, at; "
            "--at names another)",
        ),
    ],
)
def test_a_missing_column_is_said(logged: DataFrame, columns: Columns, message: str):
    """
    A column that is not there is named, with those that are.
    """
    with pytest.raises(FrameError) as refused:
        survey_frame(logged, columns=columns)

    assert str(refused.value) == message


def test_a_column_of_times_is_needed(logged: DataFrame):
    """
    Without a time nothing orders the rows of Spark.
    """
    with pytest.raises(FrameError, match="rows of Spark have no order"):
        survey_frame(logged.drop("at"))


def test_arguments_are_those_of_check(logged: DataFrame):
    """
    What check() refuses is refused.
    """
    with pytest.raises(ValueError, match="observed is complete, polled or unordered"):
        survey_frame(logged, observed="seen")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="limit given for unknown status 'runing'"):
        survey_frame(logged, limits={"runing": 3})


# -- files -----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["parquet", "csv", "json", "orc"])
def test_files_are_read_by_their_suffix(spark: SparkSession, tmp_path: Path, capsys, form: str):
    """
    A folder of files, a pattern and a packed file are read as their suffix says.
    """
    rows: list[Row] = [("007", "queued", BORN), ("007", "completed", BORN + 1.5)]
    options = {"header": "true", "compression": "gzip"} if form == "csv" else {}
    written = spark.createDataFrame(rows, "run_id string, status string, at double")
    written.coalesce(1).write.options(**options).format(form).save(f"{tmp_path}/log.{form}")
    packed = ".gz" if form == "csv" else ""
    limits = ("--limit", "queued=1")
    pattern = f"{tmp_path}/log.{form}/*.{form}{packed}"
    found = json.loads(checked(capsys, pattern, *limits, "--output", "json"))
    whole = expected(rows, observed="complete", limits={"queued": 1})

    assert [each._asdict() for each in whole.findings] == found["findings"]
    assert ["RS103", "RS302"] == sorted(each["code"] for each in found["findings"])
    assert whole[:3] == tuple(found[name] for name in ("runs", "observations", "undecided"))


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """
    What the command prints of files that Spark reads.
    """
    return command(capsys, "check", *arguments, "--engine", "spark")[1]


def test_files_of_several_formats_are_one_log(tmp_path: Path, spark: SparkSession, capsys):
    """
    Paths of several formats are one log, though the types of their columns differ.
    """
    (tmp_path / "a.csv").write_text("run_id,status,at\na,queued,2023-11-14T22:13:20Z\n")
    (tmp_path / "b.jsonl").write_text(
        f'{{"run_id": "a", "status": "completed", "at": {BORN + 1}}}\n'
    )
    late = [("a", "in_progress", datetime.fromtimestamp(BORN + 2, UTC))]
    written = spark.createDataFrame(late, "run_id string, status string, at timestamp")
    written.write.parquet(str(tmp_path / "c.parquet"))
    paths = [str(tmp_path / name) for name in ("a.csv", "b.jsonl", "c.parquet")]
    found = json.loads(checked(capsys, *paths, "--output", "json"))
    page = tmp_path / "page.html"
    command(capsys, "report", *paths, "--engine", "spark", "-o", str(page))

    assert spark is SparkSession.getActiveSession()
    assert ["RS103", "RS105"] == sorted(each["code"] for each in found["findings"])
    assert "2023-11-14 22:13:20 UTC to 2023-11-14 22:13:22 UTC" in page.read_text(encoding="utf-8")


def test_a_delta_table_is_read_by_its_log(tmp_path: Path, spark: SparkSession, capsys):
    """
    The rows of a Delta table are those of its last version, not those of every file in its folder.
    """
    folder = str(tmp_path / "events")
    for mode, statuses in (
        ("append", ["queued", "completed"]),
        ("overwrite", ["queued", "failed"]),
    ):
        rows = {"run_id": ["a", "a"], "status": statuses, "at": [BORN, BORN + 1]}
        deltalake.write_deltalake(folder, pa.table(rows), mode=mode)
    status, out, err = command(capsys, "check", folder, "--engine", "spark")

    assert (0, "1 run, 2 observations: nothing wrong\n", "") == (status, out, err)


@pytest.mark.usefixtures("spark")
def test_formats_with_different_columns_are_refused(tmp_path: Path, capsys):
    """
    Where one format has columns that rules are about, and another has not, one line says so.
    """
    (tmp_path / "a.csv").write_text("run_id,status,at,failed_at\na,queued,1700000000,\n")
    (tmp_path / "b.jsonl").write_text('{"run_id": "a", "status": "failed", "at": 1700000001}\n')

    paths = [str(tmp_path / name) for name in ("a.csv", "b.jsonl")]
    status, out, err = command(capsys, "check", *paths, "--engine", "spark")

    assert (2, "") == (status, out)
    assert "its formats have different columns: check one at a time" in err


@pytest.mark.usefixtures("spark")
def test_what_cannot_be_read_is_one_line(tmp_path: Path, capsys):
    """
    A file that is not there, is empty, is no Parquet, or holds no row is told in one line.
    """
    (tmp_path / "empty.parquet").write_bytes(b"")
    (tmp_path / "text.parquet").write_bytes(b"no table at all, but a text of some length\n")
    (tmp_path / "head.csv").write_text("run_id,status,at\n")
    said = {}
    for name in ("none.parquet", "empty.parquet", "text.parquet", "head.csv", "a.avro"):
        status, out, err = command(capsys, "check", f"{tmp_path}/{name}", "--engine", "spark")
        assert (2, "") == (status, out)
        said[name] = err.removesuffix("\n").removeprefix(f"runstate: {tmp_path}/{name}: ")

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
        survey_frame(broken.withColumn("at", F.col("at").cast("double")))

    assert "\n" not in str(refused.value)


def by_itself(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """
    Check a log of one row with Spark in a process of its own.
    """
    (tmp_path / "log.csv").write_text(ONE_ROW)

    return subprocess.run(
        [sys.executable, "-m", "runstate", "check", "log.csv", "--engine", "spark"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **environment},
    )


@pytest.mark.usefixtures("spark")
def test_a_session_of_its_own_is_quiet(tmp_path: Path):
    """
    Where no session is active one is started, which writes nothing to the terminal.
    """
    done = by_itself(tmp_path, JDK_JAVA_OPTIONS="-XX:TieredStopAtLevel=1")

    assert ("", 0) == (done.stderr, done.returncode)
    assert done.stdout.startswith("1 run, 1 observation: nothing wrong")
    assert 1 == done.stdout.count("\n")


def test_without_java_it_says_so(tmp_path: Path):
    """
    A machine without Java is told what is missing, in one line.
    """
    done = by_itself(tmp_path, JAVA_HOME=str(tmp_path), PATH="/usr/bin:/bin")

    assert done.stderr.startswith("runstate: Spark: cannot be started; it needs Java 17 or 21 (")
    assert (done.stderr.count("\n"), done.stdout, done.returncode) == (1, "", 2)


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
            "no column 'state' (did you mean 'status'? columns: run_id, status, at",
        ),
        (["{parquet}", "--at", "seen"], "no column 'seen' (columns: run_id, status, at"),
        (["{tmp}/gone.parquet"], "does not exist"),
        (["{tmp}/text.parquet"], "is not a Parquet file"),
        (["{tmp}/empty.parquet"], "is empty, or not of its format"),
        (["{tmp}/head.csv"], "holds no rows"),
        (["-"], "spark cannot read standard input; --engine python can"),
        (["{parquet}", "--format", "csv"], "spark takes the format from the file suffix"),
        (["{parquet}", "--table", "runs"], "--table is not supported by --engine spark"),
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
