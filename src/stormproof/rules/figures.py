"""Figures of a source over time: how much a counter grew, where a quantile of buckets lies.

Theory of operation. A reading is an instant; what happened between two of them is what their
counters differ by. Nothing is extrapolated, so that a span of time is bracketed twice: by the
readings just inside its ends, which show what it has seen at least, and by those just outside,
which show what it can have seen at most. (Readings are taken at the edges of phases and faults
beside those on the grid, so the two are close where it matters.) A counter that was never there
counts as 0, because a keeper names a series when it first happens; one that is missing for a while
is what it was before; one that is lower than before started again from 0, and what it counted
between the reading before and its restart nobody knows. A native histogram is a counter of each of
its buckets.

Source: Prometheus, `promql/quantile.go` (BucketQuantile, ensureMonotonic, HistogramQuantile: linear
in classic buckets and that of zero, exponential in native ones, as since version 3); `rate` and
`increase` there extrapolate to the span's ends.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from stormproof.model.native import NativeBuckets, unpacked
from stormproof.model.observed import ObservedKind
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.rules.native import added_up, grown, has_begun_again

Span = tuple[int, int]  # nanoseconds, [from, to)


class Instant(NamedTuple):
    """What a source said at one instant: figure -> value, of those that are finite.

    `either_way_ns`: it may have been so much earlier or later. `natives` has the buckets of those
    figures that are native histograms, as the record keeps them: a soak has too many to unpack
    all of them at once.
    """

    at_ns: int
    values: Mapping[int, float]
    either_way_ns: int = 0
    natives: Mapping[int, bytes] = {}

    def native(self, figure: int) -> NativeBuckets | None:
        """Return the buckets of a figure; None where it is no native histogram, or was not said."""
        data = self.natives.get(figure)
        return None if data is None else unpacked(data)


class Bracket(NamedTuple):
    """The readings of a span: those inside it, those nearest to its ends, those around it.

    `uncovered_ns`: how much of the span no reading is around; `beyond_ns`: how far outside its ends
    those around it lie. Each list begins with what every counter was known to be.
    """

    inner: Sequence[Instant]
    nearest: Sequence[Instant]
    outer: Sequence[Instant]
    uncovered_ns: int
    beyond_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one source said in a run, by instant; readings without an answer are left out."""

    series: Mapping[int, ObservedSeries]
    instants: Sequence[Instant]

    def within(self, spans: Iterable[Span]) -> list[Instant]:
        """Return the readings inside `spans`."""
        return [one for low, high in spans for one in self.instants if low <= one.at_ns < high]

    def _nearest(self, at_ns: int) -> int:
        after = bisect_left(self.instants, at_ns, key=lambda one: one.at_ns)
        if after == len(self.instants):
            return after - 1
        if after == 0:
            return 0
        before_ns = at_ns - self.instants[after - 1].at_ns
        return after - 1 if before_ns < self.instants[after].at_ns - at_ns else after

    def bracket(self, span: Span) -> Bracket:
        """Return what was read inside and around a span, of readings of which there is one."""
        low, high = span
        every = self.instants
        inner = (
            bisect_left(every, low, key=lambda one: one.at_ns - one.either_way_ns),
            bisect_right(every, high, key=lambda one: one.at_ns + one.either_way_ns) - 1,
        )
        outer = (
            max(0, bisect_right(every, low, key=lambda one: one.at_ns + one.either_way_ns) - 1),
            min(
                len(every) - 1,
                bisect_left(every, high, key=lambda one: one.at_ns - one.either_way_ns),
            ),
        )
        first_ns, last_ns = (every[place].at_ns for place in outer)
        return Bracket(
            inner=self._from(*inner),
            nearest=self._from(self._nearest(low), self._nearest(high)),
            outer=self._from(*outer),
            uncovered_ns=max(first_ns - low, high - last_ns, 0),
            beyond_ns=max(low - first_ns, last_ns - high, 0),
        )

    def _from(self, first: int, last: int) -> Sequence[Instant]:
        """Return some readings; the first of them with what counters had said before it."""
        if last < first:
            return ()
        known, natives = dict[int, float](), dict[int, bytes]()
        for one in self.instants[:first]:
            known.update(one.values)
            natives.update(one.natives)
        counters = {
            key: value
            for key, value in known.items()
            if key in self.series and self.series[key].kind is not ObservedKind.GAUGE
        }
        begin = self.instants[first]
        return [
            begin._replace(
                values={**counters, **begin.values}, natives={**natives, **begin.natives}
            ),
            *self.instants[first + 1 : last + 1],
        ]

    def longest_gap_ns(self, spans: Iterable[Span], figures: Collection[int] = ()) -> int:
        """Return the longest time within `spans` without a reading that holds one of `figures`."""
        longest = 0
        telling = [
            one.at_ns
            for one in self.instants
            if not figures or any(key in one.values for key in figures)
        ]
        for low, high in spans:
            inside = [at_ns for at_ns in telling if low <= at_ns < high]
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
    instants = [_instant(one, wanted) for one in readings if one.source == source and not one.error]
    return Figures(series=own, instants=sorted(instants, key=lambda one: one.at_ns))


def _instant(reading: SourceReading, wanted: Collection[int]) -> Instant:
    said = _said(reading, wanted)
    natives = {key: data for key, data in reading.natives.items() if key in said}
    either_way_ns = -(-(reading.end_ns - reading.start_ns) // 2)
    return Instant(reading.at_ns, said, either_way_ns, natives)


def _said(reading: SourceReading, wanted: Collection[int]) -> dict[int, float]:
    pairs = zip(reading.ids, reading.values, strict=True)
    return {key: value for key, value in pairs if key in wanted and math.isfinite(value)}


def increase_of(instants: Sequence[Instant], figure: int) -> float:
    """Return how much a counter grew between the first and the last of some readings."""
    total, known = 0.0, instants[0].values.get(figure, 0.0) if instants else 0.0
    for one in instants[1:]:
        now = one.values.get(figure)
        if now is not None:
            total += now - known if now >= known else now
            known = now
    return total


def native_growth_of(
    brackets: Iterable[Sequence[Instant]], figures: Collection[int]
) -> NativeBuckets:
    """Return what some native histograms observed together in all brackets."""
    return added_up([one for bracket in brackets for key in figures for one in _grew(bracket, key)])


def _grew(instants: Sequence[Instant], figure: int) -> list[NativeBuckets]:
    """Return what a native histogram observed from each of its beginnings to the next."""
    first = known = instants[0].native(figure) if instants else None
    growths: list[NativeBuckets] = []
    for one in instants[1:]:
        now = one.native(figure)
        if now is None:
            continue
        if known is not None and has_begun_again(known, now):
            growths.append(grown(first, known))
            first = None
        known = now
    return growths if known is None else [*growths, grown(first, known)]


def falls_of(instants: Sequence[Instant], figures: Collection[int]) -> list[int]:
    """Return the readings, by place, at which any of some counters was lower than it had been, or
    a native histogram had begun again."""
    return sorted({*_lower_at(instants, figures), *_anew_at(instants, figures)})


def _lower_at(instants: Sequence[Instant], figures: Collection[int]) -> Iterator[int]:
    known: dict[int, float] = {}
    for place, one in enumerate(instants):
        here = {key: one.values[key] for key in figures if key in one.values}
        if any(value < known.get(key, value) for key, value in here.items()):
            yield place
        known.update(here)


def _anew_at(instants: Sequence[Instant], figures: Collection[int]) -> Iterator[int]:
    known: dict[int, NativeBuckets] = {}
    for place, one in enumerate(instants):
        here = {key: now for key in figures if (now := one.native(key)) is not None}
        if any(has_begun_again(known.get(key, now), now) for key, now in here.items()):
            yield place
        known.update(here)


def comes_back(instants: Sequence[Instant], figures: Collection[int]) -> bool:
    """Return whether counters that fell are all that they had been one reading later.

    Who began again from 0 needs as long as before; another process that answered in between does
    not.
    """
    totals = [sum(one.values.get(key, 0.0) for key in figures) for one in instants]
    falls = list(_lower_at(instants, figures))
    return any(totals[at + 1] >= totals[at - 1] for at in falls if at + 1 < len(totals))


def increases_of(brackets: Iterable[Sequence[Instant]], figures: Collection[int]) -> float:
    """Return how much some counters grew together in all brackets."""
    return sum(increase_of(one, figure) for one in brackets for figure in figures)


class Quantile(NamedTuple):
    """A quantile of buckets: `value` is None in the last one, which has no end; `low` and `high`
    are the ends of the bucket it lies in."""

    value: float | None
    low: float
    high: float


def quantile_of(
    share: float, buckets: Mapping[float, float], *, is_native: bool = False
) -> Quantile | None:
    """Return a quantile of a histogram, interpolated inside its bucket.

    Args:
        share: 0 to 1.
        buckets: upper bound -> how many were not above it; one bound of a classic one is infinite.
        is_native: bounds are powers of a base: inside a bucket each part of it is a factor.

    Returns:
        None where nothing was observed, or more than a number can tell.
    """
    bounds, counts = sorted(buckets), list[float]()
    for bound in bounds:  # merged from instances that differ, a count may lie below the one before
        counts.append(max(buckets[bound], counts[-1] if counts else 0.0))
    if not counts or counts[-1] <= 0 or not math.isfinite(counts[-1]):
        return None
    rank = share * counts[-1]
    place = next(index for index, count in enumerate(counts) if count >= rank and count > 0)
    if math.isinf(bounds[place]):
        return Quantile(None, bounds[place - 1] if place else 0.0, math.inf)
    high = bounds[place]
    if place == 0 and high <= 0:
        return Quantile(high, high, high)
    low, below = (bounds[place - 1], counts[place - 1]) if place else (0.0, 0.0)
    inside = counts[place] - below
    if high - low < sys.float_info.min:  # a bucket of one number, as that of zero may be
        return Quantile(high, high, high)
    part = (rank - below) / inside if inside else 0.0
    if is_native and (low > 0 or high < 0) and math.isfinite(low):
        return Quantile(min(max(low * (high / low) ** part, low), high), low, high)
    return Quantile(low + (high - low) * part, low, high)
