"""The seams: where one implementation can stand in for another. Open this file first.

    cli wires them -> run drives a Stack and a Fleet -> workers follow a Schedule into a Recorder
    -> the keeper breaks things with Faults

Each has at most four methods. `stormproof.cli.compose` wires what a run works with; a plan's words
choose the rest: `faults.catalog` the fault, `load.executors` the schedule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from stormproof.model.control_order import ControlOrder
from stormproof.model.event import Event, Failure, ProbeSample
from stormproof.model.observed import Observed
from stormproof.model.plan import PlannedFault
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.model.series import Frame, Series


class Clock(Protocol):
    """Tell the time; replaced by `stormproof.testing.ManualClock` in tests."""

    def now_ns(self) -> int:
        """Return CLOCK_MONOTONIC in nanoseconds."""
        ...

    def wall_ns(self) -> int:
        """Return the wall clock in nanoseconds since the epoch."""
        ...


class Schedule(Protocol):
    """The intended instants of an open executor: pure, without time or threads."""

    def instants_ns(self, segment: int, segments: int) -> Iterator[int]:
        """Yield offsets from the scenario's start, rising; the union over all segments of
        `segments` is exactly the one-process schedule."""
        ...


class Recorder(Protocol):
    """A batch sink for what one process observed; what it took survives the process's death.

    Raises EnvironmentFailure when the disk is full.
    """

    def events(self, events: Sequence[Event], *, sync: bool = False) -> None:
        """Append events; with `sync` return only once they are on disk."""
        ...

    def frame(self, frame: Frame, series: Sequence[Series], failures: Sequence[Failure]) -> None:
        """Append one second of a worker, after the series it mentions for the first time."""
        ...

    def ledger(self, entries: bytes) -> None:
        """Append packed ledger entries (`model.ledger.ENTRY`), a whole number of them."""
        ...

    def probes(self, samples: Sequence[ProbeSample]) -> None:
        """Append answers of probes."""
        ...


class Fault(Protocol):
    """Break one thing and make it whole again; run by the keeper, which journals the intent first.

    Each returns what it saw, for people. Raises FaultRefused when it cannot do its work.
    """

    async def inject(self) -> str:
        """Break it; return once it is broken."""
        ...

    async def witness(self) -> str | None:
        """Return evidence that it bites; None when there is none."""
        ...

    async def undo(self) -> str:
        """Make it whole; safe to call twice.

        Raises:
            FaultLapsed: it had ended by itself before.
        """
        ...

    async def residue(self) -> str | None:
        """Return what is left of it; None when nothing is."""
        ...


@runtime_checkable
class MayLapse(Protocol):
    """A fault that others can end, and that sees it when it looks."""

    async def lapse(self) -> str | None:
        """Return what shows that it is not in force any more; None while it is."""
        ...


class Stack(Protocol):
    """Where the target runs; everything it starts is stopped by somebody else if we die."""

    async def start(self) -> str:
        """Start all parts in order; return the target's base URL once they are up.

        Raises EnvironmentFailure when a part does not come up in time.
        """
        ...

    async def inject(self, fault: PlannedFault) -> int:
        """Inject a fault and return once it is witnessed (or known not to bite).

        The answer is the instant from which on it was in force.
        """
        ...

    async def undo(self, fault: PlannedFault) -> None:
        """Undo a fault and check for residue; safe to call twice."""
        ...

    async def stop(self) -> None:
        """Undo what is left, stop all parts, remove what was theirs; safe to call twice."""
        ...


class Fleet(Protocol):
    """The workers that drive the load."""

    async def prepare(self, base_url: str) -> None:
        """Start the workers and have every user log in and connect; return when all are ready.

        Raises EnvironmentFailure when a worker dies or the target refuses everybody.
        """
        ...

    async def drive(self, origin_ns: int) -> None:
        """Run the load from `origin_ns` on; return when every scenario has ended."""
        ...

    async def drain(self, deadline_ns: int) -> tuple[bool, str]:
        """Wait until all that was acknowledged has arrived everywhere, or until `deadline_ns`;
        return (caught up, what is missing)."""
        ...

    async def stop(self) -> None:
        """End all workers, their segments closed; safe to call twice."""
        ...


class Source(Protocol):
    """Figures that somebody else keeps: the target, a process, a log, a database."""

    @property
    def name(self) -> str:
        """What its figures are called by in objectives: "target", "process", "log", ..."""
        ...

    async def read(self) -> Sequence[Observed]:
        """Return all figures as they are now; whoever asks sets the deadline, by cancelling.

        Raises:
            SourceSilent: there is no answer, or none that says anything.
        """
        ...


class ReadingSink(Protocol):
    """Where readings are kept; what it took survives the death of the process."""

    def reading(self, reading: SourceReading, series: Sequence[ObservedSeries]) -> None:
        """Append a reading, after the series that it mentions for the first time.

        Raises:
            EnvironmentFailure: the disk is full.
        """
        ...


class LastLooks(Protocol):
    """What is read of the target's servers themselves; whatever goes wrong is in the record.

    Each raises EnvironmentFailure when that cannot be written.
    """

    async def before_load(self) -> None:
        """Look before anybody has changed anything."""
        ...

    async def when_drained(self) -> None:
        """Look when the load is over, and what it has made is there to stay."""
        ...

    async def when_left(self) -> None:
        """Look when all users have gone."""
        ...


class Steering(Protocol):
    """Change the load while it runs; whoever implements it records each change it has made."""

    async def steer(self, order: ControlOrder) -> None:
        """Carry out an order in every worker; return once all have taken it.

        Raises:
            BadInput: there is no such scenario, or nothing to steer now.
            EnvironmentFailure: a worker is gone.
        """
        ...
