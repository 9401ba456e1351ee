"""The workers of one machine: processes of our own, told over socket pairs what to do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.load import channel
from stormproof.load.preparation import FAILED_SHARE_MAX
from stormproof.load.remote import Remote, WorkerDied
from stormproof.model.event import Event, WarningEvent, WorkerEvent
from stormproof.model.plan import Plan
from stormproof.model.series import Frame, Series

DRIVE_PATIENCE_NS = 15_000_000_000  # after the last scenario must have ended
POLL_S = 0.2
_Report = TypeVar("_Report", bound=channel.Report)
OnFrame = Callable[[Frame, Mapping[int, Series]], None]
OnEvent = Callable[[Event], None]


class LocalFleet:
    """Drive a plan with local worker processes (see `stormproof.seams.Fleet`).

    Args:
        worker_argv: the command that calls `load.worker.main` and exits with what it returns.
        plan: also in `run_dir/plan.json`, where the workers read it.
        run_dir: with the folders `journeys` (the plan's files) and `record`; the workers' logs
            go to `logs`.
        cores: worker i runs on `cores[i % len(cores)]`; empty: anywhere.
        on_frame: called with each frame and all series of its worker.
        on_event: called with what is to be recorded of the workers: they write no events.
    """

    def __init__(
        self,
        *,
        worker_argv: Sequence[str],
        plan: Plan,
        run_dir: Path,
        cores: Sequence[int],
        on_frame: OnFrame,
        on_event: OnEvent,
    ) -> None:
        self._argv = list(worker_argv)
        self._plan = plan
        self._run_dir = run_dir
        self._cores = list(cores)
        self._on_frame = on_frame
        self._on_event = on_event
        self._remotes: list[Remote] = []

    @property
    def users(self) -> int:
        """How many users the plan prepares."""
        return sum(scenario.vus for scenario in self._plan.scenarios)

    @property
    def users_done(self) -> int:
        """How many of them have been prepared, or failed to be."""
        return sum(remote.users_done for remote in self._remotes)

    async def prepare(self, base_url: str) -> None:
        """Start the workers and have every user log in and connect; return when all are ready.

        Raises:
            EnvironmentFailure: a worker died, or the target refuses too many users.
        """
        (self._run_dir / "logs").mkdir(exist_ok=True)
        waiting = []
        for number in range(self._plan.workers):
            remote = await self._start(number)
            waiting.append(remote.expect(channel.Prepared))
            remote.send(self._assignment(number, base_url))
        prepared = await asyncio.gather(*waiting)
        self._judge_preparation(prepared)
        for number in range(self._plan.workers):
            self._tell(number, "ready")

    async def drive(self, origin_ns: int) -> None:
        """Run the load from `origin_ns` on; return when every scenario has ended.

        Raises:
            WorkerDied: a worker is gone, or does not come to its end.
            EnvironmentFailure: a worker cannot go on.
        """
        ends_ns = [
            one.start_ns + one.duration_ns + one.graceful_stop_ns for one in self._plan.scenarios
        ]
        latest_ns = origin_ns + max(ends_ns, default=0) + DRIVE_PATIENCE_NS
        try:
            async with asyncio.timeout((latest_ns - monotonic_ns()) / 1e9):
                await self._ask_all(channel.Drive(origin_ns=origin_ns), channel.Driven)
        except TimeoutError:
            raise WorkerDied("a worker does not end its scenarios") from None
        for remote in self._remotes:
            self._tell(remote.number, "finished")

    async def drain(self, deadline_ns: int) -> tuple[bool, str]:
        """Let every user settle, then wait until all that was acknowledged has arrived everywhere.

        Args:
            deadline_ns: the instant to give up at.

        Returns:
            Whether it has, and what is missing.

        Raises:
            WorkerDied: a worker is gone.
        """
        try:
            async with asyncio.timeout((deadline_ns - monotonic_ns()) / 1e9):
                settled = await self._ask_all(channel.Settle(), channel.Settled)
                self._warn_unsettled(settled)
        except TimeoutError:
            return False, "not every user could settle before the deadline"
        while True:
            missing = missing_of(await self._ask_all(channel.AskDelivered(), channel.Delivered))
            if not missing or monotonic_ns() >= deadline_ns:
                return not missing, missing
            await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        """End all workers, their segments closed; safe to call twice.

        Raises:
            EnvironmentFailure: a worker could not write its last frames.
        """
        ended = await asyncio.gather(
            *(remote.stop() for remote in self._remotes), return_exceptions=True
        )
        self._remotes = []
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def _start(self, number: int) -> Remote:
        remote = Remote(
            number,
            on_frame=self._on_frame,
            on_event=self._on_event,
            log=self._run_dir / "logs" / f"worker-{number}.log",
        )
        self._remotes.append(remote)
        await remote.start(self._argv)
        return remote

    def _assignment(self, number: int, base_url: str) -> channel.Assignment:
        cores = self._cores
        return channel.Assignment(
            worker=number,
            workers=self._plan.workers,
            run_dir=str(self._run_dir.resolve()),
            base_url=base_url,
            cores=[cores[number % len(cores)]] if cores else [],
        )

    async def _ask_all(self, order: channel.Order, answer: type[_Report]) -> list[_Report]:
        waiting = [remote.expect(answer) for remote in self._remotes]
        for remote in self._remotes:
            remote.send(order)
        return await asyncio.gather(*waiting)

    def _judge_preparation(self, prepared: Sequence[channel.Prepared]) -> None:
        users = sum(one.users for one in prepared)
        failed = sum(one.failed for one in prepared)
        if not failed:
            return
        reasons = _add(one.reasons for one in prepared)
        reason, times = reasons.most_common(1)[0]
        text = f"{failed} of {users} users could not be prepared; most often: {reason} ({times})"
        if failed > users * FAILED_SHARE_MAX:
            raise EnvironmentFailure(text, "check that the target is up and its data is seeded")
        self._warn("users-not-prepared", text)

    def _warn_unsettled(self, settled: Sequence[channel.Settled]) -> None:
        failed = sum(one.failed for one in settled)
        if failed:
            reason, times = _add(one.reasons for one in settled).most_common(1)[0]
            text = f"{failed} users could not settle; most often: {reason} ({times})"
            self._warn("users-not-settled", text)

    def _warn(self, code: str, text: str) -> None:
        self._on_event(WarningEvent(at_ns=monotonic_ns(), code=code, text=text))

    def _tell(self, number: int, step: str) -> None:
        self._on_event(WorkerEvent(at_ns=monotonic_ns(), worker=number, step=step))


def missing_of(reports: Sequence[channel.Delivered]) -> str:
    """Say what has been acknowledged and not arrived everywhere; empty when nothing is missing."""
    acknowledged: dict[int, int] = {}
    for report in reports:
        for scope, number in report.acknowledged.items():
            acknowledged[scope] = max(acknowledged.get(scope, 0), number)
    missing = [
        f"user {user} has {number} of {acknowledged[scope]} in {scope}"
        for report in reports
        for scope, (user, number) in sorted(report.behind.items())
        if number < acknowledged.get(scope, 0)
    ]
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return "; ".join(missing[:3]) + more


def _add(reasons: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in reasons:
        total.update(one)
    return total
