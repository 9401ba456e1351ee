"""Counts on HdrHistogram's bucket layout: three significant digits, whole microseconds.

Theory of operation. A value v (microseconds) below 2048 has a bucket of its own. Above, each power
of two is split into 1024 equal buckets, so a bucket is never wider than 0.1 % of its value. The
index of a value is that of HdrHistogram's counts array (sub-bucket count 2048, lowest discernible
value 1), so that an export is exact. Only counts are stored and merged, never percentiles.

Source: HdrHistogram, `countsArrayIndex` (public domain / BSD), http://hdrhistogram.org
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

SUB_BUCKETS = 2048
HALF = 1024
VALUE_US_MAX = 3_600_000_000  # an hour; what lasts longer is counted there


def index_of(value_us: int) -> int:
    """Return the index of the bucket that holds `value_us` (microseconds, not negative)."""
    value_us = min(max(value_us, 0), VALUE_US_MAX)
    bucket = max(0, value_us.bit_length() - 11)
    return (bucket << 10) + (value_us >> bucket)


def highest_us(index: int) -> int:
    """Return the highest value (microseconds) that falls into the bucket at `index`."""
    if index < SUB_BUCKETS:
        return index
    bucket = (index >> 10) - 1
    sub = index - (bucket << 10)
    return ((sub + 1) << bucket) - 1


@dataclass(slots=True)
class Histogram:
    """Sparse, mergeable counts; `beyond` counts samples that count as +infinity (drops)."""

    counts: dict[int, int] = field(default_factory=dict)
    beyond: int = 0
    sum_us: int = 0

    @property
    def total(self) -> int:
        """Return how many samples there are, drops included."""
        return sum(self.counts.values()) + self.beyond

    def add(self, indices: Iterable[int], counts: Iterable[int]) -> None:
        """Merge parallel bucket indices and counts."""
        mine = self.counts
        for index, count in zip(indices, counts, strict=True):
            mine[index] = mine.get(index, 0) + count

    def merge(self, other: Histogram) -> None:
        """Merge all counts of `other`."""
        self.add(other.counts.keys(), other.counts.values())
        self.beyond += other.beyond
        self.sum_us += other.sum_us

    def remove(self, other: Histogram) -> None:
        """Take back the counts of a histogram that was merged."""
        mine = self.counts
        for index, count in other.counts.items():
            left = mine[index] - count
            if left:
                mine[index] = left
            else:
                del mine[index]
        self.beyond -= other.beyond
        self.sum_us -= other.sum_us

    def percentile_us(self, percentile: float) -> float | None:
        """Return the value (microseconds) that `percentile` % of the samples do not exceed.

        None without samples; `inf` where the rank falls among the drops.
        """
        total = self.total
        if total == 0:
            return None
        rank = max(1, -(-total * percentile // 100))
        seen = 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= rank:
                return float(highest_us(index))
        return float("inf")
