"""
Suggests the options for an input given without any: the lifecycle whose shape its records have.
"""

import shlex
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from .._text import printable
from .._urls import shown_url
from ..lifecycle._table import Lifecycle
from ..presets import PRESETS, RUN
from ..readers._sample import Fit, columns_in, fit_of, is_plain
from ._input import Records
from ._shared import BadInput

__all__ = ["MOST", "Advice", "advice_on", "refuse_known_records", "refuse_known_systems"]

MOST: Final = 100
"""Records that are looked at in each input."""
_SURE: Final = 2
"""Least score at which paths, and not only statuses, identify a system."""
_SHOWN_SURE: Final = 4
_SHOWN: Final = 8
_FEW: Final = 2
"""Fewer records may well be runs whose status is misspelled."""
_READ: Final = 0.5
"""Share of the records that fit, from which on an input is of that kind."""
_NEAR: Final = 3
"""How many times the weight of a kind a better one may have, for both to be named: a document may hold both."""


class Advice(NamedTuple):
    """
    What to say of an input.
    """

    lead: str
    """What it looks like."""
    command: str
    """The command to type."""
    options: list[str]
    """Its options, and the alternatives."""


def refuse_known_systems(records: Records, paths: Sequence[str]) -> None:
    """
    Pass inputs that are about runs, or about something unknown.

    Args:
        records: The records of *paths*.
        paths: The inputs, which the caller named without a lifecycle or a column.

    Raises:
        BadInput: The records of an input have the shape of another lifecycle. Says what to type.
    """
    for path in paths:
        refuse_known_records([*islice(records.sample(path), MOST)], path)


def refuse_known_records(records: Sequence[dict[str, Any]], path: str) -> None:
    """
    Pass the first *records* of *path* if they are about runs, or about something unknown.

    Raises:
        BadInput: They have the shape of another lifecycle. Says what to type.
    """
    advice = advice_on(records)
    if advice is not None:
        name = printable(shown_url(path))
        first, *others = advice.options
        more = "".join(f", or {each}" for each in others)
        typed = f"runstate {advice.command} {shlex.quote(name)} {first}{more}"
        raise BadInput(f"{name} {advice.lead}: {typed}")


def advice_on(records: Sequence[dict[str, Any]]) -> Advice | None:
    """
    Return what to say of *records*; None where they are runs.
    """
    if not records or any(map(is_plain, records)):
        return None
    run = fit_of(records, RUN)
    own = run.share >= _READ
    fits = {
        name: fit
        for name, preset in _distinct().items()
        if (fit := fit_of(records, preset)).share > 0
    }
    least = max(_SURE, run.weight) if own else _SURE
    sure = {
        name: fit
        for name, fit in fits.items()
        if fit.weight >= least and fit.share >= run.share * own
    }
    if sure:
        best = max(fit.weight for fit in sure.values())
        near = {name: fit for name, fit in sure.items() if _NEAR * fit.weight >= best}
        # A kind that few of the records have, where nearly all have another, fits by accident.
        most = max(fit.share for fit in near.values())
        near = {name: fit for name, fit in near.items() if fit.share >= _READ * most}
        return _looks_like(_ranked(near)[:_SHOWN_SURE])
    if own:
        return None
    alike = _ranked({name: fit for name, fit in fits.items() if fit.share >= _READ})[:_SHOWN]

    return _by_columns(records, alike)


def _by_columns(records: Sequence[dict[str, Any]], alike: Sequence[str]) -> Advice | None:
    """
    Return what to say of *records* that have usual columns, and words as those presets *alike*.
    """
    columns = columns_in(records)
    if columns is None or columns.status is None:
        return _looks_like(alike) if alike else None
    named = {"--run-id": columns.run_id, "--from": columns.source, "--status": columns.status}
    typed = " ".join(f"{key} {shlex.quote(printable(to))}" for key, to in named.items() if to)
    if alike:
        lead, command, options = _looks_like(alike)
        return Advice(lead, command, [*options, f"{typed} for runs of your own"])
    usual = columns.run_id in ("id", "run_id") and columns.status == RUN.status_field
    if usual and len(records) < _FEW:
        return None
    if RUN.known.isdisjoint(str(record.get(columns.status)) for record in records):
        lead = "has statuses that no lifecycle here knows; a draft of its own"
        return Advice(lead, "init", [f"{typed} -o lifecycle.toml"])
    if usual:
        return None

    return Advice("is not of a system that is known by its shape", "check", [typed])


def _looks_like(names: Sequence[str]) -> Advice:
    options = [f"--lifecycle {name}" for name in names]

    return Advice(f"looks like {' or '.join(names)}", "check", options)


def _ranked(fits: dict[str, Fit]) -> list[str]:
    return sorted(fits, key=lambda name: (-fits[name].weight, -fits[name].share, name))


def _distinct() -> dict[str, Lifecycle]:
    """
    Return the presets that a record can tell apart: none that is another one with fewer rows.
    """
    others = {name: PRESETS[name] for name in PRESETS if PRESETS[name].kind != RUN.kind}
    others["azure-run-dotnet"] = PRESETS["azure-run-dotnet"]

    return {
        name: preset
        for name, preset in others.items()
        if not any(name != base and name.startswith(f"{base}-") for base in others)
        or name == "azure-run-dotnet"
    }
