"""
What other systems hear of a move, as the real ones' own collectors and loaders understand it.
"""

import json
import logging
from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st
from openlineage.client import event_v2
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import cicd_attributes as cicd
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy.ext.asyncio import create_async_engine

from conftest import BORN, PAYLOADS
from runstate import RUN, Moved, RunEngine
from runstate.store import AsyncRunStore, RunStore
from runstate.telemetry import cloudevent, escape_untrusted, openlineage_events, redact
from runstate.telemetry.otel import RunTelemetry
from runstate.telemetry.prometheus import RunMetrics, StoreCollector

CREATED = Moved("run_1", "create", None, "queued", BORN, None, 1)
STARTED = Moved("run_1", "start", "queued", "in_progress", BORN + 1.5, 1.5, 2)
ENDED = Moved("run_1", "complete", "in_progress", "completed", BORN + 4.0, 2.5, 3)
WAY = (CREATED, STARTED, ENDED)
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CANARIES = ("canary-instructions", "canary-metadata", "canary-tool", "canary-output")


@dataclass
class Call:
    """
    What an application may log of a call of a tool.
    """

    id: str
    arguments: str


def way_to(status):
    """
    Return the moves by which an engine takes a run to *status*.
    """
    moves: list[Moved] = []
    engine = RunEngine(clock=lambda: float(BORN), observers=[moves.append])
    run = engine.create(id="run_1")
    for row in RUN.shortest_path(RUN.initial, status):
        engine.fire(run, row.trigger, **PAYLOADS.get(row.trigger, {}))

    return moves


# -- CloudEvents ---------------------------------------------------------------------------


def test_move_is_a_cloudevent():
    """
    The same id for the same move, whoever delivers it and however often.
    """
    assert {
        "specversion": "1.0",
        "id": "run_1:2",
        "source": "/runs",
        "type": "io.runstate.run.transition.v1",
        "subject": "run_1",
        "time": "2023-11-14T22:13:21.500000+00:00",
        "sequence": "0000000002",
        "datacontenttype": "application/json",
        "data": {
            "lifecycle": "run",
            "run_id": "run_1",
            "seq": 2,
            "trigger": "start",
            "source": "queued",
            "target": "in_progress",
            "duration_s": 1.5,
            "clock_regressed": False,
            "outcome": None,
        },
        "traceparent": PARENT,
    } == cloudevent(STARTED, "/runs", traceparent=PARENT)


@given(st.text(min_size=1), st.text(), st.floats(0, 4e9), st.integers(1, 10**9))
def test_cloudevent_is_read_by_the_sdk(run_id, target, at, seq):
    """
    Whatever a run is called, the reference implementation reads its events.
    """
    event = cloudevent(Moved(run_id, "t", None, target, at, None, seq), "/runs")
    read = JSONFormat().read(CloudEvent, json.dumps(event).encode())

    assert (f"{run_id}:{seq}", "/runs") == (read.get_id(), read.get_source())
    assert abs(read.get_time().timestamp() - at) < 1e-5
    assert event["data"] == read.get_data()


@pytest.mark.parametrize("lacking", [{"run_id": None}, {"seq": None}])
@pytest.mark.parametrize(
    "tell",
    [lambda moved: cloudevent(moved, "/"), lambda m: openlineage_events(m, namespace="n", job="j")],
)
def test_move_without_a_number_is_no_event(tell, lacking):
    """
    Consumers could not tell it from another one.
    """
    with pytest.raises(ValueError, match="no stable id"):
        tell(STARTED._replace(**lacking))


# -- OpenLineage ---------------------------------------------------------------------------

ENDS = {
    "completed": "COMPLETE", "incomplete": "COMPLETE", "failed": "FAIL", "expired": "ABORT",
    "cancelled": "ABORT",
}  # fmt: skip


def lineage(moves):
    """
    Return the events that the moves amount to.
    """
    return [e for moved in moves for e in openlineage_events(moved, namespace="agents", job="a")]


@pytest.mark.parametrize("status", ENDS)
def test_every_run_has_one_start_and_one_end(status):
    """
    Whatever its way, also where its first move is its end.
    """
    types = [event["eventType"] for event in lineage(way_to(status))]

    assert ["START", ENDS[status]] == [each for each in types if each != "RUNNING"]
    assert ENDS[status] == types[-1]


def test_lineage_events_are_read_by_the_client():
    """
    The reference client takes them, with the run's own id in a facet.
    """
    for event in lineage(way_to("cancelled")):
        read = event_v2.RunEvent(
            eventTime=event["eventTime"], producer=event["producer"],
            eventType=event_v2.RunState[event["eventType"]],
            run=event_v2.Run(runId=event["run"]["runId"]),
            job=event_v2.Job(**event["job"]),
        )  # fmt: skip
        assert event["run"]["runId"] == read.run.runId
        assert "run_1" == event["run"]["facets"]["runstate"]["id"]


def test_run_keeps_its_uuid_and_shares_it_with_none():
    """
    It is made of the run's id and the namespace, whatever characters are in them.
    """
    ids = [
        openlineage_events(STARTED._replace(run_id=i), namespace=n, job="j")[0]["run"]["runId"]
        for i, n in (("a", "n"), ("a", "n"), ("b", "n"), ("a", "m"), ("\ud800", "n"))
    ]

    assert ids[0] == ids[1]
    assert 4 == len(set(ids))


# -- OpenTelemetry -------------------------------------------------------------------------


class Collected:
    """
    The SDK's own exporters, in memory.
    """

    def __init__(self, **options):
        self.spans, self.logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
        self.reader = InMemoryMetricReader()
        tracers, loggers = TracerProvider(), LoggerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        self.telemetry = RunTelemetry(
            tracer_provider=tracers,
            meter_provider=MeterProvider([self.reader]),
            logger_provider=loggers,
            **options,
        )

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """
        Return each metric's points: its attributes, and its value or the sum of its values.
        """
        data = self.reader.get_metrics_data()
        found = {}
        for metric in data.resource_metrics[0].scope_metrics[0].metrics if data else ():
            found[metric.name] = [
                (dict(point.attributes), getattr(point, "value", getattr(point, "sum", None)))
                for point in metric.data.data_points
            ]

        return found


@pytest.fixture
def collected():
    """
    Telemetry whose every word is kept.
    """
    return Collected()


def test_run_that_ended_is_one_span(collected):
    """
    With the times of its moves, a child a status, and its creator's context as the parent.
    """
    collected.telemetry.finished(WAY, PARENT)
    *children, whole = collected.spans.get_finished_spans()

    assert ["run.state queued", "run.state in_progress"] == [span.name for span in children]
    assert {whole.context.span_id} == {span.parent.span_id for span in children}
    assert "run run" == whole.name
    assert (BORN * 10**9, (BORN + 4) * 10**9) == (whole.start_time, whole.end_time)
    assert [1.5, 2.5] == [(span.end_time - span.start_time) / 1e9 for span in children]
    assert PARENT[3:35] == f"{whole.context.trace_id:032x}"
    assert PARENT[36:52] == f"{whole.parent.span_id:016x}"
    assert {
        "runstate.run.id": "run_1",
        "runstate.run.definition.name": "run",
        "runstate.run.outcome": "success",
    } == dict(whole.attributes)
    assert [({"definition": "run", "outcome": "success"}, 4.0)] == collected.metrics()[
        "runstate.run.duration"
    ]


@pytest.mark.parametrize(
    "delivered", [WAY[::-1], WAY + WAY, [each for each in WAY for _ in range(2)]]
)
@pytest.mark.parametrize("instant", [False, True])
def test_span_is_the_same_however_moves_were_delivered(collected, delivered, instant):
    """
    A feed delivers at least once, and moves of one instant are told apart by their numbers.
    """
    collected.telemetry.finished(
        each._replace(at=float(BORN)) if instant else each for each in delivered
    )

    assert ["run.state queued", "run.state in_progress", "run run"] == [
        span.name for span in collected.spans.get_finished_spans()
    ]


@pytest.mark.parametrize(
    "parent",
    [None, "", "00-x", PARENT + "0", PARENT.upper(), "00-" + "0" * 32 + PARENT[35:], 5, "\ud800"],
)
def test_invalid_parent_is_none(collected, parent):
    """
    A trace context comes from outside: what is not one is ignored, and no error.
    """
    collected.telemetry.finished(WAY, parent)

    assert collected.spans.get_finished_spans()[-1].parent is None


@pytest.mark.parametrize(
    ("status", "code"),
    [("failed", StatusCode.ERROR), ("expired", StatusCode.ERROR), ("cancelled", StatusCode.UNSET)],
)
def test_only_what_went_wrong_is_an_error(collected, status, code):
    """
    A run that was cancelled has not failed.
    """
    collected.telemetry.finished(way_to(status))

    assert code == collected.spans.get_finished_spans()[-1].status.status_code


def test_run_is_a_pipeline_run_of_the_conventions_where_that_is_asked_for():
    """
    By the names that OpenTelemetry's own package has, beside those of this one.
    """
    collected = Collected(cicd=True)
    waits = ["create", "start", "require_action", "submit_tool_outputs", "start", "complete"]
    statuses = ["queued", "in_progress", "requires_action", "queued", "in_progress", "completed"]
    moves = [
        Moved("run_1", trigger, source, target, float(BORN + at), None, at + 1)
        for at, (trigger, source, target) in enumerate(
            zip(waits, [None, *statuses], statuses, strict=False)
        )
    ]
    collected.telemetry.finished(moves)
    whole = collected.spans.get_finished_spans()[-1]

    assert SpanKind.SERVER == whole.kind
    assert {
        cicd.CICD_PIPELINE_NAME: "run",
        cicd.CICD_PIPELINE_RUN_ID: "run_1",
        cicd.CICD_PIPELINE_RESULT: cicd.CicdPipelineResultValues.SUCCESS.value,
    }.items() <= whole.attributes.items()
    assert [
        ({cicd.CICD_PIPELINE_NAME: "run", cicd.CICD_PIPELINE_RUN_STATE: "pending"}, 2.0),
        (
            {
                cicd.CICD_PIPELINE_NAME: "run",
                cicd.CICD_PIPELINE_RUN_STATE: "executing",
                cicd.CICD_PIPELINE_RESULT: "success",
            },
            3.0,
        ),
    ] == collected.metrics()["cicd.pipeline.run.duration"]


@pytest.mark.parametrize(
    ("status", "result", "error"),
    [
        ("failed", "failure", "failed"),
        ("expired", "timeout", "expired"),
        ("cancelled", "cancellation", None),
        ("incomplete", "failure", "incomplete"),
    ],
)
def test_each_outcome_has_a_result_of_the_conventions(status, result, error):
    """
    And what did not end well has the type of its error, which the conventions require.
    """
    collected = Collected(cicd=True)
    collected.telemetry.finished(way_to(status))
    attributes = collected.spans.get_finished_spans()[-1].attributes

    assert result in {each.value for each in cicd.CicdPipelineResultValues}
    assert (result, error) == (
        attributes[cicd.CICD_PIPELINE_RESULT],
        attributes.get("error.type"),
    )


def test_names_of_the_conventions_are_absent_where_they_are_not_asked_for(collected):
    """
    They may still change.
    """
    collected.telemetry.finished(WAY)
    whole = collected.spans.get_finished_spans()[-1]

    assert SpanKind.INTERNAL == whole.kind
    assert [] == [name for name in whole.attributes if name.startswith("cicd.")]
    assert "cicd.pipeline.run.duration" not in collected.metrics()


def test_span_has_the_attributes_of_the_caller(collected):
    """
    Such as the conversation; none of them replaces one of this package.
    """
    given = {"gen_ai.conversation.id": "thread_1\n", "runstate.run.id": "other"}
    collected.telemetry.finished(WAY, attributes=given)
    attributes = collected.spans.get_finished_spans()[-1].attributes

    assert ("thread_1\\n", "run_1") == (
        attributes["gen_ai.conversation.id"],
        attributes["runstate.run.id"],
    )


def test_move_is_an_event_of_the_log(collected):
    """
    With a constant name, and not an event of a span.
    """
    for moved in WAY:
        collected.telemetry(moved)
    records = [each.log_record for each in collected.logs.get_finished_logs()]

    assert {"runstate.run.transition"} == {record.event_name for record in records}
    assert {
        "runstate.run.id": "run_1",
        "runstate.run.seq": 2,
        "runstate.run.state.from": "queued",
        "runstate.run.state.to": "in_progress",
        "runstate.run.trigger": "start",
        "runstate.run.definition.name": "run",
    } == dict(records[1].attributes)
    assert (BORN + 1) * 10**9 + 500_000_000 == records[1].timestamp


def test_moves_are_counted_without_ids(collected):
    """
    Every attribute of a metric is out of a closed set, whatever statuses and kinds come.
    """
    for moved in (*WAY, STARTED._replace(target="run_99", source="<script>", duration_s=3.0)):
        collected.telemetry(moved)
    for kind in ("illegal", "stale", "run_99"):
        collected.telemetry.rejected(kind)
    metrics = collected.metrics()

    assert [
        ({"definition": "run", "from": "none", "to": "queued"}, 1),
        ({"definition": "run", "from": "queued", "to": "in_progress"}, 1),
        ({"definition": "run", "from": "in_progress", "to": "completed"}, 1),
        ({"definition": "run", "from": "other", "to": "other"}, 1),
    ] == metrics["runstate.run.transitions"]
    assert [
        ({"definition": "run", "state": "queued", "to": "in_progress"}, 1.5),
        ({"definition": "run", "state": "in_progress", "to": "completed"}, 2.5),
        ({"definition": "run", "state": "other", "to": "other"}, 3.0),
    ] == metrics["runstate.run.state.duration"]
    assert ["illegal", "stale", "other"] == [
        attributes["kind"] for attributes, _ in metrics["runstate.run.rejections"]
    ]


@pytest.fixture
def store(tmp_path):
    """
    A store with two runs, one of them at work.
    """
    with RunStore.open(f"sqlite:///{tmp_path}/runs.db") as opened:
        opened.create()
        opened.create(metadata={"traceparent": PARENT})
        opened.claim("w", 60)
        yield opened


def test_store_is_asked_how_many_runs_there_are(collected, store):
    """
    And how long the oldest has waited, whenever somebody collects.
    """
    collected.telemetry.watch(store)
    metrics = collected.metrics()
    active = {a["state"]: n for a, n in metrics["runstate.run.active"]}

    assert {"queued": 1, "in_progress": 1} == {s: n for s, n in active.items() if n}
    assert set(RUN.statuses) == set(active)
    assert {"queued", "in_progress"} == {a["state"] for a, _ in metrics["runstate.run.oldest"]}
    assert all(0 <= age < 600 for _, age in metrics["runstate.run.oldest"])


def test_journal_of_a_store_becomes_a_span(collected, store):
    """
    The trace context is stored with the run, in its metadata.
    """
    run = store.create(metadata={"traceparent": PARENT})
    store.expire(run.id)
    moves = [entry.moved for entry in store.history(run.id)]
    collected.telemetry.finished(moves, store.get(run.id).metadata["traceparent"])

    assert PARENT[3:35] == f"{collected.spans.get_finished_spans()[-1].context.trace_id:032x}"


def test_journal_with_more_than_moves_becomes_a_span(collected, store, caplog):
    """
    Leases that were given back or lost, and an outcome that came after the end, move nothing.
    """
    first = store.claim("worker-1", seconds=30)
    store.release(first)
    again = store.claim("worker-2", seconds=30)
    store.complete(again.run.id, token=again.token)
    store.fail(again.run.id, {"code": "server_error", "message": "too late"}, token=again.token)
    journal = store.history(again.run.id)
    assert {"move", "claim", "release", "late"} == {entry.kind for entry in journal}

    registry = CollectorRegistry()
    RunMetrics(registry=registry).finished(entry.moved for entry in journal)
    collected.telemetry.finished(entry.moved for entry in journal)
    ended = {"definition": "run", "outcome": "success"}

    assert [] == caplog.messages
    assert 1 == registry.get_sample_value("runstate_run_duration_seconds_count", ended)
    assert ["run.state queued", "run.state in_progress", "run run"] == [
        span.name for span in collected.spans.get_finished_spans()
    ]


# -- nothing fails, nothing leaks ----------------------------------------------------------


class Broken(SpanExporter):
    """
    An exporter that raises.
    """

    def export(self, spans):
        """
        Raise.
        """
        raise ConnectionError("no collector")


def test_exporter_that_raises_fails_no_move(caplog):
    """
    The run moves, and the other observers are told.
    """
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(Broken()))
    telemetry, told = RunTelemetry(tracer_provider=tracers), []
    engine = RunEngine(observers=[lambda moved: telemetry.finished([CREATED, moved]), told.append])
    run = engine.create()
    with caplog.at_level(logging.ERROR):
        engine.expire(run)

    assert "expired" == run.status
    assert ["create", "expire"] == [moved.trigger for moved in told]


class UnspeakableError(Exception):
    """
    An error that cannot even be shown.
    """

    def __repr__(self):
        """
        Fail, too.
        """
        raise RuntimeError


def test_error_that_cannot_be_shown_is_told_by_its_name(caplog):
    """
    Whoever is fed from a feed has no engine around it that would catch it.
    """

    def broken():
        raise UnspeakableError
        yield

    RunTelemetry().finished(broken())

    assert ["RunTelemetry.finished failed: UnspeakableError"] == caplog.messages


@pytest.mark.parametrize("method", ["__call__", "finished"])
@pytest.mark.parametrize("teller", [RunMetrics, RunTelemetry])
def test_nonsense_is_told_to_the_standard_log(teller, method, caplog):
    """
    What cannot be told of is an error in the log, and none in the program.
    """
    options = {"registry": CollectorRegistry()} if teller is RunMetrics else {}
    getattr(teller(**options), method)([])

    assert [(logging.ERROR, f"{teller.__name__}.{method} failed")] == [
        (record.levelno, record.getMessage().split(":")[0]) for record in caplog.records
    ]


def test_nothing_private_is_told(collected):
    """
    Instructions, metadata, tool arguments and outputs are in no span, log, event or metric.
    """
    registry = CollectorRegistry()
    metrics, moves = RunMetrics(registry=registry), []
    engine = RunEngine(observers=[collected.telemetry, metrics, moves.append])
    run = engine.create(instructions=CANARIES[0], metadata={"k": CANARIES[1]})
    engine.start(run)
    call = {
        "id": "call_1", "type": "function",
        "function": {"name": "f", "arguments": CANARIES[2]},
    }  # fmt: skip
    engine.require_action(
        run, {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    )
    engine.submit_tool_outputs(run, {"call_1": CANARIES[3]})
    engine.expire(run)
    collected.telemetry.finished(moves)
    said = [
        *(str(cloudevent(moved, "/")) for moved in moves),
        str(lineage(moves)),
        generate_latest(registry).decode(),
        str(collected.metrics()),
        *(span.to_json() for span in collected.spans.get_finished_spans()),
        *(str(vars(each.log_record)) for each in collected.logs.get_finished_logs()),
    ]

    assert 5 == len(moves)
    assert [] == [canary for canary in CANARIES if canary in "".join(said)]


# -- Prometheus ----------------------------------------------------------------------------


def test_prometheus_counts_the_same():
    """
    Under its own names, in seconds.
    """
    registry = CollectorRegistry()
    metrics = RunMetrics(registry=registry)
    for moved in WAY:
        metrics(moved)
    metrics.finished(WAY)
    metrics.rejected("superseded")
    metrics.rejected("run_99")
    sample = registry.get_sample_value
    states = {"definition": "run", "state": "queued", "to": "in_progress"}

    assert 1.5 == sample("runstate_run_state_duration_seconds_sum", states)
    assert 4.0 == sample(
        "runstate_run_duration_seconds_sum", {"definition": "run", "outcome": "success"}
    )
    for kind in ("superseded", "other"):
        labels = {"definition": "run", "kind": kind}
        assert 1.0 == sample("runstate_run_rejections_total", labels)


def test_prometheus_asks_the_store(store):
    """
    At every scrape, and not before.
    """
    registry = CollectorRegistry()
    StoreCollector(store, registry=registry)
    StoreCollector(store, registry=None)
    store.create()
    labels = {"definition": "run", "state": "queued"}

    assert 2.0 == registry.get_sample_value("runstate_run_active", labels)
    assert 0 <= registry.get_sample_value("runstate_run_oldest_seconds", labels) < 600


# -- structlog -----------------------------------------------------------------------------


@given(st.text(), st.text())
def test_escaped_events_are_one_harmless_line(key, value):
    """
    Whatever is in keys and values, at whatever depth.
    """
    event = escape_untrusted(None, "info", {"event": value, key: [{"deep": (value, None, 1)}]})
    line = structlog.processors.KeyValueRenderer()(None, "info", event)

    assert line.isprintable()
    assert 1 == len(line.splitlines())


def test_what_is_private_is_redacted():
    """
    At any depth; what is left tells two values apart.
    """
    deep = current = {}
    for _ in range(12):
        current["x"] = current = {}
    current["tools"] = CANARIES[2]
    event = redact(
        None,
        "info",
        {
            "event": "run.transition",
            "instructions": CANARIES[0],
            "run": {"metadata": {"k": CANARIES[1]}, "list": [{"output": CANARIES[3]}], "n": 1},
            "deep": deep,
            "many": [[[[[[[[[CANARIES[2]]]]]]]]]],
            "metadata": None,
        },
    )

    assert [] == [canary for canary in CANARIES if canary in repr(event)]
    assert event["instructions"].startswith("(redacted: 19 characters, sha256 ")
    assert (1, "run.transition", None) == (event["run"]["n"], event["event"], event["metadata"])


def test_objects_are_looked_into():
    """
    A run above all, whose own repr tells everything.
    """
    run = RunEngine(clock=lambda: float(BORN)).create(
        id="run_1", instructions=CANARIES[0], metadata={"k": CANARIES[1]}
    )
    pair = namedtuple("pair", ["id", "output"])("x", CANARIES[3])  # noqa: PYI024
    event = {"run": run, "runs": [run], "call": Call("c", CANARIES[2]), "pair": pair, "kind": Call}
    event = redact(None, "info", event)

    assert [] == [canary for canary in CANARIES if canary in repr(event)]
    assert "run_1" == event["run"]["id"]
    assert ("c", "x", Call) == (event["call"]["id"], event["pair"]["id"], event["kind"])


@pytest.mark.parametrize("process", [redact, escape_untrusted])
def test_tracebacks_stay(process):
    """
    Whatever way they were asked for.
    """
    error = ValueError("x")
    told = (ValueError, error, None)

    assert told == process(None, "error", {"exc_info": told})["exc_info"]


def test_objects_are_escaped_by_their_repr():
    """
    Errors stay what renderers of tracebacks look for; other objects are made text.
    """
    error = ValueError("x")
    event = escape_untrusted(
        None, "info", {"exc_info": error, "when": datetime(2026, 1, 1, tzinfo=UTC)}
    )

    assert error is event["exc_info"]
    assert "datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)" == event["when"]


def test_a_store_for_asyncio_is_refused_when_its_metrics_are_set_up(tmp_path):
    """
    And not when they are collected, which would break the whole page of metrics.
    """
    store = AsyncRunStore(create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/runs.db"))
    registry = CollectorRegistry()
    with pytest.raises(TypeError, match=r"AsyncRunStore.counts\(\) has to be awaited: .* RunStore"):
        StoreCollector(store, registry=registry)
    with pytest.raises(TypeError, match="has to be awaited"):
        RunTelemetry().watch(store)

    assert b"" == generate_latest(registry)


@pytest.mark.parametrize(
    ("moves", "reason"),
    [
        ((CREATED, STARTED), "'run_1' is in 'in_progress', which is not terminal in run"),
        ((), "got none"),
    ],
)
def test_a_run_that_has_not_ended_is_reported_in_words(collected, moves, reason, caplog):
    """
    ``finished`` of a run that has not ended makes no span and no figure, and the log says why.
    """
    registry = CollectorRegistry()
    for telemetry in (collected.telemetry, RunMetrics(registry=registry)):
        caplog.clear()
        telemetry.finished(moves)

        assert reason in caplog.text
        assert "KeyError" not in caplog.text
    assert () == collected.spans.get_finished_spans()
    assert not any(
        sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "runstate_run_duration_seconds_count"
    )
