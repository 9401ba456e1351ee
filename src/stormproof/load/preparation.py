"""Prepare users before the load and settle them after it: a few at a time, at a bounded rate."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from stormproof.clients.guard import JourneyGuard
from stormproof.journeys.journey import Step
from stormproof.kernel.clock import monotonic_ns
from stormproof.load.user import VirtualUser

AT_ONCE_MAX = 8  # a log-in is costly for the target; a crowd of them measures nothing
STARTS_PER_S_MAX = 100
PATIENCE_S = 30.0  # for one user
FAILED_SHARE_MAX = 0.1
REASONS_KEPT_MAX = 20


@dataclass(slots=True)
class Tally:
    """How many users are done, how many of them failed, and why."""

    done: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, why: str) -> None:
        """Count one user; `why` is empty when all went well."""
        self.done += 1
        if why:
            self.failed += 1
            if why in self.reasons or len(self.reasons) < REASONS_KEPT_MAX:
                self.reasons[why] += 1


async def step(user: VirtualUser, work: Step, *, patience_s: float = PATIENCE_S) -> str:
    """Run one step of a journey for one user; return why it failed, or an empty text."""
    guard: JourneyGuard = user.guard
    guard.start_ns = 0  # of an iteration that was cut: this is none
    user.actor.failure = ""
    user.actor.intended_ns = monotonic_ns()
    finished = False
    with guard:
        try:
            async with asyncio.timeout(patience_s):
                await work(user)
        except TimeoutError:
            return f"it took more than {patience_s:g} s"
        finished = True
    if finished:
        return ""
    return user.actor.failure or guard.why


async def each(
    users: Iterable[VirtualUser],
    work: Step | None,
    tally: Tally,
    *,
    hopeless: Callable[[Tally], bool],
) -> list[VirtualUser]:
    """Run a step, where there is one, for every user; return those it went well for.

    Stops early once `hopeless` says that there is no point in going on.
    """
    ready: list[VirtualUser] = []
    queue = iter(users)
    loop = asyncio.get_running_loop()
    next_start_s = loop.time()

    async def work_off() -> None:
        nonlocal next_start_s
        for user in queue:
            why = ""
            if work is not None:
                wait_s, next_start_s = _slot(next_start_s, loop.time())
                await asyncio.sleep(wait_s)
                why = await step(user, work)
            tally.add(why)
            if not why:
                ready.append(user)
            if hopeless(tally):
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE_MAX):
            group.create_task(work_off())
    return ready


def _slot(next_start_s: float, now_s: float) -> tuple[float, float]:
    """Return how long to wait for the next start, and when the one after it may be."""
    start_s = max(next_start_s, now_s)
    return start_s - now_s, start_s + 1 / STARTS_PER_S_MAX
