"""A server that a test writes in a function: it gets each request whole and says what to answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from stormproof.clients.headers import Headers, parse_headers

HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: Headers
    body: bytes


@dataclass(slots=True, kw_only=True)
class Place:
    """Where a server listens, and what it has seen."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0


Answer = Callable[[Asked], bytes]


def answer(body: bytes = b"ok", *, status: int = 200, lines: str = "") -> bytes:
    """Write a response."""
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


@asynccontextmanager
async def serving(
    answers: Answer,
    *,
    host: str = "127.0.0.1",
    unix_path: str = "",
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Place]:
    """Serve on the loop of the test until the block ends."""
    place = Place()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        place.connections += 1
        try:
            while True:
                asked = await _read(reader)
                place.asked.append(asked)
                writer.write(answers(asked))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    if unix_path:
        server = await asyncio.start_unix_server(serve, unix_path, limit=HEAD_BYTES)
    else:
        server = await asyncio.start_server(serve, host, 0, ssl=context, limit=HEAD_BYTES)
        place.port = server.sockets[0].getsockname()[1]
    try:
        yield place
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await turns()


async def turns() -> None:
    """Let the loop close what is being closed."""
    for _ in range(5):
        await asyncio.sleep(0)


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = await reader.readuntil(b"\r\n\r\n")
    method, path, _ = head.decode("latin-1").split(" ", 2)
    headers = parse_headers(head)
    body = b""
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method=method, path=path, headers=headers, body=body)
