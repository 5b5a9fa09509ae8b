"""
What can be asked of files, tables and frames.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any, Final, TypedDict, Unpack

from .._keywords import refuse_unknown
from .._text import printable
from ..histories._monitor import Monitor
from ..histories._records import ObservationModel
from ..histories._survey import Survey
from ..lifecycle._table import Lifecycle
from ..readers import Columns
from ..runs._run import RUN
from ._columns import Source
from ._databases import tables
from ._dataframes import framed, given, is_spark, kind_of
from ._duckdb import Engine, opened
from ._errors import FrameError
from ._files import files
from ._request import Question
from ._survey import surveyed
from ._times import UNZONED

__all__ = ["Asked", "Paths", "check_frame", "survey_files", "survey_frame", "survey_table"]

_USUAL_COLUMNS: Final = Columns()

_MOST: Final = 900_000
"""Findings that the engine can keep at most."""

Paths = str | PathLike[str] | Iterable[str | PathLike[str]]
"""A file, a folder or a pattern, or several of them."""


class Asked(TypedDict, total=False):
    """
    What may be asked besides; the same of files, tables and frames.

    Example:
        >>> import pyarrow as pa
        >>> polled: Asked = {"run_id": "job", "status": "state", "observed": "polled", "finished": True}
        >>> frame = pa.table({"job": ["a", "a", "b"], "state": ["queued", "completed", "queued"]})
        >>> survey_frame(frame, **polled).findings[0].message
        'ends in queued'
        >>> check_frame(frame, **polled)["code"].to_pylist()
        ['RS107']
    """

    observed: ObservationModel
    """What was seen of each run; see :func:`runstate.check`. ``complete``, if not said."""
    columns: Columns
    """What the columns are called, if not as usual."""
    run_id: str | None
    """Column of the run's id; the same as in *columns*."""
    status: str | None
    """Column of the status; the same as in *columns*."""
    at: str | None
    """Column of the time when a run was seen to have its status; the same as in *columns*."""
    attempt: str | None
    """Column of the number of the attempt; the same as in *columns*."""
    assume_utc: bool
    """Whether a time without a zone is UTC rather than unreadable."""
    finished: bool
    """Whether every run should have ended (RS107)."""
    limits: Mapping[str, float] | None
    """Longest time in a status, in seconds by status (RS302)."""
    now: float | None
    """When to judge what is still under way, in Unix seconds (RS302)."""
    memory: str | None
    """Most that the engine takes, such as ``1GB``; what is beyond goes to disk. Not on Spark."""
    exact: bool
    """
    Whether to make sure that no two ids look like one by their hashes of 64 bits.

    Else, of a billion runs, each shares its hash with another with a probability of 1 in 18
    billion. No finding is made up by that, and none is hidden under ``unordered``, nor under
    ``polled`` where nothing is measured; where runs are sorted, one might be; and
    counts of more than *limit* findings may be off. Ids that others choose might be
    chosen so.
    """
    allow_reopen: bool
    """Whether a run may be reopened without evidence (RS109); see :func:`runstate.check`."""
    measured: bool
    """Whether to count moves and how long they took, not only what is wrong. True, if not said."""
    limit: int
    """Findings that are kept, the first ones; 10,000, if not said, and at most 900,000. All are counted."""
    samples: int
    """Runs whose timelines are kept: at most half of them such with findings."""
    keep: Sequence[str]
    """Ids of runs whose timelines are kept beside the samples. Not on Spark."""


def survey_files(
    paths: Paths,
    lifecycle: Lifecycle = RUN,
    **asked: Unpack[Asked],
) -> Survey:
    """
    Return what was observed in whole files, and what is wrong with it by the rules of :func:`runstate.check`.

    One row is one record, as of :func:`runstate.readers.read`. Where the columns are a run's id,
    its status and a time, and others that no rule is about, DuckDB screens all rows and only
    runs that may be wrong are judged one by one. Where there are more (stamps, identity,
    details, source and target, the kind of object), the rows of Parquet are read as records, one by
    one, which takes memory for each run; text with such columns is refused, as is text that is
    irregular in any way (blank lines, broken rows, a NUL byte): read it by the readers. A cell
    that is null is unknown.

    The rows of a run are judged by number, else by time, else as they stand; see
    :func:`runstate.check`.

    Args:
        paths: Parquet, CSV or JSON lines, packed with gzip or zstd or not: files,
            folders and patterns such as ``logs/*.parquet``; one, or several of one kind. The
            name of an existing file is taken literally. A folder may be one Delta Lake table.
        lifecycle: The table to hold it against.
        asked: How it is judged (*observed*, *finished*, *limits*, *now*, *allow_reopen*), what the
            columns are called (*columns*, *run_id*, *status*, *at*, *attempt*, *assume_utc*),
            what is kept (*measured*, *limit*, *samples*, *keep*), and how it is computed
            (*memory*, *exact*). :class:`Asked` explains each.

    Raises:
        FrameError: A file cannot be read, lacks a column, or is text that DuckDB would read in
            another way than the readers do; or the engine is not installed.
        ValueError: *observed* is not one of the three models, or a limit names an unknown status.
    """
    names = [paths] if isinstance(paths, str | PathLike) else [*paths]

    return _surveyed(
        lambda engine, columns: files(engine, [fspath(name) for name in names], columns, lifecycle),
        lifecycle,
        _known("survey_files", asked),
    )


def survey_table(
    url: str,
    lifecycle: Lifecycle = RUN,
    *,
    table: str | None = None,
    query: str | None = None,
    **asked: Unpack[Asked],
) -> Survey:
    """
    Return what was observed in a table of a database, or in what a query answers.

    Rows of a database have no position: findings name no row, and rows at one time are
    legal if some order of them is. A DuckDB file reaches no other file while it is read.

    Args:
        url: ``postgresql://``, ``sqlite:///`` or ``duckdb:///``, or the path of a SQLite or
            DuckDB file. It is only read.
        lifecycle: The table to hold it against.
        table: Name of a table, with its schema before a dot where needed.
        query: Statement to select the rows by, instead; on a DuckDB file, one SELECT.
        asked: How it is judged (*observed*, *finished*, *limits*, *now*, *allow_reopen*), what the
            columns are called (*columns*, *run_id*, *status*, *at*, *attempt*, *assume_utc*),
            what is kept (*measured*, *limit*, *samples*, *keep*), and how it is computed
            (*memory*, *exact*). :class:`Asked` explains each.

    Raises:
        FrameError: The database cannot be read, or the query fails.
        ValueError: *observed* is not one of the three models, or a limit names an unknown status.

    Example:
        >>> import sqlite3, tempfile
        >>> from contextlib import closing
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = str(Path(folder, "jobs.db"))
        ...     with closing(sqlite3.connect(path)) as database:
        ...         _ = database.execute("CREATE TABLE log (run_id TEXT, status TEXT, at REAL)")
        ...         rows = [("a", "queued", 1.7e9), ("a", "completed", 1.7e9 + 4)]
        ...         _ = database.executemany("INSERT INTO log VALUES (?, ?, ?)", rows)
        ...         database.commit()
        ...     survey = survey_table(path, table="log")
        >>> survey.runs, [finding.message for finding in survey.findings]
        (1, ['queued -> completed: no such move'])
    """
    return _surveyed(
        lambda engine, columns: tables(engine, url, columns, lifecycle, table=table, query=query),
        lifecycle,
        _known("survey_table", asked),
    )


def survey_frame(frame: Any, lifecycle: Lifecycle = RUN, **asked: Unpack[Asked]) -> Survey:
    """
    Return what was observed in the caller's own frame.

    Args:
        frame: A DataFrame or LazyFrame of Polars, a DataFrame of pandas or PySpark, a Table,
            RecordBatchReader or Dataset of Arrow, or a relation of DuckDB. One row is one
            observation, in any order; it is not changed, but a reader is used up.
        lifecycle: The table to hold it against.
        asked: How it is judged (*observed*, *finished*, *limits*, *now*, *allow_reopen*), what the
            columns are called (*columns*, *run_id*, *status*, *at*, *attempt*, *assume_utc*),
            what is kept (*measured*, *limit*, *samples*, *keep*), and how it is computed
            (*memory*, *exact*). :class:`Asked` explains each.

    Raises:
        FrameError: The frame lacks a column, or has one of a type that cannot be used.
        TypeError: *frame* is not a dataframe of a supported library.
        ValueError: *observed* is not one of the three models, or a limit names an unknown status.
    """
    asked = _known("survey_frame", asked)
    if is_spark(frame):
        from ._spark import survey_spark  # noqa: PLC0415  only for who has it

        return survey_spark(frame, lifecycle, **_on_spark(asked))

    return _surveyed(
        lambda engine, columns: given(engine, frame, columns, lifecycle), lifecycle, asked
    )


def check_frame(frame: Any, lifecycle: Lifecycle = RUN, **asked: Unpack[Asked]) -> Any:
    """
    Return what is wrong with the runs in the caller's own frame, as a frame of the same kind.

    Args:
        frame: A DataFrame or LazyFrame of Polars, a DataFrame of pandas or PySpark, a Table,
            RecordBatchReader or Dataset of Arrow, or a relation of DuckDB. One row is one
            observation, in any order; it is not changed, but a reader is used up.
        lifecycle: The table to hold it against.
        asked: How it is judged (*observed*, *finished*, *limits*, *now*, *allow_reopen*), what the
            columns are called (*columns*, *run_id*, *status*, *at*, *attempt*, *assume_utc*),
            what is kept (*measured*, *limit*, *samples*, *keep*), and how it is computed
            (*memory*, *exact*). :class:`Asked` explains each.

    Returns:
        One row a finding, in the order of the history, and the fields of
        :class:`runstate.Finding` as columns: all strings, but *line* (int64), the row of
        *frame* from 1. Lazy stays lazy, though the work is done by then.

    Raises:
        FrameError: The frame lacks a column, or has one of a type that cannot be used.
        TypeError: *frame* is not a dataframe of a supported library.
        ValueError: *observed* is not one of the three models, or a limit names an unknown status.
    """
    asked = _known("check_frame", asked)
    if is_spark(frame):
        from ._spark import check_spark  # noqa: PLC0415  only for who has it

        return check_spark(frame, lifecycle, **_on_spark(asked))
    kind_of(frame)
    asked.setdefault("measured", False)

    return framed(survey_frame(frame, lifecycle, **asked).findings, frame)


def _known(function: str, asked: Asked) -> Asked:
    """
    Return what was *asked* of *function*, with all names of columns in ``columns``.

    Raises:
        TypeError: A keyword is unknown, or *columns* is not a :class:`Columns`.
        ValueError: A column is named twice.
    """
    refuse_unknown(function, asked, Asked.__annotations__)
    columns = asked.get("columns", _USUAL_COLUMNS)
    if not isinstance(columns, Columns):
        raise TypeError(f"{function}() expects columns=Columns(…), got {type(columns).__name__}")
    known = asked.copy()
    known["columns"] = columns.named(
        known.pop("run_id", None),
        known.pop("status", None),
        known.pop("at", None),
        attempt=known.pop("attempt", None),
    )

    return known


def _on_spark(asked: Asked) -> dict[str, Any]:
    # Spark groups by the ids themselves, and has its memory from its own settings.
    return {name: value for name, value in asked.items() if name not in {"memory", "exact"}}


def _surveyed(
    source: Callable[[Engine, Columns], Source], lifecycle: Lifecycle, asked: Asked
) -> Survey:
    observed, limits = asked.get("observed", "complete"), asked.get("limits")
    Monitor(lifecycle, observed=observed, limits=limits)
    with opened(asked.get("memory")) as engine:
        question = Question(
            source(engine, asked.get("columns", _USUAL_COLUMNS)),
            lifecycle,
            observed,
            asked.get("finished", False),
            dict(limits or {}),
            asked.get("now"),
            asked.get("assume_utc", False),
            asked.get("measured", True),
            min(asked.get("limit", 10_000), _MOST),
            asked.get("samples", 0),
            asked.get("allow_reopen", False),
            tuple(asked.get("keep", ())),
        )

        is_text_file = question.source.texts and question.source.ordered
        if is_text_file and question.source.at_kind and not question.assume_utc:
            _refuse_unzoned(engine, question.source.table)
        survey = surveyed(engine, question, exact=asked.get("exact", False))
        # Of a file, the readers tell one for each column; a database they cannot read.
        if is_text_file and survey.tally.get("RS901", 0) > 1:
            raise FrameError(
                engine.place,
                "holds values that cannot be read; the readers report each such column once: "
                "use --engine python",
            )

        return survey


def _refuse_unzoned(engine: Engine, rows: str) -> None:
    """
    Pass *rows* of text whose times all have a zone: one without is told of by the readers, once a column.
    """
    found = engine.rows(f"select moment from {rows} where {UNZONED} limit 1")
    if found:
        shown = printable(found[0][0], 60)
        raise FrameError(
            engine.place,
            f"time '{shown}' has no time zone: pass --assume-utc if it is UTC, or --engine python",
        )
