"""
Rows that say more than SQL screens, as records for the interpreter and the monitor.

The plain screen looks at the id, the status and the time of a row. Where columns hold more that
a rule is about (stamps, identity, details, source and target, the kind of object), the rows are
read as records, by the code that reads those of JSON and CSV, and judged by the same monitor.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..histories._column_faults import ColumnFaults
from ..readers._parse import parse
from ..readers._record import Interpreter, Read
from ..readers._values import BadRecordError
from ..readers.csv import cell_readers
from ._duckdb import Engine
from ._request import Question
from ._sort_key import usable
from ._times import microseconds, value

__all__ = ["Records", "Rows", "Told"]


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
        self.faults = ColumnFaults()
        """Those that many of the rows read so far share."""
        names = [name for name, _ in source.wide_columns]
        self._rows = {
            number: Rows(
                names,
                Interpreter(source.columns, asked.lifecycle, name, asked.assume_utc),
                texts=source.texts,
                faults=self.faults,
            )
            for number, name in enumerate(source.names or (None,))
        }

    def __iter__(self) -> Iterator[Read]:
        self.faults.clear()
        for told in self._told(self._statement("null", self._keyed, self._in_time())):
            yield from told.reads
        yield from self.faults.findings()

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
        source = self._asked.source
        for *cells, key, file, row in self._engine.portions(statement, values):
            _, line = source.place(file, row)
            reads = self._rows[file].reads(cells, line or 0)
            if not source.ordered:
                reads = [read._replace(line=None) for read in reads]
            yield Told(key, file, row, reads)


class Rows:
    """
    Says what the rows of a table mean, as the readers of files say it of their records.
    """

    def __init__(
        self,
        names: Sequence[str],
        interpreter: Interpreter,
        *,
        texts: bool,
        faults: ColumnFaults,
    ) -> None:
        """
        Read rows of the columns *names*; *texts* says that all cells are texts, as in CSV.

        What many rows have wrong goes to *faults*, and is not among what a row says.
        """
        interpreter.column_faults = faults
        self._names = names
        self._interpreter = interpreter
        self._cells = dict(_cells(names, interpreter, texts=texts))
        self._kept_if_null = {name for name in names if _tells_if_null(name, interpreter)}

    def reads(self, cells: Sequence[Any], line: int) -> list[Read]:
        """
        Return what the row in *line* says, whose first *cells* are given.
        """
        record = {
            name: cell
            for name, cell in zip(self._names, cells, strict=False)
            if cell is not None or name in self._kept_if_null
        }
        notes: list[Read] = []
        for name in self._cells:
            cell = record.get(name)
            if isinstance(cell, str):
                try:
                    record[name] = self.cell(name, cell)
                except BadRecordError as bad:
                    del record[name]
                    reason = f"{name} is {bad.reason}"
                    notes.append(self._interpreter.finding(bad.code, reason, line))

        return [*notes, *self._interpreter.observe(record, line)]

    def cell(self, name: str, text: str) -> Any:
        """
        Return what *text* says in the column *name*.

        Raises:
            BadRecordError: It cannot be read.
        """
        how = self._cells.get(name)

        return text if how is None else how(text)


def _cells(
    names: Sequence[str], interpreter: Interpreter, *, texts: bool
) -> list[tuple[str, Callable[[str], Any]]]:
    """
    Return how the texts of those columns are read that hold something else.
    """
    if texts:
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
