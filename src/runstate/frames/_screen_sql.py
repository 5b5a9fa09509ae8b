"""
The statement that sorts the rows of each run, and counts each with the one before it.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ..histories._survey import OCTAVE
from ._request import Question
from ._sort_key import CODE

__all__ = ["MOST_APART", "MOST_LONGEST", "Group", "pairs", "statement"]

MOST_APART: Final = 50_000
"""Runs that each group names to be judged one by one."""
MOST_LONGEST: Final = 16
"""The longest durations that are kept of each group, in case that some of them do not count."""
_MOST_IN_MASK: Final = 60
"""Statuses whose numbers fit into the bits of one number."""


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
    total: int | None
    longest: list[int] | None
    """The longest durations, the longest first."""
    first: int | None
    """The least number of a row."""
    last: int | None
    """The greatest one."""
    suspects: list[dict[str, Any]] | None
    """The first ones: where they are (w), and their runs (h)."""
    lone: int
    """How many of them are the only row of their run."""
    tied: int
    """How many of them are at the time of another row of their run."""
    too_long: int
    late: int
    late_suspects: list[dict[str, Any]] | None
    candidates: list[int | str] | None
    """Runs that there may be a finding about, the first ones by their keys."""
    mixed: list[int | str] | None
    """Runs that were in several statuses at one time."""
    back: list[int | str] | None
    """Runs of rows that stand before an earlier one in the source."""
    unsure: list[int | str] | None
    """Runs that this does not count right."""
    sample: list[int | str] | None


def statement(asked: Question, rows: str, *, once: bool, first: bool) -> str:
    """
    Return the statement whose rows are :class:`Group`.

    Args:
        asked: What is asked.
        rows: Statement of the rows, as h and k.
        once: Whether no status is repeated, or it does not matter.
        first: Whether the first suspects of each group are kept, which takes room for each.
    """
    measured = asked.measured and asked.source.timed
    bucket = _bucket(asked) if measured else "0"
    flag = _flag(asked, waiting=not once and asked.waits)
    late = _late(asked) if asked.waits else ""
    timed = asked.source.timed and asked.in_order
    parts = [
        "pc, c",
        f"{bucket} as bucket",
        "count(*)",
        f"sum(dt), max(dt, {MOST_LONGEST})" if measured else "null, null",
        "min(k), max(k)" if measured else "null, null",
        _first(asked, "k", flag) if first else "null",
        "count(*) filter (lone)",
        "count(*) filter (tied)" if timed else "0",
        f"count(*) filter ({_too_long(asked)}), count(*) filter ({late or 'false'})"
        if asked.waits
        else "0, 0",
        _first(asked, "first_k", late) if first and late else "null",
        _runs(f"{flag} or {late}" if late else flag),
        _runs("mixed") if timed else "null",
        _runs("back") if timed and asked.key.placed else "null",
        _runs(_unsure(asked, once=once)),
        f"min(h, {asked.samples}) filter (pc = 0 and c <= {asked.codes.unknown})"
        if asked.samples
        else "null",
    ]

    return (
        f"select {', '.join(parts)} from ({pairs(asked, rows, once=once)}) "
        f"group by pc, c{', bucket' if measured else ''}"
    )


def _runs(condition: str) -> str:
    return f"min(h, {MOST_APART}) filter ({condition})"


def _unsure(asked: Question, *, once: bool) -> str:
    """
    Return the condition that the run of a row is not counted right by this statement.

    A row without a time stays where it stands, and a repeated status has begun earlier.
    """
    timeless = f"c > {asked.codes.unusable}"
    repeated = f"pc = c and c <= {asked.codes.last}"
    if not once:
        return f"{timeless} or ({repeated} and (tied or back))"

    return f"{timeless} or ({repeated})" if asked.measured else timeless


def _bucket(asked: Question) -> str:
    return (
        f"case when pc <> c and c <= {asked.codes.last} and dt > 0 "
        f"then (1 + floor({OCTAVE} * log2(dt)))::integer else 0 end"
    )


def _first(asked: Question, k: str, flag: str) -> str:
    return f"min({{'w': {asked.key.where(k)}, 'h': h}}, {asked.limit + 1}) filter ({flag})"


def pairs(asked: Question, rows: str, *, once: bool) -> str:
    """
    Return the statement of each row and the one before it: h, k, c, pc, dt and what else is asked.

    Where a status may be repeated, only the first row of each repetition is in it, and
    the last row of a run where runs may wait.
    """
    key = asked.key
    more = ", lone, tied, mixed, back"
    before = more
    if asked.waits:
        terminal = _among(f"k & {CODE}", asked.codes.of(frozenset(asked.lifecycle.terminal)))
        before += (
            f", is_end, first_value(k) over o as first_k, "
            f"coalesce(bool_or({terminal}) over (o rows unbounded preceding), false) as is_over"
        )
        more += ", pk, is_end, first_k, is_over"
    if once:
        # One pass over the sorted rows is enough where none of them is left out.
        paired = (
            f"(select *, {_beside(asked)} from (select h, k, {_NEIGHBOURS} from {rows} {_WINDOW}))"
        )
    else:
        paired = f"(select h, k, lag(k) over o as pk{before} from ({_without_repeats(asked, rows)}) {_WINDOW})"

    # What has no place in its run is told apart only by whether anything comes before it.
    return (
        f"select h, k, (k & {CODE})::integer as c, coalesce((pk & {CODE})::integer, 0) as pc, "
        f"{key.lasted('k', 'pk')} as dt{more} from {paired}"
    )


_WINDOW: Final = "window o as (partition by h order by k)"
_NEIGHBOURS: Final = "lag(k) over o as pk, lead(k) over o as nk"


def _beside(asked: Question) -> str:
    """
    Return what the rows before and after a row of its run tell: lone, tied and back.
    """
    key, last = asked.key, asked.codes.last
    here = f"(k & {CODE}) <= {last}"
    following = f"nk is null or (nk & {CODE}) > {last}"
    parts = [f"{here} and pk is null and ({following}) as lone"]
    if asked.source.timed:
        low = key.low
        parts.append(
            f"{here} and coalesce(k >> {low} = pk >> {low} and (k & {CODE}) <> (pk & {CODE}), false) "
            "as mixed"
        )
        parts.append(
            f"{here} and (coalesce(k >> {low} = pk >> {low}, false) "
            f"or coalesce(k >> {low} = nk >> {low} and (nk & {CODE}) <= {last}, false)) as tied"
        )
    else:
        parts.append("false as mixed, false as tied")
    behind = f"{here} and coalesce({key.place('k')} < {key.place('pk')}, false)"
    parts.append(f"{behind if key.placed else 'false'} as back")

    return ", ".join(parts)


def _without_repeats(asked: Question, rows: str) -> str:
    """
    Return the statement of the rows that tell of another status than the one before them.
    """
    other = f"(k & {CODE}) > {asked.codes.last} or pk is null or (k & {CODE}) <> (pk & {CODE})"
    end = f", coalesce((nk & {CODE}) > {asked.codes.last}, true) as is_end" if asked.waits else ""
    kept = f"{other} or tied or back{' or is_end' if asked.waits else ''}"

    return (
        f"select * from (select *, {_beside(asked)}{end} "
        f"from (select h, k, {_NEIGHBOURS} from {rows} {_WINDOW})) where {kept}"
    )


def _flag(asked: Question, *, waiting: bool) -> str:
    """
    Return the condition that a finding is, or may be, about this row.
    """
    conditions = [_too_long(asked)] if waiting else []
    if asked.in_order:
        conditions.append(_wrong(asked))
    if asked.in_order and asked.source.timed and asked.key.placed:
        conditions.append("back")

    return " or ".join(f"({condition})" for condition in conditions) or "false"


def _wrong(asked: Question) -> str:
    """
    Return the condition that this row may not follow the one before it, or begin its run.

    A run of one row may begin anywhere: one record alone is no history.
    """
    names, last = asked.codes.statuses, asked.codes.last
    legal = [
        before << 10 | code
        for before, source in enumerate(names, 1)
        for code, target in enumerate(names, 1)
        if asked.wrong(source, target) is None
    ]
    starts = asked.codes.of(frozenset(asked.lifecycle.initial_statuses))
    legal += starts if asked.observed == "complete" else range(1, last + 1)

    return f"{_none_of(legal, last)} and not lone and c <= {asked.codes.unknown}"


def _none_of(legal: Iterable[int], last: int) -> str:
    """
    Return the condition that the statuses of a row, pc and c, are none of the pairs *legal*.
    """
    if last > _MOST_IN_MASK:
        return f"(pc << 10 | c) not in ({', '.join(map(str, legal))})"
    # A bit for each status that may follow: half the time of a list of all pairs.
    masks: Counter[int] = Counter()
    for pair in legal:
        masks[pair >> 10] |= 1 << (pair & CODE)
    cases = " ".join(f"when {before} then {mask}" for before, mask in masks.items())

    return f"((case pc {cases} else 0 end)::bigint >> c & 1) = 0"


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
