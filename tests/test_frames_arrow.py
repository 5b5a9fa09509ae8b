"""
What Spark's executors run, without Spark: rows of Arrow in any order, judged run by run.
"""

import random
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from math import floor, log2
from typing import Any

import pytest

from runstate import RUN, Lifecycle, Transition
from runstate.histories import Survey
from runstate.presets import PRESETS
from runstate.readers import Columns
from spark_logs import BORN, MODELS, Row, expected, log, plain

pa = pytest.importorskip("pyarrow")
arrow = pytest.importorskip("runstate.frames._arrow")


def request(lifecycle: Lifecycle = RUN, **asked: Any) -> Any:
    """
    What is asked, of the three usual columns.
    """
    options: dict[str, Any] = {
        "observed": "complete", "columns": Columns(), "assume_utc": False, "finished": False,
        "limits": {}, "now": None, "limit": 1_000_000, "samples": 0, "measured": True,
        "allow_reopen": False, "names": ("run_id", "status", "at"), **asked,
    }  # fmt: skip

    return arrow.Request(lifecycle=lifecycle, **options)


def judged(rows: list[Row], asked: Any, parts: int = 1) -> Survey:
    """
    The survey of *rows*, whose runs are dealt out to parts, whose counters are merged.
    """
    total = asked.counts()
    for part in range(parts):
        theirs = [row for row in rows if hash(row[0]) % parts == part]
        batches = [
            pa.RecordBatch.from_pydict(
                {
                    "id": pa.array([row[0] for row in some], pa.string()),
                    "c1": pa.array([row[1] for row in some], pa.string()),
                    "c2": pa.array([row[2] for row in some], pa.float64()),
                }
            )
            for some in (theirs[start : start + 7] for start in range(0, len(theirs), 7))
        ]
        total.merge(arrow.judged(asked, batches))

    return total.survey()


@pytest.mark.parametrize("asked", MODELS.values(), ids=MODELS.keys())
@pytest.mark.parametrize("wrong", [0.0, 0.04, 0.5])
def test_runs_that_are_alike_are_judged_as_each_would_be(asked, wrong):
    """
    Every finding, count, duration and timeline is what the core makes of each run by itself.
    """
    for seed in (0, 1):
        rows = log(seed, runs=60, wrong=wrong)
        for kept in ({}, {"limit": 3, "samples": 6}, {"limit": 0}):
            actual = judged(rows, request(**asked, **kept), parts=1 + 2 * seed)

            assert plain(actual) == plain(expected(rows, **asked, **kept)), (seed, kept)


def test_other_lifecycles_agree():
    """
    Several beginnings, rows that reopen, no end at all, and as many statuses as there may be.
    """
    names = [f"s{number:03}" for number in range(255)]
    rows = tuple(Transition(f"to_{after}", before, after) for before, after in pairwise(names))
    chain = Lifecycle(
        name="chain", transitions=rows, initial=names[0], terminal={names[-1]: "success"}
    )
    for lifecycle in (*(each for each in PRESETS.values() if not each.shapes), chain):
        named = Columns(run_id="run_id", status="status", at="at")
        for asked in ({"observed": "complete", "finished": True}, {"observed": "polled"}):
            seen = log(7, runs=20, lifecycle=lifecycle)
            actual = judged(seen, request(lifecycle, columns=named, **asked))

            assert plain(actual) == plain(expected(seen, lifecycle, **asked)), lifecycle.name


def test_findings_that_are_kept_are_of_the_smallest_ids():
    """
    In the order of the ids, whatever the order of the rows; all are counted.
    """
    rows = log(1)
    everything, few = judged(rows, request()), judged(rows, request(limit=7), parts=3)

    assert few.findings == everything.findings[:7]
    assert few.tally == everything.tally
    ids = [finding.run_id or "" for finding in everything.findings]
    assert sorted(ids) == ids


def test_a_fault_of_many_rows_is_told_once_whatever_part_they_are_in():
    """
    Of the smallest id that has it, with the number of the others; so are two faults of one column.
    """
    rows: list[Row] = [(f"run_{number}", "queued", 5.0) for number in range(9)]
    surveys = [judged(rows, request(), parts=parts) for parts in (1, 2, 5)]
    message = "at 5.0 is not between the years 2000 and 2099 (and so in 8 more records)"

    for survey in surveys:
        assert [(message, "run_0")] == [(f.message, f.run_id) for f in survey.findings]
        assert (9, {"RS901": 1}, 1) == (survey.observations, survey.tally, survey.errors)


def test_buckets_are_those_of_the_formula():
    """
    Arrow's logarithm puts every duration into the bucket that Python's does.
    """

    def bucket_of(microseconds: int) -> int:
        return 1 + floor(16 * log2(microseconds)) if microseconds else 0

    chance = random.Random(5)  # noqa: S311
    powers = [(1 << bit) + off for bit in range(45) for off in (-1, 0, 1)]
    micros = [*powers, *(chance.randrange(10 ** chance.randrange(1, 14)) for _ in range(2_000))]

    assert list(map(bucket_of, micros)) == arrow._buckets(pa.array(micros, pa.int64())).to_pylist()


NOON = datetime(2024, 3, 10, 12, 30, 0, 250_000, tzinfo=UTC)
AT = 1_710_073_800.25

TIMES: list[tuple[Any, Any, Any]] = [
    (pa.timestamp("us", "UTC"), NOON, AT),
    (pa.timestamp("us", "America/New_York"), NOON, AT),
    (pa.timestamp("us"), NOON.replace(tzinfo=None), AT),
    (pa.date32(), date(2024, 3, 10), AT - 45_000.25),
    (pa.float64(), AT, AT),
    (pa.decimal128(20, 6), Decimal("1710073800.250000"), AT),
    (pa.int32(), 1_710_073_800, AT - 0.25),
    (pa.int64(), 1_710_073_800_250, AT),
    (pa.int64(), 1_710_073_800_250_000, AT),
    (pa.int64(), 1_710_073_800_250_000_000, AT),
    (pa.string(), NOON.isoformat(), AT),
    (pa.string(), NOON.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat(), AT),
    (pa.string(), "2024-03-10T12:30:00.25Z", AT),
    (pa.string(), "2024-03-10 12:30:00.25 UTC", AT),
    (pa.string(), "1710073800.25", AT),
    (pa.null(), None, None),
    (pa.float64(), None, None),
    (pa.string(), "yesterday", "at 'yesterday' is neither Unix seconds nor ISO 8601"),
    (pa.float64(), float("nan"), "at nan is not between the years 2000 and 2099"),
    (
        pa.timestamp("us", "UTC"),
        datetime(9999, 12, 31, tzinfo=UTC),
        "at 253402214400.0 is not between the years 2000 and 2099",
    ),
]


@pytest.mark.parametrize(("kind", "value", "said"), TIMES)
@pytest.mark.parametrize("plain_columns", [True, False])
def test_times_are_read_as_the_readers_read_them(kind, value, said, plain_columns):
    """
    A time of any kind is Unix seconds, where rows are screened and where they are read one by one.
    """
    name = "id" if plain_columns else "c0"
    columns = {name: ["a"], "c1": ["queued"], "c2": pa.array([value], kind)}
    batch = pa.RecordBatch.from_pydict({"id": ["a"], **columns})
    survey = arrow.judged(request(plain=plain_columns, assume_utc=True), [batch]).survey()

    if isinstance(said, str):
        assert [(said, "RS901")] == [(each.message, each.code) for each in survey.findings]
    else:
        assert (said, {}) == (survey.began, survey.tally)


def test_a_time_without_a_zone_is_refused_by_itself():
    """
    Nobody sees all rows, so what a zone might be is not guessed from the others.
    """
    times = ["2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z", "2024-01-01T00:00:02"]
    statuses = ["queued", "in_progress", "completed"]
    batch = pa.RecordBatch.from_pydict({"id": ["a"] * 3, "c1": statuses, "c2": times})
    survey = arrow.judged(request(observed="unordered"), [batch]).survey()

    (finding,) = survey.findings
    assert "at '2024-01-01T00:00:02' has no time zone" == finding.message
    assert "end it with Z, or pass --assume-utc" == finding.hint
    assert (3, {"RS901": 1}) == (survey.observations, survey.tally)


def test_columns_that_rules_are_about_are_read_as_records():
    """
    Numbers, sources and stamps are judged as the readers have them, from cells of any type.
    """
    names = ("run_id", "source", "target", "seq", "at")
    columns = {
        "id": ["a", "a", "a", None],
        "c0": ["a", "a", "a", None],
        "c1": ["queued", "in_progress", "in_progress", "queued"],
        "c2": ["in_progress", "failed", "completed", "failed"],
        "c3": [1, 2, 2, 1],
        "c4": [BORN, BORN + 2, BORN + 1, BORN],
    }
    batch = pa.RecordBatch.from_pydict(columns)
    survey = arrow.judged(request(names=names, plain=False), [batch]).survey()

    assert {"RS902": 1, "RS903": 1} == survey.tally
    assert {("queued", "in_progress"): 1, ("in_progress", "completed"): 1} == survey.moves


def test_nothing_is_nothing():
    """
    No rows have no counts.
    """
    assert request().counts() == arrow.judged(request(), [])
    assert {"RS902": 1} == judged([(None, "queued", BORN)], request()).tally
