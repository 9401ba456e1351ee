"""abortOnFail while a run goes on: what ends it, when, and what the record says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from tests.builders import counted, frame, operations, series
from tests.unit.run.test_lifecycle import PLAN, Story, end_of, ports_of

from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.units import SECOND_NS
from stormproof.model.control_order import ControlOrder
from stormproof.model.event import (
    DecisionEvent,
    DrainEvent,
    EndEvent,
    FaultEvent,
    FaultStep,
    WarningEvent,
)
from stormproof.model.histogram import index_of
from stormproof.model.objective import Abort
from stormproof.model.plan import Plan, PlannedFault
from stormproof.rules.abort import AbortRules
from stormproof.rules.grammar import objective
from stormproof.run.lifecycle import Run
from stormproof.testing.virtual_time import VirtualClock, run_virtual

ITERATIONS = 2


def _plan(threshold: str = "p(95)<300", metric: str = "http_req_duration", **abort: Any) -> Plan:
    rule = msgspec.structs.replace(objective(metric, threshold), abort=Abort(**abort))
    return msgspec.structs.replace(PLAN, workers=2, objectives=(rule,))


async def _send_frames(
    story: Story,
    latency_ms: Callable[[int], float],
    *,
    skip: tuple[int, int] = (-1, -1),
    starved: range = range(0),
    health: dict[str, Any] | None = None,
) -> None:
    """Send both workers' frames of every second, as they are over."""
    while not story.origin_ns:
        await asyncio.sleep(0.01)
    for second in range(100):
        due_ns = story.origin_ns + (second + 1) * SECOND_NS + 100_000_000
        await asyncio.sleep((due_ns - story.clock.now_ns()) / SECOND_NS)
        for worker in range(2):
            if (worker, second) != skip:
                work = [operations([latency_ms(second)] * 100), counted(ITERATIONS, 100)]
                idle = 0.0 if second in starved else 0.5
                sent = frame(worker, second, work, core_idle_share=idle, **(health or {}))
                story.frames.add(sent, series())


def _run(
    plan: Plan,
    latency_ms: Callable[[int], float],
    *,
    skip: tuple[int, int] = (-1, -1),
    starved: range = range(0),
    health: dict[str, Any] | None = None,
) -> Story:
    async def main(clock: VirtualClock) -> Story:
        story = Story(clock, abort=AbortRules(plan))
        frames = asyncio.ensure_future(
            _send_frames(story, latency_ms, skip=skip, starved=starved, health=health)
        )
        await Run(plan, ports_of(story, plan)).execute()
        frames.cancel()
        return story

    return run_virtual(main)


def _decisions(story: Story) -> list[DecisionEvent]:
    found = [e for e in story.events_seen if isinstance(e, DecisionEvent)]
    return [one for one in found if one.action == "abort"]


def test_a_broken_objective_ends_the_load_in_order() -> None:
    """The first second that breaks the bar is decided on, the load is stopped, the rest follows."""
    story = _run(_plan("max<300"), lambda second: 900.0 if second >= 20 else 20.0)
    (decision,) = _decisions(story)
    assert (decision.from_second, decision.to_second, decision.bar) == (10, 21, 300.0)
    assert decision.status == "fail"
    assert "steer stop all scenarios at 21" in story.told
    assert story.told[-5:] == [
        "drain",
        "look drained",
        "fleet stop",
        "look left",
        "stack stop",
    ]
    assert any(isinstance(one, DrainEvent) for one in story.events_seen)
    (end,) = [one for one in story.events_seen if isinstance(one, EndEvent)]
    assert end.how == "stopped"
    assert "http_req_duration: max<300 was 9" in end.detail


def test_faults_that_are_left_are_skipped() -> None:
    """A load that was ended before its fault never has it injected, and the record says why."""
    story = _run(_plan("max<300"), lambda second: 900.0 if second >= 20 else 20.0)
    assert not [one for one in story.told if one.startswith("inject")]
    skipped = [one for one in story.events_seen if isinstance(one, FaultEvent)]
    assert [(one.step, one.detail) for one in skipped] == [
        (FaultStep.SKIPPED, "the load was ended before it")
    ]


def test_a_fault_in_force_is_undone_at_once() -> None:
    """When the load ends within a fault the fault is undone then, not at its planned end."""
    story = _run(_plan("max<300"), lambda second: 900.0 if second >= 31 else 20.0)
    assert [one for one in story.told if "inject" in one or "undo" in one] == [
        "inject at 30",
        "undo at 32",
    ]


def test_patience_is_counted_from_the_start_of_the_window() -> None:
    """With delayAbortEval of 8 s nothing is decided before the load is 8 s old."""
    story = _run(_plan("max<300", after_ns=8 * SECOND_NS), lambda _: 900.0)
    assert [one.to_second for one in _decisions(story)] == [18]


def test_what_the_warm_up_shows_ends_no_run() -> None:
    """A slow warm-up is not judged, so it does not abort either."""
    story = _run(_plan("max<300"), lambda second: 900.0 if second < 10 else 20.0)
    assert _decisions(story) == []
    assert end_of(story) == "completed"
    assert "inject at 30" in story.told


def test_a_stretch_is_decided_on_when_it_is_full() -> None:
    """`over` takes the last seconds, once there are so many of them."""
    metric = "http_req_duration{over:5s}"
    story = _run(_plan("avg<300", metric), lambda second: 900.0 if second >= 20 else 20.0)
    (decision,) = _decisions(story)
    assert decision.to_second - decision.from_second == 5
    assert decision.to_second == 22


def test_a_rule_without_power_ends_nothing() -> None:
    """An objective without abortOnFail is left to the verdict."""
    plan = msgspec.structs.replace(
        PLAN, workers=2, objectives=(objective("http_req_duration", "max<300"),)
    )
    assert end_of(_run(plan, lambda _: 900.0)) == "completed"


def test_nothing_is_decided_on_what_is_not_whole() -> None:
    """A frame that never came switches aborting off, and the record says so."""
    story = _run(_plan("max<300"), lambda second: 900.0 if second >= 20 else 20.0, skip=(1, 15))
    assert _decisions(story) == []
    (warning,) = [one for one in story.events_seen if isinstance(one, WarningEvent)]
    assert warning.code == "abort-off"
    assert end_of(story) == "completed"


def test_what_is_our_own_fault_ends_no_run() -> None:
    """A bar that breaks while the generator is starved ends the run once it breaks without that."""
    plan = _plan("avg<300", "http_req_duration{over:5s}")
    story = _run(plan, lambda second: 900.0 if second >= 20 else 20.0, starved=range(19, 24))
    (decision,) = _decisions(story)
    assert decision.to_second == 28


def test_a_breach_that_only_an_invalid_second_shows_ends_no_run() -> None:
    """One second that was not the target's, and is borne, cannot break a bar by itself."""
    slow = _run(_plan("max<300"), lambda second: 900.0 if second == 20 else 20.0)
    assert [one.to_second for one in _decisions(slow)] == [21]
    borne = _run(
        _plan("max<300"), lambda second: 900.0 if second == 20 else 20.0, starved=range(20, 21)
    )
    assert _decisions(borne) == []
    assert end_of(borne) == "completed"


def test_a_bar_within_our_own_error_ends_no_run() -> None:
    """Where we are 40 ms late ourselves, a broken bar of 300 ms says nothing of the target."""
    late = {"loop_lag_index": [index_of(40_000)], "loop_lag_count": [50]}
    assert _decisions(_run(_plan("avg<300"), lambda _: 900.0, health=late)) == []
    assert _decisions(_run(_plan("avg<500"), lambda _: 900.0, health=late))


def test_frames_are_forgotten_once_nobody_asks_for_them() -> None:
    """However long a run, the controller keeps no more frames than its rules may ask for."""
    watched = _run(_plan("max<30000"), lambda _: 20.0)
    assert len(watched.frames.every()) <= 4
    story = _run(PLAN, lambda _: 20.0)
    assert story.frames.every() == []


def test_a_load_that_has_just_ended_needs_no_stop() -> None:
    """When the last second breaks the bar and nothing runs any more, the run ends as usual."""

    async def main(clock: VirtualClock) -> Story:
        plan = _plan("max<300")
        story = Story(clock, abort=AbortRules(plan))
        ports = replace(ports_of(story, plan), steering=Refusing())
        frames = asyncio.ensure_future(_send_frames(story, lambda second: 40.0 * second))
        await Run(plan, ports).execute()
        frames.cancel()
        return story

    story = run_virtual(main)
    assert len(_decisions(story)) == 1
    assert end_of(story) == "stopped"


class Refusing:
    """Steering that has nothing to steer any more."""

    async def steer(self, order: ControlOrder) -> None:
        raise BadInput([Problem(where="ctl", what="the load is not running")])


STOP = objective("http_req_duration{over:5s}", "avg<300")


def _stopping(*faults: PlannedFault) -> Plan:
    """Return a plan whose faults are undone once users wait too long."""
    return msgspec.structs.replace(PLAN, workers=2, stops=(STOP,), faults=faults or PLAN.faults)


def _undone(story: Story) -> list[DecisionEvent]:
    return [e for e in story.events_seen if isinstance(e, DecisionEvent) and e.action == "undo"]


def test_a_stop_condition_undoes_the_faults_and_the_load_goes_on() -> None:
    """The fault is undone when users are hurt, what is left is skipped, the run completes."""
    late = msgspec.structs.replace(PLAN.faults[0], name="late", at_ns=45 * SECOND_NS)
    story = _run(_stopping(PLAN.faults[0], late), lambda second: 900.0 if second >= 31 else 20.0)
    (decision,) = _undone(story)
    assert (decision.rule, decision.to_second) == (STOP.name, 33)
    assert [one for one in story.told if "inject" in one or "undo" in one] == [
        "inject at 30",
        "undo at 33",
    ]
    (skipped,) = [one for one in story.events_seen if isinstance(one, FaultEvent)]
    assert skipped.fault == "late"
    assert skipped.detail.startswith("a stop condition was broken: http_req_duration{over:5s}")
    assert end_of(story) == "completed"
    assert not [one for one in story.told if one.startswith("steer")]


def test_a_stop_condition_needs_no_proof() -> None:
    """Users are hurt as well where the generator is starved: faults are undone all the same."""
    slow = _run(_stopping(), lambda second: 900.0 if second >= 31 else 20.0, starved=range(100))
    assert [one.to_second for one in _undone(slow)] == [33]


def test_who_cannot_see_users_any_more_breaks_nothing() -> None:
    """A frame that never came undoes and skips the faults that a stop condition watches over."""
    story = _run(_stopping(), lambda _: 20.0, skip=(1, 15))
    assert not [one for one in story.told if one.startswith("inject")]
    (warning,) = [one for one in story.events_seen if isinstance(one, WarningEvent)]
    assert "faults are undone" in warning.text
    assert end_of(story) == "completed"
