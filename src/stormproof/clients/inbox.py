"""What has arrived on one socket and was not received yet, up to a limit."""

from __future__ import annotations

import asyncio

from stormproof.clients.wanted import Incoming
from stormproof.kernel.limits import WS_INBOX_BYTES_MAX, WS_INBOX_MESSAGES_MAX


class Inbox:
    """Keep messages until the journey receives them; whoever puts them in stops when it is full."""

    __slots__ = ("_bytes", "_messages", "_waiter", "deadline_ns", "is_taken")

    def __init__(self) -> None:
        self._messages: list[tuple[Incoming, int]] = []  # a deque would be 700 bytes a socket
        self._bytes = 0
        self._waiter: asyncio.Future[str] | None = None
        self.deadline_ns = 0  # of whoever waits
        self.is_taken = False  # by an operation that looks at what comes

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be put in."""
        return len(self._messages) >= WS_INBOX_MESSAGES_MAX or self._bytes >= WS_INBOX_BYTES_MAX

    def put(self, message: Incoming, at_ns: int) -> None:
        """Take a message that arrived at `at_ns`."""
        self._messages.append((message, at_ns))
        self._bytes += len(message)
        self.wake("")

    def pop(self) -> tuple[Incoming, int] | None:
        """Return the oldest message and when it arrived; None without one."""
        if not self._messages:
            return None
        message, at_ns = self._messages.pop(0)
        self._bytes -= len(message)
        return message, at_ns

    def wait(self, waiter: asyncio.Future[str], deadline_ns: int) -> None:
        """Wake `waiter` with an empty text once there is a message, else with what went wrong."""
        self._waiter = waiter
        self.deadline_ns = deadline_ns

    def wake(self, error: str) -> None:
        """Wake whoever waits."""
        waiter, self._waiter = self._waiter, None
        self.deadline_ns = 0
        if waiter is not None and not waiter.done():
            waiter.set_result(error)

    def expire(self, now_ns: int) -> None:
        """Wake whoever has waited too long."""
        if 0 < self.deadline_ns <= now_ns:
            self.wake("timeout")
