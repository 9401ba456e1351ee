"""wrk and hey: the fastest loops without a script, in C and in Go (Debian packages)."""

from __future__ import annotations

import re

from bench.processes import BenchFailure, run_pinned

CONNECTIONS = 50


def wrk_per_cpu_second(url: str, core: int, seconds: int) -> float:
    """Return GET requests a CPU-second of wrk, one thread."""
    requests, cpu_s = _wrk(url, core, seconds)
    return requests / cpu_s


def wrk_requests(url: str, core: int, seconds: int) -> int:
    """Return how many GET requests wrk had answered."""
    return _wrk(url, core, seconds)[0]


def _wrk(url: str, core: int, seconds: int) -> tuple[int, float]:
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"{url}/items"]
    cost = run_pinned(argv, core, timeout_s=seconds + 30)
    found = re.search(r"(\d+) requests in", cost.output)
    if found is None or "Non-2xx" in cost.output:
        raise BenchFailure(f"wrk said: {cost.output[-300:]}")
    return int(found.group(1)), cost.cpu_s


def hey_per_cpu_second(url: str, core: int, seconds: int) -> float:
    """Return GET requests a CPU-second of hey."""
    argv = ["hey", "-z", f"{seconds}s", "-c", str(CONNECTIONS), "-cpus", "1", f"{url}/items"]
    cost = run_pinned(argv, core, timeout_s=seconds + 30)
    answered = [int(count) for count in re.findall(r"\[200\]\s+(\d+) responses", cost.output)]
    if not answered:
        raise BenchFailure(f"hey said: {cost.output[-300:]}")
    return sum(answered) / cost.cpu_s
