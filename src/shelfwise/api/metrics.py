"""What a server counts, for Prometheus: requests, their times, batches, queues, errors by kind, bundles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
TEXT = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of `page`."""


class Metrics:
    """The counts of one server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "shelfwise_requests", "Requests answered.", ("route", "method", "status"), registry=registry
        )
        self._seconds = Histogram(
            "shelfwise_request_seconds",
            "From a request's arrival to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._errors = Counter(
            "shelfwise_errors", "Refused or failed, by kind.", ("kind",), registry=registry
        )
        self._items = Counter(
            "shelfwise_items", "Items of all requests, by how they ended.", ("status",), registry=registry
        )
        self._batches = Histogram(
            "shelfwise_batch_items", "Items of a batch.", ("model",), buckets=_SIZES, registry=registry
        )
        self._model_seconds = Histogram(
            "shelfwise_batch_seconds",
            "What a batch took.",
            ("model",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._waiting = Gauge("shelfwise_queue_items", "Items that wait.", ("model",), registry=registry)
        self._models = Info("shelfwise_model", "The bundles that answer.", ("model",), registry=registry)
        # Looking a child up by its labels costs more than counting.
        self._children: dict[tuple[object, ...], tuple[Counter, Histogram]] = {}

    def request(self, route: str, method: str, status: int, seconds: float, kind: str) -> None:
        """Count one request; `kind` says what went wrong."""
        asked = (route, method, status)
        if asked not in self._children:
            self._children[asked] = (
                self._requests.labels(route, method, str(status)),
                self._seconds.labels(route),
            )
        count, histogram = self._children[asked]
        count.inc()
        histogram.observe(seconds)
        if kind:
            self._errors.labels(kind).inc()

    def item(self, status: str, kind: str | None = None) -> None:
        """Count one item of a request of many."""
        self._items.labels(status).inc()
        if kind:
            self._errors.labels(kind).inc()

    def items(self, told: Sequence[object]) -> None:
        """Count the items of a request that fails as a whole; answers of those that failed are exceptions."""
        failed = sum(isinstance(answer, Exception) for answer in told)
        for status, count in (("ok", len(told) - failed), ("failed", failed)):
            if count:
                self._items.labels(status).inc(count)

    def batches(self, model: str) -> Callable[[int, float], None]:
        """What a batcher of this model tells its batches to."""
        sizes, times = self._batches.labels(model), self._model_seconds.labels(model)

        def observe(size: int, seconds: float) -> None:
            sizes.observe(size)
            times.observe(seconds)

        return observe

    def watch_queue(self, model: str, waiting: Callable[[], int]) -> None:
        """Ask `waiting` for the length of a model's queue whenever it is wanted."""
        self._waiting.labels(model).set_function(waiting)

    def model(self, name: str, version: str, task: str) -> None:
        """Name the bundle that answers for a model from now on."""
        self._models.labels(name).info({"version": version, "task": task})

    def page(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)
