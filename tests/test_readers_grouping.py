"""
Nothing compared is not nothing wrong: histories under ids that are not the run's are named.
"""

import csv
import io
import json
import sys

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from runstate import RUN, check
from runstate.cli import command, main
from runstate.histories import survey
from runstate.readers import read
from runstate.testing import strategies

BORN = 1_790_000_000


def table(rows, columns):
    """
    Return *rows* as CSV.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def jsonl(*records):
    """
    Return *records* as JSON lines.
    """
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def named(data, form="csv", observed="complete"):
    """
    Return the message about histories that are not read in *data*; None without any.
    """
    options = ("--lifecycle", "run", "--observed", observed, "--format", form, "--output", "json")
    done = CliRunner().invoke(command, ["check", "-", *options], data, standalone_mode=False)
    messages = [finding["message"] for finding in json.loads(done.stdout)["findings"]]
    return next((each for each in messages if each.startswith("no run was seen twice")), None)


histories = st.lists(
    strategies.legal_histories(RUN).filter(lambda h: len({*h}) > 1), min_size=1, max_size=5
)


@given(histories, st.sampled_from(["job_id", "run_uuid", "task-id", "Execution_Key"]))
@settings(max_examples=60, deadline=None)
def test_a_table_of_events_is_named_whatever_its_columns_are_called(runs, column):
    """
    Every history that begins as a run begins is found by the column of its id.
    """
    rows = [
        (f"e{run}-{n}", f"j{run}", str(status), BORN + n)
        for run, history in enumerate(runs)
        for n, status in enumerate(history)
    ]

    assert f"--run-id {column} reads them so" in named(
        table(rows, ["id", column, "status", "created_at"])
    )


def test_a_nested_column_is_named_by_its_path():
    """
    An orchestrator's list of states has the id of the run one level down.
    """
    rows = [
        {"id": f"s{n}", "status": status, "details": {"flow_run_id": "f"}, "at": BORN + n}
        for n, status in enumerate(["queued", "in_progress", "failed", "in_progress"])
    ]

    assert "--run-id details.flow_run_id reads them so" in named(jsonl(*rows), "jsonl")


def test_an_array_of_statuses_is_named():
    """
    A history inside of the record of a run is not compared, so that is said.
    """
    run = {"id": "a", "status": "completed"}
    states = [{"status": "queued", "at": 1}, {"status": "failed"}, {"status": "completed"}]

    assert "the array state_history" in named(jsonl({**run, "state_history": states}), "jsonl")
    assert "the array log.states" in named(
        jsonl({**run, "log": {"states": ["queued", "completed"]}}), "jsonl"
    )


@pytest.mark.parametrize(
    "record",
    [
        {"tools": [{"type": "function"}, {"type": "file_search"}]},
        {"steps": [{"id": "s1", "status": "completed"}, {"id": "s2", "status": "failed"}]},
        {"tags": ["completed"]},
        {"tags": ["completed", "nightly"]},
        {"history": []},
    ],
)
def test_other_arrays_are_not_taken_for_histories(record):
    """
    Other objects inside of a run have ids of their own, and words are not all statuses.
    """
    assert named(jsonl({"id": "a", "status": "completed", **record}), "jsonl") is None


STATUSES = ["queued", "in_progress", "completed", "failed"]


@pytest.mark.parametrize("shared", ["assistant_id", "thread_id", "worker", "tenant_id", "user_id"])
@pytest.mark.parametrize("turn", [1, -1])
def test_a_list_of_runs_stays_without_findings(shared, turn):
    """
    A table of runs, newest or oldest first, is no history of what its runs share.
    """
    rows = [
        (f"r{n}", status, f"x{n % 2}", BORN + n, BORN + n + 1 if status != "queued" else "")
        for n, status in enumerate(["completed", "failed", "completed", *STATUSES[::-1]])
    ][::turn]
    data = table(rows, ["id", "status", shared, "created_at", "started_at"])

    assert named(data) is None
    assert named(table([row[:3] for row in rows], ["id", "status", shared])) is None


def test_the_command_refuses_an_all_clear_where_nothing_was_compared(monkeypatch, capsys, tmp_path):
    """
    Exit status 2 with the column to name; with that column named, the fault in it is found.
    """
    path = tmp_path / "events.csv"
    rows = [(n, "j1", status, BORN + n) for n, status in enumerate(STATUSES)]
    path.write_bytes(table(rows, ["id", "job_id", "status", "created_at"]))

    def ran(*options):
        monkeypatch.setattr(sys, "argv", ["runstate", "check", str(path), *options])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code, capsys.readouterr().out

    unseen, seen, meant = ran(), ran("--run-id", "job_id"), ran("--run-id", "id")

    assert (2, 1, 0) == (unseen[0], seen[0], meant[0])
    assert "the records of each job_id are a history: --run-id job_id" in unseen[1]
    assert "RS105 error: j1: completed -> failed" in seen[1]
    assert "no transition was compared: each run was seen once" in meant[1]


def test_a_survey_says_that_nothing_was_compared():
    """
    The rows of a survey tell as well whether any run was seen twice.
    """
    found = list(read(io.BytesIO(b"id,status\na,queued\nb,completed\n")))
    counted = survey(found)

    assert (2, 2, {}) == (counted.runs, counted.observations, counted.recorded)
    assert check(found).ok
