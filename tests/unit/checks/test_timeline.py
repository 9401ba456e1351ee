"""A fault that did not come when the plan said is told; where it took the room, nothing passes."""

from __future__ import annotations

import pytest
from tests.builders import (
    CUT,
    RESTART,
    decisions_of,
    fault_events,
    healthy_record,
    plan,
    probe,
    story,
)

from stormproof.checks.judge import judge
from stormproof.model.objective import Status
from stormproof.model.record import Record
from stormproof.model.verdict import Verdict
from stormproof.rules.gate import decide


def record_with(cut_s: float, restart_s: float, *, held_s: float = 4.0) -> Record:
    """Return the record of a run whose faults came at these instants of the load."""
    made = plan()
    spans = ((CUT, cut_s, cut_s + held_s), (RESTART, restart_s, restart_s + 0.8))
    events = [*story(faults=False), *(e for one in spans for e in fault_events(*one))]
    base = healthy_record(made)
    events += decisions_of(base, decide(made, base.frames, base.series, 2, 4))
    bad = [(from_s + 0.3, to_s + 0.3) for _, from_s, to_s in spans]
    samples = [*probe("ready", bad), *probe("canary", [(a - 0.1, b - 0.2) for a, b in bad])]
    return healthy_record(
        made,
        events=tuple(sorted(events, key=lambda event: event.at_ns)),
        probes=tuple(sorted(samples, key=lambda sample: sample.start_ns)),
    )


def verdict_of(record: Record) -> Verdict:
    return judge(record, version="0")


def test_faults_on_time_are_not_spoken_of() -> None:
    """Half a second is less than a frame can tell."""
    verdict = verdict_of(record_with(12.5, 26.0))
    assert verdict.verdict is Status.PASS
    assert verdict.warnings == []


def test_a_late_fault_with_room_enough_is_told() -> None:
    """Three seconds late with seven left before the next: told, and it may pass."""
    verdict = verdict_of(record_with(15.0, 26.0))
    assert verdict.verdict is Status.PASS
    assert verdict.warnings == ["timeline: cache-cut came 3.01 s late"]


@pytest.mark.parametrize(
    ("cut_s", "restart_s", "told"),
    [
        (18.0, 26.0, "cache-cut came 6.01 s late and left 4 s of the 5 s after it"),
        (12.0, 38.0, "cache-restart came 12 s late and left 1.2 s of the 5 s after it"),
        (9.0, 26.0, "cache-cut came 2.99 s before its time"),
    ],
)
def test_a_fault_that_takes_the_room_of_what_comes_after_it_decides_nothing(
    cut_s: float, restart_s: float, told: str
) -> None:
    """Too late for its recovery, or before its time: INCONCLUSIVE, with both instants."""
    verdict = verdict_of(record_with(cut_s, restart_s))
    assert verdict.verdict is Status.INCONCLUSIVE
    (finding,) = [one for one in verdict.findings if one.kind == "fault-unpunctual"]
    assert finding.title == told
    assert f"timeline: {told}" in verdict.warnings
    assert "planned at " in finding.witnesses[0].what


def test_a_late_fault_does_not_hide_a_loss() -> None:
    """What accuses the target fails it, whenever the faults came."""
    record = record_with(18.0, 26.0)
    entries = record.ledger[0]
    lost = entries[:-1]
    verdict = judge(healthy_record(record.plan, events=record.events, ledger=(lost,)), version="0")
    assert verdict.verdict is Status.FAIL
