"""How many small requests a link carries a CPU-second of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

import uvloop

from bench.machine import cores
from bench.origin import free_port, nginx
from bench.peers.wrk import wrk_requests
from bench.results import Section, at_least, figure
from stormproof.faults.links import TcpLink
from stormproof.model.part import Link

SECONDS = 2
READY_SECONDS = 10


def measure_link(pairs: int) -> Section:
    """Measure wrk through a link that has a core to itself; wrk and nginx share the other."""
    core = cores()
    with nginx(core.server) as url:
        upstream = urlsplit(url).port or 0
        through = [_through_link(upstream, core.tool, core.server) for _ in range(pairs)]
    rows = [
        at_least("small requests a CPU-second of the link", [one[0] for one in through], 50_000),
        figure("requests a second through it, wrk and nginx on one core", [o[1] for o in through]),
    ]
    return Section(title="Link", rows=rows)


def _through_link(upstream: int, link_core: int, wrk_core: int) -> tuple[float, float]:
    port = free_port()
    argv = ["taskset", "-c", str(link_core), sys.executable, "-m", "bench.link"]
    process = subprocess.Popen([*argv, str(port), str(upstream)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()  # it listens
    began_s = time.monotonic()
    done = wrk_requests(f"http://127.0.0.1:{port}", wrk_core, SECONDS)
    took_s = time.monotonic() - began_s
    process.send_signal(signal.SIGTERM)
    used_s = float(process.stdout.readline())
    process.wait(READY_SECONDS)
    process.stdout.close()
    return done / used_s, done / took_s


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
