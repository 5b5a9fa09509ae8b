"""
Jobs of queues: Celery, River, Oban.

Sources, by short name:

* *tasks guide*: celery/celery, ``docs/userguide/tasks.rst``; *states*: ``celery/states.py``
* *river types*: riverqueue/river, ``rivertype/river_type.go``; *river sql*:
  ``riverdriver/riverpgxv5/internal/dbsqlc/river_job.sql``; *rescuer*:
  ``internal/maintenance/job_rescuer.go``
* *job lifecycle*: oban-bg/oban, https://hexdocs.pm/oban/job_lifecycle.html; *engine*:
  ``lib/oban/engines/basic.ex``

River and Oban let a hand retry a job that has ended. Here that is a new job; a check
tells it as something after the end, as it does a rescuer or a stale executor that
overwrites one (river#1302, oban#1496).
"""

from dataclasses import replace
from typing import Final

from ..lifecycle._rows import Deviation, Entry, Transition
from ..lifecycle._table import Lifecycle

__all__ = [
    "CELERY",
    "CELERY_STRICT",
    "OBAN_JOB",
    "RIVER_JOB",
]

# -- Celery ---------------------------------------------------------------------------

_GUIDE = "Celery docs/userguide/tasks.rst"
_STATES = "celery/states.py"
_UNTRACKED = f"{_GUIDE}: STARTED is not reported by default"
_REVOKE = "Celery docs/userguide/workers.rst: revoke"

CELERY: Final = Lifecycle(
    name="celery",
    transitions=(
        Transition("receive", "PENDING", "RECEIVED", "documented", f"{_STATES}: in events"),
        Transition("start", "PENDING", "STARTED", "documented", f"{_GUIDE}: STARTED"),
        Transition("succeed", "PENDING", "SUCCESS", "documented", _UNTRACKED),
        Transition("fail", "PENDING", "FAILURE", "documented", _UNTRACKED),
        Transition("retry", "PENDING", "RETRY", "documented", _UNTRACKED),
        Transition("revoke", "PENDING", "REVOKED", "documented", _REVOKE),
        Transition("start", "RECEIVED", "STARTED", "documented", f"{_STATES}; {_GUIDE}"),
        Transition(
            "reject", "RECEIVED", "REJECTED", "implemented",
            "celery/worker/request.py: a message that cannot be worked is rejected",
        ),
        Transition("revoke", "RECEIVED", "REVOKED", "documented", _REVOKE),
        Transition("succeed", "STARTED", "SUCCESS", "documented", _GUIDE),
        Transition("fail", "STARTED", "FAILURE", "documented", _GUIDE),
        Transition("retry", "STARTED", "RETRY", "documented", _GUIDE),
        Transition("reject", "STARTED", "REJECTED", "documented", f"{_GUIDE}: Reject"),
        Transition("revoke", "STARTED", "REVOKED", "documented", f"{_REVOKE}, with terminate"),
        Transition(
            "redeliver", "STARTED", "RECEIVED", "documented",
            f"{_GUIDE}: with acks_late, executed again should the worker crash",
        ),
        Transition("receive", "RETRY", "RECEIVED", "documented", f"{_STATES}: in events"),
        Transition("start", "RETRY", "STARTED", "documented", f"{_GUIDE}: RETRY"),
        Transition("succeed", "RETRY", "SUCCESS", "documented", _UNTRACKED),
        Transition("fail", "RETRY", "FAILURE", "documented", _UNTRACKED),
        Transition("revoke", "RETRY", "REVOKED", "documented", _REVOKE),
        Transition(
            "receive", "REJECTED", "RECEIVED", "documented", f"{_GUIDE}: Reject may requeue"
        ),
    ),
    # No backend stores PENDING, and STARTED is not reported by default: the first record is any
    # status that a waiting task goes to.
    initial=("PENDING", "RECEIVED", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"),
    terminal={"SUCCESS": "success", "FAILURE": "failure", "REVOKED": "cancelled"},
    entries=tuple(Entry(end, stamps=("date_done",)) for end in ("SUCCESS", "FAILURE", "REVOKED")),
    deviations=(
        Deviation(
            "RS202", "date_done", None, "implemented",
            "celery/backends/cassandra.py stamps every status, unlike backends/base.py",
        ),
    ),
    id_field="task_id",
)  # fmt: skip
"""
The lifecycle of a Celery task, in its result backend as in its events.

``PENDING`` is also what is said of a task that nobody knows. What an ``Ignore`` leaves
behind is no status at all, and a dead-lettered task stays ``REJECTED``.
"""

CELERY_STRICT: Final = replace(CELERY, initial_statuses=("PENDING", "RECEIVED")).without(
    triggers=("redeliver",),
    rows=(
        *(
            (trigger, source)
            for source in ("PENDING", "RETRY")
            for trigger in ("start", "succeed", "fail")
        ),
        ("retry", "PENDING"),
    ),
    name="celery-strict",
)
"""
The same where every change is reported: all events, and each task delivered once.

Its first event is ``task-received``, unless ``task_send_sent_event`` is on.
"""

# -- River ----------------------------------------------------------------------------

_TYPES = "River rivertype/river_type.go"
_SQL = "River dbsqlc/river_job.sql"
_SOON = f"{_TYPES}: one that is due very soon is made available at once"
_RESCUE = "River internal/maintenance/job_rescuer.go"
_UNIQUE = f"{_SQL}: JobSchedule discards the duplicate of a unique job"

RIVER_JOB: Final = Lifecycle(
    name="river-job",
    transitions=(
        Transition("fetch", "available", "running", "documented", f"{_TYPES}; {_SQL}"),
        Transition("cancel", "available", "cancelled", "implemented", f"{_SQL}: JobCancel"),
        Transition("complete", "running", "completed", "documented", _TYPES),
        Transition("error", "running", "retryable", "documented", _TYPES),
        Transition("error_soon", "running", "available", "documented", _SOON),
        Transition("snooze", "running", "scheduled", "documented", f"{_TYPES}: ScheduledAt"),
        Transition("discard", "running", "discarded", "documented", _TYPES),
        Transition(
            "cancel", "running", "cancelled", "implemented",
            f"{_SQL}: JobSetStateIfRunningMany, after cancel_attempted_at",
        ),
        Transition("rescue", "running", "retryable", "implemented", _RESCUE),
        Transition("schedule", "scheduled", "available", "documented", _TYPES),
        Transition("retry", "scheduled", "available", "implemented", f"{_SQL}: JobRetry"),
        Transition("cancel", "scheduled", "cancelled", "implemented", f"{_SQL}: JobCancel"),
        Transition("discard", "scheduled", "discarded", "implemented", _UNIQUE),
        Transition("schedule", "retryable", "available", "documented", _TYPES),
        Transition("retry", "retryable", "available", "implemented", f"{_SQL}: JobRetry"),
        Transition("cancel", "retryable", "cancelled", "implemented", f"{_SQL}: JobCancel"),
        Transition("discard", "retryable", "discarded", "implemented", _UNIQUE),
        Transition("retry", "pending", "available", "implemented", f"{_SQL}: JobRetry"),
        Transition("cancel", "pending", "cancelled", "implemented", f"{_SQL}: JobCancel"),
    ),
    # InsertOpts: ScheduledAt inserts it scheduled, Pending inserts it pending.
    initial=("available", "scheduled", "pending"),
    terminal={"completed": "success", "cancelled": "cancelled", "discarded": "failure"},
    entries=(
        Entry("running", stamps=("attempted_at",)),
        # CHECK (finalized_at IS NOT NULL) = (state is one of these): finalized_or_finalized_at_null.
        Entry("completed", stamps=("finalized_at",)),
        Entry("cancelled", stamps=("finalized_at",)),
        Entry("discarded", stamps=("finalized_at",)),
    ),
    created=("created_at",),
    identity=("kind",),
    status_field="state",
)  # fmt: skip
"""
The lifecycle of a River job, which begins available, scheduled for later, or pending.
"""

# -- Oban -----------------------------------------------------------------------------

_LIFECYCLE = "hexdocs.pm/oban/job_lifecycle.html"
_ENGINE = "Oban lib/oban/engines/basic.ex"
_CANCEL = f"{_ENGINE}: cancel_job, of any that has not ended"
_RETRY = f"{_ENGINE}: retry_job"
_LIFELINE = "hexdocs.pm/oban/Oban.Plugins.Lifeline.html"

OBAN_JOB: Final = Lifecycle(
    name="oban-job",
    transitions=(
        Transition("fetch", "available", "executing", "documented", _LIFECYCLE),
        Transition("cancel", "available", "cancelled", "implemented", _CANCEL),
        Transition("complete", "executing", "completed", "documented", _LIFECYCLE),
        Transition("error", "executing", "retryable", "documented", _LIFECYCLE),
        Transition("snooze", "executing", "scheduled", "implemented", f"{_ENGINE}: snooze_job"),
        Transition("discard", "executing", "discarded", "documented", _LIFECYCLE),
        Transition("cancel", "executing", "cancelled", "documented", f"{_LIFECYCLE}; {_CANCEL}"),
        Transition("rescue", "executing", "available", "documented", _LIFELINE),
        Transition("stage", "scheduled", "available", "documented", _LIFECYCLE),
        Transition("retry", "scheduled", "available", "implemented", _RETRY),
        Transition("cancel", "scheduled", "cancelled", "implemented", _CANCEL),
        Transition("stage", "retryable", "available", "documented", _LIFECYCLE),
        Transition("retry", "retryable", "available", "implemented", _RETRY),
        Transition("cancel", "retryable", "cancelled", "implemented", _CANCEL),
        Transition(
            "resume", "suspended", "available", "documented",
            "Oban.Job, states: held until it is resumed",
        ),
        Transition("cancel", "suspended", "cancelled", "implemented", _CANCEL),
    ),
    # schedule_in inserts it scheduled; a workflow inserts it suspended.
    initial=("available", "scheduled", "suspended"),
    terminal={"completed": "success", "discarded": "failure", "cancelled": "cancelled"},
    entries=(
        Entry("executing", stamps=("attempted_at",)),
        Entry("completed", stamps=("completed_at",)),
        Entry("discarded", stamps=("discarded_at",)),
        Entry("cancelled", stamps=("cancelled_at",)),
    ),
    created=("inserted_at",),
    identity=("worker",),
    status_field="state",
)  # fmt: skip
"""
The lifecycle of an Oban job, which begins available, scheduled for later, or suspended.
"""
