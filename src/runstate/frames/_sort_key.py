r"""
A row as two numbers, so that a run's rows are sorted by comparing numbers.

t holds, from the highest bit, two that say that the row has no place in its run's history,
and 52 of the time in microseconds; p holds 54 of the row's place in the source, and 10 of
the status. So rows of one time are in the order in which they stand; those of a database,
which stand in none, are in the order of the statuses.

A row whose status is unknown comes after the run's own rows, and between none of them;
one without a status or a time, after those.
"""

from typing import Final, NamedTuple, Protocol

from ..lifecycle._table import Lifecycle
from ..readers._values import LONGEST_ID, LONGEST_STATUS
from ._columns import Source
from ._duckdb import listed
from ._errors import FrameError
from ._times import microseconds

__all__ = ["APART", "CODE", "NO_TIME", "Codes", "Key", "coded", "codes_of", "run_key", "usable"]

CODE: Final = 1_023
"""Mask of the status in p."""
NO_TIME: Final = 1 << 52
"""What t is not less than where a row has no place in its run's history."""

_CODE_BITS: Final = 10
_ROW_BITS: Final = 36
_TIME: Final = NO_TIME - 1

# The characters that Python calls printable. The classes are listed because RE2's class of other
# characters, C, lacks the code points that Unicode has not assigned.
_VISIBLE: Final = r"[ \pL\pM\pN\pP\pS]*"

APART: Final = "apart"
"""Table of the runs that are judged one by one, by what their rows are grouped by: h."""

# What tests replace, to force collisions.
_HASH: Final = "hash(id)"


class Rows(Protocol):
    """
    Which rows are numbered, and how.
    """

    @property
    def source(self) -> Source:
        """Where they are."""

    @property
    def assume_utc(self) -> bool:
        """Whether a time without a zone is UTC."""

    @property
    def by_id(self) -> bool:
        """Whether runs are told apart by their ids rather than by hashes of those."""

    @property
    def apart(self) -> bool:
        """Whether the runs in :data:`APART` are left out."""

    @property
    def in_order(self) -> bool:
        """Whether the order of a run's rows matters."""


class Codes(NamedTuple):
    """
    The statuses by number from 1, in the order of the lifecycle, and what is none after them.
    """

    statuses: tuple[str, ...]

    @property
    def last(self) -> int:
        """The highest number of a status."""
        return len(self.statuses)

    @property
    def unknown(self) -> int:
        """A status that the lifecycle does not know."""
        return len(self.statuses) + 1

    @property
    def unusable(self) -> int:
        """Without an id or a status that the readers accept."""
        return len(self.statuses) + 2

    @property
    def timeless(self) -> int:
        """No time."""
        return len(self.statuses) + 3

    @property
    def mistimed(self) -> int:
        """A time that cannot be read."""
        return len(self.statuses) + 4

    def place(self, status: str) -> str:
        """
        Return the expression of the number of *status*; null where it is none of them.
        """
        return f"list_position({listed(self.statuses)}, {status})"

    def of(self, lifecycle_statuses: frozenset[str]) -> tuple[int, ...]:
        """
        Return the numbers of *lifecycle_statuses*, in order.
        """
        return tuple(n for n, s in enumerate(self.statuses, 1) if s in lifecycle_statuses)


class Key(NamedTuple):
    """
    How rows are numbered.
    """

    placed: bool
    """Whether the place of a row is part of its number."""

    def of(self, codes: Codes) -> str:
        """
        Return the columns t and p of a row of us, c, f and r.
        """
        late = f"case when c <= {codes.last} then 0 when c = {codes.unknown} then {NO_TIME} else {2 * NO_TIME} end"
        place = (
            f"(f::ubigint << {_ROW_BITS} | r::ubigint) << {_CODE_BITS} | " if self.placed else ""
        )

        return f"{late} + coalesce(us, 0) as t, {place}c::ubigint as p"

    def where(self, t: str = "t", p: str = "p") -> str:
        """
        Return what a row is sorted by among all rows: time, place and status.
        """
        return f"(({t} & {_TIME})::hugeint << 64) | {p}::hugeint"

    def seconds(self, t: str) -> str:
        """
        Return the time of *t* as Unix seconds.
        """
        return f"({t} & {_TIME}) / 1e6"

    def time(self, t: int) -> int:
        """
        Return the time of *t* in microseconds.
        """
        return t & _TIME


def codes_of(lifecycle: Lifecycle) -> Codes:
    """
    Return the numbers of the statuses of *lifecycle*.

    Raises:
        FrameError: There are more than a thousand.
    """
    if len(lifecycle.statuses) > 1_000:
        raise FrameError("", f"{lifecycle.name} has more than 1,000 statuses")

    return Codes(tuple(map(str, lifecycle.statuses)))


def run_key(*, exact: bool) -> str:
    """
    Return what rows of one run have in common: the hash of its id; if *exact*, the id itself.
    """
    return "coalesce('=' || id, '')" if exact else _HASH


def coded(asked: Rows, codes: Codes, *, placed: bool, only: bool = False) -> str:
    """
    Return the statement of all rows as h, us, c and, where they are *placed*, f and r.

    *Only* those of the runs in :data:`APART`, where that is asked for.
    """
    source = asked.source
    place = ", f, r" if placed else ""
    chosen = (
        f" where h {'' if only else 'not '}in (select h from {APART})"
        if asked.apart or only
        else ""
    )
    if source.coded:
        return f"(select h, us, c{place} from {source.coded}{chosen})"
    us = microseconds(source, assume_utc=asked.assume_utc) if source.timed else "0"
    table = source.table if placed else source.unnumbered or source.table
    # What is left out is left out first, before its time and its id are looked at.
    rows = f"(select {run_key(exact=asked.by_id)} as h, id, moment, status{place} from {table}){chosen}"

    return (
        f"(select h, us, {_code(source, codes, in_order=asked.in_order)} as c{place} from (select "
        f"h, {us} as us, moment, status, {usable()} as usable{place} from {rows}))"
    )


def usable() -> str:
    """
    Return the condition that the readers take a row's id and status.

    An id is 1 to 512 visible characters, a status 1 to 200. Only what is not plain ASCII is
    looked at closely, which costs much more.
    """
    # A case is worked out for those rows alone that come to it, and both sides of an "or" for all.
    # JSON writes control characters in more bytes; to look at each character takes five times as long.
    plain = (
        "strlen(to_json(id::varchar)::varchar) = strlen(id::varchar) + 2 "
        "and strlen(id::varchar) = length(id::varchar) and not contains(id::varchar, chr(127))"
    )
    visible = f"case when {plain} then true else regexp_full_match(id::varchar, '{_VISIBLE}') end"
    sizes = (
        f"case when strlen({value}) between 1 and {longest} then true "
        f"else coalesce(length({value}) between 1 and {longest}, false) end"
        for value, longest in (("id::varchar", LONGEST_ID), ("status", LONGEST_STATUS))
    )

    return f"({' and '.join(sizes)} and {visible})"


def _code(source: Source, codes: Codes, *, in_order: bool) -> str:
    """
    Return the expression of a row's number: of its status, or of what is wrong with it.
    """
    number = f"coalesce({codes.place('status')}, {codes.unknown})"
    if source.timed:
        # Without an order it does not matter that a time is missing, only that one is unreadable.
        timeless = f"when us is null and moment is null then {codes.timeless} " if in_order else ""
        unread = f"when us is null and moment is not null then {codes.mistimed} "
        number = f"case {timeless}{unread}else {number} end"

    return f"case when not usable then {codes.unusable} else {number} end"
