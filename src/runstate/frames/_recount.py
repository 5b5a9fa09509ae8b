"""
The few runs that one sort does not count right, counted once more.

Rows of one time are in no order where their place is left out of their number, and a
status that is repeated under ``complete`` seems to have begun with its last row. What
was counted of such runs is taken back, and what is right added.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ._columns import Source
from ._duckdb import Engine
from ._request import Question
from ._screen_sql import MOST_DOUBTFUL, Group, statement

__all__ = ["Counted", "grouped", "recounted"]


@dataclass(frozen=True)
class Counted:
    """
    All rows, counted.
    """

    groups: list[Group]
    """With the right numbers."""
    told: list[Group]
    """As they came of the sort: their suspects are right but for those that are doubtful."""
    right: Sequence[Group] = ()
    """Those of the doubtful runs, with the right suspects."""
    doubtful: frozenset[Any] = frozenset()
    few: Source | None = None
    """Where the doubtful runs and the first suspects are, if they were looked for."""


def grouped(
    engine: Engine, asked: Question, *, once: bool, among: Iterable[Any] | None = None
) -> Counted:
    """
    Return the groups of all runs; of those *among* the given ones, if any are given.
    """
    rows, values = asked.rows, []
    if among is not None:
        rows = f"(select * from {rows} where h in (select unnest($1::{asked.key_kind}[])))"
        values = [[*among]]
    groups = [Group(*row) for row in engine.rows(statement(asked, rows, once=once), values)]

    return Counted(groups, groups)


def recounted(engine: Engine, asked: Question, told: Counted, *, once: bool) -> Counted | None:
    """
    Return *told* with the right numbers; None if that takes another sort of all rows.
    """
    groups = told.groups
    if any(len(group.doubtful or ()) == MOST_DOUBTFUL for group in groups):
        return None
    doubtful = frozenset(run for group in groups for run in group.doubtful or ())
    if not doubtful:
        return told
    few = _few(engine, asked, groups, doubtful)
    asked = asked._replace(source=few)
    wrong = grouped(engine, asked, once=once, among=doubtful).groups
    right = grouped(engine, asked._replace(fine=False), once=False, among=doubtful).groups
    exact = _corrected(groups, wrong, right)

    return None if exact is None else Counted(exact, groups, right, doubtful, few)


def _few(
    engine: Engine, asked: Question, groups: Iterable[Group], doubtful: frozenset[Any]
) -> Source:
    """
    Return the rows of the *doubtful* runs, and of those that will be judged, as a source.
    """
    suspects = sorted(
        (s["w"], s["h"])
        for group in groups
        for kept in (group.suspects, group.instant, group.late_suspects)
        for s in kept or ()
    )
    keys = {*doubtful, *(run for _, run in suspects[: 2 * asked.limit])}
    keys.update(run for group in groups for run in group.sample or ())
    source = asked.source
    engine.rows(
        f"create or replace temp table few as select id, status, moment, f, r "
        f"from (select *, {asked.run_key} as h from {source.table}) "
        f"where h in (select unnest($1::{asked.key_kind}[]))",
        [[*keys]],
    )

    return source._replace(table="few", unnumbered="")


def _corrected(
    groups: Iterable[Group], wrong: Iterable[Group], right: Iterable[Group]
) -> list[Group] | None:
    """
    Return *groups* without what was counted *wrong*, with what is *right*; None where a longest is lost.
    """
    exact, taken, added = _keyed(groups), _keyed(wrong), _keyed(right)
    lost = []
    for key in {*taken, *added}:
        old, less, more = exact.get(key), taken.get(key), added.get(key)
        exact[key] = new = _sum(old, less, more)
        if less and old and _is_longest(less, old) and (new.longest or 0) < (old.longest or 0):
            lost.append(key)
    kept = {key: group for key, group in exact.items() if group.rows}
    top: dict[tuple[int, int], int] = {}
    for before, code, bucket in kept:
        top[before, code] = max(bucket, top.get((before, code), 0))
    if any(key in kept and top[key[:2]] == key[2] for key in lost):
        return None

    return [*kept.values()]


def _keyed(groups: Iterable[Group]) -> dict[tuple[int, int, int], Group]:
    return {(group.before, group.code, group.bucket): group for group in groups}


def _is_longest(group: Group, among: Group) -> bool:
    return group.longest is not None and group.longest == among.longest


def _sum(old: Group | None, less: Group | None, more: Group | None) -> Group:
    """
    Return *old* less *less* and with *more*. Its longest is that of what is known to be right.
    """
    signs = [(group, sign) for group, sign in ((old, 1), (less, -1), (more, 1)) if group]
    longest = max(
        (
            group.longest or 0
            for group in (old, more)
            if group and not (group is old and less and _is_longest(less, old))
        ),
        default=0,
    )

    return signs[0][0]._replace(
        rows=sum(sign * group.rows for group, sign in signs),
        second=sum(sign * group.second for group, sign in signs),
        total=sum(sign * (group.total or 0) for group, sign in signs),
        longest=longest,
        too_long=sum(sign * group.too_long for group, sign in signs),
        late=sum(sign * group.late for group, sign in signs),
    )
