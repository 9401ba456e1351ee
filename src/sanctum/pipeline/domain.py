"""The pipeline's two processes."""

from __future__ import annotations

from sanctum.domain import Domain, Shared
from sanctum.pipeline.consumer import ConsumeLimits, Consumer
from sanctum.pipeline.dispatcher import Dispatcher, DispatchLimits
from sanctum.pipeline.inboxes import Inboxes
from sanctum.pipeline.metrics import ConsumeMetrics, DispatchMetrics, Reading
from sanctum.pipeline.outbox import Outbox
from sanctum.pipeline.stream import Stream

MEASURE_INTERVAL_S = 0.25


def build_dispatcher(shared: Shared) -> Domain:
    """Build what relays the outbox."""
    settings = shared.settings
    outbox = Outbox(shared.database)
    dispatcher = Dispatcher(
        outbox,
        Stream(shared.cache),
        shared.cache,
        DispatchLimits(
            interval_s=settings.dispatch_interval_s,
            retry_s=settings.dispatch_retry_s,
            attempts_max=settings.dispatch_attempts_max,
            stream_entries_max=settings.stream_entries_max,
            vanished_after_s=settings.dispatch_vanished_after_s,
        ),
        shared.defects,
        DispatchMetrics(shared.metrics),
    )
    lag = Reading(outbox.dispatch_lag_s, interval_s=MEASURE_INTERVAL_S)
    shared.metrics.gauge(
        "messaging_dispatch_lag_seconds",
        "Age of the oldest message that was not relayed",
        lambda: lag.age_s,
    )
    return Domain(work={"dispatcher": dispatcher.run, "dispatch lag": lag.run})


def build_consumer(shared: Shared) -> Domain:
    """Build what delivers the stream."""
    settings = shared.settings
    stream = Stream(shared.cache)
    consumer = Consumer(
        stream,
        Inboxes(shared.database),
        ConsumeLimits(
            block_s=settings.cache_timeout_s / 2,
            reclaim_interval_s=settings.reclaim_interval_s,
            reclaim_idle_s=settings.reclaim_idle_s,
        ),
        shared.defects,
        ConsumeMetrics(shared.metrics),
    )
    lag = Reading(Outbox(shared.database).consumer_lag_s, interval_s=MEASURE_INTERVAL_S)
    pending = Reading(stream.pending_count, interval_s=MEASURE_INTERVAL_S)
    shared.metrics.gauge(
        "messaging_consumer_lag_seconds",
        "Age of the oldest message that was relayed and not delivered",
        lambda: lag.age_s,
    )
    shared.metrics.gauge(
        "messaging_consumer_pel_size",
        "Entries read and not acknowledged, of all consumers",
        lambda: pending.value,
    )
    return Domain(work={"consumer": consumer.run, "consumer lag": lag.run, "pending": pending.run})
