"""One WebSocket of one user, as its journey sees it: what it sends, and what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import picows

from stormproof.clients.closing import CLOSE_PATIENCE_S, code_of, require_sendable
from stormproof.clients.deadlines import NEVER, TICK_NS
from stormproof.clients.failures import INTERRUPTED
from stormproof.clients.inbox import Inbox
from stormproof.clients.line import Line, OnBinary, OnText, cannot_send
from stormproof.clients.pings import Pings
from stormproof.clients.tape import ROW, Actor
from stormproof.clients.wanted import NOT_WANTED, Incoming, Wanted, What, anything, wanted_of
from stormproof.clients.ws_site import TIMEOUT_S, Reply, WsSite
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import WS_EXCHANGES_PENDING_MAX

_TEXT, _BINARY = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY
_TIMEOUT_NS = int(TIMEOUT_S * 1e9)
_pack = ROW.pack

# waiter, series, bytes sent, and the instants: intended, start, deadline; a bare tuple for speed
_Pending = tuple[asyncio.Future[Reply], int, int, int, int, int]


class Socket(Line):
    """A WebSocket of one user (see `journeys.sockets.Socket`)."""

    __slots__ = ("_create_future", "_pending", "_pings", "armed_tick", "deadline_ns")

    def __init__(
        self,
        site: WsSite,
        actor: Actor,
        on_text: OnText | None,
        on_binary: OnBinary | None,
        bytes_max: int,
    ) -> None:
        super().__init__(site, actor, on_text, on_binary, bytes_max)
        self._pending: dict[object, _Pending] = {}
        self._pings: Pings | None = None
        self._create_future = site.loop.create_future
        self.deadline_ns = 0  # the earliest, or one that is over: resolving does not move it
        self.armed_tick = NEVER

    def send(self, message: Incoming) -> bool:
        """Send a message; return whether the socket was open and could take it."""
        kind, data = (_TEXT, message.encode()) if isinstance(message, str) else (_BINARY, message)
        if self._send is cannot_send:
            return False
        self._send(kind, data)
        scope = self._scope
        scope.bytes_sent += len(data)
        scope.messages_sent += 1
        return True

    def exchange(
        self, name: str, message: Incoming, key: object = None, timeout: float = TIMEOUT_S
    ) -> Awaitable[Reply]:
        """Send a message and wait until `key` is resolved, or for the next message; an operation.

        Raises:
            ValueError: `key` is already waited for, or too many are.
        """
        actor = self._actor
        scope = actor.scope
        series = scope.exchanges.get(name)
        if series is None:
            series = scope.add_exchange(name)
        if isinstance(message, str):
            kind = _TEXT
            size = len(message) if message.isascii() else len(message.encode())
        else:
            kind, size = _BINARY, len(message)
        start_ns = monotonic_ns()
        intended_ns = actor.intended_ns
        deadline_ns = intended_ns + (_TIMEOUT_NS if timeout is TIMEOUT_S else int(timeout * 1e9))
        waiter: asyncio.Future[Reply] = self._create_future()
        one = (waiter, series, size, intended_ns, start_ns, deadline_ns)
        send = self._send
        if send is cannot_send:
            self._end_failed(one, self._why_not())
            return waiter
        pending = self._pending
        if pending and (key in pending or len(pending) >= WS_EXCHANGES_PENDING_MAX):
            raise ValueError(f"an exchange already waits for {key!r}, or too many wait")
        send(kind, message)  # first: what cannot be sent is not waited for
        pending[key] = one
        if not 0 < self.deadline_ns <= deadline_ns:
            self._watch(deadline_ns)
        self._scope.messages_sent += 1
        return waiter

    def resolve(self, key: object, value: object) -> bool:
        """Answer the exchange that waits for `key`; return whether one did."""
        one = self._pending.pop(key, None)
        if one is None:
            return False
        end_ns = monotonic_ns()
        waiter, series, sent, intended_ns, start_ns, _ = one
        actor = self._actor
        scope = actor.scope
        scope.tape.rows += _pack(series, 0, sent, 0, intended_ns, start_ns, end_ns)
        actor.intended_ns = end_ns
        try:  # noqa: SIM105 - a suppress() or asking first would cost every answer
            waiter.set_result(Reply(True, value, "", end_ns, scope))
        except asyncio.InvalidStateError:
            pass  # who waited was cancelled
        return True

    def receive(self, *, name: str = "receive", timeout: float = TIMEOUT_S) -> Awaitable[Reply]:
        """Wait for the next message, an operation `name`; the reply's value is the message.

        Raises:
            ValueError: the messages go to a callback, or somebody waits already.
        """
        return self._await_message(name, anything, timeout)

    def expect(self, name: str, what: What, *, timeout: float = TIMEOUT_S) -> Awaitable[Reply]:
        """Wait for the message that `what` describes, an operation `name`; others are passed over.

        Args:
            name: of the operation.
            what: a text it holds, fields its JSON object has, or a function that is true of it.
            timeout: seconds from the intended start.

        Raises:
            ValueError: the messages go to a callback, or somebody waits already.
        """
        return self._await_message(name, wanted_of(what), timeout)

    def ping(self, *, timeout: float = TIMEOUT_S) -> Awaitable[Reply]:
        """Send a ping and wait for its pong; the reply's value is the round trip in seconds.

        Raises:
            ValueError: too many pings are on their way.
        """
        pings = self._pings_here()
        if self._send is cannot_send:
            return pings.refuse(self._why_not())
        waiter = pings.ask(self._send_ping, int(timeout * 1e9))
        self._rewatch()
        return waiter

    def keep_alive(self, every_s: float) -> None:
        """Ping every so often; a peer that answers none before the next is due is given up."""
        self._pings_here().keep_alive(int(every_s * 1e9))
        self._rewatch()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it and wait, at most two seconds, until the peer has closed too.

        Raises:
            ValueError: the code must not be sent, or the reason has more than 123 bytes.
        """
        require_sendable(code, reason)
        self._is_closing = True
        if self._transport is None or not self.is_open:
            return
        if self._is_paused:
            self._pause_reading(False)
        self._send = cannot_send
        self._transport.send_close(code_of(code), reason)
        self._closed = self._site.loop.create_future()
        await asyncio.wait([self._closed], timeout=CLOSE_PATIENCE_S)
        self.abort()

    def record_check(self, name: str, passed: bool) -> None:
        """Count a check; call `check(socket, ...)` instead."""
        self._actor.scope.check(name, passed, self.opened_ns)

    def expire(self, now_ns: int) -> None:
        """End what is overdue (see `deadlines.Expirable`)."""
        overdue = [key for key, one in self._pending.items() if one[5] <= now_ns]
        for key in overdue:
            self._end_failed(self._pending.pop(key), "timeout")
        if self._inbox is not None:
            self._inbox.expire(now_ns)
        if self._pings is not None and not self._pings.expire(now_ns, self._send_ping):
            self.error = "ping timeout"
            self._cut()
        self.deadline_ns = self._earliest_ns()

    def _await_message(self, name: str, wanted: Wanted, timeout: float) -> Awaitable[Reply]:
        inbox = self._inbox
        if inbox is None:
            raise ValueError("its messages go to a callback: open it without to receive them here")
        if inbox.is_taken:
            raise ValueError("somebody waits for a message of this socket already")
        inbox.is_taken = True
        return self._find(inbox, self._actor.scope.expectation(name), wanted, timeout)

    async def _find(self, inbox: Inbox, series: int, wanted: Wanted, timeout: float) -> Reply:
        """Wait for a message; the operation ended when it arrived, not when we looked at it."""
        start_ns = monotonic_ns()
        intended_ns = self._actor.intended_ns
        deadline_ns = intended_ns + int(timeout * 1e9)
        error, value, at_ns = INTERRUPTED, None, 0  # unless it is told apart, we were cancelled
        try:
            error, value, at_ns = await self._look(inbox, wanted, deadline_ns)
        finally:
            inbox.is_taken = False
            end_ns = max(at_ns or monotonic_ns(), start_ns)
            self._scope.row(series, bool(error), intended_ns, start_ns, end_ns)
            if error:
                self._actor.failed(series, error, intended_ns, start_ns, end_ns, self.close_code)
            self._actor.intended_ns = end_ns
        return Reply(not error, value, error, end_ns, self._actor.scope)

    async def _look(
        self, inbox: Inbox, wanted: Wanted, deadline_ns: int
    ) -> tuple[str, object, int]:
        """Take messages until the wanted one; return why there is none, it, and its arrival."""
        while True:
            arrived = inbox.pop()
            if arrived is None:
                error = await self._arrival(inbox, deadline_ns)
                if error:
                    return error, None, 0
                continue
            if self._is_paused and not inbox.is_full:
                self._pause_reading(False)
            message, at_ns = arrived
            value = wanted(message)
            if value is not NOT_WANTED:
                return "", value, at_ns

    async def _arrival(self, inbox: Inbox, deadline_ns: int) -> str:
        """Wait until a message is there; return why none will come."""
        if not self.is_open:
            return self.error or "closed"
        if monotonic_ns() >= deadline_ns:
            return "timeout"
        waiter: asyncio.Future[str] = self._site.loop.create_future()
        inbox.wait(waiter, deadline_ns)
        self._rewatch()
        return await waiter

    def _pings_here(self) -> Pings:
        if self._pings is None:
            self._pings = Pings(self._site, self._actor)
        return self._pings

    def _send_ping(self, payload: bytes) -> None:
        if self._transport is not None and self._send is not cannot_send:
            self._transport.send_ping(payload)

    def _take_pong(self, payload: bytes) -> None:
        if self._pings is not None:
            self._pings.take_pong(payload)

    def _watch(self, deadline_ns: int) -> None:
        """See to it that `expire` is called once `deadline_ns` has passed."""
        self.deadline_ns = deadline_ns
        if self.armed_tick == NEVER or deadline_ns < self.armed_tick * TICK_NS - TICK_NS:
            self._site.deadlines.arm(self)

    def _rewatch(self) -> None:
        """Watch what is no exchange as well."""
        earliest_ns = self._earliest_ns()
        if earliest_ns:
            self._watch(earliest_ns)

    def _earliest_ns(self) -> int:
        """Return when `expire` has something to do next; 0 for never."""
        instants = [one[5] for one in self._pending.values()]
        if self._inbox is not None and self._inbox.deadline_ns:
            instants.append(self._inbox.deadline_ns)
        if self._pings is not None:
            instants += self._pings.deadlines_ns()
        return min(instants, default=0)

    def _end_all(self, error: str) -> None:
        pending, self._pending = self._pending, {}
        self.deadline_ns = 0
        for one in pending.values():
            self._end_failed(one, error)
        if self._inbox is not None:
            self._inbox.wake(error)
        if self._pings is not None:
            self._pings.end(error)

    def _end_failed(self, one: _Pending, error: str) -> None:
        """Record an exchange without an answer and tell whoever waits."""
        end_ns = monotonic_ns()
        waiter, series, sent, intended_ns, start_ns, _ = one
        actor = self._actor
        scope = actor.scope
        scope.tape.rows += _pack(series, 1, sent, 0, intended_ns, start_ns, end_ns)
        actor.failed(series, error, intended_ns, start_ns, end_ns, self.close_code)
        actor.intended_ns = end_ns
        if not waiter.done():
            waiter.set_result(Reply(False, None, error, end_ns, scope))

    def _why_not(self) -> str:
        """Return why nothing can be sent."""
        return "write blocked" if self.is_open else "closed"
