"""Metrics of conversations, under the names that dashboards and trials know."""

from __future__ import annotations

import math

from prometheus_client import Counter, Gauge

from sanctum.telemetry.metrics import Metrics

TOO_LARGE = "payload_too_large"


class MessagingMetrics:
    """Own the instruments of the domain; each reads 0 from the start."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.version_conflicts = Counter(
            "messaging_conversation_version_conflicts_total",
            "Updates of a conversation refused because another came first",
            registry=registry,
        )
        self._cache_hits = Counter(
            "messaging_participant_cache_hits_total",
            "Participants of a conversation found in the process or in the cache",
            registry=registry,
        )
        self._cache_misses = Counter(
            "messaging_participant_cache_misses_total",
            "Participants of a conversation read from the database",
            registry=registry,
        )
        self._hits = self._misses = 0
        Gauge(
            "messaging_participant_cache_hit_ratio",
            "Participants of a conversation found without the database, 0 to 1",
            registry=registry,
        ).set_function(self._hit_ratio)
        self.denied = metrics.security_denied.labels("conversation")
        self.rejects = metrics.payload_rejects.labels(TOO_LARGE)
        self.messages = metrics.messages
        self.message_size = metrics.message_size

    def count_hit(self) -> None:
        """Count participants found in the process or in the cache."""
        self._hits += 1
        self._cache_hits.inc()

    def count_miss(self) -> None:
        """Count participants that had to be read from the database."""
        self._misses += 1
        self._cache_misses.inc()

    def _hit_ratio(self) -> float:
        every = self._hits + self._misses
        return self._hits / every if every else math.nan
