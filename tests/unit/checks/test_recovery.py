"""When did it hurt, and when was everything back?"""

from __future__ import annotations

from typing import Any

import pytest
from tests.builders import (
    CUT,
    FEED_OPERATION,
    RESTART,
    at,
    healthy_record,
    plan,
    probe,
    story,
)

from stormproof.checks.faults import stories_of
from stormproof.checks.outcome import Measurement
from stormproof.checks.recovery import check_recovery, instants_of, outages_of
from stormproof.model.event import Failure, PartEvent, ProbeSample
from stormproof.model.record import Record
from stormproof.rules.windows import windows_of

READY, SERVICE = "recovery_ready_s", "recovery_service_s"


def _probes(*, ready: list[Any], canary: list[Any], to_s: float = 42) -> tuple[ProbeSample, ...]:
    both = [*probe("ready", ready, to_s=to_s), *probe("canary", canary, to_s=to_s)]
    return tuple(sorted(both, key=lambda sample: sample.start_ns))


def _measured(record: Record) -> dict[tuple[str, str], Measurement]:
    stories = stories_of(record)
    windows = windows_of(record)
    outages = outages_of(record, windows, stories)
    return check_recovery(record, windows, outages, stories).measured


def _failure(
    start_s: float, end_s: float, status: int = 503, series: int = FEED_OPERATION
) -> Failure:
    return Failure(
        worker=0,
        user=1,
        series=series,
        kind=f"http {status}",
        intended_ns=at(start_s),
        start_ns=at(start_s),
        end_ns=at(end_s),
        status=status,
    )


def test_recovery_runs_from_the_undo() -> None:
    """Ready again 0.4 s and serving again 0.105 s after the cut's undo; the worst fault counts."""
    measured = _measured(healthy_record())
    assert measured[READY, CUT].value == pytest.approx(0.4)
    assert measured[READY, RESTART].value == pytest.approx(0.2)
    assert measured[READY, ""].value == pytest.approx(0.4)
    assert measured[SERVICE, CUT].value == pytest.approx(0.105)
    assert measured[SERVICE, RESTART].value == 0.0


def test_never_ready_again_comes_with_how_long_was_seen() -> None:
    """A target that stays down has no recovery, and 10 s until the next fault show it."""
    probes = _probes(ready=[(12.3, 99)], canary=[(12.2, 99)])
    measured = _measured(healthy_record(events=tuple(story()), probes=probes))
    for metric in (READY, SERVICE):
        cut = measured[metric, CUT]
        assert (cut.value, cut.beyond) == (None, "never")
        assert cut.at_least == pytest.approx(10.0, abs=0.2)
        assert measured[metric, ""].beyond == "never"


def test_failures_of_the_load_count_as_outage() -> None:
    """A request that fails after the undo moves the end of the outage; a 404 does not."""
    failures = (_failure(16.5, 17.0), _failure(17.5, 18.0, status=404))
    measured = _measured(healthy_record(failures=failures))
    assert measured[SERVICE, CUT].value == pytest.approx(1.0)


def test_a_lone_failure_later_is_another_story() -> None:
    """Two seconds without a failure end the outage."""
    measured = _measured(healthy_record(failures=(_failure(22.0, 22.5),)))
    assert measured[SERVICE, CUT].value == pytest.approx(0.105)


def test_a_journeys_own_failure_is_no_outage() -> None:
    """What is not recorded as an operation (a journey that gave up) says nothing about service."""
    measured = _measured(healthy_record(failures=(_failure(16.5, 17.0, status=0, series=2),)))
    assert measured[SERVICE, CUT].value == pytest.approx(0.105)


def test_a_silent_probe_is_no_evidence() -> None:
    """When the controller did not ask, the recovery is in doubt."""
    probes = tuple(
        one
        for one in _probes(ready=[(12.3, 16.4)], canary=[(12.2, 16.2)])
        if not at(16.1) < one.start_ns < at(20)
    )
    why = _measured(healthy_record(probes=probes))[READY, CUT].why
    assert why == "the probe 'ready' gave no usable answer for 3.9 s of load"


def test_an_unreached_fault_has_no_recovery() -> None:
    """A fault that the run did not come to leaves its recovery in doubt, and the worst one too."""
    record = healthy_record(events=tuple(story(faults=False)))
    measured = _measured(record)
    assert measured[READY, CUT].why == f"{CUT} was never reached"
    assert measured[READY, ""].why


def test_the_instants_are_in_order_and_sampled() -> None:
    """Each instant comes with how finely it was sampled."""
    up = PartEvent(at_ns=at(26.5), part="cache", step="ready")
    record = healthy_record(events=tuple(sorted([*story(), up], key=lambda one: one.at_ns)))
    windows, stories = windows_of(record), stories_of(record)
    cut, restart = (
        instants_of(record, windows, one) for one in outages_of(record, windows, stories)
    )
    seen = {one.name: one.at_s for one in cut.instants}
    assert seen["fault injected"] == pytest.approx(12.01)
    assert seen["first failed operation"] == pytest.approx(12.205)
    assert seen["first not-ready answer"] == pytest.approx(12.305)
    assert seen["last failed operation"] == pytest.approx(16.105)
    assert seen["first success"] == pytest.approx(16.205)
    assert seen["ready again"] == pytest.approx(16.4)
    assert seen["part up"] is None
    assert {one.name: one.at_s for one in restart.instants}["part up"] == pytest.approx(26.5)
    grain = {one.name: one.sampling_s for one in cut.instants}
    assert (grain["fault undone"], grain["ready again"]) == (0.0, 0.1)


def test_a_fault_that_was_not_undone_has_no_recovery_yet() -> None:
    """In a record that ends within a fault, its recovery is in doubt."""
    early = tuple(one for one in story() if one.at_ns < at(14))
    measured = _measured(healthy_record(events=early))
    assert measured[READY, CUT].why == f"{CUT} was not undone in this record"


def test_without_a_fault_there_is_nothing_to_recover_from() -> None:
    """A plan without faults leaves recovery in doubt."""
    record = healthy_record(plan(faults=()), events=tuple(story(faults=False)))
    assert _measured(record)[READY, ""].why == "the plan has no fault"


def test_service_needs_its_canary() -> None:
    """Without the probe `canary` nothing shows when service was back."""
    probes = tuple(one for one in plan().probes if one.name == "ready")
    record = healthy_record(plan(probes=probes), probes=tuple(probe("ready", [(12.3, 16.4)])))
    assert _measured(record)[SERVICE, CUT].why == "the plan has no probe 'canary'"
    asked_never = healthy_record(probes=tuple(probe("ready", [(12.3, 16.4)])))
    why = _measured(asked_never)[SERVICE, CUT].why
    assert why == "the probe 'canary' gave no usable answer for 36.0 s of load"


def test_ready_that_flaps_soon_after_the_undo_was_not_for_good() -> None:
    """A target that is unready again 4 s after it said ready took until its last no to recover."""
    ready = [(12.3, 16.4), (20.0, 24.0), (26.2, 27.0)]
    probes = _probes(ready=ready, canary=[(12.2, 16.2), (26.1, 26.8)])
    assert _measured(healthy_record(probes=probes))[READY, CUT].value == pytest.approx(8.0)


def test_ready_that_is_not_back_when_the_load_ends_never_came_back() -> None:
    """Ready for a moment after the last fault and away until the end of the load is never."""
    ready = [(12.3, 16.4), (26.2, 27.0), (29.0, 99.0)]
    probes = _probes(ready=ready, canary=[(12.2, 16.2), (26.1, 26.8)])
    assert _measured(healthy_record(probes=probes))[READY, RESTART].beyond == "never"


def test_a_silent_probe_far_from_the_faults_is_no_evidence() -> None:
    """Readiness that nobody asked for seconds of the load may have been lost there."""
    kept = tuple(
        one
        for one in healthy_record().probes
        if one.probe != "ready" or not at(33) < one.start_ns < at(36)
    )
    measured = _measured(healthy_record(probes=kept))
    assert "gave no usable answer" in measured[READY, ""].why
    assert measured[SERVICE, ""].why == ""
