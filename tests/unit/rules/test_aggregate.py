"""Values and intervals of windows."""

from __future__ import annotations

import math

import pytest

from stormproof.model.histogram import Histogram, index_of
from stormproof.rules.aggregate import RESAMPLES, Value, value_of, wilson_interval
from stormproof.rules.fold import Cell
from stormproof.rules.grammar import objective


def _cells(latencies_ms: list[list[float]], *, drops: int = 0) -> dict[int, Cell]:
    cells = {}
    for second, values in enumerate(latencies_ms):
        histogram = Histogram(sum_us=round(sum(values) * 1_000))
        histogram.add([index_of(round(one * 1_000)) for one in values], [1] * len(values))
        cells[second] = Cell(count=len(values), response=histogram)
    cells[0].response.beyond = drops
    return cells


def _ask(threshold: str, cells: dict[int, Cell], seed: int | None = None) -> Value:
    return value_of(objective("http_req_duration", threshold), cells, len(cells), seed)


def test_aggregations_of_a_trend() -> None:
    """Each aggregation of durations is in milliseconds and exact to a bucket."""
    cells = _cells([[1.0, 2.0], [3.0, 10.0]])
    expected = {"avg<1": 4.0, "min<1": 1.0, "med<1": 2.0, "max<1": 10.0, "p(75)<1": 3.0}
    for threshold, value in expected.items():
        assert _ask(threshold, cells).value == pytest.approx(value, rel=1e-3)


def test_drops_count_as_infinite() -> None:
    """A percentile among the dropped is beyond every bar; one below them is not."""
    cells = _cells([[1.0] * 8], drops=2)
    assert _ask("p(80)<5", cells).value == pytest.approx(1.0, rel=1e-3)
    for threshold in ("p(90)<5", "max<5", "avg<5"):
        beyond = _ask(threshold, cells)
        assert (beyond.value, beyond.beyond, beyond.samples) == (None, "dropped", 10)
    assert _ask("min<5", _cells([[]], drops=1)).beyond == "dropped"


def test_nothing_has_no_value() -> None:
    """Without a sample there is no value, of whatever kind."""
    empty = _cells([[]])
    assert _ask("p(95)<5", empty) == Value(value=None, beyond="no samples", samples=0)
    assert value_of(objective("http_req_failed", "rate<1"), empty, 1).value is None


def test_shares_and_rates() -> None:
    """Failed and passed shares are of all samples; a counter's rate is per second."""
    cells = {0: Cell(count=30, failed=3), 1: Cell(count=70, failed=7)}
    assert value_of(objective("http_req_failed", "rate<1"), cells, 2).value == 0.1
    assert value_of(objective("checks", "rate>0"), cells, 2).value == 0.9
    assert value_of(objective("http_reqs", "rate>0"), cells, 4).value == 25.0
    assert value_of(objective("http_reqs", "count>0"), cells, 4).value == 100.0


def test_service_time_is_its_own_histogram() -> None:
    """Service time ignores the response histogram and the drops in it."""
    cell = Cell(count=1)
    cell.response.beyond = 5
    cell.service.add([index_of(2_000)], [1])
    assert value_of(objective("http_req_service", "max<5"), {0: cell}, 1).value == 2.0


def test_wilson_interval_is_the_published_one() -> None:
    """1 of 10 gives 0.0179 to 0.4042 (Brown, Cai and DasGupta 2001); ends stay within 0 and 1."""
    assert wilson_interval(1, 10) == pytest.approx((0.017876, 0.404150), abs=1e-5)
    low, high = wilson_interval(0, 300)
    assert low == 0.0
    assert 0.01 < high < 0.013
    assert wilson_interval(300, 300)[1] == 1.0


def test_interval_is_the_same_each_time_and_holds_the_value() -> None:
    """The bootstrap depends on the seed alone, and its interval lies around the estimate."""
    cells = _cells([[float(1 + (second * 7 + k) % 40) for k in range(30)] for second in range(40)])
    first, again, other = (_ask("p(90)<5", cells, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.interval is not None
    assert first.value is not None
    low, high = first.interval
    assert low <= first.value <= high
    assert low < high
    assert other.value == first.value


def test_interval_of_slow_seconds_is_wide() -> None:
    """When slowness comes in whole seconds, resampling blocks shows how little is known."""
    steady = _cells([[10.0] * 19 + [100.0] for _ in range(60)])
    bursty = _cells([[100.0] * 20 if 10 <= second < 13 else [10.0] * 20 for second in range(60)])
    calm, burst = (_ask("avg<5", cells, 1).interval for cells in (steady, bursty))
    assert calm is not None
    assert burst is not None
    assert burst[1] - burst[0] > calm[1] - calm[0]


def test_no_interval_where_it_says_nothing() -> None:
    """Extremes, a single second and a percentile that may be infinite have none."""
    assert _ask("max<5", _cells([[1.0], [2.0]]), 1).interval is None
    assert _ask("p(95)<5", _cells([[1.0]]), 1).interval is None
    assert _ask("p(50)<5", _cells([[1.0] * 9, [1.0] * 5], drops=10), 1).interval is None


def test_long_windows_are_resampled_in_steps() -> None:
    """Two hours of seconds cost no more than ten minutes, and give an interval."""
    cells = _cells([[float(1 + second % 5)] for second in range(7_200)])
    interval = _ask("avg<5", cells, 1).interval
    assert interval is not None
    assert interval[0] <= 3.0 <= interval[1]
    assert math.ceil(0.975 * RESAMPLES) <= RESAMPLES
