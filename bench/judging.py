"""What judging the record of a long run takes: time, and memory that a small machine has."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench.long_records import RATE, write_record
from bench.machine import cores
from bench.processes import BenchFailure
from bench.results import Row, Section, at_most, figure
from bench.subject import JUDGED

MINUTES: Final = (20, 120)
MEGABYTES_MAX: Final = 1_000
PATIENCE_SECONDS: Final = 1_800
ABOUT: Final = (
    f"`stormproof judge` on made records of one worker at {RATE:,} requests/s, eleven objectives"
    " and a probe; reports included. The memory is the most that the process ever held."
)


def measure_judging(_pairs: int) -> Section:
    """Measure the judging of twenty minutes and of two hours."""
    rows: list[Row] = []
    for minutes in MINUTES:
        with tempfile.TemporaryDirectory(prefix="stormproof-bench-") as folder:
            run = write_record(Path(folder) / "run", minutes * 60)
            stored = sum(file.stat().st_size for file in run.record.iterdir())
            seconds, megabytes = _judge(run.path)
        rows += [
            figure(f"{minutes} minutes: record, MB", [stored / 1e6]),
            figure(f"{minutes} minutes: CPU seconds", [seconds]),
            at_most(f"{minutes} minutes: memory, MB", [megabytes], MEGABYTES_MAX),
        ]
    return Section(title="Judging long runs", rows=rows, about=ABOUT)


def _judge(run: Path) -> tuple[float, float]:
    """Return the CPU seconds of judging a run, and the most megabytes it held."""
    argv = ["taskset", "-c", str(cores().tool), sys.executable, "-m", "stormproof", "judge"]
    with subprocess.Popen(
        [*argv, str(run)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said = process.stderr.read() if process.stderr else b""
    if process.returncode not in JUDGED:
        raise BenchFailure(f"stormproof judge ended with {process.returncode}: {said[-300:]!r}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
