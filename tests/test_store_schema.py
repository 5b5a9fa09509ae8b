"""
The tables of a store in the application's own hands: its migrations, schemas, roles, old versions.
"""

import asyncio
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from databases import awaited
from runstate import RUN, RunResponse, Transition
from runstate.presets import PRESETS
from runstate.store import (
    AsyncRunStore,
    AsyncStore,
    LifecycleMismatchError,
    RunStore,
    Store,
    StoreVersionError,
    metadata,
    schema_sql,
)

DATA = Path(__file__).parent / "data"
JOB = PRESETS["oban-job"]
COLUMNS = {"queue": str, "priority": int, "share": float, "urgent": bool}
STORES = {
    "runs": ((), {}, RunStore.open),
    "jobs": ((JOB,), {"columns": COLUMNS}, Store.open),
}
"""By name: the arguments that tables and stores share, and what opens the store."""


@pytest.fixture(params=STORES)
def kind(request):
    """
    Each kind of store: its arguments, and what opens it.
    """
    return STORES[request.param]


def differences(url, target, schema=None):
    """
    Return what Alembic's autogenerate would write for the database at *url*.
    """
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        options = {"compare_type": True, "include_schemas": schema is not None}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), target)
    engine.dispose()

    return found


def migrate(url, statements):
    """
    Execute *statements* as a migration of Alembic does.
    """
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        for statement in statements:
            operations.execute(statement)
    engine.dispose()


def dialect_of(url):
    """
    Return the database of *url* as SQLAlchemy calls it.
    """
    return sa.make_url(url).get_backend_name().replace("mysql", "mariadb")


def live(store):
    """
    Take one object through a life, with every kind of statement; return its history.
    """
    made = store.create(id="one", key="made")
    assert made == store.create(id="one", key="made")
    store.create_many([{"id": "two"}, {"id": "three"}])
    lease = store.claim("w")
    assert store.heartbeat(lease).ok
    (second,) = store.claim_many("w", 1)
    assert store.heartbeat_many([second])[0].ok
    assert store.release(second)
    assert store.fire(lease.id, "complete", token=lease.token, key="k").ok
    assert store.fire(lease.id, "complete", token=lease.token, key="k").ok
    store.sweep()
    assert len(store.moves().items) == len(store.moves(limit=100).items)
    assert "one" in [each.id for each in store.list(limit=10).items]
    assert 1 == store.counts()["completed"]

    return [line.trigger for line in store.history(lease.id) if line.kind == "move"]


def test_autogenerate_finds_nothing_to_do_beside_an_open_store(database_url, kind):
    """
    For either kind of store, with the store's metadata as a target: and names what is missing.
    """
    arguments, options, open_store = kind
    target = metadata(dialect_of(database_url), *arguments, **options)
    open_store(database_url, *arguments, **options).close()

    assert [] == differences(database_url, target)
    more = sa.Table("orders", target, sa.Column("id", sa.Integer, primary_key=True))
    runs = next(table for name, table in target.tables.items() if name.endswith("runs"))
    runs.append_column(sa.Column("extra", sa.Text))
    changes = [each[0] for each in differences(database_url, target)]
    assert (["add_table", "add_column"], "orders") == (changes, more.name)


def test_the_tables_of_runs_with_a_lifecycle_of_their_own(tmp_path):
    """
    They are those of a RunStore, whichever way it is opened.
    """
    wider = RUN.with_transitions(Transition("give_back", "in_progress", "queued"))
    as_runs = {"model": RunResponse, "prefix": "runstate_"}
    migrate(f"sqlite:///{tmp_path}/a.db", schema_sql("sqlite", wider, **as_runs))
    RunStore.open(f"sqlite:///{tmp_path}/a.db", lifecycle=wider, install=False).close()
    RunStore.open(f"sqlite:///{tmp_path}/b.db", lifecycle=wider).close()

    for name in ("a.db", "b.db"):
        assert [] == differences(
            f"sqlite:///{tmp_path}/{name}", metadata("sqlite", wider, **as_runs)
        )


def test_autogenerate_without_the_metadata_would_drop_the_tables(database_url):
    """
    Which is why the metadata is public.
    """
    RunStore.open(database_url).close()
    removed = [each[1].name for each in differences(database_url, sa.MetaData())
               if each[0] == "remove_table"]  # fmt: skip

    assert {f"runstate_{name}" for name in ("runs", "journal", "meta", "counts")} == set(removed)


def test_a_migration_of_alembic_makes_the_tables_and_the_store_makes_none(database_url, kind):
    """
    The store lives in them; autogenerate finds nothing to do, and opening them otherwise neither.
    """
    arguments, options, open_store = kind
    dialect = dialect_of(database_url)
    migrate(database_url, schema_sql(dialect, *arguments, **options))
    with open_store(database_url, *arguments, **options, install=False) as store:
        first = "start" if not arguments else "fetch"
        assert ["create", first, "complete"] == live(store)
        store.sweep()
        with store.engine.begin() as connection:
            table = store._setup.tables.runs
            connection.execute(table.delete().where(table.c.id == "one"))
        assert 0 == store.counts()["completed"]
    with open_store(database_url, *arguments, **options) as store:
        assert 2 == len(store.list().items)

    assert [] == differences(database_url, metadata(dialect, *arguments, **options))


@pytest.mark.parametrize("name", sorted(PRESETS)[::9])
def test_the_tables_of_presets_pass_through_a_migration(tmp_path, name):
    """
    Whatever its statuses are called.
    """
    url = f"sqlite:///{tmp_path}/own.db"
    migrate(url, schema_sql("sqlite", PRESETS[name]))
    with Store.open(url, PRESETS[name], install=False) as store:
        store.create(id="one")

    assert [] == differences(url, metadata("sqlite", PRESETS[name]))


def test_a_store_that_may_make_nothing_names_what_is_missing(database_url):
    """
    And makes nothing; the store for asyncio says the same.
    """
    url = awaited(database_url)

    async def wait():
        await AsyncRunStore.open(url, install=False)

    for attempt in (
        lambda: RunStore.open(database_url, install=False),
        lambda: asyncio.run(wait()),
    ):
        with pytest.raises(StoreVersionError, match="without the table runstate_runs; execute"):
            attempt()
    engine = sa.create_engine(database_url)
    assert [] == sa.inspect(engine).get_table_names()
    engine.dispose()


def test_a_store_that_may_change_nothing_refuses_other_tables(database_url):
    """
    Those of an earlier version, and those of another lifecycle.
    """
    Store.open(database_url, JOB, prefix="x_").close()
    narrow = PRESETS["river-job"]
    with pytest.raises(LifecycleMismatchError):
        Store.open(database_url, narrow, prefix="x_", install=False)
    with pytest.raises(ValueError, match="adopt_lifecycle=True records the lifecycle"):
        Store.open(database_url, narrow, prefix="x_", install=False, adopt_lifecycle=True)
    migrate(database_url, ["UPDATE x_meta SET value = '1' WHERE name = 'version'"])
    with pytest.raises(StoreVersionError, match="of version 1; version 2 was expected: open it"):
        Store.open(database_url, JOB, prefix="x_", install=False)


def test_a_schema_for_each_tenant(postgresql_database):
    """
    The store makes the schema, and every statement stays in it; neither sees the other's objects.
    """
    stores = [RunStore.open(postgresql_database, schema=name) for name in ("one", "two")]
    for store in stores:
        live(store)
    engine = stores[0].engine
    stores[1].create(id="four")
    assert [3, 4] == [len(store.list().items) for store in stores]
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM one.runstate_runs WHERE status = 'completed'")
    assert [0, 1] == [store.counts()["completed"] for store in stores]
    assert [] == sa.inspect(engine).get_table_names("public")
    for name in ("one", "two"):
        target = metadata("postgresql", schema=name)
        found = differences(postgresql_database, target, schema=name)
        assert [] == [each for each in found if getattr(each[1], "schema", None) == name]
    for store in stores:
        store.close()


def test_a_migration_makes_the_tables_in_a_schema(postgresql_database):
    """
    Which must be there; a name that needs quotes is taken as it is.
    """
    statements = schema_sql("postgresql", JOB, schema="order", columns=COLUMNS)
    migrate(postgresql_database, ['CREATE SCHEMA "order"', *statements])
    with Store.open(
        postgresql_database, JOB, schema="order", columns=COLUMNS, install=False
    ) as store:
        assert ["create", "fetch", "complete"] == live(store)


@pytest.mark.parametrize("schema", ["", "A", 'a"', "a.b", "x" * 41, "a;--"])
def test_a_schema_that_cannot_be_one_is_refused(tmp_path, schema):
    """
    Before any table is made; SQLite has none at all.
    """
    with pytest.raises(ValueError, match="schema: expected lower-case"):
        metadata("postgresql", schema=schema)
    with pytest.raises(ValueError, match="schema: sqlite has no schemas"):
        RunStore.open(f"sqlite:///{tmp_path}/runs.db", schema="app")

    assert [] == list(tmp_path.iterdir())


def test_a_database_that_no_store_lives_in_is_refused():
    """
    By name.
    """
    with pytest.raises(ValueError, match="SQLite, PostgreSQL or MariaDB, not in oracle"):
        schema_sql("oracle")


LEAST = (
    "GRANT USAGE ON SCHEMA app TO worker",
    "GRANT SELECT, INSERT, UPDATE ON app.oban_job_runs, app.oban_job_counts TO worker",
    "GRANT SELECT, INSERT ON app.oban_job_journal TO worker",
    "GRANT SELECT, UPDATE ON app.oban_job_meta TO worker",
    "GRANT USAGE ON SEQUENCE app.oban_job_journal_position_seq TO worker",
)
"""What a role needs that works in a store and sweeps; the page of PostgreSQL has the same."""


def test_the_least_privileges_carry_a_whole_life(postgresql_database):
    """
    A role with nothing but the listed grants opens the store and uses it; with one less, it fails.
    """
    Store.open(postgresql_database, JOB, schema="app").close()
    engine = sa.create_engine(postgresql_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS worker")
        connection.exec_driver_sql("CREATE ROLE worker LOGIN")
        for grant in LEAST:
            connection.exec_driver_sql(grant)
    url = sa.make_url(postgresql_database).set(username="worker")
    own = url.render_as_string(hide_password=False)
    for install in (True, False):
        with Store.open(own, JOB, schema="app", install=install) as store:
            if install:
                assert ["create", "fetch", "complete"] == live(store)
            assert 3 == len(store.list().items)
    with engine.begin() as connection:
        connection.exec_driver_sql("REVOKE UPDATE ON app.oban_job_meta FROM worker")
    with Store.open(own, JOB, schema="app") as store:
        store.create(id="five")
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            store.sweep()
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY worker")
        connection.exec_driver_sql("DROP ROLE worker")
    engine.dispose()


@contextmanager
def role_of(database_url, *grants):
    """
    Yield the URL of a new role that has *grants*.
    """
    url, role = sa.make_url(database_url), f"role_{uuid4().hex[:12]}"
    postgresql = url.get_backend_name() == "postgresql"
    user, made, gone = (
        (role, f"CREATE ROLE {role} LOGIN", f"DROP OWNED BY {role}; DROP ROLE {role}")
        if postgresql
        else (f"{role}@'%'", f"CREATE USER {role}@'%'", f"DROP USER {role}@'%'")
    )
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        if postgresql:
            connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM public")
        for statement in (made, *(f"GRANT {grant} TO {user}" for grant in grants)):
            connection.execute(sa.text(statement))
    yield url.set(username=role, password=None).render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(sa.text(gone))
    engine.dispose()


def test_a_role_that_may_not_make_the_tables_is_told_so_in_one_line(server_database):
    """
    By both kinds of store, whether the tables are missing or the role may not read them.
    """
    Store.open(server_database, JOB, prefix="unreadable_").close()
    engine = sa.create_engine(server_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE elsewhere (id integer)")
    engine.dispose()

    async def opened(url, prefix):
        await AsyncStore.open(awaited(url), JOB, prefix=prefix)

    def refused(call, *args, **options):
        with pytest.raises(StoreVersionError, match="may not make or read") as caught:
            call(*args, **options)
        assert "denied" in caught.value.found
        assert "install=False" in caught.value.expected
        assert "\n" not in str(caught.value)

    # Without any privilege in the database, MariaDB refuses the connection.
    with role_of(server_database, "SELECT ON elsewhere") as url:
        for prefix in ("missing_", "unreadable_"):
            refused(Store.open, url, JOB, prefix=prefix)
            refused(lambda prefix: asyncio.run(opened(url, prefix)), prefix)
        refused(Store.open, url, JOB, prefix="unreadable_", install=False)


def test_a_missing_privilege_is_named_without_the_statement(server_database):
    """
    By every operation that a role with nothing but SELECT may not carry out.
    """
    with Store.open(server_database, JOB) as store:
        store.create(id="one")
        lease = store.claim("worker")
        for each in ("two", "three"):
            store.create(id=each)
            assert store.fire(each, "cancel", expected_version=1).ok
        store.create(id="four")
    postgresql = server_database.startswith("postgresql")
    everything = "ALL TABLES IN SCHEMA public" if postgresql else "*"
    with role_of(server_database, f"SELECT ON {everything}") as url, Store.open(url, JOB) as reader:
        assert {"one", "two", "three", "four"} == {each.id for each in reader.list().items}
        refused = (
            reader.create,
            reader.sweep,
            lambda: reader.claim("worker"),
            lambda: reader.heartbeat(lease),
            lambda: reader.fire("one", "complete", token=lease.token),
            lambda: reader.update("one", note="x"),
            lambda: reader.prune(0),
        )
        for call in refused:
            with pytest.raises(sa.exc.DBAPIError, match="denied") as caught:
                call()
            assert "SQL:" not in str(caught.value)
        with reader.engine.begin() as connection:
            with pytest.raises(sa.exc.DBAPIError, match="denied") as caught:
                reader.fire("one", "complete", token=lease.token, connection=connection)
            assert "SQL:" not in str(caught.value)
            connection.rollback()


def test_the_page_of_postgresql_lists_the_same_privileges():
    """
    Grant by grant.
    """
    page = (DATA.parents[1] / "docs" / "how-to" / "postgresql.md").read_text("utf-8")

    assert [] == [grant for grant in LEAST if f"{grant};" not in page]


def restored(url):
    """
    Have the database at *url* hold the tables of version 1, with runs, as they were dumped.
    """
    text = (DATA / f"store_v1_{dialect_of(url)}.sql").read_text("utf-8")
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.connection.driver_connection.executescript(text)
        else:
            connection.exec_driver_sql(text)
            connection.commit()
    engine.dispose()


LEASED = "1795827500.0"
"""A time at which the lease in the dumps is held."""


@pytest.mark.not_on_mariadb
def test_tables_of_the_first_version_open_with_their_data_and_move_on(database_url):
    """
    Runs, leases, keys, the late outcome, counts and feed are there; the old worker finishes.
    """
    restored(database_url)
    with RunStore.open(database_url, clock=LEASED) as store:
        assert {"queued": 1, "in_progress": 2, "cancelling": 1, "completed": 1} == {
            status: count for status, count in store.counts().items() if count
        }
        assert {"team": "a"} == store.get("waits").metadata
        assert ["move", "move", "move", "late"] == [line.kind for line in store.history("done")]
        assert "Duplicate" == type(store.complete("done", key="k1")).__name__
        page = store.moves()
        assert 11 == len(page.items)
        assert store.complete("waits", token=1, key="end").ok
        assert "Superseded" == type(store.fail("waits", last_error={"code": "server_error",
                                                                   "message": ""})).__name__  # fmt: skip
        assert "first" == store.claim("worker-2").id
        assert ["works"] == [
            run.id for run in store.list(thread_id="t1", status="in_progress").items
        ]
        assert ["complete", "start"] == [e.trigger for e in store.moves(after=page.cursor).items]
        store.sweep()
        assert 2 == store.counts()["completed"]

    assert [] == differences(database_url, metadata(dialect_of(database_url)))


@pytest.mark.not_on_mariadb
def test_tables_of_the_first_version_are_not_changed_where_nothing_may_be(database_url):
    """
    They are named, and stay as they are.
    """
    restored(database_url)
    with pytest.raises(StoreVersionError, match="of version 1"):
        RunStore.open(database_url, install=False)
    with RunStore.open(database_url, clock=LEASED) as store:
        assert 5 == len(store.list().items)
