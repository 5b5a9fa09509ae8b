"""
The initial statuses of a machine that names one initial state, or none.
"""

from collections.abc import Iterable, Sequence

from ._paths import reached

__all__ = ["beginnings"]


def beginnings(
    initial: str | None, statuses: Sequence[str], moves: Iterable[tuple[str, str]]
) -> tuple[str, ...]:
    """
    Return *initial*, and one status for each part of the machine that is unreachable from it.

    The libraries put a model into any state, so a state that no transition enters is one
    that a run begins in. Of states that lead only to each other, the first is taken.

    Args:
        initial: The initial state; the first of *statuses* if that is None.
        statuses: Every state, in the machine's order.
        moves: Source and target of each transition.
    """
    targets: dict[str, list[str]] = {}
    entered: dict[str, set[str]] = {}
    for source, target in moves:
        targets.setdefault(source, []).append(target)
        entered.setdefault(target, set()).add(source)
    found = [*statuses[:1]] if initial is None else [initial]

    def following(status: str) -> Iterable[str]:
        return targets.get(status, ())

    known = reached(found, following)
    # Roots first: what they lead to needs no beginning of its own.
    roots = [status for status in statuses if not entered.get(status, set()) - {status}]
    for status in (*roots, *statuses):
        if status not in known:
            found.append(status)
            known |= reached([status], following)

    return tuple(found)
