# ruff: noqa: F811  a fixture is imported
"""
The runs whose timelines are kept where there is no room for all.
"""

from pathlib import Path

import pytest

from runstate import Observation, histories
from runstate.histories import _sample
from test_report_command import WAY, command, data, log  # noqa: F401

LEGAL = ("queued", "in_progress", "requires_action", "queued")
ILLEGAL = ("queued", "in_progress", "requires_action", "completed")


@pytest.fixture(autouse=True)
def little_room(monkeypatch):
    """
    Keep 40 observations, and as many of runs that began lately.
    """
    monkeypatch.setattr(_sample, "ROOM", 40)
    monkeypatch.setattr(_sample, "RECENT", 40)


def runs_of(wrong):
    """
    Return what was seen of 300 runs, of which those in *wrong* make an illegal move at last.
    """
    return {
        f"run_{n}": [
            Observation(status, f"run_{n}", 100.0 + step)
            for step, status in enumerate(ILLEGAL if n in wrong else LEGAL)
        ]
        for n in range(300)
    }


def test_a_sample_is_bounded_and_whole():
    """
    However many runs there are, few are kept at a time; none of those is a part of one.
    """
    runs = runs_of({7, 8})
    survey = histories.survey([run[n] for n in range(4) for run in runs.values()], samples=10)

    assert 2 == survey.errors
    assert 2 <= len(survey.timelines) <= 10
    assert {run: tuple(runs[run]) for run in survey.timelines} == survey.timelines


def test_a_run_with_a_finding_soon_after_its_beginning_is_kept():
    """
    In a log of any length, what went wrong lately needs no second reading.
    """
    wrong = range(7, 300, 10)
    runs = runs_of(wrong)
    lines = histories.survey([row for run in runs.values() for row in run], samples=400).timelines

    assert {f"run_{n}" for n in wrong} <= {*lines}
    assert len(lines) < 100
    assert {run: tuple(runs[run]) for run in lines} == lines


def test_a_run_that_is_asked_for_stays_while_others_go():
    """
    Where there is no room for all, a named run is kept from its first row to its last.
    """
    runs = runs_of(())
    rows = [run[n] for n in range(4) for run in runs.values()]
    wanted = [f"run_{n}" for n in (0, 30, 60, 250, 260, 270, 280, 290)]
    kept = histories.survey(rows, samples=4, keep=wanted).timelines

    assert {*wanted} <= {*kept}
    assert {4} == {len(kept[run_id]) for run_id in wanted}


def test_runs_let_go_are_read_once_more(command):
    """
    A run whose fault comes late in a great log has its whole timeline on the page all the same.
    """
    runs = [(f"run_{n}", WAY) for n in range(200)]
    text = log(*runs) + "".join(
        f'{{"run_id": "run_{n}", "status": "failed", "at": 1000001000}}\n' for n in range(3)
    )
    Path("log.jsonl").write_text(text, encoding="utf-8")
    command("report", "log.jsonl", "-o", "file.html")
    command("report", "-", "-o", "stdin.html", stdin=text)
    known = {
        name: {run[0]: len(run[2]) for run in data(name)["runs"]}
        for name in ("file.html", "stdin.html")
    }

    assert {"run_0": 4, "run_1": 4, "run_2": 4}.items() <= known["file.html"].items()
    assert known["file.html"] == known["stdin.html"]


@pytest.mark.parametrize(("engine", "most"), [("python", 80), ("duckdb", 2_000)])
def test_runs_that_are_stuck_have_their_timelines(command, engine, most):
    """
    A run that began long ago and has not ended is among those kept, whatever engine reads.
    """
    log(
        ("stuck_1", WAY[:2]), ("late", WAY[:1]), ("stuck_2", WAY[:1]),
        *((f"run_{n}", WAY) for n in range(4_000)), ("late", WAY[1:]), ("stuck_2", WAY[1:2]),
    )  # fmt: skip
    done = command("report", "log.jsonl", "--engine", engine)
    runs = {run[0]: len(run[2]) for run in data("report.html")["runs"]}

    assert 0 == done[0], done
    assert {"stuck_1": 2, "stuck_2": 2}.items() <= runs.items()
    assert 2 < len(runs) <= most
