"""Compile a trial and a profile into a plan.

A trial owns journeys, faults, checkers and exact objectives; a profile owns every number and bar.
All problems of both are collected and raised together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from stormproof.kernel.canonical import UNREADABLE, canonical_json, sha256_hex
from stormproof.kernel.errors import BadInput, Problem
from stormproof.model.authored import Authored
from stormproof.model.objective import Objective
from stormproof.model.own_stack import OwnStack
from stormproof.model.plan import OwnChecker, Plan, PlannedFault, PlannedProbe, Source
from stormproof.model.profile import ProbeNumbers, Profile, ScenarioNumbers
from stormproof.model.trial import Trial
from stormproof.planning.declarations import Breakable, shape_problems, trial_problems
from stormproof.planning.drills import asked_of, with_drill
from stormproof.planning.faults import fault_problems, planned_faults
from stormproof.planning.final_reads import final_read_problems, planned_reads
from stormproof.planning.metrics import metric_problems
from stormproof.planning.planned import planned_scenario
from stormproof.planning.problems import (
    clashes_of,
    gate_problems,
    repetitions,
    tag_problems,
    timeline_problems,
)
from stormproof.planning.safety import limit_problems, rate_cap_per_s, target_problems
from stormproof.planning.scale import Scale, scale_problems
from stormproof.planning.sources import planned_sources, stream_problems, with_streams
from stormproof.planning.stacks import (
    breakable_on,
    left_out,
    service_faults,
    stack_kind,
)
from stormproof.planning.stops import read_stops
from stormproof.planning.thresholds import read_thresholds
from stormproof.planning.trials import LoadedTrial
from stormproof.rules.evidence import decide_not_judged
from stormproof.rules.questions import Declared, declared_by, problems_of

# A file, a journey of it and the settings it gets -> what is wrong with these, by their names.
JourneyCheck = Callable[[Path, str, Mapping[str, str] | None], Sequence[Problem]]
_NO_NUMBERS = ScenarioNumbers(executor="constant-vus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the command line adds to trial and profile; `capped`: it bounds users or rate."""

    scale: float = 1.0
    seed: int | None = None
    target: str = ""
    ws_target: str = ""  # of WebSockets, as an http URL
    own_stack: OwnStack | None = None  # instead of the one that the trial says
    capped: bool = False


def compile_plan(
    loaded: LoadedTrial,
    profile: Profile,
    found: Iterable[Problem],
    *,
    choices: Choices,
    check_journey: JourneyCheck,
    breakable: Breakable,
    authored: Authored | None = None,
) -> Plan:
    """Compile a plan.

    Args:
        loaded: the trial.
        profile: its numbers.
        found: the profile's problems so far.
        choices: what the command line adds.
        check_journey: loads user code, and says what is wrong with its settings.
        breakable: what each kind of fault may hit on the embedded stack.
        authored: what the trial's file declares beside its journeys.

    Raises:
        BadInput: with every problem of trial, profile and choices.
    """
    problems = list(found)
    trial = loaded.trial
    if misshapen := shape_problems(trial):
        raise BadInput([*problems, *misshapen])
    problems += scale_problems(choices.scale)
    has_place = bool(choices.target) or choices.own_stack is not None
    known = breakable_on(trial, choices.own_stack, breakable)
    problems += trial_problems(trial, known, has_place=has_place)
    problems += service_faults(trial, choices.own_stack)
    problems += clashes_of(trial, profile)
    problems += _bad_journeys(loaded, profile, check_journey)
    scaled = Scale(trial, profile, choices.scale)
    plan = _draft(loaded, profile, choices, scaled, authored or Authored())
    problems += tag_problems(plan, profile.where)
    checked = [one for own in plan.own_checkers for one in own.metrics]
    problems += metric_problems([*plan.metrics, *checked], loaded.path.name)
    problems += timeline_problems(plan, profile)
    problems += fault_problems(trial, profile, scaled, plan.scenarios)
    problems += final_read_problems(trial, profile, plan)
    problems += limit_problems(plan, profile.limits, profile.where)
    problems += _bad_targets(plan, choices.capped or profile.limits.is_cap)
    plan, bad = _with_objectives(plan, trial, profile)
    problems += [*bad, *stream_problems(plan.sources, profile.where)]
    named = _with_every_name(plan, loaded, profile, scaled)
    problems += [
        Problem(where=profile.where, what=text)
        for one in asked_of(plan)
        for text in problems_of(one, named)
    ]
    if problems:
        raise BadInput(_unique(problems))
    return _storable(_decidable(plan, profile))


def _decidable(plan: Plan, profile: Profile) -> Plan:
    """Return a sound plan with the objectives that it can decide, and why not the others."""
    kept, not_judged = decide_not_judged(plan, plan.objectives)
    return msgspec.structs.replace(
        plan,
        rate_cap_per_s=rate_cap_per_s(plan, profile.limits),
        scope="reduced" if not_judged else plan.scope,
        objectives=tuple(kept),
        not_judged=tuple(not_judged),
    )


def _storable(plan: Plan) -> Plan:
    """Return a plan that its own file gives back; a trial is Python and may hold anything.

    Raises:
        BadInput: a value is none that the plan can hold, or that can be written.
    """
    try:
        return msgspec.json.decode(canonical_json(plan), type=Plan)
    except (TypeError, UnicodeEncodeError, *UNREADABLE) as error:
        place, what = f"trial {plan.trial}", f"holds a value that no plan can: {error}"
        raise BadInput([Problem(where=place, what=what)]) from error


def _bad_targets(plan: Plan, capped: bool) -> list[Problem]:
    """Find what keeps load from going where the plan sends it."""
    network = plan.network
    return [
        *target_problems(plan.target, capped=capped, network=network),
        *target_problems(plan.ws_target, capped=capped, network=network, option="WS_URL"),
    ]


def _with_objectives(plan: Plan, trial: Trial, profile: Profile) -> tuple[Plan, list[Problem]]:
    """Give a plan all that is asked of it: objectives, gate, and what stops its faults."""
    declared = declared_by(plan)
    objectives, gate, bad = _read_all(trial, profile, declared)
    stops, wrong = read_stops(profile, declared, objectives)
    asked = msgspec.structs.replace(
        plan,
        gate=tuple(gate),
        objectives=tuple(objectives),
        stops=tuple(stops) if plan.faults else (),
        sources=with_streams(plan.sources, objectives),
    )
    drilled, told = with_drill(asked, profile, declared)
    return drilled, [*bad, *wrong, *told]


def _read_all(
    trial: Trial, profile: Profile, declared: Declared
) -> tuple[list[Objective], list[Objective], list[Problem]]:
    """Read the objectives (the trial's exact ones, the profile's bars) and the gate."""
    trial_place = f"trial {trial.name}"
    exact, bad_exact = read_thresholds(trial.objectives, trial_place, exact=True, declared=declared)
    place = f"{profile.where}: thresholds"
    bars, bad_bars = read_thresholds(profile.thresholds, place, exact=False, declared=declared)
    gate_place = f"{profile.where}: gate"
    gate, bad_gate = read_thresholds(profile.gate, gate_place, exact=False, declared=declared)
    problems = [*bad_exact, *bad_bars, *repetitions(bars, place), *bad_gate]
    return [*exact, *bars], gate, [*problems, *gate_problems(gate, gate_place)]


def _with_every_name(plan: Plan, loaded: LoadedTrial, profile: Profile, scaled: Scale) -> Plan:
    """Give a plan all that the trial names, so that what is missing is not told again and again."""
    trial = loaded.trial
    return msgspec.structs.replace(
        plan,
        scenarios=tuple(
            planned_scenario(loaded, name, profile.scenarios.get(name, _NO_NUMBERS), scaled)
            for name in trial.scenarios
        ),
        faults=tuple(
            PlannedFault(name=name, kind=fault.kind, part=fault.part, at_ns=0)
            for name, fault in trial.faults.items()
        ),
    )


def _draft(
    loaded: LoadedTrial,
    profile: Profile,
    choices: Choices,
    scaled: Scale,
    authored: Authored,
) -> Plan:
    """Make the plan without its objectives; what is missing or clashes is reported elsewhere."""
    trial = loaded.trial
    stack = stack_kind(trial, choices.own_stack, choices.target)
    scenarios = tuple(
        planned_scenario(loaded, name, profile.scenarios[name], scaled)
        for name in trial.scenarios
        if name in profile.scenarios
    )
    return Plan(
        trial=trial.name,
        title=trial.title,
        profile=profile.ref,
        scope="full" if choices.scale >= 1 else "reduced",
        scale=choices.scale,
        seed=profile.seed if choices.seed is None else choices.seed,
        stack=stack,
        own_stack=choices.own_stack,
        target=choices.target,
        ws_target=choices.ws_target,
        tls=profile.tls,
        network=profile.network,
        notes=(*profile.notes, *left_out(trial, profile, stack, choices.target)),
        ports=dict(profile.ports) if stack == "embedded" else {},
        population=profile.population,
        workers=profile.workers,
        warmup_ns=profile.warmup_ns,
        duration_ns=scaled.duration_ns,
        ready_deadline_ns=profile.ready_ns,
        drain_deadline_ns=profile.drain_ns,
        recovery_bar_ns=profile.recovery_ns,
        scenarios=scenarios,
        modules={file: sha256_hex(source) for file, source in loaded.modules.items()},
        setup=_source(loaded, authored.setup) if authored.setup else None,
        teardown=_source(loaded, authored.teardown) if authored.teardown else None,
        feeds=authored.feeds,
        secrets=_secrets(authored, choices.own_stack),
        tags=authored.tags,
        metrics=authored.metrics,
        own_checkers=_own_checkers(loaded, profile, authored),
        faults=() if choices.target else planned_faults(trial, profile, scaled, scenarios),
        probes=_probes(trial, profile),
        sources=planned_sources(profile, stack, choices.own_stack),
        final_reads=planned_reads(trial, profile),
        checkers=trial.checkers,
        gate=(),
        objectives=(),
    )


def _source(loaded: LoadedTrial, function: str) -> Source:
    return Source(file=loaded.path.name, function=function, sha256=loaded.sha256)


def _own_checkers(
    loaded: LoadedTrial, profile: Profile, authored: Authored
) -> tuple[OwnChecker, ...]:
    return tuple(
        OwnChecker(
            source=_source(loaded, function),
            metrics=metrics,
            timeout_ns=profile.checker_timeout_ns,
        )
        for function, metrics in authored.checkers.items()
    )


def _secrets(authored: Authored, own: OwnStack | None) -> tuple[str, ...]:
    return tuple(sorted({*authored.secrets, *(() if own is None else own.secrets)}))


def _probes(trial: Trial, profile: Profile) -> tuple[PlannedProbe, ...]:
    planned = []
    for name, probe in trial.probes.items():
        numbers = profile.probes.get(name, ProbeNumbers())
        planned.append(
            PlannedProbe(
                name=name,
                path=probe.path,
                method=probe.method,
                body=probe.body,
                sign_in=probe.sign_in,
                interval_ns=numbers.interval_ns,
                timeout_ns=numbers.timeout_ns,
            )
        )
    return tuple(planned)


def _bad_journeys(loaded: LoadedTrial, profile: Profile, check: JourneyCheck) -> list[Problem]:
    problems: list[Problem] = []
    for name, function in loaded.trial.scenarios.items():
        numbers = profile.scenarios.get(name)
        place = f"{profile.where}: scenarios {name} env"
        try:
            told = check(loaded.path, function, None if numbers is None else numbers.env)
        except BadInput as error:
            problems += error.problems
        else:
            problems += [replace(one, where=f"{place} {one.where}") for one in told]
    return problems


def _unique(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
