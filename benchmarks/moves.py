"""
One move in memory: the bare floor, the engine, and every library that could do it.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

import peers_by_method
import peers_by_table
from report import Section, Target
from runstate import RUN, Engine, RunEngine, RunResponse
from timing import Variant, available, interleave
from work import (
    ACTION,
    MOVES,
    OUTPUTS,
    RUNS,
    USAGE,
    assert_done,
    model_runs,
    move,
    plain_run,
    plain_runs,
)

PEERS = (
    peers_by_method.automat_plain,
    peers_by_method.automat_model,
    peers_by_method.viewflow_plain,
    peers_by_method.viewflow_model,
    peers_by_method.django_fsm_2,
    peers_by_table.transitions_,
    peers_by_table.xstate_statemachine,
    peers_by_table.sismic_,
    peers_by_table.python_statemachine,
)

LEAD = """\
A run goes queued → in_progress → requires_action → queued → in_progress → completed: 5 moves,
with `started_at` and `completed_at` from `int(time.time())`, `required_action` set and cleared,
`expires_at` cleared, `usage` set. Every variant is checked to end with exactly that. Runs and
payloads are made outside of the timed part. Only the engine looks the payload over (every
tool call answered), takes a lock, keeps a record of the move and asks the log; the floor and the
peers do none of that, and are given their fastest form."""


def measure(*, quick: bool) -> Section:
    """
    Time one move in every way there is.
    """
    floor = Variant(
        "floor: a dict and `__dict__`",
        "one lookup of (trigger, status), one update of `__dict__` and of the set of fields",
        partial(model_runs, RunEngine(logger=_silent())),
        bare,
        RUNS * MOVES,
    )
    cached, plain = engine_variant(cached=True), any_object_variant()
    fresh = engine_variant(cached=False)
    others, missing = available(PEERS)
    variants = [floor, cached, fresh, plain, *others]
    _try_each(variants)
    interleave(variants, 6 if quick else 60)

    return Section(
        "One move in memory",
        LEAD,
        ("variant", "µs a move", "÷ floor", "÷ engine", "how it is driven"),
        [_row(v, floor, cached) for v in (*variants[:4], *sorted(others, key=lambda v: v.micros))],
        missing,
        [
            Target(
                "a move against the bare floor, log filtered and cached",
                "at most 4 times",
                f"{cached.over(floor):.2f} times",
                cached.over(floor) <= 4,
            ),
            _ahead("on the model, where it can move it", cached, _on_model(others), missing),
            _ahead("on a plain object", plain, others, missing),
        ],
    )


def bare(runs: list[RunResponse]) -> None:
    """
    Move every run the bare way.
    """
    for run in runs:
        move(run, "start")
        move(run, "require_action", required_action=ACTION)
        move(run, "submit_tool_outputs")
        move(run, "start")
        move(run, "complete", usage=USAGE)


def driver(engine: RunEngine) -> Callable[[list[RunResponse]], None]:
    """
    Return what moves every run by the typed methods of *engine*.
    """

    def go(runs: list[RunResponse]) -> None:
        for run in runs:
            engine.start(run)
            engine.require_action(run, ACTION)
            engine.submit_tool_outputs(run, OUTPUTS)
            engine.start(run)
            engine.complete(run, USAGE)

    return go


def engine_variant(*, cached: bool) -> Variant:
    """
    Return the engine with its log filtered out, the logger cached by structlog or not.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        cache_logger_on_first_use=cached,
    )
    engine = RunEngine()
    # An engine meets structlog's configuration at its first move, and this one must not
    # meet that of the next variant.
    engine.create(id="run_1")
    how = "typed methods; log filtered by level, `cache_logger_on_first_use=" + f"{cached}`"

    return Variant(
        "**RunEngine**" if cached else "RunEngine, logger not cached",
        how if cached else f"{how} (structlog's default)",
        partial(model_runs, engine),
        driver(engine),
        RUNS * MOVES,
    )


def any_object_variant() -> Variant:
    """
    Return the untyped engine on a plain object. Its log is set up by the variant before.
    """
    engine = Engine(RUN)

    def go(runs: list[Any]) -> None:
        for run in runs:
            engine.fire(run, "start")
            engine.fire(run, "require_action", required_action=ACTION)
            engine.fire(run, "submit_tool_outputs")
            engine.fire(run, "start")
            engine.fire(run, "complete", usage=USAGE)

    go([plain_run()])

    return Variant(
        "Engine, plain object",
        "`Engine(RUN).fire(plain object, name)`",
        plain_runs,
        go,
        RUNS * MOVES,
    )


def _silent() -> Any:
    return structlog.make_filtering_bound_logger(logging.CRITICAL)(None, [], {})


def _try_each(variants: list[Variant]) -> None:
    for variant in variants:
        subjects = variant.prepare()
        variant.go(subjects)
        fields, status = outcome(subjects[-1])
        assert_done(fields, status, variant.name)


def outcome(subject: Any) -> tuple[Mapping[str, Any], str]:
    """
    Return the fields and the status that a variant's *subject* ended with.
    """
    if isinstance(subject, tuple):
        subject = subject[1]
    if hasattr(subject, "current_state_ids"):
        return subject.context, next(iter(subject.current_state_ids)).removeprefix("run.")
    if hasattr(subject, "configuration") and hasattr(subject, "queue"):
        return subject.context, "completed" if subject.final else "not final"
    run = getattr(subject, "run", None) or getattr(subject, "model", None) or subject

    return vars(run), str(run.status)


def _row(variant: Variant, floor: Variant, engine: Variant) -> tuple[str, ...]:
    return (
        variant.name,
        f"{variant.micros:.2f}",
        f"{variant.over(floor):.1f}",
        f"{variant.over(engine):.2f}",
        variant.how,
    )


def _on_model(others: list[Variant]) -> list[Variant]:
    """
    Leave out what moves a plain object by choice.
    """
    return [variant for variant in others if not variant.name.endswith(", plain object")]


def _ahead(what: str, engine: Variant, others: list[Variant], missing: list[str]) -> Target:
    nearest = min(others, key=lambda other: other.over(engine))
    ratio = nearest.over(engine)

    return Target(
        f"a move against every library, {what}" + f" ({len(missing)} not measured)" * bool(missing),
        "ahead of all",
        f"nearest: {nearest.name}, {ratio:.2f} times the engine's time",
        ratio > 1,
    )
