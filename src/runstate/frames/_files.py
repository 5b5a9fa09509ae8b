"""
Files, folders and patterns, as a source.

Parquet is read where it is. Text is read once, into a table of the three columns that
are used. What is irregular in text is refused: the readers of this package say what is wrong.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pydantic.alias_generators import to_pascal

from .._text import printable
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ..readers._formats import PARQUET, TABULAR, suffix_of
from ..readers._paths import PathError, expanded
from ..readers._record import TIME_KEYS, Interpreter
from ..readers._rows import Rows
from ..readers.csv import delimiter_in
from ._columns import Chosen, Source, chosen, described, judged_columns, other_ids
from ._duckdb import Engine, file_name, file_names, listed, quoted, text
from ._errors import FrameError
from ._lakes import delta_rows
from ._text_files import count_lines

__all__ = ["files"]

_LARGEST_RECORD: Final = 16 * 1024 * 1024
_MOST_FACTS: Final = 5
_MOST_BRACKETS: Final = 150
"""Fewer than the levels that the readers go down."""
_PARQUET: Final = b"PAR1"
"""The first bytes of a Parquet file."""
_HEADERS: Final = 200
"""Lines of JSON that are looked at for the names of keys."""


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
    Return what the file *name* is, by its suffix; a file of another suffix must be Parquet.
    """
    kind = TABULAR.get(suffix_of(name))
    if kind is None:
        with Path(name).open("rb") as file:
            parquet = file.read(len(_PARQUET)) == _PARQUET
        if not parquet and suffix_of(name) not in PARQUET:
            raise _irregular(name, "DuckDB reads Parquet, CSV, TSV and JSON lines alone")

    return kind or "parquet"


# -- text --------------------------------------------------------------------------


def _texts(
    engine: Engine, names: Sequence[str], kind: str, columns: Columns, lifecycle: Lifecycle
) -> Source:
    """
    Return the rows of files of text, none of which is in any way irregular.

    What DuckDB would read in another way than the readers of this package is refused.
    """
    engine.rows(
        "create temp table texts (id varchar, status varchar, moment varchar, f integer, usual boolean)"
    )
    starts: list[int] = []
    used: Chosen | None = None
    load = _load_json if kind == "jsonl" else _load_table
    for number, name in enumerate(names):
        engine.place = name
        # Rows of a table are told by their lines, as the readers do: the first is its header.
        starts.append(engine.rows("select count(*) from texts")[0][0] - (kind != "jsonl"))
        here = load(engine, name, number, columns, lifecycle, "\t" if kind == "tsv" else ",")
        if used not in {None, here}:
            raise _irregular(name, "has other columns than the files before it")
        used = here
    at = used.at if used is not None else None
    table = "(select id, status, moment, f, rowid as r from texts where usual)"
    cells = ", ".join(
        f"{part} as c{place}"
        for place, part in enumerate(("id", "status", "moment")[: 2 + bool(at)])
    )

    return Source(
        table,
        "VARCHAR" if at else "",
        at or "",
        tuple(names),
        tuple(starts),
        texts=True,
        wide=f"(select {cells}, * from {table})",
        wide_columns=tuple((name, "VARCHAR") for name in used or () if name is not None),
        columns=columns,
    )


def _irregular(name: str, reason: str) -> FrameError:
    return FrameError(name, f"{printable(reason, 300)}: use --engine python")


def _load_table(
    engine: Engine, name: str, number: int, columns: Columns, lifecycle: Lifecycle, delimiter: str
) -> Chosen:
    """
    Add a file of comma-separated values to the table.
    """
    lines = count_lines(name, one_end=True)
    first = engine.rows(f"select line from {_lines(name)} limit 1")
    if not first or not (first[0][0] or "").strip():
        raise _irregular(name, "does not begin with a header")
    delimiter = delimiter_in(first[0][0], Interpreter(columns, lifecycle, None), delimiter)
    header = _header(name, first[0][0], delimiter)
    used = chosen(name, header, columns, lifecycle)
    _refuse_facts(name, judged_columns(header, used, columns, lifecycle))
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
    before = engine.rows("select count(*) from texts")[0][0]
    engine.rows(
        f"insert into texts select {quoted(used.run_id)}, {quoted(used.status)}, {at}, {number}, true from {relation}"
    )
    rejected = engine.rows("select line, error_message from rejected order by line limit 1")
    if rejected:
        raise _irregular(f"{name}:{rejected[0][0]}", f"not CSV: {rejected[0][1]}")
    engine.rows("drop table rejected")
    engine.rows("drop table rejecting")
    if engine.rows("select count(*) from texts")[0][0] - before + 1 != lines:
        raise _irregular(name, "has blank lines, or line breaks within quotes")
    others = {*other_ids(header, used, columns, lifecycle)}
    if others and engine.rows("select 1 from texts where id is null limit 1"):
        raise _irregular(name, f"a row without {used.run_id} may have its id in {min(others)}")

    return used


def _header(name: str, line: str, delimiter: str) -> list[str]:
    """
    Return the names in the first line of a table.
    """
    row = next(iter(Rows(iter([line.encode()]), delimiter)))
    if row.fault:
        raise _irregular(f"{name}:1", row.fault.reason)

    return row.cells


def _load_json(
    engine: Engine, name: str, number: int, columns: Columns, lifecycle: Lifecycle, _: str
) -> Chosen:
    """
    Add a file of JSON lines to the table.
    """
    count_lines(name)
    lines = f"(select line, row_number() over () as number from {_lines(name)})"
    parsed = f"case when {_is_object('line')} then line end"
    keys = [
        key
        for (key,) in engine.rows(
            f"select distinct unnest(json_keys({parsed})) from (select line from {lines} limit {_HEADERS})"
        )
    ]
    used = chosen(name, _with_paths(keys, columns), columns, lifecycle)
    facts = judged_columns(_possible(lifecycle), used, columns, lifecycle)
    _refuse_facts(name, [fact for fact in facts if fact in keys])
    paths = [path for column in used for path in _paths(column)]
    parts = ", ".join(
        f"coalesce({values}[{2 * n + 1}], {values}[{2 * n + 2}]) as {name}{n}"
        for values, name in (("p", "c"), ("t", "t"))
        for n in range(3)
    )
    rows = (
        f"select number, line, {parts}, json_keys({parsed}) as keys from (select number, line, "
        f"json_extract_string({parsed}, {listed(paths)}) as p, "
        f"json_type({parsed}, {listed(paths)}) as t from {lines})"
    )
    engine.rows(f"create or replace temp table parsed as {rows}")
    unusual = engine.rows(
        f"select number, {_fault(facts)} as fault from parsed where fault is not null order by 1 limit 1"
    )
    if unusual:
        raise _irregular(f"{name}:{unusual[0][0]}", unusual[0][1])
    engine.rows(
        f"insert into texts select c0, c1, c2, {number}, line is not null and trim(line) <> '' from parsed order by number"
    )

    return used


def _possible(lifecycle: Lifecycle) -> list[str]:
    """
    Return the names that a key may have which a rule is about.
    """
    interpreter = Interpreter(Columns(), lifecycle, None, assume_utc=False)
    own = (*interpreter.stamps, *interpreter.details, *interpreter.identity, *TIME_KEYS)
    every = (*own, "object", "event", "source", "target", "seq", "trigger")

    return [*every, *map(to_pascal, every)]


def _fault(facts: Sequence[str]) -> str:
    """
    Return the expression of what is unusual about a line of JSON; null where nothing is.

    The types are those of id (t0), status (t1) and time (t2).
    """
    numbers = "('UBIGINT', 'BIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE')"

    return (
        "case when line is null or trim(line) = '' then null when not json_valid(line) then 'not JSON' "
        f"when not {_is_object('line')} then 'a record must be a JSON object' "
        "when len(keys) <> len(list_distinct(keys)) then 'a key is given more than once' "
        f"when list_has_any(keys, {listed(facts)}) then 'has keys that DuckDB does not judge in text' "
        "when regexp_matches(line, '[\\[:,]\\s*-?(NaN|Inf|nan|inf)') then 'holds a number that JSON does not have' "
        "when regexp_matches(line, ',\\s*[}\\]]') then 'a comma may be one too many' "
        f"when len(line) - len(replace(replace(line, '[', ''), '{{', '')) > {_MOST_BRACKETS} then 'has too many brackets' "
        "when regexp_matches(line, '\\\\u[dD][89a-fA-F]') then 'has an escaped surrogate' "
        "when coalesce(t0, '') not in ('VARCHAR', 'UBIGINT', 'BIGINT') then 'the id is neither text nor a whole number' "
        "when coalesce(t1, '') <> 'VARCHAR' then 'the status is not text' "
        f"when coalesce(t2, 'NULL') not in ('NULL', 'VARCHAR') and t2 not in {numbers} then 'the time is neither text nor a number' "
        "when t2 = 'VARCHAR' and try_cast(c2 as double) is not null then 'the time is a number in quotes' end"
    )


def _refuse_facts(name: str, facts: Sequence[str]) -> None:
    """
    Pass a file of text whose columns are all that the plain screen looks at, or no rule is about.
    """
    if facts:
        shown = ", ".join(printable(fact, 40) for fact in facts[:_MOST_FACTS])
        raise FrameError(
            name,
            f"has rules about {shown}, which DuckDB does not judge in text: use --engine python",
        )


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
