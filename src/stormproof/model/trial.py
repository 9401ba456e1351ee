"""A trial: what a test is made of, without a single number; those are its profile's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stormproof.model.plan import FaultKind, SignIn, StackKind


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFault:
    """A fault of a trial: what is done (`kind`) to which link or part of the stack."""

    kind: FaultKind
    part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialProbe:
    """A question asked again and again, with a JSON `body` and a bearer token where needed."""

    path: str
    method: str = "GET"
    body: str = ""
    sign_in: SignIn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """Below these a trial does not shrink, whatever the scale."""

    duration: str = "10s"
    rates: Mapping[str, float] = field(default_factory=dict)  # scenario -> iterations a time unit
    vus: Mapping[str, int] = field(default_factory=dict)  # scenario -> users
    fault: str = "1s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Declare a trial as `TRIAL` in a file of its own, beside the journeys it names.

    Args:
        title: what it proves, in one line.
        stack: where the target runs when no `--target` is given.
        scenarios: scenario -> the journey's name in the trial's file.
        faults: fault -> what is broken how; their times are the profile's.
        probes: probe -> what is asked; "ready" is the target's readiness, "canary" an operation
            that needs what the faults break.
        checkers: what reads the ledger, e.g. "delivery".
        objectives: exact objectives, metric -> thresholds; one witness fails them.
        floors: below which it does not shrink.
    """

    name: str
    title: str
    stack: StackKind
    scenarios: Mapping[str, str]
    faults: Mapping[str, TrialFault] = field(default_factory=dict)
    probes: Mapping[str, TrialProbe] = field(default_factory=dict)
    checkers: tuple[str, ...] = ()
    objectives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    floors: Floors = field(default_factory=Floors)
