"""What `quick` found, in the figures people quote: a fold over the record that judges nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stormproof.kernel.units import SECOND_NS
from stormproof.model.histogram import VALUE_US_MAX, highest_us
from stormproof.model.objective import Status
from stormproof.model.record import Record
from stormproof.model.verdict import Verdict
from stormproof.report.number import figure, percent
from stormproof.rules.fold import Cell, merge_cells, per_second

LIMITED = {"status": "429"}
_US_PER_MS = 1_000
BEYOND_MS = VALUE_US_MAX / _US_PER_MS  # an hour, the end of every histogram


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Response times in milliseconds, from the intended start; None without any sample.

    What falls among dropped iterations is BEYOND_MS, so that no gate takes it for fast.
    """

    min: float | None
    avg: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


class QuickResults(msgspec.Struct, frozen=True, kw_only=True):
    """What `load_test_results.json` holds; answers 429 are neither successful nor failed."""

    total_requests: int
    successful: int
    failed: int
    rate_limited: int
    error_rate: float  # failed of total, 0 to 1; 1 where nothing was sent
    rps: float
    latency_ms: Latency


def results_of(record: Record) -> QuickResults:
    """Sum up all requests since the start of the load."""
    whole = _since_start(record, "http_req", {})
    limited = _since_start(record, "http_req", LIMITED).count
    dropped = _since_start(record, "dropped_iterations", {}).count
    whole.response.beyond += dropped
    return QuickResults(
        total_requests=whole.count,
        successful=whole.count - whole.failed - limited,
        failed=whole.failed,
        rate_limited=limited,
        error_rate=round(whole.failed / whole.count, 6) if whole.count else 1.0,
        rps=round(whole.count * SECOND_NS / record.plan.duration_ns, 3),
        latency_ms=_latency(whole),
    )


def _since_start(record: Record, metric: str, tags: dict[str, str]) -> Cell:
    cells = per_second(record, metric, tags)
    return merge_cells(cell for second, cell in cells.items() if second >= 0)


def _latency(cell: Cell) -> Latency:
    histogram = cell.response
    counts = sorted(histogram.counts)
    measured = sum(histogram.counts.values())
    return Latency(
        min=highest_us(counts[0]) / _US_PER_MS if counts else None,
        avg=round(histogram.sum_us / measured / _US_PER_MS, 3) if measured else None,
        p50=_milliseconds(histogram.percentile_us(50)),
        p95=_milliseconds(histogram.percentile_us(95)),
        p99=_milliseconds(histogram.percentile_us(99)),
        max=highest_us(counts[-1]) / _US_PER_MS if counts else None,
    )


def _milliseconds(value_us: float | None) -> float | None:
    return None if value_us is None else min(value_us / _US_PER_MS, BEYOND_MS)


def breaking_point(record: Record, verdict: Verdict) -> str:
    """Say at how many users the first stage broke its bar of errors.

    A stage is a scenario with a closed crowd and a bar on `http_req_failed` of its own, in the
    order in which they start; empty where there are not two of them.
    """
    stages = sorted(record.plan.scenarios, key=lambda one: one.start_ns)
    judged = {
        one.name: found
        for one in stages
        for found in verdict.objectives
        if found.name.startswith(f"http_req_failed{{scenario:{one.name}}}:")
    }
    rising = [one for i, one in enumerate(stages) if all(one.vus > e.vus for e in stages[:i])]
    if len(rising) < 2 or any(one.name not in judged for one in rising):
        return ""
    for one in rising:
        found = judged[one.name]
        if found.status is Status.FAIL:
            rate = percent(found.value)
            return f"breaks at {one.vus} users: {rate} errors, bar {percent(found.bar)}"
        if found.status is Status.INCONCLUSIVE:
            return f"unknown: the stage of {one.vus} users is undecided ({found.why})"
    return f"none up to {rising[-1].vus} users"


def lines_of(results: QuickResults, *, point: str, reference: str) -> list[str]:
    """Write the results for a terminal; `reference` are another machine's figures, for context."""
    latency = results.latency_ms
    rows: Sequence[tuple[str, str]] = (
        ("total", f"{results.total_requests:,} requests"),
        ("successful", f"{results.successful:,}"),
        ("failed", f"{results.failed:,} ({percent(results.error_rate)})"),
        ("rate limited", f"{results.rate_limited:,} (429, counted apart)"),
        ("rate", f"{figure(results.rps)} requests/s"),
        ("response ms", "  ".join(f"{key} {_shown(getattr(latency, key))}" for key in _SHOWN)),
        ("breaking point", point),
        ("for context", reference),
    )
    return ["QUICK", *(f"  {name:<15}{text}" for name, text in rows if text)]


_SHOWN = ("min", "avg", "p50", "p95", "p99", "max")


def _shown(value: float | None) -> str:
    return "dropped" if value == BEYOND_MS else figure(value)
