"""
What became more frequent, slower or illegal since another log.
"""

from collections.abc import Iterator
from math import sqrt
from typing import Final

from ..histories._rules import RULES
from ..histories._survey import Dwell, Survey, how_long, without_gaps
from ._facts import counted
from ._html import NONE, code, section, table, text
from ._subject import Subject

__all__ = ["compared"]

MOST_MOVES: Final = 200
WIDTH: Final = 1.96
"""Standard deviations on each side of a 95 % interval."""
ENOUGH: Final = 30
"""Durations of each log from which on their percentiles are compared."""
SLOWER: Final = 1.25
"""How many times as long is slower; the inverse is faster."""

Move = tuple[str, str]


def compared(subject: Subject, before: Survey) -> str:
    """
    Return the section that holds what was observed against *before*, by numbers per 100 runs.
    """
    if not (before.runs and subject.survey.runs):
        note = "One of the two logs holds no run, so there is nothing to compare."
        return section("compared", "Compared with before", f'<p class="note">{note}</p>')
    made = without_gaps(before, subject.lifecycle, subject.observed)
    moves = {*made.moves, *subject.made.moves}
    rows = sorted((_Pair(subject, made, move) for move in moves), key=_Pair.order)
    shown = [row.html() for row in rows[:MOST_MOVES]]
    heads = (
        "Change", "From", "To", "Before#", "Now#", "Difference#", "p95 before#", "p95 now#",
    )  # fmt: skip
    note = (
        f"{counted(before.runs, 'run')} before, {counted(subject.survey.runs, 'run')} now. Numbers "
        "are per 100 runs; differences have their 95 % interval, and are named where it does not "
        "hold zero."
    )

    return section(
        "compared",
        "Compared with before",
        f'<p class="note">{note}</p>',
        table("Findings by rule", ("Code", "Rule", *heads[3:6]), _findings(subject, before)),
        table("Moves, the clearest changes first", heads, shown),
    )


def _findings(subject: Subject, before: Survey) -> Iterator[str]:
    now = subject.survey
    for name in sorted({*before.tally, *now.tally}):
        title = text(RULES[name].title) if name in RULES else ""
        old, new = before.tally.get(name, 0), now.tally.get(name, 0)
        rates, _ = _rates(old, before.runs, new, now.runs)
        yield f"<td><code>{text(name)}</code><td>{title}{rates}"


def _rates(old: int, old_runs: int, new: int, new_runs: int) -> tuple[str, float]:
    """
    Return cells with both rates and their difference, and how many half intervals that is.
    """
    before, now = 100 * old / old_runs, 100 * new / new_runs
    # A count of none is as uncertain as a count of one.
    half = WIDTH * 100 * sqrt(max(old, 1) / old_runs**2 + max(new, 1) / new_runs**2)
    difference = now - before
    cells = f'<td class="n">{before:,.2f}<td class="n">{now:,.2f}'

    return f'{cells}<td class="n">{difference:+,.2f} ± {half:,.2f}', difference / half


class _Pair:
    """
    One move in both logs.
    """

    def __init__(self, subject: Subject, before: Survey, move: Move) -> None:
        self.move = move
        now = subject.made
        self.illegal = not subject.lifecycle.ways(*move)
        self.cells, self.clear = _rates(
            before.moves.get(move, 0), before.runs, now.moves.get(move, 0), now.runs
        )
        self.old, self.new = before.dwell.get(move), now.dwell.get(move)

    def order(self) -> tuple[bool, float, Move]:
        """
        Return what moves are sorted by: illegal ones that became commoner, then the clearest.
        """
        return not (self.illegal and self.clear > 1), -abs(self.clear), self.move

    def html(self) -> str:
        """
        Return the row.
        """
        named = ", ".join(self._names())
        start = '<tr class="bad">' if self.illegal else "<tr>"
        source, target = map(code, self.move)

        return f"{start}<td>{named}<td>{source}<td>{target}{self.cells}{_p95(self.old)}{_p95(self.new)}"

    def _names(self) -> Iterator[str]:
        if self.illegal:
            yield "illegal"
        if abs(self.clear) > 1:
            yield "more often" if self.clear > 0 else "less often"
        if self.old and self.new and min(self.old.times, self.new.times) >= ENOUGH:
            old, new = self.old.quantile(0.95), self.new.quantile(0.95)
            if new > SLOWER * old:
                yield "slower"
            elif old > SLOWER * new:
                yield "faster"


def _p95(dwell: Dwell | None) -> str:
    return NONE if dwell is None else f'<td class="n">{how_long(dwell.quantile(0.95))}'
