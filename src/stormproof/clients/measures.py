"""Custom metrics on their way to the record: one packed row a value, refused ones left out aloud.

Nobody pays for them but who adds a value: a series is looked up once for each tag set and kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Final

from stormproof.clients.tape import Scope
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import SERIES_MAX
from stormproof.model.histogram import VALUE_US_MAX
from stormproof.model.metric import CustomMetric, MetricKind
from stormproof.model.series import SeriesKind

MEASURE: Final = struct.Struct("<Hqq")
MEASURE_FIELDS: Final = [("series", "<u2"), ("value", "<i8"), ("at_ns", "<i8")]
THOUSANDTHS: Final = 1_000
SUM_MAX: Final = 1_000_000_000.0  # of one value of a counter or gauge: a second's sum stays exact
TREND_MAX: Final = VALUE_US_MAX / THOUSANDTHS
REFUSED: Final = "metric-refused"
SERIES_KNOWN_MAX: Final = 2 * SERIES_MAX

_KINDS: Final = {
    MetricKind.COUNTER: SeriesKind.COUNTER,
    MetricKind.GAUGE: SeriesKind.GAUGE,
    MetricKind.RATE: SeriesKind.RATE,
    MetricKind.TREND: SeriesKind.TREND,
}
_RANGES: Final = {
    MetricKind.COUNTER: (0.0, SUM_MAX),
    MetricKind.GAUGE: (-SUM_MAX, SUM_MAX),
    MetricKind.RATE: (0.0, 1.0),
    MetricKind.TREND: (0.0, TREND_MAX),
}


class MeasureBook:
    """Take the values of the metrics that a plan declares."""

    __slots__ = ("_declared", "_series")

    def __init__(self, declared: Iterable[CustomMetric]) -> None:
        self._declared = {metric.name: metric for metric in declared}
        self._series: dict[tuple[Scope, str, tuple[tuple[str, str], ...]], int] = {}

    def add(
        self, scope: Scope, metric: CustomMetric, value: float, tags: Mapping[str, str]
    ) -> None:
        """Keep a value under a scope's tags and its own; what cannot be kept is warned of."""
        key = (scope, metric.name, tuple(tags.items()))
        series = self._series.get(key)
        if series is None:
            problem = self._problem(metric, tags)
            if problem:
                scope.tape.warn(REFUSED, problem)
                return
            series = _series_of(scope, metric, tags)
            if len(self._series) < SERIES_KNOWN_MAX:  # values beyond the limits never end
                self._series[key] = series
        low, high = _RANGES[metric.kind]
        if not _is_within(value, low, high):
            text = f"{metric.name} takes {low:g} to {high:g}, not {str(value)[:40]}"
            scope.tape.warn(REFUSED, text)
            return
        scope.tape.measures += MEASURE.pack(series, round(value * THOUSANDTHS), monotonic_ns())

    def _problem(self, metric: CustomMetric, tags: Mapping[str, str]) -> str:
        if self._declared.get(metric.name) != metric:
            return (
                f"{metric.name} is no metric of the plan: name it at the top of the journey's file"
            )
        strange = [tag for tag in tags if tag not in metric.tags]
        if strange:
            listed = ", ".join(metric.tags) or "none"
            return f"{metric.name} has no tag {strange[0]!r}: it declares {listed}"
        return ""


def _is_within(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and low <= value <= high  # which NaN is not


def _series_of(scope: Scope, metric: CustomMetric, tags: Mapping[str, str]) -> int:
    tape = scope.tape
    kept = {tag: tape.tag_value(tag, str(value)) for tag, value in tags.items()}
    return tape.intern(_KINDS[metric.kind], metric.name, {**scope.tags, **kept})
