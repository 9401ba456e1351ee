"""Custom metrics from a journey's `add` to the frame: what is kept, and what is refused aloud."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from tests.unit.load.test_recording import Desk

from stormproof.clients.measures import SERIES_KNOWN_MAX, MeasureBook
from stormproof.clients.tape import Scope
from stormproof.journeys.metrics import Counter, Gauge, Metric, Rate, Trend
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import TAG_VALUES_MAX
from stormproof.load.recording import SLACK_NS
from stormproof.model.histogram import index_of
from stormproof.model.metric import CustomMetric
from stormproof.model.series import Counts

SECOND_NS = 1_000_000_000
ORDERS = Counter("orders")
QUEUE = Gauge("queue")
WON = Rate("won")
BASKET = Trend("basket", unit="EUR", tags=("currency",))


class Shopper:
    """A user of one scenario that can do nothing but add values."""

    def __init__(self, desk: Desk, *declared: Metric) -> None:
        self.book = MeasureBook(one.declared for one in declared or (ORDERS, QUEUE, WON, BASKET))
        self.scope: Scope = desk.scope

    def record_metric(self, metric: CustomMetric, value: float, tags: Mapping[str, str]) -> None:
        self.book.add(self.scope, metric, value, tags)


@pytest.fixture
def desk() -> Desk:
    """A recording whose load began now."""
    made = Desk()
    made.recording.begin(monotonic_ns(), monotonic_ns())
    return made


def _counts(desk: Desk) -> dict[str, Counts]:
    """Write what is there and return all counts by metric, of however many seconds."""
    desk.recording.finish(monotonic_ns() + SLACK_NS)
    return {
        desk.tape.series[one.series].metric: one for frame in desk.frames for one in frame.counts
    }


def _warned(desk: Desk) -> list[str]:
    return [one.text for one in desk.tape.warnings if one.code == "metric-refused"]


def test_each_kind_keeps_what_it_is_for(desk: Desk) -> None:
    """A sum, a level, a share, a distribution: all in thousandths, in one frame."""
    user = Shopper(desk)
    ORDERS.add(user)
    ORDERS.add(user, 2.5)
    for depth in (5, -3.25, 4):
        QUEUE.add(user, depth)
    for held in (True, 0, "yes"):
        WON.add(user, held)
    for value in (12.5, 12.5, 80):
        BASKET.add(user, value, currency="EUR")
    counts = _counts(desk)
    assert (counts["orders"].count, counts["orders"].response_sum_us) == (2, 3_500)
    level = counts["queue"].level
    assert level is not None
    assert (level.last, level.low, level.high) == (4_000, -3_250, 5_000)
    assert (counts["won"].count, counts["won"].failed) == (3, 1)
    basket = counts["basket"]
    assert basket.response_index == sorted({index_of(12_500), index_of(80_000)})
    assert (basket.response_count, basket.response_sum_us) == ([2, 1], 105_000)
    assert _warned(desk) == []


def test_values_carry_the_tags_of_scenario_and_call(desk: Desk) -> None:
    """A series has the scenario's tags and those of the call, one for each set."""
    user = Shopper(desk)
    BASKET.add(user, 1, currency="EUR")
    BASKET.add(user, 1, currency="USD")
    BASKET.add(user, 1)
    tags = [one.tags for one in desk.tape.series if one.metric == "basket"]
    assert tags == [
        {"currency": "EUR", "scenario": "s"},
        {"currency": "USD", "scenario": "s"},
        {"scenario": "s"},
    ]


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (BASKET, -0.01),
        (BASKET, 3_600_001),
        (BASKET, math.nan),
        (BASKET, math.inf),
        (BASKET, "12"),
        (BASKET, None),
        (ORDERS, -1),
        (QUEUE, 1e10),
        (QUEUE, -math.inf),
    ],
)
def test_what_cannot_be_kept_is_left_out_aloud(
    desk: Desk, metric: Trend | Counter | Gauge, value: float
) -> None:
    """A value outside its metric's range is no sample and no exception, but a warning, once."""
    user = Shopper(desk)
    metric.add(user, value)
    metric.add(user, value)
    assert len(_warned(desk)) == 1
    assert f"{metric.declared.name} takes" in _warned(desk)[0]
    assert metric.declared.name not in _counts(desk)


def test_only_what_the_plan_declares_is_kept(desk: Desk) -> None:
    """A metric that the plan does not know, and a tag that it does not declare, are refused."""
    user = Shopper(desk, BASKET)
    Trend("baskets").add(user, 1)
    Trend("basket", unit="USD").add(user, 1)
    BASKET.add(user, 1, curency="EUR")
    assert desk.tape.measures == b""
    assert [text.split(":")[0] for text in _warned(desk)] == [
        "baskets is no metric of the plan",
        "basket is no metric of the plan",
        "basket has no tag 'curency'",
    ]


def test_values_of_tags_have_a_limit(desk: Desk) -> None:
    """A tag that is given ever new values costs neither series nor memory without end."""
    user = Shopper(desk)
    for number in range(SERIES_KNOWN_MAX + 50):
        BASKET.add(user, 1, currency=f"c{number}")
    assert len([one for one in desk.tape.series if one.metric == "basket"]) == TAG_VALUES_MAX + 1
    assert len(user.book._series) == SERIES_KNOWN_MAX
    assert _counts(desk)["basket"].count  # what is beyond the limit is counted, under `other`
