"""Wire the sources of figures of a plan: who is read, where it is written, when it is marked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from stormproof.cli.live import LiveState
from stormproof.cli.stack_sources import StackSources
from stormproof.model.event import Event, FaultEvent, FaultStep, Phase, PhaseEvent
from stormproof.model.observed import SERVING_PARTS, TARGET
from stormproof.model.plan import Plan, PlannedSource
from stormproof.observe.readings import Readings
from stormproof.observe.scrape import Scrape
from stormproof.observe.sources import Sources, Watched
from stormproof.rules.fault_figures import sources_asked
from stormproof.seams import Clock, ReadingSink, Source

EDGES: Final = (Phase.WARMUP, Phase.LOAD, Phase.DRAIN)
FAULT_EDGES: Final = (FaultStep.INTENT, FaultStep.INJECTED, FaultStep.UNDONE)
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
        stack: what is read of the stack and its servers.
    """

    def __init__(
        self,
        plan: Plan,
        sink: ReadingSink,
        clock: Clock,
        state: LiveState,
        on_warning: Callable[[Event], None],
        headers: Mapping[str, str],
        stack: StackSources,
    ) -> None:
        self._plan = plan
        self._stack = stack
        self._state = state
        self._headers = headers
        needed = {name for one in plan.objectives for name in sources_asked(one)}
        readings = Readings(sink, on_warning, state.on_reading)
        self._sources = Sources(readings, clock, needed, state.tell)

    async def watch(self, base_url: str) -> None:
        """Read every source of the plan until cancelled.

        Raises:
            EnvironmentFailure: the record cannot be written, or a file of TLS not be used.
        """
        watched = [
            Watched(source, one)
            for one in self._plan.sources
            for source in self._named(one, base_url)
        ]
        try:
            await self._sources.watch(watched)
        finally:
            await self._stack.close()

    def _named(self, planned: PlannedSource, base_url: str) -> list[Source]:
        """Return what reads the source that the plan names."""
        if planned.name == TARGET:
            return [source_of(planned, self._plan, base_url, self._headers)]
        if planned.name in SERVING_PARTS:
            return [Scrape(planned, url) for url in self._stack.urls_of(planned.name)]
        return self._stack.named(planned.name)

    def on_event(self, event: Event) -> None:
        """Show an event, and have the sources read at once where it is an edge."""
        self._state.on_event(event)
        self._stack.note(event)
        if is_edge(event):
            self._sources.mark()


def source_of(
    planned: PlannedSource, plan: Plan, base_url: str, headers: Mapping[str, str]
) -> Source:
    """Make the source of the target's own figures.

    Raises:
        EnvironmentFailure: a file of the TLS settings cannot be used.
    """
    return Scrape(planned, base_url, headers=headers, tls=plan.tls, network=plan.network)


def is_edge(event: Event) -> bool:
    """Say whether an event begins or ends what is judged by itself."""
    match event:
        case PhaseEvent():
            return event.phase in EDGES
        case FaultEvent():
            return event.step in FAULT_EDGES
        case _:
            return False
