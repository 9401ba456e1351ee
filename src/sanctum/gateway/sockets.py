"""WebSocket transport: uvicorn's protocol with bounds that no client can exceed.

A close frame queues behind whatever a slow client has not read, so waiting for the closing
handshake would keep its connection for ever. Here every close, by whichever side, is followed
after a short grace by dropping the connection.

What a client sends is taken apart piece by piece, no faster than the application reads it, and
what uvicorn answers or collects by itself (pongs, the fragments of a message) is bounded too.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.transports import BaseTransport
from typing import cast

from starlette.types import Scope
from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request

CLOSE_GRACE_S = 0.6
SEND_BUFFER_BYTES = 128 * 1024
PIECE_BYTES = 4096
FRAGMENTS_MAX = 256
PONGS_BYTES_MAX = 1024 * 1024
GOING_AWAY = 1001
ABNORMAL_CLOSURE = 1006
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013
_EXTENSION = "sanctum.socket"


class BoundedSocket(WebSocketsSansIOProtocol):
    """Serve one WebSocket; close it within a bound whatever its client does."""

    heartbeat_expired = False
    overloaded = False

    @property
    def close_code(self) -> int:
        """Give the code of the close frame that came first, 1006 where there was none."""
        sent, received = self.conn.close_sent, self.conn.close_rcvd
        if sent is not None and not self.conn.close_rcvd_then_sent:
            return int(sent.code)
        return ABNORMAL_CLOSURE if received is None else int(received.code)

    def connection_made(self, transport: BaseTransport) -> None:
        """Take over a connection; its kernel buffer is bounded, or it may grow to megabytes."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._untaken = b""

    def data_received(self, data: bytes) -> None:
        """Take what came, as far as the application keeps up; reading is paused beyond that."""
        self._untaken += data
        self._take()

    def _take(self) -> None:
        """Take apart what came before, up to the next message that the application must read."""
        while self._untaken and not self.read_paused and self.conn.parser_exc is None:
            piece, self._untaken = self._untaken[:PIECE_BYTES], self._untaken[PIECE_BYTES:]
            super().data_received(piece)

    async def receive(self) -> ASGIReceiveEvent:
        """Give the application its next event, and make room for what follows."""
        event = await super().receive()
        self._take()
        return event

    def handle_ping(self) -> None:
        """Answer a ping; a client that floods and does not read the answers is sent away."""
        if self.transport.get_write_buffer_size() > PONGS_BYTES_MAX:
            self.conn.data_to_send()
            self.expel_overloaded("too slow: pongs wait unread")
            self._untaken = b""
            self.transport.pause_reading()
        else:
            super().handle_ping()

    def handle_cont(self, event: Frame) -> None:
        """Collect a fragment; their bytes are bounded by the frame size, their number here."""
        if len(self.frames) < FRAGMENTS_MAX:
            super().handle_cont(event)
        else:
            self.frames = []
            self.expel(POLICY_VIOLATION, f"a message has more than {FRAGMENTS_MAX} fragments")

    def handle_close(self, event: Frame) -> None:
        """Take the client's close frame; it has a short time to read what is on its way."""
        super().handle_close(event)
        self._drop_soon()

    def handle_parser_exception(self) -> None:
        """Close after what is no WebSocket protocol, or too large."""
        super().handle_parser_exception()
        self._drop_soon()

    def eof_received(self) -> None:
        """End with a client that will send nothing more, also one that does not read."""
        super().eof_received()
        self._drop_soon()

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

    def expel_overloaded(self, reason: str) -> None:
        """Send a client away that does not read as fast as it is sent to."""
        self.overloaded = self.expel(TRY_AGAIN_LATER, reason) or self.overloaded

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
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(CLOSE_GRACE_S, self.transport.abort)


def socket_of(scope: Scope) -> BoundedSocket:
    """Return the socket that serves an ASGI WebSocket scope."""
    return cast(BoundedSocket, scope["extensions"][_EXTENSION]["socket"])
