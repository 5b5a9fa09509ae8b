"""
Runs of agents elsewhere: Azure AI Agents, LangGraph Platform, the A2A protocol.

Sources, by short name:

* *agents sdk*: azure-ai-agents 1.1.0, ``models/_enums.py`` and ``operations/_patch.py``
* *Azure recording*: Azure/azure-sdk-assets, a session of the live service of April 2025
* *langgraph sdk*: langchain-ai/langgraph, ``libs/sdk-py/langgraph_sdk/schema.py``. The
  server is closed and publishes no moves: what it does not say is taken from aegra
  (ibbybuilds/aegra, an open server of the same API) or inferred
* *proto*, *specification*: a2aproject/A2A, ``specification/a2a.proto`` of version 1.0 and
  ``docs/specification.md``; *life of a task*: ``docs/topics/life-of-a-task.md``
"""

from dataclasses import replace
from typing import Final

from ..lifecycle._rows import Evidence, Transition
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN

__all__ = ["A2A_TASK", "A2A_TASK_0_3", "AZURE_RUN", "AZURE_RUN_DOTNET", "LANGGRAPH_RUN"]

# -- Azure AI Agents ------------------------------------------------------------------

_RECORDING = "Azure/azure-sdk-assets, recording of April 2025"
_CLIENT = "azure-ai-agents 1.1.0, operations/_patch.py"
_ALIKE = "as the run of OpenAI, whose protocol this is; Azure's pages do not say it"

_KNOWN: Final[dict[tuple[str, str], tuple[Evidence, str]]] = {
    ("start", "queued"): ("observed", _RECORDING),
    ("require_action", "in_progress"): (
        "observed",
        f"{_RECORDING}: seen after in_progress was missed, with started_at set",
    ),
    ("submit_tool_outputs", "requires_action"): ("observed", _RECORDING),
    ("complete", "in_progress"): ("implemented", f"{_CLIENT}: create_and_process polls for it"),
    ("fail", "in_progress"): (
        "observed",
        "Azure/azure-sdk-for-python, a test's body with tool_user_error: it had started",
    ),
    ("request_cancel", "requires_action"): (
        "reported",
        f"{_CLIENT}: cancels a run whose tool calls it cannot answer",
    ),
}
"""How a row is known to hold at Azure; what is not here is inferred from OpenAI."""

AZURE_RUN_DOTNET: Final = replace(
    RUN,
    name="azure-run-dotnet",
    transitions=tuple(
        replace(row, evidence=evidence, citation=citation)
        for row in RUN
        for evidence, citation in [
            _KNOWN.get((row.trigger, row.source), ("inferred", _ALIKE)),
        ]
    ),
    fields=RUN.fields and RUN.fields | {"tool_resources"},
)
"""
The same with ``incomplete``, which of Azure's libraries that for .NET knows as a status.
"""

AZURE_RUN: Final = AZURE_RUN_DOTNET.without(statuses=("incomplete",), name="azure-run")
"""
The lifecycle of a run of Azure AI Agents, in the eight statuses of its Python library.

Its ``expires_at`` moves from ten minutes to ten hours when it starts: a deviation.
"""

# -- LangGraph Platform ---------------------------------------------------------------

_SCHEMA = "langgraph_sdk/schema.py, RunStatus"
_CANCEL = "langgraph_sdk/schema.py, CancelAction and BulkCancelRunsStatus"

LANGGRAPH_RUN: Final = Lifecycle(
    name="langgraph-run",
    transitions=(
        Transition("start", "pending", "running", "documented", f"{_SCHEMA}: 'waiting to start'"),
        Transition(
            "cancel", "pending", "interrupted", "documented",
            f"{_CANCEL}: pending runs can be cancelled; that they end so is aegra's api/runs.py",
        ),
        Transition(
            "fail", "pending", "error", "inferred", "no source says that one fails before it starts"
        ),
        Transition("succeed", "running", "success", "documented", _SCHEMA),
        Transition("fail", "running", "error", "documented", _SCHEMA),
        Transition("time_out", "running", "timeout", "documented", _SCHEMA),
        Transition("cancel", "running", "interrupted", "documented", f"{_SCHEMA}; {_CANCEL}"),
        Transition(
            "reclaim", "running", "pending", "implemented",
            "aegra: a run whose worker lost its lease is queued again",
        ),
    ),
    initial="pending",
    terminal={
        "success": "success",
        "error": "failure",
        "timeout": "timeout",
        "interrupted": "cancelled",
    },
    # updated_at is written by every move, and there is no other stamp.
    created=("created_at",),
    identity=("thread_id", "assistant_id"),
    id_field="run_id",
)  # fmt: skip
"""
The lifecycle of a run of LangGraph Platform, now LangSmith Deployment.

A cancel that rolls back deletes the run, which no status tells. The listing of the
statuses for authorization has no ``running``: there, a pending run may be under way.
"""

# -- A2A ------------------------------------------------------------------------------

_PROTO = "A2A specification/a2a.proto, TaskState"
_LIFE = "A2A docs/topics/life-of-a-task.md"
_TURNS = "A2A docs/specification.md, Multi-Turn Interactions"
_REJECTED = f"{_PROTO}: 'during initial task creation or later'"
_NOT_CANCELABLE = "A2A docs/specification.md, Cancel Task: any task that has not ended"

_UNSAID = "follows from its being no terminal state; the specification names no move"

A2A_TASK: Final = Lifecycle(
    name="a2a-task",
    transitions=(
        Transition("start", "TASK_STATE_SUBMITTED", "TASK_STATE_WORKING", "documented", _PROTO),
        Transition(
            "reject", "TASK_STATE_SUBMITTED", "TASK_STATE_REJECTED", "documented", _REJECTED
        ),
        Transition(
            "require_input", "TASK_STATE_SUBMITTED", "TASK_STATE_INPUT_REQUIRED", "inferred",
            _UNSAID,
        ),
        Transition(
            "require_auth", "TASK_STATE_SUBMITTED", "TASK_STATE_AUTH_REQUIRED", "inferred", _UNSAID
        ),
        Transition(
            "complete", "TASK_STATE_SUBMITTED", "TASK_STATE_COMPLETED", "documented",
            f"{_LIFE}: even a simple answer may be a completed task",
        ),
        Transition("fail", "TASK_STATE_SUBMITTED", "TASK_STATE_FAILED", "inferred", _UNSAID),
        Transition(
            "cancel", "TASK_STATE_SUBMITTED", "TASK_STATE_CANCELED", "documented", _NOT_CANCELABLE
        ),
        Transition(
            "require_input", "TASK_STATE_WORKING", "TASK_STATE_INPUT_REQUIRED", "documented", _PROTO
        ),
        Transition(
            "require_auth", "TASK_STATE_WORKING", "TASK_STATE_AUTH_REQUIRED", "documented", _PROTO
        ),
        Transition("complete", "TASK_STATE_WORKING", "TASK_STATE_COMPLETED", "documented", _PROTO),
        Transition("fail", "TASK_STATE_WORKING", "TASK_STATE_FAILED", "documented", _PROTO),
        Transition("reject", "TASK_STATE_WORKING", "TASK_STATE_REJECTED", "documented", _REJECTED),
        Transition(
            "cancel", "TASK_STATE_WORKING", "TASK_STATE_CANCELED", "documented", _NOT_CANCELABLE
        ),
        Transition(
            "send_message", "TASK_STATE_INPUT_REQUIRED", "TASK_STATE_WORKING", "documented", _TURNS
        ),
        Transition(
            "complete", "TASK_STATE_INPUT_REQUIRED", "TASK_STATE_COMPLETED", "inferred", _UNSAID
        ),
        Transition("fail", "TASK_STATE_INPUT_REQUIRED", "TASK_STATE_FAILED", "inferred", _UNSAID),
        Transition(
            "reject", "TASK_STATE_INPUT_REQUIRED", "TASK_STATE_REJECTED", "inferred", _UNSAID
        ),
        Transition(
            "cancel", "TASK_STATE_INPUT_REQUIRED", "TASK_STATE_CANCELED", "documented",
            _NOT_CANCELABLE,
        ),
        Transition(
            "authorize", "TASK_STATE_AUTH_REQUIRED", "TASK_STATE_WORKING", "documented",
            "A2A docs/specification.md, In-Task Authorization",
        ),
        Transition("fail", "TASK_STATE_AUTH_REQUIRED", "TASK_STATE_FAILED", "inferred", _UNSAID),
        Transition(
            "reject", "TASK_STATE_AUTH_REQUIRED", "TASK_STATE_REJECTED", "inferred", _UNSAID
        ),
        Transition(
            "cancel", "TASK_STATE_AUTH_REQUIRED", "TASK_STATE_CANCELED", "documented",
            _NOT_CANCELABLE,
        ),
    ),
    # The first answer may be a task that works, waits or has ended: see life-of-a-task.md.
    initial=(
        "TASK_STATE_SUBMITTED",
        "TASK_STATE_WORKING",
        "TASK_STATE_INPUT_REQUIRED",
        "TASK_STATE_AUTH_REQUIRED",
        "TASK_STATE_COMPLETED",
        "TASK_STATE_FAILED",
        "TASK_STATE_REJECTED",
    ),
    terminal={
        "TASK_STATE_COMPLETED": "success",
        "TASK_STATE_FAILED": "failure",
        "TASK_STATE_CANCELED": "cancelled",
        "TASK_STATE_REJECTED": "error",
    },
    identity=("context_id",),
    status_field="state",
)  # fmt: skip
"""
The lifecycle of a task of the A2A protocol, version 1.0, spelled as its JSON is.

In a task, the state is in its status:
``--status status.state``.
"""


def _spelled_0_3(status: str) -> str:
    """
    Return *status* as versions before 1.0 spell it.
    """
    return status.removeprefix("TASK_STATE_").lower().replace("_", "-")


A2A_TASK_0_3: Final = replace(
    A2A_TASK,
    name="a2a-task-0.3",
    transitions=tuple(
        replace(row, source=_spelled_0_3(row.source), target=_spelled_0_3(row.target))
        for row in A2A_TASK
    ),
    initial_statuses=tuple(map(_spelled_0_3, A2A_TASK.initial_statuses)),
    terminal={_spelled_0_3(end): outcome for end, outcome in A2A_TASK.terminal.items()},
    identity=("contextId",),
)
"""
The same as versions before 1.0 spell it: ``input-required``.
"""
