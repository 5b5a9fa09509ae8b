"""
Real runs of live services, and the vendor's examples that contradict them.
"""

from pathlib import Path

import pytest

from runstate import Monitor, check
from runstate.readers import read

DATA = Path(__file__).parent / "data"


def findings(path, observed="complete"):
    """
    Everything wrong with the file at *path*.
    """
    monitor = Monitor(observed=observed)
    with path.open("rb") as stream:
        records = list(read(stream, name=path.name))
    found = [f for record in records for f in monitor.observe(record)]

    return [*found, *monitor.finish()], monitor


@pytest.mark.parametrize(
    ("name", "observed", "runs", "warnings"),
    [
        ("polled.jsonl", "polled", 30, ["RS208"]),
        ("streams.sse", "complete", 13, ["RS205"]),
        ("snapshots.jsonl", "complete", 16, []),
        ("snapshots.jsonl", "polled", 16, []),
        ("snapshots.jsonl", "unordered", 16, []),
        ("polled.jsonl", "unordered", 30, ["RS208"]),
    ],
)
def test_no_recording_of_a_live_service_is_an_error(name, observed, runs, warnings):
    """
    What really happened is possible; two known deviations are warnings.
    """
    found, monitor = findings(DATA / name, observed)

    assert [] == [f for f in found if f.severity == "error"]
    assert warnings == [f.code for f in found]
    assert runs == monitor.runs


def test_a_strict_checker_would_raise_false_alarms_on_polled_runs():
    """
    Why the observation model is declared: held to every change, polled runs look broken.
    """
    found, _ = findings(DATA / "polled.jsonl", "complete")

    assert {"RS103"} <= {f.code for f in found if f.severity == "error"}


@pytest.mark.parametrize(
    ("name", "observed", "expected"),
    [
        (
            "started_before_it_could.jsonl", "complete",
            [("RS203", "warning", "started_at is 965815 s after created_at")],
        ),
        (
            "queued_and_completed.jsonl", "complete",
            [("RS202", "error", "completed_at is set in queued (1699063291)")],
        ),
        (
            "usage_too_early.sse", "complete",
            [("RS206", "warning", "usage is set in requires_action")],
        ),
        (
            "stream_that_jumps.sse", "complete",
            [
                ("RS201", "error", "started_at is null in in_progress"),
                ("RS203", "warning", "started_at is 2878760 s after created_at"),
                ("RS208", "error", "created_at changed from 1710348075 to 1710348076"),
                ("RS208", "error", "started_at changed from null to 1713226836"),
            ],
        ),
    ],
)  # fmt: skip
def test_each_contradiction_in_the_vendors_examples_is_found_and_named(name, observed, expected):
    """
    The examples of the specification contradict the service; each is told, with its place.
    """
    found, _ = findings(DATA / "contradictions" / name, observed)

    assert expected == [f[:3] for f in found]
    assert {name} == {f.file for f in found}
    assert all(f.line for f in found)


def test_the_example_without_its_data_prefix_is_told():
    """
    One event of the specification lacks the prefix, so that no client sees it.
    """
    from io import BytesIO

    stream = b'event: thread.run.completed\n{"id": "run_123", "object": "thread.run"}\n\n'
    (finding,) = read(BytesIO(stream), name="spec.sse")

    assert ("RS902", "spec.sse") == (finding.code, finding.file)


def test_a_polled_run_read_as_python_objects_is_the_same():
    """
    The file's records and the snapshots in them are one history.
    """
    with (DATA / "polled.jsonl").open("rb") as stream:
        seen = list(read(stream, name="polled.jsonl"))
    report = check(
        [dict(o.fields) | {"id": o.run_id, "status": o.status} for o in seen], observed="polled"
    )

    assert ["RS208"] == [f.code for f in report.findings]
