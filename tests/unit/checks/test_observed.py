"""Objectives on what the target says of itself: validity first, then the value."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.builders import healthy_record
from tests.unit.checks.judging import judge_one
from tests.unit.checks.observed import every_5_s, observed

from stormproof.checks.judge import judge
from stormproof.kernel.canonical import canonical_json
from stormproof.model.objective import Status
from stormproof.model.observed import UNREAD, ObservedKind
from stormproof.model.reading import ObservedSeries
from stormproof.rules.grammar import objective

OK, BAD = "requests_total{status:200}", "requests_total{status:503}"
LATENCY = {f"latency_ms_bucket{{le:{bound}}}": 0.0 for bound in ("10", "50", "+Inf")}
GROWN = {
    "latency_ms_bucket{le:10}": 50.0,
    "latency_ms_bucket{le:50}": 95.0,
    "latency_ms_bucket{le:+Inf}": 100.0,
    "latency_ms_count": 100.0,
    "latency_ms_sum": 2_000.0,
}


@pytest.mark.parametrize(
    ("metric", "threshold", "value", "status"),
    [
        ("target:queue", "max<500", 35, Status.PASS),
        ("target:queue", "min>=5", 5, Status.PASS),
        ("target:queue", "avg<20", 20, Status.FAIL),
        ("target:queue", "value<35", 35, Status.FAIL),
        ("target:requests_total", "count<1000", 772, Status.PASS),
        ("target:requests_total{status:503}", "count==0", 7, Status.FAIL),
        ("target:requests_total{status:500}", "count==0", 0, Status.PASS),
        ("target:requests_total{window:run}", "rate>100", 22.057, Status.FAIL),
        ("target:latency_ms", "p(50)<=10", 10, Status.PASS),
        ("target:latency_ms", "p(95)<=50", 50, Status.PASS),
        ("target:latency_ms", "p(90)<40", 45.5556, Status.FAIL),
        ("target:latency_ms", "avg<25", 20, Status.PASS),
        ("target:latency_ms", "count>=700", 700, Status.PASS),
        ("target:requests_failed", "rate<0.05", 0.0090674, Status.PASS),
    ],
)
def test_a_figure_of_the_target_is_judged(
    metric: str, threshold: str, value: float, status: Status
) -> None:
    """Gauges, counters and histograms answer over the load, from 4 s to 40 s, by their readings."""
    start = {"queue": 0.0, OK: 0.0, BAD: 0.0, "latency_ms_count": 0.0, "latency_ms_sum": 0.0}
    step = {"queue": 5.0, OK: 109.2857142857143, BAD: 1.0, **GROWN}
    judged = judge_one(metric, threshold, observed(every_5_s({**start, **LATENCY}, step)))
    assert judged.value == pytest.approx(value, rel=1e-3), judged
    assert judged.status is status, judged.why


def test_buckets_of_instances_are_added_up_before_the_quantile() -> None:
    """Of a busy fast and an idle slow instance the quantile is that of all requests together."""
    start = {f"w_bucket{{i:{i},le:{le}}}": 0.0 for i in "ab" for le in ("10", "100", "+Inf")}
    step = dict.fromkeys(start, 1.0) | {
        f"w_bucket{{i:a,le:{le}}}": 99.0 for le in ("10", "100", "+Inf")
    }
    step["w_bucket{i:b,le:10}"] = 0.0
    judged = judge_one("target:w", "p(90)<10", observed(every_5_s(start, step)))
    assert judged.value == pytest.approx(10 * 90 / 99)
    assert judged.interval == (0.0, 10.0)


def test_a_counter_that_begins_again_or_late_is_counted_whole() -> None:
    """A restart takes nothing away, and a series that shows up later counts from its beginning."""
    said = [
        (0.0, {OK: 10.0}),
        (10.0, {OK: 30.0}),
        (20.0, {OK: 5.0}),
        (30.0, {OK: 9.0, BAD: 2.0}),
        (40.0, {OK: 9.0, BAD: 3.0}),
    ]
    judged = judge_one("target:requests_total", "count<1000", observed(said))
    assert judged.value == 20 + 5 + 4 + 3


@pytest.mark.parametrize(
    ("bar", "status"), [(40, Status.FAIL), (50, Status.FAIL), (60, Status.INCONCLUSIVE)]
)
def test_beyond_the_last_bound_only_bars_up_to_it_are_broken(bar: int, status: Status) -> None:
    """A quantile above all bounds is above those, and nobody knows whether above more."""
    start = {**LATENCY, "latency_ms_count": 0.0, "latency_ms_sum": 0.0}
    judged = judge_one("target:latency_ms", f"p(96)<{bar}", observed(every_5_s(start, GROWN)))
    if status is Status.FAIL:
        assert judged.beyond == "above the last bound of its buckets, 50"
    assert judged.status is status


@pytest.mark.parametrize(
    ("metric", "threshold", "why", "remedy"),
    [
        ("target:quoue", "max<1", "target:quoue was never seen", "did you mean 'queue'?"),
        ("target:queue{pool:a}", "max<1", "queue has no tag 'pool'", "known: none"),
        (
            "target:requests_total{status:2OO}",
            "count<1",
            "no series of requests_total carries status '2OO'",
            "known: 200",
        ),
        ("target:queue", "count<1", "queue cannot be asked for count", "it is a gauge"),
        ("target:requests_total", "max<1", "cannot be asked for max", "it is a counter"),
        ("target:latency_ms", "max<1", "cannot be asked for max", "it is a histogram"),
        ("target:pools", "value<1", "2 series of pools have a value each", "pool:a"),
        ("target:latency_ms", "p(99.9)<40", "700 samples, 10000 needed", "run longer"),
    ],
)
def test_what_was_not_seen_as_asked_is_undecided(
    metric: str, threshold: str, why: str, remedy: str
) -> None:
    """Each names what would be right."""
    start = {"queue": 0.0, OK: 0.0, "pools{pool:a}": 1.0, "pools{pool:b}": 1.0}
    step = {OK: 1.0, **GROWN}
    judged = judge_one(metric, threshold, observed(every_5_s({**start, **LATENCY}, step)))
    assert judged.status is Status.INCONCLUSIVE
    assert why in judged.why
    assert remedy in judged.remedy


def test_a_gap_is_undecided_and_not_bridged() -> None:
    """More than three intervals without figures say nothing, whatever is on both sides of them."""
    said = every_5_s({"queue": 1.0}, {})
    silent = [(at_s, "timeout" if 10 <= at_s <= 25 else one) for at_s, one in said]
    judged = judge_one("target:queue", "max<5", observed(silent))
    assert (judged.status, judged.why) == (Status.INCONCLUSIVE, "it was not read for 25 s")
    shorter = [(at_s, "timeout" if 10 <= at_s <= 15 else one) for at_s, one in said]
    assert judge_one("target:queue", "max<5", observed(shorter)).status is Status.PASS


def test_one_reading_shows_no_growth() -> None:
    """A counter that was read once is undecided, though it has a value."""
    judged = judge_one("target:requests_total", "count<9", observed([(20.0, {OK: 5.0})]))
    assert judged.status is Status.INCONCLUSIVE


def test_a_target_that_said_nothing_is_undecided_with_its_last_error() -> None:
    """No reading, no source in the plan: INCONCLUSIVE, and why."""
    silent = observed([(at_s, "/metrics answers 404") for at_s in range(0, 40, 5)])
    judged = judge_one("target:queue", "max<5", silent)
    assert (judged.status, judged.remedy) == (Status.INCONCLUSIVE, "/metrics answers 404")
    assert judge_one("target:queue", "max<5", healthy_record()).status is Status.INCONCLUSIVE


def test_series_that_were_left_out_leave_their_objectives_undecided() -> None:
    """Nobody knows what the series beyond the limits said; other figures are judged."""
    record = observed(every_5_s({OK: 0.0, "queue": 1.0}, {OK: 1.0}))
    rest = ObservedSeries(
        id=99, source="target", name="requests_total", tags={}, kind=ObservedKind.COUNTER,
        is_rest=True,
    )  # fmt: skip
    record = replace(record, observed={**record.observed, 99: rest})
    assert judge_one("target:requests_total", "count<99", record).status is Status.INCONCLUSIVE
    assert judge_one("target:queue", "max<5", record).status is Status.PASS


def test_lines_that_could_not_be_read_hide_only_what_is_missing() -> None:
    """A counter that is not among the lines that could be read is not taken for a zero."""
    said = every_5_s({OK: 0.0, BAD: 0.0, UNREAD: 0.0}, {OK: 1.0})
    said[4] = (20.0, {OK: 4.0, UNREAD: 2.0})
    judged = judge_one("target:requests_total{status:503}", "count==0", observed(said))
    assert (judged.status, judged.why) == (
        Status.INCONCLUSIVE,
        "lines that could not be read may be among its series",
    )
    assert judge_one("target:requests_total{status:200}", "count<99", observed(said)).status is (
        Status.PASS
    )


def test_judging_again_gives_the_same_bytes() -> None:
    """A verdict over a target's figures is a pure function of the record."""
    record = observed(every_5_s({OK: 0.1, BAD: 0.2, **LATENCY}, {OK: 30.3, BAD: 2.1, **GROWN}))
    asked = [
        objective("target:requests_total", "rate<99"),
        objective("target:latency_ms", "p(95)<60"),
        objective("target:requests_failed", "rate<0.5"),
    ]
    first, second = (judge(record, objectives=asked, version="1") for _ in range(2))
    assert canonical_json(first) == canonical_json(second)
    assert [one.status for one in first.objectives[1:]] == [Status.PASS] * 3
