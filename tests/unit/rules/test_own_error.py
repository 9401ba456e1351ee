"""A bar is judged only where we measure finely enough."""

from __future__ import annotations

import pytest
from tests.builders import frame, frames

from stormproof.model.histogram import index_of
from stormproof.rules.grammar import objective
from stormproof.rules.own_error import own_error_ms, too_fine

LATE = {"schedule_lag_index": [index_of(2_000)], "schedule_lag_count": [50]}
SLOW_LOOP = {"loop_lag_index": [index_of(4_000)], "loop_lag_count": [50]}


def test_own_error_is_the_worse_of_late_starts_and_late_receipts() -> None:
    """Late starts count for what is paced, a late loop for everything, other seconds not at all."""
    some = [frame(0, 1, [], **LATE, **SLOW_LOOP), frame(1, 2, [], **LATE)]
    assert own_error_ms(some, {1, 2}, paced=True) == pytest.approx(4.0, rel=0.001)
    assert own_error_ms(some, {2}, paced=True) == pytest.approx(2.0, rel=0.001)
    assert own_error_ms(some, {2}, paced=False) == 0.0
    assert own_error_ms(some, set(), paced=True) == 0.0


@pytest.mark.parametrize(
    ("metric", "threshold", "is_too_fine"),
    [
        ("http_req_duration", "p(95)<19", True),
        ("http_req_duration", "p(95)<21", False),
        ("http_req_service", "p(95)<19", False),
        ("http_req_failed", "rate<0.01", False),
        ("http_reqs", "count>=5", False),
    ],
)
def test_a_time_bar_needs_ten_times_our_error(
    metric: str, threshold: str, is_too_fine: bool
) -> None:
    """With starts 2 ms late a bar below 20 ms is too fine; shares and counts have no such bar."""
    some = [frame(0, second, [], **LATE) for second in range(3)]
    why = too_fine(objective(metric, threshold), some, {0, 1, 2})
    assert bool(why) is is_too_fine
    assert not why or "our own timing error is 2" in why


def test_the_builders_healthy_run_is_fine_enough_for_its_bars() -> None:
    """The lateness of an easy run leaves bars of a few milliseconds judgeable."""
    asked = objective("http_req_duration", "p(95)<5")
    assert too_fine(asked, frames(), set(range(42))) == ""
