"""What the server counts, for Prometheus: the only module that knows its client library.

Labels are names of models that serve, statuses and paths of packages: nothing that a client could make up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from mlsign.serving.connection import ConnectionLimits
from mlsign.serving.shelf import Served

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_MODEL: Final = ("model", "version")


class Counts:
    """The counters of one model and status, looked up once."""

    __slots__ = ("_received", "_requests", "_seconds", "_sent")

    def __init__(self, *, requests: Counter, seconds: Histogram, received: Counter, sent: Counter) -> None:
        self._requests = requests
        self._seconds = seconds
        self._received = received
        self._sent = sent

    def add(self, *, seconds: float, received: int, sent: int) -> None:
        """One more request."""
        self._requests.inc()
        self._seconds.observe(seconds)
        self._received.inc(received)
        self._sent.inc(sent)


class Metrics:
    """All of them, in a registry of their own."""

    def __init__(
        self, *, models: Callable[[], Iterable[Served]], in_flight: Callable[[], float], connections: ConnectionLimits
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types
        registry = CollectorRegistry()
        self._registry = registry
        self._requests = Counter(
            "mlsign_requests",
            "Requests by model and HTTP status; no model for those about none",
            (*_MODEL, "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "mlsign_request_seconds", "Seconds from a request's head to its answer", _MODEL, buckets=_BUCKETS, registry=registry
        )
        self._received = Counter("mlsign_request_bytes", "Bytes of bodies received", _MODEL, registry=registry)
        self._sent = Counter("mlsign_response_bytes", "Bytes of bodies sent", _MODEL, registry=registry)
        self._errors = Counter(
            "mlsign_errors", "Answers that were errors, by the code of the error", ("error",), registry=registry
        )
        self._verified = Counter(
            "mlsign_verifications",
            "Packages verified in order to serve them, by what came of it",
            ("package", "outcome"),
            registry=registry,
        )
        self._refused = Gauge(
            "mlsign_package_refused", "1 while what lies in a package's place is not what serves", ("package",), registry=registry
        )
        self._policies = Counter(
            "mlsign_policy_loads", "Times that policies were loaded, by what came of it", ("outcome",), registry=registry
        )
        flying = Gauge("mlsign_requests_in_flight", "Requests that are being answered", registry=registry)
        flying.set_function(in_flight)
        registry.register(_Pools(models))
        registry.register(_Connections(connections))
        self._kept: dict[tuple[str, str, int], Counts] = {}

    def counts(self, model: str, version: str, status: int) -> Counts:
        """The counters for a model that serves, or for none (empty), and a status."""
        key = (model, version, status)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = Counts(
                requests=self._requests.labels(model, version, str(status)),
                seconds=self._seconds.labels(model, version),
                received=self._received.labels(model, version),
                sent=self._sent.labels(model, version),
            )
        return found

    def error(self, code: str) -> None:
        """One more error of this code, which are the program's own."""
        self._errors.labels(code).inc()

    def verified(self, package: str, outcome: str, *, refused: bool) -> None:
        """A package was verified; whether what lies there is now something that does not serve."""
        self._verified.labels(package, outcome).inc()
        self._refused.labels(package).set(int(refused))

    def policies_loaded(self, outcome: str) -> None:
        self._policies.labels(outcome).inc()

    def render(self) -> bytes:
        """All of them in the text format."""
        return generate_latest(self._registry)


class _Pools(Collector):
    """What pools and models say of themselves, asked when somebody reads it."""

    def __init__(self, models: Callable[[], Iterable[Served]]) -> None:
        self._models = models

    def collect(self) -> Iterable[Metric]:
        workers = GaugeMetricFamily("mlsign_pool_workers", "Workers of a model, by state", labels=(*_MODEL, "state"))
        waiting = GaugeMetricFamily("mlsign_pool_waiting", "Calls that wait for a worker", labels=_MODEL)
        calls = CounterMetricFamily("mlsign_pool_calls", "Calls that were given to workers", labels=_MODEL)
        failures = CounterMetricFamily("mlsign_pool_failures", "Calls that came to an error", labels=_MODEL)
        restarts = CounterMetricFamily("mlsign_pool_restarts", "Workers that had to be replaced", labels=_MODEL)
        info = InfoMetricFamily("mlsign_model", "What serves, and what let it in", labels=_MODEL)
        for served in self._models():
            label = (served.name, str(served.version))
            health = served.pool.health()
            workers.add_metric((*label, "configured"), health.workers)
            workers.add_metric((*label, "ready"), health.ready)
            workers.add_metric((*label, "busy"), health.busy)
            waiting.add_metric(label, health.waiting)
            calls.add_metric(label, health.calls)
            failures.add_metric(label, health.failures)
            restarts.add_metric(label, health.restarts)
            told = {
                "digest": served.origin.digest,
                "policy": served.origin.policy,
                "policy_digest": served.origin.policy_digest,
                "package": str(served.origin.path),
            }
            info.add_metric(label, told)
        return (workers, waiting, calls, failures, restarts, info)


class _Connections(Collector):
    """What never became a request."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits

    def collect(self) -> Iterable[Metric]:
        refused = CounterMetricFamily("mlsign_connections_refused", "Connections beyond as many as there may be at once")
        refused.add_metric((), self._limits.refused)
        malformed = CounterMetricFamily(
            "mlsign_malformed_requests", "What was no HTTP request, too large a head, or too slow a one"
        )
        malformed.add_metric((), self._limits.malformed)
        return (refused, malformed)
