"""Metrics of conversations, under the names that dashboards and trials know."""

from __future__ import annotations

from prometheus_client import Counter

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
        self.cache_hits = Counter(
            "messaging_participant_cache_hits_total",
            "Participants of a conversation found in the process or in the cache",
            registry=registry,
        )
        self.cache_misses = Counter(
            "messaging_participant_cache_misses_total",
            "Participants of a conversation read from the database",
            registry=registry,
        )
        self.denied = metrics.security_denied.labels("conversation")
        self.rejects = metrics.payload_rejects.labels(TOO_LARGE)
        self.messages = metrics.messages
        self.message_size = metrics.message_size
