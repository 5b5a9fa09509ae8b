"""
Bytes a live run takes, and what is left of a million that are gone.

Each variant has an interpreter of its own: ``python memory.py VARIANT COUNT`` prints JSON.
"""

import gc
import json
import logging
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any
from uuid import uuid4

import structlog

from moves import driver
from peers_by_table import statemachine_cls, xstate_factory
from report import Section, Target
from runstate import RUN, RunEngine, RunResponse
from work import IDENTITY, plain_run

LEAD = """\
Bytes by `tracemalloc`, with so many live at once; each was created and, where there is something
to move it with, started. Every variant in a fresh interpreter. What a library adds is the
difference to the bare object under it."""

SPARED = 300
"""Runs that are made before counting begins: what is made once is not charged to a run."""

LEAK_SHARE = 0.01
"""Of a live run's bytes: more than this left of each run that is gone is a leak."""

New = Callable[[], Any]


def measure(*, quick: bool) -> Section:
    """
    Weigh live runs, then drop many.
    """
    count, gone = (800, 10_000) if quick else (20_000, 1_000_000)
    rows, missing, weights = [], [], {}
    for name, (_, how) in VARIANTS.items():
        live = count // 4 if name in HEAVY else count
        weighed = _ask(name, live)
        if "missing" in weighed:
            missing.append(f"not measured: {name}: {weighed['missing']}")
            continue
        weights[name] = weighed["bytes"]
        rows.append((name, f"{weighed['bytes']:,.0f}", f"{live:,}", how))
    rss, traced = _ask("leak-rss", gone), _ask("leak-traced", gone // 20)

    return Section(
        "Memory",
        LEAD,
        ("variant", "bytes a run", "live at once", "how"),
        rows,
        [*missing, _leak_note(rss, "resident memory"), _leak_note(traced, "traced memory")],
        [_leak_target(rss, weights["RunEngine"]), _leak_target(traced, weights["RunEngine"])],
    )


def _new_id() -> str:
    return f"run_{uuid4().hex}"


def _plain() -> Any:
    run = plain_run()
    run.id = _new_id()

    return run


def _bare_model() -> New:
    def new() -> RunResponse:
        now = int(time())

        return RunResponse(
            id=_new_id(),
            status="in_progress",
            created_at=now,
            started_at=int(time()),
            expires_at=now + 600,
            **IDENTITY,
        )

    return new


def _engine() -> New:
    engine = silent_engine()

    def new() -> RunResponse:
        run = engine.create(**IDENTITY)
        engine.start(run)

        return run

    return new


def _bare_plain() -> New:
    def new() -> Any:
        run = _plain()
        run.status = "in_progress"
        run.started_at = int(time())

        return run

    return new


def _machine_a_model() -> New:
    def new() -> Any:
        run = _plain()
        run.machine = RUN.machine(model=run, model_attribute="status")
        run.start()
        run.started_at = int(time())

        return run

    return new


def _shared_machine() -> New:
    machine = RUN.machine(model_attribute="status")

    def new() -> Any:
        run = _plain()
        machine.add_model(run)
        run.start()
        run.started_at = int(time())

        return run

    return new


def _machine_events() -> New:
    start = RUN.machine(model_attribute="status").events["start"]

    def new() -> Any:
        run = _plain()
        start.trigger(run)
        run.started_at = int(time())

        return run

    return new


def _python_statemachine() -> New:
    machine_cls = statemachine_cls()

    def new() -> Any:
        machine = machine_cls(model=_plain(), state_field="status")
        machine.start()
        machine.model.started_at = int(time())

        return machine

    return new


def _xstate() -> New:
    start = xstate_factory()

    def new() -> Any:
        interpreter = start()
        interpreter.context["id"] = _new_id()
        interpreter.send("start")
        interpreter.context["started_at"] = int(time())

        return interpreter

    return new


VARIANTS: dict[str, tuple[Callable[[], New], str]] = {
    "a bare RunResponse": (_bare_model, "the model, made in progress, with no engine"),
    "RunEngine": (_engine, "`create` and `start`; the run keeps the record of its last move"),
    "a bare plain object": (_bare_plain, "a dataclass with the same fields"),
    "transitions, `events[name]`": (_machine_events, "plain object, one shared machine"),
    "transitions, `add_model`": (_shared_machine, "plain object, one shared machine"),
    "transitions, a machine a run": (_machine_a_model, "plain object, `Machine(model=…)`"),
    "xstate-statemachine": (_xstate, "one interpreter a run, fields in its context"),
    "python-statemachine": (_python_statemachine, "plain object, one machine a run"),
}

HEAVY = {"transitions, `add_model`", "transitions, a machine a run", "python-statemachine"}
"""Those that take minutes to make; a quarter of them must do."""


def silent_engine() -> RunEngine:
    """
    Return an engine whose log is filtered out.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        cache_logger_on_first_use=True,
    )

    return RunEngine()


def weigh(name: str, count: int) -> dict[str, Any]:
    """
    Return the bytes that each of *count* live runs takes.
    """
    try:
        new = VARIANTS[name][0]()
    except ImportError as error:
        return {"missing": str(error)}
    spared = [new() for _ in range(SPARED)]
    kept: list[Any] = [None] * count
    gc.collect()
    tracemalloc.start()
    for number in range(count):
        kept[number] = new()
    gc.collect()
    traced, _ = tracemalloc.get_traced_memory()
    del spared

    return {"bytes": traced / count}


def leak(count: int, weighing: Callable[[], int]) -> dict[str, Any]:
    """
    Return the memory before and after *count* runs were created, ended and dropped.
    """
    engine = silent_engine()
    go = driver(engine)
    _drop(engine, go, SPARED)
    before = weighing()
    _drop(engine, go, count)

    return {"count": count, "before": before, "after": weighing()}


def _drop(engine: RunEngine, go: Callable[[list[RunResponse]], None], count: int) -> None:
    for _ in range(0, count, 100):
        go([engine.create(**IDENTITY) for _ in range(100)])


def resident() -> int:
    """
    Return the resident bytes of this process.
    """
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])

    return pages * 4096


def traced() -> int:
    """
    Return the bytes that are traced, tracing from the first call on.
    """
    gc.collect()
    if not tracemalloc.is_tracing():
        tracemalloc.start()

    return tracemalloc.get_traced_memory()[0]


def _ask(name: str, count: int) -> dict[str, Any]:
    answer = subprocess.run(
        [sys.executable, __file__, name, str(count)],
        check=True,
        capture_output=True,
        text=True,
    )

    return json.loads(answer.stdout)


def _left(leaked: dict[str, Any]) -> float:
    return (leaked["after"] - leaked["before"]) / leaked["count"]


def _leak_note(leaked: dict[str, Any], what: str) -> str:
    return (
        f"{leaked['count']:,} runs created, moved to completed and dropped through one engine: "
        f"{what} {leaked['before']:,} bytes before, {leaked['after']:,} after, "
        f"{_left(leaked):+.2f} a run"
    )


def _leak_target(leaked: dict[str, Any], weight: float) -> Target:
    left = _left(leaked)

    return Target(
        f"nothing kept of {leaked['count']:,} runs that are gone",
        f"under {LEAK_SHARE:.0%} of a live run's {weight:,.0f} bytes",
        f"{left:+.2f} bytes a run",
        left < LEAK_SHARE * weight,
    )


def main(name: str, count: int) -> None:
    """
    Print what *name* comes to.
    """
    if name == "leak-rss":
        answer = leak(count, resident)
    elif name == "leak-traced":
        answer = leak(count, traced)
    else:
        answer = weigh(name, count)
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
