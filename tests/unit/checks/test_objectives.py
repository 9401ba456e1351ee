"""One objective at a time: what speaks against judging it, and what its value means."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.builders import (
    at,
    frame,
    frames,
    healthy_record,
    operations,
    plan,
    probe,
    series,
    story,
)
from tests.unit.checks.judging import judge_one as _judge

from stormproof.checks.outcome import Key, Measurement
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import Phase, PhaseEvent
from stormproof.model.histogram import index_of
from stormproof.model.objective import Status
from stormproof.model.record import Record
from stormproof.model.series import Series, SeriesKind


def _recovery(**fields: Any) -> dict[Key, Measurement]:
    return {("recovery_ready_s", ""): Measurement(**{"value": None, "samples": 1, **fields})}


def test_evidence_is_told_with_the_answer() -> None:
    """An answer says how many samples it rests on, how many it needed, and when they were."""
    judged = _judge("http_req_duration{scenario:feed,window:fault}", "p(95)<300")
    assert judged.status is Status.PASS
    assert (judged.evidence.samples, judged.evidence.samples_min) == (500, 200)
    assert judged.evidence.at_s == [[12, 16], [26, 27]]
    assert (judged.evidence.seconds, judged.evidence.window) == (5, "fault")
    assert judged.interval is not None


def test_an_empty_window_decides_nothing() -> None:
    """A window that the run did not have is undecided."""
    record = healthy_record(plan(faults=()), events=tuple(story(faults=False)))
    judged = _judge("http_req_failed{scenario:feed,window:recovery}", "rate<0.5", record)
    assert (judged.status, judged.why) == (Status.INCONCLUSIVE, "window recovery is empty")


def test_overflowed_series_decide_nothing() -> None:
    """Samples that may hide in `other` leave every objective on the metric undecided."""
    other = Series(id=9, kind=SeriesKind.OPERATION, metric="other", tags={"kind": "operation"})
    record = healthy_record(series={0: series() | {9: other}, 1: series()})
    judged = _judge("http_req_duration{scenario:feed}", "p(95)<300", record)
    assert judged.status is Status.INCONCLUSIVE
    assert "series `other`" in judged.why
    assert judged.remedy


def test_a_count_needs_no_more_than_to_be_seen() -> None:
    """A count is judged on what was seen, however little; what never showed is undecided."""
    assert _judge("http_reqs{scenario:feed}", "count>5000").status is Status.FAIL
    assert _judge("dropped_iterations{scenario:feed}", "count==0").status is Status.PASS
    assert _judge("dropped_iterations{scenario:chat}", "count==0").status is Status.INCONCLUSIVE


def test_what_nobody_measures_is_undecided() -> None:
    """An objective whose checker did not run is not met."""
    judged = _judge("delivery_lost", "count==0")
    assert judged.status is Status.INCONCLUSIVE
    assert "nothing measures delivery_lost" in judged.why


def test_a_doubtful_measurement_keeps_its_value_and_its_reason() -> None:
    """What a checker itself doubts is undecided, with the value it saw."""
    doubtful = {
        ("fault_effective", ""): Measurement(value=0.5, samples=2, why="no bite", remedy="aim")
    }
    judged = _judge("fault_effective", "rate==1", measured=doubtful)
    assert (judged.status, judged.value) == (Status.INCONCLUSIVE, 0.5)
    assert (judged.why, judged.remedy) == ("no bite", "aim")


@pytest.mark.parametrize(("at_least", "status"), [(12.0, Status.FAIL), (3.0, Status.INCONCLUSIVE)])
def test_never_fails_only_beyond_the_bar(at_least: float, status: Status) -> None:
    """No recovery within 12 s breaks a bar of 10 s; none within the 3 s seen proves nothing."""
    measured = _recovery(beyond="never", at_least=at_least)
    judged = _judge("recovery_ready_s", "max<10", measured=measured)
    assert (judged.status, judged.value, judged.beyond) == (status, None, "never")
    assert judged.why


def test_a_measurement_without_samples_is_undecided() -> None:
    """A value that rests on nothing is no evidence."""
    judged = _judge("recovery_ready_s", "max<10", measured=_recovery(value=0.0, samples=0))
    assert (judged.status, judged.why) == (Status.INCONCLUSIVE, "0 samples, 1 needed")


def test_recovery_is_not_judged_on_a_machine_that_was_taken() -> None:
    """When the measurement was not valid around the faults, recovery times say nothing."""
    taken = tuple(
        frame(one.worker, one.second, one.counts, core_idle_share=0.0)
        if 12 <= one.second < 18
        else one
        for one in frames()
    )
    record = healthy_record(frames=taken)
    judged = _judge("recovery_ready_s", "max<10", record, _recovery(value=0.4))
    assert judged.status is Status.INCONCLUSIVE
    assert "not valid" in judged.why


def test_messages_count_under_a_valid_generator_only() -> None:
    """Too few messages from a starved generator are no failure of the target."""
    sent: dict[Key, Measurement] = {
        ("messages_acknowledged", ""): Measurement(value=10.0, samples=10)
    }
    assert _judge("messages_acknowledged", "count>=30", measured=sent).status is Status.FAIL
    starved = tuple(frame(o.worker, o.second, o.counts, core_idle_share=0.0) for o in frames())
    judged = _judge("messages_acknowledged", "count>=30", healthy_record(frames=starved), sent)
    assert judged.status is Status.INCONCLUSIVE


def test_a_floor_that_was_reached_needs_no_valid_generator() -> None:
    """Messages that were acknowledged while the core was taken were acknowledged all the same."""
    sent: dict[Key, Measurement] = {
        ("messages_acknowledged", ""): Measurement(value=50.0, samples=50)
    }
    starved = tuple(frame(o.worker, o.second, o.counts, core_idle_share=0.0) for o in frames())
    record = healthy_record(frames=starved)
    assert _judge("messages_acknowledged", "count>=30", record, sent).status is Status.PASS


@pytest.mark.parametrize(
    ("invalid", "value", "status"),
    [
        (6, 0.0, Status.PASS),
        (10, 0.0, Status.INCONCLUSIVE),
        (6, 1.0, Status.INCONCLUSIVE),
        (1, 1.0, Status.FAIL),
    ],
)
def test_a_bound_that_was_kept_bears_a_fifth_of_invalid_seconds(
    invalid: int, value: float, status: Status
) -> None:
    """Our lateness adds false answers and hides none: it may taint 7 of 36 s where none was."""
    taken = tuple(
        frame(o.worker, o.second, o.counts, core_idle_share=0.0)
        if 20 <= o.second < 20 + invalid
        else o
        for o in frames()
    )
    false: dict[Key, Measurement] = {
        ("health_false_ready", ""): Measurement(value=value, samples=300)
    }
    record = healthy_record(frames=taken)
    assert _judge("health_false_ready", "count==0", record, false).status is status


PROBE = "probe_failed{probe:ready,window:calm}"


def test_a_probe_that_fails_in_calm_seconds_fails_its_objective() -> None:
    """Three of 25 calm seconds not ready are seen; what fails within faults is not asked."""
    healthy = _judge(PROBE, "rate<0.02")
    assert (healthy.status, healthy.value) == (Status.PASS, 0.0)
    assert healthy.evidence.samples == 290
    ready = [(12.3, 16.4), (26.2, 27.0), (33.0, 36.0)]
    record = healthy_record(probes=(*probe("ready", ready), *probe("canary")))
    flapping = _judge(PROBE, "rate<0.02", record)
    assert flapping.status is Status.FAIL
    assert flapping.value == pytest.approx(30 / flapping.evidence.samples)


def test_a_silent_probe_decides_nothing() -> None:
    """Three seconds without an answer may have been three seconds of failures."""
    kept = tuple(one for one in probe("ready") if not at(31) < one.start_ns < at(34))
    judged = _judge(PROBE, "rate<0.02", healthy_record(probes=kept))
    assert judged.status is Status.INCONCLUSIVE
    assert "'ready' gave no usable answer" in judged.why
    never = _judge(PROBE, "rate<0.02", healthy_record(probes=()))
    assert never.status is Status.INCONCLUSIVE


def _hiccup(failed: int) -> Record:
    """Return a record in which a worker was late in second 20, where `failed` requests failed."""
    some = tuple(
        frame(0, 20, [operations([20.0] * 50, failed=failed)], loop_lag_ns_max=SECOND_NS)
        if (one.worker, one.second) == (0, 20)
        else one
        for one in frames()
    )
    return healthy_record(frames=some)


def test_a_borne_second_must_not_decide() -> None:
    """Failures in the one second in which we were late ourselves neither fail nor pass a run."""
    share = "http_req_failed{scenario:feed,window:calm}"
    assert _judge(share, "rate<0.01", _hiccup(0)).status is Status.PASS
    judged = _judge(share, "rate<0.01", _hiccup(50))
    assert judged.status is Status.INCONCLUSIVE
    assert "decide its answer (20)" in judged.why
    assert _judge(share, "rate<0.1", _hiccup(50)).status is Status.PASS


def test_a_bar_near_our_own_error_is_not_judged() -> None:
    """Neither a pass nor a failure is claimed where our own lateness is a tenth of the bar."""
    late = tuple(
        frame(one.worker, one.second, one.counts, schedule_lag_index=[index_of(20_000)])
        for one in frames()
    )
    record = healthy_record(frames=late)
    judged = _judge("http_req_duration{scenario:feed}", "p(95)<150", record)
    assert judged.status is Status.INCONCLUSIVE
    assert "our own timing error is 20 ms" in judged.why
    assert _judge("http_req_duration{scenario:feed}", "p(95)<300", record).status is Status.PASS


def test_borne_seconds_are_no_evidence() -> None:
    """A window whose valid seconds alone hold too few samples is undecided."""
    some = tuple(
        frame(one.worker, one.second, [operations([20.0] * 50)], core_idle_share=0.0)
        if one.second in range(20, 25)
        else frame(one.worker, one.second, [operations([20.0])])
        for one in frames()
    )
    judged = _judge("http_req_duration{scenario:feed}", "p(95)<300", healthy_record(frames=some))
    assert judged.status is Status.INCONCLUSIVE
    assert "samples outside the invalid seconds, 200 needed" in judged.why


def test_what_was_done_in_a_borne_second_counts_towards_a_floor() -> None:
    """A request that was answered was answered, however late we were."""
    assert _judge("http_reqs{scenario:feed}", "count>=3600", _hiccup(0)).status is Status.PASS


def test_rates_are_over_the_planned_load() -> None:
    """The wait for the last operations does not thin out the rate of what was intended."""
    events = tuple(
        msgspec.structs.replace(one, at_ns=at(42.0))
        if isinstance(one, PhaseEvent) and one.phase is Phase.DRAIN
        else one
        for one in story()
    )
    quiet = tuple(one if one.second < 40 else frame(one.worker, one.second, []) for one in frames())
    record = healthy_record(events=events, frames=quiet)
    assert _judge("http_reqs{scenario:feed}", "rate>=100", record).value == 100.0
