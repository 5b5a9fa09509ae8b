"""
What is MariaDB's own: its isolation by default, its collations, its modes, and its tables.
"""

import threading

import pytest
import sqlalchemy as sa

from runstate.presets import PRESETS
from runstate.store import Applied, RunExistsError, RunNotFoundError, RunStore, Store, Superseded

ERROR = {"code": "server_error", "message": "x"}
ENDS = {"complete": {}, "fail": {"last_error": ERROR}, "expire": {}}


def ended_at_once(store, names):
    """
    Have a thread for each end fire it at every run; return the verdicts by run.
    """
    gate, verdicts = threading.Barrier(len(ENDS) * 2), {name: [] for name in names}

    def end(trigger, payload):
        gate.wait()
        for name in names:
            verdicts[name].append((trigger, store.fire(name, trigger, **payload)))

    threads = [threading.Thread(target=end, args=each) for each in [*ENDS.items()] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    return verdicts


@pytest.mark.parametrize("level", [None, "READ COMMITTED", "SERIALIZABLE"])
def test_of_many_writers_one_wins_at_every_level_of_the_callers_engine(mariadb_database, level):
    """
    At REPEATABLE READ, the default, too: the losers name the winner.
    """
    options = {} if level is None else {"isolation_level": level}
    engine = sa.create_engine(mariadb_database, **options)
    store = RunStore(engine)
    names = [f"run_{n}" for n in range(10)]
    store.create_many([{"id": name} for name in names])
    for name in names:
        store.start(name)
    for name, verdicts in ended_at_once(store, names).items():
        (winner,) = [trigger for trigger, each in verdicts if isinstance(each, Applied)]
        losers = [each for _, each in verdicts if not isinstance(each, Applied)]
        assert [winner] * 5 == [each.by for each in losers if isinstance(each, Superseded)]
        assert 3 == len([e for e in store.history(name) if e.kind == "move"])
    assert 30 == len(store.moves().items)
    engine.dispose()


def test_a_transaction_that_has_read_before_learns_of_the_winner(mariadb_database):
    """
    The caller's snapshot is older than the winner's commit, and the verdict is not.
    """
    engine = sa.create_engine(mariadb_database)
    store = Store(engine, PRESETS["oban-job"])
    store.create(id="a")
    token = store.claim("w").token
    with engine.connect() as connection:
        assert "executing" == store.get("a", connection=connection).state
        assert store.fire("a", "complete", token=token).ok
        verdict = store.fire("a", "discard", token=token, connection=connection)
        connection.rollback()
    engine.dispose()

    assert ("completed", "complete") == (verdict.status, verdict.by)


def test_words_differ_by_case_and_trailing_blanks(mariadb_database):
    """
    As ids, as keys, and in columns of the application's own.
    """
    columns = {"queue": str}
    with Store.open(mariadb_database, PRESETS["river-job"], columns=columns) as store:
        for name in ("a", "A", "a ", "ä", "日本" * 150):
            store.create(id=name, queue=name)
        with pytest.raises(RunExistsError):
            store.create(id="a ")
        with pytest.raises(RunNotFoundError):
            store.get("Ä")
        assert ["a "] == [each.id for each in store.list(queue="a ").items]
        first = store.create(key="k")
        assert {first.id} != {store.create(key="K").id, store.create(key="k ").id}
        assert first.id == store.create(key="k").id


def test_many_in_a_transaction_of_the_callers_are_created_all_or_none(mariadb_database):
    """
    Though each is a statement of its own there; the transaction goes on.
    """
    with RunStore.open(mariadb_database) as store:
        store.create(id="b")
        with store.engine.begin() as connection:
            store.create(id="first", connection=connection)
            with pytest.raises(RunExistsError, match="'b'"):
                store.create_many([{"id": "a"}, {"id": "b"}, {"id": "c"}], connection=connection)
        assert ["b", "first"] == sorted(run.id for run in store.list().items)
        store.sweep()
        assert 2 == store.counts()["queued"]


def test_a_session_that_would_cut_off_what_is_too_long_is_refused(mariadb_database):
    """
    Before any table is made.
    """
    engine = sa.create_engine(
        mariadb_database, connect_args={"init_command": "SET SESSION sql_mode = ''"}
    )
    with pytest.raises(ValueError, match="a store needs a strict sql_mode"):
        RunStore(engine)
    assert [] == sa.inspect(engine).get_table_names()
    engine.dispose()


def test_tables_whose_making_was_broken_off_are_made_whole(mariadb_database):
    """
    MariaDB commits each of them: what is missing is made at the next opening.
    """
    with RunStore.open(mariadb_database) as store, store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE runstate_counts")
        connection.exec_driver_sql("DROP TRIGGER runstate_journal_deleted")
        connection.exec_driver_sql("DELETE FROM runstate_meta")
    with RunStore.open(mariadb_database) as store:
        run = store.create()
        with store.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM runstate_runs")
            connection.exec_driver_sql("DELETE FROM runstate_journal")
        assert 0 == store.counts()["queued"]
        with pytest.raises(RunNotFoundError):
            store.get(run.id)
