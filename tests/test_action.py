"""
The GitHub Action and the hooks of pre-commit do what their pages say.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples import ROOT

ACTION = (ROOT / "action.yml").read_text("utf-8")
HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")
BAD = '{"id": "a", "status": "queued"}\n{"id": "a", "status": "completed"}\n'


def scripts():
    """
    Return the two scripts of the action: what installs, and what checks.
    """
    found = re.findall(r"^      run: \|\n((?:        .*\n)+)", ACTION, re.MULTILINE)

    return [re.sub(r"^        ", "", each, flags=re.MULTILINE) for each in found]


@pytest.fixture
def check(tmp_path):
    """
    Return a function that runs the checking script as a runner does, with these inputs.
    """
    folder = tmp_path / "temp" / "runstate" / "bin"
    folder.mkdir(parents=True)
    (folder / "runstate").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m runstate "$@"\n')
    (folder / "runstate").chmod(0o755)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "runs.jsonl").write_text(BAD)

    def run(**inputs):
        given = {"paths": "logs", "lifecycle": "run", "observed": "complete", "args": "", **inputs}
        variables = {f"RUNSTATE_{name.upper()}": value for name, value in given.items()}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", scripts()[1]],
            env={**os.environ, "RUNNER_TEMP": str(tmp_path / "temp"), **variables},
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_the_action_annotates_what_is_wrong_and_fails(check):
    """
    In the form that GitHub shows beside the line.
    """
    done = check()

    assert 1 == done.returncode
    assert done.stdout.startswith(
        "::error file=logs/runs.jsonl,line=2,title=RS103 illegal move::a: "
    )


def test_the_action_takes_patterns_models_and_other_options(check):
    """
    A pattern reaches the command as it is.
    """
    done = check(paths="logs/*.jsonl", observed="polled", args="--limit queued=5 --max 3")

    assert (0, "") == (done.returncode, done.stderr)


def test_no_input_of_the_action_is_executed(check, tmp_path):
    """
    It comes by the environment, and is split at white space only.
    """
    check(paths="$(touch a) `touch b`", lifecycle="; touch c", args="; touch d")

    assert {"temp", "logs"} == {path.name for path in tmp_path.iterdir()}
    assert "${{" not in "".join(scripts())


def test_the_action_and_the_hooks_name_options_that_exist():
    """
    Of the command as it is.
    """
    help_text = subprocess.run(
        [sys.executable, "-m", "runstate", "check", "--help"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    named = set(re.findall(r"--[a-z]{3,}[a-z-]*", ACTION)) - {"--quiet"}

    assert [] == sorted(each for each in named if each not in help_text)
    assert ["runstate check", "runstate lifecycles"] == re.findall(r"entry: (.*)", HOOKS)


def test_both_are_in_the_source_archive():
    """
    Of what a user installs from.
    """
    project = (ROOT / "pyproject.toml").read_text("utf-8")

    assert all(Path(ROOT / name).exists() for name in ("action.yml", ".pre-commit-hooks.yaml"))
    assert '"action.yml"' in project
