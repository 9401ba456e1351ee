"""Stolen time: it may make a bar harder to meet, it never breaks one, and hides nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.builders import frame, frames, healthy_record, operations, series
from tests.unit.checks.judging import judge_one as _judge

from stormproof.checks.outcome import Key, Measurement
from stormproof.kernel.units import MILLISECOND_NS
from stormproof.model.objective import Status
from stormproof.model.record import Record
from stormproof.model.series import Series, SeriesKind

SLOW = "http_req_duration{scenario:feed}"
FAILED = "http_req_failed{scenario:feed}"


def _stolen(times_ms: float | None = None, failed: int = 0, **changes: Any) -> Record:
    """Return a healthy record, a quarter of the core stolen from the workers in every second."""
    health = {"core_steal_share": 0.25, **changes}
    return healthy_record(
        frames=tuple(
            frame(
                one.worker,
                one.second,
                one.counts if times_ms is None else [operations([times_ms] * 50, failed=failed)],
                **health,
            )
            for one in frames()
        )
    )


@pytest.mark.parametrize(
    ("metric", "threshold"),
    [
        (SLOW, "p(95)<300"),
        (f"{SLOW[:-1]},window:fault}}", "avg<300"),
        ("http_req_duration{scenario:feed,every:10s}", "p(95)<300"),
        (FAILED, "rate<0.01"),
        ("http_reqs{scenario:feed}", "rate>10"),
        ("dropped_iterations", "count==0"),
    ],
)
def test_a_bar_that_is_met_in_spite_of_stolen_time_is_met(metric: str, threshold: str) -> None:
    """Workers that were on time saw a target that met its bar the harder way."""
    assert _judge(metric, threshold, _stolen()).status is Status.PASS


def test_a_bar_that_is_broken_under_stolen_time_is_not_judged() -> None:
    """The host may have made the target slow, or refuse: nobody healthy is accused."""
    slow = _judge(SLOW, "p(95)<300", _stolen(400.0))
    assert slow.status is Status.INCONCLUSIVE
    assert "steal" in slow.why
    assert _judge(FAILED, "rate<0.01", _stolen(20.0, failed=10)).status is Status.INCONCLUSIVE
    held = _judge("http_req_duration{scenario:feed,every:10s}", "p(95)<300", _stolen(400.0))
    assert held.status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("metric", "threshold"), [(SLOW, "p(95)>5"), ("http_reqs{scenario:feed}", "count<100000")]
)
def test_a_bar_that_stolen_time_helps_to_meet_is_not_judged(metric: str, threshold: str) -> None:
    """A floor under times and a ceiling on work done are easier on a slow machine."""
    assert _judge(metric, threshold, _stolen()).status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    "late",
    [
        {"core_idle_share": 0.02},
        {"loop_lag_ns_max": 200 * MILLISECOND_NS},
        {"cpu_ns": 200 * MILLISECOND_NS, "wait_ns": 300 * MILLISECOND_NS},
    ],
)
def test_stolen_time_that_made_the_workers_late_is_not_spared(late: dict[str, Any]) -> None:
    """Where the generator itself was late its evidence is not whole, whoever was to blame."""
    assert _judge(SLOW, "p(95)<300", _stolen(**late)).status is Status.INCONCLUSIVE


def test_a_recovery_in_time_is_in_time_under_stolen_time() -> None:
    """What a checker timed only took longer than it would have; late, it is not judged."""

    def recovery(value: float) -> dict[Key, Measurement]:
        return {("recovery_ready_s", ""): Measurement(value=value, samples=1)}

    quick = _judge("recovery_ready_s", "max<10", _stolen(), recovery(0.4))
    assert quick.status is Status.PASS
    late = _judge("recovery_ready_s", "max<10", _stolen(), recovery(12.0))
    assert late.status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("failed", "invalid", "status"),
    [(25, 30, Status.FAIL), (1, 20, Status.INCONCLUSIVE), (25, 36, Status.INCONCLUSIVE)],
)
def test_a_share_that_is_broken_anyway_is_broken(failed: int, invalid: int, status: Status) -> None:
    """Six valid seconds in which half fails break 1 % even if all else went well; one in fifty in
    sixteen does not, and without a valid second nothing does."""
    taken = tuple(
        frame(
            one.worker,
            one.second,
            [operations([20.0] * 50, failed=failed)],
            **({"core_idle_share": 0.0} if 4 <= one.second < 4 + invalid else {}),
        )
        for one in frames()
    )
    assert _judge(FAILED, "rate<0.01", healthy_record(frames=taken)).status is status


def test_a_missing_frame_leaves_a_broken_share_open() -> None:
    """What a missing frame held is not even counted, so it may have been all successes."""
    some = tuple(
        frame(one.worker, one.second, [operations([20.0] * 50, failed=25)])
        for one in frames()
        if (one.worker, one.second) != (1, 13)
    )
    assert _judge(FAILED, "rate<0.01", healthy_record(frames=some)).status is Status.INCONCLUSIVE


def test_samples_in_the_series_other_leave_a_broken_share_open() -> None:
    """What went there is not counted, so it may have been all successes."""
    other = Series(id=9, kind=SeriesKind.OPERATION, metric="other", tags={"kind": "operation"})
    taken = tuple(
        frame(
            one.worker,
            one.second,
            [operations([20.0] * 50, failed=25)],
            **({"core_idle_share": 0.0} if 4 <= one.second < 34 else {}),
        )
        for one in frames()
    )
    record = healthy_record(frames=taken, series={0: series() | {9: other}, 1: series()})
    assert _judge(FAILED, "rate<0.01", record).status is Status.INCONCLUSIVE
