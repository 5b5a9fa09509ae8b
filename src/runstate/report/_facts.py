"""
The facts that the page and ``check --summary`` show first: one source for both.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from ..histories._records import ObservationModel
from ..histories._survey import Journeys, Survey, how_long, without_gaps
from ..lifecycle._table import Lifecycle
from ._subject import Subject

__all__ = [
    "Link", "Name", "Sentence", "counted", "figures", "folded", "is_faulty", "moment", "period_name",
    "sentences", "share", "subject_of", "verdict",
]  # fmt: skip


class Name(NamedTuple):
    """
    A status within a sentence. Its text may come from anywhere.
    """

    status: str


class Link(NamedTuple):
    """
    Words that lead to a section of the page.
    """

    words: str
    section: str


Sentence = tuple[str | Name | Link, ...]


def subject_of(
    survey: Survey, lifecycle: Lifecycle, observed: ObservationModel, files: Iterable[str] = ()
) -> Subject:
    """
    Return what facts are about: *survey* as it is, and with the moves alone that were made.
    """
    return Subject(
        survey, without_gaps(survey, lifecycle, observed), lifecycle, observed, tuple(files)
    )


def counted(number: int, what: str) -> str:
    """
    Return *number* with the word for it.
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def moment(seconds: float) -> str:
    """
    Return a time in Unix seconds as a date and time in UTC, such as ``2026-01-01 10:00:05 UTC``.

    A number that is outside of the calendar is returned as seconds.
    """
    try:
        told = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return f"{seconds:g} s"

    return f"{told:%Y-%m-%d %H:%M:%S} UTC"


def period_name(journeys: Journeys, number: int) -> str:
    """
    Return when the period *number* begins, as exactly as periods are long.
    """
    try:
        told = datetime.fromtimestamp(number * journeys.period, UTC)
    except (OverflowError, OSError, ValueError):
        return f"{number * journeys.period:g} s"
    if journeys.period >= 86_400:
        return f"{told:%Y-%m-%d}"

    return f"{told:%Y-%m-%d %H:%M:%S}" if journeys.period < 60 else f"{told:%Y-%m-%d %H:%M}"


def folded(statuses: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """
    Yield the parts of a path, each with how often it is repeated at that place.

    A loop that a run made several times is one part, so that a long path is short to read.
    """
    at = 0
    while at < len(statuses):
        size, times = _loop(statuses, at)
        yield statuses[at : at + size], times
        at += size * times


def _loop(statuses: tuple[str, ...], at: int) -> tuple[int, int]:
    """
    Return the length of the loop at the place *at* that saves most, and its times; 1 and 1 for none.
    """
    best = 1, 1
    for size in range(2, (len(statuses) - at) // 2 + 1):
        times = 1
        while statuses[at + size * times : at + size * (times + 1)] == statuses[at : at + size]:
            times += 1
        if size * (times - 1) > best[0] * (best[1] - 1):
            best = size, times

    return best


def share(part: int, whole: int) -> str:
    """
    Return how much *part* is of *whole*, in percent; little is not written as nothing.
    """
    percent = 100 * part / whole

    return f"{percent:.1f} %" if percent >= 0.05 or not part else "< 0.1 %"


def is_faulty(subject: Subject, statuses: tuple[str, ...]) -> bool:
    """
    Return whether a run that took this path did something illegal.
    """
    begins = subject.observed != "complete" or statuses[0] in subject.lifecycle.initial_statuses

    return not (begins and all(subject.legal(*pair) for pair in pairwise(statuses)))


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


def figures(subject: Subject) -> Iterator[tuple[str, str]]:
    """
    Yield the numbers that come first, with their names.
    """
    survey, journeys = subject.survey, subject.survey.journeys
    yield "Runs", f"{survey.runs:,}"
    yield "Observations", f"{survey.observations:,}"
    yield "Errors", f"{survey.errors:,}"
    yield "Warnings", f"{subject.warnings:,}"
    yield "Open runs", f"{subject.open:,}"
    oldest = _longest_open(subject)
    if oldest is not None:
        yield "Longest open", how_long(oldest)
    whole = journeys.lasted_in_all if journeys else None
    if whole is not None:
        yield "Start to end, p50", how_long(whole.quantile(0.5))
        yield "Start to end, p95", how_long(whole.quantile(0.95))


def sentences(subject: Subject) -> Iterator[Sentence]:
    """
    Yield what a reader should know first: what is wrong, since when, and what is stuck.
    """
    survey = subject.survey
    if not survey.tally and survey.runs:
        yield ("Every move that was seen is a row of the table.",)
    if subject.warnings:
        more = " that are known to happen, or may be in order" if survey.errors else ""
        yield (f"{counted(subject.warnings, 'warning')}{more}.",)
    yield from _since(subject)
    yield from _inferred(subject)
    if subject.unread:
        verb = "is" if subject.unread == 1 else "are"
        yield (
            f"{counted(subject.unread, 'finding')} of these {verb} about records that say too "
            "little or cannot be read.",
        )
    if survey.undecided:
        verb = "remains" if survey.undecided == 1 else "remain"
        yield (f"{counted(survey.undecided, 'run')} {verb} undecided: too little was seen.",)


def _inferred(subject: Subject) -> Iterator[Sentence]:
    """
    Yield how many moves are legal by rows alone that no source states, if there are any.

    Only where every change was seen: elsewhere, moves that a source states may have been missed.
    """
    if subject.observed != "complete":
        return
    ways, made = subject.lifecycle.ways, subject.made.moves
    inferred = {
        pair: times
        for pair, times in made.items()
        if {row.evidence for row in ways(*pair)} == {"inferred"}
    }
    if inferred:
        source, target = min(inferred, key=lambda pair: (-inferred[pair], pair))
        total, all_moves = sum(inferred.values()), counted(sum(made.values()), "move")
        yield (
            f"{total:,} of {all_moves} {'follows' if total == 1 else 'follow'} inferred rows, which no "
            "source states; the commonest is ", Name(source), " → ", Name(target), ".",
        )  # fmt: skip


def _since(subject: Subject) -> Iterator[Sentence]:
    """
    Yield since when something is wrong, and what is stuck.
    """
    journeys = subject.survey.journeys
    if journeys is None:
        return
    if journeys.found:
        numbers = {number for periods in journeys.found.values() for number in periods}
        first, last = (period_name(journeys, each(numbers)) for each in (min, max))
        yield (
            f"All findings are of the {how_long(journeys.period)} from {first} UTC on."
            if first == last
            else f"The findings begin on {first} UTC and end on {last} UTC.",
        )
        yield from _commonest(subject)
    if subject.open:
        oldest = _longest_open(subject)
        age = "" if oldest is None else f", one of them unchanged for {how_long(oldest)}"
        yield Link(f"{counted(subject.open, 'run')} had not ended", "open"), f"{age}."


def _longest_open(subject: Subject) -> float | None:
    """
    Return the seconds for which the open run that waits longest was unchanged.
    """
    survey = subject.survey
    if survey.journeys is None or survey.ended is None:
        return None
    since = next((run.since for run in survey.journeys.open if run.since is not None), None)

    return None if since is None else max(0.0, survey.ended - since)


def _commonest(subject: Subject) -> Iterator[Sentence]:
    made = subject.made.moves
    illegal = [pair for pair in made if not subject.lifecycle.ways(*pair)]
    if illegal:
        source, target = most = min(illegal, key=lambda pair: (-made[pair], pair))
        often = "once" if made[most] == 1 else f"{made[most]:,} times"
        yield (
            "The commonest illegal move is ", Name(source), " → ", Name(target), f": {often}.",
        )  # fmt: skip
