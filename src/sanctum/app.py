"""The application: every part made from the settings and wired together in one place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from sanctum.auth import domain as auth
from sanctum.backing.cache import Cache
from sanctum.backing.database import Bounds, Database
from sanctum.chat import domain as chat
from sanctum.commerce import domain as commerce
from sanctum.defects import Defects
from sanctum.domain import Domain, Shared
from sanctum.games import domain as games
from sanctum.gateway.activity import NotingGate
from sanctum.gateway.answers import install_error_answers
from sanctum.gateway.concurrency import ConcurrencyLimit
from sanctum.gateway.handshakes import HandshakeQueue
from sanctum.gateway.hub import Hub
from sanctum.gateway.observing import ObservedApp
from sanctum.gateway.openapi import serve_document
from sanctum.inbox import domain as inbox
from sanctum.messaging import domain as messaging
from sanctum.notifications import domain as notifications
from sanctum.operations import routes as operations_routes
from sanctum.operations.health import Dependency, Health
from sanctum.pipeline import domain as pipeline
from sanctum.settings import Settings
from sanctum.social import domain as social
from sanctum.telemetry.logs import Logs
from sanctum.telemetry.metrics import Metrics
from sanctum.telemetry.siblings import Siblings
from sanctum.web import domain as web

logger = logging.getLogger(__name__)

CANCEL_AGAIN_S = 0.1
API = "api"


class Service:
    """Own the parts of one process and run those that work in the background."""

    def __init__(
        self,
        settings: Settings,
        logs: Logs,
        role: str = API,
        place: tuple[Path, int] | None = None,
    ) -> None:
        """Wire everything.

        Args:
            settings: all of them.
            logs: what the process logs to.
            role: what it does, one of the command line's roles.
            place: among several processes on one port, the folder of all and its own number.
        """
        self.metrics = Metrics()
        self.failed = False
        defects = Defects(settings.defects)
        database = self._build_database(settings, defects)
        cache = self._build_cache(settings, defects)
        credentials = auth.build_credentials(settings, database, defects, self.metrics)
        gate = NotingGate(credentials.gate, self.metrics)
        self._shared = shared = Shared(
            settings=settings,
            database=database,
            cache=cache,
            gate=gate,
            hub=Hub(settings, cache, gate, defects, self.metrics),
            defects=defects,
            metrics=self.metrics,
        )
        self._domains = (
            _build_api(shared, credentials) if role == API else _build_worker(shared, role)
        )
        siblings = None if place is None else Siblings(*place, self.metrics)
        if siblings is not None:
            self._domains += (_family(siblings),)
        self.health = Health(
            self._dependencies(role), interval_s=settings.health_interval_s, defects=defects
        )
        self._expose_logs(logs)
        self.routers = [router for domain in self._domains for router in domain.routers]
        self.routers.append(operations_routes.build_router(self.health, self.metrics, siblings))
        self.app = self._build_app(settings)

    def _build_database(self, settings: Settings, defects: Defects) -> Database:
        bounds = Bounds(
            connections_max=settings.database_pool_max,
            waiting_max=settings.database_waiting_max,
            acquire_timeout_s=settings.database_acquire_timeout_s,
            command_timeout_s=settings.database_command_timeout_s,
            probe_timeout_s=settings.health_deadline_s,
            idle_max_s=settings.database_idle_max_s,
        )
        return Database(settings.database_url, bounds, defects=defects, metrics=self.metrics)

    def _build_cache(self, settings: Settings, defects: Defects) -> Cache:
        return Cache(
            settings.cache_url,
            pool_max=settings.cache_pool_max,
            timeout_s=settings.cache_timeout_s,
            defects=defects,
            metrics=self.metrics,
        )

    def _dependencies(self, role: str) -> list[Dependency]:
        database, cache, hub = self._shared.database, self._shared.cache, self._shared.hub
        defects = self._shared.defects
        # Only the api has a subscription that can be lost.
        return [
            Dependency(
                name="database",
                probe=database.probe,
                healthy=lambda: database.healthy or defects.calls_healthy(),
                essential=True,
            ),
            Dependency(
                name="cache",
                probe=cache.probe,
                healthy=lambda: cache.healthy and (hub.live or role != API),
                essential=False,
            ),
        ]

    def _expose_logs(self, logs: Logs) -> None:
        self.metrics.gauge(
            "async_logger_queue_size", "Log records not yet written", lambda: logs.waiting
        )
        self.metrics.gauge(
            "async_logger_dropped", "Log records lost to a slow writer", lambda: logs.dropped
        )

    def _build_app(self, settings: Settings) -> FastAPI:
        app = FastAPI(openapi_url=None, lifespan=self._lifespan)
        for router in self.routers:
            app.include_router(router)
        serve_document(app, self.routers)
        install_error_answers(app)
        app.add_middleware(HandshakeQueue)
        # The last one added is outermost: what the limit refuses is counted as a request too.
        app.add_middleware(
            ConcurrencyLimit,
            at_once_max=settings.concurrency_max,
            defects=self._shared.defects,
            metrics=self.metrics,
        )
        app.add_middleware(ObservedApp, defects=self._shared.defects, metrics=self.metrics)
        return app

    def drain(self) -> None:
        """Become unready and send every client away that stays."""
        self.health.draining = True
        for domain in self._domains:
            domain.drain()

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        shared = self._shared
        await shared.database.open()
        watches = [self._start(self.health.watch(d), d.name) for d in self.health.dependencies]
        work = [
            self._start(run(), name)
            for domain in self._domains
            for name, run in domain.work.items()
        ]
        for name in shared.defects.names:
            logger.warning("planted defect is on", extra={"fields": {"defect": name}})
        try:
            yield
        finally:
            await _stop([*watches, *work])
            for domain in self._domains:
                domain.close()
            await shared.cache.close()
            await shared.database.close()

    def _start(self, work: Awaitable[None], name: str) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        task.set_name(name)
        task.add_done_callback(self._check_end)
        return task

    def _check_end(self, task: asyncio.Task[None]) -> None:
        """Note a part that failed by a fault of ours: the process must not go on without it."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self.failed = True
            logger.critical("%s failed", task.get_name(), exc_info=error)


def _sockets(hub: Hub) -> Domain:
    return Domain(routers=(hub.router,), work=hub.work, drain=hub.drain)


def _family(siblings: Siblings) -> Domain:
    return Domain(work={"siblings": siblings.run, "parent": siblings.follow_parent})


async def _stop(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until all have ended: a library below one may swallow a cancellation."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_S)


def _build_api(shared: Shared, credentials: auth.Credentials) -> tuple[Domain, ...]:
    """Build what answers requests."""
    inboxes = inbox.build(shared)
    return (
        auth.build(shared, credentials),
        social.build(shared, inboxes.inbox),
        notifications.build(shared),
        messaging.build(shared),
        games.build(shared),
        commerce.build(shared),
        inboxes.domain,
        chat.build(shared),
        web.build(shared),
        _sockets(shared.hub),
    )


def _build_worker(shared: Shared, role: str) -> tuple[Domain, ...]:
    """Build what works on stored messages, and answers operators only."""
    build = {"dispatcher": pipeline.build_dispatcher, "consumer": pipeline.build_consumer}[role]
    return (build(shared),)
