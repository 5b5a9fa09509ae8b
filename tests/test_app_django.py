"""
A job system in Django, as a user would write it: tests/apps/django_service, with real processes.

Workers, one of which is killed; a second writer; retries; a pruned month; migrations while workers
run. On MariaDB if it has guards, otherwise on PostgreSQL: the database refuses what goes past the
application.
"""

import json
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

import django_project
from applications import Application, ended, length, until
from runstate.ddl import DIALECTS

APP = Path(__file__).parent / "apps" / "django_service"
DATABASE = "mariadb_database" if "mariadb" in DIALECTS else "postgresql_database"
FINISHED = {"made": "finish", "broken": "break", "called_off": "call_off"}


class Service(Application):
    """
    The application on one database.
    """

    def __init__(self, url):
        database = json.dumps(django_project.database(url))
        super().__init__(APP, url, DATABASE=database, LEASE_SECONDS="600")

    def manage(self, *arguments, **environment):
        """
        Return what a command of manage.py prints, warnings included.
        """
        return self.said("manage.py", *arguments, **environment)

    def say(self, code, **environment):
        """
        Execute Python code inside of the application, and return what it prints.
        """
        program = f"import manage\nfrom thumbnails.models import *\n{code}"

        return self.said("-c", program, **environment).strip()

    def worker(self, name, **environment):
        """
        Start a worker.
        """
        return self.start("manage.py", "work", name, **environment)


@pytest.fixture
def service(request):
    """
    The application with all its tables, but for the last migration.
    """
    service = Service(request.getfixturevalue(DATABASE))
    service.manage("migrate", "-v", "0", "runstate_django")
    service.manage("migrate", "-v", "0", "thumbnails", "0002")
    yield service
    service.close()


def test_it_is_as_short_as_it_says():
    """
    Under 150 lines, with its lifecycle, and without the migrations that Django writes.
    """
    files = [path for path in APP.rglob("*.py") if "migrations" not in path.parts]

    assert length(*files, APP / "lifecycle.toml") < 150


@pytest.mark.slow
def test_workers_a_killed_one_and_a_second_writer(service):
    """
    Each image is ended once, whoever dies, calls off or writes past the application.
    """
    service.say("for name in ['ask', *'abcdefgh', 'bad']: Thumbnail.objects.create(image=name)")
    victim = service.worker("victim", LEASE_SECONDS="2")
    until("took ask", victim)
    victim.kill()  # it holds the image, and nobody else may finish it yet
    others = [service.worker(name) for name in ("one", "two")]
    with pytest.raises(sa.exc.DBAPIError, match="cannot become"):
        _illegal(service)
    # The sweep of a worker gives the image back, and one of them takes it.
    names = ("one", "two")
    until_taken = "SELECT worker FROM thumbnails_thumbnail WHERE image = 'ask' AND attempt = 2"
    for _ in range(600):
        taken = service.rows(f"{until_taken} AND state = 'being_made'")
        if taken:
            break
        time.sleep(0.1)
    (holder,) = [each for each, name in zip(others, names, strict=True) if taken == [(name,)]]
    assert "Applied" == service.say(
        "print(type(move(Thumbnail.objects.get(image='ask'), 'call_off', actor='alice')).__name__)"
    )
    holder.stdin.write("\n")
    holder.stdin.flush()
    said = [line for each in others for line in ended(each)]

    assert "ask Superseded" in said
    made = {"a", "b", "c", "d", "e", "f", "g", "h"}
    assert made | {"bad"} == {line.split()[0] for line in said if line.endswith(" Applied")}
    state = dict(service.rows("SELECT image, state FROM thumbnails_thumbnail"))
    assert state == {"ask": "called_off", "bad": "broken", **dict.fromkeys(made, "made")}
    _each_ended_once(service)

    # People try again by hand, and only one of them does.
    again = "print([type(move(each, 'retry', actor='bob')).__name__ for each in copies])"
    assert "['Applied', 'Stale']" == service.say(
        f"copies = [Thumbnail.objects.get(image='bad') for _ in range(2)]\n{again}"
    )
    assert ["took bad", "bad Applied"] == ended(service.worker("three"))
    assert [("made", 2, None)] == service.rows(
        "SELECT state, attempt, error FROM thumbnails_thumbnail WHERE image = 'bad'"
    )


def _illegal(service):
    """
    End an image in SQL, which its table does not allow from waiting.
    """
    service.rows("INSERT INTO thumbnails_thumbnail (state, attempt, image, worker)"
                 " VALUES ('called_off', 1, 'sql', '')")  # fmt: skip
    try:
        service.rows("UPDATE thumbnails_thumbnail SET state = 'made' WHERE image = 'sql'")
    finally:
        service.rows("DELETE FROM thumbnails_thumbnail WHERE image = 'sql'")


def _each_ended_once(service):
    """
    Expect the journal to have one end of each image, that which the row shows.
    """
    ends = service.rows(
        "SELECT image, state, j.trigger FROM thumbnails_thumbnail AS t JOIN runstate_django_journalentry"
        " AS j ON j.object_id = CONCAT(t.id, '') WHERE j.target IN ('made', 'broken', 'called_off')"
    )
    images = service.rows("SELECT image FROM thumbnails_thumbnail")

    assert sorted(images) == sorted((image,) for image, _, _ in ends)
    assert [] == [(state, trigger) for _, state, trigger in ends if FINISHED[state] != trigger]


@pytest.mark.slow
def test_operation_while_a_worker_runs(service, tmp_path):
    """
    A month is pruned, another column is migrated and the lifecycle grows: the old worker works on.
    """
    service.say("for name in ('ask', 'z'): Thumbnail.objects.create(image=name)")
    worker = service.worker("old")
    until("took ask", worker)
    service.rows("UPDATE runstate_django_journalentry SET at = '2020-01-01'")
    assert "deleted 1 rows" in service.manage("runstate_prune", "--older-than", "30")

    service.manage("migrate", "-v", "0")
    checked = service.manage("check", "--database", "default", "--fail-level", "WARNING")
    assert "System check identified no issues" in checked
    with pytest.raises(sa.exc.DBAPIError, match="cannot become"):
        _illegal(service)

    # A later release knows one status more.
    newer = tmp_path / "newer.toml"
    old = (APP / "lifecycle.toml").read_text("utf-8")
    rows = (
        '{ trigger = "hold", source = "waiting", target = "on_hold" },\n'
        '{ trigger = "release", source = "on_hold", target = "waiting" },\n'
    )
    newer.write_text(old.replace("transitions = [\n", f"transitions = [\n{rows}", 1), "utf-8")
    later = {"LIFECYCLE": str(newer)}
    assert "is different" in service.manage("check", "--database", "default", **later)
    assert "Installed the guards of thumbnails.Thumbnail.state again" in service.manage(
        "migrate", **later
    )
    assert "Applied" == service.say(
        "print(type(move(Thumbnail.objects.get(image='z'), 'hold', actor='carol')).__name__)",
        **later,
    )
    worker.stdin.write("\n")
    worker.stdin.flush()

    assert ["ask Applied"] == ended(worker)
    known = "one = Thumbnail.objects.get(image='z')\ntry: move(one, 'call_off')\nexcept Exception as error: print(error)"
    assert "on_hold is no status of the lifecycle" in service.say(known)
    assert "Applied" == service.say(
        "print(type(move(Thumbnail.objects.get(image='z'), 'release')).__name__)", **later
    )
    assert ["took z", "z Applied"] == ended(service.worker("new"))
