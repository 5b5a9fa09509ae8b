"""
``runstate sql --check-query``: one SELECT that returns what ``check`` finds.
"""

import sqlite3
import subprocess
import sys

import duckdb
import pytest
import sqlalchemy as sa
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from runstate import RUN, Lifecycle, Observation, Transition, check
from runstate.ddl import QUERY_DIALECTS, TRANSLATED_DIALECTS, check_query
from runstate.presets import PRESETS

JUDGED = {"RS101", "RS102", "RS103", "RS105"}
LIFECYCLES = [each for each in PRESETS.values() if not each.reopenings]
QUOTES = Lifecycle(
    "quotes */ --",
    [Transition("go", "it's", "a\\b"), Transition("end", "a\\b", 'a "done"')],
    initial="it's",
    terminal={'a "done"': "success"},
)
ENDLESS = Lifecycle(
    "light", [Transition("go", "red", "green"), Transition("stop", "green", "red")], initial="red"
)


class Tables:
    """
    The same table of observations in one of the databases.
    """

    def __init__(self, dialect, request):
        self.dialect = dialect
        if dialect == "postgresql":
            self.engine = sa.create_engine(request.getfixturevalue("postgresql_database"))
        else:
            self.connection = (
                duckdb.connect() if dialect == "duckdb" else sqlite3.connect(":memory:")
            )

    def bad_rows(self, rows, lifecycle):
        """
        Store *rows* of (id, status, time), and return what the query answers.
        """
        query = check_query(lifecycle, table="events", key="run")
        values = ", ".join(f"({_literal(i)}, {_literal(s)}, {_literal(t)})" for i, s, t in rows)
        statements = [
            "DROP TABLE IF EXISTS events",
            'CREATE TABLE events (run TEXT, "status" TEXT, "at" DOUBLE PRECISION)',
            *([f"INSERT INTO events VALUES {values}"] if rows else []),  # noqa: S608
        ]
        if self.dialect == "postgresql":
            with self.engine.begin() as connection:
                for each in statements:
                    connection.exec_driver_sql(each)
                return connection.exec_driver_sql(query.replace("%", "%%")).fetchall()
        for each in statements:
            self.connection.execute(each)

        return self.connection.execute(query).fetchall()

    def close(self):
        """
        Close it.
        """
        if self.dialect == "postgresql":
            self.engine.dispose()
        else:
            self.connection.close()


def _literal(value):
    if value is None:
        return "NULL"

    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


@pytest.fixture(
    params=[
        pytest.param(each, marks=pytest.mark.postgres) if each == "postgresql" else each
        for each in QUERY_DIALECTS
    ]
)
def tables(request):
    """
    Open each database that the query is written for.
    """
    opened = Tables(request.param, request)
    yield opened
    opened.close()


@st.composite
def observed_rows(draw):
    """
    A lifecycle, and rows of a few runs: its statuses and an unknown one, each run's times distinct.
    """
    lifecycle = draw(st.sampled_from([*LIFECYCLES, ENDLESS, QUOTES]))
    statuses = st.sampled_from([*map(str, lifecycle.statuses), "it's unknown"])
    rows = []
    for run in draw(st.lists(st.sampled_from("abc"), unique=True)):
        history = draw(st.lists(statuses, max_size=6))
        rows += [(run, status, float(at)) for at, status in enumerate(history)]

    return lifecycle, draw(st.permutations(rows))


def found_by_check(rows, lifecycle):
    """
    Return what ``check`` finds in the same rows: run, time, status before, status, code.
    """
    found = set()
    for run in {row[0] for row in rows}:
        history = sorted((at, status) for each, status, at in rows if each == run)
        seen = [Observation(status, run_id=run, at=at) for at, status in history]
        found |= {
            (run, history[finding.line - 1][0], finding.source, finding.target, finding.code)
            for finding in check(seen, lifecycle).findings
        }

    return found


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=observed_rows())
def test_the_query_returns_what_check_finds(tables, case):
    """
    For every preset that has no rows that reopen, and for histories of any kind.
    """
    lifecycle, rows = case
    expected = found_by_check(rows, lifecycle)

    answer = tables.bad_rows(rows, lifecycle)

    assert {each[4] for each in expected} <= JUDGED
    assert len(answer) == len(expected)
    assert expected == {(run, at, before, status, code) for run, at, before, status, code in answer}


def test_statuses_at_one_time_are_refused_and_nothing_else_is_said_of_their_run(tables):
    """
    A repeated row is no contradiction; of another run, what is wrong is still said.
    """
    rows = [
        ("a", "completed", 1.0),
        ("a", "queued", 2.0),
        ("a", "failed", 2.0),
        ("b", "failed", 1.0),
    ]
    rows += [("c", "queued", 1.0), ("c", "queued", 1.0)]

    answer = {(run, status, code) for run, _, _, status, code in tables.bad_rows(rows, RUN)}

    assert {("a", "queued", "tied"), ("a", "failed", "tied"), ("b", "failed", "RS102")} == answer


def test_rows_without_an_id_a_status_or_a_time_are_returned(tables):
    """
    What cannot be judged is never silently all right.
    """
    rows = [(None, "queued", 1.0), ("a", None, 1.0), ("b", "queued", None)]

    assert ["missing"] * 3 == [row[4] for row in tables.bad_rows(rows, RUN)]


def test_an_empty_table_has_nothing_wrong(tables):
    """
    No rows, no answer.
    """
    assert [] == list(tables.bad_rows([], RUN))


def test_rows_that_reopen_are_refused():
    """
    The query sees no attempt, so it could not tell a retry from a late writer.
    """
    rows = [Transition("end", "a", "b"), Transition("again", "b", "a", reopens=True)]
    lifecycle = Lifecycle("x", rows, initial="a", terminal={"b": "success"})

    with pytest.raises(ValueError, match=r"rows that reopen, such as .*: use runstate check"):
        check_query(lifecycle)


def test_names_are_identifiers():
    """
    A schema may stand before the table; anything else that is not a plain name is refused.
    """
    assert 'FROM "app"."events"' in check_query(RUN, table="app.events")
    with pytest.raises(ValueError, match="no name of a column"):
        check_query(RUN, at="at; DROP TABLE runs")


@pytest.mark.parametrize("dialect", TRANSLATED_DIALECTS)
@pytest.mark.parametrize("lifecycle", [RUN, QUOTES], ids=str)
def test_a_translation_is_one_select_that_names_every_column(dialect, lifecycle):
    """
    SQLGlot reads it again, and what is not executed here says so.
    """
    query = check_query(lifecycle, dialect=dialect, table="app.events", key="run")

    (read,) = sqlglot.parse(query, read=dialect)
    legal = read.find(exp.CTE).this
    pairs = [[each.this.name for each in select.selects] for select in legal.find_all(exp.Select)]
    assert ["run_id", "observed_at", "previous", "status", "code"] == read.named_selects
    assert sorted(map(list, lifecycle.seen_next)) == sorted(pairs)
    assert (dialect != "spark") == ("do not execute it there" in query)


def test_an_unknown_dialect_is_refused():
    """
    MariaDB, too, which compares texts without regard to case.
    """
    with pytest.raises(ValueError, match=r"dialect: expected one of postgresql, .*, got 'mariadb'"):
        check_query(RUN, dialect="mariadb")


def command(*arguments):
    """
    Run ``runstate sql`` with *arguments*.
    """
    return subprocess.run(
        [sys.executable, "-m", "runstate", "sql", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_prints_the_query():
    """
    The same text as from Python, and one line about what is wrong with the options.
    """
    printed = command("--check-query", "--dialect", "duckdb", "--table", "events", "--key", "run")
    refused = command("--dialect", "duckdb")
    unnamed = command("--check-query", "--dialect", "duckdb", "--at", "a b")
    checked = command("--check-query", "--check", "sqlite://")

    assert (check_query(RUN, table="events", key="run"), 0) == (printed.stdout, printed.returncode)
    assert (2, 1) == (refused.returncode, refused.stderr.count("\n"))
    assert "duckdb" in refused.stderr
    assert (2, 1) == (unnamed.returncode, unnamed.stderr.count("\n"))
    assert (2, 1) == (checked.returncode, checked.stderr.count("\n"))
    assert "--dialect instead of --check" in checked.stderr
