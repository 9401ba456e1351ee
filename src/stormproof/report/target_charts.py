"""What the target says of itself over time, beside what the load saw of it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from stormproof.model.observed import TARGET, ObservedKind
from stormproof.model.plan import PlannedSource
from stormproof.model.record import Record
from stormproof.report.chart import Chart, Line
from stormproof.report.tally import MetricSecond, Tally
from stormproof.rules.figures import Figures, falls_of, figures_of
from stormproof.rules.target_now import NAMES, TargetNow, target_now
from stormproof.rules.windows import Windows

GAP_INTERVALS: Final = 3  # readings further apart say nothing of the time between them
SAYS, SAW = "the target says", "the load saw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What the target said of the time between two readings, in seconds since the origin."""

    from_s: float
    to_s: float
    said: TargetNow


Read = Callable[[Stretch], float | None]


def target_charts(record: Record, windows: Windows, tally: Tally, seconds: range) -> list[Chart]:
    """Return charts of the figures that the target serves under the well-known names.

    Each second has what was said of the time between the readings around it; where one was silent,
    too far from the next, or began to count again, nothing is known.
    """
    planned = next((one for one in record.plan.sources if one.name == TARGET), None)
    if planned is None or windows.origin_ns is None:
        return []
    stretches = _stretches(record, windows, planned)

    def said(read: Read, label: str = SAYS, style: int = 1) -> Line:
        return Line(label=label, values=_values(stretches, seconds, read), style=style)

    def saw(read: Callable[[MetricSecond], float | None]) -> Line:
        cells = tally.of("http_req")
        values = [read(cells[one]) if one in cells else None for one in seconds]
        return Line(label=SAW, values=values, style=2)

    charts = [
        Chart(
            key="target-rate",
            title="Requests",
            unit="per second",
            lines=[
                said(lambda one: one.said.requests_per_s),
                saw(lambda one: one.count),
                said(_limited_per_s, "refused by a rate limit", 3),
            ],
        ),
        Chart(
            key="target-errors",
            title="Requests that failed",
            unit="%",
            lines=[
                said(lambda one: _percent(one.said.failed_share)),
                saw(lambda one: 100 * one.failed / one.count if one.count else None),
            ],
        ),
        Chart(
            key="target-latency",
            title="Time of requests, p95",
            unit="ms",
            lines=[said(lambda one: one.said.p95_ms), saw(lambda one: one.p95_ms)],
            log=True,
        ),
        Chart(
            key="target-queue",
            title="Queue of the target's log",
            unit="records",
            lines=[said(lambda one: one.said.log_queue)],
        ),
    ]
    return [kept for chart in charts if (kept := _said_only(chart)) is not None]


def _said_only(chart: Chart) -> Chart | None:
    """Return a chart without lines that say nothing; None where the target said nothing of it."""
    first, *others = chart.lines
    if not _is_known(first):
        return None
    lines = [first, *(one for one in others if _is_known(one))]
    return Chart(key=chart.key, title=chart.title, unit=chart.unit, lines=lines, log=chart.log)


def _is_known(line: Line) -> bool:
    return any(value is not None for value in line.values)


def _stretches(record: Record, windows: Windows, planned: PlannedSource) -> list[Stretch]:
    every = figures_of(TARGET, record.observed, record.readings, NAMES)
    known = {key: one for key, one in every.series.items() if one.name in NAMES}
    counters = [key for key, one in known.items() if one.kind is not ObservedKind.GAUGE]
    silent = sorted(one.at_ns for one in record.readings if one.source == TARGET and one.error)
    stretches = []
    for pair in pairwise(every.instants):
        length_ns = pair[1].at_ns - pair[0].at_ns
        unbroken = bisect_right(silent, pair[0].at_ns) == bisect_right(silent, pair[1].at_ns)
        if not unbroken or not 0 < length_ns <= GAP_INTERVALS * planned.interval_ns:
            continue
        if falls_of(pair, counters):
            continue
        from_s, to_s = windows.at_s(pair[0].at_ns), windows.at_s(pair[1].at_ns)
        said = target_now(Figures(series=known, instants=pair))
        stretches.append(Stretch(from_s=from_s, to_s=to_s, said=said))
    return stretches


def _values(stretches: Sequence[Stretch], seconds: range, read: Read) -> list[float | None]:
    """Return what was said of the middle of each second."""
    values: list[float | None] = []
    for second in seconds:
        place = bisect_right(stretches, second + 0.5, key=lambda one: one.from_s) - 1
        is_said = place >= 0 and second + 0.5 < stretches[place].to_s
        value = read(stretches[place]) if is_said else None
        values.append(value if value is not None and math.isfinite(value) else None)
    return values


def _limited_per_s(stretch: Stretch) -> float | None:
    limited = stretch.said.limited
    return None if limited is None else limited / (stretch.to_s - stretch.from_s)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
