"""
``runstate init``: a draft of a lifecycle from observed histories.
"""

from collections.abc import Iterator, Sequence, Sized
from datetime import tzinfo
from pathlib import Path

import click

from .._text import printable
from .._urls import shown_url
from ..histories._records import Finding, Observation
from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ._draft import drafted
from ._input import Reading, Records, records
from ._shared import BadInput, reading_options
from ._write import output_option, refuse_input, writing_text

__all__ = ["init"]


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@output_option(help="File to write, such as job.toml; standard output if none is named.")
@click.option("--name", help="Name of the lifecycle; that of the file, if none is given.")
@reading_options("--format", "--input-format")
def init(
    paths: Sequence[str],
    out: Path | None,
    name: str | None,
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
    Write a draft of the lifecycle that the histories in PATHs follow.

    It has every status that was seen, where histories begin and end, and the moves with their
    counts. Moves that are rare where they are made are commented out: a person decides whether
    they are faults. Every change must have been seen; a missed one looks like a move.

    \b
    Examples:
      runstate init events.csv --run-id job --status state --at time -o job.toml
      runstate check events.csv --lifecycle job.toml
    """
    columns = Columns(run_id, status, at, source, attempt)
    reading = Reading(format_name, columns, assume_utc, zone=zone, skip_others=skip_others)
    if out is not None:
        refuse_input(out, paths)
    seen = _Readable(records(paths, _anything(), reading))
    draft = drafted(seen)
    title = name or (Path(paths[0]).name.partition(".")[0] if paths[0] != "-" else "") or "draft"
    lifecycle = draft.lifecycle(title)
    text = "".join(f"{line}\n" for line in draft.text(title, columns))
    if out is None:
        click.echo(text, nl=False)
    else:
        with writing_text(out) as stream:
            stream.write(text)
        click.echo(
            f"wrote {printable(shown_url(str(out)))}: {_number(lifecycle.statuses, 'status', 'es')}, "
            f"{_number(draft.kept, 'move')}, {_number(draft.rare, 'rare one')} to judge"
        )
    if seen.unreadable is not None:
        click.echo(f"runstate: {_told(seen)}", err=True)

    return 2 if seen.unreadable is not None else 0


def _number(things: Sized, what: str, plural: str = "s") -> str:
    return f"{len(things):,} {what}{'' if len(things) == 1 else plural}"


class _Readable:
    """
    The observations among some records; what cannot be read is counted.
    """

    def __init__(self, found: Records) -> None:
        self._found = found
        self.count: int = 0
        """How many records could not be read."""
        self.unreadable: Finding | None = None
        """The first of them."""

    def __iter__(self) -> Iterator[Observation]:
        seen = False
        for record in self._found:
            if isinstance(record, Finding):
                self.unreadable = self.unreadable or record
                self.count += 1
            else:
                seen = True
                yield record
        if not seen and self.unreadable is not None:
            raise BadInput(_told(self))


def _told(readable: _Readable) -> str:
    first = readable.unreadable
    assert first is not None  # noqa: S101  for the type checker: asked where there is one
    place = "" if first.line is None else f":{first.line}"
    more = f" (and {readable.count - 1:,} more)" if readable.count > 1 else ""

    return f"{printable(first.file or '')}{place}: {printable(first.message, 500)}{more}"


def _anything() -> Lifecycle:
    """
    Return a lifecycle whose reader takes any record with an id and a status.
    """
    return Lifecycle("anything", (Transition("go", "a", "b"),), "a", {"b": "success"})
