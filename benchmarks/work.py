"""
The work that all variants do: one run from queued to completed, by way of a tool call.
"""

from collections.abc import Mapping
from dataclasses import field, make_dataclass
from time import time
from typing import Any

from runstate import (
    RUN,
    Function,
    RequiredAction,
    RunEngine,
    RunResponse,
    SubmitToolOutputs,
    ToolCall,
    Usage,
)

RUNS = 200
"""Runs a variant moves in one round."""
MOVES = 5
"""start, require_action, submit_tool_outputs, start, complete."""

# Payloads are made once, so that no variant is charged for what is the caller's.
CALL = ToolCall(id="call_1", function=Function(name="look_up", arguments="{}"))
ACTION = RequiredAction(submit_tool_outputs=SubmitToolOutputs(tool_calls=(CALL,)))
OUTPUTS = {"call_1": "found"}
USAGE = Usage(prompt_tokens=100, completion_tokens=20, total_tokens=120)

IDENTITY = {"assistant_id": "asst_1", "thread_id": "thread_1"}

PlainRun = make_dataclass(
    "PlainRun",
    [
        ("id", str),
        ("created_at", int),
        ("status", str),
        *(
            (name, Any, field(default=None))
            for name in RunResponse.model_fields
            if name not in {"id", "created_at", "status"}
        ),
    ],
    eq=False,
)
"""The fields of a run on an ordinary object, for libraries that cannot move the model itself."""


def plain_run() -> Any:
    """
    Return a plain run that has just been created.
    """
    now = int(time())

    return PlainRun("run_1", now, "queued", expires_at=now + 600, **IDENTITY)


def plain_runs() -> list[Any]:
    """
    Return the plain runs of one round.
    """
    return [plain_run() for _ in range(RUNS)]


def model_runs(engine: RunEngine) -> list[RunResponse]:
    """
    Return the runs of one round, made by *engine*.
    """
    return [engine.create(**IDENTITY) for _ in range(RUNS)]


def assert_done(fields: Mapping[str, Any], status: str, who: str) -> None:
    """
    Refuse a variant that leaves out a part of the work.
    """
    now = time()
    done = (
        str(status) == "completed"
        and now - 60 <= fields["started_at"] <= fields["completed_at"] <= now
        and fields["required_action"] is None
        and fields["expires_at"] is None
        and fields["usage"] is USAGE
    )
    if not done:
        raise AssertionError(f"{who} did not do the work: {status}, {dict(fields)}")


TABLE = {
    (str(row.trigger), str(row.source)): (
        row.target,
        RUN.entry(row.target).stamps,
        RUN.entry(row.target).clears,
    )
    for row in RUN
}


def move(run: RunResponse, trigger: str, **changes: Any) -> None:
    """
    Move *run* the bare way, which is the floor: one lookup, one write.

    No refusal but a KeyError, no payload check, no lock, no log, no record.
    """
    fields = run.__dict__
    target, stamps, clears = TABLE[trigger, fields["status"]]
    changes["status"] = target
    for name in stamps:
        changes[name] = int(time())
    for name in clears:
        changes[name] = None
    fields.update(changes)
    run.__pydantic_fields_set__.update(changes)
