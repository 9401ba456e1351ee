"""Falls, jumps and noise of a series: what is no slope, found before one is fitted.

All sizes are held against the noise of neighbouring samples, so that nothing here has a unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from stormproof.checks.trend import Floats, Ints, median_of

SIGMA_OF_MAD: Final = 1.4826  # of a normal distribution
EXTREMES_SHARE: Final = 0.05  # at either end
FALL_SIGMAS: Final = 10.0  # what noise next to never does from a peak to a trough
FALL_SPREADS: Final = (
    0.5  # of all but the extremes: the great cycle counts, not the small ones in it
)
FOOT_SHARE: Final = 0.25  # of a fall that may be missing where most of it is over
JUMP_SIGMAS: Final = 8.0
JUMP_SAMPLES: Final = 5  # on each side, whose medians are compared


class Fall(NamedTuple):
    """A fall from the sample `peak` to the sample `trough`, as indices, by `size`.

    Most of it is over at the sample `foot`.
    """

    peak: int
    trough: int
    foot: int
    size: float


class Jump(NamedTuple):
    """A change of level by `size` (negative: down) just before the sample `at`."""

    at: int
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How far neighbours (`sigma`) and all but the extremes (`spread`, of a line) lie apart."""

    sigma: float
    spread: float


def noise_of(values: Floats) -> Noise:
    """Return the noise of a series; what rises or jumps does not count as noise."""
    steps = np.diff(values)
    if not len(steps):
        return Noise(sigma=0.0, spread=0.0)
    around = np.sort(np.abs(steps - median_of(np.sort(steps))))
    sigma = SIGMA_OF_MAD * median_of(around) / math.sqrt(2)
    some = np.abs(steps[steps != 0])
    finest = float(some.min()) / 2 if len(some) else 0.0
    left = np.sort(_level_out(values))
    extremes = round(len(left) * EXTREMES_SHARE)
    spread = float(left[len(left) - 1 - extremes] - left[extremes])
    return Noise(sigma=max(sigma, finest), spread=spread)


def smoothed(values: Floats, width: int = 3) -> Floats:
    """Return the medians of `width` neighbours: less than half as many samples far off are gone."""
    side = width // 2
    if len(values) <= side:
        return values
    padded = np.pad(values, side, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    medians: Floats = np.sort(windows, axis=1)[:, side]
    return medians


def falls_of(values: Floats, noise: Noise) -> list[Fall]:
    """Return the falls that are no noise, each down to where the values rise again as much.

    The last one may still be under way.
    """
    swing = max(FALL_SIGMAS * noise.sigma, FALL_SPREADS * noise.spread)
    falls: list[Fall] = []
    if swing <= 0:
        return falls
    peak, trough, is_falling = 0, 0, False
    series = values.tolist()
    for place, value in enumerate(series):
        if not is_falling:
            if value > series[peak]:
                peak = place
            elif series[peak] - value >= swing:
                trough, is_falling = place, True
        elif value < series[trough]:
            trough = place
        elif value - series[trough] >= swing:
            falls.append(_fall(series, peak, trough))
            peak, is_falling = place, False
    if is_falling:
        falls.append(_fall(series, peak, trough))
    return falls


def _fall(series: list[float], peak: int, trough: int) -> Fall:
    size = series[peak] - series[trough]
    over = series[trough] + size * FOOT_SHARE
    foot = next(place for place in range(peak, trough + 1) if series[place] <= over)
    return Fall(peak, trough, foot, size)


def jumps_of(values: Floats, noise: Noise) -> list[Jump]:
    """Return the sudden changes of level; a steep but steady rise is none."""
    if len(values) < 4 * JUMP_SAMPLES:
        return []
    changes = _changes(values)
    changes -= np.median(changes)
    far = np.abs(changes) > max(JUMP_SIGMAS * noise.sigma, FALL_SPREADS * noise.spread)
    edges = np.flatnonzero(np.diff(far.astype(np.int8), prepend=0, append=0))
    jumps: list[Jump] = []
    for start, stop in edges.reshape(-1, 2).tolist():
        if stop - start > 2 * JUMP_SAMPLES:
            continue
        at = start + int(np.argmax(np.abs(changes[start:stop])))
        jumps.append(Jump(at + JUMP_SAMPLES, float(changes[at])))
    return jumps


def _changes(values: Floats) -> Floats:
    """Return, for each sample but those at the ends, how the level changes just before it."""
    windows = np.lib.stride_tricks.sliding_window_view(values, JUMP_SAMPLES)
    level = np.sort(windows, axis=1)[:, JUMP_SAMPLES // 2]
    changes: Floats = level[JUMP_SAMPLES:] - level[:-JUMP_SAMPLES]
    return changes


def change_at(values: Floats, place: int, from_place: int, to_place: int) -> float:
    """Return how the level changes just before the sample `place`, within [from, to) alone."""
    before = values[max(from_place, place - JUMP_SAMPLES) : place]
    after = values[place : min(to_place, place + JUMP_SAMPLES)]
    if not len(before) or not len(after):
        return 0.0
    return median_of(np.sort(after)) - median_of(np.sort(before))


def pieces_from(count: int, breaks: list[int]) -> Ints:
    """Return the piece of each of `count` samples: 0 before the first break, then 1, ..."""
    return np.searchsorted(np.array(sorted(breaks), np.int64), np.arange(count), side="right")


def _level_out(values: Floats) -> Floats:
    """Return what a straight line through a series leaves of it."""
    places = np.arange(len(values)) - (len(values) - 1) / 2
    left: Floats = values - places * (places @ values) / (places @ places)
    return left
