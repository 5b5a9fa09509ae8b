"""
Real runs as tables, files and frames: what ``check`` says of them, nothing else.
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import duckdb
import pytest

from recordings import PATHS, rows_of
from runstate import Observation, check
from runstate.frames import check_frame, survey_files, survey_frame, survey_table
from test_frames_given import FRAMES, records
from test_frames_inputs import WRITERS, header

MODELS = ("complete", "polled", "unordered")
LOGS = {timing: rows_of(PATHS, timing) for timing in ("in turn", "stamped")}


def expected(rows, observed, file=None, first=1):
    """
    Return what ``check`` reports of the same rows.
    """
    history = [
        Observation(status, run_id, at, {"status": status}, file=file, line=line)
        for line, (run_id, status, at) in enumerate(rows, first)
    ]

    return check(history, observed=observed, finished=True)


def test_recordings_are_there_and_not_all_right():
    """
    Else nothing below would be compared with anything.
    """
    assert 7 == len(PATHS)
    assert {"RS103", "RS107"} <= {
        f.code for rows in LOGS.values() for f in expected(rows, "complete").findings
    }
    assert all(expected(LOGS["stamped"], observed).findings for observed in MODELS)


@pytest.mark.parametrize("observed", MODELS)
@pytest.mark.parametrize("kind", FRAMES)
def test_frames_of_every_kind_agree_with_check(kind, observed):
    """
    Each finding, in its order, with its row.
    """
    for name, rows in LOGS.items():
        timed = [(run_id, status, datetime.fromtimestamp(at, UTC)) for run_id, status, at in rows]
        report = expected(rows, observed)
        found = check_frame(FRAMES[kind](timed), observed=observed, finished=True)
        survey = survey_frame(FRAMES[kind](timed), observed=observed, finished=True)

        assert [tuple(finding) for finding in report.findings] == records(found), name
        assert (report.runs, report.observations, report.undecided) == survey[:3], name


@pytest.mark.parametrize("observed", MODELS)
@pytest.mark.parametrize("form", WRITERS)
def test_files_of_every_kind_agree_with_check(tmp_path, form, observed):
    """
    Each finding, in its order, with its file and its row or line.
    """
    for number, (name, rows) in enumerate(LOGS.items()):
        path = tmp_path / f"{number}.{form}"
        WRITERS[form](path, rows)
        report = expected(rows, observed, str(path), 1 + header(form))
        survey = survey_files(path, observed=observed, finished=True)

        assert report.findings == survey.findings, name
        assert (report.runs, report.observations, report.undecided) == survey[:3], name


@pytest.mark.parametrize("observed", MODELS)
@pytest.mark.parametrize("kind", ["db", "duckdb"])
def test_tables_of_databases_agree_with_check(tmp_path, kind, observed):
    """
    Each finding; a row of a database has no number, so none is told.
    """
    path = str(tmp_path / f"runs.{kind}")
    connect = sqlite3.connect if kind == "db" else duckdb.connect
    with closing(connect(path)) as connection:
        connection.execute('create table runs (run_id text, status text, "at" double precision)')
        connection.executemany("insert into runs values (?, ?, ?)", LOGS["in turn"])
        connection.commit()
    report = expected(LOGS["in turn"], observed)
    survey = survey_table(path, table="runs", observed=observed, finished=True)

    assert [f._replace(line=None) for f in report.findings] == [
        f._replace(file=None, line=None) for f in survey.findings
    ]
    assert (report.runs, report.observations, report.undecided) == survey[:3]
