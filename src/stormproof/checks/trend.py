"""How fast something rises: the Theil-Sen slope, with an interval that allows for autocorrelation.

Theory of operation. The slope is the median of the slopes between all pairs of points of one piece;
what changed its level in between (a restart) parts the pieces, as seasons do in the seasonal
Kendall test. Its interval comes from the variance of Kendall's S, which holds for independent
points. Neighbours in time go together, so the variance is widened by how many points one
independent point is worth, from the ranks of what is left without the slope: the greater of what an
autoregression of order one says, its bias corrected, and of the sum of the autocorrelations as long
as neighbouring ones are positive together. Nothing is drawn at random: equal points, equal answer.

Source: Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968; Hirsch and
Slack, "A nonparametric trend test for seasonal data with serial dependence", 1984; Hamed and Rao,
"A modified Mann-Kendall trend test for autocorrelated data", 1998; Geyer, "Practical Markov chain
Monte Carlo", 1992 (where to end the sum).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Z_95: Final = 1.959963984540054
POINTS_MIN: Final = 5  # of a piece of evidence; fewer have no interval worth the name
POINTS_MAX: Final = 80  # more are put together first: pairs grow with the square
CORRELATION_MAX: Final = 0.98
LAGS_SHARE: Final = 3  # autocorrelations are summed up to a third of the points


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """What is fitted: `x` rising, `y`, and the `piece` that each point belongs to."""

    x: Floats
    y: Floats
    piece: Ints

    def where(self, chosen: NDArray[np.bool_]) -> Points:
        """Return some of the points."""
        return Points(x=self.x[chosen], y=self.y[chosen], piece=self.piece[chosen])

    def parts(self) -> list[slice]:
        """Return where each piece lies."""
        edges = [0, *(np.flatnonzero(np.diff(self.piece)) + 1).tolist(), len(self.piece)]
        return [slice(start, stop) for start, stop in pairwise(edges)]

    def between(self, low: float, high: float) -> Points:
        """Return the points with `low` <= x <= `high`."""
        return self.where((self.x >= low) & (self.x <= high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """A slope with its 95 % interval; an end is infinite where the points do not bound it."""

    value: float
    low: float
    high: float

    @property
    def reach(self) -> float:
        """Return half the length of the interval."""
        return (self.high - self.low) / 2

    def is_above(self, other: Slope) -> bool:
        """Return whether this slope is greater beyond doubt: the intervals do not meet."""
        return self.low > other.high


def fit(points: Points) -> Slope | None:
    """Return the slope of `y` over `x`; None where fewer than `POINTS_MIN` points give none."""
    if len(points.x) < POINTS_MIN:
        return None
    slopes, variance = _pair_slopes(points)
    if not len(slopes):
        return None
    slopes.sort()
    value = median_of(slopes)
    deviation = Z_95 * math.sqrt(variance * _widening(points, value))
    low_at = math.floor((len(slopes) - deviation) / 2) - 1
    high_at = math.ceil((len(slopes) + deviation) / 2)
    return Slope(
        value=value,
        low=float(slopes[low_at]) if low_at >= 0 else -math.inf,
        high=float(slopes[high_at]) if high_at < len(slopes) else math.inf,
    )


def median_of(ordered: Floats) -> float:
    """Return the median of values that rise (a tenth of what `numpy.median` costs for a few)."""
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def condensed(points: Points) -> Points:
    """Return at most about `POINTS_MAX` points: the medians of equal spans, piece by piece."""
    if len(points.x) <= POINTS_MAX:
        return points
    width = (points.x[-1] - points.x[0]) / POINTS_MAX
    if width <= 0:
        return points.where(np.arange(len(points.x)) < POINTS_MAX)
    spans = np.minimum((points.x - points.x[0]) // width, POINTS_MAX - 1).astype(np.int64)
    group = spans + points.piece * POINTS_MAX
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return Points(
        x=_medians(points.x, group, starts),
        y=_medians(points.y, group, starts),
        piece=points.piece[starts],
    )


def _medians(values: Floats, group: Ints, starts: Ints) -> Floats:
    """Return the median of each group; groups rise, and begin at `starts`."""
    ordered = values[np.lexsort((values, group))]
    lengths = np.diff(np.append(starts, len(values)))
    low, high = ordered[starts + (lengths - 1) // 2], ordered[starts + lengths // 2]
    middle: Floats = (low + high) / 2
    return middle


@lru_cache(maxsize=2 * POINTS_MAX)
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the places of the first and of the second of all pairs."""
    return np.triu_indices(count, 1)


def _pair_slopes(points: Points) -> tuple[Floats, float]:
    """Return the slopes of all pairs within a piece, and the variance of S over the pieces."""
    found: list[Floats] = [np.empty(0, np.float64)]
    variance = 0.0
    for part in points.parts():
        x, y = points.x[part], points.y[part]
        first, second = _pairs(len(x))
        apart = x[second] - x[first]
        told = apart > 0
        found.append((y[second] - y[first])[told] / apart[told])
        variance += len(x) * (len(x) - 1) * (2 * len(x) + 5) / 18
    return np.concatenate(found), variance


def _widening(points: Points, slope: float) -> float:
    """Return how many points one independent point is worth, at least 1."""
    correlations = _autocorrelations(points, slope)
    if not len(correlations):
        return 1.0
    count = len(points.x)
    first = float(correlations[0])
    unbiased = min(max(first + (1 + 4 * first) / count, 0.0), CORRELATION_MAX)
    return max((1 + unbiased) / (1 - unbiased), _summed(correlations, count), 1.0)


def _summed(correlations: Floats, count: int) -> float:
    """Return 1 + 2 x the autocorrelations, up to where two in a row are negative together."""
    total = 1.0
    for lag in range(0, len(correlations) - 1, 2):
        pair = correlations[lag : lag + 2]
        if pair.sum() <= 0:
            break
        total += 2 * float(pair @ (1 - np.arange(lag + 1, lag + 3) / count))
    return total


def _autocorrelations(points: Points, slope: float) -> Floats:
    """Return the autocorrelations of the ranks of what the slope leaves, from lag 1 on."""
    left = points.y - slope * points.x
    for part in points.parts():
        left[part] -= median_of(np.sort(left[part]))
    ranks = _ranks(left)
    power = float(ranks @ ranks)
    if power == 0:
        return np.empty(0, np.float64)
    lags = range(1, len(ranks) // LAGS_SHARE + 1)
    return np.array([float(ranks[lag:] @ ranks[:-lag]) / power for lag in lags])


def _ranks(values: Floats) -> Floats:
    """Return the ranks of some values about their mean; equal values share theirs."""
    _, position, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count).astype(np.float64)
    middle = ends - (count - 1) / 2
    ranks: Floats = middle[position.ravel()] - (len(values) + 1) / 2
    return ranks
