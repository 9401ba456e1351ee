"""The least that a client in Python can do: uvloop, httptools, fifty tasks, and nothing else.

What a tool in Python is measured against where wrk says too little: how much slower a machine runs
Python than the kernel's TCP differs from machine to machine. Run as a program:
`python -m bench.peers.bare_loop PORT SECONDS` prints requests a CPU-second.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import httptools
import uvloop

CONNECTIONS = 50


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base

    def ask(self, request: bytes) -> asyncio.Future[int]:
        self._waiter: asyncio.Future[int] = self._loop.create_future()
        self._transport.write(request)
        return self._waiter

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._waiter.set_result(self._parser.get_status_code())

    def close(self) -> None:
        self._transport.close()


async def _measure(port: int, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    request = f"GET /items HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    end_s = time.monotonic() + seconds
    counted = passed = 0

    async def visit() -> None:
        nonlocal counted, passed
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
        while time.monotonic() < end_s:
            status = await connection.ask(request)
            passed += status == 200
            counted += 1
        connection.close()

    began_s = time.process_time()
    await asyncio.gather(*(visit() for _ in range(CONNECTIONS)))
    used_s = time.process_time() - began_s
    if passed != counted:
        sys.exit(f"{counted - passed} of {counted} requests failed")
    return counted / used_s


if __name__ == "__main__":
    sys.stdout.write(f"{uvloop.run(_measure(int(sys.argv[1]), float(sys.argv[2]))):.1f}\n")
