"""The figures of quick, folded from hand-made records."""

from __future__ import annotations

import msgspec
import pytest
from tests.builders import counted, frame, healthy_record, operations, plan, series

from stormproof.checks.judge import judge
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Scenario
from stormproof.model.record import Record
from stormproof.model.series import Counts
from stormproof.report.quick import BEYOND_MS, breaking_point, lines_of, results_of
from stormproof.rules.grammar import objective


def record_of(*counts: Counts) -> Record:
    frames = (frame(0, -1, [operations([9.0] * 5)]), frame(0, 3, counts))
    return healthy_record(frames=frames)


def test_every_request_is_counted_once() -> None:
    """Successful, failed and limited add up to all; the preparation is not counted."""
    sent = operations([1.0] * 90 + [10.0] * 10, failed=7)
    by_status = {"status": [200, 429, 500], "status_count": [73, 20, 7]}
    found = results_of(record_of(msgspec.structs.replace(sent, **by_status)))
    assert (found.total_requests, found.failed, found.rate_limited) == (100, 7, 20)
    assert found.successful == 73
    assert found.error_rate == 0.07
    assert found.rps == 2.5  # of a load of 40 s


def test_response_times_are_those_of_the_histogram() -> None:
    """Extremes, mean and percentiles are in milliseconds."""
    latency = results_of(record_of(operations([1.0] * 90 + [10.0] * 10))).latency_ms
    assert latency.min == pytest.approx(1.0, rel=0.001)
    assert latency.avg == pytest.approx(1.9, rel=0.001)
    assert latency.p50 == pytest.approx(1.0, rel=0.001)
    assert latency.p95 == latency.p99 == latency.max == pytest.approx(10.0, rel=0.001)


def test_dropped_work_is_not_fast() -> None:
    """A percentile that falls among dropped iterations is beyond every bar."""
    found = results_of(record_of(operations([1.0] * 90), counted(3, 10)))
    assert found.latency_ms.p50 is not None
    assert found.latency_ms.p95 == BEYOND_MS
    assert "p95 dropped" in "\n".join(lines_of(found, point="", reference=""))


def test_nothing_sent_is_no_success() -> None:
    """A run without a request has no response time, and an error rate that no gate takes."""
    found = results_of(record_of())
    assert (found.total_requests, found.latency_ms.p95, found.error_rate) == (0, None, 1.0)
    assert "total          0 requests" in "\n".join(lines_of(found, point="", reference=""))


def stages(*errors: float) -> Record:
    """Return a record of stages of 10, 20, ... users with shares of errors and a bar of 5 %."""
    names = [f"{10 * (place + 1)}-users" for place in range(len(errors))]
    scenarios = tuple(
        Scenario(
            name=name,
            journey=plan().scenarios[0].journey,
            executor="constant-vus",
            duration_ns=10 * SECOND_NS,
            start_ns=place * 10 * SECOND_NS,
            vus=10 * (place + 1),
            max_vus=10 * (place + 1),
        )
        for place, name in enumerate(names)
    )
    made = plan(
        scenarios=scenarios,
        faults=(),
        gate=(),
        checkers=(),
        objectives=tuple(
            objective(f"http_req_failed{{scenario:{name}}}", "rate<0.05") for name in names
        ),
    )
    known = {
        place: msgspec.structs.replace(
            series()[0], id=place, tags={"scenario": name, "name": "GET /"}
        )
        for place, name in enumerate(names)
    }
    frames = [
        frame(
            worker,
            second,
            [
                operations([1.0] * 100, failed=round(100 * share), series=place)
                for place, share in enumerate(errors)
                if second // 10 == place
            ],
        )
        for second in range(42)
        for worker in range(2)
    ]
    return healthy_record(made, series={0: known, 1: known}, frames=tuple(frames))


@pytest.mark.parametrize(
    ("errors", "point"),
    [
        ((0.0, 0.02, 0.01), "none up to 30 users"),
        ((0.0, 0.5, 0.9), "breaks at 20 users: 50 % errors, bar 5 %"),
        ((0.4, 0.0, 0.0), "breaks at 10 users: 40 % errors, bar 5 %"),
        ((0.0,), ""),
    ],
)
def test_the_first_stage_beyond_its_bar_is_the_breaking_point(
    errors: tuple[float, ...], point: str
) -> None:
    """The smallest crowd whose bar of errors broke is named; one stage has no such point."""
    record = stages(*errors)
    assert breaking_point(record, judge(record, version="0")) == point


def test_a_stage_that_nobody_saw_leaves_the_point_unknown() -> None:
    """A stage without evidence is not taken for one that held."""
    record = stages(0.0, 0.0)
    kept = tuple(one for one in record.frames if one.second < 10)
    cut = healthy_record(record.plan, series=record.series, frames=kept)
    assert breaking_point(cut, judge(cut, version="0")).startswith("unknown: the stage of")
