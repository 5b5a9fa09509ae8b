"""
Counts of a store stay those of its rows, whoever deletes what.
"""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest

from runstate.store import RunStore
from runstate.telemetry.prometheus import StoreCollector
from stores import ERROR, brought_to

BY_STATUS = "SELECT status, count(*) FROM runstate_runs GROUP BY status"
STATUSES = ("queued", "in_progress", "cancelling", "completed", "failed", "expired")


def rows(store):
    """
    Return how many rows there are in each status.
    """
    with store.engine.connect() as connection:
        return dict(map(tuple, connection.exec_driver_sql(BY_STATUS)))


def counted(store):
    """
    Return what the store says, without the statuses that no run is in.
    """
    return {status: runs for status, runs in store.counts().items() if runs}


def delete(store, table, **where):
    """
    Delete rows past the store, as a retention job does.
    """
    conditions = " AND ".join(f"{name} = :{name}" for name in where) or "1 = 1"
    with store.engine.begin() as connection:
        statement = sa.text(f"DELETE FROM runstate_{table} WHERE {conditions}")  # noqa: S608
        connection.execute(statement, where)


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_those_of_the_rows_whatever_is_deleted(store, seed):
    """
    Runs, their lines in the journal, both or all; swept before, or not.
    """
    dice = random.Random(seed)  # noqa: S311
    deletions = (
        lambda run_id: delete(store, "runs", id=run_id),
        lambda run_id: delete(store, "journal", run_id=run_id),
        lambda run_id: (delete(store, "journal", run_id=run_id), delete(store, "runs", id=run_id)),
        lambda _: delete(store, "runs", status=dice.choice(STATUSES)),
        lambda _: delete(store, "journal", kind="move", seq=1),
    )
    for _ in range(25):
        run_id = brought_to(store, dice.choice(STATUSES))
        if dice.random() < 0.3:
            store.sweep()
        if dice.random() < 0.4:
            dice.choice(deletions)(run_id)
        assert rows(store) == counted(store)
    delete(store, "journal")
    assert rows(store) == counted(store)
    store.sweep()
    brought_to(store, "completed")
    delete(store, "runs")
    assert {} == rows(store) == counted(store)
    store.sweep()
    assert {} == counted(store)


@pytest.mark.parametrize("swept", [True, False])
def test_a_deletion_that_is_rolled_back_changes_no_count(store, swept):
    """
    It takes part in the transaction that deletes.
    """
    brought_to(store, "failed")
    if swept:
        store.sweep()
    with store.engine.connect() as connection:
        for table in ("runs", "journal"):
            connection.exec_driver_sql(f"DELETE FROM runstate_{table}")  # noqa: S608
        connection.rollback()

    assert {"failed": 1} == rows(store) == counted(store)


@pytest.mark.parametrize("swept", [True, False])
def test_a_table_that_is_truncated_is_counted_as_empty(postgresql_database, swept):
    """
    Also before its lines were added up, and by a role that may write to the table alone.
    """
    with RunStore.open(postgresql_database) as store:
        for table in ("runs", "journal"):
            brought_to(store, "completed")
            brought_to(store, "queued")
            if swept:
                store.sweep()
            with store.engine.begin() as connection:
                connection.exec_driver_sql(f"TRUNCATE runstate_{table}")
            assert rows(store) == counted(store)
        assert {} != rows(store)


def test_a_role_that_may_only_delete_keeps_the_counts_true(postgresql_database):
    """
    The triggers run with the rights of the tables' owner.
    """
    with RunStore.open(postgresql_database) as store:
        brought_to(store, "completed")
        with store.engine.connect() as connection:
            connection.exec_driver_sql("CREATE ROLE cleaner")
            for table in ("runs", "journal"):
                connection.exec_driver_sql(f"GRANT SELECT, DELETE ON runstate_{table} TO cleaner")
            connection.exec_driver_sql("SET LOCAL ROLE cleaner")
            connection.exec_driver_sql("DELETE FROM runstate_journal")
            connection.exec_driver_sql("DELETE FROM runstate_runs")
            connection.exec_driver_sql("RESET ROLE")
            connection.exec_driver_sql("REVOKE ALL ON runstate_runs, runstate_journal FROM cleaner")
            connection.exec_driver_sql("DROP ROLE cleaner")
            connection.commit()
        assert {} == rows(store) == counted(store)


def test_counts_are_right_while_others_move_sweep_and_delete(store):
    """
    All at once, in threads; in the end every count is that of the rows.
    """
    run_ids = [store.create().id for _ in range(60)]

    def move(part):
        for run_id in run_ids[part::2]:
            try:
                store.start(run_id)
                store.fail(run_id, ERROR)
            except LookupError:
                pass

    def clean(table, column):
        for run_id in run_ids[::3]:
            delete(store, table, **{column: run_id})
            store.sweep()
            assert min(store.counts().values()) >= 0

    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(move, part) for part in (0, 1)]
        work += [threads.submit(clean, *each) for each in (("runs", "id"), ("journal", "run_id"))]
        for each in work:
            each.result(120)
    assert rows(store) == counted(store)
    store.sweep()
    assert rows(store) == counted(store)


def test_metrics_of_a_store_stay_true_when_rows_are_deleted(store):
    """
    No gauge is negative, and none counts what is gone.
    """
    registry = CollectorRegistry()
    StoreCollector(store, registry=registry)
    for _ in range(3):
        run_id = brought_to(store, "cancelling")
        delete(store, "journal", run_id=run_id)
    delete(store, "runs", id=run_id)
    page = generate_latest(registry).decode()

    assert 'runstate_run_active{definition="run",state="cancelling"} 2.0' in page
    assert "} -" not in page


def test_late_outcomes_of_an_ended_run_are_bounded(store):
    """
    The journal keeps the first ones; the answer is the same.
    """
    run_id = brought_to(store, "completed")
    answers = {store.fail(run_id, ERROR).status for _ in range(50)}
    late = [line for line in store.history(run_id) if line.kind == "late"]

    assert ({"completed"}, 20) == (answers, len(late))


def test_counts_are_planned_for_what_lies_behind_the_last_sweep(postgresql_database):
    """
    The place of the sweep is in the text of what PostgreSQL prepares, which it plans once.
    """
    texts = sa.text("SELECT statement FROM pg_prepared_statements WHERE statement ~ 'UNION ALL'")
    place = sa.text("SELECT value FROM runstate_meta WHERE name = 'counted'")
    with RunStore.open(postgresql_database) as store, store.engine.connect() as connection:
        places = []
        for _ in range(2):
            store.create_many([{}] * 10)
            for _ in range(8):
                store.counts(connection=connection)
            places.append(connection.execute(place).scalar_one())
            connection.commit()
            store.sweep()
        prepared = connection.execute(texts).scalars().all()

    assert 2 == len(set(places))
    assert {1} == {sum(f"'{each}'" in text for text in prepared) for each in places}
