"""Instruments of the two processes, and how late their work is."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from prometheus_client import Counter, Histogram

from sanctum.backing.errors import Unavailable
from sanctum.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

SINK = "redis"
_DELAY_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 15.0, 60.0)


class DispatchMetrics:
    """Count what the dispatcher relays and what it has to set aside."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.published = metrics.published
        self.dead = Counter(
            "messaging_outbox_dead_total", "Messages set aside as dead letters", registry=registry
        )
        self._set_aside = Counter(
            "messaging_dispatch_dlq_total",
            "Messages set aside, by what did not take them",
            ("sink",),
            registry=registry,
        )
        self.set_aside = self._set_aside.labels(SINK)
        self.replayed = Counter(
            "messaging_dispatch_replayed_total", "Dead letters put back to work", registry=registry
        )
        self.repeated = Counter(
            "messaging_dispatch_repeated_total",
            "Messages relayed again because the stream had lost them",
            registry=registry,
        )


class ConsumeMetrics:
    """Count what the consumer delivers, claims and refuses."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.delivered = metrics.delivered
        self.delay = Histogram(
            "messaging_delivery_seconds",
            "Time from storing a message to its arrival in the inboxes",
            buckets=_DELAY_S,
            registry=registry,
        )
        self.reclaimed = Counter(
            "messaging_consumer_pel_reclaimed_total",
            "Entries taken over from consumers that died",
            registry=registry,
        )
        self.repeated = Counter(
            "messaging_consumer_repeated_total",
            "Entries of messages that had been delivered before",
            registry=registry,
        )
        self.unreadable = Counter(
            "messaging_consumer_unreadable_total",
            "Entries that hold no message and were thrown away",
            registry=registry,
        )


class Reading:
    """Keep a figure that somebody else has to be asked for; asked until cancelled."""

    def __init__(self, ask: Callable[[], Awaitable[float]], *, interval_s: float) -> None:
        self._ask = ask
        self._interval_s = interval_s
        self._value = 0.0
        self._asked_at = time.monotonic()
        self._blind = False

    async def run(self) -> None:
        """Ask again and again."""
        while True:
            try:
                self._value, self._blind = await self._ask(), False
                self._asked_at = time.monotonic()
            except Unavailable as error:
                self._blind = True
                logger.debug("not measured", extra={"fields": {"reason": str(error)}})
            await asyncio.sleep(self._interval_s)

    @property
    def value(self) -> float:
        """Give the last answer."""
        return self._value

    @property
    def age_s(self) -> float:
        """Give an answer that is an age in seconds: it rises while nobody answers."""
        return self._value + (time.monotonic() - self._asked_at if self._blind else 0.0)
