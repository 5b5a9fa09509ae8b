"""
Which column a status stands in, from left to right.

Rows lead to the right, except those that go back inside a component. Terminal
statuses share the last column. What was observed moves no status of the lifecycle
out of its column.
"""

from collections import deque

from ...lifecycle._table import Lifecycle
from .._figure import Figure

__all__ = ["rank_boxes"]


def rank_boxes(figure: Figure, most_columns: int | None = None) -> list[int]:
    """
    Return the column of each of *figure*'s boxes, from 0.

    With *most_columns*, at least 2, columns side by side are put into one until there are no
    more than that; terminal statuses keep a column of their own.
    """
    ranks = _known_ranks(figure.lifecycle)
    unknown = [box.status for box in figure.boxes if not box.known]
    for status in unknown:
        ranks[status] = _unknown_rank(figure, status, ranks)
    last = max(ranks.values())
    if most_columns is not None and last >= most_columns:
        ranks = {s: _shared(rank, last, most_columns) for s, rank in ranks.items()}

    return [ranks[box.status] for box in figure.boxes]


def _shared(rank: int, last: int, columns: int) -> int:
    """
    Return the column of *rank* where 0 to *last* share *columns*, the last one apart.
    """
    return rank * (columns - 1) // last


def _known_ranks(lifecycle: Lifecycle) -> dict[str, int]:
    """
    Rank by the longest way from the initial statuses that never goes back.
    """
    ranks = dict.fromkeys(lifecycle.statuses, 0)
    live = [status for status in _reading_order(lifecycle) if not lifecycle.is_terminal(status)]
    place = {status: at for at, status in enumerate(live)}
    for source in live:
        for target in lifecycle.targets(source):
            if place.get(target, -1) > place[source]:
                ranks[target] = max(ranks[target], ranks[source] + 1)
    last = max((ranks[status] + 1 for status in live), default=0)

    return {str(status): ranks[status] if status in place else last for status in ranks}


def _reading_order(lifecycle: Lifecycle) -> list[str]:
    """
    Component by component, and in each as one meets its statuses on the way from the initial ones.
    """
    seen = {status: at for at, status in enumerate(lifecycle.initial_statuses)}
    queue = deque(seen)
    while queue:
        for target in lifecycle.targets(queue.popleft()):
            if target not in seen:
                seen[target] = len(seen)
                queue.append(target)

    return [
        status
        for component in lifecycle.components
        for status in sorted(component, key=seen.__getitem__)
    ]


def _unknown_rank(figure: Figure, status: str, ranks: dict[str, int]) -> int:
    """
    Right of the first that leads here, else left of the first that this leads to.
    """
    names = [box.status for box in figure.boxes]
    moves = [(names[arrow.source], names[arrow.target]) for arrow in figure.arrows]
    before = [ranks[s] for s, t in moves if t == status and s in ranks]
    after = [ranks[t] for s, t in moves if s == status and t in ranks]
    last = max(ranks.values())
    wanted = min(before) + 1 if before else min(after) - 1 if after else last

    return min(max(wanted, 1), last)
