"""The pacer against the real clock: what is claimed holds on any machine, however busy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from stormproof.kernel.clock import monotonic_ns
from stormproof.load.pacer import QUANTUM_NS, Pacer
from stormproof.load.timer import Alarm

MILLISECOND_NS = 1_000_000


@pytest.fixture
async def pacer() -> AsyncIterator[Pacer]:
    """Make a pacer on the loop of the test."""
    made = Pacer(asyncio.get_running_loop())
    yield made
    made.close()
    made.close()


async def test_nothing_is_released_early(pacer: Pacer) -> None:
    """Every instant of a schedule is released once, in order, and after it has passed."""
    start_ns = monotonic_ns()
    instants = [start_ns + n * 90_000 for n in range(-10, 200)]
    released: list[tuple[int, int]] = []
    await pacer.follow(iter(instants), lambda instant: released.append((instant, monotonic_ns())))
    assert [instant for instant, _ in released] == instants
    assert all(now_ns >= instant for instant, now_ns in released)


async def test_wakes_are_a_quantum_apart(pacer: Pacer, monkeypatch: pytest.MonkeyPatch) -> None:
    """However dense the instants, the loop is woken at most once a quantum."""
    wakes: list[int] = []
    start_ns = monotonic_ns()

    def release(_instant: int) -> None:
        if not wakes or wakes[-1] != pacer._woken_ns:
            wakes.append(pacer._woken_ns)

    await pacer.follow((start_ns + n * 10_000 for n in range(1_000)), release)
    assert len(wakes) > 1
    assert all(later - earlier >= QUANTUM_NS for earlier, later in pairwise(wakes))


async def test_sleepers_wake_in_order(pacer: Pacer) -> None:
    """Sleepers wake after their instants, in their order, whatever order they came in."""
    now_ns = monotonic_ns()
    woken: list[tuple[int, int]] = []

    async def sleep(milliseconds: int) -> None:
        due_ns = now_ns + milliseconds * MILLISECOND_NS
        await pacer.sleep_until(due_ns)
        woken.append((milliseconds, monotonic_ns() - due_ns))

    await asyncio.gather(*(sleep(ms) for ms in (9, 3, -5, 6, 3)))
    assert [ms for ms, _ in woken] == [-5, 3, 3, 6, 9]
    assert all(late_ns >= 0 for _, late_ns in woken)


async def test_cancelled_sleepers_and_schedules_are_forgotten(pacer: Pacer) -> None:
    """Cancelling what waits disturbs nobody else."""
    now_ns = monotonic_ns()
    sleeper = pacer.sleep_until(now_ns + 2 * MILLISECOND_NS)
    released: list[int] = []
    following = pacer.follow(iter([now_ns + 3 * MILLISECOND_NS]), released.append)
    sleeper.cancel()
    following.cancel()
    await pacer.sleep_until(now_ns + 5 * MILLISECOND_NS)
    assert released == []


async def test_release_that_raises_ends_only_its_own_schedule(pacer: Pacer) -> None:
    """A release that raises fails its schedule's future; everybody else is still woken."""
    loop = asyncio.get_running_loop()
    strays: list[object] = []
    loop.set_exception_handler(lambda _, context: strays.append(context.get("exception")))
    now_ns = monotonic_ns()
    error = ValueError("no")

    def refuse(_instant: int) -> None:
        raise error

    failing = pacer.follow(iter([now_ns + 20 * MILLISECOND_NS]), refuse)
    later = pacer.sleep_until(now_ns + 21 * MILLISECOND_NS)
    with pytest.raises(ValueError, match="no"):
        await failing
    async with asyncio.timeout(10):
        await later
        await pacer.sleep_until(monotonic_ns() + MILLISECOND_NS)
    assert strays == [error]


async def test_empty_schedule_is_done(pacer: Pacer) -> None:
    """A segment without instants ends at once."""
    await pacer.follow(iter([]), lambda _: None)


async def test_alarm_rings_after_its_instant() -> None:
    """The timer is readable only once its instant has passed; an old one rings at once."""
    alarm = Alarm()
    loop = asyncio.get_running_loop()
    rung: asyncio.Future[int] = loop.create_future()

    def ring() -> None:
        if not rung.done():
            rung.set_result(monotonic_ns())

    loop.add_reader(alarm.fd, ring)
    due_ns = monotonic_ns() + 2 * MILLISECOND_NS
    alarm.set(due_ns)
    assert await rung >= due_ns
    alarm.acknowledge()
    alarm.acknowledge()
    rung = loop.create_future()
    alarm.set(-5)
    await rung
    loop.remove_reader(alarm.fd)
    alarm.close()
    alarm.close()
