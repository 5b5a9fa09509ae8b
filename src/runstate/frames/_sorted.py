"""
Screening by sorting the rows of each run: exact, and with what is measured on the way.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from .._survey import Dwell
from . import _pairs
from ._engine import Engine, listed
from ._pairs import Group
from ._question import Question
from ._screen import Screening, Suspect
from ._times import microseconds

__all__ = ["count_rows", "count_unknown", "screen_sorted"]

_MICRO: Final = 1_000_000
_MOST_UNKNOWN: Final = 1_000


def screen_sorted(engine: Engine, asked: Question) -> Screening:
    """
    Return what sorting the rows of each run shows.
    """
    once = asked.observed == "complete" and not asked.waits
    groups = _groups(engine, asked, measured=asked.measured, once=once)
    flagged = groups
    if asked.measured and (asked.waits or any(len(g.suspects or ()) == _pairs.FEW for g in groups)):
        flagged = _groups(engine, asked, measured=False, once=once)
    if asked.measured and once:
        groups = _without_repeats(engine, asked, groups)
    found = Screening(
        suspects=_first(
            (s for g in flagged for s in (*(g.suspects or ()), *(g.timeless_suspects or ()))),
            asked.limit,
        ),
        late=_first((s for g in flagged for s in g.late_suspects or ()), asked.limit),
        sample=sorted(h for g in groups for h in g.sample or ())[: asked.samples],
    )
    found.named = len(found.suspects) < asked.limit > len(found.late)
    _count_runs(found, asked, groups)
    _count_findings(found, asked, groups)
    if asked.observed != "unordered":
        _count_moves(found, asked, groups)
    if once:
        _count_rows(found, asked, ((g.code, g.rows, g.began, g.ended) for g in groups))
    else:
        count_rows(engine, found, asked)

    return found


def _groups(
    engine: Engine,
    asked: Question,
    *,
    measured: bool,
    once: bool,
    among: Sequence[int | str] | None = None,
) -> list[Group]:
    """
    Return the groups of all runs; of those *among* the given ones, if any are given.
    """
    rows, values = asked.rows, []
    if among is not None:
        rows = f"(select * from {rows} where h in (select unnest($1::{asked.key_kind}[])))"
        values = [among]
    statement = _pairs.statement(asked, rows, measured=measured, once=once)

    return [Group(*row) for row in engine.rows(statement, values)]


def _without_repeats(engine: Engine, asked: Question, groups: list[Group]) -> list[Group]:
    """
    Return *groups* with each duration counted from the first row of a status, though some repeat it.

    They were made as if no status were repeated. Where few are, only those runs are
    counted once more, both ways.
    """
    repeats = [group for group in groups if group.before and group.before == group.code]
    if not repeats:
        return groups
    runs = sorted({run for group in repeats for run in group.repeating or ()})
    if any(len(group.repeating or ()) == _pairs.MOST_REPEATING for group in repeats):
        right = _groups(engine, asked, measured=True, once=False)
        return [*repeats, *right]
    wrong = _groups(engine, asked, measured=True, once=True, among=runs)
    right = _groups(engine, asked, measured=True, once=False, among=runs)
    # What was counted wrong is taken back. The longest is right: repeats only shorten.
    back = [
        group._replace(rows=-group.rows, total=-(group.total or 0), longest=0)
        for group in wrong
        if _is_move(asked, group)
    ]

    return [*groups, *back, *(group for group in right if _is_move(asked, group))]


def _is_move(asked: Question, group: Group) -> bool:
    return 0 < group.before != group.code <= asked.codes.last


def _first(suspects: Iterable[dict[str, Any]], most: int) -> list[Suspect]:
    return sorted((s["w"], s["h"]) for s in suspects)[:most]


# -- what it says ------------------------------------------------------------------


def _count_runs(found: Screening, asked: Question, groups: list[Group]) -> None:
    codes = asked.codes
    firsts = [g for g in groups if not g.before and g.code <= codes.unknown]
    found.runs = sum(g.rows for g in firsts)
    if asked.observed == "complete":
        found.undecided = sum(g.rows for g in firsts if g.code == codes.unknown)
    else:
        found.undecided = found.runs - sum(g.second for g in groups)


def _count_findings(found: Screening, asked: Question, groups: list[Group]) -> None:
    names, last, tally = asked.codes.statuses, asked.codes.last, found.tally
    for group in groups:
        tally["RS302"] += group.too_long + group.late
        if asked.observed == "unordered" or group.code > last:
            continue
        if not group.before:
            if asked.observed == "complete" and names[group.code - 1] != asked.lifecycle.initial:
                tally["RS102"] += group.rows
            continue
        code = asked.wrong(names[group.before - 1], names[group.code - 1])
        if code is not None:
            tally[code] += group.rows


def _count_moves(found: Screening, asked: Question, groups: list[Group]) -> None:
    names, last = asked.codes.statuses, asked.codes.last
    histograms: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    totals: Counter[tuple[str, str]] = Counter()
    longest: dict[tuple[str, str], int] = {}
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
        if group.bucket is not None:
            histograms[move][group.bucket] += group.rows
            totals[move] += group.total or 0
            longest[move] = max(longest.get(move, 0), group.longest or 0)
    found.dwell = {
        move: Dwell(
            histogram.total(), totals[move] / _MICRO, longest[move] / _MICRO, dict(+histogram)
        )
        for move, histogram in histograms.items()
    }


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
    moment = microseconds(asked.source, assume_utc=asked.assume_utc) if asked.source.timed else "0"
    known = listed(asked.codes.statuses)
    rows = (
        f"select status from {asked.source.unnumbered or asked.source.table} where status <> '' "
        f"and {moment} is not null and list_position({known}, status) is null"
    )
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
    odd: Counter[int] = Counter()
    for code, number, first, last in rows:
        if code <= codes.last:
            found.seen[codes.statuses[code - 1]] += number
        else:
            odd[code] += number
        if code <= codes.missing:
            found.observations += number
            if first is not None and last is not None:
                spans.append((first, last))
    found.count_odd(codes, odd)
    if spans:
        found.began = min(first for first, _ in spans) / _MICRO
        found.ended = max(last for _, last in spans) / _MICRO
