"""An inbox of a test's own, as domains have one."""

from __future__ import annotations

from tests.sanctum.servers import LOOPBACK

from sanctum.backing.cache import Cache
from sanctum.backing.database import Bounds, Database
from sanctum.defects import Defects
from sanctum.gateway.fanout import Publisher
from sanctum.gateway.topics import Topic
from sanctum.inbox.frames import TOPIC, locate
from sanctum.inbox.inbox import Inbox
from sanctum.inbox.metrics import InboxMetrics
from sanctum.inbox.storage import InboxStorage
from sanctum.telemetry.metrics import Metrics


class Parts:
    """An inbox of the test's own, on the database of the fixtures and no cache."""

    def __init__(self, url: str) -> None:
        metrics = Metrics()
        bounds = Bounds(
            connections_max=5,
            waiting_max=100,
            acquire_timeout_s=5,
            command_timeout_s=5,
            probe_timeout_s=5,
            idle_max_s=0,
        )
        self.database = Database(url, bounds, defects=Defects(), metrics=metrics)
        cache = Cache(
            f"valkey://{LOOPBACK}:1/0",
            pool_max=1,
            timeout_s=0.1,
            defects=Defects(),
            metrics=metrics,
        )
        self.storage = InboxStorage(self.database)
        own = InboxMetrics(metrics.registry)
        topic = Topic(TOPIC, self.storage, locate, own.topic)
        self.inbox = Inbox(self.storage, Publisher(cache, topic, queue_max=1), own)
