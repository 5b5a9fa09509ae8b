"""
A worker of the demonstration.
"""

import time
from collections import Counter
from typing import Any, Final, NamedTuple

from ..runs._models import RunResponse
from ..runs._wire import LastError, RequiredAction, Usage
from ..store import Illegal, Lease, RunStore, Stale, Verdict
from ._config import LEASE, MOST_RUNS, Config, Refused, note

__all__ = ["Report", "Worker"]

_TOOL_CALL: Final = RequiredAction.model_validate(
    {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": "{}"},
                }
            ]
        },
    }
)
_ERROR: Final = LastError(code="server_error", message="The model was not available.")
_USAGE: Final = Usage(prompt_tokens=120, completion_tokens=34, total_tokens=154)


class _Call(NamedTuple):
    """
    A call of the model that the worker waits for.
    """

    lease: Lease[RunResponse]
    answers: float
    """When the model answers, on the monotonic clock."""
    beat: float
    """When the lease should be renewed."""


class Report(NamedTuple):
    """
    What a worker reports when it stops.
    """

    held: tuple[str, ...]
    """The runs that it holds."""
    takeovers: int
    refused: Refused


class Worker:
    """
    Works on up to :data:`MOST_RUNS` runs at once.
    """

    def __init__(self, config: Config, store: RunStore, name: str) -> None:
        self._store, self.name = store, name
        self._random = config.random_for(name)
        self._lease_lasts = config.wall(LEASE)
        self._calls: list[_Call] = []
        self._next_claim = self._next_sweep = 0.0
        self.claims = 0
        self._takeovers = 0
        self._refused: Refused = Counter()

    @property
    def report(self) -> Report:
        """The report so far."""
        held = tuple(call.lease.run.id for call in self._calls)

        return Report(held, self._takeovers, self._refused)

    def turn(self) -> bool:
        """
        Do what is due; return False if nothing was.
        """
        now = time.monotonic()
        took = now >= self._next_claim and self._take()
        due = [call for call in self._calls if min(call.answers, call.beat) <= now]
        for call in due:
            self._calls.remove(call)
            if call.answers <= now:
                self._finish(call.lease)
            elif self._may_go_on(call.lease):
                self._calls.append(call._replace(beat=now + self._lease_lasts / 3))
        if not took and now >= self._next_sweep:
            self._next_sweep = now + 0.05
            self._store.sweep()

        return took or bool(due)

    def _take(self) -> bool:
        if len(self._calls) == MOST_RUNS:
            return False
        lease = self._store.claim(self.name, LEASE)
        if lease is None:
            # A claim at once would only delay the writes of the others.
            self._next_claim = time.monotonic() + 0.02
            return False
        self.claims += 1
        self._takeovers += lease.attempt > 1
        self._calls.append(self._call(lease))

        return True

    def _call(self, lease: Lease[RunResponse]) -> _Call:
        """
        Call the model: few answers take long, and in a few the worker misses heartbeats.
        """
        now, lasts = time.monotonic(), self._lease_lasts
        drawn = self._random.random()
        if drawn < 0.03:
            return _Call(lease, answers=now + 1.5 * lasts, beat=now + 2 * lasts)
        if drawn < 0.06:
            return _Call(lease, answers=now + 2 * lasts, beat=now + lasts / 3)

        return _Call(lease, now + self._random.random() * 0.04, beat=now + lasts / 3)

    def _may_go_on(self, lease: Lease[RunResponse]) -> bool:
        beat = self._store.heartbeat(lease)
        if isinstance(beat, Stale):
            note(self._refused, "heartbeat", beat)
        elif beat.cancel_requested:
            self._fire(lease, "confirm_cancel")
        else:
            return True

        return False

    def _finish(self, lease: Lease[RunResponse]) -> None:
        drawn = self._random.random()
        if drawn < 0.35:
            verdict = self._fire(lease, "require_action", required_action=_TOOL_CALL)
        elif drawn < 0.42:
            verdict = self._fire(lease, "fail", last_error=_ERROR, usage=_USAGE)
        elif drawn < 0.47:
            details = {"reason": "max_completion_tokens"}
            verdict = self._fire(lease, "stop_incomplete", incomplete_details=details, usage=_USAGE)
        else:
            verdict = self._fire(lease, "complete", usage=_USAGE)
        if isinstance(verdict, Illegal) and "confirm_cancel" in verdict.allowed:
            self._fire(lease, "confirm_cancel")

    def _fire(self, lease: Lease[RunResponse], trigger: str, **payload: Any) -> Verdict:
        verdict = self._store.fire(
            lease.run.id, trigger, token=lease.token, actor=self.name, **payload
        )
        note(self._refused, trigger, verdict)

        return verdict
