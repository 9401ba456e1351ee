"""The application: every part made from the settings and wired together in one place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from sanctum.auth import routes as auth_routes
from sanctum.auth.gate import Gate
from sanctum.auth.keys import ApiKeys
from sanctum.auth.passwords import Passwords
from sanctum.auth.service import AuthService
from sanctum.auth.storage import AccountStorage
from sanctum.auth.tokens import Tokens
from sanctum.backing.cache import Cache
from sanctum.backing.database import Database
from sanctum.chat import routes as chat_routes
from sanctum.chat.fanout import Publisher, Subscription, Sweep
from sanctum.chat.rooms import Rooms
from sanctum.chat.sessions import SessionLimits, Sessions
from sanctum.chat.storage import ChatStorage
from sanctum.chat.tickets import Tickets
from sanctum.defects import Defects
from sanctum.gateway.answers import install_error_answers
from sanctum.gateway.concurrency import ConcurrencyLimit
from sanctum.gateway.observing import ObservedApp
from sanctum.gateway.rates import RateLimit
from sanctum.notifications import routes as notifications_routes
from sanctum.notifications.storage import NotificationStorage
from sanctum.operations import routes as operations_routes
from sanctum.operations.health import Dependency, Health
from sanctum.settings import Settings
from sanctum.social import routes as social_routes
from sanctum.social.storage import PostStorage
from sanctum.telemetry.logs import Logs
from sanctum.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

CANCEL_AGAIN_S = 0.1


class Service:
    """Own the parts of one process and run those that work in the background."""

    def __init__(self, settings: Settings, logs: Logs) -> None:
        self.defects = Defects(settings.defects)
        self.metrics = Metrics()
        self.failed = False
        self._build_backing(settings)
        self._build_chat(settings)
        self._passwords = Passwords(
            threads=settings.argon2_threads, waiting_max=settings.argon2_waiting_max
        )
        self.health = Health(self._dependencies(), interval_s=settings.health_interval_s)
        self._expose_logs(logs)
        self.app = self._build_app(settings)

    def _build_backing(self, settings: Settings) -> None:
        self._database = Database(
            settings.database_url,
            pool_max=settings.database_pool_max,
            acquire_timeout_s=settings.database_acquire_timeout_s,
            command_timeout_s=settings.database_command_timeout_s,
            probe_timeout_s=settings.health_deadline_s,
            metrics=self.metrics,
        )
        self._cache = Cache(
            settings.cache_url,
            pool_max=settings.cache_pool_max,
            timeout_s=settings.cache_timeout_s,
            defects=self.defects,
            metrics=self.metrics,
        )

    def _build_chat(self, settings: Settings) -> None:
        self._chat_storage = ChatStorage(self._database)
        self._rooms = Rooms(self._chat_storage, self.defects, self.metrics)
        self._publisher = Publisher(
            self._cache, self._rooms, self.metrics, queue_max=settings.fanout_queue_max
        )
        self._subscription = Subscription(self._cache, self._rooms)
        self._sweep = Sweep(self._chat_storage, self._rooms, interval_s=settings.sweep_interval_s)
        limits = SessionLimits(
            queue_max=settings.socket_queue_max, send_timeout_s=settings.socket_send_timeout_s
        )
        self._sessions = Sessions(
            self._chat_storage, self._rooms, self._publisher, limits, self.defects, self.metrics
        )

    def _dependencies(self) -> list[Dependency]:
        database, cache, subscription = self._database, self._cache, self._subscription
        return [
            Dependency(
                name="database",
                probe=database.probe,
                healthy=lambda: database.healthy,
                essential=True,
            ),
            Dependency(
                name="cache",
                probe=cache.probe,
                healthy=lambda: cache.healthy and subscription.live,
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
        app = FastAPI(title="Sanctum", docs_url=None, redoc_url=None, lifespan=self._lifespan)
        tokens = Tokens(secret=settings.jwt_secret, ttl_s=settings.token_ttl_s)
        rates = RateLimit(per_s=settings.rate_limit_per_s, burst=settings.rate_limit_burst)
        gate = Gate(tokens, ApiKeys(self._database), rates, self.metrics)
        accounts = AccountStorage(self._database)
        auth = AuthService(accounts, self._passwords, tokens, self.metrics)
        posts = PostStorage(self._database, self.defects)
        tickets = Tickets(self._cache, ttl_s=settings.ticket_ttl_s)
        entrance = chat_routes.Entrance(gate, tickets, self._chat_storage, self.metrics)
        app.include_router(auth_routes.build_router(auth))
        app.include_router(social_routes.build_router(posts, gate, self.defects, self.metrics))
        notifications = NotificationStorage(self._database)
        app.include_router(notifications_routes.build_router(notifications, gate))
        app.include_router(chat_routes.build_router(entrance, self._sessions))
        app.include_router(operations_routes.build_router(self.health, self.metrics))
        install_error_answers(app)
        # The last one added is outermost: what the limit refuses is counted as a request too.
        app.add_middleware(
            ConcurrencyLimit, at_once_max=settings.concurrency_max, metrics=self.metrics
        )
        app.add_middleware(ObservedApp, metrics=self.metrics)
        return app

    def drain(self) -> None:
        """Become unready and send every socket away."""
        self.health.draining = True
        self._sessions.close_all()

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        await self._database.open()
        work = [
            *(self._start(self.health.watch(d), d.name) for d in self.health.dependencies),
            self._start(self._publisher.run(), "publisher"),
            self._start(self._subscription.run(), "subscription"),
            self._start(self._sweep.run(), "sweep"),
        ]
        for name in self.defects.names:
            logger.warning("planted defect is on", extra={"fields": {"defect": name}})
        try:
            yield
        finally:
            await _stop(work)
            self._passwords.close()
            await self._cache.close()
            await self._database.close()

    def _start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
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


async def _stop(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until all have ended: a library below one may swallow a cancellation."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_S)
