"""Honest health: checked in the background, flipped at once by any operation that fails.

A dependency is up when its last check succeeded and no operation on it has failed since. A check
runs through the same pool or breaker as the requests do, so it cannot succeed where they fail; and
the endpoints only read the outcome, so they answer however stuck a dependency is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from sanctum.backing.errors import Unavailable
from sanctum.defects import Defects

logger = logging.getLogger(__name__)

STALE_AFTER_S = 1.5


class Status(Enum):
    """Name the state of the service or of a dependency."""

    UP = "UP"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"


@dataclass(slots=True, kw_only=True)
class Dependency:
    """Watch one dependency.

    Attributes:
        name: as shown to readers.
        probe: does what requests do; raises Unavailable, within its own deadline, when that fails.
        healthy: reads the state that probes and failing operations keep.
        essential: without it the service is DOWN, else DEGRADED.
    """

    name: str
    probe: Callable[[], Awaitable[None]]
    healthy: Callable[[], bool]
    essential: bool
    checked_at: float | None = None

    def note_check(self, age_s: float = 0) -> None:
        """Record that a check ended, now or some seconds ago."""
        self.checked_at = time.monotonic() - age_s

    @property
    def checked_ms_ago(self) -> int | None:
        """Give the age of the last finished check."""
        if self.checked_at is None:
            return None
        return round((time.monotonic() - self.checked_at) * 1000)

    @property
    def status(self) -> Status:
        """Give UP only for a healthy dependency whose last check is recent."""
        fresh = self.checked_at is not None and time.monotonic() - self.checked_at < STALE_AFTER_S
        return Status.UP if fresh and self.healthy() else Status.DOWN


class Health:
    """Check dependencies periodically and sum them up."""

    def __init__(
        self, dependencies: list[Dependency], *, interval_s: float, defects: Defects
    ) -> None:
        self.dependencies = dependencies
        self._interval_s = interval_s
        self._defects = defects
        self.draining = False

    async def watch(self, dependency: Dependency) -> None:
        """Check one dependency until cancelled, so that none delays another."""
        was_there = False
        while True:
            try:
                await dependency.probe()
                was_there = True
            except Unavailable as error:
                logger.debug("check failed", extra={"fields": {"reason": str(error)}})
                if was_there and dependency.essential:
                    self._defects.miss_database()
            dependency.note_check()
            await asyncio.sleep(self._interval_s)

    @property
    def status(self) -> Status:
        """Give DOWN when an essential dependency is, DEGRADED when another is, else UP."""
        down = [d for d in self.dependencies if d.status is not Status.UP]
        if any(dependency.essential for dependency in down):
            return Status.DOWN
        return Status.DEGRADED if down else Status.UP

    @property
    def unready(self) -> list[str]:
        """Name what keeps the service from serving everything; empty when it is ready."""
        causes = [d.name for d in self.dependencies if d.status is not Status.UP]
        return [*causes, "draining"] if self.draining else causes
