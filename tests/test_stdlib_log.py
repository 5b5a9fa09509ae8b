"""
Applications that configure the standard library's logging, and not structlog.
"""

import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

import runstate
from runstate import Engine, Lifecycle, MoveRefusedError, RunEngine, Transition
from runstate.store import RunStore, apply_move

LAST_ERROR = {"code": "server_error", "message": "SECRET"}
JOB = Lifecycle(
    "job",
    (Transition("start", "pending", "running"), Transition("fail", "running", "failed")),
    "pending",
    {"failed": "failure"},
)


@pytest.fixture(autouse=True)
def unconfigured():
    """
    Structlog as it is before an application configures it.
    """
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def application(*lines: str) -> subprocess.CompletedProcess[str]:
    """
    Run an application in a process of its own.
    """
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(runstate.__file__).parent.parent)},
    )


MOVES = (
    "from runstate import RunEngine",
    "engine = RunEngine()",
    "run = engine.create(id='run_1', instructions='SECRET')",
    "engine.start(run)",
    "engine.fail(run, {'code': 'server_error', 'message': 'SECRET'})",
)


def test_an_application_that_configures_nothing_hears_nothing():
    """
    Like other libraries: nothing on standard output, nothing on standard error.
    """
    done = application(*MOVES)

    assert ("", "") == (done.stdout, done.stderr)


def test_an_application_with_logging_finds_every_move_there():
    """
    Moves reach the logger 'runstate': plain ones at INFO, bad ends at WARNING; none goes to stdout.
    """
    done = application(
        "import logging, sys",
        "logging.basicConfig(level=logging.INFO, format='%(levelname)s %(name)s %(message)s')",
        *MOVES,
    )

    lines = done.stderr.splitlines()
    assert "" == done.stdout
    assert [
        "INFO runstate run.transition run_id='run_1' trigger='create'",
        "INFO runstate run.transition run_id='run_1' trigger='start'",
        "WARNING runstate run.transition run_id='run_1' trigger='fail'",
    ] == [line.partition(" source")[0] for line in lines]
    assert all(line.endswith(" lifecycle='run'") for line in lines)
    assert "SECRET" not in done.stderr


def test_the_level_of_the_logger_is_kept(caplog):
    """
    An application silences moves by the level of the logger 'runstate', as for any library.
    """
    with caplog.at_level(logging.ERROR, logger="runstate"):
        engine = RunEngine()
        engine.start(engine.create())

    assert [] == caplog.records


def test_captured_logs_are_complete_before_during_and_after(caplog):
    """
    capture_logs() sees moves while it is active; the standard library has those before and after.
    """
    engine = RunEngine()
    with caplog.at_level(logging.INFO, logger="runstate"):
        run = engine.create(id="run_1")
        with capture_logs() as captured:
            engine.start(run)
        engine.complete(run)
        with capture_logs() as again:
            engine.create(id="run_2")

    assert ["start"] == [entry["trigger"] for entry in captured]
    assert ["create"] == [entry["trigger"] for entry in again]
    assert ["'create'", "'complete'"] == [
        record.getMessage().partition("trigger=")[2].split()[0] for record in caplog.records
    ]


def test_a_later_configuration_of_structlog_wins(caplog):
    """
    An engine that was made before structlog was configured follows it afterwards.
    """
    engine, lines = RunEngine(), []
    with caplog.at_level(logging.INFO, logger="runstate"):
        run = engine.create(id="run_1")
        structlog.configure(processors=[lambda *event: lines.append(event[2]) or "seen"])
        engine.start(run)

    assert 1 == len(caplog.records)
    assert ["start"] == [line["trigger"] for line in lines]


def test_a_logger_of_the_standard_library_is_taken(caplog, tmp_path):
    """
    Engine and store write to the logger that they are given.
    """
    logger = logging.getLogger("application.runs")
    with caplog.at_level(logging.INFO, logger="application.runs"):
        engine = RunEngine(logger=logger)
        engine.fail(engine.create(id="run_1"), LAST_ERROR)
        with RunStore.open(f"sqlite:///{tmp_path}/runs.db", logger=logger) as store:
            store.create(id="run_2")

    assert [("INFO", "run_1"), ("WARNING", "run_1"), ("INFO", "run_2")] == [
        (record.levelname, record.getMessage().split("'")[1]) for record in caplog.records
    ]
    assert {"application.runs"} == {record.name for record in caplog.records}


def test_context_variables_of_structlog_are_on_every_line(caplog):
    """
    A request id that was bound for the request stands on the lines of its moves.
    """
    with (
        caplog.at_level(logging.INFO, logger="runstate"),
        structlog.contextvars.bound_contextvars(request_id="rq1"),
    ):
        RunEngine().create(id="run_1")

    assert " request_id='rq1' " in caplog.records[0].getMessage()


@given(st.text(min_size=1, max_size=30))
def test_no_text_forges_a_line(text):
    """
    Whatever an id, a status or a trigger holds, a move or a refusal is one line of printable characters.
    """
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("application.hostile")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    engine = Engine(JOB, logger=logger)
    job = SimpleNamespace(id=text, status="pending")
    engine.fire(job, "start")
    for trigger, status in ((text, "running"), ("start", text)):
        with suppress(MoveRefusedError):
            engine.fire(SimpleNamespace(id=text, status=status), trigger)

    assert "running" == job.status
    assert [True] * 3 == [line.isprintable() for line in lines]


def test_a_move_in_a_table_of_ones_own_is_logged_after_its_commit(tmp_path):
    """
    apply_move logs what was committed, never what was rolled back, and nothing with log=False.
    """
    engine = sa.create_engine(f"sqlite:///{tmp_path}/jobs.db")
    jobs = sa.Table(
        "jobs", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("status", sa.String),
    )  # fmt: skip
    with engine.begin() as connection:
        jobs.create(connection)
        connection.execute(jobs.insert(), [{"id": n, "status": "pending"} for n in (1, 2, 3)])
    with capture_logs() as log, engine.connect() as connection:
        apply_move(connection, jobs, 1, "start", lifecycle=JOB)
        connection.rollback()
        assert [] == log
        apply_move(connection, jobs, 2, "start", lifecycle=JOB)
        with connection.begin_nested() as savepoint:
            apply_move(connection, jobs, 1, "start", lifecycle=JOB)
            savepoint.rollback()
        assert [] == log
        connection.commit()
        apply_move(connection, jobs, 2, "fail", lifecycle=JOB)
        apply_move(connection, jobs, 3, "start", lifecycle=JOB, log=False)
        connection.commit()

    assert [("2", "start", "info", "job"), ("2", "fail", "warning", "job")] == [
        (line["run_id"], line["trigger"], line["log_level"], line["lifecycle"]) for line in log
    ]
    engine.dispose()


def test_a_log_that_fails_is_reported_where_no_handler_is():
    """
    The failure of a log reaches standard error although the logger 'runstate' is silent.
    """
    done = application(
        "import structlog",
        "structlog.configure(processors=[lambda *_: 1 / 0])",
        *MOVES[:3],
        "print(run.status)",
    )

    assert "queued\n" == done.stdout
    assert "run.transition was not logged: ZeroDivisionError" in done.stderr


def test_structlog_still_has_the_defaults_that_are_compared():
    """
    The names under which structlog keeps its built-in defaults exist, and are what it starts with.
    """
    built_in = structlog._config

    assert built_in._BUILTIN_DEFAULT_PROCESSORS == structlog.get_config()["processors"]
    assert built_in._BUILTIN_DEFAULT_LOGGER_FACTORY is structlog.get_config()["logger_factory"]


def test_a_level_that_is_off_writes_nothing(caplog):
    """
    Nothing is rendered for it either.
    """

    def careless(moved):
        told.append(moved.trigger)
        raise ValueError("no")

    told = []
    logger = logging.getLogger("application.off")
    logger.setLevel(logging.CRITICAL)
    with caplog.at_level(logging.DEBUG):
        RunEngine(logger=logger, observers=[careless]).create()

    assert (["create"], []) == (told, caplog.records)
