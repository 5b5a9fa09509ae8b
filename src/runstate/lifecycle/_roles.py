"""
The rows of a store: those that claim an object, confirm its cancel, or time it out.
"""

from ._rows import Transition
from ._table import Lifecycle

__all__ = ["START", "cancelling_rows", "claim_rows", "timeout_rows", "unattended"]

START = "start"
"""The trigger with which a worker claims an object, if the lifecycle has it."""


def claim_rows(lifecycle: Lifecycle, trigger: str | None = None) -> tuple[Transition, ...]:
    """
    Return the rows with which a worker claims an object: one trigger, one target, several sources.

    Args:
        lifecycle: The table.
        trigger: The trigger; by default ``start``, or else the first that leads into a status
            from which an object can succeed, out of one from which it cannot.

    Returns:
        The rows; empty if there are none that need neither a payload nor a condition.
    """
    usable = [
        row
        for row in lifecycle
        if unattended(lifecycle, row.trigger, row.source) and not lifecycle.is_terminal(row.target)
    ]
    wanted = START if trigger is None else trigger
    first = next((row for row in usable if row.trigger == wanted), None)
    if first is None and trigger is None:
        working = {r.source for r in lifecycle if lifecycle.terminal.get(r.target) == "success"}
        into = (row for row in usable if row.target in working and row.source not in working)
        first = next(into, None)
    if first is None:
        return ()

    return tuple(r for r in usable if (r.trigger, r.target) == (first.trigger, first.target))


def cancelling_rows(lifecycle: Lifecycle) -> dict[str, str]:
    """
    Return the statuses of a requested cancel, each with the trigger that confirms it.

    These are the statuses that say so in their names, such as ``cancelling`` or
    ``cancel_requested``. A status that can also be cancelled at once is not one of them.
    """
    return {
        row.source: row.trigger
        for row in lifecycle
        if "cancel" in row.source.lower()
        and lifecycle.terminal.get(row.target) == "cancelled"
        and unattended(lifecycle, row.trigger, row.source)
    }


def timeout_rows(lifecycle: Lifecycle) -> dict[str, str]:
    """
    Return the statuses that can time out, each with the trigger for it.
    """
    return {
        row.source: row.trigger
        for row in lifecycle
        if lifecycle.terminal.get(row.target) == "timeout"
        and unattended(lifecycle, row.trigger, row.source)
    }


def unattended(lifecycle: Lifecycle, trigger: str, source: str) -> bool:
    """
    Return whether *trigger* can be fired from *source* without a payload and without a condition.
    """
    row = lifecycle.row(trigger, source)

    return row is not None and not lifecycle.entry(row.target).requires
