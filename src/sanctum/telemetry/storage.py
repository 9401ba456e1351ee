"""Metrics of the backing services: how they answer, their breakers and their pools."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import Metric, UnknownMetricFamily
from prometheus_client.registry import Collector

_LATENCY_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)
_HIT, _MISS = "hit", "miss"
POOL = ("dependency",)


class StorageMetrics:
    """Own the instruments of what stores; what never happened reads 0, not nothing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._queries: dict[str, Histogram] = {}
        self._breakers = _BreakerCollector()
        registry.register(self._breakers)
        self._define_operations()
        self._define_cache_reads()
        self._define_pools()

    def _define_operations(self) -> None:
        registry = self._registry
        self._query_latency = Histogram(
            "database_query_seconds",
            "Time of a statement, with the wait for a connection",
            ("operation",),
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.errors = Counter(
            "storage_errors_total", "Failed database operations", ("type",), registry=registry
        )
        self.errors.labels("TimeoutError")
        self.retries = Counter(
            "storage_retries_total", "Database operations tried again", registry=registry
        )
        self.cache_errors = Counter(
            "cache_errors_total", "Failed cache operations", ("operation",), registry=registry
        )
        self.cache_latency = Histogram(
            "cache_operation_seconds",
            "Time of a cache operation, with the wait for a connection",
            ("operation",),
            buckets=_LATENCY_S,
            registry=registry,
        )

    def _define_cache_reads(self) -> None:
        registry = self._registry
        reads = Counter(
            "storage_cache_reads_total", "Values looked up", ("result",), registry=registry
        )
        self._reads = {result: reads.labels(result) for result in (_HIT, _MISS)}
        self._hits = self._misses = 0
        ratio = Gauge("storage_cache_hit_ratio", "Values found, 0 to 1", registry=registry)
        ratio.set_function(self._hit_ratio)

    def _define_pools(self) -> None:
        registry = self._registry
        self.breaker_refused = Counter(
            "storage_circuit_breaker_refused_total",
            "Operations refused by an open breaker",
            POOL,
            registry=registry,
        )
        self._breaker_open = Gauge(
            "storage_circuit_breaker_open", "1 while the breaker is open", POOL, registry=registry
        )
        self.acquire_latency = Histogram(
            "storage_pool_acquire_seconds",
            "Time until a connection was free",
            POOL,
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._pools = {
            what: Gauge(f"storage_pool_{what}", documentation, POOL, registry=registry)
            for what, documentation in (
                ("max", "Connections at most"),
                ("size", "Connections open"),
                ("in_use", "Connections in use"),
                ("waiting", "Operations that wait for a connection"),
            )
        }

    def breaker(self, dependency: str, is_open: Callable[[], bool]) -> dict[str, int]:
        """Expose a breaker; return the counts of its changes, by the state that it came to."""
        self._breaker_open.labels(dependency).set_function(is_open)
        return self._breakers.add(dependency)

    def pool(self, dependency: str, **reads: Callable[[], float]) -> None:
        """Expose a pool by what reads its `max`, `size`, `in_use` and `waiting`."""
        for what, read in reads.items():
            self._pools[what].labels(dependency).set_function(read)

    def observe_query(self, operation: str, latency_s: float) -> None:
        """Record the time of a database statement."""
        histogram = self._queries.get(operation)
        if histogram is None:
            histogram = self._queries[operation] = self._query_latency.labels(operation)
        histogram.observe(latency_s)

    def observe_read(self, *, hit: bool) -> None:
        """Count a value that was looked up in the cache."""
        self._hits += hit
        self._misses += not hit
        self._reads[_HIT if hit else _MISS].inc()

    def _hit_ratio(self) -> float:
        reads = self._hits + self._misses
        return self._hits / reads if reads else math.nan  # of nothing there is no share


class _BreakerCollector(Collector):
    """Expose a count whose required name has no ``_total``, so it cannot be a counter by type."""

    def __init__(self) -> None:
        self._transitions: dict[str, dict[str, int]] = {}

    def add(self, dependency: str) -> dict[str, int]:
        """Return the counts of a dependency, to be raised."""
        return self._transitions.setdefault(dependency, {"open": 0, "closed": 0})

    def collect(self) -> Iterable[Metric]:
        """Read the counts."""
        family = UnknownMetricFamily(
            "storage_circuit_breaker_transitions",
            "Changes of a dependency's breaker",
            labels=("dependency", "state"),
        )
        for dependency, counts in self._transitions.items():
            for state, count in counts.items():
                family.add_metric((dependency, state), count)
        yield family
