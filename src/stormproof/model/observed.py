"""Figures that others keep of themselves, as a source gives them at one instant."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from stormproof.model.native import NativeBuckets

TARGET: Final = "target"  # the source of what a target says of itself
# Parts of the embedded stack, beside the target itself, that serve figures of their own.
SERVING_PARTS: Final = ("dispatcher", "consumer")
SOURCES: Final = (TARGET, *SERVING_PARTS, "process", "cgroup", "log", "postgres", "valkey")
# A gauge that a source may add to its own figures: how many lines of its answer it could not read,
# so that what is missing from the rest is not taken for a zero.
UNREAD: Final = "lines_unread"
# How far a group of consumers is behind its stream, and a gauge that says 1 at each reading at
# which the server could not tell: the figure itself is then left out, and never taken for a zero.
STREAM_LAG: Final = "stream_lag"
STREAM_LAG_UNKNOWN: Final = "stream_lag_unknown"


class ObservedKind(StrEnum):
    """What a figure's value means.

    COUNTER  how much there was since its keeper started; it only grows, or starts again from 0
    GAUGE    how much there is now
    NATIVE   how much a native histogram observed since its keeper started, in buckets
    """

    COUNTER = "counter"
    GAUGE = "gauge"
    NATIVE = "native"


class Observed(msgspec.Struct, frozen=True):
    """One figure under one set of tags.

    The buckets of a histogram are counters: `NAME_bucket`, whose tag `le` is their upper bound,
    with `NAME_sum` and `NAME_count` beside them. Those of a native histogram are one figure,
    `NAME`, whose value is how much it observed, and the only one that has `native`.
    """

    name: str
    tags: dict[str, str]
    kind: ObservedKind
    value: float
    native: NativeBuckets | None = None


def is_observed(metric: str) -> bool:
    """Say whether a metric's name is that of a source's figure, like `target:requests_total`."""
    source, colon, figure = metric.partition(":")
    return bool(colon and figure) and source in SOURCES
