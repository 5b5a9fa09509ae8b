"""
The caller's own frames: taken as they are, answered in kind.
"""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from io import BytesIO
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from runstate import Finding
from runstate.frames import FrameError, check_frame, survey_frame
from runstate.histories import survey
from runstate.readers import Columns, read

BORN = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = [
    ("run_1", "queued", BORN),
    ("run_2", "queued", BORN),
    ("run_1", "in_progress", BORN + timedelta(seconds=1.5)),
    ("run_2", "completed", BORN + timedelta(seconds=2)),
    (None, "runing", BORN),
    ("run_1", "completed", BORN + timedelta(seconds=3)),
    ("run_1", "failed", BORN + timedelta(seconds=3)),
]


def columns_of(rows: list[tuple[Any, Any, Any]]) -> dict[str, list[Any]]:
    """
    Return *rows* by column, with one that is not about runs.
    """
    run_ids, statuses, times = map(list, zip(*rows, strict=True))

    return {"note": [0] * len(rows), "run_id": run_ids, "status": statuses, "at": times}


def arrow(rows: list[tuple[Any, Any, Any]] = ROWS) -> pa.Table:
    """
    Return *rows* as a table of Arrow.
    """
    return pa.table(columns_of(rows))


def relation(rows: Any) -> Any:
    """
    Return *rows* as a relation of DuckDB, on a connection of its own.
    """
    return duckdb.connect().from_arrow(arrow(rows))


FRAMES: dict[str, Any] = {
    "polars": lambda rows: pl.DataFrame(columns_of(rows)),
    "lazy": lambda rows: pl.LazyFrame(columns_of(rows)),
    "pandas": lambda rows: pd.DataFrame(columns_of(rows)),
    "arrow": arrow,
    "reader": lambda rows: arrow(rows).to_reader(max_chunksize=2),
    "relation": relation,
    "dataset": lambda rows: ds.dataset(arrow(rows)),
}


def records(frame: Any) -> list[tuple[Any, ...]]:
    """
    Return the rows of a frame of any kind.
    """
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame.rows()
    if isinstance(frame, pd.DataFrame):
        return [
            tuple(None if pd.isna(cell) else cell for cell in row)
            for row in frame.itertuples(index=False)
        ]
    if isinstance(frame, ds.Dataset):
        frame = frame.to_table()
    if isinstance(frame, pa.RecordBatchReader):
        frame = frame.read_all()
    if isinstance(frame, pa.Table):
        return [tuple(row.values()) for row in frame.to_pylist()]

    return frame.fetchall()


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("observed", ["complete", "polled", "unordered"])
def test_findings_are_a_frame_of_the_same_kind(kind, observed):
    """
    Every kind of frame is answered with one of its kind, which holds what the readers' records would.
    """
    lines = [
        json.dumps({"run_id": run_id, "status": status, "at": at.timestamp()})
        for run_id, status, at in ROWS
    ]
    reads = [*read(BytesIO("\n".join(lines).encode()), format="jsonl")]
    reads = [each._replace(file=None) for each in reads]
    expected = survey(reads, observed=observed).findings
    frame = FRAMES[kind](ROWS)
    found = check_frame(frame, observed=observed)

    assert type(frame) is type(found)
    assert [tuple(finding) for finding in expected] == records(found)


@pytest.mark.parametrize("kind", FRAMES)
def test_no_finding_is_an_empty_frame(kind):
    """
    Where nothing is wrong, the frame has its columns and no row.
    """
    found = check_frame(FRAMES[kind](ROWS[:1]))
    columns = found.collect_schema().names() if kind == "lazy" else None
    if columns is None:
        columns = (
            found.schema.names if kind in {"arrow", "reader", "dataset"} else list(found.columns)
        )

    assert list(Finding._fields) == columns
    assert [] == records(found)


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_is_surveyed(kind):
    """
    Moves and times are counted of a frame as of a file.
    """
    survey = survey_frame(FRAMES[kind](ROWS), samples=4)

    assert (2, 6, 0) == survey[:3]
    assert 1.5 == survey.dwell["queued", "in_progress"].longest
    assert ["queued", "in_progress", "completed", "failed"] == [
        seen.status for seen in survey.timelines["run_1"]
    ]


@pytest.mark.parametrize(
    ("times", "assume_utc"),
    [
        ([BORN, BORN + timedelta(seconds=2)], False),
        ([BORN.astimezone(timezone(timedelta(hours=9))), BORN + timedelta(seconds=2)], False),
        ([BORN.replace(tzinfo=None), datetime(2026, 1, 1, 0, 0, 2)], True),  # noqa: DTZ001
        (pa.array([BORN, BORN + timedelta(seconds=2)], pa.timestamp("ns", tz="UTC")), False),
        (pa.array([BORN, BORN + timedelta(seconds=2)], pa.timestamp("s", tz="UTC")), False),
        ([int(BORN.timestamp()), int(BORN.timestamp()) + 2], False),
        ([BORN.timestamp(), BORN.timestamp() + 2], False),
        (["2026-01-01T00:00:00Z", "2026-01-01T02:00:02+02:00"], False),
        (["2026-01-01T00:00:00", "2026-01-01 00:00:02"], True),
    ],
)
def test_times_of_every_type_are_taken(times, assume_utc):
    """
    Times with a zone, numbers of seconds and ISO 8601 mean the same moments.
    """
    frame = pa.table({"run_id": ["a", "a"], "status": ["queued", "in_progress"], "at": times})
    survey = survey_frame(frame, assume_utc=assume_utc)

    assert {} == survey.tally
    assert (BORN.timestamp(), BORN.timestamp() + 2) == (survey.began, survey.ended)
    assert 2 == survey.dwell["queued", "in_progress"].total


@pytest.mark.parametrize(
    ("time", "message"),
    [
        (5, "at 5 is not between the years 2000 and 2099"),
        (float("nan"), "at nan is not between the years 2000 and 2099"),
        ("yesterday", "at 'yesterday' is neither Unix seconds nor ISO 8601"),
        (
            "2026-01-01T00:00:00",
            "at mixes times without a zone (line 2) and with one (line 1)",
        ),
    ],
)
def test_a_time_that_is_none_is_a_finding(time, message):
    """
    A row whose time cannot be read is told with its place, and judged where it stands.
    """
    right = "2026-01-01T00:00:00Z" if isinstance(time, str) else type(time)(BORN.timestamp())
    frame = pa.table({"run_id": ["a", "a"], "status": ["queued", "completed"], "at": [right, time]})
    hint = "--at KEY takes the times of another column, --at none leaves them out"
    if "mixes" in message:
        hint = "--zone NAME says which zone those without are in"
    found = Finding("RS901", "error", message, "a", hint=hint, line=2)
    survey = survey_frame(frame)

    assert found == survey.findings[1]
    assert (["RS103", "RS901"], 1, 2) == (
        [finding.code for finding in survey.findings], survey.runs, survey.observations,
    )  # fmt: skip


def test_milliseconds_are_told_by_their_size():
    """
    A time in milliseconds is read as what it is, beside one in seconds.
    """
    times = [int(BORN.timestamp()), int(BORN.timestamp()) * 1_000 + 2_500]
    frame = pa.table({"run_id": ["a", "a"], "status": ["queued", "in_progress"], "at": times})
    survey = survey_frame(frame)

    assert {} == survey.tally
    assert 2.5 == survey.dwell["queued", "in_progress"].total


@pytest.mark.parametrize("times", [[BORN.replace(tzinfo=None)], [date(2026, 1, 1)]])
def test_a_column_without_a_zone_is_refused(times):
    """
    Times without a zone are not guessed at; nor is a column that holds none.
    """
    frame = pa.table({"run_id": ["a"], "status": ["queued"], "at": times})

    with pytest.raises(FrameError, match="has no time zone; pass --assume-utc if it is UTC"):
        survey_frame(frame)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"status": ["queued"]}, "no column 'run_id' or 'id' .columns: status; --run-id names"),
        ({"run_id": ["a"], "state": ["queued"]}, "no column 'status' .did you mean 'state'"),
        ({"run_id": ["a"], "status": [5]}, "column 'status' is BIGINT; statuses are texts"),
        ({"run_id": [["a"]], "status": ["queued"]}, "column 'run_id' is VARCHAR.*; ids are texts"),
        ({"run_id": ["a"], "status": ["queued"], "at": [True]}, "column 'at' is BOOLEAN; expected"),
    ],
)
def test_a_frame_that_cannot_be_used_is_refused(columns, reason):
    """
    What lacks, or is of the wrong type, is named, with what there is.
    """
    with pytest.raises(FrameError, match=reason):
        check_frame(pa.table(columns))


def test_columns_are_the_callers():
    """
    Columns are named as the caller says, keywords of SQL and quotation marks in them or not.
    """
    frame = pl.DataFrame({'jo"b': [7, 7], "select": ["queued", "completed"], "from": [BORN, BORN]})
    found = check_frame(frame, columns=Columns('jo"b', "select", "from"))

    assert ["7"] == found["run_id"].to_list()


def test_what_is_no_frame_is_a_mistake():
    """
    A list is no frame, and neither is anything else.
    """
    with pytest.raises(TypeError, match=r"not builtins\.list"):
        check_frame([("a", "queued")])


def test_categories_are_texts():
    """
    Statuses and ids may be kept as categories.
    """
    frame = pl.DataFrame(columns_of(ROWS)).with_columns(
        pl.col("status").cast(pl.Categorical), pl.col("run_id").cast(pl.Categorical)
    )

    assert check_frame(pl.DataFrame(columns_of(ROWS))).equals(check_frame(frame))


def test_the_memory_is_an_amount():
    """
    A limit of memory that is no amount is refused; one that is holds.
    """
    assert {} == survey_frame(arrow(ROWS[:1]), memory="200MB").tally
    with pytest.raises(FrameError, match="expected an amount such as 1GB"):
        survey_frame(arrow(ROWS), memory="'; drop")
