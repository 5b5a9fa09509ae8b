"""
One method a trigger, for stores of runs: written once for threads and for asyncio.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from ..runs._wire import LastError, RequiredAction, Usage

__all__ = ["NamedMoves"]

_Answer = TypeVar("_Answer")


class NamedMoves(Generic[_Answer]):
    """
    The triggers of a run by their names; each returns what ``fire`` returns.
    """

    @abstractmethod
    def fire(self, run_id: str, trigger: str, /, **options: Any) -> _Answer:
        """
        Move a run by *trigger*. The store that inherits from this class defines it.
        """

    def start(self, run_id: str, **options: Any) -> _Answer:
        """
        Move a queued run to ``in_progress``.

        Args:
            run_id: The run.
            options: *token*, *expected_version*, *key*, *actor*, *reason*, *not_before* and
                *connection*, which :meth:`fire` explains.
        """
        return self.fire(run_id, "start", **options)

    def require_action(
        self, run_id: str, required_action: RequiredAction | Mapping[str, Any], **options: Any
    ) -> _Answer:
        """
        Move a run in progress to ``requires_action``, where it waits for tool outputs.

        Args:
            run_id: The run.
            required_action: The calls whose outputs the run waits for.
            options: *token*, *expected_version*, *key*, *actor*, *reason*, *not_before* and
                *connection*, which :meth:`fire` explains.
        """
        return self.fire(run_id, "require_action", required_action=required_action, **options)

    def submit_tool_outputs(
        self, run_id: str, outputs: Mapping[str, str], **options: Any
    ) -> _Answer:
        """
        Queue a run again that waits for tool outputs, which the journal keeps by call id.

        Args:
            run_id: The run.
            outputs: The output of every call that the run waits for, by the id of the call.
            options: *token*, *expected_version*, *key*, *actor*, *reason*, *not_before* and
                *connection*, which :meth:`fire` explains.
        """
        return self.fire(run_id, "submit_tool_outputs", outputs=outputs, **options)

    def complete(
        self, run_id: str, usage: Usage | Mapping[str, Any] | None = None, **options: Any
    ) -> _Answer:
        """
        End a run as ``completed``.

        Args:
            run_id: The run.
            usage: The tokens that the run has used, if they are known.
            options: *token*, *expected_version*, *key*, *actor*, *reason*, *not_before* and
                *connection*, which :meth:`fire` explains.
        """
        return self.fire(run_id, "complete", usage=usage, **options)

    def fail(
        self,
        run_id: str,
        last_error: LastError | Mapping[str, Any],
        usage: Usage | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> _Answer:
        """
        End a run as failed, because of *last_error*.

        Args:
            run_id: The run.
            last_error: Why it failed: a code and a message.
            usage: The tokens that the run has used, if they are known.
            options: *token*, *expected_version*, *key*, *actor*, *reason*, *not_before* and
                *connection*, which :meth:`fire` explains.
        """
        return self.fire(run_id, "fail", last_error=last_error, usage=usage, **options)

    def stop_incomplete(
        self,
        run_id: str,
        reason: str,
        usage: Usage | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> _Answer:
        """
        End a run at a token limit: ``max_completion_tokens`` or ``max_prompt_tokens``.

        Args:
            run_id: The run.
            reason: Which limit: ``max_completion_tokens`` or ``max_prompt_tokens``.
            usage: The tokens that the run has used, if they are known.
            options: *token*, *expected_version*, *key*, *actor*, *reason*, *not_before* and
                *connection*, which :meth:`fire` explains.
        """
        details = {"reason": reason}

        return self.fire(
            run_id, "stop_incomplete", incomplete_details=details, usage=usage, **options
        )

    def request_cancel(self, run_id: str, **options: Any) -> _Answer:
        """
        Ask for a run to be cancelled. It may still end otherwise, until that is confirmed.

        Args:
            run_id: The run.
            options: *token*, *expected_version*, *key*, *actor*, *reason*, *not_before* and
                *connection*, which :meth:`fire` explains.
        """
        return self.fire(run_id, "request_cancel", **options)

    def confirm_cancel(
        self, run_id: str, usage: Usage | Mapping[str, Any] | None = None, **options: Any
    ) -> _Answer:
        """
        End a run that is being cancelled as ``cancelled``.

        Args:
            run_id: The run.
            usage: The tokens that the run has used, if they are known.
            options: *token*, *expected_version*, *key*, *actor*, *reason*, *not_before* and
                *connection*, which :meth:`fire` explains.
        """
        return self.fire(run_id, "confirm_cancel", usage=usage, **options)

    def expire(
        self, run_id: str, usage: Usage | Mapping[str, Any] | None = None, **options: Any
    ) -> _Answer:
        """
        End a run that took too long.

        Args:
            run_id: The run.
            usage: The tokens that the run has used, if they are known.
            options: *token*, *expected_version*, *key*, *actor*, *reason*, *not_before* and
                *connection*, which :meth:`fire` explains.
        """
        return self.fire(run_id, "expire", usage=usage, **options)
