"""From the cells of a window to the value of an objective and its interval.

Theory of operation. Latencies of neighbouring seconds go together, so single samples are no
independent evidence: an interval of a percentile or mean comes from resampling blocks of seconds
(the moving block bootstrap). It must come out the same on every machine, so the blocks are
drawn from the raw stream of PCG64, which numpy keeps stable across versions, and the counts are
added as whole numbers, exact in float64 whatever the order of the additions.

Source: Kuensch, "The jackknife and the bootstrap for general stationary observations", 1989;
Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from stormproof.model.histogram import Histogram, highest_us
from stormproof.model.objective import Aggregation, Objective
from stormproof.rules.catalog import Reading, metric_of
from stormproof.rules.fold import THOUSANDTHS, Cell, merge_cells

RESAMPLES: Final = 400
STEPS_MAX: Final = 600  # longer windows are resampled in steps of several seconds
Z_95: Final = 1.959963984540054
MICROSECONDS_PER_MS: Final = 1_000
DROPPED: Final = "dropped"
NO_VALUE: Final = "no samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What a window says: `value` in the metric's unit, None where `beyond` says why."""

    value: float | None
    beyond: str
    samples: int
    interval: tuple[float, float] | None = None


def value_of(
    objective: Objective, cells: Mapping[int, Cell], seconds: int, seed: int | None = None
) -> Value:
    """Return the value of an objective over the cells of its window.

    Args:
        objective: what to ask.
        cells: second -> cell, of the window only; drops are in `response.beyond`.
        seconds: length of the window, for rates per second.
        seed: of the interval's resampling; None leaves the interval out.
    """
    whole = merge_cells(cells.values())
    value = value_of_cell(objective, whole, seconds)
    if seed is None or value.value is None:
        return value
    reading = metric_of(objective).reading
    interval = None
    if reading in (Reading.FAILED_SHARE, Reading.PASSED_SHARE):
        interval = wilson_interval(_hits(reading, whole), whole.count)
    elif reading in (Reading.RESPONSE, Reading.SERVICE):
        interval = _interval_ms(objective, cells, reading is Reading.SERVICE, seed)
    return replace(value, interval=interval)


def value_of_cell(objective: Objective, whole: Cell, seconds: int) -> Value:
    """Return the value of an objective over one cell that `seconds` seconds add up to."""
    reading = metric_of(objective).reading
    match reading:
        case Reading.COUNT | Reading.SUM:
            total = whole.count if reading is Reading.COUNT else _units(whole.response.sum_us)
            per_second = objective.aggregation == "rate" and seconds
            value = total / seconds if per_second else float(total)
            return Value(value=value, beyond="", samples=whole.count)
        case Reading.LEVEL:
            return _of_level(objective.aggregation, whole)
        case Reading.FAILED_SHARE | Reading.PASSED_SHARE:
            if whole.count == 0:
                return Value(value=None, beyond=NO_VALUE, samples=0)
            share = _hits(reading, whole) / whole.count
            return Value(value=share, beyond="", samples=whole.count)
        case _:
            histogram = whole.service if reading is Reading.SERVICE else whole.response
            return _of_times(objective, histogram)


def _units(thousandths: int) -> float:
    return thousandths / THOUSANDTHS


def _hits(reading: Reading, whole: Cell) -> int:
    return whole.failed if reading is Reading.FAILED_SHARE else whole.count - whole.failed


def _of_level(aggregation: Aggregation, whole: Cell) -> Value:
    level = whole.level
    if level is None:
        return Value(value=None, beyond=NO_VALUE, samples=0)
    asked = {"min": level.low, "max": level.high}.get(aggregation, level.last)
    return Value(value=_units(asked), beyond="", samples=whole.count)


def _of_times(objective: Objective, histogram: Histogram) -> Value:
    value_us = _of_histogram(histogram, objective.aggregation, objective.percentile)
    return value_of_times(value_us, histogram.total)


def value_of_times(value_us: float | None, samples: int) -> Value:
    """Return what a distribution was asked for; `inf` where drops decide, None without samples."""
    if value_us is None:
        return Value(value=None, beyond=NO_VALUE, samples=0)
    if math.isinf(value_us):
        return Value(value=None, beyond=DROPPED, samples=samples)
    return Value(value=value_us / MICROSECONDS_PER_MS, beyond="", samples=samples)


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share, in 0..1; `trials` is at least 1."""
    share = hits / trials
    spread = Z_95 * math.sqrt(share * (1 - share) / trials + (Z_95 / (2 * trials)) ** 2)
    middle, shrink = share + Z_95**2 / (2 * trials), 1 + Z_95**2 / trials
    low = 0.0 if hits == 0 else (middle - spread) / shrink
    high = 1.0 if hits == trials else (middle + spread) / shrink
    return max(0.0, low), min(1.0, high)


def _of_histogram(
    histogram: Histogram, aggregation: Aggregation, percentile: float
) -> float | None:
    """Return microseconds; `inf` where drops decide, None without samples."""
    total = histogram.total
    if total == 0:
        return None
    if aggregation == "avg":
        return math.inf if histogram.beyond else histogram.sum_us / total
    if aggregation == "max":
        return math.inf if histogram.beyond else float(highest_us(max(histogram.counts)))
    if aggregation == "min":
        return float(highest_us(min(histogram.counts))) if histogram.counts else math.inf
    return histogram.percentile_us(50.0 if aggregation == "med" else percentile)


def _interval_ms(
    objective: Objective, cells: Mapping[int, Cell], service: bool, seed: int
) -> tuple[float, float] | None:
    """Return the 95 % block bootstrap interval; None where resampling says nothing (extremes)."""
    if objective.aggregation in ("min", "max"):
        return None
    steps = _steps(
        [cell.service if service else cell.response for _, cell in sorted(cells.items())]
    )
    if len(steps) < 2:
        return None
    weights = _resampled_weights(len(steps), seed)
    if objective.aggregation == "avg":
        outcomes = _means_us(steps, weights)
    else:
        percentile = 50.0 if objective.aggregation == "med" else objective.percentile
        outcomes = _percentiles_us(steps, weights, percentile)
    outcomes.sort()
    low, high = outcomes[int(0.025 * RESAMPLES)], outcomes[math.ceil(0.975 * RESAMPLES) - 1]
    if not math.isfinite(high):
        return None
    return float(low) / MICROSECONDS_PER_MS, float(high) / MICROSECONDS_PER_MS


def _steps(histograms: Sequence[Histogram]) -> list[Histogram]:
    """Merge neighbours until there are at most STEPS_MAX."""
    width = -(-len(histograms) // STEPS_MAX)
    if width <= 1:
        return list(histograms)
    merged = []
    for start in range(0, len(histograms), width):
        step = Histogram()
        for histogram in histograms[start : start + width]:
            step.merge(histogram)
        merged.append(step)
    return merged


def _resampled_weights(steps: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return how often each resample (row) holds each step (column).

    Blocks of about the cube root of the number of steps, wrapping round, until the row is full.
    """
    block = max(1, round(steps ** (1 / 3)))
    blocks = -(-steps // block)
    raw = np.random.PCG64(seed).random_raw(RESAMPLES * blocks).reshape(RESAMPLES, blocks)
    starts = (raw % np.uint64(steps)).astype(np.int64)
    picked = (starts[:, :, None] + np.arange(block)).reshape(RESAMPLES, -1)[:, :steps] % steps
    flat = picked + np.arange(RESAMPLES)[:, None] * steps
    counts = np.bincount(flat.ravel(), minlength=RESAMPLES * steps)
    return counts.reshape(RESAMPLES, steps).astype(np.float64)


def _means_us(
    steps: Sequence[Histogram], weights: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    sums = weights @ np.array([step.sum_us for step in steps], dtype=np.float64)
    totals = weights @ np.array([step.total for step in steps], dtype=np.float64)
    beyond = weights @ np.array([step.beyond for step in steps], dtype=np.float64)
    means: np.ndarray[tuple[int], np.dtype[np.float64]] = np.where(
        beyond > 0, np.inf, sums / np.maximum(totals, 1)
    )
    return means


def _arrays(
    histogram: Histogram,
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.float64]]
]:
    """Return bucket indices and counts."""
    pairs = histogram.pairs()
    return np.array(list(pairs), np.int64), np.array(list(pairs.values()), np.float64)


def _percentiles_us(
    steps: Sequence[Histogram],
    weights: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    percentile: float,
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    every = [_arrays(step) for step in steps]
    buckets = np.unique(np.concatenate([indices for indices, _ in every]))
    counts = np.zeros((len(steps), len(buckets) + 1), dtype=np.float64)
    for row, (step, (indices, mine)) in enumerate(zip(steps, every, strict=True)):
        counts[row, np.searchsorted(buckets, indices)] = mine
        counts[row, -1] = step.beyond
    seen = np.cumsum(weights @ counts, axis=1)
    ranks = np.maximum(1, np.ceil(seen[:, -1] * percentile / 100))
    highest = [float(highest_us(index)) for index in buckets.tolist()]
    values = np.array([*highest, math.inf], dtype=np.float64)
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = values[
        np.minimum((seen < ranks[:, None]).sum(axis=1), len(buckets))
    ]
    return found
