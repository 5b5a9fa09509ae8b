"""
Moves of Django models on real databases: one winner, one transaction, and the instance as the row is.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

import pytest
import structlog
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import OperationalError, connection, models, transaction
from django.db.models import F

import django_project
from django_jobs.models import Document, Job, Letter, Offer
from runstate.django import (
    Applied,
    ConcurrentMoveError,
    Illegal,
    RunNotFoundError,
    Stale,
    StatusMissingError,
    Superseded,
    move,
)
from runstate.django.models import JournalEntry
from runstate.errors import (
    IllegalTransitionError,
    PayloadError,
    UnknownTriggerError,
    WrongObjectError,
)

HOSTILE = (
    "'; DROP TABLE django_jobs_job; --", '"quoted"', "%s %(a)s %", "{0} {a}", "\\", "a\nb\r", "",
    "\x1b[2J", "\u202e", "😀" * 30, "a\0b", "\ud800", "x" * 70_000, "<script>", " padded ",
)  # fmt: skip
RACERS = str(Path(__file__).parent / "django_racers.py")
LONG = os.environ.get("RUNSTATE_LONG") == "1"


@pytest.fixture
def database(database_url):
    """
    The tables of the app and of the journal, without guards.
    """
    with django_project.connected(database_url):
        if connection.vendor == "mysql":
            # As Django's documentation asks for.
            with connection.cursor() as cursor:
                cursor.execute("ALTER DATABASE CHARACTER SET utf8mb4")
        call_command("migrate", "runstate_django", verbosity=0)
        call_command("migrate", "django_jobs", "0001", verbosity=0)
        yield database_url


def job(state="pending", **fields):
    """
    Return a saved job.
    """
    return Job.objects.create(state=state, **fields)


def copy(instance):
    """
    Return another instance of the same row.
    """
    return type(instance).objects.get(pk=instance.pk)


def journal(instance):
    """
    Return the source, trigger and target of each move of the instance.
    """
    entries = JournalEntry.objects.filter(object_id=str(instance.pk))

    return [(each.source, each.trigger, each.target) for each in entries]


def roll_back(instance, trigger):
    """
    Move the instance in a transaction that is then rolled back.
    """
    with transaction.atomic():
        assert move(instance, trigger).ok
        transaction.set_rollback(True)


# -- a move that is made ----------------------------------------------------------------


def test_a_move_sets_row_and_instance_alike(database):
    """
    Status, stamps, the caller's fields and auto_now; in the journal who did it.
    """
    one = job()
    before, born = datetime.now(UTC), one.updated_at
    answer = move(one, "start", actor="alice", note="on node 7", tries=F("tries") + 1)
    again = copy(one)

    assert isinstance(answer, Applied)
    assert "running" == answer.status
    assert (str(one.pk), "start", "pending", "running") == answer.moved[:4]
    assert ("running", "on node 7", 1) == (one.state, one.note, one.tries)
    assert timedelta(0) <= one.started_at - before < timedelta(minutes=1)
    assert born < one.updated_at == one.started_at
    names = [each.attname for each in Job._meta.concrete_fields]
    assert {n: getattr(one, n) for n in names} == {n: getattr(again, n) for n in names}
    entry = JournalEntry.objects.get()
    assert ("django_jobs.job", str(one.pk), "pending", "start", "running", "alice", 1) == (
        entry.model, entry.object_id, entry.source, entry.trigger, entry.target, entry.actor,
        entry.attempt,
    )  # fmt: skip
    assert one.started_at == entry.at
    assert f"django_jobs.job {one.pk}: pending -start-> running" == str(entry)


def test_what_the_caller_changed_and_did_not_save_stays_so(database):
    """
    A move writes its own fields and no other.
    """
    one = job(note="as saved")
    one.note = "not saved"
    move(one, "start")

    assert ("not saved", "as saved") == (one.note, copy(one).note)


def test_every_move_is_logged_after_the_commit(database):
    """
    With the same keys as every move of the package; a failure is a warning.
    """
    with structlog.testing.capture_logs() as log:
        with transaction.atomic():
            one = job()
            move(one, "start")
            assert [] == log
        move(one, "fail", error="broken")
        roll_back(job(), "start")

    assert [
        ("run.transition", "info", "start", "job"),
        ("run.transition", "warning", "fail", "job"),
    ] == [(each["event"], each["log_level"], each["trigger"], each["lifecycle"]) for each in log]


def test_a_related_object_and_its_key_are_fields(database):
    """
    A foreign key is set by its object, by its key, or by an expression.
    """
    parent, one = job(), job()
    move(one, "start", parent=parent)
    assert (parent, parent.pk) == (one.parent, copy(one).parent_id)
    move(one, "requeue", parent_id=None)
    assert (None, None) == (one.parent, copy(one).parent_id)
    move(one, "start", parent=F("pk"))
    assert one.pk == one.parent_id == copy(one).parent_id


def test_a_status_and_a_stamp_that_are_deferred_are_set(database):
    """
    An instance without its status asks the row first.
    """
    pk = job().pk
    one = Job.objects.only("note").get(pk=pk)
    answer = move(one, "start")

    assert answer.ok
    assert set() == {"state", "started_at", "updated_at"} & one.get_deferred_fields()
    assert ("running", copy(one).started_at) == (one.state, one.started_at)
    late = move(Job.objects.defer("state", "attempt").get(pk=pk), "retry")
    assert Illegal("running", ("requeue", "succeed", "fail", "cancel"), "start") == late


def test_an_enum_stands_for_its_value(database):
    """
    Both as the trigger and as the status of an instance.
    """

    class Word(str, Enum):  # noqa: UP042  what many models have
        START = "start"
        PENDING = "pending"

    one = job(Word.PENDING)

    assert move(one, Word.START).ok
    assert "running" == copy(one).state


# -- transactions -----------------------------------------------------------------------


def test_what_the_caller_rolls_back_did_not_happen(database):
    """
    Neither the status nor the journal stays.
    """
    one = job()
    roll_back(one, "start")

    assert ("pending", []) == (copy(one).state, journal(one))


def test_a_move_that_fails_leaves_the_transaction_usable(database):
    """
    What the database refuses undoes the move alone.
    """
    one = job()
    with transaction.atomic():
        note = Document.objects.create(key="d")
        with pytest.raises(Exception, match=r"(?i)null|tries"):
            move(one, "start", tries=None)
        move(note, "submit")

    assert ("pending", []) == (copy(one).state, journal(one))
    assert "in review" == copy(note).status == note.status
    assert "pending" == one.state


# -- another writer was faster ------------------------------------------------------------


def test_the_loser_gets_the_winner(database):
    """
    By whom the object was ended, and the instance then has that status.
    """
    one = job("running")
    winner, loser = copy(one), copy(one)
    won = move(winner, "succeed")
    lost = move(loser, "fail", error="too late")

    assert won.ok
    assert ("succeeded", "succeed") == (lost.status, lost.by)
    assert isinstance(lost, Superseded)
    assert won.moved[:4] == lost.moved[:4]
    assert abs(won.moved.at - lost.moved.at) < 0.001
    assert ("succeeded", winner.finished_at, None) == (loser.state, loser.finished_at, loser.error)
    assert [("running", "succeed", "succeeded")] == journal(one)


def test_an_old_instance_moves_from_where_the_row_is(database):
    """
    What is legal from the row's status is done, whatever the instance knew.
    """
    one = job()
    old = copy(one)
    move(one, "start")

    assert ("running", "succeeded") == move(old, "succeed").moved[2:4]
    assert "succeeded" == old.state == copy(one).state


def test_who_lost_to_a_status_that_is_no_end_gets_what_is_allowed(database):
    """
    And a second call is then an error of the caller.
    """
    one = job()
    old = copy(one)
    move(one, "start")
    lost = move(old, "start")

    assert Illegal("running", ("requeue", "succeed", "fail", "cancel"), "start") == lost
    with pytest.raises(IllegalTransitionError) as refused:
        move(old, "start")
    assert ("running", "start", "running", "start") == (
        refused.value.status, refused.value.trigger, refused.value.target, refused.value.beaten_by,
    )  # fmt: skip


def test_what_wrote_no_journal_is_not_named(database):
    """
    A winner that went past move() has no trigger.
    """
    one = job("running")
    Job.objects.filter(pk=one.pk).update(state="cancelled")

    assert Superseded("cancelled", None, None) == move(one, "succeed")


# -- attempts -----------------------------------------------------------------------------


def test_a_retry_begins_the_next_attempt(database):
    """
    The attempt is raised, and what the row clears is empty.
    """
    one = job("running")
    move(one, "fail", error="broken")
    assert ("failed", "broken", 1) == (one.state, one.error, one.attempt)
    move(one, "retry", actor="bob")

    for each in (one, copy(one)):
        assert ("pending", None, None, 2) == (
            each.state,
            each.error,
            each.finished_at,
            each.attempt,
        )
    assert [1, 2] == [each.attempt for each in JournalEntry.objects.all()]


def test_a_worker_of_an_earlier_attempt_is_fenced_out(database):
    """
    Whatever status the row has by now, and as often as the worker tries; its instance stays as it is.
    """
    worker = job("running")
    other = copy(worker)
    move(other, "fail", error="lost")
    move(other, "retry")
    for status in ("pending", "running"):
        late = move(worker, "succeed")
        assert (Stale(1), status) == (late, late.status)
        assert Stale(1) == move(worker, "start" if status == "pending" else "requeue")
        assert ("running", 1) == (worker.state, worker.attempt)
        if status == "pending":
            move(other, "start")
    late = Job.objects.only("attempt").get(pk=worker.pk)
    late.attempt = 1
    assert Stale(1) == move(late, "succeed")
    assert ("running", 2) == (copy(other).state, copy(other).attempt)
    assert move(other, "succeed").ok


def test_one_of_two_retries_wins(database):
    """
    The other is of an attempt that is over.
    """
    one = job("failed")
    first, second = copy(one), copy(one)

    assert (True, Stale(1)) == (move(first, "retry").ok, move(second, "retry"))
    assert 2 == copy(one).attempt


def test_a_claim_may_raise_the_attempt_itself(database):
    """
    So that who lost its job in a requeue is fenced out, too.
    """
    worker = job("running")
    other = copy(worker)
    move(other, "requeue")
    move(other, "start", attempt=F("attempt") + 1)

    assert 2 == other.attempt
    assert Stale(1) == move(worker, "succeed")


# -- conditions, and a table of its own ---------------------------------------------------


def test_conditions_choose_the_row(database):
    """
    The first whose conditions hold; where none holds, that is said.
    """
    plain, signed = Document.objects.create(key="a"), Document.objects.create(key="b", signed=True)
    assert ("in review", "published") == (
        move(plain, "submit").moved.target, move(signed, "submit").moved.target,
    )  # fmt: skip
    with pytest.raises(IllegalTransitionError, match="no condition held"):
        move(plain, "publish")
    move(plain, "withdraw")
    assert ("withdrawn", "") == (plain.status, plain.title)


def test_an_inherited_status_is_moved_in_the_table_that_has_it(database):
    """
    Fields of the other table are refused, as one statement cannot set them.
    """
    letter = Letter.objects.create(key="l", title="Dear", to="Bob")
    with pytest.raises(PayloadError, match="the table django_jobs_document has no field 'to'"):
        move(letter, "submit", to="Eve")
    assert move(letter, "submit").ok
    assert ("in review", "in review") == (letter.status, copy(letter).status)
    assert "django_jobs.document" == JournalEntry.objects.get().model


# -- what is refused ------------------------------------------------------------------------


def test_what_cannot_be_moved_is_named(database):
    """
    Each refusal is typed, and says what was expected.
    """
    gone = job()
    Job.objects.filter(pk=gone.pk).delete()
    empty = Offer.objects.create(status=None)
    cases = [
        (job(), "strat", UnknownTriggerError, "did you mean 'start'"),
        (Job.objects.only("pk").get(pk=job().pk), "x", UnknownTriggerError, "is any"),
        (job("running"), "fail", PayloadError, "'error' is required"),
        (job("failed"), "succeed", IllegalTransitionError, "nothing, failed is terminal"),
        (job("odd"), "start", IllegalTransitionError, "no status of the lifecycle"),
        (Job(state="pending"), "start", WrongObjectError, "a saved instance"),
        (Job(pk=1), "start", WrongObjectError, "a saved instance"),
        (JournalEntry(), "start", WrongObjectError, "one StatusField, got a JournalEntry with 0"),
        (Job, "start", WrongObjectError, "the class Job"),
        ("job", "start", WrongObjectError, "got str"),
        (gone, "start", RunNotFoundError, "no job"),
        (empty, "accept", StatusMissingError, "NULL in status"),
    ]
    for instance, trigger, kind, said in cases:
        with pytest.raises(kind, match=said):
            move(instance, trigger)
    assert 0 == JournalEntry.objects.count()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"nodes": 7}, "the table django_jobs_job has no field 'nodes'"),
        ({"state": "failed"}, r"'state' is set by move\(\) itself$"),
        ({"id": 5}, "'id' is set by move"),
        ({"note": "a\0b"}, "note: expected a text without the character NUL"),
        ({"note": "\ud800"}, "note: cannot be written"),
        ({"actor": "\ud800"}, "actor: cannot be written"),
        ({"actor": b"alice"}, "actor: expected a text"),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields, said, tmp_path):
    """
    Before anything is written.
    """
    with django_project.connected(f"sqlite:///{tmp_path}/fields.db"):
        call_command("migrate", verbosity=0)
        one = job()
        with pytest.raises(PayloadError, match=said):
            move(one, "start", **fields)
        failed = job("failed")
        with pytest.raises(PayloadError, match="'attempt' is set by move"):
            move(failed, "retry", attempt=9)

        assert ("pending", []) == (copy(one).state, journal(one))


def test_hostile_texts_are_data(database):
    """
    In the journal and in fields they come back as they were, or are refused.
    """
    kept = 0
    for text in HOSTILE:
        one = job()
        try:
            answer = move(one, "start", actor=text, note=text[:40])
        except PayloadError:
            continue
        kept += 1
        assert answer.ok
        assert [text] == [each.actor for each in JournalEntry.objects.filter(object_id=one.pk)]
        assert text[:40] == copy(one).note
    assert kept > len(HOSTILE) // 2


def test_the_app_is_needed_for_the_journal(tmp_path, monkeypatch):
    """
    Without it in INSTALLED_APPS, move() names what to add, and moves nothing.
    """
    from django.apps import apps

    def missing(*_):
        raise LookupError

    with django_project.connected(f"sqlite:///{tmp_path}/app.db"):
        call_command("migrate", verbosity=0)
        one = job()
        monkeypatch.setattr(apps, "get_model", missing)
        with pytest.raises(ImproperlyConfigured, match=r"add 'runstate\.django' to INSTALLED_APPS"):
            move(one, "start")
        monkeypatch.undo()

        assert "pending" == copy(one).state


# -- races ----------------------------------------------------------------------------------


def test_of_several_processes_one_moves_each_object(database):
    """
    As many moves are made as there are objects, and the journal has each once; the rest are answers.
    """
    processes, threads, objects = (16, 4, 2_000) if LONG else (3, 2, 30)
    Job.objects.bulk_create(Job(state="running") for _ in range(objects))
    settings = json.dumps(django_project.database(database))
    racers = [
        subprocess.Popen(
            [sys.executable, RACERS, settings, str(number), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(1, processes + 1)
    ]  # fmt: skip
    assert ["ready\n"] * processes == [each.stdout.readline() for each in racers]
    for each in racers:
        each.stdin.write("go\n")
        each.stdin.flush()
    answers = Counter()
    for each in racers:
        said, errors = each.communicate(timeout=3_600 if LONG else 600)
        assert (0, "") == (each.returncode, errors)
        answers.update(json.loads(said))

    assert {"Applied", "Superseded", "seen"} >= set(answers)
    assert (objects, objects * processes * threads) == (answers["Applied"], answers.total())
    assert objects == JournalEntry.objects.count()
    ends = dict(JournalEntry.objects.values_list("object_id", "target"))
    assert ends == {str(each.pk): each.state for each in Job.objects.all()}
    assert objects == len(ends)
    wrong = Job.objects.filter(finished_at=None) | Job.objects.exclude(state="failed").exclude(
        error=None
    )
    assert [] == [*wrong]


def other_writer(pk, state, **fields):
    """
    Change a row from another thread, which has a connection and a transaction of its own.
    """

    def write():
        Job.objects.filter(pk=pk).update(state=state, **fields)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(write).result()


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_the_caller_s_own_transaction_gets_an_answer_or_one_error(database_url, level):
    """
    The winner, where the database can show it; otherwise ConcurrentMoveError. The winner stands.
    """
    with django_project.connected(database_url, **_isolated(database_url, level)):
        call_command("migrate", "runstate_django", verbosity=0)
        call_command("migrate", "django_jobs", "0001", verbosity=0)
        if connection.vendor == "sqlite":
            # In its other mode, a reader would hold up the other writer.
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA journal_mode = WAL")
        one = job("running")
        blind = connection.vendor == "sqlite" or (
            connection.vendor == "postgresql" and level != "read committed"
        )
        with transaction.atomic():
            JournalEntry.objects.count()  # a snapshot, if there is one, is of this moment
            other_writer(one.pk, "succeeded")
            if blind:
                with pytest.raises(ConcurrentMoveError, match="roll back and run"):
                    move(one, "fail", error="late")
            else:
                assert Superseded("succeeded", None, None) == move(one, "fail", error="late")

        assert ("succeeded", []) == (copy(one).state, journal(one))


def _isolated(url, level):
    if url.startswith("sqlite"):
        return {}
    if url.startswith("mysql"):
        return {"OPTIONS": {"isolation_level": level}}
    from psycopg import IsolationLevel

    return {"OPTIONS": {"isolation_level": IsolationLevel[level.replace(" ", "_").upper()]}}


def test_a_move_of_its_own_transaction_is_repeated(database, monkeypatch):
    """
    Until it is made, or the database has broken it off a dozen times.
    """
    one, tried = job(), []
    save = JournalEntry.save

    def deadlock(entry, **options):
        tried.append(entry)
        if len(tried) < 3:
            broken = OperationalError("deadlock")
            broken.__cause__ = FakeDriverError()
            raise broken
        save(entry, **options)

    monkeypatch.setattr(JournalEntry, "save", deadlock)
    assert move(one, "start").ok
    assert 3 == len(tried)

    monkeypatch.setattr(JournalEntry, "save", _broken)
    with pytest.raises(ConcurrentMoveError):
        move(one, "succeed")
    monkeypatch.setattr(JournalEntry, "save", _disk_full)
    with pytest.raises(OperationalError, match="disk full"):
        move(one, "succeed")
    assert ("running", [("pending", "start", "running")]) == (copy(one).state, journal(one))


class FakeDriverError(Exception):
    """
    What a driver raises for a deadlock.
    """

    sqlstate = "40P01"


def _broken(*_, **__):
    raise OperationalError("deadlock") from FakeDriverError()


def _disk_full(*_, **__):
    raise OperationalError("disk full")


def test_a_row_that_keeps_changing_is_given_up(database, monkeypatch):
    """
    After twenty looks, with the error that asks for a new transaction.
    """
    one, looks = job(), []
    monkeypatch.setattr(models.QuerySet, "update", lambda rows, **_: looks.append(rows) or 0)
    with pytest.raises(ConcurrentMoveError):
        move(one, "start")
    assert 20 == len(looks)


def test_the_store_names_the_move_that_is_for_django(database):
    """
    Django's connection, a model, an instance and a query are refused by ``apply_move`` in one line.
    """
    sa = pytest.importorskip("sqlalchemy")
    from runstate.store import StoreArgumentError, apply_move, guard

    advice = r"\(runstate\.django\.move\(instance, trigger\) makes a move in Django's transaction\)"
    table = sa.Table("a", sa.MetaData(), sa.Column("id", sa.Text, primary_key=True), sa.Column("status", sa.Text))  # fmt: skip
    engine = sa.create_engine("sqlite://")
    for each in (connection, Job, Job(), Job.objects.all(), Job._meta.pk):
        with pytest.raises(StoreArgumentError, match=f"^caller: expected [^\n]*{advice}, got"):
            apply_move(each, table, "a", "start")
        with engine.connect() as own, pytest.raises(StoreArgumentError, match=f"^table:.*{advice}"):
            apply_move(own, each, "a", "start")
        with pytest.raises(StoreArgumentError, match=f"^status: expected [^\n]*{advice}, got"):
            guard(each, "start")
    engine.dispose()
