"""Values of custom metrics into the counts of their second, some at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stormproof.clients.measures import MEASURE_FIELDS
from stormproof.load.binning import Ints, indices_of
from stormproof.model.series import Counts, Level, Series, SeriesKind

MEASURE_TYPE = np.dtype(MEASURE_FIELDS)


@dataclass(slots=True)
class _Sum:
    """What one series has seen of its second."""

    count: int = 0
    failed: int = 0
    total: int = 0
    buckets: dict[int, int] = field(default_factory=dict)
    level: Level | None = None

    def add(self, kind: SeriesKind, values: Ints, at_ns: Ints) -> None:
        self.count += len(values)
        if kind is SeriesKind.RATE:
            self.failed += int((values == 0).sum())
        elif kind is not SeriesKind.GAUGE:
            self.total += int(values.sum())
        if kind in (SeriesKind.GAUGE, SeriesKind.TREND):  # a trend's extremes are exact
            self._rise_and_fall(values, at_ns)
        if kind is SeriesKind.TREND:
            for index, count in zip(
                *np.unique(indices_of(values), return_counts=True), strict=True
            ):
                self.buckets[int(index)] = self.buckets.get(int(index), 0) + int(count)

    def _rise_and_fall(self, values: Ints, at_ns: Ints) -> None:
        low, high, last = int(values.min()), int(values.max()), int(values[-1])
        if self.level is not None:
            low, high = min(low, self.level.low), max(high, self.level.high)
        self.level = Level(last=last, at_ns=int(at_ns[-1]), low=low, high=high)

    def counts(self, series: int) -> Counts:
        return Counts(
            series=series,
            count=self.count,
            failed=self.failed,
            response_index=sorted(self.buckets),
            response_count=[self.buckets[index] for index in sorted(self.buckets)],
            response_sum_us=self.total,
            level=self.level,
        )


class MetricBins:
    """What custom metrics add up to, second by second."""

    def __init__(self) -> None:
        self._seconds: dict[int, dict[int, _Sum]] = {}

    @property
    def seconds(self) -> list[int]:
        """The seconds that have values."""
        return list(self._seconds)

    def add(self, second: int, rows: NDArray[np.void], known: Sequence[Series]) -> None:
        """Add rows of `MEASURE_TYPE`, in the order they came, of the series `known`."""
        sums = self._seconds.setdefault(second, {})
        for series in np.unique(rows["series"]).tolist():
            mine = rows[rows["series"] == series]
            kind = known[series].kind
            values, at_ns = mine["value"].astype(np.int64), mine["at_ns"].astype(np.int64)
            sums.setdefault(series, _Sum()).add(kind, values, at_ns)

    def take(self, second: int) -> list[Counts]:
        """Return the counts of a second that is over."""
        sums = self._seconds.pop(second, {})
        return [one.counts(series) for series, one in sorted(sums.items())]


def measures_of(packed: bytes | bytearray) -> NDArray[np.void]:
    """Return the packed values of a tape as an array."""
    return np.frombuffer(packed, dtype=MEASURE_TYPE)
