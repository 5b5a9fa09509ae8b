"""
The lifecycles of other systems: each is pinned against the sources that its rows name.
"""

import json
import re
from collections import Counter
from io import BytesIO
from itertools import pairwise
from operator import methodcaller
from pathlib import Path
from types import SimpleNamespace

import pytest

from conftest import BORN
from pictures import picture_of
from runstate import RUN, Engine, Observation, check
from runstate.diagrams import draw
from runstate.presets import PRESETS, RUN_DOCUMENTED
from runstate.readers import read
from runstate.testing import ManualClock
from test_diagram_layout import faults

DIAGRAMS = Path(__file__).parent.parent / "diagrams"
DATA = Path(__file__).parent / "data" / "presets"
EVIDENCE = ("documented", "observed", "reported", "implemented", "inferred")

EACH = pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)

# Statuses, rows, reopening rows, the first status, each end with its outcome, and rows by evidence:
# documented, observed, reported, implemented, inferred.
FACTS = {
    name: tuple(rest)
    for name, *rest in map(
        methodcaller("split", "\t"), (DATA / "facts.tsv").read_text().splitlines()[1:]
    )
}


@EACH
def test_facts(preset):
    """
    A preset has as many statuses and rows as its sources have, and begins and ends as they say.
    """
    ends = " ".join(f"{end!s}={outcome}" for end, outcome in preset.terminal.items())
    by_evidence = Counter(row.evidence for row in preset)

    numbers = (len(preset.statuses), len(preset), len(preset.reopenings))
    evidence = (by_evidence[each] for each in EVIDENCE)
    assert FACTS[preset.name] == (
        *map(str, numbers),
        preset.initial,
        ends,
        *map(str, evidence),
    )


def test_every_preset_is_pinned():
    """
    No preset is without its facts, and each is listed under its own name.
    """
    assert sorted(FACTS) == sorted(PRESETS)
    assert [preset.name for preset in PRESETS.values()] == list(PRESETS)
    assert (RUN, RUN_DOCUMENTED) == (PRESETS["run"], PRESETS["run-documented"])


@EACH
def test_every_row_says_where_it_is_from(preset):
    """
    A citation names a source, in one line; what is inferred is nowhere called a document's word.
    """
    for said in (*preset, *preset.reopenings, *preset.deviations):
        assert said.citation.isprintable(), said
        assert 8 < len(said.citation) <= 160, said


# What tells a system from others, each row with how it is known.
TELLING = {
    "openai-run-step": ["in_progress -expire-> expired documented"],
    "openai-message": ["in_progress -stop_incomplete-> incomplete observed"],
    "openai-batch": [
        "validating -cancel-> cancelling observed",
        "finalizing -expire-> expired observed",
        "in_progress -expire-> expired inferred",
        "cancelling -confirm_cancel-> cancelled documented",
    ],
    "openai-response": [
        "queued -cancel-> cancelled observed",
        "in_progress -stop_incomplete-> incomplete observed",
    ],
    "openai-vector-store-file-batch": ["in_progress -cancel-> cancelled documented"],
    "openai-fine-tuning-job": [
        "validating_files -cancel-> cancelled observed",
        "running -pause-> pausing inferred",
    ],
    "azure-run": [
        "requires_action -request_cancel-> cancelling reported",
        "requires_action -submit_tool_outputs-> queued observed",
        "queued -request_cancel-> cancelling inferred",
    ],
    "langgraph-run": [
        "running -cancel-> interrupted documented",
        "running -reclaim-> pending implemented",
    ],
    "a2a-task": [
        "TASK_STATE_WORKING -reject-> TASK_STATE_REJECTED documented",
        "TASK_STATE_INPUT_REQUIRED -send_message-> TASK_STATE_WORKING documented",
        "TASK_STATE_AUTH_REQUIRED -fail-> TASK_STATE_FAILED inferred",
    ],
    "a2a-task-0.3": ["input-required -send_message-> working documented"],
    "prefect-flow-run": [
        "SCHEDULED -cancel-> CANCELLED documented",
        "RUNNING -retry-> SCHEDULED documented",
        "CANCELLING -confirm_cancel-> CANCELLED documented",
        "PAUSED -request_cancel-> CANCELLING reported",
    ],
    "dagster-run": [
        "QUEUED -request_cancel-> CANCELING implemented",
        "CANCELING -fail-> FAILURE implemented",
        "CANCELING -succeed-> SUCCESS inferred",
    ],
    "airflow-task-instance": [
        "none -fail_upstream-> upstream_failed documented",
        "running -clear-> restarting documented",
        "deferred -resume-> scheduled documented",
        "queued -fail-> failed reported",
    ],
    "temporal-workflow": [
        "WORKFLOW_EXECUTION_STATUS_RUNNING -continue_as_new-> "
        "WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW documented",
    ],
    "kubernetes-job": [
        "Running -target_failure-> FailureTarget documented",
        "Running -complete-> Complete documented",
    ],
    "celery": [
        "PENDING -succeed-> SUCCESS documented",
        "REJECTED -receive-> RECEIVED documented",
        "REJECTED -revoke-> REVOKED implemented",
    ],
    "river-job": [
        "running -snooze-> scheduled documented",
        "running -rescue-> retryable implemented",
        "scheduled -discard-> discarded implemented",
    ],
    "oban-job": [
        "executing -rescue-> available documented",
        "executing -snooze-> scheduled implemented",
    ],
    "openlineage-run": ["OTHER -complete-> COMPLETE documented", "OTHER -start-> START documented"],
    "cdevents-pipelinerun": ["started -error-> error documented"],
}


@pytest.mark.parametrize("name", TELLING)
def test_telling_rows(name):
    """
    The rows that tell a system from others are there, known as their source makes them known.
    """
    rows = {f"{row} {row.evidence}" for row in PRESETS[name]}

    assert [] == [row for row in TELLING[name] if row not in rows]


# One way to the end that each system takes, as its pages tell it.
USUAL = {
    "openai-run-step": "in_progress completed",
    "openai-message": "in_progress incomplete",
    "openai-batch": "validating in_progress finalizing completed",
    "openai-response": "queued in_progress completed",
    "openai-vector-store-file-batch": "in_progress completed",
    "openai-fine-tuning-job": "validating_files queued running pausing paused running succeeded",
    "openai-fine-tuning-job-strict": "validating_files queued running succeeded",
    "azure-run": "queued in_progress requires_action queued in_progress completed",
    "azure-run-dotnet": "queued in_progress incomplete",
    "langgraph-run": "pending running success",
    "a2a-task": "TASK_STATE_SUBMITTED TASK_STATE_WORKING TASK_STATE_INPUT_REQUIRED "
    "TASK_STATE_WORKING TASK_STATE_COMPLETED",
    "a2a-task-0.3": "submitted working auth-required working completed",
    "prefect-flow-run": "SCHEDULED PENDING RUNNING SCHEDULED RUNNING COMPLETED",
    "dagster-run": "NOT_STARTED QUEUED STARTING STARTED SUCCESS",
    "airflow-task-instance": "none scheduled queued running awaiting_input scheduled queued "
    "running up_for_retry scheduled queued running success",
    "airflow-task-instance-3.0": "none scheduled queued running deferred scheduled queued "
    "running success",
    "temporal-workflow": "WORKFLOW_EXECUTION_STATUS_RUNNING WORKFLOW_EXECUTION_STATUS_PAUSED "
    "WORKFLOW_EXECUTION_STATUS_RUNNING WORKFLOW_EXECUTION_STATUS_COMPLETED",
    "temporal-workflow-strict": "WORKFLOW_EXECUTION_STATUS_RUNNING "
    "WORKFLOW_EXECUTION_STATUS_TIMED_OUT",
    "kubernetes-job": "Running Suspended Running Complete",
    "kubernetes-job-strict": "Running FailureTarget Failed",
    "celery": "PENDING RETRY SUCCESS",
    "celery-strict": "PENDING RECEIVED STARTED RETRY RECEIVED STARTED SUCCESS",
    "river-job": "available running retryable available running completed",
    "oban-job": "available executing retryable available executing completed",
    "openlineage-run": "START RUNNING OTHER RUNNING COMPLETE",
    "openlineage-run-strict": "START RUNNING FAIL",
    "cdevents-pipelinerun": "queued started failure",
    "github-workflow-run": "queued waiting queued in_progress completed/success",
    "github-workflow-job": "queued in_progress completed/failure",
    "gitlab-job": "created pending running success",
    "gitlab-pipeline": "created pending running manual pending running success",
    "buildkite-job": "pending waiting limiting limited scheduled assigned accepted running passed",
    "buildkite-build": "scheduled running blocked running failing failed",
    "kubernetes-pod": "Pending Running Succeeded",
    "argo-workflow": "Pending Running Error",
    "argo-node": "Pending Running Failed",
    "tekton-run": "Unknown/Pending Unknown/Started Unknown/Running True/Completed",
    "airflow-dag-run": "queued running success",
    "aws-batch-job": "SUBMITTED PENDING RUNNABLE STARTING RUNNING RUNNABLE STARTING RUNNING SUCCEEDED",
    "aws-step-functions-execution": "RUNNING TIMED_OUT",
    "databricks-run": "QUEUED PENDING RUNNING TERMINATING TERMINATED/SUCCESS_WITH_FAILURES",
    "slurm-job": "PENDING CONFIGURING RUNNING REQUEUED PENDING RUNNING COMPLETING COMPLETED",
    "sidekiq-job": "scheduled enqueued busy retry enqueued busy complete",
    "bullmq-job": "delayed waiting active delayed waiting active waiting-children waiting active completed",
    "mcp-task": "working input_required working completed",
}


@pytest.mark.parametrize("name", sorted({*PRESETS} - {"run", "run-documented"}))
def test_usual_way(name):
    """
    What a system usually does is legal, however it was observed; backwards out of its end it is not.
    """
    way = USUAL[name].split()

    for observed in ("complete", "polled", "unordered"):
        assert () == check(way, PRESETS[name], observed=observed, finished=True).findings
    (after,) = check([*way, way[0]], PRESETS[name]).findings
    assert after.code in ({"RS105", "RS109"} if PRESETS[name].reopenings else {"RS105"})


# Where else a system begins, as one usual way from there.
BEGINNINGS = {
    "openai-response": ["in_progress completed"],
    "a2a-task": ["TASK_STATE_WORKING TASK_STATE_COMPLETED", "TASK_STATE_COMPLETED"],
    "a2a-task-0.3": ["input-required working completed", "rejected"],
    "prefect-flow-run": ["PENDING RUNNING PAUSED RUNNING CANCELLING CANCELLED"],
    "kubernetes-job": ["Suspended Running SuccessCriteriaMet Complete"],
    "kubernetes-job-strict": ["Suspended Running FailureTarget Failed"],
    "celery": ["RECEIVED STARTED SUCCESS", "STARTED FAILURE", "SUCCESS", "RETRY FAILURE"],
    "celery-strict": ["RECEIVED STARTED SUCCESS"],
    "river-job": ["scheduled available running completed", "pending available running discarded"],
    "oban-job": ["scheduled available executing completed", "suspended available cancelled"],
    "openlineage-run": ["OTHER START RUNNING FAIL"],
    "cdevents-pipelinerun": ["started success"],
}


@EACH
def test_other_beginnings(preset):
    """
    A history may begin in each initial status; one that begins in any other is RS102.
    """
    for way in BEGINNINGS.get(preset.name, []):
        assert () == check(way.split(), preset, finished=True).findings
    for status in preset.statuses:
        begins = status in preset.initial_statuses
        assert ([] if begins else ["RS102"]) == [f.code for f in check([status], preset).findings]


@pytest.mark.parametrize(
    ("name", "status", "fields"),
    [
        ("river-job", "scheduled", {"attempted_at": None, "finalized_at": None}),
        ("river-job", "pending", {"attempted_at": None, "finalized_at": None}),
        ("oban-job", "scheduled", {"attempted_at": None, "completed_at": None}),
        ("oban-job", "suspended", {"attempted_at": None}),
        ("kubernetes-job", "Suspended", {"startTime": None}),
        ("prefect-flow-run", "PENDING", {"start_time": None, "end_time": None}),
    ],
)
def test_a_snapshot_of_a_status_that_a_run_begins_in(name, status, fields):
    """
    A run that was just created lacks the stamps of statuses that it has not been in.
    """
    for observed in ("complete", "polled", "unordered"):
        seen = [Observation(status, "1", fields=fields)]
        assert () == check(seen, PRESETS[name], observed=observed).findings


# What one variant allows and the other does not, as pairs of statuses.
DISAGREE = [
    ("run", "run-documented", {("queued", "cancelling"), ("queued", "failed")}),
    ("azure-run-dotnet", "azure-run", {("in_progress", "incomplete")}),
    ("openai-fine-tuning-job", "openai-fine-tuning-job-strict", {("running", "pausing")}),
    ("celery", "celery-strict", {("PENDING", "SUCCESS"), ("RETRY", "STARTED")}),
    ("kubernetes-job", "kubernetes-job-strict", {("Running", "Complete"), ("Running", "Failed")}),
    ("airflow-task-instance", "airflow-task-instance-3.0", {("running", "awaiting_input")}),
    ("openlineage-run", "openlineage-run-strict", {("OTHER", "START")}),
    (
        "temporal-workflow",
        "temporal-workflow-strict",
        {("WORKFLOW_EXECUTION_STATUS_RUNNING", "WORKFLOW_EXECUTION_STATUS_PAUSED")},
    ),
]


@pytest.mark.parametrize(("practical", "strict", "pairs"), DISAGREE)
def test_variants_disagree(practical, strict, pairs):
    """
    Where sources disagree, one of two lifecycles is the wider, and by no row of its own wrong.
    """
    wide, narrow = (
        {(str(row.source), str(row.target)) for row in PRESETS[name]}
        for name in (practical, strict)
    )

    assert narrow < wide
    assert pairs <= wide - narrow


# -- the tables at work --------------------------------------------------------------


def job_of(preset):
    """
    Return a new object with all fields of *preset*, that stands at its beginning.
    """
    names = {*preset.stamp_fields, *preset.detail_fields, *preset.identity}
    job = SimpleNamespace(**dict.fromkeys(names), **{preset.id_field: "job_1"})
    for name in (*preset.created, *preset.identity):
        setattr(job, name, BORN)
    if preset.deadline:
        setattr(job, preset.deadline.field, BORN + preset.deadline.seconds)
    setattr(job, preset.status_field, str(preset.initial))

    return job


def seen(preset, job, clock):
    """
    Return what is observed of *job* now.
    """
    fields = dict(vars(job))

    return Observation(fields[preset.status_field], "job_1", at=clock(), fields=fields)


@EACH
def test_engine_and_check_agree_on_every_row(preset):
    """
    The generic engine makes each row, and finds its own snapshots in order, stamps and all.
    """
    clock = ManualClock(BORN)
    engine = Engine(preset, clock=clock)
    for row in preset:
        path = preset.path_to(row.source)
        job = job_of(preset)
        setattr(job, preset.status_field, str((*path, row)[0].source))
        history = [seen(preset, job, clock)]
        for step in (*path, row):
            clock.now += 1
            payload = {name: {"code": "x"} for name in preset.entry(step.target).requires}
            engine.fire(job, step.trigger, **payload)
            history.append(seen(preset, job, clock))

        assert str(row.target) == getattr(job, preset.status_field)
        assert () == check(history, preset).findings, row
        assert () == check(history, preset, observed="polled").findings, row


@EACH
def test_snapshots_are_read_by_their_own_names(preset):
    """
    A snapshot as a mapping is looked at under the names that the system itself gives.
    """
    (first, second), *_ = pairwise(map(str, preset.statuses))
    history = [{preset.id_field: 1, preset.status_field: status} for status in (first, "lost")]

    assert ["RS101"] == [finding.code for finding in check(history, preset).findings]
    assert preset.initial == first != second


@EACH
def test_records_are_read_by_their_own_names(preset):
    """
    A line of JSON is looked at under the names that the system itself gives.

    For a status of two fields, test_preset_records.py has the records.
    """
    if "/" in preset.initial:
        assert any(len(shape.status) == 2 for shape in preset.shapes)
        return
    line = {preset.id_field: "job_1", preset.status_field: str(preset.initial)}
    (found,) = read(BytesIO(json.dumps(line).encode()), lifecycle=preset)

    assert (str(preset.initial), "job_1") == (found.status, found.run_id)


STAMPED = {"created_at": BORN, "started_at": BORN + 1, "expires_at": BORN + 600}


@pytest.mark.parametrize(
    ("name", "history", "expected"),
    [
        (  # Azure grants ten hours once a run has started: known, so a warning.
            "azure-run",
            [
                ("queued", {"created_at": BORN, "started_at": None, "expires_at": BORN + 600}),
                ("in_progress", {**STAMPED, "expires_at": BORN + 36_000}),
            ],
            ["RS208 warning"],
        ),
        (  # A batch keeps expires_at in its end, unlike a run.
            "openai-batch",
            [
                ("validating", {"created_at": BORN, "expires_at": BORN + 86_400}),
                ("cancelling", {"cancelling_at": BORN + 5, "expires_at": BORN + 86_400}),
                ("cancelled", {"cancelled_at": BORN + 9, "expires_at": BORN + 86_400}),
            ],
            [],
        ),
        (  # It expires out of finalizing, which began at expires_at.
            "openai-batch",
            [("validating", {}), ("in_progress", {}), ("finalizing", {}),
             ("expired", {"finalizing_at": BORN + 86_401, "expired_at": BORN + 87_008})],
            [],
        ),
        (  # Prefect stamps no end on a run that never began.
            "prefect-flow-run",
            [("SCHEDULED", {"start_time": None}), ("CANCELLED", {"end_time": None})],
            ["RS201 warning"],
        ),
        (
            "prefect-flow-run",
            [("SCHEDULED", {}), ("PENDING", {"end_time": BORN})],
            ["RS202 error"],
        ),
        (  # River's own CHECK constraint.
            "river-job",
            [("available", {"finalized_at": None}), ("running", {"attempted_at": BORN}),
             ("completed", {"finalized_at": None})],
            ["RS201 error"],
        ),
        (
            "river-job",
            [("available", {}), ("running", {}), ("retryable", {"finalized_at": BORN})],
            ["RS202 error"],
        ),
        (  # Oban's stale executor: a job completes that was discarded.
            "oban-job",
            [("available", {}), ("executing", {}), ("discarded", {"discarded_at": BORN}),
             ("completed", {"completed_at": BORN, "discarded_at": BORN})],
            ["RS105 error", "RS202 error"],
        ),
        (  # Dagster's force-cancelled run that its worker then finished.
            "dagster-run",
            [("NOT_STARTED", {}), ("STARTING", {}), ("STARTED", {}), ("CANCELED", {}),
             ("SUCCESS", {})],
            ["RS105 error"],
        ),
        (  # A suspended Job has no startTime, and a failed one no completionTime.
            "kubernetes-job",
            [("Running", {"startTime": BORN}), ("Suspended", {"startTime": BORN}),
             ("Running", {}), ("FailureTarget", {}), ("Failed", {"completionTime": BORN})],
            ["RS202 error", "RS202 error"],
        ),
        (  # finished_at is null in every failed job recorded, and documented otherwise.
            "openai-fine-tuning-job",
            [("validating_files", {}), ("failed", {"finished_at": BORN, "error": {"code": "x"}})],
            ["RS202 warning"],
        ),
        (  # One START, and nothing after the end.
            "openlineage-run-strict",
            [("START", {}), ("OTHER", {}), ("START", {})],
            ["RS103 error"],
        ),
        (  # Marquez#2264: events that were delivered in another order than sent.
            "openlineage-run",
            [("START", {}), ("COMPLETE", {}), ("RUNNING", {})],
            ["RS105 error"],
        ),
    ],
)  # fmt: skip
def test_histories(name, history, expected):
    """
    What is known of a system is told as such: the table's word is an error, its habit a warning.
    """
    observations = [Observation(status, "1", fields=fields) for status, fields in history]
    findings = check(observations, PRESETS[name]).findings

    assert expected == sorted(f"{finding.code} {finding.severity}" for finding in findings)


def test_statuses_are_spelled_as_on_the_wire():
    """
    Where a system writes capitals, dashes or words of its own, so does its preset.
    """
    spelling = {
        name: re.compile(pattern)
        for pattern, names in {
            r"[a-z_]+": "openai-batch langgraph-run airflow-task-instance river-job oban-job",
            r"[A-Z_]+": "prefect-flow-run dagster-run celery openlineage-run",
            r"TASK_STATE_[A-Z_]+": "a2a-task",
            r"[a-z]+(-[a-z]+)?": "a2a-task-0.3",
            r"WORKFLOW_EXECUTION_STATUS_[A-Z_]+": "temporal-workflow",
            r"([A-Z][a-z]+)+": "kubernetes-job",
        }.items()
        for name in names.split()
    }

    for name, pattern in spelling.items():
        assert [] == [s for s in PRESETS[name].statuses if not pattern.fullmatch(s)], name


# -- their pictures ------------------------------------------------------------------


@EACH
@pytest.mark.parametrize(("suffix", "form"), [("svg", "svg"), ("mmd", "mermaid")])
def test_the_committed_diagrams_are_fresh(preset, suffix, form):
    """
    Each preset's pictures are committed, and what its table looks like now.
    """
    assert draw(preset, form) == (DIAGRAMS / f"{preset.name}.{suffix}").read_bytes()


def test_no_diagram_is_left_over():
    """
    Every picture there is shows a preset.
    """
    shown = {path.name.removesuffix(path.suffix) for path in DIAGRAMS.iterdir()}

    assert set(PRESETS) == shown


@EACH
def test_no_line_runs_through_a_label(preset):
    """
    In a preset's picture nothing overlaps: no box, no label, no line through either.
    """
    assert [] == faults(picture_of(preset))
