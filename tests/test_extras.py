"""
What works without the extras, and what a user is told who lacks one.

Each program runs in a process of its own, where the libraries that it must do without cannot be
imported. CI repeats the core and the command in an environment where they are not installed.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import runstate
from runstate import __main__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_TESTS = {"testing", "test-core", "test", "docs", "dev"}

ALL = (
    "click", "rich", "PIL", "sqlalchemy", "psycopg", "aiosqlite", "asyncpg", "duckdb", "pyarrow",
    "polars", "pandas", "pyspark", "django", "starlette", "opentelemetry", "prometheus_client", "sqlglot", "hypothesis",
    "pytest",
)  # fmt: skip
"""Every library that an extra brings."""


def run_without(missing, program, *arguments, cwd=None):
    """
    Run a Python *program* that cannot import the libraries *missing*.
    """
    block = f"import sys; sys.modules.update(dict.fromkeys({sorted(missing)!r}))\n"

    return subprocess.run(
        [sys.executable, "-c", block + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={"PYTHONPATH": str(Path(runstate.__file__).parent.parent)},
    )


def command_without(missing, *arguments, cwd=None):
    """
    Run the command ``runstate`` without the libraries *missing*.
    """
    program = "from runstate.__main__ import main; main()"

    return run_without(missing, program, *arguments, cwd=cwd)


def test_the_core_needs_no_extra():
    """
    Moving a run, checking and counting a log, the page and every textual picture need no extra.
    """
    done = run_without(
        ALL,
        """
import io
import json
from runstate import RUN, RunEngine, check
from runstate.diagrams import FORMATS, draw
from runstate.histories import survey
from runstate.readers import read
from runstate.report import render_report

engine = RunEngine()
run = engine.create(id="run_1")
engine.start(run)
log = io.BytesIO(b'{"id": "r", "status": "queued"}\\n{"id": "r", "status": "completed"}\\n')
counted = survey(read(log, name="runs.jsonl"), RUN)
pictures = [len(draw(RUN, name)) > 0 for name in FORMATS if name != "png"]
page = render_report(counted)
print(json.dumps([str(run.status), check(["queued", "failed"]).ok, [*counted.tally], len(pictures)]))
""",
    )

    assert ("", 0) == (done.stderr, done.returncode)
    assert ["in_progress", True, ["RS103"], 6] == json.loads(done.stdout.splitlines()[-1])


def test_the_store_needs_sqlalchemy_alone():
    """
    On SQLite, the store works without the command's libraries, Pillow and every other extra.
    """
    done = run_without(
        set(ALL) - {"sqlalchemy"},
        """
from runstate.store import RunStore

with RunStore.open("sqlite://") as store:
    run_id = store.create().id
    print(store.start(run_id).ok, store.counts()["in_progress"])
""",
    )

    assert ("", 0) == (done.stderr, done.returncode)
    assert "True 1" == done.stdout.splitlines()[-1]


def test_the_server_of_runs_names_its_extra():
    """
    Without Starlette, the import says which extra brings it.
    """
    done = run_without({"starlette"}, "import runstate.serving")

    assert "runstate.serving needs starlette: pip install 'runstate[serving]'" in done.stderr


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_the_command_names_its_extra(missing):
    """
    Without one of its libraries, the command says so in one line, with exit status 2.
    """
    done = command_without({missing}, "--version")

    said = f"runstate: the command needs {missing}: pip install 'runstate[cli]'\n"
    assert (2, "", said) == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_main_names_the_extra_of_the_command(missing, monkeypatch, capsys):
    """
    The entry point itself finds out what is missing.
    """
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as ended:
        __main__.main()

    assert 2 == ended.value.code
    assert capsys.readouterr().err.endswith(f"needs {missing}: pip install 'runstate[cli]'\n")


def test_an_interrupt_while_the_command_is_loaded_is_one_line(monkeypatch, capsys):
    """
    As later on: no traceback, and 130.
    """

    class Interrupting:
        """Interrupts the import of the command."""

        @staticmethod
        def find_spec(name, *_):
            """See importlib."""
            if name == "runstate.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "runstate.cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting, *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        __main__.main()

    assert 130 == ended.value.code
    assert "runstate: interrupted\n" == capsys.readouterr().err


def test_main_runs_the_command(monkeypatch, capsys):
    """
    With its libraries, the entry point is the command.
    """
    monkeypatch.setattr(sys, "argv", ["runstate", "--version"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()

    assert 0 == ended.value.code
    assert capsys.readouterr().out.startswith("runstate ")


def test_a_png_names_its_extra(tmp_path):
    """
    Without Pillow, every other picture is drawn, and a PNG is refused in one line.
    """
    drawn = command_without({"PIL"}, "draw", "run", "-o", tmp_path / "run.svg")
    refused = command_without({"PIL"}, "draw", "run", "-o", tmp_path / "run.png")

    said = "runstate: the format png needs Pillow: pip install 'runstate[png]'\n"
    assert (0, "", "") == (drawn.returncode, drawn.stdout, drawn.stderr)
    assert (2, "", said) == (refused.returncode, refused.stdout, refused.stderr)
    assert ["run.svg"] == [path.name for path in tmp_path.iterdir()]


def test_a_translated_query_names_its_extra():
    """
    Without SQLGlot, the query for a database of the suite is printed, and another is refused.
    """
    printed = command_without({"sqlglot"}, "sql", "--check-query", "--dialect", "duckdb")
    refused = command_without({"sqlglot"}, "sql", "--check-query", "--dialect", "spark")

    said = "runstate: the dialect spark needs SQLGlot: pip install 'runstate[warehouses]'\n"
    assert (0, "") == (printed.returncode, printed.stderr)
    assert (2, "", said) == (refused.returncode, refused.stdout, refused.stderr)


def test_the_demonstration_works_without_pillow(tmp_path):
    """
    Without Pillow, the demonstration says that it did not draw the PNG, and writes all else.
    """
    done = command_without({"PIL"}, "demo", "--runs", "20", "-o", "demo", cwd=tmp_path)

    assert ("", 0) == (done.stderr, done.returncode)
    assert re.search(r"did not draw .*observed\.png: .*runstate\[png\]", done.stdout)
    assert {"observed.svg", "observed.mmd", "report.html"} <= {
        path.name for path in (tmp_path / "demo").iterdir()
    }


def test_every_extra_is_documented():
    """
    The page about installing names every extra that is not for the tests of this package.
    """
    page = (ROOT / "docs" / "install.md").read_text("utf-8")

    assert [] == sorted(f"[{name}]" for name in {*EXTRAS} - FOR_TESTS if f"`[{name}]`" not in page)


def test_all_brings_what_an_application_needs():
    """
    ``[all]`` has every extra but Spark, which a cluster brings, and those for tests.
    """
    (brought,) = EXTRAS["all"]
    names = set(re.search(r"\[(.*)\]", brought)[1].split(","))

    assert {*EXTRAS} - {"all", "spark"} - FOR_TESTS == names
