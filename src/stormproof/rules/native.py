"""Native histograms beside each other: what one grew by, several added up, bounds and counts.

Two of different schemas meet on the coarser one, two of different zero buckets in the wider one; a
zero bucket whose end lies inside a populated bucket takes that bucket in. A keeper makes its
buckets only ever coarser and its zero bucket wider, so that the reverse says that it began again,
as a count does that is lower than before.

Source: Prometheus, `model/histogram/float_histogram.go` (DetectReset, reconcileZeroBuckets).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from stormproof.model.native import SCHEMA_MAX, Count, NativeBuckets

NOTHING: Final = NativeBuckets(SCHEMA_MAX)  # no other is made coarser by it


def has_begun_again(before: NativeBuckets, now: NativeBuckets) -> bool:
    """Say whether a histogram cannot be what it was before and what came since."""
    if now.schema > before.schema or now.zero_threshold < before.zero_threshold:
        return True
    is_alike = (now.schema, now.zero_threshold) == (before.schema, before.zero_threshold)
    old, new = (before, now) if is_alike else alike([before, now])
    return (
        new.zero_count < old.zero_count
        or _has_fallen(old.positive, new.positive)
        or _has_fallen(old.negative, new.negative)
    )


def _has_fallen(old: dict[int, Count], new: dict[int, Count]) -> bool:
    return any(new.get(index, 0) < count for index, count in old.items())


def grown(before: NativeBuckets | None, now: NativeBuckets) -> NativeBuckets:
    """Return what a histogram observed between two readings, between which it did not begin
    again: all of it where it was not there before."""
    if before is None:
        return now
    old, new = alike([before, now])
    return NativeBuckets(
        new.schema,
        new.zero_threshold,
        new.zero_count - old.zero_count,
        _less(new.positive, old.positive),
        _less(new.negative, old.negative),
    )


def _less(new: dict[int, Count], old: dict[int, Count]) -> dict[int, Count]:
    return {
        index: count - old.get(index, 0)
        for index, count in new.items()
        if count != old.get(index, 0)
    }


def added_up(histograms: Sequence[NativeBuckets]) -> NativeBuckets:
    """Return several histograms as one."""
    alikes = alike([one for one in histograms if one.total] or [NOTHING])
    return NativeBuckets(
        alikes[0].schema,
        alikes[0].zero_threshold,
        sum(one.zero_count for one in alikes),
        _sum(one.positive for one in alikes),
        _sum(one.negative for one in alikes),
    )


def _sum(counts: Iterable[dict[int, Count]]) -> dict[int, Count]:
    total: dict[int, Count] = {}
    for index, count in chain.from_iterable(one.items() for one in counts):
        total[index] = total.get(index, 0) + count
    return total


def alike(histograms: Sequence[NativeBuckets]) -> list[NativeBuckets]:
    """Return histograms on their coarsest schema and with their widest zero bucket."""
    schema = min(one.schema for one in histograms)
    coarse = [one.at_schema(schema) for one in histograms]
    widest = max(one.zero_threshold for one in coarse)
    for one in coarse:
        if one.zero_threshold < widest:
            widest = _clear_of(one, widest)
    return [_widened(one, widest) if one.zero_threshold < widest else one for one in coarse]


def _clear_of(one: NativeBuckets, threshold: float) -> float:
    """Return the least end of a zero bucket, from `threshold` on, that cuts no bucket in two."""
    cut = (
        one.end(index)
        for index in chain(one.positive, one.negative)
        if one.end(index - 1) < threshold < one.end(index)
    )
    return max(cut, default=threshold)


def _widened(one: NativeBuckets, threshold: float) -> NativeBuckets:
    positive = {index: n for index, n in one.positive.items() if one.end(index) > threshold}
    negative = {index: n for index, n in one.negative.items() if one.end(index) > threshold}
    outside = sum(positive.values()) + sum(negative.values())
    return NativeBuckets(one.schema, threshold, one.total - outside, positive, negative)


def cumulative(one: NativeBuckets) -> dict[float, float]:
    """Return upper bound -> how many were not above it; empty where nothing was observed.

    Where a populated bucket begins there is a bound too, because those between are not there. The
    zero bucket begins at 0 where nothing lies below it, as for Prometheus.
    """
    threshold = one.zero_threshold
    parts: list[tuple[float, float, Count]] = [
        (-max(one.end(index), threshold), -max(one.end(index - 1), threshold), one.negative[index])
        for index in sorted(one.negative, reverse=True)
    ]
    if one.zero_count:
        below = -threshold or math.nextafter(0.0, -1.0)  # a bucket needs a beginning of its own
        parts.append((below if one.negative else 0.0, threshold, one.zero_count))
    parts += [
        (max(one.end(index - 1), threshold), max(one.end(index), threshold), one.positive[index])
        for index in sorted(one.positive)
    ]
    bounds: dict[float, float] = {}
    so_far = 0.0
    for low, high, count in parts:
        bounds.setdefault(low, so_far)
        so_far += count
        bounds[high] = so_far
    return bounds
