"""
The database refuses, whoever asks: the generated SQL on real databases.

What is out of scope is what no guard of a status can see as a move: a run that is
deleted and inserted anew, a ``TRUNCATE``, and whoever may change the schema.
"""

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import product
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from databases import BACKENDS, fresh_database
from runstate import RUN, Entry, Lifecycle, LifecycleError, Transition
from runstate.ddl import DIALECTS, guard_sql
from runstate.presets import PRESETS
from runstate.store import Fire, RunExistsError, RunStore
from test_reopening import job

GOLDEN = Path(__file__).parent / "data" / "ddl"
STAMPS = ("started_at", "completed_at", "failed_at", "cancelled_at", "expires_at", "created_at")
HOSTILE = [
    "it's", 'a"b', "back\\slash", "ends in \\", "\\'; DROP TABLE runs; --", "$$", "$BODY$",
    "/* */ -- ;", "\U0001f600 é", "x" * 100, "%s %(a)s %% {0} :a ?", "NULL", "A", "a", "a ", "E'",
]  # fmt: skip


class Database:
    """
    A bare connection, on which each statement is a transaction of its own.
    """

    refused = (sqlite3.IntegrityError, psycopg.errors.CheckViolation)
    wrong = (sqlite3.Error, psycopg.Error)

    def __init__(self, connection, dialect):
        self._connection, self.dialect = connection, dialect

    def script(self, statements):
        """
        Execute many statements as they are printed.
        """
        try:
            getattr(self._connection, "executescript", self._connection.execute)(statements)
        finally:
            self._connection.rollback()

    def do(self, statement, *values):
        """
        Execute one statement with its values.
        """
        if self.dialect == "postgresql" and values:
            statement = statement.replace("?", "%s")
        return self._connection.execute(statement, *([values] if values else []))

    def rows(self, statement="SELECT id, status FROM runs ORDER BY id"):
        """
        Return what a statement selects.
        """
        return [tuple(row) for row in self.do(statement).fetchall()]

    def guard(self, lifecycle=RUN, **options):
        """
        Have the database hold *lifecycle*.
        """
        self.script(guard_sql(lifecycle, self.dialect, **options))

    def refuses(self, statement, *values):
        """
        Return the words in which a statement is refused, that must leave no trace.
        """
        before = self.rows()
        with pytest.raises(Database.refused) as caught:
            self.do(statement, *values)
        assert before == self.rows()

        return str(caught.value).splitlines()[0]


@pytest.fixture(params=BACKENDS)
def bare(request):
    """
    A fresh database without a table.
    """
    if request.param == "sqlite":
        connection = sqlite3.connect(":memory:", isolation_level=None)
    else:
        url = request.getfixturevalue("postgresql_database").replace("+psycopg", "")
        connection = psycopg.connect(url, autocommit=True)
    with closing(connection):
        yield Database(connection, request.param)


@pytest.fixture
def database(bare):
    """
    A fresh database with a table of runs that nothing guards yet.
    """
    columns = ", ".join(f"{name} BIGINT" for name in STAMPS)
    bare.do(f"CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT, {columns})")

    return bare


@pytest.fixture(scope="module")
def one_postgresql(postgresql_url):
    """
    A connection to one PostgreSQL database, for tests that need many databases.
    """
    with (
        fresh_database(postgresql_url) as url,
        closing(psycopg.connect(url.replace("+psycopg", ""), autocommit=True)) as connection,
    ):
        yield connection


@pytest.fixture(params=BACKENDS)
def cheap(request):
    """
    A table of runs, in memory or in a schema of its own: what costs less than a database.
    """
    if request.param == "sqlite":
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.execute("CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT)")
            yield Database(connection, request.param)
        return
    connection = request.getfixturevalue("one_postgresql")
    connection.execute("CREATE SCHEMA apart")
    try:
        connection.execute("SET search_path TO apart")
        connection.execute("CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT)")
        yield Database(connection, request.param)
    finally:
        connection.execute("DROP SCHEMA apart CASCADE")


@pytest.fixture
def lite():
    """
    An SQLite database in memory without a table.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield Database(connection, "sqlite")


@pytest.fixture
def postgres(postgresql_database):
    """
    A fresh PostgreSQL database without a table.
    """
    url = postgresql_database.replace("+psycopg", "")
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        yield Database(connection, "postgresql")


def two_runs(database):
    """
    Put one run that has ended and one that has not into the table.
    """
    database.do("INSERT INTO runs (id, status) VALUES ('done', 'completed'), ('new', 'queued')")


def guard_along_the_rows(database, lifecycle):
    """
    Guard the table, with a column that counts the attempts where the lifecycle has rows that reopen.
    """
    database.do("ALTER TABLE runs ADD COLUMN attempt INTEGER DEFAULT 1")
    database.guard(lifecycle, **({"attempt": "attempt"} if lifecycle.reopenings else {}))


def agreed(database, lifecycle, write):
    """
    Return the pairs of statuses between which *write* moves a run, which are otherwise refused.
    """
    moved = set()
    for source, target in product(map(str, lifecycle.statuses), repeat=2):
        database.do("DELETE FROM runs")
        database.do("INSERT INTO runs (id, status) VALUES ('r', ?)", source)
        try:
            database.do(write, target)
        except Database.refused:
            assert [("r", source)] == database.rows()
        else:
            assert [("r", target)] == database.rows()
            moved.add((source, target))

    return moved


UPSERT = (
    "INSERT INTO runs (id, status) VALUES ('r', ?)"
    " ON CONFLICT (id) DO UPDATE SET status = excluded.status"
)


@pytest.mark.parametrize("write", ["UPDATE runs SET status = ? WHERE id = 'r'", UPSERT])
@pytest.mark.parametrize("lifecycle", PRESETS.values(), ids=lambda preset: preset.name)
def test_a_status_changes_exactly_along_the_rows(cheap, lifecycle, write):
    """
    For all pairs of statuses, by update and by upsert; staying is no move.
    """
    guard_along_the_rows(cheap, lifecycle)

    assert lifecycle.seen_next == agreed(cheap, lifecycle, write)
    pairs = len(lifecycle.statuses) ** 2
    print(f"R1 {lifecycle.name}: {pairs} pairs by the {cheap.dialect} trigger, all agree")


@pytest.mark.parametrize("verb", ["REPLACE", "INSERT OR REPLACE"])
@pytest.mark.parametrize("recursive", ["ON", "OFF"])
@pytest.mark.parametrize("lifecycle", PRESETS.values(), ids=lambda preset: preset.name)
def test_a_replaced_run_moves_exactly_along_the_rows(lite, lifecycle, recursive, verb):
    """
    For all pairs of statuses, a REPLACE of the same key is the update that it amounts to.
    """
    lite.do(f"PRAGMA recursive_triggers = {recursive}")
    lite.do("CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT)")
    guard_along_the_rows(lite, lifecycle)
    write = f"{verb} INTO runs (id, status) VALUES ('r', ?)"

    assert lifecycle.seen_next == agreed(lite, lifecycle, write)
    assert [] == lite.rows('SELECT * FROM "runs$status$taken"')


def test_no_trick_leaves_a_terminal_status(database):
    """
    Upserts, another key, many rows at once, a null, an unknown status, another case.
    """
    database.guard()
    two_runs(database)
    for trick in (
        "UPDATE runs SET status = 'queued'",
        "UPDATE runs SET status = NULL",
        "UPDATE runs SET status = 'COMPLETED'",
        "UPDATE runs SET status = 'nonsense'",
        "UPDATE runs SET status = 'completed '",
        "INSERT INTO runs (id, status) VALUES ('x', 'nonsense')",
        "INSERT INTO runs (id, status) VALUES ('x', NULL)",
        "INSERT INTO runs (id, status) VALUES ('done', 'queued')"
        " ON CONFLICT (id) DO UPDATE SET status = excluded.status",
        "INSERT INTO runs (id, status) VALUES ('a', 'queued'), ('done', 'queued'), ('b', 'queued')"
        " ON CONFLICT (id) DO UPDATE SET status = excluded.status",
        "UPDATE runs SET status = 'in_progress' WHERE id IN ('new', 'done')",
        "UPDATE runs SET id = 'moved' WHERE id = 'done'",
        "UPDATE runs SET id = 'moved', status = 'queued' WHERE id = 'done'",
        "UPDATE runs SET id = id || 'x'",
        "WITH q AS (SELECT 'done' AS id) UPDATE runs SET status = 'failed'"
        " WHERE id IN (SELECT id FROM q)",
    ):
        assert database.refuses(trick), trick


@pytest.mark.parametrize("policy", ["REPLACE", "IGNORE", "FAIL", "ABORT", "ROLLBACK"])
def test_no_conflict_clause_leaves_a_terminal_status(lite, policy):
    """
    Whatever SQLite is told to do about conflicts, a refusal stands and undoes the statement.
    """
    lite.do("CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT)")
    lite.guard()
    two_runs(lite)
    for trick in (
        "UPDATE OR {} runs SET status = 'in_progress'",
        "UPDATE OR {} runs SET id = 'done' WHERE id = 'new'",
        "UPDATE OR {} runs SET status = NULL WHERE id = 'done'",
        "INSERT OR {} INTO runs VALUES ('a', 'queued'), ('x', 'nonsense'), ('b', 'queued')",
    ):
        assert lite.refuses(trick.format(policy))


@pytest.mark.parametrize("declared", ["", "WITHOUT ROWID", "STRICT"])
def test_a_replacement_among_others_undoes_them_all(lite, declared):
    """
    Many rows at once, out of a query, and inside of a trigger of somebody else.
    """
    lite.do(f"CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT) {declared}")
    lite.guard()
    two_runs(lite)
    lite.do("CREATE TABLE inbox (id TEXT)")
    lite.do(
        "CREATE TRIGGER arrived AFTER INSERT ON inbox BEGIN"
        " REPLACE INTO runs (id, status) VALUES (NEW.id, 'queued'); END"
    )
    lite.do("INSERT INTO inbox VALUES ('third'), ('new')")
    for trick in (
        "REPLACE INTO runs (id, status) VALUES ('a', 'queued'), ('done', 'queued')",
        "REPLACE INTO runs (id, status) SELECT id, 'in_progress' FROM runs",
        "INSERT INTO inbox VALUES ('b'), ('done')",
    ):
        assert lite.refuses(trick)


@pytest.mark.parametrize("name", ["id", "rowid", "oid", "_rowid_"])
def test_no_other_name_of_the_key_gets_past(lite, name):
    """
    An integer key has four names in SQLite, and is guarded under each.
    """
    lite.do("CREATE TABLE runs (id INTEGER PRIMARY KEY, status TEXT)")
    lite.guard()
    lite.do("INSERT INTO runs VALUES (1, 'completed'), (2, 'queued')")
    lite.do("INSERT OR REPLACE INTO runs (status) VALUES ('queued')")
    for trick in (
        f"UPDATE OR REPLACE runs SET {name} = 1 WHERE id = 2",
        f"UPDATE runs SET {name} = 7 WHERE id = 1",
        f"REPLACE INTO runs ({name}, status) VALUES (1, 'queued')",
    ):
        assert lite.refuses(trick)


def test_what_is_legal_still_works(database):
    """
    Conflicts that do nothing or touch something else, also of ended runs; the usual error.
    """
    database.guard()
    two_runs(database)
    for legal in (
        "INSERT INTO runs (id, status) VALUES ('done', 'queued') ON CONFLICT DO NOTHING",
        "INSERT INTO runs (id, status) VALUES ('done', 'queued')"
        " ON CONFLICT (id) DO UPDATE SET expires_at = 1",
        "UPDATE runs SET status = status, id = id, started_at = 5",
        "UPDATE runs SET status = 'completed' WHERE id = 'done'",
        "DELETE FROM runs WHERE id = 'new'",
        "INSERT INTO runs (id, status) VALUES ('new', 'cancelling')",
    ):
        database.do(legal)
    with pytest.raises(
        (sqlite3.IntegrityError, psycopg.errors.UniqueViolation), match=r"(?i)unique"
    ):
        database.do("INSERT INTO runs (id, status) VALUES ('done', 'queued')")

    assert [("done", "completed", 1), ("new", "cancelling", None)] == database.rows(
        "SELECT id, status, expires_at FROM runs ORDER BY id"
    )


def test_what_is_legal_still_works_in_the_words_of_sqlite(lite):
    """
    OR IGNORE ignores, and a REPLACE along a row, or of what stays, replaces.
    """
    lite.do("CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT, note TEXT)")
    lite.guard()
    two_runs(lite)
    lite.do("INSERT OR IGNORE INTO runs VALUES ('done', 'queued', '')")
    lite.do("REPLACE INTO runs VALUES ('done', 'completed', 'again')")
    lite.do("REPLACE INTO runs VALUES ('new', 'in_progress', 'moved'), ('x', 'failed', 'fresh')")

    assert [
        ("done", "completed", "again"), ("new", "in_progress", "moved"), ("x", "failed", "fresh"),
    ] == lite.rows("SELECT * FROM runs ORDER BY id")  # fmt: skip


def test_a_refusal_tells_what_is_refused(database):
    """
    PostgreSQL names the run and the move; SQLite can only say what would have been allowed.
    """
    database.guard(fields=["completed_at"])
    database.do("INSERT INTO runs (id, status) VALUES ('a\x1b\u202e''b', 'queued')")
    said = [
        database.refuses("UPDATE runs SET status = 'completed', completed_at = 1"),
        database.refuses("UPDATE runs SET status = 'no\x1bne'"),
        database.refuses("UPDATE runs SET id = 'z'"),
        database.refuses("UPDATE runs SET completed_at = 1"),
    ]

    assert said == {
        "postgresql": [
            "run 'a??'b' is queued: cannot become completed",
            "run 'a??'b' is queued: cannot become no?ne",
            "run 'a??'b' is queued: cannot become run 'z'",
            'new row for relation "runs" violates check constraint "runs$status$fields"',
        ],
        "sqlite": [
            *["run is queued: cannot become that (allowed: in_progress, cancelling, failed, expired)"]
            * 2,
            "run keeps its id",
            "run is queued: that excludes completed_at",
        ],
    }[database.dialect]  # fmt: skip


def test_a_refusal_is_a_violated_check(postgres):
    """
    Drivers and mappers that look at the code, the table and the constraint find them.
    """
    postgres.do("CREATE TABLE runs (id INT PRIMARY KEY, status VARCHAR)")
    postgres.guard()
    postgres.do("INSERT INTO runs VALUES (1, 'completed')")
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        postgres.do("UPDATE runs SET status = 'in_progress'")
    diag = refused.value.diag

    assert (
        "23514", "run '1' is completed: cannot become in_progress",
        "public", "runs", "status", "runs$status$moves",
    ) == (
        diag.sqlstate, diag.message_primary,
        diag.schema_name, diag.table_name, diag.column_name, diag.constraint_name,
    )  # fmt: skip


def test_a_row_that_changes_its_partition_is_looked_at(postgres):
    """
    Such an update is a deletion and an insertion, and is refused all the same.
    """
    postgres.do("CREATE SCHEMA own")
    postgres.do(
        "CREATE TABLE own.runs (id INT, status TEXT) PARTITION BY LIST (status);"
        "CREATE TABLE own.live PARTITION OF own.runs FOR VALUES IN ('queued', 'in_progress');"
        "CREATE TABLE own.rest PARTITION OF own.runs DEFAULT"
    )
    postgres.guard(table="own.runs")
    postgres.do("INSERT INTO own.runs VALUES (1, 'completed'), (2, 'in_progress')")
    for table in ("own.runs", "own.rest"):
        with pytest.raises(psycopg.errors.CheckViolation):
            postgres.do(f"UPDATE {table} SET status = 'queued' WHERE id = 1")
    postgres.do("UPDATE own.runs SET status = 'completed' WHERE id = 2")

    assert {(1, "completed"), (2, "completed")} == set(postgres.rows("TABLE own.rest"))


def test_neither_a_later_trigger_nor_a_search_path_gets_past(postgres):
    """
    What another trigger makes of the row is looked at; nobody redefines what equals what.
    """
    postgres.do("CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT)")
    postgres.guard()
    two_runs(postgres)
    postgres.do("CREATE SCHEMA evil")
    for operator, name in (("=", "eq"), ("<>", "ne")):
        postgres.do(
            f"CREATE FUNCTION evil.{name}(text, text) RETURNS bool LANGUAGE sql AS 'SELECT true'"
        )
        postgres.do(
            f"CREATE OPERATOR evil.{operator}"
            f" (FUNCTION = evil.{name}, LEFTARG = text, RIGHTARG = text)"
        )
    postgres.do("SET search_path = evil, public, pg_catalog")
    with pytest.raises(psycopg.errors.CheckViolation):
        postgres.do("UPDATE runs SET status = 'queued'")
    postgres.do("RESET search_path")
    postgres.do(
        "CREATE FUNCTION sneak() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.status = 'queued'; RETURN NEW; END $$;"
        "CREATE TRIGGER zz BEFORE UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION sneak()"
    )

    assert postgres.refuses("UPDATE runs SET status = 'completed' WHERE id = 'done'")


def test_copy_and_merge_are_looked_at(postgres):
    """
    So are the ways in and over that PostgreSQL has beside INSERT and UPDATE.
    """
    postgres.do("CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT)")
    postgres.guard()
    two_runs(postgres)

    assert postgres.refuses(
        "MERGE INTO runs USING (VALUES ('done')) AS new (id) ON runs.id = new.id"
        " WHEN MATCHED THEN UPDATE SET status = 'queued'"
    )
    with (
        pytest.raises(psycopg.errors.CheckViolation),
        postgres.do("SELECT 1") as cursor,
        cursor.copy("COPY runs FROM STDIN") as copy,
    ):
        copy.write_row(("x", "nonsense"))


@pytest.mark.parametrize("declared", ["VARCHAR(20)", "CHAR(20)", "status_of_a_run"])
def test_a_status_of_any_type_is_compared_by_its_characters(postgres, declared):
    """
    Padded or enumerated, it is the text that it shows.
    """
    names = ", ".join(f"'{status}'" for status in RUN.statuses)
    postgres.do(f"CREATE TYPE status_of_a_run AS ENUM ({names})")
    postgres.do(f"CREATE TABLE runs (id TEXT PRIMARY KEY, status {declared})")
    postgres.guard()
    two_runs(postgres)
    with pytest.raises(Database.wrong):
        postgres.do("INSERT INTO runs VALUES ('x', 'COMPLETED')")
    with pytest.raises(Database.wrong):
        postgres.do("UPDATE runs SET status = 'COMPLETED' WHERE id = 'done'")
    postgres.do("UPDATE runs SET status = 'in_progress' WHERE id = 'new'")

    assert postgres.refuses("UPDATE runs SET status = 'queued'")


def test_a_status_in_sqlite_is_compared_by_its_characters(lite):
    """
    Also where the column takes one case for the other, or blanks for nothing.
    """
    twins = Lifecycle("twins", [Transition("go", "a", "A")], "a", {"A": "success"})
    for collation in ("NOCASE", "RTRIM"):
        lite.do(f"CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT COLLATE {collation})")
        lite.guard(twins)
        lite.do("INSERT INTO runs VALUES ('r', 'A')")
        assert lite.refuses("UPDATE runs SET status = 'a'")
        assert lite.refuses("REPLACE INTO runs VALUES ('r', 'a')")
        assert lite.refuses("UPDATE runs SET status = 'A '")
        lite.do("DROP TABLE runs")


def test_stamps_are_held_to_the_status(database):
    """
    What a status requires must be there, and what it excludes must not.
    """
    database.guard(fields=("completed_at", "failed_at", "cancelled_at", "failed_at"))
    database.do("INSERT INTO runs (id, status) VALUES ('r', 'in_progress')")
    for wrong in (
        "UPDATE runs SET status = 'completed'",
        "UPDATE runs SET status = 'completed', completed_at = 1, failed_at = 2",
        "UPDATE runs SET completed_at = 1",
        "UPDATE runs SET status = 'failed', completed_at = 1",
        "INSERT INTO runs (id, status) VALUES ('s', 'failed')",
        "INSERT INTO runs (id, status, failed_at) VALUES ('s', 'queued', 1)",
    ):
        assert database.refuses(wrong)
    database.do("UPDATE runs SET status = 'completed', completed_at = 1")
    assert database.refuses("UPDATE runs SET completed_at = NULL")

    assert [("completed", 1)] == database.rows("SELECT status, completed_at FROM runs")


def test_run_again_it_replaces_itself(database):
    """
    With another lifecycle and other fields, nothing of the first is left.
    """
    database.guard(fields=["completed_at", "failed_at"])
    database.guard(PRESETS["run-documented"], fields=["failed_at"])
    two_runs(database)
    assert database.refuses("UPDATE runs SET status = 'failed', failed_at = 1 WHERE id = 'new'")
    database.guard(RUN.without(statuses=["incomplete"], name="less"))
    database.guard(RUN.without(statuses=["incomplete"], name="less"))
    database.do("UPDATE runs SET status = 'failed' WHERE id = 'new'")

    assert database.refuses("INSERT INTO runs (id, status) VALUES ('x', 'incomplete')")


@pytest.mark.parametrize("status", ["'nonsense'", "NULL", "'completed'"])
def test_rows_that_are_wrong_already_are_told(database, status):
    """
    The guard is not put up around them: it fails, and leaves the database as it was.
    """
    database.do(f"INSERT INTO runs (id, status) VALUES ('x', {status})")
    with pytest.raises(Database.refused):
        database.guard(fields=["completed_at"])
    database.do("UPDATE runs SET status = 'anything'")

    assert [("x", "anything")] == database.rows()


@pytest.mark.parametrize("missing", ["table", "column", "key"])
def test_what_is_not_there_is_told(database, missing):
    """
    A table or a column that is missing is told at once, and not by the next who writes.
    """
    with pytest.raises(Database.wrong, match="nowhere"):
        database.guard(**{missing: "nowhere"})
    database.do("ALTER TABLE runs DROP COLUMN failed_at")
    with pytest.raises(Database.wrong, match="failed_at"):
        database.guard(fields=["failed_at"])
    two_runs(database)
    database.do("UPDATE runs SET status = 'anything'")


@pytest.mark.parametrize(
    "declared",
    ["id TEXT PRIMARY KEY ON CONFLICT REPLACE", "id TEXT,\n unique (id) on\tconflict  replace"],
)
def test_a_table_that_replaces_by_itself_is_told(lite, declared):
    """
    It would replace where no statement says so, and could not be told from what does not.
    """
    lite.do(f"CREATE TABLE runs (status TEXT, {declared})")
    with pytest.raises(sqlite3.IntegrityError, match="declared ON CONFLICT REPLACE"):
        lite.guard()


def test_a_default_in_the_place_of_a_null_gets_nobody_past(lite):
    """
    SQLite lets a REPLACE fill in what must not be null, after its triggers have looked.
    """
    lite.do(
        "CREATE TABLE runs (id TEXT NOT NULL DEFAULT 'done' PRIMARY KEY,"
        " status TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 'queued')"
    )
    lite.guard()
    two_runs(lite)
    lite.do("INSERT INTO runs (id) VALUES ('x')")
    for trick in (
        "REPLACE INTO runs VALUES ('done', NULL)",
        "REPLACE INTO runs (id) VALUES ('done')",
        "REPLACE INTO runs VALUES (NULL, 'queued')",
        "REPLACE INTO runs DEFAULT VALUES",
        "UPDATE OR REPLACE runs SET status = NULL WHERE id = 'done'",
        "UPDATE OR REPLACE runs SET id = NULL WHERE id = 'new'",
    ):
        assert lite.refuses(trick)


def statements(database):
    """
    Yield the statements of the guard one by one, as tools for migrations send them.
    """
    if database.dialect == "postgresql":
        yield guard_sql(RUN, "postgresql")
        return
    waiting = ""
    for part in guard_sql(RUN, "sqlite").split(";"):
        waiting += part + ";"
        if sqlite3.complete_statement(waiting):
            yield waiting
            waiting = ""


def test_it_can_be_part_of_a_transaction(database):
    """
    Which is undone as a whole if it is rolled back.
    """
    database.do("BEGIN")
    for statement in statements(database):
        database.do(statement)
    database.do("ROLLBACK")
    two_runs(database)
    database.do("UPDATE runs SET status = 'anything'")

    assert [("done", "anything"), ("new", "anything")] == database.rows()


def chain(statuses):
    """
    Return the lifecycle in which each of the *statuses* is followed by the next.
    """
    rows = [Transition(f"go_{n}", *pair) for n, pair in enumerate(zip(statuses, statuses[1:]))]  # noqa: B905, RUF007

    return Lifecycle("hostile '$BODY$ --", rows, statuses[0], {statuses[-1]: "failure"})


def test_hostile_statuses_are_text_and_nothing_else(database):
    """
    Quotes, backslashes, dollars, comments: each is a status like any other.
    """
    if database.dialect == "postgresql":
        database.do("SET standard_conforming_strings = off")
        database.do("SET escape_string_warning = off")
    lifecycle = chain(HOSTILE)
    database.guard(lifecycle)
    update = "UPDATE runs SET status = ? WHERE id = 'r'"

    assert lifecycle.seen_next == agreed(database, lifecycle, update)


@given(st.lists(st.text(max_size=100), min_size=1, max_size=6, unique=True))
def test_any_lifecycle_there_can_be_is_held(statuses):
    """
    Whatever its statuses are called, exactly its rows are let through; no other can be made.
    """
    try:
        lifecycle = chain(statuses)
    except LifecycleError:
        assert not all(status and status.isprintable() for status in statuses)
        return
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        database = Database(connection, "sqlite")
        database.do("CREATE TABLE runs (id TEXT PRIMARY KEY, status TEXT)")
        database.guard(lifecycle)
        update = "UPDATE runs SET status = ? WHERE id = 'r'"
        assert lifecycle.seen_next == agreed(database, lifecycle, update)


@pytest.mark.parametrize("status", ["a\0b", "a\nb", "a\x1b", "x" * 101, "\ud800"])
def test_what_no_literal_could_hold_is_no_status(status):
    """
    A lifecycle with such a name is refused before there is any SQL to make.
    """
    with pytest.raises(LifecycleError, match="is not a name"):
        chain(["start", status])


def test_the_largest_table_and_the_smallest_are_held(database):
    """
    255 statuses with a stamp each to look at, and one status that is the end already.
    """
    statuses = [f"s{number}" for number in range(255)]
    large = chain(statuses).with_transitions(entries=[Entry("s254", stamps=("failed_at",))])
    database.guard(large, fields=["failed_at"])
    database.do("INSERT INTO runs (id, status) VALUES ('r', 's7')")
    database.do("UPDATE runs SET status = 's8'")
    assert database.refuses("UPDATE runs SET status = 's10'")
    database.do("DELETE FROM runs")
    database.guard(Lifecycle("one", (), "only", {"only": "success"}))
    database.do("INSERT INTO runs (id, status) VALUES ('r', 'only')")

    assert database.refuses("UPDATE runs SET status = 's8'")


def test_two_tables_whose_names_run_together_are_held_apart(bare):
    """
    Neither short names that add up to the same, nor long ones that begin the same, meet.
    """
    pairs = [("a", "b_c"), ("a_b", "c"), ("t" * 62 + "a", "s" * 63), ("t" * 62 + "b", "s" * 63)]
    door = Lifecycle("door", [Transition("go", "on", "off")], "on", {"off": "success"})
    for table, column in pairs:
        bare.do(f"CREATE TABLE {table} (id TEXT PRIMARY KEY, {column} TEXT)")
        bare.guard(door, table=table, column=column)
        names = re.findall('"([^"]+)"', guard_sql(door, bare.dialect, table=table, column=column))
        assert 63 >= max(map(len, names))
    for table, column in pairs:
        bare.do(f"INSERT INTO {table} VALUES ('r', 'on')")
        bare.do(f"UPDATE {table} SET {column} = 'off'")
        with pytest.raises(Database.refused):
            bare.do(f"UPDATE {table} SET {column} = 'on'")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_no_name_is_refused(dialect):
    """
    Names come from a command line; none reaches the SQL that is not plainly one.
    """
    for bad in ('a"b', "a b", "", "A", "1a", "a;--", "x" * 64, "a.b.c", "é", "a\n", ".a", "a."):
        for option in ("table", "column", "key"):
            with pytest.raises(ValueError, match="no name of a "):
                guard_sql(RUN, dialect, **{option: bad})
    odd = Lifecycle(
        "odd", [Transition("end", "on", "off")], "on", {"off": "success"},
        entries=[Entry("off", stamps=('a"b',))],
    )  # fmt: skip
    with pytest.raises(ValueError, match="no name of a field"):
        guard_sql(odd, dialect, fields=['a"b'])
    with pytest.raises(ValueError, match=r"no field 'nothing' .*\(known: created_at, "):
        guard_sql(RUN, dialect, fields=["nothing"])
    with pytest.raises(ValueError, match="must be two columns"):
        guard_sql(RUN, dialect, column="id")
    with pytest.raises(
        ValueError, match=r"no dialect 'oracle' \(known: postgresql, sqlite, mariadb\)"
    ):
        guard_sql(RUN, "oracle")


def test_only_postgresql_takes_a_schema():
    """
    A trigger of SQLite lives where its table does, and names no other place.
    """
    assert '"app"."jobs"' in guard_sql(RUN, "postgresql", table="app.jobs")
    with pytest.raises(ValueError, match=r"no name of a table: 'main\.jobs'"):
        guard_sql(RUN, "sqlite", table="main.jobs")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_text_is_the_one_that_was_read_over(dialect):
    """
    Character by character, for a lifecycle whose statuses are meant to break out.
    """
    lifecycle = Lifecycle(
        "golden",
        [
            Transition("go", "it's", "\\'; DROP TABLE jobs; --"),
            Transition("end", "\\'; DROP TABLE jobs; --", '$BODY$ "é" \U0001f600'),
        ],
        "it's",
        {'$BODY$ "é" \U0001f600': "success"},
        entries=[Entry('$BODY$ "é" \U0001f600', stamps=("ended_at",), requires=("result",))],
    )
    text = guard_sql(
        lifecycle, dialect, table="jobs", column="state", key="job_id",
        fields=["ended_at", "result"],
    )  # fmt: skip

    assert (GOLDEN / f"{dialect}.sql").read_text(encoding="utf-8") == text


def test_the_command_prints_what_can_be_executed(database):
    """
    As it stands, through a driver, whatever the terminal's encoding.
    """
    typed = ["sql", "--dialect", database.dialect, "--stamps", "completed_at, failed_at"]
    done = subprocess.run(
        [sys.executable, "-m", "runstate", *typed], capture_output=True, check=True
    )
    database.script(done.stdout.decode())
    two = "INSERT INTO runs (id, status, completed_at) VALUES ('r', 'completed', 1)"
    database.do(two)

    assert database.refuses("UPDATE runs SET completed_at = NULL")
    assert database.refuses("UPDATE runs SET status = 'queued', completed_at = NULL")


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


# -- rows that reopen ----------------------------------------------------------------------


def may_become(lifecycle, source, target, before, after, *, fenced):
    """
    Return whether an update from the attempt *before* to *after* is one that the table allows.
    """
    if source == target or lifecycle.rows(source, target):
        return True
    if not any((row.source, row.target) == (source, target) for row in lifecycle.reopenings):
        return False

    return not fenced or (after is not None and after > (before or 0))


@pytest.mark.parametrize("fenced", [True, False])
def test_a_reopening_is_let_through_with_a_new_attempt(bare, fenced):
    """
    All pairs of statuses, with the attempt kept, raised, lowered and lost; unfenced, any of them.
    """
    lifecycle = job()
    bare.do("CREATE TABLE runs (id INTEGER PRIMARY KEY, status TEXT, tries INTEGER)")
    bare.guard(lifecycle, **({"attempt": "tries"} if fenced else {"unfenced_reopen": True}))
    cases = list(product(lifecycle.statuses, lifecycle.statuses, (None, 1, 2), (None, 1, 2, 3)))
    for key, (source, target, before, after) in enumerate(cases):
        bare.do("INSERT INTO runs VALUES (?, ?, ?)", key, source, before)
        update = ("UPDATE runs SET status = ?, tries = ? WHERE id = ?", target, after, key)
        if may_become(lifecycle, source, target, before, after, fenced=fenced):
            bare.do(*update)
        else:
            with pytest.raises(Database.refused):
                bare.do(*update)


def test_a_late_writer_of_an_ended_attempt_is_refused(bare):
    """
    It writes over an end, and does not raise the attempt: the end stays, as without reopening rows.
    """
    bare.do("CREATE TABLE runs (id INTEGER PRIMARY KEY, status TEXT, tries INTEGER)")
    bare.guard(job(), attempt="tries")
    bare.do("INSERT INTO runs VALUES (1, 'failed', 1)")

    bare.refuses("UPDATE runs SET status = 'done'")
    bare.refuses("UPDATE runs SET status = 'running'")
    bare.refuses("UPDATE runs SET status = 'done', tries = 2")
    bare.do("UPDATE runs SET status = 'running', tries = 2")
    assert [(1, "running")] == bare.rows()
