"""The values of stretches that move along a window: a second joins, another leaves.

A stretch holds all but the same counts as the one before, and a long window has thousands of them,
so they are kept in one vector over all buckets of the window instead of being folded anew. The
values are those of `aggregate.value_of_cell`, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormproof.model.histogram import Histogram, highest_us
from stormproof.model.objective import Objective
from stormproof.rules.aggregate import Value, value_of_cell, value_of_times
from stormproof.rules.catalog import Reading, metric_of
from stormproof.rules.fold import Cell


class _Second(NamedTuple):
    """One second's distribution, its buckets as columns of the vector."""

    columns: NDArray[np.intp]
    counts: NDArray[np.int64]
    total: int
    beyond: int
    sum_us: int


class _Vector:
    """The distribution of the stretch under way."""

    def __init__(self, objective: Objective, histograms: Mapping[int, Histogram]) -> None:
        self._objective = objective
        buckets = set[int]()
        for one in histograms.values():  # one at a time: a long run has thousands of seconds
            buckets.update(one.pairs())
        self._buckets = np.array(sorted(buckets), dtype=np.int64)
        self._counts = np.zeros(len(buckets), dtype=np.int64)
        self._total = self._beyond = self._sum_us = 0
        self._histograms = histograms
        self._inside: dict[int, _Second] = {}

    def _second(self, histogram: Histogram) -> _Second:
        pairs = histogram.pairs()
        return _Second(
            columns=np.searchsorted(self._buckets, np.array(list(pairs), dtype=np.int64)),
            counts=np.array(list(pairs.values()), dtype=np.int64),
            total=histogram.total,
            beyond=histogram.beyond,
            sum_us=histogram.sum_us,
        )

    def move(self, second: int, sign: int) -> None:
        """Take a second in (1) or out (-1)."""
        if second in self._histograms:
            if sign > 0:
                self._inside[second] = self._second(self._histograms[second])
            one = self._inside[second] if sign > 0 else self._inside.pop(second)
            self._counts[one.columns] += sign * one.counts
            self._total += sign * one.total
            self._beyond += sign * one.beyond
            self._sum_us += sign * one.sum_us

    def value(self) -> Value:
        return value_of_times(self._value_us(), self._total)

    def _value_us(self) -> float | None:
        total, asked = self._total, self._objective
        if total == 0:
            return None
        if asked.aggregation in ("avg", "max") and self._beyond:
            return math.inf
        if asked.aggregation == "avg":
            return self._sum_us / total
        if asked.aggregation in ("min", "max"):
            there = np.flatnonzero(self._counts)
            return self._highest(there[-1 if asked.aggregation == "max" else 0], len(there))
        percentile = 50.0 if asked.aggregation == "med" else asked.percentile
        rank = max(1, -(-total * percentile // 100))
        place = int(np.searchsorted(np.cumsum(self._counts), rank))
        return self._highest(place, len(self._counts) - place)

    def _highest(self, place: int, left: int) -> float:
        return float(highest_us(int(self._buckets[place]))) if left > 0 else math.inf


def moving_times(
    objective: Objective, cells: Mapping[int, Cell], stretches: Sequence[range]
) -> Iterator[Value]:
    """Yield the value of a time objective in each of `stretches`, which rise."""
    served = metric_of(objective).reading is Reading.SERVICE
    vector = _Vector(
        objective, {at: one.service if served else one.response for at, one in cells.items()}
    )
    inside = range(0)
    for stretch in stretches:
        for second in inside:
            if second not in stretch:
                vector.move(second, -1)
        for second in stretch:
            if second not in inside:
                vector.move(second, 1)
        inside = stretch
        yield vector.value()


def moving_counts(
    objective: Objective, cells: Mapping[int, Cell], stretches: Sequence[range]
) -> Iterator[Value]:
    """Yield the value of a count or a share in each of `stretches`, which rise."""
    slim = {second: without_times(one) for second, one in cells.items()}
    whole, inside, nothing = Cell(), range(0), Cell()
    for stretch in stretches:
        for second in inside:
            if second not in stretch:
                whole.remove(slim.get(second, nothing))
        for second in stretch:
            if second not in inside:
                whole.merge(slim.get(second, nothing))
        inside = stretch
        yield value_of_cell(objective, whole, len(stretch))


def without_times(cell: Cell) -> Cell:
    """Return a cell's counts and sums, without its distributions."""
    return Cell(
        count=cell.count,
        failed=cell.failed,
        response=Histogram(sum_us=cell.response.sum_us),
        level=cell.level,
    )
