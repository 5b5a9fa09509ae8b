"""
The store inside a caller's transaction at every isolation level: the truth, or a named conflict.
"""

import asyncio
from collections import Counter

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from conftest import PAYLOADS
from runstate import RUN, RunstateError
from runstate.store import (
    Applied,
    AsyncRunStore,
    ConcurrentMoveError,
    Duplicate,
    Illegal,
    RunStore,
    Superseded,
)
from stores import brought_to, consistent

LEVELS = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]


@pytest.mark.parametrize("level", LEVELS)
def test_a_verdict_is_what_the_table_says_of_the_run_as_it_is_now(postgresql_database, level):
    """
    For every two statuses, the first seen by the caller and the second set since, and every trigger.

    READ COMMITTED answers. The others raise ConcurrentMoveError where the run has changed,
    and answer once the caller has rolled back and run the transaction again.
    """
    met = Counter()
    with RunStore.open(postgresql_database) as store:
        for seen, now in (
            ("queued", "in_progress"), ("queued", "cancelling"), ("queued", "completed"),
            ("in_progress", "requires_action"), ("in_progress", "cancelled"),
            ("completed", "completed"), ("queued", "queued"),
        ):  # fmt: skip
            for trigger in ("start", "complete", "fail", "request_cancel", "confirm_cancel"):
                run_id = brought_to(store, seen)
                with store.engine.connect().execution_options(isolation_level=level) as caller:
                    store.get(run_id, connection=caller)
                    bring_on(store, run_id, seen, now)
                    try:
                        verdict = fire(store, run_id, trigger, caller)
                        met["answer"] += 1
                    except ConcurrentMoveError as conflict:
                        met["conflict"] += 1
                        assert (run_id, True) == (conflict.run_id, seen != now)
                        assert conflict.__cause__ is not None
                        caller.rollback()
                        verdict = fire(store, run_id, trigger, caller)
                    caller.commit()
                assert judged(now, trigger) == kind(verdict)
                assert consistent(store, run_id)
    changed, same = 5 * 5, 2 * 5

    assert level == "READ COMMITTED" or (changed, same) == (met["conflict"], met["answer"])
    assert level != "READ COMMITTED" or changed + same == met["answer"]


def bring_on(store, run_id, seen, now):
    """
    Commit the moves that lead from *seen* to *now*.
    """
    for row in RUN.shortest_path(seen, now):
        assert store.fire(run_id, row.trigger, **PAYLOADS.get(row.trigger, {})).ok


def fire(store, run_id, trigger, caller):
    """
    Fire with what the trigger needs.
    """
    return store.fire(run_id, trigger, connection=caller, **PAYLOADS.get(trigger, {}))


def judged(status, trigger):
    """
    Return the kind of verdict that the table gives, and the status it names.
    """
    if RUN.row(trigger, status) is not None:
        return Applied, status

    return (Superseded if RUN.is_terminal(status) else Illegal), status


def kind(verdict):
    """
    Return the kind of *verdict*, and the status it names.
    """
    if isinstance(verdict, Applied):
        return Applied, verdict.moved.source

    return type(verdict), verdict.status


@pytest.mark.parametrize("level", LEVELS)
def test_other_operations_in_such_a_transaction_name_the_conflict_too(postgresql_database, level):
    """
    A key used meanwhile, an id created meanwhile, a batch, a heartbeat; each works when run again.
    """
    with RunStore.open(postgresql_database) as store:
        run_id = brought_to(store, "in_progress")
        with store.engine.connect().execution_options(isolation_level=level) as caller:
            store.get(run_id, connection=caller)
            store.complete(run_id, key="k")
            store.create(id="taken")
            for operation in (
                lambda: store.complete(run_id, key="k", connection=caller),
                lambda: store.create(id="taken", connection=caller),
            ):
                answers = []
                for _ in range(2):
                    store.get(run_id, connection=caller)
                    try:
                        answers.append(type(operation()))
                    except RunstateError as error:
                        answers.append(type(error))
                        caller.rollback()
                assert "ConcurrentMoveError" not in {a.__name__ for a in answers[1:]}
                assert {a.__module__.split(".")[0] for a in answers} == {"runstate"}, answers
            again = store.complete(run_id, key="k", connection=caller)

    assert isinstance(again, Duplicate)


def test_a_sqlite_transaction_that_is_out_of_date_is_named(tmp_path):
    """
    A transaction that has read before another one committed cannot write any more.
    """
    with RunStore.open(f"sqlite:///{tmp_path}/runs.db") as store:
        run_id = brought_to(store, "in_progress")
        with store.engine.connect() as caller:
            caller.exec_driver_sql("BEGIN")
            store.get(run_id, connection=caller)
            store.complete(run_id)
            with pytest.raises(ConcurrentMoveError, match="roll back and run the transaction"):
                store.request_cancel(run_id, connection=caller)
            caller.exec_driver_sql("ROLLBACK")
            verdict = store.request_cancel(run_id, connection=caller)

    assert "completed" == verdict.status


def test_the_awaited_store_names_the_conflict_as_well(postgresql_database):
    """
    The same error, from the same place.
    """

    async def use():
        engine = create_async_engine(postgresql_database, isolation_level="REPEATABLE READ")
        async with await AsyncRunStore.open(postgresql_database) as store:
            run = await store.create()
            await store.start(run.id)
            async with engine.connect() as caller:
                await caller.execute(sa.text("SELECT 1 FROM runstate_runs"))
                await store.complete(run.id)
                with pytest.raises(ConcurrentMoveError) as caught:
                    await store.request_cancel(run.id, connection=caller)
                await caller.rollback()
                verdict = await store.request_cancel(run.id, connection=caller)
        await engine.dispose()

        return caught.value.run_id == run.id, verdict.status

    assert (True, "completed") == asyncio.run(use())
