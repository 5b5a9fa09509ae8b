"""
Runs as events tell them: the OpenLineage run cycle, a CDEvents pipeline run.

Sources, by short name:

* *run cycle*: OpenLineage/OpenLineage, ``website/docs/spec/run-cycle.md``, and the
  description of ``eventType`` in ``spec/OpenLineage.json``
* *core*: cdevents/spec, ``core.md``
"""

from dataclasses import replace
from typing import Final

from ..lifecycle._rows import Outcome, Transition
from ..lifecycle._table import Lifecycle

__all__ = ["CDEVENTS_PIPELINERUN", "OPENLINEAGE_RUN", "OPENLINEAGE_RUN_STRICT"]

# -- OpenLineage ----------------------------------------------------------------------

_CYCLE = "OpenLineage website/docs/spec/run-cycle.md"
_ANYTIME = f"{_CYCLE}: OTHER may be sent at any time before the end"
_ENDS: Final[dict[str, tuple[str, Outcome]]] = {
    "complete": ("COMPLETE", "success"),
    "fail": ("FAIL", "failure"),
    "abort": ("ABORT", "cancelled"),
}

_ROWS: Final = (
    Transition("start", "OTHER", "START", "documented", f"{_CYCLE}: also before START"),
    Transition("run", "START", "RUNNING", "documented", _CYCLE),
    Transition("tell", "START", "OTHER", "documented", _ANYTIME),
    *(
        Transition(trigger, source, end, "documented", _CYCLE)
        for source in ("START", "RUNNING", "OTHER")
        for trigger, (end, _) in _ENDS.items()
    ),
    Transition("tell", "RUNNING", "OTHER", "documented", _ANYTIME),
    Transition("run", "OTHER", "RUNNING", "documented", _ANYTIME),
)

OPENLINEAGE_RUN: Final = Lifecycle(
    name="openlineage-run",
    transitions=_ROWS,
    initial=("START", "OTHER"),
    terminal=dict(_ENDS.values()),
    identity=("job",),
    status_field="eventType",
    id_field="runId",
)
"""
The run cycle of OpenLineage: the type of the last event is the status.

One START, and one end. OTHER may also come before START, such as while a run waits; a second
START after an OTHER is therefore not found. A job without an end, a stream or a service, is not meant. The
id is in an object of its own: ``--run-id run.runId``.
"""

OPENLINEAGE_RUN_STRICT: Final = replace(OPENLINEAGE_RUN, initial_statuses=("START",)).without(
    rows=(("start", "OTHER"),), name="openlineage-run-strict"
)
"""
The same of a producer that sends nothing before START: a second START is always found.
"""

# -- CDEvents -------------------------------------------------------------------------

_CORE = "cdevents/spec core.md, pipelineRun"
_OUTCOMES = f"{_CORE} finished, outcome"
_QUEUELESS = f"{_CORE} queued: whom it does not concern may leave it out"

CDEVENTS_PIPELINERUN: Final = Lifecycle(
    name="cdevents-pipelinerun",
    transitions=(
        Transition("start", "queued", "started", "documented", _CORE),
        Transition("cancel", "queued", "cancel", "inferred", "no source says what ends a queue"),
        Transition("error", "queued", "error", "inferred", "no source says what ends a queue"),
        Transition("succeed", "started", "success", "documented", _OUTCOMES),
        Transition("fail", "started", "failure", "documented", _OUTCOMES),
        Transition("error", "started", "error", "documented", _OUTCOMES),
        Transition("cancel", "started", "cancel", "documented", _OUTCOMES),
    ),
    # The event queued is optional.
    initial=("queued", "started"),
    terminal={
        "success": "success",
        "failure": "failure",
        "error": "error",
        "cancel": "cancelled",
    },
)
"""
The lifecycle of a CDEvents pipeline run: its predicate, and its outcome once finished.

``finished`` alone does not say how. Where nothing is queued, a run begins ``started``:
check such as polled.
"""
