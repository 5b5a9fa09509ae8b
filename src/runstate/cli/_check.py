"""
``runstate check``: judge observed histories.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from functools import partial
from math import isfinite
from typing import Any, Final

import click

from .._text import printable
from ..histories._counter import Census
from ..histories._monitor import Monitor
from ..histories._records import Finding, Observation, ObservationModel
from ..histories._rules import RULES, Rule
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ._engines import Scale, planned, scale_options, status_of, surveyed, totals_of
from ._input import Reading, records
from ._output import FORMS, Tally, first
from ._shared import (
    BadInput,
    lifecycle_named,
    lifecycle_option,
    observed_option,
    order_option,
    reading_options,
    refuse_for_bulk,
)
from ._summary import print_summary

__all__ = ["check", "limits_of", "monitor_of"]

USUAL_MAX: Final = 100


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH...")
@observed_option
@lifecycle_option
@click.option(
    "--map",
    "map_name",
    metavar="NAME|FILE",
    help="Check in another lifecycle's words: a map, see runstate lifecycles --maps.",
)
@reading_options("--format", "--input-format")
@order_option
@scale_options
@click.option("--output", type=click.Choice(list(FORMS)), default="text", show_default=True)
@click.option("--finished", is_flag=True, help="Every run should have ended.")
@click.option(
    "--limit", "limits", multiple=True, metavar="STATUS=SECONDS", help="Longest time in a status."
)
@click.option(
    "--max", "most", type=click.IntRange(min=0), help="Findings shown; 0 for all. Text shows 100."
)
@click.option("--summary", is_flag=True, help="Show last statuses, moves and times as tables too.")
@click.option("--explain", metavar="CODE", help="Explain a finding's code, and check nothing.")
def check(
    paths: Sequence[str],
    observed: ObservationModel,
    lifecycle_name: str,
    map_name: str | None,
    output: str,
    finished: bool,
    limits: Sequence[str],
    most: int | None,
    summary: bool,
    explain: str | None,
    format_name: str,
    run_id: str | None,
    status: str | None,
    at: str | None,
    assume_utc: bool,
    zone: tzinfo | None,
    source: str | None,
    skip_others: bool,
    order: str,
    **scale: Any,
) -> int:
    """
    Check the histories in PATHs; - is standard input.

    Reads JSON, JSON lines, server-sent events, CSV, XES, OCEL, and the log that runstate writes;
    each packed with gzip or not, and Parquet and databases by the engine duckdb. A folder stands
    for the files in it whose suffixes are known; the name of an existing file is taken literally.

    \b
    Examples:
      runstate check runs.jsonl
      runstate check runs.jsonl --summary
      runstate check stream.sse --output github
      runstate check events.csv --run-id job --status state --at time --observed unordered
      kubectl logs server | runstate check - --finished
      runstate check 'events/*.parquet' --memory 1GB
      runstate check postgresql://localhost/app --table run_events
      runstate check langgraph.jsonl --map langgraph-run-to-run
      runstate check --explain RS105
    """
    if explain is not None:
        click.echo(_explained(explain))
        return 0
    if not paths:
        raise click.UsageError("name a file to check, or - for standard input")
    if summary and output != "text":
        raise BadInput("--summary goes with --output text alone")
    cap = (USUAL_MAX if output == "text" else 0) if most is None else most
    reading = Reading(
        format_name,
        Columns(run_id, status, at, source),
        assume_utc,
        order == "file",
        zone,
        skip_others,
    )
    engine, names = planned(paths, Scale(**scale), reading)
    if map_name is not None:
        monitor, seen = _through(map_name, names, reading, observed, limits, engine)
        return _judged(monitor, seen, output, cap, reading, finished=finished, summary=summary)
    lifecycle = lifecycle_named(lifecycle_name)
    monitor = monitor_of(lifecycle, observed, limits)
    if engine == "python":
        seen = records(names, lifecycle, reading)
        return _judged(monitor, seen, output, cap, reading, finished=finished, summary=summary)
    refuse_for_bulk(reading, engine)
    survey = surveyed(
        engine, names, lifecycle, observed, Scale(**scale), reading, finished=finished,
        limits=limits_of(limits), measured=summary, limit=cap,
    )  # fmt: skip
    for line in FORMS[output](iter(survey.findings), partial(totals_of, survey)):
        click.echo(line)
    if summary:
        print_summary(survey, lifecycle, observed)

    return status_of(survey)


def _judged(
    monitor: Monitor,
    seen: Iterable[Observation | Finding],
    output: str,
    cap: int,
    reading: Reading,
    *,
    finished: bool,
    summary: bool,
) -> int:
    """
    Print what *monitor* says of what was *seen*, and return the exit status.
    """
    census = Census(monitor, limit=0) if summary else None
    tally = Tally(monitor, census)
    findings = tally.findings(seen, finished=finished, by_position=reading.by_position)
    for line in FORMS[output](first(findings, cap), tally.totals):
        click.echo(line)
    if census is not None:
        print_summary(census.survey(), monitor.lifecycle, monitor.observed)

    return tally.status


def _through(
    map_name: str,
    paths: Sequence[str],
    reading: Reading,
    observed: ObservationModel,
    limits: Sequence[str],
    engine: str,
) -> tuple[Monitor, Iterable[Observation | Finding]]:
    """
    Return what judges *paths* by way of a map, and what it is to judge.
    """
    from ._maps import map_named, mapped, model_for  # noqa: PLC0415  few checks map

    if engine != "python":
        raise BadInput(f"--map goes with --engine python, and not with {engine}")
    map_ = map_named(map_name)
    model = model_for(map_, observed)
    try:
        monitor = map_.monitor(observed=model, limits=limits_of(limits))
    except ValueError as error:
        raise BadInput(printable(str(error), 500)) from None

    return monitor, mapped(records(paths, map_.source, reading), map_)


def monitor_of(lifecycle: Lifecycle, observed: ObservationModel, limits: Sequence[str]) -> Monitor:
    """
    Return a monitor; *limits* are as typed, ``STATUS=SECONDS``.
    """
    try:
        return Monitor(lifecycle, observed=observed, limits=limits_of(limits))
    except ValueError as error:
        raise BadInput(printable(str(error), 500)) from None


def limits_of(limits: Sequence[str]) -> dict[str, float]:
    """
    Return the seconds by status that *limits* are.
    """
    seconds: dict[str, float] = {}
    for limit in limits:
        status, _, number = limit.rpartition("=")
        try:
            seconds[status] = float(number)
        except ValueError:
            seconds[status] = -1
        if not (isfinite(seconds[status]) and seconds[status] >= 0):
            raise BadInput(f"--limit takes STATUS=SECONDS, not '{printable(limit)}'")

    return seconds


def _explained(code: str) -> str:
    rule = RULES.get(code.upper())
    if rule is None:
        raise BadInput(f"no rule '{printable(code)}' (known: {', '.join(RULES)})")

    return "\n\n".join((f"{rule.code} {rule.title} ({rule.severity})", *_paragraphs(rule)))


def _paragraphs(rule: Rule) -> Iterator[str]:
    example = "(a record longer than the cap)" if rule.example is None else repr(rule.example)
    parts = {
        "What it looks for": rule.what,
        "Why that is wrong": rule.why,
        "Example": example,
        "What to do": rule.instead,
        "Evidence": rule.evidence,
    }
    for heading, text in parts.items():
        yield f"{heading}\n  {text}"
