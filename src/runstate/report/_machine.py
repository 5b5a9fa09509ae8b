"""
The machine with what was observed of it, as a picture and as tables.
"""

from collections.abc import Iterator
from math import ceil
from typing import Final

from ..diagrams import Inline, Overlay, inline, overlay_of
from ..histories._survey import Survey
from ._facts import counted, share
from ._html import code, percentiles, section, table, text
from ._subject import Subject

__all__ = [
    "ends", "fitting_style", "framed", "listed_moves", "machine", "never", "picture", "way_picture",
]  # fmt: skip

WIDTHS: Final = (340, 700, 900, 1_160, 1_500)
"""Widths in pixels for which the machine is drawn."""
MOST_ARROWS: Final = 40
"""Legal moves that the picture has; of more, the table lists those observed least often alone."""
WAY_WIDTHS: Final = (340, 900)
"""Widths in pixels for which the path of one run is drawn."""
MOST_MOVES: Final = 200
"""Moves listed: those that are no row first, then those made most often."""

_NOTES: Final = {
    "complete": "",
    "polled": "A change shows at the next look only: times are as exact as the looks were frequent.",
    "unordered": "What was seen came in no order, so that only recorded moves are counted, and no times.",
}


def picture(subject: Subject) -> Inline:
    """
    Return the lifecycle with counts and times, for windows of any width.
    """
    return inline(subject.lifecycle, _overlay(subject), WIDTHS, most=MOST_ARROWS)


def way_picture(subject: Subject) -> Inline:
    """
    Return the lifecycle with the same boxes and arrows, for the way of one run.
    """
    return inline(subject.lifecycle, _overlay(subject), WAY_WIDTHS, most=MOST_ARROWS, counted=False)


def _overlay(subject: Subject) -> Overlay:
    return overlay_of(subject.survey, subject.lifecycle, observed=subject.observed)


def framed(name: str, label: str, drawn: Inline) -> str:
    """
    Return *drawn* in a frame, which shows the widest of its elements that fits.
    """
    shown = "".join(
        f'<div class="{name}-{at}">{element}</div>' for at, element in enumerate(drawn.elements)
    )

    return (
        f'<div class="wide picture" id="{name}" role="region" tabindex="0" aria-label="{label}">'
        f"{shown}</div>"
    )


def fitting_style(name: str, drawn: Inline) -> str:
    """
    Return the rules by which the frame *name* shows one of *drawn*'s elements.
    """
    hidden = "".join(f"#{name} .{name}-{at}{{display:none}}" for at in range(1, len(drawn.widths)))
    shown = "".join(
        f"@container (min-width:{ceil(width)}px)"
        f"{{#{name} .{name}-{at - 1}{{display:none}}#{name} .{name}-{at}{{display:block}}}}"
        for at, width in enumerate(drawn.widths)
        if at
    )

    return hidden + shown


def machine(subject: Subject, drawn: Inline) -> str:
    """
    Return the section with the picture and the moves.
    """
    note = _NOTES[subject.observed]
    figure = f"<figure>{framed('drawn', 'The machine', drawn)}</figure>"

    return section(
        "machine",
        "The machine, as observed",
        f'<p class="note">{note}</p>' if note else "",
        figure,
        _moves(subject),
        _gaps(subject),
    )


def listed_moves(subject: Subject) -> list[tuple[str, str]]:
    """
    Return the moves that have a row on the page.
    """
    made = subject.made.moves
    pairs = sorted(made, key=lambda p: (bool(subject.lifecycle.ways(*p)), -made[p], p))

    return pairs[:MOST_MOVES]


def _moves(subject: Subject) -> str:
    shown = listed_moves(subject)
    if not shown:
        return ""
    hidden = len(subject.made.moves) - len(shown)
    more = f"; {counted(hidden, 'more kind')} not listed" if hidden else ""
    heads = (
        "Trigger", "From", "To", "Observed#", "p50#", "p90#", "p95#", "p99#", "Longest#",
    )  # fmt: skip
    caption = f"Moves, and how long runs were in the status before{more}"

    return table(caption, heads, (_move(subject, pair) for pair in shown), mark=' id="moves"')


def _move(subject: Subject, pair: tuple[str, str]) -> str:
    rows = subject.lifecycle.ways(*pair)
    names = ", ".join(text(row.trigger, 100) for row in rows)
    dwell = subject.made.dwell.get(pair)
    start = "<tr><td>" + names if rows else '<tr class="bad"><td><b class="tag">illegal</b>'

    return (
        f"{start}<td>{code(pair[0])}<td>{code(pair[1])}"
        f'<td class="n">{subject.made.moves[pair]:,}{percentiles(dwell)}'
    )


def _gaps(subject: Subject) -> str:
    gaps = _difference(subject.survey, subject.made)
    if not gaps:
        return ""
    listed = sorted(gaps, key=lambda pair: (-gaps[pair], pair))[:MOST_MOVES]
    rows = (f'<td>{code(s)}<td>{code(t)}<td class="n">{gaps[s, t]:,}' for s, t in listed)
    heads = ("Seen", "Then", "Observed#")

    return table("Gaps: legal moves in between were not seen", heads, rows)


def _difference(survey: Survey, made: Survey) -> dict[tuple[str, str], int]:
    left = {pair: n - made.moves.get(pair, 0) for pair, n in survey.moves.items()}

    return {pair: n for pair, n in left.items() if n}


def never(subject: Subject) -> str:
    """
    Return the section on the rows that nobody saw.
    """
    made = subject.made.moves
    rows = [row for row in subject.lifecycle if not made.get((str(row.source), str(row.target)))]
    if not rows:
        return section(
            "never", "Rows never observed", "<p>Every row of the table was observed.</p>"
        )
    cells = (
        f"<td>{text(row.trigger, 100)}<td>{code(row.source)}<td>{code(row.target)}"
        f"<td>{text(row.evidence)}"
        for row in rows
    )
    heads = ("Trigger", "From", "To", "Known from")
    caption = f"{len(rows):,} of {counted(len(subject.lifecycle), 'row')}"

    return section("never", "Rows never observed", table(caption, heads, cells))


def ends(subject: Subject) -> str:
    """
    Return the section on the statuses that runs were last seen in.
    """
    counts = {status: subject.survey.ends.get(status, 0) for status in subject.statuses}
    rows = list(_ends(subject, {status: n for status, n in counts.items() if n}))
    if not rows:
        return ""
    heads = ("Status", "Kind", "Runs#", "Share#", "Of all")

    return section(
        "ends",
        "Where runs were last seen",
        table("Runs by last status", heads, rows, mark=' id="last"'),
    )


def _ends(subject: Subject, counts: dict[str, int]) -> Iterator[str]:
    total = sum(counts.values())
    for status, count in list(counts.items())[:MOST_MOVES]:
        known = status in subject.lifecycle.statuses
        kind = subject.lifecycle.terminal.get(status, "live") if known else "unknown"
        width = max(1.0, 100 * count / total)
        bar = (
            '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
            f'<rect class="k-{kind}" width="{width:.1f}" height="10" rx="1"/></svg>'
        )
        yield (
            f"<td>{code(status)}<td>{kind}"
            f'<td class="n">{count:,}<td class="n">{text(share(count, total))}<td class="bars">{bar}'
        )
