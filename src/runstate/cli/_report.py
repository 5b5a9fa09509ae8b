"""
``runstate report``: what was observed, as one page.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple

import click

from .._text import printable
from .._urls import shown_url
from ..histories._counter import Census
from ..histories._order import in_order
from ..histories._records import NOTHING, Finding, Observation, ObservationModel
from ..histories._reorder import in_sequence
from ..histories._sample import keep
from ..histories._survey import Survey
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ._check import limits_of, monitor_of
from ._engines import (
    Scale,
    is_unread,
    planned,
    refuse_with_follow,
    scale_options,
    surveyed,
    totals_of,
)
from ._follow import Follower, Following
from ._input import Reading, records
from ._output import summary_of
from ._shared import (
    BadInput,
    lifecycle_named,
    lifecycle_option,
    observed_option,
    order_option,
    reading_options,
)
from ._write import output_option, refuse_input, writing

__all__ = ["SAMPLES", "report", "write_report"]

FINDINGS: Final = 10_000
SAMPLES: Final = 2_000
"""Runs whose timelines are on the page, those with findings first."""
MOST_RECORDS: Final = 1_000
"""Findings whose raw record is on the page."""
MOST_BYTES: Final = 1 << 28
"""Size of a file that is read once more for raw records."""
LONGEST_LINE: Final = 1_000


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@output_option(
    default=Path("report.html"),
    show_default=True,
    help="File to write.",
)
@observed_option
@lifecycle_option
@reading_options("--format", "--input-format")
@order_option
@scale_options
@click.option("--finished", is_flag=True, help="Every run should have ended.")
@click.option(
    "--against",
    metavar="PATH",
    help="Say what became more frequent, slower or illegal since this log.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="RUN_ID",
    help="Have the timeline of this run on the page, whatever is wrong with it; may be repeated.",
)
@click.option(
    "--follow", is_flag=True, help="Write the page anew while a file, a pipe or a store grows."
)
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="With --follow: write the page so often, if anything came.",
)
@click.option(
    "--limit", "limits", multiple=True, metavar="STATUS=SECONDS", help="Longest time in a status."
)
def report(
    paths: Sequence[str],
    out: Path,
    observed: ObservationModel,
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
    order: str,
    finished: bool,
    against: str | None,
    keep: Sequence[str],
    limits: Sequence[str],
    follow: bool,
    every: float,
    **scale: Any,
) -> int:
    """
    Write a page on what PATHs tell: the machine as observed, findings, runs, times.

    Reads what check reads, and its exit status says the same. The page is one file
    that fetches nothing.

    \b
    Examples:
      runstate report runs.jsonl -o report.html
      runstate report polls.csv --observed polled --run-id job --status state --at time
      runstate report 'events/*.parquet' --memory 1GB
      runstate report runs.jsonl --keep run_42
      runstate report today.csv --against yesterday.csv
      runstate report service.log --follow --every 30
      kubectl logs server | runstate report -
    """
    lifecycle = lifecycle_named(lifecycle_name)
    reading = Reading(
        format_name,
        Columns(run_id, status, at, source, attempt),
        assume_utc,
        order == "file",
        zone,
        skip_others,
    )
    asked = _Asked(lifecycle, observed, reading, Scale(**scale), limits, finished)
    if follow:
        refuse_with_follow(paths, asked.scale, {})
        engine, names = "python", [*paths]
    else:
        engine, names = asked.plan(paths)
    refuse_input(out, [*paths, *names, lifecycle_name, against])
    before = None if against is None else _before(asked, against)
    if follow:
        for survey in asked.followed(names[0], every, keep):
            write_report(out, survey, lifecycle, observed, paths, before)
    else:
        survey = asked.survey(engine, names, samples=SAMPLES, keep=keep)
        write_report(out, survey, lifecycle, observed, paths, before)
    lost = [run for run in keep if run not in survey.timelines]
    for run in lost:
        click.echo(f"runstate: --keep {printable(run)}: no run of this id was seen", err=True)
    click.echo(f"wrote {printable(shown_url(str(out)))}: {summary_of(totals_of(survey))}")

    return 2 if is_unread(survey) else int(survey.errors > 0)


def _before(asked: "_Asked", against: str) -> Survey:
    """
    Return what the log tells that the others are compared with.
    """
    before = asked.survey(*asked.plan([against]), samples=0)
    if not before.runs:
        why = before.findings[0].message if before.findings else "holds no record of a run"
        raise BadInput(f"--against {printable(shown_url(against))}: {printable(why, 500)}")

    return before


class _Asked(NamedTuple):
    """
    How logs are read and judged.
    """

    lifecycle: Lifecycle
    observed: ObservationModel
    reading: Reading
    scale: Scale
    limits: Sequence[str]
    finished: bool

    def plan(self, paths: Sequence[str]) -> tuple[str, list[str]]:
        """
        Return which engine reads *paths*, and what they name.
        """
        monitor_of(self.lifecycle, self.observed, self.limits)  # a wrong limit is named first

        return planned(paths, self.scale, self.reading)

    def survey(
        self, engine: str, names: Sequence[str], *, samples: int, keep: Sequence[str] = ()
    ) -> Survey:
        """
        Return what *engine* says of *names*.
        """
        asked = {
            "finished": self.finished, "limits": limits_of(self.limits), "measured": True,
            "limit": FINDINGS, "samples": samples, "keep": keep,
        }  # fmt: skip
        survey = surveyed(
            engine, names, self.lifecycle, self.observed, self.scale, self.reading, asked
        )
        if survey is not None:
            return survey
        monitor = monitor_of(self.lifecycle, self.observed, self.limits)
        census = Census(monitor, samples=samples, keep=keep)

        return _surveyed(
            census, names, self.lifecycle, self.reading, self.observed, finished=self.finished
        )

    def followed(self, path: str, every: float, keep: Sequence[str]) -> Iterator[Survey]:
        """
        Yield what is known of *path* so far: once all is read that is there, then *every* so many seconds.

        Nothing is yielded while nothing comes. The last is of the end, where a pipe has one.
        Remembers every run that it has seen.
        """
        monitor = monitor_of(self.lifecycle, self.observed, self.limits)
        census = Census(monitor, samples=SAMPLES, keep=keep)
        follower = Follower(
            path, monitor, self.reading, Following(), table=self.scale.table, recognise=False
        )
        due, news = 0.0, False
        for read in follower.arrivals():
            if isinstance(read, Finding):
                census.note([read])
            elif read is not None:
                census.observe(read)
            news |= read is not None
            if news and (read is None or due) and monotonic() >= due:
                yield census.survey()
                due, news = monotonic() + every, False
        census.finish(finished=self.finished)
        yield census.survey()


def _surveyed(
    census: Census,
    paths: Sequence[str],
    lifecycle: Lifecycle,
    reading: Reading,
    observed: ObservationModel,
    *,
    finished: bool,
) -> Survey:
    """
    Return what *paths* tell. What is let go of runs with findings is read once more, if it can be.
    """
    found = records(paths, lifecycle, reading)
    for _ in census.findings(found, finished=finished, by_position=reading.by_position):
        pass
    if not census.compared:
        census.note([*found.unread_histories(observed)])
    missed = census.samples.missed if census.samples else frozenset()
    if not missed or not all(map(found.rereadable, paths)):
        return census.survey()

    return census.survey(_read_again(missed, found, in_time=not reading.by_position))


def _read_again(
    runs: frozenset[str | None], again: Iterable[object], *, in_time: bool
) -> dict[str | None, list[Observation]]:
    theirs: dict[str | None, list[Observation]] = {}
    for each in again:
        if isinstance(each, Observation) and each.run_id in runs:
            theirs.setdefault(each.run_id, []).append(each._replace(fields=NOTHING))
    found: dict[str | None, list[Observation]] = {}
    for run_id, rows in theirs.items():
        kept = found[run_id] = []
        for observation in in_sequence(in_order(rows) if in_time else rows):
            keep(kept, observation)

    return found


def _records_of(survey: Survey) -> dict[tuple[str, int], str]:
    """
    Return the lines that findings name, of files of text; those alone that name the run as well.
    """
    wanted: dict[str, dict[int, str]] = {}
    for each in survey.findings[:MOST_RECORDS]:
        if each.file and each.line and each.run_id:
            wanted.setdefault(each.file, {})[each.line] = each.run_id
    found: dict[tuple[str, int], str] = {}
    for name, lines in wanted.items():
        with suppress(OSError, ValueError):
            found |= {(name, number): line for number, line in _lines(Path(name), lines)}

    return found


def _lines(path: Path, wanted: Mapping[int, str]) -> Iterator[tuple[int, str]]:
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        return
    with path.open("rb") as stream:
        for number, line in enumerate(islice(stream, max(wanted)), 1):
            if number in wanted:
                text = line[:LONGEST_LINE].decode(errors="replace").strip()
                # A record of several lines, and one of a packed file, is elsewhere.
                if wanted[number] in text or json.dumps(wanted[number])[1:-1] in text:
                    yield number, text


def write_report(
    out: Path,
    survey: Survey,
    lifecycle: Lifecycle,
    observed: ObservationModel,
    paths: Iterable[str],
    before: Survey | None = None,
) -> None:
    """
    Write the page on *survey*, compared with *before*, to *out*.
    """
    from ..report import render_report  # noqa: PLC0415  not for every command

    files = ["<stdin>" if path == "-" else path for path in paths]
    page = render_report(
        survey, lifecycle, observed=observed, files=files, before=before,
        records=_records_of(survey),
    )  # fmt: skip
    with writing(out) as stream:
        stream.write(page)
