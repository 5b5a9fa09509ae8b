"""
The statement that sorts the rows of each run, and counts each with the one before it.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ..histories._survey import OCTAVE
from ._request import Question
from ._sort_key import CODE

__all__ = ["FEW", "MOST_DOUBTFUL", "Group", "statement"]

FEW: Final = 64
"""Suspects that are kept of each group, where there are many groups."""
MOST_DOUBTFUL: Final = 50_000
"""Runs that are counted once more, rather than all of them."""


class Group(NamedTuple):
    """
    All rows of one status that follow rows of another, within one bucket of durations.
    """

    before: int
    """Number of the status before; 0 for a run's first row."""
    code: int
    bucket: int
    """That of the durations; 0 where there is none."""
    rows: int
    second: int
    """How many of them are their run's second status."""
    total: int | None
    longest: int | None
    first: int | None
    """The least number of a row."""
    last: int | None
    """The greatest one."""
    suspects: list[dict[str, Any]] | None
    instant: list[dict[str, Any]] | None
    """Those of no duration, where the others are few."""
    too_long: int
    late: int
    late_suspects: list[dict[str, Any]] | None
    doubtful: list[int | str] | None
    """Runs whose rows are not in their order, or whose statuses last longer than it seems."""
    sample: list[int | str] | None


def statement(asked: Question, rows: str, *, once: bool) -> str:
    """
    Return the statement whose rows are :class:`Group`; *once* where no status is repeated.
    """
    measured = asked.measured and asked.source.timed
    bucket = _bucket(asked) if measured else "0"
    lasting, instant = _suspects(asked, waiting=not once and asked.waits)
    parts = [
        "pc, c",
        f"{bucket} as bucket",
        "count(*)",
        "0" if once else "count(*) filter (second)",
        "sum(dt), max(dt)" if measured else "null, null",
        "min(k), max(k)" if measured else "null, null",
        f"{lasting}, {instant}",
        _waiting(asked) if asked.waits else "0, 0, null",
        _doubtful(asked, once=once),
        f"min(h, {asked.samples}) filter (pc = 0 and c <= {asked.codes.unknown})"
        if asked.samples
        else "null",
    ]

    return (
        f"select {', '.join(parts)} from ({_pairs(asked, rows, once=once)}) "
        f"group by pc, c{', bucket' if measured else ''}"
    )


def _bucket(asked: Question) -> str:
    return (
        f"case when pc <> c and c <= {asked.codes.last} and dt > 0 "
        f"then (1 + floor({OCTAVE} * log2(dt)))::integer else 0 end"
    )


def _suspects(asked: Question, *, waiting: bool) -> tuple[str, str]:
    """
    Return the first suspects of a group, and those of no duration where there are many groups.

    The engine takes the room for all that may be kept at once, for each group.
    """
    flag, most = _flag(asked, waiting=waiting), asked.limit + 1
    if not (asked.measured and asked.source.timed):
        return _kept(asked, flag, most), "null"

    return (
        _kept(asked, f"({flag}) and {_bucket(asked)} > 0", min(FEW, most)),
        _kept(asked, f"({flag}) and {_bucket(asked)} = 0", most),
    )


def _kept(asked: Question, flag: str, most: int) -> str:
    return f"min({{'w': {asked.key.where('k')}, 'h': h}}, {most}) filter ({flag})"


def _doubtful(asked: Question, *, once: bool) -> str:
    """
    Return the runs that are to be counted once more.
    """
    last = asked.codes.last
    doubts = [f"tied and c <= {last} and pc <> c"] if asked.fine else []
    doubts += [f"pc = c and c <= {last}"] if once and asked.measured else []
    if not doubts:
        return "null"

    return f"min(h, {MOST_DOUBTFUL}) filter ({' or '.join(doubts)})"


def _waiting(asked: Question) -> str:
    """
    Return how many rows tell of a status that lasted too long, how many ends do, and which.
    """
    late = _late(asked) or "false"
    first = asked.key.where("first_k")
    which = f"min({{'w': {first}, 'h': h}}, {FEW if asked.measured else asked.limit + 1}) filter ({late})"

    return f"count(*) filter ({_too_long(asked)}), count(*) filter ({late}), {which}"


def _pairs(asked: Question, rows: str, *, once: bool) -> str:
    """
    Return the statement of each row and the one before it: h, k, c, pc, dt and what else is asked.

    Where a status may be repeated, only the first row of each repetition is in it, and
    the last row of a run where runs may wait.
    """
    key, last = asked.key, asked.codes.last
    before, more = "lag(k) over o as pk", ""
    if not once:
        before += ", lag(k, 2) over o as ppk"
        more = f", pk is not null and ppk is null and c <= {last} and pc <> c as second"
    if asked.fine:
        before, more = (
            before + ("" if once else ", tied"),
            more + (", dt = 0 as tied" if once else ", tied"),
        )
    if asked.waits:
        terminal = _among(f"k & {CODE}", asked.codes.of(frozenset(asked.lifecycle.terminal)))
        before += (
            f", is_end, first_value(k) over o as first_k, "
            f"coalesce(bool_or({terminal}) over (o rows unbounded preceding), false) as is_over"
        )
        more += ", pk, is_end, first_k, is_over"
    told = rows if once else f"({_without_repeats(asked, rows)})"
    # What has no place in its run is told apart only by whether anything comes before it.
    paired = (
        f"select *, (k & {CODE})::integer as c, coalesce((pk & {CODE})::integer, 0) as pc, "
        f"{key.lasted('k', 'pk')} as dt from (select h, k, {before} from {told} "
        f"window o as (partition by h order by k))"
    )

    return f"select h, k, c, pc, dt{more} from ({paired})"


def _without_repeats(asked: Question, rows: str) -> str:
    """
    Return the statement of the rows that tell of another status than the one before them.
    """
    other = f"(k & {CODE}) > {asked.codes.last} or pk is null or (k & {CODE}) <> (pk & {CODE})"
    end = f"coalesce((lead(k) over o & {CODE}) > {asked.codes.last}, true)"
    ends = f", {end} as is_end" if asked.waits else ""
    # Seen here: the row before, of the same time, may repeat a status, and then is gone.
    low = asked.key.low
    tied = f", coalesce(k >> {low} = pk >> {low}, false) as tied" if asked.fine else ""

    return (
        f"select h, k{', is_end' if asked.waits else ''}{tied} "
        f"from (select h, k, lag(k) over o as pk{ends} from {rows} "
        f"window o as (partition by h order by k)) where {other}{' or is_end' if asked.waits else ''}"
    )


def _flag(asked: Question, *, waiting: bool) -> str:
    """
    Return the condition that a finding is, or may be, about this row.
    """
    too_long = _too_long(asked) if waiting else ""
    names, last = asked.codes.statuses, asked.codes.last
    if asked.observed == "unordered":
        return too_long or "false"
    legal = [
        before << 10 | code
        for before, source in enumerate(names, 1)
        for code, target in enumerate(names, 1)
        if asked.wrong(source, target) is None
    ]
    starts = asked.codes.of(frozenset(asked.lifecycle.initial_statuses))
    legal += starts if asked.observed == "complete" else range(1, last + 1)
    wrong = f"(pc << 10 | c) not in ({', '.join(map(str, legal))})"

    return f"{wrong} or {too_long}" if too_long else wrong


def _too_long(asked: Question) -> str:
    """
    Return the condition that a run was in the status before for longer than that may last.
    """
    times = f"{asked.key.seconds('k')} - {asked.key.seconds('pk')}"

    return (
        f"coalesce(pc > 0 and c <= {asked.codes.last} and {times} > {_limit(asked, 'pc')}, false)"
    )


def _late(asked: Question) -> str:
    """
    Return the condition that a run has been in its last status for too long by now.
    """
    if asked.now is None:
        return ""
    since = f"case when pc = c then {asked.key.seconds('pk')} else {asked.key.seconds('k')} end"
    told = f"(pc = c and {_too_long(asked)})"

    return (
        f"coalesce(is_end and not is_over and c <= {asked.codes.last} "
        f"and {float(asked.now)!r}::double - {since} > {_limit(asked, 'c')} and not {told}, false)"
    )


def _limit(asked: Question, code: str) -> str:
    cases = " ".join(
        f"when {asked.codes.statuses.index(status) + 1} then {limit!r}::double"
        for status, limit in asked.limits.items()
    )

    return f"case {code} {cases} end"


def _among(expression: str, numbers: Iterable[int]) -> str:
    # An empty list is not SQL.
    return f"({expression}) in ({', '.join(map(str, numbers)) or 'null'})"
