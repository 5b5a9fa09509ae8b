"""
``runstate check FILE`` without options: the verdict on runs, or one line that says what to type.
"""

import cProfile
import io
import json
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from runstate import RUN, cli
from runstate.presets import PRESETS
from test_preset_records import RECORDS, seen_in

DATA = Path(__file__).parent / "data"
EACH = pytest.mark.parametrize(
    ("name", "document"),
    [(name, record[0]) for name, records in RECORDS.items() for record in records],
    ids=[f"{name}-{n}" for name, records in RECORDS.items() for n, _ in enumerate(records, 1)],
)
OF_RUNS = sorted(
    str(path)
    for path in (
        *DATA.glob("*.*"),
        *(DATA / "contradictions").iterdir(),
        *(DATA / "field").iterdir(),
    )
    if path.suffix in {".csv", ".json", ".jsonl", ".sse", ".tsv"}
)


@pytest.fixture
def typed(monkeypatch, capsys, tmp_path):
    """
    Type a command line in a folder of its own; return its status and what it prints.
    """
    monkeypatch.chdir(tmp_path)

    def run(line, stdin=b""):
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()

        return ended.value.code, out, err

    return run


def written(content, name="records"):
    """
    Write *content* to a file in the current folder, and return its name.
    """
    text = content if isinstance(content, str) else json.dumps(content)
    Path(name).write_text(text, encoding="utf-8")

    return name


@EACH
def test_a_system_is_recognised_by_its_records_alone(typed, name, document):
    """
    One line names the preset of the records and what to type, or they are runs and judged as such.
    """
    status, out, err = typed(f"runstate check {written(document)}")

    if status != 2:
        assert seen_in(document, RUN) == seen_in(document, PRESETS[name])
        return
    assert (1, "") == (err.count("\n"), out)
    assert f"--lifecycle {name}" in err
    line = err.partition(": runstate ")[2].partition(", or ")[0].strip()
    assert typed(f"runstate {line}")[0] in (0, 1)


@EACH
def test_standard_input_is_recognised_as_well(typed, name, document):
    """
    A pipe is looked at as a file is.
    """
    text = document if isinstance(document, str) else json.dumps(document)
    _, _, of_file = typed(f"runstate check {written(document)}")
    _, _, of_pipe = typed("runstate check -", text.encode())

    assert of_file.replace(" records", " -") == of_pipe.replace("<stdin>", "-")


@pytest.mark.parametrize("path", OF_RUNS)
def test_runs_are_not_taken_for_another_system(typed, path):
    """
    A file of runs has the verdict that it has where the lifecycle is named.
    """
    alone = typed(f"runstate check {path}")
    if alone[0] == 2 and not alone[1]:
        # Objects of the same service that are not runs, and columns that have to be named.
        assert "looks like openai-" in alone[2] or " --run-id " in alone[2]
        return

    assert typed(f"runstate check {path} --lifecycle run") == alone


def is_advised(records):
    """
    Return whether the command gives advice on *records*, and no verdict.
    """
    done = CliRunner().invoke(
        cli.command, ["check", "-"], input="".join(json.dumps(each) + "\n" for each in records)
    )
    assert isinstance(done.exception, SystemExit | None), done.exception

    return "-: " not in done.stdout and "looks like" in done.stderr


EXTRA = st.sampled_from(
    ["user", "queue", "tenant", "attempt", "worker", "model", "kind", "type", "name", "thread_id",
     "job_id", "created_at", "updated_at", "started_at", "at", "message", "level", "host", "pid"]
)  # fmt: skip


@given(
    st.sampled_from(["id", "run_id"]),
    st.lists(st.sampled_from(sorted(map(str, RUN.known))), min_size=1, max_size=4),
    st.dictionaries(EXTRA, st.sampled_from(["x", 1, None, "run"]), max_size=5),
)
def test_runs_with_columns_of_their_own_are_runs(key, statuses, extra):
    """
    Columns beside the id and a status that runs have make no other system of them.
    """
    assert not is_advised([{key: "r", "status": status, **extra} for status in statuses])


def test_a_mixed_log_with_runs_in_it_is_one_of_runs():
    """
    Records of another system beside those of runs are passed over as before.
    """
    job = {"event": "added", "jobId": "1"}
    run = {"run_id": "r", "status": "queued"}

    assert not is_advised([job, run])
    assert not is_advised([run, job])
    assert is_advised([job, {"event": "active", "jobId": "1"}])


@pytest.mark.parametrize(
    ("header", "options"),
    [
        ("job;state\n1;queued\n", "check records --run-id job --status state"),
        ("Job ID,Status\n1,queued\n", "check records --run-id 'Job ID' --status Status"),
        ("id,job_id,from_state,to_state\n1,7,queued,failed\n",
         "check records --run-id job_id --from from_state --status to_state"),
        ("order_id,phase\n7,picked\n", "init records --run-id order_id --status phase -o"),
    ],
)  # fmt: skip
def test_columns_of_an_unknown_system_are_named(typed, header, options):
    """
    Where no system is recognised, the line to type names the columns that the file has.
    """
    status, out, err = typed(f"runstate check {written(header)}")

    assert (2, "") == (status, out)
    assert f"runstate {options}" in err


def test_who_names_a_lifecycle_or_a_column_is_not_advised(typed):
    """
    What the user says is followed, and so is the lifecycle in a project's settings.
    """
    name = written([{"jid": "j", "status": "working"}])

    assert "--lifecycle sidekiq-job" in typed(f"runstate check {name}")[2]
    assert "RS902" in typed(f"runstate check {name} --lifecycle run")[1]
    assert "RS101" in typed(f"runstate check {name} --run-id jid")[1]
    written('[tool.runstate.check]\nlifecycle = "sidekiq-job"\n', "pyproject.toml")
    assert (0, "") == typed(f"runstate check {name}")[::2]


def test_hostile_names_of_columns_are_shown_harmless(typed):
    """
    What a file calls its columns cannot write to the terminal.
    """
    _, _, err = typed(f"runstate check {written({chr(27) + '[2J_job': '1', 'state': 'queued'})}")

    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("kind", "phase", "other"),
    [("Pod", "Running", "argo-workflow"), ("Workflow", "Running", "kubernetes-pod")],
)
def test_what_a_record_says_it_is_comes_first(typed, kind, phase, other):
    """
    Two systems may have records of one form: the one whose name is in them is named first.
    """
    name = {"Pod": "kubernetes-pod", "Workflow": "argo-workflow"}[kind]
    meta = {"name": "a", "namespace": "ci", "uid": "u"}
    items = [{"kind": kind, "metadata": meta, "status": {"phase": phase}}]
    _, _, err = typed(f"runstate check {written({'kind': 'List', 'items': items})}")

    assert f"records looks like {name}" in err
    assert f"--lifecycle {other}" not in err.partition(", or ")[0]


@pytest.mark.parametrize("deltas", [False, True])
def test_a_kind_that_few_records_resemble_is_not_named(typed, deltas):
    """
    A null where another system has its status is no sign of that system.
    """
    response = {"id": "resp_1", "object": "response", "status": "completed", "output": []}
    part = {"type": "response.output_item.done", "item": {"id": "msg_1", "phase": None}}
    events = [
        *(
            {"type": f"response.{each}", "response": {**response, "status": each}}
            for each in ("queued", "in_progress", "completed")
        ),
        part,
    ]
    if deltas:
        part = {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "x"}
        events = [*events[1:2], *[part] * 20, events[2]]
    stream = "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events)
    _, _, err = typed(f"runstate check {written(stream)}")

    assert "looks like openai-response" in err
    assert "argo-node" not in err


@pytest.mark.parametrize("form", ["json", "csv"])
def test_statuses_that_nobody_knows_are_not_runs_of_openai(typed, form):
    """
    A system of its own whose columns are called as those of a run gets a draft, not an error a row.
    """
    rows = [("1", "pending"), ("1", "started"), ("1", "succeeded")]
    records = [{"id": run_id, "status": status} for run_id, status in rows]
    table = "id,status\n" + "".join(f"{run_id},{status}\n" for run_id, status in rows)
    status, out, err = typed(f"runstate check {written(records if form == 'json' else table)}")

    assert (status, out) == (2, "")
    assert "runstate init records --run-id id --status status" in err


def test_a_wide_record_is_looked_through_a_bounded_number_of_times(typed):
    """
    Not once for each of the systems that it may be of.
    """
    keys = 20_000
    header = ",".join(f"c{number}" for number in range(keys))
    name = written(f"{header}\n{',' * (keys - 1)}\n", "wide.csv")
    typed("runstate check wide.csv")
    with cProfile.Profile() as profile:
        status, out, _ = typed(f"runstate check {name}")
    calls = sum(entry.callcount for entry in profile.getstats())

    assert 2 == status
    assert out.startswith("wide.csv:1: RS902 error: no 'run_id' or 'id'")
    assert calls < 60 * keys, calls / keys
