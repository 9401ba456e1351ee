"""Custom metrics binned in any portions against the same sums done one by one."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stormproof.clients.measures import MEASURE
from stormproof.load.metric_bins import MetricBins, measures_of
from stormproof.model.histogram import VALUE_US_MAX, index_of
from stormproof.model.series import Series, SeriesKind

KINDS = (SeriesKind.COUNTER, SeriesKind.GAUGE, SeriesKind.RATE, SeriesKind.TREND)
SERIES = [Series(id=one, kind=kind, metric=kind.name, tags={}) for one, kind in enumerate(KINDS)]
VALUES = st.integers(0, VALUE_US_MAX) | st.sampled_from([0, 1_000])
ROWS = st.lists(st.tuples(st.integers(0, 3), VALUES), max_size=40)


@given(st.lists(ROWS, max_size=6))
def test_any_portions_add_up(portions: list[list[tuple[int, int]]]) -> None:
    """However the values of a second are cut into portions, its counts are those of them all."""
    bins, at_ns = MetricBins(), 0
    for portion in portions:
        packed = bytearray()
        for series, value in portion:
            at_ns += 1
            packed += MEASURE.pack(series, value, at_ns)
        bins.add(7, measures_of(packed), SERIES)
    every = [row for portion in portions for row in portion]
    found = {one.series: one for one in bins.take(7)}
    assert found.keys() == {series for series, _ in every}
    for series, counts in found.items():
        values = [value for one, value in every if one == series]
        assert counts.count == len(values)
        assert counts.failed == (values.count(0) if KINDS[series] is SeriesKind.RATE else 0)
        if KINDS[series] is SeriesKind.TREND:
            told = dict(zip(counts.response_index, counts.response_count, strict=True))
            assert told == Counter(index_of(one) for one in values)
        if KINDS[series] in (SeriesKind.GAUGE, SeriesKind.TREND):
            assert counts.level is not None
            assert (counts.level.last, counts.level.low, counts.level.high) == (
                values[-1],
                min(values),
                max(values),
            )
        if KINDS[series] in (SeriesKind.COUNTER, SeriesKind.TREND):
            assert counts.response_sum_us == sum(values)
    assert bins.take(7) == []
