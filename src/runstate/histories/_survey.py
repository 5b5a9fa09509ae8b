"""
What was observed of many runs, counted; the same record whatever counted it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import floor, log2
from types import MappingProxyType
from typing import Final, NamedTuple

from ..lifecycle._table import Lifecycle
from ._records import Finding, Observation, ObservationModel
from ._shown import shown, totals

__all__ = [
    "OCTAVE", "Dwell", "Journeys", "OpenRun", "Survey", "Variant", "bucket_of", "how_long",
    "without_gaps",
]  # fmt: skip

OCTAVE: Final = 16
"""Buckets of a histogram of durations between one and its double: 4.4 % wide each."""

_MICROSECONDS: Final = 1_000_000


def bucket_of(microseconds: int) -> int:
    """
    Return the bucket of a duration: 0 for none at all, else 1 + floor(16 log2 µs).

    Every engine that counts uses this formula, so that their histograms agree and add up.
    """
    return 1 + floor(OCTAVE * log2(microseconds)) if microseconds > 0 else 0


_UNITS: Final = (
    (1e-3, 1e-6, "µs"),
    (1.0, 1e-3, "ms"),
    (100, 1, "s"),
    (6_000, 60, "min"),
    (172_800, 3_600, "h"),
)
"""Up to how many seconds each unit is used, and how many it has."""


def how_long(seconds: float) -> str:
    """
    Return a duration for people, in two digits or three: ``340 ms``, ``1.2 s``, ``4.5 min``.
    """
    if seconds == 0:
        return "0 s"
    for below, unit, name in _UNITS:
        if seconds < below:
            return f"{_short(seconds / unit)} {name}"

    return f"{_short(seconds / 86_400)} d"


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0") if number < 9.95 else f"{number:,.0f}"


class Dwell(NamedTuple):
    """
    A histogram of durations, such as the times in a status. Its buckets grow with the duration.

    Example:
        >>> from runstate import Observation
        >>> from runstate.histories import survey
        >>> log = [
        ...     Observation(status, f"run_{number}", at=at)
        ...     for number, seconds in enumerate([1, 2, 3, 60])
        ...     for status, at in (("queued", 0), ("in_progress", seconds))
        ... ]
        >>> waited = survey(log).dwell["queued", "in_progress"]
        >>> waited.times, waited.total, waited.longest
        (4, 66.0, 60.0)
        >>> round(waited.quantile(0.5), 1)
        2.0
    """

    times: int
    """How many durations were counted."""
    total: float
    """Seconds in all."""
    longest: float
    """Seconds, exact."""
    buckets: Mapping[int, int]
    """How many durations fell into each bucket: 0 for none at all, else 1 + floor(16 log2 microseconds)."""

    def quantile(self, part: float) -> float:
        """
        Return the duration in seconds that *part* of all did not exceed, within 2.2 %.
        """
        rank, passed = part * self.times, 0
        for bucket in sorted(self.buckets):
            passed += self.buckets[bucket]
            if passed >= rank:
                middle = 2 ** ((bucket - 0.5) / OCTAVE) / _MICROSECONDS if bucket else 0.0
                return min(middle, self.longest)

        return self.longest


class OpenRun(NamedTuple):
    """
    A run that has not ended.

    Example:
        >>> from runstate import Observation
        >>> from runstate.histories import survey
        >>> log = [Observation("queued", "run_1", at=0), Observation("in_progress", "run_1", at=4)]
        >>> [run] = survey(log, samples=10).journeys.open
        >>> run.run_id, run.status, run.since
        ('run_1', 'in_progress', 4)
    """

    run_id: str | None
    """Id of the run; None where records name none."""
    status: str
    """The status that was last seen."""
    since: float | None
    """When it was first seen in it, in Unix seconds; None if that is not known."""


class Variant(NamedTuple):
    """
    A way that runs took through the statuses.

    Example:
        >>> from runstate import Observation
        >>> from runstate.histories import survey
        >>> log = [Observation("queued", "run_1", at=0), Observation("cancelled", "run_1", at=4)]
        >>> [variant] = survey(log, observed="polled", samples=10).journeys.variants
        >>> variant.statuses, variant.runs, variant.lasted.longest
        (('queued', 'cancelled'), 1, 4.0)
    """

    statuses: tuple[str, ...]
    """From the first to the last that was seen, repeats in a row as one."""
    runs: int
    """How many runs took this way."""
    lasted: Dwell | None
    """From the first status to the end; None if none of the runs has ended."""


class Journeys(NamedTuple):
    """
    Whole runs, counted: when they began and ended, how long they took, and which are open.

    Example:
        >>> from runstate import Observation
        >>> from runstate.histories import survey
        >>> log = [
        ...     Observation("queued", "run_1", at=0),
        ...     Observation("in_progress", "run_1", at=4),
        ...     Observation("completed", "run_1", at=64),
        ...     Observation("queued", "run_2", at=9),
        ... ]
        >>> journeys = survey(log, samples=10).journeys
        >>> journeys.lasted["completed"].longest
        64.0
        >>> journeys.open
        (OpenRun(run_id='run_2', status='queued', since=9),)
    """

    period: int
    """Seconds of a period; its number is that of periods since 1970-01-01 UTC."""
    begun: Mapping[int, int]
    """How many runs were first seen in each period."""
    ended: Mapping[str, Mapping[int, int]]
    """How many runs ended in each terminal status and period."""
    found: Mapping[str, Mapping[int, int]]
    """How many findings of each code are about something that was seen in each period."""
    lasted: Mapping[str, Dwell]
    """How long runs took from the first sight to the end, by terminal status."""
    open: tuple[OpenRun, ...]
    """Runs that have not ended, the longest unchanged first; of very many only the first."""
    variants: tuple[Variant, ...]
    """The ways that runs took, the commonest first; of very many only the first."""
    followed: int
    """How many runs the variants were counted of: all, or a sample where there are very many."""

    @property
    def lasted_in_all(self) -> Dwell | None:
        """How long runs took from the first sight to the end, whichever it was; None if none ended."""
        return _together(self.lasted.values())


class Survey(NamedTuple):
    """
    What was observed of many runs. Its texts may be untrusted.

    Example:
        >>> from runstate import Observation
        >>> from runstate.histories import survey
        >>> log = [Observation("queued", "run_1", at=0), Observation("in_progress", "run_1", at=4)]
        >>> seen = survey([*log, Observation("queued", "run_2", at=9)])
        >>> seen.runs, dict(seen.ends), dict(seen.moves)
        (2, {'in_progress': 1, 'queued': 1}, {('queued', 'in_progress'): 1})
        >>> seen.dwell_in("queued").longest
        4.0
    """

    runs: int
    """How many runs were seen."""
    observations: int
    """How many observations were seen, unreadable records not counted."""
    undecided: int
    """Runs about which too little was seen to decide anything."""
    findings: tuple[Finding, ...]
    """What is wrong; of very many only the first, see :attr:`tally`."""
    tally: Mapping[str, int]
    """How many findings there are of each code, all of them."""
    errors: int
    """How many of all findings are of severity error."""
    seen: Mapping[str, int]
    """How many observations there are of each status."""
    ends: Mapping[str, int]
    """How many runs were last seen in each status."""
    moves: Mapping[tuple[str, str], int]
    """How often each status followed another in a run, legal or not."""
    dwell: Mapping[tuple[str, str], Dwell]
    """How long runs were in the first status of a move before it; of moves whose times are known."""
    began: float | None = None
    """Time of the earliest observation, in Unix seconds."""
    ended: float | None = None
    """Time of the latest."""
    timelines: Mapping[str | None, tuple[Observation, ...]] = MappingProxyType({})
    """What was seen of some runs, in order: those with findings first, then a sample."""
    recorded: Mapping[tuple[str, str], int] = MappingProxyType({})
    """How many of the moves are records of that one move, and so hide none between."""
    tied: int = 0
    """
    How many observations without a number share run and time with another one.

    Coarse times leave the order of these open, and so can hide what is wrong.
    """
    reopened: int = 0
    """How often a run was reopened by a new attempt, or by the trigger of a row that reopens."""

    journeys: Journeys | None = None
    """Whole runs, counted; None where no samples were asked for, on Spark, or without an order of rows."""

    def _repr_html_(self) -> str:
        """
        Return the counts, and how often and how fast each move was, which notebooks show.
        """
        warnings = sum(self.tally.values()) - self.errors
        title = totals(self.runs, self.observations, self.errors, warnings, self.undecided)
        moves = sorted(self.moves, key=lambda move: (-self.moves[move], move))

        return shown(
            title,
            ("From", "To", "Observed", "p50", "p95", "Longest"),
            ((*move, self.moves[move], *_lasted(self.dwell.get(move))) for move in moves),
        )

    def dwell_in(self, status: str) -> Dwell | None:
        """
        Return how long runs were in *status* before they left it; None if none was seen to.
        """
        return _together(dwell for (source, _), dwell in self.dwell.items() if source == status)


def without_gaps(survey: Survey, lifecycle: Lifecycle, observed: ObservationModel) -> Survey:
    """
    Return *survey* with those moves alone that were made, legal or not.

    Where some changes were missed, a status may follow another with legal moves between
    them that nobody saw. That is no move, and its time was not all spent in one status.
    """
    if observed != "polled":
        return survey
    gaps = {
        pair for pair in survey.moves if not lifecycle.rows(*pair) and pair in lifecycle.seen_later
    }
    moves = {
        pair: survey.recorded.get(pair, 0) if pair in gaps else count
        for pair, count in survey.moves.items()
    }
    dwell = {pair: dwell for pair, dwell in survey.dwell.items() if pair not in gaps}

    return survey._replace(moves={p: n for p, n in moves.items() if n}, dwell=dwell)


def _lasted(dwell: Dwell | None) -> tuple[str, str, str]:
    if dwell is None:
        return "", "", ""

    return how_long(dwell.quantile(0.5)), how_long(dwell.quantile(0.95)), how_long(dwell.longest)


def _together(parts: Iterable[Dwell]) -> Dwell | None:
    parts = tuple(parts)
    if not parts:
        return None
    buckets: Counter[int] = Counter()
    for part in parts:
        buckets.update(part.buckets)

    return Dwell(
        sum(part.times for part in parts),
        sum(part.total for part in parts),
        max(part.longest for part in parts),
        buckets,
    )
