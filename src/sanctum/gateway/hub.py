"""The hub: the sockets of one process, and the topics that they follow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter

from sanctum.backing.cache import Cache
from sanctum.backing.errors import Unavailable
from sanctum.defects import Defects
from sanctum.gateway.entrance import Entrance, build_router
from sanctum.gateway.fanout import Listener, Subscription, Sweep
from sanctum.gateway.identity import Gate
from sanctum.gateway.members import QueueLimits
from sanctum.gateway.sessions import Host, Offer, SessionLimits, Sessions
from sanctum.gateway.tickets import Tickets
from sanctum.gateway.topics import Topic
from sanctum.settings import Settings
from sanctum.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)


class Hub:
    """Let clients follow topics over sockets.

    Attributes:
        router: the routes of tickets and sockets.
        work: what runs in the background, by name.
    """

    def __init__(
        self, settings: Settings, cache: Cache, gate: Gate, defects: Defects, metrics: Metrics
    ) -> None:
        self._offers: dict[str, Offer] = {}
        self._gate = gate
        self._check_interval_s = settings.session_check_interval_s
        self._subscription = Subscription(cache)
        self._sweep = Sweep(interval_s=settings.sweep_interval_s)
        self._sessions = Sessions(_limits(settings, defects), defects, metrics)
        entrance = Entrance(
            gate,
            Tickets(cache, defects, ttl_s=settings.ticket_ttl_s),
            self._offers,
            metrics,
            origins=settings.origins_allowed,
            open_sockets=self._sessions,
            sockets_max=settings.sockets_max,
        )
        self.router: APIRouter = build_router(entrance, self._sessions)
        self.work: Mapping[str, Callable[[], Awaitable[None]]] = {
            "subscription": self._subscription.run,
            "sweep": self._sweep.run,
            "sockets of ended sessions": self._watch_sessions,
            "sockets of ended keys": self._watch_keys,
            "sockets of outsiders": self._watch_outsiders,
        }

    @property
    def live(self) -> bool:
        """Tell whether published frames reach this process."""
        return self._subscription.live

    def open(self, name: str, topic: Topic, host: Host) -> None:
        """Let clients follow a topic, before the hub runs.

        Args:
            name: the topic's name in requests.
            topic: what they follow.
            host: says who may, and talks to them.
        """
        self._offers[name] = Offer(topic=topic, host=host)
        self._subscription.add(topic)
        self._sweep.add(topic)

    def listen(self, listener: Listener) -> None:
        """Let a part of the process hear what others publish, before the hub runs."""
        self._subscription.add(listener)

    def drain(self) -> None:
        """Close every socket as going away."""
        self._sessions.close_all()

    async def _watch_sessions(self) -> None:
        while True:
            await asyncio.sleep(self._check_interval_s)
            self._sessions.close_ended(self._gate.has_ended)

    async def _watch_keys(self) -> None:
        while True:
            await asyncio.sleep(self._check_interval_s)
            keys = self._sessions.api_keys()
            try:
                ended = await self._gate.ended_keys(keys) if keys else ()
            except Unavailable as error:
                logger.info("keys are not checked", extra={"fields": {"reason": str(error)}})
            else:
                self._sessions.close_of_keys(ended)

    async def _watch_outsiders(self) -> None:
        while True:
            await asyncio.sleep(self._check_interval_s)
            for name, offer in self._offers.items():
                admissions = self._sessions.admissions(name)
                try:
                    outside = await offer.host.outsiders(admissions) if admissions else ()
                except Unavailable as error:
                    reason = {"topic": name, "reason": str(error)}
                    logger.info("sockets are not checked", extra={"fields": reason})
                else:
                    self._sessions.close_of(outside)


def _limits(settings: Settings, defects: Defects) -> SessionLimits:
    return SessionLimits(
        queue=QueueLimits(
            frames=defects.bound_of_waiting(settings.socket_queue_max),
            size_bytes=defects.bound_of_waiting(settings.socket_queue_bytes_max),
        ),
        send_timeout_s=defects.bound_of_waiting(settings.socket_send_timeout_s),
    )
