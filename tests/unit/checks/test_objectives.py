"""One objective at a time: what speaks against judging it, and what its value means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.builders import frame, frames, healthy_record, plan, series, story

from stormproof.checks.completeness import completeness_of
from stormproof.checks.faults import stories_of
from stormproof.checks.objectives import Bench, judge_objective
from stormproof.checks.outcome import Key, Measurement
from stormproof.model.objective import Status
from stormproof.model.record import Record
from stormproof.model.series import Series, SeriesKind
from stormproof.model.verdict import Judged
from stormproof.rules.grammar import objective
from stormproof.rules.validity import validity_of
from stormproof.rules.windows import windows_of


def _judge(
    metric: str,
    threshold: str,
    record: Record | None = None,
    measured: Mapping[Key, Measurement] | None = None,
) -> Judged:
    record = record or healthy_record()
    windows = windows_of(record)
    bench = Bench(
        record=record,
        windows=windows,
        validity=validity_of(record, windows),
        completeness=completeness_of(record),
        stories=stories_of(record),
        measured=measured or {},
        plan_sha256=record.plan.digest(),
    )
    return judge_objective(objective(metric, threshold), bench)


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
