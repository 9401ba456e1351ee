"""What a checker says: what is wrong, and the values that objectives ask for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from stormproof.model.finding import Finding

Key = tuple[str, str]  # a metric, and a fault, what was seen or an objective; empty over all


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A value that a checker measured; with `why` it is no basis for a verdict.

    `at_least`: no end was seen within this much (`value` is None, `beyond` "never"): enough to
    fail a bar below it, and not enough to say more.
    `between`: the least and the most that it can be where `why` leaves it open: enough to answer
    where both say the same of the bar.
    """

    value: float | None
    samples: int
    why: str = ""
    remedy: str = ""
    beyond: str = ""
    at_least: float | None = None
    between: tuple[float, float] | None = None


def worst_of(measurements: Sequence[Measurement]) -> Measurement:
    """Return the measurement that decides the largest of several (one at least).

    One that never ended comes first. Of the others it is the largest value, with the doubt beside
    it: what is in doubt may be larger, and what was seen stays seen.
    """
    unended = [one for one in measurements if one.at_least is not None and not one.why]
    if unended:
        return max(unended, key=lambda one: one.at_least or 0.0)
    doubtful = [one for one in measurements if one.why]
    seen = [one for one in measurements if one.value is not None]
    if not seen:
        return doubtful[0]
    largest = max(seen, key=lambda one: one.value or 0.0)
    samples = sum(one.samples for one in seen)
    if not doubtful:
        return Measurement(value=largest.value, samples=samples)
    bounds = [_bounds(one) for one in measurements]
    widest = max(doubtful, key=lambda one: _bounds(one)[1])
    return Measurement(
        value=largest.value,
        samples=samples,
        why=widest.why,
        remedy=widest.remedy,
        between=(max(low for low, _ in bounds), max(high for _, high in bounds)),
    )


def _bounds(one: Measurement) -> tuple[float, float]:
    if one.between is not None:
        return one.between
    return (one.value or 0.0, math.inf) if one.why else (one.value or 0.0, one.value or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Findings, worst first, and measurements by metric and fault."""

    findings: list[Finding] = field(default_factory=list)
    measured: dict[Key, Measurement] = field(default_factory=dict)
