"""
What a move costs with everything listening: each projection alone, and all at once.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import structlog
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from moves import driver
from report import Section
from runstate import RUN, Moved, RunEngine
from runstate.telemetry import cloudevent, escape_untrusted, openlineage_events, redact
from runstate.telemetry.otel import RunTelemetry
from runstate.telemetry.prometheus import RunMetrics
from timing import Variant, interleave
from work import MOVES, RUNS, model_runs

LEAD = """\
The engine's five moves a run, by the typed methods. The log is one JSON line a move (orjson, to
the null device), redacted and escaped; OpenTelemetry is the real SDK with its exporters in memory,
told of every move and of the run at its end, which is a span with a child for each status;
Prometheus counts the same; of CloudEvents and OpenLineage the dictionaries are made, and not sent.
What an exporter does with the network is not here: it does that on a thread of its own."""

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

Listener = Callable[[Moved], Any]


def measure(*, quick: bool) -> Section:
    """
    Time a move with every listener, alone and together.
    """
    with Path(os.devnull).open("wb") as sink:
        silent = structlog.make_filtering_bound_logger("critical")(None, [], {})
        log = _log(sink)
        bare = _variant("no observer", "log filtered by level", silent)
        logged = _variant("structlog alone", "one line a move", log)
        variants = [
            bare,
            logged,
            _variant("OpenTelemetry", "structlog, spans, log events, metrics", log, _otel()),
            _variant("Prometheus", "structlog, counters, histograms", log, _prometheus()),
            _variant("CloudEvents", "structlog, an event a move", log, _cloudevents()),
            _variant("OpenLineage", "structlog, its run events", log, _openlineage()),
            _variant("**everything**", "all of these", log, *_everything()),
        ]
        interleave(variants, 6 if quick else 60)

    return Section(
        "A move that everybody hears of",
        LEAD,
        ("listeners", "µs a move", "÷ structlog alone", "÷ no observer", "what they are"),
        [_row(variant, logged, bare) for variant in variants],
    )


def _log(sink: Any) -> Any:
    return structlog.wrap_logger(
        structlog.BytesLogger(sink),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            escape_untrusted,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        cache_logger_on_first_use=True,
    ).bind()


class _Whole:
    """
    Hands a listener every move, and the moves of a run once more when it has ended.
    """

    def __init__(self, listener: Any, forget: Callable[[], Any] = list, *context: Any) -> None:
        self.forget = forget
        self._listener, self._context = listener, context
        self._moves: dict[str | None, list[Moved]] = {}

    def __call__(self, moved: Moved) -> None:
        self._listener(moved)
        self._moves.setdefault(moved.run_id, []).append(moved)
        if moved.target in RUN.terminal:
            self._listener.finished(self._moves.pop(moved.run_id), *self._context)


def _otel() -> Listener:
    spans, records = InMemorySpanExporter(), InMemoryLogRecordExporter()
    tracers, loggers = TracerProvider(), LoggerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    loggers.add_log_record_processor(SimpleLogRecordProcessor(records))

    def forget() -> None:
        spans.clear()
        records.clear()

    telemetry = RunTelemetry(
        tracer_provider=tracers,
        meter_provider=MeterProvider([InMemoryMetricReader()]),
        logger_provider=loggers,
    )

    return _Whole(telemetry, forget, PARENT)


def _prometheus() -> Listener:
    return _Whole(RunMetrics(registry=CollectorRegistry()))


def _cloudevents() -> Listener:
    return partial(cloudevent, source="/runs", traceparent=PARENT)


def _openlineage() -> Listener:
    return partial(openlineage_events, namespace="agents", job="answer")


def _everything() -> Sequence[Listener]:
    return _otel(), _prometheus(), _cloudevents(), _openlineage()


def _variant(name: str, how: str, logger: Any, *listeners: Listener) -> Variant:
    told: list[Moved] = []
    engine = RunEngine(logger=logger, observers=listeners)
    _try(name, RunEngine(logger=logger, observers=[*listeners, told.append]), told)

    def prepare() -> Any:
        for listener in listeners:
            getattr(listener, "forget", list)()

        return model_runs(engine)

    return Variant(name, how, prepare, driver(engine), RUNS * MOVES)


def _try(name: str, engine: RunEngine, told: list[Moved]) -> None:
    """
    Refuse a variant whose listeners do not hear of all moves, or cannot tell them apart.
    """
    driver(engine)(model_runs(engine))
    numbers = sorted({moved.seq or 0 for moved in told})
    if len(told) != RUNS * (MOVES + 1) or numbers != [*range(1, MOVES + 2)]:
        raise AssertionError(f"{name} was not told of every move: {len(told)}, {numbers}")


def _row(variant: Variant, logged: Variant, bare: Variant) -> tuple[str, ...]:
    return (
        variant.name,
        f"{variant.micros:.2f}",
        f"{variant.over(logged):.2f}",
        f"{variant.over(bare):.1f}",
        variant.how,
    )
