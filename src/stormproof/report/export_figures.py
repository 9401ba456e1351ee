"""The figures of one exported line, in its metric's unit."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from stormproof.kernel.units import SECOND_NS
from stormproof.model.histogram import Histogram, highest_us
from stormproof.model.series import SeriesKind
from stormproof.report.exported import Line

PARTS: Final = 1_000  # microseconds in a millisecond, thousandths in a custom metric's unit
PERCENTILES: Final = {"med": 50.0, "p(90)": 90.0, "p(95)": 95.0, "p(99)": 99.0}


def count_of(line: Line, *, custom: bool) -> float:
    """Return what a counter adds up to, and how many samples everything else has."""
    if line.kind is SeriesKind.COUNTER and custom:
        return line.cell.response.sum_us / PARTS
    return line.cell.count


def share_of(line: Line) -> float | None:
    """Return the share of a rate that held; None for everything else."""
    if line.kind is not SeriesKind.RATE or not line.cell.count:
        return None
    return (line.cell.count - line.cell.failed) / line.cell.count


def times_of(histogram: Histogram) -> dict[str, float]:
    """Return mean, extremes and percentiles of a distribution; nothing where it has no sample."""
    counts, total = histogram.counts, sum(histogram.counts.values())
    if not total:
        return {}
    figures = {
        "avg": histogram.sum_us / total / PARTS,
        "min": highest_us(min(counts)) / PARTS,
        "max": highest_us(max(counts)) / PARTS,
    }
    for name, percentile in PERCENTILES.items():
        value = histogram.percentile_us(percentile)
        if value is not None and math.isfinite(value):
            figures[name] = value / PARTS
    return figures


def level_of(line: Line) -> dict[str, float]:
    """Return the last, lowest and highest value of a gauge."""
    level = line.cell.level
    if level is None:
        return {}
    return {"value": level.last / PARTS, "min": level.low / PARTS, "max": level.high / PARTS}


def time_text(wall_ns: int) -> str:
    """Write an instant of the wall clock as `2026-11-25T14:05:09Z`, to the second."""
    moment = datetime.fromtimestamp(wall_ns // SECOND_NS, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
