"""
The ``runstate`` command.

Exit status 0: nothing wrong. 1: findings of severity error. 2: something could not be
done or read, said in one line that names the place. Never a traceback.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from io import TextIOWrapper
from math import isfinite
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from ._definition import load_lifecycle
from ._history import Finding, Observation, ObservationModel
from ._input import Reading, records
from ._lifecycle import Lifecycle
from ._monitor import Monitor
from ._output import FORMS, Tally, first
from ._rules import RULES, Rule
from ._text import printable
from .ddl import DIALECTS, Dialect, guard_sql
from .errors import RunstateError
from .presets import PRESETS
from .readers import FORMATS as READ_FORMATS
from .readers import Columns

__all__ = ["main"]

OBSERVED: Final = ("complete", "polled", "unordered")
USUAL_MAX: Final = 100
_WIDE: Final = 160


def main() -> NoReturn:
    """
    Run the command and exit; the entry point of the package.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        # What the encoding of the output lacks is escaped, which is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = command.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message())
        status = 2
    except click.ClickException as error:
        _complain(error.format_message())
        status = 2
    except (RunstateError, OSError) as error:
        _complain(_reason(error))
        status = 2
    except (KeyboardInterrupt, click.Abort):
        status = 130
    sys.exit(_flushed(status if isinstance(status, int) else 0))


def _flushed(status: int) -> int:
    """
    Write out what is left, and return *status*; 2 if it cannot be written.
    """
    if sys.stdout is None:
        return status
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would try again at exit, and complain.
        sys.stdout = None
        # Whoever closed the pipe has had enough, which is no fault.
        return status if isinstance(error, BrokenPipeError) else 2

    return status


class _BadInput(click.ClickException):
    """Something that the user gave cannot be used."""

    exit_code = 2


def _show_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if not asked:
        return
    from importlib import metadata  # noqa: PLC0415  slow, and for this alone

    try:
        number = metadata.version("runstate")
    except metadata.PackageNotFoundError:
        number = "(not installed)"
    click.echo(f"runstate {number}")
    context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def command() -> None:
    """
    What a run's status may become: check histories, draw lifecycles.

    \b
    Examples:
      runstate check runs.jsonl                 was every run possible?
      runstate check polls.csv --observed polled
      runstate draw run -o run.svg              the machine as a picture
      runstate lifecycles run                   the machine as a table
      runstate sql --dialect postgresql         the machine as constraints and triggers
      runstate demo                             see all of it at work
    """


_lifecycle_option = click.option(
    "--lifecycle",
    "lifecycle_name",
    metavar="NAME|FILE",
    default="run",
    show_default=True,
    help="A preset, or a .toml or .json file.",
)

_observed_option = click.option(
    "--observed",
    type=click.Choice(OBSERVED),
    default="complete",
    show_default=True,
    help="What was seen: every change, some of them, or in no order.",
)


def _reading_options(*format_names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
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
        click.option("--run-id", metavar="KEY", help="Column or dotted key of the run's id."),
        click.option("--status", metavar="KEY", help="Column or dotted key of the status."),
        click.option("--at", metavar="KEY", help="Column or dotted key of the time seen."),
        click.option("--assume-utc", is_flag=True, help="Take times without a zone as UTC."),
    )

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)

        return function

    return add


# -- check -----------------------------------------------------------------------


@command.command()
@click.argument("paths", nargs=-1, metavar="PATH...")
@_observed_option
@_lifecycle_option
@_reading_options("--format", "--input-format")
@click.option("--output", type=click.Choice(list(FORMS)), default="text", show_default=True)
@click.option("--finished", is_flag=True, help="Every run should have ended.")
@click.option(
    "--limit", "limits", multiple=True, metavar="STATUS=SECONDS", help="Longest time in a status."
)
@click.option(
    "--max", "most", type=click.IntRange(min=0), help="Findings shown; 0 for all. Text shows 100."
)
@click.option("--explain", metavar="CODE", help="Explain a finding's code, and check nothing.")
def check(
    paths: Sequence[str],
    observed: ObservationModel,
    lifecycle_name: str,
    output: str,
    finished: bool,
    limits: Sequence[str],
    most: int | None,
    explain: str | None,
    format_name: str,
    run_id: str | None,
    status: str | None,
    at: str | None,
    assume_utc: bool,
) -> int:
    """
    Check the histories in PATHs; - is standard input.

    Reads JSON, JSON lines, server-sent events, CSV, and the log that runstate writes.

    \b
    Examples:
      runstate check runs.jsonl
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
    lifecycle = _lifecycle(lifecycle_name)
    tally = Tally(_monitor(lifecycle, observed, limits))
    cap = (USUAL_MAX if output == "text" else 0) if most is None else most
    columns = Columns(run_id=run_id, status=status, at=at)
    seen = records(paths, lifecycle, Reading(format_name, columns, assume_utc))
    findings = tally.findings(seen, finished=finished)
    for line in FORMS[output](first(findings, cap), tally.totals):
        click.echo(line)

    return tally.status


def _monitor(lifecycle: Lifecycle, observed: ObservationModel, limits: Sequence[str]) -> Monitor:
    seconds: dict[str, float] = {}
    for limit in limits:
        status, _, number = limit.rpartition("=")
        try:
            seconds[status] = float(number)
        except ValueError:
            seconds[status] = -1
        if not (isfinite(seconds[status]) and seconds[status] >= 0):
            raise _BadInput(f"--limit takes STATUS=SECONDS, not '{printable(limit)}'")
    try:
        return Monitor(lifecycle, observed=observed, limits=seconds)
    except ValueError as error:
        raise _BadInput(printable(str(error), 500)) from None


def _explained(code: str) -> str:
    rule = RULES.get(code.upper())
    if rule is None:
        raise _BadInput(f"no rule '{printable(code)}' (known: {', '.join(RULES)})")

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


# -- draw, lifecycles ----------------------------------------------------------------


@command.command()
@click.argument("lifecycle_name", metavar="[LIFECYCLE]", default="run")
@click.option(
    "--format",
    "picture",
    metavar="NAME",
    help="mermaid, dot, svg, png, markdown or json; by the suffix of -o otherwise.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; standard output otherwise.",
)
@click.option(
    "--run", "run_path", metavar="FILE", help="Show the way and the status of the one run in FILE."
)
@click.option(
    "--log", "log_path", metavar="FILE", help="Show how often each move was observed in FILE."
)
@_observed_option
@_reading_options("--input-format")
def draw(
    lifecycle_name: str,
    picture: str | None,
    out: Path | None,
    run_path: str | None,
    log_path: str | None,
    observed: ObservationModel,
    format_name: str,
    run_id: str | None,
    status: str | None,
    at: str | None,
    assume_utc: bool,
) -> int:
    """
    Draw LIFECYCLE, a preset or a file, as a picture, text or data.

    What --run and --log name is read as check reads it, and may be drawn together.

    \b
    Examples:
      runstate draw                             Mermaid, for a README
      runstate draw run -o run.svg
      runstate draw run -o run.png --log moves.jsonl
      runstate draw run -o run.svg --log polls.csv --observed polled --run-id job
      runstate draw mine.toml --format dot --run run_1.jsonl
    """
    from .diagrams import Overlay, overlay_of  # noqa: PLC0415  not for every command
    from .diagrams import draw as render  # noqa: PLC0415

    lifecycle = _lifecycle(lifecycle_name)
    picture = _picture(picture, out)
    reading = Reading(format_name, Columns(run_id=run_id, status=status, at=at), assume_utc)
    overlay = Overlay()
    if log_path is not None:
        log = _observations(log_path, lifecycle, reading)
        overlay = overlay_of(log, lifecycle, observed=observed)
    if run_path is not None:
        way = _way(run_path, _observations(run_path, lifecycle, reading), observed)
        overlay = replace(overlay, current=way[-1], path=way)
    content = render(lifecycle, picture, overlay)
    if out is None:
        click.echo(content, nl=False)
    else:
        out.write_bytes(content)

    return 0


def _picture(name: str | None, out: Path | None) -> str:
    """
    Return the format called *name*; without one, that of the file *out*.
    """
    from .diagrams import FORMATS  # noqa: PLC0415

    if name is None:
        suffix = "" if out is None else out.suffix.lower()
        by_suffix = {s: known.name for known in FORMATS.values() for s in known.suffixes}
        name = "mermaid" if out is None else by_suffix.get(suffix)
        if name is None:
            raise _BadInput(
                f"no format for '{printable(str(out))}' (known: {', '.join(by_suffix)})"
            )
    if name not in FORMATS:
        raise _BadInput(f"no format '{printable(name)}' (known: {', '.join(FORMATS)})")
    if name == "png" and out is None and sys.stdout.isatty():
        raise _BadInput("a PNG is no text: name a file with -o")

    return name


def _observations(path: str, lifecycle: Lifecycle, reading: Reading) -> Iterator[Observation]:
    """
    Yield the observations in *path*; a picture of half a file would be a wrong one.
    """
    for record in records([path], lifecycle, reading):
        if isinstance(record, Finding):
            place = "" if record.line is None else f":{record.line}"
            raise _BadInput(
                f"{printable(record.file or '')}{place}: {printable(record.message, 500)}"
            )
        yield record


def _way(
    path: str, observations: Iterator[Observation], observed: ObservationModel
) -> tuple[str, ...]:
    """
    Return the statuses of the one run in *path*, in order.
    """
    from .diagrams import in_sequence  # noqa: PLC0415

    way: list[str] = []
    runs = set()
    for observation in in_sequence(observations):
        if observed == "unordered" and observation.seq is None:
            raise _BadInput(f"{printable(path)}: in no order and without a seq, --run has no way")
        runs.add(observation.run_id)
        if observation.source is not None and way[-1:] != [observation.source]:
            way.append(observation.source)
        # A status that is merely seen again is no move; a recorded one is.
        if observation.source is not None or way[-1:] != [observation.status]:
            way.append(observation.status)
    if len(runs) != 1:
        raise _BadInput(f"{printable(path)} holds {len(runs)} runs; --run takes the history of one")

    return tuple(way)


@command.command()
@click.argument("lifecycle_name", metavar="[LIFECYCLE]", default="run")
@click.option("--dialect", type=click.Choice(DIALECTS), required=True, help="What it is for.")
@click.option("--table", default="runs", show_default=True, help="Your table.")
@click.option("--column", default="status", show_default=True, help="Its column of the status.")
@click.option("--key", default="id", show_default=True, help="Its column that identifies a run.")
@click.option(
    "--stamps",
    metavar="A,B,…",
    default="",
    help="Fields of the lifecycle that it has columns for, to be held to the status too.",
)
def sql(
    lifecycle_name: str, dialect: Dialect, table: str, column: str, key: str, stamps: str
) -> int:
    """
    Print SQL that makes the database itself refuse what LIFECYCLE does not allow.

    A status that is unknown, a move that is no row, any way out of a terminal status, and
    --stamps that do not go with the status. It may be run again, and replaces itself.

    \b
    Examples:
      runstate sql --dialect postgresql
      runstate sql --dialect sqlite --table jobs --column state
      runstate sql mine.toml --dialect postgresql --stamps started_at,completed_at
    """
    fields = [field.strip() for field in stamps.split(",")] if stamps else []
    lifecycle = _lifecycle(lifecycle_name)
    try:
        statements = guard_sql(
            lifecycle, dialect, table=table, column=column, key=key, fields=fields
        )
    except ValueError as error:
        raise _BadInput(printable(str(error), 500)) from None
    # As bytes: in SQL, what the terminal's encoding lacks must not be escaped.
    click.echo(statements.encode(), nl=False)

    return 0


@command.command()
@click.argument("name", required=False)
def lifecycles(name: str | None) -> int:
    """
    List the presets, or show the lifecycle NAME (a preset or a file) as a table.

    \b
    Examples:
      runstate lifecycles
      runstate lifecycles run-documented
      runstate lifecycles mine.toml
    """
    from rich.console import Console  # noqa: PLC0415  tables are not for every command
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    if name is None:
        table = Table("name", "statuses", "rows", "begins in", "ends in")
        for each in PRESETS.values():
            table.add_row(
                each.name,
                str(len(each.statuses)),
                str(len(each)),
                str(each.initial),
                ", ".join(each.terminal),
            )
    else:
        table = Table("trigger", "from", "to", "evidence", "source")
        for row in _lifecycle(name):
            cells = (row.trigger, row.source, row.target, row.evidence, row.citation)
            table.add_row(*(Text(printable(cell, 500)) for cell in cells))
    console.print(table)

    return 0


def _lifecycle(name: str) -> Lifecycle:
    """
    Return the preset called *name*, or the lifecycle in the file of that name.
    """
    if name in PRESETS:
        return PRESETS[name]
    if not name.lower().endswith((".toml", ".json")):
        raise _BadInput(
            f"no lifecycle '{printable(name)}' (presets: {', '.join(PRESETS)}; "
            "or a .toml or .json file)"
        )

    return load_lifecycle(name)


# -- demo ----------------------------------------------------------------------------


@command.command()
@click.option("--runs", type=click.IntRange(1, 100_000), default=200, show_default=True)
@click.option("--workers", type=click.IntRange(1, 32), default=4, show_default=True)
@click.option(
    "--db",
    "url",
    metavar="URL",
    help="A SQLite file or a PostgreSQL database; runs.db in the folder otherwise.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runstate-demo"),
    show_default=True,
    help="Folder for the log and the pictures.",
)
def demo(runs: int, workers: int, url: str | None, out: Path) -> int:
    """
    Run a small orchestrator, check its journal, and draw what was observed.

    Workers, each a process of its own, race with users and with each other for the
    same runs in one database. One is killed with runs in its hands; others carry them
    on. The journal is written out and checked; the pictures show what happened.

    \b
    Examples:
      runstate demo
      runstate demo --runs 2000 --workers 8 -o out
      runstate demo --db postgresql+psycopg://localhost/test
    """
    try:
        from .demo import run_demo  # noqa: PLC0415  loads the store
    except ImportError as missing:
        raise _BadInput(str(missing)) from None

    out.mkdir(parents=True, exist_ok=True)
    log = out / "moves.jsonl"
    outcome = run_demo(url or f"sqlite:///{out / 'runs.db'}", log, runs=runs, workers=workers)
    for line in _told(outcome, runs, workers):
        click.echo(line)
    _pictures(log, out)
    click.echo(f"$ runstate check {log} --finished")
    tally = Tally(Monitor(PRESETS["run"]))
    findings = tally.findings(records([str(log)], PRESETS["run"]), finished=True)
    for line in FORMS["text"](findings, tally.totals):
        click.echo(line)

    return 1 if outcome.ended_twice else tally.status


def _told(outcome: Any, runs: int, workers: int) -> Iterator[str]:
    """
    Yield what came of a demonstration, in lines.
    """
    moves = outcome.moves.total()
    yield f"{runs:,} runs, {workers} workers, {moves:,} moves in {outcome.seconds:.1f} s"
    for status, count in outcome.statuses.most_common():
        yield f"  {status:<42} {count:>7,}"
    yield f"{outcome.refused.total():,} triggers came too late; each was told what beat it:"
    for (trigger, by), count in outcome.refused.most_common(12):
        lost = f"{trigger} lost to {by}"
        yield f"  {lost:<42} {count:>7,}"
    if outcome.killed is not None:
        worker, fates = outcome.killed
        yield f"{worker} was killed with {len(fates)} in its hands:"
        for run_id, by in fates.items():
            yield f"  {run_id:<42} {by:>7}"
    yield f"{outcome.takeovers:,} times a run was carried on that its worker had let go"
    yield f"{len(outcome.ended_twice):,} runs ended twice"


def _pictures(log: Path, folder: Path) -> None:
    """
    Draw in *folder* how often each move in *log* was made.
    """
    from .diagrams import draw as render  # noqa: PLC0415
    from .diagrams import overlay_of  # noqa: PLC0415

    lifecycle = PRESETS["run"]
    overlay = overlay_of(_observations(str(log), lifecycle, Reading()), lifecycle)
    for suffix, form in (("svg", "svg"), ("png", "png"), ("mmd", "mermaid")):
        picture = folder / f"observed.{suffix}"
        picture.write_bytes(render(lifecycle, form, overlay))
        click.echo(f"wrote {picture}")


# -- words ---------------------------------------------------------------------------


def _complain(message: str) -> None:
    click.echo(f"runstate: {printable(message, 2_000)}", err=True)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror

    return str(error) or type(error).__name__
