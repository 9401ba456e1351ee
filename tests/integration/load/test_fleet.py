"""Worker processes that are driven, disturbed and killed."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.integration.load.fleets import drive, make_plan, observe, scenario, stopping
from tests.integration.load.target import TargetServer

from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.errors import BadInput, EnvironmentFailure
from stormproof.kernel.units import SECOND_NS
from stormproof.load.remote import WorkerDied
from stormproof.model.event import WorkerEvent
from stormproof.model.ledger import ENTRY, EntryKind
from stormproof.store.segment import End


async def test_open_load_is_whole_over_workers(tmp_path: Path, target: TargetServer) -> None:
    """Two workers together start rate x duration iterations, each an operation and a check."""
    plan = make_plan(scenario("read", rate=200, seconds=1), workers=2)
    observed = observe(tmp_path, plan)
    await stopping(observed, lambda: drive(observed, target.url))
    started = observed.total("iterations") + observed.total("dropped_iterations")
    assert started == 200
    assert observed.total("iterations") == target.seen["GET /feed"]
    assert observed.total("http_req") == observed.total("checks") == observed.total("iterations")
    assert observed.total("iteration_duration") == observed.total("iterations")
    assert observed.total("http_req", failed=True) == 0
    assert observed.total("data_received") > 0
    assert sorted(observed.steps()) == [
        (0, "finished"),
        (0, "ready"),
        (1, "finished"),
        (1, "ready"),
    ]


async def test_record_holds_what_was_shown(tmp_path: Path, target: TargetServer) -> None:
    """Every worker has a frame for each second without a gap, and its segment holds the same."""
    plan = make_plan(scenario("read", rate=60, seconds=2), workers=2)
    observed = observe(tmp_path, plan)
    await stopping(observed, lambda: drive(observed, target.url))
    for worker in (0, 1):
        content = observed.segment(worker)
        assert content.end == End(how="finished")
        stored = [one.unpacked() for one in content.frames]
        assert stored == [one for one in observed.frames if one.worker == worker]
        assert content.series == list(observed.series[worker].values())[: len(content.series)]
        seconds = [one.second for one in content.frames]
        assert seconds == list(range(seconds[0], seconds[-1] + 1))
        assert seconds[0] <= 0
        assert seconds[-1] >= 1
        loaded = [one.generator for one in content.frames if one.second in (0, 1)]
        assert all(one.cpu_ns > 0 and one.users == 5 for one in loaded)
        assert all(0 <= one.core_idle_share <= 1 and one.rss_bytes > 0 for one in loaded)
        lags = sum(sum(one.generator.schedule_lag_count) for one in content.frames)
        assert lags == content.frames[-1].generator.recorded > 0


async def test_ledger_and_drain_across_workers(tmp_path: Path, target: TargetServer) -> None:
    """Chat over two workers is drained once every member has every acknowledged message."""
    plan = make_plan(scenario("talk", executor="constant-vus", vus=4), workers=2)
    observed = observe(tmp_path, plan)
    outcome: list[tuple[bool, str]] = []

    async def work() -> None:
        await drive(observed, target.url)
        outcome.append(await observed.fleet.drain(monotonic_ns() + 5 * SECOND_NS))

    await stopping(observed, work)
    assert outcome == [(True, "")]
    entries = [
        entry
        for worker in (0, 1)
        for entry in ENTRY.iter_unpack(bytes(observed.segment(worker).ledger))
    ]
    kinds = [entry[0] for entry in entries]
    acknowledged = kinds.count(EntryKind.OK)
    assert acknowledged == kinds.count(EntryKind.INVOKE) == target.numbers["/ws/chat/1"] > 0
    assert kinds.count(EntryKind.JOINED) == 4
    assert kinds.count(EntryKind.RECEIVED) == 4 * acknowledged
    assert observed.total("message_delivery") == 4 * acknowledged
    assert observed.total("ws_send") == acknowledged
    assert len({entry[6] for entry in entries if entry[0] == EntryKind.INVOKE}) == acknowledged


async def test_tags_and_groups_are_series(tmp_path: Path, target: TargetServer) -> None:
    """What a user does is counted under its tags and groups: requests, exchanges and checks."""
    one = scenario("shop", executor="constant-vus", vus=2, seconds=0.3)
    one = msgspec.structs.replace(one, tags={"region": "eu"})
    observed = observe(tmp_path, make_plan(one))
    await stopping(observed, lambda: drive(observed, target.url))
    rounds = observed.total("iterations")
    assert rounds > 2
    assert observed.total("http_req", name="GET /item", group="::browse::details") == rounds
    assert observed.total("http_req", name="GET /feed", group="::browse") == rounds
    assert observed.total("group_duration", group="::browse") == rounds
    assert observed.total("checks", check="served", group="::browse::details") == rounds
    assert observed.total("checks", check="paid", step="pay") == rounds
    assert observed.total("ws_send", name="pay", step="pay") == rounds
    plans = [observed.total("http_req", plan=plan) for plan in ("free", "paid")]
    assert min(plans) > 0
    assert sum(plans) == observed.total("http_req", region="eu") == observed.total("http_req")
    assert observed.total("data_sent", region="eu") == observed.total("data_sent") > 0


async def test_drain_says_what_is_missing(tmp_path: Path, target: TargetServer) -> None:
    """A message that never arrives leaves the drain incomplete, naming user and scope."""
    target.hidden = set(range(3, 10_000))
    talk = scenario("talk", executor="per-vu-iterations", vus=2, seconds=30)
    observed = observe(tmp_path, make_plan(msgspec.structs.replace(talk, iterations=3)))
    outcome: list[tuple[bool, str]] = []

    async def work() -> None:
        await drive(observed, target.url)
        outcome.append(await observed.fleet.drain(monotonic_ns() + SECOND_NS // 2))

    await stopping(observed, work)
    ((caught_up, missing),) = outcome
    assert not caught_up
    assert missing == "user 1 has 2 of 6 in 1"


async def test_failing_journeys_are_counted(tmp_path: Path, target: TargetServer) -> None:
    """Every way for a journey to fail is a failed iteration of its own kind; users go on."""
    plan = make_plan(scenario("stumble", rate=60, vus=1, max_vus=1, seconds=1))
    observed = observe(tmp_path, plan)
    await stopping(observed, lambda: drive(observed, target.url))
    iterations = observed.total("iterations")
    assert iterations == observed.total("iterations", failed=True) > 3
    kinds = {failure.kind.partition(" at ")[0] for failure in observed.segment(0).failures}
    assert kinds == {"journey failed: on purpose", "unexpected answer", "journey error: KeyError"}
    assert observed.warnings()["journey-error"] >= 1


async def test_failing_journey_does_not_hammer(tmp_path: Path, target: TargetServer) -> None:
    """A closed user whose iteration failed pauses before the next one."""
    plan = make_plan(scenario("fail_at_once", executor="constant-vus", vus=2, seconds=0.4))
    observed = observe(tmp_path, plan)
    await stopping(observed, lambda: drive(observed, target.url))
    assert target.seen["GET /feed"] == observed.total("iterations", failed=True) == 2


async def test_users_are_the_same_in_every_run(tmp_path: Path, target: TargetServer) -> None:
    """Ids and made-up choices follow from the seed, not from the number of workers."""
    seen: list[set[str]] = []
    for workers in (1, 2):
        run_dir = tmp_path / str(workers)
        run_dir.mkdir()
        one = scenario("choose", executor="constant-vus", vus=20, seconds=0.2, graceful_s=0.1)
        observed = observe(run_dir, make_plan(one, workers=workers))
        await stopping(observed, partial(drive, observed, target.url))
        assert observed.fleet.users == 20
        assert observed.warnings()["users-not-prepared"] == 1
        seen.append(set(target.seen))
        target.seen.clear()
    assert seen[0] == seen[1]
    assert len(seen[0]) == 19
    assert {name.split("-")[2] for name in seen[0]} == {str(n) for n in range(1, 21) if n != 4}


async def test_no_free_user_is_a_drop_and_grows(tmp_path: Path, target: TargetServer) -> None:
    """An instant that finds nobody free is dropped and counted, and users grow up to the most."""
    slow = scenario("linger", rate=100, vus=1, max_vus=4, seconds=1, env={"ms": "200"})
    observed = observe(tmp_path, make_plan(slow))
    await stopping(observed, lambda: drive(observed, target.url))
    done, dropped = observed.total("iterations"), observed.total("dropped_iterations")
    assert done + dropped == 100
    assert dropped > 0
    assert max(frame.generator.users for frame in observed.frames) == 4


async def test_graceful_stop_cuts_what_outlasts_it(tmp_path: Path, target: TargetServer) -> None:
    """Iterations that outlast the graceful stop are cut, and warnings say how many, and how many of
    them had an operation under way."""
    slow = scenario(
        "linger",
        executor="constant-vus",
        vus=3,
        seconds=0.2,
        graceful_s=0.1,
        env={"ms": "3000"},
    )
    observed = observe(tmp_path, make_plan(slow))
    await stopping(observed, lambda: drive(observed, target.url))
    assert observed.total("iterations") == 0
    assert observed.warnings() == {"iterations-cut": 1, "operations-cut": 1}
    assert {failure.kind for failure in observed.segment(0).failures} == {"interrupted"}


async def test_refused_preparation_names_the_reason(tmp_path: Path, target: TargetServer) -> None:
    """When too many users cannot be prepared, the commonest failure is named."""
    plan = make_plan(scenario("never", executor="constant-vus", vus=20), workers=2)
    observed = observe(tmp_path, plan)
    with pytest.raises(EnvironmentFailure, match=r"most often: POST /status/\{code\}: http 401"):
        await stopping(observed, lambda: observed.fleet.prepare(target.url))
    assert target.seen["POST /status/401"] < 20


async def test_death_of_a_worker_is_noticed_at_once(tmp_path: Path, target: TargetServer) -> None:
    """A worker that is killed ends the drive with WorkerDied, long before the scenario's end."""
    plan = make_plan(scenario("read", rate=50, seconds=600, vus=2), workers=2)
    observed = observe(tmp_path, plan)

    async def kill_soon() -> None:
        while len(observed.frames) < 2:
            await asyncio.sleep(0.01)
        victim = observed.fleet._remotes[1]._process
        assert victim is not None
        os.kill(victim.pid, signal.SIGKILL)

    async def work() -> None:
        await asyncio.gather(drive(observed, target.url), kill_soon())

    async with asyncio.timeout(20):
        with pytest.raises(WorkerDied, match="worker 1 was killed by SIGKILL"):
            await stopping(observed, work)
    assert (1, "died") in observed.steps()
    assert observed.segment(0).end == End(how="finished")
    assert observed.segment(1).end is None


async def test_journey_that_kills_its_worker_is_named(tmp_path: Path, target: TargetServer) -> None:
    """A death event says how the worker ended."""
    observed = observe(tmp_path, make_plan(scenario("die", rate=50, seconds=60, vus=2)))
    with pytest.raises(WorkerDied):
        await stopping(observed, lambda: drive(observed, target.url))
    died = [one for one in observed.events if isinstance(one, WorkerEvent) and one.step == "died"]
    assert [one.detail.partition(" (")[0] for one in died] == ["worker 0 was killed by SIGKILL"]


async def test_worker_that_hangs_is_ended(
    tmp_path: Path, target: TargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journey that never gives the loop back cannot keep the fleet from stopping."""
    monkeypatch.setattr("stormproof.load.remote.FINISH_PATIENCE_S", 0.2)
    monkeypatch.setattr("stormproof.load.remote.TERMINATE_PATIENCE_S", 0.2)
    observed = observe(tmp_path, make_plan(scenario("block", rate=50, seconds=60, vus=2)))
    await observed.fleet.prepare(target.url)
    driving = asyncio.ensure_future(observed.fleet.drive(monotonic_ns()))
    async with asyncio.timeout(20):
        while not target.seen["GET /feed"]:
            await asyncio.sleep(0.01)
        process = observed.fleet._remotes[0]._process
        await observed.fleet.stop()
    assert process is not None
    assert process.returncode == -signal.SIGKILL
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)


async def test_silent_worker_is_given_up(
    tmp_path: Path, target: TargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose loop does not turn any more is given up long before its scenario's end."""
    monkeypatch.setattr("stormproof.load.fleet.SILENT_S_MAX", 2)
    monkeypatch.setattr("stormproof.load.remote.FINISH_PATIENCE_S", 0.2)
    monkeypatch.setattr("stormproof.load.remote.TERMINATE_PATIENCE_S", 0.2)
    observed = observe(tmp_path, make_plan(scenario("block", rate=50, seconds=600, vus=2)))
    with pytest.raises(WorkerDied, match="worker 0 is silent for 2 s"):
        await stopping(observed, lambda: drive(observed, target.url))
    assert (0, "died") in observed.steps()


async def test_error_of_whoever_takes_frames_ends_the_drive(
    tmp_path: Path, target: TargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the controller cannot take a frame, the drive ends with that error."""
    observed = observe(tmp_path, make_plan(scenario("read", rate=50, seconds=600)))

    def refuse(*_: object) -> None:
        raise EnvironmentFailure("no room for a frame")

    monkeypatch.setattr(observed.fleet, "_on_frame", refuse)
    with pytest.raises(EnvironmentFailure, match="no room for a frame"):
        await stopping(observed, lambda: drive(observed, target.url))


async def test_changed_journey_is_refused(tmp_path: Path, target: TargetServer) -> None:
    """A journey file that is not the one the plan names is bad input, told by the worker."""
    observed = observe(tmp_path, make_plan(scenario("read", rate=1)))
    with (tmp_path / "journeys" / "scripted_journeys.py").open("a") as file:
        file.write("# changed\n")
    with pytest.raises(BadInput, match="is not the file that the plan names"):
        await stopping(observed, lambda: observed.fleet.prepare(target.url))


async def test_full_disk_is_told(tmp_path: Path, target: TargetServer) -> None:
    """A worker whose disk is full says so; the drive ends with it."""
    observed = observe(tmp_path, make_plan(scenario("read", rate=50, seconds=60)), "1")
    with pytest.raises(EnvironmentFailure, match="the disk is full"):
        await stopping(observed, lambda: drive(observed, target.url))


async def test_worker_that_cannot_start_is_named(tmp_path: Path, target: TargetServer) -> None:
    """A worker command that fails is told with the last line it said."""
    observed = observe(tmp_path, make_plan(scenario("read", rate=1)), "no-number")
    with pytest.raises(WorkerDied, match="exit code 1: ValueError: invalid literal"):
        await stopping(observed, lambda: observed.fleet.prepare(target.url))


async def test_stop_is_safe_at_any_time(tmp_path: Path, target: TargetServer) -> None:
    """Stopping before the start, twice, and while users are prepared leaves no process."""
    observed = observe(tmp_path, make_plan(scenario("talk", executor="constant-vus", vus=2)))
    await observed.fleet.stop()
    preparing = asyncio.ensure_future(observed.fleet.prepare(target.url))
    async with asyncio.timeout(20):
        while not (observed.fleet._remotes and observed.fleet._remotes[0]._process):
            await asyncio.sleep(0.001)
    process = observed.fleet._remotes[0]._process
    preparing.cancel()
    await asyncio.gather(preparing, return_exceptions=True)
    await observed.fleet.stop()
    await observed.fleet.stop()
    assert process is not None
    assert process.returncode is not None
