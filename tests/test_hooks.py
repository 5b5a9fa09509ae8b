"""
The log of every move and refusal, as a whole.
"""

import asyncio
import io
import logging
import threading
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from runstate import RUN, IllegalTransitionError, Moved, PayloadError, RunEngine, errors

BORN = 1_700_000_000

LAST_ERROR = {"code": "server_error", "message": "SECRET"}


class Lines(list[dict[str, Any]]):
    """
    Every entry that passes by, as a structlog processor.
    """

    def __call__(self, _: Any, __: str, entry: dict[str, Any]) -> Any:
        """
        Keep *entry*, and let nobody else have it.
        """
        self.append(entry)
        raise structlog.DropEvent

    @property
    def triggers(self) -> list[str]:
        """The triggers that the entries name."""
        return [entry["trigger"] for entry in self]


class Count:
    """
    Counts how often loggers are made.
    """

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, *_: Any) -> Any:
        """
        Make one more.
        """
        self.made += 1
        return structlog.testing.ReturnLogger()


class BrokenStream(io.StringIO):
    """
    A disk that is full.
    """

    def write(self, _: str) -> int:
        """
        Fail.
        """
        raise OSError(28, "No space left\non device")


def entry(trigger: str, source: "str | None", target: str, **facts: Any) -> dict[str, Any]:
    """
    Return the whole entry of a move of run_1.
    """
    return {
        "event": "run.transition",
        "run_id": "run_1",
        "trigger": trigger,
        "source": source,
        "target": target,
        "at": float(BORN),
        "lifecycle": "run",
        "duration_s": 0.0,
        "log_level": "info",
        **facts,
    }


def test_every_move_is_one_entry(engine, clock):
    """
    Each move is one event with fixed keys, whose values are the move's own facts.
    """
    with capture_logs() as log:
        run = engine.create(
            id="run_1", instructions="SECRET", metadata={"SECRET": "SECRET"}, tools=[]
        )
        clock.now += 2.5
        engine.start(run)
        clock.now += 0.25
        engine.request_cancel(run)
        engine.confirm_cancel(run)

    assert log == [
        entry("create", None, "queued", duration_s=None, seq=1),
        entry("start", "queued", "in_progress", at=BORN + 2.5, duration_s=2.5, seq=2),
        entry(
            "request_cancel", "in_progress", "cancelling", at=BORN + 2.75, duration_s=0.25, seq=3
        ),
        entry("confirm_cancel", "cancelling", "cancelled", at=BORN + 2.75, seq=4),
    ]


@pytest.mark.parametrize("target", RUN.terminal)
def test_bad_ends_are_warnings(engine, target):
    """
    A run that fails or expires is logged as a warning, any other end as information.
    """
    run = engine.create(id="run_1")
    ends = {
        "failed": lambda: engine.fail(run, LAST_ERROR),
        "completed": lambda: engine.complete(run),
        "incomplete": lambda: engine.stop_incomplete(run, "max_prompt_tokens"),
        "expired": lambda: engine.expire(run),
        "cancelled": lambda: (engine.request_cancel(run), engine.confirm_cancel(run)),
    }
    engine.start(run)
    with capture_logs() as log:
        ends[target]()

    level = "warning" if target in {"failed", "expired"} else "info"
    assert (target, level) == (log[-1]["target"], log[-1]["log_level"])
    assert "SECRET" not in repr(log)


def test_clock_that_stepped_back_is_told(engine, clock):
    """
    A move whose clock had stepped back says so, and is made at the run's last time.
    """
    run = engine.create(id="run_1")
    clock.now -= 60
    with capture_logs() as log:
        engine.start(run)

    assert log == [entry("start", "queued", "in_progress", seq=2, clock_regressed=True)]


def test_refusals_are_logged(clock):
    """
    Each kind of refusal is one event that names the kind, and never what was refused.
    """
    engine = RunEngine(clock=clock, guards=[lambda run, row: row.trigger != "expire"])
    run = engine.create(id="run_1")
    attempts = [
        ("complete", {}),
        ("strat", {}),
        ("expire", {}),
        ("fail", {}),
        ("fail", {"last_error": {"code": "SECRET"}}),
        ("start", {"SECRET_": "SECRET"}),
    ]
    with capture_logs() as log:
        for trigger, payload in attempts:
            with pytest.raises(errors.MoveRefusedError):
                engine.fire(run, trigger, **payload)

    common = {
        "event": "run.rejected", "run_id": "run_1", "status": "queued", "log_level": "info",
        "lifecycle": "run",
    }  # fmt: skip
    assert log == [
        {**common, "trigger": "complete", "target": "completed", "kind": "illegal"},
        {**common, "trigger": "strat", "target": None, "kind": "illegal"},
        {**common, "trigger": "expire", "target": "expired", "kind": "guard"},
        {**common, "trigger": "fail", "target": "failed", "kind": "payload"},
        {**common, "trigger": "fail", "target": "failed", "kind": "payload"},
        {**common, "trigger": "start", "target": "in_progress", "kind": "payload"},
    ]


def test_failed_observer_is_logged(clock):
    """
    An observer that raises is named in an error with its exception, and the move stands.
    """
    fault = ValueError("no")

    def careless(_: Moved) -> None:
        raise fault

    class Careful:
        """
        An observer that has no name of its own.
        """

        def __call__(self, _: Moved) -> None:
            """
            Fail too.
            """
            raise fault

    engine = RunEngine(clock=clock, observers=[careless, Careful()])
    with capture_logs() as log:
        run = engine.create(id="run_1")

    failed = {
        "event": "run.observer_failed",
        "run_id": "run_1",
        "trigger": "create",
        "exc_info": fault,
        "log_level": "error",
        "lifecycle": "run",
    }
    here = "test_failed_observer_is_logged.<locals>."
    assert run.status == "queued"
    assert log == [
        entry("create", None, "queued", duration_s=None, seq=1),
        {**failed, "observer": f"{here}careless"},
        {**failed, "observer": f"{here}Careful"},
    ]


def test_failed_async_observer_is_logged(clock):
    """
    An observer that fails while the loop runs it is logged like any other.
    """
    fault = ValueError("no")

    async def careless(_: Moved) -> None:
        """
        Fail.
        """
        raise fault

    async def program() -> None:
        """
        Make one move, and let its observer run.
        """
        engine.create(id="run_1")
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    engine = RunEngine(clock=clock, observers=[careless])
    with capture_logs() as log:
        asyncio.run(program())

    assert [("run.transition", None), ("run.observer_failed", fault)] == [
        (line["event"], line.get("exc_info")) for line in log
    ]


# -- the application's configuration ------------------------------------------------


def test_filtered_level_is_silent(engine):
    """
    An application that asks for warnings alone hears of nothing but bad ends.
    """
    lines = Lines()
    structlog.configure(
        processors=[lines], wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING)
    )
    run = engine.create(id="run_1")
    engine.start(run)
    with pytest.raises(IllegalTransitionError):
        engine.start(run)
    engine.fail(run, LAST_ERROR)

    assert [("run.transition", "failed")] == [(line["event"], line["target"]) for line in lines]


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
@pytest.mark.parametrize("keeps", [True, False])
def test_silence_is_known_for_good_only_if_loggers_are_kept(engine, level, keeps):
    """
    Only where loggers are kept and information is filtered out may a move skip its log.
    """
    before, after = Lines(), Lines()
    structlog.configure(
        processors=[before],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=keeps,
    )
    run = engine.create(id="run_1")
    structlog.configure(
        processors=[after], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO)
    )
    engine.start(run)
    heard = level == logging.INFO

    assert (heard, heard and keeps) == ("create" in before.triggers, "start" in before.triggers)
    assert ([] if keeps else ["start"]) == after.triggers


def test_bad_end_is_heard_where_moves_are_silent(engine):
    """
    A warning passes though plain moves are known to be filtered out.
    """
    lines = Lines()
    structlog.configure(
        processors=[lines],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        cache_logger_on_first_use=True,
    )
    run = engine.create(id="run_1")
    engine.start(run)
    engine.expire(run)

    assert [("expire", "expired")] == [(line["trigger"], line["target"]) for line in lines]


@pytest.mark.parametrize("key", ["processors", "wrapper_class", "logger_factory"])
def test_reconfiguration_is_noticed(engine, key):
    """
    A call of structlog.configure between two moves holds from the next move on.
    """
    before, after = Lines(), Lines()
    factory = Count()
    values = {
        "processors": [after],
        "wrapper_class": structlog.make_filtering_bound_logger(logging.ERROR),
        "logger_factory": factory,
    }
    first = {"processors": [before]}
    structlog.configure(**first)
    run = engine.create(id="run_1")
    structlog.configure(**{**first, key: values[key]})
    engine.start(run)

    heard = {
        "processors": (1, 1, 0),
        "wrapper_class": (1, 0, 0),
        "logger_factory": (2, 0, 1),
    }
    assert heard[key] == (len(before), len(after), factory.made)


def test_logger_is_kept_while_nothing_changes(engine):
    """
    The bound logger is made once, not once a move.
    """
    factory = Count()
    structlog.configure(processors=[Lines()], logger_factory=factory)
    for number in range(5):
        engine.start(engine.create(id=f"run_{number}"))

    assert factory.made == 1


def test_kept_logger_is_kept_for_good(engine):
    """
    An application that caches loggers on first use keeps the one it had at first.
    """
    before, after = Lines(), Lines()
    structlog.configure(processors=[before], cache_logger_on_first_use=True)
    run = engine.create(id="run_1")
    structlog.configure(processors=[after])
    engine.start(run)
    structlog.configure(processors=[after], cache_logger_on_first_use=False)
    engine.complete(run)

    assert (3, 0) == (len(before), len(after))


def test_kept_logger_can_still_be_captured(engine):
    """
    Loggers that are kept are captured by structlog's own test helper.
    """
    structlog.configure(processors=[Lines()], cache_logger_on_first_use=True)
    run = engine.create(id="run_1")
    with capture_logs() as log:
        engine.start(run)

    assert [entry("start", "queued", "in_progress", seq=2)] == log


def test_own_logger_is_used_whatever_the_configuration(clock):
    """
    An engine that was given a logger uses that one, with what is bound to it.
    """
    lines, others = Lines(), Lines()
    structlog.configure(processors=[others])
    logger = structlog.wrap_logger(None, processors=[lines]).bind(service="s")
    RunEngine(clock=clock, logger=logger).create(id="run_1")

    expected = entry("create", None, "queued", duration_s=None, seq=1) | {"service": "s"}
    del expected["log_level"]
    assert ([expected], []) == (lines, others)


def test_standard_library_loggers_will_do(engine, caplog):
    """
    Loggers of the standard library may be what structlog writes to.
    """
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer(key_order=["event", "run_id"])],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    with caplog.at_level(logging.INFO):
        engine.create(id="run_1")

    assert [("INFO", "event='run.transition' run_id='run_1'")] == [
        (line.levelname, line.message.partition(" trigger")[0]) for line in caplog.records
    ]


def test_first_moves_of_many_threads_are_all_logged(clock):
    """
    Threads that make an engine's first moves at the same time each find a logger.
    """
    lines = Lines()
    structlog.configure(processors=[lines])
    runs = [RunEngine(clock=clock).create(id=f"run_{n}") for n in range(8)]
    lines.clear()
    engine, barrier = RunEngine(clock=clock), threading.Barrier(len(runs))

    def start(run: Any) -> None:
        barrier.wait()
        engine.start(run)

    threads = [threading.Thread(target=start, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(run.id for run in runs) == sorted(line["run_id"] for line in lines)


def test_log_that_fails_does_not_undo_the_move(clock, caplog):
    """
    A move stands though its log cannot be written; its observers hear of it, and so do we.
    """
    seen: list[Moved] = []
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(BrokenStream()),
    )
    engine = RunEngine(clock=clock, observers=[seen.append])
    run = engine.create(id="run_1")
    moved = engine.start(run)
    with pytest.raises(PayloadError):
        engine.fail(run, {})

    told = [f"run.{event} was not logged: OSError(28, " for event in ("transition", "rejected")]
    assert (moved.target, run.status) == ("in_progress", "in_progress")
    assert seen[1:] == [moved]
    assert [told[0], told[0], told[1]] == [
        line.message.partition("'")[0] for line in caplog.records
    ]
    assert all(line.message.isprintable() for line in caplog.records)


@pytest.mark.parametrize(
    "hostile",
    ['"}\n{"event": "forged"}', "\x1b[2J\r", "\u202e\u2028\x85", "\0", "\ud800"],
    ids=ascii,
)
def test_no_run_has_an_id_that_acts_on_a_log(engine, hostile):
    """
    A line break, an escape code or half a character is refused where a run is made.
    """
    with pytest.raises(ValueError, match=r"control, invisible or line-breaking|unicode string"):
        engine.create(id=hostile)
