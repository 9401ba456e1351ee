"""Several api processes on one port: one service to its users and to whoever watches it."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections.abc import AsyncIterator

import psutil
import pytest
from tests.sanctum.pipelines import until_metric
from tests.sanctum.processes import Worker
from tests.sanctum.servers import DEADLINE_S, Postgres, Valkey, until

from sanctum import parent

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


class _Child:
    """A process that runs until it is told to end."""

    def __init__(self) -> None:
        self.pid = 1
        self._end = asyncio.Event()

    async def wait(self) -> int:
        await self._end.wait()
        return 1

    def terminate(self) -> None:
        self._end.set()


async def test_process_that_cannot_start_ends_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the machine lets no process be started those that serve go on, and the dead one is
    replaced as soon as it can be; where none serves the parent gives up."""
    monkeypatch.setattr(parent, "REPLACE_AFTER_S", 0.001)
    started: list[_Child] = []
    refused = 0

    async def start(*_command: str, **_options: object) -> _Child:
        nonlocal refused
        if len(started) >= allowed:
            refused += 1
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(_Child())
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    with socket.socket() as listener:
        allowed = 2
        kept = parent.Parent(listener, 2)
        running = asyncio.create_task(kept.run())
        await until(lambda: len(started) == 2, "both are started")
        started[0].terminate()
        await until(lambda: refused > 2 * parent.FAILURES_MAX, "many refusals")
        allowed = 3
        await until(lambda: len(started) == 3, "the dead one is replaced")
        assert not running.done()
        signal.raise_signal(signal.SIGTERM)
        await running
        assert not kept.failed
        lonely = parent.Parent(listener, 2)
        await lonely.run()
        assert lonely.failed
