"""What a fixed arrival rate costs, and how late its iterations begin."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from bench.machine import cores
from bench.origin import nginx
from bench.pairs import ratios
from bench.processes import run_pinned
from bench.results import Row, Section, at_most, figure
from bench.subject import Measured, run_journey

SECONDS = 8
USERS = 200
FASTEST = 40_000
FLOOR = "what any pacer in Python costs here: no checks, no record, one wake a quarter millisecond"


def measure_open_model(pairs: int) -> Section:
    """Measure 10, 20 and 40 thousand GET + check a second on one core."""
    core = cores()
    rows: list[Row] = []
    with nginx(core.server) as url:
        for rate in (10_000, 20_000):
            rows += _figures(rate, [_run(url, core.tool, rate) for _ in range(pairs)])
        both = [(_run(url, core.tool, FASTEST), _bare(url, core.tool)) for _ in range(pairs)]
    rows += _against_bars([mine for mine, _ in both], [bare for _, bare in both])
    about = "GET + check on one core; schedule error is from the intended start to the actual one."
    return Section(title="Open model", rows=rows, about=about)


def _figures(rate: int, runs: list[Measured]) -> list[Row]:
    name = f"{rate:,} iterations/s"
    return [
        figure(f"{name}: CPU an operation, µs", [one.us_each for one in runs]),
        figure(f"{name}: schedule error p99, ms", [one.schedule_lag_p99_ms for one in runs]),
        _done(name, runs),
    ]


def _against_bars(runs: list[Measured], bare: list[tuple[float, float]]) -> list[Row]:
    name = f"{FASTEST:,} iterations/s"
    costs, least = [one.us_each for one in runs], [cost_us for cost_us, _ in bare]
    return [
        at_most(f"{name}: CPU an operation, µs", costs, 14),
        at_most(f"{name}: schedule error p99, ms", [one.schedule_lag_p99_ms for one in runs], 0.5),
        figure(f"{name}: bare open loop, µs", least, note=FLOOR),
        figure(f"{name}: bare open loop's schedule error p99, ms", [lag for _, lag in bare]),
        figure(f"{name}: CPU / bare open loop", ratios(costs, least)),
        _done(name, runs),
    ]


def _done(name: str, runs: list[Measured]) -> Row:
    return figure(f"{name}: done a second", [one.operations / one.seconds for one in runs])


def _run(url: str, core: int, rate: int) -> Measured:
    scenario: dict[str, object] = {
        "executor": "constant-arrival-rate",
        "rate": rate,
        "duration": f"{SECONDS}s",
        "preAllocatedVUs": USERS,
        "maxVUs": USERS,
    }
    return run_journey("get_and_check", url, core, scenario=scenario)


def _bare(url: str, core: int) -> tuple[float, float]:
    """Return microseconds a request of the bare open loop, and its 99th percentile of lateness."""
    port = str(urlsplit(url).port)
    argv = [sys.executable, "-m", "bench.peers.bare_open", port, str(SECONDS), str(FASTEST)]
    cost_us, lag_ms = run_pinned(argv, core, timeout_s=SECONDS + 30).output.split()
    return float(cost_us), float(lag_ms)
