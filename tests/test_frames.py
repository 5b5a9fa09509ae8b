"""
Whole files: the same findings as ``check``, whatever the order, the ties and the faults.
"""

from collections import Counter
from random import Random
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runstate import RUN, Observation, check
from runstate.frames import (
    _recount,
    survey_files,
)
from runstate.frames import (
    _screen_sorted as _sorted,
)
from runstate.frames import (
    _screen_sql as _pairs,
)
from runstate.frames import (
    _sort_key as _keys,
)
from runstate.histories._survey import bucket_of
from runstate.presets import PRESETS
from runstate.readers import Columns

BORN = 1_767_225_600
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


def expected(names: list[str], given: Case, *, timed: bool) -> Any:
    """
    Return what ``check`` says of the same rows, and what it is not asked: rows without a time.
    """
    rows = [
        Observation(status, run_id, at if timed else None, file=name, line=line)
        for name, part in zip(names, given.files, strict=True)
        for line, (run_id, status, at) in enumerate(part, 1)
    ]
    placed = [row for row in rows if row.at is not None or not timed]
    placed.sort(key=lambda row: row.at or 0.0)
    unplaced = [
        ("RS902", "the record has no time", row.run_id, row.file, row.line)
        for row in rows
        if timed and row.at is None
    ]
    arguments = {
        k: v for k, v in given.arguments.items() if k not in {"exact", "measured", "limit"}
    }
    report = check(placed, RUN, **arguments)
    tally = Counter(finding.code for finding in report.findings)
    tally["RS902"] += len(unplaced)

    return unplaced, report, dict(sorted((+tally).items()))


def agree(folder: Any, given: Case, *, timed: bool) -> None:
    """
    Compare what is said of *given* with what ``check`` says.
    """
    names = written(folder, given.files, timed=timed)
    unplaced, report, tally = expected(names, given, timed=timed)
    survey = survey_files(names, **given.arguments)
    limit = given.arguments.get("limit", 10_000)
    first = survey.findings[: len(unplaced)]

    assert (report.runs, report.observations, report.undecided) == survey[:3]
    assert tally == survey.tally
    assert unplaced[:limit] == [(f.code, f.message, f.run_id, f.file, f.line) for f in first]
    assert report.findings[: max(0, limit - len(unplaced))] == survey.findings[len(unplaced) :]


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("observed", MODELS)
def test_a_file_is_judged_like_a_list(tmp_path, observed, measured):
    """
    Findings, their order and places, and all counts are those of ``check``.
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
    seen = [Observation(status, run_id, at) for run_id, status, at in rows]
    tally = Counter(finding.code for finding in check(seen, river, observed=observed).findings)

    assert ({"RS102": 15} if observed == "complete" else {}) == tally
    for measured in (True, False):
        survey = survey_files(
            names,
            lifecycle=river,
            observed=observed,
            measured=measured,
            columns=Columns(status="status"),
        )
        assert tally == survey.tally


@pytest.mark.parametrize("observed", MODELS)
def test_without_times_rows_stand_in_order(tmp_path, observed):
    """
    Where there is no time, the order is that of the rows and of the files.
    """
    for seed in range(100, 108):
        agree(tmp_path, case(seed, observed, timed=False), timed=False)


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("limit", [0, 1, 3])
@pytest.mark.parametrize("observed", ["complete", "polled"])
def test_of_many_findings_the_first_are_kept(tmp_path, observed, limit, measured):
    """
    All findings are counted, and those that are kept are the first that ``check`` has.
    """
    for seed in range(200, 205):
        agree(tmp_path, case(seed, observed, limit=limit, measured=measured), timed=True)


def test_of_many_findings_in_no_order_all_are_counted(tmp_path):
    """
    In no order, those of the runs that began first are kept, and all are counted.
    """
    for seed in range(250, 256):
        given = case(seed, "unordered", limit=1)
        names = written(tmp_path, given.files, timed=True)
        unplaced, report, tally = expected(names, given, timed=True)
        survey = survey_files(names, **given.arguments)
        findings = len(unplaced) + len(report.findings)

        assert (report.runs, report.observations, report.undecided) == survey[:3]
        assert (tally, min(findings, 1)) == (survey.tally, len(survey.findings))


@pytest.mark.parametrize("observed", MODELS)
def test_ids_that_collide_are_told_apart(tmp_path, monkeypatch, observed):
    """
    Where all ids share three hashes, an exact survey says what ``check`` says.
    """
    monkeypatch.setattr(_keys, "_HASH", "hash(id) % 3")
    for seed in range(300, 308):
        agree(tmp_path, case(seed, observed, exact=True), timed=True)


@pytest.mark.parametrize("observed", MODELS)
def test_a_collision_makes_no_finding_up(tmp_path, monkeypatch, observed):
    """
    Where it is not exact, a collision can hide a finding and never makes one.
    """
    monkeypatch.setattr(_keys, "_HASH", "hash(id) % 3")
    for seed in range(400, 406):
        given = case(seed, observed)
        names = written(tmp_path, given.files, timed=True)
        unplaced, report, _ = expected(names, given, timed=True)
        survey = survey_files(names, **given.arguments)

        assert set() == {*survey.findings[len(unplaced) :]} - {*report.findings}


@pytest.mark.parametrize("limit", [1, 10_000])
@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("observed", MODELS)
def test_rows_of_one_time_keep_their_order(tmp_path, monkeypatch, observed, measured, limit):
    """
    Where the first rows promised that hardly two are of one time, those that are come in order, too.
    """
    monkeypatch.setattr(_sorted, "_is_fine", lambda _, asked: asked.source.timed)
    for seed in range(500, 512):
        given = case(seed, observed, measured=measured)
        if observed != "unordered":
            given.arguments["limit"] = limit
        agree(tmp_path, given, timed=True)


def measured_by_hand(given: Case) -> Any:
    """
    Return moves, histograms, sums, ends and statuses seen, counted run by run.
    """
    runs: dict[Any, list[tuple[float, str]]] = {}
    rows = [row for part in given.files for row in part if row[2] is not None]
    for run_id, status, at in sorted(rows, key=lambda row: row[2] or 0.0):
        if status in RUN.known:
            runs.setdefault(run_id, []).append((at or 0.0, str(status)))
    durations: dict[tuple[str, str], list[int]] = {}
    for history in runs.values():
        since, before = history[0]
        for at, status in history:
            if status != before:
                durations.setdefault((before, status), []).append(round((at - since) * 1e6))
                since, before = at, status
    dwell = {
        move: (len(each), sum(each) / 1e6, max(each) / 1e6, dict(Counter(map(bucket_of, each))))
        for move, each in durations.items()
    }
    seen = Counter(str(row[1]) for row in rows if row[1] in RUN.known)

    return dwell, Counter(history[-1][1] for history in runs.values()), seen


@pytest.mark.parametrize("fine", [True, False])
@pytest.mark.parametrize("few", [1, 50_000])
@pytest.mark.parametrize("observed", ["complete", "polled"])
def test_what_was_measured_is_exact(tmp_path, monkeypatch, observed, few, fine):
    """
    Moves, how long they took, ends and statuses are counted exactly, repeats of a status or not.
    """
    monkeypatch.setattr(_sorted, "_is_fine", lambda *_: fine)
    for module in (_pairs, _recount):
        monkeypatch.setattr(module, "MOST_DOUBTFUL", few)
    for seed in range(600, 612):
        given = case(seed, observed)
        dwell, ends, seen = measured_by_hand(given)
        survey = survey_files(written(tmp_path, given.files, timed=True), **given.arguments)
        known = {status: n for status, n in survey.seen.items() if status in RUN.known}

        assert dwell == {move: tuple(each) for move, each in survey.dwell.items()}
        assert {move: each[0] for move, each in dwell.items()} == survey.moves
        assert (ends, seen) == (survey.ends, known)
