"""
Which statuses lead to which: searches over the rows of a lifecycle.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from ._rows import Transition

__all__ = ["components", "grouped", "reached", "reopened_pairs", "shortest_paths"]

_K = TypeVar("_K")


def grouped(
    rows: Iterable[Transition], key: Callable[[Transition], _K]
) -> dict[_K, tuple[Transition, ...]]:
    """
    Return *rows* by their *key*, in their order.
    """
    found: dict[_K, tuple[Transition, ...]] = {}
    for row in rows:
        found[key(row)] = (*found.get(key(row), ()), row)

    return found


def reached(first: Iterable[str], following: Callable[[str], Iterable[str]]) -> set[str]:
    """
    Return the statuses *first*, and all that these lead to.

    Args:
        first: Where to begin.
        following: Returns the statuses one move away from one.
    """
    found = set(first)
    queue = deque(found)
    while queue:
        new = set(following(queue.popleft())) - found
        found |= new
        queue.extend(new)

    return found


def shortest_paths(
    outgoing: Mapping[str, Sequence[Transition]], source: str
) -> dict[str, tuple[Transition, ...]]:
    """
    Return the rows of the shortest path from *source* to each status that it leads to.

    Of several shortest paths, it is the one whose rows come first in the table.

    Args:
        outgoing: The rows out of each status.
        source: Where the paths begin. The path to itself is empty.
    """
    paths: dict[str, tuple[Transition, ...]] = {source: ()}
    queue = deque([source])
    while queue:
        here = queue.popleft()
        for row in outgoing[here]:
            if row.target not in paths:
                paths[row.target] = (*paths[here], row)
                queue.append(row.target)

    return paths


def components(reachable: Mapping[str, frozenset[str]]) -> tuple[frozenset[str], ...]:
    """
    Return the strongly connected components, those that come earlier in a run first.

    Whatever reaches a component has more statuses ahead of it, so that sorting by how many lie
    ahead is a topological order.

    Args:
        reachable: The statuses one or more moves away from each status.
    """
    found = dict.fromkeys(
        frozenset([status, *(later for later in ahead if status in reachable[later])])
        for status, ahead in reachable.items()
    )

    return tuple(
        sorted(
            found,
            key=lambda members: -max(len(reachable[status] | members) for status in members),
        )
    )


def reopened_pairs(
    statuses: Iterable[str],
    targets: Callable[[str], Iterable[str]],
    reopenings: Sequence[Transition],
) -> frozenset[tuple[str, str]]:
    """
    Return the pairs that may be seen one after the other if the run was reopened in between.

    Args:
        statuses: Every status.
        targets: Returns the statuses one move away from one, without a reopening.
        reopenings: The rows that reopen.
    """
    again: dict[str, set[str]] = {}
    for row in reopenings:
        again.setdefault(row.source, set()).add(row.target)

    def onward(status: str) -> set[str]:
        return {*targets(status), *again.get(status, ())}

    later = {status: reached({status}, onward) for status in statuses}

    return frozenset(
        (before, after)
        for before in later
        for row in reopenings
        if row.source in later[before]
        for after in later[row.target]
    )
