"""
The caller's own transaction, and the log: what is rolled back was never there.
"""

import gc
import logging
import weakref
from contextlib import closing

import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from runstate.store import AsyncRunStore, Fire, RunNotFoundError, RunStore, Superseded
from stores import ERROR, brought_to, consistent, rows_of

UNLOGGED = {"clock_regressed", "actor", "reason"}
"""What the log of a plain move does not have: the journal has who fired, and why."""


@pytest.fixture
def log():
    """
    What structlog was told.
    """
    with structlog.testing.capture_logs() as entries:
        yield entries


def said(log):
    """
    Return the triggers that were logged, and forget them.
    """
    triggers = [entry["trigger"] for entry in log]
    log.clear()

    return triggers


def everything(store, caller):
    """
    Do all that writes in the caller's transaction, and return what was moved.
    """
    run = store.create(id="new", connection=caller)
    store.fire(run.id, "start", connection=caller)
    store.fire_many([Fire(run.id, "complete")], connection=caller)
    lease = store.claim("w", connection=caller)
    assert store.heartbeat(lease, connection=caller).ok
    assert store.release(lease, connection=caller)
    store.sweep(connection=caller)

    return ["create", "start", "complete", "start"]


@pytest.mark.parametrize("kind", [sa.Connection, Session])
def test_all_that_writes_stands_and_falls_with_the_callers_transaction(store, log, kind):
    """
    With a rollback nothing remains, and nothing is logged; with a commit everything, and then.
    """
    store.create(id="old")
    said(log)
    before = rows_of(store)
    caller = kind(store.engine) if kind is Session else store.engine.connect()
    with closing(caller):
        moved = everything(store, caller)
        assert [] == said(log)
        caller.rollback()
        caller.commit()
        assert (before, []) == (rows_of(store), said(log))
        with pytest.raises(RunNotFoundError):
            store.get("new")
        everything(store, caller)
        caller.commit()
        assert moved == said(log)
        caller.rollback()
        caller.commit()

    assert ([], {"old": "in_progress", "new": "completed"}) == (
        said(log),
        {run_id: str(store.get(run_id).status) for run_id in ("old", "new")},
    )
    assert consistent(store, "old")
    assert consistent(store, "new")


def test_a_session_that_has_begun_takes_the_move_into_its_transaction(store, log):
    """
    Together with what it wrote itself.
    """
    run_id = store.create().id
    said(log)
    with store.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE mine (word text)"))
    with Session(store.engine) as session:
        session.execute(sa.text("INSERT INTO mine VALUES ('x')"))
        assert store.start(run_id, connection=session).ok
        assert "in_progress" == store.get(run_id, connection=session).status
        session.rollback()
    with Session(store.engine) as session:
        assert [] == session.execute(sa.text("SELECT * FROM mine")).all()

    assert ("queued", []) == (store.get(run_id).status, said(log))


def test_a_savepoint_that_is_rolled_back_takes_its_moves_along(store, log):
    """
    What was moved before and after it stays, and is logged; nothing else is.
    """
    run_id, other = store.create().id, store.create().id
    said(log)
    with store.engine.begin() as connection:
        store.start(run_id, connection=connection)
        outer = connection.begin_nested()
        store.start(other, connection=connection)
        inner = connection.begin_nested()
        store.complete(run_id, connection=connection)
        inner.rollback()
        store.request_cancel(run_id, connection=connection)
        outer.commit()
        store.fail(other, ERROR, connection=connection)
    told = said(log)
    with store.engine.begin() as connection:
        first = connection.begin_nested()
        store.confirm_cancel(run_id, connection=connection)
        first.rollback()

    assert ["start", "start", "request_cancel", "fail"] == told
    assert ["create", "start", "request_cancel"] == [e.trigger for e in store.history(run_id)]
    assert [] == said(log)
    assert consistent(store, run_id)
    assert consistent(store, other)


def test_a_savepoint_before_the_first_move_takes_all_of_them(store, log):
    """
    Also of the log, which began to listen within it.
    """
    run_id = store.create().id
    said(log)
    with store.engine.begin() as connection:
        savepoint = connection.begin_nested()
        store.start(run_id, connection=connection)
        store.complete(run_id, connection=connection)
        savepoint.rollback()
        store.request_cancel(run_id, connection=connection)

    assert ["request_cancel"] == said(log)
    assert "cancelling" == store.get(run_id).status


def test_a_connection_is_not_kept_for_the_log(store):
    """
    Once the caller has dropped it, it is gone.
    """
    connection = store.engine.connect()
    store.create(connection=connection)
    connection.commit()
    connection.close()
    reference = weakref.ref(connection)
    del connection
    gc.collect()

    assert reference() is None


def test_a_loser_in_a_transaction_of_its_own_is_answered(store):
    """
    The transaction that lost can go on, and what it keeps is late.
    """
    run_id = brought_to(store, "in_progress")
    with Session(store.engine) as session, session.begin():
        store.complete(run_id, connection=session)
        answer = store.fail(run_id, ERROR, connection=session)
        store.create(id="next", connection=session)

    assert isinstance(answer, Superseded)
    assert ["move", "move", "move", "late"] == [line.kind for line in store.history(run_id)]
    assert "queued" == store.get("next").status


def test_every_move_and_every_refusal_is_logged(store, log):
    """
    One structlog event each, with the facts as keys; a bad end is a warning, a duplicate nothing.
    """
    run_id = store.create(id="run_1").id
    store.start(run_id, key="k")
    store.start(run_id, key="k")
    store.start(run_id)
    store.fire_many([Fire(run_id, "fail", {"last_error": ERROR}), Fire(run_id, "complete")])
    store.expire(run_id, token=7)
    create, start, illegal, fail, superseded, stale = log
    moves = store.history(run_id)[:3]

    assert [
        {
            "event": "run.transition",
            "lifecycle": "run",
            "log_level": "warning" if entry.trigger == "fail" else "info",
            **{n: v for n, v in entry.moved._asdict().items() if n not in UNLOGGED},
        }
        for entry in moves
    ] == [create, start, fail]
    assert [
        ("illegal", "start", "in_progress"), ("superseded", "complete", "failed"),
        ("stale", "expire", None),
    ] == [(e["kind"], e["trigger"], e["status"]) for e in (illegal, superseded, stale)]  # fmt: skip
    assert {"run.rejected"} == {entry["event"] for entry in (illegal, superseded, stale)}


def test_a_logger_of_the_callers_own_is_told(database_url):
    """
    Where one is given, and structlog's own configuration is not asked.
    """
    logger = structlog.testing.CapturingLogger()
    wrapped = structlog.wrap_logger(logger, processors=[])
    with RunStore.open(database_url, logger=wrapped) as store:
        run_id = store.create().id

    assert [("info", run_id)] == [
        (call.method_name, call.kwargs["run_id"]) for call in logger.calls
    ]


def test_what_is_never_committed_by_a_caller_who_forgets_is_not_there(store, log):
    """
    A connection that is closed without a commit rolls back.
    """
    with store.engine.connect() as connection:
        store.create(id="lost", connection=connection)

    assert [] == said(log)
    with pytest.raises(RunNotFoundError):
        store.get("lost")


def test_a_log_that_is_filtered_for_good_hears_of_bad_ends_alone(database_url):
    """
    Where structlog keeps its loggers, a plain move costs nothing once its level is filtered out.
    """
    output = structlog.testing.CapturingLogger()
    structlog.configure(
        processors=[],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: output,
        cache_logger_on_first_use=True,
    )
    with RunStore.open(database_url) as store:
        run_id = brought_to(store, "in_progress")
        store.fail(run_id, ERROR)

    assert [("warning", run_id, "fail")] == [
        (call.method_name, call.kwargs["run_id"], call.kwargs["trigger"]) for call in output.calls
    ]


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE"])
def test_an_engine_that_says_begin_itself_is_as_good_as_any(tmp_path, begin):
    """
    As SQLAlchemy advises for SQLite: the driver says none, an event does.
    """
    engine = sa.create_engine(f"sqlite:///{tmp_path}/runs.db")

    @sa.event.listens_for(engine, "connect")
    def connected(connection, _):
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def begun(connection):
        connection.exec_driver_sql(begin)

    store = RunStore(engine)
    run_id = brought_to(store, "completed")
    with engine.begin() as connection:
        other = store.create(connection=connection).id

    assert "queued" == store.get(other).status
    assert consistent(store, run_id)
    engine.dispose()


def test_a_savepoint_is_not_committed_before_its_transaction(store, log):
    """
    Released before anything else was written, it falls with the transaction around it.
    """
    run_id = store.create().id
    said(log)
    with store.engine.connect() as connection:
        with connection.begin_nested():
            store.start(run_id, connection=connection)
        connection.rollback()
    with Session(store.engine) as session:
        with session.begin_nested():
            store.start(run_id, connection=session)
        session.rollback()

    assert ("queued", []) == (store.get(run_id).status, said(log))


@pytest.mark.parametrize("kind", [RunStore, AsyncRunStore])
@pytest.mark.parametrize("where", ["engine", "options"])
def test_an_engine_that_commits_each_statement_is_refused(where, kind):
    """
    State and journal could not be one transaction; whoever asks for it gets one that can.
    """
    make = sa.create_engine if kind is RunStore else create_async_engine
    level = {"isolation_level": "AUTOCOMMIT"}
    url = "postgresql+psycopg://127.0.0.1:1/nowhere"
    engine = make(url, **level) if where == "engine" else make(url).execution_options(**level)
    with pytest.raises(ValueError, match="a store needs transactions"):
        kind(engine)


def test_an_engine_may_be_made_to_know_transactions(postgresql_database):
    """
    As the refusal says.
    """
    engine = sa.create_engine(postgresql_database, isolation_level="AUTOCOMMIT")
    store = RunStore(engine.execution_options(isolation_level="READ COMMITTED"))
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP TABLE runstate_journal")
    with pytest.raises(sa.exc.DBAPIError, match="runstate_journal"):
        store.create(id="run_1")
    with engine.connect() as connection:
        runs = connection.exec_driver_sql("SELECT id FROM runstate_runs").all()
    engine.dispose()

    assert [] == runs
