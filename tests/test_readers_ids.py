"""
Which value of a record is the run's id, and which object of a nested record speaks of the run.
"""

import io
import json

import pytest

from runstate import RUN, Finding, Lifecycle, Transition, check
from runstate.presets import PRESETS
from runstate.readers import Columns, read

JOB = Lifecycle(
    name="job",
    transitions=(Transition("finish", "open", "shut"),),
    initial="open",
    terminal={"shut": "success"},
    created=("created_at",),
    identity=("run_id", "queue"),
)


def seen(*records, lifecycle=JOB, **columns):
    """
    Return what *records* say under *lifecycle*.
    """
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    return list(read(io.BytesIO(data), lifecycle=lifecycle, columns=Columns(**columns)))


NAMED_AT_THE_TOP = [
    each
    for each in PRESETS.values()
    if each.kind != RUN.kind
    and "." not in each.id_field
    and not any(("run_id",) in shape.id for shape in each.shapes)
]
"""Presets other than those of a run, whose id is a key of the record itself and not its run_id."""


@pytest.mark.parametrize("preset", NAMED_AT_THE_TOP, ids=lambda preset: preset.name)
def test_a_lifecycles_own_id_comes_before_run_id(preset):
    """
    A job, a task, a step carry the run_id of what they are part of, which is no id of theirs.
    """
    status = preset.initial
    record = {preset.id_field: "own", preset.status_field: status, "run_id": "parent"}
    if preset.id_field == "run_id":
        record = {"run_id": "own", preset.status_field: status, "id": "row"}
    (found,) = seen(record, lifecycle=preset)

    assert "own" == found.run_id


def test_a_field_that_identity_names_is_never_the_id():
    """
    What several runs share is not taken for the id of one, even where no other key is there.
    """
    (found,) = seen({"run_id": "parent", "status": "open"})

    assert isinstance(found, Finding)
    assert ("RS902", "parent") == (
        found.code,
        seen({"run_id": "parent", "status": "open"}, run_id="run_id")[0].run_id,
    )


def test_run_id_comes_first_in_a_line_about_one_of_openais_runs():
    """
    Under the default lifecycle, a record that is not a run object has an id of its own.
    """
    (found,) = seen({"id": "row", "run_id": "run_1", "status": "queued"}, lifecycle=RUN)

    assert "run_1" == found.run_id


def test_an_object_within_a_record_has_an_id_of_its_own():
    """
    With --status job.status, the job's own id comes before the run that it is part of.
    """
    records = [
        {"action": status, "job": {"id": number, "run_id": 700, "status": status}}
        for number, status in ((1, "queued"), (1, "completed"), (2, "queued"))
    ]
    found = seen(*records, lifecycle=RUN, status="job.status")

    assert ["1", "1", "2"] == [each.run_id for each in found]


def test_what_stands_around_a_nested_status_is_held_to_the_rules():
    """
    With --status s.status, the stamps and the identity of the record around it count as well.
    """
    records = [
        {"id": "a", "created_at": 1790000000, "queue": "x", "s": {"status": "open"}},
        {"id": "a", "created_at": 1790000001, "queue": "y", "s": {"status": "open"}},
    ]
    found = seen(*records, status="s.status")
    flat = seen(*({**record, "status": "open"} for record in records))
    rules = [finding.code for finding in check(found, JOB).findings]

    assert ["RS208", "RS207"] == rules == [f.code for f in check(flat, JOB).findings]


def test_an_envelope_of_its_own_is_not_the_run():
    """
    An event around a run has an id and a created_at of its own, which are not the run's.
    """
    records = [
        {"id": "evt_1", "created_at": 1790000005, "data": {"id": "a", "status": "open"}},
        {"id": "evt_2", "created_at": 1790000009, "data": {"id": "a", "status": "shut"}},
    ]
    found = seen(*records, status="data.status")

    assert ["a", "a"] == [each.run_id for each in found]
    assert () == check(found, JOB).findings
