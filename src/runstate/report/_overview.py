"""
What an operator asks first: is it going wrong, since when; what is stuck; how much begins and ends.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ..histories._survey import Dwell, Journeys, Variant, how_long
from ._facts import counted, folded, is_faulty, moment, period_name, share
from ._html import NONE, code, percentiles, section, table, text
from ._subject import Subject

__all__ = ["listed_paths", "overview", "stuck", "variants"]

WIDE: Final = 340.0
HIGH: Final = 132.0
TOP: Final = 22.0
FOOT: Final = 22.0
LEFT: Final = 4.0
MOST_LISTED: Final = 20
"""Open runs shown at once; the others of those kept are behind a fold."""
MOST_PATHS: Final = 40
LONGEST_PATH: Final = 14
"""Parts of a path that are shown: the first ones, and the last."""


def overview(subject: Subject) -> str:
    """
    Return the section with activity over time, and how long runs take from start to end.
    """
    journeys = subject.survey.journeys
    if journeys is None:
        return ""
    charts = [_ends_chart(subject, journeys), *_findings_chart(journeys)]

    return section(
        "overview",
        "Over time",
        f'<div class="board">{"".join(charts)}</div>',
        _start_to_end(journeys),
    )


# -- over time -----------------------------------------------------------------------


def _ends_chart(subject: Subject, journeys: Journeys) -> str:
    kinds = {
        status: f"k-{subject.lifecycle.terminal.get(status, 'live')}" for status in journeys.ended
    }
    ends = sum(sum(periods.values()) for periods in journeys.ended.values())
    begun = sum(journeys.begun.values())
    said = f"{counted(begun, 'run')} began, {ends:,} ended"
    keys = "".join(
        f'<li><b class="{kinds[status]}"></b>{text(status, 40)} {sum(periods.values()):,}'
        for status, periods in journeys.ended.items()
    )

    return _chart(
        journeys,
        "Runs that ended, by outcome; the line: runs that began",
        said,
        "e",
        {status: (kinds[status], periods) for status, periods in journeys.ended.items()},
        journeys.begun,
        keys,
    )


def _findings_chart(journeys: Journeys) -> Iterator[str]:
    if not journeys.found:
        return
    first = min(number for periods in journeys.found.values() for number in periods)
    last = max(number for periods in journeys.found.values() for number in periods)
    total = sum(sum(periods.values()) for periods in journeys.found.values())
    keys = "".join(
        f"<li><code>{text(name)}</code> {sum(periods.values()):,}"
        for name, periods in journeys.found.items()
    )
    yield _chart(
        journeys,
        "Findings",
        f"{counted(total, 'finding')}, from {period_name(journeys, first)} "
        f"to {period_name(journeys, last)} UTC",
        "c",
        {name: ("k-unknown", periods) for name, periods in journeys.found.items()},
        {},
        keys,
    )


def _chart(
    journeys: Journeys,
    name: str,
    said: str,
    key: str,
    stacked: Mapping[str, tuple[str, Mapping[int, int]]],
    line: Mapping[int, int],
    keys: str,
) -> str:
    """
    Return bars over the periods of the log, stacked, with a *line* in front of them.

    The script knows the parts of a bar by *key* and their places among *stacked*.
    """
    numbers = [*journeys.begun, *(n for each in journeys.ended.values() for n in each)]
    numbers += [n for each in journeys.found.values() for n in each]
    first, many = min(numbers, default=0), max(numbers, default=0) - min(numbers, default=0) + 1
    totals = {
        n: sum(periods.get(n, 0) for _, periods in stacked.values())
        for n in {n for _, periods in stacked.values() for n in periods}
    }
    most = max([*totals.values(), *line.values()], default=1)
    step, room = (WIDE - 2 * LEFT) / many, HIGH - TOP - FOOT
    bars = "".join(
        _bars(journeys, stacked, n, (LEFT + (n - first) * step, step), room / most, key)
        for n in sorted(totals)
    )
    points = "".join(
        f"{'L' if at else 'M'}{LEFT + (at + 0.5) * step:.1f} "
        f"{HIGH - FOOT - room * line.get(first + at, 0) / most:.1f}"
        for at in range(many)
    )
    drawn = f'<path class="begun" d="{points}"/>' if line else ""
    each = how_long(journeys.period)
    end = period_name(journeys, first + many - 1)
    axis = (
        f'<path class="axis" d="M{LEFT:g} {HIGH - FOOT + 0.5:g}H{WIDE - LEFT:g}"/>'
        f'<text class="start" x="{LEFT:g}" y="{TOP - 8:g}">{most:,} in {each}</text>'
        f'<text class="start" x="{LEFT:g}" y="{HIGH - 6:g}">{period_name(journeys, first)}</text>'
        + (
            f'<text class="end" x="{WIDE - LEFT:g}" y="{HIGH - 6:g}">{end}</text>'
            if many > 1
            else ""
        )
    )

    return (
        f'<figure class="chart"><figcaption><b>{name}</b> <span>{said}</span></figcaption>'
        f'<svg viewBox="0 0 {WIDE:g} {HIGH:g}" role="img"><title>{name} over time</title>'
        f"<desc>{said}, in periods of {each}</desc>{bars}{drawn}{axis}</svg>"
        f'<ul class="keys">{keys}</ul></figure>'
    )


def _bars(
    journeys: Journeys,
    stacked: Mapping[str, tuple[str, Mapping[int, int]]],
    number: int,
    place: tuple[float, float],
    scale: float,
    key: str,
) -> str:
    """
    Return the bars of the period *number*, one on the other, with what they say on hover.
    """
    x, step = place
    y, parts, words = HIGH - FOOT, [], []
    for at, (name, (kind, periods)) in enumerate(stacked.items()):
        times = periods.get(number, 0)
        if times:
            high = max(times * scale, 0.6)
            y -= high
            words.append(f"{text(name, 40)} {times:,}")
            parts.append(
                f'<rect class="{kind}" data-s="{key}{at}" x="{x:.1f}" y="{y:.1f}" '
                f'width="{max(step - 0.6, 0.6):.1f}" height="{high:.1f}"/>'
            )

    title = f"<title>{period_name(journeys, number)}: {', '.join(words)}</title>"
    # The whole height of a period can be pointed at, however low its bars are.
    hit = f'<rect class="hit" x="{x:.1f}" y="{TOP:g}" width="{step:.1f}" height="{HIGH - TOP - FOOT:g}"/>'

    return f'<g data-n="{number}">{title}{hit}{"".join(parts)}</g>'


def _start_to_end(journeys: Journeys) -> str:
    if not journeys.lasted:
        return ""
    heads = ("Ended as", "Runs#", "p50#", "p90#", "p95#", "p99#", "Longest#")
    rows = (
        f'<td>{code(status)}<td class="n">{dwell.times:,}{percentiles(dwell)}'
        for status, dwell in journeys.lasted.items()
    )

    return table("From the first sight of a run to its end", heads, rows, mark=' id="ended"')


# -- what is stuck ---------------------------------------------------------------------


def stuck(subject: Subject, kept: Mapping[str | None, int]) -> str:
    """
    Return the section on runs that have not ended; *kept* has the place of each with a timeline.
    """
    journeys, survey = subject.survey.journeys, subject.survey
    if journeys is None:
        return ""
    live = {s: n for s, n in survey.ends.items() if not subject.lifecycle.is_terminal(s)}
    total = sum(live.values())
    if not total:
        return section("open", "Open runs", "<p>Every run that was seen has ended.</p>")
    oldest: dict[str, float] = {}
    for run in journeys.open:
        if run.since is not None:
            oldest.setdefault(run.status, run.since)
    by_status = (
        f'<td>{code(s)}<td class="n">{n:,}{_age(subject, oldest.get(s))}'
        for s, n in sorted(live.items(), key=lambda pair: -pair[1])
    )
    rows = [
        f"<td>{_linked(run.run_id, kept)}<td>{code(run.status)}"
        f'<td class="at">{"" if run.since is None else moment(run.since)}{_age(subject, run.since)}'
        for run in journeys.open
    ]
    heads = ("Run", "Status", "Since", "Unchanged for#")
    more = rows[MOST_LISTED:]
    rest = f"<details><summary>{counted(len(more), 'more open run')}</summary>{{}}</details>"
    hidden = total - len(rows)
    left_out = (
        f"{counted(hidden, 'open run')} more are not listed, those that changed last."
        if hidden > 0
        else ""
    )

    return section(
        "open",
        "Open runs",
        f'<p class="note">{counted(total, "run")} had not ended at the end of the log, '
        f"{'' if survey.ended is None else moment(survey.ended)}. {left_out}</p>",
        table(
            "Open runs by status",
            ("Status", "Open#", "Longest unchanged#"),
            by_status,
            mark=' id="waiting"',
        ),
        table(
            "Open runs, the longest unchanged first", heads, rows[:MOST_LISTED], mark=' id="stuck"'
        ),
        rest.format(table("The others that are kept", heads, more, mark=' id="stuck-too"'))
        if more
        else "",
    )


def _linked(run_id: str | None, kept: Mapping[str | None, int]) -> str:
    name = "(no id)" if run_id is None else text(run_id)

    return f'<a href="#r{kept[run_id]}">{name}</a>' if run_id in kept else name


def _age(subject: Subject, since: float | None) -> str:
    if since is None or subject.survey.ended is None:
        return NONE

    return f'<td class="n">{how_long(max(0.0, subject.survey.ended - since))}'


# -- variants --------------------------------------------------------------------------


def listed_paths(subject: Subject) -> tuple[Variant, ...]:
    """
    Return the paths that have a row on the page.
    """
    journeys = subject.survey.journeys

    return () if journeys is None else journeys.variants[:MOST_PATHS]


def variants(subject: Subject) -> str:
    """
    Return the section on the paths that runs took, the commonest first.
    """
    journeys = subject.survey.journeys
    if journeys is None or not journeys.variants:
        return ""
    shown = listed_paths(subject)
    rest = journeys.followed - sum(each.runs for each in shown)
    sample = "" if journeys.followed >= subject.survey.runs else " (a sample)"
    heads = ("Path", "Runs#", "Share#", "Median#", "p95#", "Longest#")
    rows = (
        f"{_path(subject, each.statuses)}"
        f'<td class="n">{each.runs:,}<td class="n">{text(share(each.runs, journeys.followed))}'
        f"{_lasted(each.lasted)}"
        for each in shown
    )
    note = f"{counted(rest, 'run')} took other paths." if rest > 0 else ""

    return section(
        "variants",
        "Paths that runs took",
        f'<p class="note">Of {counted(journeys.followed, "run")}{sample}; times are from the first '
        f"sight to the end. {note}</p>",
        table("Paths, the commonest first", heads, rows, mark=' id="ways"'),
    )


def _path(subject: Subject, statuses: tuple[str, ...]) -> str:
    parts = [_part(*part) for part in folded(statuses)]
    if len(parts) > LONGEST_PATH:
        hidden = len(parts) - LONGEST_PATH
        parts[LONGEST_PATH - 1 : -1] = [f"… {hidden} more …"]
    words = " → ".join(parts)
    if is_faulty(subject, statuses):
        return f'<tr class="bad"><td class="way"><b class="tag">illegal</b> {words}'

    return f'<tr><td class="way">{words}'


def _part(loop: tuple[str, ...], times: int) -> str:
    """
    Return a status, or a loop with how many times it was made.
    """
    words = " → ".join(f"<code>{text(status, 60) or '(empty)'}</code>" for status in loop)

    return words if times == 1 else f"({words}) {times:,} times"


def _lasted(dwell: Dwell | None) -> str:
    if dwell is None:
        return NONE * 3
    figures = dwell.quantile(0.5), dwell.quantile(0.95), dwell.longest

    return "".join(f'<td class="n">{how_long(seconds)}' for seconds in figures)
