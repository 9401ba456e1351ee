"""The workers of one machine: processes of our own, told over socket pairs what to do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.errors import BadInput, EnvironmentFailure, Problem
from stormproof.load import channel
from stormproof.load.once import SETUP_S
from stormproof.load.preparation import FAILED_SHARE_MAX
from stormproof.load.remote import Remote, WorkerDied
from stormproof.load.undoing import clean_up, tear_down
from stormproof.model.control_order import ControlOrder, concerned, refuse_unless_possible
from stormproof.model.event import ControlEvent, Event, WarningEvent, WorkerEvent
from stormproof.model.plan import Plan
from stormproof.model.series import Frame, Series

DRIVE_PATIENCE_NS = 15_000_000_000  # after the last scenario must have ended
SILENT_S_MAX = 20  # frames come every second
PREPARE_S = 30.0  # beside the time that the users take
PREPARED_PER_S_MIN = 50  # users
DELIVERED_S = 10.0  # for one answer
QUIET_S = 1.0  # after all has arrived: what comes twice comes late
POLL_S = 0.2
STEER_LEAD_NS = 200_000_000  # from an order to its instant: every worker has heard of it by then
STEERED_S = 5.0
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
        headers: that every request carries besides our own.
        on_trace: called with the first requests and answers, as text; None: they are not told.
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
        headers: Mapping[str, str] | None = None,
        on_trace: Callable[[str], None] | None = None,
    ) -> None:
        self._argv = list(worker_argv)
        self._plan = plan
        self._run_dir = run_dir
        self._cores = list(cores)
        self._on_frame = on_frame
        self._on_event = on_event
        self._headers = dict(headers or {})
        self._on_trace = on_trace
        self._remotes: list[Remote] = []
        self._origin_ns = 0  # while the load runs
        self._steering = asyncio.Lock()
        self._factors: dict[str, float] = {}  # what scenarios have been scaled by
        self._once: Remote | None = None  # the worker that set up
        self._is_set_up = False

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
            WorkerDied: a worker is gone, or is not ready in time.
            EnvironmentFailure: the set-up fails, or the target refuses too many users.
            BadInput: what the set-up hands over is no JSON.
        """
        (self._run_dir / "logs").mkdir(exist_ok=True)
        for number in range(self._plan.workers):
            remote = await self._start(number)
            remote.send(self._assignment(number, base_url))
        data = await self._set_up()
        waiting = [remote.expect(channel.Prepared) for remote in self._remotes]
        for remote in self._remotes:
            remote.send(channel.Prepare(data=data))
        patience_s = PREPARE_S + self.users / PREPARED_PER_S_MIN
        prepared = await self._answers(waiting, patience_s, "prepare its users")
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
        silence = asyncio.ensure_future(self._watch_silence())
        self._origin_ns = origin_ns
        try:
            async with asyncio.timeout((latest_ns - monotonic_ns()) / 1e9):
                await self._ask_all(channel.Drive(origin_ns=origin_ns), channel.Driven)
        except TimeoutError:
            raise WorkerDied("a worker does not end its scenarios") from None
        finally:
            self._origin_ns = 0
            silence.cancel()
        for remote in self._remotes:
            self._tell(remote.number, "finished")

    async def steer(self, order: ControlOrder) -> None:
        """Change the load in all workers at the same instant, and record it.

        Raises:
            BadInput: there is no such scenario, or no load to steer.
            EnvironmentFailure: a worker is gone, or does not take it in time.
        """
        async with self._steering:
            refuse_unless_possible(order, self._plan, self._factors)
            if not self._origin_ns:
                fix = "while its phase is warmup or load"
                raise BadInput([Problem(where="ctl", what="the load is not running", fix=fix)])
            at_ns = max(self._origin_ns, monotonic_ns() + STEER_LEAD_NS)
            waiting = [remote.expect(channel.Steered) for remote in self._remotes]
            for remote in self._remotes:
                remote.send(channel.Steer(order=order, at_ns=at_ns))
            await self._answers(waiting, STEERED_S, "take the order")
            if order.kind == "scale":
                self._factors |= dict.fromkeys(concerned(order, self._plan), order.value)
            self._on_event(
                ControlEvent(
                    at_ns=at_ns, kind=order.kind, scenario=order.scenario, value=order.value
                )
            )

    async def drain(self, deadline_ns: int) -> tuple[bool, str]:
        """Let every user settle, then wait until all that was acknowledged has arrived everywhere.

        Once it has, listen for QUIET_S more, so that what arrives twice is seen.

        Args:
            deadline_ns: the instant to give up at; the quiet may end after it.

        Returns:
            Whether it has, and what is missing.

        Raises:
            WorkerDied: a worker is gone, or does not tell what it has received.
        """
        try:
            async with asyncio.timeout((deadline_ns - monotonic_ns()) / 1e9):
                settled = await self._ask_all(channel.Settle(), channel.Settled)
                self._warn_unsettled(settled)
        except TimeoutError:
            text = "not every user could settle before the deadline"
            self._warn("users-not-settled", text)
            return False, text
        is_quiet = False
        while True:
            missing = await self._missing()
            if missing and monotonic_ns() >= deadline_ns:
                return False, missing
            if not missing and is_quiet:
                return True, ""
            is_quiet = not missing
            await asyncio.sleep(QUIET_S if is_quiet else POLL_S)

    async def stop(self) -> None:
        """Clean up, then end all workers, their segments closed; safe to call twice.

        Raises:
            EnvironmentFailure: a worker could not write its last frames.
        """
        try:
            await clean_up(self._remotes, self._warn)
            once, is_set_up = self._once, self._is_set_up
            await tear_down(self._remotes, self._plan, once, is_set_up=is_set_up, warn=self._warn)
        finally:
            await self._end()

    async def _end(self) -> None:
        ended = await asyncio.gather(
            *(remote.stop() for remote in self._remotes), return_exceptions=True
        )
        self._remotes = []
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def _set_up(self) -> bytes:
        """Run the set-up, where there is one, in the first worker; return what it hands over."""
        source = self._plan.setup
        if source is None:
            return b"null"
        self._once = self._remotes[0]
        waiting = self._once.expect(channel.SetUpDone)
        self._once.send(channel.SetUp())
        try:
            async with asyncio.timeout(SETUP_S + PREPARE_S):
                done = await waiting
        except TimeoutError:
            raise WorkerDied("the set-up does not end", f"see {self._run_dir / 'logs'}") from None
        if done.problem:
            fix = "return texts, numbers, lists and objects with texts as keys"
            raise BadInput([Problem(where=str(source), what=done.problem, fix=fix)])
        if done.why:
            fix = "look at the target, and at the failures in the record"
            raise EnvironmentFailure(f"the set-up {source} failed: {done.why}", fix)
        self._is_set_up = True
        return done.data

    async def _start(self, number: int) -> Remote:
        remote = Remote(
            number,
            on_frame=self._on_frame,
            on_event=self._on_event,
            on_trace=self._on_trace,
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
            headers=self._headers,
            traced=self._on_trace is not None,
        )

    async def _watch_silence(self) -> None:
        """Give up on a worker that has sent nothing for long: its loop does not turn any more."""
        while True:
            await asyncio.sleep(1)
            for remote in self._remotes:
                remote.silent_s += 1
                if remote.silent_s == SILENT_S_MAX:
                    remote.give_up(f"worker {remote.number} is silent for {SILENT_S_MAX} s")

    async def _missing(self) -> str:
        """Say what has been acknowledged and not arrived everywhere by now."""
        waiting = [remote.expect(channel.Delivered) for remote in self._remotes]
        for remote in self._remotes:
            remote.send(channel.AskDelivered())
        return missing_of(await self._answers(waiting, DELIVERED_S, "tell what it has received"))

    async def _answers(
        self, waiting: Sequence[asyncio.Future[_Report]], patience_s: float, work: str
    ) -> list[_Report]:
        """Await one answer of each worker; name those that give none in time."""
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.gather(*waiting)
        except TimeoutError:
            late = [
                f"worker {remote.number}"
                for remote, answer in zip(self._remotes, waiting, strict=True)
                if answer.cancelled()
            ]
            what = f"{', '.join(late)} did not {work} within {patience_s:.0f} s"
            raise WorkerDied(what, f"see {self._run_dir / 'logs'}") from None

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
