"""
``runstate draw``: the table as a picture, with what was observed.
"""

import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import Literal

import click

from .._text import printable
from .._urls import shown_url
from ..histories import survey
from ..histories._order import in_order
from ..histories._records import Observation, ObservationModel
from ..histories._reorder import in_sequence
from ..interchange import FORMATS as NOTATIONS
from ..interchange import Notation
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ._input import Reading
from ._shared import BadInput, lifecycle_named, observations, observed_option, reading_options
from ._write import output_option, refuse_input, writing

__all__ = ["draw"]


@click.command()
@click.argument("lifecycle_name", metavar="[LIFECYCLE]", default="run")
@click.option(
    "--format",
    "picture",
    metavar="NAME",
    help="mermaid, dot, svg, png, plantuml, markdown or json, or for other tools scxml, xstate, "
    "transitions or statemachine; by the suffix of -o otherwise.",
)
@output_option(
    help="File to write; standard output otherwise.",
)
@click.option(
    "--width",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    help="Draw svg or png no wider than this, with texts in full size.",
)
@click.option(
    "--direction",
    type=click.Choice(["lr", "tb"]),
    help="Draw svg or png from left to right or from top to bottom; by what fits otherwise.",
)
@click.option(
    "--run", "run_path", metavar="FILE", help="Show the way and the status of the one run in FILE."
)
@click.option(
    "--log",
    "log_path",
    metavar="FILE",
    help="Show how often each move was observed in FILE, and how long it took.",
)
@observed_option
@reading_options("--input-format")
def draw(
    lifecycle_name: str,
    picture: str | None,
    out: Path | None,
    width: int | None,
    direction: Literal["lr", "tb"] | None,
    run_path: str | None,
    log_path: str | None,
    observed: ObservationModel,
    format_name: str,
    run_id: str | None,
    status: str | None,
    at: str | None,
    assume_utc: bool,
    zone: tzinfo | None,
    source: str | None,
    attempt: str | None,
    skip_others: bool,
) -> int:
    """
    Draw LIFECYCLE, a preset or a file, as a picture, text or data.

    What --run and --log name is read as check reads it, and may be drawn together.

    \b
    Examples:
      runstate draw                             Mermaid, for a README
      runstate draw run -o run.svg
      runstate draw run -o readme.svg --width 830
      runstate draw run -o run.png --log moves.jsonl
      runstate draw run -o run.svg --log polls.csv --observed polled --run-id job
      runstate draw mine.toml --format dot --run run_1.jsonl
      runstate draw statechart.scxml --format xstate
    """
    from ..diagrams import Overlay, overlay_of  # noqa: PLC0415  not for every command
    from ..diagrams import draw as render  # noqa: PLC0415

    lifecycle = lifecycle_named(lifecycle_name)
    if out is not None:
        refuse_input(out, [lifecycle_name, run_path, log_path])
    picture = _picture(picture, out)
    _refuse_size(picture, width, direction)
    if picture in NOTATIONS:
        if run_path is not None or log_path is not None:
            raise BadInput(
                f"{picture} is not a picture: --run and --log need a picture format, such as svg"
            )
        return _written(_said(lifecycle, picture), out)
    reading = Reading(
        format_name,
        Columns(run_id, status, at, source, attempt),
        assume_utc,
        zone=zone,
        skip_others=skip_others,
    )
    overlay = Overlay()
    if log_path is not None:
        log = observations(log_path, lifecycle, reading)
        counted = survey(log, lifecycle, observed=observed, limit=0)
        overlay = overlay_of(counted, lifecycle, observed=observed)
    if run_path is not None:
        way = _way(run_path, observations(run_path, lifecycle, reading), observed)
        overlay = replace(overlay, current=way[-1], path=way)

    drawn = render(lifecycle, picture, overlay, width=width, direction=direction)

    return _written(drawn, out)


def _refuse_size(picture: str, width: int | None, direction: str | None) -> None:
    """
    Raise BadInput if a size is asked for of a *picture* that other programs lay out.
    """
    from ..diagrams import FORMATS  # noqa: PLC0415

    option = "--direction" if width is None else "--width"
    sized = picture in FORMATS and FORMATS[picture].sized
    if (width, direction) != (None, None) and not sized:
        raise BadInput(f"{option} needs --format svg or png; {picture} is laid out elsewhere")


def _written(content: bytes, out: Path | None) -> int:
    if out is None:
        click.echo(content, nl=False)
    else:
        with writing(out) as stream:
            stream.write(content)

    return 0


def _said(lifecycle: Lifecycle, notation: str) -> bytes:
    """
    Return *lifecycle* in a notation of others.
    """
    try:
        return NOTATIONS[notation].render(lifecycle)
    except ValueError as error:
        raise BadInput(printable(str(error), 500)) from None


def _picture(name: str | None, out: Path | None) -> str:
    """
    Return the format called *name*; without one, that of the file *out*.
    """
    from ..diagrams import FORMATS, Format  # noqa: PLC0415

    known: dict[str, Format | Notation] = {**FORMATS, **NOTATIONS}
    if name is None:
        suffix = "" if out is None else out.suffix.lower()
        by_suffix = {s: each.name for each in known.values() for s in each.suffixes}
        name = "mermaid" if out is None else by_suffix.get(suffix)
        if name is None:
            raise BadInput(f"no format for '{printable(str(out))}' (known: {', '.join(by_suffix)})")
    if name not in known:
        raise BadInput(f"no format '{printable(name)}' (known: {', '.join(known)})")
    if name == "png" and out is None and sys.stdout.isatty():
        raise BadInput("PNG is binary: write it to a file with -o")

    return name


def _way(
    path: str, observations: Iterable[Observation], observed: ObservationModel
) -> tuple[str, ...]:
    """
    Return the statuses of the one run in *path*, in order.
    """
    way: list[str] = []
    runs = set()
    for observation in in_sequence(in_order([*observations])):
        if observed == "unordered" and observation.seq is None:
            raise BadInput(
                f"{printable(shown_url(path))}: in no order and without a seq, --run has no way"
            )
        runs.add(observation.run_id)
        if observation.source is not None and way[-1:] != [observation.source]:
            way.append(observation.source)
        # A status that is merely seen again is no move; a recorded one is.
        if observation.source is not None or way[-1:] != [observation.status]:
            way.append(observation.status)
    if len(runs) != 1:
        raise BadInput(
            f"{printable(shown_url(path))} holds {len(runs)} runs; --run takes the history of one"
        )

    return tuple(way)
