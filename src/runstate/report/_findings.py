"""
What is wrong: how much of each kind, and the findings one by one.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ..histories._records import Finding
from ..histories._rules import RULES
from ..histories._survey import Journeys
from ._facts import counted, period_name
from ._html import field, section, table, text
from ._machine import listed_moves
from ._subject import Subject

__all__ = ["findings"]

MOST: Final = 10_000
MOST_HINTS: Final = 300

_HEADS: Final = (
    "Code", "Severity", "Run", "What was seen", "Where", "Hint",
)  # fmt: skip


def findings(subject: Subject, kept: Mapping[str | None, int], room: int) -> str:
    """
    Return the section, whose rows take *room* bytes at most.

    *kept* has the place of every run with a timeline.
    """
    if not subject.survey.tally:
        return section("findings", "Findings", "<p>There are none.</p>")
    hints: dict[str, int] = {}
    rows = list(_within(subject, kept, hints, room))
    total = sum(subject.survey.tally.values())
    cut = f"the first {len(rows):,} of {total:,}" if len(rows) < total else f"all {total:,}"
    listed = table(f"Findings: {cut}", _HEADS, rows, mark=' id="list"', cards=False)

    return section(
        "findings", "Findings", _rules(subject), _controls(subject), listed, _hints(hints)
    )


def _rules(subject: Subject) -> str:
    """
    Return how many findings there are of each code, all of them.
    """
    tally, journeys = subject.survey.tally, subject.survey.journeys
    rows = (
        f"<td><code>{text(name)}</code><td>{text(RULES[name].title)}"
        f'<td class="n">{tally[name]:,}{_span(journeys, name)}<td>{text(RULES[name].instead, 500)}'
        for name in sorted(tally)
        if name in RULES
    )
    spans = () if journeys is None else ("First", "Last")
    heads = ("Code", "Rule", "Findings#", *spans, "What to do")

    return table("Findings by rule", heads, rows, mark=' id="rules"')


def _span(journeys: Journeys | None, name: str) -> str:
    """
    Return cells with the first and the last period that has a finding of the code *name*.
    """
    if journeys is None:
        return ""
    periods = journeys.found.get(name, {})
    ends = (min(periods), max(periods)) if periods else ()

    return "".join(f'<td class="at">{period_name(journeys, n)}' for n in ends) or "<td><td>"


def _controls(subject: Subject) -> str:
    codes = "".join(f"<option>{text(name)}" for name in sorted(subject.survey.tally))

    words = '<input type="search" id="words" autocomplete="off">'
    code = f'<select id="code"><option value="">all{codes}</select>'
    severity = '<select id="severity"><option value="">all<option>error<option>warning</select>'

    return (
        '<form class="controls js" role="search" aria-label="Filter findings">'
        f"{field('words', 'Text', words)}{field('code', 'Code', code)}"
        f"{field('severity', 'Severity', severity)}"
        '<button type="reset">Clear</button>'
        '<button type="button" id="csv">Save as CSV</button>'
        '<p id="told" role="status" aria-live="polite"></p></form>'
    )


def _within(
    subject: Subject, kept: Mapping[str | None, int], hints: dict[str, int], room: int
) -> Iterator[str]:
    """
    Yield a row a finding, as long as there is room.
    """
    moves: dict[tuple[str | None, str | None], int] = {
        pair: at for at, pair in enumerate(listed_moves(subject))
    }
    for finding in subject.survey.findings[:MOST]:
        row = _row(finding, kept, moves, hints)
        room -= len(row.encode())
        if room < 0:
            return
        yield row


def _row(
    finding: Finding,
    kept: Mapping[str | None, int],
    moves: Mapping[tuple[str | None, str | None], int],
    hints: dict[str, int],
) -> str:
    run = "" if finding.run_id is None else text(finding.run_id)
    place, move = kept.get(finding.run_id), moves.get((finding.source, finding.target))
    mark = "" if place is None else f" data-r={place}"
    mark += "" if move is None else f" data-m={move}"
    severity = "<td>error" if finding.severity == "error" else "<td class=w>warning"

    return (
        f"<tr{mark}><td>{text(finding.code)}{severity}<td>{run}<td>{text(finding.message, 300)}"
        f"<td>{_where(finding)}<td>{_hint(finding.hint, hints)}"
    )


def _where(finding: Finding) -> str:
    name = text(finding.file or "")
    if finding.line is None:
        return name

    return f"{name}:{finding.line}" if name else f"observation {finding.line:,}"


def _hint(hint: str, hints: dict[str, int]) -> str:
    """
    Return a link to *hint* in the list of them, which it is put on if it is new.
    """
    if not hint or (hint not in hints and len(hints) == MOST_HINTS):
        return ""
    number = hints.setdefault(hint, len(hints) + 1)

    return f"<a href=#h{number}>{number}</a>"


def _hints(hints: Mapping[str, int]) -> str:
    if not hints:
        return ""
    lines = "".join(f'<li id="h{number}">{text(hint, 300)}' for hint, number in hints.items())

    return (
        '<details open class="hints"><summary>'
        f"{counted(len(hints), 'hint')}</summary><ol>{lines}</ol></details>"
    )
