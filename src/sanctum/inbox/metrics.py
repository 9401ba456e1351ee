"""Metrics of inboxes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from sanctum.gateway.topics import TopicMetrics

KINDS = ("notification",)


class InboxMetrics:
    """Own the instruments of inboxes in one process.

    Attributes:
        topic: what happens to entries on their way to sockets.
        pruned: entries that were deleted because of their age.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._appended = Counter(
            "inbox_appended_total",
            "Entries committed by this process",
            ("kind",),
            registry=registry,
        )
        for kind in KINDS:
            self._appended.labels(kind)
        self.pruned = Counter(
            "inbox_pruned_total", "Entries deleted because of their age", registry=registry
        )
        self.topic = TopicMetrics(
            published=Counter("inbox_published_total", "Entries published", registry=registry),
            unpublished=Counter(
                "inbox_unpublished_total",
                "Entries left to catch-up because they could not be published",
                registry=registry,
            ),
            delivered=Counter(
                "inbox_delivered_total", "Entries sent to an open socket", registry=registry
            ),
            pages=Counter(
                "inbox_catch_up_total", "Pages read from the database", registry=registry
            ),
        )

    def count_appended(self, kind: str, count: int) -> None:
        """Count committed entries."""
        self._appended.labels(kind).inc(count)
