"""Any histogram through HdrHistogram's wire form and back."""

from __future__ import annotations

from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from stormproof.model.histogram import VALUE_US_MAX, Histogram, highest_us, index_of
from stormproof.report.export_hdr import encoded

VALUES = st.lists(st.integers(0, VALUE_US_MAX) | st.integers(0, 5_000), min_size=1, max_size=50)


@given(VALUES, st.floats(0.01, 100))
def test_a_distribution_comes_back_as_it_was(values_us: list[int], percentile: float) -> None:
    """Counts lie in the same buckets, so the library's percentiles are ours, to the bucket."""
    ours = Histogram()
    ours.add([index_of(one) for one in values_us], [1] * len(values_us))
    back = HdrHistogram.decode(encoded(ours))
    assert back.get_total_count() == len(values_us)
    for index, count in ours.counts.items():
        assert back.get_count_at_value(min(highest_us(index), VALUE_US_MAX)) == count
    target = back.get_target_count_at_percentile(percentile)
    seen, found = 0, 0
    for index in sorted(ours.counts):
        seen += ours.counts[index]
        if seen >= target:
            found = highest_us(index)
            break
    assert back.get_value_at_percentile(percentile) == found
