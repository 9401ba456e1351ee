"""Compile a trial and a profile into a plan.

A trial owns journeys, faults, checkers and exact objectives; a profile owns every number and bar.
All problems of both are collected and raised together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import RATE_PER_S_MAX, USERS_MAX
from stormproof.kernel.units import SECOND_NS, duration_text, parse_duration_ns
from stormproof.model.objective import Objective
from stormproof.model.plan import Plan, PlannedFault, PlannedProbe, Scenario, Source
from stormproof.model.profile import ProbeNumbers, Profile, ScenarioNumbers
from stormproof.model.trial import Trial
from stormproof.planning.trials import LoadedTrial
from stormproof.rules.catalog import problems_of
from stormproof.rules.evidence import decide_not_judged
from stormproof.rules.grammar import objective

CHECKERS = ("delivery",)
JourneyCheck = Callable[[Path, str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the command line adds to trial and profile."""

    scale: float = 1.0
    seed: int | None = None
    target: str = ""


def compile_plan(
    loaded: LoadedTrial,
    profile: Profile,
    found: Iterable[Problem],
    *,
    choices: Choices,
    check_journey: JourneyCheck,
) -> Plan:
    """Compile a plan; `found` are the profile's problems, `check_journey` loads user code.

    Raises:
        BadInput: with every problem of trial, profile and choices.
    """
    problems = list(found)
    trial = loaded.trial
    scaled = _Scale(trial, profile, choices.scale)
    problems += _clashes(trial, profile)
    problems += _bad_journeys(loaded, check_journey)
    plan = _draft(loaded, profile, choices, scaled)
    problems += _bad_timeline(plan, profile)
    problems += _bad_target(choices.target)
    objectives, bad = read_objectives(trial, profile)
    problems += bad
    gate, bad = read_thresholds(profile.gate, f"{profile.where}: gate", exact=False)
    problems += bad
    plan = msgspec.structs.replace(plan, gate=tuple(gate), objectives=tuple(objectives))
    if not problems:
        problems += [
            Problem(where=profile.where, what=text)
            for one in (*gate, *objectives)
            for text in problems_of(one, plan)
        ]
    if problems:
        raise BadInput(_unique(problems))
    kept, not_judged = decide_not_judged(plan, objectives)
    return msgspec.structs.replace(
        plan,
        scope="reduced" if not_judged else plan.scope,
        objectives=tuple(kept),
        not_judged=tuple(not_judged),
    )


def read_objectives(trial: Trial, profile: Profile) -> tuple[list[Objective], list[Problem]]:
    """Read the trial's exact objectives and the profile's thresholds, with all problems."""
    exact, bad_exact = read_thresholds(trial.objectives, f"trial {trial.name}", exact=True)
    bars, bad_bars = read_thresholds(
        profile.thresholds, f"{profile.where}: thresholds", exact=False
    )
    return [*exact, *bars], [*bad_exact, *bad_bars]


def read_thresholds(
    texts: Mapping[str, Iterable[str]], where: str, *, exact: bool
) -> tuple[list[Objective], list[Problem]]:
    """Read thresholds by metric, with all problems; `where` names them in messages."""
    read: list[Objective] = []
    problems: list[Problem] = []
    for metric, thresholds in texts.items():
        for threshold in thresholds:
            try:
                read.append(objective(metric, threshold, exact=exact))
            except ValueError as error:
                problems.append(Problem(where=f"{where} {metric!r}", what=str(error)))
    return read, problems


class _Scale:
    """Multiply rates, users and durations, never below the trial's floors."""

    def __init__(self, trial: Trial, profile: Profile, factor: float) -> None:
        self._factor = factor
        self._floors = trial.floors
        floor_ns = parse_duration_ns(trial.floors.duration)
        full_ns = profile.duration_ns
        self.duration_ns = full_ns if factor == 1 else max(round(full_ns * factor), floor_ns)
        self._stretch = self.duration_ns / full_ns

    def time_ns(self, instant_ns: int) -> int:
        """Keep an instant at its share of the timeline."""
        return round(instant_ns * self._stretch)

    def fault_ns(self, for_ns: int) -> int:
        """Shrink a fault's length, down to its floor."""
        if self._stretch >= 1 or for_ns == 0:
            return round(for_ns * self._stretch)
        floor_ns = min(for_ns, parse_duration_ns(self._floors.fault))
        return max(round(for_ns * self._stretch), floor_ns)

    def rate(self, scenario: str, rate: float) -> float:
        """Scale iterations a time unit."""
        floor = min(rate, self._floors.rates.get(scenario, 0.01))
        return rate if self._factor == 1 else max(rate * self._factor, floor)

    def vus(self, scenario: str, vus: int) -> int:
        """Scale users."""
        floor = min(vus, self._floors.vus.get(scenario, 1))
        return vus if self._factor == 1 else max(round(vus * self._factor), floor)


def _draft(loaded: LoadedTrial, profile: Profile, choices: Choices, scaled: _Scale) -> Plan:
    """Make the plan without its objectives; what is missing or clashes is reported elsewhere."""
    trial = loaded.trial
    scenarios = tuple(
        _scenario(loaded, name, profile.scenarios[name], scaled)
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
        stack="none" if choices.target else trial.stack,
        target=choices.target,
        ports=dict(profile.ports),
        population=profile.population,
        workers=profile.workers,
        warmup_ns=profile.warmup_ns,
        duration_ns=scaled.duration_ns,
        ready_deadline_ns=profile.ready_ns,
        drain_deadline_ns=profile.drain_ns,
        recovery_bar_ns=profile.recovery_ns,
        scenarios=scenarios,
        faults=() if choices.target else _faults(trial, profile, scaled),
        probes=_probes(trial, profile),
        checkers=trial.checkers,
        gate=(),
        objectives=(),
    )


def _scenario(loaded: LoadedTrial, name: str, numbers: ScenarioNumbers, scaled: _Scale) -> Scenario:
    vus = scaled.vus(name, numbers.vus)
    start_ns = scaled.time_ns(numbers.start_ns)
    rest_ns = scaled.duration_ns - start_ns
    own_ns = numbers.duration_ns
    return Scenario(
        name=name,
        journey=Source(
            file=loaded.path.name,
            function=loaded.trial.scenarios[name],
            sha256=loaded.sha256,
        ),
        executor=numbers.executor,
        duration_ns=rest_ns if own_ns is None else scaled.time_ns(own_ns),
        vus=vus,
        max_vus=max(vus, scaled.vus(name, numbers.max_vus)),
        rate=scaled.rate(name, numbers.rate) if numbers.rate else 0.0,
        time_unit_ns=numbers.time_unit_ns,
        start_ns=start_ns,
        graceful_stop_ns=numbers.graceful_stop_ns,
        env=dict(numbers.env),
    )


def _faults(trial: Trial, profile: Profile, scaled: _Scale) -> tuple[PlannedFault, ...]:
    planned = [
        PlannedFault(
            name=name,
            kind=fault.kind,
            part=fault.part,
            at_ns=scaled.time_ns(profile.faults[name].at_ns),
            for_ns=scaled.fault_ns(profile.faults[name].for_ns),
        )
        for name, fault in trial.faults.items()
        if name in profile.faults
    ]
    return tuple(sorted(planned, key=lambda fault: fault.at_ns))


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


def misfits(profile: Profile, trial: str, exact: Collection[str]) -> list[Problem]:
    """Find what keeps a profile from judging a trial whose `exact` metrics are its own."""
    where = profile.where
    problems = []
    if profile.trial not in ("", trial):
        what = f"is for the trial {profile.trial!r}, not for {trial!r}"
        problems.append(Problem(where=f"{where}: trial", what=what))
    if not profile.thresholds:
        what = "there are none, so nothing could fail"
        problems.append(Problem(where=f"{where}: thresholds", what=what, fix="name at least one"))
    for metric in profile.thresholds:
        if metric.partition("{")[0] in {one.partition("{")[0] for one in exact}:
            what = "is an exact objective of the trial, which owns it"
            place = f"{where}: thresholds {metric!r}"
            problems.append(Problem(where=place, what=what, fix="remove it from the profile"))
    return problems


def _clashes(trial: Trial, profile: Profile) -> list[Problem]:
    """Hold trial and profile against each other, by name."""
    where = profile.where
    problems = misfits(profile, trial.name, trial.objectives.keys())
    kinds = (
        ("scenarios", trial.scenarios, profile.scenarios, True),
        ("faults", trial.faults, profile.faults, True),
        ("probes", trial.probes, profile.probes, False),
    )
    for kind, owned, given, needed in kinds:
        for name in sorted(set(given) - set(owned)):
            fix = f"known: {', '.join(owned) or 'none'}"
            what = f"is not in the trial {trial.name}"
            problems.append(Problem(where=f"{where}: {kind} {name}", what=what, fix=fix))
        for name in sorted(set(owned) - set(given)) if needed else ():
            what = f"is missing; the trial {trial.name} needs its numbers"
            problems.append(Problem(where=f"{where}: {kind} {name}", what=what))
    for checker in trial.checkers:
        if checker not in CHECKERS:
            what = f"the checker {checker!r} is unknown"
            fix = f"known: {', '.join(CHECKERS)}"
            problems.append(Problem(where=f"trial {trial.name}", what=what, fix=fix))
    return problems


def _bad_journeys(loaded: LoadedTrial, check: JourneyCheck) -> list[Problem]:
    problems: list[Problem] = []
    for function in loaded.trial.scenarios.values():
        try:
            check(loaded.path, function)
        except BadInput as error:
            problems += error.problems
    return problems


def _bad_timeline(plan: Plan, profile: Profile) -> list[Problem]:
    """Find times that cannot be: no load left to judge, faults outside it or over each other."""
    where = profile.where
    problems = _bad_sizes(plan, where)
    if plan.warmup_ns >= plan.duration_ns:
        what = f"the warm-up ({duration_text(plan.warmup_ns)}) leaves nothing to judge"
        problems.append(Problem(where=f"{where}: warmup", what=what, fix="shorter than `duration`"))
    span = f"{duration_text(plan.warmup_ns)} to {duration_text(plan.duration_ns)}"
    busy_until_ns = 0
    for fault in plan.faults:
        place = f"{where}: faults {fault.name}"
        if not plan.warmup_ns <= fault.at_ns <= fault.at_ns + fault.for_ns <= plan.duration_ns:
            what = "is not wholly within the judged load"
            problems.append(Problem(where=place, what=what, fix=f"within {span}"))
        if fault.at_ns < busy_until_ns:
            what = "begins before the fault ahead of it has ended"
            problems.append(Problem(where=place, what=what, fix="leave room between faults"))
        busy_until_ns = fault.at_ns + fault.for_ns
        if fault.kind == "link-partition" and fault.for_ns == 0:
            problems.append(Problem(where=place, what="needs `for`", fix='such as "5s"'))
    return problems


def _bad_sizes(plan: Plan, where: str) -> list[Problem]:
    """Find loads beyond the bounds, or longer than the run."""
    problems = []
    users = sum(scenario.max_vus for scenario in plan.scenarios)
    if users > USERS_MAX:
        problems.append(Problem(where=where, what=f"{users} users in all", fix=f"<= {USERS_MAX}"))
    for scenario in plan.scenarios:
        place = f"{where}: scenarios {scenario.name}"
        if scenario.start_ns + scenario.duration_ns > plan.duration_ns:
            problems.append(Problem(where=place, what="lasts longer than `duration`"))
        if scenario.rate * SECOND_NS / scenario.time_unit_ns > RATE_PER_S_MAX:
            problems.append(Problem(where=place, what=f"is over {RATE_PER_S_MAX} a second"))
    return problems


def _bad_target(url: str) -> list[Problem]:
    """Allow plain http to this machine only; load never goes where nobody meant it to."""
    if not url:
        return []
    parts = urlsplit(url)
    where = f"--target {url}"
    try:
        port = parts.port
    except ValueError:
        return [Problem(where=where, what="has no valid port", fix="1 to 65535")]
    if parts.scheme != "http" or not parts.hostname or port == 0:
        return [Problem(where=where, what="is no http URL", fix="such as http://127.0.0.1:8000")]
    if parts.path not in ("", "/") or parts.query or parts.username:
        return [Problem(where=where, what="is more than scheme, host and port")]
    if not _is_loopback(parts.hostname):
        fix = "this version drives load to loopback addresses only"
        return [Problem(where=where, what="is not this machine", fix=fix)]
    return []


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unique(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
