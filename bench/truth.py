"""What the tool says against what is known: stalls by arithmetic, times by the server's stamps."""

from __future__ import annotations

import math

from bench.known_server import PERCENTILES, known_server
from bench.machine import cores
from bench.results import Row, Section, at_most, figure
from bench.subject import run_record
from stormproof.kernel.units import SECOND_NS
from stormproof.model.histogram import Histogram
from stormproof.model.record import Record
from stormproof.rules.fold import merge_cells, per_second

SECONDS = 30
RATE = 2_000
STALL_S = 1.4
STALL_AT_S = 14.6  # its middle is the middle of the run, where a ramp is at its mean rate
MANY, FEW = 3_000, 50
SHARE_BEYOND_P99 = 0.01

STEADY: dict[str, object] = {"executor": "constant-arrival-rate", "rate": RATE}
RAMP: dict[str, object] = {
    "executor": "ramping-arrival-rate",
    "startRate": RATE // 2,
    "stages": [{"duration": f"{SECONDS}s", "target": RATE * 3 // 2}],
}


def predicted_p99_s() -> float:
    """Return the 99th percentile that a stall of an otherwise instant server leaves behind.

    Of rate x length iterations those that were due first in the stall wait longest, one that was
    due t into it for stall - t. One in a hundred waits longer than what was due 0.01 x length in.
    """
    return STALL_S - SHARE_BEYOND_P99 * SECONDS


def measure_stalls(_pairs: int) -> Section:
    """Measure one stall of 1.4 s in 30 s at 2,000/s: steady, on a ramp, and with too few users."""
    steady, ramp = _stalled(STEADY, MANY), _stalled(RAMP, MANY)
    rows = [figure("predicted p99, ms", [predicted_p99_s() * 1_000])]
    for name, record in (("steady", steady), ("on a ramp", ramp)):
        response, service = _times(record)
        p99_ms = _ms(response, 99)
        off = abs(p99_ms / (predicted_p99_s() * 1_000) - 1)
        rows += [
            figure(f"{name}: response p99, ms", [p99_ms]),
            at_most(f"{name}: off the prediction by", [off], 0.1),
            figure(f"{name}: dropped", [response.beyond]),
            figure(f"{name}: service median, ms", [_ms(service, 50)]),
        ]
    response, service = _times(_stalled(STEADY, FEW))
    finite = math.isfinite(response.percentile_us(99) or 0.0)
    rows += [
        figure(f"{FEW} users only: dropped", [response.beyond]),
        figure(f"{FEW} users only: service p99, ms", [_ms(service, 99)]),
        at_most(f"{FEW} users only: p99 looks fine (1 yes, 0 no)", [float(finite)], 0),
    ]
    about = (
        f"One stall of {STALL_S} s, {RATE:,} iterations/s for {SECONDS} s, {MANY:,} users. Service"
        " time runs from the actual start: with few users it is what a tool that waits for its turn"
        " would have said of the same stall."
    )
    return Section(title="A stall", rows=rows, about=about)


def measure_stamps(_pairs: int) -> Section:
    """Measure service times against the server's own monotonic stamps of each request."""
    core = cores()
    scenario = {"executor": "constant-arrival-rate", "rate": 500, **_common(200, 12)}
    with known_server(core.server, "delay") as server:
        record = run_record("get_and_check", server.url, core.tool, scenario=scenario)
    _, service = _times(record)
    rows: list[Row] = []
    for percentile in PERCENTILES:
        said, known = _ms(service, percentile), server.ms[percentile]
        allowed = max(0.02 * known, 0.3)
        rows += [
            figure(f"p{percentile}: said, ms", [said]),
            figure(f"p{percentile}: by the server's stamps, ms", [known]),
            at_most(f"p{percentile}: difference / allowed", [abs(said - known) / allowed], 1),
        ]
    about = "Allowed: 2 %, or 0.3 ms where that is more."
    return Section(title="Times against the server's stamps", rows=rows, about=about)


def _stalled(shape: dict[str, object], users: int) -> Record:
    core = cores()
    with known_server(core.server, "stall", STALL_S, STALL_AT_S) as server:
        scenario = {**shape, **_common(users, SECONDS)}
        return run_record("get_and_check", server.url, core.tool, scenario=scenario)


def _common(users: int, seconds: int) -> dict[str, object]:
    return {"duration": f"{seconds}s", "preAllocatedVUs": users, "maxVUs": users}


def _times(record: Record) -> tuple[Histogram, Histogram]:
    """Return response and service times of the load; dropped iterations are beyond the first."""
    last = record.plan.duration_ns // SECOND_NS + 5
    load = range(last)
    cells = [cell for second, cell in per_second(record, "http_req", {}).items() if second in load]
    merged = merge_cells(cells)
    drops = per_second(record, "dropped_iterations", {})
    merged.response.beyond += sum(cell.count for second, cell in drops.items() if second in load)
    return merged.response, merged.service


def _ms(histogram: Histogram, percentile: float) -> float:
    return (histogram.percentile_us(percentile) or 0.0) / 1_000
