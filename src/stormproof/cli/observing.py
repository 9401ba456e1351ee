"""Wire the sources of figures of a plan: who is read, where it is written, when it is marked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from stormproof.cli.live import TARGET, LiveState
from stormproof.kernel.errors import OwnFault
from stormproof.model.event import Event, FaultEvent, FaultStep, Phase, PhaseEvent
from stormproof.model.observed import is_observed
from stormproof.model.plan import Plan, PlannedSource
from stormproof.observe.readings import Readings
from stormproof.observe.scrape import Scrape
from stormproof.observe.sources import Sources, Watched
from stormproof.seams import Clock, ReadingSink, Source

EDGES: Final = (Phase.WARMUP, Phase.LOAD, Phase.DRAIN)
FAULT_EDGES: Final = (FaultStep.INJECTED, FaultStep.UNDONE)
Watch = Callable[[str], Awaitable[None]]


class Observing:
    """Read the sources of a plan, and tell the live view what they and the run say.

    Args:
        plan: of the run.
        sink: keeps the readings.
        clock: to say when.
        state: of the live view.
        on_warning: records what was left out, and tells it.
        headers: values of those that every request to the target carries.
    """

    def __init__(
        self,
        plan: Plan,
        sink: ReadingSink,
        clock: Clock,
        state: LiveState,
        on_warning: Callable[[Event], None],
        headers: Mapping[str, str],
    ) -> None:
        self._plan = plan
        self._state = state
        self._headers = headers
        needed = {
            one.metric.partition(":")[0] for one in plan.objectives if is_observed(one.metric)
        }
        readings = Readings(sink, on_warning, state.on_reading)
        self._sources = Sources(readings, clock, needed, state.tell)

    async def watch(self, base_url: str) -> None:
        """Read every source of the plan until cancelled.

        Raises:
            EnvironmentFailure: the record cannot be written, or a file of TLS not be used.
        """
        plan, headers = self._plan, self._headers
        watched = [Watched(source_of(one, plan, base_url, headers), one) for one in plan.sources]
        await self._sources.watch(watched)

    def on_event(self, event: Event) -> None:
        """Show an event, and have the sources read at once where it is an edge."""
        self._state.on_event(event)
        if is_edge(event):
            self._sources.mark()


def source_of(
    planned: PlannedSource, plan: Plan, base_url: str, headers: Mapping[str, str]
) -> Source:
    """Make the source that a plan names.

    Raises:
        EnvironmentFailure: a file of the TLS settings cannot be used.
    """
    if planned.name == TARGET:
        return Scrape(planned, base_url, headers=headers, tls=plan.tls, network=plan.network)
    raise OwnFault(f"nothing reads the source {planned.name!r}")


def is_edge(event: Event) -> bool:
    """Say whether an event begins or ends what is judged by itself."""
    match event:
        case PhaseEvent():
            return event.phase in EDGES
        case FaultEvent():
            return event.step in FAULT_EDGES
        case _:
            return False
