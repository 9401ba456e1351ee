"""Does the tool stay as it is, however long it runs? Its memory, and what it writes an hour.

Not among what `make bench` measures, for its length: `python -m bench --only soak`.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.machine import cores
from bench.origin import nginx
from bench.processes import BenchFailure
from bench.results import Row, Section, at_most, figure
from bench.subject import JUDGED, argv_of, profile_of

MINUTES = 20
RATE = 5_000
USERS = 200
SAMPLE_S = 5.0
SETTLED = 0.2  # of the run, after which memory should not grow any more
MB = 1_000_000
RECORD_MB_HOUR = 200  # besides the ledger
GROWTH_MB_HOUR = 10  # of a process; a leak of one byte an operation is 18
PAGE = os.sysconf("SC_PAGE_SIZE")

Samples = dict[str, list[tuple[float, int]]]  # seconds since the start, bytes


def measure_soak(_pairs: int) -> Section:
    """Measure the memory of controller and workers over twenty minutes at 5,000 requests/s."""
    core = cores()
    minutes = float(os.environ.get("BENCH_SOAK_MINUTES", MINUTES))
    scenario: dict[str, object] = {
        "executor": "constant-arrival-rate",
        "rate": RATE,
        "duration": f"{minutes * 60:.0f}s",
        "preAllocatedVUs": USERS,
        "maxVUs": USERS,
    }
    with nginx(core.server) as url, tempfile.TemporaryDirectory(prefix="stormproof-bench-") as out:
        profile = profile_of("get_and_check", scenario, Path(out))
        argv = argv_of(profile, url, Path(out), workers=1)
        with _started(argv) as process:
            samples = _watch(process)
        record_mb = _record_bytes(Path(out)) / MB
    hours = minutes / 60
    rows: list[Row] = []
    for name, taken in samples.items():
        kept = [one for one in taken if one[0] >= SETTLED * minutes * 60]
        if len(kept) < 10:
            raise BenchFailure(f"{name} lived too short to say anything of its memory")
        rows += [
            figure(f"{name}: memory at the start of the rest, MB", [kept[0][1] / MB]),
            figure(f"{name}: memory at the end, MB", [kept[-1][1] / MB]),
            at_most(f"{name}: slope, MB an hour", [slope_per_hour(kept) / MB], GROWTH_MB_HOUR),
        ]
    rows.append(
        at_most("record without its ledger, MB an hour", [record_mb / hours], RECORD_MB_HOUR)
    )
    about = (
        f"{minutes:g} minutes at {RATE:,} iterations/s (GET + check), sampled every {SAMPLE_S:g} s;"
        f" the slope is Theil and Sen's over the last {1 - SETTLED:.0%}."
    )
    return Section(title="Soak", rows=rows, about=about)


def slope_per_hour(samples: list[tuple[float, int]]) -> float:
    """Return the median slope of all pairs of samples, in bytes an hour.

    Source: Theil, 1950; Sen, "Estimates of the regression coefficient", 1968.
    """
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for number, earlier in enumerate(samples)
        for later in samples[number + 1 :]
    ]
    return 3_600 * median(slopes)


@contextmanager
def _started(argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
    if process.returncode not in JUDGED:
        raise BenchFailure(f"stormproof run ended with {process.returncode}")


def _watch(process: subprocess.Popen[bytes]) -> Samples:
    """Sample the process and its children until it ends."""
    began_s = time.monotonic()
    samples: Samples = {}
    while process.poll() is None:
        at_s = time.monotonic() - began_s
        for pid in [process.pid, *_children(process.pid)]:
            name = "controller" if pid == process.pid else _role(pid)
            resident = _resident_bytes(pid)
            if name and resident:
                samples.setdefault(name, []).append((at_s, resident))
        try:
            process.wait(SAMPLE_S)
        except subprocess.TimeoutExpired:
            continue
    return samples


def _children(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`."""
    folders = [one for one in Path("/proc").iterdir() if one.name.isdigit()]
    return [int(one.name) for one in folders if _parent(one) == pid]


def _parent(folder: Path) -> int:
    try:
        stat = (folder / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _role(pid: int) -> str:
    """Return what a child is for; empty for what does not count."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return "worker" if b"_worker" in command else ""


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _record_bytes(out: Path) -> int:
    return sum(
        path.stat().st_size
        for path in out.rglob("*")
        if path.is_file() and "ledger" not in path.name and path.name != "bench.json"
    )
