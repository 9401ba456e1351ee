"""What is waited for in a fleet has an end, and is told by the worker that missed it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.integration.load.fleets import drive, make_plan, observe, scenario, stopping
from tests.integration.load.target import TargetServer

from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.units import SECOND_NS
from stormproof.load.remote import Remote, WorkerDied


async def test_settling_too_long_is_no_drain(tmp_path: Path, target: TargetServer) -> None:
    """A settling that is cut by the deadline is not caught up, and is warned of."""
    plan = make_plan(scenario("talk", executor="constant-vus", vus=2, seconds=0.2))
    observed = observe(tmp_path, plan)
    outcome: list[tuple[bool, str]] = []

    async def work() -> None:
        await drive(observed, target.url)
        outcome.append(await observed.fleet.drain(monotonic_ns()))

    await stopping(observed, work)
    assert outcome == [(False, "not every user could settle before the deadline")]
    assert observed.warnings()["users-not-settled"] == 1


async def test_drain_stays_quiet_before_it_reports(
    tmp_path: Path, target: TargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drain asks once more after a quiet time, and goes on when something is missing again."""
    observed = observe(tmp_path, make_plan(scenario("read", rate=1)))
    monkeypatch.setattr("stormproof.load.fleet.QUIET_S", 0.05)
    answers = iter(["late", "", "late again", "", ""])
    asked: list[str] = []

    async def missing() -> str:
        asked.append(next(answers))
        return asked[-1]

    monkeypatch.setattr(observed.fleet, "_missing", missing)
    assert await observed.fleet.drain(monotonic_ns() + 60 * SECOND_NS) == (True, "")
    assert asked == ["late", "", "late again", "", ""]


async def test_preparation_that_blocks_is_given_up(
    tmp_path: Path, target: TargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journey that never gives the loop back while it is prepared ends with its worker named."""
    monkeypatch.setattr("stormproof.load.fleet.PREPARE_S", 0.5)
    monkeypatch.setattr("stormproof.load.remote.FINISH_PATIENCE_S", 0.2)
    monkeypatch.setattr("stormproof.load.remote.TERMINATE_PATIENCE_S", 0.2)
    observed = observe(tmp_path, make_plan(scenario("wedged", executor="constant-vus", vus=1)))
    with pytest.raises(WorkerDied, match="worker 0 did not prepare its users within 1 s"):
        async with asyncio.timeout(20):
            await stopping(observed, lambda: observed.fleet.prepare(target.url))


async def test_worker_that_does_not_tell_is_named(
    tmp_path: Path, target: TargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is stopped during the drain ends it, long before the drain's deadline."""
    monkeypatch.setattr("stormproof.load.fleet.DELIVERED_S", 0.5)
    observed = observe(tmp_path, make_plan(scenario("read", rate=10, vus=1)))

    async def work() -> None:
        await drive(observed, target.url)
        process = observed.fleet._remotes[0]._process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        try:
            await observed.fleet._missing()
        finally:
            os.kill(process.pid, signal.SIGCONT)

    async with asyncio.timeout(20):
        with pytest.raises(WorkerDied, match="worker 0 did not tell what it has received"):
            await stopping(observed, work)


async def test_listening_that_fails_ends_the_drive(
    tmp_path: Path, target: TargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When telling of a death fails, whoever waits for the worker gets that error."""
    observed = observe(tmp_path, make_plan(scenario("die", rate=50, seconds=60, vus=2)))

    def refuse(self: Remote, code: int | None) -> tuple[str, str]:
        raise EnvironmentFailure("no room to tell")

    monkeypatch.setattr(Remote, "_epitaph", refuse)

    told: list[bool] = []

    async def work() -> None:
        with pytest.raises(EnvironmentFailure, match="no room to tell"):
            async with asyncio.timeout(10):
                await drive(observed, target.url)
        told.append(True)

    with pytest.raises(EnvironmentFailure, match="no room to tell"):
        await stopping(observed, work)
    assert told
