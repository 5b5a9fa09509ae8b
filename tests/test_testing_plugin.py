"""
The pytest plugin, in runs of pytest of their own, loaded by its entry point as an installed one is.
"""

import os
import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import pytest_runstate

pytest_plugins = ["pytester"]

HERE = Path(pytest_runstate.__file__).parent
ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "how-to" / "pytest.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
POINTS = PROJECT["project"]["entry-points"]["pytest11"]


@pytest.fixture
def installed(pytester, monkeypatch):
    """
    A folder of tests, in an environment where the package's entry points are known.
    """
    site = pytester.mkdir("site")
    info = site / "runstate-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: runstate\nVersion: 0\n")
    lines = "".join(f"{name} = {module}\n" for name, module in POINTS.items())
    (info / "entry_points.txt").write_text(f"[pytest11]\n{lines}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(HERE)]))
    # Loading the plugins of others, Hypothesis above all, takes longer than each of these runs.
    others = {point.name for point in entry_points(group="pytest11")} - POINTS.keys()
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in sorted(others)))

    return pytester


def test_the_fixtures_work_together(installed):
    """
    An engine on the manual clock tells its moves; a race has one winner.
    """
    installed.makepyfile(
        """
        from functools import partial

        import pytest

        from runstate import IllegalTransitionError, RunEngine
        from runstate.testing import ManualClock, assert_legal


        def test_moves(engine, manual_clock, moves):
            assert isinstance(engine, RunEngine)
            assert isinstance(manual_clock, ManualClock)
            run = engine.create(id="run_1")
            manual_clock.advance(5)
            engine.start(run)
            assert [("create", None), ("start", 5.0)] == [(m.trigger, m.duration_s) for m in moves]
            assert_legal([m.target for m in moves])


        def test_nothing_is_left_of_it(moves):
            assert [] == moves


        def test_race(engine, race):
            run = engine.create()
            engine.start(run)
            won, lost = race(*[partial(engine.complete, run)] * 2)
            if isinstance(won, Exception):
                won, lost = lost, won
            assert "completed" == won.target
            assert isinstance(lost, IllegalTransitionError)
        """
    )
    installed.runpytest_subprocess().assert_outcomes(passed=3)


def test_the_site_shows_what_works(installed):
    """
    The test that the site shows passes as it stands.
    """
    (shown,) = re.findall(
        r"^```python\n((?:(?!```).)*^def test_.*?)^```", PAGE, re.MULTILINE | re.DOTALL
    )
    installed.makepyfile(shown)
    installed.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_failure_reads_like_its_finding(installed):
    """
    What pytest shows of an illegal history are its findings, and not the kit.
    """
    installed.makepyfile(
        """
        from runstate.testing import assert_legal

        def test_history():
            assert_legal(["queued", "completed"])
        """
    )
    done = installed.runpytest_subprocess()

    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "E * AssertionError: not a legal history of run, observed complete:",
            "E * [[]2[]] RS103 error: queued -> completed: no such move (shortest legal path: *",
        ]
    )
    assert "_legal.py" not in done.stdout.str()


def test_ones_own_fixtures_come_first(installed):
    """
    A suite that has an engine of its own keeps it.
    """
    installed.makeconftest(
        """
        import pytest

        @pytest.fixture
        def engine():
            return "mine"
        """
    )
    installed.makepyfile(
        "def test_engine(engine, moves):\n    assert ('mine', []) == (engine, moves)"
    )
    installed.runpytest_subprocess().assert_outcomes(passed=1)


def test_it_costs_nothing_until_it_is_used(installed):
    """
    Whoever has it installed and uses no fixture of it imports neither the package nor its libraries.
    """
    installed.makepyfile(
        """
        import sys

        def test_modules(pytestconfig):
            heavy = {"runstate", "pydantic", "transitions", "structlog", "hypothesis"}
            assert "pytest_runstate" in sys.modules
            assert set() == heavy & set(sys.modules)
        """
    )
    installed.runpytest_subprocess().assert_outcomes(passed=1)


def test_it_can_be_left_out(installed):
    """
    Its name for ``-p no:`` is that of its module.
    """
    installed.makepyfile("def test_engine(engine):\n    pass")
    done = installed.runpytest_subprocess("-p", "no:pytest_runstate")

    assert {"pytest_runstate": "pytest_runstate"} == POINTS
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*fixture 'engine' not found"])


def test_the_rows_that_were_made_are_reported(installed):
    """
    At the end of the session, for each service that was driven, with those that were never made.
    """
    installed.makepyfile(
        """
        from contextlib import nullcontext
        from types import SimpleNamespace

        from runstate import RUN
        from runstate.testing import drive


        class Jobs:
            def __init__(self):
                self.status = {}.get

            def create(self):
                self.runs = {"job": "queued"}
                self.status = self.runs.get
                return "job"

            def fire(self, run_id, trigger, **payload):
                row = RUN.row(trigger, self.runs[run_id])
                if row and trigger != "stop_incomplete":
                    self.runs[run_id] = row.target
                return SimpleNamespace(ok=row is not None)


        def test_jobs():
            assert 16 == len(drive(lambda: nullcontext(Jobs())).covered)
        """
    )
    done = installed.runpytest_subprocess()

    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(
        [
            "*= rows of lifecycles =*",
            "test_the_rows_that_were_made_are_reported.Jobs under run: 16 of 18 rows; never: "
            "in_progress -stop_incomplete-> incomplete, cancelling -stop_incomplete-> incomplete",
        ]
    )


def test_nothing_is_reported_where_nothing_was_driven(installed):
    """
    Who only uses the fixtures, or none, reads nothing of rows.
    """
    installed.makepyfile("def test_it(engine):\n    engine.create()")

    installed.runpytest_subprocess().stdout.no_fnmatch_line("*rows of lifecycles*")
