"""A rate that changes in straight lines, integrated exactly.

Theory of operation. Iteration k is due when the area under the rate reaches k. Over a stage of
length D that goes from rate a to rate b the area after x is a x + (b - a) x^2 / (2 D). With all
rates written over one denominator q, twice the area times q is a whole number at every corner, so
areas are counted in whole units of 1 / (2 q) of an iteration and nothing is rounded on the way: no
drift, however long the run, and a stage that ends with 0.8 of an iteration hands that on.
The instant of u units within a stage is taken in a form that divides by zero nowhere, though a
rate be, or become, zero:

    x = D u / (a D + sqrt(a^2 D^2 + (b - a) D u))

A float takes the root; integers decide which nanosecond it is wherever that is close.

Source: the meaning is k6's, `lib/executor/ramping_arrival_rate.go`; k6 computes it in floats.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import lcm, sqrt

from stormproof.model.plan import Stage

# A guess is off by at most three units of its last place: below 39 hours less than a twentieth of
# a nanosecond, so that one this far from both its neighbours needs no check.
SURE_BELOW_NS = 1 << 47
DOUBT = 1 / 16
RATE_DENOMINATOR_MAX = 1_000_000  # a rate is taken as the nearest fraction with such a denominator


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A stage: the rate goes from `low` (in units of the curve a nanosecond, halved) by `rise`."""

    start_ns: int
    duration_ns: int
    start_units: int
    low: int
    rise: int
    end_units: int = field(init=False)
    _start: int = field(init=False)  # low D, and its square
    _square: int = field(init=False)

    def __post_init__(self) -> None:
        area = (2 * self.low + self.rise) * self.duration_ns
        start = self.low * self.duration_ns
        object.__setattr__(self, "end_units", self.start_units + area)
        object.__setattr__(self, "_start", start)
        object.__setattr__(self, "_square", start * start)

    def instant_ns(self, units: int) -> int:
        """Return when the area since the curve's start reaches `units`, rounded down."""
        units -= self.start_units
        if units <= 0:
            return self.start_ns
        if not self.rise:
            return self.start_ns + units // (2 * self.low)
        return self.start_ns + self._root(units)

    def units_at(self, instant_ns: int) -> int:
        """Return the area since the curve's start at an instant of this stage, rounded down."""
        x = instant_ns - self.start_ns
        return self.start_units + 2 * self.low * x + self.rise * x * x // self.duration_ns

    def _root(self, units: int) -> int:
        """Return the largest whole x with 2 low D x + rise x^2 <= D units."""
        length, start, rise = self.duration_ns, self._start, self.rise
        wanted = length * units
        guess = wanted / (start + sqrt(self._square + rise * wanted))
        x = int(guess)
        if DOUBT < guess - x < 1 - DOUBT and x < SURE_BELOW_NS:
            return x
        x = min(length, x)
        rest = wanted - (2 * start + rise * x) * x
        while rest < 0:
            x -= 1
            rest += 2 * start + rise * (2 * x + 1)
        while x < length and rest >= (step := 2 * start + rise * (2 * x + 1)):
            x += 1
            rest -= step
        return x


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCurve:
    """Straight lines one after the other; `per_iteration` units of area are one iteration."""

    ramps: tuple[Ramp, ...]
    per_iteration: int

    @property
    def units(self) -> int:
        """The whole area."""
        return self.ramps[-1].end_units if self.ramps else 0

    @property
    def duration_ns(self) -> int:
        """The length of all stages."""
        return self.ramps[-1].start_ns + self.ramps[-1].duration_ns if self.ramps else 0

    def instant_ns(self, units: int) -> int:
        """Return when the area first reaches `units` (at most all of it), rounded down."""
        at = bisect_left(self.ramps, units, key=lambda ramp: ramp.end_units)
        return self.ramps[at].instant_ns(units)

    def units_at(self, instant_ns: int) -> int:
        """Return the area up to an instant, rounded down."""
        at = bisect_right(self.ramps, instant_ns, key=lambda ramp: ramp.start_ns) - 1
        if at < 0 or instant_ns <= 0:
            return 0
        ramp = self.ramps[at]
        return ramp.units_at(min(instant_ns, ramp.start_ns + ramp.duration_ns))


def rate_curve(start_rate: float, stages: Sequence[Stage], time_unit_ns: int) -> RateCurve:
    """Return the curve that begins at `start_rate` and goes through `stages`.

    Args:
        start_rate: iterations per `time_unit_ns`, at the beginning.
        stages: their targets are iterations per `time_unit_ns`; one of no length is a jump.
        time_unit_ns: above 0.

    Raises:
        ValueError: a rate or a length is below zero, or the time unit is not above it.
    """
    targets = [start_rate, *(stage.target for stage in stages)]
    if time_unit_ns <= 0 or min(targets) < 0 or any(stage.duration_ns < 0 for stage in stages):
        raise ValueError("rates and durations must not be below 0, the time unit must be above it")
    rates = [_fraction(rate) / time_unit_ns for rate in targets]
    scale = lcm(*(rate.denominator for rate in rates))
    heights = [int(rate * scale) for rate in rates]
    ramps: list[Ramp] = []
    start_ns = units = 0
    for stage, (low, high) in zip(stages, pairwise(heights), strict=True):
        if stage.duration_ns:
            ramps.append(
                Ramp(
                    start_ns=start_ns,
                    duration_ns=stage.duration_ns,
                    start_units=units,
                    low=low,
                    rise=high - low,
                )
            )
            start_ns, units = start_ns + stage.duration_ns, ramps[-1].end_units
    return RateCurve(ramps=tuple(ramps), per_iteration=2 * scale)


def _fraction(rate: float) -> Fraction:
    return Fraction(rate).limit_denominator(RATE_DENOMINATOR_MAX)
