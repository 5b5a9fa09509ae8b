"""
The database refuses, whoever asks: the generated SQL on real databases.
"""

import sqlite3
import subprocess
import sys
from contextlib import closing

import psycopg
import pytest
import sqlalchemy as sa

from runstate import RUN, Entry, Lifecycle, Transition
from runstate.ddl import DIALECTS, guard_sql
from runstate.presets import PRESETS
from runstate.store import Fire, RunExistsError, RunStore

STAMPS = ("started_at", "completed_at", "failed_at", "cancelled_at", "expires_at", "created_at")
HOSTILE = [
    "it's", 'a"b', "back\\slash", "\\'; DROP TABLE runs; --", "$$", "$runstate$", "$runstate1$",
    "\U0001f600", "x" * 100, "%s %(a)s {0} :a ?", "NULL",
]  # fmt: skip


class Database:
    """
    A bare connection, on which each statement is a transaction of its own.
    """

    refused = (sqlite3.IntegrityError, psycopg.errors.CheckViolation)

    def __init__(self, connection, mark):
        self._connection, self._mark = connection, mark

    def script(self, statements):
        """
        Execute many statements as they are printed.
        """
        getattr(self._connection, "executescript", self._connection.execute)(statements)

    def do(self, statement, *values):
        """
        Execute one statement with its values.
        """
        return self._connection.execute(statement.replace("?", self._mark), values)

    def value(self, statement, *values):
        """
        Return the one value that a statement selects.
        """
        return self.do(statement, *values).fetchone()[0]


@pytest.fixture(params=DIALECTS)
def database(request, tmp_path):
    """
    A fresh database with a table of runs that nothing guards yet.
    """
    if request.param == "sqlite":
        connection = sqlite3.connect(tmp_path / "own.db", isolation_level=None)
        opened = Database(connection, "?")
    else:
        url = request.getfixturevalue("postgresql_database").replace("+psycopg", "")
        connection = psycopg.connect(url, autocommit=True)
        opened = Database(connection, "%s")
    with closing(connection):
        opened.dialect = request.param
        columns = ", ".join(f"{name} BIGINT" for name in STAMPS)
        opened.do(f"CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT, {columns})")
        yield opened


def a_run(database, status, run_id="r"):
    """
    Put a run into *status* without asking anybody.
    """
    database.do("DELETE FROM runs WHERE id = ?", run_id)
    database.do("INSERT INTO runs (id, status) VALUES (?, ?)", run_id, status)


@pytest.mark.parametrize("name", PRESETS)
def test_an_update_is_refused_exactly_where_the_table_has_no_row(database, name):
    """
    For all pairs of statuses; staying is no move.
    """
    lifecycle = PRESETS[name]
    database.script(guard_sql(lifecycle, database.dialect) * 2)
    for source in lifecycle.statuses:
        for target in lifecycle.statuses:
            a_run(database, source)
            legal = source == target or bool(lifecycle.rows(source, target))
            try:
                database.do("UPDATE runs SET status = ? WHERE id = 'r'", str(target))
                moved = True
            except Database.refused:
                moved = False
            assert (legal, str(target if legal else source)) == (
                moved, database.value("SELECT status FROM runs"),
            )  # fmt: skip


def test_no_trick_leaves_a_terminal_status(database):
    """
    Upserts, replacements, another key, many rows at once, a null, an unknown status, another case.
    """
    database.script(guard_sql(RUN, database.dialect))
    a_run(database, "completed", "done")
    a_run(database, "queued", "new")
    tricks = [
        "UPDATE runs SET status = 'queued'",
        "UPDATE runs SET status = NULL",
        "UPDATE runs SET status = 'COMPLETED'",
        "UPDATE runs SET status = 'nonsense'",
        "UPDATE runs SET status = 'completed '",
        "INSERT INTO runs (id, status) VALUES ('x', 'nonsense')",
        "INSERT INTO runs (id, status) VALUES ('x', NULL)",
        "INSERT INTO runs (id, status) VALUES ('done', 'queued')"
        " ON CONFLICT (id) DO UPDATE SET status = excluded.status",
        "UPDATE runs SET status = 'in_progress' WHERE id IN ('new', 'done')",
    ]
    if database.dialect == "sqlite":
        tricks += [
            "INSERT OR REPLACE INTO runs (id, status) VALUES ('done', 'queued')",
            "REPLACE INTO runs (id, status) VALUES ('done', 'in_progress')",
            "UPDATE OR REPLACE runs SET id = 'done' WHERE id = 'new'",
            "UPDATE OR IGNORE runs SET status = 'queued' WHERE id = 'done'",
            "INSERT INTO runs (id, status) VALUES ('done', 'queued') ON CONFLICT DO NOTHING",
        ]
    for trick in tricks:
        with pytest.raises(Database.refused):
            database.do(trick)
        assert [("done", "completed"), ("new", "queued")] == [
            tuple(row) for row in database.do("SELECT id, status FROM runs ORDER BY id").fetchall()
        ]


def test_what_is_legal_still_works(database):
    """
    Upserts of live runs, conflicts that do nothing, the usual error for a taken key.
    """
    database.script(guard_sql(RUN, database.dialect))
    a_run(database, "queued")
    database.do("INSERT INTO runs (id, status) VALUES ('r', 'queued') ON CONFLICT DO NOTHING")
    database.do(
        "INSERT INTO runs (id, status) VALUES ('r', 'in_progress')"
        " ON CONFLICT (id) DO UPDATE SET status = excluded.status"
    )
    with pytest.raises(
        (sqlite3.IntegrityError, psycopg.errors.UniqueViolation), match=r"(?i)unique"
    ):
        database.do("INSERT INTO runs (id, status) VALUES ('r', 'queued')")
    database.do("UPDATE runs SET id = 's' WHERE id = 'r'")
    database.do("UPDATE runs SET status = 'completed' WHERE id = 's'")

    assert "completed" == database.value("SELECT status FROM runs WHERE id = 's'")


def test_the_refusal_reads_like_the_engines(postgresql_database):
    """
    PostgreSQL tells which run, from where and to where, as a violated check.
    """
    with psycopg.connect(postgresql_database.replace("+psycopg", ""), autocommit=True) as bare:
        bare.execute("CREATE TABLE runs (id INT PRIMARY KEY, status VARCHAR)")
        bare.execute(guard_sql(RUN, "postgresql"))
        bare.execute("INSERT INTO runs VALUES (1, 'completed')")
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            bare.execute("UPDATE runs SET status = 'in_progress'")

    assert "run '1' is completed: cannot become in_progress" == refused.value.diag.message_primary


def test_a_row_that_changes_its_partition_is_looked_at(postgresql_database):
    """
    Such an update has no after, and is refused all the same; a later trigger cannot undo it.
    """
    with psycopg.connect(postgresql_database.replace("+psycopg", ""), autocommit=True) as bare:
        bare.execute("CREATE SCHEMA own")
        bare.execute(
            "CREATE TABLE own.runs (id INT, status TEXT) PARTITION BY LIST (status);"
            "CREATE TABLE own.live PARTITION OF own.runs FOR VALUES IN ('queued', 'in_progress');"
            "CREATE TABLE own.rest PARTITION OF own.runs DEFAULT"
        )
        bare.execute(guard_sql(RUN, "postgresql", table="own.runs"))
        bare.execute("INSERT INTO own.runs VALUES (1, 'completed')")
        with pytest.raises(psycopg.errors.CheckViolation):
            bare.execute("UPDATE own.runs SET status = 'queued'")
        bare.execute(
            "CREATE TABLE runs (id INT, status TEXT); INSERT INTO runs VALUES (1, 'completed');"
            "CREATE FUNCTION sneak() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.status = 'queued'; RETURN NEW; END $$;"
            "CREATE TRIGGER zz BEFORE UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION sneak()"
        )
        bare.execute(guard_sql(RUN, "postgresql"))
        with pytest.raises(psycopg.errors.CheckViolation):
            bare.execute("UPDATE runs SET id = 2")


def test_stamps_are_held_to_the_status(database):
    """
    What a status requires must be there, and what it excludes must not.
    """
    fields = ("completed_at", "failed_at", "cancelled_at")
    database.script(guard_sql(RUN, database.dialect, fields=fields))
    a_run(database, "in_progress")
    for change in (
        "status = 'completed'",
        "status = 'completed', completed_at = 1, failed_at = 2",
        "completed_at = 1",
        "status = 'failed', completed_at = 1",
    ):
        with pytest.raises(Database.refused):
            database.do(f"UPDATE runs SET {change}")  # noqa: S608
    database.do("UPDATE runs SET status = 'completed', completed_at = 1")
    with pytest.raises(Database.refused):
        database.do("UPDATE runs SET completed_at = NULL")

    assert 1 == database.value("SELECT completed_at FROM runs")


def test_hostile_statuses_are_text_and_nothing_else(database):
    """
    Quotes, backslashes, dollars, line breaks: each is a status like any other.
    """
    rows = [Transition("go", "start", status) for status in HOSTILE]
    lifecycle = Lifecycle("hostile '--", _named(rows), "start", dict.fromkeys(HOSTILE, "failure"))
    database.script(guard_sql(lifecycle, database.dialect))
    for status in HOSTILE:
        a_run(database, "start")
        database.do("UPDATE runs SET status = ?", status)
        with pytest.raises(Database.refused):
            database.do("UPDATE runs SET status = 'start'")
        assert status == database.value("SELECT status FROM runs")


def _named(rows):
    return [Transition(f"go_{number}", row.source, row.target) for number, row in enumerate(rows)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_no_name_is_refused(dialect):
    """
    Names come from a command line; none reaches the SQL that is not plainly one.
    """
    for bad in ('a"b', "a b", "", "A", "1a", "a;--", "x" * 64, "a.b.c", "é", "a\n"):
        for option in ("table", "column", "key"):
            with pytest.raises(ValueError, match="a name is lower-case letters"):
                guard_sql(RUN, dialect, **{option: bad})
    for field in ("nothing", 'a"b'):
        with pytest.raises(ValueError, match="no field"):
            guard_sql(RUN, dialect, fields=[field])
    with pytest.raises(ValueError, match="no dialect 'oracle'"):
        guard_sql(RUN, "oracle")
    with pytest.raises(ValueError, match="without a schema"):
        guard_sql(RUN, "sqlite", table="main.runs")


def test_long_names_are_cut_and_stay_apart():
    """
    Two long tables do not share a function.
    """
    one = guard_sql(RUN, "postgresql", table="t" * 62 + "a")
    other = guard_sql(RUN, "postgresql", table="t" * 62 + "b")
    names = [line.split('"')[1] for line in one.splitlines() if line.startswith("CREATE OR")]

    assert all(len(name) <= 63 for name in names)
    assert names != [
        line.split('"')[1] for line in other.splitlines() if line.startswith("CREATE OR")
    ]


def test_a_field_both_required_and_excluded_is_one_check():
    """
    Also for a lifecycle of one's own, with its own stamps.
    """
    lifecycle = Lifecycle(
        "job", [Transition("end", "on", "off")], "on", {"off": "success"},
        entries=[Entry("off", stamps=("ended_at",))],
    )  # fmt: skip
    printed = guard_sql(lifecycle, "postgresql", table="jobs", column="state", fields=["ended_at"])

    assert 1 == printed.count('ADD CONSTRAINT "jobs_state_ended_at_fits"')
    assert '"ended_at" IS NOT NULL' in printed


def test_the_command_prints_what_can_be_executed(database):
    """
    As it stands, through a driver; bad names are one line and exit status 2.
    """
    typed = ["sql", "--dialect", database.dialect, "--stamps", "completed_at,failed_at"]
    done = subprocess.run(
        [sys.executable, "-m", "runstate", *typed], capture_output=True, text=True, check=True
    )
    database.script(done.stdout)
    a_run(database, "queued")
    with pytest.raises(Database.refused):
        database.do("UPDATE runs SET status = 'completed'")


def test_the_stores_own_table_can_be_guarded(database_url):
    """
    Nothing that the store does is refused, and nothing illegal gets past it.
    """
    dialect = sa.make_url(database_url).get_backend_name()
    with RunStore.open(database_url) as store:
        script = guard_sql(RUN, dialect, table="runstate_runs", fields=STAMPS)
        with store.engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            getattr(raw, "executescript", raw.execute)(script)
            raw.commit()
        ids = [store.create().id for _ in range(4)]
        lease = store.claim("w")
        assert store.complete(lease.run.id, token=lease.token).ok
        assert store.request_cancel(ids[1]).ok
        assert 1 == len(store.sweep())
        assert all(v.ok for v in store.fire_many([Fire(i, "start") for i in ids[2:]]))
        for run_id in (ids[0], ids[2]):
            with pytest.raises(RunExistsError):
                store.create(id=run_id)
        with pytest.raises(sa.exc.IntegrityError), store.engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE runstate_runs SET status = 'queued', completed_at = NULL")
            )
