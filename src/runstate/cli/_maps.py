"""
Maps of statuses, as the command names, applies and lists them.
"""

from collections.abc import Iterable, Iterator

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .._text import printable
from ..histories._records import Finding, Observation, ObservationModel
from ..mapping import MAPS, StatusMap, load_map
from ._shared import BadInput, unknown

__all__ = ["map_named", "mapped", "model_for", "print_map", "print_maps"]

_SUFFIXES = (".toml", ".json")


def map_named(name: str) -> StatusMap:
    """
    Return the map called *name*, or the one in the file of that name.
    """
    if name in MAPS:
        return MAPS[name]
    if not name.lower().endswith(_SUFFIXES):
        raise BadInput(unknown("map", name, MAPS, "runstate lifecycles --maps", _SUFFIXES))

    return load_map(name)


def model_for(map_: StatusMap, observed: ObservationModel) -> ObservationModel | None:
    """
    Return the model to check under: *observed* if it was asked for, else the map's own.
    """
    context = click.get_current_context()
    if context.get_parameter_source("lifecycle_name") is not ParameterSource.DEFAULT:
        raise BadInput(f"--lifecycle is said by --map: {map_.source.name} as {map_.target.name}")
    asked = context.get_parameter_source("observed") is not ParameterSource.DEFAULT

    return observed if asked else None


def mapped(
    records: Iterable[Observation | Finding], map_: StatusMap
) -> Iterable[Observation | Finding]:
    """
    Return *records* in the other lifecycle's words, each time anew; findings among them as they are.
    """
    return _Mapped(records, map_)


class _Mapped:
    """
    Records that are mapped as often as they are read.
    """

    def __init__(self, records: Iterable[Observation | Finding], map_: StatusMap) -> None:
        self._records, self._map = records, map_

    def __iter__(self) -> Iterator[Observation | Finding]:
        mapper = self._map.mapper()
        for record in self._records:
            if isinstance(record, Finding):
                yield record
            else:
                yield from mapper.take(record)
        yield from mapper.rest()


def print_maps(console: Console) -> None:
    """
    List the maps, with what each of them loses.
    """
    table = Table("name", "holds as", "lost", "excepted")
    for map_ in MAPS.values():
        lost = "\n".join(f"{row.status}: {row.lost}" for row in map_ if row.lost)
        excepted = "\n".join(map(str, map_.exceptions))
        table.add_row(map_.name, map_.observed, Text(lost), Text(excepted))
    console.print(table)


def print_map(console: Console, map_: StatusMap) -> None:
    """
    Show what each status becomes in *map_*, and the moves that become none.
    """
    table = Table(map_.source.name, map_.target.name, "lost", "evidence", "source")
    for row in map_:
        becomes = "(dropped)" if row.becomes is None else row.becomes
        cells = (row.status, becomes, row.lost, row.evidence, row.citation)
        table.add_row(*(Text(printable(cell, 500)) for cell in cells))
    console.print(table)
    for each in map_.exceptions:
        console.print(Text(printable(f"except {each}: {each.why}", 1_000)))
