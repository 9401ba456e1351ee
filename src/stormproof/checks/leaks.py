"""Does it leak? A judge of what should stay level: memory, descriptors, threads, latency.

Theory of operation.

1. Left out: the warm-up, and the spans of faults. Where a fault changed the level (a restart), what
   comes after is another piece, compared with itself only, and warms up first.
2. Sawtooth: where the series falls again and again, the floors of its cycles are fitted instead of
   the samples. With some falls but too few to fit, what came after the last one may show that
   nothing grows, or that more grew than ever fell; else it is too early to tell.
3. One or two sudden jumps are no slope: both sides are compared with themselves only.
4. The slope (`checks.trend`) is held against the bar with its whole 95 % interval, over all of the
   time and over its second half: growth that has ended is no leak; growth that still slows down,
   or that may have begun late, is too short to say, and so is every interval that holds the bar.
   How much longer to run follows from the interval, which shrinks with the time to the power of
   3/2.

Rules such as "grew by more than 10 % and 20 MB" are not used: they pass a slow leak in a short run
and accuse a cache that fills. Limits: a leak that a cycle longer than the run would give back
cannot be told from one that it would not; jumps at faults are taken for restarts; what begins to
leak in the last tenth of the time is not seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from stormproof.checks.cycles import (
    JUMP_SIGMAS,
    Fall,
    change_at,
    falls_of,
    jumps_of,
    noise_of,
    pieces_from,
    smoothed,
)
from stormproof.checks.trend import Floats, Ints, Points, Slope, condensed, fit
from stormproof.checks.wording import counted
from stormproof.kernel.units import SECOND_NS
from stormproof.rules.evidence import SLOPE_SAMPLES, SLOPE_SPAN_S

HOUR_S: Final = 3_600
HOUR_NS: Final = HOUR_S * SECOND_NS
FLOORS_MIN: Final = 10  # so that half of them still have an interval
SEEN_SHARE_MIN: Final = 0.5  # of the time, outside the longest gaps
GAP_INTERVALS: Final = 5  # usual distances of samples; what is longer is a gap
LASTING_SAMPLES: Final = 7  # less than half as many are an excursion, and no cycle
OUTGROWN: Final = 1.5  # times the greatest fall so far
STEADY_SHARE: Final = 0.75  # of the growth before, where growth has slowed down already
DYING_SHARE: Final = 0.5  # and where it has not
STEPS_MAX: Final = 2  # more sudden jumps are a staircase, which is a way to grow
LONGER_S_MAX: Final = 24 * HOUR_S
MARGIN: Final = 1.2  # more time than the estimate asks for
OPERATIONS_UNIT: Final = 1_000


class Answer(StrEnum):
    """What a series says."""

    LEAK = "leak"
    NO_LEAK = "no leak"
    TOO_SHORT = "too short to say"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Samples of something that should stay level.

    `instants_ns` rise and are as many as `values`; `operations`, where known, is how many
    operations were done by each instant (a count that falls was reset).
    """

    instants_ns: Ints
    values: Floats
    operations: Ints | None = None

    def where(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]] | slice) -> Readings:
        """Return some of the samples."""
        operations = self.operations
        return Readings(
            instants_ns=self.instants_ns[chosen],
            values=self.values[chosen],
            operations=None if operations is None else operations[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """The answer, and the slopes that it rests on.

    `fitted` says how many points of what were fitted; `why` what decided, or what is missing, and
    `longer_s` how many seconds more that takes (None: nothing is missing, or more than a day).
    """

    answer: Answer
    why: str
    samples: int
    span_s: float
    per_hour: Slope | None = None
    per_1000_operations: Slope | None = None
    fitted: str = ""
    longer_s: float | None = None


def judge_leak(
    readings: Readings,
    *,
    bar_per_hour: float,
    warm_until_ns: int,
    disturbed: Sequence[tuple[int, int]] = (),
) -> Leak:
    """Say whether a series grows by more than `bar_per_hour`, in its own unit, by the hour.

    Args:
        readings: the samples.
        bar_per_hour: growth above it is a leak.
        warm_until_ns: the end of the warm-up.
        disturbed: spans [from, to) in nanoseconds in which a fault was in force or overcome.
    """
    calm, breaks = _calm(readings, warm_until_ns, disturbed)
    short = _too_short(calm)
    if short is not None:
        return short
    told = _judge_calm(calm, pieces_from(len(calm.values), breaks), bar_per_hour)
    return replace(told, samples=len(calm.values), span_s=_span_s(calm))


def _calm(
    readings: Readings, warm_until_ns: int, disturbed: Sequence[tuple[int, int]]
) -> tuple[Readings, list[int]]:
    """Return the samples that count, and the places before which another piece begins."""
    at = readings.instants_ns
    keep = (at >= warm_until_ns) & np.isfinite(readings.values)
    for start_ns, stop_ns in disturbed:
        keep &= (at < start_ns) | (at >= stop_ns)
    warm_ns = max(0, warm_until_ns - int(at[0])) if len(at) else 0
    for after_ns in _restarts(readings.where(keep), disturbed):
        keep &= (at < after_ns) | (at >= after_ns + warm_ns)
    calm = readings.where(keep)
    return calm, _restart_places(calm, disturbed)


def _restarts(calm: Readings, disturbed: Sequence[tuple[int, int]]) -> list[int]:
    """Return when each fault ended that changed the level."""
    places = set(_restart_places(calm, disturbed))
    return [
        stop_ns
        for _, stop_ns in disturbed
        if int(np.searchsorted(calm.instants_ns, stop_ns)) in places
    ]


def _restart_places(calm: Readings, disturbed: Sequence[tuple[int, int]]) -> list[int]:
    """Return the first sample after each fault across which the level changed."""
    if not disturbed:
        return []
    sigma = noise_of(calm.values).sigma
    edges = sorted({int(np.searchsorted(calm.instants_ns, stop)) for _, stop in disturbed})
    edges = [edge for edge in edges if 0 < edge < len(calm.values)]
    bounds = [0, *edges, len(calm.values)]
    return [
        edge
        for edge, start, stop in zip(edges, bounds, bounds[2:], strict=False)
        if abs(change_at(calm.values, edge, start, stop)) > JUMP_SIGMAS * sigma
    ]


def _span_s(readings: Readings) -> float:
    at = readings.instants_ns
    return float(at[-1] - at[0]) / SECOND_NS if len(at) else 0.0


def _too_short(calm: Readings) -> Leak | None:
    """Return the answer where there is too little to look at at all."""
    samples, span_s = len(calm.values), _span_s(calm)
    why, longer_s = "", 0.0
    if span_s < SLOPE_SPAN_S:
        why = f"{span_s:.0f} s after the warm-up and outside faults, {SLOPE_SPAN_S} needed"
        longer_s = SLOPE_SPAN_S - span_s
    elif samples < SLOPE_SAMPLES:
        why = f"{counted(samples, 'sample')}, {SLOPE_SAMPLES} needed"
        longer_s = span_s * (SLOPE_SAMPLES / samples - 1)
    elif (share := _seen_share(calm)) < SEEN_SHARE_MIN:
        why = f"samples cover {share:.0%} of the time, {SEEN_SHARE_MIN:.0%} needed"
        longer_s = span_s * (SEEN_SHARE_MIN / share - 1)
    if not why:
        return None
    return Leak(answer=Answer.TOO_SHORT, why=why, samples=samples, span_s=span_s, longer_s=longer_s)


def _seen_share(calm: Readings) -> float:
    """Return the share of the time that is outside gaps."""
    apart = np.diff(calm.instants_ns)
    usual = GAP_INTERVALS * np.median(apart)
    return float(np.minimum(apart, usual).sum() / apart.sum())


def _judge_calm(calm: Readings, piece: Ints, bar: float) -> Leak:
    """Answer for samples that are enough: by floors, after a few falls, or as they are."""
    level = _joined(smoothed(calm.values), piece)
    noise = noise_of(_joined(calm.values, piece))
    falls = falls_of(level, noise)
    if len(falls) >= FLOORS_MIN:
        floors = np.array([fall.trough for fall in falls])
        chosen = np.zeros(len(level), np.bool_)
        chosen[floors] = True
        fitted = counted(len(falls), "floor") + " of cycles"
        return _judge_points(_with(calm, smoothed(calm.values)), piece, chosen, bar, fitted)
    if falls and (lasting := falls_of(smoothed(level, LASTING_SAMPLES), noise)):
        return _judge_after_falls(calm, piece, lasting, bar)
    jumps = jumps_of(level, noise)
    if 0 < len(jumps) <= STEPS_MAX:
        steps = pieces_from(len(level), [jump.at for jump in jumps])
        told = _judge_samples(calm, piece + steps, bar)
        rise = sum(jump.size for jump in jumps)
        steep = rise / (_span_s(calm) / HOUR_S) > bar
        return _stepped(told, len(jumps), rise, is_steep=steep)
    return _judge_samples(calm, piece, bar)


def _with(calm: Readings, values: Floats) -> Readings:
    return replace(calm, values=values)


def _joined(values: Floats, piece: Ints) -> Floats:
    """Return a series without the changes of level between its pieces."""
    joined = values.copy()
    starts = np.flatnonzero(np.diff(piece)) + 1
    bounds = [0, *starts.tolist(), len(values)]
    for start, place, stop in zip(bounds, bounds[1:-1], bounds[2:], strict=False):
        joined[place:] -= change_at(values, place, start, stop)
    return joined


def _stepped(told: Leak, jumps: int, rise: float, *, is_steep: bool) -> Leak:
    """Say that there were sudden jumps; two that went up fast enough may be the first of many."""
    about = f"{counted(jumps, 'sudden jump')} ({rise:+.6g} in all) left aside"
    if told.answer is Answer.NO_LEAK and jumps > 1 and is_steep:
        why = f"level but for {about}: more may come"
        return replace(told, answer=Answer.TOO_SHORT, why=why, longer_s=told.span_s)
    return replace(told, why=f"{told.why}; {about}")


def _judge_after_falls(calm: Readings, piece: Ints, falls: Sequence[Fall], bar: float) -> Leak:
    """Answer where there are some falls, and too few of them to fit their floors.

    They are a part of the noise where the slope of all samples is below the bar, or grew by much
    more than ever fell. Else what came after the last one tells: level since then, nothing leaks;
    grown by more than ever fell, and for longer than a cycle took, it leaks. All else may be a part
    of the next cycle.
    """
    greatest = max(fall.size for fall in falls)
    every = _judge_samples(calm, piece, bar)
    if every.answer is Answer.NO_LEAK or _has_outgrown(every, _span_s(calm), greatest):
        return every
    since = falls[-1].foot
    tail = calm.where(slice(since, None))
    feet = calm.instants_ns[[0, *(fall.foot for fall in falls)]]
    cycle_s = float(np.diff(feet).max()) / SECOND_NS
    why = (
        f"fell {counted(len(falls), 'time')} by up to {greatest:.6g}:"
        f" a cycle, of which {FLOORS_MIN} are needed"
    )
    missing_s = min((FLOORS_MIN - len(falls)) * cycle_s, LONGER_S_MAX)
    undecided = Leak(answer=Answer.TOO_SHORT, why=why, samples=0, span_s=0.0, longer_s=missing_s)
    if _too_short(tail) is not None:
        return undecided
    told = _judge_samples(tail, piece[since:], bar)
    if told.answer is Answer.NO_LEAK:
        return replace(told, why=f"{told.why}, since it last fell")
    if _span_s(tail) > cycle_s and _has_outgrown(told, _span_s(tail), greatest):
        return told
    return replace(undecided, per_hour=told.per_hour)


def _has_outgrown(told: Leak, span_s: float, greatest: float) -> bool:
    """Return whether a leak adds up to more than the greatest fall would give back."""
    if told.answer is not Answer.LEAK or told.per_hour is None:
        return False
    return told.per_hour.value * span_s / HOUR_S > OUTGROWN * greatest


def _judge_samples(calm: Readings, piece: Ints, bar: float) -> Leak:
    every = np.ones(len(calm.values), np.bool_)
    return _judge_points(calm, piece, every, bar, counted(len(calm.values), "sample"))


def _judge_points(
    calm: Readings,
    piece: Ints,
    chosen: np.ndarray[tuple[int], np.dtype[np.bool_]],
    bar: float,
    fitted: str,
) -> Leak:
    """Answer by the slopes of some of the samples: over all the time, its halves and quarters."""
    hours = (calm.instants_ns - calm.instants_ns[0]) / HOUR_NS
    every = Points(x=hours, y=calm.values, piece=piece).where(chosen)
    answer, slope, why = _weigh(condensed(every), bar)
    longer_s = None
    if answer is Answer.TOO_SHORT:
        longer_s = _longer_s(slope, bar, float(every.x[-1] - every.x[0]) * HOUR_S)
    return Leak(
        answer=answer,
        why=why,
        samples=0,
        span_s=0.0,
        per_hour=slope,
        per_1000_operations=_per_operations(calm, piece, chosen),
        fitted=fitted,
        longer_s=longer_s,
    )


def _weigh(points: Points, bar: float) -> tuple[Answer, Slope | None, str]:
    """Hold the slope against the bar, and say what decided."""
    start, end = float(points.x[0]), float(points.x[-1])
    quarter = (end - start) / 4
    middle = start + 2 * quarter
    whole = fit(points)
    early, late = fit(points.between(start, middle)), fit(points.between(middle, end))
    if whole is None or late is None:
        return Answer.TOO_SHORT, whole, "too few points that can be compared"
    has_slowed = early is not None and early.is_above(late)
    has_changed = has_slowed or (early is not None and late.is_above(early))
    slope = late if has_changed else whole
    if slope.high < bar and late.high < bar:
        return Answer.NO_LEAK, slope, "level over its second half" if has_changed else "level"
    if late.high < bar:
        return Answer.NO_LEAK, late, "it grew and has been level over its second half"
    if slope.high < bar:
        return Answer.TOO_SHORT, late, "level in all, and not surely so over its second half"
    if slope.low <= bar:
        return Answer.TOO_SHORT, slope, "its growth and the bar are within the noise"
    if _is_slowing(points.between(middle, end), bar, has_slowed=has_slowed):
        return Answer.TOO_SHORT, slope, "it grows, but ever more slowly"
    if late.value <= bar or late.low <= 0:
        return Answer.TOO_SHORT, slope, "it grows, but not surely so over its second half"
    return Answer.LEAK, slope, "it grows all the time"


def _is_slowing(late: Points, bar: float, *, has_slowed: bool) -> bool:
    """Return whether growth dies away within the second half of the time.

    Where it `has_slowed` down since the first half, less is enough to say so.
    """
    middle = float(late.x[0] + late.x[-1]) / 2
    third = fit(late.where(late.x <= middle))
    fourth = fit(late.where(late.x >= middle))
    if third is None or fourth is None:
        return False
    if fourth.high < bar or (has_slowed and fourth.value < third.value * STEADY_SHARE):
        return True
    return third.is_above(fourth) and fourth.value < third.value * DYING_SHARE


def _longer_s(slope: Slope | None, bar: float, span_s: float) -> float | None:
    """Return how much longer to run until the interval no longer holds the bar.

    None: more than a day, or nobody can say.
    """
    if slope is None or not math.isfinite(slope.reach):
        return span_s
    apart = abs(slope.value - bar)
    if slope.low > bar or slope.high < bar or apart == 0:
        return span_s if apart else None
    longer_s = span_s * (MARGIN * (slope.reach / apart) ** (2 / 3) - 1)
    longer_s = max(longer_s, span_s * (MARGIN - 1))
    return longer_s if longer_s <= LONGER_S_MAX else None


def _per_operations(
    calm: Readings, piece: Ints, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> Slope | None:
    """Return the growth per 1,000 operations; None where they are unknown or too few."""
    if calm.operations is None:
        return None
    done = np.cumsum(np.maximum(np.diff(calm.operations, prepend=calm.operations[0]), 0))
    if not len(done) or done[-1] < OPERATIONS_UNIT:
        return None
    points = Points(x=done / OPERATIONS_UNIT, y=calm.values, piece=piece)
    return fit(condensed(points.where(chosen)))
