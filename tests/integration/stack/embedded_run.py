"""The embedded stack of one test, and what it leaves on the machine."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.faults.small_stack import KEEPER_ARGV, accepts

from stormproof.model.event import Event, PartEvent
from stormproof.model.part import StackPlan
from stormproof.model.plan import Plan, PlannedFault, Population, ProfileRef
from stormproof.stack.embedded import plan_embedded
from stormproof.stack.kept import KeptStack

CUT = PlannedFault(name="cut", kind="link-partition", part="cache-link", at_ns=0, for_ns=1)
RESTART = PlannedFault(name="restart", kind="process-restart", part="cache", at_ns=0)


def small_plan(
    ports: dict[str, int] | None = None, faults: tuple[PlannedFault, ...] = (CUT, RESTART)
) -> Plan:
    """Plan a run of which only what the stack looks at matters."""
    return Plan(
        trial="test",
        title="test",
        profile=ProfileRef(name="test", sha256=""),
        scope="full",
        scale=1.0,
        seed=1,
        stack="embedded",
        ports=ports or {},
        population=Population(users=4, channels=2, posts=5),
        workers=1,
        warmup_ns=0,
        duration_ns=0,
        ready_deadline_ns=30_000_000_000,
        drain_deadline_ns=0,
        recovery_bar_ns=0,
        scenarios=(),
        faults=faults,
        probes=(),
        checkers=(),
        gate=(),
        objectives=(),
    )


@dataclass(kw_only=True)
class EmbeddedRun:
    """One embedded stack below a test's folder."""

    root: Path
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.run_id = f"test-{secrets.token_hex(6)}"
        self.run_dir = self.root / self.run_id
        (self.run_dir / "record").mkdir(parents=True)
        self.index_dir = self.root / "index" / "open"
        self.plan: StackPlan = plan_embedded(small_plan(), self.run_id, self.run_dir, [])
        self.private_dir = Path(self.plan.private_dir)

    def kept(self, *faults: PlannedFault) -> KeptStack:
        return KeptStack(KEEPER_ARGV, self.plan, faults, self.events.append, self.index_dir)

    def ports(self) -> list[int]:
        ready = [getattr(step, "ready", None) for step in self.plan.steps]
        listening = [getattr(step, "listen_port", 0) for step in self.plan.steps]
        return [one.port for one in ready if one] + [port for port in listening if port]

    def is_gone(self) -> bool:
        """Whether no port answers, no folder and no index entry is left."""
        entries = list(self.index_dir.glob("*")) if self.index_dir.exists() else []
        answering = [port for port in self.ports() if accepts(port)]
        return not (entries or answering or self.private_dir.exists())

    def pids(self) -> dict[str, int]:
        """Return the pid of each part as it was last started."""
        started = [one for one in self.events if isinstance(one, PartEvent)]
        return {one.part: one.pid for one in started if one.step == "started"}
