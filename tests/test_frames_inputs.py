"""
Files and databases of every kind: read alike, refused in one line.
"""

import gzip
import re
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from databases import POSTGRESQL
from runstate import Finding, Observation, check
from runstate.frames import FrameError, is_database, survey_files, survey_table
from runstate.readers import Columns
from runstate.store import RunStore

BORN = 1_767_225_600
ROWS = [
    ("run_1", "queued", BORN),
    ("run_2", "queued", BORN + 1),
    ("run_1", "completed", BORN + 2),
    ("run_2", "in_progress", BORN + 2),
    ("run_1", "in_progress", BORN + 3),
]
"""Of one run, two moves that do not exist."""


def write_csv(path: Path, rows: Any = ROWS) -> None:
    """
    Write *rows* with a header and a cell that holds a comma and a quotation mark.
    """
    lines = [f'{run_id},"a, ""b""",{status},{at}' for run_id, status, at in rows]
    path.write_text("\n".join(["run_id,note,status,at", *lines, ""]))


def write_jsonl(path: Path, rows: Any = ROWS) -> None:
    """
    Write *rows* as JSON lines, the time as text in some.
    """
    lines = [
        f'{{"run_id": "{run_id}", "status": "{status}", "at": {at}}}' for run_id, status, at in rows
    ]
    path.write_text("\n".join([*lines, ""]))


def write_packed(path: Path, rows: Any = ROWS) -> None:
    """
    Write *rows* as JSON lines packed with gzip.
    """
    write_jsonl(path, rows)
    path.write_bytes(gzip.compress(path.read_bytes()))


def copied(path: Path, rows: Any, how: str) -> None:
    """
    Write *rows* by the engine's own writer.
    """
    values = ", ".join(f"('{run_id}', '{status}', {at})" for run_id, status, at in rows)
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * from (values {values}) as rows(run_id, status, \"at\")) to '{path}' {how}"
        )


def write_parquet(path: Path, rows: Any = ROWS) -> None:
    """
    Write *rows* as Parquet.
    """
    copied(path, rows, "(format parquet)")


def write_zst(path: Path, rows: Any = ROWS) -> None:
    """
    Write *rows* as comma-separated values packed with zstd.
    """
    copied(path, rows, "(format csv, compression zstd)")


WRITERS: dict[str, Any] = {
    "log.csv": write_csv,
    "log.jsonl": write_jsonl,
    "log.jsonl.gz": write_packed,
    "log.csv.zst": write_zst,
    "log.parquet": write_parquet,
}


def header(name: str) -> int:
    """
    Return how many lines of a file hold no row: what is made of lines is told by lines.
    """
    return int(".csv" in name)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
def test_files_of_every_kind_say_the_same(tmp_path, name, observed):
    """
    A file's kind and its packing change nothing about what is found in it, or where.
    """
    path = tmp_path / name
    WRITERS[name](path)
    history = [
        Observation(status, run_id, at, {"status": status}, file=str(path), line=line)
        for line, (run_id, status, at) in enumerate(ROWS, 1 + header(name))
    ]
    expected = check(history, observed=observed)
    survey = survey_files(path, observed=observed)

    assert expected.findings == survey.findings
    assert (expected.runs, expected.observations) == survey[:2]


@pytest.mark.parametrize("name", WRITERS)
def test_folders_and_patterns_name_files(tmp_path, name):
    """
    A folder stands for the files in it, a pattern for those it fits; rows count from 1 in each.
    """
    for part, rows in (("day=1", ROWS[:3]), ("day=2", ROWS[3:])):
        (tmp_path / part).mkdir()
        WRITERS[name](tmp_path / part / name, rows)
    places = [
        (str(tmp_path / day / name), row + header(name))
        for day, row in (("day=1", 3), ("day=2", 2))
    ]

    for given in (tmp_path, f"{tmp_path}/*/{name}"):
        survey = survey_files(given)

        assert places == [(finding.file, finding.line) for finding in survey.findings]


def test_a_column_may_be_in_the_names_of_folders(tmp_path):
    """
    What a partitioned folder keeps in its names is a column like others.
    """
    (tmp_path / "job=a").mkdir()
    write_parquet(
        tmp_path / "job=a" / "part.parquet", [("x", "queued", BORN), ("y", "completed", BORN)]
    )
    survey = survey_files(tmp_path, columns=Columns(run_id="job"))

    assert ["a"] == [finding.run_id for finding in survey.findings]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.jsonl", '{"run_id": "a", "status": "queued"}\n{"run_id": "b"\n', "2: not JSON"),
        ("x.jsonl", '{"run_id": "a", "status": "queued"}\n\n[1]\n', "3: a record must be a JSON object"),
        ("x.csv", "run_id,status\na,queued\nb\n", "3: not CSV"),
        ("x.csv", "run_id,status\na,queued,1\n", "2: not CSV"),
        ("x.csv", "run_id,status\n\na,queued\n", "blank lines, or line breaks within quotes"),
        ("x.csv", "run_id,status,created_at\na,queued,1767225600\n", "rules about created_at"),
        ("x.jsonl", '{"run_id": "a", "status": "queued", "object": "x"}\n', "rules about object"),
    ],
)  # fmt: skip
def test_irregular_text_is_refused(tmp_path, name, content, reason):
    """
    Text that DuckDB would read in another way than the readers is refused, with the engine that reads it.
    """
    (tmp_path / name).write_text(content)
    with pytest.raises(FrameError, match=reason) as refused:
        survey_files(tmp_path / name)

    assert str(refused.value).endswith("use --engine python")


def test_keys_may_be_nested(tmp_path):
    """
    Dots lead into nested objects, unless a key is spelt with them.
    """
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"run": {"id": "a"}, "x.y": "queued"}\n{"run": {"id": "a"}, "x.y": "completed"}\n'
    )
    survey = survey_files(path, columns=Columns("run.id", "x.y"))

    assert ["a"] == [finding.run_id for finding in survey.findings]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("gone.parquet", None, "there is no such file"),
        ("empty.parquet", b"", "the file is empty"),
        ("text.parquet", b"run_id,status\n", "No magic bytes"),
        (
            "runs.json",
            b"[]",
            "DuckDB reads Parquet, CSV, TSV and JSON lines alone: use --engine python",
        ),
        (
            "log.csv",
            b"id,state\n1,queued\n",
            "no column 'status' .did you mean 'state'. columns: id, state",
        ),
        ("log.jsonl", b'{"id": 1, "state": 2}\n', "no column 'status'"),
        ("log.csv", b"id,status,status\n", "columns given more than once: status"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, name, content, reason):
    """
    The file is named, and what is wrong with it, in one line.
    """
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(FrameError, match=reason) as refused:
        survey_files(path)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_files_are_of_one_kind(tmp_path):
    """
    Files of several kinds are not read together, and a folder without any is told.
    """
    with pytest.raises(FrameError, match="the folder holds no file whose suffix names a format"):
        survey_files(tmp_path)
    write_csv(tmp_path / "a.csv")
    write_jsonl(tmp_path / "b.jsonl")

    with pytest.raises(FrameError, match="several kinds: csv, jsonl"):
        survey_files(tmp_path)
    with pytest.raises(FrameError, match="no file is named"):
        survey_files([])


# -- databases ---------------------------------------------------------------------

QUERY = 'select run_id as job, status, "at" from runs'


@pytest.fixture
def sqlite_file(tmp_path):
    """
    A SQLite database with the rows in it.
    """
    path = tmp_path / "runs.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('create table runs (run_id text, status text, "at" real)')
        connection.executemany("insert into runs values (?, ?, ?)", ROWS)

    return str(path)


@pytest.fixture
def duckdb_file(tmp_path):
    """
    A DuckDB database with the rows in it.
    """
    path = str(tmp_path / "runs.duckdb")
    with duckdb.connect(path) as connection:
        connection.execute('create table runs (run_id text, status text, "at" double)')
        connection.executemany("insert into runs values (?, ?, ?)", ROWS)

    return path


@pytest.fixture(params=["sqlite", "sqlite-url", "duckdb", "duckdb-url", POSTGRESQL])
def database(request):
    """
    Where each kind of database is.
    """
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgresql_database")
        return url
    path = request.getfixturevalue(f"{request.param.partition('-')[0]}_file")

    return f"{request.param[:6]}:///{path}" if request.param.endswith("url") else path


@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
def test_a_database_says_the_same(database, observed):
    """
    A table and a query of every database say what ``check`` says of their rows.
    """
    fill(database)
    expected = check([Observation(s, r, at, {"status": s}) for r, s, at in ROWS], observed=observed)
    for survey in (
        survey_table(database, table="runs", observed=observed),
        survey_table(database, query=QUERY, columns=Columns(run_id="job"), observed=observed),
    ):
        found = [finding._replace(file=None, line=None) for finding in survey.findings]

        assert [finding._replace(line=None) for finding in expected.findings] == found
        assert (expected.runs, expected.observations) == survey[:2]


def fill(database: str) -> None:
    """
    Put the rows into *database*, if it is a PostgreSQL one, which is empty so far.
    """
    if database.startswith("postgresql"):
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(plain(database)) as connection, connection.cursor() as cursor:
            cursor.execute('create table runs (run_id text, status text, "at" timestamptz)')
            values = ", ".join(f"('{r}', '{s}', to_timestamp({at}))" for r, s, at in ROWS)
            cursor.execute(f"insert into runs values {values}")
            connection.commit()


def plain(url: str) -> str:
    """
    Return *url* without the name of a driver in it.
    """
    kind, _, rest = url.partition("://")

    return f"{kind.partition('+')[0]}://{rest}"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "name one table, or one query"),
        ({"table": "nothing"}, "nothing"),
        ({"query": "select nothing"}, "nothing"),
        ({"table": "runs", "columns": Columns(status="state")}, "no column 'state'"),
        ({"query": "select run_id, status from runs"}, "rows of a database are in no order"),
    ],
)
def test_a_failing_query_is_one_line(database, arguments, reason):
    """
    What the database says is told in one line that names it.
    """
    fill(database)

    with pytest.raises(FrameError, match=reason) as refused:
        survey_table(database, **arguments)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://me:secret@127.0.0.1:1/x", "Connection refused"),
        ("sqlite:////nowhere/x.db", "there is no such database"),
        ("nowhere.db", "there is no such database"),
    ],
)
def test_a_database_that_is_not_there_is_refused(url, reason):
    """
    A database that cannot be opened is named, without the password.
    """
    with pytest.raises(FrameError, match=reason) as refused:
        survey_table(url, table="runs")
    assert "secret" not in str(refused.value)


def test_rows_of_one_time_follow_the_lifecycle(tmp_path):
    """
    Rows of a database that have one time are taken in the order of the statuses.
    """
    path = str(tmp_path / "ties.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table runs (id text, status text, timestamp text)")
        rows = [
            ("a", status, "2026-01-01T00:00:00Z")
            for status in ("completed", "in_progress", "queued")
        ]
        connection.executemany("insert into runs values (?, ?, ?)", rows)

    assert {} == survey_table(path, table="runs").tally


@contextmanager
def small_files(most):
    """
    Let no file of this process grow beyond *most* bytes, as if the disk were full by then.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_line(tmp_path):
    """
    Where there is neither memory nor disk enough, that is said.
    """
    path = tmp_path / "log.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "copy (select md5(range::varchar) as run_id, 'queued' as status, "
            f"to_timestamp({BORN} + range // 7) as \"at\" from range(2000000)) to '{path}'"
        )

    with small_files(1_000_000), pytest.raises(FrameError) as refused:
        survey_files(path, memory="64MB")
    assert re.search(r"(?i)out of memory|file too large", str(refused.value))
    assert "\n" not in str(refused.value)


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    """
    What spills goes to a folder that is removed.
    """
    monkeypatch.setenv("TMPDIR", str(tmp_path / "spilt"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "spilt").mkdir()
    write_csv(tmp_path / "log.csv")
    survey = survey_files(tmp_path / "log.csv", memory="50MB")
    found = Finding(
        "RS103", "error", "queued -> completed: no such move", "run_1", "queued", "completed",
        survey.findings[0].hint, str(tmp_path / "log.csv"), 4,
    )  # fmt: skip

    assert found == survey.findings[0]
    assert [] == [*(tmp_path / "spilt").iterdir()]


def test_a_table_is_read_beside_a_store_that_has_it_open(tmp_path):
    """
    What closes the file in the same process must not end the store's locks, or drop its log.
    """
    file = tmp_path / "app.db"
    with RunStore.open(f"sqlite:///{file}", durable=False) as store:
        made = set()
        for number in range(8):
            made.add(store.create().id)
            if number % 2:
                store.start(store.create(id=f"own_{number}").id)
                made.add(f"own_{number}")
            for place in (f"sqlite:///{file}", str(file)):
                survey = survey_table(place, table="runstate_runs", run_id="id", at="moved_at")
                assert len(made) == survey.runs, survey.findings
            beside = [sys.executable, "-c", ANOTHER_WRITER, str(file)]
            made.add(subprocess.run(beside, capture_output=True, text=True, check=True).stdout)
        with store.engine.connect() as connection:
            assert "ok" == connection.exec_driver_sql("pragma integrity_check").scalar()
        assert made == {run.id for run in store.list(limit=100).items}


ANOTHER_WRITER = """
import logging, sys, structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
from runstate.store import RunStore
with RunStore.open(f"sqlite:///{sys.argv[1]}", durable=False) as store:
    print(store.create().id, end="")
"""


def test_times_of_sqlite_keep_their_microseconds(tmp_path):
    """
    As a text of its own, SQLite gives a number 15 digits.
    """
    with closing(sqlite3.connect(tmp_path / "log.db")) as database, database:
        database.execute("create table log (run_id, status, at real)")
        times = (BORN + 0.123451, BORN + 0.123452, BORN + 0.123453)
        rows = zip("aaa", ("queued", "in_progress", "completed"), times, strict=True)
        database.executemany("insert into log values (?, ?, ?)", rows)
    survey = survey_table(str(tmp_path / "log.db"), table="log")

    assert ((), 0) == (survey.findings, survey.undecided)
    assert times[0] == pytest.approx(survey.began, abs=1e-7)
    assert times[2] == pytest.approx(survey.ended, abs=1e-7)


@pytest.mark.parametrize("cell", ["x'ff41'", "cast(x'c3ff' as text)"])
def test_a_text_of_sqlite_that_is_not_utf_8_is_refused_in_one_line(tmp_path, cell):
    """
    Without the traceback that DuckDB adds to the error of a stream.
    """
    with closing(sqlite3.connect(tmp_path / "log.db")) as database, database:
        database.execute("create table log (run_id, status, at real)")
        database.execute(f"insert into log values ('a', {cell}, 1.7e9)")

    with pytest.raises(FrameError, match=r"log\.db: .*(decode|utf-8)") as refused:
        survey_table(str(tmp_path / "log.db"), table="log")
    assert "Traceback" not in str(refused.value)


def test_an_empty_file_and_a_short_text_are_no_databases(tmp_path):
    """
    SQLite takes an empty file for a database without tables.
    """
    for content in (b"", b"id,status\n", b"x" * 5_000):
        (tmp_path / "file").write_bytes(content)
        assert not is_database(str(tmp_path / "file"))
    assert not is_database(str(tmp_path))
