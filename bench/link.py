"""What a link carries: small requests, bulk, round trips, connections."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit

import psutil
import uvloop

from bench.link_traffic import answered_of, bulk_bytes, listening, round_trips_ms
from bench.machine import Cores, cores
from bench.origin import free_port, nginx
from bench.peers.wrk import wrk_requests
from bench.results import Section, at_least, at_most, figure
from stormproof.faults.links import TcpLink
from stormproof.model.part import Link

SECONDS = 5
READY_SECONDS = 10
ROUND_TRIPS = 2_000
CONNECTIONS = 5_000


def measure_link(pairs: int) -> Section:
    """Measure a link that has a core to itself; whoever sends and receives shares the other."""
    core = cores()
    with nginx(core.server) as url:
        upstream = urlsplit(url).port or 0
        through = [_through_link(upstream, core) for _ in range(pairs)]
    os.sched_setaffinity(0, {core.server})
    try:
        bulk = [_bulk(core) for _ in range(pairs)]
        added = [_added_ms(core) for _ in range(pairs)]
        held = [_held(core) for _ in range(pairs)]
    finally:
        os.sched_setaffinity(0, {core.server, core.tool})
    rows = [
        at_least("small requests a CPU-second of the link", [one[0] for one in through], 50_000),
        figure("requests a second through it, wrk and nginx on one core", [o[1] for o in through]),
        at_least("bulk a CPU-second of the link", bulk, 1, "GB"),
        at_most("added to a round trip at p99, idle", [one[0] for one in added], 0.2, "ms"),
        figure("added to a round trip at the median, idle", [one[1] for one in added], "ms"),
        at_least("connections that carried at once", [one[0] for one in held], CONNECTIONS),
        figure("memory of the link for each of them", [one[1] for one in held], "KB"),
    ]
    return Section(title="Link", rows=rows)


@dataclass(kw_only=True)
class _Carrier:
    """A link in a process of its own; `cpu_s` is known once it has ended."""

    port: int
    pid: int
    cpu_s: float = 0.0

    def rss_bytes(self) -> int:
        return psutil.Process(self.pid).memory_info().rss


@contextmanager
def _link_to(upstream: int, core: int) -> Iterator[_Carrier]:
    port = free_port()
    argv = ["taskset", "-c", str(core), sys.executable, "-m", "bench.link"]
    process = subprocess.Popen([*argv, str(port), str(upstream)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()  # it listens
    carrier = _Carrier(port=port, pid=process.pid)
    yield carrier
    process.send_signal(signal.SIGTERM)
    carrier.cpu_s = float(process.stdout.readline())
    process.wait(READY_SECONDS)
    process.stdout.close()


def _through_link(upstream: int, core: Cores) -> tuple[float, float]:
    with _link_to(upstream, core.tool) as link:
        began_s = time.monotonic()
        done = wrk_requests(f"http://127.0.0.1:{link.port}", core.server, SECONDS)
        took_s = time.monotonic() - began_s
    return done / link.cpu_s, done / took_s


def _bulk(core: Cores) -> float:
    with listening() as server, _link_to(server.getsockname()[1], core.tool) as link:
        count = bulk_bytes(link.port, server, SECONDS)
    return count / 1e9 / link.cpu_s


def _added_ms(core: Cores) -> tuple[float, float]:
    with listening() as server:
        port = server.getsockname()[1]
        straight = round_trips_ms(port, server, ROUND_TRIPS)
        with _link_to(port, core.tool) as link:
            through = round_trips_ms(link.port, server, ROUND_TRIPS)
    return _p99(through) - _p99(straight), median(through) - median(straight)


def _held(core: Cores) -> tuple[int, float]:
    with listening() as server, _link_to(server.getsockname()[1], core.tool) as link:
        before = link.rss_bytes()
        answered = answered_of(link.port, server, CONNECTIONS)
        grown = link.rss_bytes() - before
    return answered, grown / 1e3 / CONNECTIONS


def _p99(values: list[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]


async def _carry(port: int, upstream: int) -> None:
    """Carry until SIGTERM; print when listening, then the CPU seconds used since."""
    link = TcpLink(Link(name="bench", listen_port=port, upstream_port=upstream))
    await link.open()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    began_s = time.process_time()
    os.write(1, b"listening\n")
    await ended.wait()
    os.write(1, f"{time.process_time() - began_s:.4f}\n".encode())
    await link.close()


if __name__ == "__main__":
    uvloop.run(_carry(int(sys.argv[1]), int(sys.argv[2])))
