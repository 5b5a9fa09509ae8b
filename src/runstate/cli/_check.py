"""
``runstate check``: judge observed histories.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from math import isfinite
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from .._text import printable
from ..histories._counter import Census
from ..histories._monitor import Monitor
from ..histories._records import Finding, Observation, ObservationModel
from ..histories._rules import RULES, Rule
from ..histories._survey import Survey
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ._baseline import Baseline, baseline_of, baseline_options
from ._engines import (
    Scale,
    is_unread,
    planned,
    refuse_with_follow,
    scale_options,
    surveyed,
    totals_of,
)
from ._follow import Follower, Following, follow_options
from ._input import Reading, Records, records
from ._output import FORMS, Tally, exit_status, first
from ._recognise import refuse_known_systems
from ._shared import (
    BadInput,
    lifecycle_named,
    lifecycle_option,
    observed_option,
    order_option,
    reading_options,
)

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
@click.option(
    "--allow-reopen", is_flag=True, help="Accept reopenings that show no attempt and no trigger."
)
@baseline_options
@follow_options
@click.option(
    "--summary", is_flag=True, help="Show the facts of the report's first screen as tables too."
)
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
    allow_reopen: bool,
    fail_on: str,
    baseline: Path | None,
    write_baseline: Path | None,
    summary: bool,
    explain: str | None,
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
    **others: Any,
) -> int:
    """
    Check the histories in PATHs; - is standard input.

    Reads JSON, JSON lines, server-sent events, CSV, key=value lines, XES, OCEL, and the log that
    runstate writes, packed or not and in what collectors of logs put around it, and Parquet and databases by the engine duckdb. A folder stands
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
      runstate check service.log --follow --every 60
      runstate check runs.jsonl --write-baseline known.jsonl
      runstate check runs.jsonl --baseline known.jsonl --fail-on warning
      runstate check --explain RS105
    """
    if explain is not None:
        click.echo(_explained(explain))
        return 0
    if not paths:
        raise click.UsageError("name a file to check, or - for standard input")
    if summary and output != "text":
        raise BadInput("--summary goes with --output text alone")
    known = baseline_of(baseline, write_baseline, [*paths, lifecycle_name])
    usual = USUAL_MAX if output == "text" and not others["follow"] else 0
    cap = usual if most is None else most
    reading = Reading(
        format_name,
        Columns(run_id, status, at, source, attempt),
        assume_utc,
        order == "file",
        zone,
        skip_others,
    )
    scale = Scale(**{name: others[name] for name in Scale._fields})
    how = Following(**{name: others[name] for name in Following._fields})
    if how.follow:
        unsupported = {
            "--map": map_name is not None, "--summary": summary, "--output junit": output == "junit",
        }  # fmt: skip
        refuse_with_follow(paths, scale, unsupported)
        engine, names = "python", [*paths]
    else:
        engine, names = planned(paths, scale, reading)
    seen: Iterable[Observation | Finding] | Follower
    if map_name is not None:
        if allow_reopen:
            raise BadInput("--allow-reopen is not supported with --map")
        monitor, seen = _through(map_name, names, reading, observed, limits, engine)
    else:
        lifecycle = lifecycle_named(lifecycle_name)
        monitor = monitor_of(lifecycle, observed, limits, allow_reopen=allow_reopen)
        if how.follow:
            seen = Follower(
                names[0], monitor, reading, how, table=scale.table, recognise=_unnamed(reading)
            )
        else:
            if engine == "python":
                seen = _records(names, lifecycle, reading)
            asked = {
                "finished": finished, "limits": limits_of(limits), "measured": summary,
                "limit": 0 if known.in_use else cap, "allow_reopen": allow_reopen,
                "samples": int(summary),
            }  # fmt: skip
            survey = surveyed(engine, names, lifecycle, observed, scale, reading, asked)
            if survey is not None:
                return _reported(survey, lifecycle, observed, output, cap, known, fail_on, summary)
    tally = _judged(monitor, seen, output, cap, reading, known, finished=finished, summary=summary)

    return tally.status(fail_on)


def _reported(
    survey: Survey,
    lifecycle: Lifecycle,
    observed: ObservationModel,
    output: str,
    cap: int,
    known: Baseline,
    fail_on: str,
    summary: bool,
) -> int:
    """
    Print what an engine for many rows found, and return the exit status.
    """
    if known.in_use:
        survey = _without_known(survey, known)
    totals = totals_of(survey)._replace(accepted=known.accepted)
    known.write()
    for line in FORMS[output](first(iter(survey.findings), cap), lambda: totals):
        click.echo(line)
    if summary:
        from ._summary import print_summary  # noqa: PLC0415  tables are not for every check

        print_summary(survey, lifecycle, observed)

    return exit_status(totals, fail_on, unread=is_unread(survey))


def _unnamed(reading: Reading) -> bool:
    """
    Return whether the user named neither a lifecycle nor a column.
    """
    source = click.get_current_context().get_parameter_source("lifecycle_name")

    return source is ParameterSource.DEFAULT and reading.columns._replace(at=None) == Columns()


def _records(names: Sequence[str], lifecycle: Lifecycle, reading: Reading) -> Records:
    """
    Return the records of the inputs called *names*.

    Raises:
        BadInput: The user named neither a lifecycle nor a column, and they are of a known system.
    """
    seen = records(names, lifecycle, reading)
    if _unnamed(reading):
        refuse_known_systems(seen, names)

    return seen


def _without_known(survey: Survey, known: Baseline) -> Survey:
    """
    Return *survey* without the findings that are *known*.
    """
    total = sum(survey.tally.values())
    if total > len(survey.findings):
        raise BadInput(
            f"a baseline needs every finding, and {total:,} are more than one engine hands over: "
            "use --engine python"
        )
    left = tuple(finding for finding in survey.findings if not known.accepts(finding))

    journeys = survey.journeys
    # Which of the findings over time are known was not counted.
    journeys = journeys._replace(found={}) if journeys else None

    return survey._replace(
        journeys=journeys,
        findings=left,
        tally=Counter(finding.code for finding in left),
        errors=sum(finding.severity == "error" for finding in left),
    )


def _judged(
    monitor: Monitor,
    seen: Iterable[Observation | Finding] | Follower,
    output: str,
    cap: int,
    reading: Reading,
    known: Baseline,
    *,
    finished: bool,
    summary: bool,
) -> Tally:
    """
    Print what *monitor* says of what was *seen*, other than what is *known*, and return the counts.
    """
    # With a sample, whole runs are counted too: how long they took, and which are open.
    census = Census(monitor, limit=0, samples=1) if summary else None
    tally = Tally(monitor, census, known)
    if isinstance(seen, Follower):
        findings = tally.followed(seen, finished=finished)
    else:
        findings = tally.findings(seen, finished=finished, by_position=reading.by_position)
    for line in FORMS[output](first(findings, cap), tally.totals):
        click.echo(line)
    if census is not None:
        from ._summary import print_summary  # noqa: PLC0415  tables are not for every check

        print_summary(census.survey(), monitor.lifecycle, monitor.observed)

    known.write()

    return tally


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


def monitor_of(
    lifecycle: Lifecycle,
    observed: ObservationModel,
    limits: Sequence[str],
    *,
    allow_reopen: bool = False,
) -> Monitor:
    """
    Return a monitor; *limits* are as typed, ``STATUS=SECONDS``.
    """
    try:
        return Monitor(
            lifecycle, observed=observed, limits=limits_of(limits), allow_reopen=allow_reopen
        )
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
