"""The pings of one socket: those the journey asks for, and those that keep it alive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stormproof.clients.tape import Actor
from stormproof.clients.ws_site import Reply, WsSite
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import WS_PINGS_PENDING_MAX

SendPing = Callable[[bytes], None]
# when it was sent and must be answered, and who waits (nobody, where it keeps the socket alive)
_Ping = tuple[int, int, asyncio.Future[Reply] | None]


class Pings:
    """Pings on their way, by payload; their round trips are the series `ws_ping`.

    A round trip runs from the sending: what our own lateness adds is no property of the connection.
    """

    __slots__ = ("_actor", "_loop", "_next_ns", "_number", "_pending", "_series", "every_ns")

    def __init__(self, site: WsSite, actor: Actor) -> None:
        self._loop = site.loop
        self._actor = actor
        self._series = actor.scope.root.trend("ws_ping")
        self._pending: dict[bytes, _Ping] = {}
        self._number = 0
        self._next_ns = 0
        self.every_ns = 0

    def keep_alive(self, every_ns: int) -> None:
        """Ping every so often from now on."""
        self.every_ns = every_ns
        self._next_ns = monotonic_ns() + every_ns

    def ask(self, send: SendPing, timeout_ns: int) -> asyncio.Future[Reply]:
        """Send a ping; the future has the Reply, its value the round trip in seconds.

        Raises:
            ValueError: too many are on their way.
        """
        if len(self._pending) >= WS_PINGS_PENDING_MAX:
            raise ValueError(f"{WS_PINGS_PENDING_MAX} pings are on their way already")
        waiter: asyncio.Future[Reply] = self._loop.create_future()
        self._send(send, timeout_ns, waiter)
        return waiter

    def refuse(self, error: str) -> asyncio.Future[Reply]:
        """Count a ping that could not be sent."""
        waiter: asyncio.Future[Reply] = self._loop.create_future()
        now_ns = monotonic_ns()
        self._fail((now_ns, now_ns, waiter), error, now_ns)
        return waiter

    def take_pong(self, payload: bytes) -> None:
        """End the ping that this answers, and those before it; one that nobody asked for is none.

        Source: RFC 6455, 5.5.3: a pong may answer the latest of several pings alone.
        """
        if payload not in self._pending:
            return
        end_ns = monotonic_ns()
        for key in tuple(self._pending):
            self._end(self._pending.pop(key), end_ns)
            if key == payload:
                return

    def expire(self, now_ns: int, send: SendPing) -> bool:
        """End what is overdue, send what is due; return whether the peer still seems alive."""
        overdue = [key for key, one in self._pending.items() if one[1] <= now_ns]
        unanswered = [self._pending.pop(key) for key in overdue]
        for one in unanswered:
            self._fail(one, "timeout", now_ns)
        if any(waiter is None for _, _, waiter in unanswered):
            return False
        if 0 < self._next_ns <= now_ns:
            self._send(send, self.every_ns, None)
            self._next_ns = now_ns + self.every_ns
        return True

    def end(self, error: str) -> None:
        """End those that somebody waits for: the socket is closed."""
        pending, self._pending = self._pending, {}
        self._next_ns = 0
        end_ns = monotonic_ns()
        for one in pending.values():
            if one[2] is not None:
                self._fail(one, error, end_ns)

    def deadlines_ns(self) -> list[int]:
        """Return when `expire` has something to do."""
        return [one[1] for one in self._pending.values()] + [self._next_ns] * (self._next_ns > 0)

    def _send(self, send: SendPing, timeout_ns: int, waiter: asyncio.Future[Reply] | None) -> None:
        self._number += 1
        payload = b"%d" % self._number
        start_ns = monotonic_ns()
        self._pending[payload] = (start_ns, start_ns + timeout_ns, waiter)
        send(payload)

    def _end(self, one: _Ping, end_ns: int) -> None:
        start_ns, _, waiter = one
        scope = self._actor.scope
        scope.row(self._series, False, start_ns, start_ns, end_ns)
        if waiter is not None:
            self._actor.intended_ns = end_ns
            if not waiter.done():
                waiter.set_result(Reply(True, (end_ns - start_ns) / 1e9, "", end_ns, scope))

    def _fail(self, one: _Ping, error: str, end_ns: int) -> None:
        start_ns, _, waiter = one
        scope, actor = self._actor.scope, self._actor
        scope.row(self._series, True, start_ns, start_ns, end_ns)
        actor.failed(self._series, error, start_ns, start_ns, end_ns)
        if waiter is not None:
            actor.intended_ns = end_ns
            if not waiter.done():
                waiter.set_result(Reply(False, None, error, end_ns, scope))
