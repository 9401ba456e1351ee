"""WebSockets of one user: opened by template, closed by whoever closes them, timed by exchange."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import picows

from stormproof.clients.connection import INTERRUPTED, connect_error
from stormproof.clients.deadlines import NEVER, TICK_NS, Deadlines
from stormproof.clients.guard import JourneyGuard
from stormproof.clients.routes import Query, Routes, Scalar
from stormproof.clients.tape import ROW, Actor, Scope
from stormproof.clients.target import Target
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import WS_MESSAGE_BYTES_MAX
from stormproof.model.series import SeriesKind

TIMEOUT_S = 10.0
EXCHANGES_PENDING_MAX = 1_000
CLOSE_PATIENCE_S = 2.0
NO_CODE, ABNORMAL = 1005, 1006  # closed without a code; without a close
_READ_BUFFER_BYTES = 4096  # at first; it grows with what arrives
# What picows would log is in the record; a logger of our own leaves the global registry alone.
_SILENT = logging.Logger("stormproof.websocket", logging.CRITICAL + 1)  # noqa: LOG001
_TEXT, _BINARY = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY
_CONTINUATION, _CLOSE = picows.WSMsgType.CONTINUATION, picows.WSMsgType.CLOSE
_pack = ROW.pack


class Reply(msgspec.Struct):
    """The answer to `Socket.exchange`; without one `ok` is False and `error` says why."""

    ok: bool
    value: Any
    error: str
    end_ns: int
    scope: Scope

    def record_check(self, name: str, passed: bool) -> None:
        """Count a check; call `check(reply, ...)` instead."""
        self.scope.check(name, passed, self.end_ns)


class _Pending(NamedTuple):
    waiter: asyncio.Future[Reply]
    series: int
    sent: int
    intended_ns: int
    start_ns: int
    deadline_ns: int


class WsSite:
    """What the users of one scenario share for their WebSockets."""

    __slots__ = ("_exchanges", "closing", "deadlines", "disconnects", "routes", "scope", "target")

    def __init__(self, target: Target, scope: Scope, deadlines: Deadlines) -> None:
        self.target = target
        self.scope = scope
        self.deadlines = deadlines
        self.routes = Routes(scope, "ws_connect", "WS")
        self.disconnects = scope.tape.intern(
            SeriesKind.COUNTER, "ws_disconnects", {"scenario": scope.scenario}
        )
        self.closing: set[asyncio.Task[None]] = set()
        self._exchanges: dict[str, int] = {}

    def exchange(self, name: str) -> int:
        """Return the series of the exchanges called `name`."""
        series = self._exchanges.get(name)
        if series is None:
            kept = self.scope.tape.tag_value("exchange", name)
            series = self._exchanges[kept] = self.scope.operation("ws_send", kept)
        return series


class Socket(picows.WSListener):
    """A WebSocket of one user (see `journeys.interface.Socket`)."""

    def __init__(
        self, site: WsSite, actor: Actor, on_message: Callable[[str], None] | None
    ) -> None:
        self._site = site
        self._actor = actor
        self._scope = site.scope
        self._on_message = on_message
        self._guard = JourneyGuard(actor)
        self._transport: picows.WSTransport | None = None
        self._pending: dict[object, _Pending] = {}
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._parts_are_text = False
        self._writable = True
        self._closing = False  # by ourselves
        self._closed = site.deadlines.loop.create_future()
        self.deadline_ns = 0
        self.armed_tick = NEVER
        self.is_open = False
        self.status = 0
        self.error = ""
        self.close_code = 0
        self.opened_ns = 0

    def send(self, text: str) -> bool:
        """Send a text message; return whether the socket was open and could take it."""
        data = text.encode()
        if not self._write(data):
            return False
        self._scope.bytes_sent += len(data)
        return True

    def exchange(
        self, name: str, text: str, key: object, *, timeout: float = TIMEOUT_S
    ) -> Awaitable[Reply]:
        """Send `text` and wait until the message callback resolves `key`; an operation `name`.

        Raises:
            ValueError: `key` is already waited for, or too many are.
        """
        if key in self._pending or len(self._pending) >= EXCHANGES_PENDING_MAX:
            raise ValueError(f"an exchange already waits for {key!r}, or too many wait")
        start_ns = monotonic_ns()
        intended_ns = self._actor.intended_ns
        data = text.encode()
        waiter: asyncio.Future[Reply] = self._site.deadlines.loop.create_future()
        deadline_ns = intended_ns + int(timeout * 1e9)
        pending = _Pending(
            waiter, self._site.exchange(name), len(data), intended_ns, start_ns, deadline_ns
        )
        if not self._write(data):
            self._end(pending, "closed" if not self.is_open else "write blocked")
            return waiter
        self._pending[key] = pending
        if self.deadline_ns == 0 or deadline_ns < self.deadline_ns:
            self.deadline_ns = deadline_ns
            if self.armed_tick == NEVER or deadline_ns < self.armed_tick * TICK_NS - TICK_NS:
                self._site.deadlines.arm(self)
        return waiter

    def resolve(self, key: object, value: object) -> bool:
        """Answer the exchange that waits for `key`; return whether one did."""
        pending = self._pending.pop(key, None)
        if pending is None:
            return False
        if not self._pending:
            self.deadline_ns = 0
        self._end(pending, "", value)
        return True

    async def close(self) -> None:
        """Close it and wait, at most two seconds, until the peer has closed too."""
        self._closing = True
        if self._transport is None or not self.is_open:
            return
        self._transport.send_close(picows.WSCloseCode.OK)
        await asyncio.wait([self._closed], timeout=CLOSE_PATIENCE_S)
        self.abort()

    def abort(self) -> None:
        """Close it at once; what is under way ends as interrupted."""
        self._closing = True
        self._end_all(INTERRUPTED)
        if self._transport is not None:
            self._transport.disconnect(False)

    def record_check(self, name: str, passed: bool) -> None:
        """Count a check; call `check(socket, ...)` instead."""
        self._scope.check(name, passed, self.opened_ns)

    def expire(self, now_ns: int) -> None:
        """End the exchanges that are overdue (see `deadlines.Expirable`)."""
        overdue = [key for key, one in self._pending.items() if one.deadline_ns <= now_ns]
        for key in overdue:
            self._end(self._pending.pop(key), "timeout")
        self.deadline_ns = min((one.deadline_ns for one in self._pending.values()), default=0)

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Take the open connection."""
        self._transport = transport
        self.is_open = True
        self.status = 101
        self._scope.tape.sockets += 1

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Hand a message to the journey; answer a close."""
        self._scope.bytes_received += frame.payload_size
        kind = frame.msg_type
        if kind == _TEXT and frame.fin and not self._parts:
            self._deliver(frame.get_payload_as_bytes())
        elif kind in (_TEXT, _BINARY, _CONTINUATION):
            self._assemble(frame)
        elif kind == _CLOSE:
            self.close_code = int.from_bytes(frame.get_payload_as_bytes()[:2], "big") or NO_CODE
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """End what waits for answers; a close that we did not ask for is counted."""
        self.is_open = False
        self._scope.tape.sockets -= 1
        self.close_code = self.close_code or ABNORMAL
        if not self._closing:
            now_ns = monotonic_ns()
            self.error = "closed"
            self._scope.row(self._site.disconnects, False, now_ns, now_ns, now_ns)
        self._end_all("closed")
        if not self._closed.done():
            self._closed.set_result(None)
        ending = self._site.deadlines.loop.create_task(self._learn_why(transport))
        self._site.closing.add(ending)
        ending.add_done_callback(self._site.closing.discard)

    def pause_writing(self) -> None:
        """Note that the peer does not read."""
        self._writable = False

    def resume_writing(self) -> None:
        """Note that the peer reads again."""
        self._writable = True

    async def _learn_why(self, transport: picows.WSTransport) -> None:
        try:
            await transport.wait_disconnected()
        except picows.WSError:
            self.error = "protocol"

    def _write(self, data: bytes) -> bool:
        if self._transport is None or not self.is_open or not self._writable:
            return False
        self._transport.send(_TEXT, data)
        return True

    def _deliver(self, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            code = picows.WSCloseCode.INVALID_TEXT
            raise picows.WSProtocolError(code, "a text message is not UTF-8") from None
        if self._on_message is not None:
            with self._guard:
                self._on_message(text)

    def _assemble(self, frame: picows.WSFrame) -> None:
        """Put a fragmented message together; binary ones are counted and left at that."""
        if frame.msg_type != _CONTINUATION:
            self._parts, self._parts_bytes = [], 0
            self._parts_are_text = frame.msg_type == _TEXT
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_bytes += frame.payload_size
        if self._parts_bytes > WS_MESSAGE_BYTES_MAX:
            code = picows.WSCloseCode.MESSAGE_TOO_BIG
            raise picows.WSProtocolError(code, "a message is too big")
        if frame.fin:
            data, self._parts = b"".join(self._parts), []
            if self._parts_are_text:
                self._deliver(data)

    def _end_all(self, error: str) -> None:
        pending, self._pending = self._pending, {}
        self.deadline_ns = 0
        for one in pending.values():
            self._end(one, error)

    def _end(self, pending: _Pending, error: str, value: object = None) -> None:
        """Record an exchange and hand its reply to whoever waits."""
        end_ns = monotonic_ns()
        waiter, series, sent, intended_ns, start_ns, _ = pending
        actor = self._actor
        self._scope.tape.rows += _pack(series, bool(error), sent, 0, intended_ns, start_ns, end_ns)
        if error:
            actor.failed(series, error, intended_ns, start_ns, end_ns)
        actor.intended_ns = end_ns
        if not waiter.done():
            waiter.set_result(Reply(not error, value, error, end_ns, self._scope))


class WsClient:
    """Opens the WebSockets of one user (see `journeys.interface.WebSockets`)."""

    __slots__ = ("_actor", "_site", "_sockets")

    def __init__(self, site: WsSite, actor: Actor) -> None:
        self._site = site
        self._actor = actor
        self._sockets: list[Socket] = []

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
