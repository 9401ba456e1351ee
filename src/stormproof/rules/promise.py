"""What a plan promises before the run: when its windows are, and how many iterations start in them.

A scenario that is paced starts iterations at a rate that goes in straight lines, so that their
number in a span is the area under it. One operation an iteration is promised, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Window
from stormproof.model.plan import Plan, Scenario

RESTART_S: Final = 1.0  # what a fault that ends by itself is taken to last
EDGE_S: Final = 2.0  # seconds that a fault touches besides those it lasts
Span = tuple[float, float]  # from, to; seconds since the start of the load


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Iterations a second in a straight line, from `low` at `start_s` to `high` at `end_s`."""

    start_s: float
    end_s: float
    low: float
    high: float

    def rate_at(self, instant_s: float) -> float:
        """Return the rate at an instant of the line."""
        share = (instant_s - self.start_s) / (self.end_s - self.start_s)
        return self.low + (self.high - self.low) * share

    def area(self, span: Span) -> float:
        """Return how many iterations start in a span."""
        start_s, end_s = max(span[0], self.start_s), min(span[1], self.end_s)
        if end_s <= start_s:
            return 0.0
        return (self.rate_at(start_s) + self.rate_at(end_s)) / 2 * (end_s - start_s)


def planned_spans(plan: Plan, window: Window) -> tuple[Span, ...] | None:
    """Return when a window will be; None when only the run can tell.

    A disturbed window lasts at least as long as its faults, which is all that a plan promises.
    """
    warm_s, end_s = plan.warmup_ns / SECOND_NS, plan.duration_ns / SECOND_NS
    faults = _joined(
        (one.at_ns / SECOND_NS, one.at_ns / SECOND_NS + (one.for_ns / SECOND_NS or RESTART_S))
        for one in plan.faults
    )
    first_s = min((start_s for start_s, _ in faults), default=end_s)
    if window == "recovery":
        return None if faults else ()
    if window == "calm":
        touched = [(start_s, stop_s + EDGE_S) for start_s, stop_s in faults]
        return _without((warm_s, end_s), touched)
    spans: dict[Window, Sequence[Span]] = {
        "warmup": [(0.0, warm_s)],
        "load": [(warm_s, end_s)],
        "run": [(0.0, end_s)],
        "steady": [(warm_s, first_s)],
        "fault": faults,
        "disturbed": faults,
    }
    return tuple(span for span in spans[window] if span[0] < span[1])


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans with those that overlap as one, so that nothing in them is counted twice."""
    joined: list[Span] = []
    for start_s, end_s in sorted(spans):
        if joined and start_s < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((start_s, end_s))
    return joined


def _without(whole: Span, cuts: Iterable[Span]) -> tuple[Span, ...]:
    """Return what cuts leave of a span."""
    left, from_s = [], whole[0]
    for start_s, end_s in sorted(cuts):
        left.append((from_s, min(start_s, whole[1])))
        from_s = max(from_s, end_s)
    left.append((from_s, whole[1]))
    return tuple(span for span in left if span[0] < span[1])


def lines_of(scenario: Scenario) -> tuple[Line, ...] | None:
    """Return how many iterations a scenario starts a second, None when nothing paces it.

    A closed scenario paces itself when its environment gives `pace_s`, the seconds from one
    iteration of a user to the next: so many users as it surely has then start one each.
    """
    start_s, unit_s = scenario.start_ns / SECOND_NS, scenario.time_unit_ns / SECOND_NS
    end_s = start_s + scenario.duration_ns / SECOND_NS
    if scenario.executor == "constant-arrival-rate":
        rate = scenario.rate / unit_s
        return (Line(start_s=start_s, end_s=end_s, low=rate, high=rate),)
    if scenario.executor == "ramping-arrival-rate":
        return _ramps(scenario, start_s, unit_s)
    pace_s = _pace_s(scenario)
    if pace_s is None:
        return None
    if scenario.executor == "ramping-vus":
        return _paced_ramps(scenario, start_s, pace_s)
    if scenario.executor != "constant-vus":
        return None
    rate = scenario.vus / pace_s
    return (Line(start_s=start_s, end_s=end_s, low=rate, high=rate),)


def _ramps(scenario: Scenario, start_s: float, unit_s: float) -> tuple[Line, ...]:
    lines, rate = [], scenario.start_rate / unit_s
    for stage in scenario.stages:
        target, end_s = stage.target / unit_s, start_s + stage.duration_ns / SECOND_NS
        if stage.duration_ns:
            lines.append(Line(start_s=start_s, end_s=end_s, low=rate, high=target))
        start_s, rate = end_s, target
    return tuple(lines)


def _paced_ramps(scenario: Scenario, start_s: float, pace_s: float) -> tuple[Line, ...]:
    """Return what users who come and go surely start: the straight lines below their number.

    On the way up from n to m users the one that makes them k begins when the line from n to m is at
    k, so that their number is never below that line less one, nor below n. On the way down it is
    never below the line itself.
    """
    lines: list[Line] = []
    users = scenario.start_vus
    for stage in scenario.stages:
        target, end_s = int(stage.target), start_s + stage.duration_ns / SECOND_NS
        if target > users and stage.duration_ns:
            first_s = start_s + (end_s - start_s) / (target - users)
            lines.append(_line(start_s, first_s, users / pace_s, users / pace_s))
            if target - users > 1:
                lines.append(_line(first_s, end_s, users / pace_s, (target - 1) / pace_s))
        elif stage.duration_ns:
            lines.append(_line(start_s, end_s, users / pace_s, target / pace_s))
        start_s, users = end_s, target
    return tuple(lines)


def _line(start_s: float, end_s: float, low: float, high: float) -> Line:
    return Line(start_s=start_s, end_s=end_s, low=low, high=high)


def _pace_s(scenario: Scenario) -> float | None:
    try:
        pace_s = float(scenario.env["pace_s"])
    except (KeyError, ValueError):
        return None
    return pace_s if pace_s > 0 else None


def promised(lines: Iterable[Line], spans: Sequence[Span]) -> float:
    """Return how many iterations start in spans."""
    return sum(line.area(span) for line in lines for span in spans)


def least_promised(lines: Sequence[Line], spans: Iterable[Span], length_s: float) -> float:
    """Return how many iterations start in the poorest stretch of `length_s` within one span.

    Between two corners of what enters and leaves it, a moving stretch gains and loses at rates
    that are straight lines: it is poorest at a corner, or where both are equal.
    """
    counts = [
        promised(lines, [(start_s, start_s + length_s)])
        for span in spans
        for start_s in _candidates(lines, span, length_s)
    ]
    return min(counts, default=0.0)


def _candidates(lines: Sequence[Line], span: Span, length_s: float) -> list[float]:
    """Return the starts of stretches among which the poorest is; none where the span is short."""
    first_s, last_s = span[0], span[1] - length_s
    if last_s < first_s:
        return []
    corners = {corner for line in lines for corner in (line.start_s, line.end_s)}
    corners |= {corner - length_s for corner in corners}
    starts = sorted({first_s, last_s, *(one for one in corners if first_s < one < last_s)})
    return [*starts, *_balances(lines, starts, length_s)]


def _balances(lines: Sequence[Line], starts: Sequence[float], length_s: float) -> list[float]:
    """Return where, between two starts, a stretch begins to gain more than it loses."""
    found = []
    for left_s, right_s in pairwise(starts):
        before, after = _gains(lines, left_s, right_s, length_s)
        if before < 0 < after:
            found.append(left_s + (right_s - left_s) * before / (before - after))
    return found


def _gains(
    lines: Sequence[Line], left_s: float, right_s: float, length_s: float
) -> tuple[float, float]:
    """Return the rate at which a stretch gains just behind one start, and just before the next."""
    before = after = 0.0
    middle_s = (left_s + right_s) / 2
    for shift_s, sign in ((length_s, 1), (0.0, -1)):
        for line in lines:
            if line.start_s <= middle_s + shift_s < line.end_s:
                before += sign * line.rate_at(left_s + shift_s)
                after += sign * line.rate_at(right_s + shift_s)
    return before, after
