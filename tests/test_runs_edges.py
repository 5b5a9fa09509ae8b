"""
Engines and their log where objects, libraries or configurations are unusual.
"""

import logging
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from runstate import Engine, Entry, Lifecycle, LifecycleError, RunEngine, Transition
from runstate.errors import IllegalTransitionError, UnknownTriggerError
from runstate.runs import _fields, _log, _observers, _stdlib_log, _writable

NOW = 1_700_000_000.75
JOB = Lifecycle(
    "job",
    (Transition("start", "pending", "running"), Transition("finish", "running", "done")),
    "pending",
    {"done": "success"},
    entries=(Entry("running", stamps=("started_at",)),),
)


class Word(str):
    """
    A text of a class of its own.
    """

    __slots__ = ()


def started(thing: Any) -> Any:
    """
    Start *thing*, and return it.
    """
    Engine(JOB, clock=lambda: NOW).fire(thing, "start")

    return thing


def test_a_status_of_another_type_is_a_status_or_illegal():
    """
    A subclass of text is moved; a number is not a status of the table.
    """
    assert "running" == started(SimpleNamespace(status=Word("pending"))).status
    with pytest.raises(IllegalTransitionError):
        started(SimpleNamespace(status=5))


def test_annotations_that_cannot_be_read_say_nothing():
    """
    A name that only a type checker sees leaves whole seconds.
    """

    class Job:
        started_at: "Unheard | None" = None  # noqa: F821
        status = "pending"

    assert 1_700_000_000 == started(Job()).started_at


class Base(DeclarativeBase):
    """
    The tables of these tests.
    """


class Odd(sa.types.UserDefinedType):
    """
    A type of an application, which names no type of Python.
    """


class Row(Base):
    """
    A mapped job whose stamps are a number, and of a type that names no type of Python.
    """

    __tablename__ = "edges"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]
    started_at: Mapped[float | None]
    odd = mapped_column(Odd(), nullable=True)


def test_columns_of_other_types_are_read_from_the_mapping():
    """
    A column of floats gets a float; one that names no type gets whole seconds.
    """
    assert NOW == started(Row(id=1, status="pending")).started_at
    assert 1_700_000_000 == _fields.moment_of(Row(id=1), "odd", NOW, ())


def test_a_model_of_django_without_zones_gets_local_times(monkeypatch):
    """
    What Django holds without USE_TZ is the time of the machine; an attribute that is no column says nothing.
    """

    class Model:
        @classmethod
        def from_db(cls) -> None:
            """
            What a model of Django has.
            """

    kinds = {"at": "DateTimeField", "when": "FloatField"}
    Model._meta = SimpleNamespace(
        get_field=lambda name: SimpleNamespace(get_internal_type=lambda: kinds[name])
    )
    settings = SimpleNamespace(settings=SimpleNamespace(USE_TZ=False))
    monkeypatch.setitem(sys.modules, "django.conf", settings)
    local = _fields.moment_of(Model(), "at", NOW, ())
    held = SimpleNamespace(at=local)

    assert (None, NOW) == (local.tzinfo, local.timestamp())
    assert NOW == _fields.moment_of(Model(), "when", NOW, ())
    assert 1_700_000_000 == _fields.moment_of(Model(), "other", NOW, ())
    assert NOW == _fields.seconds_of(SimpleNamespace(at=_fields._either(NOW)), "at")
    assert _fields.seconds_of(held, "at") is not None


def test_a_judged_move_of_an_unknown_trigger_is_refused():
    """
    As the move itself would be.
    """
    engine = RunEngine()
    with pytest.raises(UnknownTriggerError):
        engine._prepare(engine.create(), "nonsense", {})


def test_a_reopening_row_with_unknown_evidence_is_a_fault():
    """
    As it is in any other row.
    """
    with pytest.raises(LifecycleError, match=r"evidence: .* got 'guessed'"):
        Lifecycle(
            "job",
            (
                Transition("run", "a", "b"),
                Transition("retry", "b", "a", evidence="guessed", reopens=True),
            ),
            "a",
            {"b": "success"},
        )


def test_what_json_has_no_form_for_is_named():
    """
    An object of Python is no value of JSON.
    """
    assert _writable.why_unwritable({"x": object()}).startswith(
        "cannot be written as JSON: expected text"
    )


# -- the log ---------------------------------------------------------------------------


def test_a_logger_of_the_standard_library_gets_every_kind_of_event(caplog):
    """
    A clock that stepped back and an observer that failed are on the lines, too.
    """
    times = iter([NOW, NOW - 60, NOW])

    def careless(moved):
        raise ValueError("no")

    with caplog.at_level(logging.INFO, logger="application"):
        engine = RunEngine(
            clock=lambda: next(times), observers=[careless], logger=logging.getLogger("application")
        )
        engine.start(engine.create())

    assert ["INFO", "ERROR", "INFO", "ERROR"] == [record.levelname for record in caplog.records]
    assert "clock_regressed=True" in caplog.records[2].getMessage()


@pytest.mark.parametrize("heard", [True, False])
def test_a_failure_of_the_log_is_reported_somewhere(monkeypatch, caplog, heard):
    """
    To the handlers of the logger, else to the last resort of the standard library, if it has one.
    """
    said = []
    monkeypatch.setattr(_stdlib_log, "_has_handler", lambda _: heard)
    monkeypatch.setattr(logging, "lastResort", SimpleNamespace(handle=said.append))
    _stdlib_log.fall_back("not logged")
    monkeypatch.setattr(logging, "lastResort", None)
    _stdlib_log.fall_back("not logged")

    assert (2, 0) == (len(caplog.records), len(said)) if heard else (0, 1) == (
        len(caplog.records), len(said),
    )  # fmt: skip


def test_a_logger_that_stands_alone_has_no_handler():
    """
    A handler that does nothing is none.
    """
    alone = logging.Logger("alone")
    alone.addHandler(logging.NullHandler())

    assert not _stdlib_log._has_handler(alone)


@pytest.mark.parametrize("configured", [True, False])
def test_without_the_names_of_its_defaults_structlog_is_asked(configured):
    """
    A structlog that hides its built-in defaults is taken at its word while it is not configured.
    """
    config = {
        "logger_factory": 1, "processors": [2, 3], "wrapper_class": 4,
        "cache_logger_on_first_use": False,
    }  # fmt: skip
    other = SimpleNamespace(
        _config=SimpleNamespace(), get_config=lambda: config, is_configured=lambda: configured
    )

    assert ((None,) * 3 if configured else ([2, 3], 4, 1)) == _log._built_in(other)
    assert ([2, 3], 4, 1, False) == _log._configuration(other)()


def test_a_row_that_cannot_be_read_is_a_warning():
    """
    The id and the reason are made harmless.
    """
    lines = []
    logger = SimpleNamespace(warning=lambda event, **facts: lines.append((event, facts)))
    _log.MoveLog(logger).unreadable("run\n1", "why")

    assert [("run.unreadable", r"run\n1")] == [(event, facts["run_id"]) for event, facts in lines]


def test_an_interrupt_between_two_moves_lets_the_next_ones_be_heard(monkeypatch):
    """
    What interrupts the telling itself leaves no object that is never told of again.
    """
    heard = []
    engine = RunEngine(observers=[heard.append])
    run = engine.create()
    lock, entered = _observers.COMMITS, []

    class Interrupted:
        def __enter__(self):
            entered.append(self)
            if len(entered) == 2:  # the move was heard, and its object is to be let go
                raise KeyboardInterrupt
            return lock.__enter__()

        def __exit__(self, *error):
            return lock.__exit__(*error)

    monkeypatch.setattr(_observers, "COMMITS", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        engine.start(run)
    engine.complete(run)

    assert ["queued", "in_progress", "completed"] == [moved.target for moved in heard]


def test_a_type_of_sqlalchemy_that_names_no_type_of_python_says_nothing():
    """
    Whole seconds are written, as where nothing is declared.
    """

    class Unnamed:
        @property
        def python_type(self) -> type:
            """
            What a type of SQLAlchemy may not have.
            """
            raise NotImplementedError

    assert _fields._of_column(Unnamed()) is None
