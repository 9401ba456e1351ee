"""Draw one chart of the timeline as SVG paths over seconds (x) and 0 to 100 (y, downwards).

The drawing is stretched to the width that the page has, so it holds no text: ticks and labels
are HTML beside it, and lines keep their thickness (`vector-effect`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stormproof.report.axis import Scale, linear_scale, log_scale, tick_text
from stormproof.report.downsample import Bucket, buckets_of

NEVER_BELOW_MS = 0.001  # a logarithmic scale needs a positive start


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A series of one value a second; `style` 1 to 4 chooses colour and dash together."""

    label: str
    values: Sequence[float | None]
    style: int
    area: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A level that the lines are compared with, such as the bar of an objective."""

    value: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What to draw; all lines start at the same second."""

    key: str
    title: str
    unit: str
    lines: Sequence[Line]
    log: bool = False
    high: float | None = None  # a fixed top, for shares
    references: Sequence[Reference] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A label at `y` % of the chart's height."""

    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A line as drawn: its path (the middle of each bucket), the area below it, the envelope from
    the lowest to the highest second of each bucket, and the buckets that hovering shows."""

    label: str
    style: int
    path: str
    area: str
    envelope: str
    buckets: Sequence[Bucket | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A chart as drawn."""

    key: str
    title: str
    unit: str
    log: bool
    ticks: Sequence[Tick]
    references: Sequence[Tick]
    strokes: Sequence[Stroke]
    empty: bool


def draw(chart: Chart, first: int, step: int) -> Panel:
    """Draw a chart whose lines start at second `first`, `step` seconds a bucket."""
    scale = _scale_of(chart)
    return Panel(
        key=chart.key,
        title=chart.title,
        unit=chart.unit,
        log=chart.log,
        ticks=[Tick(y=scale.place(value), text=tick_text(value)) for value in scale.ticks()],
        references=[Tick(y=scale.place(one.value), text=one.label) for one in chart.references],
        strokes=[_stroke(line, scale, first, step) for line in chart.lines],
        empty=not any(value is not None for line in chart.lines for value in line.values),
    )


def _scale_of(chart: Chart) -> Scale:
    finite = [
        value
        for line in chart.lines
        for value in line.values
        if value is not None and value != float("inf")
    ]
    finite += [one.value for one in chart.references]
    if chart.log:
        positive = [max(value, NEVER_BELOW_MS) for value in finite]
        return log_scale(min(positive, default=1.0), max(positive, default=10.0))
    return linear_scale(chart.high if chart.high is not None else max(finite, default=1.0))


def _stroke(line: Line, scale: Scale, first: int, step: int) -> Stroke:
    buckets = buckets_of(line.values, step)
    runs = _runs(buckets, scale, first, step)
    return Stroke(
        label=line.label,
        style=line.style,
        path="".join(_polyline(run) for run in runs),
        area="".join(_area(run) for run in runs) if line.area and step == 1 else "",
        envelope="".join(_envelope(run) for run in runs) if step > 1 else "",
        buckets=buckets,
    )


class Point(NamedTuple):
    """A bucket as drawn: where its middle, its highest and its lowest second stand."""

    x: float
    y: float
    top: float
    bottom: float


def _runs(
    buckets: Sequence[Bucket | None], scale: Scale, first: int, step: int
) -> list[list[Point]]:
    """Return unbroken runs of points; a bucket without a value breaks the line."""
    runs: list[list[Point]] = [[]]
    for position, bucket in enumerate(buckets):
        if bucket is None:
            runs.append([])
            continue
        x = first + (position + 0.5) * step
        places = (scale.place(value) for value in (bucket.middle, bucket.high, bucket.low))
        runs[-1].append(Point(x, *places))
    return [run for run in runs if run]


def _polyline(run: Sequence[Point]) -> str:
    head = f"M{run[0].x:g} {run[0].y:g}"
    if len(run) == 1:
        return f"{head}h0"  # a dot, by its round line end
    return f"{head}L" + " ".join(f"{point.x:g} {point.y:g}" for point in run[1:])


def _area(run: Sequence[Point]) -> str:
    points = " ".join(f"{point.x:g} {point.y:g}" for point in run)
    return f"M{run[0].x:g} 100L{points}V100Z"


def _envelope(run: Sequence[Point]) -> str:
    above = " ".join(f"{point.x:g} {point.top:g}" for point in run)
    below = " ".join(f"{point.x:g} {point.bottom:g}" for point in reversed(run))
    return f"M{above}L{below}Z" if len(run) > 1 else ""
