"""
The statement that sorts the rows of each run, and counts each with the one before it.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ..histories._survey import OCTAVE
from ._request import Question
from ._sort_key import CODE, NO_TIME

__all__ = ["MOST_APART", "MOST_LONGEST", "Group", "pairs", "statement"]

MOST_APART: Final = 50_000
"""Runs that each group names to be judged one by one."""
MOST_LONGEST: Final = 16
"""The longest durations that are kept of each group, in case that some of them do not count."""
_NO_STATUS: Final = 5
"""Codes that stand for something other than a status: 0, and the four after the last status."""
_MOST_IN_MASK: Final = 58
"""Statuses whose numbers fit into the bits of one number."""


class Group(NamedTuple):
    """
    All rows of one status that follow rows of another, are alike, and took about as long.
    """

    before: int
    """Number of the status before; 0 for a run's first row."""
    code: int
    bucket: int
    """That of the durations; 0 where there is none."""
    lone: bool
    """Whether each is the only row of its run."""
    tied: bool
    """Whether each is at the time of another row of its run."""
    mixed: bool
    """Whether the run was in several statuses at that time."""
    back: bool
    """Whether each stands before an earlier one in the source."""
    flagged: bool
    """Whether there may be a finding about each."""
    unsure: bool
    """Whether the statement does not count the runs right."""
    too_long: bool
    """Whether the status before had lasted for too long."""
    late: bool
    """Whether the run has been in its last status for too long."""
    rows: int
    total: int | None
    longest: list[int] | None
    """The longest durations, the longest first."""
    first: int | None
    """The least t of a row."""
    last: int | None
    """The greatest one."""
    suspects: list[dict[str, Any]] | None
    """The first ones: where they are (w), and their runs (h)."""
    late_suspects: list[dict[str, Any]] | None
    runs: list[int | str] | None
    """The runs of those rows that are looked at again; at most :data:`MOST_APART` of them."""
    sample: list[int | str] | None

    @property
    def kind(self) -> tuple[int | bool, ...]:
        """What the rows have in common."""
        return self[:11]


def statement(asked: Question, rows: str, *, once: bool, first: bool) -> str:
    """
    Return the statement whose rows are :class:`Group`.

    What a row is belongs to what rows are grouped by: to count rows under conditions, or to
    keep a bounded list for each, takes longer than to sort them.

    Args:
        asked: What is asked.
        rows: Statement of the rows, as h, t and p.
        once: Whether no status is repeated, or it does not matter.
        first: Whether the first suspects of each group are kept, which takes room for each.
    """
    measured = asked.measured and asked.source.timed
    flags = {
        "flagged": _flag(asked, waiting=not once and asked.waits),
        "unsure": _unsure(asked, once=once),
        "too_long": _too_long(asked) if asked.waits else "false",
        "late": _late(asked) or "false",
    }
    named = ", ".join(f"({condition}) as {name}" for name, condition in flags.items())
    parts = [
        f"pc, c, {_bucket(asked) if measured else '0'} as bucket",
        f"lone, tied, mixed, back, {', '.join(flags)}, count(*)",
        f"sum(dt), max(dt, {MOST_LONGEST})" if measured else "null, null",
        "min(t), max(t)" if measured else "null, null",
        _first(asked, asked.key.where(), "flagged") if first else "null",
        _first(asked, asked.key.where("first_t", "first_p"), "late")
        if first and asked.waits
        else "null",
        _runs(),
        f"min(h, {asked.samples}) filter (pc = 0 and c <= {asked.codes.unknown})"
        if asked.samples
        else "null",
    ]

    return (
        f"select {', '.join(parts)} from (select *, {named} from ({pairs(asked, rows, once=once)})) "
        "group by all"
    )


def _runs() -> str:
    """
    Return the list of the runs that are looked at again. It takes 8 bytes for each of their rows.

    min(h, n) would reserve room for n runs in every group, and there are thousands of groups.
    """
    return f"(list(h) filter (flagged or late or mixed or back or unsure))[:{MOST_APART}]"


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
        f"case when pc > 0 and pc <> c and c <= {asked.codes.last} and dt > 0 "
        f"then (1 + floor({OCTAVE} * log2(dt)))::integer else 0 end"
    )


def _first(asked: Question, where: str, flag: str) -> str:
    return f"min({{'w': {where}, 'h': h}}, {asked.limit + 1}) filter ({flag})"


def pairs(asked: Question, rows: str, *, once: bool) -> str:
    """
    Return the statement of each row and the one before it: h, t, p, c, pc, dt and what else is asked.

    Where a status may be repeated, only the first row of each repetition is in it, and
    the last row of a run where runs may wait.
    """
    more = ", lone, tied, mixed, back"
    before = more
    if asked.waits:
        terminal = _among(f"p & {CODE}", asked.codes.of(frozenset(asked.lifecycle.terminal)))
        before += (
            ", is_end, first_value(t) over o as first_t, first_value(p) over o as first_p, "
            f"coalesce(bool_or({terminal}) over (o rows unbounded preceding), false) as is_over"
        )
        more += ", pt, is_end, first_t, first_p, is_over"
    if once:
        # One pass over the sorted rows is enough where none of them is left out.
        paired = f"(select *, {_beside(asked)} from (select h, t, p, {_BEFORE}, {_AFTER} from {rows} {_WINDOW}))"
    else:
        paired = (
            f"(select h, t, p, {_BEFORE}{before} from ({_without_repeats(asked, rows)}) {_WINDOW})"
        )

    # What has no place in its run is told apart only by whether anything comes before it.
    return (
        f"select h, t, p, (p & {CODE})::integer as c, (pp & {CODE})::integer as pc, "
        f"t - pt as dt{more} from {paired}"
    )


_WINDOW: Final = "window o as (partition by h order by t, p)"
# What is before a run's first row, and behind its last one, is less and more than any row.
_BEFORE: Final = "lag(t, 1, -1) over o as pt, lag(p, 1, 0) over o as pp"
_AFTER: Final = f"lead(t, 1, {4 * NO_TIME}) over o as nt"


def _beside(asked: Question) -> str:
    """
    Return what the rows before and after a row of its run tell: lone, tied, mixed and back.
    """
    here = f"t < {NO_TIME}"
    timed, placed = asked.source.timed, asked.key.placed
    parts = {
        "lone": f"pp = 0 and nt >= {NO_TIME}",
        "tied": "(t = pt or t = nt)" if timed else "false",
        "mixed": f"t = pt and (p & {CODE}) <> (pp & {CODE})" if timed else "false",
        "back": "p < pp" if placed else "false",
    }

    return ", ".join(f"{here} and {condition} as {name}" for name, condition in parts.items())


def _without_repeats(asked: Question, rows: str) -> str:
    """
    Return the statement of the rows that tell of another status than the one before them.
    """
    other = f"t >= {NO_TIME} or (p & {CODE}) <> (pp & {CODE})"
    end = f", nt >= {NO_TIME} as is_end" if asked.waits else ""
    kept = f"{other} or tied or back{' or is_end' if asked.waits else ''}"

    return (
        f"select * from (select *, {_beside(asked)}{end} "
        f"from (select h, t, p, {_BEFORE}, {_AFTER} from {rows} {_WINDOW})) where {kept}"
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
    names, last, pairs = asked.codes.statuses, asked.codes.last, asked.legal
    legal = [
        before << 10 | code
        for before, source in enumerate(names, 1)
        for code, target in enumerate(names, 1)
        if (source, target) in pairs
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
    masks = [0] * (last + _NO_STATUS)
    for pair in legal:
        masks[pair >> 10] |= 1 << (pair & CODE)

    return f"({masks}[pc + 1] >> c & 1) = 0"


def _too_long(asked: Question) -> str:
    """
    Return the condition that a run was in the status before for longer than that may last.
    """
    times = f"{asked.key.seconds('t')} - {asked.key.seconds('pt')}"

    return (
        f"coalesce(pc > 0 and c <= {asked.codes.last} and {times} > {_limit(asked, 'pc')}, false)"
    )


def _late(asked: Question) -> str:
    """
    Return the condition that a run has been in its last status for too long by now.
    """
    if asked.now is None:
        return ""
    since = f"case when pc = c then {asked.key.seconds('pt')} else {asked.key.seconds('t')} end"
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
