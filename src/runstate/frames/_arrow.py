"""
Rows of Arrow, in any order, judged by the core's own monitor and counted by its counter.

Few histories differ in more than their times, so runs with the same statuses, in the same order
and with the same ties, are judged once and counted together. Runs with findings that are kept,
with rows that say more, or with a time that a rule may be about are judged one by one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from math import inf
from typing import Any, Final, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from ..histories._counts import Counts, judged_alone
from ..histories._monitor import Monitor
from ..histories._records import Finding, Observation, ObservationModel
from ..histories._sample import Timelines
from ..histories._survey import OCTAVE
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ..readers._record import Interpreter
from ..readers._times import Times, unix_seconds
from ..readers._values import LONGEST_ID, BadRecordError
from ..runs._wire import FIRST_SECOND, LAST_SECOND
from ._interpreted import Rows

__all__ = ["Request", "judged"]

_MICRO: Final = 1_000_000
_UNITS: Final = (1, 1_000, 1_000_000, 1_000_000_000)
_ODD: Final = 0xFFFF_FFFF
"""In place of a status: the row has to be read as a record."""


class Request(NamedTuple):
    """
    What is asked of the rows; sent to where they are.
    """

    lifecycle: Lifecycle
    observed: ObservationModel
    columns: Columns
    assume_utc: bool
    finished: bool
    limits: Mapping[str, float]
    now: float | None
    limit: int
    samples: int
    measured: bool
    allow_reopen: bool
    names: tuple[str, ...] = ()
    """Of the columns c0, c1 and so on: those of the id, the status and the time, or all that a rule is about."""
    plain: bool = True
    """Whether the columns are id, status and time alone; the time may be missing."""
    texts: bool = False
    """Whether all cells are texts, as in CSV."""

    def monitor(self) -> Monitor:
        """
        Return what judges a run.
        """
        return Monitor(
            self.lifecycle,
            observed=self.observed,
            limits=self.limits,
            allow_reopen=self.allow_reopen,
        )

    def counts(self) -> Counts:
        """
        Return a counter of nothing yet.
        """
        return Counts(self.limit, Timelines(self.samples))


def judged(request: Request, batches: Iterable[Any]) -> Counts:
    """
    Return the counts of the runs in *batches*, all of whose rows are there.

    The rows are put in order here: not every engine that speaks Spark's protocol keeps the order
    that it was asked for. So all of them are held in memory, as Arrow holds them.

    Args:
        request: What is request.
        batches: Record batches of Arrow with the columns ``id`` (a text) and c0, c1 and so on.
    """
    part, held = _Part(request), list(batches)
    if held:
        part.take(pa.Table.from_batches(held).combine_chunks())

    return part.total()


class _Zoned(Times):
    """
    Reads times each by itself, since nobody sees all rows: one without a zone is refused.
    """

    def __init__(self, assume_utc: bool) -> None:
        super().__init__(UTC if assume_utc else None)
        self.assume_utc = assume_utc

    def seconds(self, value: object, key: str, line: int) -> float:  # noqa: ARG002  the base's
        return unix_seconds(value, key, self.assume_utc)


class _Kind(NamedTuple):
    """
    What is said of every run with the same statuses.
    """

    counts: Counts
    alone: bool = False
    """Whether such runs have to be judged one by one."""
    wrong: bool = False
    over: bool = True
    """Whether such a run ended, so that it waits for nothing."""


class _Runs(NamedTuple):
    """
    Rows in the order of their runs, times and statuses.
    """

    table: Any
    order: Any
    """Where each row stands in the table."""
    starts: Any
    """The first row of each run."""
    run: Any
    """A number for each run."""
    code: Any
    at: Any
    """Microseconds, or null."""

    def rows(self, chosen: Any = None) -> Iterator[Any]:
        """
        Yield the rows of each run, or of the *chosen* ones, as a table.
        """
        begins = [*self.starts.to_pylist(), len(self.order)]
        numbers = (
            range(len(self.starts)) if chosen is None else pc.indices_nonzero(chosen).to_pylist()
        )
        for number in numbers:
            start, stop = begins[number], begins[number + 1]
            yield self.table.take(self.order.slice(start, stop - start))


class _Part:
    """
    Judges runs as they come, and remembers none but as numbers.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._monitor, self._counts = request.monitor(), request.counts()
        # The times of a kind are made up, and no limit is about them.
        self._of_kinds = request._replace(limits={}).monitor()
        times = _Zoned(request.assume_utc)
        interpreter = Interpreter(request.columns, request.lifecycle, None, times=times)
        faults = self._counts.faults
        self._rows = Rows(request.names, interpreter, texts=request.texts, faults=faults)
        self._in_order = request.observed != "unordered"
        self._codes: dict[str | None, int] = {}
        self._templates: list[Observation] = []
        for status in request.lifecycle.statuses:
            self._code(str(status))

    def total(self) -> Counts:
        """
        Return the counts of all runs that were taken.
        """
        if not self._request.measured:
            self._counts.dwell = {}

        return self._counts

    def take(self, table: Any) -> None:
        """
        Judge the runs in *table*.
        """
        named = _flat(table["id"]).is_valid()
        nameless = table.filter(pc.invert(named))
        for number in range(nameless.num_rows):  # a row without an id belongs to no run
            self._judge_alone(nameless.slice(number, 1))
        table = table.filter(named).combine_chunks()
        if not table.num_rows:
            return
        run = _flat(table["id"]).dictionary_encode().indices
        if self._request.plain:
            self._screen(self._in_turn(table, run))
            return
        order = pc.sort_indices(run)
        starts = pc.indices_nonzero(_changes(run.take(order)))
        for rows in _Runs(table, order, starts, run, None, None).rows():
            self._judge_alone(rows)

    # -- many at once --------------------------------------------------------------

    def _screen(self, runs: _Runs) -> None:
        code, at = runs.code, runs.at
        tied = pc.and_not(pc.invert(_changes(at)), _changes(runs.run)).fill_null(False)  # noqa: FBT003
        odd = pc.equal(code, _ODD)
        path = pc.add(pc.multiply(code, 2), tied.cast(pa.int64()))
        path = pc.if_else(odd, _ODD, path).cast(pa.uint32())
        paths = _slices(path, runs.starts).dictionary_encode()
        names: list[bytes] = paths.dictionary.to_pylist()
        kinds = [self._kind(name) for name in names]
        alone = self._alone(runs, paths.indices, kinds)
        for number in pc.value_counts(paths.indices.filter(pc.invert(alone))).to_pylist():
            self._counts.merge(kinds[number["values"]].counts, number["counts"])
        for rows in runs.rows(alone):
            self._judge_alone(rows)
        self._span(at.filter(pc.invert(odd)))
        if self._in_order and self._request.measured:
            number = pc.subtract(pc.cumulative_sum(_changes(runs.run).cast(pa.int32())), 1)
            self._measure(runs, pc.invert(alone.take(number)))

    def _in_turn(self, table: Any, run: Any) -> _Runs:
        """
        Return the rows of *table* in the order of their times, then of the lifecycle's statuses.
        """
        timed = "c2" in table.column_names
        given = _flat(table["c2"]) if timed else pa.nulls(len(run), pa.string())
        at = self._micros(given)
        texts = _flat(table["c1"]).dictionary_encode("encode")
        statuses = texts.dictionary.to_pylist()
        for status in sorted(each for each in statuses if each is not None):
            self._code(status)
        code = pa.array([self._code(status) for status in statuses], pa.int64()).take(texts.indices)
        # In no order it does not matter that a time is missing, unless times are asked for.
        needed = self._in_order or bool(self._request.limits)
        untimed = pc.and_(at.is_null(), pc.or_(given.is_valid(), needed))
        code = pc.if_else(pc.or_(_is_odd_id(_flat(table["id"])), untimed), _ODD, code)
        keys = pa.table({"run": run, "at": at.fill_null(-1), "code": code})
        order = pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names])
        run = run.take(order)
        starts = pc.indices_nonzero(_changes(run)).cast(pa.int32())

        return _Runs(table, order, starts, run, code.take(order), at.take(order))

    def _alone(self, runs: _Runs, indices: Any, kinds: Sequence[_Kind]) -> Any:
        """
        Return which runs are judged one by one.
        """
        alone = pa.array([kind.alone for kind in kinds]).take(indices)
        if self._request.limits:
            over = pa.array([kind.over for kind in kinds]).take(indices)
            alone = pc.or_(alone, self._may_be_late(runs, over))
        wrong = pa.array([kind.wrong for kind in kinds]).take(indices)
        asked_for = pa.scalar(True) if self._request.samples else wrong  # noqa: FBT003
        chosen = alone.to_pylist()
        candidates = pc.indices_nonzero(pc.and_(pc.invert(alone), asked_for))
        ids = _flat(runs.table["id"]).take(runs.order.take(runs.starts.take(candidates)))
        for number, run_id in zip(candidates.to_pylist(), ids.to_pylist(), strict=True):
            place = (run_id,) if kinds[indices[number].as_py()].wrong else None
            shown = self._counts.timelines.takes(run_id, place)
            chosen[number] = shown or (place is not None and self._counts.keeps(place))

        return pa.array(chosen)

    def _may_be_late(self, runs: _Runs, over: Any) -> Any:
        """
        Return which runs lasted, or wait, for longer than the shortest limit.
        """
        least = round(min(self._request.limits.values()) * _MICRO)
        ends = pa.concat_arrays([runs.starts.slice(1), pa.array([len(runs.at)], pa.int32())])
        first, last = runs.at.take(runs.starts), runs.at.take(pc.subtract(ends, 1))
        late = pc.greater(pc.subtract(last, first), least)
        if self._request.now is not None:
            waits = pc.greater(pc.subtract(round(self._request.now * _MICRO), first), least)
            late = pc.or_(late, pc.and_(waits, pc.invert(over)))

        return late.fill_null(True)  # noqa: FBT003

    def _measure(self, runs: _Runs, counted: Any) -> None:
        """
        Count how long the runs whose rows are *counted* were in each status before the next.
        """
        entered = pc.or_(_changes(runs.run), _changes(runs.code))
        chosen = pc.and_(entered, counted)
        run, code, at = (each.filter(chosen) for each in (runs.run, runs.code, runs.at))
        same = pc.invert(_changes(run)).slice(1)
        before, after = (
            code.slice(0, max(len(code) - 1, 0)).filter(same),
            code.slice(1).filter(same),
        )
        lasted = pc.subtract(at.slice(1), at.slice(0, max(len(at) - 1, 0))).filter(same)
        moves = pa.table(
            {"before": before, "after": after, "bucket": _buckets(lasted), "lasted": lasted}
        )
        grouped = moves.group_by(["before", "after", "bucket"]).aggregate(
            [("lasted", "count"), ("lasted", "sum"), ("lasted", "max")]
        )
        names = ("before", "after", "bucket", "lasted_count", "lasted_sum", "lasted_max")
        for each in zip(*(grouped[name].to_pylist() for name in names), strict=True):
            source, target, bucket, times, total, longest = each
            move = self._templates[source].status, self._templates[target].status
            self._counts.measure(move).add(bucket, times, total, longest)

    def _span(self, at: Any) -> None:
        span = pc.min_max(at)
        if span["min"].is_valid:
            first, last = span["min"].as_py() / _MICRO, span["max"].as_py() / _MICRO
            self._counts.began = min(self._counts.began, first)
            self._counts.ended = max(self._counts.ended, last)

    # -- one of each kind ----------------------------------------------------------

    def _code(self, status: str | None) -> int:
        """
        Return the number of *status*; another one if the readers do not take it for a status.
        """
        if status not in self._codes:
            reads = self._rows.reads(("_", status), 0)
            usable = len(reads) == 1 and isinstance(reads[0], Observation)
            self._codes[status] = len(self._templates) if usable else _ODD
            self._templates += [read for read in reads if usable and isinstance(read, Observation)]

        return self._codes[status]

    def _kind(self, path: bytes) -> _Kind:
        codes = memoryview(path).cast("I").tolist()
        if _ODD in codes:
            return _Kind(Counts(0), alone=True)
        rows, at = [], 0
        for code in codes:
            at += 1 - code % 2
            rows.append(self._templates[code // 2]._replace(at=float(at), line=None))
        verdict = judged_alone(self._of_kinds, rows, finished=self._request.finished)
        counts = Counts(0)
        counts.add(verdict, self._of_kinds)
        counts.dwell, counts.began, counts.ended = {}, inf, -inf
        moved = [row.line for row in verdict.rows] != [*range(1, len(rows) + 1)]
        over = self._request.lifecycle.is_terminal(rows[-1].status)

        return _Kind(counts, moved, bool(verdict.findings), over)

    # -- one by one ----------------------------------------------------------------

    def _judge_alone(self, table: Any) -> None:
        """
        Judge one run, whose rows *table* has; each is read as the readers of files read a record.
        """
        names = ["id", *table.column_names[1:]] if self._request.plain else table.column_names[1:]
        cells = zip(*(_cells(_flat(table[name])) for name in names), strict=True)
        reads = [read._replace(line=None) for row in cells for read in self._rows.reads(row, 0)]
        rows = [read for read in reads if isinstance(read, Observation)]
        notes = [read for read in reads if isinstance(read, Finding)]
        if not rows:
            for note in notes:
                self._counts.note(
                    ("", *map(str, note)), note
                )  # in an order that is always the same
            return
        place = (rows[0].run_id,)
        rows.sort(key=self._rank)
        verdict = judged_alone(
            self._monitor, rows, place, finished=self._request.finished, now=self._request.now
        )
        # Rows of Spark have no place that a line could name.
        found = [(each, finding._replace(line=None)) for each, finding in verdict.findings]
        seen = [row._replace(line=None) for row in verdict.rows]
        noted = [((*place, -1, number), note) for number, note in enumerate(notes)]
        self._counts.add(verdict._replace(rows=seen, findings=[*noted, *found]), self._monitor)

    def _rank(self, row: Observation) -> tuple[float, int, str]:
        known = len(self._request.lifecycle.statuses)

        return -inf if row.at is None else row.at, min(self._code(row.status), known), row.status

    # -- times ---------------------------------------------------------------------

    def _micros(self, at: Any) -> Any:
        """
        Return the times *at* in microseconds since 1970; null where one is none of a run's.
        """
        kind = at.type
        if pa.types.is_string(kind):
            return pa.array([self._text_micros(each) for each in at.to_pylist()], pa.int64())
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            micros = at.cast(pa.timestamp("us", getattr(kind, "tz", None))).cast(pa.int64())
            inside = _between(micros, _MICRO)
            return pc.if_else(inside, micros, None)
        number = at.cast(pa.float64(), safe=False)
        micros = pa.nulls(len(at), pa.int64())
        for unit in _UNITS:
            inside = _between(number, unit)
            known = pc.round(pc.multiply(pc.divide(pc.if_else(inside, number, None), unit), _MICRO))
            micros = pc.coalesce(micros, known.cast(pa.int64()))

        return micros

    def _text_micros(self, text: str | None) -> int | None:
        name = self._request.names[-1]
        try:
            value = self._rows.cell(name, text) if text is not None else None
            seconds = unix_seconds(value, name, self._request.assume_utc)
        except BadRecordError:
            return None

        return round(seconds * _MICRO)


def _between(number: Any, unit: int) -> Any:
    """
    Return whether *number* is a time of the years 2000 to 2099, in so many to the second.
    """
    first, end = (
        pa.scalar(each * unit).cast(number.type, safe=False)
        for each in (FIRST_SECOND, LAST_SECOND + 1)
    )

    return pc.and_(pc.greater_equal(number, first), pc.less(number, end))


def _buckets(micros: Any) -> Any:
    """
    Return the bucket of each duration; see :func:`runstate.histories._survey.bucket_of`.
    """
    grown = pc.floor(
        pc.multiply(pc.log2(pc.if_else(pc.greater(micros, 0), micros, 1)), float(OCTAVE))
    )
    bucket = pc.add(grown.cast(pa.int64()), 1)

    return pc.if_else(pc.greater(micros, 0), bucket, 0)


def _is_odd_id(ids: Any) -> Any:
    """
    Return which of *ids* the readers may refuse: those not of plain, visible characters.
    """
    size = pc.binary_length(ids)
    plain = pc.and_(
        pc.ascii_is_printable(ids), pc.and_(pc.greater(size, 0), pc.less_equal(size, LONGEST_ID))
    )

    return pc.invert(plain).fill_null(True)  # noqa: FBT003


def _changes(values: Any) -> Any:
    """
    Return which of *values* differ from the one before; the first does.
    """
    if not len(values):
        return pa.array([], pa.bool_())
    rest = pc.not_equal(values.slice(1), values.slice(0, len(values) - 1))

    return pa.concat_arrays([pa.array([True]), rest])


def _slices(numbers: Any, starts: Any) -> Any:
    """
    Return *numbers* of four bytes in pieces that begin at *starts*, each as bytes.
    """
    offsets = pa.concat_arrays([starts, pa.array([len(numbers)], pa.int32())])
    sizes = pc.multiply(offsets, pa.scalar(4, pa.int32()))

    return pa.Array.from_buffers(
        pa.binary(), len(starts), [None, sizes.buffers()[1], numbers.buffers()[1]]
    )


def _flat(column: Any) -> Any:
    """
    Return a column of a table as one array.
    """
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _cells(column: Any) -> list[Any]:
    """
    Return the cells of *column* as values that JSON has too; a time is Unix seconds.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        micros = column.cast(pa.timestamp("us", getattr(kind, "tz", None))).cast(pa.int64())
        return [None if each is None else each / _MICRO for each in micros.to_pylist()]
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())

    return list(column.to_pylist())
