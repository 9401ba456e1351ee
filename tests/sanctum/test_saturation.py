"""The pool at its bounds: nobody waits without end, and all is well again when the peak is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg  # type: ignore[import-untyped]
import pytest
from tests.sanctum.clients import Answer, Api
from tests.sanctum.conftest import Serve
from tests.sanctum.servers import DEADLINE_S, ROLE, Postgres

LOCK = "LOCK TABLE posts IN ACCESS EXCLUSIVE MODE"
POOL = 'storage_pool_%s{dependency="database"}'
BREAKER = 'storage_circuit_breaker_transitions{dependency="database",state="%s"}'
SMALL = {"SANCTUM_DATABASE_POOL_MAX": "3", "SANCTUM_DATABASE_WAITING_MAX": "4"}


@pytest.fixture
async def locker(postgres: Postgres, database: str) -> AsyncIterator[asyncpg.Connection]:
    """Give the owner's connection, which can lock tables; what it locked is free at the end."""
    connection = await asyncpg.connect(postgres.url(database))
    yield connection
    await connection.close()


async def _until_metric(api: Api, metric: str, least: float) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await api.metric(metric) < least:
            await asyncio.sleep(0.02)


async def _connections(postgres: Postgres, database: str) -> int:
    sql = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{ROLE}'"  # noqa: S608
    rows = await postgres.fetch(sql, database=database)
    return int(rows[0][0])


async def test_saturated_pool_refuses_and_recovers(
    serve: Serve, locker: asyncpg.Connection
) -> None:
    """While all connections are stuck the backlog shows, callers get 503 and health says DOWN;
    timeouts are counted, the breaker opens, and it closes when the connections are free."""
    api = await serve(**SMALL, SANCTUM_DATABASE_COMMAND_TIMEOUT_S="20")
    token = await api.token()
    opened = await api.metric(BREAKER % "open")
    async with locker.transaction():
        await locker.execute(LOCK)
        stuck = [asyncio.ensure_future(api.call("GET", "/api/feed", token=token)) for _ in "123"]
        await _until_metric(api, POOL % "in_use", 3)
        crowd = [asyncio.ensure_future(api.call("GET", "/api/feed", token=token)) for _ in "12345"]
        await _until_metric(api, POOL % "waiting", 4)
        refused = await asyncio.gather(*crowd)
        await _until_metric(api, BREAKER % "open", opened + 1)
        refused.append(await api.call("GET", "/api/feed", token=token))
        health = await api.call("GET", "/health")
        assert (health.status, health.body["status"]) == (503, "DOWN")
        assert {answer.status for answer in refused} == {503}
    assert {answer.status for answer in await asyncio.gather(*stuck)} == {200}
    await api.wait_ready()
    assert (await api.call("GET", "/api/feed", token=token)).status == 200
    assert await api.metric(BREAKER % "closed") == await api.metric(BREAKER % "open")
    assert await api.metric('storage_errors_total{type="TimeoutError"}') > 0
    assert await api.metric(POOL % "waiting") == 0


async def test_no_more_wait_than_the_bound(serve: Serve, locker: asyncpg.Connection) -> None:
    """What comes while so many wait already is refused at once, and counted."""
    api = await serve(
        **SMALL,
        SANCTUM_DATABASE_COMMAND_TIMEOUT_S="20",
        SANCTUM_DATABASE_ACQUIRE_TIMEOUT_S="20",
    )
    token = await api.token()
    async with locker.transaction():
        await locker.execute(LOCK)
        asked = [asyncio.ensure_future(api.call("GET", "/api/feed", token=token)) for _ in range(9)]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED, timeout=DEADLINE_S)
        refused = [one.result() for one in asked if one.done()]
        assert refused
        assert {answer.body["error"] for answer in refused} == {"database_unavailable"}
        assert await api.metric('storage_errors_total{type="TooManyWaiting"}') >= 1
        assert await api.metric(POOL % "waiting") <= 4
    answers: list[Answer] = await asyncio.gather(*asked)
    assert {answer.status for answer in answers} == {200, 503}


async def _peak(serve: Serve, postgres: Postgres, database: str, defects: str) -> tuple[int, Api]:
    api = await serve(SANCTUM_DATABASE_IDLE_MAX_S="0.3", SANCTUM_DEFECTS=defects)
    token = await api.token()
    async with asyncio.TaskGroup() as group:
        for _ in range(60):
            group.create_task(api.call("GET", "/api/feed", token=token))
    return await _connections(postgres, database), api


async def test_connections_go_after_a_peak(serve: Serve, postgres: Postgres, database: str) -> None:
    """A peak opens several connections, and when it is over all go but the one in use."""
    peak, api = await _peak(serve, postgres, database, "")
    assert peak > 1
    async with asyncio.timeout(DEADLINE_S):
        while await _connections(postgres, database) > 1:
            await asyncio.sleep(0.05)
    assert await api.metric(POOL % "size") <= 1


async def test_kept_connections_never_go(serve: Serve, postgres: Postgres, database: str) -> None:
    """With that defect as many connections stay open as the peak needed, however long it is ago."""
    peak, api = await _peak(serve, postgres, database, "keep_connections")
    probes = 'database_query_seconds_count{operation="probe"}'
    await _until_metric(api, probes, await api.metric(probes) + 4)
    assert await _connections(postgres, database) == peak > 1
