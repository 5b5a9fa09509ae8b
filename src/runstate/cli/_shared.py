"""
What the commands have in common: their options, and the lifecycle and the input they name.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import tzinfo
from typing import Any, Final

import click

from .._text import printable
from .._urls import shown_url
from ..histories._records import Finding, Observation
from ..interchange import SUFFIXES, load
from ..lifecycle._table import Lifecycle
from ..presets import PRESETS
from ..readers import FORMATS as READ_FORMATS
from ..readers._shape_columns import needs_shape
from ._input import Reading, records

__all__ = [
    "BadInput", "lifecycle_named", "lifecycle_option", "observations", "observed_option",
    "order_option", "reading_options", "refuse_for_bulk", "unknown",
]  # fmt: skip

OBSERVED: Final = ("complete", "polled", "unordered")


class BadInput(click.ClickException):
    """Something that the user gave cannot be used."""

    exit_code = 2


lifecycle_option = click.option(
    "--lifecycle",
    "lifecycle_name",
    metavar="NAME|FILE",
    default="run",
    show_default=True,
    help="A preset, or a file that ends in .toml, .json or .scxml.",
)

observed_option = click.option(
    "--observed",
    type=click.Choice(OBSERVED),
    default="complete",
    show_default=True,
    help="What was seen: every change, some of them, or in no order.",
)


order_option = click.option(
    "--order",
    type=click.Choice(("time", "file")),
    default="time",
    show_default=True,
    help="Order of a run's records that have no seq: their times, or their places in the file.",
)


def _zone(_context: click.Context, _parameter: click.Parameter, name: str | None) -> tzinfo | None:
    if name is None:
        return None
    from zoneinfo import ZoneInfo  # noqa: PLC0415  few inputs have times without a zone

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise BadInput(
            f"--zone expects the name of a time zone such as Europe/Paris, got '{printable(name)}'"
        ) from None


def _column(_context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    if name is not None and not all(part.strip() for part in name.split(",")):
        shown = f"'{printable(name, 60)}'" if name else "an empty text"
        raise BadInput(f"{parameter.opts[0]} expects a column or a dotted key, got {shown}")

    return name


def reading_options(*format_names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """
    Return what gives a command the options of a :class:`Reading`; *format_names* name the first.
    """
    options = (
        click.option(
            *format_names,
            "format_name",
            type=click.Choice(["auto", *READ_FORMATS]),
            default="auto",
            show_default=True,
            help="Format of the input.",
        ),
        click.option(
            "--run-id",
            callback=_column,
            metavar="KEY",
            help="Column or dotted key of the run's id; or several.",
        ),
        click.option(
            "--status", callback=_column, metavar="KEY", help="Column or dotted key of the status."
        ),
        click.option(
            "--at",
            callback=_column,
            metavar="KEY",
            help="Column or dotted key of the time seen; or none.",
        ),
        click.option(
            "--attempt", callback=_column, metavar="KEY", help="Key of the number of the attempt."
        ),
        click.option(
            "--from",
            "source",
            callback=_column,
            metavar="KEY",
            help="Key of the status before a move.",
        ),
        click.option(
            "--skip-others", is_flag=True, help="Pass over records that are about something else."
        ),
        click.option("--assume-utc", is_flag=True, help="Take times without a zone as UTC."),
        click.option(
            "--zone",
            callback=_zone,
            metavar="NAME",
            help="Zone of times without one: Europe/Paris.",
        ),
    )

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)

        return function

    return add


def refuse_for_bulk(reading: Reading, engine: str) -> None:
    """
    Pass a *reading* that an engine for many rows can do, too.
    """
    asked = {
        "--order file": reading.by_position,
        "--zone": reading.zone is not None,
        "--from": reading.columns.source is not None,
        "--skip-others": reading.skip_others,
        "a path or several keys": needs_shape(reading.columns),
    }
    for option, given in asked.items():
        if given:
            raise BadInput(f"{option} needs --engine python; {engine} does not support it")


def lifecycle_named(name: str) -> Lifecycle:
    """
    Return the preset called *name*, or the lifecycle in the file of that name.
    """
    if name in PRESETS:
        return PRESETS[name]
    if not name.lower().endswith((*SUFFIXES, ".yaml", ".yml")):
        raise BadInput(unknown("lifecycle", name, PRESETS, "runstate lifecycles", SUFFIXES))

    return load(name)


def unknown(
    what: str, name: str, known: Iterable[str], listed_by: str, suffixes: Sequence[str]
) -> str:
    """
    Return that *name* is nothing that is *known*, and what would have been.
    """
    from difflib import get_close_matches  # noqa: PLC0415  for a mistake's sake alone

    name = shown_url(name)
    close = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"see {listed_by};"
    ends = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"

    return f"no {what} '{printable(name)}' ({hint} or name a {ends} file)"


def observations(path: str, lifecycle: Lifecycle, reading: Reading) -> Iterable[Observation]:
    """
    Return the observations in *path*; a picture of half a file would be a wrong one.
    """
    return _Observations(path, lifecycle, reading)


class _Observations:
    """
    The observations in one file, which can be read several times.
    """

    def __init__(self, path: str, lifecycle: Lifecycle, reading: Reading) -> None:
        self._records = records([path], lifecycle, reading)

    def __iter__(self) -> Iterator[Observation]:
        return _sound(self._records)


def _sound(found: Iterable[Observation | Finding]) -> Iterator[Observation]:
    for record in found:
        if isinstance(record, Finding):
            place = "" if record.line is None else f":{record.line}"
            raise BadInput(
                f"{printable(record.file or '')}{place}: {printable(record.message, 500)}"
            )
        yield record
