"""The timeline: faults that overlap, follow each other, wait for the target, and end early."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from tests.unit.run.test_lifecycle import PLAN

from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.event import DecisionEvent, Event, FaultEvent, ProbeSample
from stormproof.model.plan import Plan, PlannedFault
from stormproof.rules.readiness import Readiness
from stormproof.run.timeline import ReadyWatch, Timeline
from stormproof.testing.virtual_time import VirtualClock, run_virtual

TICK_NS = 100 * MILLISECOND_NS


@dataclass
class Stage:
    """A stack that writes down when it is broken and mended, and fails where it is told to."""

    clock: VirtualClock
    undo_takes_s: float = 0.0
    witness_takes_s: float = 0.0
    fails: str = ""
    told: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    origin_ns: int = 0
    recalled: asyncio.Event = field(default_factory=asyncio.Event)

    def _tell(self, what: str, fault: PlannedFault) -> None:
        at_s = round((self.clock.now_ns() - self.origin_ns) / SECOND_NS, 1)
        self.told.append(f"{what} {fault.name} at {at_s:g}")
        if self.fails == f"{what} {fault.name}":
            raise EnvironmentFailure("no more")

    async def start(self) -> str:
        return ""

    async def inject(self, fault: PlannedFault) -> int:
        self._tell("break", fault)
        broken_ns = self.clock.now_ns()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.recalled.wait(), self.witness_takes_s)
        return broken_ns

    async def undo(self, fault: PlannedFault) -> None:
        self.recalled.set()
        await asyncio.sleep(self.undo_takes_s)
        self._tell("mend", fault)

    async def stop(self) -> None:
        return None


def fault(name: str, at_s: float, for_s: float, **changes: object) -> PlannedFault:
    base: dict[str, object] = {"at_ns": round(at_s * SECOND_NS), "for_ns": round(for_s * SECOND_NS)}
    base |= {"kind": "link-partition", "part": name}
    return PlannedFault(name=name, **(base | changes))  # type: ignore[arg-type]


def plan_of(*faults: PlannedFault) -> Plan:
    from msgspec.structs import replace

    return replace(PLAN, faults=faults)


def play(
    *faults: PlannedFault,
    stage: type[Stage] = Stage,
    ready: tuple[tuple[float, float], ...] = (),
    halt_at_s: float = 0.0,
    **given: object,
) -> Stage:
    """Play faults to their end; the probe is good within the spans of `ready`."""

    async def main(clock: VirtualClock) -> Stage:
        made = Stage(clock, origin_ns=clock.now_ns(), **given)  # type: ignore[arg-type]
        watch = ReadyWatch(Readiness())
        timeline = Timeline(plan_of(*faults), made, clock, watch, made.events.append)

        async def probe() -> None:
            while True:
                await asyncio.sleep(TICK_NS / SECOND_NS)
                now_ns = clock.now_ns()
                at_s = (now_ns - made.origin_ns) / SECOND_NS
                ok = any(low <= at_s < high for low, high in ready)
                watch.on_sample(
                    ProbeSample(probe="ready", start_ns=now_ns, end_ns=now_ns, status=200, ok=ok)
                )

        async def halt() -> None:
            await asyncio.sleep(halt_at_s)
            timeline.halt("enough")

        beside = [asyncio.ensure_future(probe())]
        if halt_at_s:
            beside.append(asyncio.ensure_future(halt()))
        try:
            await timeline.play(made.origin_ns)
        finally:
            for one in beside:
                one.cancel()
        return made

    return run_virtual(main)


def skipped(stage: Stage) -> dict[str, str]:
    return {e.fault: e.detail for e in stage.events if isinstance(e, FaultEvent)}


def test_faults_overlap_as_planned() -> None:
    """Two faults are in force at once, each injected and undone at its own instants."""
    stage = play(fault("a", 10, 6), fault("b", 12, 2))
    assert stage.told == ["break a at 10", "break b at 12", "mend b at 14", "mend a at 16"]


def test_a_fault_follows_the_real_end_of_another() -> None:
    """One that comes 2 s after another comes 2 s after that one's undo, however long that took."""
    stage = play(
        fault("a", 10, 4), fault("b", 16, 1, after="a", gap_ns=2 * SECOND_NS), undo_takes_s=3.0
    )
    assert stage.told[:3] == ["break a at 10", "mend a at 17", "break b at 19"]


def test_a_step_waits_until_the_target_has_been_ready_for_a_second() -> None:
    """A flap is not ready; a second of good answers is, and the decision is recorded."""
    step = fault("b", 15, 1, after="a", ready_within_ns=20 * SECOND_NS)
    stage = play(fault("a", 10, 5), step, ready=((16.0, 16.4), (19.95, 60.0)))
    assert stage.told[2] == "break b at 21"
    (decision,) = [one for one in stage.events if isinstance(one, DecisionEvent)]
    assert (decision.rule, decision.action, decision.status) == ("b", "inject", "pass")
    assert decision.value == pytest.approx(1.0)


def test_a_step_is_skipped_when_the_target_never_comes_back() -> None:
    """After its deadline the step is skipped with the reason, and what does not ask comes."""
    step = fault("b", 15, 1, after="a", ready_within_ns=5 * SECOND_NS)
    stage = play(fault("a", 10, 5), step, fault("c", 40, 1), ready=((0.0, 10.0),))
    assert skipped(stage) == {"b": "the target was not ready for it within 5s"}
    assert [one.action for one in stage.events if isinstance(one, DecisionEvent)] == ["skip"]
    assert stage.told[-2:] == ["break c at 40", "mend c at 41"]


def test_a_step_is_not_taken_on_an_answer_from_before_the_question() -> None:
    """A target that was ready and then hangs, so that no answer comes at all, is not ready; nor do
    the answers of another probe make it so."""

    async def main(clock: VirtualClock) -> Stage:
        made = Stage(clock, origin_ns=clock.now_ns())
        watch = ReadyWatch(Readiness())
        step = fault("b", 15, 1, ready_within_ns=3 * SECOND_NS)
        timeline = Timeline(plan_of(step), made, clock, watch, made.events.append)

        async def probe() -> None:
            while True:
                await asyncio.sleep(TICK_NS / SECOND_NS)
                now_ns = clock.now_ns()
                name = "ready" if now_ns - made.origin_ns < 12 * SECOND_NS else "live"
                watch.on_sample(
                    ProbeSample(probe=name, start_ns=now_ns, end_ns=now_ns, status=200, ok=True)
                )

        probing = asyncio.ensure_future(probe())
        await timeline.play(made.origin_ns)
        probing.cancel()
        return made

    stage = run_virtual(main)
    assert skipped(stage) == {"b": "the target was not ready for it within 3s"}
    (decision,) = [one for one in stage.events if isinstance(one, DecisionEvent)]
    assert (decision.action, decision.status) == ("skip", "fail")


def test_a_step_without_any_answer_is_skipped() -> None:
    """A probe that says nothing at all shows no target that is ready."""
    stage = play(fault("b", 15, 1, ready_within_ns=5 * SECOND_NS))
    assert list(skipped(stage)) == ["b"]


def test_halting_undoes_all_at_once_and_skips_the_rest() -> None:
    """At that instant both faults are undone, and those to come are skipped with the reason."""
    waiting = fault("d", 12, 1, ready_within_ns=30 * SECOND_NS)
    stage = play(fault("a", 10, 20), fault("b", 12, 20), waiting, fault("c", 25, 1), halt_at_s=14.0)
    assert sorted(stage.told[2:]) == ["mend a at 14", "mend b at 14"]
    assert skipped(stage) == {"c": "enough", "d": "enough"}


@pytest.mark.parametrize("fails", ["break b", "mend b"])
def test_an_error_of_one_fault_undoes_the_others(fails: str) -> None:
    """When one cannot be injected or undone, the others are undone at once and none follows."""
    stage = Stage(VirtualClock.__new__(VirtualClock))

    async def main(clock: VirtualClock) -> None:
        stage.clock, stage.origin_ns, stage.fails = clock, clock.now_ns(), fails
        faults = plan_of(fault("a", 10, 20), fault("b", 12, 2), fault("c", 30, 1))
        watch = ReadyWatch(Readiness())
        with pytest.raises(EnvironmentFailure, match="no more"):
            await Timeline(faults, stage, clock, watch, stage.events.append).play(stage.origin_ns)

    run_virtual(main)
    assert stage.told[-1].startswith("mend a at 1")
    assert not [one for one in stage.told if " c " in one]


def test_halting_waits_for_no_witness() -> None:
    """A fault that is looked at for ten seconds is undone when the faults are halted."""
    stage = play(fault("a", 10, 20), witness_takes_s=10.0, halt_at_s=12.0)
    assert stage.told == ["break a at 10", "mend a at 12"]


def test_a_fault_lasts_from_its_injection_on() -> None:
    """The time in which it is looked at counts; one that is looked at for longer ends after it."""
    stage = play(fault("a", 10, 5), witness_takes_s=2.0)
    assert stage.told == ["break a at 10", "mend a at 15"]
    stage = play(fault("a", 10, 1), witness_takes_s=2.0)
    assert stage.told == ["break a at 10", "mend a at 12"]


def test_a_fault_waits_for_the_undo_of_what_it_does_not_go_together_with() -> None:
    """One that is due on the same part before the undo of another is done comes after that."""
    pause = fault("a", 10, 5, part="cache", kind="process-pause")
    kill = fault("b", 15, 5, part="cache", kind="process-kill")
    stage = play(pause, kill, undo_takes_s=2.0)
    assert stage.told == ["break a at 10", "mend a at 17", "break b at 17", "mend b at 24"]


def test_what_waits_for_a_part_is_skipped_when_the_faults_are_halted() -> None:
    """A halt does not leave it waiting, and it never comes."""
    pause = fault("a", 10, 5, part="cache", kind="process-pause")
    kill = fault("b", 15, 5, part="cache", kind="process-kill")
    stage = play(pause, kill, undo_takes_s=4.0, halt_at_s=16.0)
    assert stage.told == ["break a at 10", "mend a at 19"]
    assert skipped(stage) == {"b": "enough"}
