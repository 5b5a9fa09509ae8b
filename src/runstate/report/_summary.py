"""
The head of the page: what was checked, and the verdict.
"""

from collections.abc import Iterator
from typing import Final

from ..histories._survey import how_long
from ._html import code, counted, moment, text
from ._overview import period_name
from ._subject import Subject

__all__ = ["head", "verdict"]

MOST_FILES: Final = 8
_MODELS: Final = {
    "complete": "complete: every change was seen, in order",
    "polled": "polled: some changes may have been missed",
    "unordered": "unordered: deliveries may be missing, repeated or swapped",
}


def verdict(subject: Subject) -> str:
    """
    Return what came of it, in a few words.
    """
    survey = subject.survey
    if survey.errors:
        return f"{counted(survey.errors, 'error')} in {counted(survey.runs, 'run')}"
    if not survey.runs:
        return "No run was seen"

    return f"No error in {counted(survey.runs, 'run')}"


def head(subject: Subject) -> str:
    """
    Return the banner: the verdict, then the facts.
    """
    kind = "bad" if subject.survey.errors else "good" if subject.survey.runs else "none"

    return (
        '<header class="page">\n'
        f'<p class="eyebrow">Lifecycle {code(subject.lifecycle.name)}, as observed</p>\n'
        f'<h1 class="{kind}">{verdict(subject)}</h1>\n'
        f'<p class="lead">{" ".join(_sentences(subject))}</p>\n'
        f'<dl class="figures">{_listed(_figures(subject))}</dl>\n'
        f'<dl class="facts">{_listed(_facts(subject))}</dl>\n</header>'
    )


def _sentences(subject: Subject) -> Iterator[str]:
    survey = subject.survey
    if not subject.survey.tally:
        yield "Every move that was seen is a row of the table." if survey.runs else ""
    if subject.warnings:
        more = " that are known to happen, or may be in order" if survey.errors else ""
        yield f"{counted(subject.warnings, 'warning')}{more}."
    yield from _since(subject)
    if subject.unread:
        verb = "is" if subject.unread == 1 else "are"
        yield f"{counted(subject.unread, 'finding')} of these {verb} about records that say too little or cannot be read."
    if survey.undecided:
        verb = "remains" if survey.undecided == 1 else "remain"
        yield f"{counted(survey.undecided, 'run')} {verb} undecided: too little was seen."


def _since(subject: Subject) -> Iterator[str]:
    """
    Yield since when something is wrong, and what is stuck.
    """
    survey, journeys = subject.survey, subject.survey.journeys
    if journeys is None:
        return
    if journeys.found:
        numbers = {number for periods in journeys.found.values() for number in periods}
        first, last = (period_name(journeys, each(numbers)) for each in (min, max))
        yield (
            f"All findings are of the {how_long(journeys.period)} from {first} UTC on."
            if first == last
            else f"The findings begin on {first} UTC and end on {last} UTC."
        )
        yield from _commonest(subject)
    live = sum(n for s, n in survey.ends.items() if not subject.lifecycle.is_terminal(s))
    if live:
        oldest = next((run for run in journeys.open if run.since is not None), None)
        age = ""
        if oldest is not None and oldest.since is not None and survey.ended is not None:
            age = f", one of them unchanged for {how_long(max(0.0, survey.ended - oldest.since))}"
        yield f'<a href="#open">{counted(live, "run")} had not ended</a>{age}.'


def _commonest(subject: Subject) -> Iterator[str]:
    made = subject.made.moves
    illegal = [pair for pair in made if not subject.lifecycle.ways(*pair)]
    if illegal:
        source, target = most = min(illegal, key=lambda pair: (-made[pair], pair))
        often = "once" if made[most] == 1 else f"{made[most]:,} times"
        yield f"The commonest illegal move is {code(source)} → {code(target)}: {often}."


def _listed(facts: Iterator[tuple[str, str]]) -> str:
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)


def _figures(subject: Subject) -> Iterator[tuple[str, str]]:
    yield "Runs", f"{subject.survey.runs:,}"
    yield "Observations", f"{subject.survey.observations:,}"
    yield "Errors", f"{subject.survey.errors:,}"
    yield "Warnings", f"{subject.warnings:,}"


def _facts(subject: Subject) -> Iterator[tuple[str, str]]:
    survey = subject.survey
    if survey.began is not None and survey.ended is not None:
        period = f"{moment(survey.began)} to {moment(survey.ended)}"
        yield "Period", f"{period} ({how_long(survey.ended - survey.began)})"
    yield "Observation model", _MODELS[subject.observed]
    if subject.files:
        names = ", ".join(f"<code>{text(name)}</code>" for name in subject.files[:MOST_FILES])
        more = len(subject.files) - MOST_FILES
        yield "Read from", names + (f" and {more:,} more" if more > 0 else "")
