"""
``runstate check`` and ``report`` on Parquet and databases: the same words, one line of complaint.
"""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from hashlib import md5

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click import ClickException
from click.testing import CliRunner

from runstate import frames
from runstate.cli import command
from runstate.errors import RunstateError
from runstate.frames import survey_files

BORN = 1_767_225_600
ROWS = {
    "run_id": ["run_1", "run_2", "run_1", "run_2", "run_1"],
    "status": ["queued", "queued", "completed", "in_progress", "in_progress"],
    "at": [BORN, BORN + 1, BORN + 2, BORN + 2, BORN + 9],
}
SAID = """\
{log}:3: RS103 error: run_1: queued -> completed: no such move (shortest legal path: queued -start-> in_progress -complete-> completed)
{log}:5: RS105 error: run_1: completed -> in_progress: completed is terminal (no legal path leads from completed to in_progress)
2 runs, 5 observations: 2 errors, 0 warnings
"""


@pytest.fixture
def log(tmp_path):
    """
    A Parquet file with two findings in it.
    """
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table(ROWS), path)

    return str(path)


@pytest.fixture
def database(tmp_path):
    """
    A SQLite file with the same rows.
    """
    path = str(tmp_path / "log.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('create table "my runs" (run_id text, status text, "at" integer)')
        rows = zip(*ROWS.values(), strict=True)
        connection.executemany('insert into "my runs" values (?, ?, ?)', rows)

    return path


def run(*arguments: str):
    """
    Run the command.
    """
    return CliRunner().invoke(command, arguments, standalone_mode=False)


@pytest.mark.parametrize(
    "options", [(), ("--exact",), ("--memory", "100MB"), ("--engine", "duckdb")]
)
def test_parquet_is_checked(log, options):
    """
    A Parquet file is told of like any other, and the exit status says the same.
    """
    done = run("check", log, *options)

    assert SAID.format(log=log) == done.output
    assert 1 == done.return_value


def test_other_forms_and_summaries_are_the_same(log):
    """
    Findings come as JSON too, capped if asked, and tables of what was observed.
    """
    found = json.loads(run("check", log, "--output", "json").output)
    capped = run("check", log, "--max", "1").output
    summary = run("check", log, "--summary", "--observed", "polled").output

    assert (["RS103", "RS105"], 5) == (
        [f["code"] for f in found["findings"]],
        found["observations"],
    )
    assert "... and 1 more finding (--max 0 shows all)" in capped
    assert "queued" in summary.partition("2 runs, 5 observations")[2]


def test_a_database_is_checked(database):
    """
    A table or a query of a database is checked, by its path or its URL.
    """
    for path in (database, f"sqlite:///{database}"):
        by_table = run("check", path, "--table", "my runs", "--observed", "polled")
        by_query = run(
            "check", path, "--query", 'select run_id as job, status, "at" from "my runs"',
            "--run-id", "job", "--observed", "polled",
        )  # fmt: skip

        assert "2 runs, 5 observations: 1 error, 0 warnings" in by_table.output
        assert by_table.output.splitlines()[-1] == by_query.output.splitlines()[-1]


def test_a_page_is_made_of_parquet(log, tmp_path):
    """
    The report reads what check reads.
    """
    page = tmp_path / "report.html"
    done = run("report", log, "-o", str(page))

    assert 1 == done.return_value
    assert "run_1" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("{log}", "--status", "state"), "no column 'state'"),
        (("{log}", "--memory", "much"), "expected an amount such as"),
        (("{log}", "--engine", "python", "--exact"), "--exact is not supported by --engine python"),
        (
            ("{log}", "--engine", "spark", "--memory", "1GB"),
            "--memory is not supported by --engine spark",
        ),
        (("{log}", "--engine", "duckdb", "--format", "csv"), "--format needs --engine python"),
        (("{log}", "--engine", "duckdb", "--limit", "gone=1"), "unknown status 'gone'"),
        (("-", "--engine", "duckdb"), "cannot read standard input"),
        (("{database}",), "name one table, or one query"),
        (("{database}", "{log}", "--table", "x"), "a database is read alone"),
        (("{database}", "--query", "select nothing"), "nothing"),
        (("gone*.parquet",), "there is no such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(log, database, arguments, reason):
    """
    Whatever is wrong with the input or the options is told in one line.
    """
    done = run("check", *(each.format(log=log, database=database) for each in arguments))

    said = getattr(done.exception, "message", str(done.exception))

    assert isinstance(done.exception, RunstateError | ClickException)
    assert reason in said
    assert "\n" not in said


def test_what_holds_nothing_is_refused(tmp_path):
    """
    A file or a table without a row is told, as no log was ever meant to be empty.
    """
    path, base = tmp_path / "none.parquet", tmp_path / "none.db"
    pq.write_table(pa.table(ROWS).slice(0, 0), path)
    with closing(sqlite3.connect(base)) as connection, connection:
        connection.execute("create table log (run_id text, status text, at integer)")
    for arguments in ([str(path)], [str(base), "--table", "log"]):
        with pytest.raises(ClickException, match=r"none\.\w+: holds no record of a run"):
            command.main(["check", *arguments], standalone_mode=False)


def on_terminal(*arguments: str) -> tuple[str, str]:
    """
    Run the command with a terminal for standard error; return what it printed and what was shown.
    """
    ours, theirs = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "runstate", *arguments],
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
        env={**os.environ, "TERM": "xterm"},
    )
    os.set_blocking(ours, False)
    shown = b""
    with suppress(BlockingIOError):
        shown = os.read(ours, 65_536)
    os.close(ours)
    os.close(theirs)

    return done.stdout.decode(), shown.decode()


def test_who_waits_is_shown_that_it_works(log, tmp_path):
    """
    On a terminal large files have a bar while they are read; a small one has none.
    """
    large = str(tmp_path / "large.parquet")
    hashes = [md5(b"%d" % number, usedforsecurity=False).hexdigest() for number in range(300_000)]
    pq.write_table(pa.table({"run_id": hashes, "status": ["queued"] * len(hashes)}), large)
    said, shown = on_terminal("check", large)
    _, silent = on_terminal("check", log)

    assert (said, "reading" in shown, silent) == (
        "300,000 runs, 300,000 observations: nothing wrong (no transition was compared: each run "
        "was seen once)\n", True, "",
    )  # fmt: skip


# -- text under auto ---------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """
    The files that DuckDB was asked for.
    """
    names = []
    monkeypatch.setattr(
        frames, "survey_files", lambda paths, *a, **k: names.extend(paths) or survey_files(paths, *a, **k)
    )  # fmt: skip

    return names


SIZE = 4 << 20
"""Bytes of text that are worth the start of DuckDB."""


def jsonl(*records):
    """
    Return *records* as JSON lines, each with a note that makes them large together.
    """
    note = "x" * (SIZE // len(records))

    return b"".join(json.dumps({**record, "note": note}).encode() + b"\n" for record in records)


def table(head, *rows):
    """
    Return CSV with *head* and *rows*, and with a column of notes that makes it large.
    """
    note = b"x" * (SIZE // len(rows))

    return head + b",note\n" + b"".join(b"%s,%s\n" % (row, note) for row in rows)


HEAD = b"run_id,status,at"
ROWS_OF_MANY = [
    b"r%d,%s,%d" % (n, s, BORN + n + t)
    for n in range(40)
    for t, s in enumerate((b"queued", b"completed"))
]
MANY = table(HEAD, *ROWS_OF_MANY)
TEXTS = {
    "plain.csv": MANY,
    "plain.jsonl": jsonl(
        {"run_id": "a", "status": "queued", "at": 1_767_225_600},
        {"run_id": "a", "status": "completed", "at": 1_767_225_601},
    ),
    "blank.csv": MANY + b"\n",
    "broken.csv": MANY + b"r1,queued\n",
    "naive.csv": table(
        HEAD,
        b"a,queued,2026-01-01T00:00:00",
        b"a,completed,2026-01-01T00:00:01",
        b"b,queued,2026-01-01T00:00:02",
    ),
    "unreadable.csv": table(HEAD, *ROWS_OF_MANY, b"r1,queued,yesterday"),
    "once.csv": table(HEAD, b"a,queued,", b"b,completed,", b"c,failed,"),
    "empty.csv": (b" " * 1_023 + b"\n") * (SIZE >> 10),
    "other.csv": table(b"name,colour", b"ada,green", b"bob,blue", b"eve,red"),
    "lines.csv": jsonl(
        *({"run_id": f"r{n}", "status": s} for n in range(40) for s in ("queued", "failed"))
    ),
    "stamps.csv": table(
        b"id,status,created_at",
        *(b"a,%s,1767225600" % status for status in (b"queued", b"in_progress", b"completed")),
    ),
    "moves.jsonl": jsonl(
        {"event": "run.transition", "run_id": "a", "source": "queued", "target": "completed"}
    ),
}
DUCKDB_READS = ("plain.csv", "plain.jsonl")


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "options",
    [(), ("--observed", "polled", "--max", "7"), ("--summary", "--assume-utc"), ("--output", "json", "--finished")],
)  # fmt: skip
def test_auto_says_of_text_what_the_readers_say(tmp_path, asked, name, options):
    """
    Whatever DuckDB refuses or reads in another way is left to the readers, and nobody sees who read.
    """
    path = str(tmp_path / name)
    (tmp_path / name).write_bytes(TEXTS[name])
    expected = run("check", path, *options, "--engine", "python")
    assert [] == asked
    done = run("check", path, *options)

    assert (expected.output, expected.return_value) == (done.output, done.return_value)
    assert [path] == asked or name in {"lines.csv", "other.csv"}


@pytest.mark.parametrize("name", DUCKDB_READS)
def test_auto_answers_by_duckdb_where_it_can(tmp_path, monkeypatch, name):
    """
    Text that DuckDB reads like the readers is not read again by them, in a check and in a report.
    """
    path = tmp_path / name

    def lost_afterwards(paths, *arguments, **options):
        survey = survey_files(paths, *arguments, **options)
        path.unlink()
        return survey

    monkeypatch.setattr(frames, "survey_files", lost_afterwards)
    for arguments in (["check"], ["report", "-o", str(tmp_path / "page.html")]):
        path.write_bytes(TEXTS[name])
        done = run(*arguments, str(path))
        assert (1, None, False) == (done.return_value, done.exception, path.exists())


@pytest.mark.parametrize(
    "options", [("--order", "file"), ("--zone", "Europe/Berlin"), ("--skip-others",)]
)
def test_auto_leaves_to_the_readers_what_they_alone_can(tmp_path, asked, options):
    """
    An option that needs the readers is no reason to refuse under auto.
    """
    (tmp_path / "plain.csv").write_bytes(MANY)
    done = run("check", str(tmp_path / "plain.csv"), *options)

    assert (1, []) == (done.return_value, asked)


def test_auto_reads_small_text_and_pipes_by_itself(tmp_path, monkeypatch):
    """
    DuckDB is not even started for a file that is read before it would be.
    """
    monkeypatch.setattr(frames, "survey_files", None)
    (tmp_path / "plain.csv").write_bytes(b"\n".join([HEAD, *ROWS_OF_MANY]))

    assert 1 == run("check", str(tmp_path / "plain.csv")).return_value


# -- one fault of many rows ------------------------------------------------------

OUTSIDE = [("a", "queued", "1970-01-01T00:00:05Z"), ("b", "queued", "1970-01-01T00:00:06Z"),
           ("b", "completed", "1970-01-01T00:00:07Z")]  # fmt: skip
OUTSIDE_SAID = (
    "a: at '1970-01-01T00:00:05Z' is not between the years 2000 and 2099 (and so in 2 more records)"
    " (--at KEY takes the times of another column, --at none leaves them out)"
)


def inputs(folder):
    """
    Write the same rows in every form that an engine reads, and return the arguments that name them.
    """
    heads = ("run_id", "status", "at")
    (folder / "a.csv").write_text("\n".join(map(",".join, [heads, *OUTSIDE])))
    columns = dict(zip(heads, zip(*OUTSIDE, strict=True), strict=True))
    pq.write_table(pa.table({name: list(cells) for name, cells in columns.items()}), folder / "a.parquet")  # fmt: skip
    with closing(sqlite3.connect(folder / "a.db")) as base:
        base.execute("create table runs (run_id, status, at)")
        base.executemany("insert into runs values (?, ?, ?)", OUTSIDE)
        base.commit()

    return (
        [str(folder / "a.csv"), "--engine", "python"],
        [str(folder / "a.csv"), "--engine", "duckdb"],
        [str(folder / "a.parquet")],
        [str(folder / "a.db"), "--table", "runs"],
    )


@pytest.mark.parametrize("observed", ["polled", "unordered"])
def test_a_fault_of_a_whole_column_is_one_finding_everywhere(observed, tmp_path):
    """
    With the number of rows that have it, and with what to do about it.
    """
    for arguments in inputs(tmp_path):
        done = run("check", *arguments, "--observed", observed)
        lines = [line for line in done.output.splitlines() if "RS901" in line]

        assert 1 == len(lines), done.output
        assert lines[0].endswith(OUTSIDE_SAID)
        assert done.output.endswith("2 runs, 3 observations: 1 error, 0 warnings\n")


def test_times_are_left_out_of_every_input_that_has_an_order(tmp_path):
    """
    As the finding says: the order of a file remains, and a database has none.
    """
    *files, database = inputs(tmp_path)
    done = [run("check", *names, "--observed", "polled", "--at", "none") for names in files]
    free = run("check", *database, "--at", "none", "--observed", "unordered")
    ordered = run("check", *database, "--at", "none", "--observed", "polled")

    assert {"2 runs, 3 observations: nothing wrong\n"} == {each.output for each in (*done, free)}
    assert "rows of a database are in no order" in str(ordered.exception)
