"""
``check --summary``: what was observed, in tables for a terminal.
"""

import sys
from collections.abc import Iterator
from typing import Final

from .._text import printable
from ..histories._records import ObservationModel
from ..histories._survey import Survey, how_long, without_gaps
from ..lifecycle._table import Lifecycle

__all__ = ["print_summary"]

MOST_ROWS: Final = 60
_WIDE: Final = 120


def print_summary(survey: Survey, lifecycle: Lifecycle, observed: ObservationModel) -> None:
    """
    Print runs by last status, moves with their counts and times, and rows never observed.
    """
    from rich.console import Console  # noqa: PLC0415  tables are not for every command
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    made = without_gaps(survey, lifecycle, observed)
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    parts = {
        "Runs by last status": (("status", "runs"), _ends(made)),
        "Moves": (
            ("move", "from", "to", "observed", "p50", "p95", "longest"),
            _moves(made, lifecycle),
        ),
        "Rows never observed": (("trigger", "from", "to"), _never(made, lifecycle)),
    }
    for title, (heads, rows) in parts.items():
        table = Table(title=title, title_justify="left")
        for head in heads:
            numbers = head in {"runs", "observed", "p50", "p95", "longest"}
            table.add_column(head, justify="right" if numbers else "left")
        for cells in rows:
            style = "bold red" if cells[0] == "illegal" else ""
            table.add_row(*(Text(printable(cell, 80), style) for cell in cells))
        if table.row_count:
            console.print(table)


def _ends(made: Survey) -> Iterator[tuple[str, ...]]:
    for status, count in sorted(made.ends.items(), key=lambda end: (-end[1], end[0]))[:MOST_ROWS]:
        yield status, f"{count:,}"


def _moves(made: Survey, lifecycle: Lifecycle) -> Iterator[tuple[str, ...]]:
    pairs = sorted(made.moves, key=lambda p: (bool(lifecycle.ways(*p)), -made.moves[p], p))
    for pair in pairs[:MOST_ROWS]:
        dwell = made.dwell.get(pair)
        times = (dwell.quantile(0.5), dwell.quantile(0.95), dwell.longest) if dwell else ()
        name = ", ".join(row.trigger for row in lifecycle.ways(*pair)) or "illegal"
        yield name, *pair, f"{made.moves[pair]:,}", *map(how_long, times)
    if len(pairs) > MOST_ROWS:
        yield (f"... and {len(pairs) - MOST_ROWS:,} more",)


def _never(made: Survey, lifecycle: Lifecycle) -> Iterator[tuple[str, ...]]:
    for row in lifecycle:
        if not made.moves.get((str(row.source), str(row.target))):
            yield row.trigger, row.source, row.target
