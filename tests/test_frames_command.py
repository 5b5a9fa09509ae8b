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

from runstate.cli import command
from runstate.errors import RunstateError

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
