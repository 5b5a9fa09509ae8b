"""
Hypothesis strategies for legal and broken histories of any lifecycle.

The expected finding of a broken history comes from the table, not from ``check``.
Only this module and :mod:`.machines` import Hypothesis.
"""

from collections.abc import Callable, Iterable
from itertools import product
from typing import NamedTuple

from hypothesis import strategies as st

from ..histories._records import ObservationModel
from ..histories._reopened import Reopenings
from ..lifecycle._rows import Transition
from ..lifecycle._table import Lifecycle
from ..runs._run import RUN

__all__ = [
    "BrokenHistory",
    "broken_histories",
    "gapped_histories",
    "legal_histories",
    "legal_paths",
    "shuffled_histories",
]


class BrokenHistory(NamedTuple):
    """
    A history with exactly one fault, and the finding that ``check`` must report.

    Example:
        >>> from hypothesis import find
        >>> from runstate import check
        >>> broken = find(broken_histories(), lambda broken: broken.code == "RS105")
        >>> [finding] = check(broken.statuses).findings
        >>> finding.code, finding.target == broken.target
        ('RS105', True)
    """

    statuses: list[str]
    """The statuses, in the order in which they were observed."""
    observed: ObservationModel
    """The observation model under which the history is broken."""
    code: str
    """The code of the finding."""
    line: int
    """Position of the faulty status, from 1, as in :class:`runstate.Finding`."""
    source: str | None
    """The status before, if the rule is about a move."""
    target: str
    """The faulty status."""


@st.composite
def legal_paths(
    draw: st.DrawFn, lifecycle: Lifecycle = RUN, *, most: int = 20
) -> tuple[Transition, ...]:
    """
    Return a strategy of the moves that one run may make from its creation.

    Args:
        lifecycle: The table of the run.
        most: The largest number of moves.

    Example:
        >>> from itertools import pairwise
        >>> from hypothesis import given
        >>> @given(legal_paths())
        ... def test_each_move_begins_where_the_last_one_ended(path):
        ...     assert all(before.target == after.source for before, after in pairwise(path))
        >>> test_each_move_begins_where_the_last_one_ended()
    """
    return _walk(draw, lifecycle, draw(_begins(lifecycle)), most)


@st.composite
def legal_histories(draw: st.DrawFn, lifecycle: Lifecycle = RUN, *, most: int = 20) -> list[str]:
    """
    Return a strategy of complete histories: every status of one run, in order.

    The run may be unfinished.

    Args:
        lifecycle: The table of the run.
        most: The largest number of moves.

    Example:
        >>> from hypothesis import given
        >>> from runstate import check
        >>> @given(legal_histories())
        ... def test_legal_histories_have_no_findings(history):
        ...     assert check(history).ok
        >>> test_legal_histories_have_no_findings()
    """
    begin = draw(_begins(lifecycle))

    return _passed(begin, _walk(draw, lifecycle, begin, most))


@st.composite
def gapped_histories(draw: st.DrawFn, lifecycle: Lifecycle = RUN, *, most: int = 20) -> list[str]:
    """
    Return a strategy of polled histories: some statuses are missing, some repeat.

    Args:
        lifecycle: The table of the run.
        most: The largest number of moves.

    Example:
        >>> from hypothesis import given
        >>> from runstate import check
        >>> @given(gapped_histories())
        ... def test_polled_histories_are_legal(history):
        ...     assert check(history, observed="polled").ok
        >>> test_polled_histories_are_legal()
    """
    return _polled(draw, draw(legal_histories(lifecycle, most=most)))


@st.composite
def shuffled_histories(draw: st.DrawFn, lifecycle: Lifecycle = RUN, *, most: int = 20) -> list[str]:
    """
    Return a strategy of unordered deliveries: some are missing, some repeat, in any order.

    Args:
        lifecycle: The table of the run.
        most: The largest number of moves.

    Example:
        >>> from hypothesis import given
        >>> from runstate import check
        >>> @given(shuffled_histories())
        ... def test_any_order_of_deliveries_is_legal(history):
        ...     assert check(history, observed="unordered").ok
        >>> test_any_order_of_deliveries_is_legal()
    """
    return draw(st.permutations(draw(gapped_histories(lifecycle, most=most))))


@st.composite
def broken_histories(
    draw: st.DrawFn,
    lifecycle: Lifecycle = RUN,
    observed: ObservationModel = "complete",
    *,
    most: int = 20,
) -> BrokenHistory:
    """
    Return a strategy of histories with exactly one fault, each with its expected finding.

    The history is legal before the fault and continues legally after it. Each code that is
    possible for the lifecycle under *observed* is equally likely.

    Args:
        lifecycle: The table of the run.
        observed: The observation model.
        most: The largest number of moves before and after the fault.
    """
    code = draw(st.sampled_from(sorted(_BREAKS[observed](lifecycle).items())))
    name, pairs = code
    if name == "RS101":
        return _unknown(draw, lifecycle, observed, most)
    source, target = draw(st.sampled_from(pairs))
    if name == "RS102":
        history = _passed(target, _walk(draw, lifecycle, target, most))
        return BrokenHistory(history, observed, name, 1, None, target)
    before = _walk_to(draw, lifecycle, source, most)
    if name == "RS106":
        return _misfit(draw, lifecycle, before, target, most)
    if observed == "polled":
        before = [*_polled(draw, before), source]
    after = _passed(target, _walk(draw, lifecycle, target, most))

    return BrokenHistory([*before, *after], observed, name, len(before) + 1, source, target)


# -- the possible faults of a lifecycle -------------------------------------------------------


_Breaks = dict[str, list[tuple[str, str]]]
"""The faulty pairs of statuses by code; RS101 has none, RS102 uses the second of a pair."""


def _complete(lifecycle: Lifecycle) -> _Breaks:
    rows = {(row.source, row.target) for row in lifecycle}
    begins = lifecycle.initial_statuses
    starts = [(lifecycle.initial, s) for s in lifecycle.statuses if s not in begins]

    return _found({"RS102": starts, **_moves(lifecycle, "RS103", rows)})


def _gapped(lifecycle: Lifecycle) -> _Breaks:
    return _found(_moves(lifecycle, "RS104", _reached(lifecycle)))


def _unordered(lifecycle: Lifecycle) -> _Breaks:
    later = _reached(lifecycle)

    return _found({"RS106": [(a, b) for a, b in _pairs(lifecycle) if not {(a, b), (b, a)} & later]})


_BREAKS: dict[ObservationModel, Callable[[Lifecycle], _Breaks]] = {
    "complete": _complete,
    "polled": _gapped,
    "unordered": _unordered,
}


def _moves(lifecycle: Lifecycle, code: str, legal: set[tuple[str, str]]) -> _Breaks:
    wrong = [pair for pair in _pairs(lifecycle) if pair not in legal]
    after_an_end = Reopenings(lifecycle, "complete" if code == "RS103" else "polled")

    return {
        code: [pair for pair in wrong if pair[0] not in lifecycle.terminal],
        "RS105": [
            pair
            for pair in wrong
            if pair[0] in lifecycle.terminal and after_an_end.code(*pair) == "RS105"
        ],
    }


def _pairs(lifecycle: Lifecycle) -> Iterable[tuple[str, str]]:
    return ((a, b) for a, b in product(lifecycle.statuses, repeat=2) if a != b)


def _reached(lifecycle: Lifecycle) -> set[tuple[str, str]]:
    return {(a, b) for a in lifecycle.statuses for b in lifecycle.reachable(a)}


def _found(breaks: _Breaks) -> _Breaks:
    return {"RS101": [], **{code: pairs for code, pairs in breaks.items() if pairs}}


# -- pieces of histories -----------------------------------------------------------------


def _walk(draw: st.DrawFn, lifecycle: Lifecycle, start: str, most: int) -> tuple[Transition, ...]:
    path: list[Transition] = []
    here = start
    for _ in range(draw(st.integers(0, most))):
        rows = [row for row in lifecycle if row.source == here]
        if not rows:
            break
        path.append(draw(st.sampled_from(rows)))
        here = path[-1].target

    return tuple(path)


def _walk_to(draw: st.DrawFn, lifecycle: Lifecycle, status: str, most: int) -> list[str]:
    """
    Return the statuses of a random walk from creation to *status*.
    """
    begins = [
        begin
        for begin in lifecycle.initial_statuses
        if lifecycle.shortest_path(begin, status) is not None
    ]
    begin = draw(st.sampled_from(begins))
    path = list(_walk(draw, lifecycle, begin, most))
    while path and lifecycle.shortest_path(path[-1].target, status) is None:
        path.pop()
    here = path[-1].target if path else begin

    return _passed(begin, (*path, *(lifecycle.shortest_path(here, status) or ())))


def _begins(lifecycle: Lifecycle) -> st.SearchStrategy[str]:
    return st.sampled_from(lifecycle.initial_statuses)


def _passed(start: str, path: Iterable[Transition]) -> list[str]:
    return [str(start), *(str(row.target) for row in path)]


def _polled(draw: st.DrawFn, history: list[str]) -> list[str]:
    seen = [status for status in history for _ in range(draw(st.integers(0, 2)))]

    return seen or [draw(st.sampled_from(history))]


def _delivered(draw: st.DrawFn, history: list[str], observed: ObservationModel) -> list[str]:
    if observed == "complete":
        return history
    seen = _polled(draw, history)

    return seen if observed == "polled" else draw(st.permutations(seen))


def _unknown(
    draw: st.DrawFn, lifecycle: Lifecycle, observed: ObservationModel, most: int
) -> BrokenHistory:
    words = st.one_of(st.sampled_from(lifecycle.statuses).map("{}_".format), st.text(min_size=1))
    word = draw(words.filter(lambda word: word not in lifecycle.known))
    seen = _delivered(draw, draw(legal_histories(lifecycle, most=most)), observed)
    at = draw(st.integers(0, len(seen)))

    return BrokenHistory([*seen[:at], word, *seen[at:]], observed, "RS101", at + 1, None, word)


def _misfit(
    draw: st.DrawFn, lifecycle: Lifecycle, before: list[str], target: str, most: int
) -> BrokenHistory:
    """
    Return deliveries of a run whose last known status is the end of *before*, with *target* added later.
    """
    source = before[-1]
    on = _passed(source, _walk(draw, lifecycle, source, most))
    seen: list[str] = draw(st.permutations([*_polled(draw, [*before, *on]), source]))
    at = draw(st.integers(seen.index(source) + 1, len(seen)))

    return BrokenHistory(
        [*seen[:at], target, *seen[at:]], "unordered", "RS106", at + 1, None, target
    )
