"""`per-vu-iterations` and `shared-iterations`: the users go on until enough has been done.

What has not been begun when the time is over counts as dropped.
"""

from __future__ import annotations

import asyncio

from stormproof.clients.tape import ITERATION_ROW
from stormproof.kernel.clock import monotonic_ns
from stormproof.load.executors import Grow, Place
from stormproof.load.executors_closed import Budget, ClosedExecutor, Seat
from stormproof.load.user import Site, VirtualUser
from stormproof.workload.choice import iterations_owed

_pack = ITERATION_ROW.pack


class IterationsExecutor(ClosedExecutor):
    """Do what this worker owes, with users that each begin again when they are done."""

    def __init__(
        self,
        site: Site,
        users: list[VirtualUser],
        *,
        start_ns: int,
        place: Place,
        grow: Grow | None,
    ) -> None:
        self._owed = iterations_owed(site.scenario, place.worker, place.workers) or 0
        is_shared = site.scenario.executor == "shared-iterations"
        self._common = Budget(self._owed) if is_shared else None
        self._begun = 0
        self._working = 0  # users
        super().__init__(site, users, start_ns=start_ns, place=place, grow=grow)
        if not users:
            self._course.finish()  # nobody will ever do them

    def _seat(self, user: VirtualUser) -> Seat:
        return Seat(user, self._common or Budget(self._site.scenario.iterations))

    def _end(self) -> None:
        if not self._ended:
            self._site.scope.unbegun += self._owed - self._begun
        super()._end()

    async def _work(self, seat: Seat) -> None:
        self._working += 1
        try:
            await super()._work(seat)
        finally:
            self._working -= 1
            if not self._working and not any(one.budget.left for one in self._seats):
                self._course.finish()

    async def _iterate(self, seat: Seat) -> None:
        user, budget = seat.user, seat.budget
        actor, guard = user.actor, user.guard
        tape, series = self._site.scope.tape, self._site.scope.iteration
        run = self._site.journey.run
        while True:
            start_ns = monotonic_ns()
            if start_ns >= seat.until_ns or not budget.left:
                actor.intended_ns, seat.until_ns = start_ns, 0
                return
            budget.left -= 1
            self._begun += 1
            intended_ns = guard.intended_ns = actor.intended_ns
            guard.start_ns = start_ns
            await run(user)
            guard.start_ns = 0
            ended_ns = monotonic_ns()
            tape.rows += _pack(series, intended_ns, start_ns, ended_ns)
            if actor.intended_ns == intended_ns:
                await asyncio.sleep(0)  # it did nothing: let others have the loop
                actor.intended_ns = ended_ns
