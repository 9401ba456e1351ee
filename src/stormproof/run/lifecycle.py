"""The lifecycle of one run, from an idle machine to a sealed record.

    1. start-stack  the stack's parts come up, in order
    2. prepare      workers start; every user logs in and connects; probes begin to ask
    3. warmup       the load runs from the origin on; what it shows is not judged
    4. (gate)       one question: does the run make sense? Else its faults are skipped
    5. load         the load goes on; faults come and go on the timeline
    6. drain        no new work; wait until all that was acknowledged has arrived
    7. stop         workers, probes and stack end
    8. sealed       segments closed, their digests written

Whatever happens in 1 to 6 (an error, Ctrl-C), 7 and 8 happen. If we are killed, the keeper does 7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from stormproof.kernel.errors import (
    EnvironmentFailure,
    Interrupted,
    OwnFault,
    StormproofError,
)
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import (
    ClockEvent,
    DecisionEvent,
    DrainEvent,
    EndEvent,
    Event,
    FaultEvent,
    FaultStep,
    OriginEvent,
    Phase,
    PhaseEvent,
)
from stormproof.model.objective import Objective, Status
from stormproof.model.plan import Plan, PlannedFault
from stormproof.model.series import Frame, Series
from stormproof.seams import Clock, Fleet, Recorder, Stack

LEAD_NS = SECOND_NS // 2  # between the order to start and the first instant of the load
GATE_PATIENCE_NS = 5 * SECOND_NS  # for the last warm-up frames to come in
STOP_PATIENCE_S = 60.0
CLOCK_PAIR_S = 60.0

Decided = Sequence[tuple[Objective, Status, float | None]]
SeriesOf = Mapping[int, Mapping[int, Series]]
Result = TypeVar("Result")


class Gate(Protocol):
    """Judge the steady state over the seconds [from, to) of frames; pure."""

    def __call__(
        self,
        plan: Plan,
        frames: Sequence[Frame],
        series: SeriesOf,
        from_second: int,
        to_second: int,
    ) -> Decided:
        """Return each objective of the gate with its answer."""
        ...


@dataclass(slots=True, kw_only=True)
class Frames:
    """What the workers have sent so far, as the live rules see it."""

    frames: list[Frame]
    series: dict[int, Mapping[int, Series]]

    def add(self, frame: Frame, series: Mapping[int, Series]) -> None:
        """Take one frame and its worker's series."""
        self.frames.append(frame)
        self.series[frame.worker] = series


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a run works with, wired in `cli.compose`."""

    stack: Stack
    fleet: Fleet
    watch: Callable[[str], Awaitable[None]]  # the probes, until cancelled
    recorder: Recorder
    clock: Clock
    gate: Gate
    frames: Frames
    on_event: Callable[[Event], None]


class Run:
    """Carry out one plan; see the module's story."""

    def __init__(self, plan: Plan, ports: Ports) -> None:
        self._plan = plan
        self._ports = ports
        self._origin_ns = 0
        self._background: list[asyncio.Future[None]] = []
        self._lost: asyncio.Future[None] | None = None

    def give_up(self, error: StormproofError) -> None:
        """End the run early, in order, because what it stands on is gone."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_exception(error)

    async def execute(self) -> None:
        """Run the plan from start to stop.

        Raises:
            Interrupted: it was cancelled; undo is done.
            EnvironmentFailure: a part, a worker or the disk gave up; undo is done.
        """
        how, detail = "aborted", "an error of our own"
        self._lost = asyncio.get_running_loop().create_future()
        self._background.append(self._lost)
        try:
            await self._carry_out()
            how, detail = "completed", ""
        except asyncio.CancelledError:
            how, detail = "interrupted", "stopped by the user"
            raise Interrupted(detail) from None
        except StormproofError as error:
            detail = str(error)
            raise
        finally:
            await _to_its_end(asyncio.ensure_future(self._stop(how, detail)))

    async def _carry_out(self) -> None:
        ports = self._ports
        self._phase(Phase.START_STACK)
        base_url = await ports.stack.start()
        self._spawn(ports.watch(base_url))
        self._spawn(self._pair_clocks())
        self._phase(Phase.PREPARE)
        await self._or_background(ports.fleet.prepare(base_url))
        self._origin_ns = ports.clock.now_ns() + LEAD_NS
        self._event(OriginEvent(at_ns=self._origin_ns))
        self._phase(Phase.WARMUP)
        drive = asyncio.ensure_future(ports.fleet.drive(self._origin_ns))
        timeline = asyncio.ensure_future(self._timeline())
        try:
            await self._or_background(drive, timeline)
        finally:
            await _cancel(timeline, drive)
        self._phase(Phase.DRAIN)
        deadline_ns = ports.clock.now_ns() + self._plan.drain_deadline_ns
        caught_up, detail = await self._or_background(ports.fleet.drain(deadline_ns))
        now_ns = ports.clock.now_ns()
        self._event(DrainEvent(at_ns=now_ns, caught_up=caught_up, detail=detail))

    async def _timeline(self) -> None:
        """Ask the gate after the warm-up, then let the faults come and go."""
        plan = self._plan
        await self._until(plan.warmup_ns)
        steady = await self._ask_gate()
        self._phase(Phase.LOAD)
        for fault in plan.faults:
            if not steady:
                text = "the steady state was not reached"
                self._fault_event(fault, FaultStep.SKIPPED, text)
                continue
            await self._until(fault.at_ns)
            try:
                await self._ports.stack.inject(fault)
                injected_ns = self._ports.clock.now_ns() - self._origin_ns
                await self._until(injected_ns + fault.for_ns)
            finally:
                await asyncio.shield(self._ports.stack.undo(fault))

    async def _ask_gate(self) -> bool:
        """Decide whether the run makes sense, on the second half of the warm-up."""
        to_second = self._plan.warmup_ns // SECOND_NS
        from_second = to_second // 2
        await self._frames_until(to_second)
        ports = self._ports
        decided = ports.gate(
            self._plan, ports.frames.frames, ports.frames.series, from_second, to_second
        )
        steady = all(status is Status.PASS for _, status, _ in decided)
        for rule, status, value in decided:
            self._event(
                DecisionEvent(
                    at_ns=ports.clock.now_ns(),
                    rule=rule.name,
                    from_second=from_second,
                    to_second=to_second,
                    status=status.value,
                    value=value,
                    action="proceed" if steady else "skip-faults",
                )
            )
        return steady

    async def _frames_until(self, second: int) -> None:
        """Wait until every worker has sent the frame before `second`, or patience is over."""
        if second <= 0:
            return  # without a warm-up there is nothing to wait for
        deadline_ns = self._ports.clock.now_ns() + GATE_PATIENCE_NS
        while self._ports.clock.now_ns() < deadline_ns:
            last = {
                frame.worker for frame in self._ports.frames.frames if frame.second >= second - 1
            }
            if len(last) >= self._plan.workers:
                return
            await asyncio.sleep(0.05)

    async def _stop(self, how: str, detail: str) -> None:
        """End all that was started, whatever state it is in; the first error is the one told."""
        ports = self._ports
        errors: list[StormproofError] = []
        try:
            self._phase(Phase.STOP)
        except EnvironmentFailure as error:
            errors.append(error)  # the disk is full: stopping matters more than saying so
        for ending in (ports.fleet.stop, self._end_background, ports.stack.stop):
            try:
                async with asyncio.timeout(STOP_PATIENCE_S):
                    await ending()
            except StormproofError as error:
                errors.append(error)
            except (OSError, TimeoutError) as error:
                what = f"{ending.__qualname__} did not end in order: {type(error).__name__} {error}"
                errors.append(OwnFault(what))
        if not errors:
            self._event(EndEvent(at_ns=ports.clock.now_ns(), how=how, detail=detail))
        elif how == "completed":
            raise errors[0]

    async def _end_background(self) -> None:
        await _cancel(*self._background)

    def _spawn(self, work: Awaitable[None]) -> None:
        self._background.append(asyncio.ensure_future(work))

    async def _or_background(self, *work: Awaitable[Result]) -> Result:
        """Await all `work`, but raise at once what ends a background task or any of it."""
        wanted = [asyncio.ensure_future(one) for one in work]
        waiting: set[asyncio.Future[Result] | asyncio.Future[None]] = {*wanted, *self._background}
        try:
            while not all(one.done() for one in wanted):
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
        finally:
            await _cancel(*wanted)
        return wanted[0].result()

    async def _pair_clocks(self) -> None:
        clock = self._ports.clock
        while True:
            self._event(ClockEvent(at_ns=clock.now_ns(), wall_ns=clock.wall_ns()))
            await asyncio.sleep(CLOCK_PAIR_S)

    async def _until(self, offset_ns: int) -> None:
        """Wait for an instant of the timeline; a loop's timers may fire a little early."""
        due_ns = self._origin_ns + offset_ns
        while (rest_ns := due_ns - self._ports.clock.now_ns()) > 0:  # noqa: ASYNC110 - an instant
            await asyncio.sleep(rest_ns / SECOND_NS)

    def _fault_event(self, fault: PlannedFault, step: FaultStep, detail: str) -> None:
        at_ns = self._ports.clock.now_ns()
        self._event(FaultEvent(at_ns=at_ns, fault=fault.name, step=step, detail=detail))

    def _phase(self, phase: Phase) -> None:
        self._event(PhaseEvent(at_ns=self._ports.clock.now_ns(), phase=phase))

    def _event(self, event: Event) -> None:
        self._ports.recorder.events([event])
        self._ports.on_event(event)


async def _cancel(*futures: asyncio.Future[Result]) -> None:
    """Cancel what still runs and wait for its end; errors were told by whoever awaited it."""
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)


async def _to_its_end(work: asyncio.Future[None]) -> None:
    """Await `work` even when cancelled meanwhile: stopping is what a cancellation asks for."""
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            if work.cancelled():
                raise
    work.result()
