"""What a fixed arrival rate costs, and how late its iterations begin."""

from __future__ import annotations

from bench.machine import cores
from bench.origin import nginx
from bench.results import Row, Section, at_most, figure
from bench.subject import Measured, run_journey

SECONDS = 8
USERS = 200


def measure_open_model(pairs: int) -> Section:
    """Measure 10, 20 and 40 thousand GET + check a second on one core."""
    core = cores()
    rows: list[Row] = []
    with nginx(core.server) as url:
        for rate in (10_000, 20_000, 40_000):
            runs = [_run(url, core.tool, rate) for _ in range(pairs)]
            costs = [one.us_each for one in runs]
            lags = [one.schedule_lag_p99_ms for one in runs]
            name = f"{rate:,} iterations/s"
            if rate == 40_000:
                rows += [at_most(f"{name}: CPU an operation, µs", costs, 14)]
                rows += [at_most(f"{name}: schedule error p99, ms", lags, 0.5)]
            else:
                rows += [figure(f"{name}: CPU an operation, µs", costs)]
                rows += [figure(f"{name}: schedule error p99, ms", lags)]
            rows.append(
                figure(f"{name}: done a second", [one.operations / one.seconds for one in runs])
            )
    about = "GET + check on one core; schedule error is from the intended start to the actual one."
    return Section(title="Open model", rows=rows, about=about)


def _run(url: str, core: int, rate: int) -> Measured:
    scenario: dict[str, object] = {
        "executor": "constant-arrival-rate",
        "rate": rate,
        "duration": f"{SECONDS}s",
        "preAllocatedVUs": USERS,
        "maxVUs": USERS,
    }
    return run_journey("get_and_check", url, core, scenario=scenario)
