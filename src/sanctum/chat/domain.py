"""Chat: its rooms, and how messages get from one process to the members that others serve."""

from __future__ import annotations

from dataclasses import dataclass

from sanctum.chat.fanout import Publisher, Subscription, Sweep
from sanctum.chat.rooms import Rooms
from sanctum.chat.routes import Entrance, build_router
from sanctum.chat.sessions import SessionLimits, Sessions
from sanctum.chat.storage import ChatStorage
from sanctum.chat.tickets import Tickets
from sanctum.domain import Domain, Shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """Hold the domain, and the subscription by which health knows of a silent cache."""

    domain: Domain
    subscription: Subscription


def build(shared: Shared) -> Chat:
    """Build the domain."""
    settings, metrics = shared.settings, shared.metrics
    storage = ChatStorage(shared.database)
    rooms = Rooms(storage, shared.defects, metrics)
    publisher = Publisher(shared.cache, rooms, metrics, queue_max=settings.fanout_queue_max)
    subscription = Subscription(shared.cache, rooms)
    sweep = Sweep(storage, rooms, interval_s=settings.sweep_interval_s)
    limits = SessionLimits(
        queue_max=settings.socket_queue_max, send_timeout_s=settings.socket_send_timeout_s
    )
    sessions = Sessions(storage, rooms, publisher, limits, shared.defects, metrics)
    tickets = Tickets(shared.cache, ttl_s=settings.ticket_ttl_s)
    entrance = Entrance(shared.gate, tickets, storage, metrics)
    domain = Domain(
        routers=(build_router(entrance, sessions),),
        work={"publisher": publisher.run, "subscription": subscription.run, "sweep": sweep.run},
        drain=sessions.close_all,
    )
    return Chat(domain=domain, subscription=subscription)
