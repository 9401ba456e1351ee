"""A fleet over a run directory, with what it reported."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.units import SECOND_NS
from stormproof.load.fleet import LocalFleet
from stormproof.model.event import Event, WarningEvent, WorkerEvent
from stormproof.model.plan import Executor, Plan, Population, ProfileRef, Scenario, Source
from stormproof.model.series import Frame, Series
from stormproof.store.segment import SegmentContent, read_segment

HERE = Path(__file__).parent
JOURNEYS = HERE / "scripted_journeys.py"
LEAD_NS = 100_000_000


def scenario(
    function: str,
    *,
    executor: Executor = "constant-arrival-rate",
    seconds: float = 1.0,
    vus: int = 10,
    max_vus: int = 0,
    rate: float = 0.0,
    graceful_s: float = 2.0,
    env: dict[str, str] | None = None,
    file: Path = JOURNEYS,
) -> Scenario:
    """Make a scenario of one of the scripted journeys, named like it."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Scenario(
        name=function,
        journey=Source(file=file.name, function=function, sha256=digest),
        executor=executor,
        duration_ns=int(seconds * SECOND_NS),
        vus=vus,
        max_vus=max(vus, max_vus),
        rate=rate,
        graceful_stop_ns=int(graceful_s * SECOND_NS),
        env=env or {},
    )


def make_plan(*scenarios: Scenario, workers: int = 1) -> Plan:
    """Make a plan of scenarios and nothing else."""
    return Plan(
        trial="test",
        title="A test",
        profile=ProfileRef(name="test", sha256="0" * 64),
        scope="full",
        scale=1.0,
        seed=7,
        stack="none",
        population=Population(users=0, channels=0, posts=0),
        workers=workers,
        warmup_ns=0,
        duration_ns=SECOND_NS,
        ready_deadline_ns=SECOND_NS,
        drain_deadline_ns=SECOND_NS,
        recovery_bar_ns=SECOND_NS,
        scenarios=scenarios,
        faults=(),
        probes=(),
        checkers=(),
        gate=(),
        objectives=(),
    )


def write_run(run_dir: Path, plan: Plan) -> None:
    """Lay out a run directory as the controller does."""
    for folder in ("journeys", "record", "logs"):
        (run_dir / folder).mkdir()
    for file in {scenario.journey.file for scenario in plan.scenarios}:
        shutil.copy(HERE / file, run_dir / "journeys")
    (run_dir / "plan.json").write_bytes(msgspec.json.encode(plan))


@dataclass(kw_only=True)
class Observed:
    """A fleet and everything it reported."""

    run_dir: Path
    fleet: LocalFleet
    frames: list[Frame] = field(default_factory=list)
    series: dict[int, dict[int, Series]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def total(self, metric: str, *, failed: bool = False, **tags: str) -> int:
        """Add up a metric over all workers and seconds, where it carries all of `tags`."""
        total = 0
        for frame in self.frames:
            for one in frame.counts:
                series = self.series[frame.worker][one.series]
                if series.metric == metric and tags.items() <= series.tags.items():
                    total += one.failed if failed else one.count
        return total

    def steps(self) -> list[tuple[int, str]]:
        """Return (worker, step) of each event of a worker."""
        return [(one.worker, one.step) for one in self.events if isinstance(one, WorkerEvent)]

    def warnings(self) -> Counter[str]:
        """Count warnings by their code."""
        return Counter(one.code for one in self.events if isinstance(one, WarningEvent))

    def segment(self, worker: int) -> SegmentContent:
        """Read what a worker has recorded."""
        return read_segment((self.run_dir / "record" / f"worker-{worker}.seg").read_bytes())


def observe(run_dir: Path, plan: Plan, *argv: str) -> Observed:
    """Make a fleet whose workers are processes of the test's own."""
    write_run(run_dir, plan)
    events: list[Event] = []
    observed: Observed

    def on_frame(frame: Frame, series: object) -> None:
        assert isinstance(series, dict)
        observed.frames.append(frame)
        observed.series[frame.worker] = dict(series)

    fleet = LocalFleet(
        worker_argv=[sys.executable, str(HERE / "worker_entry.py"), *argv],
        plan=plan,
        run_dir=run_dir,
        cores=[],
        on_frame=on_frame,
        on_event=events.append,
    )
    observed = Observed(run_dir=run_dir, fleet=fleet, events=events)
    return observed


async def drive(observed: Observed, url: str) -> int:
    """Prepare and drive; return the origin of the load."""
    await observed.fleet.prepare(url)
    origin_ns = monotonic_ns() + LEAD_NS
    await observed.fleet.drive(origin_ns)
    return origin_ns


async def stopping(observed: Observed, work: Callable[[], Awaitable[object]]) -> None:
    """Do something with a fleet and stop it whatever happens."""
    try:
        await work()
    finally:
        await observed.fleet.stop()
