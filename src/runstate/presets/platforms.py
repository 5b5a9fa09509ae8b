"""
Runs of platforms: a Temporal workflow, a Kubernetes Job.

Sources, by short name:

* *mutable state*: temporalio/temporal,
  ``service/history/workflow/mutable_state_state_status.go``; *enums*: temporalio/api,
  ``temporal/api/enums/v1/workflow.proto``
* *job page*: kubernetes/website, ``content/en/docs/concepts/workloads/controllers/job.md``;
  *JobStatus*: the API reference of batch/v1
"""

from typing import Final

from ..lifecycle._rows import Entry, Outcome, Transition
from ..lifecycle._table import Lifecycle

__all__ = [
    "KUBERNETES_JOB",
    "KUBERNETES_JOB_STRICT",
    "TEMPORAL_WORKFLOW",
    "TEMPORAL_WORKFLOW_STRICT",
]

# -- Temporal -------------------------------------------------------------------------

_ENUMS = "temporalio/api enums/v1/workflow.proto"
_MUTABLE = "temporal service/history/workflow/mutable_state_state_status.go"
_CLOSED = f"{_ENUMS}; {_MUTABLE}"
_RUNNING, _PAUSED = "WORKFLOW_EXECUTION_STATUS_RUNNING", "WORKFLOW_EXECUTION_STATUS_PAUSED"

_CLOSES: Final[dict[str, tuple[str, Outcome]]] = {
    "complete": ("WORKFLOW_EXECUTION_STATUS_COMPLETED", "success"),
    "fail": ("WORKFLOW_EXECUTION_STATUS_FAILED", "failure"),
    "cancel": ("WORKFLOW_EXECUTION_STATUS_CANCELED", "cancelled"),
    "terminate": ("WORKFLOW_EXECUTION_STATUS_TERMINATED", "cancelled"),
    # It closes, and another takes its work over.
    "continue_as_new": ("WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW", "success"),
    "time_out": ("WORKFLOW_EXECUTION_STATUS_TIMED_OUT", "timeout"),
}
"""How an execution closes: by which trigger, in which status, and what that means."""

TEMPORAL_WORKFLOW: Final = Lifecycle(
    name="temporal-workflow",
    transitions=(
        *(
            Transition(trigger, _RUNNING, status, "documented", _CLOSED)
            for trigger, (status, _) in _CLOSES.items()
        ),
        Transition("pause", _RUNNING, _PAUSED, "implemented", _MUTABLE),
        Transition("unpause", _PAUSED, _RUNNING, "implemented", _MUTABLE),
        *(
            Transition(
                trigger, _PAUSED, status, "implemented", f"{_MUTABLE}: a paused one may close so"
            )
            for trigger, (status, _) in _CLOSES.items()
        ),
    ),
    initial=_RUNNING,
    terminal=dict(_CLOSES.values()),
    entries=tuple(Entry(status, stamps=("closeTime",)) for status, _ in _CLOSES.values()),
    created=("startTime",),
    identity=("workflowId", "type"),
    id_field="runId",
)
"""
The lifecycle of a Temporal workflow execution, spelled as its JSON is.

A cancel that was asked for is an event, and no status: it stays running.
"""

TEMPORAL_WORKFLOW_STRICT: Final = TEMPORAL_WORKFLOW.without(
    statuses=(_PAUSED,), name="temporal-workflow-strict"
)
"""
The same of servers and clients that do not know a paused workflow.
"""

# -- Kubernetes -----------------------------------------------------------------------

_JOB = "Kubernetes docs, Jobs"
_TERMINAL = f"{_JOB}, Terminal Job conditions"
_BEFORE_1_31 = f"{_TERMINAL}: v1.30 and earlier add the condition at once"
_STATUS = "Kubernetes API reference, batch/v1 JobStatus"

KUBERNETES_JOB: Final = Lifecycle(
    name="kubernetes-job",
    transitions=(
        Transition("suspend", "Running", "Suspended", "documented", f"{_JOB}, Suspending a Job"),
        Transition(
            "meet_success_criteria", "Running", "SuccessCriteriaMet", "documented", _TERMINAL
        ),
        Transition("target_failure", "Running", "FailureTarget", "documented", _TERMINAL),
        Transition("complete", "Running", "Complete", "documented", _BEFORE_1_31),
        Transition("fail", "Running", "Failed", "documented", _BEFORE_1_31),
        Transition("resume", "Suspended", "Running", "documented", f"{_JOB}, Suspending a Job"),
        Transition("complete", "SuccessCriteriaMet", "Complete", "documented", _TERMINAL),
        Transition("fail", "FailureTarget", "Failed", "documented", _TERMINAL),
    ),
    # With spec.suspend a Job is created suspended, as those of a queue are.
    initial=("Running", "Suspended"),
    terminal={"Complete": "success", "Failed": "failure"},
    entries=(
        # Reset by every resume, and removed by a suspension alone.
        Entry("Running", stamps=("startTime",)),
        Entry("Suspended", clears=("startTime",)),
        # Set where it finishes successfully, and only then.
        Entry("Complete", stamps=("completionTime",)),
    ),
    created=("creationTimestamp",),
    id_field="uid",
)
"""
The lifecycle of a Kubernetes Job, in the conditions that it has, the last one first.

A Job has no status but conditions; one that has none of them is ``Running``, as
``kubectl get jobs`` prints it.
"""

KUBERNETES_JOB_STRICT: Final = KUBERNETES_JOB.without(
    rows=(("complete", "Running"), ("fail", "Running")), name="kubernetes-job-strict"
)
"""
The same from v1.31 on, where every end is announced by the condition before it.
"""
