"""
Systems that raise the number of the attempt when it starts, not when the run is reopened.
"""

import json
from io import BytesIO

import pytest

from runstate.presets import PRESETS
from runstate.readers import read
from test_reopened_histories import codes


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("river-job", [("discarded", 1), ("available", 1), ("running", 2), ("completed", 2)]),
        ("github-workflow-run", [("completed", 1), ("queued", 1), ("in_progress", 2)]),
    ],
)
def test_a_number_that_is_raised_late_is_no_evidence_of_a_late_writer(name, rows):
    """
    River and GitHub raise the attempt when it starts: a shape that names none is read without.
    """
    lifecycle = PRESETS[name]
    keys = ("state", "attempt") if name == "river-job" else ("status", "run_attempt")
    records = [
        {"id": 7, **dict(zip(keys, row, strict=True)), "conclusion": "failure"}
        if row[0] == "completed" and name == "github-workflow-run"
        else {"id": 7, **dict(zip(keys, row, strict=True))}
        for row in rows
    ]
    content = (
        json.dumps({"workflow_runs": records})
        if name == "github-workflow-run"
        else "\n".join(map(json.dumps, records))
    )
    seen = read(BytesIO(content.encode()), lifecycle=lifecycle)

    assert (["RS109"], 0) == codes(list(seen), lifecycle, "polled")
