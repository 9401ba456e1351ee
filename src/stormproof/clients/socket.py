"""One WebSocket of one user: messages to the journey, exchanges timed, its end counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import picows

from stormproof.clients.connection import INTERRUPTED
from stormproof.clients.deadlines import NEVER, TICK_NS, Deadlines
from stormproof.clients.guard import JourneyGuard
from stormproof.clients.routes import Routes
from stormproof.clients.tape import ROW, Actor, Scope
from stormproof.clients.target import Target
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import WS_MESSAGE_BYTES_MAX
from stormproof.model.series import SeriesKind

TIMEOUT_S = 10.0
EXCHANGES_PENDING_MAX = 1_000
CLOSE_PATIENCE_S = 2.0
NO_CODE, ABNORMAL = 1005, 1006  # closed without a code; without a close
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


# waiter, series, bytes sent, and the instants: intended, start, deadline; a bare tuple for speed
_Pending = tuple[asyncio.Future[Reply], int, int, int, int, int]


class WsSite:
    """What the users of one scenario share for their WebSockets."""

    __slots__ = (
        "closing",
        "deadlines",
        "disconnects",
        "loop",
        "routes",
        "scope",
        "target",
    )

    def __init__(self, target: Target, scope: Scope, deadlines: Deadlines) -> None:
        self.target = target
        self.scope = scope
        self.deadlines = deadlines
        self.loop = deadlines.loop
        self.routes = Routes(scope, "ws_connect", "WS")
        self.disconnects = scope.tape.intern(SeriesKind.COUNTER, "ws_disconnects", scope.root.tags)
        self.closing: set[asyncio.Task[None]] = set()

    def tagged(self, scope: Scope) -> WsSite:
        """Return the same site for users that carry another tag set."""
        return WsSite(self.target, scope, self.deadlines)


class Socket(picows.WSListener):
    """A WebSocket of one user (see `journeys.interface.Socket`)."""

    __slots__ = (
        "_actor",
        "_closed",
        "_closing",
        "_guard",
        "_on_message",
        "_parts",
        "_parts_are_text",
        "_parts_bytes",
        "_pending",
        "_scope",
        "_send",
        "_site",
        "_transport",
        "armed_tick",
        "close_code",
        "deadline_ns",
        "error",
        "is_open",
        "opened_ns",
        "status",
    )

    _send: Callable[[picows.WSMsgType, bytes], None]

    def __init__(
        self, site: WsSite, actor: Actor, on_message: Callable[[str], None] | None
    ) -> None:
        self._site = site
        self._actor = actor
        self._scope = site.scope.root
        self._on_message = on_message
        self._guard = JourneyGuard(actor)
        self._transport: picows.WSTransport | None = None
        self._pending: dict[object, _Pending] = {}
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._parts_are_text = False
        self._send = _cannot_send  # until it is open, and while the peer does not read
        self._closing = False  # by ourselves
        self._closed = site.loop.create_future()
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
        if self._send is _cannot_send:
            return False
        self._send(_TEXT, data)
        self._scope.bytes_sent += len(data)
        return True

    def exchange(
        self, name: str, text: str, key: object, *, timeout: float = TIMEOUT_S
    ) -> Awaitable[Reply]:
        """Send `text` and wait until the message callback resolves `key`; an operation `name`.

        Raises:
            ValueError: `key` is already waited for, or too many are.
        """
        pending, site, scope = self._pending, self._site, self._actor.scope
        if key in pending or len(pending) >= EXCHANGES_PENDING_MAX:
            raise ValueError(f"an exchange already waits for {key!r}, or too many wait")
        series = scope.exchanges.get(name)
        if series is None:
            series = scope.add_exchange(name)
        start_ns = monotonic_ns()
        intended_ns = self._actor.intended_ns
        deadline_ns = intended_ns + int(timeout * 1e9)
        data = text.encode()
        waiter: asyncio.Future[Reply] = site.loop.create_future()
        one = (waiter, series, len(data), intended_ns, start_ns, deadline_ns)
        if self._send is _cannot_send:
            self._end_failed(one, "write blocked" if self.is_open else "closed")
            return waiter
        pending[key] = one
        if self.deadline_ns == 0 or deadline_ns < self.deadline_ns:
            self.deadline_ns = deadline_ns
            if self.armed_tick == NEVER or deadline_ns < self.armed_tick * TICK_NS - TICK_NS:
                site.deadlines.arm(self)
        self._send(_TEXT, data)
        return waiter

    def resolve(self, key: object, value: object) -> bool:
        """Answer the exchange that waits for `key`; return whether one did."""
        one = self._pending.pop(key, None)
        if one is None:
            return False
        end_ns = monotonic_ns()
        if not self._pending:
            self.deadline_ns = 0
        waiter, series, sent, intended_ns, start_ns, _ = one
        scope = self._actor.scope
        scope.tape.rows += _pack(series, 0, sent, 0, intended_ns, start_ns, end_ns)
        self._actor.intended_ns = end_ns
        if not waiter.done():
            waiter.set_result(Reply(True, value, "", end_ns, scope))
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
        self._actor.scope.check(name, passed, self.opened_ns)

    def expire(self, now_ns: int) -> None:
        """End the exchanges that are overdue (see `deadlines.Expirable`)."""
        overdue = [key for key, one in self._pending.items() if one[5] <= now_ns]
        for key in overdue:
            self._end_failed(self._pending.pop(key), "timeout")
        self.deadline_ns = min((one[5] for one in self._pending.values()), default=0)

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Take the open connection."""
        self._transport = transport
        self._send = transport.send
        self.is_open = True
        self.status = 101
        self._scope.tape.sockets += 1

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Hand a message to the journey; answer a close."""
        self._scope.bytes_received += frame.payload_size
        kind = frame.msg_type
        if kind is _TEXT and frame.fin and not self._parts:
            if self._on_message is not None:
                try:
                    text = frame.get_payload_as_utf8_text()
                except UnicodeDecodeError:
                    raise _not_utf8() from None
                with self._guard:
                    self._on_message(text)
        elif kind is _CLOSE:
            self.close_code = int.from_bytes(frame.get_payload_as_bytes()[:2], "big") or NO_CODE
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind in (_TEXT, _BINARY, _CONTINUATION):
            self._assemble(frame)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """End what waits for answers; a close that we did not ask for is counted."""
        self.is_open = False
        self._send = _cannot_send
        self._scope.tape.sockets -= 1
        self.close_code = self.close_code or ABNORMAL
        if not self._closing:
            now_ns = monotonic_ns()
            self.error = "closed"
            self._scope.row(self._site.disconnects, False, now_ns, now_ns, now_ns)
        self._end_all("closed")
        if not self._closed.done():
            self._closed.set_result(None)
        ending = self._site.loop.create_task(self._learn_why(transport))
        self._site.closing.add(ending)
        ending.add_done_callback(self._site.closing.discard)

    def pause_writing(self) -> None:
        """Send nothing more: the peer does not read."""
        self._send = _cannot_send

    def resume_writing(self) -> None:
        """Send again: the peer reads."""
        if self._transport is not None and self.is_open:
            self._send = self._transport.send

    async def _learn_why(self, transport: picows.WSTransport) -> None:
        try:
            await transport.wait_disconnected()
        except picows.WSError:
            self.error = "protocol"

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
            if self._parts_are_text and self._on_message is not None:
                try:
                    text = data.decode()
                except UnicodeDecodeError:
                    raise _not_utf8() from None
                with self._guard:
                    self._on_message(text)

    def _end_all(self, error: str) -> None:
        pending, self._pending = self._pending, {}
        self.deadline_ns = 0
        for one in pending.values():
            self._end_failed(one, error)

    def _end_failed(self, one: _Pending, error: str) -> None:
        """Record an exchange without an answer and tell whoever waits."""
        end_ns = monotonic_ns()
        waiter, series, sent, intended_ns, start_ns, _ = one
        actor = self._actor
        scope = actor.scope
        scope.tape.rows += _pack(series, 1, sent, 0, intended_ns, start_ns, end_ns)
        actor.failed(series, error, intended_ns, start_ns, end_ns)
        actor.intended_ns = end_ns
        if not waiter.done():
            waiter.set_result(Reply(False, None, error, end_ns, scope))


def _not_utf8() -> picows.WSProtocolError:
    return picows.WSProtocolError(picows.WSCloseCode.INVALID_TEXT, "a message is not UTF-8")


def _cannot_send(_kind: picows.WSMsgType, _data: bytes) -> None:
    raise AssertionError("nothing is sent on a socket that is closed or blocked")
