"""
Reopenings as the command and the engines judge them: by the attempt, by the trigger, or allowed.
"""

import io
import json
import sys

import pytest

from runstate import Observation, check, cli, load_lifecycle
from runstate.frames import survey_frame
from runstate.presets import PRESETS
from runstate.readers import Columns, read

JOB = """
name = "job"
initial = "queued"
terminal = {done = "success", failed = "failure"}
transitions = [
  {trigger = "start", source = "queued", target = "running"},
  {trigger = "finish", source = "running", target = "done"},
  {trigger = "fail", source = "running", target = "failed"},
  {trigger = "retry", source = "failed", target = "queued", reopens = true},
]
"""
ATTEMPTS = [("queued", 1), ("running", 1), ("failed", 1), ("queued", 2), ("running", 2), ("done", 2)]  # fmt: skip


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """
    Run the command in a folder of its own, and return its exit status and what it prints.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.toml").write_text(JOB)

    def command(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["runstate", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return ended.value.code, out + err

    return command


def log(path, rows, key="attempt"):
    """
    Write *rows*, of a status and perhaps an attempt, as JSON lines.
    """
    with path.open("w") as out:
        for at, (status, attempt) in enumerate(rows, 1_700_000_000):
            more = {} if attempt is None else {key: attempt}
            out.write(json.dumps({"id": "a", "status": status, "at": at, **more}) + "\n")


# -- attempts, as they are read --------------------------------------------------


def test_an_attempt_is_read_under_the_name_that_is_given(run, tmp_path):
    """
    Without its name, nothing shows that the run was reopened.
    """
    log(tmp_path / "a.jsonl", ATTEMPTS, key="try")
    plain = run("check", "a.jsonl", "--lifecycle", "job.toml")
    named = run("check", "a.jsonl", "--lifecycle", "job.toml", "--attempt", "try")

    assert (0, True) == (plain[0], "RS109 warning" in plain[1])
    assert (0, "1 run, 6 observations: nothing wrong (1 reopening)\n") == named


def test_an_attempt_is_read_from_tables_and_from_within_objects(tmp_path):
    """
    From CSV it is a number written as text; a path leads into nested objects.
    """
    (tmp_path / "job.toml").write_text(JOB)
    job = load_lifecycle(tmp_path / "job.toml")
    table = b"id,status,try\na,failed,1\na,queued,2\n"
    nested = b'{"id": "a", "status": "failed", "meta": {"try": 1}}\n{"id": "a", "status": "queued", "meta": {"try": 2}}\n'

    def attempts(data, key):
        return [each.attempt for each in read(io.BytesIO(data), lifecycle=job, attempt=key)]

    assert [1, 2] == attempts(table, "try")
    assert [1, 2] == attempts(nested, "meta.try")
    assert "RS902" == next(read(io.BytesIO(table), lifecycle=job, attempt="nowhere")).code


def test_every_engine_counts_the_same_reopenings(tmp_path):
    """
    Python and DuckDB, with attempts and without, reopenings allowed or not, under each model.
    """
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("duckdb")
    (tmp_path / "job.toml").write_text(JOB)
    job = load_lifecycle(tmp_path / "job.toml")
    late = [*ATTEMPTS[:5], ("failed", 1), ("done", 2)]
    tries = [("failed", 1), ("failed", 2), ("done", 3)]
    for rows in (ATTEMPTS, late, tries, [(status, None) for status, _ in ATTEMPTS], [("failed", 1), ("queued", 1)]):  # fmt: skip
        table = {
            "id": ["a"] * len(rows),
            "status": [status for status, _ in rows],
            "at": [1_700_000_000 + place for place in range(len(rows))],
        }
        if rows[0][1] is not None:
            table["try"] = [attempt for _, attempt in rows]
        columns = Columns(attempt="try" if "try" in table else None)
        seen = [Observation(status, "a", 1_700_000_000 + at, {"status": status}, attempt=attempt) for at, (status, attempt) in enumerate(rows)]  # fmt: skip
        for observed in ("complete", "polled", "unordered"):
            for allowed in (False, True):
                for finished in (False, True):
                    asked = {
                        "observed": observed,
                        "allow_reopen": allowed,
                        "finished": finished,
                    }
                    there = check(seen, job, **asked)
                    bulk = survey_frame(pa.table(table), job, columns=columns, **asked)

                    assert [f.code for f in there.findings] == [f.code for f in bulk.findings]
                    assert there.reopened == bulk.reopened


def tries(*, listing):
    """
    Return what Airflow's REST API lists of the tries of one task, or rows of its history table.
    """
    times = ("2026-09-01T00:0{}:05Z", "2026-09-01T00:0{}:09Z")
    rows = [
        {"task_id": "load", "dag_id": "etl", "dag_run_id" if listing else "run_id": "manual__1",
         "map_index": -1, "start_date": times[0].format(number), "end_date": times[1].format(number),
         "state": state, "try_number": number, "max_tries": 2}
        for number, state in enumerate(("failed", "failed", "success"), 1)
    ]  # fmt: skip
    if listing:
        return json.dumps({"task_instances": rows, "total_entries": len(rows)})
    heads = [*rows[0]]

    return "\n".join([",".join(heads), *(",".join(map(str, row.values())) for row in rows), ""])


@pytest.mark.parametrize("observed", ["complete", "polled", None])
@pytest.mark.parametrize("listing", [True, False])
def test_the_tries_of_an_airflow_task_are_attempts(observed, listing, run, tmp_path):
    """
    One row for each, as the endpoint lists them and as the history table holds them.
    """
    name = "tries.json" if listing else "tries.csv"
    (tmp_path / name).write_text(tries(listing=listing))
    model = [] if observed is None else ["--observed", observed]
    found = run("check", name, "--lifecycle", "airflow-task-instance", *model)

    assert (0, "1 run, 3 observations: nothing wrong (2 reopenings)\n") == found


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_who_names_the_id_and_the_status_has_the_attempts_too(suffix, run, tmp_path):
    """
    They stand under the lifecycle's own key, in texts as in tables.
    """
    csv = pytest.importorskip("pyarrow.csv")
    (tmp_path / "tries.csv").write_text(tries(listing=False))
    table = csv.read_csv(tmp_path / "tries.csv")
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "tries.parquet")
    named = ["--run-id", "task_id", "--status", "state"]
    found = run("check", f"tries.{suffix}", "--lifecycle", "airflow-task-instance", *named)

    assert (0, "1 run, 3 observations: nothing wrong (2 reopenings)\n") == found


# -- second ends of public reports -----------------------------------------------

REPORTS = {
    "prefect#22717": ("prefect-flow-run", "RUNNING CANCELLING CANCELLED RUNNING", {"RS105", "RS109"}),
    "prefect#16429": ("prefect-flow-run", "RUNNING CRASHED RUNNING COMPLETED", {"RS109"}),
    "dagster#34175": ("dagster-run", "STARTED CANCELED SUCCESS", {"RS105"}),
    "python-sdk#3003": ("mcp-task", "working completed cancelled", {"RS105"}),
    "bull#2059": ("bullmq-job", "active completed failed", {"RS105", "RS109"}),
    "argo#3879": ("argo-workflow", "Running Succeeded Failed", {"RS105", "RS109"}),
    "airflow#29872": ("airflow-task-instance", "running success running", {"RS109"}),
}  # fmt: skip


@pytest.mark.parametrize("report", REPORTS)
def test_the_second_end_of_a_public_report_is_found(report, run, tmp_path):
    """
    A warning where the system can be reopened by hand, which --fail-on makes an error.
    """
    preset, statuses, codes = REPORTS[report]
    lifecycle = PRESETS[preset]
    history = statuses.split()
    found = {finding.code for finding in check(history, lifecycle, observed="polled").findings}

    assert found
    assert found <= codes
    rows = "".join(f"a,{status}\n" for status in history)
    (tmp_path / "a.csv").write_text(f"id,status\n{rows}")
    named = ("--run-id", "id", "--status", "status")
    status, _ = run(
        "check", "a.csv", "--lifecycle", preset, "--observed", "polled", "--fail-on", "warning", *named,
    )  # fmt: skip
    assert 1 == status


@pytest.mark.parametrize("report", REPORTS)
def test_a_late_writer_of_a_public_report_is_an_error_by_its_attempt(report):
    """
    The same rows with the attempt in them leave one reading.
    """
    preset, statuses, _ = REPORTS[report]
    late = [Observation(status, "a", attempt=1) for status in statuses.split()]
    report_of_late = check(late, PRESETS[preset], observed="polled")

    assert "RS105" in {finding.code for finding in report_of_late.findings}


# -- what makes a check fail -----------------------------------------------------


def test_a_warning_fails_a_check_only_where_that_is_asked_for(run, tmp_path):
    """
    --fail-on warning; what is accepted otherwise is no finding.
    """
    log(tmp_path / "a.jsonl", [(status, None) for status, _ in ATTEMPTS])
    asked = ("check", "a.jsonl", "--lifecycle", "job.toml")

    assert 0 == run(*asked)[0]
    assert 0 == run(*asked, "--fail-on", "error")[0]
    assert 1 == run(*asked, "--fail-on", "warning")[0]
    allowed = run(*asked, "--fail-on", "warning", "--allow-reopen")
    assert (0, "1 run, 6 observations: nothing wrong (1 reopening)\n") == allowed
