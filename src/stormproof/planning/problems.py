"""What can be wrong between trial, profile and plan, each with what would be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from stormproof.kernel.errors import Problem
from stormproof.kernel.limits import RATE_PER_S_MAX, USERS_MAX
from stormproof.kernel.units import duration_text
from stormproof.model.objective import Objective
from stormproof.model.plan import Plan
from stormproof.model.profile import Profile
from stormproof.model.tag import tag_problem
from stormproof.model.trial import Trial
from stormproof.planning.faults import length_problems, overlap_problems
from stormproof.rules.catalog import Reading, metric_of

GATE_WINDOWS = ("warmup", "load")  # "load" is what no window at all means


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


def clashes_of(trial: Trial, profile: Profile) -> list[Problem]:
    """Hold trial and profile against each other, by name."""
    where = profile.where
    problems = misfits(profile, trial.name, trial.objectives.keys())
    kinds = (
        ("scenarios", trial.scenarios, profile.scenarios, True),
        ("faults", trial.faults, profile.faults, True),
        ("probes", trial.probes, profile.probes, False),
        ("finalReads", trial.final_reads, profile.final_reads, False),
    )
    for kind, owned, given, needed in kinds:
        for name in sorted(set(given) - set(owned)):
            fix = f"known: {', '.join(owned) or 'none'}"
            what = f"is not in the trial {trial.name}"
            problems.append(Problem(where=f"{where}: {kind} {name}", what=what, fix=fix))
        for name in sorted(set(owned) - set(given)) if needed else ():
            what = f"is missing; the trial {trial.name} needs its numbers"
            problems.append(Problem(where=f"{where}: {kind} {name}", what=what))
    return [*problems, *_other_journeys(trial, profile)]


def _other_journeys(trial: Trial, profile: Profile) -> list[Problem]:
    """Find scenarios for which the profile names another journey than the trial, which owns it."""
    return [
        Problem(
            where=f"{profile.where}: scenarios {name} exec",
            what=f"the trial {trial.name} runs {trial.scenarios[name]!r} here, not {one.exec!r}",
            fix="leave it out",
        )
        for name, one in profile.scenarios.items()
        if one.exec and name in trial.scenarios and one.exec != trial.scenarios[name]
    ]


def gate_problems(gate: Sequence[Objective], where: str) -> list[Problem]:
    """Find what the gate cannot answer: it sees the frames of the warm-up and nothing else."""
    problems = repetitions(gate, where)
    for one in gate:
        place = f"{where} {one.name!r}"
        if metric_of(one).reading is Reading.MEASURED:
            what = f"{one.metric} is known after the run only"
            problems.append(Problem(where=place, what=what, fix="ask for a metric of the load"))
        elif one.window not in GATE_WINDOWS:
            what = f"the window {one.window} has not begun when the gate is asked"
            problems.append(Problem(where=place, what=what, fix="window:warmup, or none"))
        if one.stretch is not None or one.abort is not None:
            what = "the gate is asked once, over the second half of the warm-up"
            fix = f"leave out {one.stretch.kind if one.stretch else 'abortOnFail'}"
            problems.append(Problem(where=place, what=what, fix=fix))
    return problems


def repetitions(objectives: Sequence[Objective], where: str) -> list[Problem]:
    """Find objectives that are there twice, however they are spelt."""
    counts = Counter(one.name for one in objectives)
    return [
        Problem(where=f"{where} {name!r}", what="is there twice", fix="keep one of them")
        for name, count in counts.items()
        if count > 1
    ]


def tag_problems(plan: Plan, where: str) -> list[Problem]:
    """Find tags of scenarios that are none, and secrets among their settings."""
    problems = []
    for scenario in plan.scenarios:
        place = f"{where}: scenarios {scenario.name}"
        told = [tag_problem(tag) for tag in scenario.tags]
        problems += [Problem(where=f"{place} tags", what=what) for what in told if what]
        problems += [
            Problem(
                where=f"{place} env {name}",
                what="is a secret, and a plan is stored",
                fix=f"set {name} in the environment and read it with secret({name!r})",
            )
            for name in scenario.env
            if name in plan.secrets
        ]
    return problems


def timeline_problems(plan: Plan, profile: Profile) -> list[Problem]:
    """Find times that cannot be: no load left to judge, faults outside it or over each other."""
    where = profile.where
    problems = [*_size_problems(plan, where), *_port_problems(plan, where)]
    if plan.warmup_ns >= plan.duration_ns:
        what = f"the warm-up ({duration_text(plan.warmup_ns)}) leaves nothing to judge"
        problems.append(Problem(where=f"{where}: warmup", what=what, fix="shorter than `duration`"))
    span = f"{duration_text(plan.warmup_ns)} to {duration_text(plan.duration_ns)}"
    for fault in plan.faults:
        place = f"{where}: faults {fault.name}"
        if not plan.warmup_ns <= fault.at_ns <= fault.end_ns <= plan.duration_ns:
            waits = ", waiting for the target included" if fault.ready_within_ns else ""
            at = f"{duration_text(fault.at_ns)} to {duration_text(fault.end_ns)}{waits}"
            what = f"is not wholly within the judged load: {at}"
            problems.append(Problem(where=place, what=what, fix=f"within {span}"))
    return [*problems, *overlap_problems(plan, where), *length_problems(plan, where)]


def _size_problems(plan: Plan, where: str) -> list[Problem]:
    """Find loads beyond the bounds, or longer than the run."""
    problems = []
    users = sum(scenario.max_vus for scenario in plan.scenarios)
    if users > USERS_MAX:
        problems.append(Problem(where=where, what=f"{users} users in all", fix=f"<= {USERS_MAX}"))
    for scenario in plan.scenarios:
        place = f"{where}: scenarios {scenario.name}"
        if scenario.start_ns >= plan.duration_ns:
            problems.append(Problem(where=place, what="starts after the load has ended"))
        elif plan.stack == "embedded" and scenario.max_vus > plan.population.users:
            what = f"{scenario.max_vus} users, but only {plan.population.users} are seeded"
            problems.append(Problem(where=place, what=what, fix="more `population` users"))
        if scenario.start_ns + scenario.duration_ns > plan.duration_ns:
            problems.append(Problem(where=place, what="lasts longer than `duration`"))
        if scenario.peak_rate_per_s > RATE_PER_S_MAX:
            problems.append(Problem(where=place, what=f"is over {RATE_PER_S_MAX} a second"))
    return problems


def _port_problems(plan: Plan, where: str) -> list[Problem]:
    """Find parts that want the port of another."""
    problems = []
    holders: dict[int, str] = {}
    for part, port in plan.ports.items():
        holder = holders.setdefault(port, part)
        if holder != part:
            what = f"the port {port} is the one of {holder}"
            place = f"{where}: ports {part}"
            problems.append(Problem(where=place, what=what, fix="one port for each part"))
    return problems
