"""
Runs of agents elsewhere as runs of OpenAI: LangGraph, Azure, OpenAI's responses, A2A.

Sources, by short name:

* *aegra*: ibbybuilds/aegra, an open server of LangGraph's API, whose
  ``alembic/versions/20251115152415_migrate_run_status_to_langgraph_.py`` renames the
  statuses of OpenAI's kind that it had, and says of the way back that it is lossy
* *proto*: a2aproject/A2A, ``specification/a2a.proto`` of version 1.0

That names mean the same where no page compares them, is inferred.
"""

from typing import Final

from ..presets import PRESETS
from ..runs._run import RUN
from ._map import StatusMap
from ._map_rows import Becomes, Excepted

__all__ = [
    "A2A_TASK_TO_RUN",
    "AZURE_RUN_TO_RUN",
    "LANGGRAPH_RUN_TO_RUN",
    "RESPONSE_TO_RUN",
    "RUN_TO_A2A_TASK",
    "RUN_TO_LANGGRAPH_RUN",
]

_AEGRA = "aegra alembic/versions/20251115152415_migrate_run_status_to_langgraph_.py"
_SCHEMA = "langgraph_sdk/schema.py, RunStatus"
_PROTO = "A2A specification/a2a.proto, TaskState"
_UNCOMPARED = "no source compares the two"

LANGGRAPH_RUN_TO_RUN: Final = StatusMap(
    "langgraph-run-to-run",
    PRESETS["langgraph-run"],
    RUN,
    (
        Becomes("pending", "queued", "inferred", f"{_SCHEMA}: 'waiting to start'"),
        Becomes("running", "in_progress", "inferred", _UNCOMPARED),
        Becomes("success", "completed", "implemented", _AEGRA),
        Becomes("error", "failed", "implemented", _AEGRA),
        Becomes("timeout", "expired", "inferred", _UNCOMPARED),
        Becomes(
            "interrupted", "cancelled", "implemented", f"{_AEGRA}: 'a lossy operation'",
            lost="whether somebody cancelled it, or the graph stopped to be resumed by another run",
        ),
    ),
    # It has no cancelling and no requires_action: their moves are ways of several here.
    observed="polled",
)  # fmt: skip
"""
A run of LangGraph Platform as a run of OpenAI.
"""

RUN_TO_LANGGRAPH_RUN: Final = StatusMap(
    "run-to-langgraph-run",
    RUN,
    PRESETS["langgraph-run"],
    (
        Becomes("queued", "pending", "inferred", f"{_SCHEMA}: 'waiting to start'"),
        Becomes("in_progress", "running", "inferred", _UNCOMPARED),
        Becomes(
            "requires_action", None, "inferred", "a graph that waits has ended its run",
            lost="that it waits for outputs of tools",
        ),
        Becomes(
            "cancelling", None, "inferred", f"{_SCHEMA} has no such status",
            lost="that a cancel was asked for",
        ),
        Becomes("completed", "success", "implemented", _AEGRA),
        Becomes("failed", "error", "implemented", _AEGRA),
        Becomes("cancelled", "interrupted", "implemented", _AEGRA),
        Becomes(
            "incomplete", "success", "inferred", "as OpenLineage has it: an end with an output",
            lost="that it was stopped at a limit: it counts as a success",
        ),
        Becomes("expired", "timeout", "inferred", _UNCOMPARED),
    ),
    observed="polled",
)  # fmt: skip
"""
A run of OpenAI as a run of LangGraph Platform.
"""

AZURE_RUN_TO_RUN: Final = StatusMap(
    "azure-run-to-run",
    PRESETS["azure-run"],
    RUN,
    tuple(
        Becomes(
            str(status), str(status), "inferred", "azure-ai-agents 1.1.0, models/_enums.py: the same words"
        )
        for status in PRESETS["azure-run"].statuses
    ),
)  # fmt: skip
"""
A run of Azure AI Agents as a run of OpenAI: the same words, without ``incomplete``.
"""

RESPONSE_TO_RUN: Final = StatusMap(
    "openai-response-to-run",
    PRESETS["openai-response"],
    RUN,
    tuple(
        Becomes(
            str(status), str(status), "inferred", "spec, schema Response: the same words, of the same owner"
        )
        for status in PRESETS["openai-response"].statuses
    ),
    # A response has no cancelling: it is cancelled at once.
    observed="polled",
    exceptions=(
        Excepted(None, "in_progress", "a response that is waited for begins without a queue"),
    ),
)  # fmt: skip
"""
A response that is made in the background as a run.
"""

A2A_TASK_TO_RUN: Final = StatusMap(
    "a2a-task-to-run",
    PRESETS["a2a-task"],
    RUN,
    (
        Becomes("TASK_STATE_SUBMITTED", "queued", "inferred", f"{_PROTO}: 'acknowledged'"),
        Becomes("TASK_STATE_WORKING", "in_progress", "inferred", _PROTO),
        Becomes(
            "TASK_STATE_INPUT_REQUIRED", "requires_action", "inferred", _PROTO,
            lost="that it waits for a message of the user, not for outputs of tools",
        ),
        Becomes(
            "TASK_STATE_AUTH_REQUIRED", "requires_action", "inferred", _PROTO,
            lost="that it waits for credentials",
        ),
        Becomes("TASK_STATE_COMPLETED", "completed", "inferred", _PROTO),
        Becomes("TASK_STATE_FAILED", "failed", "inferred", _PROTO),
        Becomes("TASK_STATE_CANCELED", "cancelled", "inferred", _PROTO),
        Becomes(
            "TASK_STATE_REJECTED", "failed", "inferred", _PROTO,
            lost="that the agent would not do it, and did not fail at it",
        ),
    ),
    # A task goes on from a wait without being queued, and is cancelled at once.
    observed="polled",
    exceptions=tuple(
        Excepted(
            None, status, "the first answer may be a task that works, waits or has ended; a run is queued"
        )
        for status in PRESETS["a2a-task"].initial_statuses[1:]
    ),
)  # fmt: skip
"""
A task of the A2A protocol as a run.
"""

RUN_TO_A2A_TASK: Final = StatusMap(
    "run-to-a2a-task",
    RUN,
    PRESETS["a2a-task"],
    (
        Becomes("queued", "TASK_STATE_SUBMITTED", "inferred", f"{_PROTO}: 'acknowledged'"),
        Becomes("in_progress", "TASK_STATE_WORKING", "inferred", _PROTO),
        Becomes(
            "requires_action", "TASK_STATE_INPUT_REQUIRED", "inferred", _PROTO,
            lost="that it waits for outputs of tools, not for a message of the user",
        ),
        Becomes(
            "cancelling", None, "inferred", f"{_PROTO} has no such state",
            lost="that a cancel was asked for",
        ),
        Becomes("cancelled", "TASK_STATE_CANCELED", "inferred", _PROTO),
        Becomes("failed", "TASK_STATE_FAILED", "inferred", _PROTO),
        Becomes("completed", "TASK_STATE_COMPLETED", "inferred", _PROTO),
        Becomes(
            "incomplete", "TASK_STATE_COMPLETED", "inferred", _UNCOMPARED,
            lost="that it was stopped at a limit: it counts as completed",
        ),
        Becomes(
            "expired", "TASK_STATE_FAILED", "inferred", _UNCOMPARED,
            lost="that it ran out of time, and did not fail by itself",
        ),
    ),
    exceptions=(
        Excepted(
            "requires_action", "queued",
            "with its outputs a run is queued again; a task that has its answer is working",
        ),
    ),
)  # fmt: skip
"""
A run as a task of the A2A protocol.
"""
