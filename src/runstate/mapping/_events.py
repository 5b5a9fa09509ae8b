"""
A run as the standards of events tell it: OpenLineage, CDEvents.

Sources, by short name:

* *run cycle*: OpenLineage/OpenLineage, ``website/docs/spec/run-cycle.md``
* *core*: cdevents/spec, ``core.md``

The ends are those of :func:`runstate.telemetry.openlineage.openlineage_events`, which
makes up the START of a run that never started; a map of statuses cannot.
"""

from typing import Final

from ..presets import PRESETS
from ..runs._run import RUN
from ._map import StatusMap
from ._map_rows import Becomes, Excepted

__all__ = ["RUN_TO_CDEVENTS_PIPELINERUN", "RUN_TO_OPENLINEAGE_RUN"]

_CYCLE = "OpenLineage website/docs/spec/run-cycle.md"
_CORE = "cdevents/spec core.md, pipelineRun"
_OUTCOME = f"{_CORE} finished, outcome"
_UNCOMPARED = "no source compares the two"
_NO_START = "it ended, or its end was asked for, before it started: a START has to be made up"

RUN_TO_OPENLINEAGE_RUN: Final = StatusMap(
    "run-to-openlineage-run",
    RUN,
    PRESETS["openlineage-run"],
    (
        Becomes(
            "queued", None, "inferred", f"{_CYCLE}: START is the beginning of the run itself",
            lost="that it waits, and since when",
        ),
        Becomes("in_progress", "START", "inferred", _CYCLE),
        Becomes(
            "requires_action", "RUNNING", "inferred", _UNCOMPARED,
            lost="that it waits for outputs of tools",
        ),
        Becomes(
            "cancelling", "RUNNING", "inferred", _UNCOMPARED, lost="that a cancel was asked for"
        ),
        Becomes("cancelled", "ABORT", "inferred", f"{_CYCLE}: stopped abnormally"),
        Becomes("failed", "FAIL", "inferred", _CYCLE),
        Becomes("completed", "COMPLETE", "inferred", _CYCLE),
        Becomes(
            "incomplete", "COMPLETE", "inferred", _UNCOMPARED,
            lost="that it was stopped at a limit: it counts as complete",
        ),
        Becomes(
            "expired", "ABORT", "inferred", _UNCOMPARED,
            lost="that it ran out of time, and nobody stopped it",
        ),
    ),
    exceptions=(
        Excepted(None, "cancelling", _NO_START),
        Excepted(None, "failed", _NO_START),
        Excepted(None, "expired", _NO_START),
        Excepted(
            "requires_action", "in_progress",
            "a run has one START: when it goes on after a wait, that is a RUNNING",
        ),
    ),
)  # fmt: skip
"""
A run as a run of OpenLineage, by the type of its last event.
"""

RUN_TO_CDEVENTS_PIPELINERUN: Final = StatusMap(
    "run-to-cdevents-pipelinerun",
    RUN,
    PRESETS["cdevents-pipelinerun"],
    (
        Becomes("queued", "queued", "inferred", _CORE),
        Becomes("in_progress", "started", "inferred", _CORE),
        Becomes(
            "requires_action", "started", "inferred", _UNCOMPARED,
            lost="that it waits for outputs of tools",
        ),
        Becomes(
            "cancelling", None, "inferred", f"{_CORE} has no such predicate",
            lost="that a cancel was asked for",
        ),
        Becomes("cancelled", "cancel", "inferred", _OUTCOME),
        Becomes("failed", "failure", "inferred", _OUTCOME),
        Becomes("completed", "success", "inferred", _OUTCOME),
        Becomes(
            "incomplete", "success", "inferred", _UNCOMPARED,
            lost="that it was stopped at a limit: it counts as a success",
        ),
        Becomes(
            "expired", "error", "inferred", _UNCOMPARED,
            lost="that it ran out of time: it counts as an error of what runs it",
        ),
    ),
    exceptions=(
        Excepted(
            "requires_action", "queued",
            "with its outputs a run is queued again; what has started is queued no more",
        ),
    ),
    # What failed before it started has no started, as if that had been missed.
    observed="polled",
)  # fmt: skip
"""
A run as a pipeline run of CDEvents.
"""
