"""Rows of the tape into sparse counts, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stormproof.clients.tape import ROW_FIELDS
from stormproof.kernel.limits import SERIES_MAX
from stormproof.kernel.units import MICROSECOND_NS, SECOND_NS
from stormproof.model.histogram import HALF, SUB_BUCKETS, VALUE_US_MAX

Ints = NDArray[np.int64]

ROW_TYPE = np.dtype(ROW_FIELDS)
SERIES_SLOTS = SERIES_MAX + 8  # the last few are the `other` of each kind
_INDEX_BITS = 15  # every index of the histogram is below 2^15
_HALF_BITS = HALF.bit_length() - 1
_SUB_BITS = SUB_BUCKETS.bit_length() - 1


def microseconds_of(durations_ns: Ints) -> Ints:
    """Return durations in whole microseconds, rounded up: a bar is never met by rounding."""
    return -(-durations_ns // MICROSECOND_NS)


def indices_of(values_us: Ints) -> Ints:
    """Return `model.histogram.index_of` of each value (microseconds)."""
    values = np.clip(values_us, 0, VALUE_US_MAX)
    bits = np.frexp(values.astype(np.float64))[1].astype(np.int64)  # exact: below 2^53
    bucket = np.maximum(bits - _SUB_BITS, 0)
    return (bucket << _HALF_BITS) + (values >> bucket)


@dataclass(slots=True)
class SparseCounts:
    """Counts by (series, histogram index), collected in pieces and merged once."""

    _keys: list[Ints] = field(default_factory=list)
    _counts: list[Ints] = field(default_factory=list)

    def add(self, series: Ints, values_us: Ints) -> None:
        """Count one value for each entry of `series`."""
        if len(series):
            keys, counts = np.unique(
                (series << _INDEX_BITS) | indices_of(values_us), return_counts=True
            )
            self._keys.append(keys)
            self._counts.append(counts.astype(np.int64))

    def by_series(self) -> dict[int, tuple[list[int], list[int]]]:
        """Return for each series its parallel lists of indices, rising, and counts."""
        if not self._keys:
            return {}
        keys, positions = np.unique(np.concatenate(self._keys), return_inverse=True)
        counts = np.zeros(len(keys), dtype=np.int64)
        np.add.at(counts, positions, np.concatenate(self._counts))
        series = keys >> _INDEX_BITS
        indices = keys & ((1 << _INDEX_BITS) - 1)
        edges = np.flatnonzero(np.diff(series)) + 1
        starts = [0, *edges.tolist()]
        return {
            int(series[start]): (index.tolist(), count.tolist())
            for start, index, count in zip(
                starts, np.split(indices, edges), np.split(counts, edges), strict=True
            )
        }


class SecondBins:
    """What the rows of one second add up to; totals are indexed by series."""

    __slots__ = (
        "count",
        "failed",
        "lag",
        "received",
        "response",
        "response_us",
        "sent",
        "service",
        "service_us",
    )

    def __init__(self) -> None:
        self.count, self.failed, self.sent, self.received, self.response_us, self.service_us = (
            np.zeros((6, SERIES_SLOTS), dtype=np.int64)
        )
        self.response = SparseCounts()
        self.service = SparseCounts()
        self.lag = SparseCounts()  # of scheduled iterations, all under series 0

    def add(
        self, rows: NDArray[np.void], timed: NDArray[np.bool_], served: Ints, open_: Ints
    ) -> None:
        """Add rows.

        Args:
            rows: of `ROW_TYPE`.
            timed: for each series whether its response times are kept.
            served: the series of operations, whose service times are kept as well.
            open_: the iteration series whose start was scheduled.
        """
        series = rows["series"].astype(np.int64)
        self.count += np.bincount(series, minlength=SERIES_SLOTS)
        self.failed += np.bincount(series[rows["failed"] != 0], minlength=SERIES_SLOTS)
        self.sent += _sums(series, rows["sent"])
        self.received += _sums(series, rows["received"])
        self._add_times(rows[timed[series]], served)
        scheduled = rows[np.isin(series, open_)]
        lag_us = microseconds_of(scheduled["start_ns"] - scheduled["intended_ns"])
        self.lag.add(np.zeros(len(scheduled), dtype=np.int64), lag_us)

    def add_checks(self, slots: Ints) -> None:
        """Add checks, given as series << 1 | passed."""
        series = slots >> 1
        self.count += np.bincount(series, minlength=SERIES_SLOTS)
        self.failed += np.bincount(series[(slots & 1) == 0], minlength=SERIES_SLOTS)

    def _add_times(self, rows: NDArray[np.void], served: Ints) -> None:
        series = rows["series"].astype(np.int64)
        response_us = microseconds_of(rows["end_ns"] - rows["intended_ns"])
        self.response.add(series, response_us)
        self.response_us += _sums(series, np.maximum(response_us, 0))
        operations = np.isin(series, served)
        series, rows = series[operations], rows[operations]
        service_us = microseconds_of(rows["end_ns"] - rows["start_ns"])
        self.service.add(series, service_us)
        self.service_us += _sums(series, np.maximum(service_us, 0))


def rows_of(packed: bytes | bytearray) -> NDArray[np.void]:
    """Return the packed rows of a tape as an array."""
    return np.frombuffer(packed, dtype=ROW_TYPE)


def seconds_of(instants_ns: Ints, origin_ns: int) -> Ints:
    """Return the second after `origin_ns`, negative before it, that each instant falls into."""
    return (instants_ns - origin_ns) // SECOND_NS


def as_ints(values: Sequence[int]) -> Ints:
    """Return a sequence as an array of integers."""
    return np.array(values, dtype=np.int64)


def _sums(series: Ints, values: NDArray[np.generic]) -> Ints:
    totals = np.bincount(series, weights=values.astype(np.float64), minlength=SERIES_SLOTS)
    return totals.astype(np.int64)  # exact: sums stay below 2^53
