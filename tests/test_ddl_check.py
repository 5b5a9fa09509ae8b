"""
A guard that has vanished is seen: what a database has of it, part by part, after real migrations.
"""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import psycopg
import pytest
import sqlalchemy as sa

from databases import BACKENDS
from runstate import RUN
from runstate.ddl import TableGuard, guard_sql
from runstate.interchange import load
from test_reopening import job

PARTS = {
    "sqlite": {
        ("table", "jobs$status$taken"),
        ("trigger", "jobs$status$replace"),
        ("trigger", "jobs$status$insert"),
        ("trigger", "jobs$status$key"),
        ("trigger", "jobs$status$update"),
    },
    "postgresql": {
        ("constraint", "jobs$status$known"),
        ("constraint", "jobs$status$fields"),
        ("trigger", "jobs$status$before"),
        ("trigger", "jobs$status$after"),
        ("function", "jobs$status$refuse"),
    },
}
OPTIONS = {"table": "jobs", "fields": ["completed_at"]}
TYPED = ("--table", "jobs", "--stamps", "completed_at")
TABLE = (
    "CREATE TABLE jobs (id INTEGER PRIMARY KEY, status VARCHAR(30) NOT NULL, note VARCHAR(20),"
    " completed_at BIGINT, tries INTEGER)"
)


class Guarded:
    """
    A database with a table of jobs, and its guard.
    """

    def __init__(self, url, dialect):
        self.url, self.dialect = url, dialect
        self.guard = TableGuard(RUN, dialect, **OPTIONS)
        self.do(TABLE)

    def open(self):
        """
        Return a connection on which each statement is a transaction of its own.
        """
        if self.dialect == "sqlite":
            return sqlite3.connect(self.url.removeprefix("sqlite:///"), isolation_level=None)
        return psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True)

    def do(self, *statements):
        """
        Execute statements one at a time.
        """
        with closing(self.open()) as connection:
            for each in statements:
                connection.execute(each)

    def states(self, guard=None):
        """
        Return the parts of a guard by their state.
        """
        with closing(self.open()) as connection:
            parts = (guard or self.guard).check(connection)
        assert len(parts) == len(set(parts))
        found = {}
        for part in parts:
            found.setdefault(part.state, set()).add((part.kind, part.name))
        return found


@pytest.fixture(params=BACKENDS)
def database(request, tmp_path):
    """
    Either database, with a table that nothing guards yet.
    """
    if request.param == "sqlite":
        return Guarded(f"sqlite:///{tmp_path / 'app.db'}", "sqlite")
    return Guarded(request.getfixturevalue("postgresql_database"), "postgresql")


@pytest.fixture
def lite(tmp_path):
    """
    An SQLite file with a guarded table.
    """
    made = Guarded(f"sqlite:///{tmp_path / 'app.db'}", "sqlite")
    made.do(*made.guard.statements)
    made.do("INSERT INTO jobs (id, status, completed_at) VALUES (1, 'completed', 5)")
    return made


def checked(url, *options):
    """
    Return exit status, standard output and standard error of the command.
    """
    done = subprocess.run(
        [sys.executable, "-m", "runstate", "sql", "--check", url, *(options or TYPED)],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr

    return done.returncode, done.stdout, done.stderr


def test_each_part_is_missing_then_in_place_then_missing_again(database):
    """
    Of a bare table all parts are missing; of a guarded one none; and one that is dropped is named.
    """
    parts = PARTS[database.dialect]
    absent = {("constraint", "jobs$status$known")} if database.dialect == "postgresql" else set()
    assert {"missing": parts} == database.states()
    database.do(*database.guard.statements)
    assert {"in place": parts} == database.states()
    if database.dialect == "sqlite":
        dropped = ("trigger", "jobs$status$update")
        database.do('DROP TRIGGER "jobs$status$update"')
    else:
        (dropped,) = absent
        database.do('ALTER TABLE jobs DROP CONSTRAINT "jobs$status$known"')

    assert {"in place": parts - {dropped}, "missing": {dropped}} == database.states()


def test_the_statements_are_those_of_the_script(database):
    """
    In the same order, with nothing between them but the comment on top.
    """
    script = database.guard.sql
    assert script == guard_sql(RUN, database.dialect, **OPTIONS)
    text = "".join(line for line in script.splitlines(keepends=True) if not line.startswith("--"))

    assert "".join(text.split()) == "".join("".join(database.guard.statements).split())


def test_a_guard_of_another_lifecycle_is_different(database):
    """
    Every part that another lifecycle, or other options, would have made otherwise is told.
    """
    other = TableGuard(job(), database.dialect, table="jobs", attempt="tries")
    database.do(*other.statements)
    states = database.states()

    if database.dialect == "sqlite":
        changed = {("trigger", f"jobs$status${what}") for what in ("replace", "insert", "update")}
        assert changed == states["different"]
    else:
        changed = {
            ("constraint", "jobs$status$known"),
            ("trigger", "jobs$status$before"),
            ("trigger", "jobs$status$after"),
        }
        assert changed == states["different"]
        assert {("constraint", "jobs$status$fields")} == states["missing"]
    assert {"in place"} == set(database.states(other))


def test_the_check_leaves_nothing_and_goes_into_a_transaction(database):
    """
    Twice over one connection, within a transaction that goes on and is rolled back.
    """
    database.do(*database.guard.statements)
    engine = sa.create_engine(database.url)
    with engine.connect() as connection:
        insert = "INSERT INTO jobs (id, status) VALUES (7, 'queued')"
        connection.exec_driver_sql(insert)
        for _ in range(2):
            parts = database.guard.check(connection.connection)
            assert {"in place"} == {part.state for part in parts}
        found = connection.exec_driver_sql("SELECT id FROM jobs").scalars().all()
        assert [7] == found
        connection.rollback()
    engine.dispose()
    with closing(database.open()) as connection:
        assert [] == connection.execute("SELECT id FROM jobs").fetchall()


@pytest.mark.postgres
def test_a_disabled_trigger_and_another_function_are_different(postgresql_database):
    """
    PostgreSQL keeps a trigger that it does not fire, and a function that refuses no more.
    """
    database = Guarded(postgresql_database, "postgresql")
    database.do(*database.guard.statements)
    database.do('ALTER TABLE jobs DISABLE TRIGGER "jobs$status$before"')
    assert {("trigger", "jobs$status$before")} == database.states()["different"]
    database.do(
        'ALTER TABLE jobs ENABLE TRIGGER "jobs$status$before"',
        'CREATE OR REPLACE FUNCTION "jobs$status$refuse"() RETURNS trigger LANGUAGE plpgsql'
        " AS 'BEGIN RETURN NEW; END'",
    )

    assert {("function", "jobs$status$refuse")} == database.states()["different"]


@pytest.mark.postgres
def test_a_table_in_a_schema_and_of_an_enum_is_checked(postgresql_database):
    """
    Whatever the search path and the type of the status.
    """
    database = Guarded(postgresql_database, "postgresql")
    members = ", ".join(f"'{status}'" for status in RUN.statuses)
    database.do(
        "CREATE SCHEMA app",
        f"CREATE TYPE app.kind AS ENUM ({members})",
        "CREATE TABLE app.jobs (id INTEGER, status app.kind) PARTITION BY LIST (status)",
    )
    guard = TableGuard(RUN, "postgresql", table="app.jobs")
    assert {"missing"} == set(database.states(guard))
    database.do(*guard.statements)

    assert {"in place"} == set(database.states(guard))
    assert {"missing"} == set(database.states())


def vanished(database):
    """
    Assert that the command names the triggers that a rebuilt table has lost, and mend it.
    """
    with closing(database.open()) as connection:
        connection.execute("UPDATE jobs SET status = 'queued', completed_at = NULL WHERE id = 1")
        connection.execute("UPDATE jobs SET status = 'completed', completed_at = 5 WHERE id = 1")
    status, output, _ = checked(database.url)
    assert 1 == status
    lines = [line.split() for line in output.splitlines()]
    lost = {line[2] for line in lines if line[0] == "missing"}
    assert {"jobs$status$insert", "jobs$status$key", "jobs$status$update"} == lost
    assert "3 of 5 parts are missing or different" in output


def whole(database):
    """
    Assert that the command finds every part, and that the table refuses.
    """
    status, output, _ = checked(database.url)
    assert (0, 6) == (status, len(output.splitlines()))
    with pytest.raises(sqlite3.IntegrityError, match="completed is terminal"):
        database.do("UPDATE jobs SET status = 'queued', completed_at = NULL")


def test_alembic_rebuilds_a_table_and_the_guard_is_missed(lite):
    """
    A batch alters another column; its migration then executes the statements one by one.
    """
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    whole(lite)
    engine = sa.create_engine(lite.url)
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("jobs", recreate="always") as batch:
            batch.alter_column("note", type_=sa.String(40))
    vanished(lite)
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        for statement in lite.guard.statements:
            operations.execute(statement)
    engine.dispose()

    whole(lite)


DJANGO = """
import json, sys
import django
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3",
                                           "NAME": sys.argv[1]}})
django.setup()
from django.db import connection, migrations, models
from django.db.migrations.state import ModelState, ProjectState
from runstate import RUN
from runstate.ddl import TableGuard

guard = TableGuard(RUN, "sqlite", table="jobs", fields=["completed_at"])
fields = [
    ("id", models.IntegerField(primary_key=True)),
    ("status", models.CharField(max_length=30)),
    ("note", models.CharField(max_length=20, null=True)),
    ("completed_at", models.BigIntegerField(null=True)),
    ("tries", models.IntegerField(null=True)),
]
before = ProjectState()
before.add_model(ModelState("app", "Job", fields, {"db_table": "jobs"}))
if sys.argv[2] == "alter":
    change = migrations.AlterField("job", "note", models.CharField(max_length=40, null=True))
else:
    change = migrations.RunSQL(list(guard.statements))
after = before.clone()
change.state_forwards("app", after)
with connection.schema_editor(atomic=True) as editor:
    change.database_forwards("app", editor, before, after)
print(json.dumps([part.state for part in guard.check(connection)]))
"""


def migrated(database, what):
    """
    Let a process of Django's make one migration, and return the states that it finds itself.
    """
    path = database.url.removeprefix("sqlite:///")
    done = subprocess.run(
        [sys.executable, "-c", DJANGO, path, what],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert not done.returncode, done.stderr

    return json.loads(done.stdout)


def test_django_rebuilds_a_table_and_the_guard_is_missed(lite):
    """
    AlterField changes another column; RunSQL then takes the list of statements.
    """
    whole(lite)
    assert 3 == migrated(lite, "alter").count("missing")
    vanished(lite)
    assert ["in place"] * 5 == migrated(lite, "sql")

    whole(lite)


def test_the_command_checks_either_database(database):
    """
    It exits with 1 and names every part, then with 0, and shows no user of the URL.
    """
    status, output, _ = checked(database.url)
    assert 1 == status
    for kind, name in PARTS[database.dialect]:
        assert f"missing     {kind:<10}  {name}\n" in output
    assert f"runstate sql --dialect {database.dialect}" in output
    assert "postgres@" not in output
    database.do(*database.guard.statements)

    assert 0 == checked(database.url)[0]


def test_what_cannot_be_read_is_no_all_clear(database):
    """
    A table or a column that is not there: exit status 2 and one line that names it.
    """
    for options, named in [
        (("--table", "none"), "none"),
        (("--table", "jobs", "--column", "nowhere"), "nowhere"),
        (("--table", "jobs", "--attempt", "nowhere"), "nowhere"),
    ]:
        status, output, error = checked(database.url, *options)
        assert (2, "") == (status, output)
        assert named in error
        assert 1 == len(error.splitlines())


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/app.db",
        "sqlite://",
        "mysql://me:s3cret@127.0.0.1/app",
        "postgresql://me:s3cret@127.0.0.1:1/app?sslpassword=s3cret",
        "app.db",
    ],
)
def test_a_database_that_cannot_be_opened_is_one_line_without_secrets(url):
    """
    Exit status 2; no password, and no file is made.
    """
    status, output, error = checked(url)
    assert (2, "") == (status, output)
    assert 1 == len(error.splitlines())
    assert "s3cret" not in error


def test_a_file_that_is_no_database_is_told(tmp_path):
    """
    Nor is a file of another kind an unguarded table.
    """
    (tmp_path / "app.db").write_text("no database " * 200)
    status, _, error = checked(f"sqlite:///{tmp_path / 'app.db'}")

    assert 2 == status
    assert "not a database" in error


REOPENING = """
name = "job"
initial = "queued"
terminal = ["done"]
transitions = [
    {trigger = "finish", source = "queued", target = "done"},
    {trigger = "retry", source = "done", target = "queued", reopens = true},
]
"""


def test_a_lifecycle_that_reopens_needs_the_attempt(database, tmp_path):
    """
    As for printing: without --attempt the check says so, and with it the guard is found.
    """
    file = tmp_path / "job.toml"
    file.write_text(REOPENING, encoding="utf-8")
    guard = TableGuard(load(file), database.dialect, table="jobs", attempt="tries")
    database.do(*guard.statements)
    typed = (str(file), "--table", "jobs")
    status, _, error = checked(database.url, *typed)
    assert 2 == status
    assert "--attempt" in error

    assert 0 == checked(database.url, *typed, "--attempt", "tries")[0]
    assert 1 == checked(database.url, *typed, "--unfenced-reopen")[0]
