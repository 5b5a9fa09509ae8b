"""
JSON: the whole lifecycle as data, under the names of its attributes.

What is empty or None is left out. Reading it back gives the lifecycle again.
"""

import json
from typing import Any

from ..lifecycle._rows import Deadline, Deviation, Entry, Transition
from ..lifecycle._shape import Shape
from ..lifecycle._table import Lifecycle
from ._figure import Overlay

__all__ = ["render"]


def render(lifecycle: Lifecycle, overlay: Overlay) -> bytes:
    """
    Return *lifecycle* as one object, with the counts and times of *overlay* under ``observed``.
    """
    begins = lifecycle.initial_statuses
    data = {
        "name": lifecycle.name,
        "kind": lifecycle.kind,
        "status_field": lifecycle.status_field,
        "id_field": lifecycle.id_field,
        "attempt_field": lifecycle.attempt_field if lifecycle.reopenings else None,
        "initial": begins[0] if len(begins) == 1 else begins,
        "terminal": dict(lifecycle.terminal),
        "transitions": [_plain(row) for row in (*lifecycle, *lifecycle.reopenings)],
        "entries": [_plain(entry) for entry in lifecycle.entries],
        "created": lifecycle.created,
        "deadline": lifecycle.deadline and _plain(lifecycle.deadline),
        "identity": lifecycle.identity,
        "fields": sorted(lifecycle.fields or ()),
        "deviations": [_plain(deviation) for deviation in lifecycle.deviations],
        "shapes": [
            _without_empty({**_plain(shape), "words": dict(shape.words)})
            for shape in lifecycle.shapes
        ],
        "observed": [
            {
                "source": source,
                "target": target,
                "count": count,
                **_times(overlay, (source, target)),
            }
            for (source, target), count in sorted(overlay.counts.items())
        ],
    }

    return (json.dumps(_without_empty(data), ensure_ascii=True, indent=2) + "\n").encode("ascii")


def _times(overlay: Overlay, pair: tuple[str, str]) -> dict[str, float]:
    """
    Return how long runs were in the first of *pair* before that move, in seconds.
    """
    dwell = overlay.dwell.get(pair)
    if dwell is None:
        return {}

    return {
        "p50_s": round(dwell.quantile(0.5), 6),
        "p95_s": round(dwell.quantile(0.95), 6),
        "longest_s": round(dwell.longest, 6),
    }


def _plain(record: Transition | Entry | Deadline | Deviation | Shape) -> dict[str, Any]:
    """
    Return *record* as what JSON has; a set comes in order.
    """
    values = {name: getattr(record, name) for name in record.__dataclass_fields__}

    return _without_empty(
        {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in values.items()
        }
    )


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    empty: tuple[Any, ...] = ("", (), [], {})

    return {
        name: v for name, v in values.items() if v is not None and v is not False and v not in empty
    }
