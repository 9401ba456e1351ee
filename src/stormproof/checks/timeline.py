"""Did each fault come when the plan said, and had what comes after it the room that was promised?

What it does: holds the instant of each injection against the plan's. Why it matters: windows follow
the faults as they came, so that a late one leaves its recovery, or the calm after it, less than the
plan was made for. A failure looks like: "cache-cut came 8 s late and left 2.1 s of the 5 s after
it". Limits: one that is late and leaves enough is told, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stormproof.checks.faults import FaultStory
from stormproof.checks.outcome import Outcome
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import FaultStep
from stormproof.model.finding import Finding, Witness
from stormproof.model.plan import Plan, PlannedFault
from stormproof.rules.windows import Windows

PUNCTUAL_NS = SECOND_NS  # either way; frames know no finer instants


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpunctual:
    """A fault that did not come when it should; all in nanoseconds.

    `late_ns` is below zero for one that came early. `left_ns` is what was left, once it was over,
    until the next one or the end of the load, of `promised_ns` that the plan was made for.
    """

    story: FaultStory
    injected_ns: int
    late_ns: int
    left_ns: int
    promised_ns: int

    @property
    def is_harmful(self) -> bool:
        """Whether the windows around it are not those that the plan was made for."""
        return self.late_ns < 0 or self.left_ns < self.promised_ns

    def __str__(self) -> str:
        name, seconds = self.story.planned.name, abs(self.late_ns) / SECOND_NS
        if self.late_ns < 0:
            return f"{name} came {seconds:.3g} s before its time"
        if not self.is_harmful:
            return f"{name} came {seconds:.3g} s late"
        left_s, promised_s = max(0, self.left_ns) / SECOND_NS, self.promised_ns / SECOND_NS
        after = f"left {left_s:.3g} s of the {promised_s:.3g} s after it"
        return f"{name} came {seconds:.3g} s late and {after}"


def unpunctual(
    plan: Plan, windows: Windows, stories: Mapping[str, FaultStory]
) -> Iterator[Unpunctual]:
    """Yield the faults that did not come when the plan said."""
    for one in plan.faults:
        story = stories[one.name]
        injected = story.at(FaultStep.INJECTED)
        if injected is None or windows.origin_ns is None:
            continue
        late_ns = injected.at_ns - windows.origin_ns - one.at_ns
        if late_ns > 0:  # it may wait for the target, and the plan has room for that
            late_ns = max(0, late_ns - one.ready_within_ns)
        if abs(late_ns) <= PUNCTUAL_NS:
            continue
        room_end_ns = _room_end_ns(plan, one)
        undone = story.at(FaultStep.UNDONE, FaultStep.CLEAN)
        over_ns = injected.at_ns + one.for_ns if undone is None else undone.at_ns
        yield Unpunctual(
            story=story,
            injected_ns=injected.at_ns,
            late_ns=late_ns,
            left_ns=_left_ns(room_end_ns, over_ns - windows.origin_ns),
            promised_ns=min(_left_ns(room_end_ns, one.end_ns), plan.recovery_bar_ns),
        )


def _left_ns(room_end_ns: int | None, over_ns: int) -> int:
    return 0 if room_end_ns is None else room_end_ns - over_ns


def _room_end_ns(plan: Plan, fault: PlannedFault) -> int | None:
    """Return until when nothing else was to happen once a fault is over.

    None where another is still in force then: nothing was promised to what comes after it.
    """
    others = [one for one in plan.faults if one.name != fault.name and one.end_ns >= fault.end_ns]
    if any(one.at_ns < fault.end_ns for one in others):
        return None
    return min((one.at_ns for one in others), default=plan.duration_ns)


def check_timeline(plan: Plan, windows: Windows, stories: Mapping[str, FaultStory]) -> Outcome:
    """Find the faults that left less room than the plan was made for; see the module."""
    return Outcome(
        findings=[
            Finding(
                kind="fault-unpunctual",
                title=str(one),
                count=1,
                witnesses=[
                    Witness(
                        what=f"planned at {one.story.planned.at_ns / SECOND_NS:.3g} s,"
                        f" injected at {windows.at_s(one.injected_ns):.3f} s",
                        at_ns=one.injected_ns,
                    )
                ],
                advice="run again on a machine that is less busy, or give the faults more room",
            )
            for one in unpunctual(plan, windows, stories)
            if one.is_harmful
        ]
    )


def told_of_timeline(plan: Plan, windows: Windows, stories: Mapping[str, FaultStory]) -> list[str]:
    """Say of each fault that it did not come when the plan said."""
    return [f"timeline: {one}" for one in unpunctual(plan, windows, stories)]
