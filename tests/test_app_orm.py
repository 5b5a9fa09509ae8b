"""
An ORM service on SQLite, as a user would write it: tests/apps/orm_service, with real processes.

A second writer, a killed worker, a pruned month, a migration of another column, and a lifecycle
that grows while an old worker runs.
"""

import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from applications import Application, ended, length, until

APP = Path(__file__).parent / "apps" / "orm_service"


class Service(Application):
    """
    The application on one database.
    """

    def __init__(self, folder):
        url = f"sqlite:///{folder}/service.db"
        super().__init__(APP, url, URL=url, LEASE_SECONDS="600")

    def run(self, *arguments, **environment):
        """
        Return what a command of the service prints.
        """
        return self.said("service.py", *arguments, **environment).strip()

    def worker(self, name, **environment):
        """
        Start a worker.
        """
        return self.start("service.py", "work", name, **environment)


@pytest.fixture
def service(tmp_path):
    """
    The application with its tables.
    """
    service = Service(tmp_path)
    service.run("migrate", "first")
    yield service
    service.close()


def test_it_is_as_short_as_it_says():
    """
    Under 150 lines, with its lifecycle and its migrations.
    """
    assert length(APP / "service.py", APP / "lifecycle.toml") < 150


def test_a_killed_worker_and_a_second_writer(service):
    """
    Each export ends once in table and journal, whoever dies, withdraws it or writes past the store.
    """
    service.run("order", "slow", "a", "b", "bad", "gone", "elsewhere")
    victim = service.worker("victim", LEASE_SECONDS="1")
    until("took slow", victim)
    victim.kill()  # it holds the export, and nobody else may end it yet
    assert "Applied" == service.run("withdraw", "gone")
    with pytest.raises(sa.exc.IntegrityError, match="cannot become"):
        service.rows("UPDATE exports SET state = 'delivered' WHERE name = 'gone'")
    assert 1 == service.rows("UPDATE exports SET state = 'withdrawn' WHERE name = 'elsewhere'")
    while service.rows(
        "SELECT 1 FROM export_runs WHERE lease_until > (julianday('now') - 2440587.5) * 86400.0"
    ):
        time.sleep(0.05)
    said = ended(service.worker("one"), "\n")

    assert said[:2] == ["took slow", "slow Applied"]
    assert sorted(said[2:]) == sorted(
        f"{what}" for n in ("a", "b", "bad") for what in (f"took {n}", f"{n} Applied")
    )
    assert "Superseded" == service.run("withdraw", "a")
    state = dict(service.rows("SELECT name, state FROM exports"))
    done = dict.fromkeys(("slow", "a", "b"), "delivered")
    assert state == {**done, "bad": "failed", "gone": "withdrawn", "elsewhere": "withdrawn"}
    assert [("no data",)] == service.rows("SELECT error FROM exports WHERE name = 'bad'")
    ends = service.rows(
        "SELECT name, j.target FROM exports JOIN export_journal AS j ON j.run_id = exports.id"
        " WHERE j.kind = 'move' AND j.target IN ('delivered', 'failed', 'withdrawn')"
    )
    assert sorted(ends) == sorted(state.items())


def test_operation_while_a_worker_runs(service, tmp_path):
    """
    A month is pruned, another column is migrated and the lifecycle grows: the old worker works on.
    """
    service.run("order", "x", "y")
    assert len(ended(service.worker("early"), "\n")) == 4
    service.rows("UPDATE export_runs SET moved_at = moved_at - 40 * 86400")
    service.run("order", "slow", "z")
    worker = service.worker("old")
    until("took slow", worker)
    assert "2" == service.run("prune", "30")
    assert [(4,)] == service.rows("SELECT count(*) FROM exports")

    service.run("migrate", "wider_names")
    with pytest.raises(sa.exc.IntegrityError, match="cannot become"):
        service.rows("UPDATE exports SET state = 'ordered' WHERE name = 'x'")

    # A later release knows one status more.
    newer = tmp_path / "newer.toml"
    old = (APP / "lifecycle.toml").read_text("utf-8")
    row = '{ trigger = "hold", source = "ordered", target = "on_hold" },\n'
    row += '{ trigger = "release", source = "on_hold", target = "ordered" },\n'
    newer.write_text(old.replace("transitions = [\n", f"transitions = [\n{row}", 1), "utf-8")
    later = {"LIFECYCLE": str(newer)}
    service.run("migrate", "guard", **later)
    service.run("adopt_lifecycle", **later)
    assert 1 == service.rows("UPDATE exports SET state = 'on_hold' WHERE name = 'z'")

    assert ["slow Applied"] == ended(worker, "\n")
    assert 1 == service.rows("UPDATE exports SET state = 'ordered' WHERE name = 'z'")
    assert ["took z", "z Applied"] == ended(service.worker("new", **later), "\n")
    assert {"delivered"} == {state for (state,) in service.rows("SELECT state FROM exports")}
