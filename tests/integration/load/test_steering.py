"""A load that is changed while it runs."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.integration.load.engines import rig, shaped
from tests.integration.load.fleets import drive, make_plan, observe, scenario, stopping
from tests.integration.load.target import TargetServer
from tests.integration.load.test_executors import Roll, nothing, ramp, stage, think

from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.errors import BadInput
from stormproof.kernel.units import SECOND_NS
from stormproof.load.user import VirtualUser
from stormproof.model.control_order import ControlOrder
from stormproof.model.event import ControlEvent
from stormproof.workload.choice import open_shape

OPEN = shaped(executor="constant-arrival-rate", rate=200.0, duration_ns=SECOND_NS, vus=40)


@pytest.mark.parametrize("workers", [1, 2])
async def test_open_workers_follow_the_steered_schedule(workers: int) -> None:
    """After orders all workers together intend exactly the instants of the steered schedule."""
    load = rig(nothing, OPEN, workers=workers)
    load.begin()
    load.steer("pause", 0.2)
    load.steer("scale", 0.3, 2.0)  # it counts from the end of the pause on
    load.steer("resume", 0.4)
    load.steer("scale", 0.6, 0.5)
    await load.drive()
    wanted = open_shape(OPEN, 7).arrivals(0, 1)
    for at_s, factor in ((0.2, 0.0), (0.3, 0.0), (0.4, 2.0), (0.6, 0.5)):
        wanted.change(int(at_s * SECOND_NS), factor)
    found = load.rows("iteration_duration") + load.rows("dropped_iterations")
    assert sorted(at for at, _ in found) == list(wanted)
    assert len(found) == 40 + 80 + 40


async def test_an_order_in_the_middle_takes_up_where_the_schedule_is() -> None:
    """Steering a stream that has begun loses no instant, repeats none and leaves no user idle."""
    load = rig(nothing, OPEN)
    load.begin()
    driving = asyncio.ensure_future(load.drive())
    while len(load.rows("iteration_duration")) < 20:
        await asyncio.sleep(0.005)
    load.steer("scale", 0.9, 1.0)  # a factor of one: nothing is to change
    await driving
    found = load.rows("iteration_duration") + load.rows("dropped_iterations")
    assert sorted(at for at, _ in found) == list(open_shape(OPEN, 7).instants_ns(0, 1))


async def test_a_slow_schedule_is_woken_by_a_faster_one() -> None:
    """Scaling up does not wait for the next instant of the slow rate."""
    slow = shaped(
        executor="constant-arrival-rate", rate=0.1, duration_ns=SECOND_NS, vus=5, max_vus=5
    )
    load = rig(nothing, slow)
    load.begin()
    driving = asyncio.ensure_future(load.drive())
    while not load.rows("iteration_duration"):
        await asyncio.sleep(0.005)
    load.steer("scale", 0.5, 1_000.0)
    await driving
    assert len(load.rows("iteration_duration") + load.rows("dropped_iterations")) == 51


@pytest.mark.parametrize("executor", ["constant-vus", "per-vu-iterations"])
async def test_nobody_begins_in_a_pause(executor: str) -> None:
    """Closed users begin nothing between pause and resume, and go on after it."""
    roll = Roll()
    fields: dict[str, Any] = {
        "vus": 3,
        "max_vus": 3,
        "iterations": 10_000,
        "duration_ns": SECOND_NS,
    }
    roll.load = load = rig(roll.run, shaped(executor=executor, **fields))
    load.begin()
    load.steer("pause", 0.2)
    load.steer("resume", 0.6)
    await load.drive()
    assert roll.strangers == []
    starts = [start for _, start in load.rows("iteration_duration")]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert max(gaps) >= SECOND_NS * 3 // 10
    assert max(starts) > SECOND_NS * 6 // 10


async def test_closed_users_are_scaled_up_to_the_most() -> None:
    """A factor multiplies the users, down and up again, never beyond those there may be."""
    roll = Roll()
    roll.load = load = rig(roll.run, shaped(vus=4, max_vus=6, duration_ns=SECOND_NS))
    load.begin()
    load.steer("scale", 0.2, 0.5)
    load.steer("scale", 0.4, 10.0)
    await load.drive()
    assert roll.strangers == []
    assert set(roll.begun) == set(range(6))
    assert roll.begun[0] > roll.begun[3]


async def test_scaling_follows_a_ramp() -> None:
    """A factor multiplies what the ramp says at each instant."""
    roll = Roll()
    one = ramp(stage(0.2, 4), stage(0.3, 8), executor="ramping-vus", start_vus=4, vus=8, max_vus=8)
    roll.load = load = rig(roll.run, one)
    load.begin()
    load.steer("scale", 0.0, 0.5)
    await load.drive()
    assert set(roll.begun) <= set(range(4))
    assert 3 in roll.begun


@pytest.mark.parametrize("executor", ["constant-vus", "shared-iterations", "constant-arrival-rate"])
async def test_a_stop_ends_a_scenario_early(executor: str) -> None:
    """Stop ends what would have gone on for ten minutes; what is owed then is dropped."""
    one = shaped(
        executor=executor, vus=2, iterations=100_000, rate=50.0, duration_ns=600 * SECOND_NS
    )
    load = rig(think, one)
    load.begin()
    load.steer("stop", 0.3)
    await load.drive()
    begun = len(load.rows("iteration_duration"))
    assert begun > 0
    assert load.unbegun == (100_000 - begun if executor == "shared-iterations" else 0)


async def test_a_paused_iteration_is_not_cut() -> None:
    """A pause lets what is under way end, however short the graceful ramp-down."""
    one = shaped(vus=1, duration_ns=SECOND_NS // 2, graceful_ramp_down_ns=0)

    async def slow(user: VirtualUser) -> None:
        await user.think(0.3)

    load = rig(slow, one)
    load.begin()
    load.steer("pause", 0.1)
    await load.drive()
    assert len(load.rows("iteration_duration")) == 1
    assert load.warnings == []


async def test_a_fleet_is_steered_and_says_so(tmp_path: Path, target: TargetServer) -> None:
    """Every worker takes an order at one instant, which is an event of the record."""
    one = scenario("read", rate=100, seconds=600, vus=10)
    observed = observe(tmp_path, make_plan(one, workers=2))

    async def steer() -> None:
        while len(observed.frames) < 2:
            await asyncio.sleep(0.01)
        before_ns = monotonic_ns()
        await observed.fleet.steer(ControlOrder(kind="pause", scenario="read"))
        await observed.fleet.steer(ControlOrder(kind="stop"))
        (paused, stopped) = [one for one in observed.events if isinstance(one, ControlEvent)]
        assert (paused.kind, paused.scenario, stopped.kind) == ("pause", "read", "stop")
        assert before_ns < paused.at_ns <= stopped.at_ns < before_ns + 30 * SECOND_NS

    async def work() -> None:
        await asyncio.gather(drive(observed, target.url), steer())
        with pytest.raises(BadInput, match="the load is not running"):
            await observed.fleet.steer(ControlOrder(kind="resume"))

    async with asyncio.timeout(60):
        await stopping(observed, work)
    assert observed.total("iterations") == target.seen["GET /feed"] > 0


async def test_orders_that_cannot_be_are_refused(tmp_path: Path) -> None:
    """An unknown scenario and an impossible factor are told together, with what would be right."""
    observed = observe(tmp_path, make_plan(scenario("read", rate=1)))
    with pytest.raises(BadInput) as caught:
        await observed.fleet.steer(ControlOrder(kind="scale", scenario="reed", value=0.0))
    assert [str(one) for one in caught.value.problems] == [
        "ctl: the scenario 'reed' is unknown (known: read)",
        "ctl: cannot scale by 0 (0.001 to 1000; or pause)",
    ]
