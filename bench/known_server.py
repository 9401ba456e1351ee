"""A server whose behaviour is known: it stalls once, or delays each answer and notes how long.

Run as a program: `python -m bench.known_server PORT stall SECONDS AT` or `... PORT delay`. It
prints `listening`, serves until SIGTERM, and prints what it knows: how many answers it gave, and
in mode `delay` the percentiles of the time between its own stamps of a request and of its answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import uvloop

from bench.origin import free_port

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DELAY_S = (0.005, 0.050)
PERCENTILES = (50, 95, 99)
READY_SECONDS = 20


@dataclass(slots=True)
class Known:
    """What the server knows of itself."""

    answered: int = 0
    durations_ns: list[int] = field(default_factory=list)

    def text(self) -> str:
        """Return it as one line of JSON."""
        ordered = sorted(self.durations_ns)
        ranks = {p: max(1, -(-len(ordered) * p // 100)) for p in PERCENTILES}
        percentiles = {p: ordered[rank - 1] / 1e6 for p, rank in ranks.items() if ordered}
        return json.dumps({"answered": self.answered, "ms": percentiles})


class _Connection(asyncio.Protocol):
    def __init__(self, answer: Callable[[asyncio.Transport], None]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            self._answer(self._transport)


def _delaying(known: Known) -> Callable[[asyncio.Transport], None]:
    loop = asyncio.get_running_loop()
    delays = random.Random(7)  # noqa: S311 - the same delays in every run

    def answer(transport: asyncio.Transport) -> None:
        arrived_ns = time.monotonic_ns()

        def write() -> None:
            known.durations_ns.append(time.monotonic_ns() - arrived_ns)
            known.answered += 1
            transport.write(_ANSWER)

        loop.call_later(delays.uniform(*DELAY_S), write)

    return answer


def _stalling(known: Known, stall_s: float, at_s: float) -> Callable[[asyncio.Transport], None]:
    loop = asyncio.get_running_loop()

    def answer(transport: asyncio.Transport) -> None:
        if not known.answered:
            loop.call_later(at_s, time.sleep, stall_s)
        known.answered += 1
        transport.write(_ANSWER)

    return answer


async def _serve(port: int, mode: str, numbers: list[float]) -> None:
    loop = asyncio.get_running_loop()
    known = Known()
    answer = _delaying(known) if mode == "delay" else _stalling(known, *numbers)
    server = await loop.create_server(lambda: _Connection(answer), "127.0.0.1", port, backlog=8192)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    os.write(1, b"listening\n")
    await ended.wait()
    server.close()
    os.write(1, f"{known.text()}\n".encode())


@dataclass(slots=True)
class Serving:
    """A server that runs; `known` is filled when the block is left."""

    url: str
    answered: int = 0
    ms: dict[int, float] = field(default_factory=dict)


@contextmanager
def known_server(core: int, mode: str, *numbers: float) -> Iterator[Serving]:
    """Serve on `core` while the block lasts, then learn what the server knows."""
    port = free_port()
    argv = ["taskset", "-c", str(core), sys.executable, "-m", "bench.known_server", str(port)]
    process = subprocess.Popen([*argv, mode, *map(str, numbers)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    serving = Serving(url=f"http://127.0.0.1:{port}")
    try:
        process.stdout.readline()
        yield serving
    finally:
        process.send_signal(signal.SIGTERM)
        told = json.loads(process.stdout.readline() or "{}")
        process.wait(READY_SECONDS)
        process.stdout.close()
    serving.answered = told["answered"]
    serving.ms = {int(p): value for p, value in told["ms"].items()}


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2], [float(one) for one in sys.argv[3:]]))
