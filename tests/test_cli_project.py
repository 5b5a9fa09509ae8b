"""
``[tool.runstate]`` in ``pyproject.toml``: options that repeat.
"""

import subprocess
import sys

import pytest

LOG = "job,state\na,queued\na,completed\n"


@pytest.fixture
def check(tmp_path):
    """
    Return a function that runs ``runstate check`` in a project with the given settings.
    """
    (tmp_path / "log.csv").write_text(LOG)

    def run(settings, *options):
        if settings is not None:
            (tmp_path / "pyproject.toml").write_text(settings)
        return subprocess.run(
            [sys.executable, "-m", "runstate", "check", "log.csv", *options],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


POLLED = '[tool.runstate.check]\nrun-id = "job"\nstatus = "state"\nobserved = "polled"\n'


def test_options_of_the_project_are_defaults(check):
    """
    Those of the command in question.
    """
    done = check(POLLED + '[tool.runstate.draw]\nformat = "svg"\n')

    assert ("1 run, 2 observations: nothing wrong\n", "", 0) == (
        done.stdout,
        done.stderr,
        done.returncode,
    )


def test_the_command_line_wins(check):
    """
    Over the project's option of the same name, and over no other.
    """
    done = check(POLLED, "--observed", "complete")

    assert 1 == done.returncode
    assert "RS103" in done.stdout


def test_flags_and_options_that_repeat_are_taken(check):
    """
    As true, and as a list.
    """
    done = check(POLLED + 'finished = true\nlimit = ["queued=5", "in_progress=9"]\n')

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    "settings", [None, "", "not TOML at all [", "[tool.other]\nname = 1\n", "[tool.runstate]\n"]
)
def test_a_file_without_settings_changes_nothing(check, settings):
    """
    Also a broken one of another project.
    """
    assert 0 == check(settings, "--run-id=job", "--status=state", "--observed=polled").returncode


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("[tool.runstate.check\n", "pyproject.toml: invalid TOML: "),
        (
            "[tool.runstate.chek]\n",
            "pyproject.toml: tool.runstate: no command 'chek' (known: check",
        ),
        (
            "[tool.runstate.check]\nrun_id = 1\n",
            "pyproject.toml: tool.runstate.check: no option 'run_id' (known: ",
        ),
        ("[tool.runstate]\ncheck = 3\n", "tool.runstate.check: expected a table, got 3"),
        ('[tool.runstate.check]\nobserved = "seen"\n', "'seen' is not one of 'complete', "),
        ("[tool]\nrunstate = 1 # tool.runstate\n", "tool.runstate: expected a table, got 1"),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(check, settings, message):
    """
    With the place, and exit status 2.
    """
    done = check(settings)

    assert (2, 1) == (done.returncode, done.stderr.count("\n"))
    assert message in done.stderr
