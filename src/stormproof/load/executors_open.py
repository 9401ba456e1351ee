"""`constant-arrival-rate` and `ramping-arrival-rate`: iterations begin when they are due.

Each instant goes to the user that has waited longest; one that finds nobody waiting is dropped and
counted, and calls for one more user where the plan allows it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

from stormproof.clients.tape import ITERATION_ROW
from stormproof.kernel.clock import monotonic_ns
from stormproof.load.executors import Course, Grow, Growth, Place, Tasks
from stormproof.load.user import Site, VirtualUser
from stormproof.model.control_order import ControlOrder
from stormproof.workload.choice import open_shape

ENDED = -1  # what a waiting user gets instead of an instant
_pack = ITERATION_ROW.pack


class OpenExecutor:
    """Follow a schedule with whoever is free."""

    def __init__(
        self,
        site: Site,
        users: list[VirtualUser],
        *,
        start_ns: int,
        place: Place,
        grow: Grow | None,
    ) -> None:
        self._site = site
        self._users = users
        self._growth = Growth(grow)
        self._course = Course(site, start_ns)
        self._tasks = Tasks(site)
        self._waiting: deque[asyncio.Future[int]] = deque()
        shape = open_shape(site.scenario, site.seed)
        self._arrivals = shape.arrivals(place.worker, place.workers)
        self._following: asyncio.Future[None] | None = None
        self._ended = False

    @property
    def busy(self) -> int:
        """How many users are inside an iteration."""
        return len(self._tasks.running) - len(self._waiting)

    async def run(self) -> None:
        """Run the scenario from its start to its end, graceful stop included."""
        for user in self._users:
            self._serve(user)
        self._follow()
        try:
            await self._course.until_over()
            self._end()
            await self._tasks.stop_gracefully()
        finally:
            self._end()
            await self._tasks.cut()

    def steer(self, order: ControlOrder, at_ns: int) -> None:
        """Change the rate, or end the scenario, from `at_ns` on."""
        course = self._course
        course.take(order, at_ns)
        self._arrivals.change(
            at_ns - course.start_ns, 0.0 if order.kind == "stop" else course.factor
        )
        if not self._ended:
            self._follow()

    def _follow(self) -> None:
        """Follow the schedule from the instant on that is next, as it is now."""
        if self._following is not None:
            self._following.cancel()
        self._following = self._site.pacer.follow(self._instants(), self._release)
        self._course.watch(self._following)

    def _instants(self) -> Iterator[int]:
        start_ns = self._course.start_ns
        return (start_ns + offset_ns for offset_ns in self._arrivals)

    def _serve(self, user: VirtualUser) -> None:
        self._tasks.start(self._work(user), user.actor)

    def _release(self, instant_ns: int) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(instant_ns)
                return
        scope = self._site.scope
        scope.row(scope.dropped, False, instant_ns, instant_ns, instant_ns)
        self._growth.begin(self._join)

    def _join(self, user: VirtualUser) -> None:
        self._users.append(user)
        self._serve(user)

    def _end(self) -> None:
        self._ended = True
        self._growth.end()
        if self._following is not None:
            self._following.cancel()
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
            tape.rows += _pack(series, intended_ns, start_ns, monotonic_ns())
