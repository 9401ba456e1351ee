"""The open executor `ramping-arrival-rate`: the rate goes in straight lines from stage to stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stormproof.model.plan import Stage
from stormproof.workload.arrivals import Arrivals, even_marks, poisson_marks
from stormproof.workload.rate import RateCurve, rate_curve


@dataclass(frozen=True, slots=True, kw_only=True)
class RampingArrivalRate:
    """Start iterations at a rate that begins at `start_rate` and goes through `stages`.

    Iteration k (from 1) is due when the integral of the rate reaches k, so the whole schedule
    holds its integral, rounded down. A stage of no length jumps. Segment i of n takes
    the iterations with (k - 1) mod n == i. With a `seed` they are those of a Poisson process.

    Source: the meaning is k6's, `lib/executor/ramping_arrival_rate.go`.
    """

    start_rate: float
    stages: tuple[Stage, ...]
    time_unit_ns: int
    seed: int | None = None  # of random arrivals; None: evenly spread ones

    @property
    def curve(self) -> RateCurve:
        """The rate over time.

        Raises:
            ValueError: a rate or a length is below zero.
        """
        return rate_curve(self.start_rate, self.stages, self.time_unit_ns)

    @property
    def count(self) -> int:
        """How many iterations the whole schedule holds; of random arrivals, their mean."""
        curve = self.curve
        return curve.units // curve.per_iteration

    def instants_ns(self, segment: int, segments: int) -> Iterator[int]:
        """Yield the offsets (nanoseconds from the scenario's start) that `segment` serves."""
        return iter(self.arrivals(segment, segments))

    def arrivals(self, segment: int, segments: int) -> Arrivals:
        """Return the instants that `segment` serves, open to changes."""
        curve = self.curve
        marks = (
            even_marks(curve.per_iteration, 1, segment, segments)
            if self.seed is None
            else poisson_marks(curve.per_iteration, self.seed, segment, segments)
        )
        return Arrivals(curve, marks, curve.units)
