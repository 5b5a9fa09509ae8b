"""
Markdown, as GitHub reads it: the rows as a table, and what was observed.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from .._text import printable
from ..histories._survey import how_long
from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ._figure import Overlay

__all__ = ["render"]

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+")
_SPECIAL: Final = re.compile(r"""[&<>|`*_\[\]\\~#!{}@$^"=+]|:(?=/)|(?<=www)\.""", re.IGNORECASE)
_NUMBERS: Final = ("observed", "p50", "p95", "longest")
LONGEST_PATH: Final = 200
"""Statuses of a path that are listed."""


def render(lifecycle: Lifecycle, overlay: Overlay) -> bytes:
    """
    Return the table of *lifecycle*'s rows, with what *overlay* holds around it.
    """
    return ("\n".join(_lines(lifecycle, overlay)) + "\n").encode()


def _lines(lifecycle: Lifecycle, overlay: Overlay) -> Iterator[str]:
    ends = ", ".join(f"{_name(s)} ({what})" for s, what in lifecycle.terminal.items())
    yield f"# Lifecycle {_name(lifecycle.name)}"
    yield ""
    begins = " or ".join(map(_name, lifecycle.initial_statuses))
    yield f"A run is created {begins} and {f'ends {ends}' if ends else 'never ends'}."
    yield ""
    heads = ("trigger", "from", "to", "evidence", "source")
    yield from _table(
        (*heads, *_counted_heads(overlay)) if overlay.counted else heads,
        (_cells(row, overlay) for row in (*lifecycle, *lifecycle.reopenings)),
    )
    yield from _illegal_lines(lifecycle, overlay)
    if overlay.path:
        yield from ("", "## Path of the run", "", _path(overlay.path))
    if overlay.current is not None:
        unknown = "" if overlay.current in lifecycle.statuses else " (unknown status)"
        yield from ("", f"Current status: {_name(overlay.current)}{unknown}")


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = tuple(heads)
    yield f"| {' | '.join(heads)} |"
    yield "|" + "".join("---:|" if head in _NUMBERS else "---|" for head in heads)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _cells(row: Transition, overlay: Overlay) -> tuple[str, ...]:
    cells = (
        _name(row.title) + (" (reopens)" if row.reopens else ""),
        _name(row.source),
        _name(row.target),
        row.evidence,
        _text(row.citation),
    )
    if not overlay.counted:
        return cells

    return (*cells, *_counted_cells((str(row.source), str(row.target)), overlay))


def _counted_heads(overlay: Overlay) -> tuple[str, ...]:
    return _NUMBERS if overlay.dwell else _NUMBERS[:1]


def _counted_cells(pair: tuple[str, str], overlay: Overlay) -> Iterator[str]:
    yield f"{overlay.counts.get(pair, 0):,}"
    if overlay.dwell:
        dwell = overlay.dwell.get(pair)
        times = (dwell.quantile(0.5), dwell.quantile(0.95), dwell.longest) if dwell else ()
        yield from map(how_long, times)
        yield from ("",) * (3 - len(times))


def _illegal_lines(lifecycle: Lifecycle, overlay: Overlay) -> Iterator[str]:
    """
    Yield the section of the moves that were observed and that no row allows.
    """
    illegal = sorted(
        (-count, pair)
        for pair, count in overlay.counts.items()
        if count and not lifecycle.ways(*pair)
    )
    if illegal:
        yield from ("", "## Illegal moves", "")
        yield from _table(
            ("from", "to", *_counted_heads(overlay)),
            ((*map(_name, pair), *_counted_cells(pair, overlay)) for _, pair in illegal),
        )


def _path(path: tuple[str, ...]) -> str:
    names = " → ".join(map(_name, path[:LONGEST_PATH]))
    more = len(path) - LONGEST_PATH

    return f"{names} and {more:,} more" if more > 0 else names


def _name(name: str) -> str:
    """
    Return *name* as code where it can be, and else with all escaped that has a meaning.
    """
    return f"`{name}`" if _PLAIN.fullmatch(name) else _text(name or "(empty)")


def _text(text: str) -> str:
    """
    Return *text* on one line, with entities for all that Markdown or HTML might act on.
    """
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", printable(text, 1_000))
