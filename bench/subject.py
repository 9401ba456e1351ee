"""stormproof itself, as anybody runs it: `stormproof run`, read from its record."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.processes import BenchFailure
from stormproof.kernel.units import SECOND_NS
from stormproof.model.histogram import Histogram
from stormproof.model.record import Record
from stormproof.model.series import AnyFrame, SeriesKind
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import load_record

JOURNEYS = Path(__file__).with_name("journeys.py")
EDGE_SECONDS = 1  # left out at either end: users start, users stop
PATIENCE_SECONDS = 300
JUDGED = (0, 1, 2)  # exit codes of a run that was carried out


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the workers did in the steady seconds of a run."""

    operations: int
    failed: int
    cpu_s: float
    seconds: int
    schedule_lag_p99_ms: float
    rss_bytes: int

    @property
    def per_cpu_second(self) -> float:
        """Return operations a CPU-second."""
        return self.operations / self.cpu_s

    @property
    def us_each(self) -> float:
        """Return microseconds of CPU an operation."""
        return 1e6 * self.cpu_s / self.operations


def run_journey(
    function: str, url: str, core: int, *, scenario: dict[str, object], workers: int = 1
) -> Measured:
    """Run one journey under a scenario (k6's options) on `core`; return its steady seconds.

    Raises:
        BenchFailure: the run was not carried out, or operations failed.
    """
    return _measure(run_record(function, url, core, scenario=scenario, workers=workers))


def run_record(
    function: str, url: str, core: int, *, scenario: dict[str, object], workers: int = 1
) -> Record:
    """Run one journey under a scenario (k6's options) on `core`; return the record.

    Raises:
        BenchFailure: the run was not carried out.
    """
    with tempfile.TemporaryDirectory(prefix="stormproof-bench-") as folder:
        out = Path(folder)
        profile = profile_of(function, scenario, out)
        _carry_out(["taskset", "-c", str(core), *argv_of(profile, url, out, workers=workers)])
        runs = [path for path in out.iterdir() if path.is_dir()]
        return load_record(RunDirectory(runs[0]))


def profile_of(function: str, scenario: dict[str, object], folder: Path) -> Path:
    """Write a profile that runs one journey under a scenario (k6's options)."""
    numbers = dict(scenario)
    length = numbers["duration"]
    if "stages" in numbers:
        del numbers["duration"]
    options = {
        "warmup": "1s",
        "duration": length,
        "scenarios": {"bench": {**numbers, "exec": function}},
        "thresholds": {"checks": ["rate==1"]},
    }
    profile = folder / "bench.json"
    profile.write_text(json.dumps(options), encoding="utf-8")
    return profile


def argv_of(profile: Path, url: str, out: Path, *, workers: int) -> list[str]:
    """Return the command of a run."""
    argv = [sys.executable, "-m", "stormproof", "run", str(JOURNEYS), "--profile", str(profile)]
    return [*argv, "--target", url, "--workers", str(workers), "--out", str(out)]


def _carry_out(argv: list[str]) -> None:
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode not in JUDGED:
        said = (done.stderr + done.stdout).strip()[-600:]
        raise BenchFailure(f"stormproof run ended with {done.returncode}: {said}")


def _measure(record: Record) -> Measured:
    last = max(frame.second for frame in record.frames)
    end_s = min(last, int(record.plan.duration_ns / SECOND_NS))
    steady = [one for one in record.frames if EDGE_SECONDS <= one.second < end_s - EDGE_SECONDS]
    if not steady:
        raise BenchFailure("the run was too short to measure")
    operations, failed = _operations(record, steady)
    lag = Histogram()
    for frame in steady:
        lag.add(frame.generator.schedule_lag_index, frame.generator.schedule_lag_count)
    if failed:
        raise BenchFailure(f"{failed} of {operations} operations failed")
    return Measured(
        operations=operations,
        failed=failed,
        cpu_s=sum(frame.generator.cpu_ns for frame in steady) / SECOND_NS,
        seconds=len(steady),
        schedule_lag_p99_ms=(lag.percentile_us(99) or 0.0) / 1_000,
        rss_bytes=steady[-1].generator.rss_bytes,
    )


def _operations(record: Record, frames: list[AnyFrame]) -> tuple[int, int]:
    operations = failed = 0
    for frame in frames:
        kinds = record.series[frame.worker]
        for counts in frame.counts:
            if kinds[counts.series].kind is SeriesKind.OPERATION:
                operations += counts.count
                failed += counts.failed
    return operations, failed
