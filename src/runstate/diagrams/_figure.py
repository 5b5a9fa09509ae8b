"""
What is drawn, before anything has a place: boxes for statuses, arrows for moves.

An arrow stands for all rows between its two statuses, or for a move that was
observed and that the table does not have.
"""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, Literal

from .._text import printable
from ..histories._survey import Dwell, how_long
from ..lifecycle._rows import Outcome, Transition
from ..lifecycle._table import Lifecycle
from ._words import shown, wrap

__all__ = ["Arrow", "Box", "Figure", "Overlay", "Role", "make_figure", "uncounted"]

Role = Literal["plain", "path", "faint", "gap", "illegal"]
"""
How an arrow or a box is drawn.

``path``: one run went there. ``faint``: it was not observed, neither on a path nor in counts.
``gap``: two statuses that one run had in succession with moves between them that
was not seen. ``illegal``: observed, and not in the table.
"""

MOST_UNKNOWN: Final = 12
"""Statuses drawn that the lifecycle does not know; those in the most moves first."""
MOST_ILLEGAL: Final = 40
"""Moves drawn that the table does not have; those observed most often first."""
MOST_STEPS: Final = 3
"""Numbers of steps shown at one arrow."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Overlay:
    """
    What was observed of a lifecycle's runs. Its texts may be untrusted.

    Example:
        >>> from runstate import RUN
        >>> from runstate.diagrams import draw
        >>> seen = Overlay(current="in_progress", counts={("queued", "in_progress"): 12})
        >>> [line.strip() for line in draw(RUN, "mermaid", seen).decode().splitlines() if "start" in line]
        ['s0 -->|"start #183; 12"| s1']
    """

    current: str | None = None
    """The status a run has now; None where none is to be marked."""
    path: tuple[str, ...] = ()
    """The statuses of one run, in order; where some were missed, the gap is drawn."""
    counts: Mapping[Pair, int] = field(default_factory=dict)
    """How often each move was observed, by its source and target; any pair may be in it."""
    seen: frozenset[str] = frozenset()
    """The statuses that were observed; those of the moves counted are always in it."""
    dwell: Mapping[Pair, Dwell] = field(default_factory=dict)
    """How long runs were in the first status of a move before it; of moves that are counted."""

    def __post_init__(self) -> None:
        """
        Copy the parts, so that a change of the originals does not show.

        Raises:
            ValueError: A count is negative.
        """
        set_ = object.__setattr__
        set_(self, "current", None if self.current is None else str(self.current))
        set_(self, "path", tuple(str(status) for status in self.path))
        set_(self, "counts", {(str(s), str(t)): int(n) for (s, t), n in self.counts.items()})
        for (source, target), count in self.counts.items():
            if count < 0:
                move = printable(f"{source} -> {target}")
                raise ValueError(f"count of {move} must not be negative, is {count}")
        moved = {status for pair, count in self.counts.items() if count for status in pair}
        set_(self, "seen", frozenset({*map(str, self.seen), *moved}))
        set_(self, "dwell", {(str(s), str(t)): each for (s, t), each in self.dwell.items()})

    @property
    def counted(self) -> bool:
        """Whether it says of many runs what was observed, and so of the rest that it was not."""
        return bool(self.counts or self.seen)


@dataclass(frozen=True, slots=True)
class Box:
    """
    One status.
    """

    status: str
    """As it is; see *name* for what is shown."""
    outcome: Outcome | None
    """What it means, where it is terminal; None otherwise."""
    known: bool
    """Whether the lifecycle has it."""
    initial: bool
    current: bool
    role: Role

    @property
    def name(self) -> str:
        """The status, harmless to show."""
        return shown(self.status)

    @property
    def caption(self) -> str:
        """What is to be said below the name; empty if the name says it."""
        if not self.known:
            return "unknown status"

        return self.outcome if self.outcome and self.outcome != self.status.casefold() else ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """
    What leads from one status to another.
    """

    source: int
    """Index of the box it leaves."""
    target: int
    """Index of the box it enters."""
    rows: tuple[Transition, ...]
    """Empty where the table has no such move."""
    role: Role
    count: int | None = None
    """How often the move was observed; None where counts were not given."""
    dwell: Dwell | None = None
    """How long runs were in its source before the move; None where that is not known."""
    weight: float = 0.0
    """The count on a scale of logarithms, from 0 (none) to 1 (the most)."""
    steps: tuple[int, ...] = ()
    """Which moves of the path these are, from 1."""

    @property
    def inferred(self) -> bool:
        """True if no row of it is known by anything but reasoning."""
        return bool(self.rows) and all(row.evidence == "inferred" for row in self.rows)

    @property
    def reopens(self) -> bool:
        """True if every row of it leads out of a terminal status."""
        return bool(self.rows) and all(row.reopens for row in self.rows)

    @property
    def dash(self) -> Literal["solid", "dashed", "dotted"]:
        """How its line is drawn: what reopens and what was not seen is dotted, what is inferred dashed."""
        if self.reopens or self.role == "gap":
            return "dotted"

        return "dashed" if self.inferred else "solid"

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called: a name a row. Which of several rows are inferred is said."""
        if not self.rows:
            return ("not seen" if self.role == "gap" else "illegal",)
        doubt = "" if self.inferred else " (inferred)"

        return tuple(
            shown(row.title) + (doubt if row.evidence == "inferred" else "") for row in self.rows
        )

    def label(self, widest: int = sys.maxsize) -> tuple[str, ...]:
        """
        Return what its label says: each name in lines of at most *widest* cells, the count, the time.
        """
        lines = tuple(line for name in self.names for line in wrap(name, widest))
        time: tuple[str, ...] = ()
        if self.dwell:
            time = (
                f"{how_long(self.dwell.quantile(0.5))}, p95 {how_long(self.dwell.quantile(0.95))}",
            )
        if not self.count:
            return lines
        if len(self.names) > 1:
            return (*lines, f"{self.count:,} observed", *time)

        return (*lines[:-1], f"{lines[-1]} · {self.count:,}", *time)

    @property
    def badge(self) -> str:
        """The numbers of its steps; empty if it is on no path."""
        more = "…" if len(self.steps) > MOST_STEPS else ""

        return ", ".join(map(str, self.steps[:MOST_STEPS])) + more


@dataclass(frozen=True, slots=True)
class Figure:
    """
    Everything that is drawn of one lifecycle.
    """

    lifecycle: Lifecycle
    boxes: tuple[Box, ...]
    """The lifecycle's statuses in its order, then the unknown ones."""
    arrows: tuple[Arrow, ...]
    """In the order of the rows, then the moves that are none."""
    left_out: int
    """How many illegal moves were too many to draw."""
    rare: int = 0
    """How many legal moves are left out because they were observed fewer than *least* times."""
    least: int = 0

    def story(self, arrow: Arrow) -> str:
        """
        Return what can be told about *arrow*, a line a row, harmless to show.
        """
        source, target = self.boxes[arrow.source].name, self.boxes[arrow.target].name
        seen = "" if arrow.count is None else _how_often(arrow.count) + _how_long(arrow.dwell)
        if not arrow.rows:
            word = "moves between were not seen" if arrow.role == "gap" else "illegal"
            return ", ".join(filter(None, (f"{source} -> {target}: {word}", seen)))
        lines = [
            f"{shown(row.title)}: {source} -> {target} "
            f"({'reopens, ' if row.reopens else ''}{row.evidence})"
            + (f"; {printable(row.citation, 500)}" if row.citation else "")
            for row in arrow.rows
        ]

        return "\n".join(filter(None, (*lines, seen)))


def _how_often(count: int) -> str:
    return "observed once" if count == 1 else f"observed {count:,} times"


def _how_long(dwell: Dwell | None) -> str:
    if not dwell:
        return ""
    half, most = how_long(dwell.quantile(0.5)), how_long(dwell.quantile(0.95))

    return f", after {half} at the median, {most} at p95, {how_long(dwell.longest)} at most"


def make_figure(lifecycle: Lifecycle, overlay: Overlay) -> Figure:
    """
    Return what is to be drawn of *lifecycle* under *overlay*.
    """
    steps = _steps(lifecycle, overlay.path)
    extra = _extra_pairs(lifecycle, overlay, steps)
    unknown = _unknown(lifecycle, overlay, extra)
    statuses = (*map(str, lifecycle.statuses), *unknown[:MOST_UNKNOWN])
    index = {status: at for at, status in enumerate(statuses)}
    drawn = [pair for pair in extra if pair[0] in index and pair[1] in index][:MOST_ILLEGAL]
    every = (*lifecycle, *lifecycle.reopenings)
    pairs = dict.fromkeys((str(row.source), str(row.target)) for row in every)
    most = max(overlay.counts.values(), default=0)
    arrows = (
        _arrow(lifecycle, overlay, (index[pair[0]], index[pair[1]]), pair, steps, most)
        for pair in (*pairs, *drawn)
    )

    return Figure(
        lifecycle,
        tuple(_box(lifecycle, overlay, status) for status in statuses),
        tuple(arrows),
        len(extra) - len(drawn),
    )


def uncounted(figure: Figure) -> Figure:
    """
    Return *figure* with what it has drawn, but without a word of how often and how long.
    """
    arrows = (
        replace(
            arrow, count=None, dwell=None, weight=0.0, role="plain" if arrow.rows else "illegal"
        )
        for arrow in figure.arrows
    )
    boxes = (replace(box, role="plain" if box.known else "illegal") for box in figure.boxes)

    return replace(figure, boxes=tuple(boxes), arrows=tuple(arrows))


def _steps(lifecycle: Lifecycle, path: tuple[str, ...]) -> dict[Pair, tuple[int, ...]]:
    """
    Number the moves of *path*; a status that merely repeats is none.
    """
    steps: dict[Pair, tuple[int, ...]] = {}
    moves = (p for p in pairwise(path) if p[0] != p[1] or lifecycle.rows(*p))
    for number, pair in enumerate(moves, 1):
        steps[pair] = (*steps.get(pair, ()), number)

    return steps


def _extra_pairs(lifecycle: Lifecycle, overlay: Overlay, steps: Iterable[Pair]) -> tuple[Pair, ...]:
    """
    Return the moves of *overlay* that the table lacks: of the path, then by count.
    """
    counted = sorted(
        (pair for pair, count in overlay.counts.items() if count),
        key=lambda pair: (-overlay.counts[pair], pair),
    )

    return tuple(pair for pair in dict.fromkeys((*steps, *counted)) if not lifecycle.ways(*pair))


def _unknown(lifecycle: Lifecycle, overlay: Overlay, extra: Iterable[Pair]) -> tuple[str, ...]:
    def named() -> Iterator[str]:
        if overlay.current is not None:
            yield overlay.current
        yield from overlay.path
        for pair in extra:
            yield from pair
        yield from sorted(overlay.seen)

    known = set(lifecycle.statuses)

    return tuple(status for status in dict.fromkeys(named()) if status not in known)


def _arrow(
    lifecycle: Lifecycle,
    overlay: Overlay,
    ends: tuple[int, int],
    pair: Pair,
    steps: Mapping[Pair, tuple[int, ...]],
    most: int,
) -> Arrow:
    rows = lifecycle.ways(*pair)
    count = overlay.counts.get(pair, 0) if overlay.counted else None
    role: Role = "plain"
    if not rows:
        missed = not count and pair[1] in lifecycle.reachable(pair[0])
        role = "gap" if missed else "illegal"
    elif pair in steps:
        role = "path"
    elif (overlay.path or overlay.counted) and not count:
        role = "faint"

    return Arrow(
        *ends,
        rows=rows,
        role=role,
        count=count,
        dwell=overlay.dwell.get(pair) if count else None,
        weight=math.log1p(count) / math.log1p(most) if count else 0.0,
        steps=steps.get(pair, ()),
    )


def _box(lifecycle: Lifecycle, overlay: Overlay, status: str) -> Box:
    known = status in lifecycle.statuses
    role: Role = "plain"
    if not known:
        role = "illegal"
    elif status in overlay.path:
        role = "path"
    elif (overlay.path or overlay.counted) and status not in overlay.seen:
        role = "faint"

    return Box(
        status,
        lifecycle.terminal.get(status),
        known,
        status in lifecycle.initial_statuses,
        status == overlay.current,
        role,
    )
