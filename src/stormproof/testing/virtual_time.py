"""An event loop whose time jumps: hours of waiting pass at once, in the right order.

When nothing is ready, the loop would sleep until its next timer; here the clock is moved to that
timer instead. Code under test takes a `VirtualClock` where it would take the system's.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")

START_NS = 1_000_000_000_000
STUCK_AFTER = 1_000  # looks without a timer or an event


class VirtualClock:
    """A clock that only waiting moves (see `stormproof.seams.Clock`)."""

    def __init__(self) -> None:
        self.ns = START_NS

    def now_ns(self) -> int:
        """Return the virtual monotonic instant."""
        return self.ns

    def wall_ns(self) -> int:
        """Return the same instant as wall time."""
        return self.ns


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self._idle = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            self._idle = 0
        elif timeout is not None:
            self._clock.ns += max(1, round(timeout * 1e9))
        else:
            self._idle += 1
            if self._idle > STUCK_AFTER:
                raise RuntimeError("everything waits for something that no timer will bring")
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_JumpingSelector(clock))
        self._virtual = clock

    def time(self) -> float:
        return self._virtual.ns / 1e9


def run_virtual(main: Callable[[VirtualClock], Awaitable[Result]]) -> Result:
    """Run `main(clock)` to its end in virtual time.

    Raises:
        RuntimeError: it waits for something that no timer will bring.
    """
    clock = VirtualClock()
    loop = _VirtualLoop(clock)

    async def go() -> Result:
        return await main(clock)

    try:
        return loop.run_until_complete(go())
    finally:
        loop.close()
