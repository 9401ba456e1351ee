"""Native histograms against the samples that went into them, sorted: slow and obvious."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from tests.families import observing

from stormproof.model.native import NativeBuckets, packed, unpacked
from stormproof.model.observed import ObservedKind
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.rules.between import quantile_between
from stormproof.rules.buckets import quantile_in
from stormproof.rules.figures import (
    Instant,
    falls_of,
    figures_of,
    native_growth_of,
    quantile_of,
)
from stormproof.rules.native import added_up, alike, cumulative, has_begun_again

SAMPLE = st.one_of(st.floats(1e-6, 1e6), st.just(0.0), st.floats(-1e3, -1e-6))
SAMPLES = st.lists(SAMPLE, min_size=1, max_size=40)
SCHEMA = st.integers(-4, 8)
THRESHOLD = st.sampled_from([0.0, 2.0**-128, 1e-3, 0.3, 7.0])
SHARE = st.floats(0.001, 1.0)
SERIES = {
    key: ObservedSeries(
        id=key, source="target", name="n", tags={"i": str(key)}, kind=ObservedKind.NATIVE
    )
    for key in range(4)
}


def of_rank(share: float, samples: Sequence[float]) -> float:
    """Return the sample of a rank: the first that enough are not above."""
    ordered = sorted(samples)
    return next(one for place, one in enumerate(ordered, 1) if place >= share * len(ordered))


def holds(found: NativeBuckets, share: float, samples: Sequence[float]) -> bool:
    """Say whether a quantile's bucket has the true one in it, and the value between its ends."""
    quantile = quantile_of(share, cumulative(found), is_native=True)
    if quantile is None or quantile.value is None:
        return False
    true, slack = of_rank(share, samples), 1e-12
    low = quantile.low - abs(quantile.low) * slack
    high = quantile.high + abs(quantile.high) * slack
    is_near_zero = abs(true) <= found.zero_threshold == quantile.high  # from 0 on, says Prometheus
    return (is_near_zero or low <= true <= high) and low <= quantile.value <= high


@given(SAMPLES, SCHEMA, THRESHOLD, SHARE)
def test_a_quantile_lies_in_the_bucket_of_the_true_one(
    samples: list[float], schema: int, threshold: float, share: float
) -> None:
    """Whatever the schema and the zero bucket, the sample of the rank is between the bucket's
    ends, and so is the value that is told."""
    found = observing(samples, schema, threshold)
    assert found.total == len(samples)
    assert holds(found, share, samples)


@given(st.lists(st.tuples(SAMPLES, SCHEMA, THRESHOLD), min_size=1, max_size=4), SHARE)
def test_instances_of_any_schema_are_added_up(
    parts: list[tuple[list[float], int, float]], share: float
) -> None:
    """Of instances that differ in schema and zero bucket, the quantile is that of all samples
    together, on the coarsest schema; where zero buckets are the same, nothing else differs."""
    together = added_up([observing(*part) for part in parts])
    samples = [one for part in parts for one in part[0]]
    schema = min(schema for _, schema, _ in parts)
    assert (together.schema, together.total) == (schema, len(samples))
    assert holds(together, share, samples)
    if len({threshold for _, _, threshold in parts}) == 1:
        assert together == observing(samples, schema, parts[0][2])


@given(SAMPLES, SCHEMA, SCHEMA)
def test_a_coarser_schema_is_that_of_the_same_samples(
    samples: list[float], fine: int, other: int
) -> None:
    """Made coarser afterwards, a histogram is what it would have been from the start."""
    coarse = min(fine, other)
    assert observing(samples, fine).at_schema(coarse) == observing(samples, coarse)


@given(st.lists(st.tuples(SAMPLES, SCHEMA, THRESHOLD, st.booleans()), min_size=2, max_size=6))
def test_a_histogram_grew_by_its_runs_however_often_it_began_again(
    steps: list[tuple[list[float], int, float, bool]],
) -> None:
    """A keeper that goes on is coarser and its zero bucket wider, or it began again: then all of it
    is new. Nothing is lost or counted twice, and every new beginning that shows is seen."""
    said, all_of, since = list[NativeBuckets](), list[float](), list[float]()
    schema, threshold, restarts = 8, 0.0, list[int]()
    for place, (samples, other, wider, goes_on) in enumerate(steps):
        if not goes_on and place:
            since, schema, threshold = [], 8, 0.0
        schema, threshold = min(schema, other), max(threshold, wider)
        since = [*since, *samples]
        said.append(observing(since, schema, threshold))
        if place and has_begun_again(said[-2], said[-1]):
            restarts.append(place)
            assert not goes_on
        all_of += samples if place and (goes_on or place in restarts) else []
        if place and not goes_on and place not in restarts:
            return  # what began again and holds more of everything than before cannot be told
    instants = [Instant(at, {0: one.total}, 0, {0: packed(one)}) for at, one in enumerate(said)]
    grew = native_growth_of([instants], [0])
    assert grew.total == len(all_of)
    assert set(restarts) <= set(falls_of(instants, [0]))
    if all_of:
        assert holds(grew, 0.5, all_of)


@given(SAMPLES, SAMPLES, SAMPLES, SCHEMA, SHARE)
def test_a_window_between_readings_holds_the_true_quantile(
    before: list[float], inside: list[float], after: list[float], schema: int, share: float
) -> None:
    """Of what readings inside a window show and those around it, the quantile of the samples that
    fell into it lies between the least and the most, to a bucket."""
    inner, outer = observing(inside, schema), observing([*before, *inside, *after], schema)
    fewest, most = (cumulative(one) for one in alike([inner, outer]))
    low, high = quantile_between(share, fewest, most, is_native=True)
    some = [*before[: len(before) // 2], *inside, *after[len(after) // 2 :]]
    found = quantile_of(share, cumulative(observing(some, schema)), is_native=True)
    assert found is not None
    assert low <= found.high
    assert found.low <= high


@given(SAMPLES, SCHEMA, THRESHOLD)
def test_the_record_gives_back_what_was_put_in(
    samples: list[float], schema: int, threshold: float
) -> None:
    """Buckets survive their packing, and are there for figures that were asked for alone."""
    buckets = observing(samples, schema, threshold)
    assert unpacked(packed(buckets)) == buckets
    readings = [
        SourceReading(
            source="target",
            start_ns=at,
            end_ns=at,
            ids=[0],
            values=[one.total],
            natives={0: packed(one)},
        )
        for at, one in enumerate([NativeBuckets(schema, threshold), buckets])
    ]
    asked = figures_of("target", SERIES, readings, ["n"])
    assert asked.instants[1].native(0) == buckets
    assert not figures_of("target", SERIES, readings, ["m"]).instants[1].natives
    assert quantile_in(1.0, {0: SERIES[0]}, asked.instants) is not None


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=300), st.integers(1, 20))
def test_a_bound_on_buckets_makes_them_coarser_and_loses_none(
    samples: list[float], size_max: int
) -> None:
    """Within the bound, or else on the coarsest schema there is, all samples are still there."""
    found = observing(samples, 8).within(size_max)
    assert found.size <= size_max or found.schema == -4
    assert found.total == len(samples)
    assert math.isfinite(max(cumulative(found)))
