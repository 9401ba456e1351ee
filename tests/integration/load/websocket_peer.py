"""A scripted WebSocket server: each connection is served by a script that may break every rule."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80


def frame(
    opcode: int, payload: bytes = b"", *, first: int | None = None, masked: bool = False
) -> bytes:
    """Return a frame; `first` is its first byte where that is not an opcode with FIN."""
    size = len(payload)
    if size < 126:
        length = struct.pack(">B", size)
    elif size < 1 << 16:
        length = struct.pack(">BH", 126, size)
    else:
        length = struct.pack(">BQ", 127, size)
    if masked:
        length = bytes([length[0] | 0x80]) + length[1:] + b"\0\0\0\0"
    return bytes([FIN | opcode if first is None else first]) + length + payload


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """Return a close frame with a code."""
    return frame(CLOSE, struct.pack(">H", code) + reason)


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.head = b""
        self.received: list[tuple[int, bytes]] = []  # (opcode, payload)

    async def read_head(self) -> bytes:
        """Read the request of the handshake."""
        self.head = await self._reader.readuntil(b"\r\n\r\n")
        return self.head

    def answer(self, *lines: bytes, key: bytes = b"") -> bytes:
        """Return the handshake's answer, with more header lines, or with another key's accept."""
        key = key or self.header(b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324
        head = [
            b"HTTP/1.1 101 Switching Protocols",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Accept: " + accept,
        ]
        return b"\r\n".join([*head, *lines]) + b"\r\n\r\n"

    def header(self, name: bytes) -> bytes:
        """Return a header of the request; empty without it."""
        for line in self.head.split(b"\r\n"):
            found, _, value = line.partition(b":")
            if found.lower() == name:
                return value.strip()
        return b""

    async def open(self, *lines: bytes) -> None:
        """Do the handshake as it should be."""
        await self.read_head()
        await self.send(self.answer(*lines))

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def read(self) -> tuple[int, bytes]:
        """Read one frame; return its opcode and payload."""
        first, second = await self._reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", await self._reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await self._reader.readexactly(8))
        mask = await self._reader.readexactly(4)
        data = await self._reader.readexactly(size)
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        self.received.append((first & 0xF, payload))
        return self.received[-1]

    async def rest(self) -> None:
        """Read until the other end has gone."""
        while await self._reader.read(1 << 16):
            pass

    def finish(self) -> None:
        """Send the end of the stream."""
        self._writer.close()

    def reset(self) -> None:
        """Break the connection."""
        plain = self._writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def serving(
    script: Script, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[Peer]]]:
    """Serve every connection by a script; yield the URL, and the peers as they come."""
    peers: list[Peer] = []
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        peers.append(peer)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await script(peer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    scheme = "http" if context is None else "https"
    try:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}", peers
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
