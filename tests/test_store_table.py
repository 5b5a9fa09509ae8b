"""
A store in the application's own table: its rows are the objects, whoever else writes them.
"""

import asyncio
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import orm
from sqlalchemy.orm.exc import StaleDataError

from databases import DatabaseClock, awaited, fresh_database, fresh_file
from own_tables import AsyncOwnSubject, OwnSubject, subjects_of, table_of
from runstate import Lifecycle, LifecycleFieldError, RunResponse, Transition
from runstate.presets import PRESETS
from runstate.store import (
    Applied,
    AsyncStore,
    ConcurrentMoveError,
    Duplicate,
    Fire,
    Illegal,
    KeyReusedError,
    RunExistsError,
    RunNotFoundError,
    Stale,
    StatusMissingError,
    Store,
    StoreArgumentError,
    StoreVersionError,
    Superseded,
    UnreadableRunError,
    apply_move,
    metadata,
    schema_sql,
)
from runstate.testing import Harness, conformance
from table_racers import JOB, NAMES, TIMED, Base, Job, State, claim_and_die, engine_of, opened, race
from test_store_presets import QUICK, payloads_of

LONG = os.environ.get("RUNSTATE_LONG") == "1"


@pytest.fixture
def engine(database_url):
    """
    An engine of each database, with the application's table.
    """
    engine = engine_of(database_url)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine, no_log):
    """
    A store of the jobs.
    """
    return opened(engine, logger=no_log)


def add(engine, **fields):
    """
    Have the application's ORM insert a job, and return its id.
    """
    with orm.Session(engine) as session, session.begin():
        job = Job(**fields)
        session.add(job)
        session.flush()
        return str(job.id)


def write(engine, run_id, state):
    """
    Have something else set the status of a job, whatever it was.
    """
    with engine.begin() as connection:
        connection.execute(sa.update(Job).where(Job.id == int(run_id)).values(state=state))


def state_of(engine, run_id):
    """
    Return the status in the application's table.
    """
    with engine.connect() as connection:
        return connection.execute(sa.select(Job.state).where(Job.id == int(run_id))).scalar_one()


def path(store, run_id):
    """
    Return the moves of a job in the journal: what each was called, and where it led.
    """
    moves = [line for line in store.history(run_id) if line.kind == "move"]
    assert [line.seq for line in moves] == list(range(1, len(moves) + 1))
    assert all(a.target == b.source for a, b in pairwise(moves))

    return [(line.trigger or line.reason, line.target) for line in moves]


# -- the store's own promises -------------------------------------------------------------


CHECKED = (
    "every_row_is_a_move",
    "refusal_names_the_winner",
    "stamps_and_details_are_as_the_table_says",
    "retry_moves_nothing",
    "move_is_all_or_nothing",
    "claim_is_all_or_nothing",
    "caller_may_roll_back",
    "feed_misses_no_late_commit",
    "stale_worker_is_fenced_between_any_statements",
)
"""What the suite checks always; the long form checks everything, and with more lifecycles."""


@pytest.mark.parametrize("kind", [OwnSubject, AsyncOwnSubject] if LONG else [OwnSubject])
def test_a_store_in_an_own_table_passes_the_conformance_kit(fresh, kind):
    """
    Atomic, one winner, fenced, with its journal and its feed.
    """
    lifecycle, only = (PRESETS["oban-job"], None) if LONG else (JOB, CHECKED)
    made = subjects_of(lifecycle, fresh, kind)
    result = conformance(made, lifecycle=lifecycle, payloads=payloads_of(lifecycle), only=only)

    assert result.ok, str(result)
    assert len(result.passed) >= (49 if only is None else len(only)), str(result)


def test_a_store_for_asyncio_passes_it_too(tmp_path):
    """
    What it does by itself is the same, so that few checks tell.
    """
    made = subjects_of(JOB, partial(fresh_file, tmp_path), AsyncOwnSubject)
    result = conformance(made, lifecycle=JOB, payloads=payloads_of(JOB), only=CHECKED[5:7])

    assert result.ok, str(result)
    assert len(result.passed) == 2


@pytest.mark.parametrize("name", PRESETS if LONG else ["celery", "argo-workflow"])
def test_presets_pass_in_an_own_table(name, tmp_path):
    """
    Several beginnings, reopened rows, machines without an end, rows with conditions.
    """
    lifecycle = PRESETS[name]
    made = subjects_of(lifecycle, partial(fresh_file, tmp_path), without={"leases", "sweep"})
    only = QUICK if LONG else [name for name in QUICK if name in CHECKED[:4]]
    result = conformance(made, lifecycle=lifecycle, payloads=payloads_of(lifecycle), only=only)

    assert result.ok, str(result)
    assert result.passed


@contextmanager
def disposing(url):
    """
    Yield an engine for the writers outside of the store.
    """
    engine = engine_of(url.render_as_string(hide_password=False))
    yield engine
    engine.dispose()


PAIRS = [("fire", "raw"), ("claim", "apply_move"), ("fire", "apply_move"), ("claim", "raw")]


@pytest.mark.parametrize(("act", "rival"), PAIRS if LONG else PAIRS[:2])
def test_one_writer_wins_between_any_two_statements(fresh, act, rival):
    """
    A writer outside of the store, before each statement of a move of the store: never both, never none.
    """
    made = subjects_of(JOB, fresh)
    table = table_of(JOB)
    first, other, source = (
        ("start", "drop", "queued") if act == "claim" else ("finish", "fail", "running")
    )
    target = "failed"

    with made() as subject, disposing(subject.engine.url) as others:
        harness = Harness(subject, JOB, {})

        def prepare():
            for lease in iter(lambda: subject.store.claim("sink", 30), None):
                subject.store.fire(lease.id, "finish", token=lease.token)
            return harness.run_in(source)

        def outside(run_id):
            with others.begin() as connection:
                if rival == "apply_move":
                    key = int(run_id)
                    return apply_move(connection, table, key, other, lifecycle=JOB).ok
                where = (table.c.number == int(run_id), table.c.status == source)
                update = table.update().where(*where).values(status=target)
                return connection.execute(update).rowcount == 1

        def again(run_id):
            # InnoDB may take the locks of two updates of one row in different orders.
            while True:
                try:
                    return outside(run_id)
                except (ConcurrentMoveError, sa.exc.OperationalError):
                    continue

        def move(run_id):
            if act == "claim":
                return subject.store.claim("worker", 30) is not None
            return subject.store.fire(run_id, first).ok

        places = 0
        for run_id, ours, theirs in harness.interrupted(prepare, move, again):
            places += 1
            assert ours != theirs
            subject.store.sweep()
            assert subject.status(run_id) == (JOB.row(first, source).target if ours else target)
            harness.consistent(run_id)
        assert places >= 4


def test_writers_of_all_kinds_have_one_winner_each(database_url, engine, store):
    """
    Processes with threads, through the store, ``apply_move`` and plain SQL, on the same rows.
    """
    processes, threads, rows = (16, 4, 2_000) if LONG else (2, 3, 8)
    numbers = [int(add(engine)) for _ in range(rows)]
    if LONG:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            jobs = [pool.submit(race, database_url, numbers, threads, n) for n in range(processes)]
            won = sum((job.result() for job in jobs[1:]), jobs[0].result())
    else:
        won = race(database_url, numbers, threads * processes, 0)
    while store.sweep() or any(
        state_of(engine, n).value != path(store, str(n))[-1][1] for n in numbers
    ):
        pass

    assert {won[n, "end"] for n in numbers} == {1}
    assert {won[n, "start"] for n in numbers} <= {0, 1}
    assert store.counts() == dict(
        zip(*[("queued", "running", "done", "failed"), (0, 0, *_ends(engine))], strict=True)
    )
    delivered, cursor = [], None
    while page := store.moves(after=cursor).items:
        delivered += [(line.run_id, line.seq) for line in page]
        cursor = store.moves(after=cursor).cursor
    kept = [(str(n), seq + 1) for n in numbers for seq in range(len(path(store, str(n))))]
    assert sorted(delivered) == sorted(kept)


def _ends(engine):
    with engine.connect() as connection:
        return [connection.scalar(sa.select(sa.func.count()).where(Job.state == state))
                for state in (State.DONE, State.FAILED)]  # fmt: skip


def test_the_lease_of_a_killed_worker_lapses(database_url, engine, no_log):
    """
    Its job goes to the next worker, and the sweep ends what is too long in its status.
    """
    clock = DatabaseClock(database_url)
    store = opened(engine, **TIMED, logger=no_log)
    run_id = add(engine)
    worker = multiprocessing.get_context("spawn").Process(target=claim_and_die, args=[database_url])
    worker.start()
    worker.join(60)

    assert worker.exitcode == -9
    assert store.claim("second", 30) is None
    clock.step(31)
    lease = store.claim("second", 30)
    assert (lease.id, lease.token, lease.attempt, lease.run.status) == (run_id, 2, 2, "running")
    assert isinstance(store.fire(run_id, "finish", token=1), Stale)
    clock.step(100)
    assert [moved.trigger for moved in store.sweep()] == ["fail"]
    assert state_of(engine, run_id) is State.FAILED
    assert path(store, run_id)[-1] == ("fail", "failed")
    clock.engine.dispose()


# -- what the application's own code does -----------------------------------------------------


def test_a_row_of_the_orm_is_claimed_and_ended(engine, store):
    """
    With its Enum, its dates and its version; a session with an old copy notices.
    """
    add(engine, queue="cpu")
    run_id = add(engine, queue="gpu")
    with orm.Session(engine) as session:
        job = session.get_one(Job, int(run_id))
        lease = store.claim("worker-1", where={"queue": "gpu"}) if _shares(engine) else None
        session.rollback()
        lease = lease or store.claim("worker-1", where={"queue": "gpu"})
        assert (lease.id, lease.run.status, lease.run.queue) == (run_id, "running", "gpu")
        assert store.fire(run_id, "fail", token=lease.token, error={"code": 7}).ok
        session.refresh(job)
        assert (job.state, job.edition, job.error) == (State.FAILED, 3, '{"code":7}')
        assert job.started_at is not None
        assert job.ended_at is not None

    assert path(store, run_id) == [("adopted", "queued"), ("start", "running"), ("fail", "failed")]
    assert store.get(run_id).version == 3


def _shares(engine):
    # A reader on SQLite holds a snapshot, and no lock that the store would wait for.
    return engine.dialect.name != "sqlite"


def test_a_session_with_an_old_copy_gets_stale_data_error(engine, store):
    """
    The version column of the mapped class is raised by every move.
    """
    run_id = add(engine)
    with orm.Session(engine, expire_on_commit=False) as session:
        job = session.get_one(Job, int(run_id))
        session.commit()
        assert store.fire(run_id, "start").ok
        job.queue = "late"
        with pytest.raises(StaleDataError):
            session.commit()


def test_creation_inserts_into_both(engine, store):
    """
    The row has what the application's columns are, and the table's own key.
    """
    job = store.create(queue="gpu")
    many = store.create_many([{"queue": "a"}, {"queue": "b", "id": "77"}])

    assert (job.id, job.status, job.queue, job.version) == ("1", "queued", "gpu", 1)
    assert job.created_at is not None
    assert [each.id for each in many] == ["2", "77"]
    assert [each.id for each in store.list(queue="b")[0]] == ["77"]
    assert path(store, "77") == [("create", "queued")]
    with pytest.raises(RunExistsError):
        store.create(id="77")
    with pytest.raises(RunExistsError):
        store.create_many([{"queue": "c"}, {"id": "77"}])
    assert store.list(queue="c").items == ()
    assert store.counts()["queued"] == 3


def test_a_key_creates_one_row(engine, store):
    """
    With the id, of which the table has one.
    """
    assert store.create(id="5", key="submit", queue="x") == store.create(
        id="5", key="submit", queue="x"
    )
    with pytest.raises(StoreArgumentError, match="the same fields as when the key was first used"):
        store.create(id="5", key="submit", queue="y")
    with pytest.raises(StoreArgumentError, match="key: expected None without id="):
        store.create(key="submit")


def test_keys_and_tokens_hold_in_an_own_table(engine, store):
    """
    A retry gets the first answer; another trigger under the key is an error.
    """
    add(engine)
    lease = store.claim("worker-1")
    first = store.fire(lease.id, "finish", token=lease.token, key="k", actor="me")
    assert isinstance(first, Applied)
    assert store.fire(lease.id, "finish", token=lease.token, key="k") == Duplicate(first.moved)
    with pytest.raises(KeyReusedError):
        store.fire(lease.id, "fail", key="k")
    assert store.history(lease.id)[-1].actor == "me"


def test_batches_move_rows_and_columns(engine, store):
    """
    In one transaction, each with its answer.
    """
    ids = [add(engine) for _ in range(3)]
    leases = store.claim_many("worker-1", 2)
    assert [lease.id for lease in leases] == ids[:2]
    write(engine, ids[0], State.FAILED)
    verdicts = store.fire_many([Fire(each, "finish") for each in ids])
    assert [type(each) for each in verdicts] == [Superseded, Applied, Illegal]
    assert [state_of(engine, each) for each in ids] == [State.FAILED, State.DONE, State.QUEUED]
    held = store.heartbeat_many(leases)
    assert [each.ok for each in held] == [False, False]


def test_a_move_outside_is_noticed_and_never_overwritten(engine, store):
    """
    By a fire, a heartbeat and a sweep: the answer names what the row says.
    """
    fired, beaten, swept = (add(engine) for _ in range(3))
    leases = {lease.id: lease for lease in store.claim_many("worker-1", 3)}
    for run_id in leases:
        write(engine, run_id, State.FAILED)
    answer = store.fire(fired, "finish", token=leases[fired].token)
    assert (type(answer), answer.status, answer.by) == (Superseded, "failed", "adopt")
    assert isinstance(store.heartbeat(leases[beaten]), Stale)
    assert store.sweep() == ()
    for run_id in (fired, beaten, swept):
        assert path(store, run_id) == [
            ("adopted", "queued"), ("start", "running"), ("adopted", "failed"),
        ]  # fmt: skip
        assert state_of(engine, run_id) is State.FAILED
    assert store.counts()["failed"] == 3
    assert store.claim("worker-2") is None


def test_a_move_by_apply_move_joins_the_journal(engine, store):
    """
    What the application moves in its own session, the store goes on from.
    """
    run_id = store.create().id
    with orm.Session(engine) as session, session.begin():
        assert apply_move(session, Job, int(run_id), "start", lifecycle=JOB, columns=NAMES).ok
    assert store.get(run_id).status == "running"
    assert store.fire(run_id, "finish").ok
    assert path(store, run_id) == [("create", "queued"), ("adopted", "running"), ("finish", "done")]


def test_a_row_that_was_put_back_is_claimed_again(engine, store):
    """
    Although the store saw it end.
    """
    run_id = add(engine)
    lease = store.claim("worker-1")
    store.fire(run_id, "finish", token=lease.token)
    write(engine, run_id, State.QUEUED)
    again = store.claim("worker-2")

    assert (again.id, again.token, again.run.version) == (run_id, 2, 5)
    assert not store.fire(run_id, "finish", token=lease.token).ok


def test_the_callers_transaction_takes_both_back(engine, store):
    """
    Or commits both: the row and the journal.
    """
    run_id = add(engine)
    with orm.Session(engine) as session:
        assert store.fire(run_id, "start", connection=session).ok
        assert session.get_one(Job, int(run_id)).state is State.RUNNING
        session.rollback()
    assert state_of(engine, run_id) is State.QUEUED
    assert store.history(run_id) == ()
    assert store.get(run_id).version == 0
    with orm.Session(engine) as session, session.begin():
        job = Job(queue="new")
        session.add(job)
        session.flush()
        assert store.fire(str(job.id), "fail", connection=session).ok
    assert path(store, "2") == [("adopted", "queued"), ("fail", "failed")]


@pytest.mark.postgres
def test_a_callers_snapshot_never_gets_a_wrong_answer(postgresql_url):
    """
    PostgreSQL at REPEATABLE READ cannot show who won: the transaction has to be run again.
    """
    with fresh_database(postgresql_url) as url:
        engine = engine_of(url)
        Base.metadata.create_all(engine)
        store = opened(engine)
        run_id = store.create().id
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            connection.execute(sa.select(Job.id))
            write(engine, run_id, State.FAILED)
            with pytest.raises(ConcurrentMoveError):
                store.fire(run_id, "start", connection=connection)
        engine.dispose()


def test_hooks_see_the_row_of_the_application(engine, no_log):
    """
    Before and after the move; one that changes the status itself undoes it.
    """
    seen = []

    def before(event):
        seen.append((event.snapshot.status, event.snapshot.queue, event.trigger))
        if event.snapshot.queue == "meddle":
            event.connection.execute(sa.update(Job).values(state=State.DONE))

    def after(event):
        seen.append((event.snapshot.status, event.snapshot.queue, event.trigger))

    store = opened(engine, before=[before], after=[after], logger=no_log)
    run_id, meddled = add(engine, queue="gpu"), add(engine, queue="meddle")
    assert store.fire(run_id, "fail").ok
    assert seen == [("queued", "gpu", "fail"), ("failed", "gpu", "fail")]
    with pytest.raises(ConcurrentMoveError):
        store.fire(meddled, "fail")
    assert state_of(engine, meddled) is State.QUEUED
    assert store.history(meddled) == ()


def test_pruning_keeps_the_rows_of_the_application(engine, store):
    """
    And the number of a row's moves: what comes later has an id that the feed never had.
    """
    ids = [add(engine) for _ in range(3)]
    for run_id in ids:
        assert store.fire(run_id, "fail").ok
    beginning = store.moves(limit=1).cursor
    assert store.prune(older_than=0, keep_after=[store.cursor(), beginning]) == 0
    assert store.prune(older_than=0, keep_after=store.cursor()) == 2
    assert store.prune(older_than=0) == 0
    assert [store.history(run_id) == () for run_id in ids] == [True, True, False]
    assert [store.history(run_id).missing for run_id in ids] == [(1, 2), (1, 2), ()]
    assert store.counts()["failed"] == 3
    assert state_of(engine, ids[0]) is State.FAILED
    write(engine, ids[0], State.QUEUED)
    assert store.claim("worker-1").id == ids[0]
    assert [line.seq for line in store.history(ids[0])] == [3, 4]
    assert store.history(ids[0]).missing == (1, 2)


def test_a_list_goes_on_although_its_rows_are_deleted(engine, store):
    """
    With what the store still knows of them, and without.
    """
    ids = [add(engine) for _ in range(6)]
    assert all(store.fire(run_id, "fail").ok for run_id in ids)
    for pruned in (False, True):
        page = store.list(limit=2, order="asc")
        with engine.begin() as connection:
            connection.execute(sa.delete(Job).where(Job.id == int(page.items[-1].id)))
        if pruned:
            store.prune(older_than=0)
        rest = store.list(after=page.cursor, order="asc")
        assert int(page.items[-1].id) + 1 == int(rest.items[0].id)


def test_a_deleted_row_is_gone(engine, store):
    """
    From claims, heartbeats and lists at once, from the counts when pruned.
    """
    ids = [add(engine) for _ in range(3)]
    lease = store.claim("worker-1")
    with engine.begin() as connection:
        connection.execute(sa.delete(Job).where(Job.id.in_([1, 2])))

    assert isinstance(store.heartbeat(lease), Stale)
    with pytest.raises(RunNotFoundError):
        store.fire(ids[1], "start")
    with pytest.raises(RunNotFoundError):
        store.get(ids[1])
    assert [each.id for each in store.list()[0]] == [ids[2]]
    assert store.claim("worker-2").id == ids[2]
    assert store.claim("worker-2") is None
    assert store.sweep() == ()
    assert store.prune(older_than=0) == 2
    assert store.counts() == {"queued": 0, "running": 1, "done": 0, "failed": 0}


def test_fields_and_payloads_of_the_application(engine, store):
    """
    ``update`` sets columns that the lifecycle does not own; ``erase`` leaves the application's.
    """
    run_id = store.create(queue="a").id
    assert store.update(run_id, {"queue": "b"}).queue == "b"
    for fields in ({"status": "done"}, {"started_at": 1}, {"row_version": 9}):
        with pytest.raises(LifecycleFieldError):
            store.update(run_id, fields)
    with pytest.raises(TypeError, match="unexpected keyword 'colour'"):
        store.update(run_id, {"colour": "red"})
    with pytest.raises(TypeError, match="unexpected keyword 'colour'"):
        store.claim("worker-1", where={"colour": "red"})
    with pytest.raises(TypeError, match="unexpected keyword 'colour'"):
        store.create(colour="red")
    store.fire(run_id, "fail", error="boom", actor="me")
    assert store.erase(run_id).error == "boom"
    assert store.history(run_id)[-1].actor is None


def test_statuses_that_are_none_of_the_lifecycle_are_named(engine, store, no_log):
    """
    And stop nothing else.
    """
    broken, fine = add(engine), add(engine)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE jobs ALTER COLUMN state TYPE text")
        elif connection.dialect.name == "mysql":
            connection.exec_driver_sql("ALTER TABLE jobs MODIFY state varchar(20)")
        connection.exec_driver_sql(f"UPDATE jobs SET state = 'PAUSED' WHERE id = {broken}")  # noqa: S608
    with pytest.raises(UnreadableRunError, match=r"expected QUEUED, RUNNING, .* found 'PAUSED'"):
        store.fire(broken, "start")
    with pytest.raises(UnreadableRunError, match="found 'PAUSED'"):
        store.get(broken)
    assert store.sweep() == ()
    assert store.claim("worker-1").id == fine
    for unknown in ("7x", "99", "9" * 30, "nothing"):
        with pytest.raises(RunNotFoundError):
            store.fire(unknown, "start")


def test_a_status_that_is_null_is_named(database_url, no_log):
    """
    As ``apply_move`` names it.
    """
    engine = engine_of(database_url)
    things = sa.Table(
        "things", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("status", sa.String(10)),
    )  # fmt: skip
    things.create(engine)
    store = Store(engine, JOB, table=things, prefix="own_", logger=no_log)
    with engine.begin() as connection:
        connection.execute(things.insert().values(id=1))
    with pytest.raises(StatusMissingError):
        store.fire("1", "start")
    assert store.sweep() == ()
    assert store.claim("worker-1") is None
    engine.dispose()


@pytest.mark.parametrize(("kind", "values"), [(sa.String(40), ["b", "a c"]), (sa.Uuid(), None)])
def test_keys_of_text_and_uuids(database_url, kind, values, no_log):
    """
    The id is the key as text.
    """
    engine = engine_of(database_url)
    things = table_of(JOB, kind)
    things.create(engine)
    keys = values or [uuid4(), uuid4()]
    store = Store(engine, JOB, table=things, prefix="own_", logger=no_log)
    with engine.begin() as connection:
        connection.execute(things.insert().values(number=keys[0], status="queued"))
    lease = store.claim("worker-1")
    assert (lease.id, lease.run.number) == (str(keys[0]), keys[0])
    assert store.fire(lease.id, "finish", token=lease.token).ok
    assert store.create(id=str(keys[1]), note="x").number == keys[1]
    assert [each.number for each in store.list(status="queued")[0]] == [keys[1]]
    engine.dispose()


def test_a_reopened_row_raises_the_attempt(database_url, no_log):
    """
    Whoever reopens it; a writer of the earlier attempt changes nothing.
    """
    lifecycle = PRESETS["oban-job"]
    engine = engine_of(database_url)
    things = table_of(lifecycle)
    things.create(engine)
    store = Store(engine, lifecycle, table=things, prefix="own_", logger=no_log)
    run_id = store.create().id
    first = store.claim("worker-1")
    assert store.fire(run_id, "complete", token=first.token, key="k").ok
    assert store.fire(run_id, "retry").ok
    assert store.get(run_id)[lifecycle.attempt_field] == 2
    second = store.claim("worker-2")
    assert isinstance(store.fire(run_id, "complete", token=first.token), Stale)
    assert store.fire(run_id, "complete", token=second.token, key="k").ok
    with engine.begin() as connection:
        answer = apply_move(connection, things, 1, "retry", lifecycle=lifecycle, attempt=2)
        assert answer.ok
        assert apply_move(connection, things, 1, "fetch", lifecycle=lifecycle, attempt=3).ok
        assert apply_move(connection, things, 1, "complete", lifecycle=lifecycle, attempt=3).ok
    version = store.get(run_id).version
    assert isinstance(store.fire(run_id, "complete", token=second.token), Superseded | Stale)
    assert path(store, run_id)[-1] == ("adopted", "completed")
    assert store.get(run_id).version == version + 1
    assert store.get(run_id)[lifecycle.attempt_field] == 3
    engine.dispose()


def test_a_store_for_asyncio_does_the_same(database_url, no_log):
    """
    On the application's own asyncio engine.
    """
    plain = engine_of(database_url)
    Base.metadata.create_all(plain)
    add(plain, queue="gpu")

    async def work():
        options = {"table": Job, "columns": NAMES, "logger": no_log}
        async with await AsyncStore.open(awaited(database_url), JOB, **options) as store:
            lease = await store.claim("worker-1", where={"queue": "gpu"})
            write(plain, lease.id, State.FAILED)
            answer = await store.fire(lease.id, "finish", token=lease.token)
            return answer, await store.counts()

    answer, counts = asyncio.run(work())
    assert (type(answer), answer.by) == (Superseded, "adopt")
    assert counts["failed"] == 1
    plain.dispose()


# -- tables and options ------------------------------------------------------------------------


def test_autogenerate_finds_nothing_beside_the_own_table(engine, store):
    """
    The companion tables are of a metadata of their own.
    """
    companions = metadata(_dialect(engine), JOB, table=Job, columns=NAMES)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, [Base.metadata, companions])

    assert found == []
    assert "jobs" not in companions.tables


def test_a_migration_makes_the_companion_tables(engine, no_log):
    """
    Without them the store does not open; with them it changes nothing.
    """
    with pytest.raises(StoreVersionError, match="without the table job_runs"):
        opened(engine, install=False)
    with engine.begin() as connection:
        for statement in schema_sql(_dialect(engine), JOB, table=Job, columns=NAMES):
            connection.exec_driver_sql(statement)
    store = opened(engine, install=False, logger=no_log)
    add(engine)
    assert store.claim("worker-1").run.status == "running"


def _dialect(engine):
    return engine.dialect.name.replace("mysql", "mariadb")


def test_a_table_that_is_not_there_is_named(database_url):
    """
    The application makes it, not the store.
    """
    engine = engine_of(database_url)
    with pytest.raises(ValueError, match="table: the database has no table jobs; make it before"):
        opened(engine)
    engine.dispose()


def column(*parts, **options):
    """
    Return a table of a number, a status, and what else is given.
    """
    return sa.Table("own", sa.MetaData(), *parts, **options)


NUMBER = partial(sa.Column, "id", sa.Integer, primary_key=True)
STATUS = partial(sa.Column, "status", sa.String(10))


class Parent(Base):
    """A class with a mapped child."""

    __tablename__ = "parents"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    status: orm.Mapped[str] = orm.mapped_column(sa.String(10))


class Child(Parent):
    """The child, in a table of its own."""

    __tablename__ = "children"
    id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("parents.id"), primary_key=True)


ADOPTS = Lifecycle("pets", [Transition("adopt", "free", "home")], "free", {"home": "success"})
REFUSED = {
    "the name of a table": ("jobs", JOB, {}, "table: expected a SQLAlchemy Table or a mapped class"),
    "no key": (column(STATUS()), JOB, {}, "needs a primary key, and a column for the status"),
    "no status": (column(NUMBER()), JOB, {}, "needs a primary key, and a column for the status"),
    "a key of dates": (
        column(sa.Column("day", sa.Date, primary_key=True), STATUS()), JOB, {},
        "table: expected Integer, String or Uuid as the type of own.day",
    ),
    "a status of numbers": (
        column(NUMBER(), sa.Column("status", sa.Integer)), JOB, {},
        "table: expected String, Text or Enum as the type of own.status",
    ),
    "a short status": (
        column(NUMBER(), sa.Column("status", sa.String(4))), JOB, {},
        "the column own.status cannot hold 'queued', 'running', 'failed' of job",
    ),
    "an Enum that lacks one": (
        column(NUMBER(), sa.Column("status", sa.Enum("queued", "running", "done"))), JOB, {},
        "the column own.status cannot hold 'failed' of job",
    ),
    "a child": (
        Child, JOB, {},
        "Child inherits its table from Parent",
    ),
    "no attempt": (
        column(NUMBER(), sa.Column("state", sa.String(20))), PRESETS["oban-job"], {},
        "needs a column for the attempt",
    ),
    "an unknown field": (
        column(NUMBER(), STATUS()), JOB, {"columns": {"stat": "status"}},
        "columns: expected fields of job",
    ),
    "an unknown column": (
        column(NUMBER(), STATUS()), JOB, {"columns": {"status": "state"}}, "needs a primary key",
    ),
    "types as columns": (
        column(NUMBER(), STATUS()), JOB, {"columns": {"error": str}},
        r"columns\['error'\]: expected a column of own",
    ),
    "a trigger adopt": (
        column(NUMBER(), STATUS()), ADOPTS, {}, "pets has a trigger 'adopt'",
    ),
    "a name of the store's": (
        sa.Table("x_runs", sa.MetaData(), NUMBER(), STATUS()), JOB, {"prefix": "x_"},
        "x_runs is the name of a table of the store; choose another prefix=",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_store_cannot_work_with_is_refused_when_it_is_opened(name, tmp_path):
    """
    In one line.
    """
    table, lifecycle, options, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as caught:
        Store.open(f"sqlite:///{tmp_path}/a.db", lifecycle, table=table, **options)
    assert "\n" not in str(caught.value)


def test_names_of_columns_need_a_table(tmp_path):
    """
    And a table needs the lifecycle of its rows.
    """
    with pytest.raises(ValueError, match=r"columns\['status'\]|'status' is taken by the store"):
        Store.open(f"sqlite:///{tmp_path}/a.db", JOB, columns={"status": "state"})
    with pytest.raises(ValueError, match="table: needs lifecycle="):
        metadata("sqlite", table=Job)
    with pytest.raises(ValueError, match="table: runs have tables of their own"):
        metadata("sqlite", JOB, model=RunResponse, table=Job, columns=NAMES)
