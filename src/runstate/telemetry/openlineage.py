"""
A move as OpenLineage run events: one START and one end a run.

OpenLineage has no counterpart for some statuses. What is lost is kept in a facet of ours:
``cancelled`` and ``expired`` are both ABORT, and ``incomplete`` is a COMPLETE.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from ..lifecycle._rows import Outcome
from ..lifecycle._table import Lifecycle
from ..runs._log import Moved
from ..runs._run import RUN
from ._shared import numbered, rfc3339

__all__ = ["openlineage_events"]

SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json"

_ENDS: Final[Mapping[Outcome, str]] = {
    "success": "COMPLETE",
    "incomplete": "COMPLETE",
    "failure": "FAIL",
    "error": "FAIL",
    "timeout": "ABORT",
    "cancelled": "ABORT",
}
_FIRST = 2
"""Number of the move that takes a run out of its first status."""


def openlineage_events(
    moved: Moved,
    *,
    namespace: str,
    job: str,
    producer: str = "https://pypi.org/project/runstate",
    lifecycle: Lifecycle = RUN,
) -> tuple[dict[str, Any], ...]:
    """
    Return the run events for *moved*, in order: none, one or two.

    A run's creation is none; its first move starts it, also where that ends it; later
    moves are RUNNING until one is the end. So every run that has ended has one START
    and one COMPLETE, FAIL or ABORT, whatever its way.

    Args:
        moved: The move; of a journal's entry, its ``moved``.
        namespace: Of the job, and of the run's UUID, which is made of it and the run's id.
        job: Name of the job that the run is a run of.
        producer: URI of who says so.
        lifecycle: The table it is a row of.

    Raises:
        ValueError: The move has no run's id or no seq.
    """
    run_id, seq = numbered(moved)
    if seq < _FIRST:
        return ()
    types = ["START"] if seq == _FIRST else []
    outcome = lifecycle.terminal.get(moved.target)
    if outcome is not None:
        types.append(_ENDS[outcome])
    elif not types:
        types.append("RUNNING")
    base = {"_producer": producer, "_schemaURL": f"{SCHEMA}#/$defs/RunFacet"}
    facet = {
        "id": run_id, "seq": seq, "lifecycle": lifecycle.name, "trigger": moved.trigger,
        "source": moved.source, "target": moved.target, "outcome": outcome,
    }  # fmt: skip

    return tuple(
        {
            "eventType": each,
            "eventTime": rfc3339(moved.at),
            "run": {"runId": str(_uuid(namespace, run_id)), "facets": {"runstate": base | facet}},
            "job": {"namespace": namespace, "name": job},
            "inputs": [],
            "outputs": [],
            "producer": producer,
            "schemaURL": f"{SCHEMA}#/$defs/RunEvent",
        }
        for each in types
    )


def _uuid(namespace: str, run_id: str) -> UUID:
    # Surrogates cannot be encoded, and a run's id may hold anything.
    return uuid5(NAMESPACE_URL, f"{namespace}/{run_id}".encode("utf-8", "replace").decode())
