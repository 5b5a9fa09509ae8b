# ruff: noqa: F811  a fixture is imported
"""
Which findings fail a check: their severity, and those that a baseline accepts.
"""

import json
from pathlib import Path

import pytest

from test_cli import BAD, GOOD, command, file, lines, refused  # noqa: F401

LATE = lines(
    ("run_1", "queued"), ("run_1", "completed"), ("run_2", "queued"), ("run_2", "completed")
)
WARNED = "run_id,status,at\nr,in_progress,1700000010\nr,queued,1700000009\n"


def accept(command, *paths, options=()):
    """
    Write the findings in *paths* to ``known.jsonl``.
    """
    done = command("check", *paths, *options, "--write-baseline", "known.jsonl")
    assert 0 == done.status

    return done.text


def test_a_warning_fails_only_where_that_is_asked_for(command):
    """
    Severity error is the usual bound.
    """
    log = file("log.csv", WARNED)

    assert 0 == command("check", log).status
    assert 0 == command("check", log, "--fail-on", "error").status
    assert 1 == command("check", log, "--fail-on", "warning").status
    assert 0 == command("check", file("ok.jsonl", lines(*GOOD)), "--fail-on", "warning").status


@pytest.mark.parametrize("engine", ["python", "duckdb"])
def test_what_is_known_is_accepted_and_what_is_new_is_found(command, engine):
    """
    The summary counts what is accepted; a new finding of the same kind fails the check.
    """
    log = file("log.csv", "run_id,status\na,queued\na,completed\n")
    options = ("--engine", engine)
    written = accept(command, log, options=options)
    same = command("check", log, *options, "--baseline", "known.jsonl")
    file("log.csv", "run_id,status\na,queued\na,completed\nb,queued\nb,completed\n")
    more = command("check", log, *options, "--baseline", "known.jsonl")

    assert "1 run, 2 observations: nothing wrong (1 finding accepted)\n" == written == same.text
    assert (0, 1) == (same.status, more.status)
    assert "RS103 error: b: queued -> completed" in more.text
    assert "a: queued" not in more.text
    assert "1 error, 0 warnings (1 finding accepted)" in more.text


def test_a_finding_is_accepted_as_often_as_it_is_known(command):
    """
    The same fault made once more is new.
    """
    once = (("r", "queued"), ("r", "failed"), ("r", "completed"))
    again = (*once, ("r", "failed"), ("r", "completed"))
    log = file("log.jsonl", lines(*once))
    accept(command, log)
    file("log.jsonl", lines(*again))

    assert 1 == command("check", log, "--baseline", "known.jsonl").status


def test_places_do_not_matter(command):
    """
    A log may grow in front, and lie elsewhere; a record that cannot be read stays known.
    """
    log = file("log.jsonl", lines(*BAD) + '{"run_id": "x"}\n')
    accept(command, log)
    Path("other").mkdir()
    moved = file("other/log.jsonl", lines(("z", "queued")) + lines(*BAD) + '{"run_id": "x"}\n')

    assert 0 == command("check", moved, "--baseline", "known.jsonl").status


def test_what_concerns_a_whole_input_is_never_accepted(command):
    """
    A file that is missing or empty is not an old fault.
    """
    empty = file("empty.jsonl", "")
    done = command("check", empty, "absent.jsonl", "--write-baseline", "known.jsonl")

    assert 2 == done.status
    assert 2 == command("check", empty, "absent.jsonl", "--baseline", "known.jsonl").status


def test_json_counts_what_is_accepted(command):
    """
    Programs see how many findings they are not shown.
    """
    log = file("log.jsonl", LATE)
    accept(command, log)
    done = command("check", log, "--baseline", "known.jsonl", "--output", "json")
    answer = json.loads(done.text)

    assert ([], 0, 2) == (answer["findings"], answer["errors"], answer["accepted"])


def test_a_baseline_of_a_log_without_faults_accepts_nothing(command):
    """
    It is written all the same, so that CI may name it from the first day.
    """
    accept(command, file("ok.jsonl", lines(*GOOD)))

    assert 1 == command("check", file("log.jsonl", LATE), "--baseline", "known.jsonl").status


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "known.jsonl: empty"),
        ("[1]\n", "known.jsonl:1: expected a line that runstate check --write-baseline wrote"),
        ('{"kind": "runstate-baseline", "version": 2}\n', "expected a baseline of version 1"),
        ('{"kind": "runstate-baseline", "version": 1}\n{"code": 1}\n', "known.jsonl:2: expected"),
        ('{"kind": "runstate-baseline", "version": 1}\n\x00\n', "known.jsonl:2: expected"),
        ('{"kind": "other"}\n', "known.jsonl:1: expected"),
    ],
)
def test_what_is_not_a_baseline_is_refused(command, content, reason):
    """
    One line names the file, the place and what was expected.
    """
    log, known = file("log.jsonl", LATE), file("known.jsonl", content)

    assert reason in refused(command("check", log, "--baseline", known))


def test_a_baseline_does_not_replace_the_log(command):
    """
    Nor is it read and written at once; one that is absent is said to be.
    """
    log = file("log.jsonl", LATE)

    assert "is the input" in refused(command("check", log, "--write-baseline", log))
    assert "give one of them" in refused(
        command("check", log, "--write-baseline", "a", "--baseline", "b")
    )
    assert "absent: No such file" in refused(command("check", log, "--baseline", "absent"))
    assert LATE == Path(log).read_text()
