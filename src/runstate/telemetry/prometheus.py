"""
Moves as Prometheus metrics; needs the extra ``prometheus``.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..lifecycle._table import Lifecycle
from ..runs._log import Moved
from ..runs._run import RUN
from ._ages import Store, ages, check_answers
from ._shared import DURATIONS, REJECTIONS, closed, ended, harmless

__all__ = ["RunMetrics", "StoreCollector"]


class RunMetrics:
    """
    Counts moves, as an observer of an engine or from a store's feed.

    No label holds an id, or any text that is not a status of the lifecycle. The client adds a
    ``_created`` series to each counter and histogram; ``PROMETHEUS_DISABLE_CREATED_SERIES=True``
    in the environment, or ``prometheus_client.disable_created_metrics()``, halves the series.

    Example:
        >>> registry = CollectorRegistry()
        >>> metrics = RunMetrics(registry=registry)
        >>> metrics(Moved("run_1", "start", "queued", "in_progress", 1.5, 1.5, 2))
        >>> labels = {"definition": "run", "from": "queued", "to": "in_progress"}
        >>> registry.get_sample_value("runstate_run_transitions_total", labels)
        1.0
    """

    def __init__(self, lifecycle: Lifecycle = RUN, registry: CollectorRegistry = REGISTRY) -> None:
        """
        Register the metrics in *registry*.

        Args:
            lifecycle: The table of the runs; its name is a label of every metric.
            registry: Where to register; the client's own registry by default.

        Raises:
            ValueError: They are registered there already.
        """
        self._lifecycle = lifecycle
        self._counters: dict[tuple[str, str], Counter] = {}
        self._stay_of: dict[tuple[str, str], Histogram] = {}
        self._transitions = Counter(
            "runstate_run_transitions", "Moves of runs.", ("definition", "from", "to"),
            registry=registry,
        )  # fmt: skip
        self._stays = Histogram(
            "runstate_run_state_duration_seconds", "How long runs were in a status they left.",
            ("definition", "state", "to"), buckets=DURATIONS, registry=registry,
        )  # fmt: skip
        self._durations = Histogram(
            "runstate_run_duration_seconds", "How long runs lasted, from creation to end.",
            ("definition", "outcome"), buckets=DURATIONS, registry=registry,
        )  # fmt: skip
        self._rejections = Counter(
            "runstate_run_rejections", "Triggers that moved nothing.", ("definition", "kind"),
            registry=registry,
        )  # fmt: skip

    @harmless
    def __call__(self, moved: Moved) -> None:
        """
        Count one move.
        """
        move = closed(moved.source, self._lifecycle), closed(moved.target, self._lifecycle)
        counter = self._counters.get(move)
        if counter is None:
            # To look a series up by its labels takes longer than to count.
            counter = self._counters[move] = self._transitions.labels(self._lifecycle.name, *move)
        counter.inc()
        if moved.duration_s is None:
            return
        stay = self._stay_of.get(move)
        if stay is None:
            stay = self._stay_of[move] = self._stays.labels(self._lifecycle.name, *move)
        stay.observe(moved.duration_s)

    @harmless
    def rejected(self, kind: str) -> None:
        """
        Count one trigger that moved nothing.

        Args:
            kind: The name of the verdict in lower case, such as ``superseded``; or ``guard`` or
                ``payload`` for the error of an engine. Any other text counts as ``other``.
        """
        known = kind if kind in REJECTIONS else "other"
        self._rejections.labels(self._lifecycle.name, known).inc()

    @harmless
    def finished(self, moves: Iterable[Moved]) -> None:
        """
        Count one run that has ended.

        Args:
            moves: All its moves, in any order; the ``moved`` of its journal's entries.
        """
        whole, outcome = ended(moves, self._lifecycle)
        lasted = whole[-1].at - whole[0].at
        self._durations.labels(self._lifecycle.name, outcome).observe(lasted)


class StoreCollector(Collector):
    """
    Reports, at each collection of metrics, the number of runs in a store and their ages.

    The numbers come from the store, so they survive restarts and are the same from every
    process.
    """

    def __init__(
        self,
        store: Store,
        lifecycle: Lifecycle = RUN,
        registry: CollectorRegistry | None = REGISTRY,
    ) -> None:
        """
        Register with *registry*.

        Args:
            store: A :class:`RunStore`. For an asyncio server, open one beside its
                ``AsyncRunStore``, on the same database.
            lifecycle: The store's table.
            registry: Where to register; None for a registry that is given later.

        Raises:
            TypeError: *store* is one for asyncio, which cannot answer while metrics are
                collected.
        """
        check_answers(store)
        self._store = store
        self._lifecycle = lifecycle
        if registry is not None:
            registry.register(self)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """
        Yield the metrics without asking the store.
        """
        yield from self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """
        Yield how many runs are in each status, and how long the oldest has been in it.
        """
        active, oldest = self._families()
        name, counts = self._lifecycle.name, self._store.counts()
        for status in self._lifecycle.statuses:
            active.add_metric((name, str(status)), counts.get(status, 0))
        for status, age in ages(self._store, self._lifecycle):
            oldest.add_metric((name, status), age)
        yield active
        yield oldest

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        labels = ("definition", "state")

        return (
            GaugeMetricFamily("runstate_run_active", "Runs by status.", labels=labels),
            GaugeMetricFamily(
                "runstate_run_oldest_seconds",
                "How long the run that has been in a status longest has been in it.",
                labels=labels,
            ),
        )
