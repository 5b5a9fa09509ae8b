r"""
A row as one number, so that a run's rows are sorted by comparing numbers.

From the highest bit: two that say that the row has no place in its run's history, 52 of
the time in microseconds, 54 of the row's place in the source, 10 of the status. So rows
of one time are in the order in which they stand. Where hardly any two rows of a run are
of one time, the place is left out: what remains is a number of half the size, which is
sorted faster, and the few runs that have such rows are looked at once more.

A row whose status is unknown comes after the run's own rows, and between none of them;
one without a status or a time, after those.
"""

from typing import Final, NamedTuple

from ..lifecycle._table import Lifecycle
from ._columns import Source
from ._duckdb import listed
from ._errors import FrameError
from ._times import microseconds

__all__ = ["CODE", "Codes", "Key", "coded", "codes_of", "run_key"]

CODE: Final = 1_023
"""Mask of the status in a key."""

_CODE_BITS: Final = 10
_ROW_BITS: Final = 36
_FILE_BITS: Final = 18
_TIME: Final = (1 << 52) - 1

# What tests replace, to force collisions.
_HASH: Final = "hash(id)"


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
    def missing(self) -> int:
        """No status, or an empty one."""
        return len(self.statuses) + 2

    @property
    def timeless(self) -> int:
        """No time."""
        return len(self.statuses) + 3

    @property
    def mistimed(self) -> int:
        """A time that cannot be read."""
        return len(self.statuses) + 4

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

    def time(self, k: int) -> int:
        """
        Return the time of *k* in microseconds.
        """
        return k >> self.low & _TIME

    def numbered(self, us: int, code: int) -> int:
        """
        Return what a row is sorted by whose place is no part of that.
        """
        return us << self.low | code


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


def coded(source: Source, codes: Codes, *, assume_utc: bool, exact: bool, placed: bool) -> str:
    """
    Return the statement of all rows as h, us, c and, where they are *placed*, f and r.
    """
    us = microseconds(source, assume_utc=assume_utc) if source.timed else "0"
    table = source.table if placed else source.unnumbered or source.table
    place = ", f, r" if placed else ""

    return (
        f"(select h, us, {_code(source, codes)} as c{place} "
        f"from (select {run_key(exact=exact)} as h, {us} as us, moment, status{place} from {table}))"
    )


def _code(source: Source, codes: Codes) -> str:
    """
    Return the expression of a row's number: of its status, or of what is wrong with it.
    """
    known = f"list_position({listed(codes.statuses)}, status)"
    number = (
        f"coalesce({known}, case when status is null or status = '' then {codes.missing} "
        f"else {codes.unknown} end)"
    )

    if not source.timed:
        return number
    unplaced = f"case when moment is null then {codes.timeless} else {codes.mistimed} end"

    return f"case when us is null then {unplaced} else {number} end"
