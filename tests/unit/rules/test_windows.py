"""Which seconds belong to which window, also when the record was cut off."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from tests.builders import (
    CUT,
    RESTART,
    at,
    fault_events,
    frames,
    healthy_record,
    plan,
    probe,
    story,
)

from stormproof.checks.faults import stories_of
from stormproof.checks.recovery import check_recovery, instants_of, outages_of
from stormproof.model.event import (
    EndEvent,
    Event,
    FaultEvent,
    FaultStep,
    OriginEvent,
    Phase,
    PhaseEvent,
)
from stormproof.model.record import Record
from stormproof.rules.windows import ready_again_ns, spans_of, windows_of


def _until(record: Record, second: int) -> Record:
    """Cut a record off, as a kill does."""
    return replace(
        record,
        frames=tuple(one for one in record.frames if one.second < second),
        events=tuple(one for one in record.events if one.at_ns < at(second)),
        probes=tuple(one for one in record.probes if one.end_ns < at(second)),
        sealed=False,
    )


def test_the_load_is_shared_out() -> None:
    """Calm, fault and recovery are disjoint and make up the load."""
    windows = windows_of(healthy_record())
    calm, fault, after = (windows.seconds(name) for name in ("calm", "fault", "recovery"))
    assert calm | fault | after == windows.seconds("load") == set(range(4, 40))
    assert not calm & fault
    assert not calm & after
    assert not fault & after


def test_spans_are_whole_seconds() -> None:
    """A fault owns every second it touches, recovery lasts until ready again."""
    windows = windows_of(healthy_record())
    assert windows.spans("warmup") == [(0, 4)]
    assert windows.spans("steady") == [(4, 12)]
    assert windows.spans("fault") == [(12, 16), (26, 27)]
    assert windows.spans("recovery") == [(16, 17), (27, 28)]
    assert windows.spans("disturbed") == [(12, 17), (26, 28)]
    assert windows.spans("run") == [(0, 42)]


def test_each_fault_tells_when_it_was_back() -> None:
    """Each fault comes with its intent, its undo and when the first lasting yes came."""
    cut, restart = windows_of(healthy_record()).faults
    assert (cut.fault, cut.start_ns, cut.end_ns, cut.back_ns) == (CUT, at(12), at(16), at(16.405))
    assert (restart.fault, restart.start_ns, restart.back_ns) == (RESTART, at(26), at(27.005))


def test_recovery_never_lasts_longer_than_its_bar() -> None:
    """A target that is never ready again is in recovery for the bar, and calm after it."""
    dead = tuple(probe("ready", [(12.3, 99.0)]))
    windows = windows_of(healthy_record(events=tuple(story()), probes=dead))
    assert windows.spans("recovery") == [(16, 21), (27, 32)]
    assert [life.back_ns for life in windows.faults] == [None, None]


def test_an_open_fault_lasts_until_the_end_of_what_was_seen() -> None:
    """In a record that was cut off during a fault, its window ends with the record."""
    windows = windows_of(_until(healthy_record(), 14))
    assert windows.spans("load") == [(4, 14)]
    assert windows.spans("fault") == [(12, 14)]
    assert windows.spans("recovery") == []


def test_a_prefix_agrees_with_the_whole() -> None:
    """Up to the fault in force, a truncated record has the windows of the whole one."""
    whole = windows_of(healthy_record())
    part = windows_of(_until(healthy_record(), 25))
    for window in ("steady", "calm", "fault", "recovery"):
        assert part.seconds(window) == {s for s in whole.seconds(window) if s < 25}


def test_healing_hours_later_does_not_stretch_the_run() -> None:
    """What the healer writes down after hours lengthens neither the load nor a fault."""
    late_ns = at(20_000.0)
    healed: list[Event] = [
        FaultEvent(at_ns=late_ns, fault=CUT, step=FaultStep.UNDONE, after_death=True),
        EndEvent(at_ns=late_ns, how="healed"),
    ]
    cut = _until(healthy_record(), 14)
    windows = windows_of(replace(cut, events=(*cut.events, *healed)))
    assert windows.spans("load") == [(4, 14)]
    assert windows.faults[0].end_ns <= at(14)


def test_without_an_origin_there_is_no_load() -> None:
    """A run that died while preparing has no window but what was seen."""
    events = tuple(one for one in story() if not isinstance(one, OriginEvent))
    windows = windows_of(healthy_record(events=events))
    assert not windows.seconds("load")
    assert windows.spans("run") == [(0, 42)]


def test_without_faults_the_load_is_calm_and_steady() -> None:
    """With no fault tried, steady and calm are the whole load."""
    windows = windows_of(healthy_record(plan(faults=()), events=tuple(story(faults=False))))
    assert windows.seconds("calm") == windows.seconds("steady") == windows.seconds("load")


def test_a_skipped_fault_has_no_span() -> None:
    """A fault that the gate skipped was never in force."""
    skipped = FaultEvent(at_ns=at(4.1), fault=CUT, step=FaultStep.SKIPPED)
    windows = windows_of(healthy_record(events=(*story(faults=False), skipped)))
    assert windows.faults == ()


def test_a_fault_that_could_not_be_injected_ends_at_its_failure() -> None:
    """Intent and failure alone make a span between the two, not to the end."""
    steps = [(12.0, FaultStep.INTENT), (12.2, FaultStep.FAILED)]
    events = [FaultEvent(at_ns=at(s), fault=CUT, step=step) for s, step in steps]
    windows = windows_of(healthy_record(events=(*story(faults=False), *events)))
    assert windows.spans("fault") == [(12, 13)]


@pytest.mark.parametrize(
    ("bad", "next_fault_s", "back_s"),
    [
        ([(0.0, 5.5)], None, 5.5),
        ([(0.0, 5.5), (5.8, 6.0)], None, 6.0),
        ([(0.0, 5.5), (7.0, 7.2)], None, 7.2),
        ([(0.0, 5.5), (16.5, 16.7)], None, 5.5),
        ([(0.0, 5.5), (18.0, 18.2)], None, 5.5),
        ([(0.0, 5.5), (7.0, 7.2)], 6.0, 5.5),
        ([(0.0, 9.0)], 8.0, None),
        ([(0.0, 17.5)], None, None),
    ],
    ids=[
        "at once",
        "flapping",
        "flapping later",
        "long after, which is another matter",
        "in the drain",
        "next fault",
        "next fault first",
        "too late to be sure",
    ],
)
def test_ready_again(
    bad: list[tuple[float, float]], next_fault_s: float | None, back_s: float | None
) -> None:
    """Readiness is back when an ok came that lasts 5 s, or to the next fault or the drain."""
    next_ns = None if next_fault_s is None else at(next_fault_s)
    found = ready_again_ns(probe("ready", bad, to_s=20), at(5.0), next_ns, at(18))
    assert found == (None if back_s is None else at(back_s + 0.005))


def test_spans_join_neighbours() -> None:
    """Neighbouring seconds make one span."""
    assert spans_of({3, 1, 2, 7}) == [(1, 4), (7, 8)]
    assert spans_of([]) == []


def test_the_preparation_has_negative_seconds() -> None:
    """The run's window begins with the first frame, also before the origin."""
    moved = [msgspec.structs.replace(one, second=-2) for one in frames(seconds=1)]
    windows = windows_of(healthy_record(frames=(*moved, *frames())))
    assert windows.spans("run") == [(-2, 42)]


def test_the_load_waits_for_its_slowest_operations() -> None:
    """What ends between the planned end and the drain was intended in the load, and is judged."""
    events = tuple(
        PhaseEvent(at_ns=at(41.3), phase=Phase.DRAIN)
        if isinstance(one, PhaseEvent) and one.phase is Phase.DRAIN
        else one
        for one in story()
    )
    windows = windows_of(healthy_record(events=events))
    assert windows.spans("load") == [(4, 42)]
    assert windows.spans("calm")[-1] == (28, 42)


def test_faults_in_force_together_have_one_recovery() -> None:
    """What is undone while another fault is in force recovers with it, from the last undo on."""
    events = [
        *story(faults=False),
        *fault_events(CUT, 12.0, 16.0),
        *fault_events(RESTART, 14.0, 18.0),
    ]
    down = tuple(probe("ready", [(12.3, 18.4)]))
    record = healthy_record(events=tuple(sorted(events, key=lambda one: one.at_ns)), probes=down)
    windows = windows_of(record)
    cut, restart = windows.faults
    assert cut.undone_ns == at(16.0)
    assert (cut.first_ns, cut.over_ns, cut.next_ns) == (at(12.0), at(18.0), None)
    assert cut.back_ns == restart.back_ns == at(18.405)
    assert windows.spans("fault") == [(12, 18)]
    assert windows.spans("recovery") == [(18, 19)]
    stories = stories_of(record)
    outages = outages_of(record, windows, stories)
    measured = check_recovery(record, windows, outages, stories).measured
    assert measured["recovery_ready_s", RESTART].value == pytest.approx(0.405)
    assert measured["recovery_ready_s", CUT].between == pytest.approx((0.0, 2.405))  # since its own
    (of_cut, _) = [instants_of(record, windows, one).instants for one in outages]
    assert {one.name: one.at_s for one in of_cut}["all faults undone"] == 18.0
