"""
The tables of a store: made once, migrated once, refused where they cannot be used.
"""

import json
import multiprocessing
import pickle
from itertools import product
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from conftest import BORN
from databases import CLOCK
from runstate import RUN, Lifecycle, Transition
from runstate.store import (
    LifecycleMismatchError,
    RunExistsError,
    RunStore,
    Store,
    StoreVersionError,
    _install,
)
from store_workers import opened
from stores import brought_to, consistent

NARROW = Lifecycle(
    "narrow",
    [row for row in RUN if {row.source, row.target} <= {"queued", "in_progress", "completed"}],
    "queued",
    {"completed": "success"},
    entries=[RUN.entry(status) for status in ("queued", "in_progress", "completed")],
)
"""Three of the nine statuses."""


def test_tables_are_made_once_by_many_processes_at_once(database_url):
    """
    Eight open a fresh database together; each finds one store, and all runs are in it.
    """
    spawn = multiprocessing.get_context("spawn")
    gate, answers = spawn.Barrier(8), spawn.Queue()
    processes = [spawn.Process(target=opened, args=(database_url, gate, answers)) for _ in range(8)]
    for process in processes:
        process.start()
    ids = [answers.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(30)

    assert [0] * 8 == [process.exitcode for process in processes]
    with RunStore.open(database_url) as store:
        assert sorted(ids) == sorted(run.id for run in store.list().items)
        assert {"version", "lifecycle", "counted"} == set(meta(store)) - {"placed"}


def meta(store, prefix="runstate_"):
    """
    Return what the store remembers of itself.
    """
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT name, value FROM {prefix}meta")  # noqa: S608
        return dict(map(tuple, rows))


def test_opening_again_changes_nothing(database_url):
    """
    Whatever was in it is still there, and what it remembers of itself too.
    """
    with RunStore.open(database_url) as store:
        run_id, before = brought_to(store, "requires_action"), meta(store)
        run = store.get(run_id)
    with RunStore.open(database_url) as store:
        assert (before, run) == (meta(store), store.get(run_id))
        assert consistent(store, run_id)


@pytest.mark.parametrize(
    "prefix", ["", "A", "1a", "a b", "a;", 'a"', "a'", "x" * 41, "a\n", "é", "a-b"]
)
def test_a_prefix_that_is_no_name_is_refused(tmp_path, prefix):
    """
    Before any table is made.
    """
    with pytest.raises(ValueError, match="a prefix is lower-case letters"):
        RunStore.open(f"sqlite:///{tmp_path}/runs.db", prefix=prefix)

    assert [] == list(tmp_path.iterdir())


def test_two_stores_live_in_one_database(database_url):
    """
    Under two prefixes, the longest allowed among them, neither knows the other's runs.
    """
    long = "x" * 40
    with RunStore.open(database_url) as one, RunStore(one.engine, prefix=long) as two:
        one.create(id="a")
        two.create(id="b")
        two.start("b")
        assert [["a"], ["b"]] == [[run.id for run in store.list().items] for store in (one, two)]
        assert [1, 0] == [store.counts()["queued"] for store in (one, two)]
        assert 1 == len(one.moves().items)
        two.sweep()
        names = sa.inspect(one.engine).get_table_names()

    tables = ("runs", "journal", "meta", "counts")
    assert {f"{p}{name}" for p, name in product(("runstate_", long), tables)} <= set(names)


def pretend(store, name, value):
    """
    Have the tables say something else of themselves.
    """
    with store.engine.begin() as connection:
        change = sa.text("UPDATE runstate_meta SET value = :value WHERE name = :name")
        connection.execute(change, {"name": name, "value": value})


def test_tables_of_a_later_version_are_refused(store, database_url):
    """
    By name, and untouched.
    """
    pretend(store, "version", "7")
    with pytest.raises(
        StoreVersionError,
        match=r"the store in this database is of version 7; this package reads up to version 2",
    ) as caught:
        RunStore.open(database_url)

    assert ("of version 7", "7") == (caught.value.found, meta(store)["version"])


@pytest.mark.not_on_mariadb
def test_a_migration_is_carried_out_once(store, database_url, monkeypatch):
    """
    Each step between the versions in order, in the transaction of the opening.
    """
    run_id = store.create().id
    kind = store.engine.dialect.name
    steps = {
        3: {
            kind: (
                "ALTER TABLE {prefix}runs ADD COLUMN extra text",
                "UPDATE {prefix}runs SET extra = 'x'",
            )
        },
        4: {kind: ("UPDATE {prefix}runs SET extra = extra || 'y'",), "other": ("no SQL",)},
    }
    monkeypatch.setattr(_install, "VERSION", 4)
    monkeypatch.setattr(_install, "MIGRATIONS", steps)
    for _ in range(2):
        with RunStore.open(database_url) as again, again.engine.connect() as connection:
            extra = connection.exec_driver_sql("SELECT extra FROM runstate_runs").scalars().all()
            assert ["xy"] == extra
            assert again.get(run_id).status == "queued"

    assert "4" == meta(store)["version"]


@pytest.mark.not_on_mariadb
def test_a_migration_that_fails_leaves_the_version_before(store, database_url, monkeypatch):
    """
    Nothing of its steps has happened, and it can be tried again.
    """
    step = "ALTER TABLE {prefix}runs ADD COLUMN extra text"
    kind = store.engine.dialect.name
    monkeypatch.setattr(_install, "VERSION", 3)
    monkeypatch.setattr(_install, "MIGRATIONS", {3: {kind: (step, "this is no SQL")}})
    with pytest.raises(sa.exc.DBAPIError):
        RunStore.open(database_url)
    assert "2" == meta(store)["version"]

    monkeypatch.setattr(_install, "MIGRATIONS", {3: {kind: (step,)}})
    with RunStore.open(database_url) as again:
        assert "3" == meta(again)["version"]


def test_a_store_of_version_1_is_migrated_with_its_runs(postgresql_database):
    """
    Its feed goes on from the beginning, and proves what comes after.
    """
    with RunStore.open(postgresql_database) as store:
        run_id = brought_to(store, "in_progress")
        with store.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE runstate_journal DROP COLUMN snapshot")
            connection.exec_driver_sql("INSERT INTO runstate_counts VALUES ('failed', -3)")
        pretend(store, "version", "1")
    with RunStore.open(postgresql_database) as store:
        old = store.moves()
        store.complete(run_id)
        new = store.moves(after=old.cursor)

        assert "2" == meta(store)["version"]
        assert {"completed": 1} == {s: n for s, n in store.counts().items() if n}
        assert [1, 2, 3] == [line.seq for line in (*old.items, *new.items)]
        assert () == store.moves(after=new.cursor).items


def test_a_narrower_lifecycle_is_refused_while_runs_are_beyond_it(store, database_url):
    """
    By the status that it does not know; once none is there, it is taken, and a wider one again.
    """
    failed = brought_to(store, "failed")
    before = meta(store)
    with pytest.raises(
        StoreVersionError,
        match="of a lifecycle with runs that are 'failed'; narrow knows queued, in_progress",
    ):
        RunStore.open(database_url, lifecycle=NARROW)
    assert before == meta(store)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM runstate_runs")
    with RunStore.open(database_url, lifecycle=NARROW, adopt_lifecycle=True) as narrow:
        run_id = narrow.create().id
        assert narrow.start(run_id).ok
        assert narrow.sweep() == ()
        assert narrow.complete(run_id).ok
        assert {"queued", "in_progress", "completed"} == set(narrow.counts())
        assert before["lifecycle"] != meta(narrow)["lifecycle"]
    with RunStore.open(database_url, adopt_lifecycle=True) as wide:
        assert consistent(wide, run_id)
        assert before["lifecycle"] == meta(wide)["lifecycle"]

    assert failed != run_id


def test_another_lifecycle_of_the_same_words_is_refused_until_it_is_adopted(store, database_url):
    """
    The error says what differs, and what was recorded stays.
    """
    before, run_id = meta(store), brought_to(store, "in_progress")
    mine = RUN.with_transitions(Transition("back", "in_progress", "queued"), name="mine")
    named = Lifecycle(
        "other", list(RUN), RUN.initial, RUN.terminal, entries=list(map(RUN.entry, RUN.statuses))
    )

    with pytest.raises(LifecycleMismatchError, match="'run', and opened with 'mine'") as caught:
        RunStore.open(database_url, lifecycle=mine)
    assert ("run", "mine", ("in_progress -back-> queued",), ()) == caught.value.args
    with pytest.raises(LifecycleMismatchError, match="only the names differ"):
        RunStore.open(database_url, lifecycle=named)
    assert before == meta(store)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), StoreVersionError)

    with RunStore.open(database_url, lifecycle=mine, adopt_lifecycle=True) as adopted:
        assert adopted.fire(run_id, "back").ok
        assert "mine" == json.loads(meta(adopted)["lifecycle"])["name"]
    with pytest.raises(LifecycleMismatchError, match="adopt_lifecycle=True"):
        RunStore.open(database_url)


V1 = Lifecycle(
    "job",
    [Transition("start", "queued", "running"), Transition("finish", "running", "done")],
    "queued",
    {"done": "success"},
)
V2 = V1.with_transitions(
    Transition("pause", "running", "paused"),
    Transition("go_on", "paused", "running"),
    Transition("stop", "paused", "stopped"),
    terminal={"stopped": "cancelled"},
    name="job",
)


@pytest.mark.parametrize("status", ["paused", "stopped"])
def test_a_lifecycle_is_rolled_out_and_back_while_processes_of_both_versions_run(
    database_url, status
):
    """
    Each makes the moves of its own; the earlier one is adopted again once it knows every status.
    """
    with Store.open(database_url, V1) as old:
        for name in ("a", "b", "last"):
            assert old.create(id=name).status == "queued"
            assert old.fire(name, "start").ok
        with Store.open(database_url, V2, adopt_lifecycle=True) as new:
            assert new.fire("a", "pause").ok
            assert status == "paused" or new.fire("a", "stop").ok
            refused = old.fire("a", "finish")
            assert (False, status) == (refused.ok, refused.status)
            assert status == old.get("a").status
            assert {"a", "b", "last"} == {each.id for each in old.list().items}
            assert () == old.sweep()
            assert old.fire("b", "finish").ok
            for adopt in (False, True):
                with pytest.raises(StoreVersionError, match="move or prune those runs first"):
                    Store.open(database_url, V1, adopt_lifecycle=adopt)
            # What was refused has changed nothing.
            Store.open(database_url, V2).close()
            if status == "paused":
                assert new.fire("a", "go_on").ok
            else:
                assert 1 == new.prune(0, status="stopped")
        with pytest.raises(LifecycleMismatchError):
            Store.open(database_url, V1)
        with Store.open(database_url, V1, adopt_lifecycle=True) as back:
            assert back.fire("last", "finish").ok
            assert status == "stopped" or back.fire("a", "finish").ok


STAMPED = {
    "completed": "completed_at = NULL",
    "failed": "failed_at = NULL",
    "cancelled": "cancelled_at = NULL",
    "in_progress": "completed_at = 5",
    "queued": "failed_at = 5",
    "cancelling": "cancelled_at = 5",
    "expired": "expires_at = 5",
    "requires_action": "status = 'completed'",
    "incomplete": "created_at = NULL",
}
"""By status, what contradicts it."""


def test_the_database_refuses_stamps_that_contradict_the_status(store):
    """
    Whoever writes past the store is stopped by a check.
    """
    for status, change in STAMPED.items():
        run_id = brought_to(store, status)
        statement = sa.text(f"UPDATE runstate_runs SET {change} WHERE id = :id")  # noqa: S608
        # What a violated check is called, drivers do not agree on.
        with (
            pytest.raises(sa.exc.DBAPIError, match=r"_fits|NOT NULL|null"),
            store.engine.begin() as connection,
        ):
            connection.execute(statement, {"id": run_id})
        assert status == store.get(run_id).status
    assert set(map(str, RUN.statuses)) == set(STAMPED)


def test_a_constraint_of_the_callers_own_is_told_as_such(store):
    """
    A run that it refuses is not said to exist; one that exists is, whatever the constraint.
    """
    store.create(id="a", thread_id="once")
    with store.engine.begin() as connection:
        connection.exec_driver_sql("CREATE UNIQUE INDEX once ON runstate_runs (thread_id)")
    with pytest.raises(sa.exc.IntegrityError):
        store.create(id="b", thread_id="once")
    with pytest.raises(RunExistsError):
        store.create(id="a", thread_id="twice")

    assert ["a"] == [run.id for run in store.list().items]


def test_a_store_on_the_callers_engine_leaves_it_open(database_url):
    """
    Closing the store closes none of its connections; those of a store that was opened are.
    """
    engine = sa.create_engine(database_url)
    with RunStore(engine, expires_after=None, new_id=lambda: "mine") as store:
        assert "mine" == store.create().id
        pool = engine.pool
    assert (pool, 1) == (engine.pool, engine.pool.checkedin())
    with engine.connect() as connection:
        assert 1 == connection.exec_driver_sql("SELECT count(*) FROM runstate_runs").scalar_one()
    engine.dispose()
    with RunStore.open(database_url) as store:
        assert "mine" == store.get("mine").id
        pool = store.engine.pool

    assert 0 == pool.checkedin()


@pytest.mark.not_on_mariadb
@pytest.mark.parametrize("durable", [True, False])
def test_durability_is_what_was_asked_for(database_url, durable):
    """
    Of every connection; the moves are the same.
    """
    question = (
        "PRAGMA synchronous" if database_url.startswith("sqlite") else "SHOW synchronous_commit"
    )
    with RunStore.open(database_url, durable=durable) as store:
        run_id = brought_to(store, "completed")
        with store.engine.connect() as one, store.engine.connect() as two:
            answers = {each.exec_driver_sql(question).scalar_one() for each in (one, two)}
        assert consistent(store, run_id)

    assert answers in ([{2}, {"on"}] if durable else [{1}, {"off"}])


def test_what_is_no_database_is_told_by_the_driver(tmp_path):
    """
    The error is SQLAlchemy's own, and the file is as it was; a missing folder is not made.
    """
    file = tmp_path / "notes.txt"
    file.write_bytes(b"not a database at all " * 100)
    with pytest.raises(sa.exc.DatabaseError, match="file is not a database"):
        RunStore.open(f"sqlite:///{file}")
    with pytest.raises(sa.exc.OperationalError, match="unable to open database file"):
        RunStore.open(f"sqlite:///{tmp_path}/none/runs.db")
    with pytest.raises(sa.exc.OperationalError):
        RunStore.open("postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=2")

    assert [file] == list(tmp_path.iterdir())
    assert b"not a database at all " * 100 == file.read_bytes()


def test_other_databases_are_refused_by_name():
    """
    Before anything is asked of them.
    """
    driver = SimpleNamespace(paramstyle="pyformat", __version__="2.1.0")
    engine = sa.create_engine("mssql+pymssql://localhost/app", module=driver)
    with pytest.raises(ValueError, match="lives in SQLite, PostgreSQL or MariaDB, not in mssql"):
        RunStore(engine)


@pytest.mark.parametrize(
    "deadline",
    [
        {"queued": (1, "complete")}, {"asleep": (1, "expire")}, {"queued": (-1, "expire")},
        {"queued": (float("nan"), "expire")}, {"queued": (float("inf"), "expire")},
        {"completed": (1, "expire")}, {"in_progress": (1, "fail")},
        {"in_progress": (1, "stop_incomplete")}, {"requires_action": (1, "submit_tool_outputs")},
    ],
)  # fmt: skip
def test_a_deadline_without_a_way_out_is_refused(tmp_path, deadline):
    """
    And one that never comes, or came before it began, or that no sweep could bring about.
    """
    with pytest.raises(ValueError, match=r"no deadline|deadlines: expected seconds"):
        RunStore.open(f"sqlite:///{tmp_path}/runs.db", deadlines=deadline)


def _as_if_dumped_from_a_busier_cluster(store):
    with store.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE runstate_journal SET txid = (txid::text::bigint + 1000000)::text::xid8"
        )
        connection.exec_driver_sql(
            "UPDATE runstate_meta SET value = '1000001:' || "
            "split_part(value, ':', 2)::bigint + 1000000 || ':' WHERE name = 'counted'"
        )


@pytest.mark.parametrize("swept", [False, True])
def test_a_restored_database_goes_on_as_if_all_were_new(postgresql_database, swept):
    """
    PostgreSQL's transactions begin anew in another cluster, and the feed is told by them.
    """
    with RunStore.open(postgresql_database) as store:
        run_id = brought_to(store, "in_progress")
        if swept:
            store.sweep()
        _as_if_dumped_from_a_busier_cluster(store)
    with RunStore.open(postgresql_database) as store:
        store.complete(run_id)
        queued = store.create().id
        before = store.counts()
        store.sweep()
        moves = [entry.event_id for entry in store.moves().items]

        assert (1, 1, 0) == tuple(before[s] for s in ("completed", "queued", "in_progress"))
        assert before == store.counts()
        assert [f"{run_id}:1", f"{run_id}:2", f"{run_id}:3", f"{queued}:1"] == moves


@pytest.mark.parametrize("seconds", [-1, 1.5, 2**70, True, "600", float("nan")])
def test_a_time_to_live_that_is_none_is_refused(tmp_path, seconds):
    """
    Before it spoils every run that is created.
    """
    with pytest.raises(ValueError, match="expires_after: expected a whole number of seconds"):
        RunStore.open(f"sqlite:///{tmp_path}/runs.db", expires_after=seconds)


def test_a_deadline_more_does_not_let_a_cancel_stick(database_url, now):
    """
    Who names one for another status has not meant to give this one up.
    """
    deadlines = {"queued": (3600, "expire")}
    with RunStore.open(database_url, clock=CLOCK, deadlines=deadlines, expires_after=None) as store:
        run_id = brought_to(store, "cancelling")
        now.step(60)
        assert ["confirm_cancel"] == [moved.trigger for moved in store.sweep()]
        assert "cancelled" == store.get(run_id).status


def test_a_lifecycle_with_ambiguous_triggers_looks_at_the_run(database_url, now):
    """
    Where one trigger leads to several statuses, the run's own status decides which.
    """
    rows = [
        *(row for row in RUN if row.trigger not in {"request_cancel", "confirm_cancel"}),
        RUN.row("request_cancel", "in_progress"),
        Transition("request_cancel", "cancelling", "cancelled"),
    ]
    table = Lifecycle("again", rows, "queued", dict(RUN.terminal), entries=RUN.entries)
    with RunStore.open(database_url, lifecycle=table, clock=CLOCK, deadlines={}) as store:
        run_id = store.create().id
        store.start(run_id)
        first, second, third = (store.request_cancel(run_id) for _ in range(3))
        assert ["cancelling", "cancelled"] == [v.moved.target for v in (first, second)]
        assert ("cancelled", "request_cancel", BORN) == (third.status, third.by, third.moved.at)
        assert consistent(store, run_id)
