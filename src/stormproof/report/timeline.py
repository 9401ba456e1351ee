"""One timeline on a common clock: charts, probes, phases and faults over the same seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import ControlEvent, Phase, PhaseEvent
from stormproof.model.record import Record
from stormproof.model.verdict import Verdict
from stormproof.report.axis import time_ticks
from stormproof.report.chart import Panel, draw
from stormproof.report.charts import generator_charts, load_charts
from stormproof.report.downsample import step_for
from stormproof.report.strip import Strip, hypothesis_strips, strips_of
from stormproof.report.tally import Tally
from stormproof.report.target_charts import target_charts
from stormproof.rules.windows import Windows

BUCKETS_MAX = 400
BADGE_SHARE = 0.07  # of the clock's width on a phone; nearer badges go to another row
BADGE_ROWS = 3
ORDERS_SHOWN = 100
EDGE_S = 20  # of what lies before the load and after its end, at most this is shown
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PHASES = {
    Phase.START_STACK: "start",
    Phase.PREPARE: "prepare",
    Phase.WARMUP: "warm-up",
    Phase.LOAD: "load",
    Phase.DRAIN: "drain",
    Phase.STOP: "stop",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A fault (`kind` "fault") or the time until it was overcome ("recovery")."""

    kind: str
    letter: str
    name: str
    from_s: float
    to_s: float
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A phase of the run."""

    name: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Everything on the common clock, from second `from_s` to `to_s`."""

    from_s: int
    to_s: int
    step_s: int
    panels: Sequence[Panel]
    generator: Sequence[Panel]
    target: Sequence[Panel]  # what it says of itself
    strips: Sequence[Strip]
    bands: Sequence[Band]
    invalid: Sequence[Span]
    phases: Sequence[Span]
    orders: Sequence[float]  # when somebody steered the load
    ticks: Sequence[int]

    @property
    def rows(self) -> int:
        """Return how many rows the signs of the faults need."""
        return 1 + max((band.row for band in self.bands), default=-1)

    def percent(self, second: float) -> float:
        """Return where an instant lies on the clock, in percent of its width."""
        share = (second - self.from_s) / (self.to_s - self.from_s)
        return round(100 * min(max(share, 0.0), 1.0), 3)


def timeline_of(record: Record, verdict: Verdict, windows: Windows, tally: Tally) -> Timeline:
    """Return the timeline of a record; an empty one has one empty second."""
    from_s, to_s = _extent(record, windows, tally)
    step = step_for(to_s - from_s, BUCKETS_MAX)
    seconds = range(from_s, to_s)
    charts = load_charts(tally, verdict.objectives, seconds)
    return Timeline(
        from_s=from_s,
        to_s=to_s,
        step_s=step,
        panels=[draw(chart, from_s, step) for chart in charts],
        generator=[draw(chart, from_s, step) for chart in generator_charts(tally, seconds)],
        target=[
            draw(chart, from_s, step) for chart in target_charts(record, windows, tally, seconds)
        ],
        strips=[
            *strips_of(record, windows, from_s, to_s),
            *hypothesis_strips(verdict, windows, from_s, to_s),
        ],
        bands=_bands(record, windows, from_s, to_s),
        invalid=_invalid(verdict.generator.invalid_seconds),
        phases=_phases(record, windows, from_s, to_s),
        orders=_orders(record, windows, from_s, to_s),
        ticks=time_ticks(from_s, to_s),
    )


def _extent(record: Record, windows: Windows, tally: Tally) -> tuple[int, int]:
    """Return the seconds to show: the load, and a little of what was before and after it."""
    seen = set(tally.generator)
    if windows.origin_ns is not None:
        seen.update(
            windows.second_of(at_ns)
            for sample in (*record.probes[:1], *record.probes[-1:])
            for at_ns in (sample.start_ns, sample.end_ns)
        )
    if not seen:
        return 0, 1
    end_of_load = record.plan.duration_ns // SECOND_NS
    from_s = max(min(seen), -EDGE_S)
    to_s = min(max(seen) + 1, max(end_of_load, max(tally.generator, default=0)) + EDGE_S)
    return from_s, max(to_s, from_s + 1)


def letter_of(position: int) -> str:
    """Return the sign of the fault at `position`: A, B, ... Z, then 27, 28, ..."""
    return LETTERS[position] if position < len(LETTERS) else str(position + 1)


def _bands(record: Record, windows: Windows, from_s: int, to_s: int) -> list[Band]:
    """Return each fault and its recovery; one not overcome lasts as long as its bar allows."""
    bands: list[Band] = []
    near_s = BADGE_SHARE * (to_s - from_s)
    row, last_s = 0, float("-inf")
    for position, life in enumerate(windows.faults):
        letter = letter_of(position)
        start_s, end_s = windows.at_s(life.start_ns), windows.at_s(life.end_ns)
        row = (row + 1) % BADGE_ROWS if start_s - last_s < near_s else 0
        last_s = start_s
        spans = [("fault", start_s, end_s)]
        if life.over_ns == life.end_ns and life.undone_ns is not None:  # others are in force else
            bar_s = end_s + record.plan.recovery_bar_ns / SECOND_NS
            back_s = bar_s if life.back_ns is None else min(windows.at_s(life.back_ns), bar_s)
            spans.append(("recovery", end_s, back_s))
        bands += [
            Band(kind=kind, letter=letter, name=life.fault, from_s=start, to_s=end, row=row)
            for kind, start, end in spans
        ]
    shown = [
        replace(one, from_s=max(one.from_s, from_s), to_s=min(one.to_s, to_s)) for one in bands
    ]
    return [band for band in shown if band.to_s > band.from_s]


def _invalid(seconds: Sequence[int]) -> list[Span]:
    spans: list[Span] = []
    for second in sorted(set(seconds)):
        if spans and spans[-1].to_s == second:
            spans[-1] = Span(name="", from_s=spans[-1].from_s, to_s=second + 1)
        else:
            spans.append(Span(name="", from_s=second, to_s=second + 1))
    return spans


def _orders(record: Record, windows: Windows, from_s: int, to_s: int) -> list[float]:
    """Return the instants at which the load was steered, the first of them where there are many."""
    told = (windows.at_s(one.at_ns) for one in record.events if isinstance(one, ControlEvent))
    return [at_s for at_s in told if from_s <= at_s < to_s][:ORDERS_SHOWN]


def _phases(record: Record, windows: Windows, from_s: int, to_s: int) -> list[Span]:
    marks = [
        (windows.at_s(event.at_ns), _PHASES.get(event.phase, ""))
        for event in record.events
        if isinstance(event, PhaseEvent) and windows.origin_ns is not None
    ]
    marks.append((float(to_s), ""))
    spans = [
        Span(name=name, from_s=max(at_s, from_s), to_s=min(end_s, to_s))
        for (at_s, name), (end_s, _) in pairwise(marks)
        if name
    ]
    return [span for span in spans if span.to_s > span.from_s]
