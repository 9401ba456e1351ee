"""What was run, on what, with which versions: as far as it may be shown.

Values that a scenario gets from its environment may be secrets and are never shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stormproof.kernel.units import SECOND_NS, duration_text
from stormproof.model.plan import Plan, PlannedFault, Scenario
from stormproof.model.record import Record
from stormproof.model.verdict import Verdict
from stormproof.report.number import bytes_text, clock, counted, figure

COURSE_SHOWN_MAX = 6  # stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A fact; `code` when it is to be read letter by letter."""

    name: str
    value: str
    code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingGroup:
    """Facts that belong together."""

    title: str
    settings: Sequence[Setting]


def settings_of(record: Record, verdict: Verdict) -> list[SettingGroup]:
    """Return all settings, grouped."""
    return [
        SettingGroup(title="Plan", settings=_plan(record, verdict)),
        SettingGroup(
            title="Load", settings=[_scenario(scenario) for scenario in record.plan.scenarios]
        ),
        SettingGroup(title="Faults", settings=[_fault(fault) for fault in record.plan.faults]),
        SettingGroup(title="Machine", settings=_machine(record)),
        SettingGroup(title="Versions", settings=_versions(record, verdict)),
    ]


def _plan(record: Record, verdict: Verdict) -> list[Setting]:
    plan = record.plan
    return [
        Setting(name="trial", value=plan.trial),
        Setting(name="profile", value=f"{plan.profile.name} ({plan.profile.sha256[:12]})"),
        *(Setting(name="left out of the profile", value=note) for note in plan.notes),
        Setting(name="judged with", value=verdict.profile),
        Setting(name="scope", value=f"{plan.scope}, scale {figure(plan.scale)}"),
        Setting(name="seed", value=str(plan.seed)),
        Setting(name="target", value=plan.target or _stack(plan)),
        *([] if plan.stack != "embedded" else [Setting(name="seeded with", value=_seeded(plan))]),
        Setting(name="warm-up", value=duration_text(plan.warmup_ns) if plan.warmup_ns else "none"),
        Setting(name="length of the load", value=duration_text(plan.duration_ns)),
        Setting(name="checkers", value=", ".join(plan.checkers) or "none"),
        Setting(name="plan digest", value=verdict.plan_sha256, code=True),
    ]


def _stack(plan: Plan) -> str:
    own = plan.own_stack
    return f"{plan.stack} stack" if own is None else f"{plan.stack} stack of {own.file}"


def _seeded(plan: Plan) -> str:
    people = plan.population
    kinds = ((people.users, "user"), (people.channels, "channel"), (people.posts, "post"))
    return ", ".join(counted(number, noun) for number, noun in kinds)


def _scenario(scenario: Scenario) -> Setting:
    value = f"{scenario.executor}: {load_of(scenario)}, {scenario.journey}"
    return Setting(name=scenario.name, value=value)


def load_of(scenario: Scenario) -> str:
    """Say how much load a scenario is, in a few words."""
    users = counted(scenario.vus, "user")
    match scenario.executor:
        case "constant-arrival-rate" | "ramping-arrival-rate":
            crowd = f"{scenario.vus:,} to {scenario.max_vus:,} users"
            at_random = " at random" if scenario.arrivals == "poisson" else ""
            return f"{_rates(scenario)} starts a second{at_random}, {crowd}"
        case "ramping-vus":
            return f"{scenario.start_vus:,} {_course(scenario)} users in a closed loop"
        case "per-vu-iterations":
            return f"{users}, {counted(scenario.iterations, 'iteration')} each"
        case "shared-iterations":
            return f"{users} sharing {counted(scenario.iterations, 'iteration')}"
        case _:
            return f"{users} in a closed loop"


def _rates(scenario: Scenario) -> str:
    per_s = SECOND_NS / scenario.time_unit_ns
    if scenario.executor == "constant-arrival-rate":
        return figure(scenario.rate * per_s)
    return f"{figure(scenario.start_rate * per_s)} {_course(scenario, per_s)}"


def _course(scenario: Scenario, factor: float = 1.0) -> str:
    """Say where stages lead to; the middle of many is left out."""
    steps = [
        f"to {figure(stage.target * factor)} in {duration_text(stage.duration_ns)}"
        if stage.duration_ns
        else f"at once to {figure(stage.target * factor)}"
        for stage in scenario.stages
    ]
    shown = steps if len(steps) <= COURSE_SHOWN_MAX else [*steps[:2], "...", *steps[-2:]]
    return ", ".join(shown)


def _fault(fault: PlannedFault) -> Setting:
    length = f" for {duration_text(fault.for_ns)}" if fault.for_ns else ""
    at = clock(fault.at_ns / SECOND_NS)
    return Setting(name=fault.name, value=f"{fault.kind} of {fault.part} at {at}{length}")


def _machine(record: Record) -> list[Setting]:
    manifest = record.manifest
    return [
        Setting(name="machine", value=manifest.machine),
        Setting(name="cores", value=str(manifest.cores)),
        Setting(name="memory", value=bytes_text(manifest.memory_bytes)),
        Setting(name="kernel", value=manifest.kernel),
        Setting(name="cores of the workers", value=_cores(manifest.worker_cores)),
        Setting(name="cores of the stack", value=_cores(manifest.stack_cores)),
    ]


def _cores(cores: Sequence[int]) -> str:
    return ", ".join(map(str, cores)) or "any"


def _versions(record: Record, verdict: Verdict) -> list[Setting]:
    manifest = record.manifest
    own = [
        Setting(name="stormproof (run)", value=manifest.stormproof),
        Setting(name="stormproof (judged)", value=verdict.stormproof),
        Setting(name="Python", value=manifest.python),
    ]
    return own + [Setting(name=name, value=one) for name, one in sorted(manifest.versions.items())]
