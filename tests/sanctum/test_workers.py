"""Several api processes on one port: one service to its users and to whoever watches it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import psutil
import pytest
from tests.sanctum.pipelines import until_metric
from tests.sanctum.processes import Worker
from tests.sanctum.servers import DEADLINE_S, Postgres, Valkey, until

COUNT = 2
FEED = 'requests_total{method="GET",route="/api/feed",status="200"}'


@pytest.fixture
async def several(postgres: Postgres, database: str, valkey: Valkey) -> AsyncIterator[Worker]:
    """Serve on one port with several processes."""
    service = Worker("api", postgres, database, valkey)
    try:
        await service.start("--workers", str(COUNT))
        await until_metric(service.api, "sanctum_workers", lambda count: count == COUNT)
        await until_metric(service.api, "process_open_fds", lambda count: count > 0)
        yield service
    finally:
        service.kill()


async def _read_feed(service: Worker, times: int) -> None:
    token = await service.api.token()
    for _ in range(times):
        assert (await service.api.call("GET", "/api/feed", token=token)).status == 200


async def test_several_processes_are_one_service(several: Worker) -> None:
    """Metrics add up over all, a killed process is replaced, and no count falls."""
    await _read_feed(several, 30)
    assert await several.api.metric(FEED) == 30
    before = several.children
    assert len(before) == COUNT
    victim = before[0]
    victim.kill()
    await until_metric(several.api, "sanctum_workers_replaced_total", lambda count: count == 1)
    await until(lambda: len(several.children) == COUNT, "a new process")
    assert await several.api.metric(FEED) == 30
    await _read_feed(several, 10)
    assert await several.api.metric(FEED) == 40
    text = (await several.api.call("GET", "/metrics")).body
    names = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(names) == len(set(names))
    serving = several.children
    assert several.stop() == 0
    assert not any(child.is_running() for child in (*before, *serving)), "a process is left"


async def test_processes_end_with_their_parent(several: Worker) -> None:
    """When the parent is killed, nobody goes on serving."""
    children = several.children
    several.kill()
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=DEADLINE_S)
    assert not alive


async def test_processes_that_never_start_end_the_parent(
    postgres: Postgres, database: str, valkey: Valkey
) -> None:
    """Where processes end as soon as they start, the parent says so and exits 70."""
    service = Worker("api", postgres, database, valkey)
    service.launch("--workers", "2")
    for _ in range(20):
        await until(lambda: bool(service.children) or service.ended, "a process or the end")
        for child in service.children:
            child.kill()
        if service.ended:
            break
    assert await asyncio.to_thread(service.wait) == 70
