"""
Functions that all exporters share: times, ids, and attributes with few values.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Final, ParamSpec

from .._text import printable
from ..lifecycle._rows import Outcome
from ..lifecycle._table import Lifecycle
from ..runs._log import Moved

__all__ = [
    "DURATIONS",
    "REJECTIONS",
    "closed",
    "ended",
    "harmless",
    "in_order",
    "numbered",
    "rfc3339",
]

DURATIONS: Final = (
    0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0,
    14_400.0, 86_400.0,
)  # fmt: skip
"""Bounds of the histograms, in seconds: from a tool call to a day."""

REJECTIONS: Final = ("illegal", "duplicate", "superseded", "stale", "guard", "payload")
"""Why a trigger moved nothing."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_P = ParamSpec("_P")


def rfc3339(at: float) -> str:
    """
    Return Unix seconds as a time in UTC, to the microsecond.
    """
    return (_EPOCH + timedelta(seconds=at)).isoformat(timespec="microseconds")


def closed(status: str | None, lifecycle: Lifecycle) -> str:
    """
    Return *status* if the lifecycle has it, else ``other``, which bounds the number of series.
    """
    if status is None:
        return "none"

    return str(status) if status in lifecycle.known else "other"


def numbered(moved: Moved) -> tuple[str, int]:
    """
    Return the run's id and the move's number, the parts of a stable event id.

    Raises:
        ValueError: It lacks one of them.
    """
    if moved.run_id is None or moved.seq is None:
        raise ValueError("a move without a run's id and a seq has no stable id")

    return moved.run_id, moved.seq


def in_order(moves: Iterable[Moved]) -> list[Moved]:
    """
    Return the *moves* of one run in their order, without repeated deliveries.

    By their numbers, which no clock can make the same; by time where one has no number. What a
    journal says besides, of leases and of outcomes that came too late, leads to no status.
    """
    whole = [moved for moved in moves if moved.target]
    once = {moved.seq: moved for moved in reversed(whole)}
    if None in once:
        return sorted(whole, key=lambda moved: moved.at)

    return [moved for _, moved in sorted(once.items())]


def ended(moves: Iterable[Moved], lifecycle: Lifecycle) -> tuple[list[Moved], Outcome]:
    """
    Return the *moves* of a run that has ended, in order, and its outcome.

    Raises:
        ValueError: The run has not ended, or there is no move.
    """
    whole = in_order(moves)
    if not whole:
        raise ValueError("expected all moves of a run that has ended, got none")
    last = whole[-1]
    outcome = lifecycle.terminal.get(last.target)
    if outcome is None:
        raise ValueError(
            f"expected a run that has ended; {last.run_id!r} is in {last.target!r}, "
            f"which is not terminal in {lifecycle.name}"
        )

    return whole, outcome


def harmless(tell: Callable[_P, Any]) -> Callable[_P, None]:
    """
    Return *tell* as a function that never raises, because the move has been made already.
    """

    @wraps(tell)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            tell(*args, **kwargs)
        except Exception as error:  # noqa: BLE001
            _log_failure(tell.__qualname__, error)

    return guarded


def _log_failure(who: str, error: Exception) -> None:
    try:
        reason = printable(repr(error))
    except Exception:  # noqa: BLE001  the repr of an error may raise too
        reason = type(error).__name__
    logging.getLogger("runstate").error("%s failed: %s", who, reason)
