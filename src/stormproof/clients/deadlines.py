"""Deadlines of operations, kept by a coarse sweep instead of a timer for each.

Theory of operation. Whatever can time out (a connection, a socket) says in `deadline_ns` when its
current operation does, 0 when it has none. It sits in at most one live bucket, that of the instant
it was last seen due; a new operation does not move it. When its bucket comes up it has timed out,
or its deadline has moved on and it goes into a later bucket, or it is idle and leaves. So an
operation costs an assignment and a comparison, however long its timeout is.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from stormproof.kernel.clock import monotonic_ns

TICK_NS = 10_000_000
NEVER = 1 << 62


class Expirable(Protocol):
    """Something with a deadline; `armed_tick` belongs to Deadlines and starts as NEVER."""

    deadline_ns: int
    armed_tick: int

    def expire(self, now_ns: int) -> None:
        """End what is overdue, and set `deadline_ns` anew."""
        ...


class Deadlines:
    """Expire whatever is overdue, at most two ticks (20 ms) late on an idle loop."""

    __slots__ = ("_buckets", "_seen_tick", "_timer", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._buckets: dict[int, list[Expirable]] = {}
        self._seen_tick = monotonic_ns() // TICK_NS
        self._timer = loop.call_later(TICK_NS / 1e9, self._tick)

    def arm(self, one: Expirable) -> None:
        """See to it that `one` is looked at when its deadline has passed."""
        tick = max(one.deadline_ns // TICK_NS, self._seen_tick) + 1
        if tick < one.armed_tick:
            one.armed_tick = tick
            self._buckets.setdefault(tick, []).append(one)

    def sweep(self, now_ns: int) -> None:
        """Look at every bucket that has come up by `now_ns`."""
        tick = now_ns // TICK_NS
        due = range(self._seen_tick + 1, tick + 1)
        self._seen_tick = max(tick, self._seen_tick)
        for number in due:
            for one in self._buckets.pop(number, ()):
                if one.armed_tick == number:  # else it was put into an earlier bucket since
                    self._look_at(one, now_ns)

    def close(self) -> None:
        """Stop sweeping."""
        self._timer.cancel()

    def _look_at(self, one: Expirable, now_ns: int) -> None:
        one.armed_tick = NEVER
        if 0 < one.deadline_ns <= now_ns:
            one.expire(now_ns)
        if one.deadline_ns > 0:
            self.arm(one)

    def _tick(self) -> None:
        self.sweep(monotonic_ns())
        self._timer = self.loop.call_later(TICK_NS / 1e9, self._tick)
