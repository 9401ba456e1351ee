"""PostgreSQL through a breaker and a bounded pool; what goes wrong with it is one error type.

Bounded are the connections, how many operations wait for one, and how long each takes. After a
peak the connections that nobody needs any more are closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import asyncpg  # type: ignore[import-untyped]

from sanctum.backing.breaker import Breaker, BreakerOpen, Patience
from sanctum.backing.errors import DatabaseUnavailable
from sanctum.defects import Defects
from sanctum.telemetry.metrics import Metrics

T = TypeVar("T")
# What row-level security goes by: the user on whose behalf a transaction runs.
USER_SETTING = "sanctum.user_id"
PROBE = """
    SELECT (SELECT last_number FROM channels LIMIT 1), current_setting('transaction_read_only')
"""
NAME = "database"
PATIENCE = Patience(failures=3, silence_s=1, doubt_s=0.25)
RETRIES_MAX = 2
RETRY_FIRST_S = 0.01


_UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalServerError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class TooManyWaiting(Exception):
    """Say that so many operations wait for a connection that one more would wait in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Hold the bounds of the pool and of everything that runs on it.

    Attributes:
        connections_max: connections at most.
        waiting_max: operations that may wait for one.
        acquire_timeout_s: how long each may wait.
        command_timeout_s: how long a statement may take after that.
        probe_timeout_s: how long a probe may take, its waiting included.
        idle_max_s: for how long an unused connection is kept; 0 for ever.
    """

    connections_max: int
    waiting_max: int
    acquire_timeout_s: float
    command_timeout_s: float
    probe_timeout_s: float
    idle_max_s: float


class Row(Protocol):
    """One row, read by column position."""

    def __getitem__(self, position: int) -> object: ...


class Transaction:
    """Run statements of one transaction, made by :meth:`Database.transaction`."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Row]:
        """Run a statement and return its rows."""
        return await _answered(self._connection, self._connection.fetch(sql, *arguments))

    async def fetch_one(self, sql: str, *arguments: object) -> Row | None:
        """Run a statement and return its first row, if any."""
        rows = await self.fetch(sql, *arguments)
        return rows[0] if rows else None


class Database:
    """Run statements on pooled connections, each within a deadline."""

    def __init__(self, url: str, bounds: Bounds, *, defects: Defects, metrics: Metrics) -> None:
        self._url = url
        self._bounds = bounds
        self._defects = defects
        self._metrics = metrics.storage
        self._acquire_latency = self._metrics.acquire_latency.labels(NAME)
        self._pool: asyncpg.Pool | None = None
        self._waiting = 0
        self._in_use = 0
        # Trusted before the first answer: a process need not probe before it asks.
        self._breaker = Breaker(NAME, PATIENCE, closed=True, defects=defects, metrics=self._metrics)
        self._metrics.pool(
            NAME,
            max=lambda: bounds.connections_max,
            size=lambda: 0 if self._pool is None else self._pool.get_size(),
            in_use=lambda: self._in_use,
            waiting=lambda: self._waiting,
        )

    @property
    def healthy(self) -> bool:
        """Tell whether the last probe succeeded and no failure after a silence came since."""
        return self._breaker.healthy

    async def open(self) -> None:
        """Make the pool; connections are made on demand, so an absent database is no error."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self._bounds.connections_max,
            max_inactive_connection_lifetime=self._defects.idle_max_s(self._bounds.idle_max_s),
            timeout=self._bounds.acquire_timeout_s,
            reset=_keep_session,
            server_settings={"application_name": "sanctum"},
        )

    async def close(self) -> None:
        """Drop all connections without waiting for a database that may be away."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def fetch(self, operation: str, sql: str, *arguments: object) -> Sequence[Row]:
        """Run a statement and return its rows.

        One that a conflict with others rolled back has not taken place, so it is tried again.

        Args:
            operation: name of the statement in the metrics.
            sql: the statement, with ``$1``-style parameters.
            arguments: the values of the parameters.

        Raises:
            DatabaseUnavailable: when the database did not answer, or not in time.
        """
        async with self._bounded(operation):
            for retry in range(RETRIES_MAX):
                try:
                    return await self._fetch(sql, *arguments)
                except asyncpg.TransactionRollbackError:
                    self._metrics.retries.inc()
                    await asyncio.sleep(RETRY_FIRST_S * 2**retry)
            return await self._fetch(sql, *arguments)

    async def _fetch(self, sql: str, *arguments: object) -> Sequence[Row]:
        async with self._connection() as connection:
            return await _answered(connection, connection.fetch(sql, *arguments))

    @asynccontextmanager
    async def transaction(
        self, operation: str, user_id: int | None = None
    ) -> AsyncIterator[Transaction]:
        """Run statements that take place together or not at all; an exception rolls all back.

        Args:
            operation: name of the whole transaction in the metrics.
            user_id: on whose behalf, which row-level security goes by; None for nobody's.

        Raises:
            DatabaseUnavailable: when the database did not answer, or not in time. Whether the
                transaction took place is then unknown.
        """
        begin = "BEGIN" if user_id is None else f"BEGIN; SET LOCAL {USER_SETTING} = '{user_id:d}'"
        async with self._bounded(operation), self._connection() as connection:
            await _answered(connection, connection.execute(begin))
            try:
                yield Transaction(connection)
            except Exception:
                if not connection.is_closed():
                    await _answered(connection, connection.execute("ROLLBACK"))
                raise
            except BaseException:
                connection.terminate()
                raise
            await _answered(connection, connection.execute("COMMIT"))

    @asynccontextmanager
    async def _bounded(self, operation: str, *, probe: bool = False) -> AsyncIterator[None]:
        """Bound the time, observe it, and make one error of all that can go wrong."""
        bounds, breaker = self._bounds, self._breaker
        deadline_s = bounds.acquire_timeout_s + bounds.command_timeout_s
        started = time.perf_counter()
        try:
            attempt = breaker.admit_probe() if probe else breaker.admit()
        except BreakerOpen as error:
            raise DatabaseUnavailable(f"{operation}: {error}") from error
        try:
            async with asyncio.timeout(bounds.probe_timeout_s if probe else deadline_s):
                yield
        except ValueError:
            raise  # an argument that does not fit its parameter is our fault, not the database's
        except TooManyWaiting as error:
            raise self._failure(operation, error) from error
        except asyncpg.TransactionRollbackError as error:
            breaker.succeed(attempt)
            raise self._failure(operation, error) from error
        except _UNAVAILABLE as error:
            breaker.fail(attempt, operation, _reason(error))
            raise self._failure(operation, error) from error
        except asyncpg.PostgresError:
            breaker.succeed(attempt)  # it answered, whatever it thinks of the statement
            raise
        breaker.succeed(attempt)
        self._metrics.observe_query(operation, time.perf_counter() - started)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        assert self._pool is not None, "open() comes first"
        connection = await self._acquire(self._pool)
        self._in_use += 1
        kept = False
        try:
            yield connection
        except Exception as error:
            kept = not isinstance(error, _UNAVAILABLE) and self._defects.keeps_connection()
            raise
        finally:
            if not kept:
                self._in_use -= 1
                await self._pool.release(connection)

    async def _acquire(self, pool: asyncpg.Pool) -> asyncpg.Connection:
        if self._waiting >= self._bounds.waiting_max:
            raise TooManyWaiting(f"{self._waiting} operations wait for a connection already")
        started = time.perf_counter()
        self._waiting += 1
        try:
            return await pool.acquire(timeout=self._bounds.acquire_timeout_s)
        finally:
            self._waiting -= 1
            self._acquire_latency.observe(time.perf_counter() - started)

    async def fetch_one(self, operation: str, sql: str, *arguments: object) -> Row | None:
        """Run a statement and return its first row, if any; raises as :meth:`fetch` does."""
        rows = await self.fetch(operation, sql, *arguments)
        return rows[0] if rows else None

    async def probe(self) -> None:
        """Read a row through the pool, as every request does; success makes the database healthy.

        Raises:
            DatabaseUnavailable: when that fails.
        """
        async with self._bounded("probe", probe=True):
            (row,) = await self._fetch(PROBE)
            if row[1] == "on":
                raise asyncpg.ReadOnlySQLTransactionError("the database takes no writes")

    def _failure(self, operation: str, error: BaseException) -> DatabaseUnavailable:
        self._metrics.errors.labels(type=type(error).__name__).inc()
        return DatabaseUnavailable(f"{operation}: {_reason(error)}")


async def _answered(connection: asyncpg.Connection, call: Awaitable[T]) -> T:
    """Wait for the server's answer; without one, drop the connection.

    Its session is then in an unknown state, and asking a stuck server to cancel may hang.
    """
    try:
        return await call
    except asyncpg.PostgresError:
        raise
    except BaseException:
        connection.terminate()
        raise


async def _keep_session(_connection: object) -> None:
    """Spare the round trip of a session reset: what a transaction sets ends with it."""


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip(": ")
