"""
The runs that one sort does not count right, taken out of what it counted.

They are judged one by one. Among them are runs with several rows at one time, where the order of
these decides what is wrong, runs with a row without a time, and repeated statuses.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ._duckdb import Engine
from ._request import Question
from ._screen_sql import MOST_APART, MOST_LONGEST, Group, statement
from ._sort_key import APART

__all__ = ["complete", "grouped", "set_apart", "without"]


def grouped(engine: Engine, asked: Question, *, once: bool, first: bool) -> list[Group]:
    """
    Return all rows, counted; for *once* and *first* see :func:`statement`.
    """
    return _groups(engine, asked, asked.rows, once=once, first=first)


def _groups(engine: Engine, asked: Question, rows: str, *, once: bool, first: bool) -> list[Group]:
    return [Group(*row) for row in engine.rows(statement(asked, rows, once=once, first=first))]


def complete(lists: Iterable[Sequence[Any] | None]) -> frozenset[Any] | None:
    """
    Return the runs that are named in *lists*; None if one of them is full, and so may lack some.
    """
    named = [runs or () for runs in lists]
    if any(len(runs) >= MOST_APART for runs in named):
        return None

    return frozenset(run for runs in named for run in runs)


def set_apart(engine: Engine, asked: Question, runs: Iterable[Any]) -> None:
    """
    Make *runs* those that statements leave out.
    """
    engine.rows(
        f"create or replace temp table {APART} as select unnest($1::{asked.key_kind}[]) as h",
        [[*runs]],
    )


def without(
    engine: Engine, asked: Question, groups: list[Group], apart: frozenset[Any], *, once: bool
) -> list[Group]:
    """
    Return *groups* without the rows of the runs *apart*.
    """
    set_apart(engine, asked, apart)
    rows = asked.rows_apart
    counted = {group.kind: group for group in _groups(engine, asked, rows, once=once, first=False)}
    rest = [_less(group, counted.get(group.kind)) for group in groups]
    if any(group is None for group in rest):
        # None of the durations that were kept is left: only another sort tells the longest.
        return grouped(engine, asked._replace(apart=True), once=once, first=False)

    return [group for group in rest if group is not None and group.rows]


def _less(group: Group, less: Group | None) -> Group | None:
    """
    Return *group* without what *less* counts; None if its longest duration is not known any more.
    """
    if less is None:
        return group
    longest = Counter(group.longest or ()) - Counter(less.longest or ())
    lost = len(group.longest or ()) == MOST_LONGEST and not longest
    if lost and group.rows > less.rows:
        return None

    return group._replace(
        rows=group.rows - less.rows,
        longest=sorted(longest.elements(), reverse=True),
        total=(group.total or 0) - (less.total or 0),
    )
