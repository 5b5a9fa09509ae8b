"""
The input as an SQL table with fixed column names.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple

from pydantic.alias_generators import to_pascal

from .._text import printable
from ..lifecycle._shape import Shape
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ..readers._record import NO_TIMES, TIME_KEYS, Interpreter
from ._duckdb import Engine, quoted
from ._errors import FrameError

__all__ = [
    "Chosen",
    "Source",
    "chosen",
    "columns_of",
    "described",
    "is_journal",
    "judged_columns",
    "other_ids",
    "refuse_shapes",
    "wide_columns",
]

_MOST_NAMES: Final = 12
_JOURNAL: Final = frozenset({"run_id", "seq", "kind", "trigger", "source", "target", "at"})
"""Columns by which the journal of a store is known."""


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
    texts: bool = False
    """Whether every column is text, as in CSV, numbers too."""
    numeric_ids: bool = False
    """Whether ids are whole numbers of 64 bits, whose hashes do not collide."""
    ordered: bool = True
    """Whether rows stand in an order; those of a database do not."""
    unnumbered: str = ""
    """The same statement without *r*, where numbering costs; else empty."""
    wide: str = ""
    """Statement with all columns that a rule may be about, as c0, c1 and so on, beside those of *table*."""
    wide_columns: tuple[tuple[str, str], ...] = ()
    """Their names and types."""
    facts: tuple[str, ...] = ()
    """The names of those that the plain screen does not look at."""
    columns: Columns = Columns()
    """What the caller said that columns are called."""
    coded: str = ""
    """The table that holds all rows as h, us, c, f and r, where texts were read into one."""

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

        return name, row - (self.starts[file] if self.starts else 0) + 1


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
    columns = columns_of(names, columns)
    refuse_shapes(place, names, columns, lifecycle)
    interpreter = Interpreter(columns, lifecycle, None, assume_utc=False)
    run_id = _column(place, names, columns.run_id, interpreter.id_keys, "--run-id")
    keys = (interpreter.status_key, to_pascal(interpreter.status_key))
    usual = [key for key in keys if key in names] or [interpreter.status_key]
    if {"source", "target"} <= {*names} and not {*keys} & {*names}:
        usual = ["target"]
    status = _column(place, names, columns.status, usual, "--status")
    if columns.attempt is not None:
        _column(place, names, columns.attempt, (), "--attempt")
    if columns.at == NO_TIMES:
        return Chosen(run_id, status, None)
    if columns.at is None:
        return Chosen(run_id, status, next((name for name in TIME_KEYS if name in names), None))

    return Chosen(run_id, status, _column(place, names, columns.at, (), "--at"))


def columns_of(names: Sequence[str], columns: Columns) -> Columns:
    """
    Return *columns*; of a store's journal, whatever its lifecycle calls an id, ``run_id`` is it.
    """
    return columns._replace(run_id="run_id") if is_journal(names, columns) else columns


def is_journal(names: Sequence[str], columns: Columns) -> bool:
    """
    Return whether a table with the columns *names* is a store's journal, and read as such.
    """
    plain = columns.run_id in {None, "run_id"} and columns.status is columns.source is None

    return plain and {*names} >= _JOURNAL


def refuse_shapes(place: str, names: Sequence[str], columns: Columns, lifecycle: Lifecycle) -> None:
    """
    Pass a table that is read without the shapes of *lifecycle* as it is with them.

    Raises:
        FrameError: A shape that fits it says more than the columns of the id and the status.
    """
    if is_journal(names, columns):
        return
    if columns.source is None and columns.run_id is not None and columns.status is not None:
        _refuse_other_columns(place, names, columns, lifecycle)
        return
    fitting = [shape for shape in lifecycle.shapes if _may_fit(shape, names, columns, lifecycle)]
    plain = {lifecycle.id_field, lifecycle.status_field} <= {*names}
    if fitting or (lifecycle.shapes and not plain) or columns.source is not None:
        raise FrameError(
            place,
            f"this engine does not apply the shapes of {lifecycle.name!r}: name --run-id and "
            "--status, or write the rows as CSV or JSON lines for --engine python",
        )


def _refuse_other_columns(
    place: str, names: Sequence[str], columns: Columns, lifecycle: Lifecycle
) -> None:
    """
    Pass a table whose time and attempt are read from the columns that the shapes name.

    Raises:
        FrameError: The shapes name others; the caller has to.
    """
    time = next((name for name in TIME_KEYS if name in names), None)
    attempt = lifecycle.attempt_field
    for shape in lifecycle.shapes:
        attempts = shape.attempt if lifecycle.reopenings else ()
        sought = (
            ("--at", columns.at, shape.at, time),
            ("--attempt", columns.attempt, attempts, attempt),
        )
        for option, named, paths, usual in sought:
            own = next((path for path in paths if path in names), None)
            if named is None and own not in {None, usual}:
                raise FrameError(
                    place,
                    f"the shapes of {lifecycle.name!r} read the column '{printable(str(own), 60)}' "
                    f"too, which this engine does only if you name it: {option} {printable(str(own), 60)}",
                )


def _may_fit(shape: Shape, names: Sequence[str], columns: Columns, lifecycle: Lifecycle) -> bool:
    """
    Return whether rows with the columns *names* may have *shape*, and say another thing by it.
    """
    ids = shape.id or ((lifecycle.id_field,),)
    statuses = shape.target or shape.status or (lifecycle.status_field,)
    roots = {path.partition(".")[0].partition("[")[0] for path in statuses}
    about = [path.partition("=")[0].strip().partition(".")[0] for path in shape.about]
    if not (roots <= {*names} and {*about} <= {*names}):
        return False
    if not any({path.partition(".")[0] for path in each} <= {*names} for each in ids):
        return False
    same = (ids[0], *statuses) == ((lifecycle.id_field,), lifecycle.status_field)
    others = {*shape.attempt} - {lifecycle.attempt_field}
    attempts = bool(lifecycle.reopenings) and not others.isdisjoint(names)
    more = shape.about or shape.source or shape.null or shape.words or shape.ignore_case
    more = more or shape.text or shape.document or shape.attempt_lags

    timed = columns.at is None and not {*shape.at}.isdisjoint(names)

    return bool(not same or more or attempts or timed)


def wide_columns(
    names: Sequence[str], used: Sequence[str | None], columns: Columns, lifecycle: Lifecycle
) -> list[str]:
    """
    Return those of *names* that a record is read by: those *used*, those that a rule is about, other ids.
    """
    facts = judged_columns(names, used, columns, lifecycle)
    others = other_ids(names, used, columns, lifecycle)

    return list(dict.fromkeys(name for name in (*used, *facts, *others) if name is not None))


def other_ids(
    names: Sequence[str], used: Sequence[str | None], columns: Columns, lifecycle: Lifecycle
) -> list[str]:
    """
    Return those of *names* in which a record has its id that has none in the one that is *used*.
    """
    if columns.run_id is not None:
        return []
    ids = Interpreter(columns, lifecycle, None, assume_utc=False).id_keys

    return [name for name in ids if name in names and name not in used]


def judged_columns(
    names: Sequence[str], used: Sequence[str | None], columns: Columns, lifecycle: Lifecycle
) -> tuple[str, ...]:
    """
    Return those of *names* that a rule is about and that the plain screen does not look at.

    Args:
        names: Of all columns.
        used: Of the columns of id, status and time.
        columns: What the caller named.
        lifecycle: Whose fields they may be.
    """
    interpreter = Interpreter(columns, lifecycle, None, assume_utc=False)
    fields = {*interpreter.stamps, *interpreter.details, *interpreter.identity, "object"}
    if lifecycle.deadline is not None:
        fields.add(lifecycle.deadline.field)
    if interpreter.attempt_key is not None:
        fields.add(interpreter.attempt_key)
    if columns.status is None:
        fields.add("event")
        if "target" in used:
            fields |= {"source", "seq", "trigger", "kind"}
    if columns.at is None:
        fields |= {*TIME_KEYS}

    return tuple(
        name
        for name in dict.fromkeys(names)
        if name not in used and interpreter.pascal.get(name, name) in fields
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
    ordered: bool = True,
) -> Source:
    """
    Return *relation* as a source, its columns found.

    Raises:
        FrameError: It cannot be read, lacks a column, or has one of a type that cannot be used.
    """
    kinds = {name: kind for name, kind, *_ in engine.rows(f"describe select * from {relation}")}
    columns = columns_of([*kinds], columns)
    used = run_id, status, at = chosen(engine.place, [*kinds], columns, lifecycle)
    _refuse_kinds(engine, kinds, run_id, status)
    numeric = kinds[run_id] in {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}
    id_value = quoted(run_id) if numeric else f"{quoted(run_id)}::varchar"
    moment = quoted(at) if at is not None else "null"
    parts = (
        f"{id_value} as id, {quoted(status)}::varchar as status, {moment} as moment, {file} as f"
    )
    row = row if ordered else "0"
    facts = judged_columns([*kinds], used, columns, lifecycle)
    wide = wide_columns([*kinds], used, columns, lifecycle)
    cells = ", ".join(f"{quoted(name)} as c{place}" for place, name in enumerate(wide))

    return Source(
        f"(select {parts}, {row} as r from {relation})",
        kinds[at] if at is not None else "",
        at or "",
        tuple(names),
        numeric_ids=numeric,
        ordered=ordered,
        unnumbered=f"(select {parts} from {relation})" if "over" in row else "",
        wide=f"(select {cells}, {parts}, {row} as r from {relation})",
        wide_columns=tuple((name, kinds[name]) for name in wide),
        facts=facts,
        columns=columns,
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
