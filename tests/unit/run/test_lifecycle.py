"""The lifecycle: what happens in which order, and that stopping always happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from stormproof.kernel.errors import EnvironmentFailure, Interrupted, OwnFault
from stormproof.kernel.units import SECOND_NS
from stormproof.model.control_order import ControlOrder
from stormproof.model.event import (
    DecisionEvent,
    EndEvent,
    Event,
    Failure,
    FaultEvent,
    FaultStep,
    Phase,
    PhaseEvent,
    ProbeSample,
)
from stormproof.model.objective import Objective, Status
from stormproof.model.plan import Plan, PlannedFault, Population, ProfileRef
from stormproof.model.series import Frame, Series
from stormproof.rules.readiness import Readiness
from stormproof.run.decisions import AbortRule, Broken, Decided, Decisions, Frames, SeriesOf
from stormproof.run.lifecycle import Ports, Run
from stormproof.run.timeline import ReadyWatch
from stormproof.testing.virtual_time import VirtualClock, run_virtual

RULE = Objective(name="rule", metric="http_req_failed", aggregation="rate", operator="<", bar=0.1)
FAULT = PlannedFault(
    name="cut", kind="link-partition", part="link", at_ns=30 * SECOND_NS, for_ns=6 * SECOND_NS
)
PLAN = Plan(
    trial="t",
    title="t",
    profile=ProfileRef(name="p", sha256=""),
    scope="full",
    scale=1.0,
    seed=1,
    stack="embedded",
    population=Population(users=1, channels=1, posts=0),
    workers=1,
    warmup_ns=10 * SECOND_NS,
    duration_ns=60 * SECOND_NS,
    ready_deadline_ns=SECOND_NS,
    drain_deadline_ns=20 * SECOND_NS,
    recovery_bar_ns=SECOND_NS,
    scenarios=(),
    faults=(FAULT,),
    probes=(),
    checkers=(),
    gate=(),
    objectives=(),
)


class NeverBroken:
    """Rules that end no run."""

    def take(self, second: int, frames: Sequence[Frame], series: SeriesOf) -> Sequence[Broken]:
        return []


@dataclass
class Story:
    """A stack, a fleet and a recorder that write down what is asked of them, and when."""

    clock: VirtualClock
    gate_status: Status = Status.PASS
    fails: Mapping[str, Exception] = field(default_factory=dict)
    hangs: str = ""
    told: list[str] = field(default_factory=list)
    events_seen: list[Event] = field(default_factory=list)
    origin_ns: int = 0
    frames: Frames = field(default_factory=Frames)
    ready: ReadyWatch = field(default_factory=lambda: ReadyWatch(Readiness()))
    abort: AbortRule = field(default_factory=NeverBroken)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def _note(self, what: str) -> None:
        self.told.append(what)
        await asyncio.sleep(0.1)
        if what in self.fails:
            raise self.fails[what]
        if what == self.hangs:
            await asyncio.sleep(1e6)

    def at_s(self) -> int:
        return round((self.clock.now_ns() - self.origin_ns) / SECOND_NS)

    async def start(self) -> str:
        await self._note("stack start")
        return "http://127.0.0.1:1"

    async def inject(self, fault: PlannedFault) -> int:
        await self._note(f"inject at {self.at_s()}")
        return self.clock.now_ns()

    async def undo(self, fault: PlannedFault) -> None:
        await self._note(f"undo at {self.at_s()}")

    async def stop(self) -> None:
        await self._note("stack stop")

    def events(self, events: Sequence[Event], *, sync: bool = False) -> None:
        self.events_seen += events

    def frame(self, frame: Frame, series: Sequence[Series], failures: Sequence[Failure]) -> None:
        raise AssertionError("the controller writes no frames")

    def ledger(self, entries: bytes) -> None:
        raise AssertionError("the controller writes no ledger")

    def probes(self, samples: Sequence[ProbeSample]) -> None:
        raise AssertionError("the probes are not wired here")

    def decide(
        self,
        plan: Plan,
        frames: Sequence[Frame],
        series: SeriesOf,
        from_second: int,
        to_second: int,
    ) -> Decided:
        return [(RULE, self.gate_status, 0.5)]

    async def before_load(self) -> None:
        await self._note("look before")

    async def when_drained(self) -> None:
        await self._note("look drained")

    async def when_left(self) -> None:
        await self._note("look left")

    async def watch(self, base_url: str) -> None:
        await self._note("watch")
        await asyncio.sleep(1e6)


@dataclass
class FleetStory:
    """A fleet that drives for as long as the plan says."""

    story: Story

    async def prepare(self, base_url: str) -> None:
        await self.story._note("prepare")

    async def drive(self, origin_ns: int) -> None:
        self.story.origin_ns = origin_ns
        await self.story._note("drive")
        with suppress(TimeoutError):
            await asyncio.wait_for(self.story.stopped.wait(), 60)

    async def steer(self, order: ControlOrder) -> None:
        await self.story._note(f"steer {order} at {self.story.at_s()}")
        self.story.stopped.set()

    async def drain(self, deadline_ns: int) -> tuple[bool, str]:
        await self.story._note("drain")
        return True, ""

    async def stop(self) -> None:
        await self.story._note("fleet stop")


def ports_of(story: Story, plan: Plan = PLAN) -> Ports:
    fleet = FleetStory(story)
    return Ports(
        stack=story,
        fleet=fleet,
        steering=fleet,
        watch=story.watch,
        last_looks=story,
        recorder=story,
        clock=story.clock,
        decisions=Decisions(plan, story.frames, story.decide, story.abort, story.clock),
        ready=story.ready,
        on_event=lambda event: None,
    )


async def carry_out(story: Story, cancel_after_s: float | None = None) -> None:
    work = asyncio.ensure_future(Run(PLAN, ports_of(story)).execute())
    if cancel_after_s is not None:
        await asyncio.sleep(cancel_after_s)
        work.cancel()
    await work


def phases(story: Story) -> list[Phase]:
    return [event.phase for event in story.events_seen if isinstance(event, PhaseEvent)]


def end_of(story: Story) -> str:
    return [event.how for event in story.events_seen if isinstance(event, EndEvent)][-1]


def test_tells_its_story_in_order() -> None:
    """A healthy run starts, prepares, loads, breaks and undoes on time, drains and stops."""

    async def main(clock: VirtualClock) -> Story:
        story = Story(clock)
        await carry_out(story)
        return story

    story = run_virtual(main)
    assert story.told == [
        "stack start",
        "watch",
        "look before",
        "prepare",
        "drive",
        "inject at 30",
        "undo at 36",
        "drain",
        "look drained",
        "fleet stop",
        "look left",
        "stack stop",
    ]
    assert phases(story) == [
        Phase.START_STACK,
        Phase.PREPARE,
        Phase.WARMUP,
        Phase.LOAD,
        Phase.DRAIN,
        Phase.STOP,
    ]
    assert end_of(story) == "completed"


def test_a_missed_steady_state_skips_the_faults_and_says_so() -> None:
    """When the gate is not passed no fault is injected, and the record holds why."""

    async def main(clock: VirtualClock) -> Story:
        story = Story(clock, gate_status=Status.FAIL)
        await carry_out(story)
        return story

    story = run_virtual(main)
    assert not [what for what in story.told if what.startswith("inject")]
    skipped = [e for e in story.events_seen if isinstance(e, FaultEvent)]
    assert [e.step for e in skipped] == [FaultStep.SKIPPED]
    decisions = [e for e in story.events_seen if isinstance(e, DecisionEvent)]
    assert [e.action for e in decisions] == ["skip-faults"]


@pytest.mark.parametrize(
    "step",
    [
        "stack start",
        "look before",
        "prepare",
        "drive",
        "inject at 30",
        "drain",
        "look drained",
    ],
)
def test_stops_everything_after_an_error(step: str) -> None:
    """Whatever step fails, fleet and stack are stopped and the error is the one told."""

    async def main(clock: VirtualClock) -> Story:
        story = Story(clock, fails={step: EnvironmentFailure("no more")})
        with pytest.raises(EnvironmentFailure, match="no more"):
            await carry_out(story)
        return story

    story = run_virtual(main)
    assert story.told[-2:] == ["fleet stop", "stack stop"]
    assert end_of(story) == "aborted"


@pytest.mark.parametrize("after_s", [0.05, 0.15, 0.25, 5.0, 33.0, 60.35])
def test_an_interruption_stops_everything(after_s: float) -> None:
    """Whenever the user interrupts, what is broken is undone and everything is stopped."""

    async def main(clock: VirtualClock) -> Story:
        story = Story(clock)
        with pytest.raises(Interrupted):
            await carry_out(story, cancel_after_s=after_s)
        return story

    story = run_virtual(main)
    assert story.told[-1] == "stack stop"
    assert "fleet stop" in story.told
    injected = [what for what in story.told if what.startswith("inject")]
    undone = [what for what in story.told if what.startswith("undo")]
    assert len(injected) == len(undone)
    assert end_of(story) == "interrupted"


def test_an_interruption_while_stopping_stops_all_the_same() -> None:
    """Ctrl-C during the stop of a finished run changes nothing: all is stopped."""

    async def main(clock: VirtualClock) -> Story:
        story = Story(clock)
        work = asyncio.ensure_future(carry_out(story))
        while "fleet stop" not in story.told:
            await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await asyncio.sleep(1)
        return story

    story = run_virtual(main)
    assert story.told[-1] == "stack stop"
    assert end_of(story) == "completed"


@pytest.mark.parametrize(
    ("story_of", "kind"),
    [
        ({"fails": {"fleet stop": EnvironmentFailure("worker hangs")}}, EnvironmentFailure),
        ({"fails": {"fleet stop": ProcessLookupError("gone")}}, OwnFault),
        ({"hangs": "fleet stop"}, OwnFault),
        ({"fails": {"look left": EnvironmentFailure("disk is full")}}, EnvironmentFailure),
    ],
)
def test_a_part_that_does_not_stop_does_not_keep_the_others_running(
    story_of: dict[str, Any], kind: type[Exception]
) -> None:
    """A fleet whose stop fails or hangs, or a last look that cannot be written down, does not
    prevent the stack from being stopped."""

    async def main(clock: VirtualClock) -> Story:
        story = Story(clock, **story_of)
        with pytest.raises(kind):
            await carry_out(story)
        return story

    assert run_virtual(main).told[-1] == "stack stop"


@pytest.mark.parametrize("step", ["prepare", "drive", "drain"])
def test_an_error_of_our_own_is_never_recorded_as_completed(step: str) -> None:
    """An unexpected exception stops everything and leaves a record that says aborted."""

    async def main(clock: VirtualClock) -> Story:
        story = Story(clock, fails={step: RuntimeError("bug")})
        with pytest.raises(RuntimeError, match="bug"):
            await carry_out(story)
        return story

    story = run_virtual(main)
    assert story.told[-1] == "stack stop"
    assert end_of(story) == "aborted"


def test_giving_up_ends_the_run_in_order_with_the_reason() -> None:
    """When what the run stands on is gone it stops everything at once and says why."""

    async def main(clock: VirtualClock) -> Story:
        story = Story(clock)
        run = Run(PLAN, ports_of(story))
        work = asyncio.ensure_future(run.execute())
        await asyncio.sleep(5)
        run.give_up(EnvironmentFailure("the keeper died"))
        with pytest.raises(EnvironmentFailure, match="the keeper died"):
            await work
        assert story.at_s() < 6
        return story

    story = run_virtual(main)
    assert story.told[-2:] == ["fleet stop", "stack stop"]
    assert end_of(story) == "aborted"
