"""
Runs of data orchestrators: Prefect 3, Dagster, Airflow 3.

Sources, by short name:

* *states page*: PrefectHQ/prefect, ``docs/v3/concepts/states.mdx``; *core policy*:
  ``src/prefect/server/orchestration/core_policy.py``; *global policy*, beside it
* *dagster run*: dagster-io/dagster, ``dagster/_core/storage/dagster_run.py``; *event
  map*: ``dagster/_core/events/__init__.py``, EVENT_TYPE_TO_PIPELINE_RUN_STATUS;
  *monitoring*: ``dagster/_daemon/monitoring/run_monitoring.py``
* *tasks page*: apache/airflow, ``airflow-core/docs/core-concepts/tasks.rst``; *lifecycle
  diagram*: ``airflow-core/docs/img/diagram_task_lifecycle.py``

All three let a hand take a run out of its end: a retry in Prefect's interface, a clear
in Airflow's. Here that is a new run; a check tells it as something after the end. In
Dagster nothing hinders a late worker either (dagster#34175).
"""

from typing import Final

from ..lifecycle._rows import Deviation, Entry, Transition
from ..lifecycle._table import Lifecycle

__all__ = [
    "AIRFLOW_TASK_INSTANCE",
    "AIRFLOW_TASK_INSTANCE_3_0",
    "DAGSTER_RUN",
    "PREFECT_FLOW_RUN",
]

# -- Prefect --------------------------------------------------------------------------

_STATES = "Prefect docs/v3/concepts/states.mdx"
_POLICY = "Prefect server/orchestration/core_policy.py"
_NO_RULE = f"{_POLICY}: no rule refuses it"
_LEAVE_PAUSE = f"{_POLICY}: HandleResumingPausedFlows lets it run, be scheduled, or end"
_NO_INFRA = f"{_POLICY}: BypassCancellingFlowRunsWithNoInfra"

PREFECT_FLOW_RUN: Final = Lifecycle(
    name="prefect-flow-run",
    transitions=(
        Transition("submit", "SCHEDULED", "PENDING", "documented", _STATES),
        Transition(
            "start", "SCHEDULED", "RUNNING", "documented", f"{_STATES}: AwaitingRetry to Retrying"
        ),
        Transition(
            "request_cancel", "SCHEDULED", "CANCELLING", "implemented",
            f"{_NO_INFRA} holds it back only without infrastructure",
        ),
        Transition("cancel", "SCHEDULED", "CANCELLED", "documented", f"{_STATES}; {_NO_INFRA}"),
        Transition("start", "PENDING", "RUNNING", "documented", _STATES),
        Transition("crash", "PENDING", "CRASHED", "documented", _STATES),
        Transition(
            "fail", "PENDING", "FAILED", "implemented",
            f"{_NO_RULE}; a flow whose parameters do not fit fails before it runs",
        ),
        Transition("request_cancel", "PENDING", "CANCELLING", "implemented", _NO_RULE),
        Transition(
            "cancel", "PENDING", "CANCELLED", "implemented",
            f"{_POLICY}: ValidateDeploymentConcurrencyAtRunning",
        ),
        Transition("complete", "RUNNING", "COMPLETED", "documented", _STATES),
        Transition("fail", "RUNNING", "FAILED", "documented", _STATES),
        Transition("crash", "RUNNING", "CRASHED", "documented", _STATES),
        Transition("pause", "RUNNING", "PAUSED", "documented", _STATES),
        Transition(
            "retry", "RUNNING", "SCHEDULED", "documented",
            f"{_STATES}: AwaitingRetry; {_POLICY}: RetryFailedFlows",
        ),
        Transition("request_cancel", "RUNNING", "CANCELLING", "documented", _STATES),
        Transition("cancel", "RUNNING", "CANCELLED", "implemented", _NO_RULE),
        Transition("resume", "PAUSED", "RUNNING", "documented", _STATES),
        Transition(
            "reschedule", "PAUSED", "SCHEDULED", "documented", f"{_STATES}: Resuming; {_LEAVE_PAUSE}"
        ),
        Transition(
            "time_out", "PAUSED", "FAILED", "implemented",
            f"{_POLICY}: HandleResumingPausedFlows, past the pause's timeout",
        ),
        Transition("crash", "PAUSED", "CRASHED", "implemented", _LEAVE_PAUSE),
        Transition("complete", "PAUSED", "COMPLETED", "implemented", _LEAVE_PAUSE),
        Transition(
            "request_cancel", "PAUSED", "CANCELLING", "reported",
            "prefect PR #23039; before it, HandleResumingPausedFlows refuses",
        ),
        Transition("cancel", "PAUSED", "CANCELLED", "implemented", _NO_INFRA),
        Transition(
            "confirm_cancel", "CANCELLING", "CANCELLED", "documented",
            f"{_STATES}; {_POLICY}: EnforceCancellingToCancelledTransition",
        ),
    ),
    # A flow that is called rather than scheduled begins PENDING.
    initial=("SCHEDULED", "PENDING"),
    terminal={
        "COMPLETED": "success",
        "FAILED": "failure",
        "CANCELLED": "cancelled",
        "CRASHED": "error",
    },
    entries=(
        # The first entry alone sets it there; a table can say only every entry.
        Entry("RUNNING", stamps=("start_time",)),
        *(
            Entry(end, stamps=("end_time",))
            for end in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
        ),
    ),
    created=("created",),
    identity=("flow_id",),
    deviations=(
        Deviation(
            "RS201", "end_time", frozenset({"FAILED", "CANCELLED", "CRASHED"}), "implemented",
            "Prefect global_policy.py: SetEndTime stamps only a run that has a start_time",
        ),
    ),
    status_field="state_type",
)  # fmt: skip
"""
The lifecycle of a Prefect 3 flow run, in the types of its states.

The names within a type (``Late``, ``AwaitingRetry``) are not statuses here.
"""

# -- Dagster --------------------------------------------------------------------------

_RUN = "dagster _core/storage/dagster_run.py"
_EVENTS = "dagster _core/events/__init__.py"
_MONITORING = "dagster _daemon/monitoring/run_monitoring.py"
_QUEUE = "dagster _core/run_coordinator/queued_run_coordinator.py"
_FORCE = "dagster-graphql implementation/execution/__init__.py: MARK_AS_CANCELED_IMMEDIATELY"
_START_TIMEOUT = f"{_MONITORING}: monitor_starting_run"

DAGSTER_RUN: Final = Lifecycle(
    name="dagster-run",
    transitions=(
        Transition(
            "enqueue", "NOT_STARTED", "QUEUED", "documented", f"{_RUN}; {_QUEUE}: RUN_ENQUEUED"
        ),
        Transition(
            "launch", "NOT_STARTED", "STARTING", "documented",
            "docs.dagster.io, Run coordinators: DefaultRunCoordinator launches at once",
        ),
        Transition(
            "start", "NOT_STARTED", "STARTED", "implemented",
            "a job executed in its own process is never launched: RUN_START comes first",
        ),
        Transition("fail", "NOT_STARTED", "FAILURE", "implemented", _START_TIMEOUT),
        Transition("force_cancel", "NOT_STARTED", "CANCELED", "implemented", _FORCE),
        Transition(
            "launch", "QUEUED", "STARTING", "documented",
            "docs.dagster.io, Run coordinators: the daemon launches what is queued",
        ),
        Transition(
            "fail", "QUEUED", "FAILURE", "inferred",
            "a run that the daemon cannot dequeue; no source read says how it ends",
        ),
        Transition(
            "request_cancel", "QUEUED", "CANCELING", "implemented",
            f"{_QUEUE}: cancel_run reports canceling, then canceled",
        ),
        Transition("force_cancel", "QUEUED", "CANCELED", "implemented", _FORCE),
        Transition("start", "STARTING", "STARTED", "documented", f"{_RUN}; {_EVENTS}: RUN_START"),
        Transition(
            "fail", "STARTING", "FAILURE", "documented",
            "Dagster docs/guides/deploy/execution/run-monitoring.md: start timeouts",
        ),
        Transition(
            "request_cancel", "STARTING", "CANCELING", "inferred",
            f"{_RUN} leaves it out of CANCELABLE_RUN_STATUSES; a launcher may do it",
        ),
        Transition("force_cancel", "STARTING", "CANCELED", "implemented", _FORCE),
        Transition("succeed", "STARTED", "SUCCESS", "documented", f"{_RUN}; {_EVENTS}"),
        Transition("fail", "STARTED", "FAILURE", "documented", f"{_RUN}; {_EVENTS}"),
        Transition(
            "request_cancel", "STARTED", "CANCELING", "documented",
            f"{_RUN}: CANCELABLE_RUN_STATUSES",
        ),
        Transition("force_cancel", "STARTED", "CANCELED", "implemented", _FORCE),
        Transition("confirm_cancel", "CANCELING", "CANCELED", "documented", f"{_RUN}; {_EVENTS}"),
        Transition(
            "fail", "CANCELING", "FAILURE", "implemented",
            f"{_MONITORING}: check_run_timeout asks for the cancel, then fails the run",
        ),
        Transition(
            "succeed", "CANCELING", "SUCCESS", "inferred",
            "a worker that ends first; its storage refuses no event (dagster#34175)",
        ),
    ),
    initial="NOT_STARTED",
    terminal={"SUCCESS": "success", "FAILURE": "failure", "CANCELED": "cancelled"},
    entries=(
        Entry("STARTED", stamps=("start_time",)),
        *(Entry(end, stamps=("end_time",)) for end in ("SUCCESS", "FAILURE", "CANCELED")),
    ),
    created=("create_timestamp",),
    identity=("job_name",),
    id_field="run_id",
)  # fmt: skip
"""
The lifecycle of a Dagster run.

``MANAGED``, which is for runs outside of its control plane, has no move and is no row.
"""

# -- Airflow --------------------------------------------------------------------------

_TASKS = "Airflow docs/core-concepts/tasks.rst"
_DIAGRAM = "Airflow docs/img/diagram_task_lifecycle.py"
_EXECUTION_API = "Airflow execution_api/routes/task_instances.py"
_ADOPTED = "Airflow utils/state.py, adoptable_states: reset where its scheduler is gone"
_FROM_TRIGGER = "Airflow docs/authoring-and-scheduling/deferring.rst: a trigger may end its task"

AIRFLOW_TASK_INSTANCE: Final = Lifecycle(
    name="airflow-task-instance",
    transitions=(
        Transition("schedule", "none", "scheduled", "documented", f"{_TASKS}; {_DIAGRAM}"),
        Transition("skip", "none", "skipped", "documented", _DIAGRAM),
        Transition("fail_upstream", "none", "upstream_failed", "documented", _DIAGRAM),
        Transition("remove", "none", "removed", "documented", _DIAGRAM),
        Transition(
            "succeed", "none", "success", "implemented",
            "Airflow models/dagrun.py, schedule_tis: an EmptyOperator is never run",
        ),
        Transition("queue", "scheduled", "queued", "documented", f"{_TASKS}; {_DIAGRAM}"),
        Transition("start", "queued", "running", "documented", f"{_TASKS}; {_DIAGRAM}"),
        Transition("defer", "queued", "deferred", "documented", f"{_DIAGRAM}: a triggerer task"),
        Transition(
            "requeue", "queued", "scheduled", "implemented",
            "Airflow jobs/scheduler_job_runner.py: tasks stuck in queued",
        ),
        Transition(
            "fail", "queued", "failed", "reported",
            "airflow#10790: finished (failed) although the task says it is queued",
        ),
        Transition("reset", "queued", "none", "implemented", _ADOPTED),
        Transition("succeed", "running", "success", "documented", f"{_TASKS}; {_DIAGRAM}"),
        Transition("fail", "running", "failed", "documented", f"{_TASKS}; {_DIAGRAM}"),
        Transition("skip", "running", "skipped", "documented", f"{_DIAGRAM}: a skip signal"),
        Transition("retry", "running", "up_for_retry", "documented", f"{_TASKS}; {_DIAGRAM}"),
        Transition("reschedule", "running", "up_for_reschedule", "documented", _DIAGRAM),
        Transition("defer", "running", "deferred", "documented", f"{_TASKS}; {_DIAGRAM}"),
        Transition("await_input", "running", "awaiting_input", "documented", _DIAGRAM),
        Transition("clear", "running", "restarting", "documented", f"{_TASKS}; {_DIAGRAM}"),
        Transition(
            "respond", "running", "scheduled", "implemented",
            f"{_EXECUTION_API}: the answer was there before the task was parked",
        ),
        Transition("reset", "running", "none", "implemented", _ADOPTED),
        Transition("schedule", "up_for_retry", "scheduled", "documented", f"{_TASKS}; {_DIAGRAM}"),
        Transition("schedule", "up_for_reschedule", "scheduled", "documented", _DIAGRAM),
        Transition("resume", "deferred", "scheduled", "documented", f"{_DIAGRAM}: trigger fires"),
        Transition("succeed", "deferred", "success", "documented", _FROM_TRIGGER),
        Transition("fail", "deferred", "failed", "documented", _FROM_TRIGGER),
        Transition("skip", "deferred", "skipped", "documented", _FROM_TRIGGER),
        Transition("respond", "awaiting_input", "scheduled", "documented", _DIAGRAM),
        Transition("restart", "restarting", "none", "documented", _DIAGRAM),
        Transition(
            "start", "restarting", "running", "implemented",
            f"{_EXECUTION_API}: starts from queued or restarting",
        ),
        Transition(
            "retry", "restarting", "up_for_retry", "implemented",
            "Airflow models/taskinstance.py: one that was cleared may always be retried",
        ),
    ),
    initial="none",
    terminal={
        "success": "success",
        "failed": "failure",
        # Airflow counts it among its success_states, and upstream_failed among failed_states.
        "skipped": "success",
        "upstream_failed": "failure",
        "removed": "cancelled",
    },
    entries=(
        Entry("scheduled", stamps=("scheduled_dttm",)),
        Entry("queued", stamps=("queued_dttm",)),
        Entry("running", stamps=("start_date",)),
        Entry("up_for_retry", stamps=("end_date",)),
        Entry("success", stamps=("end_date",)),
        Entry("failed", stamps=("end_date",)),
        Entry("skipped", stamps=("end_date",)),
        Entry("upstream_failed", stamps=("end_date",)),
    ),
    identity=("dag_id", "task_id", "run_id"),
    deviations=(
        Deviation(
            "RS201", "end_date", frozenset({"failed", "skipped", "upstream_failed"}), "inferred",
            "no source says that a task which never ran is stamped",
        ),
    ),
    status_field="state",
)  # fmt: skip
"""
The lifecycle of an Airflow 3 task instance.

What the API sends as null is spelled ``none``, as its pages do.
"""

AIRFLOW_TASK_INSTANCE_3_0: Final = AIRFLOW_TASK_INSTANCE.without(
    statuses=("awaiting_input",), triggers=("respond",), name="airflow-task-instance-3.0"
)
"""
The same before a task could wait for a human's answer.
"""
