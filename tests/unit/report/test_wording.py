"""Objectives are put into words without changing what they ask."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.report.verdicts import judged

from stormproof.report.number import spans_text
from stormproof.report.wording import (
    bar_text,
    read_name,
    title_of,
    unit_of,
    value_text,
    where_text,
)
from stormproof.rules.catalog import CATALOG


@pytest.mark.parametrize(
    ("name", "title"),
    [
        (
            "http_req_duration{name:GET /api/posts/{id},window:calm}: p(95)<300",
            "95th percentile response time of GET /api/posts/{id}",
        ),
        ("http_req_service: p(99.9)<300", "99.9th percentile service time of HTTP requests"),
        ("http_req_duration: med<300", "Median response time of HTTP requests"),
        ("ws_send_failed{scenario:chat}: rate<0.01", None),
        ("message_delivery{window:steady}: p(95)<500", "95th percentile delivery time of messages"),
        (
            "delivery_lost: count==0",
            "Acknowledged messages that a member of their scope never got",
        ),
        (
            "steady state: http_req_failed{window:warmup}: rate<0.1",
            "Steady state: share of HTTP requests that failed",
        ),
        (
            "http_req_duration{over:30s}: avg<300",
            "Mean response time of HTTP requests, in any 30s in a row",
        ),
        (
            "http_req_failed{scenario:feed,for:10s}: rate<0.1",
            "Share of HTTP requests in feed that failed, broken for 10s on end",
        ),
        ("basket_value{currency:EUR}: p(95)<80", "95th percentile of basket_value (currency EUR)"),
        (
            "basket_value{scenario:shop,every:10s}: max<=48",
            "Largest basket_value in shop, in each 10s",
        ),
        ("missed{window:calm}: count==0", "Count of missed"),
        (
            "group_duration{scenario:shop,group:::checkout::payment}: p(95)<500",
            "95th percentile time in the group checkout / payment in shop",
        ),
        ("group_duration: avg<500", "Mean time in a group"),
        (
            "http_req_duration{group:::checkout}: p(95)<500",
            "95th percentile response time of HTTP requests in the group checkout",
        ),
        ("what a stranger wrote", "what a stranger wrote"),
    ],
)
def test_title(name: str, title: str | None) -> None:
    """A title tells metric, operation and aggregation; a name it cannot read stays as it is."""
    expected = title or "Share of WebSocket exchanges in chat that failed"
    assert title_of(judged(name, 1.0)) == expected


@pytest.mark.parametrize("rank", [1, 2, 3, 11, 12, 13, 21, 90, 99])
def test_ordinals(rank: int) -> None:
    """Ranks have the ending that English gives them."""
    endings = {1: "1st", 2: "2nd", 3: "3rd", 11: "11th", 12: "12th", 13: "13th", 21: "21st"}
    title = title_of(judged(f"http_req_duration: p({rank})<300", 1.0))
    assert title.startswith(endings.get(rank, f"{rank}th"))


def test_every_metric_has_words() -> None:
    """Every metric of the catalog gets a title of its own, whatever may be asked of it."""
    for metric in CATALOG.values():
        for aggregation in metric.aggregations:
            spelt = "p(95)" if aggregation == "p" else aggregation
            name = f"{metric.name}: {spelt}<1"
            assert title_of(judged(name, 1.0)) != name


def test_shares_are_percentages() -> None:
    """Rates without a unit are shares; rates per second and counts are not."""
    assert unit_of(judged("http_req_failed: rate<0.01", 0.5)) == "share"
    assert unit_of(judged("http_reqs: rate>10", 50.0, unit="/s")) == "/s"
    assert unit_of(judged("delivery_lost: count==0", 0.0)) == ""


def test_values_in_words() -> None:
    """A value, one beyond the scale and none at all are told apart."""
    name = "http_req_failed: rate<0.01"
    assert value_text(judged(name, 0.002, bar=0.01, operator="<")) == "0.2 %"
    assert value_text(judged(name, None, beyond="dropped")) == "∞ (dropped)"
    assert value_text(judged(name, None)) == "no value"
    assert bar_text(judged(name, None, bar=0.01, operator="<")) == "< 1 %"


def test_where_to_look() -> None:
    """The worst stretch is the place to look at where there is one, else all that was judged."""
    whole = judged("http_req_duration: avg<300", 1.0)
    assert where_text(whole) == spans_text(whole.evidence.at_s)
    worst = msgspec.structs.replace(whole, worst_at_s=[65, 95])
    assert where_text(worst) == "worst 1:05 to 1:35"


def test_read_name_of_a_stranger() -> None:
    """A name outside the grammar reads as nothing, and raises nothing."""
    assert read_name("no objective at all") is None
