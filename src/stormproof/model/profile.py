"""A profile as read: the numbers of a trial, in the units the engine uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stormproof.model.plan import (
    Arrivals,
    Blast,
    Executor,
    Network,
    Population,
    ProfileRef,
    Stage,
    TlsSettings,
)

RawThreshold = str | Mapping[str, object]  # k6's short form, or its long one


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioNumbers:
    """One scenario's load, with k6's option names in the file (see `model.plan.Scenario`)."""

    executor: Executor
    exec: str = ""  # the journey that it runs; empty: the one that the trial names
    rate: float = 0.0
    time_unit_ns: int = 1_000_000_000
    vus: int = 1
    max_vus: int = 1
    start_ns: int = 0
    duration_ns: int | None = None  # None: as long as the profile's
    graceful_stop_ns: int = 30_000_000_000
    stages: tuple[Stage, ...] = ()
    start_rate: float = 0.0
    start_vus: int = 1
    iterations: int = 1
    graceful_ramp_down_ns: int = 30_000_000_000
    arrivals: Arrivals = "even"
    tags: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultNumbers:
    """When a fault comes and for how long it stays.

    `at_ns` counts from the start of the load, or from the end of what it comes `after`, or from
    the start of what it comes `along` with (`planning.fault_times`). `settings` are as they were
    written; `planning.faults` reads them.
    """

    at_ns: int
    for_ns: int = 0
    after: str = ""
    along: str = ""
    ready_within_ns: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeNumbers:
    """How often a probe asks and how long it waits."""

    interval_ns: int = 100_000_000
    timeout_ns: int = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalReadNumbers:
    """How long a final read waits before it is made, or to find nothing, and how long it may take.

    `wait_ns` None: not at all, and to find nothing five seconds.
    """

    wait_ns: int | None = None
    timeout_ns: int = 30_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNumbers:
    """How often a source of figures is read, and where the target serves its own."""

    path: str = "/metrics"  # empty: it is not asked
    interval_ns: int = 5_000_000_000
    timeout_ns: int = 3_000_000_000
    url_from: str = ""  # see `model.plan.PlannedSource`
    streams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the load must stay below, whatever the scenarios ask for; None: only the hard limits."""

    vus: int | None = None
    rate: int | None = None  # iterations a second, all scenarios together
    requests: int | None = None  # iterations in all, of what is paced
    duration_ns: int = 86_400_000_000_000

    @property
    def is_cap(self) -> bool:
        """Say whether users or rate are bounded on purpose."""
        return self.vus is not None or self.rate is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One profile file; `where` names it in messages. Thresholds are as they were written."""

    where: str
    ref: ProfileRef
    trial: str  # the trial it is for; empty: any
    description: str
    seed: int
    workers: int
    warmup_ns: int
    duration_ns: int
    ready_ns: int
    drain_ns: int
    recovery_ns: int
    population: Population
    ports: Mapping[str, int]
    scenarios: Mapping[str, ScenarioNumbers]
    faults: Mapping[str, FaultNumbers]
    probes: Mapping[str, ProbeNumbers]
    gate: Mapping[str, tuple[RawThreshold, ...]]
    thresholds: Mapping[str, tuple[RawThreshold, ...]]
    hypotheses: Mapping[str, str] = field(default_factory=dict)
    slos: Mapping[str, str] = field(default_factory=dict)
    blast: Blast | None = None
    backlogs: tuple[str, ...] = ()
    stops: Mapping[str, tuple[RawThreshold, ...]] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    reference: str = ""  # figures of another machine, shown beside the results, never judged
    tls: TlsSettings = field(default_factory=TlsSettings)
    network: Network = field(default_factory=Network)
    sources: Mapping[str, SourceNumbers] = field(default_factory=dict)
    final_reads: Mapping[str, FinalReadNumbers] = field(default_factory=dict)
    checker_timeout_ns: int = 60_000_000_000  # that each checker of the trial's file may take
    notes: tuple[str, ...] = ()  # what was left out of it, for people
