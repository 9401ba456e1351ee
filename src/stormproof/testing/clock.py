"""A clock that moves when it is told to."""

from __future__ import annotations


class ManualClock:
    """Tell a time that only `advance` changes (see `stormproof.seams.Clock`)."""

    def __init__(self, *, now_ns: int = 1_000_000_000, wall_ns: int = 1_700_000_000_000_000_000):
        self._now_ns = now_ns
        self._wall_ns = wall_ns

    def now_ns(self) -> int:
        """Return the monotonic time in nanoseconds."""
        return self._now_ns

    def wall_ns(self) -> int:
        """Return the wall clock in nanoseconds since the epoch."""
        return self._wall_ns

    def advance(self, duration_ns: int) -> None:
        """Let time pass on both clocks.

        Raises:
            ValueError: `duration_ns` is negative; time does not go back.
        """
        if duration_ns < 0:
            raise ValueError("time does not go back")
        self._now_ns += duration_ns
        self._wall_ns += duration_ns

    def step_wall(self, duration_ns: int) -> None:
        """Set the wall clock forward or back, as an administrator would."""
        self._wall_ns += duration_ns
