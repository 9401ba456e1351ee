"""The figures that services of this kind serve under the same names, as they are right now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stormproof.kernel.units import SECOND_NS
from stormproof.model.observed import ObservedKind
from stormproof.rules.buckets import quantile_in
from stormproof.rules.figures import Figures, Instant, increases_of
from stormproof.rules.observed import REQUESTS, matching, status_of

LATENCY: Final = "request_latency_ms"
LIMITED: Final = "rate_limit_hits_total"
LOG_QUEUE: Final = "async_logger_queue_size"
LOG_QUEUE_ALARM: Final = 900  # of about a thousand records that a queue holds before it drops them
PERCENTILE: Final = 95
NAMES: Final = frozenset({REQUESTS, LATENCY, f"{LATENCY}_bucket", LIMITED, LOG_QUEUE})


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetNow:
    """What a target said last; rates and times are of the time since the reading before.

    None where it serves no such figure, tells no statuses, or served nobody. `limited` counts since
    the first reading.
    """

    requests_per_s: float | None = None
    failed_share: float | None = None
    p95_ms: float | None = None
    limited: int | None = None
    log_queue: int | None = None


def target_now(figures: Figures) -> TargetNow:
    """Return what the last two readings of a target say together."""
    if len(figures.instants) < 2:
        return TargetNow()
    pair = figures.instants[-2:]
    seconds = (pair[1].at_ns - pair[0].at_ns) / SECOND_NS
    requests = matching(figures, REQUESTS, {}, ObservedKind.COUNTER)
    statuses = {key: status_of(figures.series[key]) for key in requests}
    failed = [key for key, status in statuses.items() if status.startswith("5")]
    count = increases_of([pair], requests)
    is_known = math.isfinite(count)
    limited = matching(figures, LIMITED, {}, ObservedKind.COUNTER)
    hits = increases_of([figures.instants], limited)
    queue = matching(figures, LOG_QUEUE, {}, ObservedKind.GAUGE)
    waiting = [pair[1].values[key] for key in queue if key in pair[1].values]
    return TargetNow(
        requests_per_s=count / seconds if requests and seconds and is_known else None,
        failed_share=increases_of([pair], failed) / count
        if count and is_known and all(statuses.values())
        else None,
        p95_ms=_p95_ms(figures, pair),
        limited=round(hits) if limited and math.isfinite(hits) else None,
        log_queue=round(max(waiting)) if waiting else None,
    )


def _p95_ms(figures: Figures, pair: Sequence[Instant]) -> float | None:
    parts = (LATENCY, f"{LATENCY}_bucket")
    series = {key: one for key, one in figures.series.items() if one.name in parts}
    return quantile_in(PERCENTILE / 100, series, pair)
