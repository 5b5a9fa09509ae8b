"""
Every projection of the same few moves, word for word; and that none of them leaks or fails a move.

``python tests/test_telemetry_golden.py`` writes the files anew, to be read over.
"""

import io
import json
import logging
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from openlineage.client.generated import base as lineage
from openlineage.client.serde import Serde
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from prometheus_client import CollectorRegistry, generate_latest

from runstate import Moved, RunEngine
from runstate.telemetry import cloudevent, escape_untrusted, openlineage_events, redact
from runstate.telemetry.otel import RunTelemetry
from runstate.telemetry.prometheus import RunMetrics

BORN = 1_700_000_000
DATA = Path(__file__).parent / "data"
GOLDEN = DATA / "golden"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CANARIES = {
    "instructions": "canary-1-instructions",
    "metadata": "canary-2-metadata",
    "additional_instructions": "canary-3-additional",
    "arguments": "canary-4-arguments",
    "output": "canary-5-output",
    "error": "canary-6-error",
    "tool": "canary-7-tool",
}
SCHEMA = json.loads((DATA / "schemas" / "cloudevents.json").read_text(encoding="utf-8"))
CLOUDEVENT = jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


class Numbered(IdGenerator):
    """
    Ids of spans that are the same every time.
    """

    def __init__(self) -> None:
        self.next = count(1)

    def generate_span_id(self) -> int:
        """
        Return the next number.
        """
        return next(self.next)

    def generate_trace_id(self) -> int:
        """
        Return the next number.
        """
        return next(self.next)


class Listeners:
    """
    All that can be told of a move, and what each was told.
    """

    def __init__(self) -> None:
        self.spans, self.records = InMemorySpanExporter(), InMemoryLogRecordExporter()
        self.reader, self.registry = InMemoryMetricReader(), CollectorRegistry()
        self.log, self.moves = io.StringIO(), list[Moved]()
        tracers, loggers = TracerProvider(id_generator=Numbered()), LoggerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self.records))
        self.telemetry = RunTelemetry(
            tracer_provider=tracers,
            meter_provider=MeterProvider([self.reader]),
            logger_provider=loggers,
        )
        self.metrics = RunMetrics(registry=self.registry)

    def logger(self) -> Any:
        """
        Return structlog's logger, as the README sets it up.
        """
        return structlog.wrap_logger(
            structlog.PrintLogger(self.log),
            processors=[
                structlog.processors.add_log_level,
                redact,
                escape_untrusted,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
        )

    def finish(self) -> None:
        """
        Tell of the runs as wholes.
        """
        for run_id in ("run_1", "run_2"):
            moves = [moved for moved in self.moves if moved.run_id == run_id]
            self.telemetry.finished(moves, PARENT)
            self.metrics.finished(moves)


@pytest.fixture(scope="module")
def told() -> Listeners:
    """
    What all listeners were told of two runs that carry what is nobody else's business.
    """
    return tell(Listeners())


def tell(listeners: Listeners) -> Listeners:
    """
    Have an engine with all *listeners* move two runs: one by a tool call to its end, one failing.
    """
    ticks = count(BORN * 4)
    engine = RunEngine(
        clock=lambda: next(ticks) / 4,
        logger=listeners.logger(),
        observers=[listeners.moves.append, listeners.telemetry, listeners.metrics],
    )
    private = {
        "instructions": CANARIES["instructions"],
        "metadata": {"k": CANARIES["metadata"]},
        "tools": [{"type": "function", "function": {"name": "f", "description": CANARIES["tool"]}}],
    }
    first = engine.create(id="run_1", **private)
    function = {"name": "f", "arguments": CANARIES["arguments"]}
    call = {"id": "call_1", "type": "function", "function": function}
    calls = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    engine.start(first)
    engine.require_action(first, calls)
    engine.submit_tool_outputs(first, {"call_1": CANARIES["output"]})
    engine.start(first)
    engine.complete(first)
    second = engine.create(id="run_2", **private)
    engine.start(second)
    engine.fail(second, {"code": "server_error", "message": CANARIES["error"]})
    listeners.finish()

    return listeners


# -- the projections, as text --------------------------------------------------------------


def cloudevents(told: Listeners) -> str:
    """
    Return the CloudEvents.
    """
    return _json([cloudevent(m, "/runs", traceparent=PARENT) for m in told.moves])


def openlineage(told: Listeners) -> str:
    """
    Return the run events of OpenLineage.
    """
    return _json(
        [e for m in told.moves for e in openlineage_events(m, namespace="agents", job="answer")]
    )


def spans(told: Listeners) -> str:
    """
    Return the facts of the spans.
    """
    return _json(
        [
            {
                "name": span.name,
                "trace": f"{span.context.trace_id:032x}",
                "span": f"{span.context.span_id:016x}",
                "parent": f"{span.parent.span_id:016x}" if span.parent else None,
                "start": span.start_time,
                "end": span.end_time,
                "status": [span.status.status_code.name, span.status.description],
                "attributes": dict(span.attributes or {}),
            }
            for span in told.spans.get_finished_spans()
        ]
    )


def log_events(told: Listeners) -> str:
    """
    Return the events of OpenTelemetry's log.
    """
    return _json(
        [
            {
                "event": record.event_name,
                "time": record.timestamp,
                "severity": record.severity_number.name,
                "body": record.body,
                "attributes": dict(record.attributes),
            }
            for record in (each.log_record for each in told.records.get_finished_logs())
        ]
    )


def metrics(told: Listeners) -> str:
    """
    Return OpenTelemetry's metrics, with what each series is called and what is in it.
    """
    data = told.reader.get_metrics_data()
    found = [m for m in data.resource_metrics[0].scope_metrics[0].metrics if m.data.data_points]

    return _json(
        {
            metric.name: {
                "unit": metric.unit,
                "description": metric.description,
                "points": sorted(
                    (
                        [dict(p.attributes), p.value]
                        if hasattr(p, "value")
                        else [dict(p.attributes), p.count, p.sum, list(p.explicit_bounds)]
                        for p in metric.data.data_points
                    ),
                    key=repr,
                ),
            }
            for metric in found
        }
    )


def prometheus(told: Listeners) -> str:
    """
    Return what Prometheus scrapes, without the times at which counters were made.
    """
    lines = generate_latest(told.registry).decode().splitlines()

    return "\n".join(sorted(line for line in lines if "_created" not in line)) + "\n"


def log_lines(told: Listeners) -> str:
    """
    Return structlog's lines.
    """
    return told.log.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


FILES: dict[str, Callable[[Listeners], str]] = {
    "cloudevents.json": cloudevents,
    "openlineage.json": openlineage,
    "otel_spans.json": spans,
    "otel_logs.json": log_events,
    "otel_metrics.json": metrics,
    "prometheus.txt": prometheus,
    "structlog.jsonl": log_lines,
}


@pytest.mark.parametrize("name", FILES)
def test_projection_is_the_one_that_was_read_over(told: Listeners, name: str):
    """
    Word for word: what others have built on is not changed by accident.
    """
    assert (GOLDEN / name).read_text(encoding="utf-8") == FILES[name](told)


@pytest.mark.parametrize("name", FILES)
def test_projection_tells_nothing_private(told: Listeners, name: str):
    """
    No instructions, metadata, tools, arguments, outputs or messages of errors.
    """
    text = FILES[name](told)

    assert "in_progress" in text
    assert [] == [what for what, canary in CANARIES.items() if canary in text]


# -- as others define them -----------------------------------------------------------------


def test_cloudevents_are_of_the_public_schema(told: Listeners):
    """
    Of every kind of move, with and without a trace; and the schema is one that refuses.
    """
    for moved in told.moves:
        CLOUDEVENT.validate(cloudevent(moved, "/runs", traceparent=PARENT))
        CLOUDEVENT.validate(cloudevent(moved, "https://example.org/runs"))
    right = cloudevent(told.moves[0], "/runs")
    for wrong in ({"id": ""}, {"time": "yesterday"}, {"source": "no uri at all"}, {"type": 5}):
        assert not CLOUDEVENT.is_valid(right | wrong)


@given(
    st.text(min_size=1), st.text(), st.none() | st.text(), st.floats(0, 4e9), st.integers(1, 10**9)
)
def test_any_move_is_of_the_public_schema(run_id, target, source, at, seq):
    """
    Whatever a run and its statuses are called.
    """
    CLOUDEVENT.validate(cloudevent(Moved(run_id, "t", source, target, at, 0.5, seq), "/runs"))


def test_lineage_events_are_of_the_generated_classes(told: Listeners):
    """
    Those that OpenLineage makes of its schema take every field, look it over and give it back.
    """
    for event in json.loads(openlineage(told)):
        run, facets = event["run"], event["run"]["facets"]
        facet = lineage.RunFacet(producer=facets["runstate"]["_producer"])
        built = lineage.RunEvent(
            eventTime=event["eventTime"],
            producer=event["producer"],
            eventType=lineage.EventType[event["eventType"]],
            run=lineage.Run(runId=run["runId"], facets={"runstate": facet}),
            job=lineage.Job(**event["job"]),
            inputs=event["inputs"],
            outputs=event["outputs"],
        )
        back = Serde.to_dict(built)
        base = back["run"]["facets"]["runstate"]
        back["run"]["facets"]["runstate"] = facets["runstate"] | base
        back |= {key: event[key] for key in ("inputs", "outputs")}
        back["job"].pop("facets", None)

        assert event == back


# -- what fails ----------------------------------------------------------------------------


class Raises(SpanExporter):
    """
    Raises as an exporter, a counter, a histogram, an observer and a processor.
    """

    def __call__(self, *_: Any) -> Any:
        """
        Raise.
        """
        raise ConnectionError(CANARIES["error"])

    export = add = record = labels = __call__


def broken_spans() -> RunTelemetry:
    """
    Return telemetry whose spans cannot be exported.
    """
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(Raises()))

    return RunTelemetry(tracer_provider=tracers)


def broken_logs() -> RunTelemetry:
    """
    Return telemetry whose events cannot be exported.
    """
    loggers = LoggerProvider()
    loggers.add_log_record_processor(SimpleLogRecordProcessor(Raises()))  # type: ignore[arg-type]

    return RunTelemetry(logger_provider=loggers)


def broken_metrics() -> RunTelemetry:
    """
    Return telemetry whose instruments raise.
    """
    telemetry = RunTelemetry()
    telemetry._transitions = telemetry._durations = Raises()  # type: ignore[assignment]

    return telemetry


def broken_prometheus() -> RunMetrics:
    """
    Return metrics whose counters raise.
    """
    metrics = RunMetrics(registry=CollectorRegistry())
    metrics._transitions = metrics._durations = Raises()  # type: ignore[assignment]

    return metrics


@pytest.mark.parametrize(
    "broken", [broken_spans, broken_logs, broken_metrics, broken_prometheus, Raises]
)
def test_listener_that_raises_fails_no_move(broken: Callable[[], Any], caplog):
    """
    Runs move, each to its end, and all others are told of it: also where it raises all the time.
    """
    listeners, listener = Listeners(), broken()
    tried = getattr(listener, "finished", None) if broken is not Raises else None
    engine = RunEngine(observers=[listener, listeners.moves.append], logger=listeners.logger())
    run = engine.create(id="run_1")
    engine.start(run)
    engine.expire(run)
    if tried:
        with caplog.at_level(logging.CRITICAL + 1):
            tried(listeners.moves)

    assert "expired" == run.status
    assert ["create", "start", "expire"] == [moved.trigger for moved in listeners.moves]


def test_log_that_raises_fails_no_move():
    """
    Neither does a processor or a sink of structlog.
    """
    listeners = Listeners()
    logger = structlog.wrap_logger(structlog.PrintLogger(listeners.log), processors=[Raises()])
    engine = RunEngine(observers=[listeners.moves.append], logger=logger)
    run = engine.create(id="run_1")
    engine.expire(run)

    assert ("expired", 2) == (run.status, len(listeners.moves))


if __name__ == "__main__":
    for file, project in FILES.items():
        (GOLDEN / file).write_text(project(tell(Listeners())), encoding="utf-8")
