"""Links on real sockets: an upstream that a test acts on, and a link to it."""

from __future__ import annotations

import array
import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from stormproof.faults.links import TcpLink
from stormproof.faults.links.toxics import Applied, Direction, Hold, Toxic
from stormproof.model.part import Link
from stormproof.stack.ports import choose_ports

Scenario = Callable[[], Awaitable[None]]
Run = Callable[[Scenario], None]
MS = 1_000_000  # nanoseconds
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PATIENCE_S = 20.0
HOLD = ("hold-up", "hold-down")


def bounded(run_loop: Callable[[Coroutine[Any, Any, None]], None]) -> Run:
    """Run scenarios in an event loop, each with a deadline."""

    def run_scenario(scenario: Scenario) -> None:
        async def in_time() -> None:
            async with asyncio.timeout(PATIENCE_S):
                await scenario()

        run_loop(in_time())

    return run_scenario


IN_BOTH_LOOPS = pytest.mark.parametrize(
    "run", [bounded(asyncio.run), bounded(uvloop.run)], ids=["asyncio", "uvloop"]
)


class Upstream:
    """A server that keeps its connections for the test to act on."""

    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None

    def __init__(self) -> None:
        self.connections: asyncio.Queue[Streams] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []
        self._talks: list[asyncio.Future[None]] = []

    @property
    def accepted(self) -> int:
        return len(self.writers)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        if self.talk is not None:
            self._talks.append(asyncio.ensure_future(self.talk(reader, writer)))
        self.connections.put_nowait((reader, writer))


@asynccontextmanager
async def linked(*, upstream_up: bool = True) -> AsyncIterator[tuple[TcpLink, Upstream]]:
    ports = choose_ports(["link", "upstream"], {})
    link = TcpLink(Link(name="wire", listen_port=ports["link"], upstream_port=ports["upstream"]))
    upstream, server = Upstream(), None
    if upstream_up:
        server = await asyncio.start_server(upstream.accept, "127.0.0.1", ports["upstream"])
    await link.open()
    try:
        yield link, upstream
    finally:
        await link.close()
        if server is not None:
            server.close()
        for writer in upstream.writers:
            writer.transport.abort()
            await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])


async def connect(link: TcpLink) -> Streams:
    return await asyncio.open_connection(link.host, link.listen_port)


def hold(link: TcpLink) -> None:
    link.put(Applied(name="hold-up", toxic=Hold(), direction="up"))
    link.put(Applied(name="hold-down", toxic=Hold(), direction="down"))


def release(link: TcpLink) -> None:
    for name in HOLD:
        link.take_off(name)


async def silent(reader: asyncio.StreamReader, *, for_s: float = 0.1) -> bool:
    """Whether nothing comes for a while: a wrong link fails this, a slow machine does not."""
    try:
        async with asyncio.timeout(for_s):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


def numbered(size: int) -> bytes:
    return array.array("I", range(size // 4)).tobytes()


def reset(writer: asyncio.StreamWriter) -> None:
    linger: Any = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True


def put(
    link: TcpLink, toxic: Toxic, direction: Direction = "up", *, share: float = 1.0, name: str = "t"
) -> None:
    link.put(Applied(name=name, toxic=toxic, direction=direction, share=share))


def change(link: TcpLink, toxic: Toxic, direction: Direction = "up", *, share: float = 1.0) -> None:
    link.change(Applied(name="t", toxic=toxic, direction=direction, share=share))
