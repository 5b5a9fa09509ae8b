"""
Comma- or tab-separated values with a header, a row of observations or moves a line.

An empty cell is unknown, which is not the same as null. Cells are text, so each
column is read as what it is: stamps are times, details are JSON objects
(a cell that begins with a brace), and columns that nobody checks are not looked at.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from ..histories._records import Observation
from ._keys import missing
from ._parse import parse
from ._plain import Plain
from ._record import Interpreter, Read
from ._rows import Row, Rows
from ._source import Source
from ._values import TIME_KEYS, BadRecordError

__all__ = ["cell_readers", "delimiter_in", "read_csv", "read_tsv"]

_NUMBER: Final = re.compile(r"-?\d{1,19}(\.\d{1,19})?([eE]\+?\d{1,2})?", re.ASCII)

_NULLS: Final = frozenset({"NULL", r"\N"})
"""How the clients of databases write null."""
_DELIMITERS: Final = ",\t;|"
_QUOTED: Final = re.compile(r'"[^"]*+"')
_MOST_NAMES: Final = 1_000


def read_tsv(source: Source, interpreter: Interpreter) -> Iterator[Read]:
    """
    Yield what each row of *source* says, whose cells tabs separate.
    """
    return read_csv(source, interpreter, "\t")


def read_csv(source: Source, interpreter: Interpreter, delimiter: str = ",") -> Iterator[Read]:
    """
    Yield what each row of *source* says, whose cells *delimiter* separates.
    """
    header_line = source.first_line().decode("utf-8", "replace")
    # Only where the header does: elsewhere, a carriage return may be part of a cell.
    returns = "\r" in _QUOTED.sub("", header_line).rstrip("\r")
    lines = source.lines(carriage_returns=returns)
    table = Rows(lines, delimiter_in(header_line, interpreter, delimiter))
    all_rows = iter(table)
    header = next(all_rows, None)
    if header is None:
        return
    try:
        columns = _Columns(header, interpreter)
    except BadRecordError as bad:
        yield interpreter.refusal(bad, header.line)
        return
    table.width = columns.width
    plain = columns.plain
    for row in all_rows:
        if plain is not None and (seen := columns.usual(row, plain)) is not None:
            yield seen
        elif row.fault:
            yield interpreter.refusal(row.fault, row.line)
        else:
            yield from columns.read(row)


def delimiter_in(header: str, interpreter: Interpreter, usual: str) -> str:
    """
    Return what separates the names in the line *header*; *usual* if that is not clear.
    """
    needed = {
        *interpreter.id_keys,
        interpreter.status_key,
        *interpreter.columns,
        *interpreter.roots,
    }
    unquoted = _QUOTED.sub("", header)
    if "\r" in unquoted.rstrip("\r"):
        # The first of the lines that carriage returns end.
        header = header.partition("\r")[0]
        unquoted = _QUOTED.sub("", header)
    if any(name.strip('" \r') in needed for name in header.split(usual)[:_MOST_NAMES]):
        return usual
    best = max(_DELIMITERS, key=unquoted.count)

    return best if best in unquoted else usual


class _Columns:
    """
    The columns of one table that are used, and how their cells are read.
    """

    def __init__(self, header: Row, interpreter: Interpreter) -> None:
        """
        Choose the columns that are used.

        Raises:
            BadRecordError: The header is broken, names a column twice that is used, or
                lacks one that every row needs.
        """
        if header.fault:
            raise header.fault
        names = header.cells
        self.width = len(names)
        self._interpreter = interpreter
        for name in names:
            # An empty cell is left out of its record; the column is there all the same.
            interpreter.unseen.pop(name, None)
        kinds = cell_readers(names, interpreter)
        used = [
            (place, name, kinds[key])
            for place, name in enumerate(names)
            if (key := name if name in kinds else interpreter.pascal.get(name)) in kinds
        ]
        _refuse_doubled([name for _, name, _ in used])
        if not interpreter.all_columns:
            _refuse_missing(names, interpreter)
        # An empty cell is unknown, as if it were not there. Here that has a meaning: a
        # move from nowhere is a creation, and a row without an id or a status is no use.
        needed = (*interpreter.id_keys, interpreter.status_key, *interpreter.columns[:2])
        self._told_if_empty = {
            name
            for name in names
            if interpreter.pascal.get(name, name)
            in ("source", "target", *needed, *interpreter.roots)
        }
        self._names = names
        self._values = [(place, name, how) for place, name, how in used if how is not _object]
        self.plain = interpreter.plain(tuple(name for _, name, _ in used))
        """What reads rows of a run's id, its status and a time; None where there may be more in them."""
        # Where rows have no time, the id stands for it, which nobody looks at.
        run_id, status, at = self.plain.needed if self.plain else (names[0], names[0], None)
        self._needed = itemgetter(*(names.index(key) for key in (run_id, status, at or run_id)))
        self._objects = [(place, name) for place, name, how in used if how is _object]

    def usual(self, row: Row, plain: Plain) -> Observation | None:
        """
        Return what *row* says, if all of it is as usual; None to have it :meth:`read`.
        """
        line, cells, _ = row
        if len(cells) != self.width:
            return None
        run_id, status, moment = self._needed(cells)
        if not moment:
            return None
        at = _number(moment)
        if not plain.kept:
            return plain.read(run_id, status, at, line, {})
        if not _NULLS.isdisjoint(cells):
            return None
        record = {name: how(cells[place]) for place, name, how in self._values if cells[place]}
        kept = {key: record[key] for key in plain.kept if key in record}

        return plain.read(run_id, status, at, line, kept)

    def read(self, row: Row) -> Iterator[Read]:
        """
        Yield what *row* says.
        """
        cells, interpreter = row.cells, self._interpreter
        if len(cells) != self.width:
            reason = f"not CSV: the row has {len(cells)} cells, the header {self.width}"
            yield interpreter.finding("RS901", reason, row.line)
            return
        record = {
            name: how(cells[place]) if cells[place] else None
            for place, name, how in self._values
            if cells[place] or name in self._told_if_empty
        }
        if not _NULLS.isdisjoint(cells):
            record |= {
                name: None
                for place, name, how in self._values
                if cells[place] in _NULLS and (how is _number or interpreter.all_columns)
            }
        for place, name in self._objects:
            if cells[place].startswith("{"):
                try:
                    record[name] = _object(cells[place])
                except BadRecordError as bad:
                    yield interpreter.finding(bad.code, f"{name} is {bad.reason}", row.line)

        if interpreter.watch is not None:
            interpreter.whole = dict(zip(self._names, cells, strict=True))
        yield from interpreter.observe(record, row.line)


def _text(cell: str) -> str:
    return cell


def _number(cell: str) -> int | float | str:
    """
    Return the number that *cell* is; else its text, for a time in words or a refusal.
    """
    if cell[4:5] == "-" or not (match := _NUMBER.fullmatch(cell)):
        return cell  # most often a date

    return float(cell) if match[1] or match[2] else int(cell)


def _object(cell: str) -> Any:
    return parse(cell.encode())


def cell_readers(
    names: Sequence[str], interpreter: Interpreter
) -> dict[str | None, Callable[[str], Any]]:
    """
    Return how to read the cells of the columns that are used, by the columns' names.
    """
    texts = {"object", "event", "source", "target", interpreter.status_key}
    texts |= {*interpreter.id_keys, *interpreter.identity}
    kinds: dict[str | None, Callable[[str], Any]] = dict.fromkeys(interpreter.details, _object)
    kinds |= dict.fromkeys(texts, _text)
    if interpreter.attempt_key is not None:
        kinds[interpreter.attempt_key] = _text
    kinds |= dict.fromkeys(("seq", *interpreter.stamps, *TIME_KEYS), _number)
    for named in interpreter.columns:
        if named is not None and named not in names:
            kinds[named.partition(".")[0]] = _object
    run_id, status, at, source, attempt = interpreter.columns
    kinds |= {run_id: _text, status: _text, at: _number, source: _text, attempt: _text}
    if "source" in names and "target" in names:
        kinds["kind"] = _text
    kinds.pop(None, None)
    if interpreter.all_columns:
        kinds = {**dict.fromkeys(names, _text), **kinds}

    return kinds


def _refuse_doubled(used: list[str]) -> None:
    twice = sorted(name for name, count in Counter(used).items() if count > 1)
    if twice:
        raise BadRecordError("RS903", f"columns given more than once: {', '.join(twice)}")


def _refuse_missing(names: list[str], interpreter: Interpreter) -> None:
    """
    Pass a header that has what every row needs, and what the caller named.
    """
    there = {*names, *(interpreter.pascal.get(name, name) for name in names)}
    run_id, status, at, _, attempt = interpreter.columns
    moves = status is None and {"source", "target"} <= there
    wanted = (
        ((run_id,) if run_id else interpreter.id_keys, "--run-id"),
        ((status or ("target" if moves else interpreter.status_key),), "--status"),
        ((at,) if at else (), "--at"),
        ((attempt,) if attempt else (), "--attempt"),
    )
    for keys, option in wanted:
        if keys and not any(key in there or key.partition(".")[0] in there for key in keys):
            raise BadRecordError("RS902", missing(keys, names, "columns", option))
