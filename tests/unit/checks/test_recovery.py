"""When did it hurt, and when was everything back?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from tests.builders import (
    CUT,
    FEED_OPERATION,
    RESTART,
    at,
    fault_events,
    healthy_record,
    plan,
    probe,
    story,
)

from stormproof.checks.faults import stories_of
from stormproof.checks.judge import judge
from stormproof.checks.outcome import Measurement
from stormproof.checks.recovery import check_recovery, instants_of, outages_of
from stormproof.model.event import Failure, PartEvent, ProbeSample
from stormproof.model.objective import Status
from stormproof.model.record import Record
from stormproof.rules.grammar import objective
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
    """Ready again 0.405 s and serving again 0.105 s after the cut's undo; the worst one counts."""
    measured = _measured(healthy_record())
    assert measured[READY, CUT].value == pytest.approx(0.405)
    assert measured[READY, RESTART].value == pytest.approx(0.205)
    assert measured[READY, ""].value == pytest.approx(0.405)
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


def test_requests_that_hang_after_the_undo_are_the_outage() -> None:
    """Users who send from the undo on and fail by a deadline of five seconds are not served until
    the last of them has failed, whatever hung since before the undo or failed in between."""
    hung = [_failure(16.01 + step / 10, 21.01 + step / 10, status=0) for step in range(25)]
    measured = _measured(healthy_record(failures=(*hung, _failure(20.2, 20.3))))
    assert measured[SERVICE, CUT].value == pytest.approx(7.41)
    before = _measured(healthy_record(failures=(_failure(14.0, 21.0, status=0),)))
    assert before[SERVICE, CUT].value == pytest.approx(0.105)


@pytest.mark.parametrize(
    ("away", "value", "bar", "status"),
    [
        ((12.3, 31.5), 15.755, "max<5", Status.INCONCLUSIVE),  # away for good, or for the restart
        ((12.3, 31.5), 15.755, "max<20", Status.PASS),
        ((12.3, 17.0), 1.005, "max<5", Status.PASS),  # back while the restart was under way
        ((12.3, 99.0), None, "max<5", Status.INCONCLUSIVE),
    ],
)
def test_a_fault_that_another_outlasts_hides_nothing(
    away: tuple[float, float], value: float | None, bar: str, status: Status
) -> None:
    """Of the cut until 16 s within a restart until 32 s it is known how long the target took at
    most: enough to meet a bar, never to break one; the restart answers for itself."""
    events = [*story(faults=False), *fault_events(CUT, 12, 16), *fault_events(RESTART, 15, 32)]
    events.sort(key=lambda one: one.at_ns)
    probes = _probes(ready=[away], canary=[away], to_s=46)
    record = healthy_record(events=tuple(events), probes=probes)
    measured = _measured(record)
    for metric in (READY, SERVICE):
        cut = measured[metric, CUT]
        assert (cut.value is None) == (value is None)
        assert cut.value is None or cut.value == pytest.approx(value, abs=0.26)
        assert cut.why == f"{RESTART} was in force after {CUT} ended"
        asked = [objective(f"{metric}{{fault:{of}}}", bar) for of in (CUT, RESTART)]
        of_cut, of_restart = judge(record, objectives=asked, version="t").objectives[-2:]
        assert of_cut.status is status
        is_back = away[1] < 99
        assert of_restart.status is (Status.PASS if is_back else Status.FAIL)


def test_requests_that_hang_while_another_fault_lasts_were_not_served() -> None:
    """Nobody was served between two undos by requests that fail only after the second one."""
    events = [*story(faults=False), *fault_events(CUT, 12, 16), *fault_events(RESTART, 15, 22)]
    events.sort(key=lambda one: one.at_ns)
    hung = tuple(_failure(16.5 + step / 10, 23.0 + step / 10, status=0) for step in range(50))
    measured = _measured(healthy_record(events=tuple(events), failures=hung))
    assert measured[SERVICE, CUT].value == pytest.approx(11.9, abs=0.3)


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
    assert seen["ready again"] == pytest.approx(16.405)
    assert "part up" not in seen  # a cut takes none down
    assert {one.name: one.at_s for one in restart.instants}["part up"] == pytest.approx(26.5)
    grain = {one.name: one.sampling_s for one in cut.instants}
    assert grain["fault undone"] == 0.0
    assert grain["ready again"] == pytest.approx(0.105)  # since the last "no" was asked for


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
    assert _measured(healthy_record(probes=probes))[READY, CUT].value == pytest.approx(8.005)


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


def test_an_answer_that_hung_is_ready_when_it_came() -> None:
    """A service that answered "ready" after a second was not ready before, and the table says that
    it may have been so since the last "no" was asked for."""
    ready = [one for one in probe("ready", [(12.3, 17.0)]) if not 17.05 < _s(one) < 18.05]
    slow = [_long(one, 1.0) if 16.95 < _s(one) < 17.05 else one for one in ready]
    record = _with(slow, probe("canary", [(12.2, 16.2)]))
    assert _measured(record)[READY, CUT].value == pytest.approx(2.0)
    assert _row(record, "ready again") == pytest.approx((18.0, 1.1))


def test_a_question_that_hung_through_the_recovery_widens_its_row() -> None:
    """Of a canary that hung for a second nobody knows when the target was whole again within it."""
    canary = [one for one in probe("canary", [(12.2, 16.0)]) if not 15.95 < _s(one) < 16.85]
    hung = [_long(one, 1.0) if 15.85 < _s(one) < 15.95 else one for one in canary]
    record = _with(probe("ready", [(12.3, 16.1)]), hung)
    assert _row(record, "last failed operation") == pytest.approx((16.9, 1.0))
    assert _row(record, "first success") == pytest.approx((16.905, 1.005))


def _with(ready: Iterable[ProbeSample], canary: Iterable[ProbeSample]) -> Record:
    both = sorted([*ready, *canary], key=lambda one: one.start_ns)
    return healthy_record(probes=tuple(both))


def test_an_outage_without_an_end_has_no_last_failure() -> None:
    """Of a target that still fails when the next fault comes, no row tells an end."""
    record = healthy_record(
        events=tuple(story()), probes=_probes(ready=[(12.3, 99)], canary=[(12.2, 99)])
    )
    for name in ("last failed operation", "first success", "ready again"):
        assert _row(record, name) == (None, 0.0)


def _row(record: Record, name: str) -> tuple[float | None, float]:
    """Return what the table says of the cut: at, and how finely it was sampled."""
    windows, stories = windows_of(record), stories_of(record)
    cut = instants_of(record, windows, outages_of(record, windows, stories)[0])
    return next((one.at_s, one.sampling_s) for one in cut.instants if one.name == name)


def _s(sample: ProbeSample) -> float:
    return (sample.start_ns - at(0)) / 1e9


def _long(sample: ProbeSample, seconds: float) -> ProbeSample:
    """Have the answer come that much later; what was an outage hung so long and then failed."""
    end_ns = sample.start_ns + round(seconds * 1e9)
    return msgspec.structs.replace(sample, end_ns=end_ns)
