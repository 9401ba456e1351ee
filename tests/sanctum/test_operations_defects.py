"""Planted defects of operations: the promise of each, kept without it and broken with it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.sanctum.clients import Api
from tests.sanctum.conftest import OpenLink, Serve
from tests.sanctum.links import Link
from tests.sanctum.servers import DEADLINE_S, ROLE, ROLE_PASSWORD, Postgres, Valkey, free_port
from tests.sanctum.test_process import environment, start, until_ready

HITS = 'rate_limit_hits_total{limit="concurrency"}'


def _through(link: Link, postgres: Postgres, database: str) -> str:
    url = postgres.url(database, ROLE, ROLE_PASSWORD)
    return url.replace(str(postgres.port), str(link.port))


async def _refused(api: Api) -> None:
    token = await api.token()
    async with asyncio.timeout(DEADLINE_S):
        while (await api.call("GET", "/api/feed", token=token)).status != 503:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("defect", "status"), [("", "DOWN"), ("lie_about_health", "UP")])
async def test_health_while_the_database_is_away(
    serve: Serve, postgres: Postgres, database: str, open_link: OpenLink, defect: str, status: str
) -> None:
    """While callers are refused for want of the database health says DOWN, or lies and says UP."""
    link = await open_link(postgres.port)
    api = await serve(
        SANCTUM_DATABASE_URL=_through(link, postgres, database),
        SANCTUM_DATABASE_COMMAND_TIMEOUT_S="0.3",
        SANCTUM_DATABASE_ACQUIRE_TIMEOUT_S="0.3",
        SANCTUM_DEFECTS=defect,
    )
    await api.token()
    link.hold()
    await _refused(api)
    assert (await api.call("GET", "/health")).body["status"] == status
    link.release()


@pytest.mark.parametrize("defect", ["", "keep_breaker_open"])
async def test_recovery_after_the_database_was_away(
    serve: Serve, postgres: Postgres, database: str, open_link: OpenLink, defect: str
) -> None:
    """When the database is back callers are served again, or never with that defect."""
    link = await open_link(postgres.port)
    api = await serve(
        SANCTUM_DATABASE_URL=_through(link, postgres, database), SANCTUM_DEFECTS=defect
    )
    token = await api.token()
    link.hold()
    opened = 'storage_circuit_breaker_open{dependency="database"}'
    async with asyncio.timeout(DEADLINE_S):
        while not await api.metric(opened):
            await asyncio.sleep(0.02)
    link.release()
    if not defect:
        await api.wait_ready()
        assert (await api.call("GET", "/api/feed", token=token)).status == 200
        return
    probes = 'database_query_seconds_count{operation="probe"}'
    answered = await api.metric(probes)
    async with asyncio.timeout(DEADLINE_S):
        while await api.metric(probes) < answered + 3:
            await asyncio.sleep(0.02)
    assert not await api.ready()
    assert (await api.call("GET", "/api/feed", token=token)).status == 503


@contextmanager
def _process(environ: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = start(environ, port, subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_S)


@pytest.mark.parametrize("defect", ["", "crash_on_outage"])
async def test_process_while_the_database_is_away(
    postgres: Postgres, database: str, valkey: Valkey, open_link: OpenLink, defect: str
) -> None:
    """Without its database the process lives on and answers 503, or ends with that defect."""
    link = await open_link(postgres.port)
    environ = {
        **environment(postgres, database, valkey.url),
        "SANCTUM_DATABASE_URL": _through(link, postgres, database),
        "SANCTUM_DEFECTS": defect,
    }
    port = free_port()
    with _process(environ, port) as process:
        api = Api(port)
        await until_ready(api)
        link.hold()
        if defect:
            assert await asyncio.to_thread(process.wait, DEADLINE_S) == 70
            return
        await api.wait_ready(ready=False)
        assert (await api.call("GET", "/api/posts/1")).status == 503
        assert process.poll() is None


async def _crowd(api: Api) -> Counter[tuple[int, bool]]:
    token = await api.token()
    crowd = [api.call("GET", "/api/feed", token=token) for _ in range(12)]
    return Counter((answer.status, bool(answer.body)) for answer in await asyncio.gather(*crowd))


@pytest.mark.parametrize(
    ("defect", "answer", "counted"),
    [
        ("", (429, True), True),
        ("limit_as_success", (200, False), True),
        ("limit_hits_uncounted", (429, True), False),
    ],
)
async def test_crowd_beyond_the_limit(
    serve: Serve, defect: str, answer: tuple[int, bool], counted: bool
) -> None:
    """What is beyond the limit is told so and counted; each defect takes one of the two away."""
    api = await serve(SANCTUM_CONCURRENCY_MAX="4", SANCTUM_DEFECTS=f"slow_feed,{defect}")
    answers = await _crowd(api)
    assert answers.keys() == {(200, True), answer}
    assert await api.metric(HITS) == (answers[answer] if counted else 0)
