"""The open executor `constant-arrival-rate`: iterations begin at fixed instants, come what may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

RATE_DENOMINATOR_MAX = 1_000_000  # a rate is taken as the nearest fraction with such a denominator


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantArrivalRate:
    """Start `rate` iterations per `time_unit_ns` for `duration_ns` (see `seams.Schedule`).

    Iteration k is due at floor(k * time_unit / rate), computed in integers, so that no rounding
    adds up however long the run. Segment i of n takes the iterations with k mod n == i.

    Source: the meaning of rate and timeUnit is k6's, `lib/executor/constant_arrival_rate.go`.
    """

    rate: float
    time_unit_ns: int
    duration_ns: int

    def __post_init__(self) -> None:
        if self.rate < 1 / RATE_DENOMINATOR_MAX or self.time_unit_ns <= 0 or self.duration_ns < 0:
            raise ValueError(
                f"the rate must be at least 1/{RATE_DENOMINATOR_MAX}, the time unit above 0 "
                "and the duration not below 0"
            )

    @property
    def count(self) -> int:
        """Return how many iterations the whole schedule holds."""
        numerator, denominator = self._interval()
        return -(-self.duration_ns * denominator // numerator)

    def instants_ns(self, segment: int, segments: int) -> Iterator[int]:
        """Yield the offsets (nanoseconds from the scenario's start) that `segment` serves."""
        numerator, denominator = self._interval()
        for k in range(segment, self.count, segments):
            yield k * numerator // denominator

    def _interval(self) -> tuple[int, int]:
        """Return the time between two iterations as an exact fraction of nanoseconds."""
        rate = Fraction(self.rate).limit_denominator(RATE_DENOMINATOR_MAX)
        interval = Fraction(self.time_unit_ns) / rate
        return interval.numerator, interval.denominator
