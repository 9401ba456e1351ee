"""Readings while clocks jump: their instants, and how many there are."""

from __future__ import annotations

import asyncio

from tests.integration.observe.test_scrape import PLANNED, Kept, Scripted

from stormproof.kernel.units import SECOND_NS
from stormproof.observe.sources import Watched
from stormproof.testing import ManualClock

YEAR_NS = 365 * 86_400 * SECOND_NS
HOUR_NS = 3_600 * SECOND_NS


async def test_a_wall_clock_that_jumps_moves_no_reading() -> None:
    """Set forwards by years and back again, it is in no instant: each reading lies where the
    monotonic clock has it."""
    clock = ManualClock(now_ns=0)
    kept = Kept(clock=clock)
    watching = asyncio.ensure_future(kept.sources.watch([Watched(Scripted(), PLANNED)]))
    await kept.until(1)
    for place, jump_ns in enumerate((YEAR_NS, -2 * YEAR_NS), 2):
        clock.advance(SECOND_NS)
        clock.step_wall(jump_ns)
        kept.sources.mark()
        await kept.until(place)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert [one.start_ns for one in kept.rows] == [0, SECOND_NS, 2 * SECOND_NS, 2 * SECOND_NS]


async def test_readings_that_a_sleep_left_out_are_not_made_up_for() -> None:
    """After an hour that the machine slept there is one reading, no burst of them, and the gap
    shows."""
    clock = ManualClock(now_ns=0)
    kept = Kept(clock=clock)
    watching = asyncio.ensure_future(kept.sources.watch([Watched(Scripted(), PLANNED)]))
    await kept.until(1)
    clock.advance(HOUR_NS)
    kept.sources.mark()
    await kept.until(2)
    for _ in range(100):
        await asyncio.sleep(0)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert [one.start_ns for one in kept.rows] == [0, HOUR_NS, HOUR_NS]  # the last is of the end
