"""The coarse sweep of deadlines, moved by hand."""

from __future__ import annotations

import asyncio

import pytest

from stormproof.clients.deadlines import NEVER, TICK_NS, Deadlines
from stormproof.kernel.clock import monotonic_ns


class Operation:
    """Something that can be overdue."""

    def __init__(self, deadline_ns: int) -> None:
        self.deadline_ns = deadline_ns
        self.armed_tick = NEVER
        self.expired_ns: list[int] = []
        self.next_ns = 0

    def expire(self, now_ns: int) -> None:
        """Take note, and go on to the next deadline."""
        self.expired_ns.append(now_ns)
        self.deadline_ns = self.next_ns


@pytest.fixture
async def deadlines() -> Deadlines:
    """Make deadlines that only a test sweeps."""
    made = Deadlines(asyncio.get_running_loop())
    made.close()
    return made


async def test_overdue_is_expired_within_two_ticks(deadlines: Deadlines) -> None:
    """Nothing expires before its deadline, and all of it at most two ticks after."""
    start_ns = monotonic_ns()
    operation = Operation(start_ns + 5 * TICK_NS)
    deadlines.arm(operation)
    for step in range(1, 10):
        deadlines.sweep(start_ns + step * TICK_NS)
    (expired_ns,) = operation.expired_ns
    assert 0 <= expired_ns - (start_ns + 5 * TICK_NS) <= 2 * TICK_NS


async def test_moved_deadline_is_followed(deadlines: Deadlines) -> None:
    """A later operation on the same connection moves the deadline without arming again."""
    start_ns = monotonic_ns()
    operation = Operation(start_ns + 2 * TICK_NS)
    deadlines.arm(operation)
    operation.deadline_ns = start_ns + 8 * TICK_NS
    for step in range(1, 8):
        deadlines.sweep(start_ns + step * TICK_NS)
    assert operation.expired_ns == []
    deadlines.sweep(start_ns + 10 * TICK_NS)
    assert len(operation.expired_ns) == 1


async def test_idle_leaves_and_comes_back(deadlines: Deadlines) -> None:
    """What has no deadline leaves the sweep, and can be armed again."""
    start_ns = monotonic_ns()
    operation = Operation(start_ns + TICK_NS)
    deadlines.arm(operation)
    operation.deadline_ns = 0
    deadlines.sweep(start_ns + 5 * TICK_NS)
    assert operation.armed_tick == NEVER
    assert operation.expired_ns == []
    operation.deadline_ns = start_ns + 6 * TICK_NS
    deadlines.arm(operation)
    deadlines.sweep(start_ns + 9 * TICK_NS)
    assert len(operation.expired_ns) == 1


async def test_earlier_deadline_overtakes(deadlines: Deadlines) -> None:
    """A shorter timeout is seen in time although a longer one was armed first; none fires twice."""
    start_ns = monotonic_ns()
    operation = Operation(start_ns + 50 * TICK_NS)
    deadlines.arm(operation)
    operation.deadline_ns = start_ns + 3 * TICK_NS
    deadlines.arm(operation)
    deadlines.sweep(start_ns + 6 * TICK_NS)
    assert len(operation.expired_ns) == 1
    deadlines.sweep(start_ns + 60 * TICK_NS)
    assert len(operation.expired_ns) == 1


async def test_several_deadlines_of_one_follow_each_other(deadlines: Deadlines) -> None:
    """What sets a new deadline when it expires is looked at again."""
    start_ns = monotonic_ns()
    operation = Operation(start_ns + TICK_NS)
    operation.next_ns = start_ns + 20 * TICK_NS
    deadlines.arm(operation)
    deadlines.sweep(start_ns + 5 * TICK_NS)
    operation.next_ns = 0
    deadlines.sweep(start_ns + 30 * TICK_NS)
    assert len(operation.expired_ns) == 2
