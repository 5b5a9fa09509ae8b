"""
What is read, as a table of SQL whose columns are always called the same.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple

from .._text import printable
from ..histories._records import Finding
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ._duckdb import Engine, quoted
from ._errors import FrameError

__all__ = ["Chosen", "Source", "chosen", "described"]

_TIMES: Final = ("observed_at", "at", "timestamp")
_MOST_NAMES: Final = 12


class Source(NamedTuple):
    """
    A table of rows about runs.
    """

    table: str
    """Statement with the columns id, status, moment, f (number of the file) and r (of the row in it, from 0)."""
    at_kind: str
    """Type of *moment* in the engine; empty where there is no time."""
    at_name: str = ""
    names: tuple[str, ...] = ()
    """Of the files, by number; empty where it is no file."""
    starts: tuple[int, ...] = ()
    """Number of the first row of each file, where rows are numbered through."""
    gaps: tuple[tuple[int, ...], ...] = ()
    """Of each file, for each line that is no row, how many rows stand before it; in order."""
    texts: bool = False
    """Whether every column is text, as in CSV, numbers too."""
    numeric_ids: bool = False
    """Whether ids are whole numbers of 64 bits, whose hashes do not collide."""
    ordered: bool = True
    """Whether rows stand in an order; those of a database do not."""
    unnumbered: str = ""
    """The same statement without *r*, where numbering costs; else empty."""
    unread: int = 0
    """Records that could not be read at all."""
    unreadable: tuple[Finding, ...] = ()
    """The first findings about those."""

    @property
    def timed(self) -> bool:
        """Whether rows have times."""
        return bool(self.at_kind)

    def place(self, file: int, row: int) -> tuple[str | None, int | None]:
        """
        Return the name of a row's file, and its number in it from 1.
        """
        name = self.names[file] if self.names else None
        if not self.ordered:
            return name, None

        place = row - (self.starts[file] if self.starts else 0)

        return name, place + 1 + (bisect_left(self.gaps[file], place) if self.gaps else 0)


class Chosen(NamedTuple):
    """
    The names of the columns that are used.
    """

    run_id: str
    status: str
    at: str | None


def chosen(place: str, names: Sequence[str], columns: Columns, lifecycle: Lifecycle) -> Chosen:
    """
    Return which of *names* are used: those that the caller named, else the usual ones.

    Raises:
        FrameError: One that is needed is not there.
    """
    run_id = _column(place, names, columns.run_id, _ids(lifecycle), "--run-id")
    status = _column(place, names, columns.status, (lifecycle.status_field,), "--status")
    if columns.at is None:
        return Chosen(run_id, status, next((name for name in _TIMES if name in names), None))

    return Chosen(run_id, status, _column(place, names, columns.at, (), "--at"))


def described(
    engine: Engine,
    relation: str,
    columns: Columns,
    lifecycle: Lifecycle,
    *,
    file: str = "0",
    row: str = "row_number() over () - 1",
    names: Sequence[str] = (),
    ordered: bool = True,
) -> Source:
    """
    Return *relation* as a source, its columns found.

    Raises:
        FrameError: It cannot be read, lacks a column, or has one of a type that cannot be used.
    """
    kinds = {name: kind for name, kind, *_ in engine.rows(f"describe select * from {relation}")}
    run_id, status, at = chosen(engine.place, [*kinds], columns, lifecycle)
    _refuse_kinds(engine, kinds, run_id, status)
    numeric = kinds[run_id] in {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}
    id_value = quoted(run_id) if numeric else f"{quoted(run_id)}::varchar"
    parts = (
        f"{id_value} as id, {quoted(status)}::varchar as status, "
        f"{quoted(at) if at is not None else 'null'} as moment, {file} as f"
    )
    row = row if ordered else "0"

    return Source(
        f"(select {parts}, {row} as r from {relation})",
        kinds[at] if at is not None else "",
        at or "",
        tuple(names),
        numeric_ids=numeric,
        ordered=ordered,
        unnumbered=f"(select {parts} from {relation})" if "over" in row else "",
    )


def _ids(lifecycle: Lifecycle) -> tuple[str, ...]:
    """
    Return where a run's id is looked for, in the order in which the readers do.
    """
    return tuple(
        dict.fromkeys(
            (*(() if lifecycle.id_field == "id" else (lifecycle.id_field,)), "run_id", "id")
        )
    )


def _column(
    place: str, names: Sequence[str], named: str | None, usual: Sequence[str], option: str
) -> str:
    wanted = (named,) if named is not None else usual
    for name in wanted:
        if name in names:
            return name
    sought = " or ".join(f"'{printable(name, 60)}'" for name in wanted)
    close = next((c for name in wanted for c in get_close_matches(name, names, n=1)), None)
    guess = f"did you mean '{printable(close, 60)}'? " if close else ""
    there = ", ".join(printable(name, 40) for name in names[:_MOST_NAMES])
    more = ", …" if len(names) > _MOST_NAMES else ""

    raise FrameError(
        place,
        f"no column {sought} ({guess}columns: {there or 'none'}{more}; {option} names another)",
    )


def _refuse_kinds(engine: Engine, kinds: Mapping[str, str], run_id: str, status: str) -> None:
    kind = kinds[status]
    if kind not in {"VARCHAR", '"NULL"'} and not kind.startswith("ENUM"):
        raise FrameError(
            engine.place, f"column '{printable(status)}' is {kind}; statuses are texts"
        )
    kind = kinds[run_id]
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "BLOB")):
        raise FrameError(
            engine.place,
            f"column '{printable(run_id)}' is {printable(kind, 60)}; ids are texts or whole numbers",
        )
