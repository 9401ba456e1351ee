"""Inboxes: a topic whose keys are users, and the way by which other domains append to it."""

from __future__ import annotations

from dataclasses import dataclass

from sanctum.domain import Domain, Shared
from sanctum.gateway.fanout import Publisher
from sanctum.gateway.topics import Mishap, Topic
from sanctum.inbox.frames import TOPIC, is_notification, locate
from sanctum.inbox.host import InboxHost
from sanctum.inbox.inbox import Inbox
from sanctum.inbox.metrics import InboxMetrics
from sanctum.inbox.pruning import Pruning
from sanctum.inbox.routes import build_router
from sanctum.inbox.storage import InboxStorage


@dataclass(frozen=True, slots=True, kw_only=True)
class Inboxes:
    """Hold the domain, and what other domains tell users with."""

    domain: Domain
    inbox: Inbox


def build(shared: Shared) -> Inboxes:
    """Build the domain."""
    storage = InboxStorage(shared.database)
    metrics = InboxMetrics(shared.metrics.registry)

    def mishap(frame: bytes) -> Mishap | None:
        if is_notification(frame) and shared.defects.passes_subscriber_over():
            return Mishap.MISSED
        return Mishap.STRAYED if shared.defects.leads_entry_astray() else None

    topic = Topic(TOPIC, storage, locate, metrics.topic, mishap=mishap)
    queue_max = shared.settings.fanout_queue_max
    publisher = Publisher(shared.cache, topic, queue_max=queue_max)
    pruning = Pruning(storage, metrics, kept_s=shared.settings.inbox_kept_s)
    shared.hub.open("inbox", topic, InboxHost())
    return Inboxes(
        domain=Domain(
            routers=(build_router(storage, shared.gate),),
            work={"inbox publisher": publisher.run, "inbox pruning": pruning.run},
        ),
        inbox=Inbox(storage, publisher, metrics),
    )
