"""
``check --summary``: what was observed, in tables for a terminal.

It begins with the facts that the page of ``report`` begins with, from the same source.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .._text import printable
from ..histories._records import ObservationModel
from ..histories._rules import RULES
from ..histories._survey import Dwell, Survey, how_long
from ..lifecycle._table import Lifecycle
from ..report._facts import (
    figures,
    folded,
    is_faulty,
    moment,
    sentences,
    share,
    subject_of,
)  # fmt: skip
from ..report._subject import Subject

__all__ = ["print_summary"]

MOST_ROWS: Final = 60
MOST_OPEN: Final = 10
MOST_PATHS: Final = 10
_WIDE: Final = 120
_COLUMNS: Final = 60
"""Characters of a line of bars over time."""
_BARS: Final = "▁▂▃▄▅▆▇█"
_LASTED: Final = ("p50", "p90", "p95", "p99", "longest")
_NUMBERS: Final = frozenset(
    {"runs", "observed", "findings", "open", "share", "for", "all", *_LASTED}
)

Rows = Iterator[tuple[str, ...]]


class _Part(NamedTuple):
    title: str
    heads: tuple[str, ...]
    rows: Rows


def print_summary(survey: Survey, lifecycle: Lifecycle, observed: ObservationModel) -> None:
    """
    Print the facts that come first, what is open, runs over time and by status, moves and paths.
    """
    subject = subject_of(survey, lifecycle, observed)
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    for sentence in sentences(subject):
        words = "".join(
            part if isinstance(part, str) else printable(part[0], 80) for part in sentence
        )
        console.print(Text(words), soft_wrap=True)
    for part in _parts(subject):
        _print(console, part)


def _print(console: Console, part: _Part) -> None:
    table = Table(title=part.title, title_justify="left")
    for head in part.heads:
        table.add_column(head, justify="right" if head in _NUMBERS else "left")
    for cells in part.rows:
        style = "bold red" if cells[0].startswith("illegal") else ""
        table.add_row(*(Text(printable(cell, 200), style) for cell in cells))
    if table.row_count:
        console.print(table)


def _parts(subject: Subject) -> Iterator[_Part]:
    yield _Part("Facts", ("fact", "value"), figures(subject))
    yield _Part("Findings by rule", ("code", "rule", "findings"), _rules(subject.survey))
    yield _Part(
        "Open runs, the longest unchanged first", ("run", "status", "since", "for"), _open(subject)
    )
    yield _Part(_span(subject), ("what", "from left to right", "all"), _over_time(subject))
    yield _Part("Runs by last status", ("status", "runs"), _ends(subject.made))
    yield _Part(
        "From the first sight of a run to its end", ("ended as", "runs", *_LASTED), _lasted(subject)
    )
    yield _Part("Moves", ("move", "from", "to", "observed", *_LASTED), _moves(subject))
    yield _Part(
        "Paths, the commonest first", ("path", "runs", "share", "p50", "p95"), _paths(subject)
    )
    yield _Part(
        "Rows never observed", ("trigger", "from", "to"), _never(subject.made, subject.lifecycle)
    )


def _rules(survey: Survey) -> Rows:
    for code, count in sorted(survey.tally.items()):
        yield code, RULES[code].title if code in RULES else "", f"{count:,}"


def _open(subject: Subject) -> Rows:
    survey = subject.survey
    listed = survey.journeys.open[:MOST_OPEN] if survey.journeys else ()
    for run in listed:
        since, age = "", ""
        if run.since is not None and survey.ended is not None:
            since, age = moment(run.since), how_long(max(0.0, survey.ended - run.since))
        yield "(no id)" if run.run_id is None else printable(run.run_id, 60), run.status, since, age
    if listed and subject.open > len(listed):
        yield f"... and {subject.open - len(listed):,} more", "", "", ""


def _span(subject: Subject) -> str:
    began, ended = subject.survey.began, subject.survey.ended
    if began is None or ended is None:
        return "Over time"

    return f"Over time, {moment(began)} to {moment(ended)}"


def _over_time(subject: Subject) -> Rows:
    """
    Yield a line of bars for runs that began, for each end, and for findings of each code.
    """
    journeys = subject.survey.journeys
    if journeys is None:
        return
    lines: dict[str, Mapping[int, int]] = {"began": journeys.begun}
    lines |= {f"ended {status}": periods for status, periods in journeys.ended.items()}
    lines |= {f"findings {code}": periods for code, periods in journeys.found.items()}
    numbers = [number for periods in lines.values() for number in periods]
    if not numbers:
        return
    first, each = min(numbers), -(-(max(numbers) - min(numbers) + 1) // _COLUMNS)
    many = (max(numbers) - first) // each + 1
    for name, periods in lines.items():
        sums = [0] * many
        for number, count in periods.items():
            sums[(number - first) // each] += count
        if any(sums):
            yield name, _bars(sums), f"{sum(sums):,}"


def _bars(counts: list[int]) -> str:
    most = max(counts)

    return "".join(
        " " if not n else _BARS[(n * (len(_BARS) - 1) + most - 1) // most] for n in counts
    )


def _ends(made: Survey) -> Rows:
    for status, count in sorted(made.ends.items(), key=lambda end: (-end[1], end[0]))[:MOST_ROWS]:
        yield status, f"{count:,}"


def _lasted(subject: Subject) -> Rows:
    journeys = subject.survey.journeys
    for status, dwell in (journeys.lasted if journeys else {}).items():
        yield status, f"{dwell.times:,}", *_times(dwell)


def _moves(subject: Subject) -> Rows:
    made, lifecycle = subject.made, subject.lifecycle
    pairs = sorted(made.moves, key=lambda p: (bool(lifecycle.ways(*p)), -made.moves[p], p))
    for pair in pairs[:MOST_ROWS]:
        name = ", ".join(row.trigger for row in lifecycle.ways(*pair)) or "illegal"
        yield name, *pair, f"{made.moves[pair]:,}", *_times(made.dwell.get(pair))
    if len(pairs) > MOST_ROWS:
        yield (f"... and {len(pairs) - MOST_ROWS:,} more",)


def _times(dwell: Dwell | None) -> tuple[str, ...]:
    if dwell is None:
        return ("",) * len(_LASTED)

    return (
        *(how_long(dwell.quantile(part)) for part in (0.5, 0.9, 0.95, 0.99)),
        how_long(dwell.longest),
    )


def _paths(subject: Subject) -> Rows:
    journeys = subject.survey.journeys
    for variant in journeys.variants[:MOST_PATHS] if journeys else ():
        parts = [
            " -> ".join(loop) if times == 1 else f"({' -> '.join(loop)}) {times:,} times"
            for loop, times in folded(variant.statuses)
        ]
        words = f"{'illegal ' if is_faulty(subject, variant.statuses) else ''}{' -> '.join(parts)}"
        p50, _, p95, *_ = _times(variant.lasted)
        followed = journeys.followed if journeys else 0
        yield words, f"{variant.runs:,}", share(variant.runs, followed), p50, p95


def _never(made: Survey, lifecycle: Lifecycle) -> Rows:
    for row in lifecycle:
        if not made.moves.get((str(row.source), str(row.target))):
            yield row.trigger, row.source, row.target
