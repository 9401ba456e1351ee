"""A profile as read: the numbers of a trial, in the units the engine uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stormproof.model.plan import Executor, Population, ProfileRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioNumbers:
    """One scenario's load, with k6's option names in the file."""

    executor: Executor
    rate: float = 0.0
    time_unit_ns: int = 1_000_000_000
    vus: int = 1
    max_vus: int = 1
    start_ns: int = 0
    duration_ns: int | None = None  # None: as long as the profile's
    graceful_stop_ns: int = 30_000_000_000
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultNumbers:
    """When a fault comes, counted from the start of the load, and for how long it stays."""

    at_ns: int
    for_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeNumbers:
    """How often a probe asks and how long it waits."""

    interval_ns: int = 100_000_000
    timeout_ns: int = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One profile file; `where` names it in messages. Thresholds are still text."""

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
    gate: Mapping[str, tuple[str, ...]]
    thresholds: Mapping[str, tuple[str, ...]]
