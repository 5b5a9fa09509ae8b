"""
One line of log: the bare call, the engine's own, and a whole move that is logged.
"""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import structlog

from moves import driver
from report import Section, Target
from runstate import Moved, RunEngine
from runstate.runs._log import MoveLog
from timing import Variant, interleave
from work import MOVES, RUNS, model_runs

LEAD = """\
Each call renders one JSON line of seven facts to the null device, with the processors that
structlog's performance page recommends. The loggers are bound and kept, except where said."""

MOVED = Moved("run_1", "start", "queued", "in_progress", 1_700_000_000.25, 0.25, 2)
CALLS = 300


def measure(*, quick: bool) -> Section:
    """
    Time one line of log in every way there is.
    """
    sink = Path(os.devnull)
    with sink.open("wb") as binary, sink.open("w", encoding="utf-8") as text:
        groups = [
            _group("orjson", orjson.dumps, structlog.BytesLoggerFactory(binary)),
            _group("stdlib json", json.dumps, structlog.PrintLoggerFactory(text)),
        ]
        interleave([variant for group in groups for variant in group], 15 if quick else 100)
    structlog.reset_defaults()

    return Section(
        "One line of log",
        LEAD,
        ("renderer", "variant", "µs", "÷ bare call", "how it is driven"),
        [_row(variant, group[0]) for group in groups for variant in group],
        [_price(group) for group in groups],
        [_target(group) for group in groups],
    )


def _group(renderer: str, dumps: Any, factory: Any) -> list[Variant]:
    """
    Return the variants of one *renderer*, the bare call first and the silent move last.
    """
    silent = _silent_engine()
    config = _config(dumps, factory)
    structlog.configure(**config, cache_logger_on_first_use=True)
    kept, engine = MoveLog(), RunEngine()
    kept.moved(MOVED)
    engine.create(id="run_1")
    bound = structlog.get_logger("runstate").bind()
    # What is not kept asks for the configuration at every call, so each round sets its own.
    reset = partial(structlog.configure, **config, cache_logger_on_first_use=False)
    fresh, lazy = MoveLog(), structlog.get_logger("runstate")
    calls = partial(_calls, renderer)
    by_default = "by structlog's default, the configuration is looked up at every call"

    return [
        calls("bare call", "`log.info(...)` on a bound logger", partial(_bare, bound)),
        calls("**`MoveLog.moved`**", "what the engine calls", partial(_own, kept)),
        calls("bare call, logger not cached", by_default, partial(_bare, lazy), reset),
        calls("`MoveLog.moved`, logger not cached", by_default, partial(_own, fresh), reset),
        _moves(renderer, "a logged move", "the engine's five moves, each logged", engine),
        _moves(renderer, "a silent move", "the same, filtered out", silent),
    ]


def _config(dumps: Any, factory: Any) -> dict[str, Any]:
    return {
        "processors": [
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=dumps),
        ],
        "wrapper_class": structlog.make_filtering_bound_logger("info"),
        "logger_factory": factory,
    }


def _silent_engine() -> RunEngine:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        cache_logger_on_first_use=True,
    )
    engine = RunEngine()
    # It meets the configuration here, for good.
    engine.create(id="run_1")

    return engine


def _bare(logger: Any) -> None:
    for _ in range(CALLS):
        logger.info(
            "run.transition",
            run_id="run_1",
            trigger="start",
            source="queued",
            target="in_progress",
            at=1_700_000_000.25,
            duration_s=0.25,
            seq=2,
        )


def _own(log: MoveLog) -> None:
    for _ in range(CALLS):
        log.moved(MOVED)


def _calls(
    renderer: str, name: str, how: str, go: Callable[[], None], prepare: Callable[[], Any] = list
) -> Variant:
    return Variant(name, f"{renderer}|{how}", prepare, lambda _: go(), CALLS)


def _moves(renderer: str, name: str, how: str, engine: RunEngine) -> Variant:
    # Runs are made by an engine that says nothing, so that no line of theirs is timed.
    prepare = partial(model_runs, _silent_engine())

    return Variant(name, f"{renderer}|{how}", prepare, driver(engine), RUNS * MOVES)


def _row(variant: Variant, bare: Variant) -> tuple[str, ...]:
    renderer, _, how = variant.how.partition("|")

    return renderer, variant.name, f"{variant.micros:.2f}", f"{variant.over(bare):.2f}", how


def _price(group: list[Variant]) -> str:
    bare, silent = group[0], group[-1]
    renderer = bare.how.partition("|")[0]

    return f"{renderer}: one rendered line costs as much as {bare.over(silent):.1f} silent moves"


def _target(group: list[Variant]) -> Target:
    bare, own = group[0], group[1]
    ratio = own.over(bare)

    return Target(
        f"the log of a move against the bare call, {bare.how.partition('|')[0]}",
        "at most 1.2 times",
        f"{ratio:.2f} times",
        ratio <= 1.2,
    )
