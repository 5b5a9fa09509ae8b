"""
``runstate demo``: a small orchestrator over one database, checked and drawn.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..errors import MissingExtraError
from ..histories import survey
from ..histories._monitor import Monitor
from ..presets import PRESETS
from ._input import Reading, records
from ._output import FORMS, Tally
from ._report import SAMPLES, write_report
from ._shared import observations
from ._write import output_option, writing

__all__ = ["demo"]


@click.command()
@click.option("--runs", type=click.IntRange(1, 100_000), default=200, show_default=True)
@click.option("--workers", type=click.IntRange(1, 32), default=4, show_default=True)
@click.option(
    "--db",
    "url",
    metavar="URL",
    help="A SQLite file or a PostgreSQL database; runs.db in the folder otherwise.",
)
@output_option(
    folder=True,
    default=Path("runstate-demo"),
    show_default=True,
    help="Folder for the log, the pictures and the page.",
)
def demo(runs: int, workers: int, url: str | None, out: Path) -> int:
    """
    Run a small orchestrator, check its journal, and draw what was observed.

    Workers, each a process of its own, race with users and with each other for the
    same runs in one database. One is killed with runs in its hands; others carry them
    on. The journal is written out and checked; the pictures and the page show what happened.

    \b
    Examples:
      runstate demo
      runstate demo --runs 2000 --workers 8 -o out
      runstate demo --db postgresql+psycopg://localhost/test
    """
    from ..demo import run_demo  # noqa: PLC0415  loads the store

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

    return 1 if outcome.ended_twice else tally.status("error")


def _told(outcome: Any, runs: int, workers: int) -> Iterator[str]:
    """
    Yield what came of a demonstration, in lines.
    """
    moves = outcome.moves.total()
    yield f"{runs:,} runs, {workers} workers, {moves:,} moves in {outcome.seconds:.1f} s"
    for status, count in outcome.statuses.most_common():
        yield f"  {status:<42} {count:>7,}"
    yield f"{outcome.refused.total():,} triggers came too late; each got the move that won:"
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
    Draw in *folder* how often each move in *log* was made, and write the page on it.
    """
    from ..diagrams import draw as render  # noqa: PLC0415
    from ..diagrams import overlay_of  # noqa: PLC0415

    lifecycle = PRESETS["run"]
    seen = observations(str(log), lifecycle, Reading())
    counted = survey(seen, lifecycle, finished=True, samples=SAMPLES)
    overlay = overlay_of(counted, lifecycle)
    for suffix, form in (("svg", "svg"), ("png", "png"), ("mmd", "mermaid")):
        picture = folder / f"observed.{suffix}"
        try:
            drawn = render(lifecycle, form, overlay)
        except MissingExtraError as missing:
            click.echo(f"did not draw {picture}: {missing}")
            continue
        with writing(picture) as stream:
            stream.write(drawn)
        click.echo(f"wrote {picture}")
    page = folder / "report.html"
    write_report(page, counted, lifecycle, "complete", [str(log)])
    click.echo(f"wrote {page}")
