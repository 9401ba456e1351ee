"""Processes that are ended while a loop has other things to do."""

from __future__ import annotations

import asyncio
import time

import pytest

from stormproof.faults import processes
from stormproof.faults.processes import ProcessId, kill_tree_async, wait_gone_async

NOBODY = ProcessId(pid=2**30, start_ticks=1)
MINUTE_NS = 60 * 10**9


async def test_a_process_that_ends_slowly_does_not_hold_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What only ends once the loop has gone on is seen to end, long before the deadline."""
    left = [2]  # until so many things of the loop have happened
    monkeypatch.setattr(processes, "is_alive", lambda process: left[0] > 0)
    for wait in (
        kill_tree_async(NOBODY, deadline_ns=time.monotonic_ns() + MINUTE_NS),
        wait_gone_async([NOBODY], deadline_ns=time.monotonic_ns() + MINUTE_NS),
    ):
        left[0] = 2
        waiting = asyncio.ensure_future(wait)
        while not waiting.done():
            await asyncio.sleep(0)
            left[0] -= 1
        assert await waiting == []


async def test_what_cannot_be_ended_is_told_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that lives on is returned, however often it was killed."""
    monkeypatch.setattr(processes, "is_alive", lambda process: process == NOBODY)
    now_ns = time.monotonic_ns()
    assert await kill_tree_async(NOBODY, deadline_ns=now_ns) == [NOBODY]
    assert await wait_gone_async([NOBODY], deadline_ns=now_ns) == [NOBODY]
