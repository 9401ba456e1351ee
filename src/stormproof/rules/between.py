"""What a window can have held, when its readings lie beside its ends and not on them.

Between the least that it was seen to hold and the most that it can have held every value is
possible; a bar is met, or broken, where all of them agree. For shares and quantiles the worst case
is that the doubtful ones lie all on one side: of buckets, above some bound; of requests, failed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate

from stormproof.model.objective import Objective
from stormproof.rules.bar import holds
from stormproof.rules.figures import Quantile, quantile_of

Range = tuple[float, float]  # the least and the most


def agree(objective: Objective, low: float, high: float) -> bool:
    """Return whether all values from `low` to `high` give the same answer."""
    if objective.operator in ("==", "!="):
        return low == high or not low <= objective.bar <= high
    return holds(low, objective.operator, objective.bar) == holds(
        high, objective.operator, objective.bar
    )


def share_between(failed: Range, others: Range) -> Range:
    """Return the least and the most that the share of failures can be."""
    low = failed[0] / (failed[0] + others[1]) if failed[0] else 0.0
    high = failed[1] / (failed[1] + others[0]) if failed[1] else 0.0
    return low, high


def mean_between(sums: Range, counts: Range) -> Range:
    """Return the least and the most that a mean can be."""
    low = sums[0] / counts[1] if counts[1] else 0.0
    return low, sums[1] / counts[0] if counts[0] else math.inf


def quantile_between(
    share: float,
    fewest: Mapping[float, float],
    most: Mapping[float, float],
    *,
    is_native: bool = False,
) -> Range:
    """Return the least and the most that a quantile can be.

    Args:
        share: 0 to 1.
        fewest: upper bound -> how many were not above it, at least.
        most: the same, at most.
        is_native: see `quantile_of`.
    """
    bounds = sorted(most)
    few, many = _each(bounds, fewest), _each(bounds, most)
    few = [min(one, other) for one, other in zip(few, many, strict=True)]
    lows, highs = list[float](), list[float]()
    for each, other, found_of, into in ((many, few, _least, lows), (few, many, _most, highs)):
        first, then = ([0.0, *accumulate(one)] for one in (each, other))
        for cut in range(len(bounds) + 1):
            found = quantile_of(
                share, _around(share, bounds, first, then, cut), is_native=is_native
            )
            if found is not None:
                into.append(found_of(found))
    return min(lows, default=0.0), max(highs, default=math.inf)


def _around(
    share: float, bounds: Sequence[float], first: Sequence[float], then: Sequence[float], cut: int
) -> dict[float, float]:
    """Return upper bound -> how many were not above it, of the last bound and those around a
    quantile: a target may serve very many, and there are as many cuts.

    Args:
        share: which quantile.
        bounds: rising.
        first: how many lie below each bound and all before it, 0 ahead of them; up to the cut.
        then: the same behind the cut.
        cut: how many bounds lie before it.
    """
    if not bounds:
        return {}

    def so_far(place: int) -> float:
        return first[place] if place <= cut else first[cut] + (then[place] - then[cut])

    total = so_far(len(bounds))
    places = range(1, len(bounds) + 1)
    place = min(
        bisect_left(places, True, key=lambda at: _holds(so_far(at), share * total)), len(bounds) - 1
    )
    near = {*range(max(place - 1, 0), place + 1), len(bounds) - 1}
    return {bounds[at]: so_far(at + 1) for at in sorted(near)}


def _holds(count: float, rank: float) -> bool:
    return count >= rank and count > 0


def _each(bounds: Sequence[float], buckets: Mapping[float, float]) -> list[float]:
    """Return how many fell into each bucket alone."""
    each, below = list[float](), 0.0
    for bound in bounds:
        so_far = max(below, buckets.get(bound, 0.0))
        each.append(so_far - below)
        below = so_far
    return each


def _least(found: Quantile) -> float:
    return math.nextafter(found.low, math.inf) if found.value is None else found.value


def _most(found: Quantile) -> float:
    return math.inf if found.value is None else found.value
