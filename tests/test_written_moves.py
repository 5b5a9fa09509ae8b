"""
Moves of plain objects are written out as functions, which do what the general way does.
"""

import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import SimpleNamespace

import pytest
import structlog
from pydantic import BaseModel, ConfigDict

from runstate import (
    Engine,
    Entry,
    GuardRefusedError,
    IllegalTransitionError,
    Lifecycle,
    PayloadError,
    Transition,
)
from runstate.errors import WrongObjectError
from runstate.presets import PRESETS

USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


class Clock:
    """
    A clock that is a little later at every look, and once earlier.
    """

    def __init__(self):
        self.times = iter([100.5, 101.5, 90.0, *range(200, 1000)])

    def __call__(self):
        """
        Return the next time.
        """
        return next(self.times)


def plain(lifecycle, status):
    """
    Return an object that has every field of *lifecycle*, all of them empty.
    """
    fields = dict.fromkeys((*lifecycle.stamp_fields, *lifecycle.detail_fields))
    for entry in lifecycle.entries:
        fields.update(dict.fromkeys(entry.clears))
    return SimpleNamespace(
        **fields, **{lifecycle.id_field: "a\x1b1", lifecycle.status_field: status}
    )


def payload_of(lifecycle, target):
    """
    Return what a move to *target* demands.
    """
    return dict.fromkeys(lifecycle.entry(target).requires, "something")


def walk(engine, lifecycle, target, rows):
    """
    Fire *rows* in their order on *target*, and return what came of each.
    """
    answers = []
    for row in rows:
        setattr(target, lifecycle.status_field, str(row.source))
        payload = payload_of(lifecycle, row.target)
        try:
            with structlog.testing.capture_logs() as log:
                moved = engine.fire(target, row.trigger, **payload)
        except (IllegalTransitionError, PayloadError) as error:
            answers.append((str(error), dict(vars(target))))
        else:
            answers.append((moved, log, dict(vars(target))))
    return answers


@pytest.mark.parametrize("name", [*PRESETS])
def test_written_moves_are_those_of_the_general_way(name):
    """
    Record, log and fields of the object are equal for every row of every lifecycle.

    An engine with a guard writes no moves out.
    """
    lifecycle = PRESETS[name]
    rows = [*lifecycle, *lifecycle]

    def answers(told, guards=()):
        engine = Engine(
            lifecycle, clock=Clock(), guards=guards, observers=[told.append],
            conditions=dict.fromkeys(lifecycle.conditions, bool),
        )  # fmt: skip
        return walk(engine, lifecycle, plain(lifecycle, lifecycle.initial), rows)

    heard_of_written, heard_of_general = [], []
    written = answers(heard_of_written)

    assert written == answers(heard_of_general, [lambda _, row: row in rows])
    assert heard_of_written == heard_of_general


JOB = Lifecycle(
    "job",
    (Transition("start", "new", "busy"), Transition("end", "busy", "done")),
    "new",
    {"done": "success"},
    entries=(
        Entry("busy", stamps=("started_at",)),
        Entry("done", stamps=("ended_at",), accepts=("note",)),
    ),
)


@dataclass
class Job:
    """
    An object of the kind that applications have.
    """

    status: str = "new"
    id: str | None = "job_1"
    started_at: int | None = None
    ended_at: int | None = None
    note: object = None


def warm(clock=lambda: 50.0, **options):
    """
    Return an engine that has met a job before, so that its moves are written out.
    """
    engine = Engine(JOB, clock=clock, **options)
    first = Job()
    engine.fire(first, "start")
    engine.fire(first, "end")
    return engine


WRITTEN = "<a move of runstate>"
"""What tracebacks and profiles call the file of a move that is written out."""


def called(function):
    """
    Return what *function* returns, and the functions that it calls, each with its file.
    """
    codes = []
    sys.setprofile(lambda frame, *_: codes.append(frame.f_code))
    try:
        answer = function()
    finally:
        sys.setprofile(None)
    return answer, {(code.co_name, code.co_filename) for code in codes}


def test_written_move_is_taken_from_the_second_object_on():
    """
    It calls nothing of the general way.
    """
    engine, guarded, job = warm(), warm(guards=[lambda *_: None]), Job()
    moved, functions = zip(
        called(lambda: engine.fire(job, "start")),
        called(lambda: engine.fire(job, "end", note="fine")),
        strict=True,
    )
    _, general = called(lambda: guarded.fire(Job(), "start"))
    (way,) = {function for function in general if function[0] == "trigger"}

    assert [True, True] == [("move", WRITTEN) in each and way not in each for each in functions]
    assert [("new", "busy"), ("busy", "done")] == [(m.source, m.target) for m in moved]
    assert Job("done", started_at=50, ended_at=50, note="fine") == job


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (Job(id=None), None),
        (Job(id="x" * 600), "x" * 511 + "…"),
        (Job(id="\x1b[1m"), "\\x1b[1m"),
        (Job(id=7), "7"),
    ],
    ids=["no id", "long id", "hostile id", "number"],
)
def test_id_in_the_record_is_harmless(job, expected):
    """
    As in every other record.
    """
    assert expected == warm().fire(job, "start").run_id


def test_times_of_another_type_go_the_general_way():
    """
    A float stays a float, a datetime a datetime, and a time is never before an earlier one.
    """
    engine, later = warm(), Job(started_at=70)
    usual = {"status": "new", "ended_at": None}
    for _ in range(2):
        floats = SimpleNamespace(**usual, started_at=99.5)
        dates = SimpleNamespace(**usual, started_at=datetime.fromtimestamp(7, UTC))
        for job in (floats, dates, later):
            engine.fire(job, "start")
            job.status = "new"

        assert 99.5 == floats.started_at
        assert datetime.fromtimestamp(50, UTC) == dates.started_at
        assert 70 == later.started_at


class Word(StrEnum):
    """
    Statuses as an Enum.
    """

    NEW = "new"
    BUSY = "busy"
    DONE = "done"


def test_member_of_an_enum_stays_one():
    """
    Although it is equal to the text.
    """
    engine, job = warm(), Job(Word.NEW)
    engine.fire(job, "start")

    assert job.status is Word.BUSY


def test_object_without_a_field_gets_it_all_the_same():
    """
    Here and there an attribute is missing until it is set.
    """
    engine = warm()
    for _ in range(2):
        job = SimpleNamespace(status="new")
        engine.fire(job, "start")
        assert 50 == job.started_at
    with pytest.raises(WrongObjectError):
        engine.fire(SimpleNamespace(started_at=None), "start")


class Model(BaseModel):
    """
    A model of pydantic, whose values are written past its validation.
    """

    model_config = ConfigDict(frozen=True)
    status: str = "new"
    id: str = "m"
    started_at: int | None = None
    ended_at: int | None = None
    note: str | None = None


def test_model_of_pydantic_goes_the_general_way_always():
    """
    A frozen one too, since a move is no assignment of its owner's.
    """
    engine = warm()
    for _ in range(2):
        model = Model()
        engine.fire(model, "start")
        assert ("busy", 50, {"status", "started_at"}) == (
            model.status,
            model.started_at,
            model.model_fields_set,
        )


class Stubborn(Job):
    """
    A job whose status cannot be set to every value.
    """

    def __setattr__(self, name, value):
        if value == "done":
            raise ValueError("not that")
        super().__setattr__(name, value)


def test_setter_that_raises_leaves_the_object_as_it_was():
    """
    In the written move as in the general one.
    """
    engine = Engine(JOB, clock=lambda: 50.0)
    for _ in range(2):
        job = Stubborn()
        engine.fire(job, "start")
        with pytest.raises(ValueError, match="not that"):
            engine.fire(job, "end", note="x")
        assert Stubborn("busy", started_at=50) == job
        engine.fire(Job("busy"), "end")


@pytest.mark.parametrize("name", ["class", "two words", "x;y", "ñ"])
def test_field_whose_name_cannot_be_written_is_still_stamped(name):
    """
    Names come from files: what is no plain name of Python is never written into a function.
    """
    lifecycle = Lifecycle(
        "odd", JOB.transitions, "new", {"done": "success"}, entries=(Entry("busy", stamps=(name,)),)
    )
    engine = Engine(lifecycle, clock=lambda: 50.0)
    for _ in range(2):
        job = SimpleNamespace(status="new", **{name: None})
        engine.fire(job, "start")
        assert 50 == getattr(job, name)


def test_refusals_are_those_of_the_general_way():
    """
    Also with a guard, with which no move is written out.
    """
    engine, guarded = warm(), Engine(JOB, guards=[lambda _job, row: row.trigger != "end"])
    with pytest.raises(IllegalTransitionError, match="cannot end"):
        engine.fire(Job(), "end")
    with pytest.raises(PayloadError, match="takes no payload"):
        engine.fire(Job(), "start", note="x")
    with pytest.raises(PayloadError, match="takes note"):
        engine.fire(Job("busy"), "end", other="x")
    for _ in range(2):
        job = Job()
        guarded.fire(job, "start")
        with pytest.raises(GuardRefusedError):
            guarded.fire(job, "end")


def test_of_many_threads_one_wins_every_object():
    """
    The same lock as in the general way, and a look at the status under it.
    """
    engine, jobs, wins = warm(), [Job("busy") for _ in range(2_000)], []
    usual = sys.getswitchinterval()

    def work():
        for job in jobs:
            try:
                engine.fire(job, "end")
            except IllegalTransitionError:
                continue
            wins.append(job)

    threads = [threading.Thread(target=work) for _ in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual)

    assert len(jobs) == len(wins)


def test_engine_remembers_a_bounded_number_of_classes():
    """
    Classes that are made at run time do not pile up.
    """
    engine = warm()
    for number in range(600):
        job = type(f"Job{number}", (Job,), {})()
        engine.fire(job, "start")

    assert len(engine._mover.plain) <= 256
