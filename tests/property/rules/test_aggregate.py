"""Percentiles and merges against sorted lists."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormproof.model.histogram import VALUE_US_MAX, Histogram, highest_us, index_of
from stormproof.rules.aggregate import value_of, wilson_interval
from stormproof.rules.fold import Cell, merge_cells
from stormproof.rules.grammar import objective

VALUES_US = st.integers(0, VALUE_US_MAX) | st.integers(0, 5_000)
SECONDS = st.lists(st.lists(VALUES_US, max_size=20), min_size=1, max_size=8)
PERCENTILES = st.floats(0, 100) | st.sampled_from([50.0, 95.0, 99.0, 99.9, 100.0])


def _cell(values_us: list[int], drops: int = 0) -> Cell:
    histogram = Histogram(beyond=drops, sum_us=sum(values_us))
    histogram.add([index_of(one) for one in values_us], [1] * len(values_us))
    return Cell(count=len(values_us), response=histogram)


@given(SECONDS, PERCENTILES, st.integers(0, 3))
def test_percentiles_are_those_of_the_sorted_samples(
    seconds: list[list[int]], percentile: float, drops: int
) -> None:
    """The value is the bucket of the nearest-rank sample; drops rank above all."""
    cells = {second: _cell(values) for second, values in enumerate(seconds)}
    cells[0].response.beyond = drops
    samples: list[float] = sorted(one for values in seconds for one in values)
    samples += [math.inf] * drops
    asked = objective("http_req_duration", f"p({percentile!r})<1")
    found = value_of(asked, cells, len(seconds))
    if not samples:
        assert found.value is None
        return
    expected = samples[max(1, math.ceil(len(samples) * percentile / 100)) - 1]
    if math.isinf(expected):
        assert (found.value, found.beyond) == (None, "dropped")
    else:
        assert found.value == highest_us(index_of(int(expected))) / 1_000
        assert expected <= found.value * 1_000 <= max(2_048, expected * 1.001)


@given(SECONDS, st.integers(1, 99), st.integers(0, 2**63))
def test_an_interval_lies_within_the_samples(
    seconds: list[list[int]], percentile: int, seed: int
) -> None:
    """A bootstrap interval is in order and no wider than what was observed."""
    cells = {second: _cell(values) for second, values in enumerate(seconds) if values}
    found = value_of(objective("http_req_duration", f"p({percentile})<1"), cells, 9, seed)
    if found.interval is None:
        return
    low, high = found.interval
    every = [one for values in seconds for one in values]
    assert highest_us(index_of(min(every))) / 1_000 <= low <= high
    assert high <= highest_us(index_of(max(every))) / 1_000


@given(SECONDS, st.randoms(use_true_random=False))
def test_merging_is_order_free(seconds: list[list[int]], random: object) -> None:
    """Cells merged in any order and grouping are equal to the cell of all samples."""
    cells = [_cell(values, drops=1) for values in seconds]
    shuffled = list(cells)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    half = len(shuffled) // 2
    grouped = merge_cells([merge_cells(shuffled[:half]), merge_cells(shuffled[half:])])
    whole = _cell([one for values in seconds for one in values], drops=len(seconds))
    assert grouped == merge_cells(cells) == whole


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_share_lies_within_its_interval(trials: int, share: float) -> None:
    """The score interval holds the estimate, stays within 0 and 1, and shrinks with evidence."""
    hits = round(trials * share)
    low, high = wilson_interval(hits, trials)
    assert 0.0 <= low <= hits / trials <= high <= 1.0
    more_low, more_high = wilson_interval(hits * 10, trials * 10)
    assert more_high - more_low < high - low


def test_the_published_tail() -> None:
    """2,000/s with one stall of 1.4 s in 30 s: the corrected p99 is above a second (wrk2)."""
    stalled = [max(1_000, 1_400_000 - k * 500) for k in range(2_800)]
    cells = {0: _cell([1_000] * (60_000 - 2_800) + stalled)}
    found = value_of(objective("http_req_duration", "p(99)<1"), cells, 30)
    assert found.value == pytest.approx(1_100, abs=2)
