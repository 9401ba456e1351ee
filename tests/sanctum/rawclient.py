"""A WebSocket client that keeps to no rule: it sends any bytes, and reads only when asked to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Self

from tests.sanctum.clients import Api
from tests.sanctum.servers import DEADLINE_S, LOOPBACK

CONT, TEXT, CLOSE, PING = 0x0, 0x1, 0x8, 0x9
FIN = 0x80


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """Make a frame of at most 65,535 bytes; a mask of zeros leaves the payload as it is."""
    size = len(payload)
    head = bytes([(FIN if fin else 0) | rsv << 4 | opcode])
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([mask_bit | size])
    else:
        head += bytes([mask_bit | 126]) + size.to_bytes(2, "big")
    return head + (bytes(4) if masked else b"") + payload


def frames_in(received: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield opcode and payload of the whole frames that a server sent."""
    at = 0
    while at + 2 <= len(received):
        size, start = received[at + 1], at + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(received[start : start + width], "big")
            start += width
        if start + size > len(received):
            return
        yield received[at] & 0x0F, received[start : start + size]
        at = start + size


class RawClient:
    """One connection, open for frames once the handshake succeeded."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self.port: int = connection.getsockname()[1]

    @classmethod
    async def connect(cls, api: Api, *, receives_bytes: int | None = None) -> Self:
        """Connect without a word; the receive buffer may be bounded."""
        connection = socket.socket()
        if receives_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives_bytes)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (LOOPBACK, api.port))
        return cls(connection)

    @classmethod
    async def open(
        cls, api: Api, url: str, *, receives_bytes: int | None = None, origin: str | None = None
    ) -> Self:
        """Connect and complete the handshake; read nothing beyond it."""
        client = await cls.connect(api, receives_bytes=receives_bytes)
        status = await client.ask(url, origin)
        assert status == 101, status
        return client

    async def ask(self, url: str, origin: str | None = None) -> int:
        """Send a handshake and return the status of its answer."""
        path = url.partition("//")[2].partition("/")[2]
        lines = [
            f"GET /{path} HTTP/1.1",
            "host: sanctum",
            "upgrade: websocket",
            "connection: upgrade",
            "sec-websocket-version: 13",
            "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
        ]
        if origin is not None:
            lines.append(f"origin: {origin}")
        await self.send("\r\n".join([*lines, "", ""]).encode())
        head = b""
        async with asyncio.timeout(DEADLINE_S):
            while not head.endswith(b"\r\n\r\n"):
                byte = await self._loop.sock_recv(self._connection, 1)
                assert byte, head
                head += byte
        return int(head.split()[1])

    async def send(self, data: bytes) -> None:
        """Send bytes as they are; raises OSError when the server dropped the connection."""
        async with asyncio.timeout(DEADLINE_S):
            await self._loop.sock_sendall(self._connection, data)

    async def flood(self, data: bytes, most_bytes: int) -> int:
        """Send the same bytes again and again until the connection is dropped.

        Returns:
            how many bytes the server's side took, at most about `most_bytes`.
        """
        sent = 0
        try:
            while sent < most_bytes:
                await self.send(data)
                sent += len(data)
        except OSError:
            return sent
        return sent

    def stop_sending(self) -> None:
        """Close the sending half only."""
        self._connection.shutdown(socket.SHUT_WR)

    async def frames(self) -> list[tuple[int, bytes]]:
        """Read until the end; give all frames."""
        return list(frames_in(await self.read()))

    async def read(self) -> bytes:
        """Read until the end; give what came."""
        received = bytearray()
        async with asyncio.timeout(DEADLINE_S):
            try:
                while chunk := await self._loop.sock_recv(self._connection, 65_536):
                    received += chunk
            except OSError:
                pass  # dropped with bytes on their way
        return bytes(received)

    async def close_code(self) -> int | None:
        """Read until the end; give the code of the close frame, None where there was none."""
        codes = [payload for opcode, payload in await self.frames() if opcode == CLOSE]
        return int.from_bytes(codes[0][:2], "big") if codes else None

    def drop(self) -> None:
        """Close the connection without a word."""
        self._connection.close()
