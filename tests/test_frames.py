"""
Whole files: the same findings as ``check``, whatever the order, the ties and the faults.
"""

import json
from io import BytesIO
from random import Random
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runstate import RUN
from runstate.frames import _apart, _screen_sorted, _screen_sql, _sort_key, survey_files
from runstate.histories import Survey
from runstate.histories import survey as survey_of
from runstate.presets import PRESETS
from runstate.readers import Columns, read

BORN = 1_767_225_600
USUAL = Columns()
MODELS = ("complete", "polled", "unordered")


class Case(NamedTuple):
    """
    One log, and how it is asked about.
    """

    files: list[list[tuple[str | None, str | None, float | None]]]
    arguments: dict[str, Any]


def walk(random: Random) -> list[str]:
    """
    Return a legal walk, most often to an end.
    """
    statuses = [str(RUN.initial)]
    while RUN.targets(statuses[-1]) and random.random() < 0.9:
        statuses.append(random.choice(RUN.targets(statuses[-1])))

    return statuses


def spoilt(random: Random, statuses: list[str]) -> list[Any]:
    """
    Return *statuses* with duplicates, gaps, swaps and what is no status among them.
    """
    spoilt: list[Any] = list(statuses)
    for _ in range(random.randrange(3)):
        place = random.randrange(len(spoilt))
        fault = random.randrange(6)
        if fault == 0:
            spoilt.insert(place, spoilt[place])
        elif fault == 1 and len(spoilt) > 1:
            del spoilt[place]
        elif fault == 2:
            spoilt.insert(place, random.choice(["runing", "", None, "'; drop--"]))
        else:
            spoilt.insert(place, random.choice(RUN.statuses))

    return spoilt


def log(random: Random, *, timed: bool, holes: bool) -> list[list[tuple[Any, Any, Any]]]:
    """
    Return the rows of one to three files: interleaved or not, with ties of time.
    """
    rows: list[tuple[Any, Any, Any]] = []
    for number in range(random.randrange(1, 9)):
        run_id = None if random.random() < 0.1 else f"run_{number}"
        clock = BORN + random.randrange(4)
        for status in spoilt(random, walk(random)):
            clock += random.choice([0, 0, 1, 2, 5])
            hole = holes and random.random() < 0.1
            rows.append((run_id, status, None if hole else float(clock)))
    order = random.randrange(4)
    if order == 0 and timed:
        rows.sort(key=lambda row: row[2] or 0)
    elif order == 1:
        random.shuffle(rows)
    elif order == 2 and timed:
        rows.sort(key=lambda row: -(row[2] or 0))
    cuts = sorted(random.randrange(len(rows) + 1) for _ in range(random.randrange(3)))

    return [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]


def case(seed: int, observed: str, *, timed: bool = True, **arguments: Any) -> Case:
    """
    Return the case that *seed* makes.
    """
    random = Random(seed)  # noqa: S311  nothing is kept secret with it
    asked: dict[str, Any] = {"observed": observed, "finished": random.random() < 0.5}
    if random.random() < 0.4:
        asked["limits"] = {"queued": 1, "in_progress": 3.5, "completed": 0}
        if random.random() < 0.5:
            asked["now"] = BORN + random.choice([5, 20, 60])

    return Case(log(random, timed=timed, holes=random.random() < 0.3), asked | arguments)


def written(folder: Any, files: list[list[tuple[Any, Any, Any]]], *, timed: bool) -> list[str]:
    """
    Write *files* as Parquet, and return their names.
    """
    names = []
    for number, rows in enumerate(files):
        columns = {
            "run_id": pa.array([row[0] for row in rows], pa.string()),
            "status": pa.array([row[1] for row in rows], pa.string()),
        }
        if timed:
            stamps = [None if row[2] is None else round(row[2] * 1e6) for row in rows]
            columns["at"] = pa.array(stamps, pa.timestamp("us", tz="UTC"))
        names.append(str(folder / f"{number}.parquet"))
        pq.write_table(pa.table(columns), names[-1])

    return names


def expected(
    names: list[str], given: Case, *, timed: bool, lifecycle: Any = RUN, columns: Any = USUAL
) -> Survey:
    """
    Return what the readers and the monitor say of the same rows.
    """
    reads = []
    for name, part in zip(names, given.files, strict=True):
        lines = []
        for run_id, status, at in part:
            record = {"run_id": run_id, "status": None if status is None else str(status)}
            lines.append(json.dumps({**record, "at": at} if timed and at is not None else record))
        stream = BytesIO("\n".join(lines).encode())
        reads += read(stream, format="jsonl", name=name, columns=columns, lifecycle=lifecycle)
    arguments = {
        k: v for k, v in given.arguments.items() if k not in {"exact", "measured", "limit"}
    }

    return survey_of(reads, lifecycle, **arguments)


def ordered(findings: Any) -> list[Any]:
    """
    Return *findings* in an order of their own.
    """
    return sorted(
        findings, key=lambda f: [part if part is not None else "" for part in map(str, f)]
    )


def agree(folder: Any, given: Case, *, timed: bool) -> None:
    """
    Compare what is said of *given* with what the readers and the monitor say.
    """
    names = written(folder, given.files, timed=timed)
    report = expected(names, given, timed=timed)
    survey = survey_files(names, **given.arguments)
    limit = given.arguments.get("limit", 10_000)

    assert (*report[:3], report.tied) == (*survey[:3], survey.tied)
    assert (report.tally, report.errors) == (survey.tally, survey.errors)
    assert [] == [each for each in survey.findings if each not in report.findings]
    assert min(limit, len(report.findings)) == len(survey.findings)
    if limit >= len(report.findings):
        assert ordered(report.findings) == ordered(survey.findings)


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("observed", MODELS)
def test_a_file_is_judged_like_records(tmp_path, observed, measured):
    """
    Findings, their places, and all counts are those of the readers and the monitor.
    """
    for seed in range(16):
        agree(tmp_path, case(seed, observed, measured=measured), timed=True)


@pytest.mark.parametrize("observed", MODELS)
def test_runs_may_begin_in_each_initial_status(tmp_path, observed):
    """
    Sorted and unsorted, RS102 is told of the statuses that are not initial, as ``check`` does.
    """
    river = PRESETS["river-job"]
    rows = [
        (f"{begin}{n}", status, BORN + at)
        for n in range(3)
        for begin in river.statuses
        for at, status in enumerate([begin, *river.targets(begin)[:1]])
    ]
    names = written(tmp_path, [rows], timed=True)
    columns = Columns(run_id="run_id", status="status")
    expected_tally = expected(
        names, Case([rows], {"observed": observed}), timed=True, lifecycle=river, columns=columns
    ).tally

    assert ({"RS102": 6} if observed == "complete" else {}) == expected_tally
    for measured in (True, False):
        survey = survey_files(
            names,
            lifecycle=river,
            observed=observed,
            measured=measured,
            columns=columns,
        )

        assert expected_tally == survey.tally


@pytest.mark.parametrize("observed", MODELS)
def test_without_times_rows_stand_in_order(tmp_path, observed):
    """
    Where there is no time, the order is that of the rows and of the files.
    """
    for seed in range(100, 108):
        agree(tmp_path, case(seed, observed, timed=False), timed=False)


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("limit", [0, 1, 3])
@pytest.mark.parametrize("observed", MODELS)
def test_of_many_findings_some_are_kept(tmp_path, observed, limit, measured):
    """
    All findings are counted, and as many kept as are asked for.
    """
    for seed in range(200, 205):
        agree(tmp_path, case(seed, observed, limit=limit, measured=measured), timed=True)


@pytest.mark.parametrize("observed", MODELS)
def test_ids_that_collide_are_told_apart(tmp_path, monkeypatch, observed):
    """
    Where all ids share three hashes, an exact survey says what the monitor says.
    """
    monkeypatch.setattr(_sort_key, "_HASH", "hash(id) % 3")
    for seed in range(300, 308):
        agree(tmp_path, case(seed, observed, exact=True), timed=True)


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("observed", MODELS)
def test_where_lists_are_full_counts_are_exact(tmp_path, monkeypatch, observed, measured, most):
    """
    Where more runs are to be looked at than a list names, all is counted in other ways.
    """
    for module in (_apart, _screen_sql):
        monkeypatch.setattr(module, "MOST_APART", most)
        monkeypatch.setattr(module, "MOST_LONGEST", most)
    monkeypatch.setattr(_screen_sorted, "_MANY", 0)
    for seed in range(500, 508):
        agree(tmp_path, case(seed, observed, measured=measured), timed=True)
        agree(tmp_path, case(seed, observed, measured=measured, limit=2), timed=True)


@pytest.mark.parametrize(
    "place", [0x378, 0x10FFFF, 0xE000, 0xAD, 0x2028, 0x7F, 0x1F9FF, 0xE9, 0x4E2D]
)
def test_an_id_is_visible_where_python_says_so(tmp_path, place):
    """
    A place of Unicode that nothing was assigned to is as invisible as a control character.
    """
    rows = {"run_id": [f"a{chr(place)}"] * 2, "status": ["queued", "in_progress"], "at": [1e9, 2e9]}
    pq.write_table(pa.table(rows), tmp_path / "ids.parquet")
    survey = survey_files(str(tmp_path / "ids.parquet"))

    assert survey.runs == chr(place).isprintable()


def test_a_log_in_which_everything_is_wrong_fits_into_little_memory(tmp_path):
    """
    Rows of thousands of moves and durations are counted within the memory that is allowed.
    """
    name = str(tmp_path / "wrong.parquet")
    statuses = sorted(RUN.known)
    duckdb.execute(
        "copy (select 'run_' || i % 6000 as run_id, list_extract($1, 1 + (hash(i) % 9)::integer) as status, "
        "to_timestamp(1770000000 + (hash(i * 7) % 1000000) / (1 + i % 1000)) as at "
        f"from range(30000) rows(i)) to '{name}'",
        [statuses],
    )
    survey = survey_files(name, memory="300MB")

    assert survey.observations == 30_000
    assert all(survey.tally[code] > 2_000 for code in ("RS102", "RS103", "RS105"))


@pytest.mark.parametrize("most", [1, 50_000])
@pytest.mark.parametrize("observed", MODELS)
def test_what_was_measured_is_exact(tmp_path, monkeypatch, observed, most):
    """
    Moves, how long they took, ends and statuses are counted as the monitor's counter does.
    """
    for module in (_apart, _screen_sql):
        monkeypatch.setattr(module, "MOST_APART", most)
        monkeypatch.setattr(module, "MOST_LONGEST", max(1, min(most, 16)))
    for seed in range(600, 612):
        given = case(seed, observed)
        files = [[row for row in part if row[1] in RUN.known] for part in given.files]
        if not any(files):
            continue
        given = Case([part for part in files if part], given.arguments)
        names = written(tmp_path, given.files, timed=True)
        report, survey = expected(names, given, timed=True), survey_files(names, **given.arguments)

        assert (report.seen, report.ends, report.moves) == (survey.seen, survey.ends, survey.moves)
        assert (report.began, report.ended) == pytest.approx((survey.began, survey.ended))
        if observed != "unordered":
            assert {move: rounded(each) for move, each in report.dwell.items()} == {
                move: rounded(each) for move, each in survey.dwell.items()
            }


def rounded(dwell: Any) -> Any:
    """
    Return *dwell* with its seconds in whole microseconds.
    """
    return (
        dwell.times, round(dwell.total * 1e6), round(dwell.longest * 1e6), dict(dwell.buckets),
    )  # fmt: skip
