"""Requests a CPU-second of scripted journeys, against wrk, hey, aiohttp and Locust."""

from __future__ import annotations

import sys
from functools import partial
from urllib.parse import urlsplit

from bench.machine import cores
from bench.origin import nginx
from bench.pairs import interleave, ratios
from bench.peers.environment import aiohttp_per_cpu_second, locust_per_cpu_second, peers_python
from bench.peers.wrk import CONNECTIONS, hey_per_cpu_second, wrk_per_cpu_second
from bench.processes import run_pinned
from bench.results import Section, at_least, figure
from bench.subject import run_journey

SECONDS = 6
EDGES = 2  # seconds that the subject leaves out
UNIT = "requests/CPU-s"
REFERENCE = (
    "on the machine that the bars come from it is 0.773, so that 0.6 and 0.42 of wrk are 0.776 and"
    " 0.543 of the bare loop there; below 0.6 here, no client in Python meets the bar against wrk"
)


def _journey(function: str, url: str, core: int) -> float:
    scenario: dict[str, object] = {
        "executor": "constant-vus",
        "vus": CONNECTIONS,
        "duration": f"{SECONDS + EDGES}s",
    }
    return run_journey(function, url, core, scenario=scenario).per_cpu_second


def _bare_loop(url: str, core: int) -> float:
    port = str(urlsplit(url).port)
    argv = [sys.executable, "-m", "bench.peers.bare_loop", port, str(SECONDS)]
    return float(run_pinned(argv, core, timeout_s=SECONDS + 30).output)


def measure_requests(pairs: int) -> Section:
    """Measure GET + check and POST JSON + parse + 2 checks against wrk's bare GET, and against
    the least that Python can do."""
    core = cores()
    with nginx(core.server) as url:
        found = interleave(
            {
                "wrk GET": partial(wrk_per_cpu_second, url, core.tool, SECONDS),
                "bare loop": partial(_bare_loop, url, core.tool),
                "journey GET + check": partial(_journey, "get_and_check", url, core.tool),
                "journey POST": partial(_journey, "post_and_parse", url, core.tool),
            },
            pairs,
        )
    wrk, bare = found["wrk GET"], found["bare loop"]
    get, post = found["journey GET + check"], found["journey POST"]
    return Section(
        title="Scripted journeys against wrk",
        about=f"nginx on one core, the tool on the other, {CONNECTIONS} connections.",
        rows=[
            figure("wrk, GET", wrk, UNIT),
            figure("bare loop of uvloop and httptools, GET", bare, UNIT),
            figure("journey, GET + check", get, UNIT),
            figure("journey, POST JSON + parse + 2 checks", post, UNIT),
            at_least("GET + check / wrk", ratios(get, wrk), 0.6),
            at_least("POST + parse + 2 checks / wrk", ratios(post, wrk), 0.42),
            figure("bare loop / wrk", ratios(bare, wrk), note=REFERENCE),
            at_least("GET + check / bare loop", ratios(get, bare), 0.776),
            at_least("POST + parse + 2 checks / bare loop", ratios(post, bare), 0.543),
        ],
    )


def measure_peers(pairs: int) -> Section:
    """Measure the same journeys as other tools have them."""
    peers_python()
    core = cores()
    with nginx(core.server) as url:
        found = interleave(
            {
                "journey GET + check": partial(_journey, "get_and_check", url, core.tool),
                "hey": partial(hey_per_cpu_second, url, core.tool, SECONDS),
                "aiohttp": partial(aiohttp_per_cpu_second, url, core.tool, SECONDS),
                "Locust GET": partial(locust_per_cpu_second, url, core.tool, SECONDS, "get"),
                "journey POST": partial(_journey, "post_and_parse", url, core.tool),
                "Locust POST": partial(locust_per_cpu_second, url, core.tool, SECONDS, "post"),
            },
            pairs,
        )
    get, post = found["journey GET + check"], found["journey POST"]
    rows = [figure(f"{name}", values, UNIT) for name, values in found.items()]
    rows += [
        figure("GET + check / hey", ratios(get, found["hey"])),
        figure("GET + check / aiohttp", ratios(get, found["aiohttp"])),
        at_least("GET + check / Locust", ratios(get, found["Locust GET"]), 7),
        at_least("POST / Locust", ratios(post, found["Locust POST"]), 7),
    ]
    return Section(title="Scripted journeys against other tools", rows=rows)


def measure_workers(pairs: int) -> Section:
    """Measure what two workers do a CPU-second against one, on the same core."""
    core = cores()

    def both(workers: int, url: str) -> float:
        scenario: dict[str, object] = {
            "executor": "constant-vus",
            "vus": CONNECTIONS,
            "duration": f"{SECONDS + EDGES}s",
        }
        done = run_journey("get_and_check", url, core.tool, scenario=scenario, workers=workers)
        return done.per_cpu_second

    with nginx(core.server) as url:
        found = interleave(
            {"one worker": partial(both, 1, url), "two workers": partial(both, 2, url)}, pairs
        )
    rows = [figure(name, values, UNIT) for name, values in found.items()]
    rows.append(
        at_least("two workers / one", ratios(found["two workers"], found["one worker"]), 0.95)
    )
    return Section(title="Two workers", rows=rows)
