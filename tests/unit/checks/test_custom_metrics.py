"""Objectives on a journey's own metrics: their aggregations, units, tags, and missing evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.builders import at, counted, frame, frames, healthy_record, plan, series
from tests.unit.checks.judging import judge_one

from stormproof.checks.evidence import check_evidence
from stormproof.model.event import WarningEvent
from stormproof.model.histogram import index_of
from stormproof.model.metric import CustomMetric, MetricKind
from stormproof.model.objective import Status
from stormproof.model.record import Record
from stormproof.model.series import Counts, Level, Series, SeriesKind

BASKET, ORDERS, QUEUE, WON = 20, 21, 22, 23
METRICS = (
    CustomMetric(name="basket", kind=MetricKind.TREND, unit="EUR", tags=("currency",)),
    CustomMetric(name="orders", kind=MetricKind.COUNTER),
    CustomMetric(name="queue", kind=MetricKind.GAUGE, unit="jobs"),
    CustomMetric(name="won", kind=MetricKind.RATE),
)
TAGS = {"scenario": "feed"}
SERIES = [
    Series(id=BASKET, kind=SeriesKind.TREND, metric="basket", tags={**TAGS, "currency": "EUR"}),
    Series(id=ORDERS, kind=SeriesKind.COUNTER, metric="orders", tags=TAGS),
    Series(id=QUEUE, kind=SeriesKind.GAUGE, metric="queue", tags=TAGS),
    Series(id=WON, kind=SeriesKind.RATE, metric="won", tags=TAGS),
]


def _record(*, orders: bool = True) -> Record:
    """Return a record in which each second of each worker has 20 baskets of 12.5 and an order."""
    added = [
        Counts(
            series=BASKET,
            count=20,
            response_index=[index_of(12_500)],
            response_count=[20],
            response_sum_us=250_000,
            level=Level(last=12_500, at_ns=0, low=12_500, high=12_500),
        ),
        Counts(series=WON, count=4, failed=1),
    ]
    if orders:
        added.append(Counts(series=ORDERS, count=1, response_sum_us=2_500))
    made = [
        frame(one.worker, one.second, [*one.counts, *added, _level(one.worker, one.second)])
        for one in frames()
    ]
    every = series() | {one.id: one for one in SERIES}
    return healthy_record(
        plan(metrics=METRICS), frames=tuple(made), series=dict.fromkeys(range(2), every)
    )


def _level(worker: int, second: int) -> Counts:
    now = second * 1_000
    level = Level(last=now, at_ns=at(second) + worker, low=now - 500, high=now + 500)
    return Counts(series=QUEUE, count=1, level=level)


@pytest.mark.parametrize(
    ("asked", "threshold", "value", "unit"),
    [
        ("basket{currency:EUR}", "p(95)<80", 12.503, "EUR"),
        ("basket", "avg<=12.5", 12.5, "EUR"),
        ("basket", "max<=12.5", 12.5, "EUR"),
        ("basket{over:5s}", "min>=12.5", 12.5, "EUR"),
        ("orders", "count>=180", 180.0, ""),
        ("orders", "rate==5", 5.0, "/s"),
        ("queue", "value==39", 39.0, "jobs"),
        ("queue{window:calm}", "min>=3.5", 3.5, "jobs"),
        ("queue", "max<=39.5", 39.5, "jobs"),
        ("won", "rate==0.75", 0.75, ""),
        ("basket{over:5s}", "med<13", 12.503, "EUR"),
        ("orders{every:10s}", "rate>=5", 5.0, "/s"),
        ("queue{over:2s,window:steady}", "max<12", 11.5, "jobs"),
    ],
)
def test_each_kind_is_asked_in_its_own_unit(
    asked: str, threshold: str, value: float, unit: str
) -> None:
    """Thousandths come back as the unit that the journey declared, over windows and stretches."""
    judged = judge_one(asked, threshold, _record())
    assert judged.status is Status.PASS
    assert judged.value == pytest.approx(value, rel=1e-3)
    assert judged.unit == unit


def test_a_counter_that_nobody_added_to_is_zero() -> None:
    """A declared counter is a true zero where its scenario had iterations, else unknown."""
    record = _record(orders=False)
    assert judge_one("orders", "count==0", record).status is Status.PASS
    assert judge_one("orders{scenario:feed}", "count==0", record).status is Status.PASS
    assert judge_one("orders{scenario:chat}", "count==0", record).status is Status.INCONCLUSIVE


@pytest.mark.parametrize("asked", ["basket{currency:USD}", "won{scenario:chat}", "queue{group:x}"])
def test_what_was_never_added_decides_nothing(asked: str) -> None:
    """A value of a tag that was never given, or a metric never added to, is undecided."""
    threshold = {"basket": "avg<99", "won": "rate>0", "queue": "max<99"}[asked.partition("{")[0]]
    assert judge_one(asked, threshold, _record()).status is Status.INCONCLUSIVE


def test_a_refused_value_keeps_a_run_from_passing() -> None:
    """What a metric could not keep is evidence that is missing, and is found."""
    told = WarningEvent(
        at_ns=at(5), code="metric-refused", text="basket takes 0 to 3.6e+06, not -1"
    )
    record = _record()
    (finding,) = check_evidence(replace(record, events=(*record.events, told))).findings
    assert finding.kind == "metric-refused"
    assert "not -1" in finding.witnesses[0].what


def test_nothing_else_is_taken_for_a_metric() -> None:
    """Iterations keep counting beside custom metrics."""
    assert judge_one("iterations", "count>=3600", _record()).status is Status.PASS
    assert counted(ORDERS, 1).level is None
