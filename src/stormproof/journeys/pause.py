"""How long people think, as values: `await user.think(between(1, 3))`.

Each draws a length in seconds from the user's own random stream, so that a run with the same seed
pauses the same. What has no upper end is cut off: nobody waits for the one user who thinks for
an hour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

TAIL = 10.0  # an open end is cut at so many times the mean or median
_DRAWS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A length of time that is drawn anew for each pause; never below `low` or above `high`."""

    what: str
    low: float  # seconds
    high: float
    sample: Callable[[Random], float]

    def draw(self, random: Random) -> float:
        """Return one length in seconds; what falls outside is drawn again, not put on the edge."""
        for _ in range(_DRAWS_MAX):
            seconds = self.sample(random)
            if self.low <= seconds <= self.high:
                return seconds
        return min(max(self.sample(random), self.low), self.high)

    def __str__(self) -> str:
        return self.what


def between(low: float, high: float) -> Pause:
    """Pause for `low` to `high` seconds, every length as likely as another.

    Raises:
        ValueError: they are no lengths of time, or the wrong way round.
    """
    _require(low=low, high=high)
    if low > high:
        raise ValueError(f"between({low}, {high}): the first must not be the larger one")
    return Pause(
        what=f"between({low}, {high})",
        low=low,
        high=high,
        sample=lambda random: random.uniform(low, high),
    )


def normal(mean: float, deviation: float, *, high: float | None = None) -> Pause:
    """Pause for about `mean` seconds, normally distributed, from 0 to `high`.

    Args:
        mean: in seconds, before what is outside is drawn again.
        deviation: the standard deviation, in seconds.
        high: the longest pause; `mean` + 4 x `deviation` by default.

    Raises:
        ValueError: one of them is no length of time, or `high` is not above `mean`.
    """
    _require(mean=mean, deviation=deviation)
    longest = mean + 4 * deviation if high is None else high
    _require_reach(longest, mean, "mean")
    return Pause(
        what=f"normal({mean}, {deviation})",
        low=0.0,
        high=longest,
        sample=lambda random: random.gauss(mean, deviation),
    )


def exponential(mean: float, *, high: float | None = None) -> Pause:
    """Pause as long as between events that happen at random, `mean` seconds apart.

    Args:
        mean: in seconds, above 0, before what is outside is drawn again.
        high: the longest pause; 10 x `mean` by default.

    Raises:
        ValueError: one of them is no length of time, or `high` is not above `mean`.
    """
    _require(mean=mean)
    if mean == 0:
        raise ValueError("exponential(0): the mean must be above 0")
    longest = TAIL * mean if high is None else high
    _require_reach(longest, mean, "mean")
    return Pause(
        what=f"exponential({mean})",
        low=0.0,
        high=longest,
        sample=lambda random: random.expovariate(1 / mean),
    )


def lognormal(median: float, sigma: float = 0.5, *, high: float | None = None) -> Pause:
    """Pause as people read: half of the pauses below `median` seconds, and a long tail.

    Args:
        median: in seconds, above 0.
        sigma: the deviation of the logarithm; 0.5 has one pause in forty above 2.7 x `median`.
        high: the longest pause; 10 x `median` by default.

    Raises:
        ValueError: one of them is no such number, or `high` is not above `median`.
    """
    _require(median=median, sigma=sigma)
    if median == 0:
        raise ValueError("lognormal(0): the median must be above 0")
    longest = TAIL * median if high is None else high
    _require_reach(longest, median, "median")
    return Pause(
        what=f"lognormal({median}, {sigma})",
        low=0.0,
        high=longest,
        sample=lambda random: random.lognormvariate(math.log(median), sigma),
    )


def _require(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"the {name} of a pause is a number of seconds, not {value}")


def _require_reach(high: float, centre: float, name: str) -> None:
    _require(high=high)
    if high < centre:
        raise ValueError(f"the longest pause ({high}) must not be below the {name} ({centre})")
