"""Counts on HdrHistogram's bucket layout: three significant digits, whole microseconds.

Theory of operation. A value v (microseconds) below 2048 has a bucket of its own. Above, each power
of two is split into 1024 equal buckets, so a bucket is never wider than 0.1 % of its value. The
index of a value is that of HdrHistogram's counts array (sub-bucket count 2048, lowest discernible
value 1), so that an export is exact. Only counts are stored and merged, never percentiles.

Source: HdrHistogram, `countsArrayIndex` (public domain / BSD), http://hdrhistogram.org
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence

SUB_BUCKETS = 2048
HALF = 1024
VALUE_US_MAX = 3_600_000_000  # an hour; what lasts longer is counted there
WAITING_MAX = 64  # parts of a histogram that wait to be merged


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


_Part = tuple[Sequence[int], Sequence[int]]


def _compact(numbers: Collection[int]) -> Sequence[int]:
    """Return numbers in four bytes each, where they have room in them."""
    try:
        return array("I", numbers)
    except OverflowError:
        return list(numbers)


class Histogram:
    """Sparse, mergeable counts; `beyond` counts samples that count as +infinity (drops).

    What was added waits side by side, as it came and in few bytes, until somebody asks for the
    counts: a run has a histogram for every second of every objective, and most are only merged.
    """

    __slots__ = ("_counts", "_waiting", "beyond", "sum_us")

    def __init__(
        self, counts: Mapping[int, int] | None = None, beyond: int = 0, sum_us: int = 0
    ) -> None:
        self._counts: dict[int, int] = dict(counts or {})
        self._waiting: list[_Part] = []
        self.beyond = beyond
        self.sum_us = sum_us

    def __repr__(self) -> str:
        return f"Histogram(counts={self.counts}, beyond={self.beyond}, sum_us={self.sum_us})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        mine, others = (self.beyond, self.sum_us), (other.beyond, other.sum_us)
        return mine == others and self.counts == other.counts

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def counts(self) -> dict[int, int]:
        """Return how many samples each bucket holds, by its index; not to be changed."""
        if self._waiting:
            self._counts = self.pairs()
            self._waiting = []
        return self._counts

    def pairs(self) -> dict[int, int]:
        """Return the same, and keep nothing of it: for whoever looks at thousands of seconds."""
        merged = self._counts if not self._waiting else dict(self._counts)
        for indices, counts in self._waiting:
            for index, count in zip(indices, counts, strict=True):
                merged[index] = merged.get(index, 0) + count
        return merged

    @property
    def total(self) -> int:
        """Return how many samples there are, drops included."""
        waiting = sum(sum(counts) for _, counts in self._waiting)
        return sum(self._counts.values()) + waiting + self.beyond

    def add(self, indices: Collection[int], counts: Collection[int]) -> None:
        """Merge parallel bucket indices and counts.

        Raises:
            ValueError: they are not as many.
        """
        if len(indices) != len(counts):
            raise ValueError(f"{len(indices)} buckets with {len(counts)} counts")
        if indices:
            self._wait(_compact(indices), _compact(counts))

    def _wait(self, indices: Sequence[int], counts: Sequence[int]) -> None:
        self._waiting.append((indices, counts))
        if len(self._waiting) > WAITING_MAX:
            self._counts = self.counts

    def merge(self, other: Histogram) -> None:
        """Merge all counts of `other`."""
        self.add(other._counts.keys(), other._counts.values())
        for part in other._waiting:
            self._wait(*part)
        self.beyond += other.beyond
        self.sum_us += other.sum_us

    def remove(self, other: Histogram) -> None:
        """Take back the counts of a histogram that was merged."""
        mine = self.counts
        for index, count in other.pairs().items():
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
        seen, counts = 0, self.counts
        for index in sorted(counts):
            seen += counts[index]
            if seen >= rank:
                return float(highest_us(index))
        return float("inf")
