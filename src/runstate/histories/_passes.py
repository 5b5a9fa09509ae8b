"""
A whole history judged: once as it comes, and once more where its order of arrival is wrong.

The first pass judges every observation as it comes. The runs whose observations contradict that
order are then read again and judged in the right one, and their findings replace those of the
first pass. A history without such runs is read once.
"""

from collections.abc import Iterable, Iterator
from heapq import merge
from json import dumps, loads
from operator import itemgetter
from typing import Final, NamedTuple, Protocol, TextIO

from ._monitor import Monitor
from ._records import Finding, Observation
from ._seen import Seen, numbered, observation_of

__all__ = ["Counting", "judged"]

MOST_HELD: Final = 20_000
"""Findings of the first pass that are held in memory; those beyond wait in a temporary file."""
MOST_COLLECTED: Final = 2_000_000
"""Observations that are held to be judged anew in one further pass."""


class _At(NamedTuple):
    """
    A finding, and where in the history it belongs.
    """

    place: int
    """Number of the record that it is about."""
    finding: Finding
    given: bool = False
    """Whether the finding was a record of the history itself."""


class Counting(Protocol):
    """
    The counter that one pass over the observations feeds.
    """

    def count(self, observation: Observation) -> None:
        """Count one observation, the next of its run."""

    def suspect(self, finding: Finding) -> None:
        """Hear of a finding about the observation that was counted last, while it is fresh."""

    def restart(self) -> None:
        """Forget everything that was counted."""


def judged(
    history: Iterable[Seen | Finding],
    monitor: Monitor,
    counts: Counting | None = None,
    *,
    by_position: bool = False,
) -> Iterator[Finding]:
    """
    Yield what is wrong with *history*, findings among it included, in its order.

    What can only be found at the end is left to :meth:`Monitor.finish`.

    Args:
        history: What was seen. An iterator is kept in memory; what can be iterated over more than
            once is not.
        monitor: Judges; afterwards it remembers every run as it was judged last.
        counts: Is given every observation, each run's in the order in which they are judged.
        by_position: Whether the order of arrival is right whatever times say.
    """
    if by_position or monitor.observed == "unordered":
        for each in _first_pass(history, monitor, counts):
            yield each.finding
        return
    again = [*history] if iter(history) is history else history
    held = _Held()
    for each in _first_pass(again, monitor, counts):
        held.add(each)
    contradicting = monitor.contradicting
    if not contradicting:
        yield from (each.finding for each in held)
        return

    if counts is not None:
        _count_others(again, monitor, counts, contradicting)
    place = itemgetter(0)
    anew = sorted(_judged_anew(again, monitor, counts, contradicting), key=place)
    others = (each for each in held if each.given or each.finding.run_id not in contradicting)
    for each in merge(others, anew, key=place):
        yield each.finding


def _first_pass(
    history: Iterable[Seen | Finding], monitor: Monitor, counts: Counting | None
) -> Iterator[_At]:
    observe = monitor.observe
    for place, seen in enumerate(history):
        if isinstance(seen, Finding):
            yield _At(place, seen, given=True)
            continue
        found = observe(seen)
        if counts is not None:
            counts.count(observation_of(seen, monitor.lifecycle))
        for finding in found:
            if counts is not None:
                counts.suspect(finding)
            yield _At(place, finding)


def _numbered(
    history: Iterable[Seen | Finding], monitor: Monitor
) -> Iterator[tuple[int, Observation]]:
    """
    Yield the observations with their places, as the monitor numbers those that name no line.
    """
    number = 0
    for place, seen in enumerate(history):
        if isinstance(seen, Finding):
            continue
        number += 1
        yield place, numbered(observation_of(seen, monitor.lifecycle), number)


def _count_others(
    history: Iterable[Seen | Finding],
    monitor: Monitor,
    counts: Counting,
    contradicting: frozenset[str | None],
) -> None:
    counts.restart()
    for _, row in _numbered(history, monitor):
        if row.run_id not in contradicting:
            counts.count(row)


def _judged_anew(
    history: Iterable[Seen | Finding],
    monitor: Monitor,
    counts: Counting | None,
    contradicting: frozenset[str | None],
) -> Iterator[_At]:
    left = contradicting
    while left:
        runs, left = _collected(history, monitor, left)
        for rows in runs.values():
            places = {id(row): place for place, row in rows}
            for row, found in monitor.observe_history([row for _, row in rows]):
                for finding in found:
                    yield _At(places[id(row)], finding)
                if counts is not None:
                    counts.count(row)


def _collected(
    history: Iterable[Seen | Finding], monitor: Monitor, wanted: frozenset[str | None]
) -> tuple[dict[str | None, list[tuple[int, Observation]]], frozenset[str | None]]:
    """
    Return the rows of the runs *wanted* by run, and the runs that there is no room for.
    """
    runs: dict[str | None, list[tuple[int, Observation]]] = {}
    left: set[str | None] = set()
    size = 0
    for place, row in _numbered(history, monitor):
        if row.run_id not in wanted or row.run_id in left:
            continue
        runs.setdefault(row.run_id, []).append((place, row))
        size += 1
        if size > MOST_COLLECTED and len(runs) > 1:
            run_id, rows = runs.popitem()
            left.add(run_id)
            size -= len(rows)

    return runs, frozenset(left)


class _Held:
    """
    Findings that wait for the end of a pass, most of them in a file if they are many.
    """

    def __init__(self) -> None:
        self._recent: list[_At] = []
        self._file: TextIO | None = None

    def add(self, finding: _At) -> None:
        """
        Hold one more.
        """
        self._recent.append(finding)
        if len(self._recent) >= MOST_HELD:
            self._file = self._file or _temporary()
            self._file.writelines(
                dumps([each.place, each.finding, each.given]) + "\n" for each in self._recent
            )
            self._recent = []

    def __iter__(self) -> Iterator[_At]:
        if self._file is not None:
            self._file.seek(0)
            with self._file as lines:
                for line in lines:
                    place, finding, given = loads(line)
                    yield _At(place, Finding(*finding), given)
        yield from self._recent


def _temporary() -> TextIO:
    from tempfile import TemporaryFile  # noqa: PLC0415  few histories are read twice

    return TemporaryFile("w+", encoding="utf-8")
