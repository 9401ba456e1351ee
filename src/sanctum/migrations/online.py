"""Change a table while others read and write it.

An ALTER TABLE waits for every transaction that uses the table, and whoever comes meanwhile waits
behind it. So its wait is cut short and tried again later, when the way may be free. An index is
built beside the table's use; a build that was interrupted leaves an invalid index, which costs
every writer and serves nobody, so it is dropped before the next one.
"""

from __future__ import annotations

import asyncio

import asyncpg  # type: ignore[import-untyped]

LOCK_TIMEOUT_MS = 100
TRIES_MAX = 100
PAUSE_S = 0.2

_IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"


class TableBusy(Exception):
    """Say that a table was in use at every try, so that it was not changed."""


async def alter(connection: asyncpg.Connection, table: str, change: str) -> int:
    """Alter a table, holding nobody up for longer than one short wait at a time.

    Args:
        connection: as the owner of the table, outside a transaction.
        table: its name.
        change: what follows ``ALTER TABLE name``; takes no longer than a moment once it begins.

    Returns:
        how many tries it took.

    Raises:
        TableBusy: when the last try too was in vain.
    """
    for tried in range(1, TRIES_MAX + 1):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                await connection.execute(f"ALTER TABLE {table} {change}")
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(PAUSE_S)
        else:
            return tried
    raise TableBusy(f"{table} was in use at each of {TRIES_MAX} tries")


async def build_index(
    connection: asyncpg.Connection, name: str, table: str, column: str, *, locked_s: float = 0
) -> None:
    """Build an index that is missing or was left invalid.

    Args:
        connection: as the owner of the table, outside a transaction.
        name: of the index.
        table: whose index it is.
        column: what it orders by.
        locked_s: for how many seconds writers are locked out, which only a planted defect does.
    """
    if await connection.fetchval(_IS_VALID, name) is False:
        await drop_index(connection, name)
    if not locked_s:
        await connection.execute(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} ({column})"
        )
        return
    async with connection.transaction():
        await connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({column})")
        await connection.execute("SELECT pg_sleep($1)", locked_s)


async def drop_index(connection: asyncpg.Connection, name: str) -> None:
    """Drop an index beside the use of its table; one that is not there is no error."""
    await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
