"""Custom metrics: what a journey file declares and its users add values to."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class MetricKind(StrEnum):
    """What a custom metric keeps of the values it is given; names and meaning as in k6.

    COUNTER  their sum
    GAUGE    the last, the lowest and the highest
    RATE     the share of those that are true
    TREND    their distribution
    CHECKED  none: a checker of the file measures it when the record is judged
    """

    COUNTER = "counter"
    GAUGE = "gauge"
    RATE = "rate"
    TREND = "trend"
    CHECKED = "checked"


class CustomMetric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of a journey file; `tags` are the keys that its values may carry."""

    name: str
    kind: MetricKind
    unit: str = ""
    doc: str = ""
    tags: tuple[str, ...] = ()
