"""PostgreSQL through a bounded pool; what goes wrong with it is one error type."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import asyncpg  # type: ignore[import-untyped]

from sanctum.backing.errors import DatabaseUnavailable
from sanctum.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")
# What row-level security goes by: the user on whose behalf a transaction runs.
USER_SETTING = "sanctum.user_id"
PROBE = "SELECT last_number FROM channels LIMIT 1"

_UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.TransactionRollbackError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalServerError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


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

    def __init__(
        self,
        url: str,
        *,
        pool_max: int,
        acquire_timeout_s: float,
        command_timeout_s: float,
        probe_timeout_s: float,
        metrics: Metrics,
    ) -> None:
        self._url = url
        self._pool_max = pool_max
        self._acquire_timeout_s = acquire_timeout_s
        self._command_timeout_s = command_timeout_s
        self._probe_timeout_s = probe_timeout_s
        self._metrics = metrics
        self._pool: asyncpg.Pool | None = None
        self.healthy = False

    async def open(self) -> None:
        """Make the pool; connections are made on demand, so an absent database is no error."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self._pool_max,
            max_inactive_connection_lifetime=0,
            timeout=self._acquire_timeout_s,
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

        Args:
            operation: name of the statement in the metrics.
            sql: the statement, with ``$1``-style parameters.
            arguments: the values of the parameters.

        Raises:
            DatabaseUnavailable: when the database did not answer, or not in time.
        """
        async with self._bounded(operation, self._deadline_s), self._connection() as connection:
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
        async with self._bounded(operation, self._deadline_s), self._connection() as connection:
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

    @property
    def _deadline_s(self) -> float:
        return self._acquire_timeout_s + self._command_timeout_s

    @asynccontextmanager
    async def _bounded(self, operation: str, deadline_s: float) -> AsyncIterator[None]:
        """Bound the time, observe it, and make one error of all that can go wrong."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(deadline_s):
                yield
        except ValueError:
            raise  # an argument that does not fit its parameter is our fault, not the database's
        except _UNAVAILABLE as error:
            raise self._failure(operation, error) from error
        self._metrics.observe_query(operation, time.perf_counter() - started)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        assert self._pool is not None, "open() comes first"
        connection = await self._pool.acquire(timeout=self._acquire_timeout_s)
        try:
            yield connection
        finally:
            await self._pool.release(connection)

    async def fetch_one(self, operation: str, sql: str, *arguments: object) -> Row | None:
        """Run a statement and return its first row, if any; raises as :meth:`fetch` does."""
        rows = await self.fetch(operation, sql, *arguments)
        return rows[0] if rows else None

    async def probe(self) -> None:
        """Read a row through the pool, as every request does; success makes the database healthy.

        Raises:
            DatabaseUnavailable: when that fails.
        """
        async with self._bounded("probe", self._probe_timeout_s), self._connection() as connection:
            await _answered(connection, connection.fetch(PROBE))
        if not self.healthy:
            self.healthy = True
            logger.info("database is available")

    def _failure(self, operation: str, error: BaseException) -> DatabaseUnavailable:
        self._metrics.storage_errors.labels(type=type(error).__name__).inc()
        if self.healthy:
            self.healthy = False
            logger.warning(
                "database is unavailable",
                extra={"fields": {"operation": operation, "reason": _reason(error)}},
            )
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
