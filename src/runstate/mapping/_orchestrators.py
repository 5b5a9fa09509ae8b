"""
Runs of orchestrators, queues and platforms as runs of OpenAI.

Each row says what in the system's own pages it rests on; that the two then mean the
same, no source says: where its words leave a doubt, the row is inferred.
"""

from typing import Final

from ..presets import PRESETS
from ..runs._run import RUN
from ._map import StatusMap
from ._map_rows import Becomes, Excepted

__all__ = [
    "CELERY_TO_RUN",
    "DAGSTER_RUN_TO_RUN",
    "KUBERNETES_JOB_TO_RUN",
    "PREFECT_FLOW_RUN_TO_RUN",
    "TEMPORAL_WORKFLOW_TO_RUN",
]

_STATES = "Prefect docs/v3/concepts/states.mdx"

PREFECT_FLOW_RUN_TO_RUN: Final = StatusMap(
    "prefect-flow-run-to-run",
    PRESETS["prefect-flow-run"],
    RUN,
    (
        Becomes("SCHEDULED", "queued", "inferred", _STATES),
        Becomes(
            "PENDING", "queued", "inferred", _STATES,
            lost="that it was submitted, and waits for what it needs to begin",
        ),
        Becomes("RUNNING", "in_progress", "inferred", _STATES),
        Becomes(
            "PAUSED", "requires_action", "inferred", f"{_STATES}: until it is resumed by hand",
            lost="that it waits for a hand or a time, not for outputs of tools",
        ),
        Becomes("CANCELLING", "cancelling", "inferred", _STATES),
        Becomes("COMPLETED", "completed", "inferred", _STATES),
        Becomes("FAILED", "failed", "inferred", _STATES),
        Becomes("CANCELLED", "cancelled", "inferred", _STATES),
        Becomes(
            "CRASHED", "failed", "inferred", _STATES,
            lost="that its infrastructure failed, and not its code",
        ),
    ),
    # It is resumed and retried without being queued, and may be cancelled at once.
    observed="polled",
)  # fmt: skip
"""
A flow run of Prefect 3 as a run.
"""

_RUN = "dagster _core/storage/dagster_run.py"
_AT_ONCE = "marked as canceled at once, without a word of the cancel that was asked for"

DAGSTER_RUN_TO_RUN: Final = StatusMap(
    "dagster-run-to-run",
    PRESETS["dagster-run"],
    RUN,
    (
        Becomes(
            "NOT_STARTED", "queued", "inferred", _RUN,
            lost="that nobody has taken it up yet",
        ),
        Becomes("QUEUED", "queued", "inferred", _RUN),
        Becomes(
            "STARTING", "queued", "inferred", _RUN,
            lost="that it was launched, and its process is not up yet",
        ),
        Becomes("STARTED", "in_progress", "inferred", _RUN),
        Becomes("CANCELING", "cancelling", "inferred", _RUN),
        Becomes("SUCCESS", "completed", "inferred", _RUN),
        Becomes("FAILURE", "failed", "inferred", _RUN),
        Becomes("CANCELED", "cancelled", "inferred", _RUN),
    ),
    exceptions=(
        *(
            Excepted(status, "CANCELED", _AT_ONCE)
            for status in ("NOT_STARTED", "QUEUED", "STARTING", "STARTED")
        ),
        Excepted(None, "STARTED", "a job executed in its own process is never queued"),
    ),
)  # fmt: skip
"""
A run of Dagster as a run.
"""

_GUIDE = "Celery docs/userguide/tasks.rst"
_CELERY = "celery/states.py"

CELERY_TO_RUN: Final = StatusMap(
    "celery-to-run",
    PRESETS["celery"],
    RUN,
    (
        Becomes(
            "PENDING", "queued", "inferred", f"{_GUIDE}: waiting, or unknown",
            lost="that it may also be a task that nobody knows",
        ),
        Becomes(
            "RECEIVED", "queued", "inferred", _CELERY, lost="that a worker has received it"
        ),
        Becomes("STARTED", "in_progress", "inferred", _GUIDE),
        Becomes(
            "RETRY", "queued", "inferred", f"{_GUIDE}: RETRY",
            lost="that it was tried before, and failed",
        ),
        Becomes(
            "REJECTED", None, "inferred", f"{_GUIDE}: Reject, to requeue it or to a dead letter",
            lost="that a worker gave it back; one that went to a dead letter seems to go on",
        ),
        Becomes("SUCCESS", "completed", "inferred", _GUIDE),
        Becomes("FAILURE", "failed", "inferred", _GUIDE),
        Becomes("REVOKED", "cancelled", "inferred", _GUIDE),
    ),
    # A start is not told by default, a retry queues it again, and a revocation is at once.
    observed="polled",
    exceptions=tuple(
        Excepted(None, status, f"{_GUIDE}: no backend stores PENDING, so a later status comes first")
        for status in ("STARTED", "SUCCESS", "FAILURE", "REVOKED")
    ),
)  # fmt: skip
"""
A task of Celery as a run.
"""

_JOB = "Kubernetes docs, Jobs"
_JOB_ENDS = f"{_JOB}, Terminal Job conditions"

KUBERNETES_JOB_TO_RUN: Final = StatusMap(
    "kubernetes-job-to-run",
    PRESETS["kubernetes-job"],
    RUN,
    (
        Becomes("Running", "in_progress", "inferred", _JOB),
        Becomes(
            "Suspended", "queued", "inferred", f"{_JOB}, Suspending a Job: its Pods are gone",
            lost="that a hand or a queue holds it back",
        ),
        Becomes(
            "SuccessCriteriaMet", "in_progress", "inferred", _JOB_ENDS,
            lost="that its success is certain",
        ),
        Becomes(
            "FailureTarget", "in_progress", "inferred", _JOB_ENDS,
            lost="that its failure is certain",
        ),
        Becomes("Complete", "completed", "inferred", _JOB_ENDS),
        Becomes(
            "Failed", "failed", "inferred", f"{_JOB_ENDS}: the reason may be DeadlineExceeded",
            lost="whether it ran out of time, which a run calls expired",
        ),
    ),
    exceptions=(
        Excepted(None, "Running", "a Job has no status before its Pods: it begins in progress"),
    ),
    # A Job that is suspended stops, and is no status between.
    observed="polled",
)  # fmt: skip
"""
A Job of Kubernetes as a run.
"""

_ENUMS = "temporalio/api enums/v1/workflow.proto"
_STATUS = "WORKFLOW_EXECUTION_STATUS_"

TEMPORAL_WORKFLOW_TO_RUN: Final = StatusMap(
    "temporal-workflow-to-run",
    PRESETS["temporal-workflow"],
    RUN,
    (
        Becomes(f"{_STATUS}RUNNING", "in_progress", "inferred", _ENUMS),
        Becomes(
            f"{_STATUS}PAUSED", None, "inferred", _ENUMS,
            lost="that somebody holds it back, which no status of a run says",
        ),
        Becomes(f"{_STATUS}COMPLETED", "completed", "inferred", _ENUMS),
        Becomes(f"{_STATUS}FAILED", "failed", "inferred", _ENUMS),
        Becomes(f"{_STATUS}CANCELED", "cancelled", "inferred", _ENUMS),
        Becomes(
            f"{_STATUS}TERMINATED", "cancelled", "inferred", _ENUMS,
            lost="that it was ended without being asked to end",
        ),
        Becomes(
            f"{_STATUS}CONTINUED_AS_NEW", "completed", "inferred", _ENUMS,
            lost="that another execution goes on with its work",
        ),
        Becomes(f"{_STATUS}TIMED_OUT", "expired", "inferred", _ENUMS),
    ),
    exceptions=(
        Excepted(
            None, f"{_STATUS}RUNNING", "a workflow is never queued: it begins in progress"
        ),
    ),
    # A cancel that was asked for is an event there, and no status.
    observed="polled",
)  # fmt: skip
"""
An execution of a Temporal workflow as a run.
"""
