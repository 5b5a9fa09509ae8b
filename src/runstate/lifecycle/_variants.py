"""
Variants: lifecycles defined by their changes to a base.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from operator import attrgetter
from typing import Any, Final, TypeVar

from ._expand import expanded
from ._rows import Deviation, Entry, Transition
from ._shape import Shape

__all__ = ["changed", "dropped", "not_in", "renamed"]

_Part = TypeVar("_Part", Transition, Entry, Deviation)

_ROWS: Final = ("transitions", "reopenings")


def not_in(
    values: Mapping[str, Any],
    statuses: Iterable[str],
    triggers: Iterable[str],
    rows: Iterable[tuple[str, str]],
) -> list[str]:
    """
    Return a phrase for each of *statuses*, *triggers* and *rows* that the *values* of a lifecycle lack.
    """
    every = [row for key in _ROWS for row in values[key]]
    known = {*values["initial_statuses"], *values["terminal"]}
    known |= {status for row in every for status in (row.source, row.target)}
    fired = {row.trigger for row in every}
    pairs = {(row.trigger, row.source) for row in every}

    return [
        *(f"no status {str(status)!r}" for status in sorted({*statuses} - known)),
        *(f"no trigger {str(trigger)!r}" for trigger in sorted({*triggers} - fired)),
        *(f"no row {tuple(map(str, row))!r}" for row in sorted({*rows} - pairs)),
    ]


def dropped(
    values: dict[str, Any],
    statuses: Iterable[str],
    triggers: Iterable[str],
    rows: Iterable[tuple[str, str]],
) -> dict[str, Any]:
    """
    Return the *values* of a lifecycle without some statuses, triggers and (trigger, source) rows.
    """
    gone, unfired, unrowed = set(statuses), set(triggers), set(rows)

    def stays(row: Transition) -> bool:
        return not (
            gone & {row.source, row.target}
            or row.trigger in unfired
            or (row.trigger, row.source) in unrowed
        )

    return {
        **values,
        **{key: tuple(filter(stays, values[key])) for key in _ROWS},
        "initial_statuses": tuple(s for s in values["initial_statuses"] if s not in gone),
        "terminal": {s: word for s, word in values["terminal"].items() if s not in gone},
        "entries": tuple(entry for entry in values["entries"] if entry.status not in gone),
        "deviations": tuple(_left(values["deviations"], gone)),
        "shapes": tuple(shape.without(gone) for shape in values["shapes"]),
    }


def renamed(values: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """
    Return the *values* of a lifecycle with its statuses renamed as *names* says.
    """

    def new(status: str) -> str:
        return names.get(status, status)

    return {
        **values,
        **{
            key: tuple(
                replace(row, source=new(row.source), target=new(row.target)) for row in values[key]
            )
            for key in _ROWS
        },
        "initial_statuses": tuple(map(new, values["initial_statuses"])),
        "terminal": {new(status): word for status, word in values["terminal"].items()},
        "entries": tuple(replace(e, status=new(e.status)) for e in values["entries"]),
        "deviations": tuple(
            each
            if each.statuses is None
            else replace(each, statuses=frozenset(map(new, each.statuses)))
            for each in values["deviations"]
        ),
        "shapes": tuple(_respelled(shape, names) for shape in values["shapes"]),
    }


def _respelled(shape: Shape, names: Mapping[str, str]) -> Shape:
    words = tuple((word, names.get(status, status)) for word, status in shape.words)

    return replace(shape, words=words, null=names.get(shape.null or "", shape.null))


def changed(values: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the *values* of a lifecycle updated with those in *own*.

    Rows and entries are added, or replace that of the same trigger, source and conditions, or of
    the same status. Terminal statuses and deviations are added. Everything else is replaced.
    """
    merged = {**values, **own, "terminal": {**values["terminal"], **own.get("terminal", {})}}
    every = [row for key in _ROWS for row in values[key]]
    statuses = [
        *(own.get("initial") or values["initial_statuses"]),
        *(status for row in every for status in (row.source, row.target)),
    ]
    rows = expanded(own.get("transitions", ()), statuses, merged["terminal"])
    merged["transitions"] = _merged(every, rows, ("trigger", "source", "when", "unless"))
    merged["reopenings"] = ()
    merged["entries"] = _merged(values["entries"], own.get("entries", ()), ("status",))
    merged["deviations"] = _merged(
        values["deviations"], own.get("deviations", ()), ("code", "field", "statuses")
    )

    return merged


def _merged(
    old: Iterable[_Part], new: Iterable[_Part], attributes: tuple[str, ...]
) -> tuple[_Part, ...]:
    return tuple({attrgetter(*attributes)(part): part for part in chain(old, new)}.values())


def _left(deviations: Iterable[Deviation], gone: set[str]) -> Iterable[Deviation]:
    """
    Yield *deviations* without the statuses *gone*.
    """
    for deviation in deviations:
        if deviation.statuses is None or deviation.statuses.isdisjoint(gone):
            yield deviation
        elif deviation.statuses - gone:
            yield replace(deviation, statuses=deviation.statuses - gone)
