"""
A move as a CloudEvent 1.0, in the structured JSON form.
"""

from typing import Any, Final

from ..lifecycle._table import Lifecycle
from ..runs._log import Moved
from ..runs._run import RUN
from ._shared import numbered, rfc3339

__all__ = ["cloudevent"]

TYPE: Final = "io.runstate.run.transition.v1"
_SEQUENCE_DIGITS = 10


def cloudevent(
    moved: Moved, source: str, *, lifecycle: Lifecycle = RUN, traceparent: str | None = None
) -> dict[str, Any]:
    """
    Return *moved* as a CloudEvent whose ``id`` is ``run_id:seq``.

    A move that is delivered twice gives the same event twice: consumers tell events apart by
    *source* and ``id``. ``sequence`` counts within a run, and compares as text.

    Args:
        moved: The move; of a journal's entry, its ``moved``.
        source: URI reference of the service or the store it happened in.
        lifecycle: The table it is a row of, which says whether the run has ended.
        traceparent: W3C trace context of the run, where it is known.

    Raises:
        ValueError: The move has no run's id or no seq, so no stable id.

    Example:
        >>> event = cloudevent(Moved("run_1", "start", "queued", "in_progress", 0.5, 0.5, 2), "/runs")
        >>> event["id"], event["time"], event["data"]["target"]
        ('run_1:2', '1970-01-01T00:00:00.500000+00:00', 'in_progress')
    """
    run_id, seq = numbered(moved)
    event = {
        "specversion": "1.0",
        "id": f"{run_id}:{seq}",
        "source": source,
        "type": TYPE,
        "subject": run_id,
        "time": rfc3339(moved.at),
        "sequence": str(seq).zfill(_SEQUENCE_DIGITS),
        "datacontenttype": "application/json",
        "data": {
            "lifecycle": lifecycle.name,
            "run_id": run_id,
            "seq": seq,
            "trigger": moved.trigger,
            "source": moved.source,
            "target": moved.target,
            "duration_s": moved.duration_s,
            "clock_regressed": moved.clock_regressed,
            "outcome": lifecycle.terminal.get(moved.target),
        },
    }
    if traceparent is not None:
        event["traceparent"] = traceparent

    return event
