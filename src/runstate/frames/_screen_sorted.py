"""
Screening by sorting the rows of each run: exact, and with what is measured on the way.
"""

from collections.abc import Iterable
from typing import Any, Final

from ._apart import complete, grouped, without
from ._duckdb import Engine
from ._request import Question
from ._result import Screening, Suspect
from ._screen_sql import Group, pairs
from ._sort_key import APART, usable
from ._times import microseconds

__all__ = ["count_rows", "count_unknown", "screen_sorted"]

_MICRO: Final = 1_000_000
_MOST_UNKNOWN: Final = 1_000
_MANY: Final = 2_000
"""Runs that are judged in less time than it takes to ask which of them come first."""


def screen_sorted(engine: Engine, asked: Question) -> Screening:
    """
    Return what sorting the rows of each run shows.
    """
    # Where a status is repeated, as by polls, its first row tells how long it lasted.
    repeats = asked.observed == "polled" and asked.measured
    once = not (asked.waits or repeats)
    first = not asked.measured
    groups = grouped(engine, asked, once=once, first=first)
    unsure = complete(g.runs for g in groups if g.unsure)
    if unsure is None and once:
        once = False
        groups = grouped(engine, asked, once=once, first=first)
        unsure = complete(g.runs for g in groups if g.unsure)
    if unsure is None:
        return Screening(certain=False)
    candidates = complete(g.runs for g in groups if g.flagged or g.late)
    apart = unsure
    if any(g.tied for g in groups) and any(g.flagged or g.late for g in groups):
        mixed = complete(g.runs for g in groups if g.mixed)
        if mixed is None:
            return Screening(certain=False)
        apart |= mixed if candidates is None else mixed & candidates
    found = Screening(
        apart=apart,
        unusable=sum(g.rows for g in groups if g.code == asked.codes.unusable),
        sample=sorted(h for g in groups for h in g.sample or ())[: asked.samples],
    )
    told = groups
    if apart:
        groups = without(engine, asked, groups, apart, once=once)
        asked = asked._replace(apart=True)
    _name_suspects(engine, found, asked, told, candidates, once=once)
    _count_runs(found, asked, groups)
    _count_findings(found, asked, groups)
    _count_backwards(engine, found, asked, told, once=once)
    if asked.in_order:
        _count_moves(found, asked, groups)
    if once:
        _count_rows(found, asked, ((g.code, g.rows, *_span(asked, g)) for g in groups))
    else:
        count_rows(engine, found, asked)

    return found


def _span(asked: Question, group: Group) -> tuple[int | None, int | None]:
    if not asked.source.timed or group.first is None or group.last is None:
        return None, None

    return asked.key.time(group.first), asked.key.time(group.last)


def _name_suspects(
    engine: Engine,
    found: Screening,
    asked: Question,
    groups: list[Group],
    candidates: frozenset[Any] | None,
    *,
    once: bool,
) -> None:
    """
    Put into *found* the first runs that there may be a finding about, or all of them if they are few.
    """
    if candidates is not None:
        rest = candidates - found.apart
        if len(rest) <= max(_MANY, asked.limit):
            found.suspects = [(0, run) for run in rest]
            return
    found.named = False
    if asked.measured:
        plain = asked._replace(measured=False)
        groups = grouped(engine, plain, once=once, first=True)
    found.suspects = _first(asked, (g.suspects for g in groups), found.apart)
    found.late = _first(asked, (g.late_suspects for g in groups), found.apart)


def _first(
    asked: Question, kept: Iterable[list[dict[str, Any]] | None], apart: frozenset[Any]
) -> list[Suspect]:
    suspects = ((s["w"], s["h"]) for some in kept for s in some or ())

    return sorted(suspect for suspect in suspects if suspect[1] not in apart)[: asked.limit]


def _count_backwards(
    engine: Engine, found: Screening, asked: Question, groups: list[Group], *, once: bool
) -> None:
    """
    Count the runs whose rows stand in another order than that of their times.
    """
    runs = complete(g.runs for g in groups if g.back)
    if runs is None:
        rows = pairs(asked, asked.rows, once=once)
        found.tally["RS108"] += engine.rows(f"select count(distinct h) from ({rows}) where back")[
            0
        ][0]
    else:
        found.tally["RS108"] += len(runs - found.apart)


# -- what it says ------------------------------------------------------------------


def _count_runs(found: Screening, asked: Question, groups: list[Group]) -> None:
    codes = asked.codes
    firsts = [g for g in groups if not g.before and g.code <= codes.unknown]
    found.runs = sum(g.rows for g in firsts)
    # A record tells enough to decide its run, if the lifecycle knows its status.
    found.undecided = sum(g.rows for g in firsts if g.code == codes.unknown)
    found.tied = sum(g.rows for g in groups if g.tied)


def _count_findings(found: Screening, asked: Question, groups: list[Group]) -> None:
    names, last, tally = asked.codes.statuses, asked.codes.last, found.tally
    for group in groups:
        tally["RS302"] += (group.too_long + group.late) * group.rows
        if asked.observed == "unordered" or group.code > last:
            continue
        if not group.before:
            begins = asked.lifecycle.initial_statuses
            if asked.observed == "complete" and names[group.code - 1] not in begins:
                tally["RS102"] += 0 if group.lone else group.rows
            continue
        code = asked.wrong(names[group.before - 1], names[group.code - 1])
        if code is not None:
            tally[code] += group.rows


def _count_moves(found: Screening, asked: Question, groups: list[Group]) -> None:
    names, last = asked.codes.statuses, asked.codes.last
    for group in groups:
        if group.code > last:
            continue
        if group.before != group.code:
            found.ends[names[group.code - 1]] += group.rows
        if not group.before or group.before == group.code:
            continue
        move = names[group.before - 1], names[group.code - 1]
        found.moves[move] += group.rows
        found.ends[move[0]] -= group.rows
        if asked.source.timed:
            longest = max([0, *(group.longest or [])[:1]])
            found.measure(move).add(group.bucket, group.rows, group.total or 0, longest)


def count_rows(engine: Engine, found: Screening, asked: Question) -> None:
    """
    Count the rows of each status in *found*, by reading them once more.
    """
    span = "min(us), max(us)" if asked.measured and asked.source.timed else "null, null"
    _count_rows(
        found, asked, engine.rows(f"select c, count(*), {span} from {asked.columns} group by c")
    )


def count_unknown(engine: Engine, found: Screening, asked: Question) -> None:
    """
    Count in *found* the rows of each status that the lifecycle does not know, the most frequent ones.
    """
    us = microseconds(asked.source, assume_utc=asked.assume_utc) if asked.source.timed else "0"
    # A case is worked out for those rows alone that come to it, which are few.
    which = f"case when {asked.codes.place('status')} is null then {usable()} and {us} is not null else false end"
    table = asked.source.unnumbered or asked.source.table
    rows = f"select status from (select *, {asked.run_key} as h from {table}) where {which}"
    if asked.apart:
        rows += f" and h not in (select h from {APART})"
    found.seen.update(
        dict(
            engine.rows(
                f"select status, count(*) from ({rows}) group by 1 order by 2 desc, 1 limit {_MOST_UNKNOWN}"
            )
        )
    )


def _count_rows(
    found: Screening, asked: Question, rows: Iterable[tuple[int, int, int | None, int | None]]
) -> None:
    """
    Count the rows of each status, and those that have no place in a run.
    """
    codes = asked.codes
    spans: list[tuple[int, int]] = []
    for code, number, first, last in rows:
        if code <= codes.last:
            found.seen[codes.statuses[code - 1]] += number
        if code == codes.unknown:
            found.tally["RS101"] += number
        if code <= codes.unknown:
            found.observations += number
            if first is not None and last is not None:
                spans.append((first, last))
    if spans:
        found.began = min(first for first, _ in spans) / _MICRO
        found.ended = max(last for _, last in spans) / _MICRO
