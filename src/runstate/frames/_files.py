"""
Files, folders and patterns, as a source.

Parquet is read where it is. Text is read once, into a table of the three columns that
are used, so that a record that cannot be read is told once, and kept from the rest.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from .._text import printable
from ..histories._records import Finding
from ..histories._rules import RULES
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ..readers._formats import TABULAR, suffix_of
from ..readers._paths import PathError, expanded
from ._columns import Chosen, Source, chosen, described
from ._duckdb import Engine, file_name, file_names, listed, quoted, text
from ._errors import FrameError
from ._lakes import delta_rows

__all__ = ["files"]

_LARGEST_RECORD: Final = 16 * 1024 * 1024
_MOST_UNREADABLE: Final = 1_000
_MOST_GAPS: Final = 100_000
"""Lines that are no rows which are known when rows are told by their lines."""
_HEADERS: Final = 200
"""Lines of JSON that are looked at for the names of keys."""


class _Loaded(NamedTuple):
    """
    What became of one file of text.
    """

    unread: int
    unreadable: list[tuple[int, str]]
    """Line and reason."""
    gaps: tuple[int, ...] = ()
    """For each line that is no row of the table, how many rows stand before it."""


def files(engine: Engine, paths: Iterable[str], columns: Columns, lifecycle: Lifecycle) -> Source:
    """
    Return what is in the files, folders and patterns *paths*.

    Raises:
        FrameError: There is none, or it is not what its name says, or lacks a column.
    """
    names = [name for path in paths for name in _expanded(path)]
    if not names:
        raise FrameError("", "no file is named")
    engine.place = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    if any(Path(name).is_dir() for name in names):
        return _lake(engine, names, columns, lifecycle)
    for name in names:
        if Path(name).stat().st_size == 0:
            raise FrameError(name, "the file is empty")
    kinds = {_kind(name) for name in names}
    if len(kinds) > 1:
        raise FrameError(
            engine.place, f"the files are of several kinds: {', '.join(sorted(kinds))}"
        )
    if kinds == {"parquet"}:
        relation = (
            f"read_parquet({file_names(names)}, union_by_name = true, hive_partitioning = true)"
        )
        return described(
            engine,
            relation,
            columns,
            lifecycle,
            file="file_index",
            row="file_row_number",
            names=names,
        )

    return _texts(engine, names, kinds.pop(), columns, lifecycle)


def _expanded(path: str) -> list[str]:
    try:
        return expanded(path)
    except PathError as error:
        raise FrameError(error.place, error.reason) from None


def _lake(engine: Engine, names: Sequence[str], columns: Columns, lifecycle: Lifecycle) -> Source:
    """
    Return the rows of the one table of Delta Lake that *names* are; they have no order.
    """
    if len(names) > 1:
        raise FrameError(engine.place, "a Delta Lake table is read alone: name only its folder")
    engine.take("given", delta_rows(names[0]))

    return described(engine, "given", columns, lifecycle, names=names, ordered=False)


def _kind(name: str) -> str:
    """
    Return what the file *name* is; Parquet, where its name does not say.
    """
    return TABULAR.get(suffix_of(name), "parquet")


# -- text --------------------------------------------------------------------------


def _texts(
    engine: Engine, names: Sequence[str], kind: str, columns: Columns, lifecycle: Lifecycle
) -> Source:
    engine.rows(
        "create temp table texts (id varchar, status varchar, moment varchar, f integer, fault varchar)"
    )
    starts: list[int] = []
    gaps: list[tuple[int, ...]] = []
    unread, findings, timed, at = 0, list[Finding](), False, ""
    for number, name in enumerate(names):
        engine.place = name
        # Rows of a table are told by their lines, as the readers do: the first is its header.
        starts.append(engine.rows("select count(*) from texts")[0][0] - (kind != "jsonl"))
        load = _load_json if kind == "jsonl" else _load_table
        delimiter = "\t" if kind == "tsv" else ","
        loaded, used = load(engine, name, number, columns, lifecycle, delimiter)
        timed, at = timed or used.at is not None, at or used.at or ""
        unread += loaded.unread
        gaps.append(loaded.gaps)
        findings += [_unreadable(name, line, reason) for line, reason in loaded.unreadable]
    table = "(select id, status, moment, f, rowid as r from texts where fault is null)"

    return Source(
        table,
        "VARCHAR" if timed else "",
        at,
        tuple(names),
        tuple(starts),
        tuple(gaps),
        texts=True,
        unread=unread,
        unreadable=tuple(findings[:_MOST_UNREADABLE]),
    )


def _unreadable(name: str, line: int, reason: str) -> Finding:
    return Finding("RS901", RULES["RS901"].severity, printable(reason, 500), file=name, line=line)


def _load_table(
    engine: Engine, name: str, number: int, columns: Columns, lifecycle: Lifecycle, delimiter: str
) -> tuple[_Loaded, Chosen]:
    """
    Add a file of comma-separated values to the table.
    """
    first = engine.rows(f"select line from {_lines(name)} where line is not null limit 1")
    header = next(csv.reader([first[0][0]], delimiter=delimiter)) if first else []
    used = chosen(name, header, columns, lifecycle)
    doubled = sorted({column for column in used if column and header.count(column) > 1})
    if doubled:
        raise FrameError(name, f"columns given more than once: {printable(', '.join(doubled))}")
    # Names that are not used may be given twice, or be empty.
    given = [
        column if column in used else f"{place} {column}" for place, column in enumerate(header)
    ]
    kinds = ", ".join(f"{text(column)}: 'VARCHAR'" for column in given)
    relation = (
        f"read_csv({file_name(name)}, auto_detect = false, header = true, delim = {text(delimiter)}, "
        f"quote = '\"', escape = '\"', columns = {{{kinds}}}, max_line_size = {_LARGEST_RECORD}, "
        f"store_rejects = true, rejects_table = 'rejected', rejects_scan = 'rejecting')"
    )
    at = quoted(used.at) if used.at is not None else "null"
    engine.rows(
        f"insert into texts select {quoted(used.run_id)}, {quoted(used.status)}, {at}, {number}, null from {relation}"
    )
    rejected = "(select line, min(error_message) as said from rejected group by line)"
    unread = engine.rows(f"select count(*) from {rejected}")[0][0]
    bad = engine.rows(f"select line, said from {rejected} order by line limit {_MOST_UNREADABLE}")
    before = f"line - row_number() over (order by line) - 1 as n from {rejected}"
    gaps = engine.rows(f"select n from (select {before}) order by n limit {_MOST_GAPS}")
    engine.rows("drop table rejected")
    engine.rows("drop table rejecting")

    told = [(line, f"not CSV: {said}") for line, said in bad]

    return _Loaded(unread, told, tuple(n for (n,) in gaps)), used


def _load_json(
    engine: Engine, name: str, number: int, columns: Columns, lifecycle: Lifecycle, _: str
) -> tuple[_Loaded, Chosen]:
    """
    Add a file of JSON lines to the table.
    """
    head = f"(select line from {_lines(name)} limit {_HEADERS})"
    keys = engine.rows(
        f"select distinct unnest(json_keys(line)) from {head} where {_is_object('line')}"
    )
    used = chosen(name, _with_paths([key for (key,) in keys], columns), columns, lifecycle)
    paths = [path for column in used for path in _paths(column)]
    parts = f"json_extract_string(case when {_is_object('line')} then line end, {listed(paths)})"
    cells = ", ".join(f"coalesce(p[{2 * n + 1}], p[{2 * n + 2}])" for n in range(3))
    fault = (
        f"case when line is null or trim(line) = '' then 'blank' when not json_valid(line) then 'not JSON' "
        f"when not {_is_object('line')} then 'a record must be a JSON object' end"
    )
    first = engine.rows("select count(*) from texts")[0][0]
    engine.rows(
        f"insert into texts select {cells}, {number}, fault "
        f"from (select {parts} as p, {fault} as fault from {_lines(name)})"
    )
    bad = f"from texts where rowid >= {first} and fault <> 'blank'"
    unread = engine.rows(f"select count(*) {bad}")[0][0]
    told = engine.rows(
        f"select rowid - {first} + 1, fault {bad} order by 1 limit {_MOST_UNREADABLE}"
    )

    return _Loaded(unread, told), used


def _lines(name: str) -> str:
    return (
        f"read_csv({file_name(name)}, auto_detect = false, header = false, delim = '\x01', quote = '', "
        f"escape = '', columns = {{'line': 'VARCHAR'}}, max_line_size = {_LARGEST_RECORD}, strict_mode = false)"
    )


def _is_object(line: str) -> str:
    return f"case when json_valid({line}) then json_type({line}) = 'OBJECT' else false end"


def _with_paths(keys: list[str], columns: Columns) -> list[str]:
    """
    Return *keys*, and the dotted paths that the caller named whose first key is there.
    """
    named = [name for name in columns if name is not None and name.partition(".")[0] in keys]

    return list(dict.fromkeys([*keys, *named]))


def _paths(column: str | None) -> tuple[str, str]:
    """
    Return where the engine finds *column*: spelt with its dots, or nested.
    """
    if column is None:
        return "$.\x00", "$.\x00"
    whole = column.replace("\\", "\\\\").replace('"', '\\"')

    return f'$."{whole}"', "$" + "".join(f'."{part}"' for part in whole.split("."))
