"""The least that an open model in Python can cost: uvloop, httptools, a timerfd, and nothing else.

Requests are written at their instants by whichever connection is free, as the pacer does it: at
most one wake a quarter of a millisecond. Run as a program: `python -m bench.peers.bare_open PORT
SECONDS RATE` prints microseconds of CPU a request, and the 99th percentile of how late requests
were written (milliseconds), from which every instant that found no free connection is missing.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from itertools import count
from typing import cast

import httptools
import uvloop

from stormproof.kernel.clock import monotonic_ns
from stormproof.load.pacer import Pacer

CONNECTIONS = 200
SETTLING_NS = 500_000_000


class _Connection(asyncio.Protocol):
    def __init__(self, free: deque[_Connection]) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._free = free

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base
        self._free.append(self)

    def ask(self, request: bytes) -> None:
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._free.append(self)

    def close(self) -> None:
        self._transport.close()


async def _measure(port: int, seconds: float, rate: int) -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    request = f"GET /items HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    free: deque[_Connection] = deque()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _Connection(free), "127.0.0.1", port)
    connections = list(free)
    lags_ns: list[int] = []

    def release(due_ns: int) -> None:
        if free:
            free.popleft().ask(request)
            lags_ns.append(monotonic_ns() - due_ns)

    pacer = Pacer(loop)
    begin_ns = monotonic_ns() + SETTLING_NS
    instants = (begin_ns + number * 1_000_000_000 // rate for number in count())
    end_ns = begin_ns + int(seconds * 1e9)
    await pacer.sleep_until(begin_ns)
    began_s = time.process_time()
    following = pacer.follow(instants, release)
    await pacer.sleep_until(end_ns)
    used_s = time.process_time() - began_s
    following.cancel()
    pacer.close()
    for connection in connections:
        connection.close()
    done = len(lags_ns)
    if done < 0.9 * rate * seconds:
        sys.exit(f"only {done} of {rate * seconds:.0f} requests were written")
    return 1e6 * used_s / done, sorted(lags_ns)[done * 99 // 100] / 1e6


if __name__ == "__main__":
    cost_us, lag_ms = uvloop.run(_measure(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
    sys.stdout.write(f"{cost_us:.2f} {lag_ms:.3f}\n")
