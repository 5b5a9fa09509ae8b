"""
The findings about an observation, and the wording of those that several rules share.
"""

from functools import lru_cache

from .._text import printable
from ..lifecycle._table import Lifecycle
from ._records import Finding, Observation, Severity
from ._rules import RULES

__all__ = ["backwards", "finding_on", "no_move", "unknown_status"]


def finding_on(
    code: str,
    observation: Observation,
    message: str,
    *,
    severity: Severity | None = None,
    source: str | None = None,
    target: str | None = None,
    hint: str = "",
) -> Finding:
    """
    Return a finding about *observation*, which says where it was read.

    Args:
        code: Code of the rule, such as ``RS103``.
        observation: What was seen.
        message: What is wrong, in one line.
        severity: By default that of the rule.
        source: The status before.
        target: The status that was seen.
        hint: What to do about it.
    """
    return Finding(
        code,
        severity or RULES[code].severity,
        message,
        observation.run_id,
        source,
        target,
        hint,
        observation.file,
        observation.line,
    )


def unknown_status(observation: Observation, status: str, lifecycle: Lifecycle) -> Finding:
    """
    Return the finding that *lifecycle* has no *status* (RS101), with what may be meant.
    """
    return finding_on(
        "RS101",
        observation,
        f"unknown status '{printable(status)}'",
        target=status,
        hint=_meant(status, lifecycle.statuses),
    )


def no_move(
    code: str, observation: Observation, source: str, target: str, lifecycle: Lifecycle
) -> Finding:
    """
    Return the finding that no move of *lifecycle* leads from *source* to *target*.

    Args:
        code: ``RS104`` where no path does either, else the code for a missing row.
        observation: What was seen.
        source: The status before.
        target: The status after it.
        lifecycle: Whose shortest legal path is shown.
    """
    path = lifecycle.shortest_path(source, target)
    if lifecycle.is_terminal(source):
        message = f"{source} -> {target}: {source} is terminal"
    else:
        message = f"{source} -> {target}: {'not reachable' if code == 'RS104' else 'no such move'}"
    if path:
        hint = f"shortest legal path: {source} " + " ".join(
            f"-{row.trigger}-> {row.target}" for row in path
        )
    else:
        hint = f"no legal path leads from {source} to {target}"

    return finding_on(code, observation, message, source=source, target=target, hint=hint)


def backwards(observation: Observation, seconds: float) -> Finding:
    """
    Return the finding that *observation* was made *seconds* before the one that precedes it (RS108).
    """
    message = f"seen {seconds:.15g} s before the observation that precedes it"

    return finding_on("RS108", observation, message)


@lru_cache(256)  # a log that has a wrong status has it in every run
def _meant(status: str, statuses: tuple[str, ...]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  for a mistake's sake alone

    close = get_close_matches(status, statuses, n=1)

    return f"did you mean {close[0]}?" if close else f"known: {', '.join(statuses)}"
