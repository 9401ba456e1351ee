"""What a virtual user costs in memory while it does nothing."""

from __future__ import annotations

from bench.machine import cores
from bench.origin import nginx
from bench.results import Row, Section, at_most
from bench.subject import run_journey

SECONDS = 6
CROWDS = (1_000, 10_000, 50_000)
CONNECTED = (1_000, 10_000)  # more would use up the ports of one address


def measure_memory(_pairs: int) -> Section:
    """Measure the growth of a worker's memory by idle users, without and with a connection."""
    core = cores()
    rows: list[Row] = []
    with nginx(core.server) as url:
        for journey, crowds, bar in (("idle", CROWDS, 20), ("idle_connected", CONNECTED, 40)):
            alone = _rss_bytes(journey, url, core.tool, 1)
            for users in crowds:
                grown = _rss_bytes(journey, url, core.tool, users) - alone
                what = f"{journey.replace('_', ' and ')}, {users:,} users: KB each"
                rows.append(at_most(what, [grown / 1024 / (users - 1)], bar))
    return Section(title="Memory of a virtual user", rows=rows)


def _rss_bytes(journey: str, url: str, core: int, users: int) -> int:
    scenario: dict[str, object] = {
        "executor": "constant-vus",
        "vus": users,
        "duration": f"{SECONDS + users // 5_000}s",
        "gracefulStop": "0s",
    }
    return run_journey(journey, url, core, scenario=scenario).rss_bytes
