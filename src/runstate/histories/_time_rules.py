"""
What goes on for too long: after it was due (RS301), or in one status (RS302).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..lifecycle._table import Lifecycle
from ._findings import finding_on
from ._records import Finding, Observation
from ._run_memory import RunMemory

__all__ = ["TimeRules"]


class TimeRules:
    """
    The rules about time that passes, under one lifecycle.
    """

    def __init__(self, lifecycle: Lifecycle, limits: Mapping[str, float]) -> None:
        """
        Prepare the rules.

        Args:
            lifecycle: The table; its deadline says when a run is due.
            limits: Longest time in a status, in seconds by status.

        Raises:
            ValueError: A limit names an unknown status.
        """
        for status in limits:
            if status not in lifecycle.statuses:
                raise ValueError(
                    f"limit given for unknown status {str(status)!r} (lifecycle {lifecycle.name})"
                )
        self._lifecycle = lifecycle
        self._limits = dict(limits)

    def too_long(self, run: RunMemory, observation: Observation, at: float) -> Iterator[Finding]:
        """
        Yield what has gone on for too long at the time *at*, once a run or a status.

        Args:
            run: What is remembered of the run, before *observation*.
            observation: Its next observation, or its last one again if nothing new was seen.
            at: The time, in Unix seconds.
        """
        status = observation.status
        due = self.due(observation.fields, run.due)
        if (
            due is not None
            and at > due
            and not run.overdue
            and not self._lifecycle.is_terminal(status)
        ):
            run.overdue = True
            yield finding_on(
                "RS301", observation, f"still {status} {at - due:.15g} s after it was due"
            )
        if run.status is None or run.since is None or run.stuck:
            return
        limit, kept = self._limits.get(run.status), at - run.since
        if limit is not None and kept > limit:
            run.stuck = True
            yield finding_on(
                "RS302", observation, f"{run.status} for {kept:.15g} s", source=run.status,
                hint=f"the limit is {limit:.15g} s",
            )  # fmt: skip

    def due(self, fields: Mapping[str, Any], known: float | None) -> float | None:
        """
        Return when a run with these *fields* is due; *known* if they do not say.
        """
        deadline = self._lifecycle.deadline
        if deadline is None or deadline.field not in fields:
            return known
        value = fields[deadline.field]

        return value if isinstance(value, int | float) else None
