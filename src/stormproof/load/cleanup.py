"""Undo what users created: each user's clean-ups in reverse order, many users side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from stormproof.kernel.clock import monotonic_ns
from stormproof.load.preparation import Tally, step
from stormproof.load.user import VirtualUser

AT_ONCE_MAX = 32
LATE = "its turn never came before the deadline"


async def clean_up(users: Iterable[VirtualUser], deadline_ns: int) -> Tally:
    """Run the clean-ups that users have registered; return how it went.

    A clean-up fails when it raises or when an operation of it fails. What is left at the deadline
    has failed.
    """
    owing = list(users)
    queue = iter(owing)
    tally = Tally()

    async def work_off() -> None:
        for user in queue:
            while (work := user.next_cleanup()) is not None:
                tally.add(await _one(user, work))

    tasks = [asyncio.create_task(work_off()) for _ in range(min(AT_ONCE_MAX, len(owing)))]
    if tasks:
        left_s = max(0.0, (deadline_ns - monotonic_ns()) / 1e9)
        _, pending = await asyncio.wait(tasks, timeout=left_s)
        for task in pending:
            tally.add(LATE)  # the one under way
            task.cancel()
        await asyncio.gather(*tasks)
    for user in owing:
        while user.next_cleanup() is not None:
            tally.add(LATE)
    return tally


async def _one(user: VirtualUser, work: Callable[[], Awaitable[object]]) -> str:
    """Run one clean-up; return why it failed, or an empty text."""

    async def do(_: VirtualUser) -> None:
        await work()

    return await step(user, do) or user.actor.failure
