"""
Counters as text, to cross from one process to another that does not trust it with code.
"""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from ._counts import Counts, Durations
from ._records import NOTHING, Finding, Observation
from ._sample import Timelines

__all__ = ["packed", "unpacked"]

_NUMBERS: Final = (
    "limit", "runs", "observations", "undecided", "tied", "reopened", "errors", "began", "ended",
)  # fmt: skip
_BY_STATUS: Final = ("tally", "seen", "ends")
_BY_MOVE: Final = ("moves", "recorded")


def packed(counts: Counts) -> str:
    """
    Return *counts* as JSON.
    """
    shown = counts.timelines
    facts: dict[str, Any] = {name: getattr(counts, name) for name in (*_NUMBERS, *_BY_STATUS)}
    facts |= {name: [*getattr(counts, name).items()] for name in _BY_MOVE}
    facts["dwell"] = [
        (move, each.times, each.total, each.longest, [*each.buckets.items()])
        for move, each in counts.dwell.items()
    ]
    facts["kept"] = counts.kept
    facts["faults"] = [
        (key, *counts.faults.first[key], counts.faults.counts[key]) for key in counts.faults.first
    ]
    facts["timelines"] = shown.most, *map(_without_fields, (shown.wrong, shown.fair))

    return json.dumps(facts)


def unpacked(text: str) -> Counts:
    """
    Return the counts that *text* is, which :func:`packed` made.
    """
    facts = json.loads(text)
    most, wrong, fair = facts["timelines"]
    numbers: dict[str, Any] = {name: facts[name] for name in _NUMBERS}
    counted: dict[str, Any] = {name: Counter(facts[name]) for name in _BY_STATUS}
    counted |= {name: Counter({tuple(move): n for move, n in facts[name]}) for name in _BY_MOVE}
    kept = [(tuple(place), Finding(*finding)) for place, finding in facts["kept"]]
    timelines = Timelines(most, _with_fields(wrong), _with_fields(fair))
    counts = Counts(**numbers, **counted, kept=kept, timelines=timelines)
    for key, place, finding, times in facts["faults"]:
        counts.faults.first[tuple(key)] = tuple(place), Finding(*finding)
        counts.faults.counts[tuple(key)] = times
    for move, times, total, longest, buckets in facts["dwell"]:
        counts.dwell[tuple(move)] = Durations(times, total, longest, Counter(dict(buckets)))

    return counts


def _without_fields(kept: Iterable[Any]) -> list[Any]:
    return [(key, run, [row._replace(fields={}) for row in rows]) for key, run, rows in kept]


def _with_fields(kept: Iterable[Any]) -> list[Any]:
    return [
        (tuple(key), run, tuple(Observation(*row)._replace(fields=NOTHING) for row in rows))
        for key, run, rows in kept
    ]
