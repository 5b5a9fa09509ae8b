"""
The statement that sorts the rows of each run, and counts each with the one before it.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from .._survey import OCTAVE
from ._keys import CODE, TIME_BITS
from ._question import Question

__all__ = ["FEW", "MOST_REPEATING", "Group", "statement"]

FEW: Final = 64
"""Suspects that are kept of each group, where there are many groups."""
MOST_REPEATING: Final = 50_000
"""Runs that repeat a status which are counted twice, rather than all of them."""

_PLACE: Final = f"((1::hugeint << {64 + TIME_BITS}) - 1)"
_WHERE: Final = f"k & {_PLACE}"
"""Time, place and status of a row, without the second hash."""
_TIME: Final = f"hi & {(1 << TIME_BITS) - 1}"


class Group(NamedTuple):
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
    timeless_suspects: list[dict[str, Any]] | None
    """Those of no duration, where the others are few."""
    sample: list[int | str] | None
    too_long: int
    late: int
    late_suspects: list[dict[str, Any]] | None
    repeating: list[int | str] | None
    """Runs in which the status is repeated."""


def statement(asked: Question, rows: str, *, measured: bool, once: bool) -> str:
    """
    Return the statement whose rows are :class:`Group`; *once* where no status is repeated.
    """
    timed = measured and asked.source.timed
    bucket = _bucket(asked) if timed else "null"
    parts = [
        "pc",
        "c",
        f"{bucket} as bucket",
        "count(*)",
        "0" if once else "count(*) filter (second)",
        "sum(dt), max(dt)" if timed else "null, null",
        f"min({_TIME}), max({_TIME})" if timed else "null, null",
        _suspects(asked, bucket, measured=measured, once=once),
        _sampled(asked) if measured and asked.samples else "null",
        _waiting(asked, measured=measured) if asked.waits else "0, 0, null",
        _repeating(asked) if measured and once else "null",
    ]

    return (
        f"{_pairs(asked, rows, once=once)} select {', '.join(parts)} "
        f"from pairs group by pc, c{', bucket' if timed else ''}"
    )


def _bucket(asked: Question) -> str:
    return (
        f"case when pc > 0 and pc <> c and c <= {asked.codes.last} then "
        f"case when dt > 0 then (1 + floor({OCTAVE} * log2(dt)))::integer else 0 end end"
    )


def _suspects(asked: Question, bucket: str, *, measured: bool, once: bool) -> str:
    """
    Return the first suspects of a group, and those of no duration where there are many groups.

    The engine takes the room for all that may be kept at once, for each group.
    """
    flag = _flag(asked, "" if once or not asked.waits else _too_long(asked))
    if not measured:
        return f"{_kept(flag, asked.limit)}, null"
    if asked.waits:
        return "null, null"
    lasting, instant = (f"({flag}) and {bucket} is {what}" for what in ("not null", "null"))

    return f"{_kept(lasting, FEW)}, {_kept(instant, asked.limit)}"


def _sampled(asked: Question) -> str:
    return f"min(h, {asked.samples}) filter (pc = 0 and c <= {asked.codes.unknown})"


def _repeating(asked: Question) -> str:
    return f"min(h, {MOST_REPEATING}) filter (pc = c and c <= {asked.codes.last})"


def _waiting(asked: Question, *, measured: bool) -> str:
    """
    Return how many rows tell of a status that lasted too long, how many ends do, and which.
    """
    late = _late(asked) or "false"
    which = f"min({{'w': first_k & {_PLACE}, 'h': h}}, {max(asked.limit, 1)}) filter ({late})"

    return (
        f"count(*) filter ({_too_long(asked)}), count(*) filter ({late}), "
        f"{'null' if measured else which}"
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
