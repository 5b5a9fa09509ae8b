"""
Screening by sorting the rows of each run: exact, and with what is measured on the way.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from ..histories._survey import Dwell
from ._duckdb import Engine, listed
from ._recount import grouped, recounted
from ._request import Question
from ._result import Screening
from ._screen_sql import Group
from ._suspects import first_suspects
from ._times import microseconds

__all__ = ["count_rows", "count_unknown", "screen_sorted"]

_MICRO: Final = 1_000_000
_MOST_UNKNOWN: Final = 1_000
_TASTED: Final = 100_000
"""Rows that are looked at to learn how many of a run are of one time."""


def screen_sorted(engine: Engine, asked: Question) -> Screening:
    """
    Return what sorting the rows of each run shows.
    """
    asked = asked._replace(fine=_is_fine(engine, asked))
    once = asked.observed == "complete" and not asked.waits
    counted = recounted(engine, asked, grouped(engine, asked, once=once), once=once)
    if counted is None:
        asked, once = asked._replace(fine=False), False
        counted = grouped(engine, asked, once=once)
    found = Screening(
        few=counted.few,
        sample=sorted(h for g in counted.told for h in g.sample or ())[: asked.samples],
    )
    first = first_suspects(asked, counted)
    if first is None:
        found.few = None
        plain = asked._replace(fine=False, measured=False)
        first = first_suspects(plain, grouped(engine, plain, once=once))
    found.suspects, found.late = first or ([], [])
    found.named = len(found.suspects) < asked.limit > len(found.late)
    _count_runs(found, asked, counted.groups)
    _count_findings(found, asked, counted.groups)
    if asked.observed != "unordered":
        _count_moves(found, asked, counted.groups)
    if once:
        _count_rows(found, asked, ((g.code, g.rows, *_span(asked, g)) for g in counted.told))
    else:
        count_rows(engine, found, asked)

    return found


def _span(asked: Question, group: Group) -> tuple[int | None, int | None]:
    if not asked.source.timed or group.first is None or group.last is None:
        return None, None

    return asked.key.time(group.first), asked.key.time(group.last)


def _is_fine(engine: Engine, asked: Question) -> bool:
    """
    Return whether hardly any two rows of a run are of one time, as far as the first rows tell.
    """
    if not (asked.source.ordered and asked.source.timed):
        return False
    rows = f"(select h, us from {asked.columns} where us is not null limit {_TASTED})"
    number, times = engine.rows(f"select count(*), count(distinct hash(h, us)) from {rows}")[0]

    return bool(number - times <= number / 100)


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
            begins = asked.lifecycle.initial_statuses
            if asked.observed == "complete" and names[group.code - 1] not in begins:
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
        if asked.source.timed:
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
