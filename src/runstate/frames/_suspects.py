"""
The first suspects, out of what was kept of each group; and whether they are the first.
"""

from collections.abc import Callable, Iterable
from typing import Any

from ._recount import Counted
from ._request import Question
from ._result import Suspect
from ._screen_sql import FEW, Group
from ._sort_key import CODE

__all__ = ["first_suspects"]

Kept = list[dict[str, Any]] | None


def first_suspects(asked: Question, counted: Counted) -> tuple[list[Suspect], list[Suspect]] | None:
    """
    Return the first suspects of findings along the way, and about ends; None if that cannot be told.

    Of a group, so many are kept and no more: where others may come before the last that
    is wanted, or at its time, another sort has to tell.
    """
    many = asked.limit + 1
    lasting = min(FEW, many) if asked.measured and asked.source.timed else many
    late = FEW if asked.measured else many
    along = _first(asked, counted, [(lambda g: g.suspects, lasting), (lambda g: g.instant, many)])
    ends = _first(asked, counted, [(lambda g: g.late_suspects, late)])

    return None if along is None or ends is None else (along, ends)


def _first(
    asked: Question, counted: Counted, kinds: Iterable[tuple[Callable[[Group], Kept], int]]
) -> list[Suspect] | None:
    found: list[Suspect] = []
    beyond: list[int] = []
    for kept, most in kinds:
        for group in counted.told:
            heap = kept(group) or []
            found += [(s["w"], s["h"]) for s in heap if s["h"] not in counted.doubtful]
            if len(heap) == most:
                beyond.append(heap[-1]["w"])
        for group in counted.right:
            found += [(_where(asked, s["w"]), s["h"]) for s in kept(group) or []]
    found.sort()
    first, rest = found[: asked.limit], found[asked.limit :]
    if not first or not (rest or beyond):
        return None if beyond and asked.limit else first
    if len(first) < asked.limit:
        return None
    last = first[-1][0]
    if asked.fine:
        after = min([*beyond, *(w for w, _ in rest)])
        return first if asked.key.time(last) < asked.key.time(after) else None

    return first if last <= min(beyond, default=last) else None


def _where(asked: Question, w: int) -> int:
    """
    Return what a row that was numbered with its place is sorted by among others.
    """
    if not asked.fine:
        return w

    return asked.key.numbered(asked._replace(fine=False).key.time(w), w & CODE)
