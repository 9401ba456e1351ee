"""What the executors have in common: how they are run and steered, and how their work ends.

    executors_open        a schedule says when iterations begin, whoever is free does them
    executors_closed      users begin again when they are done; their number follows a shape
    executors_iterations  the same users, until enough has been done

One task serves a user. A scenario is over at its end, when all is done, or when it is told to stop;
then what is under way may still end, as long as its graceful stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from stormproof.clients.tape import Actor
from stormproof.kernel.clock import monotonic_ns
from stormproof.load.user import Site, VirtualUser
from stormproof.model.control_order import ControlOrder

PAUSE_AFTER_FAILURE_NS = 500_000_000  # so that a failing journey does not hammer the target

Grow = Callable[[], Coroutine[Any, Any, VirtualUser | None]]  # makes one more user, if it may


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which of how many workers this is."""

    worker: int
    workers: int


class Executor(Protocol):
    """Runs one scenario's share of one worker."""

    @property
    def busy(self) -> int:
        """How many users are inside an iteration."""
        ...

    async def run(self) -> None:
        """Run the scenario from its start to its end, graceful stop included."""
        ...

    def steer(self, order: ControlOrder, at_ns: int) -> None:
        """Change the load from `at_ns` on; what has ended is not changed any more."""
        ...


class Course:
    """From when to when a scenario runs, and how far it has been steered from its plan."""

    __slots__ = ("_factor", "_is_paused", "_over", "_pacer", "end_ns", "start_ns")

    def __init__(self, site: Site, start_ns: int) -> None:
        self._pacer = site.pacer
        self.start_ns = start_ns
        self.end_ns = start_ns + site.scenario.duration_ns
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._factor = 1.0
        self._is_paused = False

    @property
    def factor(self) -> float:
        """By how much the load that is planned is multiplied; 0 in a pause."""
        return 0.0 if self._is_paused else self._factor

    @property
    def is_paused(self) -> bool:
        """Whether no iteration is to begin."""
        return self._is_paused

    def take(self, order: ControlOrder, at_ns: int) -> None:
        """Note what an order changes."""
        if order.kind == "stop":
            after(self._pacer.sleep_until(at_ns), self.finish)
        elif order.kind == "scale":
            self._factor = order.value
        else:
            self._is_paused = order.kind == "pause"

    def finish(self) -> None:
        """Let the scenario be over."""
        if not self._over.done():
            self._over.set_result(None)

    def watch(self, work: asyncio.Future[None]) -> None:
        """Let the scenario fail when `work` does."""
        work.add_done_callback(self._note_failure)

    async def until_over(self) -> None:
        """Wait for the end of the scenario's time, or for an earlier one."""
        due = self._pacer.sleep_until(self.end_ns)
        after(due, self.finish)
        try:
            await self._over
        finally:
            due.cancel()

    def _note_failure(self, work: asyncio.Future[None]) -> None:
        error = None if work.cancelled() else work.exception()
        if error is not None and not self._over.done():
            self._over.set_exception(error)


class Tasks:
    """The tasks that serve users, and how they come to their end."""

    __slots__ = ("_cut_operations", "_loop", "_site", "running")

    def __init__(self, site: Site) -> None:
        self._site = site
        self._loop = asyncio.get_running_loop()
        self._cut_operations = 0
        self.running: dict[asyncio.Task[None], Actor] = {}  # with whom they serve

    def start(self, work: Coroutine[Any, Any, None], actor: Actor) -> asyncio.Task[None]:
        """Start a task."""
        task = self._loop.create_task(work)
        self.running[task] = actor
        task.add_done_callback(self.running.pop)
        return task

    def cut_off(self, task: asyncio.Task[None]) -> None:
        """Cancel a task within its iteration; one that only thinks takes nothing along."""
        self._cut_operations += self.running[task].intended_ns <= monotonic_ns()
        task.cancel()

    async def stop_gracefully(self, cut_before: int = 0) -> None:
        """Let the last iterations end by themselves, as long as the scenario's graceful stop.

        Args:
            cut_before: how many iterations were cut before the end.
        """
        scenario, pending = self._site.scenario, set[asyncio.Task[None]]()
        if self.running:
            graceful_s = scenario.graceful_stop_ns / 1e9
            _, pending = await asyncio.wait(self.running, timeout=graceful_s)
        for task in pending:
            self.cut_off(task)
        if pending:
            self._warn("iterations-cut", f"{len(pending)} iterations were cut by the graceful stop")
        if cut_before:
            text = f"{cut_before} iterations were cut by the graceful ramp-down"
            self._warn("iterations-cut", text)
        if self._cut_operations:
            text = f"{self._cut_operations} operations were under way in iterations that were cut"
            self._warn("operations-cut", text)

    def _warn(self, code: str, text: str) -> None:
        self._site.scope.tape.warn(code, f"scenario {self._site.scenario.name}: {text}")

    async def cut(self) -> None:
        """Cancel the tasks that are left; operations under way still end as they will."""
        pending = list(self.running)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


class Growth:
    """Makes more users while the load goes on, one at a time."""

    __slots__ = ("_grow", "_task")

    def __init__(self, grow: Grow | None) -> None:
        self._grow = grow  # None when there may be no more
        self._task: asyncio.Task[None] | None = None

    def begin(self, take: Callable[[VirtualUser], None]) -> None:
        """Begin to make one more user for `take`, unless one is being made or there are enough."""
        if self._grow is not None and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._make(self._grow, take))

    def end(self) -> None:
        """Make no more."""
        self._grow = None
        if self._task is not None:
            self._task.cancel()

    async def _make(self, grow: Grow, take: Callable[[VirtualUser], None]) -> None:
        user = await grow()
        self._task = None
        if user is None:
            self._grow = None
        elif self._grow is not None:
            take(user)


def after(pacer_wait: asyncio.Future[None], call: Callable[[], None]) -> None:
    """Call `call` once a wait for an instant is over, unless it is given up."""
    pacer_wait.add_done_callback(partial(_call_unless_cancelled, call))


def _call_unless_cancelled(call: Callable[[], None], wait: asyncio.Future[None]) -> None:
    if not wait.cancelled():
        call()
