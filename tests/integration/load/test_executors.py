"""Executors on a real clock: what they begin, drop, cut and leave."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest
from tests.integration.load.engines import Rig, rig, shaped
from tests.integration.load.fleets import drive as drive_fleet
from tests.integration.load.fleets import make_plan, observe, scenario, stopping
from tests.integration.load.target import TargetServer

from stormproof.kernel.units import SECOND_NS
from stormproof.load.executors_closed import ClosedExecutor
from stormproof.load.user import VirtualUser
from stormproof.model.plan import Scenario, Stage
from stormproof.workload.choice import open_shape

SEED = 7  # of the plans that the tests make


def stage(seconds: float, target: float) -> Stage:
    return Stage(duration_ns=int(seconds * SECOND_NS), target=target)


def ramp(*stages: Stage, **fields: Any) -> Scenario:
    length_ns = sum(one.duration_ns for one in stages)
    return shaped(duration_ns=length_ns, stages=stages, **fields)


async def nothing(user: VirtualUser) -> None:
    """Do nothing at all."""


async def think(user: VirtualUser) -> None:
    """Do something that takes a while."""
    await user.think(0.02)


async def long(user: VirtualUser) -> None:
    """Do something that outlasts every test's graces."""
    await user.think(30)


RAMP = ramp(
    stage(0.3, 200.0),
    stage(0.0, 50.0),
    stage(0.3, 0.0),
    stage(0.3, 100.0),
    executor="ramping-arrival-rate",
    start_rate=0.0,
    vus=40,
    max_vus=40,
)
CONSTANT = shaped(
    executor="constant-arrival-rate", rate=150.0, duration_ns=SECOND_NS // 2, vus=40, max_vus=40
)


@pytest.mark.parametrize("arrivals", ["even", "poisson"])
@pytest.mark.parametrize("base", [RAMP, CONSTANT], ids=["ramping", "constant"])
@pytest.mark.parametrize("workers", [1, 3])
async def test_open_workers_begin_the_whole_schedule(
    base: Scenario, arrivals: str, workers: int
) -> None:
    """Workers together intend exactly the instants of the one-process schedule, none early."""
    one = msgspec.structs.replace(base, arrivals=arrivals)
    load = rig(nothing, one, workers=workers)
    await load.drive()
    begun, dropped = load.rows("iteration_duration"), load.rows("dropped_iterations")
    intended = sorted(at for at, _ in begun + dropped)
    assert intended == sorted(open_shape(one, SEED).instants_ns(0, 1))
    assert all(start >= at for at, start in begun)


class Roll:
    """A journey that notes who begins, and that it is the turn of all who do."""

    def __init__(self) -> None:
        self.load: Rig | None = None
        self.begun: Counter[int] = Counter()
        self.strangers: list[int] = []
        self.peak = 0

    async def run(self, user: VirtualUser) -> None:
        assert self.load is not None
        crew = self.load.engines[0]._crews[0]
        assert isinstance(crew.executor, ClosedExecutor)
        if user.index >= crew.executor._active or crew.executor._course.is_paused:
            self.strangers.append(user.index)
        self.peak = max(self.peak, crew.executor.busy)
        self.begun[user.index] += 1
        await user.think(0.01)


async def test_ramping_users_come_and_go_in_turn() -> None:
    """Users begin in the order of the ramp, none before its turn nor after it."""
    roll = Roll()
    one = ramp(
        stage(0.3, 6), stage(0.3, 2), stage(0.3, 2), executor="ramping-vus", start_vus=0, vus=6
    )
    roll.load = load = rig(roll.run, one)
    await load.drive()
    assert set(roll.begun) == set(range(6))
    assert roll.strangers == []
    assert roll.peak <= 6
    firsts = sorted(load.rows("iteration_duration"))[:1]
    assert firsts[0][0] == SECOND_NS * 3 // 60  # the first user's turn: a sixth of the ramp
    assert roll.begun[0] > roll.begun[5]


async def test_who_comes_back_in_time_goes_on() -> None:
    """A user that is to go finishes in its graceful ramp-down, and may be called back in it."""
    stages = (stage(0.1, 2), stage(0.0, 1), stage(0.1, 1), stage(0.0, 2), stage(0.1, 2))
    one = ramp(*stages, executor="ramping-vus", start_vus=2, vus=2)

    async def slow(user: VirtualUser) -> None:
        await user.think(0.25)

    load = rig(slow, one)
    await load.drive()
    assert [at for at, _ in load.rows("iteration_duration")][:2] == [0, 0]
    assert load.warnings == []


async def test_who_outlasts_the_ramp_down_is_cut() -> None:
    """After the graceful ramp-down an iteration is cut, and a warning counts it."""
    one = ramp(
        stage(0.1, 3),
        stage(0.0, 1),
        stage(0.3, 1),
        executor="ramping-vus",
        start_vus=3,
        vus=3,
        graceful_ramp_down_ns=SECOND_NS // 20,
        graceful_stop_ns=0,
    )
    load = rig(long, one)
    await load.drive()
    assert load.rows("iteration_duration") == []
    assert sorted(load.warnings) == [
        "scenario read: 1 iterations were cut by the graceful stop",
        "scenario read: 2 iterations were cut by the graceful ramp-down",
    ]


async def test_who_was_cut_can_come_back(tmp_path: Any, target: TargetServer) -> None:
    """A user cut in the middle of a request is called back later, and its requests work again."""
    stages = (stage(0.5, 2), stage(0.0, 0), stage(0.5, 0), stage(0.0, 2), stage(3.0, 2))
    one = msgspec.structs.replace(
        scenario("linger", executor="ramping-vus", vus=2, env={"ms": "400"}),
        stages=stages,
        start_vus=2,
        duration_ns=sum(one.duration_ns for one in stages),
        graceful_ramp_down_ns=SECOND_NS // 100,
    )
    observed = observe(tmp_path, make_plan(one))
    await stopping(observed, lambda: drive_fleet(observed, target.url))
    cut = {failure.kind for failure in observed.segment(0).failures}
    assert cut <= {"interrupted"}
    assert observed.total("iterations") > 4
    assert observed.total("http_req") > observed.total("iterations")


@pytest.mark.parametrize("run", [nothing, think])
@pytest.mark.parametrize("workers", [1, 2])
async def test_each_user_does_its_iterations(run: Any, workers: int) -> None:
    """`per-vu-iterations` has each user do its number, and is over long before its time."""
    done: Counter[int] = Counter()

    async def count(user: VirtualUser) -> None:
        done[user.index] += 1
        await run(user)

    one = shaped(executor="per-vu-iterations", vus=5, iterations=4, duration_ns=600 * SECOND_NS)
    load = rig(count, one, workers=workers)
    await load.drive()
    assert done == dict.fromkeys(range(5), 4)
    assert len(load.rows("iteration_duration")) == 20
    assert load.unbegun == 0


@pytest.mark.parametrize("workers", [1, 2, 3])
async def test_users_share_the_iterations(workers: int) -> None:
    """`shared-iterations` does its number once, whoever is free, in any number of workers."""
    one = shaped(executor="shared-iterations", vus=2, iterations=21, duration_ns=600 * SECOND_NS)
    load = rig(think, one, workers=workers)
    await load.drive()
    assert len(load.rows("iteration_duration")) == 21
    assert load.unbegun == 0


@pytest.mark.parametrize("executor", ["shared-iterations", "per-vu-iterations"])
async def test_what_is_not_begun_in_time_is_dropped(executor: str) -> None:
    """At the longest duration all that has not begun counts as dropped, and nothing else does."""
    iterations = 1_000 if executor == "per-vu-iterations" else 4_000
    one = shaped(executor=executor, vus=4, iterations=iterations, duration_ns=SECOND_NS // 5)
    load = rig(think, one, workers=2)
    await load.drive()
    begun = len(load.rows("iteration_duration"))
    assert begun > 0
    assert begun + load.unbegun == 4_000


async def test_iterations_that_fail_are_spent() -> None:
    """A failed iteration is one of its number: it is not tried again."""

    async def fail(user: VirtualUser) -> None:
        user.fail("always")

    one = shaped(executor="per-vu-iterations", vus=1, iterations=1, duration_ns=600 * SECOND_NS)
    load = rig(fail, one)
    await load.drive()
    assert len(load.rows("iteration_duration")) == 1
    assert load.unbegun == 0


async def test_dropped_iterations_reach_the_record(tmp_path: Any, target: TargetServer) -> None:
    """What users could not begin in time is in the frames as `dropped_iterations`."""
    one = scenario("linger", executor="shared-iterations", seconds=0.3, vus=2, env={"ms": "50"})
    observed = observe(tmp_path, make_plan(msgspec.structs.replace(one, iterations=500)))
    await stopping(observed, lambda: drive_fleet(observed, target.url))
    iterations, dropped = observed.total("iterations"), observed.total("dropped_iterations")
    assert iterations > 0
    assert iterations + dropped == 500


async def test_scenarios_run_side_by_side_from_their_own_start() -> None:
    """Several scenarios share the worker; one with a start time begins nothing before it."""
    early = shaped("read", executor="constant-vus", duration_ns=SECOND_NS // 5)
    late = shaped("linger", duration_ns=SECOND_NS // 5, start_ns=SECOND_NS // 4)
    began: dict[str, list[int]] = {"read": [], "linger": []}

    async def note(user: VirtualUser) -> None:
        began[user.scenario].append(user.actor.intended_ns)
        await asyncio.sleep(0.005)

    load = rig(note, early, late)
    await load.drive()
    assert min(began["read"]) == load.origin_ns
    assert min(began["linger"]) == load.origin_ns + SECOND_NS // 4
