"""The room that readings leave for a quantile, against trying every cut on whole histograms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormproof.rules import between
from stormproof.rules.between import quantile_between
from stormproof.rules.figures import Quantile, quantile_of

BOUND = st.one_of(
    st.integers(-4, 8).map(float), st.floats(-1e9, 1e9), st.sampled_from([math.inf, -math.inf])
)
EACH = st.lists(st.tuples(BOUND, st.integers(0, 4), st.integers(0, 4)), max_size=12)
SHARE = st.one_of(st.sampled_from([0.0, 0.5, 0.95, 1.0]), st.floats(0, 1))


def _by_trying_all(share: float, few: list[int], more: list[int], bounds: list[float]) -> set[str]:
    """Return all quantiles that any cut gives, written out: nothing is equal to no number."""
    every = [
        quantile_of(share, dict(zip(bounds, accumulate(each), strict=True)), is_native=True)
        for cut in range(len(bounds) + 1)
        for each in (more[:cut] + few[cut:], few[:cut] + more[cut:])
    ]
    return {repr(one) for one in every}


@given(EACH, SHARE)
def test_a_quantile_is_looked_for_at_every_cut(
    rows: list[tuple[float, int, int]], share: float
) -> None:
    """Of each cut the same quantile is found as in all buckets together, though only those around
    it are handed on, three at most."""
    each = {bound: (few, few + more) for bound, few, more in rows}
    bounds = sorted(each)
    few, most = ([each[bound][at] for bound in bounds] for at in (0, 1))
    found = set[str]()

    def seen(
        share: float, buckets: Mapping[float, float], *, is_native: bool = False
    ) -> Quantile | None:
        assert len(buckets) <= 3
        one = quantile_of(share, buckets, is_native=is_native)
        found.add(repr(one))
        return one

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(between, "quantile_of", seen)
        quantile_between(
            share,
            dict(zip(bounds, map(float, accumulate(few)), strict=True)),
            dict(zip(bounds, map(float, accumulate(most)), strict=True)),
            is_native=True,
        )
    assert found == _by_trying_all(share, few, most, bounds)
