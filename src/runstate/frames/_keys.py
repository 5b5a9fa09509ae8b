r"""
A row as one number, so that a run's rows are sorted by comparing numbers.

From the highest bit: 11 of a second hash of the run's id, 52 of the time in
microseconds, 54 of the row's place in the source, 10 of the status. Times that are
equal are so put in the order of the rows, and runs whose first hashes collide do not
interleave unless the second ones do too.

A row that has no place in a run's history (its status is unknown or missing, its time
missing or unreadable) has a second hash that no run has, so that it comes after the
run's own rows, and between none of them.
"""

from typing import Final, NamedTuple

from .._lifecycle import Lifecycle
from ._engine import listed
from ._errors import FrameError
from ._source import Source
from ._times import microseconds

__all__ = ["CODE", "TIME_BITS", "Codes", "coded", "codes_of", "keyed", "run_key"]

CODE: Final = 1_023
"""Mask of the status in a key."""

_ROW_BITS: Final = 36
TIME_BITS: Final = 52
_UNKNOWN_LAST: Final = 2_046
_LAST: Final = 2_047

# What tests replace, to force collisions.
_HASH: Final = "hash(id)"
_SECOND: Final = "hash('1' || id) % 2046"


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


def codes_of(lifecycle: Lifecycle) -> Codes:
    """
    Return the numbers of the statuses of *lifecycle*.

    Raises:
        FrameError: There are more than a thousand.
    """
    if len(lifecycle.statuses) > 1_000:
        raise FrameError("", f"{lifecycle.name} has more than 1,000 statuses")

    return Codes(tuple(map(str, lifecycle.statuses)))


def run_key(source: Source, *, exact: bool) -> tuple[str, str]:
    """
    Return the expressions by which rows of one run are known: what to group by, and a second hash.

    Where *exact*, the former is the id itself, and nothing can collide.
    """
    if exact:
        return "coalesce('=' || id, '')", "0"
    numeric = source.numeric_ids

    return _HASH, "0" if numeric else _SECOND


def code(source: Source, codes: Codes) -> str:
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


def coded(source: Source, codes: Codes, *, assume_utc: bool, exact: bool, placed: bool) -> str:
    """
    Return the statement of all rows as h, s, us, c and, where they are *placed*, f and r.
    """
    h, second = run_key(source, exact=exact)
    us = microseconds(source, assume_utc=assume_utc) if source.timed else "0"
    table = source.table if placed else source.unnumbered or source.table
    place = ", f, r" if placed else ""

    return (
        f"(select h, s, us, {code(source, codes)} as c{place} "
        f"from (select {h} as h, {second} as s, {us} as us, moment, status{place} from {table}))"
    )


def keyed(source: Source, codes: Codes, *, assume_utc: bool, exact: bool) -> str:
    """
    Return the statement of all rows as h, what to group by, and k, the number of the row.
    """
    second = (
        f"case when c <= {codes.last} then s when c = {codes.unknown} then {_UNKNOWN_LAST} "
        f"else {_LAST} end"
    )
    # Where rows stand in no order, those of one time are in that of the statuses.
    place = f"(f::bigint << {_ROW_BITS} | r) << 10 | c" if source.ordered else "c::bigint"
    rows = coded(source, codes, assume_utc=assume_utc, exact=exact, placed=True)

    return (
        f"(select h, (((({second})::bigint << {TIME_BITS}) | coalesce(us, 0))::hugeint << 64) "
        f"| ({place}) as k from {rows})"
    )
