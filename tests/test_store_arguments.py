"""
A wrong type is refused by an error of the package that names the argument, before anything happens.
"""

import asyncio
import sqlite3
from contextlib import closing
from functools import partial
from itertools import product

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from runstate import RUN
from runstate.store import (
    AsyncRunStore,
    AsyncStore,
    Fire,
    RunStore,
    Store,
    StoreArgumentError,
    apply_move,
    apply_move_async,
    guard,
    metadata,
    schema_sql,
)

NOT_MAPPINGS = (5, None, "abc", b"ab", [("queue", "x")], [5], {Fire}, Fire("x", "start"), object())
NOT_SEVERAL = (*(each for each in NOT_MAPPINGS if not isinstance(each, list | set)), {"a": 1})
NOT_AMONG = (5, None, "abc", b"ab", [("queue", "x")], object())


@pytest.fixture
def store():
    """
    A store in memory with a column.
    """
    with Store.open("sqlite://", RUN, columns={"queue": str}) as opened:
        yield opened


def named(argument, call, *values):
    """
    Assert that *call* refuses *values* by an error about *argument* that tells what it expected.
    """
    with pytest.raises(StoreArgumentError) as caught:
        call(*values)
    assert argument == caught.value.argument
    assert f"{argument}: expected {caught.value.expected}, got " in str(caught.value)


@pytest.mark.parametrize("wrong", NOT_SEVERAL, ids=lambda wrong: type(wrong).__name__)
def test_a_batch_is_a_list(store, wrong):
    """
    Not a number, a text, a mapping, or one of what it is a list of.
    """
    if not isinstance(wrong, Fire):
        named("items", store.create_many, wrong)
    named("fires", store.fire_many, wrong)
    if not isinstance(wrong, Fire):
        named("leases", store.heartbeat_many, wrong)
    assert {0} == {*store.counts().values()}


@pytest.mark.parametrize("wrong", NOT_AMONG, ids=lambda wrong: type(wrong).__name__)
def test_each_of_a_batch_is_named_by_its_place(store, wrong):
    """
    The second of two is wrong, and nothing is made or moved for the first.
    """
    run = store.create(queue="a")
    named("items[1]", store.create_many, [{"queue": "b"}, wrong])
    named("fires[1]", store.fire_many, iter([Fire(run.id, "start"), wrong]))
    lease = store.claim("worker")
    named("leases[1]", store.heartbeat_many, [lease, wrong])

    assert 1 == sum(store.counts().values())


@pytest.mark.parametrize("wrong", NOT_MAPPINGS, ids=lambda wrong: type(wrong).__name__)
def test_what_is_looked_up_by_name_is_a_mapping(store, wrong):
    """
    Fields, filters, limits and payloads.
    """
    run = store.create()
    for argument, call in (
        ("data", store.create),
        ("data", lambda data: store.update(run.id, data)),
        ("where", lambda where: store.claim("worker", where=where)),
        ("where", lambda where: store.claim_many("worker", 2, where=where)),
        ("limits", store.stuck),
        ("payload", lambda payload: store.fire_many([Fire(run.id, "start", payload)])),
    ):
        named(argument, call, wrong)

    assert run == store.get(run.id)


def test_names_are_texts(store):
    """
    Keys of a mapping, and a trigger.
    """
    named("data", store.create, {1: "x"})
    for wrong in ([], {}, 5, None):
        named("trigger", store.fire, store.create().id, wrong)


def test_the_other_store_says_the_same():
    """
    For asyncio, and for the store of runs.
    """

    async def main():
        async with await AsyncRunStore.open("sqlite://") as store:
            for method, argument in (
                (store.create_many, "items"),
                (store.fire_many, "fires"),
                (store.heartbeat_many, "leases"),
            ):
                with pytest.raises(StoreArgumentError, match=f"{argument}: expected a list of"):
                    await method(5)

    asyncio.run(main())


FLAGS = ("install", "adopt_lifecycle", "durable", "pooler")


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        *product(FLAGS, ["yes", "no", 1, []]),
        *product(["deadlines", "conditions"], [5, "yes"]),
        *product(["timeout", "new_id"], ["5", True]),
        *product(["clock", "model"], [5, ["x"]]),
    ],
)
def test_an_option_of_a_wrong_type_is_refused(tmp_path, option, wrong):
    """
    A text such as "no" would pass for True; no file is made.
    """
    path = tmp_path / "runs.db"
    named(option, lambda: Store.open(f"sqlite:///{path}", RUN, **{option: wrong}))
    if option in FLAGS:
        named(option, lambda: RunStore.open(f"sqlite:///{path}", **{option: wrong}))
    assert not path.exists()


# -- objects of another kind -----------------------------------------------------

JOBS = sa.Table("jobs", sa.MetaData(), sa.Column("id", sa.Text, primary_key=True), sa.Column("status", sa.Text))  # fmt: skip


@pytest.fixture
def objects():
    """
    What may be mistaken for a connection, a session, an engine, a table or a column, by kind.
    """
    engine, awaited = sa.create_engine("sqlite://"), create_async_engine("sqlite+aiosqlite://")
    with closing(sqlite3.connect(":memory:")) as driver, engine.connect() as connection:
        yield {
            "a text": "jobs", "a number": 5, "the driver's connection": driver, "an engine": engine,
            "an engine for asyncio": awaited, "a connection": connection,
            "a session": Session(engine), "a session for asyncio": AsyncSession(awaited),
            "a maker of sessions": sessionmaker(engine),
            "a scoped session": scoped_session(sessionmaker(engine)),
            "a table": JOBS, "a table of no metadata": sa.table("jobs", sa.column("status")),
            "a query": sa.select(JOBS), "a class": Fire, "a record": object(),
        }  # fmt: skip
    engine.dispose()


CALLERS = {"a connection", "a session"}


def test_a_caller_of_another_kind_is_refused_everywhere(store, objects):
    """
    Wherever a transaction is taken, before anything is done in it.
    """
    run = store.create(queue="a")
    calls = {
        "caller": [lambda each: apply_move(each, JOBS, "a", "start")],
        "connection": [
            lambda each: store.create(queue="b", connection=each),
            lambda each: store.fire(run.id, "start", connection=each),
            lambda each: store.list(connection=each),
            lambda each: store.claim("worker", connection=each),
            lambda each: store.moves(connection=each),
        ],
    }
    for argument, each_call in calls.items():
        for kind in objects.keys() - CALLERS:
            for call in each_call:
                named(argument, call, objects[kind])
        named(argument, each_call[0], Session)
    assert ["queued"] == [each["status"] for each in store.list().items]


def test_a_connection_to_another_kind_of_database_is_refused(postgresql_database):
    """
    Before anything is sent to it: the other database would complain of an unknown function.
    """
    lite, postgres = sa.create_engine("sqlite://"), sa.create_engine(postgresql_database)
    for here, there, name in ((lite, postgres, "sqlite"), (postgres, lite, "postgresql")):
        store = RunStore(here)
        run = store.create()
        with there.connect() as connection, Session(there) as session:
            for caller in (connection, session):
                for call in (store.create, partial(store.start, run.id), store.sweep, store.moves):
                    with pytest.raises(
                        StoreArgumentError, match=f"expected a connection to {name}"
                    ):
                        call(connection=caller)
        assert "queued" == store.get(run.id).status
    postgres.dispose()


def test_a_connection_to_another_kind_of_database_is_refused_with_asyncio(postgresql_database):
    """
    As from threads.
    """

    async def use():
        lite = create_async_engine("sqlite+aiosqlite://")
        async with await AsyncRunStore.open(postgresql_database) as store, lite.connect() as other:
            run = await store.create()
            with pytest.raises(StoreArgumentError, match="expected a connection to postgresql"):
                await store.start(run.id, connection=other)
        await lite.dispose()

    asyncio.run(use())


def test_a_caller_of_another_kind_is_refused_with_asyncio(objects):
    """
    A connection or a session that blocks, too.
    """

    async def main(kind):
        with pytest.raises(StoreArgumentError, match="caller: expected an AsyncConnection or "):
            await apply_move_async(objects[kind], JOBS, "a", "start")
        async with await AsyncRunStore.open("sqlite://") as store:
            with pytest.raises(StoreArgumentError, match="connection: expected an AsyncConn"):
                await store.list(connection=objects[kind])

    for kind in objects.keys() - {"a session for asyncio"}:
        asyncio.run(main(kind))


def test_an_engine_of_another_kind_is_refused(objects):
    """
    By stores that block, and by those that are awaited; a URL has its own method.
    """
    for kind in objects.keys() - {"an engine"}:
        named("engine", RunStore, objects[kind])
        named("engine", Store, objects[kind], RUN)
    for kind in objects.keys() - {"an engine for asyncio"}:
        named("engine", AsyncRunStore, objects[kind])
        named("engine", AsyncStore, objects[kind], RUN)
    for kind in objects.keys() - {"a text"}:
        named("url", RunStore.open, objects[kind])
    with pytest.raises(StoreArgumentError, match=r"open\(\) takes the URL"):
        RunStore("sqlite://")


def test_a_table_or_a_column_of_another_kind_is_refused(objects):
    """
    In a move, a store and a condition, which SQLAlchemy would make of a constant.
    """
    connection, engine = objects["a connection"], objects["an engine"]
    for kind in objects.keys() - {"a table"}:
        named("table", lambda each: apply_move(connection, each, "a", "start"), objects[kind])
        named("table", lambda each: Store(engine, RUN, table=each), objects[kind])
        named("table", lambda each: metadata("sqlite", RUN, table=each), objects[kind])
        named("status", lambda each: guard(each, "start"), objects[kind])
    for kind in objects.keys() - {"a text"}:
        named("dialect", metadata, objects[kind])
        named("dialect", schema_sql, objects[kind])
    with pytest.raises(StoreArgumentError, match=r"calling a scoped_session returns its Session"):
        apply_move(objects["a scoped session"], JOBS, "a", "start")
