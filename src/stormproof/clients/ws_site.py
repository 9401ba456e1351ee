"""What the users of one scenario share for their WebSockets: the target, and the series."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from stormproof.clients.deadlines import Deadlines
from stormproof.clients.dialing import Dialer
from stormproof.clients.headers import parse_headers
from stormproof.clients.routes import Routes
from stormproof.clients.tape import Scope
from stormproof.clients.target import Target
from stormproof.kernel.clock import monotonic_ns
from stormproof.model.series import SeriesKind

TIMEOUT_S = 10.0


class Reply(msgspec.Struct, gc=False):
    """How an exchange, an expected message or a ping ended; `ok` False: `error` says why."""

    ok: bool
    value: Any
    error: str
    end_ns: int
    scope: Scope

    def record_check(self, name: str, passed: bool) -> None:
        """Count a check; call `check(reply, ...)` instead."""
        scope = self.scope  # what `Scope.check` does, without a call of its own
        slot = scope.check_slots.get(name)
        if slot is None:
            slot = scope.new_check(name)
        scope.add_check_slot(slot + passed)
        scope.add_check_end(self.end_ns)


class WsSite:
    """What the users of one scenario under one tag set share for their WebSockets."""

    __slots__ = (
        "closing",
        "deadlines",
        "dialer",
        "headers",
        "loop",
        "routes",
        "scope",
        "sessions",
        "target",
    )

    def __init__(
        self, target: Target, scope: Scope, deadlines: Deadlines, dialer: Dialer | None = None
    ) -> None:
        self.target = target
        self.dialer = dialer or Dialer(target)
        self.headers = parse_headers(b"\r\n" + target.headers + b"\r\n")
        self.scope = scope
        self.deadlines = deadlines
        self.loop = deadlines.loop
        self.routes = Routes(scope, "ws_connect", "WS")
        self.sessions: Sessions | None = None
        self.closing: set[asyncio.Task[None]] = set()

    def tagged(self, scope: Scope) -> WsSite:
        """Return the same site for users that carry another tag set."""
        return WsSite(self.target, scope, self.deadlines, self.dialer)

    def count_session(self) -> Sessions:
        """Count a socket that has opened; return where to count its end.

        The series are made here: without a session nothing can be said about disconnects.
        """
        if self.sessions is None:
            self.sessions = Sessions(self.scope)
        self.sessions.begin()
        return self.sessions


class Sessions:
    """Counts of opened sockets and their ends; they belong to the scenario as a whole."""

    __slots__ = ("_begun", "_disconnects", "_durations", "_scope")

    def __init__(self, scope: Scope) -> None:
        intern, tags = scope.tape.intern, scope.root.tags
        self._scope = scope
        self._begun = intern(SeriesKind.COUNTER, "ws_sessions", tags)
        self._durations = intern(SeriesKind.TREND, "ws_session_duration", tags)
        self._disconnects = intern(SeriesKind.COUNTER, "ws_disconnects", tags)

    def begin(self) -> None:
        """Count a session."""
        now_ns = monotonic_ns()
        self._scope.row(self._begun, False, now_ns, now_ns, now_ns)

    def end(self, start_ns: int, *, unasked: bool) -> None:
        """Count the end of a session that began to connect at `start_ns`."""
        now_ns = monotonic_ns()
        self._scope.row(self._durations, False, start_ns, start_ns, now_ns)
        if unasked:
            self._scope.row(self._disconnects, False, now_ns, now_ns, now_ns)
