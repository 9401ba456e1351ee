"""What a journey file may declare as its own metrics."""

from __future__ import annotations

from typing import Any

import pytest

from stormproof.journeys.metrics import Counter, Gauge, Rate, Trend
from stormproof.kernel.limits import METRICS_MAX
from stormproof.planning.metrics import metric_problems


def _problems(*metrics: Any) -> list[str]:
    return [str(one) for one in metric_problems([one.declared for one in metrics], "shop.py")]


def test_good_metrics_have_no_problem() -> None:
    """Four kinds with units, docs and tags are all that there is to say."""
    assert (
        _problems(
            Trend("basket_value", unit="EUR", doc="What is paid.", tags=("currency",)),
            Counter("orders"),
            Gauge("queue_depth"),
            Rate("coupon_used"),
        )
        == []
    )


@pytest.mark.parametrize(
    ("metric", "hint"),
    [
        (Trend("http_req_duration"), "stormproof's own (choose another, such as my_http_req"),
        (Trend("http_req"), "stormproof's own"),
        (Counter("other"), "stormproof's own"),
        (Counter("vus"), "stormproof's own"),
        (Counter("no good"), "is no name"),
        (Counter("x" * 65), "is no name"),
        (Counter(7), "is no name"),  # type: ignore[arg-type]
        (Counter("a", unit=5), "`unit`"),  # type: ignore[arg-type]
        (Counter("a", doc="x" * 500), "`doc`"),
        (Counter("a", tags=("scenario",)), "set by stormproof itself"),
        (Counter("a", tags=("over",)), "set by stormproof itself"),
        (Counter("a", tags=(5,)), "is no tag"),  # type: ignore[arg-type]
        (Counter("a", tags=[f"t{n}" for n in range(9)]), "declares 9 tags"),
    ],
)
def test_a_bad_metric_says_what_would_be_right(metric: Any, hint: str) -> None:
    """Each thing that a metric cannot be is told with its file and name."""
    (problem,) = _problems(metric)
    assert problem.startswith(f"shop.py: metric {metric.declared.name!r}: ")
    assert hint in problem


def test_all_problems_are_told_at_once() -> None:
    """Two broken metrics, one declared twice, and too many of them make four problems."""
    many = [Counter(f"c{number}") for number in range(METRICS_MAX)]
    told = _problems(Trend("checks"), Counter("a", unit=5), Counter("c1"), *many)  # type: ignore[arg-type]
    assert len(told) == 4
