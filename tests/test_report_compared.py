"""
Two logs compared: what became more frequent, slower or illegal.
"""

from pathlib import Path

from hostile import hostile_survey
from runstate import RUN, Observation, histories
from runstate.report import render_report
from test_report import Page
from test_report_command import command, log  # noqa: F401  a fixture

WAY = ("queued", "in_progress", "completed")


def survey_of(*runs, step=1.0):
    """
    Return what was seen of *runs*, each its statuses and how many runs there are of it.
    """
    history, number = [], 0
    for statuses, times in runs:
        for _ in range(times):
            number += 1
            history += [
                Observation(s, f"run_{number}", 1e9 + 60 * number + n * step)
                for n, s in enumerate(statuses)
            ]

    return histories.survey(history, samples=10)


def text_of(now, before):
    """
    Return what the page says.
    """
    return Page(render_report(now, before=before)).text


def test_moves_are_compared_by_numbers_per_100_runs():
    """
    What changed clearly is named and comes first, illegal moves that are new before all others.
    """
    before = survey_of((WAY, 200))
    now = survey_of(
        (WAY, 60), (("queued", "in_progress", "failed"), 30), ((*WAY, "failed"), 10), step=5
    )
    text = text_of(now, before)
    moves = text[text.index("Moves, the clearest changes first") :]

    for said in (
        "200 runs before, 100 runs now.",
        "RS105 something after a terminal status 0.00 10.00 +10.00 ± 6.28",
        "illegal, more often completed failed 0.00 10.00 +10.00 ± 6.28 - ",
        "more often in_progress failed 0.00 30.00 +30.00 ± 10.78 - ",
        "slower queued in_progress 100.00 100.00 +0.00 ± 24.00 983 ms ",
        "less often, slower in_progress completed 100.00 70.00 -30.00",
    ):
        assert said in text
    assert moves.index("completed failed") < moves.index("in_progress failed")


def test_what_became_rarer_and_faster_is_said():
    """
    The other way round, the same moves are less often, and faster.
    """
    before = survey_of((WAY, 60), (("queued", "in_progress", "failed"), 140), step=5)
    text = text_of(survey_of((WAY, 200)), before)

    assert "less often in_progress failed 70.00 0.00 -70.00" in text
    assert "faster queued in_progress" in text


def test_few_times_are_not_compared():
    """
    Percentiles of a handful of runs say nothing.
    """
    text = text_of(survey_of((WAY, 5), step=50), survey_of((WAY, 5)))

    assert "slower" not in text[text.index("Moves, the clearest changes first") :]


def test_an_empty_log_is_not_compared():
    """
    Without a run there are no numbers per 100 runs, and the page says so.
    """
    empty = histories.survey([])

    assert "nothing to compare" in text_of(survey_of((WAY, 5)), empty)
    assert "Compared with before" not in Page(render_report(survey_of((WAY, 5)))).text


def test_hostile_logs_are_compared_harmlessly():
    """
    No text of either log is markup.
    """
    content = render_report(hostile_survey(RUN), before=hostile_survey(RUN)).decode()

    assert "<script>alert" not in content
    assert "<img src=x" not in content


def test_the_command_compares(command):  # noqa: F811
    """
    ``--against`` reads the other log as the first is read; the exit status is about the first.
    """
    log(*((f"run_{n}", WAY) for n in range(9)), name="now.jsonl")
    log(("run_1", (*WAY, "failed")), name="then.jsonl")
    done = command("report", "now.jsonl", "--against", "then.jsonl")
    text = Page(Path("report.html").read_bytes()).text
    missing = command("report", "now.jsonl", "--against", "none.jsonl", "-o", "none.html")
    itself = command("report", "now.jsonl", "--against", "then.jsonl", "-o", "then.jsonl")

    assert 0 == done[0]
    assert "1 run before, 9 runs now." in text
    assert "less often" not in text
    assert 2 == missing[0]
    assert "none.jsonl" in missing[2]
    assert not Path("none.html").exists()
    assert 2 == itself[0]
