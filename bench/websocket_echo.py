"""WebSockets: what an exchange costs beside bare picows, and what a held socket costs in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bench.machine import cores
from bench.origin import free_port
from bench.pairs import interleave, ratios
from bench.peers.picows_echo import CONNECTIONS
from bench.processes import BenchFailure, run_pinned
from bench.results import Section, at_least, at_most, figure
from bench.subject import run_journey, run_record

SECONDS = 6
EDGES = 2  # seconds that the subject leaves out
UNIT = "messages/CPU-s"
HELD = 10_000
OPENING_SECONDS = 20
HOLDING_SECONDS = 6
READY_SECONDS = 20
MB = 1_000_000


def measure_websockets(pairs: int) -> Section:
    """Measure exchanges of a journey, a check each, against what picows does with nothing on it."""
    core = cores()
    with _echo_server(core.server) as port:
        url = f"http://127.0.0.1:{port}"
        found = interleave(
            {
                "bare picows": partial(_bare, port, core.tool),
                "exchange + check": partial(_journey, "echo", url, core.tool),
                "one an iteration": partial(_journey, "echo_once", url, core.tool),
            },
            pairs,
        )
    bare, echo, once = found["bare picows"], found["exchange + check"], found["one an iteration"]
    return Section(
        title="WebSocket echo through a journey",
        about=f"A picows server on one core, the tool on the other, {CONNECTIONS} sockets.",
        rows=[
            figure("bare picows", bare, UNIT),
            figure("journey, 100 exchanges + checks an iteration", echo, UNIT),
            figure("journey, one exchange + check an iteration", once, UNIT),
            at_least("exchange + check / bare picows", ratios(echo, bare), 0.75),
            figure("one an iteration / bare picows", ratios(once, bare)),
        ],
    )


def measure_held(_pairs: int) -> Section:
    """Measure the memory of a worker that holds ten thousand WebSockets, and of each of them."""
    core = cores()
    with _echo_server(core.server) as port:
        url = f"http://127.0.0.1:{port}"
        alone, _ = _hold(url, core.tool, 1)
        full, sockets = _hold(url, core.tool, HELD)
    if sockets < HELD:
        raise BenchFailure(f"only {sockets} of {HELD} sockets were open")
    return Section(
        title="Held WebSockets",
        about="Each user opens one socket and waits; the server is another process.",
        rows=[
            at_most(f"{HELD:,} sockets on one worker: MB", [full / MB], 400),
            figure("each user with its socket", [(full - alone) / (HELD - 1) / 1_024], "KB"),
        ],
    )


def _bare(port: int, core: int) -> float:
    argv = [sys.executable, "-m", "bench.peers.picows_echo", "measure", str(port), str(SECONDS)]
    return float(run_pinned(argv, core, timeout_s=60).output)


def _journey(function: str, url: str, core: int) -> float:
    scenario: dict[str, object] = {
        "executor": "constant-vus",
        "vus": CONNECTIONS,
        "duration": f"{SECONDS + EDGES}s",
    }
    return run_journey(function, url, core, scenario=scenario).per_cpu_second


def _hold(url: str, core: int, users: int) -> tuple[int, int]:
    """Return the worker's bytes of memory and its open sockets, once all users hold theirs."""
    scenario: dict[str, object] = {
        "executor": "ramping-vus",
        "startVUs": 1,
        "stages": [
            {"duration": f"{OPENING_SECONDS}s", "target": users},
            {"duration": f"{HOLDING_SECONDS}s", "target": users},
        ],
        "duration": f"{OPENING_SECONDS + HOLDING_SECONDS}s",
        "gracefulStop": "0s",
        "gracefulRampDown": "0s",
    }
    record = run_record("hold", url, core, scenario=scenario)
    last = OPENING_SECONDS + HOLDING_SECONDS - 1
    held = [one.generator for one in record.frames if one.second == last]
    if not held:
        raise BenchFailure("the run was too short to measure")
    return held[0].rss_bytes, held[0].sockets


@contextmanager
def _echo_server(core: int) -> Iterator[int]:
    """Run the echoing server on a core; yield its port."""
    port = free_port()
    argv = ["taskset", "-c", str(core), sys.executable, "-m", "bench.peers.picows_echo", "serve"]
    process = subprocess.Popen(
        [*argv, str(port)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "listening":
            raise BenchFailure("the echo server did not start")
        yield port
    finally:
        process.terminate()
        process.wait(READY_SECONDS)
