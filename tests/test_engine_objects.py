"""
Engine on the objects of applications: Enums stay Enums, times have the type of their field.
"""

import dataclasses
import enum
import threading
from datetime import UTC, date, datetime
from typing import Any

import pydantic
import pytest
import sqlalchemy as sa
import transitions
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from runstate import (
    Engine,
    Entry,
    Lifecycle,
    LifecycleFieldError,
    RunEngine,
    RunResponse,
    Transition,
)
from runstate.errors import WrongObjectError

AT = 1_700_000_000.5
MOMENT = datetime.fromtimestamp(AT, UTC)
JOB = Lifecycle(
    "job",
    (Transition("start", "pending", "running"), Transition("succeed", "running", "succeeded")),
    "pending",
    {"succeeded": "success"},
    entries=(Entry("running", stamps=("started_at",)),),
)


class Word(enum.StrEnum):
    """
    Statuses that are strings.
    """

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"


class Plain(enum.Enum):
    """
    Statuses whose values are the words.
    """

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"


class Named(enum.Enum):
    """
    Statuses whose names are the words.
    """

    pending = enum.auto()
    running = enum.auto()
    succeeded = enum.auto()


@pytest.mark.parametrize("kind", [Word, Plain, Named])
@pytest.mark.parametrize("validate", [True, False])
def test_enum_stays_the_enum(kind, validate):
    """
    A dataclass and a pydantic model hold a member before and after, by value or by name.
    """
    first, second, last = kind

    @dataclasses.dataclass
    class Job:
        """
        A plain object.
        """

        status: Any = first

    class Model(pydantic.BaseModel, validate_assignment=validate):
        """
        A model.
        """

        status: kind = first

    engine = Engine(JOB)
    for job in (Job(), Model()):
        assert ("pending", "running") == engine.fire(job, "start")[2:4]
        assert job.status is second
        assert ("succeed",) == engine.allowed(job)
        assert engine.can(job, "succeed")
        engine.fire(job, "succeed")
        assert job.status is last
    Model.model_validate_json(Model().model_dump_json())


def test_enum_without_the_target_moves_nothing():
    """
    An Enum that lacks a status of the lifecycle is refused by name.
    """

    class Half(enum.Enum):
        """
        Too few.
        """

        PENDING = "pending"

    @dataclasses.dataclass
    class Job:
        """
        A plain object.
        """

        status: Half = Half.PENDING

    job = Job()
    with pytest.raises(WrongObjectError, match="Half has no member for the status 'running'"):
        Engine(JOB).fire(job, "start")

    assert Half.PENDING is job.status


def test_engine_moves_the_machines_own_model():
    """
    A machine of transitions over an Enum, and the same model moved by an Engine of its table.
    """

    class Colour(enum.Enum):
        """
        Names and values have nothing in common.
        """

        RED = enum.auto()
        GREEN = enum.auto()

    class Lamp:
        """
        What the machine moves.
        """

        state: Any

    lamp = Lamp()
    machine = transitions.Machine(
        lamp, states=Colour, initial=Colour.RED, transitions=[["go", Colour.RED, Colour.GREEN]]
    )
    table = Lifecycle.from_machine(machine, terminal={"GREEN": "success"})
    Engine(table).fire(lamp, "go")

    assert ("RED", "GREEN") == table.statuses
    assert Colour.GREEN is lamp.state
    assert lamp.is_GREEN()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int | None, int(AT)),
        (float | None, AT),
        (datetime | None, MOMENT),
        (pydantic.AwareDatetime | None, MOMENT),
        (pydantic.NaiveDatetime | None, MOMENT.replace(tzinfo=None)),
        (date | None, MOMENT.date()),
        (str | None, MOMENT.isoformat()),
    ],
    ids=str,
)
def test_stamp_has_the_type_of_the_field(annotation, expected):
    """
    On a dataclass and on a model of pydantic, which reads its own dump back.
    """
    data = dataclasses.make_dataclass(
        "Job", [("status", str, "pending"), ("started_at", annotation, None)]
    )
    model = pydantic.create_model("Job", status=(str, "pending"), started_at=(annotation, None))
    for job in (data(), model()):
        Engine(JOB, clock=lambda: AT).fire(job, "start")
        assert (type(expected), expected) == (type(job.started_at), job.started_at)
        if isinstance(job, pydantic.BaseModel):
            assert job == model.model_validate_json(job.model_dump_json())


def test_stamp_is_naive_where_the_objects_times_are():
    """
    A datetime that says nothing of zones is like the others of its object: they are compared.
    """
    lifecycle = Lifecycle(
        "job", JOB.transitions, "pending", {"succeeded": "success"},
        entries=(Entry("running", stamps=("started_at",)),), created=("created_at",),
    )  # fmt: skip

    @dataclasses.dataclass
    class Job:
        """
        A plain object with a naive time.
        """

        created_at: datetime
        status: str = "pending"
        started_at: datetime | None = None

    job = Job(datetime(2023, 1, 1))  # noqa: DTZ001  that it has no zone is the point
    Engine(lifecycle, clock=lambda: AT).fire(job, "start")

    assert job.started_at == MOMENT.replace(tzinfo=None)


class Base(DeclarativeBase):
    """
    The application's tables.
    """


class Row(Base):
    """
    A mapped job.
    """

    __tablename__ = "jobs"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[Plain] = mapped_column(sa.Enum(Plain))
    started_at: Mapped[datetime | None]


def test_mapped_object_is_moved_and_saved():
    """
    The session commits what the engine wrote, and loads it again.
    """
    database = sa.create_engine("sqlite://")
    Base.metadata.create_all(database)
    with Session(database) as session:
        row = Row(id=1, status=Plain.PENDING)
        session.add(row)
        session.commit()
        Engine(JOB, clock=lambda: AT).fire(row, "start")
        session.commit()
        assert (Plain.RUNNING, MOMENT.replace(tzinfo=None)) == (row.status, row.started_at)
    database.dispose()


def test_observers_hear_in_order_when_one_fires_on():
    """
    The first observer makes the next move; the second hears of them as they were made.
    """
    heard = []

    def chain(moved):
        if moved.trigger == "start":
            engine.complete(run)

    engine = RunEngine(observers=[chain, lambda moved: heard.append(moved.seq)])
    run = engine.create()
    engine.start(run)

    assert [1, 2, 3] == heard


def test_observers_hear_in_order_from_many_threads():
    """
    Whoever makes a move while others are being told of the last one: the order is theirs.
    """
    lifecycle = Lifecycle(
        "beat",
        (Transition("beat", "on", "on"), Transition("stop", "on", "off")),
        "on",
        {"off": "success"},
    )

    @dataclasses.dataclass
    class Heart:
        """
        A plain object.
        """

        status: str = "on"

    heart, heard = Heart(), []
    lock, counts = threading.Lock(), iter(range(10_000))

    def clock():
        with lock:
            return float(next(counts))

    engine = Engine(lifecycle, clock=clock, observers=[lambda moved: heard.append(moved.at)])
    threads = [
        threading.Thread(target=lambda: [engine.fire(heart, "beat") for _ in range(100)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 400 == len(heard)
    assert {} == engine._mover.observers._queues


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_base_exception_of_an_observer_does_not_silence_the_others(kind):
    """
    It reaches the caller once everybody has heard, and the next move is heard as well.
    """
    heard = []

    def interrupted(moved):
        if moved.trigger == "start":
            raise kind

    engine = RunEngine(observers=[interrupted, lambda moved: heard.append(moved.trigger)])
    run = engine.create()
    with pytest.raises(kind):
        engine.start(run)
    engine.complete(run)

    assert ["create", "start", "complete"] == heard


@pytest.mark.parametrize(
    "found", [None, RunResponse, object(), {"status": "queued"}, "run_1", RunResponse.model_construct(status="queued")],
    ids=["None", "class", "object", "dict", "text", "constructed"],
)  # fmt: skip
def test_what_is_no_run_is_refused(found):
    """
    The error says what was expected and what was found.
    """
    engine = RunEngine()
    for call in (engine.start, engine.complete, lambda run: engine.fire(run, "start")):
        with pytest.raises(WrongObjectError, match="expected a RunResponse, got"):
            call(found)


@pytest.mark.parametrize("found", [None, Row, object(), {"status": "pending"}])
def test_what_has_no_status_is_refused(found):
    """
    The same for an engine that moves any object.
    """
    engine = Engine(JOB)
    for call in (
        lambda: engine.fire(found, "start"),
        lambda: engine.can(found, "start"),
        lambda: engine.allowed(found),
    ):
        with pytest.raises(
            WrongObjectError, match="expected an object with the attribute 'status'"
        ):
            call()


def test_run_is_not_made_again():
    """
    To call __init__ on a run that is there would undo its end.
    """
    engine = RunEngine()
    run = engine.create()
    engine.start(run)
    engine.complete(run)
    before = run.model_dump()
    with pytest.raises(LifecycleFieldError):
        run.__init__(id="other", status="queued", created_at=int(AT))  # type: ignore[misc]

    assert before == run.model_dump()
