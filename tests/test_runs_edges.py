"""
Engines and their log where objects, libraries or configurations are unusual.
"""

import logging
import sys
import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from runstate import (
    Engine,
    Entry,
    Function,
    Lifecycle,
    LifecycleError,
    RunEngine,
    RunResponse,
    Transition,
)
from runstate.errors import IllegalTransitionError, UnknownTriggerError
from runstate.store import RunStore

NOW = 1_700_000_000.75


def job(*stamps: str, **options: Any) -> Lifecycle:
    """
    Return a lifecycle that writes the time of the start to *stamps*.
    """
    return Lifecycle(
        "job",
        (Transition("start", "pending", "running"), Transition("finish", "running", "done")),
        "pending",
        {"done": "success"},
        entries=(Entry("running", stamps=stamps),),
        **options,
    )


JOB = job("started_at")


class Word(str):
    """
    A text of a class of its own.
    """

    __slots__ = ()


def started(thing: Any, lifecycle: Lifecycle = JOB) -> Any:
    """
    Start *thing*, and return it.
    """
    Engine(lifecycle, clock=lambda: NOW).fire(thing, "start")

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

    @property
    def python_type(self) -> type:
        """
        What a type of SQLAlchemy may not have.
        """
        raise NotImplementedError


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
    assert 1_700_000_000 == started(Row(id=1, status="pending"), job("odd")).odd


def test_a_model_of_django_without_zones_gets_local_times(monkeypatch):
    """
    What Django holds without USE_TZ is the time of the machine; an attribute that is no column says nothing.
    """

    class Model:
        status = "pending"

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
    model = started(Model(), job("at", "when", "other"))
    late = Engine(job("at"), clock=lambda: NOW - 60).fire(model, "finish")
    held = SimpleNamespace(
        status="running", at=datetime.fromtimestamp(NOW, UTC).replace(tzinfo=None)
    )
    too_late = Engine(job("at"), clock=lambda: NOW - 60).fire(held, "finish")

    assert (None, NOW) == (model.at.tzinfo, model.at.timestamp())
    assert NOW == model.when
    assert 1_700_000_000 == model.other
    assert (NOW, True) == (late.at, late.clock_regressed)
    assert (NOW, True) == (too_late.at, too_late.clock_regressed)


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
    with pytest.raises(
        ValueError, match=r"(?s)parameters.*cannot be written as JSON: expected text"
    ):
        Function(name="look", parameters={"x": object()})


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


class BrokenLogger:
    """
    A logger that fails.
    """

    def info(self, event: str, **_: Any) -> None:
        """
        Fail.
        """
        raise OSError(28, "No space left on device")


def test_a_failure_of_the_log_goes_to_the_last_resort(monkeypatch):
    """
    Where the logger has no handler but one that does nothing; unless there is no last resort.
    """
    said = []
    engine, logger = RunEngine(logger=BrokenLogger()), logging.getLogger("runstate")
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])
    monkeypatch.setattr(logging, "lastResort", SimpleNamespace(handle=said.append))
    engine.create()
    monkeypatch.setattr(logging, "lastResort", None)
    engine.create()

    assert ["run.transition was not logged: "] == [
        record.getMessage().partition("OSError")[0] for record in said
    ]


@pytest.mark.parametrize("place", ["runstate", None])
def test_a_failure_of_the_log_is_heard_by_a_handler(monkeypatch, place):
    """
    Of the logger, or of one above it; then the last resort is not asked.
    """
    said, heard = [], []
    handler = logging.Handler()
    handler.emit = heard.append
    monkeypatch.setattr(logging, "lastResort", SimpleNamespace(handle=said.append))
    for name in ("runstate", None):
        handlers = [handler] if name == place else []
        monkeypatch.setattr(logging.getLogger(name), "handlers", handlers)
    RunEngine(logger=BrokenLogger()).create()

    assert (1, 0) == (len(heard), len(said))


@pytest.mark.parametrize("configured", [True, False])
def test_without_the_names_of_its_defaults_structlog_is_asked(monkeypatch, caplog, configured):
    """
    A structlog that hides its built-in defaults is taken at its word while it is not configured.
    """
    lines = []
    structlog.reset_defaults()
    if configured:
        structlog.configure(processors=[lambda *event: lines.append(event[2]) or "seen"])
    monkeypatch.setattr(structlog, "_config", SimpleNamespace())
    with caplog.at_level(logging.INFO, logger="runstate"):
        engine = RunEngine()
        run = engine.create()
        before = len(lines), len(caplog.records)
        structlog.configure(processors=[lambda *event: lines.append(event[2]) or "seen"])
        engine.start(run)

    assert ((1, 0) if configured else (0, 1)) == before
    assert "start" == lines[-1]["trigger"]


def test_a_row_that_cannot_be_read_is_a_warning(tmp_path):
    """
    The id and the reason are made harmless.
    """
    runs = sa.table("runstate_runs", *map(sa.column, ["id", "document"]))
    with structlog.testing.capture_logs() as log, RunStore.open(f"sqlite:///{tmp_path}/r") as store:
        store.create(id="run_1")
        with store.engine.begin() as connection:
            connection.execute(runs.update().values(id="run\n1", document="{\n"))
        store.list()

    assert [("warning", r"run\n1", True)] == [
        (line["log_level"], line["run_id"], line["reason"].isprintable())
        for line in log
        if line["event"] == "run.unreadable"
    ]


# -- interrupts ------------------------------------------------------------------------


class Interrupted:
    """
    An observer of a run, at whose move the package is interrupted where a call ends, as by Ctrl-C.

    Args:
        number: Which of the ends of calls, from when the run is in progress.
    """

    def __init__(self, number: int) -> None:
        self.left = number
        self.heard: list[str] = []
        self.run: RunResponse | None = None

    def __call__(self, moved: Any) -> None:
        """
        Hear of a move.
        """
        self.heard.append(moved.target)

    def __enter__(self) -> None:
        sys.setprofile(self._called)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _called(self, frame: Any, event: str, _: object) -> None:
        here = frame.f_globals["__name__"].startswith("runstate.")
        moved = self.run is not None and self.run.__dict__["status"] == "in_progress"
        if here and event.endswith("return") and moved:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt


def test_an_interrupt_after_a_move_lets_it_and_the_next_ones_be_heard():
    """
    What interrupts the telling itself leaves no object that is never told of again.

    A move that was interrupted before it was queued is not told of: its caller knows.
    """
    interrupted, told = [], set()
    for number in range(1, 200):
        observer = Interrupted(number)
        engine = RunEngine(observers=[observer])
        observer.run = run = engine.create()
        try:
            with observer:
                engine.start(run)
        except KeyboardInterrupt:
            interrupted.append(number)
        # By another thread, which no lock may keep waiting.
        other = threading.Thread(target=engine.complete, args=(run,), daemon=True)
        other.start()
        other.join(10)
        told.add(tuple(observer.heard))

    assert 10 < len(interrupted) < 199
    assert told <= {("queued", "in_progress", "completed"), ("queued", "completed")}
