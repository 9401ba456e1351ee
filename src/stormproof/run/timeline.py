"""The faults of a run, each on a course of its own, so that they overlap as the plan says.

A course: wait for the fault that it comes after, then for its instant, then for the undo of what it
does not go together with on its part, then, where the plan asks for it, until the target is ready;
inject; hold, from then on and not from when it was witnessed; undo. Whatever ends the courses early
(`halt`, an error, a cancellation), a fault that was injected is undone at once, and one that was
not is recorded as skipped, with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from stormproof.kernel.units import SECOND_NS, duration_text
from stormproof.model.event import DecisionEvent, Event, FaultEvent, FaultStep, ProbeSample
from stormproof.model.plan import Plan, PlannedFault, may_be_together
from stormproof.seams import Clock, Stack

Result = TypeVar("Result")


class ReadyRule(Protocol):
    """Follow the answers of probes and say whether the target is ready; pure."""

    def take(self, sample: ProbeSample) -> None:
        """Take the next answer of any probe."""
        ...

    @property
    def bar_s(self) -> float:
        """How long the target has to have been ready."""
        ...

    @property
    def known_ns(self) -> int:
        """When the last answer that counts came; 0 without one."""
        ...

    @property
    def held_ns(self) -> int:
        """How long the target has been ready."""
        ...

    @property
    def holds(self) -> bool:
        """Whether that is long enough."""
        ...


class ReadyWatch:
    """What probes answer while a run goes on, and whether the target is ready by that."""

    def __init__(self, rule: ReadyRule) -> None:
        self.rule = rule
        self._news = asyncio.Event()

    def on_sample(self, sample: ProbeSample) -> None:
        """Take an answer of any probe."""
        self.rule.take(sample)
        self._news.set()

    def holds_since(self, asked_ns: int) -> bool:
        """Return whether the target is ready by an answer that came after an instant."""
        return self.rule.holds and self.rule.known_ns > asked_ns

    async def held(self, asked_ns: int) -> None:
        """Return on the first answer after an instant at which the target is ready."""
        while True:
            self._news.clear()
            await self._news.wait()
            if self.holds_since(asked_ns):
                return


class Timeline:
    """Let the faults of a plan come and go.

    Args:
        plan: of the run.
        stack: what is broken.
        clock: the time.
        ready: what the target says of itself.
        on_event: records what was decided and skipped.
    """

    def __init__(
        self,
        plan: Plan,
        stack: Stack,
        clock: Clock,
        ready: ReadyWatch,
        on_event: Callable[[Event], None],
    ) -> None:
        self._plan = plan
        self._stack = stack
        self._clock = clock
        self._ready = ready
        self._on_event = on_event
        self._origin_ns = 0
        self._halted = asyncio.Event()
        self._halted_by = ""
        self._over = {fault.name: asyncio.Event() for fault in plan.faults}
        self._over_ns: dict[str, int] = {}
        self._taking: dict[str, PlannedFault] = {}  # what has its part, or asks whether it is ready

    @property
    def is_halted(self) -> bool:
        """Whether no fault comes any more."""
        return self._halted.is_set()

    def halt(self, why: str) -> None:
        """Undo all faults in force now, and skip those that are left; `why` is recorded."""
        self._halted_by = self._halted_by or why
        self._halted.set()

    async def until(self, origin_ns: int, offset_ns: int) -> None:
        """Wait for an instant of the load, or until the faults are halted.

        A loop's timers may fire a little early.
        """
        due_ns = origin_ns + offset_ns
        while not self.is_halted and (rest_ns := due_ns - self._clock.now_ns()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._halted.wait(), rest_ns / SECOND_NS)

    async def play(self, origin_ns: int) -> None:
        """Let every fault take its course; the first error ends all of them, undone.

        Raises:
            FaultRefused, EnvironmentFailure: a fault cannot be injected or undone.
        """
        self._origin_ns = origin_ns
        courses = [asyncio.ensure_future(self._course(one)) for one in self._plan.faults]
        try:
            await asyncio.gather(*courses)
        finally:
            for one in courses:
                one.cancel()
            await asyncio.gather(*courses, return_exceptions=True)

    def skip_all(self, why: str) -> None:
        """Record of every fault that it does not come."""
        for fault in self._plan.faults:
            self._skip(fault, why)

    async def _course(self, fault: PlannedFault) -> None:
        try:
            if await self._its_turn(fault):
                await self._suffer(fault)
            else:
                self._skip(fault, self._halted_by or _unready(fault))
        finally:
            self._taking.pop(fault.name, None)
            self._over_ns[fault.name] = self._clock.now_ns() - self._origin_ns
            self._over[fault.name].set()

    async def _its_turn(self, fault: PlannedFault) -> bool:
        """Wait until a fault is due; return whether it is to come."""
        at_ns = fault.at_ns
        if fault.after in self._over:
            await self._over[fault.after].wait()
            at_ns = max(at_ns, self._over_ns[fault.after] + fault.gap_ns)
        await self.until(self._origin_ns, at_ns)
        await self._until_free(fault)
        if self.is_halted or not fault.ready_within_ns:
            return not self.is_halted
        return await self._is_ready(fault)

    async def _until_free(self, fault: PlannedFault) -> None:
        """Wait for the undo of what a fault cannot be together with, and take its part."""
        while not self.is_halted:
            others = [one for one in self._taking.values() if not may_be_together(one, fault)]
            if not others:
                self._taking[fault.name] = fault
                return
            over = asyncio.ensure_future(self._over[others[0].name].wait())
            try:
                await self._or_halted(over)
            finally:
                over.cancel()

    async def _is_ready(self, fault: PlannedFault) -> bool:
        """Wait until the target is ready, as long as the plan lets it; the answer is recorded."""
        asked_ns = self._clock.now_ns()
        waiting = [
            asyncio.ensure_future(one) for one in (self._ready.held(asked_ns), self._halted.wait())
        ]
        try:
            await asyncio.wait(
                waiting,
                timeout=fault.ready_within_ns / SECOND_NS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        if self.is_halted:
            return False
        rule = self._ready.rule
        holds, known_ns = self._ready.holds_since(asked_ns), rule.known_ns or self._clock.now_ns()
        self._on_event(
            DecisionEvent(
                at_ns=known_ns,
                rule=fault.name,
                from_second=(asked_ns - self._origin_ns) // SECOND_NS,
                to_second=(known_ns - self._origin_ns) // SECOND_NS,
                status="pass" if holds else "fail",
                value=rule.held_ns / SECOND_NS,
                bar=rule.bar_s,
                asked_ns=asked_ns,
                action="inject" if holds else "skip",
            )
        )
        return holds

    async def _suffer(self, fault: PlannedFault) -> None:
        injecting = asyncio.ensure_future(self._stack.inject(fault))
        injecting.add_done_callback(_noticed)  # told below, but for a course that was cut off
        try:
            await self._or_halted(injecting)
            if injecting.done():
                injected_ns = injecting.result() - self._origin_ns
                await self.until(self._origin_ns, injected_ns + fault.for_ns)
        finally:
            await asyncio.shield(self._stack.undo(fault))
        await injecting  # an undo ends whatever it still looked for

    async def _or_halted(self, work: asyncio.Future[Result]) -> None:
        """Wait until work is done or the faults are halted."""
        halted = asyncio.ensure_future(self._halted.wait())
        try:
            await asyncio.wait((work, halted), return_when=asyncio.FIRST_COMPLETED)
        finally:
            halted.cancel()

    def _skip(self, fault: PlannedFault, why: str) -> None:
        at_ns = self._clock.now_ns()
        self._on_event(
            FaultEvent(at_ns=at_ns, fault=fault.name, step=FaultStep.SKIPPED, detail=why)
        )


def _unready(fault: PlannedFault) -> str:
    return f"the target was not ready for it within {duration_text(fault.ready_within_ns)}"


def _noticed(work: asyncio.Future[int]) -> None:
    """Look at how work ended, so that the loop does not tell what nobody waits for any more."""
    if not work.cancelled():
        work.exception()
