"""
The lifecycle of a run: 18 rows, each with where it comes from.

Sources, by short name:

* *deep dive*: OpenAI, "Assistants API deep dive", sections "Run lifecycle" and
  "Thread locks", https://developers.openai.com/api/docs/assistants/deep-dive
* *spec*: openai/openai-openapi, ``openapi.yaml`` at f85dbe22, schema ``RunObject``
* *recordings*: sessions of the live service, kept by alexrudall/ruby-openai,
  openai/openai-dotnet, traceloop/openllmetry and Azure/azure-sdk-assets; the
  lifecycle facts of some of them are in ``tests/data``
"""

from typing import Final

from ..lifecycle._preset_files import IN_CODE
from ..lifecycle._rows import Deadline, Deviation, Entry, Transition
from ..lifecycle._table import Lifecycle
from ._models import RunResponse, RunStatus

__all__ = ["RUN"]

_QUEUED, _IN_PROGRESS, _REQUIRES_ACTION, _CANCELLING, _CANCELLED = (
    RunStatus.QUEUED,
    RunStatus.IN_PROGRESS,
    RunStatus.REQUIRES_ACTION,
    RunStatus.CANCELLING,
    RunStatus.CANCELLED,
)
_FAILED, _COMPLETED, _INCOMPLETE, _EXPIRED = (
    RunStatus.FAILED,
    RunStatus.COMPLETED,
    RunStatus.INCOMPLETE,
    RunStatus.EXPIRED,
)

_DEEP_DIVE = "OpenAI, Assistants API deep dive, Run lifecycle"

_ROWS: Final = (
    Transition("start", _QUEUED, _IN_PROGRESS, "documented", _DEEP_DIVE),
    Transition(
        "request_cancel", _QUEUED, _CANCELLING, "implemented",
        "OpenOpenAI src/server/runs.ts and others; the live service was only seen to do it "
        "after the run had started",
    ),
    Transition(
        "fail", _QUEUED, _FAILED, "implemented",
        "stellar-amenities/assistants executor.rs; the four recorded failures had started",
    ),
    Transition(
        "expire", _QUEUED, _EXPIRED, "inferred",
        f"{_DEEP_DIVE}: runs that 'take too long', with no status named",
    ),
    Transition("require_action", _IN_PROGRESS, _REQUIRES_ACTION, "documented", _DEEP_DIVE),
    Transition("complete", _IN_PROGRESS, _COMPLETED, "documented", _DEEP_DIVE),
    Transition("fail", _IN_PROGRESS, _FAILED, "documented", _DEEP_DIVE),
    Transition("stop_incomplete", _IN_PROGRESS, _INCOMPLETE, "documented", _DEEP_DIVE),
    Transition("expire", _IN_PROGRESS, _EXPIRED, "documented", _DEEP_DIVE),
    Transition(
        "request_cancel", _IN_PROGRESS, _CANCELLING, "documented",
        f"{_DEEP_DIVE}; spec, operation cancelRun",
    ),
    Transition(
        "submit_tool_outputs", _REQUIRES_ACTION, _QUEUED, "documented",
        f"{_DEEP_DIVE}: queued again 'when you complete the required_action'; 9 recordings",
    ),
    Transition(
        "request_cancel", _REQUIRES_ACTION, _CANCELLING, "reported",
        "supercompat contracts/data-integrity.ts; azure-ai-agents 1.1.0 _patch.py",
    ),
    Transition("expire", _REQUIRES_ACTION, _EXPIRED, "documented", _DEEP_DIVE),
    Transition("confirm_cancel", _CANCELLING, _CANCELLED, "documented", _DEEP_DIVE),
    Transition(
        "complete", _CANCELLING, _COMPLETED, "reported",
        f"{_DEEP_DIVE}: cancellation 'is attempted but not guaranteed'; "
        "OpenAI-DotNet TestFixture_03_Threads.cs",
    ),
    Transition(
        "fail", _CANCELLING, _FAILED, "inferred",
        "PSOpenAI Stop-ThreadRun waits for it",
    ),
    Transition(
        "stop_incomplete", _CANCELLING, _INCOMPLETE, "inferred",
        "follows from 'not guaranteed'; not seen in any implementation",
    ),
    Transition(
        "expire", _CANCELLING, _EXPIRED, "inferred",
        "PSOpenAI Stop-ThreadRun waits for it; expires_at stays set while cancelling",
    ),
)  # fmt: skip

_ENTRIES: Final = (
    # started_at and expires_at stay as they are: 10 of 10 snapshots queued after a submit.
    Entry(_QUEUED, clears=("required_action",)),
    # Written again at every entry: 9 of 9 recordings.
    Entry(_IN_PROGRESS, stamps=("started_at",)),
    Entry(_REQUIRES_ACTION, requires=("required_action",)),
    # cancelled_at is still null while cancelling: 5 of 5 snapshots.
    Entry(_CANCELLING, clears=("required_action",)),
    # "usage … will be null if the run is not in a terminal state": so every end may bring it.
    Entry(_CANCELLED, stamps=("cancelled_at",), accepts=("usage",), clears=("expires_at",)),
    Entry(
        _FAILED,
        stamps=("failed_at",),
        requires=("last_error",),
        accepts=("usage",),
        clears=("expires_at",),
    ),
    Entry(_COMPLETED, stamps=("completed_at",), accepts=("usage",), clears=("expires_at",)),
    Entry(
        _INCOMPLETE,
        stamps=("completed_at",),
        requires=("incomplete_details",),
        accepts=("usage",),
        clears=("expires_at",),
    ),
    # A run has no expired_at; both recorded expired runs carry completed_at.
    Entry(
        _EXPIRED,
        stamps=("completed_at",),
        accepts=("usage",),
        clears=("expires_at", "required_action"),
    ),
)

_ENDS: Final = frozenset({_CANCELLED, _FAILED, _COMPLETED, _INCOMPLETE, _EXPIRED})

_DEVIATIONS: Final = (
    Deviation(
        "RS201", "cancelled_at", frozenset({_CANCELLED}), "documented",
        "no body of a cancelled run was ever recorded; the spec alone says what it holds",
    ),
    Deviation(
        "RS201", "completed_at", frozenset({_EXPIRED, _INCOMPLETE}), "observed",
        "rests on two bodies each; the spec does not say that these ends stamp it",
    ),
    Deviation(
        "RS204", "incomplete_details", frozenset({_INCOMPLETE}), "observed",
        "rests on two bodies; the spec makes even the reason in it optional",
    ),
    Deviation(
        "RS202", "cancelled_at", frozenset({_CANCELLING, *_ENDS} - {_CANCELLED}), "implemented",
        "open-assistant-api and OpenOpenAI stamp it when cancel is asked for",
    ),
    Deviation(
        "RS202", "completed_at", frozenset({_FAILED, _CANCELLED}), "implemented",
        "OpenGPTs-platform assistants-api stamps it on some failures",
    ),
    Deviation(
        "RS202", "expires_at", _ENDS, "observed",
        "null in all 65 completed runs recorded, but a Batch of the same service keeps it",
    ),
    Deviation(
        "RS205", "required_action", frozenset({_CANCELLING, *_ENDS}), "inferred",
        "no recording of a cancel or an expiry out of requires_action",
    ),
    Deviation(
        "RS205", "incomplete_details", None, "observed",
        "ruby-openai run_JfK0BhNia1HnH28fIxropXLn is completed and has it",
    ),
    Deviation(
        "RS205", "last_error", None, "documented",
        "the spec calls it 'the last error associated with this run', whatever its status",
    ),
    Deviation(
        "RS206", "usage", None, "documented",
        "null in all 608 live snapshots before the end, but set in an example of the spec",
    ),
    Deviation(
        "RS208", "expires_at", None, "observed",
        "Azure AI Agents moves it from created_at + 600 to + 36000 when the run starts",
    ),
)  # fmt: skip

RUN: Final = Lifecycle(
    name="run",
    transitions=_ROWS,
    initial=_QUEUED,
    terminal={
        _CANCELLED: "cancelled",
        _FAILED: "failure",
        _COMPLETED: "success",
        _INCOMPLETE: "incomplete",
        _EXPIRED: "timeout",
    },
    entries=_ENTRIES,
    created=("created_at",),
    # created_at + 600 in every live snapshot; Azure grants 36000 once a run has started.
    deadline=Deadline("expires_at", seconds=600, longest=36_000),
    identity=("object", "thread_id", "assistant_id"),
    fields=frozenset(RunResponse.model_fields),
    deviations=_DEVIATIONS,
    kind="thread.run",
)
"""The lifecycle of an OpenAI-shaped run."""
IN_CODE[RUN.name] = RUN
