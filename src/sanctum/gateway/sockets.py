"""WebSocket transport: uvicorn's protocol with an end that a stuck client cannot delay.

A close frame queues behind whatever a slow client has not read, so waiting for the closing
handshake would keep its connection for ever. Here a server-side close is followed, after a short
grace, by dropping the connection.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.transports import BaseTransport
from typing import cast

from starlette.types import Scope
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.http11 import Request

CLOSE_GRACE_S = 0.6
SEND_BUFFER_BYTES = 128 * 1024
GOING_AWAY = 1001
TRY_AGAIN_LATER = 1013
_EXTENSION = "sanctum.socket"


class BoundedSocket(WebSocketsSansIOProtocol):
    """Serve one WebSocket; close it within a bound whatever its client does."""

    heartbeat_expired = False

    def connection_made(self, transport: BaseTransport) -> None:
        """Take over a connection; its kernel buffer is bounded, or it may grow to megabytes."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def handle_connect(self, event: Request) -> None:
        """Start the application and let it reach this socket through its scope."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["extensions"][_EXTENSION] = {"socket": self}

    async def send(self, message: ASGISendEvent) -> None:
        """Send one ASGI event; a complete refusal counts as a complete handshake."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    async def send_text(self, text: bytes, timeout_s: float) -> None:
        """Send a text frame, waiting while the client reads too slowly.

        Args:
            text: the payload, UTF-8.
            timeout_s: how long to wait until the client has read enough.

        Raises:
            ClientDisconnected: when the socket is closed or closing.
            TimeoutError: when the client did not read in time.
        """
        if not self.writable.is_set():
            async with asyncio.timeout(timeout_s):
                await self.writable.wait()
        if self.close_sent or self.disconnected:
            raise ClientDisconnected
        try:
            self.conn.send_text(text)
        except InvalidState:
            raise ClientDisconnected from None
        self.transport.write(b"".join(self.conn.data_to_send()))

    def expel(self, code: int, reason: str) -> bool:
        """Send a close frame, end the application's reading, and drop the connection soon.

        Args:
            code: the close code.
            reason: for people, at most 123 bytes.

        Returns:
            whether the socket was still open.
        """
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return False
        self.stop_keepalive()
        try:
            self.conn.send_close(code, reason)
        except InvalidState:
            return False
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self._drop_soon()
        return True

    def shutdown(self) -> None:
        """Close when the server stops; a socket that is closing already is left to its timer."""
        if not self.close_sent:
            super().shutdown()

    def keepalive_timeout(self) -> None:
        """Close a socket whose client does not answer pings."""
        self.heartbeat_expired = True
        super().keepalive_timeout()
        self._drop_soon()

    def _drop_soon(self) -> None:
        self.close_timer = self.loop.call_later(CLOSE_GRACE_S, self.transport.abort)


def socket_of(scope: Scope) -> BoundedSocket:
    """Return the socket that serves an ASGI WebSocket scope."""
    return cast(BoundedSocket, scope["extensions"][_EXTENSION]["socket"])
