"""
``runstate convert``: a log for the tools of process mining.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from .._history import Observation
from .._lifecycle import Lifecycle
from ..readers import Columns
from ..writers import write_xes
from ._input import Reading
from ._shared import lifecycle_named, lifecycle_option, observations, reading_options

__all__ = ["convert"]


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File to write, an XES log.",
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
) -> int:
    """
    Write the histories in PATHs as an XES event log, which process mining tools read.

    Reads what check reads. A trace is a run, an event what was observed of it.

    \b
    Examples:
      runstate convert moves.jsonl -o moves.xes
      runstate convert polls.csv --run-id job --status state --at time -o polls.xes
    """
    lifecycle = lifecycle_named(lifecycle_name)
    reading = Reading(format_name, Columns(run_id=run_id, status=status, at=at), assume_utc)
    seen = list(_all(paths, lifecycle, reading))
    with out.open("w", encoding="utf-8", newline="\n") as stream:
        written = write_xes(seen, stream)
    click.echo(f"wrote {out}: {written:,} events")

    return 0


def _all(paths: Sequence[str], lifecycle: Lifecycle, reading: Reading) -> Iterator[Observation]:
    for path in paths:
        yield from observations(path, lifecycle, reading)
