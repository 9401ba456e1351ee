"""Put dead letters back to work by hand; the dispatcher does so itself when the cache is back."""

from __future__ import annotations

import asyncio

import asyncpg  # type: ignore[import-untyped]

from sanctum.pipeline.outbox import REPLAY

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 30


def replay(app_url: str) -> int:
    """Put every dead letter back into the outbox, the oldest first; return how many.

    Args:
        app_url: PostgreSQL as the application.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError: when the database cannot be reached or
            refuses; what was put back until then stays so.
    """
    return asyncio.run(_replay(app_url))


async def _replay(app_url: str) -> int:
    connection = await asyncpg.connect(app_url, timeout=CONNECT_TIMEOUT_S)
    count = 0
    try:
        while revived := await connection.fetch(REPLAY, timeout=STATEMENT_TIMEOUT_S):
            count += len(revived)
    finally:
        await connection.close()
    return count
