"""What it costs the controller to scrape a target of 1,000 series, all that it does with them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvloop
from tests.builders import plan

from bench.machine import cores
from bench.processes import BenchFailure, run_pinned
from bench.results import Row, Section, at_most, figure
from stormproof.cli.live import LiveState
from stormproof.cli.observing import Observing
from stormproof.cli.stack_sources import StackSources
from stormproof.kernel.clock import SystemClock
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.event import Event
from stormproof.model.plan import PlannedSource
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.store.segment import SegmentRecorder

READINGS = 24
INTERVAL_NS = 250 * MILLISECOND_NS  # of the measurement: closer together, so that it takes seconds
BUDGET_SECONDS = 5  # what a reading may be laid to: how often a target is scraped
SHARE_MAX = 2  # per cent of a core
SERIES = 1_000
TIMEOUT_SECONDS = 60
PLANNED = PlannedSource(
    name="target", path="/metrics", interval_ns=INTERVAL_NS, timeout_ns=SECOND_NS
)
FORMATS = {"text": "text, classic histograms", "native": "protobuf, 150 native histograms"}


def measure_scraping(pairs: int) -> Section:
    """Measure the controller's CPU time over readings: asked for, parsed, recorded, shown."""
    core = cores()
    measured: dict[str, list[Mapping[str, float]]] = {kind: [] for kind in FORMATS}
    for _ in range(pairs):
        for kind, runs in measured.items():
            with _target(kind, core.server) as port:
                argv = [sys.executable, "-m", "bench.scraping", str(port)]
                cost = run_pinned(argv, core.tool, timeout_s=TIMEOUT_SECONDS)
            runs.append(_checked(json.loads(cost.output.splitlines()[-1])))
    return Section(
        title="Scraping a target",
        about=f"{SERIES:,} series, {READINGS} readings a run; CPU time of the whole controller.",
        rows=[row for kind, runs in measured.items() for row in _rows(FORMATS[kind], runs)],
    )


def _checked(run: Mapping[str, float]) -> Mapping[str, float]:
    if run["readings"] < READINGS or run["series"] < SERIES or run["errors"]:
        raise BenchFailure(f"not all was read: {run}")
    return run


def _rows(what: str, runs: Sequence[Mapping[str, float]]) -> list[Row]:
    each_s = [run["cpu_s"] / run["readings"] for run in runs]
    shares = [100 * one / BUDGET_SECONDS for one in each_s]
    kept = [run["bytes"] / run["readings"] / 1024 for run in runs]
    return [
        at_most(f"{what}: of a core, read every {BUDGET_SECONDS} s", shares, SHARE_MAX, "%"),
        figure(f"{what}: CPU time a reading", [1_000 * one for one in each_s], "ms"),
        figure(f"{what}: kept a reading", kept, "KB"),
    ]


@contextmanager
def _target(kind: str, core: int) -> Iterator[int]:
    argv = ["taskset", "-c", str(core), sys.executable, "-m", "bench.scraping_target", kind]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class _Kept:
    """Write readings as a controller does, and count them."""

    def __init__(self, recorder: SegmentRecorder) -> None:
        self.readings = self.errors = self.series = 0
        self.done = asyncio.Event()
        self._recorder = recorder

    def reading(self, reading: SourceReading, series: Sequence[ObservedSeries]) -> None:
        self._recorder.reading(reading, series)
        self.readings += 1
        self.errors += bool(reading.error)
        self.series += len(series)
        if self.readings >= READINGS:
            self.done.set()


async def _watch(port: int, folder: Path) -> None:
    """Read a target READINGS times; print what it took."""
    planned = plan(sources=(PLANNED,))
    clock, path = SystemClock(), folder / "controller.seg"
    recorder = SegmentRecorder(path, writer="controller")
    kept, warnings, told = _Kept(recorder), list[Event](), list[str]()
    state = LiveState(plan=planned, now_ns=clock.now_ns, tell=told.append)
    stack = StackSources(None, warnings.append, ())
    observing = Observing(planned, kept, clock, state, warnings.append, {}, stack)
    began_s = time.process_time()
    watching = asyncio.ensure_future(observing.watch(f"http://127.0.0.1:{port}"))
    await kept.done.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    used_s = time.process_time() - began_s
    recorder.close("done")
    measured = {
        "cpu_s": used_s,
        "readings": kept.readings,
        "series": kept.series,
        "errors": kept.errors + len(warnings) + len(told),
        "bytes": path.stat().st_size,
    }
    sys.stdout.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        uvloop.run(_watch(int(sys.argv[1]), Path(made)))
