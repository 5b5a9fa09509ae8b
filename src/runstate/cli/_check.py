"""
``runstate check``: histories that somebody else observed, held against the table.
"""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Final

import click

from .._census import Census
from .._history import ObservationModel
from .._lifecycle import Lifecycle
from .._monitor import Monitor
from .._rules import RULES, Rule
from .._text import printable
from ..readers import Columns
from ._input import Reading, records
from ._output import FORMS, Tally, first
from ._shared import BadInput, lifecycle_named, lifecycle_option, observed_option, reading_options
from ._summary import print_summary

__all__ = ["check", "monitor_of"]

USUAL_MAX: Final = 100


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH...")
@observed_option
@lifecycle_option
@reading_options("--format", "--input-format")
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
) -> int:
    """
    Check the histories in PATHs; - is standard input.

    Reads JSON, JSON lines, server-sent events, CSV, XES, and the log that runstate writes.

    \b
    Examples:
      runstate check runs.jsonl
      runstate check runs.jsonl --summary
      runstate check stream.sse --output github
      runstate check events.csv --run-id job --status state --at time --observed unordered
      kubectl logs server | runstate check - --finished
      runstate check --explain RS105
    """
    if explain is not None:
        click.echo(_explained(explain))
        return 0
    if not paths:
        raise click.UsageError("name a file to check, or - for standard input")
    if summary and output != "text":
        raise BadInput("--summary goes with --output text alone")
    lifecycle = lifecycle_named(lifecycle_name)
    monitor = monitor_of(lifecycle, observed, limits)
    census = Census(monitor, limit=0) if summary else None
    tally = Tally(census or monitor)
    cap = (USUAL_MAX if output == "text" else 0) if most is None else most
    columns = Columns(run_id=run_id, status=status, at=at)
    seen = records(paths, lifecycle, Reading(format_name, columns, assume_utc))
    findings = tally.findings(seen, finished=finished)
    for line in FORMS[output](first(findings, cap), tally.totals):
        click.echo(line)
    if census is not None:
        print_summary(census.survey(), lifecycle, observed)

    return tally.status


def monitor_of(lifecycle: Lifecycle, observed: ObservationModel, limits: Sequence[str]) -> Monitor:
    """
    Return a monitor; *limits* are as typed, ``STATUS=SECONDS``.
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
    try:
        return Monitor(lifecycle, observed=observed, limits=seconds)
    except ValueError as error:
        raise BadInput(printable(str(error), 500)) from None


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
