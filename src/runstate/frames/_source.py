"""
What is read, as a table of SQL whose columns are always called the same.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from glob import glob
from pathlib import Path
from typing import Final, NamedTuple

from .._lifecycle import Lifecycle
from .._text import printable
from ..readers import Columns
from ._engine import Engine, listed, quoted
from ._errors import FrameError

__all__ = ["Source", "files"]

_TIMES: Final = ("observed_at", "at", "timestamp")
_IDS: Final = ("run_id", "id")
_MOST_NAMES: Final = 12


class Source(NamedTuple):
    """
    A table of rows about runs.
    """

    table: str
    """Statement with the columns id, status, moment, f (number of the file) and r (of the row in it, from 0)."""
    at_kind: str
    """Type of *at* in the engine; empty where there is no time."""
    at_name: str
    names: tuple[str, ...]
    """Of the files, by number; empty where it is no file."""
    texts: bool = False
    """Whether every column is text, as in CSV, numbers too."""
    through: bool = False
    """Whether *r* goes on from file to file."""
    numeric_ids: bool = False
    """Whether ids are whole numbers of 64 bits, whose hashes do not collide."""
    unnumbered: str = ""
    """The same statement with 0 for *r*, where numbering costs; else empty."""

    @property
    def timed(self) -> bool:
        """Whether rows have times."""
        return bool(self.at_kind)


def files(engine: Engine, paths: Iterable[str], columns: Columns, lifecycle: Lifecycle) -> Source:
    """
    Return what is in the files, folders and patterns *paths*.

    Raises:
        FrameError: There is none, or it is not what its name says, or lacks a column.
    """
    names = [name for path in paths for name in _found(path)]
    if not names:
        raise FrameError("", "no file is named")
    engine.place = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    for name in names:
        if Path(name).stat().st_size == 0:
            raise FrameError(name, "the file is empty")
    relation = f"read_parquet({listed(names)}, union_by_name = true)"

    return described(
        engine, relation, columns, lifecycle, file="file_index", row="file_row_number", names=names
    )


def described(
    engine: Engine,
    relation: str,
    columns: Columns,
    lifecycle: Lifecycle,
    *,
    file: str = "0",
    row: str = "row_number() over () - 1",
    names: Sequence[str] = (),
    texts: bool = False,
) -> Source:
    """
    Return *relation* as a source, its columns found.

    Raises:
        FrameError: It cannot be read, or lacks a column.
    """
    kinds = {name: kind for name, kind, *_ in engine.rows(f"describe select * from {relation}")}
    run_id = _column(engine, kinds, columns.run_id, _ids(lifecycle), "run_id")
    status = _column(engine, kinds, columns.status, (lifecycle.status_field,), "status")
    at = columns.at if columns.at is not None else next((n for n in _TIMES if n in kinds), None)
    if at is not None:
        at = _column(engine, kinds, at, (at,), "at")
    _refuse_kinds(engine, kinds, run_id, status)
    id_value = quoted(run_id) if _is_number(kinds[run_id]) else f"{quoted(run_id)}::varchar"
    parts = (
        f"{id_value} as id, {quoted(status)}::varchar as status, "
        f"{quoted(at) if at is not None else 'null'} as moment, {file} as f"
    )
    through = "over ()" in row

    return Source(
        f"(select {parts}, {row} as r from {relation})",
        kinds[at] if at is not None else "",
        at or "",
        tuple(names),
        texts,
        through,
        _is_number(kinds[run_id]),
        f"(select {parts}, 0 as r from {relation})" if through else "",
    )


def _found(path: str) -> list[str]:
    """
    Return the files that *path* names: itself, those in it if it is a folder, or those it fits.
    """
    if Path(path).is_dir():
        inside = sorted(str(p) for p in Path(path).rglob("*.parquet"))
        if not inside:
            raise FrameError(path, "no .parquet file is in that folder")
        return inside
    if Path(path).is_file():
        return [path]
    matching = glob(path, recursive=True)  # noqa: PTH207  patterns may be absolute
    fitting = sorted(name for name in matching if Path(name).is_file())
    if not fitting:
        raise FrameError(path, "there is no such file")

    return fitting


def _ids(lifecycle: Lifecycle) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_IDS, lifecycle.id_field)))


def _column(
    engine: Engine, kinds: dict[str, str], named: str | None, usual: Sequence[str], option: str
) -> str:
    wanted = (named,) if named is not None else usual
    for name in wanted:
        if name in kinds:
            return name
    sought = " or ".join(f"'{printable(name, 60)}'" for name in wanted)
    close = next((c for name in wanted for c in get_close_matches(name, kinds, n=1)), None)
    guess = f"did you mean '{printable(close, 60)}'? " if close else ""
    there = ", ".join(printable(name, 40) for name in [*kinds][:_MOST_NAMES])
    more = ", …" if len(kinds) > _MOST_NAMES else ""

    raise FrameError(
        engine.place,
        f"no column {sought} ({guess}columns: {there or 'none'}{more}; {option} names another)",
    )


def _is_number(kind: str) -> bool:
    return kind in {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}


def _refuse_kinds(engine: Engine, kinds: dict[str, str], run_id: str, status: str) -> None:
    if not (
        kinds[status] == "VARCHAR" or kinds[status].startswith("ENUM") or kinds[status] == '"NULL"'
    ):
        raise FrameError(
            engine.place, f"column '{printable(status)}' is {kinds[status]}; statuses are texts"
        )
    if any(mark in kinds[run_id] for mark in ("[", "(", "BLOB")) and not kinds[run_id].startswith(
        ("ENUM", "DECIMAL")
    ):
        raise FrameError(
            engine.place,
            f"column '{printable(run_id)}' is {kinds[run_id]}; ids are texts or whole numbers",
        )
