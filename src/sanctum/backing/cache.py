"""Valkey behind a breaker: after one failure every use fails at once until a probe succeeds.

The cache may be cut off in a way that gives no error: bytes are accepted and held. So every
operation has a deadline, and the probe does what ticket issuing does.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from valkey.asyncio import BlockingConnectionPool, Connection, Valkey
from valkey.exceptions import ConnectionError as ConnectionLost
from valkey.exceptions import ValkeyError

from sanctum.backing.breaker import Attempt, Breaker, BreakerOpen, Patience
from sanctum.backing.errors import CacheUnavailable
from sanctum.defects import Defects
from sanctum.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")
PROBE_TTL_S = 5
DROP_TIMEOUT_S = 0.2
NAME = "cache"
PATIENCE = Patience(failures=1, silence_s=0, doubt_s=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Hold a stored value and for how many seconds more it is stored."""

    value: bytes
    ttl_s: float


class _Connection(Connection):
    """A connection whose loss is told as one, also where the event loop had noticed it first."""

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:  # uvloop's, for a transport that it has closed by itself
            raise ConnectionLost(str(error)) from error


class Cache:
    """Run cache operations, each within a deadline, while the breaker is closed."""

    def __init__(
        self, url: str, *, pool_max: int, timeout_s: float, defects: Defects, metrics: Metrics
    ) -> None:
        self._timeout_s = timeout_s
        self._defects = defects
        self._metrics = metrics.storage
        self._probe_key = f"sanctum:probe:{secrets.token_hex(8)}"
        self._pool = BlockingConnectionPool.from_url(
            _as_valkey(url),
            connection_class=_Connection,
            max_connections=pool_max,
            timeout=timeout_s,
            # Deadlines are kept here: the client's own may swallow a cancellation (wait_for).
            socket_timeout=None,
            socket_connect_timeout=timeout_s,
        )
        self._client = Valkey(connection_pool=self._pool)
        self._operations = 0
        self._breaker = Breaker(
            NAME, PATIENCE, closed=False, defects=defects, metrics=self._metrics
        )
        self._metrics.pool(
            NAME,
            max=lambda: pool_max,
            in_use=lambda: min(self._operations, pool_max),
            waiting=lambda: max(self._operations - pool_max, 0),
        )

    @property
    def healthy(self) -> bool:
        """Tell whether the last probe succeeded and nothing has failed since."""
        return self._breaker.healthy

    @property
    def may_connect(self) -> bool:
        """Tell whether a connection may be made; only a planted defect forbids it."""
        return not self._defects.refuses_cache(was_lost=self._breaker.was_opened)

    def dedicated_connection(self) -> Connection:
        """Make an unconnected connection outside the pool, for a subscription."""
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        return connection

    async def close(self) -> None:
        """Drop all connections without waiting for a cache that may be away."""
        await self._drop_connections(idle_only=False)

    async def put(self, key: str, value: bytes, ttl_s: int) -> None:
        """Store a value for some seconds; raises CacheUnavailable."""
        await self._run("set", lambda: self._client.set(key, value, ex=ttl_s))

    async def get(self, key: str) -> bytes | None:
        """Look a value up, None when absent, and count that; raises CacheUnavailable."""
        value: bytes | None = await self._run("get", lambda: self._client.get(key))
        self._metrics.observe_read(hit=value is not None)
        return value

    async def look_up(self, key: str) -> Held | None:
        """Look a value up and how long it stays, None when absent, and count that; raises
        CacheUnavailable."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.get(key)
        pipeline.pttl(key)
        value, ttl_ms = await self._run("get", pipeline.execute)
        found = value is not None and ttl_ms > 0
        self._metrics.observe_read(hit=found)
        return Held(value=value, ttl_s=ttl_ms / 1000) if found else None

    async def take(self, key: str) -> bytes | None:
        """Return a value and delete it in one step, None when absent; raises CacheUnavailable."""
        value: bytes | None = await self._run("getdel", lambda: self._client.getdel(key))
        return value

    async def publish(self, topic: str, payloads: Iterable[bytes]) -> None:
        """Publish payloads in order, in one round trip; raises CacheUnavailable."""
        pipeline = self._client.pipeline(transaction=False)
        for payload in payloads:
            pipeline.publish(topic, payload)
        await self._run("publish", pipeline.execute)

    async def use(self, operation: str, call: Callable[[Valkey], Awaitable[T]]) -> T:
        """Do what no other method does, within the deadline of any operation.

        Args:
            operation: its name in the metrics.
            call: what is done with the client; what it raises of its own passes through.

        Raises:
            CacheUnavailable: when the cache did not answer, or not in time.
        """
        return await self._run(operation, lambda: call(self._client))

    async def probe(self) -> None:
        """Do what tickets need, whatever the breaker says; success closes the breaker.

        Raises:
            CacheUnavailable: when that fails.
        """
        if not self.healthy:
            # What was idle during the outage may be dead without knowing it.
            await self._drop_connections(idle_only=True)
        pipeline = self._client.pipeline(transaction=False)
        pipeline.set(self._probe_key, b"1", ex=PROBE_TTL_S)
        pipeline.getdel(self._probe_key)
        await self._guard("probe", pipeline.execute, self._breaker.admit_probe())

    async def _run(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        try:
            attempt = self._breaker.admit()
        except BreakerOpen as error:
            raise CacheUnavailable(f"{operation}: {error}") from error
        return await self._guard(operation, call, attempt)

    async def _guard(self, operation: str, call: Callable[[], Awaitable[T]], attempt: Attempt) -> T:
        if not self.may_connect:
            raise CacheUnavailable(f"{operation}: the connection was lost")
        started = time.perf_counter()
        self._operations += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await call()
        except (ValkeyError, OSError, TimeoutError) as error:
            self._note_failure(attempt, operation, error)
            raise CacheUnavailable(f"{operation}: {type(error).__name__}") from error
        finally:
            self._operations -= 1
        self._breaker.succeed(attempt)
        self._metrics.cache_latency.labels(operation).observe(time.perf_counter() - started)
        return answer

    def lose(self, operation: str, error: BaseException) -> None:
        """Open the breaker after a failure of a connection outside the pool."""
        self._note_failure(self._breaker.admit_probe(), operation, error)

    def _note_failure(self, attempt: Attempt, operation: str, error: BaseException) -> None:
        self._metrics.cache_errors.labels(operation=operation).inc()
        self._breaker.fail(attempt, operation, f"{type(error).__name__}: {error}")

    async def _drop_connections(self, *, idle_only: bool) -> None:
        try:
            async with asyncio.timeout(DROP_TIMEOUT_S):
                await self._pool.disconnect(inuse_connections=not idle_only)
        except (ValkeyError, OSError, TimeoutError) as error:
            logger.debug("a connection did not close", extra={"fields": {"reason": str(error)}})


def _as_valkey(url: str) -> str:
    return "valkey" + url[url.index("://") :]
