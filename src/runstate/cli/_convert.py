"""
``runstate convert``: a log for the tools of process mining.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import tzinfo
from operator import itemgetter
from pathlib import Path
from typing import Final, TextIO

import click

from .._text import printable
from .._urls import shown_url
from ..histories._records import NOTHING, Observation
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ..readers.write import write_ocel, write_xes
from ._input import Reading
from ._shared import lifecycle_named, lifecycle_option, observations, reading_options
from ._write import output_option, refuse_input, writing_text

__all__ = ["convert"]

_OCEL_SUFFIXES: Final = (".jsonocel", ".json")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@output_option(
    required=True,
    help="File to write: .jsonocel or .json is OCEL, all else XES.",
)
@lifecycle_option
@reading_options("--format", "--input-format")
def convert(
    paths: Sequence[str],
    out: Path,
    lifecycle_name: str,
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
    Write the histories in PATHs as an event log, which process mining tools read.

    Reads what check reads. In XES, a trace is a run, and an event what was observed of it. In
    OCEL 2.0, an object is a run, its attribute status changes, and there are the same events.
    Moves that have a number come in the order of their numbers, however they were logged, and
    one that was logged twice comes once.

    \b
    Examples:
      runstate convert moves.jsonl -o moves.xes
      runstate convert polls.csv --run-id job --status state --at time -o polls.jsonocel
    """
    lifecycle = lifecycle_named(lifecycle_name)
    reading = Reading(
        format_name,
        Columns(run_id, status, at, source, attempt),
        assume_utc,
        zone=zone,
        skip_others=skip_others,
    )
    refuse_input(out, [*paths, lifecycle_name])
    seen = list(_in_order(_all(paths, lifecycle, reading)))
    with writing_text(out) as stream:
        written = _writer(out)(seen, stream)
    click.echo(f"wrote {printable(shown_url(str(out)))}: {written:,} events")

    return 0


def _writer(out: Path) -> Callable[[Iterable[Observation], TextIO], int]:
    return write_ocel if out.suffix.lower() in _OCEL_SUFFIXES else write_xes


def _all(paths: Sequence[str], lifecycle: Lifecycle, reading: Reading) -> Iterator[Observation]:
    for path in paths:
        for seen in observations(path, lifecycle, reading):
            # All are held until the end, so what no event log has is let go: the snapshot first.
            yield seen._replace(fields=NOTHING, file=None, line=None)


def _in_order(observations: Iterable[Observation]) -> Iterator[Observation]:
    """
    Yield *observations*, numbered moves in the order of their numbers, each once.

    What contradicts a move under its own number stays behind it, for others to find, too.
    """
    every = list(_once(observations))
    numbered: dict[str | None, list[tuple[int, Observation]]] = {}
    for each in every:
        if each.seq is not None:
            numbered.setdefault(each.run_id, []).append((each.seq, each))
    turns = {run: iter(sorted(moves, key=itemgetter(0))) for run, moves in numbered.items()}
    for each in every:
        yield each if each.seq is None else next(turns[each.run_id])[1]


def _once(observations: Iterable[Observation]) -> Iterator[Observation]:
    told = set()
    for observation in observations:
        move = (observation.run_id, observation.seq, observation.source, observation.status)
        if observation.seq is None or move not in told:
            yield observation
        told.add(move)
