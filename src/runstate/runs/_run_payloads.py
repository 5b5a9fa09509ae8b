"""
The payloads of a run's moves: their models, and the two that must match the run.

An action that a run waits for must be one that can be answered, and the answer must have one output
for each of its tool calls.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel

from .._text import printable
from ..lifecycle._rows import Transition
from ._models import RunResponse, RunStatus
from ._mover import Mover, Plan
from ._wire import IncompleteDetails, LastError, RequiredAction, Usage
from ._writable import why_unwritable

__all__ = ["RunPayloads"]

_ANSWER: Final = "submit_tool_outputs"
"""The trigger whose payload must match the run: one output for each tool call."""

_MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "required_action": RequiredAction,
    "last_error": LastError,
    "incomplete_details": IncompleteDetails,
    "usage": Usage,
}


class RunPayloads:
    """
    Checks the payloads of the moves of one engine.
    """

    def __init__(self, mover: Mover) -> None:
        self._mover = mover

    def plan(self, row: Transition) -> Plan:
        """
        Return the plan of *row*, which checks the payload that the row has for a run.
        """
        plan = self._mover.plan(row, _MODELS)
        # A table from a file holds bare strings; a run's status is a member.
        plan.changes[self._mover.lifecycle.status_field] = RunStatus(row.target)
        if row.trigger == _ANSWER:
            return replace(plan, demands=True, prepare=self._check_answers)
        if "required_action" in plan.requires:
            return replace(plan, prepare=self._check_action)

        return plan

    def _check_action(
        self, run: RunResponse, plan: Plan, payload: Mapping[str, Any], changes: dict[str, Any]
    ) -> None:
        """
        Refuse an action that no trigger of the lifecycle can answer: the run would never resume.
        """
        self._mover.add_payload(run, plan, payload, changes)
        action: RequiredAction = changes["required_action"]
        if action.submit_tool_outputs is None or action.type != _ANSWER:
            reason = (
                f"required_action: expected type {_ANSWER!r} with its tool calls, which "
                f"{_ANSWER} answers; nothing answers {action.type!r}"
                if action.type != _ANSWER
                else f"required_action: {_ANSWER} is required: it holds the tool calls to answer"
            )
            self._mover.malformed(run, plan, reason)

    def _check_answers(
        self,
        run: RunResponse,
        plan: Plan,
        payload: Mapping[str, Any],
        changes: dict[str, Any],  # noqa: ARG002  outputs go to the worker, not onto the run
    ) -> None:
        """
        Refuse outputs that leave a call unanswered, or answer one that was not made.
        """
        outputs = payload.get("outputs")
        if len(payload) != 1 or (type(outputs) is not dict and not isinstance(outputs, Mapping)):
            extra = ", ".join(f"'{printable(name)}'" for name in payload if name != "outputs")
            found = f", not {extra}" if extra else ""
            self._mover.malformed(
                run, plan, f"takes 'outputs' by tool call id, and nothing else{found}"
            )
        action = run.required_action
        if action is None or action.submit_tool_outputs is None:
            waits = "nothing known" if action is None else action.type
            self._mover.malformed(run, plan, f"it waits for {waits}, which outputs do not answer")
        calls = action.submit_tool_outputs.tool_calls
        for call in calls:
            if call.id not in outputs:
                self._mover.malformed(run, plan, f"no output for {call.id}")
            output = outputs[call.id]
            if not isinstance(output, str):
                found = type(output).__name__
                self._mover.malformed(
                    run, plan, f"output for {call.id}: expected text, got {found}"
                )
            if not output.isascii() and (reason := why_unwritable(output)):
                self._mover.malformed(run, plan, f"output for {call.id}: {reason}")
        # The usual case: one call, and one output for it.
        if len(calls) == len(outputs) == 1:
            return
        unasked = outputs.keys() - {call.id for call in calls}
        if unasked:
            names = ", ".join(sorted(map(str, unasked)))
            self._mover.malformed(run, plan, f"no tool call is waiting for {names}")
