r"""
A row as one number, so that a run's rows are sorted by comparing numbers.

From the highest bit: two that say that the row has no place in its run's history, 52 of
the time in microseconds, 54 of the row's place in the source, 10 of the status. So rows
of one time are in the order in which they stand; those of a database, which stand in none,
are in the order of the statuses.

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

__all__ = ["APART", "CODE", "Codes", "Key", "coded", "codes_of", "run_key", "usable"]

CODE: Final = 1_023
"""Mask of the status in a key."""

_CODE_BITS: Final = 10
_ROW_BITS: Final = 36
_FILE_BITS: Final = 18
_TIME: Final = (1 << 52) - 1

_VISIBLE: Final = r"( |[^\pC\pZ])*"

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
        """No id or no status that the readers would take."""
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

    @property
    def low(self) -> int:
        """Bits below the time."""
        return _CODE_BITS + (_ROW_BITS + _FILE_BITS if self.placed else 0)

    @property
    def kind(self) -> str:
        """Type of the number."""
        return "hugeint" if self.placed else "ubigint"

    def of(self, codes: Codes) -> str:
        """
        Return the number of a row of us, c, f and r.
        """
        late = f"case when c <= {codes.last} then 0 when c = {codes.unknown} then {_TIME + 1} else {2 * _TIME + 2} end"
        place = f"((f::bigint << {_ROW_BITS} | r) << {_CODE_BITS} | c)" if self.placed else "c"

        return f"(({late} + coalesce(us, 0))::{self.kind} << {self.low}) | {place}::{self.kind}"

    def where(self, k: str) -> str:
        """
        Return what the row of *k* is sorted by among all rows: time, place and status.
        """
        return f"{k} & {(_TIME + 1 << self.low) - 1}::{self.kind}"

    def lasted(self, k: str, before: str) -> str:
        """
        Return the microseconds from the row of *before* to that of *k*.
        """
        return f"(({k} >> {self.low}) - ({before} >> {self.low}))::bigint"

    def seconds(self, k: str) -> str:
        """
        Return the time of *k* as Unix seconds.
        """
        return f"(({k} >> {self.low}) & {_TIME}) / 1e6"

    def micros(self, k: str) -> str:
        """
        Return the time of *k* in microseconds since 1970.
        """
        return f"(({k} >> {self.low}) & {_TIME})::bigint"

    def time(self, k: int) -> int:
        """
        Return the time of *k* in microseconds.
        """
        return k >> self.low & _TIME

    def place(self, k: str) -> str:
        """
        Return where the row of *k* stands in the source.
        """
        return f"(({k} >> {_CODE_BITS}) & {(1 << _ROW_BITS + _FILE_BITS) - 1}::hugeint)"


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
    # A case is worked out for those rows alone that come to it; both sides of an "or" are for all.
    visible = f"case when id::varchar glob '*[! -~]*' then regexp_full_match(id::varchar, '{_VISIBLE}') else true end"
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
