"""How long a person waits for help."""

from __future__ import annotations

import subprocess
import sys
import time

from bench.results import Section, at_most

RUNS = 15


def measure_help(_pairs: int) -> Section:
    """Measure `stormproof --help`, wall time, as a whole process."""
    times = [_help_ms() for _ in range(RUNS + 1)][1:]
    return Section(title="Start-up", rows=[at_most("stormproof --help, ms", times, 150)])


def _help_ms() -> float:
    began_s = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "stormproof", "--help"], capture_output=True, check=True, timeout=30
    )
    return 1_000 * (time.perf_counter() - began_s)
