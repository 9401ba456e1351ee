"""Opening WebSockets: by template, each handshake an operation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import picows

from stormproof.clients.connection import INTERRUPTED, connect_error
from stormproof.clients.headers import header_lines
from stormproof.clients.routes import Query, Scalar
from stormproof.clients.socket import TIMEOUT_S, Socket, WsSite
from stormproof.clients.tape import Actor
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import WS_MESSAGE_BYTES_MAX

_READ_BUFFER_BYTES = 4096  # at first; it grows with what arrives
# What picows would log is in the record; a logger of our own leaves the global registry alone.
_SILENT = logging.Logger("stormproof.websocket", logging.CRITICAL + 1)  # noqa: LOG001


class WsClient:
    """Opens the WebSockets of one user (see `journeys.interface.WebSockets`)."""

    __slots__ = ("_actor", "_site", "_sockets")

    def __init__(self, site: WsSite, actor: Actor) -> None:
        self._site = site
        self._actor = actor
        self._sockets: list[Socket] = []

    def use(self, site: WsSite) -> None:
        """Count what is opened from now on under another tag set."""
        self._site = site

    def connect(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        on_message: Callable[[str], None] | None = None,
        timeout: float = TIMEOUT_S,
        **values: Scalar,
    ) -> Awaitable[Socket]:
        """Open a WebSocket; `on_message` is called with the text of each message."""
        routes = self._site.routes
        route = routes.get(path) or routes.add(path)
        if headers:
            header_lines(headers)  # refuses what would break out of its line
        resource = route.whole
        if resource is None or values or query:
            resource = route.head(values, query)
        socket = Socket(self._site, self._actor, on_message)
        return self._connect(socket, route.series, resource.decode(), headers, timeout)

    def abort(self) -> None:
        """Close all sockets at once."""
        for socket in self._sockets:
            socket.abort()
        self._sockets.clear()

    async def _connect(
        self,
        socket: Socket,
        series: int,
        resource: str,
        headers: Mapping[str, str] | None,
        timeout: float,
    ) -> Socket:
        start_ns = monotonic_ns()
        actor = self._actor
        intended_ns = actor.intended_ns
        left_s = timeout - (start_ns - intended_ns) / 1e9
        error = INTERRUPTED  # unless it is told apart below, we were cancelled
        try:
            error = await self._open(socket, resource, headers, left_s)
        finally:
            end_ns = socket.opened_ns = monotonic_ns()
            self._site.scope.row(series, bool(error), intended_ns, start_ns, end_ns)
            if error:
                socket.error = socket.error or error
                actor.failed(series, error, intended_ns, start_ns, end_ns, socket.status)
            actor.intended_ns = end_ns
        self._sockets = [one for one in self._sockets if one.is_open]
        if socket.is_open:
            self._sockets.append(socket)
        return socket

    async def _open(
        self, socket: Socket, resource: str, headers: Mapping[str, str] | None, left_s: float
    ) -> str:
        """Open the socket; return the kind of failure, empty when there was none."""
        if left_s <= 0:
            return "timeout"
        target = self._site.target
        host = f"[{target.host}]" if ":" in target.host else target.host
        opening = asyncio.ensure_future(
            picows.ws_connect(
                lambda: socket,
                f"ws://{host}:{target.port}{resource}",
                extra_headers={"Host": target.authority, **(headers or {})},
                websocket_handshake_timeout=left_s,
                max_redirects=0,
                max_frame_size=WS_MESSAGE_BYTES_MAX,
                read_buffer_init_size=_READ_BUFFER_BYTES,
                logger_name=_SILENT,
                use_aiofastnet=False,
            )
        )
        try:
            async with asyncio.timeout(left_s):
                await asyncio.shield(opening)
        except TimeoutError:
            return "connect timeout"
        except picows.WSHandshakeError as problem:
            if problem.response is None:
                return "protocol"
            socket.status = int(problem.response.status)
            return f"http {socket.status}" if socket.status != 101 else "protocol"
        except OSError as problem:
            return connect_error(problem, self._site.scope.tape)
        finally:
            if not opening.done():
                opening.add_done_callback(_dispose)
        return "" if socket.is_open else "closed"


def _dispose(opening: asyncio.Future[tuple[picows.WSTransport, picows.WSListener]]) -> None:
    """Close a socket that opened after nobody waited for it any more."""
    if opening.cancelled() or opening.exception() is not None:
        return
    transport, _ = opening.result()
    transport.disconnect(False)
