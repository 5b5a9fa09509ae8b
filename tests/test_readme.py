"""
What the README shows is what happens.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import runstate
from examples import EXECUTED, ROOT, blocks, run_page

README = ROOT / "README.md"
TYPED = [README, ROOT / "docs" / "how-to" / "store.md"]
"""Pages whose Python passes a strict type checker, as one program each."""


def test_every_example_does_what_it_says(tmp_path, monkeypatch):
    """
    Python and commands, in one folder, with the values and the output that are shown.
    """
    monkeypatch.chdir(tmp_path)

    run_page(README, tmp_path)


def test_the_readme_is_short_and_shows_one_example_for_each_kind_of_user():
    """
    One screen and a half, with three examples and the two commands.
    """
    text = README.read_text("utf-8")
    languages = [each.language for each in blocks(text)]

    assert len(text.splitlines()) <= 130
    assert ["python", "python", "console", "sh", "sh"] == languages
    assert {"python", "console"} == EXECUTED


@pytest.mark.parametrize("page", TYPED, ids=lambda path: path.stem)
def test_every_example_of_the_store_passes_a_strict_type_checker(page, tmp_path):
    """
    As one program under ``mypy --strict``.
    """
    typed = [each.body for each in blocks(page.read_text("utf-8")) if each.language == "python"]
    program = tmp_path / "page.py"
    program.write_text("\n".join(typed), encoding="utf-8")
    checked = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", f"--config-file={os.devnull}",
            f"--cache-dir={tmp_path / 'cache'}", program,
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(Path(runstate.__file__).parent.parent)},
    )  # fmt: skip

    assert len(typed) >= 2
    assert ("Success: no issues found in 1 source file\n", 0) == (
        checked.stdout,
        checked.returncode,
    )
