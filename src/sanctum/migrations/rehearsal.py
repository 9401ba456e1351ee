"""Rehearse a migration under load: add a column with an index to a table, then take both away.

It can be run again and again, also after one that was killed halfway. PostgreSQL counts the columns
that a table ever had, so one table bears some fifteen hundred rehearsals.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

import asyncpg  # type: ignore[import-untyped]
import msgspec

from sanctum.defects import Defects
from sanctum.migrations.online import TableBusy, alter, build_index, drop_index

TABLES = ("posts", "messages", "conversation_messages", "inbox_entries")
COLUMN = "rehearsed_at"
CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 60
LOCK_KEY = 7_262_819_472
TURN_EVERY_S = 0.1
TURNS_MAX = 3000


class Rehearsal(msgspec.Struct, frozen=True):
    """Tell what a rehearsal took.

    Attributes:
        table: which table was changed.
        seconds: by step, its duration.
        tries: how often the table was asked for, at least once for each of its two changes.
    """

    table: str
    seconds: dict[str, float]
    tries: int


def rehearse(owner_url: str, table: str, defects: Defects) -> Rehearsal:
    """Rehearse on one table; another rehearsal has its turn first.

    Args:
        owner_url: PostgreSQL as the owner of the tables.
        table: one of `TABLES`.
        defects: may lock writers out while the index is built.

    Raises:
        TableBusy: when the table could not be changed; what was changed before stays.
        OSError, TimeoutError, asyncpg.PostgresError: when the database cannot be reached or
            refuses, or a step takes longer than a minute.
    """
    return asyncio.run(_rehearse(owner_url, table, defects))


async def _rehearse(owner_url: str, table: str, defects: Defects) -> Rehearsal:
    limits = {"statement_timeout": f"{STATEMENT_TIMEOUT_S}s"}
    connection = await asyncpg.connect(owner_url, timeout=CONNECT_TIMEOUT_S, server_settings=limits)
    try:
        await _take_turn(connection)
        return await _run(connection, table, defects)
    finally:
        await connection.close()


async def _take_turn(connection: asyncpg.Connection) -> None:
    """Wait without a statement that waits: a concurrent build would wait for that in turn."""
    for _ in range(TURNS_MAX):
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):
            return
        await asyncio.sleep(TURN_EVERY_S)
    raise TableBusy("another rehearsal does not end")


async def _run(connection: asyncpg.Connection, table: str, defects: Defects) -> Rehearsal:
    index = f"{table}_{COLUMN}"
    seconds: dict[str, float] = {}

    async def step(name: str, work: Awaitable[int | None]) -> int:
        started = time.perf_counter()
        tries = await work
        seconds[name] = round(time.perf_counter() - started, 3)
        return tries or 0

    add, remove = f"ADD COLUMN IF NOT EXISTS {COLUMN} timestamptz", f"DROP COLUMN {COLUMN}"
    locked_s = defects.index_locks_s()
    tries = await step("add_column", alter(connection, table, add))
    await step("build_index", build_index(connection, index, table, COLUMN, locked_s=locked_s))
    await step("drop_index", drop_index(connection, index))
    tries += await step("drop_column", alter(connection, table, remove))
    return Rehearsal(table=table, seconds=seconds, tries=tries)
