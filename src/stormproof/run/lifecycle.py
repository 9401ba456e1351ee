"""The lifecycle of one run, from an idle machine to a sealed record.

    1. start-stack  the stack's parts come up, in order
    2. prepare      what final reads ask for is read a first time; workers start; every user logs in
                    and connects; probes begin to ask
    3. warmup       the load runs from the origin on; what it shows is not judged
    4. (gate)       one question: does the run make sense? Else its faults are skipped
    5. load         the load goes on; faults come and go on the timeline (`run.timeline`)
    6. drain        no new work; wait until all that was acknowledged has arrived, and read what
                    servers hold of it
    7. stop         workers end; what should be gone with them is looked for; probes and stack end
    8. sealed       segments closed, their digests written

From 3 on, an objective that the plan lets abort the run ends the load once it is broken: 6 follows
at once, and the faults that are left are skipped; a stop condition undoes and skips the faults
alone. Whatever happens in 1 to 6 (an error, Ctrl-C), 7
and 8 happen. If we are killed, the keeper does 7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from stormproof.kernel.errors import (
    BadInput,
    EnvironmentFailure,
    Interrupted,
    OwnFault,
    StormproofError,
)
from stormproof.kernel.units import SECOND_NS
from stormproof.model.control_order import ControlOrder
from stormproof.model.event import (
    ClockEvent,
    DecisionEvent,
    DrainEvent,
    EndEvent,
    Event,
    OriginEvent,
    Phase,
    PhaseEvent,
)
from stormproof.model.plan import Plan
from stormproof.run.decisions import Decisions
from stormproof.run.timeline import ReadyWatch, Timeline
from stormproof.seams import Clock, Fleet, LastLooks, Recorder, Stack, Steering

LEAD_NS = SECOND_NS // 2  # between the order to start and the first instant of the load
STOP_PATIENCE_S = 60.0
CLOCK_PAIR_S = 60.0
COMPLETED = "completed"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a run works with, wired in `cli.compose`."""

    stack: Stack
    fleet: Fleet
    steering: Steering
    watch: Callable[[str], Awaitable[None]]  # the probes, until cancelled
    last_looks: LastLooks
    recorder: Recorder
    clock: Clock
    decisions: Decisions
    ready: ReadyWatch
    on_event: Callable[[Event], None]


def breach_text(event: DecisionEvent) -> str:
    """Say which objective ended a run, and how it was broken."""
    value = "beyond every bar" if event.value is None else f"{event.value:.6g}"
    return f"{event.rule} was {value} in seconds {event.from_second} to {event.to_second}"


class Run:
    """Carry out one plan; see the module's story."""

    def __init__(self, plan: Plan, ports: Ports) -> None:
        self._plan = plan
        self._ports = ports
        self._decisions = ports.decisions
        self._origin_ns = 0
        self._background: list[asyncio.Future[None]] = []
        self._lost: asyncio.Future[None] | None = None
        self._timeline = Timeline(plan, ports.stack, ports.clock, ports.ready, self._event)
        self._stopped_by = ""  # the live decision, or whoever ended the load early

    def give_up(self, error: StormproofError) -> None:
        """End the run early, in order, because what it stands on is gone."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_exception(error)

    def end_load(self, why: str) -> None:
        """Skip the faults that are left and end as stopped: somebody has ended the load."""
        self._stopped_by = self._stopped_by or why
        self._timeline.halt("the load was ended before it")

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
            how, detail = ("stopped", self._stopped_by) if self._stopped_by else (COMPLETED, "")
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
        await self._or_background(ports.last_looks.before_load())
        await self._or_background(ports.fleet.prepare(base_url))
        self._origin_ns = ports.clock.now_ns() + LEAD_NS
        self._event(OriginEvent(at_ns=self._origin_ns))
        self._phase(Phase.WARMUP)
        drive = asyncio.ensure_future(ports.fleet.drive(self._origin_ns))
        timeline = asyncio.ensure_future(self._break_and_mend())
        breach = asyncio.ensure_future(self._heed_breaches())
        try:
            await self._or_background(drive, timeline, beside=[breach])
        finally:
            await _cancel(breach, timeline, drive)
        self._phase(Phase.DRAIN)
        deadline_ns = ports.clock.now_ns() + self._plan.drain_deadline_ns
        caught_up, detail = await self._or_background(ports.fleet.drain(deadline_ns))
        now_ns = ports.clock.now_ns()
        self._event(DrainEvent(at_ns=now_ns, caught_up=caught_up, detail=detail))
        await self._or_background(ports.last_looks.when_drained())

    async def _break_and_mend(self) -> None:
        """Ask the gate after the warm-up, then let the faults come and go."""
        await self._timeline.until(self._origin_ns, self._plan.warmup_ns)
        if self._timeline.is_halted:
            return  # during the warm-up: there is no load to judge, nor to break
        steady = await self._ask_gate()
        self._phase(Phase.LOAD)
        if steady:
            await self._timeline.play(self._origin_ns)
        else:
            self._timeline.skip_all("the steady state was not reached")

    async def _ask_gate(self) -> bool:
        """Decide whether the run makes sense."""
        steady, decided = await self._decisions.ask_gate()
        for event in decided:
            self._event(event)
        return steady

    async def _heed_breaches(self) -> None:
        """End the load, or the faults, once an objective is broken that has such power."""
        is_watching = True
        while is_watching and not self._stopped_by:
            for event in await self._decisions.breaches():
                self._event(event)
                if not isinstance(event, DecisionEvent):
                    is_watching = False
                    if self._plan.stops:
                        self._timeline.halt(event.text)
                elif event.action == "undo":
                    self._timeline.halt(f"a stop condition was broken: {breach_text(event)}")
                else:
                    self._stopped_by = self._stopped_by or breach_text(event)
        if not self._stopped_by:
            return
        self.end_load(self._stopped_by)
        with suppress(BadInput):  # the load has ended by itself meanwhile
            await self._ports.steering.steer(ControlOrder(kind="stop"))

    async def _stop(self, how: str, detail: str) -> None:
        """End all that was started, whatever state it is in; the first error is the one told."""
        ports = self._ports
        errors: list[StormproofError] = []
        try:
            self._phase(Phase.STOP)
        except EnvironmentFailure as error:
            errors.append(error)  # the disk is full: stopping matters more than saying so
        await self._end(ports.fleet.stop, errors)
        if how in (COMPLETED, "stopped"):
            await self._end(ports.last_looks.when_left, errors, patience_s=None)
        await self._end(self._end_background, errors)
        await self._end(ports.stack.stop, errors)
        if not errors:
            self._event(EndEvent(at_ns=ports.clock.now_ns(), how=how, detail=detail))
        elif how in (COMPLETED, "stopped"):
            raise errors[0]

    async def _end(
        self,
        ending: Callable[[], Awaitable[None]],
        errors: list[StormproofError],
        patience_s: float | None = STOP_PATIENCE_S,
    ) -> None:
        """Carry out one step of the end; what goes wrong is added, and ends no other step."""
        try:
            async with asyncio.timeout(patience_s):
                await ending()
        except StormproofError as error:
            errors.append(error)
        except (OSError, TimeoutError) as error:
            name = getattr(ending, "__qualname__", "a step of the end")
            what = f"{name} did not end in order: {type(error).__name__} {error}"
            errors.append(OwnFault(what))

    async def _end_background(self) -> None:
        await _cancel(*self._background)

    def _spawn(self, work: Awaitable[None]) -> None:
        self._background.append(asyncio.ensure_future(work))

    async def _or_background(
        self, *work: Awaitable[Result], beside: Sequence[asyncio.Future[None]] = ()
    ) -> Result:
        """Await all `work`, but raise at once what ends a background task or any of it.

        What goes on `beside` it is not waited for.
        """
        wanted = [asyncio.ensure_future(one) for one in work]
        waiting: set[asyncio.Future[Result] | asyncio.Future[None]] = {
            *wanted,
            *self._background,
            *beside,
        }
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
