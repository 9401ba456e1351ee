"""How long each exact checker takes over ten million stored ledger entries, and its memory.

The made ledger is stored first, as two workers would have written it; a process of its own, on one
core, then reads the segments as `stormproof judge` does, checksums and digests included, and
checks. The time is CPU time of all that, the memory the most that process ever held, all included.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench.ledgers import ENTRIES, LEDGERS, as_written
from bench.machine import cores
from bench.processes import BenchFailure
from bench.results import Row, Section, at_most
from stormproof.checks.counters import check_counters
from stormproof.checks.effects import check_effects
from stormproof.checks.history import Told, read_history
from stormproof.checks.isolation import check_isolation
from stormproof.checks.outcome import Outcome
from stormproof.checks.registers import check_registers
from stormproof.checks.sessions import check_monotonic, check_own_writes, check_staleness
from stormproof.checks.sets import check_sets
from stormproof.checks.tally import tally_deliveries
from stormproof.checks.totals import check_totals
from stormproof.checks.unique_ids import check_unique_ids
from stormproof.model.finding import ACCUSING
from stormproof.model.ledger import ENTRY_BYTES
from stormproof.rules.grammar import objective, split_objective
from stormproof.rules.windows import Windows
from stormproof.store.reader import ledger_of, read_stored
from stormproof.store.segment import SegmentRecorder

SECONDS_MAX: Final = 10
MEGABYTES_MAX: Final = 1_000
WORKERS: Final = 2
FRAME_ENTRIES: Final = 20_000  # what a busy worker writes at once
PATIENCE_SECONDS: Final = 900
RUNS_MAX: Final = 3
ASKED: Final = (
    "register_nonlinearizable: count==0",
    "reads_not_own_writes: count==0",
    "reads_not_monotonic: count==0",
    "reads_stale: count==0",
)
SESSIONS: Final = (check_own_writes, check_monotonic, check_staleness)
CHECKERS: Final[dict[str, tuple[Callable[[Told], Outcome], ...]]] = {
    "sets of one key": (check_sets,),
    "sets of 10,000 keys": (check_sets,),
    "counters of one key": (check_counters,),
    "counters of 100,000 keys": (check_counters,),
    "unique ids": (check_unique_ids,),
    "effects": (check_effects,),
    "isolation": (check_isolation,),
    "totals of 10,000 keys": (check_totals,),
    "registers of 100,000 keys": (check_registers,),
}
ALSO: Final = {
    "sessions of 100,000 registers": ("registers of 100,000 keys", SESSIONS),
    "sessions of 10,000 sets": ("sets of 10,000 keys", SESSIONS),
}
ABOUT: Final = (
    f"{ENTRIES:,} entries of {ENTRY_BYTES} bytes, written by {WORKERS} workers, all well. CPU time"
    " on one core, reading the stored segments with checksums and digests included; peak memory of"
    " the whole process, the ledger in it included."
)


def measure_checking(pairs: int) -> Section:
    """Measure every checker that has ten million entries to go through.

    Each is run up to three times, and once where the first run shows that the bar is missed.
    """
    rows: list[Row] = []
    for name in LEDGERS:
        with tempfile.TemporaryDirectory(prefix="stormproof-bench-") as folder:
            _run("make", name, folder)
            wanted = [name, *(also for also, (of, _) in ALSO.items() if of == name)]
            rows += [row for one in wanted for row in _measured(one, folder, min(pairs, RUNS_MAX))]
    return Section(title="Exact checks", rows=rows, about=ABOUT)


def _measured(name: str, folder: str, times: int) -> list[Row]:
    runs = list[list[str]]()
    while len(runs) < times and (not runs or float(runs[0][0]) <= SECONDS_MAX):
        runs.append(_run("check", name, folder).split())
        sys.stderr.write(f"  {name}: {' '.join(runs[-1])}\n")
    seconds = [float(one[0]) for one in runs]
    megabytes = [float(one[1]) for one in runs]
    return [
        at_most(name, seconds, SECONDS_MAX, "s"),
        at_most(f"{name}: memory", megabytes, MEGABYTES_MAX, "MB"),
    ]


def _run(step: str, name: str, folder: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bench.checking", step, name, folder],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if done.returncode:
        raise BenchFailure(f"{name} could not be measured: {done.stderr[-300:]}")
    return done.stdout


def make(name: str, folder: Path) -> None:
    """Store a made ledger as the segments of its workers."""
    for worker, rows in enumerate(as_written(LEDGERS[name](), WORKERS)):
        recorder = SegmentRecorder(folder / f"worker-{worker}.seg", writer=f"worker-{worker}")
        for start in range(0, len(rows), FRAME_ENTRIES):
            recorder.ledger(rows[start : start + FRAME_ENTRIES].tobytes())
        recorder.close("completed")


def check(name: str, folder: Path) -> None:
    """Print the seconds of reading and checking, the peak in megabytes, and what was found.

    Raises:
        SystemExit: a healthy ledger was accused.
    """
    os.sched_setaffinity(0, {cores().tool})
    began_s = time.process_time()
    stored = [read_stored(file).content for file in sorted(folder.glob("*.seg"))]
    segments = ledger_of(stored)
    del stored
    entries, told = sum(map(len, segments)), ""
    if name == "delivery":
        tally = tally_deliveries(segments, drained=True, whole=True)
        told = "accused" if len(tally.lost) or len(tally.doubled) or not tally.owed else "owed"
    else:
        outcomes = _outcomes(name, segments)
        told = _told(outcomes)
    seconds = time.process_time() - began_s
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(f"{seconds:.3f} {peak_kb / 1024:.1f} {entries} {told}\n")
    if told == "accused":
        raise SystemExit("a healthy ledger was accused")


def _outcomes(
    name: str, segments: Sequence[np.ndarray[tuple[int], np.dtype[np.void]]]
) -> list[Outcome]:
    history = read_history(segments, whole=True)
    windows = Windows(origin_ns=0, faults=(), load_end_ns=0, by_window={})
    asked = tuple(objective(*split_objective(one)) for one in ASKED)
    checks = CHECKERS[name] if name in CHECKERS else ALSO[name][1]
    return [one(Told(history=history, windows=windows, asked=asked)) for one in checks]


def _told(outcomes: Sequence[Outcome]) -> str:
    if any(found.kind in ACCUSING for one in outcomes for found in one.findings):
        return "accused"
    doubts = {one.why for outcome in outcomes for one in outcome.measured.values() if one.why}
    return f"undecided: {sorted(doubts)}" if doubts else "held"


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
