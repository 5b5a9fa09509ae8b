"""
Names, folders, patterns and tables of a lake: which files a name stands for.
"""

import json
from pathlib import Path

import deltalake
import duckdb
import polars as pl
import pytest
from click import ClickException
from click.testing import CliRunner
from pyiceberg.catalog.sql import SqlCatalog

from runstate.cli import command
from runstate.errors import RunstateError
from runstate.frames import FrameError, survey_files

BORN = 1_767_225_600
LEGAL = [("a", "queued", BORN), ("a", "in_progress", BORN + 1), ("a", "completed", BORN + 2)]
BROKEN = [*LEGAL, ("a", "failed", BORN + 3)]

ODD_NAMES = [
    "a[1].csv", "b*.csv", "c?.csv", "[!x].csv", "{a,b}.csv", "d]e.csv", "~f.csv", "g'h.csv",
    'i"j.csv', "k%20l.csv", "m\nn.csv", "file:o.csv", "p\\q.csv", " r .csv", "-s.csv", "$t.csv",
]  # fmt: skip
"""Names of files that look like patterns, addresses or options."""


def written(path: Path, rows=BROKEN) -> Path:
    """
    Write *rows* to *path*, as Parquet or CSV by its suffix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pl.DataFrame(rows, schema=["run_id", "status", "at"], orient="row").write_parquet(path)
    else:
        lines = [",".join(map(str, row)) for row in rows]
        path.write_text("\n".join(["run_id,status,at", *lines, ""]))

    return path


def checked(*arguments: str) -> tuple[int, str]:
    """
    Return the exit status of ``runstate check`` and what it printed.
    """
    done = CliRunner().invoke(command, ["check", *arguments], standalone_mode=False)
    if isinstance(done.exception, RunstateError | ClickException):
        return 2, getattr(done.exception, "message", str(done.exception))
    if done.exception is not None:
        raise done.exception

    return done.return_value, done.output


@pytest.mark.parametrize("engine", ["python", "duckdb"])
@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_is_literal(tmp_path, monkeypatch, name, engine):
    """
    A file is read by its own name, and no neighbour that its name would fit as a pattern.
    """
    monkeypatch.chdir(tmp_path)
    written(Path(name))
    for neighbour in ("a1.csv", "bb.csv", "cc.csv", "y.csv", "a.csv", "pq.csv"):
        written(Path(neighbour), LEGAL)
    status, said = checked("--engine", engine, "--", name)

    assert (1, "1 run, 4 observations: 1 error, 0 warnings") == (status, said.splitlines()[-1])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_folder_is_literal(tmp_path, monkeypatch, suffix):
    """
    A folder is itself and so are the files in it, whatever their names look like.
    """
    monkeypatch.chdir(tmp_path)
    written(Path(f"[prod]/x[ab].{suffix}"))
    written(Path(f"p/x[ab].{suffix}"), LEGAL)
    written(Path(f"[prod]/xa.{suffix}"), [("b", "queued", BORN)])
    status, said = checked("[prod]")

    assert (1, "2 runs, 5 observations: 1 error, 0 warnings") == (status, said.splitlines()[-1])


def test_a_name_that_duckdb_cannot_open_is_refused(tmp_path, monkeypatch):
    """
    DuckDB has no way to write a backslash beside a bracket; that name is refused in one line.
    """
    monkeypatch.chdir(tmp_path)
    written(Path("a\\b[c].csv"))

    assert 1 == checked("a\\b[c].csv")[0]
    assert (2, True) == (
        (answer := checked("a\\b[c].csv", "--engine", "duckdb"))[0],
        "rename the file" in answer[1],
    )


def test_a_folder_stands_for_the_files_of_known_formats(tmp_path):
    """
    Hidden names, names that begin with an underscore and unknown suffixes are left out.
    """
    for name in ("a.csv", "b/c.jsonl.gz", "d.log.zst", "e.txt", ".f.csv", "_g.csv", "_h/i.csv"):
        written(tmp_path / name, [(name, "queued", BORN), (name, "completed", BORN + 1)])
    found = json.loads(checked(str(tmp_path), "--output", "json")[1])

    assert ["a.csv", "b/c.jsonl.gz", "d.log.zst"] == [
        str(Path(finding["file"]).relative_to(tmp_path)) for finding in found["findings"]
    ]
    assert 6 == found["observations"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "expected the name of a file"),
        ("gone.csv", "there is no such file"),
        ("s3://bucket/runs/1.parquet", "is a URL, and files of this machine are read: pipe"),
        ("https://example.org/*.jsonl", "is a URL, and files of this machine are read: pipe"),
        ("gone*.csv", "there is no such file"),
        ("empty", "the folder holds no file whose suffix names a format"),
    ],
)
def test_a_path_that_names_nothing_is_refused(tmp_path, monkeypatch, path, reason):
    """
    A name that stands for no file is refused in one line.
    """
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()

    with pytest.raises(FrameError, match=reason) as refused:
        survey_files(path)
    assert path == refused.value.place


def test_text_and_parquet_together_are_refused(tmp_path):
    """
    No one engine reads both, and none of the two is passed over.
    """
    written(tmp_path / "a.csv")
    written(tmp_path / "b.parquet")
    status, said = checked(str(tmp_path))

    assert (2, True) == (status, "need different engines" in said)


# -- tables whose log says which of their files count ------------------------------


@pytest.fixture
def delta(tmp_path):
    """
    The folder of a Delta table whose four broken rows were overwritten by three legal ones.
    """
    root = str(tmp_path / "lake" / "events")
    for rows in (BROKEN, LEGAL):
        frame = pl.DataFrame(rows, schema=["run_id", "status", "at"], orient="row")
        deltalake.write_deltalake(root, frame.to_arrow(), mode="overwrite")

    return root


@pytest.fixture
def iceberg(tmp_path):
    """
    The folder of an Iceberg table whose four broken rows were overwritten by three legal ones.
    """
    (tmp_path / "ice").mkdir()
    catalog = SqlCatalog("c", uri=f"sqlite:///{tmp_path}/c.db", warehouse=f"file://{tmp_path}/ice")
    catalog.create_namespace("n")
    first, second = (
        pl.DataFrame(rows, schema=["run_id", "status", "at"], orient="row").to_arrow()
        for rows in (BROKEN, LEGAL)
    )
    table = catalog.create_table("n.events", schema=first.schema)
    table.append(first)
    table.overwrite(second)

    return str(tmp_path / "ice" / "n" / "events")


@pytest.mark.parametrize("engine", ["auto", "duckdb"])
def test_a_delta_table_is_read_by_its_log(delta, engine):
    """
    The rows of a Delta table are those of its last version, not those of every file in its folder.
    """
    assert (0, "1 run, 3 observations: nothing wrong\n") == checked(delta, "--engine", engine)


@pytest.mark.parametrize("engine", ["auto", "duckdb", "spark"])
def test_parts_of_a_table_are_refused(delta, iceberg, engine):
    """
    Files of a table are not read one by one: not by name, by pattern, or by a folder around it.
    """
    part = str(next(Path(delta).glob("*.parquet")))
    for path in (
        part, f"{delta}/*.parquet", str(Path(delta).parent), iceberg, f"{iceberg}/data",
        f"{iceberg}/data/*.parquet", f"{Path(iceberg).parent}/*/data/*",
    ):  # fmt: skip
        status, said = checked(path, "--engine", engine)

        assert (2, True) == (status, "whose log says which files count" in said), path


# -- a DuckDB file from somebody else ----------------------------------------------


@pytest.fixture
def given(tmp_path):
    """
    A DuckDB file with a view over another file, and macros that answer for built-in functions.
    """
    (tmp_path / "secret.txt").write_text("hunter2")
    with duckdb.connect(str(tmp_path / "given.duckdb")) as connection:
        connection.execute(
            f"create view secret as select 'r' as run_id, content as status from read_text('{tmp_path}/secret.txt')"  # noqa: S608  a path of the test's own
        )
        connection.execute("create table runs (run_id varchar, status varchar, observed_at bigint)")
        connection.executemany("insert into runs values (?, ?, ?)", BROKEN)
        for macro in ("hash(x) as 1", "list_position(x, y) as 1", "coalesce(x) as 1"):
            connection.execute(f"create or replace macro {macro}")

    return str(tmp_path / "given.duckdb")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--table", "secret"), "file system operations are disabled"),
        (("--query", "select 1 as run_id, content as status from read_text('x')"), "disabled"),
        (("--query", "copy (select 1) to 'pwned.csv'"), "one SELECT statement, got COPY"),
        (("--query", "select 1; select 2"), "one SELECT statement, got SELECT, SELECT"),
        (("--query", "set enable_external_access = true"), "one SELECT statement, got SET"),
        (("--query", ""), "one SELECT statement, got none"),
        (
            ("--query", "select 1) as q; copy (select 1) to 'pwned.csv'; select * from (select 1"),
            "syntax error",
        ),
    ],
)
def test_a_duckdb_file_reaches_nothing_else(given, tmp_path, monkeypatch, options, reason):
    """
    Neither a view in it nor a query reads another file, writes one, or runs a second statement.
    """
    monkeypatch.chdir(tmp_path)
    status, said = checked(given, *options)

    assert (2, True) == (status, reason in said)
    assert "hunter2" not in said
    assert not Path("pwned.csv").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--table", "runs"),
        ("--table", "main.runs"),
        ("--query", "select * from runs -- all of them"),
        ("--query", "from runs;"),
    ],
)
def test_a_macro_does_not_change_the_verdict(given, options):
    """
    A macro that is called like a built-in function is not called in its place.
    """
    assert "1 run, 4 observations: 1 error" in checked(given, *options)[1]
