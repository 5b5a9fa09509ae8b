"""
Hypothesis strategies for the histories of any lifecycle, right ones and wrong ones.

What must be found in a broken history is read from the table by the strategy that broke
it, and not from ``check``. The only door to Hypothesis, with :mod:`.machines`.
"""

from collections.abc import Callable, Iterable
from itertools import product
from typing import NamedTuple

from hypothesis import strategies as st

from ..histories._records import ObservationModel
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
    A history that is wrong in one place, and what ``check`` must find there, and nothing else.
    """

    statuses: list[str]
    observed: ObservationModel
    """Under which model it is wrong."""
    code: str
    """Code of the finding."""
    line: int
    """Position of the status that is wrong, from 1, as in :class:`runstate.Finding`."""
    source: str | None
    """Status before, where the rule is about a move."""
    target: str
    """The status that is wrong."""


@st.composite
def legal_paths(
    draw: st.DrawFn, lifecycle: Lifecycle = RUN, *, most: int = 20
) -> tuple[Transition, ...]:
    """
    Return a strategy of the moves that one run may make from its creation, at most *most*.
    """
    return _walk(draw, lifecycle, lifecycle.initial, most)


@st.composite
def legal_histories(draw: st.DrawFn, lifecycle: Lifecycle = RUN, *, most: int = 20) -> list[str]:
    """
    Return a strategy of the statuses that one run may have, all of them and in order.

    *most* moves at most; the run may be under way.
    """
    return _passed(lifecycle.initial, _walk(draw, lifecycle, lifecycle.initial, most))


@st.composite
def gapped_histories(draw: st.DrawFn, lifecycle: Lifecycle = RUN, *, most: int = 20) -> list[str]:
    """
    Return a strategy of what a poller sees of one run: some statuses, some of them again and again.
    """
    return _polled(draw, draw(legal_histories(lifecycle, most=most)))


@st.composite
def shuffled_histories(draw: st.DrawFn, lifecycle: Lifecycle = RUN, *, most: int = 20) -> list[str]:
    """
    Return a strategy of what is delivered of one run: some missing, some twice, in any order.
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
    Return a strategy of histories that are wrong in one place, each with the finding that must come.

    Before that place a run came as it may, and after it goes on as it may. Each code that
    the lifecycle can be broken by under *observed* is as likely as any other.
    """
    code = draw(st.sampled_from(sorted(_BREAKS[observed](lifecycle).items())))
    name, pairs = code
    if name == "RS101":
        return _unknown(draw, lifecycle, observed, most)
    source, target = draw(st.sampled_from(pairs))
    if name == "RS102":
        history = _passed(target, _walk(draw, lifecycle, target, most))
        return BrokenHistory(history, observed, name, 1, None, target)
    before = _passed(lifecycle.initial, _walk_to(draw, lifecycle, source, most))
    if name == "RS106":
        return _misfit(draw, lifecycle, before, target, most)
    if observed == "polled":
        before = [*_polled(draw, before), source]
    after = _passed(target, _walk(draw, lifecycle, target, most))

    return BrokenHistory([*before, *after], observed, name, len(before) + 1, source, target)


# -- how a lifecycle can be broken -------------------------------------------------------


_Breaks = dict[str, list[tuple[str, str]]]
"""By code, the pairs of statuses that break it; RS101 has none, RS102 only needs the second."""


def _complete(lifecycle: Lifecycle) -> _Breaks:
    rows = {(row.source, row.target) for row in lifecycle}
    starts = [(lifecycle.initial, s) for s in lifecycle.statuses if s != lifecycle.initial]

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

    return {
        code: [pair for pair in wrong if pair[0] not in lifecycle.terminal],
        "RS105": [pair for pair in wrong if pair[0] in lifecycle.terminal],
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


def _walk_to(
    draw: st.DrawFn, lifecycle: Lifecycle, status: str, most: int
) -> tuple[Transition, ...]:
    """
    Return a walk from creation to *status*: one that goes anywhere, as far as there is a way on.
    """
    path = list(_walk(draw, lifecycle, lifecycle.initial, most))
    while path and lifecycle.shortest_path(path[-1].target, status) is None:
        path.pop()
    here = path[-1].target if path else lifecycle.initial

    return (*path, *(lifecycle.shortest_path(here, status) or ()))


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
    Return deliveries of a run that was in the last of *before*, with *target* somewhere after it.
    """
    source = before[-1]
    on = _passed(source, _walk(draw, lifecycle, source, most))
    seen: list[str] = draw(st.permutations([*_polled(draw, [*before, *on]), source]))
    at = draw(st.integers(seen.index(source) + 1, len(seen)))

    return BrokenHistory(
        [*seen[:at], target, *seen[at:]], "unordered", "RS106", at + 1, None, target
    )
