"""
Tables of the application's own whose key has several columns, and moves of rows that meet a condition.
"""

import os
from functools import cache, partial
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import orm

from own_tables import SeveralColumns, subjects_of
from runstate import LifecycleFieldError
from runstate.presets import PRESETS
from runstate.store import (
    Applied,
    Illegal,
    KeyReusedError,
    RunExistsError,
    RunNotFoundError,
    Store,
    StoreArgumentError,
    Superseded,
    apply_move,
    row_id,
    schema_sql,
)
from runstate.testing import conformance
from table_racers import JOB, engine_of
from test_store_presets import payloads_of
from test_store_table import CHECKED, path

LONG = os.environ.get("RUNSTATE_LONG") == "1"


class Base(orm.DeclarativeBase):
    """
    The application's own tables.
    """


class Task(Base):
    """
    A task of a tenant, with a version.
    """

    __tablename__ = "tasks"
    tenant: orm.Mapped[str] = orm.mapped_column(sa.String(40), primary_key=True)
    number: orm.Mapped[int] = orm.mapped_column(primary_key=True, autoincrement=False)
    status: orm.Mapped[str] = orm.mapped_column(sa.String(20), default="queued")
    kind: orm.Mapped[str] = orm.mapped_column(sa.String(20), default="task")
    deleted: orm.Mapped[bool] = orm.mapped_column(default=False)
    edition: orm.Mapped[int] = orm.mapped_column(sa.Integer)
    __mapper_args__ = {"version_id_col": edition, "polymorphic_on": kind, "polymorphic_identity": "task"}  # fmt: skip  # noqa: RUF012


class Render(Task):
    """
    A task in a table of its own, joined to that of tasks.
    """

    __tablename__ = "renders"
    tenant: orm.Mapped[str] = orm.mapped_column(sa.String(40), primary_key=True)
    number: orm.Mapped[int] = orm.mapped_column(primary_key=True, autoincrement=False)
    frames: orm.Mapped[int]
    __table_args__ = (
        sa.ForeignKeyConstraint(["tenant", "number"], ["tasks.tenant", "tasks.number"]),
    )
    __mapper_args__ = {"polymorphic_identity": "render"}  # noqa: RUF012


@pytest.fixture
def engine(database_url):
    """
    An engine of each database, with tasks of two tenants.
    """
    made = engine_of(database_url)
    Base.metadata.create_all(made)
    with orm.Session(made) as session, session.begin():
        session.add_all([Task(tenant=t, number=n) for t in ("acme", "b/c") for n in (1, 2)])
        session.add(Render(tenant="acme", number=3, frames=24))
    yield made
    made.dispose()


@pytest.fixture
def store(engine, no_log):
    """
    A store of the tasks.
    """
    return Store(engine, JOB, table=Task, logger=no_log)


def statuses(engine):
    """
    Return the status of every row by its key.
    """
    with engine.connect() as connection:
        rows = connection.execute(sa.select(Task.tenant, Task.number, Task.status)).all()

    return {(tenant, number): status for tenant, number, status in rows}


# -- apply_move ------------------------------------------------------------------------------


def test_a_row_is_moved_by_all_columns_of_its_key(engine):
    """
    And by none of them alone.
    """
    before = statuses(engine)
    with orm.Session(engine) as session, session.begin():
        answer = apply_move(session, Task, ("b/c", 1), "start", lifecycle=JOB)
        assert (type(answer), answer.moved.run_id) == (Applied, "b/c/1")
        assert session.get(Task, ("b/c", 1)).edition == 2
        assert isinstance(apply_move(session, Task, ("b/c", 1), "start", lifecycle=JOB), Illegal)
        with pytest.raises(RunNotFoundError, match="'b/c/7'"):
            apply_move(session, Task, ("b/c", 7), "start", lifecycle=JOB)
    assert {**before, ("b/c", 1): "running"} == statuses(engine)


@pytest.mark.parametrize(
    "key", ["acme", ("acme",), ("acme", 1, 2), ["acme", 1], ("acme", "1"), None]
)
def test_a_key_of_another_shape_is_refused_by_the_columns_names(engine, key):
    """
    A text for a number is, as for a key of one column.
    """
    with (
        engine.begin() as connection,
        pytest.raises(StoreArgumentError, match=r"key: expected .*tasks\.number"),
    ):
        apply_move(connection, Task.__table__, key, "start", lifecycle=JOB)


def test_a_row_that_does_not_meet_the_condition_is_not_found(engine):
    """
    It is neither moved nor told of: an id of another tenant's is as good as none.
    """
    before = statuses(engine)
    with orm.Session(engine) as session, session.begin():
        other = partial(apply_move, session, Task, ("b/c", 1), lifecycle=JOB)
        with pytest.raises(RunNotFoundError):
            other("start", where=Task.tenant == "acme")
        assert before == statuses(engine)
        assert other("start", where=Task.tenant == "b/c").ok


def test_a_row_that_ceases_to_meet_the_condition_meanwhile_is_not_moved(engine):
    """
    Between the look at it and the update.
    """
    with engine.begin() as connection:

        @sa.event.listens_for(connection, "before_cursor_execute")
        def hidden_before_the_update(driver, cursor, statement, *_):
            if statement.startswith("UPDATE tasks SET status"):
                cursor.connection.cursor().execute("UPDATE tasks SET deleted = true")

        with pytest.raises(RunNotFoundError):
            apply_move(
                connection, Task, ("acme", 1), "start", lifecycle=JOB, where=Task.deleted.is_(False)
            )
    assert "queued" == statuses(engine)["acme", 1]


@pytest.mark.parametrize("where", [True, "tenant = 'acme'", Task.tenant, Render.frames == 24])
def test_what_is_no_condition_on_the_table_is_refused(engine, where):
    """
    SQLAlchemy would take the first for all rows, and join all of another table.
    """
    before = statuses(engine)
    with (
        engine.begin() as connection,
        pytest.raises(StoreArgumentError, match="where: expected a condition o"),
    ):
        apply_move(connection, Task.__table__, ("acme", 1), "start", lifecycle=JOB, where=where)
    assert before == statuses(engine)


# -- a store ---------------------------------------------------------------------------------


def test_a_store_with_a_key_of_two_columns_passes_the_conformance_kit(fresh):
    """
    Atomic, one winner, fenced, with its journal and its feed.
    """
    lifecycle, only = (PRESETS["oban-job"], None) if LONG else (JOB, CHECKED)
    made = subjects_of(lifecycle, fresh, SeveralColumns)
    result = conformance(made, lifecycle=lifecycle, payloads=payloads_of(lifecycle), only=only)

    assert result.ok, str(result)
    assert len(result.passed) >= (49 if only is None else len(only)), str(result)


def test_the_id_of_a_row_is_made_of_its_key(engine, store):
    """
    Rows that the application inserts are claimed, fired at, listed and read by it.
    """
    lease = store.claim("worker-1", where={"tenant": "b/c"})
    assert (lease.id, lease.run.tenant, lease.run.number) == ('["b/c",1]', "b/c", 1)
    assert store.fire(row_id("b/c", 1), "finish", token=lease.token).ok
    assert isinstance(store.fire(lease.id, "finish"), Superseded)
    assert "done" == store.get(row_id("b/c", 1)).status
    assert [("adopted", "queued"), ("start", "running"), ("finish", "done")] == path(
        store, lease.id
    )
    assert {each.number for each in store.list(tenant="acme")[0]} <= {1, 2, 3}
    assert {"queued": 4, "done": 1} == {s: n for s, n in swept(store).items() if n}
    assert {"done"} == {s for k, s in statuses(engine).items() if k == ("b/c", 1)}
    for wrong in (
        "acme",
        "1",
        '["acme"]',
        '["acme","x"]',
        '["acme",1,2]',
        '["acme",null]',
        "[",
        '{"a":1}',
    ):
        with pytest.raises(RunNotFoundError):
            store.get(wrong)


def swept(store):
    """
    Return the counts after a sweep, which adopts every row.
    """
    store.sweep()

    return store.counts()


def test_a_row_is_created_with_the_values_of_its_key(engine, store):
    """
    As fields or by its id; a second one is refused, and a key makes it idempotent.
    """
    made = store.create(tenant="new", number=1)
    assert ("new", 1, '["new",1]') == (made.tenant, made.number, made.id)
    assert store.create(id=row_id("new", 2)).number == 2
    with pytest.raises(RunExistsError):
        store.create(tenant="new", number=1)
    first = store.create(tenant="new", number=3, key="k", kind="x")
    assert first.id == store.create(tenant="new", number=3, key="k", kind="x").id
    with pytest.raises((KeyReusedError, StoreArgumentError)):
        store.create(tenant="new", number=3, key="k", kind="y")
    with pytest.raises(LifecycleFieldError, match="number"):
        store.update(first.id, number=4)
    with pytest.raises(StoreArgumentError, match=r"id: expected a text that .* made by row_id"):
        store.create(id="7")
    assert 3 == sum(tenant == "new" for tenant, _ in statuses(engine))


class Plain(Base):
    """A mapped class without a version."""

    __tablename__ = "plain"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    status: orm.Mapped[str] = orm.mapped_column(sa.String(20), default="queued")
    note: orm.Mapped[str | None] = orm.mapped_column(sa.String(20))


def test_a_mapped_class_needs_no_version(engine, no_log):
    """
    Its rows are created, changed and moved without one.
    """
    plain = Store(engine, JOB, table=Plain, prefix="plain_", logger=no_log)
    made = plain.create(note="a")
    assert "b" == plain.update(made.id, note="b").note
    assert plain.fire(made.id, "start").ok


def test_statements_for_a_migration_make_the_copy_of_the_key(engine, no_log):
    """
    Every column of it, under one unique index.
    """
    name = engine.dialect.name.replace("mysql", "mariadb")
    with engine.begin() as connection:
        for statement in schema_sql(name, JOB, table=Task):
            connection.exec_driver_sql(statement)
    made = Store(engine, JOB, table=Task, install=False, logger=no_log)
    assert made.claim("worker-1") is not None
    unique = [i for i in sa.inspect(engine).get_indexes("job_runs") if i["unique"]]
    assert ["table_key", "table_key_2"] in [index["column_names"] for index in unique]


def test_the_key_may_be_listed_in_another_order_than_the_columns(database_url, no_log):
    """
    The row that was inserted is the one that is returned.
    """
    table = sa.Table(
        "turned", sa.MetaData(), sa.Column("a", sa.Integer), sa.Column("b", sa.Integer),
        sa.Column("status", sa.String(20)), sa.PrimaryKeyConstraint("b", "a"),
    )  # fmt: skip
    turned = engine_of(database_url)
    table.create(turned)
    kept = Store(turned, JOB, table=table, logger=no_log)
    first = kept.create(a=2, b=1)
    assert kept.fire(first.id, "start").ok
    second = kept.create(a=1, b=2)
    assert ((2, 1), (1, 2)) == ((first.a, first.b), (second.a, second.b))
    assert ["running", "queued"] == [kept.get(row_id(*key)).status for key in ((2, 1), (1, 2))]
    turned.dispose()


@pytest.mark.parametrize("charset", ["latin1", "utf8mb4"])
def test_texts_of_a_key_are_found_in_every_character_set(database_url, charset, no_log):
    """
    Several at once, too.
    """
    table = sa.Table(
        "named", sa.MetaData(), sa.Column("tenant", sa.String(40), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(20)), mysql_charset=charset,
    )  # fmt: skip
    named = engine_of(database_url)
    table.create(named)
    kept = Store(named, JOB, table=table, logger=no_log)
    made = {kept.create(tenant=tenant, number=1).id for tenant in ("Jürgen", "Tröger", "plain")}
    assert made == {lease.id for lease in kept.claim_many("w", limit=9)}
    assert made == {each.id for each in kept.list()[0]}
    named.dispose()


@pytest.mark.parametrize("text", ['["\\ud800",1]', '["a\\u0000",1]'])
def test_an_id_that_no_row_can_have_is_not_found(store, text):
    """
    JSON can spell characters that no database holds.
    """
    for call in (store.get, store.history, store.erase, lambda each: store.fire(each, "start")):
        with pytest.raises(RunNotFoundError):
            call(text)


# -- ids -------------------------------------------------------------------------------------

NO_TEXT = "\0\x7f" + "".join(map(chr, range(0x80, 0xA0)))
"""Characters that no id has; the others below a space are escaped in an id of several values."""
LETTERS = st.characters(exclude_categories=("Cs",), exclude_characters=NO_TEXT)
PARTS = {
    "text": (sa.String(99), st.text(LETTERS, min_size=1)),
    "number": (sa.Integer(), st.integers(-(2**63), 2**63 - 1)),
    "uuid": (sa.Uuid(), st.uuids()),
}


@cache
def store_of_keys(kinds):
    """
    Return a store of a table, in memory, whose key has columns of *kinds*; and the table.
    """
    columns = (sa.Column(f"c{n}", PARTS[k][0], primary_key=True) for n, k in enumerate(kinds))
    table = sa.Table("t", sa.MetaData(), *columns, sa.Column("status", sa.String(20)))
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    table.metadata.create_all(engine)

    return Store(engine, JOB, table=table), table


@given(st.data(), st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=4).map(tuple))
def test_an_id_leads_back_to_its_key(data, kinds):
    """
    Whatever its columns hold.
    """
    values = tuple(data.draw(PARTS[kind][1]) for kind in kinds)
    assume(len(values) > 1 or min(str(values[0])) >= " ")
    store, table = store_of_keys(kinds)
    names = [column.name for column in table.primary_key]
    with store.engine.begin() as connection:
        connection.execute(table.delete())
        connection.execute(
            table.insert(), dict(zip(names, values, strict=True)) | {"status": "queued"}
        )
    found = store.get(row_id(*values))

    assert values == tuple(found[name] for name in names)


def test_an_id_is_one_line_and_refuses_nothing():
    """
    A text that looks like an array is a text.
    """
    assert ["5", '["a",1]', '["a\\nb",2]', f'["{UUID(int=1)}",3]'] == [
        row_id(5), row_id("a", 1), row_id("a\nb", 2), row_id(UUID(int=1), 3),
    ]  # fmt: skip
    with pytest.raises(StoreArgumentError, match="values: expected the value of each column"):
        row_id()
