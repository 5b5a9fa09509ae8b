"""
What else OpenAI runs: steps, messages, batches, responses, file batches, fine-tuning jobs.

Sources, by short name:

* *spec*: openai/openai-openapi, ``openapi.yaml`` at f85dbe22
* *types*: openai/openai-python, ``src/openai/types``
* *deep dive*: OpenAI, "Assistants API deep dive", section "Run steps"
* *batch guide*, *background guide*: https://developers.openai.com/api/docs/guides, the
  pages ``batch`` and ``background``
* *recordings*: session records of the tests of openai/openai-dotnet, and server-sent
  events kept by alexrudall/ruby-openai

What a cancel or a timeout does in a status for which no source says it, is inferred.
A background response at Azure was seen to go from ``cancelled`` to ``completed``
(learn.microsoft.com/answers/questions/2339607); the table holds that it must not.
"""

from typing import Final

from ..lifecycle._rows import Deadline, Deviation, Entry, Transition
from ..lifecycle._table import Lifecycle

__all__ = [
    "BATCH",
    "FINE_TUNING_JOB",
    "FINE_TUNING_JOB_STRICT",
    "MESSAGE",
    "RESPONSE",
    "RUN_STEP",
    "VECTOR_STORE_FILE_BATCH",
]

_STEP_TYPES = "openai-python types/beta/threads/runs/run_step.py"
_STEPS = "OpenAI, Assistants API deep dive, Run steps"

RUN_STEP: Final = Lifecycle(
    name="openai-run-step",
    transitions=(
        Transition(
            "complete", "in_progress", "completed", "observed",
            "recordings: a step of tool calls completes when their outputs are submitted",
        ),
        Transition("fail", "in_progress", "failed", "documented", f"{_STEP_TYPES}: failed_at"),
        Transition(
            "cancel", "in_progress", "cancelled", "documented", f"{_STEP_TYPES}: cancelled_at"
        ),
        Transition(
            "expire", "in_progress", "expired", "documented",
            f"{_STEP_TYPES}: expired if the parent run is expired",
        ),
    ),
    initial="in_progress",
    terminal={
        "completed": "success",
        "failed": "failure",
        "cancelled": "cancelled",
        "expired": "timeout",
    },
    entries=(
        Entry("completed", stamps=("completed_at",), accepts=("usage",)),
        # "Will be null if there are no errors": so a failure brings it.
        Entry("failed", stamps=("failed_at",), requires=("last_error",), accepts=("usage",)),
        Entry("cancelled", stamps=("cancelled_at",), accepts=("usage",)),
        Entry("expired", stamps=("expired_at",), accepts=("usage",)),
    ),
    created=("created_at",),
    identity=("object", "thread_id", "assistant_id", "run_id", "type"),
    deviations=(
        Deviation(
            "RS201", "expired_at", frozenset({"expired"}), "observed",
            "none of the 241 step bodies recorded has the key expired_at, all have expires_at",
        ),
        Deviation(
            "RS205", "last_error", None, "documented",
            f"{_STEP_TYPES}: 'the last error associated with this run step', whatever its status",
        ),
    ),
    kind="thread.run.step",
)  # fmt: skip
"""
The lifecycle of a step of an OpenAI run.
"""

_MESSAGE_TYPES = "openai-python types/beta/threads/message.py"

MESSAGE: Final = Lifecycle(
    name="openai-message",
    transitions=(
        Transition(
            "complete", "in_progress", "completed", "observed",
            "recordings: thread.message.in_progress, then thread.message.completed",
        ),
        Transition(
            "stop_incomplete", "in_progress", "incomplete", "observed",
            "recordings: thread.message.incomplete after max_tokens; ruby-openai cassettes",
        ),
    ),
    initial="in_progress",
    terminal={"completed": "success", "incomplete": "incomplete"},
    entries=(
        Entry("completed", stamps=("completed_at",)),
        Entry("incomplete", stamps=("incomplete_at",), requires=("incomplete_details",)),
    ),
    created=("created_at",),
    identity=("object", "thread_id", "role"),
    deviations=(
        Deviation(
            "RS204", "incomplete_details", frozenset({"incomplete"}), "documented",
            f"{_MESSAGE_TYPES} makes it optional",
        ),
    ),
    kind="thread.message",
)  # fmt: skip
"""
The lifecycle of a message that a run writes; one that a user posts is there at once.
"""

_GUIDE = "OpenAI, Batch API guide, table of statuses"
_CANCEL = "spec, operation cancelBatch"
_BATCHES = "recordings of openai-dotnet BatchTests"

BATCH: Final = Lifecycle(
    name="openai-batch",
    transitions=(
        Transition("start", "validating", "in_progress", "documented", _GUIDE),
        Transition("fail", "validating", "failed", "documented", f"{_GUIDE}: 'failed'"),
        Transition(
            "cancel", "validating", "cancelling", "observed",
            f"{_BATCHES}: twice; 1,025 of 1,087 cancelled batches never started",
        ),
        Transition(
            "finalize", "in_progress", "finalizing", "documented", f"{_GUIDE}: 'finalizing'"
        ),
        Transition(
            "fail", "in_progress", "failed", "implemented",
            "llama-stack providers/inline/batches/reference/batches.py",
        ),
        Transition(
            "expire", "in_progress", "expired", "inferred",
            f"{_GUIDE}: expired after its window; the three recorded went through finalizing",
        ),
        Transition("cancel", "in_progress", "cancelling", "documented", _CANCEL),
        Transition(
            "complete", "finalizing", "completed", "observed",
            f"{_BATCHES}: the order of the stamps of 1,215 batches",
        ),
        Transition(
            "expire", "finalizing", "expired", "observed",
            f"{_BATCHES}: three, finalized one second past expires_at",
        ),
        Transition(
            "cancel", "finalizing", "cancelling", "reported",
            "Moonshot's compatible API, https://platform.kimi.ai/docs/api/batch-cancel",
        ),
        Transition("confirm_cancel", "cancelling", "cancelled", "documented", _CANCEL),
    ),
    initial="validating",
    terminal={
        "completed": "success",
        "failed": "failure",
        "expired": "timeout",
        "cancelled": "cancelled",
    },
    entries=(
        Entry("in_progress", stamps=("in_progress_at",)),
        Entry("finalizing", stamps=("finalizing_at",)),
        Entry("cancelling", stamps=("cancelling_at",)),
        # No entry clears expires_at: unlike a run, a batch keeps it in its end.
        Entry("completed", stamps=("completed_at",)),
        Entry("failed", stamps=("failed_at",)),
        Entry("expired", stamps=("expired_at",)),
        Entry("cancelled", stamps=("cancelled_at",)),
    ),
    created=("created_at",),
    # A completion_window of 24h is the only one that is documented.
    deadline=Deadline("expires_at", seconds=86_400, longest=86_400),
    identity=("object", "endpoint", "input_file_id", "completion_window"),
    kind="batch",
)  # fmt: skip
"""
The lifecycle of an OpenAI batch.
"""

_BACKGROUND = "OpenAI, Background mode guide"
_RESPONSES = "recordings of openai-dotnet ResponsesTests"
_REFERENCE = "spec, schema Response"

RESPONSE: Final = Lifecycle(
    name="openai-response",
    transitions=(
        Transition("start", "queued", "in_progress", "observed", f"{_RESPONSES}, in background"),
        Transition("cancel", "queued", "cancelled", "observed", f"{_RESPONSES}: twice"),
        Transition(
            "fail", "queued", "failed", "inferred",
            "no source says that one fails before it starts",
        ),
        Transition("complete", "in_progress", "completed", "observed", _RESPONSES),
        Transition("fail", "in_progress", "failed", "documented", f"{_REFERENCE}: error"),
        Transition(
            "stop_incomplete", "in_progress", "incomplete", "observed",
            f"{_RESPONSES}: reason max_output_tokens",
        ),
        Transition(
            "cancel", "in_progress", "cancelled", "documented",
            f"{_BACKGROUND}: an in-flight response is cancelled, and again without effect",
        ),
    ),
    # One that is waited for begins in progress: only the background has a queue.
    initial=("queued", "in_progress"),
    terminal={
        "completed": "success",
        "failed": "failure",
        "cancelled": "cancelled",
        "incomplete": "incomplete",
    },
    entries=(
        Entry("completed", stamps=("completed_at",), accepts=("usage",)),
        Entry("failed", requires=("error",), accepts=("usage",)),
        Entry("cancelled", accepts=("usage",)),
        Entry("incomplete", requires=("incomplete_details",), accepts=("usage",)),
    ),
    created=("created_at",),
    identity=("object", "background", "previous_response_id"),
    kind="response",
)  # fmt: skip
"""
The lifecycle of an OpenAI response.

One of the background begins ``queued``, and it alone can be cancelled; one that is waited
for begins ``in_progress``.
"""

_FILES = "openai-python types/vector_stores/vector_store_file_batch.py: status"

VECTOR_STORE_FILE_BATCH: Final = Lifecycle(
    name="openai-vector-store-file-batch",
    transitions=(
        Transition("complete", "in_progress", "completed", "documented", _FILES),
        Transition("fail", "in_progress", "failed", "documented", _FILES),
        Transition(
            "cancel", "in_progress", "cancelled", "documented",
            "spec, operation cancelVectorStoreFileBatch",
        ),
    ),
    initial="in_progress",
    terminal={"completed": "success", "cancelled": "cancelled", "failed": "failure"},
    created=("created_at",),
    identity=("object", "vector_store_id"),
    kind="vector_store.files_batch",
)  # fmt: skip
"""
The lifecycle of a batch of files on their way into a vector store.
"""

_TUNING = "openai-python types/fine_tuning/fine_tuning_job.py: status"
_PAUSE = "OpenAI API reference, fine_tuning/jobs/{id}/pause: statuses pausing and paused"
_RESUME = "OpenAI API reference, fine_tuning/jobs/{id}/resume"

FINE_TUNING_JOB: Final = Lifecycle(
    name="openai-fine-tuning-job",
    transitions=(
        Transition("queue", "validating_files", "queued", "documented", f"{_TUNING}, in order"),
        Transition(
            "fail", "validating_files", "failed", "documented",
            "openai-python types/fine_tuning/fine_tuning_job.py: error.param is "
            "usually the file that was invalid",
        ),
        Transition(
            "cancel", "validating_files", "cancelled", "observed",
            "recordings of openai-dotnet FineTuningTests: six",
        ),
        Transition("start", "queued", "running", "documented", f"{_TUNING}, in order"),
        Transition(
            "fail", "queued", "failed", "inferred", "no source says that one fails in the queue"
        ),
        Transition(
            "cancel", "queued", "cancelled", "inferred",
            "the operation cancelFineTuningJob names no status",
        ),
        Transition("succeed", "running", "succeeded", "documented", _TUNING),
        Transition("fail", "running", "failed", "documented", _TUNING),
        Transition(
            "cancel", "running", "cancelled", "documented",
            "spec, operation cancelFineTuningJob: 'immediately'",
        ),
        Transition("pause", "running", "pausing", "inferred", _PAUSE),
        Transition("confirm_pause", "pausing", "paused", "inferred", _PAUSE),
        Transition("resume", "paused", "running", "inferred", _RESUME),
        Transition("cancel", "paused", "cancelled", "inferred", "no source names the statuses"),
    ),
    initial="validating_files",
    terminal={"succeeded": "success", "failed": "failure", "cancelled": "cancelled"},
    entries=(
        # Null in all 3 failed and all 101 cancelled jobs recorded, in spite of its description.
        Entry("succeeded", stamps=("finished_at",), requires=("fine_tuned_model",)),
        Entry("failed", requires=("error",)),
    ),
    created=("created_at",),
    identity=("object", "organization_id", "model", "training_file"),
    deviations=(
        Deviation(
            "RS202", "finished_at", frozenset({"failed", "cancelled"}), "documented",
            "openai-python types/fine_tuning/fine_tuning_job.py: null only while it is running",
        ),
    ),
    kind="fine_tuning.job",
)  # fmt: skip
"""
The lifecycle of an OpenAI fine-tuning job, which may be paused.
"""

FINE_TUNING_JOB_STRICT: Final = FINE_TUNING_JOB.without(
    statuses=("pausing", "paused"), name="openai-fine-tuning-job-strict"
)
"""
The same in the six statuses that the types of the client know.
"""
