"""Increases and quantiles of a source's figures against oracles that are slow and obvious."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from stormproof.model.observed import ObservedKind
from stormproof.model.reading import ObservedSeries
from stormproof.rules.figures import Figures, Instant, increase_of, quantile_of

BOUNDS = [1.0, 2.5, 5.0, 10.0, 100.0, math.inf]


VALUES = st.lists(st.one_of(st.none(), st.integers(0, 50)), min_size=1, max_size=30)


@given(VALUES)
def test_a_counter_grew_by_its_runs_however_often_it_began_again(
    values: list[int | None],
) -> None:
    """Cut where it fell, the first run counts from where it began, every later one from 0; one that
    is missing is what it was, and 0 before it was ever there."""
    instants = [
        Instant(at, {} if value is None else {7: float(value)}) for at, value in enumerate(values)
    ]
    runs: list[list[int]] = [[values[0] or 0]]
    for value in values[1:]:
        if value is not None and value < runs[-1][-1]:
            runs.append([])
        runs[-1].append(runs[-1][-1] if value is None else value)
    expected = runs[0][-1] - runs[0][0] + sum(run[-1] for run in runs[1:])
    assert increase_of(instants, 7) == expected


def naive_quantile(share: float, observed: list[int]) -> tuple[float, float] | None:
    """Return the bucket that holds the observation of a rank, by counting one after the other.

    Args:
        share: 0 to 1.
        observed: how many fell into each bucket.
    """
    rank, so_far, low = share * sum(observed), 0, 0.0
    for bound, count in zip(BOUNDS, observed, strict=True):
        so_far += count
        if so_far >= rank:
            return low, bound
        low = bound
    return None


@given(
    share=st.floats(0.01, 1.0),
    observed=st.lists(st.integers(0, 40), min_size=len(BOUNDS), max_size=len(BOUNDS)),
)
def test_a_quantile_lies_in_the_bucket_of_its_rank(share: float, observed: list[int]) -> None:
    """It is inside that bucket, at the share of it that the rank needs; the last one has no end."""
    cumulative = {bound: float(sum(observed[: i + 1])) for i, bound in enumerate(BOUNDS)}
    found, expected = quantile_of(share, cumulative), naive_quantile(share, observed)
    if sum(observed) == 0:
        assert found is None
        return
    assert found is not None
    assert (found.low, found.high) == expected
    if math.isinf(found.high):
        assert found.value is None
        return
    inside = observed[BOUNDS.index(found.high)]
    below = sum(observed[: BOUNDS.index(found.high)])
    part = (share * sum(observed) - below) / inside
    assert found.value is not None
    assert math.isclose(found.value, found.low + (found.high - found.low) * part)


@given(st.lists(st.integers(0, 1_000), min_size=1, unique=True), st.integers(-10, 1_010))
def test_the_nearest_reading_brackets_a_span(instants: list[int], edge: int) -> None:
    """No reading is nearer to a span's start than the one that its bracket begins with."""
    instants.sort()
    read = Figures(series={}, instants=[Instant(at, {}) for at in instants])
    bracket = read.bracket((edge, 2_000)).nearest
    assert abs(bracket[0].at_ns - edge) == min(abs(at - edge) for at in instants)
    assert bracket[-1].at_ns == instants[-1]


READ = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 9)), min_size=2, unique_by=lambda x: x[0]
)


@given(READ, st.integers(0, 200), st.integers(1, 100), st.integers(0, 9))
def test_what_happened_in_a_span_lies_between_its_brackets(
    read: list[tuple[int, int]], start: int, length: int, late: int
) -> None:
    """Whatever the readings and however long they took, what a counter grew by is at least
    what those inside a span show, and at most what those around it show where they cover it."""
    kinds = {7: ObservedSeries(id=7, source="s", name="n", tags={}, kind=ObservedKind.COUNTER)}
    ends = sorted({at for at, _ in read})
    happened = sorted(at * grown for at, grown in read)
    instants = [
        Instant(at, {7: float(sum(one <= at - min(late, 4) for one in happened))}, 4)
        for at in ends[::9]
    ]
    bracket = Figures(series=kinds, instants=instants).bracket((start, start + length))
    true = sum(start < one <= start + length for one in happened)
    assert increase_of(bracket.inner, 7) <= true
    if not bracket.uncovered_ns and len(bracket.outer) > 1:
        assert true <= increase_of(bracket.outer, 7)
