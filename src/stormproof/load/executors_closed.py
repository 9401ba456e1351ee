"""`constant-vus` and `ramping-vus`: users begin again when they are done.

How many are at work follows the scenario's shape, times what it was scaled by. A user that is to go
begins nothing more and has the graceful ramp-down to finish; one that is to come back before that
simply goes on. In a pause nobody begins, and nothing is cut.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from functools import partial

from stormproof.clients.tape import ITERATION_ROW
from stormproof.kernel.clock import monotonic_ns
from stormproof.load.executors import (
    PAUSE_AFTER_FAILURE_NS,
    Course,
    Grow,
    Growth,
    Place,
    Tasks,
    after,
)
from stormproof.load.user import Site, VirtualUser
from stormproof.model.control_order import ControlOrder
from stormproof.workload.choice import closed_shape
from stormproof.workload.population import indices_of

_pack = ITERATION_ROW.pack


class Budget:
    """How many iterations may still begin."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


UNLIMITED = Budget(0)  # nobody draws on it


class Seat:
    """A user's place in a closed scenario."""

    __slots__ = ("budget", "rested_ns", "task", "until_ns", "user")

    def __init__(self, user: VirtualUser, budget: Budget) -> None:
        self.user = user
        self.budget = budget
        self.until_ns = 0  # from then on it begins nothing more
        self.rested_ns = 0  # when it was last told so
        self.task: asyncio.Task[None] | None = None


class ClosedExecutor:
    """Keep as many users at work as the shape says."""

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
        self._place = place
        self._growth = Growth(grow)
        self._course = Course(site, start_ns)
        self._tasks = Tasks(site)
        self._seats = [self._seat(user) for user in users]
        self._coming: deque[int] = deque()  # what the plan's next changes lead to
        self._planned = 0  # users, in all workers
        self._active = 0  # the first of the seats
        self._cut = 0
        self._ended = False

    @property
    def busy(self) -> int:
        """How many users are inside an iteration."""
        return len(self._tasks.running)

    async def run(self) -> None:
        """Run the scenario from its start to its end, graceful stop included."""
        following = self._site.pacer.follow(self._instants(), self._advance)
        self._course.watch(following)
        try:
            await self._course.until_over()
            following.cancel()
            self._end()
            await self._tasks.stop_gracefully(self._cut)
        finally:
            following.cancel()
            self._end()
            await self._tasks.cut()

    def steer(self, order: ControlOrder, at_ns: int) -> None:
        """Change the number of users, or end the scenario, from `at_ns` on."""
        change = partial(self._change, order, at_ns)
        after(self._site.pacer.sleep_until(at_ns), change)

    def _change(self, order: ControlOrder, at_ns: int) -> None:
        self._course.take(order, at_ns)
        self._apply(at_ns)

    def _instants(self) -> Iterator[int]:
        for offset_ns, users in closed_shape(self._site.scenario).changes():
            self._coming.append(users)
            yield self._course.start_ns + offset_ns

    def _advance(self, instant_ns: int) -> None:
        self._planned = self._coming.popleft()
        self._apply(instant_ns)

    def _apply(self, at_ns: int) -> None:
        """Let as many users of this worker be at work as there should be from `at_ns` on."""
        if self._ended:
            return
        own = self._wanted()
        while self._active < min(own, len(self._seats)):
            self._activate(self._seats[self._active], at_ns)
            self._active += 1
        while self._active > own:
            self._active -= 1
            self._rest(self._seats[self._active], at_ns)
        if own > len(self._seats):
            self._growth.begin(self._join)

    def _wanted(self) -> int:
        everywhere = round(self._planned * self._course.factor)
        scenario = self._site.scenario
        users = min(everywhere, max(scenario.vus, scenario.max_vus))
        return len(indices_of(users, self._place.worker, self._place.workers))

    def _join(self, user: VirtualUser) -> None:
        self._users.append(user)
        self._seats.append(self._seat(user))
        self._apply(monotonic_ns())

    def _seat(self, user: VirtualUser) -> Seat:
        return Seat(user, UNLIMITED)

    def _activate(self, seat: Seat, at_ns: int) -> None:
        seat.until_ns = self._course.end_ns
        if seat.task is None or seat.task.done():
            seat.user.actor.intended_ns = at_ns
            seat.task = self._tasks.start(self._work(seat), seat.user.actor)

    def _rest(self, seat: Seat, at_ns: int) -> None:
        seat.until_ns, seat.rested_ns = 0, at_ns
        if not self._course.is_paused:
            due_ns = at_ns + self._site.scenario.graceful_ramp_down_ns
            after(self._site.pacer.sleep_until(due_ns), partial(self._cut_off, seat, at_ns))

    def _cut_off(self, seat: Seat, rested_ns: int) -> None:
        """Cut the iteration of a user that was to go at `rested_ns` and is still at it."""
        is_still_gone = seat.until_ns == 0 and seat.rested_ns == rested_ns
        if is_still_gone and seat.task is not None and not seat.task.done() and not self._ended:
            seat.user.guard.start_ns = 0  # what its sockets still say is no iteration's any more
            self._tasks.cut_off(seat.task)
            self._cut += 1

    def _end(self) -> None:
        self._ended = True
        self._growth.end()
        for seat in self._seats:
            seat.until_ns = 0

    async def _work(self, seat: Seat) -> None:
        """Serve one user as long as it may begin; a failed iteration is caught."""
        user, actor = seat.user, seat.user.actor
        while actor.intended_ns < seat.until_ns:
            with user.guard:
                await self._iterate(seat)
            if user.guard.why:
                actor.intended_ns = monotonic_ns() + PAUSE_AFTER_FAILURE_NS
                await self._site.pacer.sleep_until(min(actor.intended_ns, self._course.end_ns))

    async def _iterate(self, seat: Seat) -> None:
        user = seat.user
        actor, guard = user.actor, user.guard
        tape, series = self._site.scope.tape, self._site.scope.iteration
        run = self._site.journey.run
        start_ns = monotonic_ns()
        while start_ns < seat.until_ns:
            intended_ns = guard.intended_ns = actor.intended_ns
            guard.start_ns = start_ns
            await run(user)
            guard.start_ns = 0
            ended_ns = monotonic_ns()
            tape.rows += _pack(series, intended_ns, start_ns, ended_ns)
            start_ns = ended_ns
            if actor.intended_ns == intended_ns:
                await asyncio.sleep(0)  # it did nothing: let others have the loop
                actor.intended_ns, start_ns = ended_ns, monotonic_ns()
        actor.intended_ns = start_ns
