"""
Engines on the models of applications: stamps have the type of their field, a status stays an Enum.
"""

import dataclasses
import datetime as dt
import enum
import uuid
import warnings
from typing import Any

import pydantic
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from runstate import Engine, Entry, Lifecycle, RunEngine, RunResponse, Transition
from runstate.errors import RunstateError, WrongObjectError

JOB = Lifecycle(
    "job",
    (Transition("start", "pending", "running"), Transition("finish", "running", "done")),
    "pending",
    {"done": "success"},
    entries=(Entry("running", stamps=("started_at",)), Entry("done", stamps=("ended_at",))),
)
NOW = 1_700_000_000.75
UTC = dt.datetime.fromtimestamp(NOW, dt.UTC)
NAIVE = UTC.replace(tzinfo=None)


class Word(str, enum.Enum):  # noqa: UP042  the spelling that most applications have
    """
    Statuses as members that are strings.
    """

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"


class Plain(enum.Enum):
    """
    Statuses as members whose values are the words.
    """

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"


Numbered = enum.Enum("Numbered", ["pending", "running", "done"])
"""Statuses as members whose names are the words, as transitions reads them."""

StringEnum = enum.StrEnum(
    "StringEnum", {"PENDING": "pending", "RUNNING": "running", "DONE": "done"}
)


def engine() -> Engine[Any]:
    """
    Return an engine whose clock stands still.
    """
    return Engine(JOB, clock=lambda: NOW)


def moved(thing: Any) -> Any:
    """
    Move *thing* to its end, and return it.
    """
    mover = engine()
    mover.fire(thing, "start")
    mover.fire(thing, "finish")

    return thing


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (int, 1_700_000_000),
        (float, NOW),
        (dt.datetime, UTC),
        (pydantic.AwareDatetime, UTC),
        (pydantic.NaiveDatetime, NAIVE),
        (dt.date, UTC.date()),
        (str, UTC.isoformat()),
        (Any, 1_700_000_000),
    ],
)
def test_a_stamp_of_a_pydantic_model_has_the_type_of_its_field(kind, expected):
    """
    What the engine writes is what the model's own validation would accept.
    """
    model = pydantic.create_model(
        "Job", status=(str, "pending"), started_at=(kind | None, None), ended_at=(kind | None, None)
    )
    job = moved(model())

    assert ("done", expected, expected) == (job.status, job.started_at, job.ended_at)
    assert job == model.model_validate(job.model_dump())


@pytest.mark.parametrize(
    ("kind", "expected"), [(int, 1_700_000_000), (float, NOW), (dt.datetime, UTC)]
)
def test_a_stamp_of_a_dataclass_has_the_type_of_its_field(kind, expected):
    """
    Annotations decide.
    """
    model = dataclasses.make_dataclass(
        "Job",
        [
            ("status", str, "pending"),
            ("started_at", kind | None, None),
            ("ended_at", kind | None, None),
        ],
    )

    assert expected == moved(model()).started_at


@pytest.mark.parametrize(
    "kind",
    [
        dt.timedelta, dt.time, bool, bytes, uuid.UUID, Word, list[int], dict[str, int],
        dt.timedelta | bool,
    ],
)  # fmt: skip
@pytest.mark.parametrize("make", [pydantic.create_model, dataclasses.make_dataclass])
def test_a_field_that_cannot_hold_a_time_is_refused_by_name(kind, make):
    """
    The object stays as it was. A union with a type that can is written as that.
    """
    for fits, declared in ((False, kind | None), (True, kind | int | None)):
        if make is pydantic.create_model:
            model = make("Job", status=(str, "pending"), started_at=(declared, None))
        else:
            model = make("Job", [("status", str, "pending"), ("started_at", declared, None)])
        job = model()
        if fits:
            assert engine().fire(job, "start").target == job.status
            assert 1_700_000_000 == job.started_at
            continue
        with pytest.raises(WrongObjectError, match=r"'started_at' holds a time: .* got Job"):
            engine().fire(job, "start")
        assert ("pending", None) == (job.status, job.started_at)


def test_without_a_declaration_a_stamp_is_whole_seconds():
    """
    An object that declares nothing gets Unix seconds, as a run does.
    """

    class Job:
        status = "pending"

    assert 1_700_000_000 == moved(Job()).started_at


@pytest.mark.parametrize("members", [Word, Plain, Numbered, StringEnum])
def test_an_enum_status_stays_a_member(members):
    """
    The object's status is a member before and after, whatever kind of Enum it is of.
    """

    @dataclasses.dataclass
    class Job:
        status: Any

    first, *_, last = members
    job = moved(Job(first))

    assert job.status is last


def test_an_enum_field_of_pydantic_dumps_without_a_warning():
    """
    Pydantic finds the member that it expects.
    """

    class Job(pydantic.BaseModel):
        status: Word = Word.PENDING

    job = Job()
    engine().fire(job, "start")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dumped = job.model_dump_json()

    assert (Word.RUNNING, '{"status":"running"}') == (job.status, dumped)


def test_an_enum_that_lacks_a_status_is_refused_before_the_move():
    """
    The object stays as it was, and the error names the missing member.
    """

    class Short(enum.Enum):
        PENDING = "pending"

    @dataclasses.dataclass
    class Job:
        status: Any = Short.PENDING

    job = Job()
    with pytest.raises(RunstateError, match="Short has no member for the status 'running'"):
        engine().fire(job, "start")

    assert job.status is Short.PENDING


class Base(DeclarativeBase):
    """
    The tables of these tests.
    """


class Row(Base):
    """
    A mapped job with an Enum, a time with a zone, and one without.
    """

    __tablename__ = "jobs"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[Word] = mapped_column(sa.Enum(Word))
    started_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))


def test_a_mapped_object_can_be_committed_after_its_moves():
    """
    SQLAlchemy takes what the engine wrote, and reads the same back.
    """
    database = sa.create_engine("sqlite://")
    Base.metadata.create_all(database)
    with Session(database) as session:
        row = Row(id=1, status=Word.PENDING)
        session.add(row)
        session.commit()
        moved(row)
        assert (NAIVE, UTC) == (row.started_at, row.ended_at)
        session.commit()
        session.expire_all()
        again = session.get(Row, 1)

        assert (Word.DONE, NAIVE, NAIVE) == (
            again.status, again.started_at, again.ended_at.replace(tzinfo=None),
        )  # fmt: skip
    database.dispose()


def test_a_django_model_can_be_saved_after_its_moves():
    """
    Django takes what the engine wrote: an aware time where it uses zones.
    """
    django = pytest.importorskip("django")
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
            USE_TZ=True, INSTALLED_APPS=[], DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        )  # fmt: skip
        django.setup()
    from django.db import connection, models

    class Job(models.Model):
        status = models.CharField(max_length=20, default="pending")
        started_at = models.DateTimeField(null=True)
        ended_at = models.BigIntegerField(null=True)

        class Meta:
            app_label = "engine_models"

    with connection.schema_editor() as editor:
        editor.create_model(Job)
    job = Job.objects.create()
    moved(job).save()
    again = Job.objects.get(pk=job.pk)
    connection.close()

    assert ("done", UTC, 1_700_000_000) == (again.status, again.started_at, again.ended_at)


# -- what is handed to an engine by mistake --------------------------------------------


@pytest.mark.parametrize("wrong", [None, 5, "run_1", {}, object(), RunResponse, dict, []])
def test_what_an_engine_cannot_move_is_named(wrong):
    """
    Each engine says what it moves and what it got; the error is one of the package and a TypeError.
    """
    for mover, trigger in ((engine(), "start"), (RunEngine(), "start")):
        with pytest.raises(RunstateError, match=r"expected .*, got ") as refused:
            mover.fire(wrong, trigger)
        assert isinstance(refused.value, TypeError)


def test_a_run_without_an_id_or_a_status_is_named():
    """
    A run that was constructed past its validation lacks what a move needs.
    """
    for lacking, known in (("id", {"status": "queued"}), ("status", {"id": "run_1"})):
        with pytest.raises(RunstateError, match=f"one without {lacking}"):
            RunEngine().start(RunResponse.model_construct(**known))


def test_a_run_is_not_made_twice():
    """
    ``run.__init__`` on an ended run would set its status back; it is refused.
    """
    mover = RunEngine()
    run = mover.create(id="run_1")
    mover.start(run)
    mover.complete(run)
    with pytest.raises(RunstateError, match="status"):
        run.__init__(id="run_1", status="queued", created_at=1_700_000_000)

    assert "completed" == run.status


def test_a_subclass_with_fields_and_an_init_of_its_own_is_still_made():
    """
    What makes a run once goes on working for the classes of an application.
    """

    class Mine(RunResponse):
        tenant: str = "none"

        def __init__(self, **data: Any) -> None:
            super().__init__(**{"tenant": "a", **data})

    run = Mine(id="run_1", status="queued", created_at=1_700_000_000)
    read = RunResponse.model_validate(run.model_dump())

    assert ("a", "run_1") == (run.tenant, read.id)
    assert "a" == Mine.model_validate_json(run.model_dump_json()).tenant
