"""The clocks of this machine; CLOCK_MONOTONIC is shared by all its processes."""

from __future__ import annotations

import time
from pathlib import Path

monotonic_ns = time.monotonic_ns
wall_ns = time.time_ns


def boot_id() -> str:
    """Return the kernel's id of this boot; monotonic instants compare only within one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class SystemClock:
    """Tell the time of this machine (see `stormproof.seams.Clock`)."""

    def now_ns(self) -> int:
        """Return CLOCK_MONOTONIC in nanoseconds."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Return the wall clock in nanoseconds since the epoch."""
        return time.time_ns()
