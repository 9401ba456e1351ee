"""Axes of charts: round ends, few ticks, and where a value stands between 0 (top) and 100."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stormproof.report.number import figure

SMALLEST, LARGEST = 1e-300, 1e300  # of a scale: beyond, what is above its end is no number
_TIME_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A vertical axis from `low` to `high`, linear or logarithmic."""

    low: float
    high: float
    log: bool

    def place(self, value: float) -> float:
        """Return where `value` stands, 100 at the bottom; values off the scale stay at its edge."""
        if self.log:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(100 * (1 - min(max(share, 0.0), 1.0)), 2)

    def ticks(self) -> list[float]:
        """Return three to six round values from the bottom to the top."""
        return _log_ticks(self.low, self.high) if self.log else _linear_ticks(self.high)


def linear_scale(largest: float) -> Scale:
    """Return a scale from zero to a round value not below `largest`, up to LARGEST."""
    return Scale(low=0.0, high=_round_up(_held(largest)) if largest > 0 else 1.0, log=False)


def log_scale(smallest: float, largest: float) -> Scale:
    """Return a logarithmic scale around two positive values, ends at 1, 2 or 5 times 10^n."""
    low, high = _round_down(_held(smallest)), _round_up(_held(largest), (1, 2, 5, 10))
    return Scale(low=low, high=high if high > low else low * 10, log=True)


def tick_text(value: float) -> str:
    """Write a tick in as few characters as tell it apart: `0.2`, `50`, `1.5 k`, `3 M`."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{figure(value / limit)} {letter}"
    return figure(value)


def time_ticks(from_s: float, to_s: float, ticks_max: int = 10) -> list[int]:
    """Return round instants (seconds) between two others, at most `ticks_max` of them."""
    span = max(to_s - from_s, 1.0)
    step = next((one for one in _TIME_STEPS_S if span / one <= ticks_max), None)
    if step is None:
        step = math.ceil(span / ticks_max / 86_400) * 86_400
    first = math.ceil(from_s / step)
    return [step * index for index in range(first, math.floor(to_s / step) + 1)]


def _held(value: float) -> float:
    return min(max(value, SMALLEST), LARGEST)


def _power_of_ten(value: float) -> float:
    return float(10.0 ** math.floor(math.log10(value)))


def _round_up(value: float, factors: tuple[float, ...] = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)) -> float:
    unit = _power_of_ten(value)
    return next((f * unit for f in factors if f * unit >= value * (1 - 1e-9)), 10 * unit)


def _round_down(value: float) -> float:
    unit = _power_of_ten(value)
    return next(f * unit for f in (5, 2, 1) if f * unit <= value * (1 + 1e-9))


def _linear_ticks(high: float) -> list[float]:
    unit = _power_of_ten(high)
    lead = round(high / unit, 6)
    parts = {1.0: 2, 1.5: 3, 2.0: 2, 3.0: 3, 4.0: 4, 5.0: 5, 6.0: 3, 8.0: 4}.get(lead, 2)
    return [high * part / parts for part in range(parts + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = math.log10(high / low)
    factors: tuple[int, ...] = (1,) if decades > 2.6 else (1, 2, 5) if decades <= 1 else (1, 3)
    exponents = range(math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high)) + 1)
    every = max(1, math.ceil(decades / 5))
    ticks = [f * 10.0**exponent for exponent in exponents[::every] for f in factors]
    return [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
