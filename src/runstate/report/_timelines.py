"""
What was seen of single runs, packed as data for the page's script.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from .._text import printable
from ..diagrams import Inline
from ..histories._records import Observation
from ._facts import counted
from ._html import field, section
from ._machine import framed, listed_moves
from ._overview import listed_paths
from ._subject import Subject

__all__ = ["packed", "runs_section", "safe_json"]

MOST: Final = 2_000
MOST_RECORDS: Final = 1_000
LONGEST_RECORD: Final = 400
"""Characters of a raw record that are shown."""
LONGEST: Final = 200
"""Steps of one timeline that are shown."""

Step = list[Any]


class _Names:
    """
    Texts by number, harmless to show, each once.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.shown: list[str] = []

    def __call__(self, name: str) -> int:
        number = self.numbers.get(name)
        if number is None:
            number = self.numbers[name] = len(self.shown)
            self.shown.append(_shown(name))

        return number


def packed(
    subject: Subject, way: Inline, room: int, records: Mapping[tuple[str, int], str]
) -> tuple[dict[str, Any], dict[str | None, int]]:
    """
    Return the page's data, and the place of every run in it; these take *room* bytes at most.

    *records* are raw records by file and line, for findings.
    """
    statuses, files = _Names(), _Names()
    for status in (*subject.lifecycle.statuses, *way.statuses):
        statuses(str(status))
    runs: list[list[Any]] = []
    kept: dict[str | None, int] = {}
    for run_id, seen in islice(subject.survey.timelines.items(), MOST):
        run = _run(subject, run_id, seen, statuses, files)
        room -= len(safe_json(run))
        if room < 0:
            break
        kept[run_id] = len(runs)
        runs.append(run)
    listed = _listed(subject, statuses)
    data = {
        "statuses": statuses.shown,
        "kinds": [_kind(subject, name) for name in statuses.numbers],
        "files": files.shown,
        "ordered": subject.observed != "unordered",
        "boxes": [statuses(name) for name in way.statuses],
        "arrows": [list(move) for move in way.moves],
        "runs": runs,
        "total": subject.survey.runs,
        "raw": _raw(subject, records),
        **listed,
    }

    return data, kept


def _listed(subject: Subject, statuses: _Names) -> dict[str, Any]:
    """
    Return what can be filtered by, in the order in which the page lists it.
    """
    journeys = subject.survey.journeys

    return {
        "pairs": [list(map(statuses, pair)) for pair in listed_moves(subject)],
        "ways": [[list(map(statuses, each.statuses)), each.runs] for each in listed_paths(subject)],
        "ends": [statuses(s) for s in subject.statuses if subject.survey.ends.get(s)],
        "ended": [statuses(s) for s in (journeys.ended if journeys else ())],
        "begins": list(journeys.begun.items() if journeys else ()),
        "finishes": [list(each.items()) for each in (journeys.ended.values() if journeys else ())],
        "codes": list(journeys.found if journeys else ()),
        "period": journeys.period if journeys else 0,
    }


def _raw(subject: Subject, records: Mapping[tuple[str, int], str]) -> dict[str, str]:
    """
    Return the raw record of the findings that have one, by their place in the list.
    """
    found = enumerate(subject.survey.findings[:MOST_RECORDS])

    return {
        str(place): printable(records[each.file or "", each.line or 0], LONGEST_RECORD)
        for place, each in found
        if (each.file or "", each.line or 0) in records
    }


def _kind(subject: Subject, status: str) -> str:
    if status not in subject.lifecycle.statuses:
        return "unknown"

    return subject.lifecycle.terminal.get(status, "live")


def _run(
    subject: Subject,
    run_id: str | None,
    seen: Sequence[Observation],
    statuses: _Names,
    files: _Names,
) -> list[Any]:
    """
    Return the id, the time of the beginning, the steps, and how many of them are left out.

    A step is its status, the seconds since the beginning or None, its line, its file, the status
    before it if it is no other step's, how often it was seen, until when, and whether the move to
    it is legal (0), illegal (1) or a gap (2). What its end would say anyway is left out.
    """
    began = next((each.at for each in seen if each.at is not None), None)
    steps: list[Step] = []
    before: str | None = None
    for each in seen:
        since = None if each.at is None or began is None else round(each.at - began, 6)
        recorded = each.source if each.source not in {None, before} else None
        if steps and each.source is None and each.status == before:
            steps[-1][5:7] = [steps[-1][5] + 1, since]
            continue
        step = [
            statuses(each.status),
            since,
            each.line or 0,
            -1 if each.file is None else files(each.file),
            -1 if recorded is None else statuses(recorded),
            1,
            since,
            _verdict(subject, before, recorded, each),
        ]
        steps.append(step)
        before = each.status
    left_out = max(0, len(steps) - LONGEST)

    return [_shown(run_id), began, [_trimmed(step) for step in steps[:LONGEST]], left_out]


def _verdict(subject: Subject, before: str | None, recorded: str | None, each: Observation) -> int:
    source = each.source or before
    if source is None or (subject.observed == "unordered" and each.source is None):
        return 0
    if each.source is not None and not subject.lifecycle.ways(source, each.status):
        return 1
    if recorded is not None and before is not None and not subject.legal(before, recorded):
        return 1

    return (
        0
        if subject.lifecycle.ways(source, each.status)
        else 2
        if subject.gap(source, each.status)
        else 1
    )


def _trimmed(step: Step) -> Step:
    usual = [None, None, 0, -1, -1, 1, step[1], 0]
    while len(step) > 2 and step[-1] == usual[len(step) - 1]:
        step.pop()

    return step


def _shown(name: str | None) -> str:
    return "(no id)" if name is None else printable(printable(name), 400) or "(empty)"


def safe_json(data: Any) -> str:
    """
    Return *data* as JSON that ends no element and no line, wherever it stands in a page.
    """
    plain = json.dumps(data, separators=(",", ":"), allow_nan=False)

    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def runs_section(subject: Subject, kept: Mapping[str | None, int], way: Inline) -> str:
    """
    Return the section on single runs, which is the script's to fill.
    """
    if not kept:
        return ""
    total = subject.survey.runs
    which = (
        f"All {counted(total, 'run')}."
        if len(kept) >= total
        else f"{len(kept):,} of {counted(total, 'run')}: those with findings first, then a sample."
    )
    find = '<input type="search" id="find" autocomplete="off">'

    return section(
        "run",
        "Run by run",
        f'<p class="note">{which}</p>',
        '<p class="nojs note">Timelines need JavaScript; nothing else on this page does.</p>',
        '<form class="controls js" aria-label="Choose a run">'
        f"{field('find', 'Search', find)}"
        f"{field('pick', 'Run', '<select id=pick></select>', wide=True)}"
        '<span class="pair"><button type="button" id="back">Previous</button>'
        '<button type="button" id="next">Next</button></span>'
        '<p id="picked" role="status" aria-live="polite"></p></form>',
        '<div class="js" id="shown"><div id="line"></div><div id="steps"></div>'
        "<h3>Its path through the machine</h3>"
        f"{framed('way', 'The path of the run', way)}</div>",
    )
