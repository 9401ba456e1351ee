"""The live decisions of a run: does it make sense, and does going on make sense?

Both are made by pure rules over the frames that the workers send, which are the frames as they are
written, and each is an entry of the record that `judge` replays. A second is decided on once every
worker has sent it, so that the rules see what the record will hold; frames that no rule needs any
more are forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import BREACHES_UNSEEN, DecisionEvent, WarningEvent
from stormproof.model.objective import Objective, Status
from stormproof.model.plan import Plan
from stormproof.model.series import Frame, Series
from stormproof.seams import Clock

GATE_PATIENCE_NS = 5 * SECOND_NS  # for the last warm-up frames to come in
POLL_S = 0.05

Decided = Sequence[tuple[Objective, Status, float | None]]
Broken = tuple[Objective, int, int, float | None]  # objective, seconds [from, to), value
SeriesOf = Mapping[int, Mapping[int, Series]]


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


class AbortRule(Protocol):
    """Follow, second by second, the objectives that may end a run; pure."""

    def take(self, second: int, frames: Sequence[Frame], series: SeriesOf) -> Sequence[Broken]:
        """Take all frames of the next second and return what is broken now."""
        ...


@dataclass(slots=True)
class Frames:
    """What the workers have sent and a live rule may still ask for."""

    by_second: dict[int, list[Frame]] = field(default_factory=dict)
    series: dict[int, Mapping[int, Series]] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)  # worker -> its newest second
    missing: bool = False  # a worker left one out, as it does when nobody reads its frames
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    wanted_from: float = float("-inf")

    def add(self, frame: Frame, series: Mapping[int, Series]) -> None:
        """Take one frame and its worker's series."""
        newest = self.last.get(frame.worker, frame.second - 1)
        self.missing = self.missing or frame.second != newest + 1
        self.last[frame.worker] = frame.second
        self.series[frame.worker] = series
        if frame.second >= self.wanted_from:
            self.by_second.setdefault(frame.second, []).append(frame)
        self.arrived.set()

    def every(self) -> list[Frame]:
        """Return all frames that are kept."""
        return [frame for mine in self.by_second.values() for frame in mine]

    def forget(self, before: float) -> None:
        """Keep no frame of a second before `before`, now or later."""
        self.wanted_from = max(self.wanted_from, before)
        for second in [one for one in self.by_second if one < self.wanted_from]:
            del self.by_second[second]

    def are_whole(self, second: int, workers: int) -> bool:
        """Tell whether every worker has sent its frame of `second`, or a later one."""
        return sum(newest >= second for newest in self.last.values()) >= workers


class Decisions:
    """Decide while a run goes on.

    Args:
        plan: of the run.
        frames: what its workers send.
        gate: the rule of the steady state.
        abort: the rules that may end the run.
        clock: to say when.
    """

    def __init__(
        self, plan: Plan, frames: Frames, gate: Gate, abort: AbortRule, clock: Clock
    ) -> None:
        self._plan = plan
        self._frames = frames
        self._gate = gate
        self._abort = abort
        self._clock = clock
        aborts = any(one.abort is not None for one in plan.objectives)
        self._watches = aborts or bool(plan.stops)
        self._is_gate_asked = False
        self._next: int | None = None  # the second that the abort rules take next

    async def ask_gate(self) -> tuple[bool, list[DecisionEvent]]:
        """Decide whether the run makes sense, on the second half of the warm-up."""
        to_second = self._plan.warmup_ns // SECOND_NS
        from_second = to_second // 2
        await self._frames_until(to_second)
        frames = self._frames
        decided = self._gate(self._plan, frames.every(), frames.series, from_second, to_second)
        self._is_gate_asked = True
        self._forget()
        steady = all(status is Status.PASS for _, status, _ in decided)
        action = "proceed" if steady else "skip-faults"
        return steady, [
            self._event(rule, (from_second, to_second), status, value, action)
            for rule, status, value in decided
        ]

    async def breaches(self) -> list[DecisionEvent | WarningEvent]:
        """Wait until an objective that may end the run, or its faults, is broken; return each.

        Waits for ever where the plan has none. A warning comes instead once a frame is missing:
        what the record will hold is then not what the rules would see.
        """
        if not self._watches:
            await asyncio.Event().wait()
        while True:
            await self._frames.arrived.wait()
            self._frames.arrived.clear()
            if self._frames.missing:
                return [self._blind()]
            broken = self._take_whole_seconds()
            if broken:
                return [
                    self._event(rule, (since, to), Status.FAIL, value, self._action(rule))
                    for rule, since, to, value in broken
                ]

    def _action(self, rule: Objective) -> str:
        return "undo" if rule in self._plan.stops else "abort"

    def _take_whole_seconds(self) -> Sequence[Broken]:
        """Give the rules every second that all workers have sent, until one is broken."""
        frames, workers = self._frames, self._plan.workers
        if self._next is None:
            if len(frames.last) < workers:
                return []
            self._next = min(frames.by_second)
        while frames.are_whole(self._next, workers):
            second, self._next = self._next, self._next + 1
            broken = self._abort.take(second, frames.by_second.get(second, []), frames.series)
            self._forget()
            if broken:
                return broken
        return []

    def _forget(self) -> None:
        """Let go of the frames that neither the gate nor the abort rules will ask for."""
        if not self._is_gate_asked:
            return
        if not self._watches:
            self._frames.forget(float("inf"))
        elif self._next is not None:
            self._frames.forget(self._next)

    async def _frames_until(self, second: int) -> None:
        """Wait until every worker has sent the frame before `second`, or patience is over."""
        if second <= 0:
            return  # without a warm-up there is nothing to wait for
        deadline_ns = self._clock.now_ns() + GATE_PATIENCE_NS
        while self._clock.now_ns() < deadline_ns:
            if self._frames.are_whole(second - 1, self._plan.workers):
                return
            await asyncio.sleep(POLL_S)

    def _event(
        self,
        rule: Objective,
        seconds: tuple[int, int],
        status: Status,
        value: float | None,
        action: str,
    ) -> DecisionEvent:
        return DecisionEvent(
            at_ns=self._clock.now_ns(),
            rule=rule.name,
            from_second=seconds[0],
            to_second=seconds[1],
            status=status.value,
            value=value,
            bar=rule.bar,
            action=action,
        )

    def _blind(self) -> WarningEvent:
        what = "abortOnFail is off"
        if self._plan.stops:
            what = "faults are undone, for nobody sees any more whether users are hurt"
        text = f"{what}: a worker's live frame is missing, so nothing can be decided on"
        return WarningEvent(at_ns=self._clock.now_ns(), code=BREACHES_UNSEEN, text=text)
