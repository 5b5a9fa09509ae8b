"""
A schema for each tenant by SQLAlchemy's schema_translate_map: refused by a store, obeyed elsewhere.
"""

import asyncio
import inspect

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from databases import awaited
from runstate.store import (
    AsyncRunStore,
    Fire,
    RunStore,
    StoreArgumentError,
    Superseded,
    apply_move,
    guard,
)

OPTION = {"schema_translate_map": {None: "tenant"}}
ARGUMENTS = {
    "run_id": "a", "trigger": "start", "worker": "w", "limits": {"queued": 0.0},
    "fires": [Fire("a", "start")], "items": [{}], "leases": [], "limit": 1, "older_than": 0,
}  # fmt: skip


def calls(store):
    """
    Yield the name of every method that takes a connection, with what else it needs.
    """
    for name, method in inspect.getmembers(store, inspect.ismethod):
        parameters = inspect.signature(method).parameters
        if "connection" in parameters and not name.startswith("_"):
            needed = {
                p.name: ARGUMENTS.get(p.name)
                for p in parameters.values()
                if p.default is p.empty and p.kind != p.VAR_KEYWORD
            }
            yield name, list(needed.values())


def test_an_engine_that_would_rewrite_the_schema_is_refused(database_url):
    """
    By both kinds of store, with what to do instead; nothing is made in the database.
    """
    engine = sa.create_engine(database_url)
    with pytest.raises(StoreArgumentError, match="one store for each schema") as caught:
        RunStore(engine.execution_options(**OPTION))
    asynchronous = create_async_engine(awaited(database_url))
    with pytest.raises(StoreArgumentError, match="search_path"):
        AsyncRunStore(asynchronous.execution_options(**OPTION))
    tables = sa.inspect(engine).get_table_names()
    engine.dispose()

    assert ("engine", []) == (caught.value.argument, tables)


def test_a_connection_or_session_that_would_rewrite_the_schema_is_refused(store):
    """
    By every method that takes one: none may read here and write there.
    """
    store.create(id="a")
    lease = store.claim("w")
    mapped = store.engine.execution_options(**OPTION)
    seen = []
    for name, arguments in calls(store):
        values = [lease if value is None else value for value in arguments]
        with mapped.connect() as connection, Session(mapped) as session:
            for caller in (connection, session):
                with pytest.raises(StoreArgumentError, match="connection: expected no schema_tr"):
                    getattr(store, name)(*values, connection=caller)
        seen.append(name)

    assert {"create", "get", "fire", "fire_many", "claim", "sweep", "list", "moves"} <= set(seen)
    assert ["create", "start"] == [line.trigger for line in store.history("a")]


def test_the_awaited_store_refuses_such_a_connection_too(database_url):
    """
    The same error, from the same place.
    """
    url = awaited(database_url)

    async def use():
        async with await AsyncRunStore.open(url) as store:
            async with store.engine.execution_options(**OPTION).connect() as connection:
                with pytest.raises(StoreArgumentError, match="connection: expected no schema_tr"):
                    await store.create(id="a", connection=connection)
            return (await store.list()).items

    assert () == asyncio.run(use())


def test_an_engine_that_gets_the_option_later_is_refused_then(database_url):
    """
    The option may be set in place, on an engine that a store has already.
    """
    engine = sa.create_engine(database_url)
    store = RunStore(engine)
    store.create(id="a")
    engine.update_execution_options(**OPTION)
    with pytest.raises(StoreArgumentError, match="connection: expected no schema_translate_map"):
        store.sweep()
    engine.dispose()


def test_a_move_in_a_table_of_the_callers_own_obeys_the_map(postgresql_database):
    """
    Each tenant's row is moved in the tenant's schema, and the other's stays as it is.
    """
    jobs = sa.Table(
        "jobs", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("status", sa.Text),
    )  # fmt: skip
    engine = sa.create_engine(postgresql_database, isolation_level="REPEATABLE READ")
    tenants = {
        name: engine.execution_options(schema_translate_map={None: name}) for name in ("one", "two")
    }
    for name, tenant in tenants.items():
        with tenant.begin() as connection:
            connection.execute(sa.schema.CreateSchema(name))
            jobs.create(connection)
            connection.execute(jobs.insert().values(id=1, status="in_progress"))
    with tenants["one"].begin() as connection:
        assert apply_move(connection, jobs, 1, "complete").ok
        assert isinstance(apply_move(connection, jobs, 1, "complete"), Superseded)
    left = {}
    for name, tenant in tenants.items():
        with tenant.begin() as connection:
            left[name] = connection.execute(sa.select(jobs.c.status)).scalar_one()
            assert 0 == connection.execute(
                jobs.update().where(guard(jobs.c.status, "start")).values(status="in_progress")
            ).rowcount  # fmt: skip
    engine.dispose()

    assert {"one": "completed", "two": "in_progress"} == left
