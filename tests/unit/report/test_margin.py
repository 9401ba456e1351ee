"""Margins say how far a value is from its bar."""

from __future__ import annotations

import pytest
from tests.unit.report.verdicts import judged

from stormproof.model.objective import Status
from stormproof.report.margin import BAR_AT, gauge_of, margin_text

P95 = "http_req_duration: p(95)<300"
RATE = "http_req_failed: rate<0.01"


@pytest.mark.parametrize(
    ("name", "value", "operator", "bar", "unit", "text"),
    [
        (P95, 30.0, "<", 300.0, "ms", "90 % below"),
        (P95, 318.0, "<", 300.0, "ms", "6 % above"),
        (P95, 960.0, "<", 300.0, "ms", "3.2 times the bar"),
        (P95, 299.99, "<", 300.0, "ms", "0 % below"),
        (P95, 300.0, "<", 300.0, "ms", "at the bar"),
        (P95, None, "<", 300.0, "ms", ""),
        (RATE, 0.0061, "<", 0.01, "", "39 % below"),
        ("http_req_failed: rate==0", 0.02, "==", 0.0, "", "2 % above"),
        ("delivery_lost: count==0", 0.0, "==", 0.0, "", "met exactly"),
        ("delivery_lost: count==0", 7.0, "==", 0.0, "", "7 above"),
        ("messages_acknowledged: count>=3000", 1_500.0, ">=", 3_000.0, "", "50 % below"),
    ],
)
def test_margin_text(
    name: str, value: float | None, operator: str, bar: float, unit: str, text: str
) -> None:
    """A margin is told as a share of the bar, in units where the bar is zero."""
    one = judged(name, value, operator=operator, bar=bar, unit=unit)
    assert margin_text(one) == text


def test_gauge_below_its_bar() -> None:
    """A value under an upper bar stands left of it, on the shaded side."""
    gauge = gauge_of(judged(P95, 150.0, operator="<", bar=300.0, unit="ms", interval=(140, 170)))
    assert gauge is not None
    assert gauge.bar == BAR_AT
    assert gauge.value == pytest.approx(BAR_AT / 2)
    assert gauge.low is not None
    assert gauge.high is not None
    assert gauge.low < gauge.value < gauge.high
    assert gauge.good == "below"
    assert not gauge.over


@pytest.mark.parametrize(("value", "place"), [(1.0, 100.0), (0.99, 34.0), (0.985, 1.0), (0.2, 0.0)])
def test_a_share_that_must_be_large_is_shown_by_what_it_lacks(value: float, place: float) -> None:
    """99 % of 100 % would be one point; the scale begins where the value can still be told."""
    gauge = gauge_of(judged("checks: rate>0.99", value, operator=">", bar=0.99))
    assert gauge is not None
    assert gauge.good == "above"
    assert gauge.value == pytest.approx(place, abs=9 if value == 0.985 else 0.1)
    assert gauge.value <= gauge.bar if value <= 0.99 else gauge.bar == pytest.approx(34)


@pytest.mark.parametrize("value", [330.0, 700.0, 1e9])
def test_gauge_above_its_bar(value: float) -> None:
    """A value over an upper bar stands right of it, at the edge when it is far away."""
    gauge = gauge_of(judged(P95, value, operator="<", bar=300.0, unit="ms"))
    assert gauge is not None
    assert gauge.bar < gauge.value <= 100
    assert gauge.over == (value == 1e9)


def test_gauge_of_a_share_ends_at_one() -> None:
    """A share has no room above 100 %, so its scale ends there."""
    gauge = gauge_of(judged("fault_effective: rate==1", 1.0, operator="==", bar=1.0))
    assert gauge is not None
    assert (gauge.bar, gauge.value, gauge.good) == (100, 100, "equal")


def test_gauge_of_a_value_beyond() -> None:
    """A percentile among dropped samples is shown as off the scale, not as missing."""
    one = judged(
        P95, None, status=Status.FAIL, beyond="dropped", operator="<", bar=300.0, unit="ms"
    )
    gauge = gauge_of(one)
    assert gauge is not None
    assert gauge.over
    assert margin_text(one) == "beyond any bar"


def test_no_gauge_without_a_value() -> None:
    """An objective without a value has no gauge: an empty one would look like zero."""
    one = judged(P95, None, status=Status.INCONCLUSIVE, operator="<", bar=300.0, unit="ms")
    assert gauge_of(one) is None
