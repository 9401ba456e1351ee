"""Engines in the test's own loop: several workers' shares of one plan, with what they wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from tests.integration.load.fleets import make_plan, scenario

from stormproof.clients.tape import Tape
from stormproof.clients.target import parse_target
from stormproof.journeys.journey import Journey
from stormproof.kernel.clock import monotonic_ns
from stormproof.load.binning import rows_of
from stormproof.load.engine import Engine
from stormproof.load.executors import Place
from stormproof.load.feeds import FeedDesk
from stormproof.load.user import Commons, VirtualUser
from stormproof.model.control_order import ControlKind, ControlOrder
from stormproof.model.plan import Scenario

NOWHERE = "http://127.0.0.1:9"  # journeys of these tests ask nobody
LEAD_NS = 50_000_000

Run = Callable[[VirtualUser], Awaitable[None]]


def shaped(name: str = "read", **fields: Any) -> Scenario:
    """Make a scenario with fields of its executor's own."""
    return msgspec.structs.replace(scenario(name, executor="constant-vus", vus=1), **fields)


@dataclass(slots=True, kw_only=True)
class Rig:
    """One or more engines that share a plan, and the instant their load began."""

    engines: list[Engine]
    tapes: list[Tape]
    origin_ns: int = 0

    def begin(self) -> None:
        """Set the origin; from now on the engines can be steered."""
        self.origin_ns = monotonic_ns() + LEAD_NS
        for engine in self.engines:
            engine.begin(self.origin_ns)

    async def drive(self) -> None:
        """Run to the end, or fail after a while that no test needs."""
        if not self.origin_ns:
            self.begin()
        async with asyncio.timeout(15):
            await asyncio.gather(*(engine.drive() for engine in self.engines))
        for engine in self.engines:
            engine.close()

    def steer(self, kind: ControlKind, after_s: float, value: float = 0.0) -> None:
        """Give an order for an instant after the origin to all engines."""
        at_ns = self.origin_ns + int(after_s * 1e9)
        for engine in self.engines:
            engine.steer(ControlOrder(kind=kind, value=value), at_ns)

    def rows(self, metric: str) -> list[tuple[int, int]]:
        """Return (intended, start), as offsets from the origin, of all rows of a metric."""
        found = []
        for tape in self.tapes:
            for row in rows_of(bytes(tape.rows)):
                if tape.series[int(row["series"])].metric == metric:
                    intended_ns, start_ns = int(row["intended_ns"]), int(row["start_ns"])
                    found.append((intended_ns - self.origin_ns, start_ns - self.origin_ns))
        return sorted(found)

    @property
    def unbegun(self) -> int:
        """How many iterations were owed and not begun."""
        return sum(site.scope.unbegun for engine in self.engines for site in engine.sites)

    @property
    def warnings(self) -> list[str]:
        """The texts of all warnings."""
        return [one.text for tape in self.tapes for one in tape.warnings]


def rig(run: Run, *scenarios: Scenario, workers: int = 1) -> Rig:
    """Make the engines of so many workers; every scenario runs the journey `run`."""
    plan = make_plan(*scenarios, workers=workers)
    journeys = [Journey(name="test", run=run) for _ in scenarios]
    tapes = [Tape(number) for number in range(workers)]
    engines = [
        Engine(
            plan,
            journeys,
            Place(worker=number, workers=workers),
            target=parse_target(NOWHERE),
            tape=tape,
            commons=Commons(feeds=FeedDesk({}, worker=number, workers=workers, warn=tape.warn)),
        )
        for number, tape in enumerate(tapes)
    ]
    return Rig(engines=engines, tapes=tapes)
