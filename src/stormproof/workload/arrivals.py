"""Which instants one segment of an open scenario serves, also when its rate is changed on the way.

Iterations are marks on the area under the rate (see `rate`): evenly spread ones are 1, 2, 3, ...;
those of a Poisson process have exponential distances, which under a changing rate is the
time-rescaled process. A factor stretches the marks over what is left of the area from the instant
of the change on, so that all segments that hear of the same changes compute the same whole.

Source of the rescaling: Lewis and Shedler, "Simulation of nonhomogeneous Poisson processes by
thinning", Naval Research Logistics 1979, section 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, islice
from random import Random

from stormproof.workload.rate import RateCurve

FACTOR_DENOMINATOR_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """From `mark` on, marks lie `factor` times as close on the area, beginning at `units` of it."""

    mark: int
    units: int
    factor: Fraction


class Arrivals:
    """One segment's instants, taken one by one; a change concerns those not yet taken.

    Args:
        curve: the rate.
        marks: rising, in units of the curve, without end.
        last_units: the last unit of the area at which an iteration may be due.
    """

    def __init__(self, curve: RateCurve, marks: Iterator[int], last_units: int) -> None:
        self._curve = curve
        self._marks = marks
        self._last_units = last_units
        self._mark = next(marks)  # the one that was given out last, or comes next
        self._pieces: list[_Piece] = []

    def __iter__(self) -> Iterator[int]:
        """Yield offsets from the scenario's start, beginning with the one given out last.

        A stream ends where nothing more is due; after a change a new one may go on.
        """
        return self._steered() if self._pieces else self._plain()

    def change(self, at_ns: int, factor: float) -> None:
        """Multiply the rate by `factor` (0: pause) from the offset `at_ns` on, and not before."""
        last = self._pieces[-1] if self._pieces else _Piece(mark=0, units=0, factor=Fraction(1))
        units = max(last.units, self._curve.units_at(at_ns))
        mark = last.mark + (units - last.units) * last.factor.numerator // last.factor.denominator
        exact = Fraction(factor).limit_denominator(FACTOR_DENOMINATOR_MAX)
        self._pieces += [last] if not self._pieces else []
        self._pieces.append(_Piece(mark=mark, units=units, factor=exact))

    def _plain(self) -> Iterator[int]:
        marks, mark = self._marks, self._mark
        for ramp in self._curve.ramps:
            end_units, instant_ns = min(ramp.end_units, self._last_units), ramp.instant_ns
            if ramp.rise or not ramp.low:
                while mark <= end_units:
                    yield instant_ns(mark)
                    mark = self._mark = next(marks)
                continue
            start_ns, start_units, height = ramp.start_ns, ramp.start_units, 2 * ramp.low
            while mark <= end_units:  # as `instant_ns` does, without a call for each
                yield start_ns + (mark - start_units) // height
                mark = self._mark = next(marks)

    def _steered(self) -> Iterator[int]:
        pieces, at = self._pieces, 0
        while True:
            while at + 1 < len(pieces) and self._mark >= pieces[at + 1].mark:
                at += 1
            piece = pieces[at]
            if not piece.factor:
                return
            ahead = (self._mark - piece.mark) * piece.factor.denominator // piece.factor.numerator
            if piece.units + ahead > self._last_units:
                return
            yield self._curve.instant_ns(piece.units + ahead)
            self._mark = next(self._marks)


def even_marks(per_iteration: int, first: int, segment: int, segments: int) -> Iterator[int]:
    """Yield the marks `first` + k of the iterations k with k mod segments == segment."""
    return count((first + segment) * per_iteration, segments * per_iteration)


def poisson_marks(per_iteration: int, seed: int, segment: int, segments: int) -> Iterator[int]:
    """Yield the marks of one segment of a Poisson process of one iteration a mark."""
    return islice(_poisson(per_iteration, seed), segment, None, segments)


def _poisson(per_iteration: int, seed: int) -> Iterator[int]:
    exponential = Random(seed).expovariate  # noqa: S311 - a load, no secret
    area = 0.0
    while True:
        area += exponential(1.0)
        yield int(area * per_iteration)
