"""Rows of the tape into sparse counts, many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormproof.clients.tape import ROW_FIELDS
from stormproof.kernel.limits import SERIES_MAX
from stormproof.kernel.units import MICROSECOND_NS, SECOND_NS
from stormproof.model.histogram import HALF, SUB_BUCKETS, VALUE_US_MAX

Ints = NDArray[np.int64]

ROW_TYPE = np.dtype(ROW_FIELDS, align=True)
SERIES_SLOTS = SERIES_MAX + 8  # the last few are the `other` of each kind
_INDEX_BITS = 15  # every index of the histogram is below 2^15
_COARSE_BITS = 7
_FRESH_MIN = 256  # keys; a merge of so few takes some ten microseconds
_INDEX_MASK = (1 << _INDEX_BITS) - 1
_OUTCOME_BITS = 16
_OUTCOME_MASK = (1 << _OUTCOME_BITS) - 1
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


def coarse(indices: Ints) -> Ints:
    """Return the last of the neighbouring indices that are told apart no longer.

    What is left has 64 buckets for each power of two: values grow by at most 1.6 %, and a histogram
    of a second has hundreds of buckets where it had thousands.
    """
    bits = np.frexp(indices.astype(np.float64))[1].astype(np.int64)
    return indices | ((1 << np.clip(bits - _COARSE_BITS, 0, _HALF_BITS + 1 - _COARSE_BITS)) - 1)


class SparseCounts:
    """Counts by (series, histogram index).

    They are kept merged, so that the end of a second finds nothing left to do while the loop stands
    still: a portion of rows mostly brings keys that are known. The others wait until they are worth
    a merge, a quarter of what is known, so that many keys cost no copy of all of them each time.
    """

    __slots__ = ("_counts", "_fresh", "_fresh_size", "_keys")

    def __init__(self) -> None:
        self._keys = as_ints([])  # rising
        self._counts = as_ints([])
        self._fresh: list[tuple[Ints, Ints]] = []
        self._fresh_size = 0

    def add(self, series: Ints, indices: Ints, *, weight: int = 1) -> None:
        """Count one value for each entry of `series`; a `weight` of -1 takes it back."""
        if len(series):
            keys, counts = np.unique((series << _INDEX_BITS) | indices, return_counts=True)
            self._add_keys(keys, counts.astype(np.int64) * weight)

    def add_as(self, other: SparseCounts, series_of: Ints) -> None:
        """Count coarsely what `other` counts, under the series that `series_of` maps its own to.

        What is mapped to a negative one is left out.
        """
        keys, counts = other._merged()
        series = series_of[keys >> _INDEX_BITS]
        mapped = series >= 0
        keys = (series[mapped] << _INDEX_BITS) | coarse(keys[mapped] & _INDEX_MASK)
        self._add_keys(*_summed(keys, counts[mapped]))

    def by_series(self) -> dict[int, tuple[list[int], list[int]]]:
        """Return for each series its parallel lists of indices, rising, and counts."""
        keys, counts = self._merged()
        if not len(keys):
            return {}
        series = keys >> _INDEX_BITS
        indices = keys & _INDEX_MASK
        edges = np.flatnonzero(np.diff(series)) + 1
        starts = [0, *edges.tolist()]
        return {
            int(series[start]): (index.tolist(), count.tolist())
            for start, index, count in zip(
                starts, np.split(indices, edges), np.split(counts, edges), strict=True
            )
        }

    def _add_keys(self, keys: Ints, counts: Ints) -> None:
        """Add counts of keys, rising and none twice."""
        places = np.searchsorted(self._keys, keys)
        known = self._keys.take(places, mode="clip") == keys if len(self._keys) else keys < 0
        self._counts[places[known]] += counts[known]
        fresh = ~known
        if not fresh.any():
            return
        self._fresh.append((keys[fresh], counts[fresh]))
        self._fresh_size += int(fresh.sum())
        if self._fresh_size > max(_FRESH_MIN, len(self._keys) // 4):
            self._merge()

    def _merge(self) -> None:
        keys, counts = zip((self._keys, self._counts), *self._fresh, strict=True)
        self._keys, self._counts = _summed(np.concatenate(keys), np.concatenate(counts))
        self._fresh.clear()
        self._fresh_size = 0

    def _merged(self) -> tuple[Ints, Ints]:
        """Return keys, rising, and their counts, none of them zero."""
        if self._fresh:
            self._merge()
        return self._keys[self._counts != 0], self._counts[self._counts != 0]


def _summed(keys: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Return keys, rising and each once, with the sums of their counts."""
    unique, places = np.unique(keys, return_inverse=True)
    sums = np.zeros(len(unique), dtype=np.int64)
    np.add.at(sums, places, counts)
    return unique, sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What is done with the rows of each series; arrays are indexed by series.

    `waiting` and `receiving` map the series of HTTP operations to the trends of their scenario,
    all others to -1.
    """

    timed: NDArray[np.bool_]  # whether response times are kept
    served: NDArray[np.bool_]  # whether service times are kept as well: operations
    scheduled: NDArray[np.bool_]  # iterations whose start was scheduled
    waiting: Ints
    receiving: Ints

    @classmethod
    def of_nothing(cls) -> Columns:
        """Return columns that keep no times of any series yet."""
        return cls(
            timed=np.zeros(SERIES_SLOTS, dtype=np.bool_),
            served=np.zeros(SERIES_SLOTS, dtype=np.bool_),
            scheduled=np.zeros(SERIES_SLOTS, dtype=np.bool_),
            waiting=np.full(SERIES_SLOTS, -1, dtype=np.int64),
            receiving=np.full(SERIES_SLOTS, -1, dtype=np.int64),
        )


class SecondBins:
    """What the rows of one second add up to; totals are indexed by series.

    Most answers come in one piece to a request that was written at once: such an operation waited
    as long as it was served, so its wait is not counted apart. `phase` holds what differs: for the
    other operations the true wait, less the one that their service time would have given.
    """

    __slots__ = (
        "count",
        "failed",
        "lag",
        "outcomes",
        "phase",
        "phase_us",
        "received",
        "response",
        "response_us",
        "sent",
        "service",
        "service_us",
    )

    def __init__(self) -> None:
        self.count, self.failed, self.sent, self.received = np.zeros(
            (4, SERIES_SLOTS), dtype=np.int64
        )
        self.response_us, self.service_us, self.phase_us = np.zeros(
            (3, SERIES_SLOTS), dtype=np.int64
        )
        self.response = SparseCounts()
        self.service = SparseCounts()
        self.phase = SparseCounts()
        self.lag = SparseCounts()  # of scheduled iterations, all under series 0
        self.outcomes: Counter[int] = Counter()  # (series << 16 | outcome) -> how many

    def add(self, rows: NDArray[np.void], columns: Columns) -> None:
        """Add rows, of `ROW_TYPE`."""
        series = rows["series"].astype(np.int64)
        self._add_outcomes(series, rows["outcome"].astype(np.int64))
        self.sent += _sums(series, rows["sent"])
        self.received += _sums(series, rows["received"])
        intended_ns, start_ns, end_ns = (rows[one] for one in ("intended_ns", "start_ns", "end_ns"))
        timed = columns.timed[series]
        self._add_response(series[timed], microseconds_of((end_ns - intended_ns)[timed]))
        served = columns.served[series]
        service_us = microseconds_of((end_ns - start_ns)[served])
        self._add_service(series[served], service_us)
        phased = served & ((rows["written_us"] | rows["first_us"]) != 0)
        phased &= columns.waiting[series] >= 0
        if phased.any():
            self._add_phases(rows[phased], series[phased], service_us[phased[served]], columns)
        lag_us = microseconds_of((start_ns - intended_ns)[columns.scheduled[series]])
        self.lag.add(np.zeros(len(lag_us), dtype=np.int64), indices_of(lag_us))

    def add_checks(self, slots: Ints) -> None:
        """Add checks, given as series << 1 | passed."""
        series = slots >> 1
        self.count += np.bincount(series, minlength=SERIES_SLOTS)
        self.failed += np.bincount(series[(slots & 1) == 0], minlength=SERIES_SLOTS)

    def statuses(self) -> dict[int, dict[int, int]]:
        """Return series -> status -> how many ended with it."""
        found: dict[int, dict[int, int]] = {}
        for key, count in sorted(self.outcomes.items()):
            mine = found.setdefault(key >> _OUTCOME_BITS, {})
            status = (key & _OUTCOME_MASK) >> 1
            mine[status] = mine.get(status, 0) + count
        return found

    def waits(self, waiting: Ints) -> tuple[SparseCounts, Ints]:
        """Return waits and receipts of HTTP operations, and their sums (microseconds) by series.

        Args:
            waiting: for each series the trend that its waits go to, or -1.
        """
        counts, sums = SparseCounts(), self.phase_us.copy()
        counts.add_as(self.phase, np.arange(SERIES_SLOTS))
        counts.add_as(self.service, waiting)
        http = waiting >= 0
        np.add.at(sums, waiting[http], self.service_us[http])
        return counts, sums

    def _add_outcomes(self, series: Ints, outcome: Ints) -> None:
        keys, counts = np.unique((series << _OUTCOME_BITS) | outcome, return_counts=True)
        ended = keys >> _OUTCOME_BITS
        np.add.at(self.count, ended, counts)
        np.add.at(self.failed, ended[(keys & 1) == 1], counts[(keys & 1) == 1])
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            self.outcomes[key] += count

    def _add_response(self, series: Ints, response_us: Ints) -> None:
        self.response.add(series, indices_of(response_us))
        self.response_us += _sums(series, np.maximum(response_us, 0))

    def _add_service(self, series: Ints, service_us: Ints) -> None:
        self.service.add(series, indices_of(service_us))
        self.service_us += _sums(series, np.maximum(service_us, 0))

    def _add_phases(
        self, rows: NDArray[np.void], series: Ints, service_us: Ints, columns: Columns
    ) -> None:
        written_us, first_us = (rows[one].astype(np.int64) for one in ("written_us", "first_us"))
        first_us = np.where(first_us > 0, first_us, service_us)
        waiting, receiving = columns.waiting[series], columns.receiving[series]
        wait_us = np.maximum(first_us - written_us, 0)
        receive_us = np.maximum(service_us - first_us, 0)
        self.phase.add(waiting, coarse(indices_of(wait_us)))
        self.phase.add(waiting, coarse(indices_of(service_us)), weight=-1)
        self.phase.add(receiving, coarse(indices_of(receive_us)))
        self.phase_us += _sums(waiting, wait_us - np.maximum(service_us, 0))
        self.phase_us += _sums(receiving, receive_us)


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
