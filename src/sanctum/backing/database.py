"""PostgreSQL through a bounded pool; what goes wrong with it is one error type."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Protocol

import asyncpg  # type: ignore[import-untyped]

from sanctum.backing.errors import DatabaseUnavailable
from sanctum.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

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
        deadline_s = self._acquire_timeout_s + self._command_timeout_s
        return await self._run(operation, sql, arguments, deadline_s)

    async def _run(
        self, operation: str, sql: str, arguments: tuple[object, ...], deadline_s: float
    ) -> Sequence[Row]:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(deadline_s):
                rows = await self._fetch(sql, arguments)
        except ValueError:
            raise  # an argument that does not fit its parameter is our fault, not the database's
        except _UNAVAILABLE as error:
            raise self._failure(operation, error) from error
        self._metrics.observe_query(operation, time.perf_counter() - started)
        return rows

    async def _fetch(self, sql: str, arguments: tuple[object, ...]) -> Sequence[Row]:
        assert self._pool is not None, "open() comes first"
        connection = await self._pool.acquire(timeout=self._acquire_timeout_s)
        try:
            rows: Sequence[Row] = await connection.fetch(sql, *arguments)
        except asyncpg.PostgresError:
            raise
        except BaseException:
            # The session is in an unknown state, and asking a stuck server to cancel may hang.
            connection.terminate()
            raise
        finally:
            await self._pool.release(connection)
        return rows

    async def fetch_one(self, operation: str, sql: str, *arguments: object) -> Row | None:
        """Run a statement and return its first row, if any; raises as :meth:`fetch` does."""
        rows = await self.fetch(operation, sql, *arguments)
        return rows[0] if rows else None

    async def probe(self) -> None:
        """Read a row through the pool, as every request does; success makes the database healthy.

        Raises:
            DatabaseUnavailable: when that fails.
        """
        await self._run("probe", PROBE, (), self._probe_timeout_s)
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


async def _keep_session(_connection: object) -> None:
    """Spare the round trip of a session reset: no statement here changes session state."""


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip(": ")
