"""Opening WebSockets: by template, each handshake an operation."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence

from stormproof.clients.failures import INTERRUPTED
from stormproof.clients.handshake import CookieHolder, Handshake
from stormproof.clients.line import OnBinary, OnText
from stormproof.clients.routes import Query, Scalar
from stormproof.clients.socket import Socket
from stormproof.clients.tape import Actor
from stormproof.clients.traced_socket import TracedSocket
from stormproof.clients.ws_site import TIMEOUT_S, WsSite
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import WS_MESSAGE_BYTES_MAX


class WsClient:
    """Opens the WebSockets of one user (see `journeys.sockets.WebSockets`)."""

    __slots__ = ("_actor", "_cookies", "_site", "_sockets")

    def __init__(self, site: WsSite, actor: Actor, cookies: CookieHolder | None = None) -> None:
        self._site = site
        self._actor = actor
        self._cookies = cookies
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
        subprotocols: Sequence[str] = (),
        on_message: OnText | None = None,
        on_binary: OnBinary | None = None,
        ping_every: float = 0.0,
        bytes_max: int = WS_MESSAGE_BYTES_MAX,
        timeout: float = TIMEOUT_S,
        **values: Scalar,
    ) -> Awaitable[Socket]:
        """Open a WebSocket (see `journeys.sockets.WebSockets.connect`).

        Raises:
            ValueError: the path lacks a value, a header must not be sent, or a limit is out of
                bounds.
        """
        if not 0 < bytes_max <= WS_MESSAGE_BYTES_MAX:
            raise ValueError(f"bytes_max lies between 1 and {WS_MESSAGE_BYTES_MAX}")
        if self._site.target.unix_path:
            raise ValueError("WebSockets need a target with host and port, not a unix socket")
        routes = self._site.routes
        route = routes.get(path) or routes.add(path)
        resource = route.whole
        if resource is None or values or query:
            resource = route.head(values, query)
        tracer = self._site.scope.tape.tracer
        make = Socket
        if tracer is not None:
            make = TracedSocket
            tracer.message(self._actor.id, ">", "opens a WebSocket", resource)
        socket = make(self._site, self._actor, on_message, on_binary, bytes_max)
        shake = Handshake(self._site, socket, resource, headers or {}, subprotocols)
        shake.cookies = self._cookies
        return self._connect(socket, shake, route.series, ping_every, timeout)

    def abort(self) -> None:
        """Close all sockets at once."""
        for socket in self._sockets:
            socket.abort()
        self._sockets.clear()

    async def _connect(
        self, socket: Socket, shake: Handshake, series: int, ping_every: float, timeout: float
    ) -> Socket:
        site, actor = self._site, self._actor
        start_ns = socket.start_ns = monotonic_ns()
        intended_ns = actor.intended_ns
        left_s = timeout - (start_ns - intended_ns) / 1e9
        error = INTERRUPTED  # unless it is told apart below, we were cancelled
        try:
            error = await shake.open(left_s)
        finally:
            end_ns = socket.opened_ns = monotonic_ns()
            site.scope.row(series, bool(error), intended_ns, start_ns, end_ns)
            if error:
                socket.error = socket.error or error
                socket.abort()
                actor.failed(
                    series, error, intended_ns, start_ns, end_ns, socket.status, shake.answer
                )
            actor.intended_ns = end_ns
        self._sockets = [one for one in self._sockets if one.is_open]
        if socket.is_open:
            self._sockets.append(socket)
            if ping_every > 0:
                socket.keep_alive(ping_every)
        return socket
