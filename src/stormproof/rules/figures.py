"""Figures of a source over time: how much a counter grew, where a quantile of buckets lies.

Theory of operation. A reading is an instant; what happened between two of them is what their
counters differ by. A span of time is bracketed by the readings nearest to its ends, and what those
differ by is its own: nothing is extrapolated. (Readings are taken at the edges of phases and faults
beside those on the grid, so the bracket is tight where it matters.) A counter that is not there
counts as 0, because a keeper names a series when it first happens; one that is lower than before
started again from 0.

Source: Prometheus, `promql/quantile.go` (bucketQuantile, ensureMonotonic); `rate` and `increase`
there extrapolate to the span's ends.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from stormproof.model.reading import ObservedSeries, SourceReading

Span = tuple[int, int]  # nanoseconds, [from, to)


class Instant(NamedTuple):
    """What a source said at one instant: figure -> value, of those that are finite."""

    at_ns: int
    values: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one source said in a run, by instant; readings without an answer are left out."""

    series: Mapping[int, ObservedSeries]
    instants: Sequence[Instant]

    def within(self, spans: Iterable[Span]) -> list[Instant]:
        """Return the readings inside `spans`."""
        return [one for low, high in spans for one in self.instants if low <= one.at_ns < high]

    def bracketing(self, span: Span) -> Sequence[Instant]:
        """Return the readings from the nearest to a span's start to the nearest to its end."""
        first, last = (self._nearest(end_ns) for end_ns in span)
        return self.instants[first : last + 1]

    def _nearest(self, at_ns: int) -> int:
        after = bisect_left(self.instants, at_ns, key=lambda one: one.at_ns)
        if after == len(self.instants):
            return after - 1
        if after == 0:
            return 0
        before_ns = at_ns - self.instants[after - 1].at_ns
        return after - 1 if before_ns < self.instants[after].at_ns - at_ns else after

    def longest_gap_ns(self, spans: Iterable[Span]) -> int:
        """Return the longest time within `spans` without a reading."""
        longest = 0
        for low, high in spans:
            inside = [one.at_ns for one in self.instants if low <= one.at_ns < high]
            marks = [low, *inside, high]
            longest = max([longest, *(later - earlier for earlier, later in pairwise(marks))])
        return longest


def figures_of(
    source: str,
    series: Mapping[int, ObservedSeries],
    readings: Iterable[SourceReading],
    names: Collection[str] | None = None,
) -> Figures:
    """Return what a source said, out of a record; what is no finite number was not said.

    Args:
        source: whose figures.
        series: of the record.
        readings: of the record.
        names: of the figures whose values are wanted; None: of all.
    """
    own = {key: one for key, one in series.items() if one.source == source}
    wanted = {key for key, one in own.items() if names is None or one.name in names}
    instants = [
        Instant(one.at_ns, _said(one, wanted))
        for one in readings
        if one.source == source and not one.error
    ]
    return Figures(series=own, instants=sorted(instants, key=lambda one: one.at_ns))


def _said(reading: SourceReading, wanted: Collection[int]) -> dict[int, float]:
    pairs = zip(reading.ids, reading.values, strict=True)
    return {key: value for key, value in pairs if key in wanted and math.isfinite(value)}


def increase_of(instants: Sequence[Instant], figure: int) -> float:
    """Return how much a counter grew between the first and the last of some readings."""
    total = 0.0
    for earlier, later in pairwise(instants):
        before, now = earlier.values.get(figure, 0.0), later.values.get(figure, 0.0)
        total += now - before if now >= before else now
    return total


def increases_of(brackets: Iterable[Sequence[Instant]], figures: Collection[int]) -> float:
    """Return how much some counters grew together in all brackets."""
    return sum(increase_of(one, figure) for one in brackets for figure in figures)


class Quantile(NamedTuple):
    """A quantile of buckets: `value` is None in the last one, which has no end; `low` and `high`
    are the ends of the bucket it lies in."""

    value: float | None
    low: float
    high: float


def quantile_of(share: float, buckets: Mapping[float, float]) -> Quantile | None:
    """Return a quantile of a histogram, interpolated in a straight line inside its bucket.

    Args:
        share: 0 to 1.
        buckets: upper bound -> how many were not above it; one bound is infinite.

    Returns:
        None where nothing was observed.
    """
    bounds, counts = sorted(buckets), list[float]()
    for bound in bounds:  # merged from instances that differ, a count may lie below the one before
        counts.append(max(buckets[bound], counts[-1] if counts else 0.0))
    if not counts or counts[-1] <= 0:
        return None
    rank = share * counts[-1]
    place = next(index for index, count in enumerate(counts) if count >= rank)
    if math.isinf(bounds[place]):
        return Quantile(None, bounds[place - 1] if place else 0.0, math.inf)
    high = bounds[place]
    if place == 0 and high <= 0:
        return Quantile(high, high, high)
    low, below = (bounds[place - 1], counts[place - 1]) if place else (0.0, 0.0)
    inside = counts[place] - below
    part = (rank - below) / inside if inside else 0.0
    return Quantile(low + (high - low) * part, low, high)
