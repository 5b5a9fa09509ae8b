"""
Screening by sorting the rows of each run: exact, and with what is measured on the way.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from .._survey import OCTAVE, Dwell
from ._engine import Engine, listed
from ._keys import CODE, TIME_BITS
from ._question import Question
from ._screen import Screening, Suspect
from ._times import microseconds

__all__ = ["count_rows", "count_unknown", "screen_sorted"]

_MICRO: Final = 1_000_000
_FEW: Final = 1_000
"""Suspects that are kept of each group, where there are many groups."""
_MOST_UNKNOWN: Final = 1_000
_MOST_REPEATING: Final = 50_000
_WHERE: Final = f"k & ((1::hugeint << {64 + TIME_BITS}) - 1)"
"""Time, place and status of a row, without the second hash."""
_TIME: Final = f"hi & {(1 << TIME_BITS) - 1}"


class _Group(NamedTuple):
    """
    All rows of one status that follow rows of another, within one bucket of durations.
    """

    before: int
    """Number of the status before; 0 for a run's first row."""
    code: int
    bucket: int | None
    rows: int
    second: int
    """How many of them are their run's second status."""
    total: int | None
    longest: int | None
    began: int | None
    ended: int | None
    suspects: list[dict[str, Any]] | None
    sample: list[int | str] | None
    too_long: int
    late: int
    late_suspects: list[dict[str, Any]] | None
    repeating: list[int | str] | None
    """Runs in which the status is repeated."""


def screen_sorted(engine: Engine, asked: Question) -> Screening:
    """
    Return what sorting the rows of each run shows.
    """
    once = asked.observed == "complete" and not asked.waits
    groups = _groups(engine, asked, measured=asked.measured, once=once)
    flagged = groups
    if asked.measured and any(len(g.suspects or ()) == _FEW for g in groups):
        flagged = _groups(engine, asked, measured=False, once=once)
    if asked.measured and once:
        groups = _without_repeats(engine, asked, groups)
    found = Screening(
        suspects=_first((s for g in flagged for s in g.suspects or ()), asked.limit),
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
) -> list[_Group]:
    """
    Return the groups of all runs; of those *among* the given ones, if any are given.
    """
    rows, values = asked.rows, []
    if among is not None:
        rows = f"(select * from {rows} where h in (select unnest($1::{asked.key_kind}[])))"
        values = [among]
    statement = _statement(asked, rows, measured=measured, once=once)

    return [_Group(*row) for row in engine.rows(statement, values)]


def _without_repeats(engine: Engine, asked: Question, groups: list[_Group]) -> list[_Group]:
    """
    Return *groups* with each duration counted from the first row of a status, though some repeat it.

    They were made as if no status were repeated. Where few are, only those runs are
    counted once more, both ways.
    """
    repeats = [group for group in groups if group.before and group.before == group.code]
    if not repeats:
        return groups
    runs = sorted({run for group in repeats for run in group.repeating or ()})
    if any(len(group.repeating or ()) == _MOST_REPEATING for group in repeats):
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


def _is_move(asked: Question, group: _Group) -> bool:
    return 0 < group.before != group.code <= asked.codes.last


def _first(suspects: Iterable[dict[str, Any]], most: int) -> list[Suspect]:
    return sorted((s["w"], s["h"]) for s in suspects)[:most]


# -- the statement -----------------------------------------------------------------


def _statement(asked: Question, rows: str, *, measured: bool, once: bool) -> str:
    """
    Return the statement whose rows are :class:`_Group`; *once* where no status is repeated.
    """
    codes, source = asked.codes, asked.source
    bucket = "null"
    if measured and source.timed:
        bucket = (
            f"case when pc > 0 and pc <> c and c <= {codes.last} then "
            f"case when dt > 0 then (1 + floor({OCTAVE} * log2(dt)))::integer else 0 end end"
        )
    times = "sum(dt), max(dt)" if source.timed and measured else "null, null"
    span = f"min({_TIME}), max({_TIME})" if source.timed and measured else "null, null"
    most = _FEW if measured else asked.limit
    second = "count(*) filter (second)" if not once else "0"
    sample = (
        f"min(h, {asked.samples}) filter (pc = 0 and c <= {codes.unknown})"
        if measured and asked.samples
        else "null"
    )
    repeating = (
        f"min(h, {_MOST_REPEATING}) filter (pc = c and c <= {codes.last})"
        if measured and once
        else "null"
    )
    too_long, late = (_too_long(asked), _late(asked)) if not once and asked.waits else ("", "")

    return (
        f"{_pairs(asked, rows, once=once)} select pc, c, {bucket} as bucket, count(*), {second}, "
        f"{times}, {span}, {_kept(_flag(asked, too_long), most)}, {sample}, "
        + (f"count(*) filter ({too_long}), " if too_long else "0, ")
        + (
            f"count(*) filter ({late}), min({{'w': first_k & ((1::hugeint << {64 + TIME_BITS}) - 1), 'h': h}}, "
            f"{max(asked.limit, 1)}) filter ({late})"
            if late
            else "0, null"
        )
        + f", {repeating} from pairs group by pc, c{', bucket' if bucket != 'null' else ''}"
    )


def _kept(flag: str, most: int) -> str:
    return f"min({{'w': {_WHERE}, 'h': h}}, {max(most, 1)}) filter ({flag})"


def _pairs(asked: Question, rows: str, *, once: bool) -> str:
    """
    Return the beginning of a statement, with the table ``pairs``: each row and the one before it.

    Where a status may be repeated, only the first row of each repetition is in it, and
    the last row of a run where runs may wait.
    """
    last = asked.codes.last
    order = "partition by h order by k"
    paired = f"select h, k, lag(k) over o as pk from {rows} window o as ({order})"
    more = ""
    if not once:
        ends = ", lead(k) over o as nk" if asked.waits else ""
        end = f"nk is null or (nk >> {64 + TIME_BITS}) <> (k >> {64 + TIME_BITS})"
        is_end = f", ({end}) as is_end" if asked.waits else ""
        kept = (
            f"select h, k{is_end} from (select h, k, lag(k) over o as pk{ends} from {rows} "
            f"window o as ({order})) where (k & {CODE}) > {last} or pk is null "
            f"or (k & {CODE}) <> (pk & {CODE}) or (pk >> {64 + TIME_BITS}) <> (k >> {64 + TIME_BITS})"
            + (" or is_end" if asked.waits else "")
        )
        waits = ""
        if asked.waits:
            terminal = _among(f"k & {CODE}", asked.codes.of(frozenset(asked.lifecycle.terminal)))
            waits = (
                f", is_end, first_value(k) over o as first_k, "
                f"coalesce(bool_or({terminal}) over (o rows unbounded preceding), false) as is_over"
            )
            more = ", is_end, first_k, is_over"
        paired = (
            f"select h, k, lag(k) over o as pk, lag(k, 2) over o as ppk{waits} "
            f"from ({kept}) window o as ({order})"
        )
        more += f", pk is not null and pc <> c and c <= {last} and pc > 0 and (ppk is null or (ppk >> {64 + TIME_BITS}) <> (k >> {64 + TIME_BITS})) as second"
    split = (
        f"select *, (k & {CODE})::integer as c, (k >> 64)::bigint as hi, "
        f"(pk & {CODE})::integer as pk_code, (pk >> 64)::bigint as phi from ({paired})"
    )
    # A row that has no place in its run comes after another such row or a row of the run.
    before = (
        f"case when c > {last} then (phi is not null)::integer "
        f"when phi is null or phi >> {TIME_BITS} <> hi >> {TIME_BITS} then 0 else pk_code end"
    )

    return (
        f"with split as ({split}), "
        f"paired as (select *, {before} as pc, hi - phi as dt from split), "
        f"pairs as (select h, k, c, hi, phi, pc, case when pc > 0 and c <= {last} then dt end as dt{more} from paired)"
    )


def _flag(asked: Question, too_long: str) -> str:
    """
    Return the condition that a finding is, or may be, about this row.
    """
    names, last = asked.codes.statuses, asked.codes.last
    if asked.observed == "unordered":
        return too_long or "false"
    legal = [
        before << 10 | code
        for before, source in enumerate(names, 1)
        for code, target in enumerate(names, 1)
        if asked.wrong(source, target) is None
    ]
    starts = asked.codes.of(frozenset([asked.lifecycle.initial]))
    legal += starts if asked.observed == "complete" else range(1, last + 1)
    wrong = f"(pc << 10 | c) not in ({', '.join(map(str, legal))})"

    return f"{wrong} or {too_long}" if too_long else wrong


def _too_long(asked: Question) -> str:
    """
    Return the condition that a run was in the status before for longer than that may last.
    """
    cases = " ".join(
        f"when {asked.codes.statuses.index(status) + 1} then {limit!r}::double"
        for status, limit in asked.limits.items()
    )
    times = f"(({_TIME}) / 1e6) - ((phi & {(1 << TIME_BITS) - 1}) / 1e6)"

    return f"coalesce(pc > 0 and c <= {asked.codes.last} and {times} > case pc {cases} end, false)"


def _late(asked: Question) -> str:
    """
    Return the condition that a run has been in its last status for too long by now.
    """
    if asked.now is None:
        return ""
    cases = " ".join(
        f"when {asked.codes.statuses.index(status) + 1} then {limit!r}::double"
        for status, limit in asked.limits.items()
    )
    mask = (1 << TIME_BITS) - 1
    since = f"(case when pc = c then phi & {mask} else hi & {mask} end) / 1e6"
    told = f"(pc = c and {_too_long(asked)})"

    return (
        f"coalesce(is_end and not is_over and c <= {asked.codes.last} "
        f"and {float(asked.now)!r}::double - {since} > case c {cases} end and not {told}, false)"
    )


def _among(expression: str, numbers: Iterable[int]) -> str:
    return f"({expression}) in ({', '.join(map(str, numbers))})"


# -- what it says ------------------------------------------------------------------


def _count_runs(found: Screening, asked: Question, groups: list[_Group]) -> None:
    codes = asked.codes
    firsts = [g for g in groups if not g.before and g.code <= codes.unknown]
    found.runs = sum(g.rows for g in firsts)
    if asked.observed == "complete":
        found.undecided = sum(g.rows for g in firsts if g.code == codes.unknown)
    else:
        found.undecided = found.runs - sum(g.second for g in groups)


def _count_findings(found: Screening, asked: Question, groups: list[_Group]) -> None:
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


def _count_moves(found: Screening, asked: Question, groups: list[_Group]) -> None:
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
