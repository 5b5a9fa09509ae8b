"""
Moves as OpenTelemetry metrics, logs and traces; needs the extra ``otel``.

A run outlives the process that began it, so no span is kept open: one is made at the end,
with the times that the moves had. A move on the way is an event of the log, not of a span.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from opentelemetry import trace
from opentelemetry._logs import LoggerProvider, SeverityNumber, get_logger_provider
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter_provider
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .._text import printable
from ..lifecycle._rows import BAD_OUTCOMES, Outcome
from ..lifecycle._table import Lifecycle
from ..runs._log import Moved
from ..runs._run import RUN
from ._ages import Store, ages, check_answers
from ._shared import DURATIONS, REJECTIONS, closed, ended, harmless

__all__ = ["RunTelemetry"]

SCOPE: Final = "runstate"

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_RESULTS: Final[Mapping[Outcome, str]] = {
    "success": "success",
    "failure": "failure",
    "error": "error",
    "timeout": "timeout",
    "cancelled": "cancellation",
    "incomplete": "failure",
}
"""What ``cicd.pipeline.result`` calls each outcome; it has no word for a part of a success."""


class RunTelemetry:
    """
    Exports moves to OpenTelemetry, as an observer of an engine or from a store's feed.

    Attributes of metrics are statuses and outcomes of the lifecycle, never an id. Its methods never
    raise; a failure of an exporter is logged by the standard library's logging.
    """

    def __init__(
        self,
        lifecycle: Lifecycle = RUN,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        cicd: bool = False,
    ) -> None:
        """
        Export the runs of *lifecycle*, to the global providers unless others are given.

        Args:
            lifecycle: The table of the runs; its name is an attribute of every metric.
            tracer_provider: Makes the tracer; the global provider by default.
            meter_provider: Makes the meter; the global provider by default.
            logger_provider: Makes the logger; the global provider by default.
            cicd: Whether to export ended runs by the names of the semantic conventions for
                CI/CD as well: ``cicd.pipeline.name``, ``cicd.pipeline.run.id`` and
                ``cicd.pipeline.result`` of a span of kind server, and the histogram
                ``cicd.pipeline.run.duration``. The names are those of version 1.44.0, in which
                they are a release candidate.
        """
        self._lifecycle = lifecycle
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        self._logger = (logger_provider or get_logger_provider()).get_logger(SCOPE)
        self._meter = (meter_provider or get_meter_provider()).get_meter(SCOPE)
        self._transitions = self._meter.create_counter(
            "runstate.run.transitions", "{transition}", "Moves of runs."
        )
        self._stays = self._meter.create_histogram(
            "runstate.run.state.duration", "s", "How long runs were in a status they left.",
            explicit_bucket_boundaries_advisory=DURATIONS,
        )  # fmt: skip
        self._durations = self._meter.create_histogram(
            "runstate.run.duration", "s", "How long runs lasted, from creation to end.",
            explicit_bucket_boundaries_advisory=DURATIONS,
        )  # fmt: skip
        self._rejections = self._meter.create_counter(
            "runstate.run.rejections", "{transition}", "Triggers that moved nothing."
        )
        self._pipelines = (
            self._meter.create_histogram(
                "cicd.pipeline.run.duration", "s",
                "Duration of a pipeline run grouped by pipeline, state and result.",
                explicit_bucket_boundaries_advisory=DURATIONS,
            )
            if cicd
            else None
        )  # fmt: skip

    @harmless
    def __call__(self, moved: Moved) -> None:
        """
        Count one move, and log it as the event ``runstate.run.transition``.
        """
        states = {
            "definition": self._lifecycle.name,
            "from": closed(moved.source, self._lifecycle),
            "to": closed(moved.target, self._lifecycle),
        }
        self._transitions.add(1, states)
        if moved.duration_s is not None:
            stay = {"definition": states["definition"], "state": states["from"], "to": states["to"]}
            self._stays.record(moved.duration_s, stay)
        bad = self._lifecycle.terminal.get(moved.target) in BAD_OUTCOMES
        self._logger.emit(
            timestamp=_nanoseconds(moved.at),
            severity_number=SeverityNumber.WARN if bad else SeverityNumber.INFO,
            event_name="runstate.run.transition",
            attributes=_known(
                {
                    "runstate.run.id": moved.run_id,
                    "runstate.run.seq": moved.seq,
                    "runstate.run.state.from": moved.source,
                    "runstate.run.state.to": moved.target,
                    "runstate.run.trigger": moved.trigger,
                    "runstate.run.definition.name": self._lifecycle.name,
                }
            ),
        )

    @harmless
    def rejected(self, kind: str) -> None:
        """
        Count one trigger that moved nothing.

        Args:
            kind: The name of the verdict in lower case, such as ``superseded``; or ``guard`` or
                ``payload`` for the error of an engine. Any other text counts as ``other``.
        """
        known = kind if kind in REJECTIONS else "other"
        self._rejections.add(1, {"definition": self._lifecycle.name, "kind": known})

    @harmless
    def finished(
        self,
        moves: Iterable[Moved],
        traceparent: str | None = None,
        attributes: Mapping[str, str | int] | None = None,
    ) -> None:
        """
        Make the span of a run that has ended, with a child for each status it was in.

        Args:
            moves: All its moves, however they came; the ``moved`` of its journal's entries.
            traceparent: W3C trace context of the run's creator, such as the one kept in its
                ``metadata``. It becomes the parent if it is valid.
            attributes: Further attributes of the span, such as the run's thread as
                ``gen_ai.conversation.id``.
        """
        whole, outcome = ended(moves, self._lifecycle)
        first, last = whole[0], whole[-1]
        pipeline = {} if self._pipelines is None else self._as_pipeline(whole, outcome)
        span = self._tracer.start_span(
            f"run {self._lifecycle.name}",
            context=_parent(traceparent),
            kind=SpanKind.SERVER if pipeline else SpanKind.INTERNAL,
            start_time=_nanoseconds(first.at),
            attributes=_known(
                {
                    **(attributes or {}),
                    **pipeline,
                    "runstate.run.id": last.run_id,
                    "runstate.run.definition.name": self._lifecycle.name,
                    "runstate.run.outcome": outcome,
                }
            ),
        )
        if outcome in BAD_OUTCOMES:
            span.set_status(
                Status(StatusCode.ERROR, f"run is {closed(last.target, self._lifecycle)}")
            )
            span.set_attribute("error.type", closed(last.target, self._lifecycle))
        within = trace.set_span_in_context(span)
        for entered, left in pairwise(whole):
            state = closed(entered.target, self._lifecycle)
            self._tracer.start_span(
                f"run.state {state}",
                context=within,
                start_time=_nanoseconds(entered.at),
                attributes={"runstate.state": state},
            ).end(_nanoseconds(left.at))
        span.end(_nanoseconds(last.at))
        self._durations.record(
            last.at - first.at, {"definition": self._lifecycle.name, "outcome": outcome}
        )

    def _as_pipeline(self, whole: list[Moved], outcome: Outcome) -> dict[str, str | None]:
        """
        Record how long a run was in each state of the conventions; return the span's attributes.

        A run is pending in the statuses that it may begin in, and executing in all others.
        """
        name, result = self._lifecycle.name, _RESULTS[outcome]
        ends = {"cicd.pipeline.result": result}
        if result in BAD_OUTCOMES:
            ends["error.type"] = closed(whole[-1].target, self._lifecycle)
        lasted: dict[str, float] = {}
        state = ""
        for entered, left in pairwise(whole):
            begins = entered.target in self._lifecycle.initial_statuses
            state = "pending" if begins else "executing"
            lasted[state] = lasted.get(state, 0.0) + left.at - entered.at
        if self._pipelines is not None:
            for each, seconds in lasted.items():
                labels = {"cicd.pipeline.name": name, "cicd.pipeline.run.state": each}
                self._pipelines.record(seconds, labels | (ends if each == state else {}))

        return {"cicd.pipeline.name": name, "cicd.pipeline.run.id": whole[-1].run_id, **ends}

    def watch(self, store: Store) -> None:
        """
        Observe, at each collection of metrics, the number of runs in *store* and their ages.

        The numbers come from the store, so they survive restarts and are the same from every
        process.

        Raises:
            TypeError: *store* is one for asyncio, which cannot answer while metrics are
                collected.
        """
        check_answers(store)
        name = self._lifecycle.name

        def active(_: CallbackOptions) -> Iterator[Observation]:
            counts = store.counts()
            for status in self._lifecycle.statuses:
                yield Observation(counts.get(status, 0), {"definition": name, "state": str(status)})

        def oldest(_: CallbackOptions) -> Iterator[Observation]:
            for status, age in ages(store, self._lifecycle):
                yield Observation(age, {"definition": name, "state": status})

        self._meter.create_observable_up_down_counter(
            "runstate.run.active", [active], "{run}", "Runs by status."
        )
        self._meter.create_observable_gauge(
            "runstate.run.oldest", [oldest], "s",
            "How long the run that has been in a status longest has been in it.",
        )  # fmt: skip


def _parent(traceparent: str | None) -> Any:
    """
    Return the context that *traceparent* names; an empty one if it is None or invalid.

    Empty, and not the current context, because another caller than the creator may record the end.
    """
    carrier = {"traceparent": traceparent} if _valid(traceparent) else {}

    return TraceContextTextMapPropagator().extract(carrier, context=Context())


def _valid(traceparent: str | None) -> bool:
    return isinstance(traceparent, str) and _TRACEPARENT.fullmatch(traceparent) is not None


def _nanoseconds(at: float) -> int:
    # By way of microseconds: a float of Unix seconds is no finer.
    return round(at * 1_000_000) * 1_000


def _known(attributes: Mapping[str, str | int | None]) -> dict[str, str | int]:
    return {
        name: printable(value) if isinstance(value, str) else value
        for name, value in attributes.items()
        if value is not None
    }
