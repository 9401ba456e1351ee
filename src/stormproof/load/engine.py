"""The engine of one worker: its users, from their preparation to the end of their scenarios."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from typing import Final

from stormproof.clients.deadlines import Deadlines
from stormproof.clients.dialing import Dialer
from stormproof.clients.http import HttpSite
from stormproof.clients.ledger import Deliveries
from stormproof.clients.measures import MeasureBook
from stormproof.clients.tape import Scope, Tape
from stormproof.clients.target import Target
from stormproof.clients.ws_site import WsSite
from stormproof.journeys.journey import Journey
from stormproof.load.executors import Executor, Place
from stormproof.load.executors_closed import ClosedExecutor
from stormproof.load.executors_iterations import IterationsExecutor
from stormproof.load.executors_open import OpenExecutor
from stormproof.load.pacer import Pacer
from stormproof.load.preparation import FAILED_SHARE_MAX, Tally, each, step
from stormproof.load.tagging import Outfit
from stormproof.load.user import Commons, Site, VirtualUser
from stormproof.model.control_order import ControlOrder
from stormproof.model.plan import Plan, Scenario
from stormproof.workload.population import first_ids, indices_of

UNVERIFIED = "tls.insecure: no certificate was verified; whoever answered was taken for the target"
COLLECTIONS = (50_000, 50, 50)  # young objects before a collection; little here forms cycles


_KINDS: Final[dict[str, type[OpenExecutor | ClosedExecutor]]] = {
    "constant-arrival-rate": OpenExecutor,
    "ramping-arrival-rate": OpenExecutor,
    "constant-vus": ClosedExecutor,
    "ramping-vus": ClosedExecutor,
    "per-vu-iterations": IterationsExecutor,
    "shared-iterations": IterationsExecutor,
}


class _Crew:
    """One scenario's users in this worker."""

    def __init__(self, site: Site, first_id: int, place: Place) -> None:
        scenario = site.scenario
        self.site = site
        self._first_id = first_id
        self._spare = iter(
            indices_of(max(scenario.vus, scenario.max_vus), place.worker, place.workers)
        )
        own = len(indices_of(scenario.vus, place.worker, place.workers))
        self.users = [self._next() for _ in range(own)]
        self.executor: Executor | None = None

    async def grow(self) -> VirtualUser | None:
        """Make and prepare one more user; None when there may be no more."""
        for index in self._spare:
            user = self._make(index)
            prepare = self.site.journey.prepare
            if prepare is None or not await step(user, prepare):
                return user
        return None

    def _next(self) -> VirtualUser:
        return self._make(next(self._spare))

    def _make(self, index: int) -> VirtualUser:
        return VirtualUser(self.site, self._first_id + index, index)


class Engine:
    """Prepare, drive and settle this worker's share of a plan's users."""

    def __init__(
        self,
        plan: Plan,
        journeys: Sequence[Journey],
        place: Place,
        *,
        target: Target,
        tape: Tape,
        commons: Commons,
        ws_target: Target | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._place = place
        self._pacer = Pacer(loop)
        self._deadlines = Deadlines(loop)
        self._dialer = Dialer(target, tls=plan.tls, network=plan.network)
        self._ws_target, self._ws_dialer = target, self._dialer
        if ws_target is not None:
            self._ws_target = ws_target
            self._ws_dialer = Dialer(ws_target, tls=plan.tls, network=plan.network)
        if plan.tls.insecure and target.is_secure and place.worker == 0:
            tape.warn("tls-unverified", UNVERIFIED)
        self._commons = commons
        self._seed, self._target, self._tape = plan.seed, target, tape
        self.deliveries = Deliveries()
        self._measures = MeasureBook(plan.metrics)
        self.tally = Tally()
        self._crews = [
            _Crew(self._site(scenario, journey), first_id, place)
            for scenario, journey, first_id in zip(
                plan.scenarios, journeys, first_ids(plan.scenarios), strict=True
            )
        ]

    @property
    def sites(self) -> list[Site]:
        """The scenarios, in the plan's order."""
        return [crew.site for crew in self._crews]

    @property
    def users(self) -> int:
        """How many users there are."""
        return sum(len(crew.users) for crew in self._crews)

    def sleep_until(self, due_ns: int) -> asyncio.Future[None]:
        """Return a future that is done once `due_ns` has passed, to a quantum of the pacer."""
        return self._pacer.sleep_until(due_ns)

    @property
    def busy(self) -> int:
        """How many users are inside an iteration."""
        return sum(crew.executor.busy for crew in self._crews if crew.executor is not None)

    async def prepare(self) -> None:
        """Prepare all users; those that fail take no part. `tally` says how it went.

        Gives up early when so many have failed that the run makes no sense.
        """
        total = self.users

        def hopeless(tally: Tally) -> bool:
            return tally.failed > max(1, total * FAILED_SHARE_MAX)

        for crew in self._crews:
            prepare = crew.site.journey.prepare
            everybody = crew.users
            crew.users = await each(everybody, prepare, self.tally, hopeless=hopeless)
            ready = set(crew.users)
            for user in everybody:
                if user not in ready:
                    user.close()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECTIONS)

    def begin(self, origin_ns: int) -> None:
        """Get ready to drive; from now on orders are taken."""
        for crew in self._crews:
            crew.executor = self._executor(crew, origin_ns + crew.site.scenario.start_ns)

    async def drive(self) -> None:
        """Run every scenario to its end."""
        async with asyncio.TaskGroup() as group:
            for crew in self._crews:
                if crew.executor is not None:
                    group.create_task(crew.executor.run())

    def steer(self, order: ControlOrder, at_ns: int) -> None:
        """Change the load of the scenarios that an order concerns, from `at_ns` on."""
        for crew in self._crews:
            if order.scenario in ("", crew.site.scenario.name) and crew.executor is not None:
                crew.executor.steer(order, at_ns)

    async def settle(self) -> Tally:
        """Let every user settle; return how it went."""
        tally = Tally()
        for crew in self._crews:
            await each(crew.users, crew.site.journey.settle, tally, hopeless=lambda _: False)
        return tally

    def close(self) -> None:
        """Close every connection and stop the timers."""
        for crew in self._crews:
            for user in crew.users:
                user.close()
        self._deadlines.close()
        self._pacer.close()

    def lone_user(self, scenario: Scenario, journey: Journey) -> VirtualUser:
        """Make a user who takes no part in the load."""
        return VirtualUser(self._site(scenario, journey), 0, 0)

    def _site(self, scenario: Scenario, journey: Journey) -> Site:
        target = self._target
        scope = Scope(self._tape, scenario.name, scenario.tags)
        return Site(
            scenario=scenario,
            journey=journey,
            outfit=Outfit(
                scope,
                HttpSite(target, scope, self._deadlines, self._dialer),
                WsSite(self._ws_target, scope, self._deadlines, self._ws_dialer),
            ),
            deliveries=self.deliveries,
            measures=self._measures,
            pacer=self._pacer,
            commons=self._commons,
            seed=self._seed,
        )

    def _executor(self, crew: _Crew, start_ns: int) -> Executor:
        scenario = crew.site.scenario
        return _KINDS[scenario.executor](
            crew.site,
            crew.users,
            start_ns=start_ns,
            place=self._place,
            grow=crew.grow if scenario.max_vus > scenario.vus else None,
        )
