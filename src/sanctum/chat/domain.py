"""Chat: a topic whose keys are channels, and what its members say."""

from __future__ import annotations

from sanctum.chat.frames import locate
from sanctum.chat.host import ChatHost
from sanctum.chat.log import ChatLog
from sanctum.chat.storage import ChatStorage
from sanctum.domain import Domain, Shared
from sanctum.gateway.entrance import CHANNELS
from sanctum.gateway.fanout import Publisher
from sanctum.gateway.topics import Topic, TopicMetrics
from sanctum.telemetry.metrics import Metrics

TOPIC = "sanctum:chat"


def build(shared: Shared) -> Domain:
    """Build the domain."""
    settings, metrics = shared.settings, shared.metrics
    storage = ChatStorage(shared.database)
    log = ChatLog(storage, shared.defects)
    topic = Topic(TOPIC, log, locate, _counters(metrics))
    publisher = Publisher(shared.cache, topic, queue_max=settings.fanout_queue_max)
    shared.hub.open(CHANNELS, topic, ChatHost(storage, publisher, shared.defects, metrics))
    return Domain(work={"chat publisher": publisher.run})


def _counters(metrics: Metrics) -> TopicMetrics:
    return TopicMetrics(
        published=metrics.published,
        unpublished=metrics.unpublished,
        delivered=metrics.delivered,
        pages=metrics.catch_ups,
    )
