"""
A store in part of a table: it has the rows that meet a condition, and no other row exists for it.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from itertools import product
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from databases import awaited
from own_tables import AsyncOwnSubject, OwnSubject, subjects_of
from runstate.presets import PRESETS
from runstate.store import (
    AsyncStore,
    ConcurrentMoveError,
    Fire,
    Held,
    RunExistsError,
    RunNotFoundError,
    Stale,
    Store,
    StoreArgumentError,
    row_id,
)
from runstate.testing import conformance
from stores_under_test import Loop
from table_racers import JOB, NAMES, State, engine_of
from test_store_presets import payloads_of
from test_store_table import CHECKED

LONG = os.environ.get("RUNSTATE_LONG") == "1"


class Kind(Enum):
    """
    What a task is for; the database holds the names.
    """

    EXPORT = "export"
    IMPORT = "import"


class Code(sa.TypeDecorator):
    """
    A text that the database holds from back to front.
    """

    impl = sa.String(20)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        """See SQLAlchemy."""
        return None if value is None else value[::-1]

    def process_result_value(self, value, dialect):
        """See SQLAlchemy."""
        return None if value is None else value[::-1]


class Base(orm.DeclarativeBase):
    """
    The application's own tables.
    """


class Task(Base):
    """
    A task with columns of many types.
    """

    __tablename__ = "tasks"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    state: orm.Mapped[State] = orm.mapped_column(default=State.QUEUED, index=True)
    kind: orm.Mapped[Kind | None]
    urgent: orm.Mapped[bool | None]
    due: orm.Mapped[datetime | None]
    tenant: orm.Mapped[UUID | None] = orm.mapped_column(sa.Uuid)
    code: orm.Mapped[str | None] = orm.mapped_column(Code)
    region: orm.Mapped[str] = orm.mapped_column(sa.String(9), server_default="eu")
    level: orm.Mapped[int | None] = orm.mapped_column("level (%) of: all", sa.Integer)
    touched: orm.Mapped[datetime | None] = orm.mapped_column(onupdate=datetime.now)
    started_at: orm.Mapped[datetime | None]
    error: orm.Mapped[str | None] = orm.mapped_column(sa.Text)
    edition: orm.Mapped[int] = orm.mapped_column("row_version")
    __mapper_args__ = {"version_id_col": edition, "polymorphic_on": region, "polymorphic_identity": "eu"}  # fmt: skip  # noqa: RUF012


class Remote(Task):
    """
    A task of another region, in the same table.
    """

    host: orm.Mapped[str | None] = orm.mapped_column(sa.String(20))
    __mapper_args__ = {"polymorphic_identity": "us"}  # noqa: RUF012


class Part(Base):
    """
    A part of a tenant's order.
    """

    __tablename__ = "parts"
    tenant: orm.Mapped[str] = orm.mapped_column(sa.String(20), primary_key=True)
    number: orm.Mapped[int] = orm.mapped_column(primary_key=True, autoincrement=False)
    state: orm.Mapped[State] = orm.mapped_column(default=State.QUEUED)
    kind: orm.Mapped[Kind]


TENANTS = (UUID(int=1), UUID(int=2**127 + 5), None)
DATES = (datetime(2026, 1, 1, 12), datetime(2026, 6, 1), None)  # noqa: DTZ001  the column has no zone
CODES = ("abc", "cba", "50%", None)

IS_EXPORT = Task.kind == Kind.EXPORT
CONDITIONS = {
    "an Enum": IS_EXPORT,
    "another Enum": Task.kind != Kind.EXPORT,
    "IN with Enums": Task.kind.in_([Kind.EXPORT, Kind.IMPORT]),
    "IN with one": Task.kind.in_([Kind.IMPORT]),
    "IN with nothing": Task.kind.in_([]),
    "NOT IN with nothing": Task.kind.not_in([]),
    "NOT IN": Task.kind.not_in([Kind.EXPORT]),
    "a bool": Task.urgent,
    "not a bool": ~Task.urgent,
    "a bool that is compared": Task.urgent == sa.true(),
    "a date": Task.due < DATES[1],
    "between dates": Task.due.between(*DATES[:2]),
    "IN with dates": Task.due.in_([DATES[0], datetime(2030, 1, 1)]),  # noqa: DTZ001
    "a Uuid": Task.tenant == TENANTS[1],
    "IN with Uuids": Task.tenant.in_(TENANTS[:2]),
    "a type of the application's": Task.code == "abc",
    "IN with a type of the application's": Task.code.in_(["cba", "50%"]),
    "LIKE with a percent sign": Task.code.like("50%"),
    "NULL": Task.tenant.is_(None),
    "not NULL": Task.due.is_not(None),
    "NULL or a value": Task.code.is_distinct_from("abc"),
    "and, or, not": sa.or_(
        sa.and_(IS_EXPORT, ~(Task.code == "abc")), sa.not_(Task.tenant.in_(TENANTS[:1]))
    ),
    "a function": sa.func.coalesce(Task.level, 7) == 7,
    "a column with signs in its name": Task.level.in_([1, 2]),
    "a case": sa.case((Task.urgent, Task.level), else_=0) > 0,
    "a part of the key": Task.id.in_([1, 2, 5, 8]),
    "a column of the table": Task.__table__.c.kind == Kind.IMPORT,
    "every row": Task.id > 0,
}


def tasks():
    """
    Return rows with every pair of a kind and an urgency, and with all else by turns.
    """
    pairs = product((Kind.EXPORT, Kind.IMPORT, None), (True, False, None), range(2))

    return [
        Task(
            kind=kind, urgent=urgent, due=DATES[n % 3], tenant=TENANTS[(n // 2) % 3],
            code=CODES[(n // 3) % 4], level=(None, 0, 1, 2, 3)[n % 5],
        )
        for n, (kind, urgent, _) in enumerate(pairs)
    ]  # fmt: skip


@pytest.fixture
def engine(database_url):
    """
    An engine of each database, with the application's rows.
    """
    made = engine_of(database_url)
    Base.metadata.create_all(made)
    with orm.Session(made) as session, session.begin():
        session.add_all(tasks())
    yield made
    made.dispose()


class Awaited:
    """
    A store for asyncio whose methods are called as those of the other one.
    """

    def __init__(self, store, loop):
        self._store, self._loop = store, loop

    def __getattr__(self, name):
        return lambda *args, **options: self._loop(getattr(self._store, name)(*args, **options))


@pytest.fixture(params=["threads", "asyncio"])
def opening(request, engine, no_log):
    """
    What opens a store of either kind in the database of the engine.
    """
    url = engine.url.render_as_string(hide_password=False)
    options = {"columns": NAMES, "logger": no_log, "durable": False}
    if request.param == "threads":

        @contextmanager
        def opened(**more):
            with Store.open(url, JOB, **{"table": Task, **options, **more}) as store:
                yield store

        yield opened
        return
    loop = Loop()

    @contextmanager
    def opened_in_a_loop(**more):
        async def opened():
            return await AsyncStore.open(awaited(url), JOB, **{"table": Task, **options, **more})

        store = loop(opened())
        try:
            yield Awaited(store, loop)
        finally:
            loop(store.close())

    yield opened_in_a_loop
    loop.close()


def ids_of(engine, condition):
    """
    Return the ids of the rows that SQLAlchemy finds by *condition*.
    """
    with engine.connect() as connection:
        return {
            str(number)
            for number in connection.execute(sa.select(Task.id).where(condition)).scalars()
        }


def change(engine, *ids, **values):
    """
    Have the application set columns of rows.
    """
    with engine.begin() as connection:
        update = sa.update(Task).where(Task.id.in_([int(each) for each in ids]))
        connection.execute(update.values(**values))


def row(engine, run_id):
    """
    Return all columns of a row.
    """
    with engine.connect() as connection:
        return connection.execute(
            sa.select(Task.__table__).where(Task.id == int(run_id))
        ).one()  # fmt: skip


def drained(store):
    """
    Return the leases of all that can be claimed: first one by one, then many at once.
    """
    first = [store.claim("worker-1") for _ in range(3)]

    return [lease for lease in first if lease] + list(store.claim_many("worker-1", limit=99))


# -- every method sees the same rows ---------------------------------------------------------


@pytest.mark.slow
def test_every_method_sees_the_rows_that_sqlalchemy_finds(engine, opening):
    """
    Whatever the types of the condition's values are, claims and lists find what a SELECT finds.
    """
    every = ids_of(engine, sa.true())
    found = {name: ids_of(engine, condition) for name, condition in CONDITIONS.items()}
    assert {"IN with nothing"} == {name for name, ids in found.items() if not ids}
    for number, (name, condition) in enumerate(CONDITIONS.items()):
        change(engine, *every, state=State.QUEUED)
        before = {each: row(engine, each) for each in every - found[name]}
        with opening(where=condition, prefix=f"p{number}_") as store:
            leases = {lease.id: lease for lease in drained(store)}
            assert found[name] == set(leases), name
            store.sweep()
            assert found[name] == {run.id for run in store.list(limit=99)[0]}, name
            assert found[name] == {run.id for run in store.list(status="running", limit=99)[0]}, (
                name
            )
            assert found[name] == {run.id for run in store.stuck({"running": 0}, limit=99)}, name
            assert {"running": len(found[name])} == counted(store, "running"), name
            assert found[name] == {line.run_id for line in store.moves(limit=999).items}, name
            for lease in leases.values():
                assert "running" == store.get(lease.id).status, name
                assert isinstance(store.heartbeat(lease), Held), name
                assert store.fire(lease.id, "finish", token=lease.token).ok, name
                assert ["adopted", "start", "finish"] == [
                    line.trigger or line.reason for line in store.history(lease.id)
                ], name
            assert {"done": len(found[name])} == counted(store, "done"), name
        assert before == {each: row(engine, each) for each in before}, name


def counted(store, status):
    """
    Return the counts of *status*, and of every other status that any row is in.
    """
    return {s: number for s, number in store.counts().items() if number or s == status}


def hidden_calls(store, run_id):
    """
    Return every call about one row that is refused if there is no such row.
    """
    return (
        lambda: store.get(run_id),
        lambda: store.history(run_id),
        lambda: store.fire(run_id, "start"),
        lambda: store.fire_many([Fire(run_id, "start")]),
        lambda: store.update(run_id, code="x"),
        lambda: store.erase(run_id),
        lambda: store.list(after=run_id),
    )


def test_a_row_that_does_not_meet_the_condition_is_not_found(engine, opening):
    """
    By no method; and none of them changes it.
    """
    hidden = ids_of(engine, Task.kind == Kind.IMPORT).pop()
    before = row(engine, hidden)
    with opening(where=IS_EXPORT) as store:
        store.sweep()
        for call in hidden_calls(store, hidden):
            with pytest.raises(RunNotFoundError):
                call()
        assert store.update(ids_of(engine, IS_EXPORT).pop(), code="x").code == "x"
    assert before == row(engine, hidden)


# -- creation and change ---------------------------------------------------------------------


def test_only_a_row_that_meets_the_condition_is_created(engine, opening):
    """
    The database's defaults count, and in a transaction of the caller's the row is undone as well.
    """
    every = ids_of(engine, sa.true())
    with opening(where=sa.and_(IS_EXPORT, Task.region == "eu")) as store:
        made = store.create(kind=Kind.EXPORT)
        assert (Kind.EXPORT, "eu", "queued") == (made.kind, made.region, made.status)
        for fields in ({"kind": Kind.IMPORT}, {"kind": Kind.EXPORT, "region": "us"}, {}):
            with pytest.raises(
                StoreArgumentError,
                match="fields: expected values of a row that meets the condition",
            ):
                store.create(**fields)
        with pytest.raises(StoreArgumentError, match="fields: "):
            store.create_many([{"kind": Kind.EXPORT}, {"kind": Kind.IMPORT}])
        assert {made.id} == ids_of(engine, sa.true()) - every
        assert {"queued": 1} == counted(store, "queued")


def test_a_refused_row_is_undone_in_the_transaction_of_the_caller(engine, no_log):
    """
    What the caller did before stays.
    """
    every = ids_of(engine, sa.true())
    first, *_ = ids_of(engine, IS_EXPORT)
    store = Store(engine, JOB, table=Task, columns=NAMES, where=IS_EXPORT, logger=no_log)
    with orm.Session(engine) as session, session.begin():
        session.add(Task(kind=Kind.EXPORT, code="before"))
        with pytest.raises(StoreArgumentError, match="fields: "):
            store.create(kind=Kind.IMPORT, connection=session)
        with pytest.raises(StoreArgumentError, match="fields: "):
            store.update(first, kind=Kind.IMPORT, code="new", connection=session)
        assert "after" == store.update(first, code="after", connection=session).code
    assert 1 == len(ids_of(engine, sa.true()) - every)
    assert (Kind.EXPORT, "after") == (row(engine, first).kind, row(engine, first).code)


def test_an_id_that_a_hidden_row_has_is_taken(engine, opening):
    """
    With a key and without.
    """
    hidden = ids_of(engine, Task.kind == Kind.IMPORT).pop()
    with opening(where=IS_EXPORT) as store:
        for options in ({}, {"key": "k"}):
            with pytest.raises(RunExistsError):
                store.create(id=hidden, kind=Kind.EXPORT, **options)


# -- a row that ceases to meet the condition ---------------------------------------------------


def test_a_row_that_ceases_to_meet_the_condition_is_gone_until_it_meets_it_again(engine, opening):
    """
    Its worker is answered as if it were deleted; its lease and its token are not forgotten.
    """
    deadlines = {"running": (0, "fail")}
    with opening(where=IS_EXPORT, deadlines=deadlines) as store:
        lease, other = store.claim_many("worker-1", limit=2)
        change(engine, lease.id, kind=Kind.IMPORT)
        before = row(engine, lease.id)
        assert Stale(lease.token) == store.heartbeat(lease)
        assert ["Stale", "Held"] == [
            type(answer).__name__ for answer in store.heartbeat_many([lease, other])
        ]
        assert store.release(lease) is False
        for call in hidden_calls(store, lease.id):
            with pytest.raises(RunNotFoundError):
                call()
        assert [other.id] == [run.id for run in store.stuck({"running": 0}, limit=1)]
        assert {other.id} == {moved.run_id for moved in store.sweep()}
        assert lease.id not in {run.id for run in store.list(limit=99)[0]}
        assert before == row(engine, lease.id)

        change(engine, lease.id, kind=Kind.EXPORT)
        assert isinstance(store.heartbeat(lease), Held)
        assert {lease.id} == {moved.run_id for moved in store.sweep()}
        assert "failed" == store.get(lease.id).status


def test_pruning_leaves_a_hidden_row_alone(engine, opening):
    """
    What the store knew of it is there again when the row is; what is deleted goes.
    """
    with opening(where=IS_EXPORT) as store:
        leases = store.claim_many("worker-1", limit=4)
        for lease in leases:
            store.fire(lease.id, "finish", token=lease.token)
        hidden, deleted, *rest = (lease.id for lease in leases)
        change(engine, hidden, kind=None)
        with engine.begin() as connection:
            connection.execute(sa.delete(Task).where(Task.id == int(deleted)))
        # The one of the last move of the feed stays.
        assert 2 == store.prune(older_than=0)
        change(engine, hidden, kind=Kind.EXPORT)
        assert 3 == len(store.history(hidden))
        assert {0, 3} == {len(store.history(each)) for each in rest}
        assert store.erase(hidden).id == hidden


def test_a_hook_that_hides_the_row_stops_the_move(engine, no_log):
    """
    As anything else that changes the row within the transaction of its move does.
    """

    def hide(event):
        event.connection.execute(sa.update(Part).values(kind=Kind.IMPORT))

    store = Store(engine, JOB, table=Part, columns=NAMES, where=Part.kind == Kind.EXPORT, before=[hide], logger=no_log)  # fmt: skip
    run_id = store.create(tenant="acme", number=1, kind=Kind.EXPORT).id
    with pytest.raises(ConcurrentMoveError):
        store.fire(run_id, "start")
    assert ("queued", Kind.EXPORT) == (store.get(run_id).status, store.get(run_id).kind)


def test_a_row_that_is_hidden_while_a_heartbeat_looks_at_it_is_gone(engine, no_log):
    """
    Between the look at a row that something else has moved, and its lock.
    """
    store = Store(engine, JOB, table=Task, columns=NAMES, where=IS_EXPORT, logger=no_log)
    lease = store.claim("worker-1")
    change(engine, lease.id, state=State.DONE)
    with engine.begin() as connection:

        @sa.event.listens_for(connection, "before_cursor_execute")
        def hidden_after_the_look(driver, cursor, statement, *_):
            if statement.startswith("SELECT job_runs.id"):
                cursor.connection.cursor().execute("UPDATE tasks SET kind = NULL")

        assert Stale(lease.token) == store.heartbeat(lease, connection=connection)
    assert row(engine, lease.id).kind is None


def test_rows_that_wait_are_found_behind_many_that_are_hidden(engine, opening):
    """
    A claim takes a limited number of rows into the store.
    """
    with orm.Session(engine) as session, session.begin():
        session.add_all([Task(kind=Kind.IMPORT) for _ in range(150)])
        session.flush()
        session.add(Task(kind=Kind.EXPORT, code="last"))
    with opening(where=sa.and_(IS_EXPORT, Task.code == "last")) as store:
        assert "last" == store.claim("worker-1").run.code


# -- two stores on one table -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("prefixes", [("job_", "job_"), ("a_", "b_")], ids=["shared", "apart"])
def test_two_stores_with_complementary_conditions_share_a_table(engine, opening, prefixes):
    """
    Their workers drain it, each its part; counts, sweeps and pruning of one leave those of the other.
    """
    conditions = (IS_EXPORT, Task.kind.is_distinct_from(Kind.EXPORT))
    parts = [ids_of(engine, condition) for condition in conditions]
    with (
        opening(where=conditions[0], prefix=prefixes[0]) as first,
        opening(where=conditions[1], prefix=prefixes[1]) as second,
    ):
        stores = (first, second)
        with ThreadPoolExecutor(4) as pool:
            works = [pool.submit(work, stores[n % 2], len(parts[n % 2])) for n in range(4)]
            claimed = [each.result(60) for each in works]
        assert parts == [set(claimed[0] + claimed[2]), set(claimed[1] + claimed[3])]
        assert len(parts[0] | parts[1]) == sum(map(len, claimed))
        for store, part in zip(stores, parts, strict=True):
            assert {"done": len(part)} == counted(store, "done")
        assert len(parts[0]) >= first.prune(older_than=0) >= len(parts[0]) - 1
        assert {3} == {len(second.history(each)) for each in parts[1]}
        assert () == second.sweep()
        assert {"done": len(parts[1])} == counted(second, "done")


def work(store, number):
    """
    Claim and finish tasks until *number* are done; a row that another claim looks at is passed over.
    """
    ids = []
    while store.counts()["done"] < number:
        lease = store.claim("worker-1")
        if lease is not None:
            assert store.fire(lease.id, "finish", token=lease.token).ok
            ids.append(lease.id)

    return ids


def test_a_row_that_changes_sides_keeps_its_token_in_shared_tables(engine, no_log):
    """
    The worker of one store is fenced off by the claim of the other.
    """
    options = {"table": Task, "columns": NAMES, "logger": no_log}
    exports = Store(engine, JOB, where=IS_EXPORT, **options)
    imports = Store(engine, JOB, where=Task.kind == Kind.IMPORT, **options)
    lease = exports.claim("worker-1", seconds=0.2)
    change(engine, *ids_of(engine, sa.true()) - {lease.id}, state=State.DONE)
    change(engine, lease.id, kind=Kind.IMPORT)
    assert Stale(lease.token) == exports.heartbeat(lease)
    while (taken := imports.claim("worker-2")) is None:
        pass
    assert (lease.id, lease.token + 1) == (taken.id, taken.token)
    change(engine, lease.id, kind=Kind.EXPORT)
    assert Stale(lease.token) == exports.fire(lease.id, "finish", token=lease.token)


def test_a_sweep_leaves_the_deadlines_of_the_other_store_alone(engine, no_log):
    """
    A deadline that lies further ahead than its own options allow was set by another clock, it thinks.
    """
    options = {"table": Task, "columns": NAMES, "logger": no_log}
    days, hours = ({"running": (n, "fail")} for n in (10 * 86_400, 3_600))
    exports = Store(engine, JOB, where=IS_EXPORT, deadlines=days, **options)
    imports = Store(engine, JOB, where=Task.kind == Kind.IMPORT, deadlines=hours, **options)
    assert exports.claim("worker-1") is not None
    assert imports.claim("worker-2") is not None
    query = sa.text("SELECT id, deadline_at FROM job_runs ORDER BY id")
    with engine.connect() as connection:
        before = {*connection.execute(query)}
    imports.sweep()
    with engine.connect() as connection:
        assert before <= {*connection.execute(query)}


# -- keys of several columns, and the conformance kit --------------------------------------------


def test_a_key_of_several_columns_goes_with_a_condition(database_url, no_log):
    """
    On a part of the key, and on another column.
    """
    engine = engine_of(database_url)
    Base.metadata.create_all(engine)
    rows = [Part(tenant=t, number=n, kind=k) for t in ("acme", "b/c") for n, k in enumerate(Kind)]
    with orm.Session(engine) as session, session.begin():
        session.add_all(rows)
    where = sa.and_(Part.tenant == "acme", Part.kind.in_([Kind.EXPORT]))
    store = Store(engine, JOB, table=Part, columns=NAMES, where=where, logger=no_log)
    assert [row_id("acme", 0)] == [lease.id for lease in drained(store)]
    assert row_id("acme", 7) == store.create(tenant="acme", number=7, kind=Kind.EXPORT).id
    for wrong in ({"tenant": "b/c", "kind": Kind.EXPORT}, {"tenant": "acme", "kind": Kind.IMPORT}):
        with pytest.raises(StoreArgumentError, match="fields: "):
            store.create(number=8, **wrong)
    with pytest.raises(RunExistsError):
        store.create(tenant="acme", number=1, kind=Kind.EXPORT)
    with pytest.raises(RunNotFoundError):
        store.get(row_id("b/c", 0))
    assert {row_id("acme", 0), row_id("acme", 7)} == {run.id for run in store.list()[0]}
    engine.dispose()


class Restricted(OwnSubject):
    """
    A Store in part of a table, whose other rows wait as well.
    """

    def enter(self, url, **options):
        """
        Open the store with a condition that every row meets but the first.
        """
        table = options["table"]
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            if not connection.execute(sa.select(table)).first():
                begins = {self.lifecycle.status_field: str(self.lifecycle.initial)}
                connection.execute(table.insert().values(note="hidden", **begins))
        engine.dispose()
        super().enter(url, where=table.c.note.is_distinct_from("hidden"), **options)


class RestrictedInALoop(Restricted, AsyncOwnSubject):
    """
    The same for asyncio.
    """


class RestrictedOfSeveral(Restricted):
    """
    The same with a key of two columns.
    """

    key = None


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Restricted, RestrictedOfSeveral], ids=["one", "several"])
def test_a_store_in_part_of_a_table_passes_the_conformance_kit(fresh, kind):
    """
    Atomic, one winner, fenced, with its journal and its feed.
    """
    lifecycle, only = (PRESETS["oban-job"], None) if LONG else (JOB, CHECKED)
    made = subjects_of(lifecycle, fresh, kind)
    result = conformance(made, lifecycle=lifecycle, payloads=payloads_of(lifecycle), only=only)

    assert result.ok, str(result)
    assert len(result.passed) >= (49 if only is None else len(only)), str(result)


@pytest.mark.slow
def test_a_store_for_asyncio_passes_it_too(fresh):
    """
    What it does by itself is the same, so that few checks tell.
    """
    made = subjects_of(JOB, fresh, RestrictedInALoop)
    result = conformance(made, lifecycle=JOB, payloads=payloads_of(JOB), only=CHECKED[5:7])

    assert result.ok, str(result)
    assert len(result.passed) == 2


# -- what is refused -----------------------------------------------------------------------------

OTHER = Part.__table__
NOT_A_CONDITION = "where: expected a SQLAlchemy condition on columns of tasks, or None"
REFUSED = {
    "True": (True, NOT_A_CONDITION),
    "a text": ("kind = 'export'", NOT_A_CONDITION),
    "SQL text": (sa.text("kind = 'export'"), NOT_A_CONDITION),
    "a callable": (lambda: IS_EXPORT, NOT_A_CONDITION),
    "a dictionary": ({"kind": Kind.EXPORT}, NOT_A_CONDITION),
    "a column of a text": (Task.region, NOT_A_CONDITION),
    "a number": (Task.level + 1, NOT_A_CONDITION),
    "a query": (sa.select(Task.id), NOT_A_CONDITION),
    "SQL text within": (sa.and_(IS_EXPORT, sa.text("1 = 1")), "without SQL text"),
    "a column as SQL text": (sa.literal_column("state") == "x", "without SQL text"),
    "no column": (sa.true(), "that names at least one"),
    "NULL": (sa.null(), "that names at least one"),
    "a column of another table": (OTHER.c.number == 5, r"another table, parts\.number"),
    "one of both": (sa.and_(IS_EXPORT, OTHER.c.number == Task.id), r"another table, parts\.number"),
    "a column of an alias": (orm.aliased(Task).kind == Kind.EXPORT, "another table, "),
    "a column of no table": (sa.column("kind") == "EXPORT", "another table, kind"),
    "a function that makes rows": (
        sa.func.json_each(Task.code).table_valued("value").c.value == 1, "another table, ",
    ),
    "a function as a column": (
        sa.func.unnest(Task.code).column_valued() == "x", "another table, ",
    ),
    "a subquery": (Task.id.in_(sa.select(Part.number)), "without a subquery"),
    "a scalar subquery": (
        Task.id == sa.select(sa.func.max(Part.number)).scalar_subquery(), "without a subquery",
    ),
    "EXISTS": (sa.exists().where(Part.number == Task.id), "without a subquery"),
    "a tuple": (
        sa.tuple_(Task.kind, Task.code).in_([(Kind.EXPORT, "x")]), "without a tuple of columns",
    ),
    "a parameter without a value": (Task.code == sa.bindparam("x"), "with its values in place"),
    "a parameter of a name": (Task.code == sa.bindparam("id", "x"), "with its values in place"),
    "a value that is called for": (
        Task.code == sa.bindparam(None, callable_=lambda: "x", type_=Code), "with its values in",
    ),
    "the status": (Task.state == State.QUEUED, r"without tasks\.state: moves set it"),
    "the status beside others": (
        sa.or_(IS_EXPORT, sa.func.lower(Task.state) == "queued"), r"without tasks\.state: moves",
    ),
    "a stamp": (Task.started_at.is_(None), r"without tasks\.started_at: moves set it"),
    "a detail": (Task.error.is_(None), r"without tasks\.error: moves set it"),
    "the version": (Task.edition > 0, r"without tasks\.row_version: moves set it"),
    "what every update sets": (Task.touched.is_(None), r"without tasks\.touched: it is set by"),
    "an attribute of a subclass": (Remote.host == "a", "without attributes of a subclass"),
}  # fmt: skip


@pytest.mark.parametrize(("condition", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_store_cannot_keep_to_is_refused(condition, message):
    """
    By name of the argument, before the database is asked for anything.
    """
    with pytest.raises(StoreArgumentError, match=message) as raised:
        Store(sa.create_engine("sqlite://"), JOB, table=Task, columns=NAMES, where=condition)
    assert "where" == raised.value.argument


def test_a_condition_is_about_a_table():
    """
    A store with tables of its own has columns= instead.
    """
    with pytest.raises(StoreArgumentError, match="where: expected None without table="):
        Store.open("sqlite://", JOB, where=IS_EXPORT)


def test_a_computed_column_is_refused(tmp_path):
    """
    It may be computed of what a move sets.
    """
    table = sa.Table(
        "computed", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("status", sa.String(20)),
        sa.Column("waits", sa.Boolean, sa.Computed("status = 'queued'")),
    )  # fmt: skip
    with pytest.raises(StoreArgumentError, match=r"without computed\.waits: it is set by every"):
        Store.open(f"sqlite:///{tmp_path}/a.db", JOB, table=table, where=table.c.waits)


def test_a_condition_that_the_database_cannot_evaluate_is_refused_when_the_store_is_opened(engine):
    """
    And not by the first claim.
    """
    for wrong in (sa.func.count(Task.id) > 1, sa.func.no_such_function(Task.id) == 1):
        with pytest.raises(sa.exc.DBAPIError):
            Store(engine, JOB, table=Task, columns=NAMES, where=wrong)
