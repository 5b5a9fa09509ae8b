"""
Guards of Django models: migrations install them, nothing goes past them, and their loss is noticed.
"""

import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import (
    IntegrityError,
    NotSupportedError,
    connection,
    migrations,
    models,
    transaction,
)
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter

import django_project
from django_jobs.models import DOCUMENT, JOB, Job, Offer
from runstate import RUN, Lifecycle, Transition
from runstate.ddl import TableGuard
from runstate.django import InstallGuards, RemoveGuards, StatusField, move
from runstate.django.models import JournalEntry
from runstate.errors import LifecycleError

FIELD = Job._meta.get_field("state")


@pytest.fixture
def empty(database_url):
    """
    A database of Django's without tables.
    """
    with django_project.connected(database_url):
        yield database_url


@pytest.fixture
def guarded(empty):
    """
    The same with all migrations.
    """
    call_command("migrate", verbosity=0)

    return empty


@pytest.fixture
def lite(tmp_path):
    """
    The same on SQLite alone.
    """
    with django_project.connected(f"sqlite:///{tmp_path}/lite.db"):
        call_command("migrate", verbosity=0)
        yield


def states():
    """
    Return the states of the parts of the guard of jobs.
    """
    guard = TableGuard(
        JOB, "mariadb" if connection.vendor == "mysql" else connection.vendor,
        table="django_jobs_job", column="state", key="id", attempt="attempt",
    )  # fmt: skip

    return {part.state for part in guard.check(connection)}


def refused(work):
    """
    Return whether the database refuses what *work* does.
    """
    try:
        with transaction.atomic():
            work()
    except (IntegrityError, connection.Database.DatabaseError):
        return True

    return False


def raw(statement):
    """
    Return what executes a statement past Django's models.
    """

    def execute():
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return execute


# -- migrations -------------------------------------------------------------------------


def test_nothing_has_changed_where_nothing_was_changed(lite):
    """
    Makemigrations finds nothing to do, in the app of the tests as in the package's own.
    """
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_migrations_record_a_plain_field():
    """
    They need neither the lifecycle nor the package, and the clone that Django makes is the same.
    """
    written, imports = MigrationWriter.serialize(FIELD)
    shown = StatusField(JOB, editable=True, choices=[(each, each.title()) for each in JOB.statuses])
    for field in (FIELD, shown):
        clone = field.clone()
        assert field.deconstruct()[1:] == clone.deconstruct()[1:]
        assert (field.lifecycle, field.editable) == (clone.lifecycle, clone.editable)

    assert written.startswith("models.CharField(choices=")
    assert "runstate" not in written + str(imports)


def test_no_write_goes_past_the_guard(guarded):
    """
    Neither update(), nor save() of an old copy, nor SQL; what is legal passes.
    """
    job = Job.objects.create()
    old = Job.objects.get(pk=job.pk)
    move(job, "start")
    move(job, "fail", error="broken")
    rows = Job.objects.filter(pk=job.pk)

    assert {"in place"} == states()
    assert refused(lambda: rows.update(state="running"))
    assert refused(old.save)
    assert refused(lambda: Job.objects.bulk_update([old], ["state"]))
    assert refused(raw("UPDATE django_jobs_job SET state = 'succeeded'"))
    assert refused(lambda: Job.objects.create(state="odd"))
    assert refused(lambda: rows.update(state="pending"))
    assert not refused(lambda: rows.update(note="of another column"))
    assert "failed" == rows.get().state
    assert move(job, "retry").ok
    assert not refused(lambda: rows.update(state="running"))
    assert not refused(rows.delete)


def test_a_migration_is_taken_back(guarded):
    """
    No part of the guard is left, and both directions can be repeated.
    """
    for target, expected in (("0001", "missing"), ("0003", "in place"), ("0001", "missing")):
        call_command("migrate", "django_jobs", target, verbosity=0)
        assert {expected} == states()
    job = Job.objects.create(state="failed")
    assert not refused(lambda: Job.objects.filter(pk=job.pk).update(state="running"))


def test_the_guard_stays_when_another_column_is_migrated(empty):
    """
    SQLite makes the table anew for it, without triggers; migrate installs them again, and says so.
    """
    call_command("migrate", "runstate_django", verbosity=0)
    call_command("migrate", "django_jobs", "0002", verbosity=0)
    job = Job.objects.create(state="failed")
    said = io.StringIO()
    call_command("migrate", "django_jobs", stdout=said)

    rebuilt = "Installed the guards of django_jobs.Job.state again\n" in said.getvalue()
    assert (connection.vendor == "sqlite") == rebuilt
    assert {"in place"} == states()
    assert refused(lambda: Job.objects.filter(pk=job.pk).update(state="running"))


def test_a_row_that_breaks_the_rules_stops_the_migration(empty):
    """
    Nothing is installed over it, but on MariaDB, which commits each statement that makes a trigger.
    """
    call_command("migrate", "django_jobs", "0001", verbosity=0)
    Job.objects.create(state="odd")
    with pytest.raises((IntegrityError, connection.Database.DatabaseError)):
        call_command("migrate", "django_jobs", "0002", verbosity=0)
    connection.close()

    stays = connection.vendor == "mysql"
    assert {"in place" if stays else "missing"} == states()


def test_the_status_column_is_changed_between_two_operations(guarded):
    """
    PostgreSQL refuses that while a trigger looks at the column.
    """
    before = ProjectState()
    from_code = migrations.CreateModel(
        "Job", [(each.name, each.clone()) for each in Job._meta.local_fields]
    )
    from_code.state_forwards("django_jobs", before)
    wider = migrations.AlterField(
        "job", "state", models.CharField(max_length=64, default="pending")
    )
    for operation in (RemoveGuards("job", "state"), wider, InstallGuards("job", "state")):
        after = before.clone()
        operation.state_forwards("django_jobs", after)
        with connection.schema_editor(atomic=True) as editor:
            operation.database_forwards("django_jobs", editor, before, after)
        before = after

    assert {"in place"} == states()
    with connection.schema_editor(atomic=True) as editor:
        RemoveGuards("job", "state").database_forwards("django_jobs", editor, before, before)
    assert {"missing"} == states()
    with connection.schema_editor(atomic=True) as editor:
        RemoveGuards("job", "state").database_backwards("django_jobs", editor, before, before)
    assert {"in place"} == states()


def test_the_statements_are_printed(lite):
    """
    Sqlmigrate shows what a migration would execute.
    """
    said = io.StringIO()
    call_command("sqlmigrate", "django_jobs", "0002", stdout=said)

    assert "-- Install the guards of Job.state" in said.getvalue()
    assert 'CREATE TRIGGER "django_jobs_job$state$update"' in said.getvalue()
    names = [each("Job", "state").migration_name_fragment for each in (InstallGuards, RemoveGuards)]
    assert ["guard_job_state", "unguard_job_state"] == names
    assert "Remove the guards of Job.state" == RemoveGuards("Job", "state").describe()


def test_what_is_not_there_is_named_or_passed_over(lite):
    """
    A wrong name in a migration is an error; what only older code had is not.
    """
    state = ProjectState()
    texts = [(name, models.CharField(max_length=9)) for name in ("state", "former", "note")]
    for name in ("Job", "Gone"):
        migrations.CreateModel(name, [("id", models.BigAutoField(primary_key=True)), *texts,
                                      ("attempt", models.IntegerField())]
                               ).state_forwards("django_jobs", state)  # fmt: skip

    def statements(model, field):
        with connection.schema_editor(collect_sql=True) as editor:
            InstallGuards(model, field).database_forwards("django_jobs", editor, state, state)
        return editor.collected_sql

    for wrong in (("Jbo", "state"), ("Job", "sate")):
        with pytest.raises(Exception, match=r"Jbo|jbo|sate"):
            statements(*wrong)
    assert [False, False, False, True] == [
        any("TRIGGER" in each for each in statements(model, field))
        for model, field in (
            ("Gone", "state"),
            ("Job", "former"),
            ("Job", "note"),
            ("Job", "state"),
        )
    ]


def test_a_database_without_guards_is_refused():
    """
    The message names the databases that have them.
    """
    editor = SimpleNamespace(connection=SimpleNamespace(vendor="oracle", alias="default"))
    state = ProjectState.from_apps(apps)
    with pytest.raises(NotSupportedError, match=r"postgresql, sqlite.*, got oracle"):
        InstallGuards("Job", "state").database_forwards("django_jobs", editor, state, state)


# -- the checks -------------------------------------------------------------------------


def test_a_missing_guard_is_a_warning(guarded, monkeypatch):
    """
    Offers have none; jobs lose one part of theirs, and another lifecycle makes it another guard.
    """

    def warned():
        found = checks.run_checks(tags=["database"], databases=["default"])
        return {
            (str(each.obj), each.msg.partition(": ")[2])
            for each in found
            if each.id == "runstate.W001"
        }

    unguarded = {name for name, _ in warned()}
    assert {"django_jobs.Offer.status"} == unguarded
    assert [] == [each for each in checks.run_checks() if (each.id or "").startswith("runstate")]
    wider = Lifecycle("job", [*JOB.transitions, *JOB.reopenings, Transition("park", "pending", "failed")],
                      initial="pending", terminal=JOB.terminal, status_field="state")  # fmt: skip
    monkeypatch.setattr(FIELD, "lifecycle", wider)
    (different,) = [said for name, said in warned() if name == "django_jobs.Job.state"]
    assert "is different" in different
    said = io.StringIO()
    call_command("migrate", stdout=said)
    assert "Installed the guards of django_jobs.Job.state again" in said.getvalue()
    assert unguarded == {name for name, _ in warned()}


def test_a_name_that_cannot_be_guarded_is_a_warning(lite, monkeypatch):
    """
    The check goes on.
    """
    with connection.cursor() as cursor:
        cursor.execute('ALTER TABLE django_jobs_offer RENAME TO "Offers"')
    monkeypatch.setattr(Offer._meta, "db_table", "Offers")
    found = checks.run_checks(tags=["database"], databases=["default"])
    (said,) = [each.msg for each in found if each.id == "runstate.W001"]

    assert "no name of a table: 'Offers'" in said


def test_flushing_restores_nothing(lite):
    """
    The signal of flush has no plan, as it changes no table.
    """
    raw('DROP TRIGGER "django_jobs_job$state$update"')()
    call_command("flush", interactive=False, verbosity=0)

    assert {"missing", "in place"} == states()


def test_a_field_that_contradicts_its_lifecycle_is_an_error():
    """
    Choices, default, and the attempts of what reopens.
    """

    class Wrong(models.Model):
        state = StatusField(
            JOB, choices=[("pending", "Pending"), ("gone", "Gone")], default="running"
        )

        class Meta:
            app_label = "wrong"

    class Right(models.Model):
        state = StatusField(JOB, choices=[("Open", [("pending", "P"), ("running", "R")]),
                                          *((each, each) for each in JOB.terminal)])  # fmt: skip
        attempt = models.IntegerField(default=1)

        class Meta:
            app_label = "wrong"

    found = {each.id: each.msg for each in Wrong.check()}
    assert "cancelled, failed, gone, running, succeeded" in found["runstate.E001"]
    assert "'running' is not an initial status" in found["runstate.E002"]
    assert "no field 'attempt'" in found["runstate.E003"]
    assert [] == Right.check()
    with pytest.raises(LifecycleError, match="condition 'signed' is missing"):
        StatusField(DOCUMENT)
    assert "queued" == StatusField(RUN).get_default()


# -- commands ---------------------------------------------------------------------------


def test_the_sweep_ends_what_is_overdue(lite):
    """
    Each model whose lifecycle has a deadline, by the trigger that times out.
    """
    now = datetime.now(UTC)
    for until in (now - timedelta(days=1), now + timedelta(days=1), None):
        Offer.objects.create(until=until)
    Offer.objects.create(until=now - timedelta(days=1), status="accepted")
    said = [io.StringIO(), io.StringIO()]
    for out in said:
        call_command("runstate_sweep", stdout=out)

    assert ["django_jobs.offer: ended 1\n", "django_jobs.offer: ended 0\n"] == [
        each.getvalue() for each in said
    ]
    assert ["lapsed", "open", "open", "accepted"] == [
        each.status for each in Offer.objects.order_by("pk")
    ]
    assert ["runstate_sweep"] == [each.actor for each in JournalEntry.objects.all()]


def test_old_rows_of_the_journal_are_pruned(lite):
    """
    The others stay, and a number that is no age is refused.
    """
    job = Job.objects.create()
    move(job, "start")
    old = JournalEntry.objects.get()
    new = JournalEntry.objects.create(
        model=old.model, object_id=old.object_id, trigger="x", source="x", target="x", at=old.at
    )
    JournalEntry.objects.filter(pk=old.pk).update(at=old.at - timedelta(days=31))
    said = io.StringIO()
    call_command("runstate_prune", older_than=30, stdout=said)

    assert "deleted 1 rows of the journal older than 30 days\n" == said.getvalue()
    assert [new] == [*JournalEntry.objects.all()]
    for wrong in ("0", "-1", "nan", "1e9"):
        with pytest.raises(CommandError, match="expected a positive number of days"):
            call_command("runstate_prune", "--older-than", wrong)
