"""The open executor `constant-arrival-rate`: iterations begin at fixed instants, come what may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stormproof.model.plan import Stage
from stormproof.workload.arrivals import Arrivals, even_marks, poisson_marks
from stormproof.workload.rate import RATE_DENOMINATOR_MAX, RateCurve, rate_curve


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantArrivalRate:
    """Start `rate` iterations per `time_unit_ns` for `duration_ns` (see `seams.Schedule`).

    Iteration k is due at floor(k * time_unit / rate), computed in integers, so that no rounding
    adds up however long the run. Segment i of n takes the iterations with k mod n == i. With a
    `seed` the iterations are those of a Poisson process of the same rate.

    Source: the meaning of rate and timeUnit is k6's, `lib/executor/constant_arrival_rate.go`.
    """

    rate: float
    time_unit_ns: int
    duration_ns: int
    seed: int | None = None  # of random arrivals; None: evenly spread ones

    def __post_init__(self) -> None:
        if self.rate < 1 / RATE_DENOMINATOR_MAX or self.time_unit_ns <= 0 or self.duration_ns < 0:
            raise ValueError(
                f"the rate must be at least 1/{RATE_DENOMINATOR_MAX}, the time unit above 0 "
                "and the duration not below 0"
            )

    @property
    def curve(self) -> RateCurve:
        """The rate over time."""
        stage = Stage(duration_ns=self.duration_ns, target=self.rate)
        return rate_curve(self.rate, (stage,), self.time_unit_ns)

    @property
    def count(self) -> int:
        """How many iterations the whole schedule holds; of random arrivals, their mean."""
        curve = self.curve
        return -(-curve.units // curve.per_iteration)

    def instants_ns(self, segment: int, segments: int) -> Iterator[int]:
        """Yield the offsets (nanoseconds from the scenario's start) that `segment` serves."""
        return iter(self.arrivals(segment, segments))

    def arrivals(self, segment: int, segments: int) -> Arrivals:
        """Return the instants that `segment` serves, open to changes."""
        curve = self.curve
        marks = (
            even_marks(curve.per_iteration, 0, segment, segments)
            if self.seed is None
            else poisson_marks(curve.per_iteration, self.seed, segment, segments)
        )
        return Arrivals(curve, marks, curve.units - 1)  # the first instant is 0, the end is not one
