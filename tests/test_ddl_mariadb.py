"""
MariaDB refuses what the other databases refuse: its triggers on a real server, whoever writes.

The SQL is such that MySQL 8 should understand it too, on which nothing here was tried.
"""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import pairwise, product

import pymysql
import pytest
import sqlalchemy as sa

from mariadb_server import fresh_schema
from runstate import RUN, Entry, Lifecycle, Transition
from runstate.ddl import TableGuard, guard_sql
from runstate.presets import PRESETS
from runstate.store import Fire, RunStore
from test_ddl import HOSTILE, STAMPS, chain, may_become
from test_reopening import job

PARTS = {f"runs$status${what}" for what in ("key", "replace", "insert", "update")}
TABLE = (
    "CREATE TABLE runs (id VARCHAR(40) PRIMARY KEY, status VARCHAR(120), attempt INTEGER DEFAULT 1,"
    " note INTEGER, other INTEGER UNIQUE, completed_at BIGINT) CHARACTER SET utf8mb4"
)
WRITES = (
    "UPDATE runs SET status = %s WHERE id = 'r'",
    "REPLACE INTO runs (id, status) VALUES ('r', %s)",
    "INSERT INTO runs (id, status) VALUES ('r', %s) ON DUPLICATE KEY UPDATE status = VALUES(status)",
)
LONG = os.environ.get("RUNSTATE_LONG") == "1"
"""Whether every preset is tried with all of them."""


class Maria:
    """
    A database of the server, in which each statement is a transaction of its own.
    """

    refused = 4025

    def __init__(self, url, **options):
        self.url = sa.make_url(url)
        self.connection = pymysql.connect(
            host=self.url.host, port=self.url.port, user=self.url.username,
            database=self.url.database, autocommit=True, **options,
        )  # fmt: skip

    def do(self, statement, *values):
        """
        Execute one statement, and return its rows.
        """
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def guard(self, lifecycle=RUN, **options):
        """
        Have the database hold *lifecycle*.
        """
        guard = TableGuard(lifecycle, "mariadb", **options)
        for statement in guard.statements:
            self.do(statement)

        return guard

    def rows(self):
        """
        Return each run with its status.
        """
        return self.do("SELECT id, CONVERT(status USING utf8mb4) FROM runs ORDER BY id")

    def refuses(self, statement, *values):
        """
        Return the words in which a statement is refused, that must leave no trace.
        """
        before = self.do("SELECT * FROM runs ORDER BY id")
        with pytest.raises(pymysql.OperationalError) as caught:
            self.do(statement, *values)
        assert self.refused == caught.value.args[0], caught.value
        assert before == self.do("SELECT * FROM runs ORDER BY id")

        return caught.value.args[1]


@pytest.fixture(scope="module")
def schema(mariadb_url):
    """
    The URL of one database for all tests.
    """
    with fresh_schema(mariadb_url) as url:
        yield url


@pytest.fixture
def maria(schema):
    """
    That database without a table.
    """
    database = Maria(schema)
    try:
        yield database
    finally:
        for (name,) in database.do("SHOW TABLES"):
            database.do(f"DROP TABLE `{name}`")
        database.connection.close()


@pytest.fixture
def runs(maria):
    """
    The same with a table of runs that nothing guards yet.
    """
    maria.do(TABLE)

    return maria


@pytest.fixture
def guarded(runs):
    """
    The same, guarded, with one run that has ended and one that has not.
    """
    runs.guard()
    runs.do("INSERT INTO runs (id, status) VALUES ('done', 'completed'), ('new', 'queued')")

    return runs


def agreed(database, lifecycle, write):
    """
    Return the pairs of statuses between which *write* moves a run, which are otherwise refused.
    """
    moved, statuses = set(), [*map(str, lifecycle.statuses)]
    for source in statuses:
        put = ("REPLACE INTO runs (id, status) VALUES ('r', %s)", source)
        database.do("DELETE FROM runs")
        database.do(*put)
        for target in statuses:
            try:
                database.do(write, target)
            except pymysql.OperationalError as error:
                assert Maria.refused == error.args[0]
                assert [("r", source)] == database.rows()
            else:
                assert [("r", target)] == database.rows()
                moved.add((source, target))
                database.do("DELETE FROM runs")
                database.do(*put)

    return moved


@pytest.mark.parametrize("lifecycle", PRESETS.values(), ids=lambda preset: preset.name)
def test_a_status_changes_exactly_along_the_rows(runs, lifecycle):
    """
    For all pairs of statuses, by update, by REPLACE and by upsert; staying is no move.
    """
    runs.guard(lifecycle, **({"attempt": "attempt"} if lifecycle.reopenings else {}))
    for write in WRITES if LONG else WRITES[:2]:
        assert lifecycle.seen_next == agreed(runs, lifecycle, write), write


ATTACKS = (
    "UPDATE runs SET status = 'queued'",
    "UPDATE runs SET status = NULL",
    "UPDATE runs SET status = 'COMPLETED' WHERE id = 'done'",
    "UPDATE runs SET status = 'completed ' WHERE id = 'done'",
    "UPDATE runs SET status = 'nonsense'",
    "UPDATE runs SET id = 'old' WHERE id = 'done'",
    "UPDATE runs SET id = 'DONE' WHERE id = 'done'",
    "INSERT INTO runs (id, status) VALUES ('x', 'nonsense')",
    "INSERT INTO runs (id, status) VALUES ('x', NULL)",
    "INSERT INTO runs (id) VALUES ('x')",
    "REPLACE INTO runs (id, status) VALUES ('done', 'queued')",
    "REPLACE INTO runs (id, status) VALUES ('a', 'queued'), ('done', 'queued'), ('b', 'queued')",
    "REPLACE INTO runs (id, status) SELECT id, 'queued' FROM runs",
    "REPLACE INTO runs (id, status, other) VALUES ('done', 'queued', 5)",
)
LEGAL = (
    "UPDATE runs SET status = 'in_progress' WHERE id = 'new'",
    "UPDATE runs SET note = 1",
    "UPDATE runs SET status = status",
    "INSERT INTO runs (id, status) VALUES ('x', 'failed')",
    "REPLACE INTO runs (id, status) VALUES ('new', 'in_progress')",
    "REPLACE INTO runs (id, status, note) VALUES ('done', 'completed', 3)",
    "REPLACE INTO runs (id, status, other) VALUES ('z', 'queued', 5)",
    "DELETE FROM runs WHERE id = 'done'",
    "DELETE FROM runs",
)


@pytest.mark.parametrize("statement", [*ATTACKS, *LEGAL])
def test_the_same_statements_are_refused_as_in_sqlite(guarded, statement):
    """
    In the same words, and the same rows are left.
    """
    lite = sqlite3.connect(":memory:", isolation_level=None)
    lite.execute(
        "CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT, note INTEGER, other INTEGER UNIQUE)"
    )
    lite.executescript(guard_sql(RUN, "sqlite"))
    lite.execute("INSERT INTO runs (id, status) VALUES ('done', 'completed'), ('new', 'queued')")
    for database in (lite.execute, guarded.do):
        database("UPDATE runs SET other = 5 WHERE id = 'new'")
    try:
        lite.execute(statement)
    except sqlite3.IntegrityError as error:
        assert statement in ATTACKS
        words = guarded.refuses(statement).removesuffix("...")
        assert words == str(error)[: len(words)]
    else:
        assert statement in LEGAL
        guarded.do(statement)
    left = "SELECT id, status, note, other FROM runs ORDER BY id"
    assert lite.execute(left).fetchall() == guarded.do(left)
    lite.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE IGNORE runs SET status = 'queued'",
        "INSERT IGNORE INTO runs (id, status) VALUES ('x', 'nonsense')",
        "UPDATE runs AS a JOIN runs AS b ON a.id = b.id SET a.status = 'queued'",
        "UPDATE runs SET status = 'in_progress', id = 'x' WHERE id = 'new'",
        "UPDATE runs SET status = 'queued' ORDER BY id DESC LIMIT 2",
        "INSERT INTO runs (id, status) VALUES ('a', 'queued'), ('done', 'queued')"
        " ON DUPLICATE KEY UPDATE status = VALUES(status)",
        "INSERT INTO runs (id, status) SELECT id, 'queued' FROM runs AS r"
        " ON DUPLICATE KEY UPDATE status = 'queued'",
    ],
)
def test_no_word_of_mariadb_leaves_a_terminal_status(guarded, statement):
    """
    IGNORE, joined updates, upserts of many rows: all of a statement is undone.
    """
    assert guarded.refuses(statement).startswith("run ")


def test_a_file_that_is_loaded_replaces_nothing_it_may_not(guarded, tmp_path, schema):
    """
    LOAD DATA ... REPLACE of an ended run.
    """
    guarded.connection.close()
    guarded.connection = Maria(schema, local_infile=True).connection
    guarded.do("SET GLOBAL local_infile = 1")
    (tmp_path / "rows").write_text("done\tqueued\n")
    load = f"LOAD DATA LOCAL INFILE '{tmp_path}/rows' REPLACE INTO TABLE runs (id, status)"

    assert "run is completed" in guarded.refuses(load)


def test_what_an_ignored_insert_left_behind_refuses_no_deletion(guarded):
    """
    Nor does one that failed, or that became an update; a run that is inserted again is a new one.
    """
    insert = "INTO runs (id, status) VALUES ('done', 'queued')"
    guarded.do(f"INSERT IGNORE {insert}")
    guarded.do(f"INSERT {insert} ON DUPLICATE KEY UPDATE note = 7")
    with pytest.raises(pymysql.IntegrityError):
        guarded.do(f"INSERT {insert}")
    assert [("done", "completed"), ("new", "queued")] == guarded.rows()
    guarded.do("DELETE FROM runs WHERE id = 'done'")
    guarded.do(f"INSERT {insert}")

    assert [("done", "queued"), ("new", "queued")] == guarded.rows()


def test_a_later_trigger_gets_nothing_past(guarded):
    """
    One that changes the row once it was judged: it is judged as it is written.
    """
    guarded.do("CREATE TRIGGER later BEFORE UPDATE ON runs FOR EACH ROW SET NEW.status = 'queued'")

    guarded.refuses("UPDATE runs SET note = 1")
    guarded.do("DROP TRIGGER later")


@pytest.mark.parametrize(
    "declared",
    [
        "VARCHAR(120) CHARACTER SET latin1 COLLATE latin1_swedish_ci",
        "VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        "CHAR(30)",
        "TEXT",
        "VARBINARY(120)",
        "ENUM('queued', 'in_progress', 'requires_action', 'cancelling', 'cancelled', 'failed',"
        " 'completed', 'incomplete', 'expired', 'nonsense')",
    ],
)
def test_a_status_of_any_type_is_compared_by_its_characters(runs, declared):
    """
    Whatever the column's character set and collation, and for an enum.
    """
    runs.do(f"ALTER TABLE runs MODIFY status {declared}")
    runs.guard()
    for write in WRITES:
        assert RUN.seen_next == agreed(runs, RUN, write)
    runs.refuses("UPDATE runs SET status = 'nonsense'")


@pytest.mark.parametrize("mode", ["", "ANSI,NO_BACKSLASH_ESCAPES", "TRADITIONAL"])
@pytest.mark.parametrize("charset", ["utf8mb4", "latin1"])
def test_hostile_statuses_are_text_and_nothing_else(schema, runs, mode, charset):
    """
    Whatever the connection's character set and SQL mode were, then and now.
    """
    lifecycle = chain(HOSTILE)
    maker = Maria(schema, charset=charset, sql_mode=mode)
    with closing(maker.connection):
        guard = maker.guard(lifecycle)
    runs.do("DELETE FROM runs")
    for status in HOSTILE:
        runs.do(
            "INSERT INTO runs (id, status) VALUES (%s, %s)", f"r{HOSTILE.index(status)}", status
        )
    for (at, status), (to, target) in product(enumerate(HOSTILE), repeat=2):
        write = ("UPDATE runs SET status = %s WHERE id = %s", target, f"r{at}")
        if status == target:
            runs.do(*write)
        elif to != at + 1:
            runs.refuses(*write)

    assert {"in place"} == {part.state for part in guard.check(runs.connection)}


def test_every_text_is_safe_for_a_driver_and_for_sqlalchemy():
    """
    No percent sign, no colon before a word, nothing beyond ASCII.
    """
    for statement in TableGuard(chain(HOSTILE), "mariadb").statements:
        assert statement.isascii()
        assert not re.search(r"%|:\w|\\", statement)


def test_stamps_are_held_to_the_status(runs):
    """
    A status has the fields that it needs, and none that it excludes.
    """
    runs.guard(fields=["completed_at"])
    runs.do("INSERT INTO runs (id, status) VALUES ('r', 'in_progress')")

    assert "needs completed_at" in runs.refuses("UPDATE runs SET status = 'completed'")
    assert "excludes completed_at" in runs.refuses("UPDATE runs SET completed_at = 5")
    runs.do("UPDATE runs SET status = 'completed', completed_at = 5")
    assert "needs completed_at" in runs.refuses("UPDATE runs SET completed_at = NULL")


@pytest.mark.parametrize("fenced", [True, False])
def test_a_reopening_is_let_through_with_a_new_attempt(maria, fenced):
    """
    All pairs of statuses, with the attempt kept, raised, lowered and lost; unfenced, any of them.
    """
    lifecycle = job()
    maria.do("CREATE TABLE runs (id INTEGER PRIMARY KEY, status VARCHAR(30), tries INTEGER)")
    maria.guard(lifecycle, **({"attempt": "tries"} if fenced else {"unfenced_reopen": True}))
    cases = list(product(lifecycle.statuses, lifecycle.statuses, (None, 1, 2), (None, 1, 2, 3)))
    for key, (source, target, before, after) in enumerate(cases):
        maria.do("INSERT INTO runs VALUES (%s, %s, %s)", key, source, before)
        update = ("UPDATE runs SET status = %s, tries = %s WHERE id = %s", target, after, key)
        if may_become(lifecycle, source, target, before, after, fenced=fenced):
            maria.do(*update)
        else:
            maria.refuses(*update)


def test_a_replace_cannot_reopen(maria):
    """
    It does not say which attempt it was, so that it is refused like any other way out of an end.
    """
    maria.do("CREATE TABLE runs (id INTEGER PRIMARY KEY, status VARCHAR(30), tries INTEGER)")
    maria.guard(job(), attempt="tries")
    maria.do("INSERT INTO runs VALUES (1, 'failed', 1)")

    maria.refuses("REPLACE INTO runs VALUES (1, 'queued', 2)")
    words = maria.refuses("UPDATE runs SET status = 'queued'")
    assert words.endswith("(allowed: queued, running in a new attempt)")


@pytest.mark.parametrize("status", ["nonsense", None, "completed"])
def test_rows_that_are_wrong_already_are_named(runs, status):
    """
    The last statement fails; once the row is mended, all can be executed again.
    """
    runs.do("INSERT INTO runs (id, status) VALUES ('r', %s)", status)
    with pytest.raises(pymysql.OperationalError, match="run "):
        runs.guard(fields=["completed_at"])
    runs.do("UPDATE runs SET status = 'completed', completed_at = 5")
    runs.guard(fields=["completed_at"])


def test_a_migration_of_another_column_leaves_the_guard(guarded):
    """
    MariaDB keeps triggers when it rebuilds a table; a new lifecycle is noticed.
    """
    for change in ("ADD COLUMN more INTEGER", "MODIFY note BIGINT", "DROP COLUMN other", "FORCE"):
        guarded.do(f"ALTER TABLE runs {change}")
    check = TableGuard(RUN, "mariadb").check(guarded.connection)
    assert {("trigger", name, "in place") for name in PARTS} == {*map(tuple, check)}
    guarded.refuses("UPDATE runs SET status = 'queued'")
    narrow = Lifecycle("narrow", [Transition("go", "queued", "completed")], "queued",
                       {"completed": "success"})  # fmt: skip
    states = {
        part.name: part.state for part in TableGuard(narrow, "mariadb").check(guarded.connection)
    }

    assert "different" == states["runs$status$update"] == states["runs$status$insert"]


def checked(url, *options):
    """
    Return exit status, standard output and standard error of ``runstate sql --check``.
    """
    done = subprocess.run(
        [sys.executable, "-m", "runstate", "sql", "--check", url, *options],
        capture_output=True, check=False, text=True, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr

    return done.returncode, done.stdout, done.stderr


def test_the_command_prints_what_the_client_executes_and_checks_it(schema, runs):
    """
    The script goes through the server's own client, twice; the check says what is missing.
    """
    runs.do("INSERT INTO runs (id, status) VALUES ('r', 'completed')")
    status, out, _ = checked(schema)
    assert (1, 4) == (status, out.count("missing     trigger"))
    script = subprocess.run(
        [sys.executable, "-m", "runstate", "sql", "--dialect", "mariadb"],
        capture_output=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    client = [
        shutil.which("mariadb"), "--no-defaults", "--host=127.0.0.1", f"--port={runs.url.port}",
        "--user=root", runs.url.database,
    ]  # fmt: skip
    for _ in range(2):
        subprocess.run(client, input=script, check=True, timeout=120)
    assert 0 == checked(schema)[0]
    runs.refuses("UPDATE runs SET status = 'queued'")
    runs.do("DROP TRIGGER `runs$status$update`")
    status, out, _ = checked(schema)
    assert (1, ["missing     trigger     runs$status$update"]) == (
        status, [line for line in out.splitlines() if line.startswith("missing")]
    )  # fmt: skip
    status, _, err = checked(schema, "--table", "nothing")
    assert (2, 1) == (status, len(err.splitlines()))
    assert "nothing" in err


def test_hostile_statuses_go_through_the_client(schema, runs):
    """
    Its own delimiter among them.
    """
    lifecycle = chain([*HOSTILE, "DELIMITER ;"])
    client = [
        shutil.which("mariadb"), "--no-defaults", "--host=127.0.0.1", f"--port={runs.url.port}",
        "--user=root", runs.url.database,
    ]  # fmt: skip
    script = guard_sql(lifecycle, "mariadb").encode()
    subprocess.run(client, input=script, check=True, timeout=120)

    check = TableGuard(lifecycle, "mariadb").check(runs.connection)
    assert {"in place"} == {part.state for part in check}


def test_the_stores_own_table_can_be_guarded(mariadb_database):
    """
    Nothing that the store does is refused, and nothing illegal gets past it.
    """
    with RunStore.open(mariadb_database) as store:
        guard = TableGuard(RUN, "mariadb", table="runstate_runs", fields=STAMPS)
        with store.engine.begin() as connection:
            for statement in guard.statements:
                connection.exec_driver_sql(statement)
        ids = [store.create().id for _ in range(4)]
        lease = store.claim("w")
        assert store.complete(lease.run.id, token=lease.token).ok
        assert store.request_cancel(ids[1]).ok
        assert 1 == len(store.sweep())
        assert all(v.ok for v in store.fire_many([Fire(i, "start") for i in ids[2:]]))
        with (
            pytest.raises(sa.exc.OperationalError, match="4025"),
            store.engine.begin() as connection,
        ):
            connection.execute(
                sa.text("UPDATE runstate_runs SET status = 'queued', completed_at = NULL")
            )


def test_a_lifecycle_of_many_long_statuses_is_held(runs):
    """
    Its messages are cut to what the database takes.
    """
    names = [f"{number:02}-" + "x" * 90 for number in range(30)]
    lifecycle = Lifecycle(
        "long", [Transition(f"t{n}", a, b) for n, (a, b) in enumerate(pairwise(names))],
        names[0], {names[-1]: "success"}, entries=[Entry(names[-1], stamps=("completed_at",))],
    )  # fmt: skip
    runs.guard(lifecycle, fields=["completed_at"])
    runs.do("INSERT INTO runs (id, status) VALUES ('r', %s)", names[0])

    assert runs.refuses("UPDATE runs SET status = %s", names[2]).endswith("...")
