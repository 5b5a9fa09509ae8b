"""
Rows that say more than SQL screens, as records for the interpreter and the monitor.

The plain screen looks at the id, the status and the time of a row. Where columns hold more that
a rule is about (stamps, identity, details, source and target, the kind of object), the rows are
read as records, by the code that reads those of JSON and CSV, and judged by the same monitor.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..histories._records import Finding
from ..readers._parse import parse
from ..readers._record import Interpreter, Read
from ..readers._values import BadRecordError
from ..readers.csv import cell_readers
from ._columns import Source
from ._duckdb import Engine
from ._request import Question
from ._sort_key import usable
from ._times import microseconds, value

__all__ = ["Records", "Told"]


class Told(NamedTuple):
    """
    What one row says.
    """

    key: Any
    """What the rows of its run are grouped by; None where that is not asked for."""
    file: int
    row: int
    reads: list[Read]


class Records:
    """
    The rows of a source as observations and findings; they may be iterated over again.
    """

    def __init__(self, engine: Engine, asked: Question) -> None:
        """
        Read the source of *asked*, whose rows are in their own order, else in that of their times.
        """
        self._engine = engine
        self._asked = asked
        source = asked.source
        self._names = [name for name, _ in source.wide_columns]
        self._readers = {
            number: Interpreter(source.columns, asked.lifecycle, name, asked.assume_utc)
            for number, name in enumerate(source.names or (None,))
        }
        self._cells = _cells(source, self._readers[0])
        self._kept_if_null = {
            name for name in self._names if _tells_if_null(name, self._readers[0])
        }

    def __iter__(self) -> Iterator[Read]:
        for told in self._told(self._statement("null", self._keyed, self._in_time())):
            yield from told.reads

    def of_runs(self, keys: Sequence[Any]) -> Iterator[Told]:
        """
        Yield the rows of the runs *keys*, run by run.
        """
        asked = self._asked
        order = self._in_time() or "f, r"
        # Kept before it is asked whether they can be used: else that would be asked of all rows.
        mine = f"select * from {self._keyed} where h in (select unnest($1::{asked.key_kind}[]))"
        rows = f"(with mine as materialized ({mine}) select *, {usable()} as usable from mine)"

        return self._told(self._statement("h", f"{rows} where usable", f"h, {order}"), [keys])

    def unusable(self) -> Iterator[Told]:
        """
        Yield the rows whose id or status the plain screen does not take.
        """
        return self._told(self._statement("null", f"{self._keyed} where not {usable()}", ""))

    def _in_time(self) -> str:
        """
        Return what the rows of a database are in the order of; empty where rows have an order.

        At one time they are in the order of the lifecycle's statuses.
        """
        asked = self._asked
        if asked.source.ordered or not asked.source.timed:
            return ""
        moment = microseconds(asked.source, assume_utc=asked.assume_utc)

        return f"{moment} nulls first, {asked.codes.place('status')}"

    @property
    def _keyed(self) -> str:
        """
        All rows, with what those of one run have in common.
        """
        return f"(select *, {self._asked.run_key} as h from {self._asked.source.wide})"

    def _statement(self, key: str, rows: str, order: str) -> str:
        asked = self._asked
        cells = ", ".join(
            value(kind, f"c{place}", name, assume_utc=asked.assume_utc)
            for place, (name, kind) in enumerate(asked.source.wide_columns)
        )

        return f"select {cells}, {key}, f, r from {rows}{f' order by {order}' if order else ''}"

    def _told(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Told]:
        source, names, kept = self._asked.source, self._names, self._kept_if_null
        for *cells, key, file, row in self._engine.portions(statement, values):
            record = {
                name: cell
                for name, cell in zip(names, cells, strict=True)
                if cell is not None or name in kept
            }
            _, line = source.place(file, row)
            interpreter = self._readers[file]
            notes = self._read_cells(record, interpreter, line or 0)
            reads: list[Read] = [*notes, *interpreter.observe(record, line or 0)]
            if not source.ordered:
                reads = [read._replace(line=None) for read in reads]
            yield Told(key, file, row, reads)

    def _read_cells(
        self, record: dict[str, Any], interpreter: Interpreter, line: int
    ) -> Sequence[Finding]:
        """
        Replace the texts in *record* by what they say; return what is wrong with them.
        """
        notes: list[Finding] = []
        for name, how in self._cells:
            cell = record.get(name)
            if isinstance(cell, str):
                try:
                    record[name] = how(cell)
                except BadRecordError as bad:
                    del record[name]
                    notes.append(interpreter.finding(bad.code, f"{name} is {bad.reason}", line))

        return notes


def _cells(source: Source, interpreter: Interpreter) -> list[tuple[str, Callable[[str], Any]]]:
    """
    Return how the texts of those columns are read that hold something else.
    """
    names = [name for name, _ in source.wide_columns]
    if source.texts:
        hows = cell_readers(names, interpreter)
        return [(name, how) for name in names if (how := hows.get(name)) is not None]

    return [(name, _object_or_text) for name in names if name in interpreter.details]


def _object_or_text(cell: str) -> Any:
    return parse(cell.encode()) if cell.startswith("{") else cell


def _tells_if_null(name: str, interpreter: Interpreter) -> bool:
    """
    Return whether null means something in the column *name*; elsewhere it is unknown, as in CSV.
    """
    needed = (*interpreter.id_keys, interpreter.status_key, *interpreter.columns[:2])

    return interpreter.pascal.get(name, name) in {"source", "target", *needed}
