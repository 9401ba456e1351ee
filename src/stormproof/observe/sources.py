"""Read sources of figures again and again, and write down every reading and every silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from stormproof.kernel.errors import SourceSilent
from stormproof.kernel.units import SECOND_NS, duration_text
from stormproof.model.plan import PlannedSource
from stormproof.observe.readings import Readings
from stormproof.seams import Clock, Source

LAST_READING_NS_MAX: Final = 2 * SECOND_NS  # what a run's end waits for it


class Watched(NamedTuple):
    """A source, and how the plan reads it."""

    source: Source
    planned: PlannedSource


class Sources:
    """Read sources side by side, each on its own fixed grid of instants, and when marked.

    A mark is an edge of what is judged: the beginning or the end of the load, of a fault. What a
    counter grew by between two edges is then known, and not only between two grid points. One more
    reading is taken when the watching ends. A source that fails in a way that it does not tell
    of is a fault of ours: a miss and a warning, and the run goes on.

    Args:
        readings: where they are written down.
        clock: to say when.
        needed: names of sources that objectives ask; the others are given up when they say that
            there is nothing to read.
        tell: called once with each source that was given up, and why.
    """

    def __init__(
        self,
        readings: Readings,
        clock: Clock,
        needed: Collection[str],
        tell: Callable[[str], None],
    ) -> None:
        self._readings = readings
        self._clock = clock
        self._needed = needed
        self._tell = tell
        self._marks: list[asyncio.Event] = []
        self._given_up: set[str] = set()

    def mark(self) -> None:
        """Have every source read now."""
        for one in self._marks:
            one.set()

    async def watch(self, sources: Sequence[Watched]) -> None:
        """Read until cancelled.

        Raises:
            EnvironmentFailure: the record cannot be written.
        """
        self._marks = [asyncio.Event() for _ in sources]
        repeating = [
            asyncio.ensure_future(self._repeat(one, mark))
            for one, mark in zip(sources, self._marks, strict=True)
        ]
        try:
            await asyncio.gather(*repeating)
        finally:
            for task in repeating:
                task.cancel()
            await asyncio.gather(*repeating, return_exceptions=True)
            await asyncio.gather(*(self._read_last(one) for one in sources))

    async def _repeat(self, watched: Watched, mark: asyncio.Event) -> None:
        due_ns = self._clock.now_ns()
        interval_ns = watched.planned.interval_ns
        while True:
            mark.clear()
            await self._read(watched, watched.planned.timeout_ns)
            if watched.source.name in self._given_up:
                return
            now_ns = self._clock.now_ns()
            if now_ns >= due_ns:
                due_ns += -(-(now_ns - due_ns + 1) // interval_ns) * interval_ns
            with suppress(TimeoutError):
                async with asyncio.timeout((due_ns - now_ns) / SECOND_NS):
                    await mark.wait()

    async def _read_last(self, watched: Watched) -> None:
        if watched.source.name not in self._given_up:
            await self._read(watched, min(watched.planned.timeout_ns, LAST_READING_NS_MAX))

    async def _read(self, watched: Watched, timeout_ns: int) -> None:
        name, start_ns = watched.source.name, self._clock.now_ns()
        try:
            async with asyncio.timeout(timeout_ns / SECOND_NS):
                given = await watched.source.read()
        except TimeoutError:
            error = f"no answer within {duration_text(timeout_ns)}"
            self._readings.miss(name, start_ns, self._clock.now_ns(), error)
        except SourceSilent as silence:
            self._readings.miss(name, start_ns, self._clock.now_ns(), silence.why)
            if silence.is_absent and name not in self._needed:
                self._given_up.add(name)
                self._tell(f"{name} gives no figures: {silence.why}")
        except Exception as fault:  # noqa: BLE001 - a source that fails must not end the run
            self._readings.fault(name, start_ns, self._clock.now_ns(), fault)
        else:
            self._readings.take(name, start_ns, self._clock.now_ns(), given)
