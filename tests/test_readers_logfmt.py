"""
Records of ``key=value``: one in a line, or one over several lines.
"""

from io import BytesIO

import pytest

from runstate import Finding
from runstate.presets import PRESETS
from runstate.readers import read

SLURM = PRESETS["slurm-job"]

JOB = """\
JobId={id} JobName=train
   UserId=ann(1000) GroupId=ann(1000) MCS_label=N/A
   Priority=4294901756 Nice=0 Account=(null) QOS=normal
   JobState={state} Reason=None Dependency=(null)
   Requeue=1 Restarts={restarts} BatchFlag=1 Reboot=0 ExitCode=0:0
   Nodes=n[1-2] CPU_IDs=0-1 Mem=0 GRES=
   Nodes=n3 CPU_IDs=0 Mem=0 GRES=
   Command=/home/ann/train.sh --lr=0.1

"""
"""What scontrol show job prints of one job."""
STATES = (("4101", "PENDING", 0), ("4101", "RUNNING", 0), ("4102", "COMPLETED", 1))


def told(text, lifecycle=SLURM, name="jobs.txt", **options):
    """
    Return what *text* says: observations as status, run and attempt, and findings as code and line.
    """
    seen = read(BytesIO(text.encode()), lifecycle=lifecycle, name=name, **options)
    return [
        (each.code, each.line)
        if isinstance(each, Finding)
        else (each.run_id, each.status, each.attempt)
        for each in seen
    ]


def jobs(states=STATES):
    """
    Return one record after the other.
    """
    return [JOB.format(id=job, state=state, restarts=restarts) for job, state, restarts in states]


@pytest.mark.parametrize(
    "laid_out",
    [
        "".join,
        lambda records: "".join(records).rstrip("\n"),
        lambda records: "".join(record.rstrip("\n") + "\n" for record in records),
        lambda records: "".join(records).replace("\n", "\r\n"),
        lambda records: "".join(records).replace("   ", "\t"),
        lambda records: "".join(f"{record}Tue Sep  1 10:00:00 UTC 2026\n" for record in records),
        lambda records: "".join(" ".join(record.split()) + "\n" for record in records),
    ],
    ids=["as printed", "cut off", "no blank line", "CR LF", "tabs", "with dates", "a line each"],
)
def test_a_record_may_have_several_lines(laid_out):
    """
    ``scontrol show job`` says the same in every layout; keys that nobody reads may come twice.
    """
    assert [*STATES] == told(laid_out(jobs()))


def test_a_fact_that_comes_twice_is_refused():
    """
    Nobody can tell which of the two is right. The finding names the first line of the record.
    """
    twice = jobs()[1].replace("   Command", "   JobState=FAILED Command")

    assert [("4101", "PENDING", 0), ("RS903", 10)] == told(jobs()[0] + twice)


def test_a_line_that_says_its_status_is_a_record():
    """
    So a live log waits for no other line; indented lines after it are records of their own.
    """
    text = "run_id=a status=queued\n  run_id=a status=in_progress\nrun_id=a note=x\n"

    assert [("a", "queued", None), ("a", "in_progress", None), ("RS902", 3)] == told(
        text, PRESETS["run"], name="x.log"
    )


def test_indented_lines_alone_are_records():
    """
    A log that was pasted with a margin does not become one record.
    """
    text = "  run_id=a status=queued\n  run_id=a status=in_progress\n"

    assert [("a", "queued", None), ("a", "in_progress", None)] == told(
        text, PRESETS["run"], name="x.log"
    )
