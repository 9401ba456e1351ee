"""The executors: how the users of one scenario are set to work, and how their work ends.

One task serves a user for the whole load. The open executor hands each instant to the user that has
waited longest; an instant that finds nobody waiting is dropped and counted, and calls for one
more user where the plan allows it. The closed executor lets every user begin again at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from stormproof.clients.tape import ROW
from stormproof.kernel.clock import monotonic_ns
from stormproof.load.user import Site, VirtualUser
from stormproof.workload.arrival import ConstantArrivalRate

ENDED = -1  # what a waiting user gets instead of an instant
PAUSE_AFTER_FAILURE_NS = 500_000_000  # so that a failing journey does not hammer the target
_pack = ROW.pack


class Executor(Protocol):
    """Runs one scenario's share of one worker."""

    @property
    def busy(self) -> int:
        """How many users are inside an iteration."""
        ...

    async def run(self, start_ns: int) -> None:
        """Run the scenario from `start_ns` to its end, graceful stop included."""
        ...


class OpenExecutor:
    """`constant-arrival-rate`: iterations begin when they are due, whoever is free does them."""

    def __init__(
        self,
        site: Site,
        users: list[VirtualUser],
        *,
        segment: int,
        segments: int,
        grow: Callable[[], Coroutine[Any, Any, VirtualUser | None]] | None,
    ) -> None:
        self._site = site
        self._users = users
        self._segment = segment
        self._segments = segments
        self._grow = grow  # makes one more user; None when there may be no more
        self._growing: asyncio.Task[None] | None = None
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False

    @property
    def busy(self) -> int:
        """How many users are inside an iteration."""
        return len(self._tasks) - len(self._waiting)

    async def run(self, start_ns: int) -> None:
        """Run the scenario from `start_ns` to its end, graceful stop included."""
        scenario = self._site.scenario
        schedule = ConstantArrivalRate(
            rate=scenario.rate,
            time_unit_ns=scenario.time_unit_ns,
            duration_ns=scenario.duration_ns,
        )
        instants = schedule.instants_ns(self._segment, self._segments)
        for user in self._users:
            self._serve(user)
        try:
            await self._site.pacer.follow((start_ns + one for one in instants), self._release)
            await self._site.pacer.sleep_until(start_ns + scenario.duration_ns)
            self._end()
            await stop_gracefully(self._tasks, self._site)
        finally:
            self._end()
            await cut(self._tasks)

    def _serve(self, user: VirtualUser) -> None:
        task = asyncio.get_running_loop().create_task(self._work(user))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _release(self, instant_ns: int) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(instant_ns)
                return
        scope = self._site.scope
        scope.row(scope.dropped, False, instant_ns, instant_ns, instant_ns)
        if self._grow is not None and self._growing is None:
            self._growing = asyncio.get_running_loop().create_task(self._add_user(self._grow))

    async def _add_user(self, grow: Callable[[], Coroutine[Any, Any, VirtualUser | None]]) -> None:
        user = await grow()
        self._growing = None
        if user is None:
            self._grow = None
        elif not self._ended:
            self._users.append(user)
            self._serve(user)

    def _end(self) -> None:
        self._ended = True
        if self._growing is not None:
            self._growing.cancel()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(ENDED)

    async def _work(self, user: VirtualUser) -> None:
        """Serve one user until the end; a failed iteration is caught and the next one begun."""
        while not self._ended:
            with user.guard:
                await self._iterate(user)

    async def _iterate(self, user: VirtualUser) -> None:
        create_future = asyncio.get_running_loop().create_future
        waiting = self._waiting
        actor, guard = user.actor, user.guard
        tape, series = self._site.scope.tape, self._site.scope.iteration
        run = self._site.journey.run
        while not self._ended:
            waiter: asyncio.Future[int] = create_future()
            waiting.append(waiter)
            intended_ns = await waiter
            if intended_ns == ENDED:
                return
            actor.intended_ns = guard.intended_ns = intended_ns
            guard.start_ns = start_ns = monotonic_ns()
            await run(user)
            guard.start_ns = 0
            tape.rows += _pack(series, 0, 0, 0, intended_ns, start_ns, monotonic_ns())


class ClosedExecutor:
    """`constant-vus`: every user begins its next iteration when the last one has ended."""

    def __init__(self, site: Site, users: list[VirtualUser]) -> None:
        self._site = site
        self._users = users
        self._tasks: set[asyncio.Task[None]] = set()
        self._end_ns = 0

    @property
    def busy(self) -> int:
        """How many users are inside an iteration."""
        return len(self._tasks)

    async def run(self, start_ns: int) -> None:
        """Run the scenario from `start_ns` to its end, graceful stop included."""
        self._end_ns = start_ns + self._site.scenario.duration_ns
        await self._site.pacer.sleep_until(start_ns)
        loop = asyncio.get_running_loop()
        for user in self._users:
            user.actor.intended_ns = start_ns
            task = loop.create_task(self._work(user))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await self._site.pacer.sleep_until(self._end_ns)
            await stop_gracefully(self._tasks, self._site)
        finally:
            await cut(self._tasks)

    async def _work(self, user: VirtualUser) -> None:
        actor = user.actor
        while actor.intended_ns < self._end_ns:
            with user.guard:
                await self._iterate(user)
            if user.guard.why:
                actor.intended_ns = monotonic_ns() + PAUSE_AFTER_FAILURE_NS
                await self._site.pacer.sleep_until(min(actor.intended_ns, self._end_ns))

    async def _iterate(self, user: VirtualUser) -> None:
        actor, guard = user.actor, user.guard
        tape, series = self._site.scope.tape, self._site.scope.iteration
        run, end_ns = self._site.journey.run, self._end_ns
        while True:
            start_ns = monotonic_ns()
            if start_ns >= end_ns:
                actor.intended_ns = start_ns
                return
            intended_ns = guard.intended_ns = actor.intended_ns
            guard.start_ns = start_ns
            await run(user)
            guard.start_ns = 0
            ended_ns = monotonic_ns()
            tape.rows += _pack(series, 0, 0, 0, intended_ns, start_ns, ended_ns)
            if actor.intended_ns == intended_ns:
                await asyncio.sleep(0)  # it did nothing: let others have the loop
                actor.intended_ns = ended_ns


async def stop_gracefully(tasks: set[asyncio.Task[None]], site: Site) -> None:
    """Let the last iterations end by themselves, as long as the scenario's graceful stop."""
    if not tasks:
        return
    scenario = site.scenario
    _, pending = await asyncio.wait(tasks, timeout=scenario.graceful_stop_ns / 1e9)
    if pending:
        text = f"scenario {scenario.name}: {len(pending)} iterations were cut by the graceful stop"
        site.scope.tape.warn("iterations-cut", text)


async def cut(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel the tasks that are left; operations under way still end as they will."""
    pending = list(tasks)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
