"""What a profile says of a drill as a whole: its blast radius, service levels and hypotheses.

    "blast": {"scenarios": ["chat"], "parts": ["cache-link"], "users": 0.3, "outside": 0.001}
    "hypotheses": {"feed-answers": "http_req_failed{scenario:feed}: rate<0.05"}
    "slos": {"feed": "http_req_failed{scenario:feed}: rate<0.001"}

A blast radius that is declared is judged: each of its shares is an objective.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from stormproof.kernel.errors import Problem
from stormproof.model.objective import Objective
from stormproof.model.plan import Blast, NamedObjective, Plan
from stormproof.model.profile import Profile
from stormproof.planning.fields import Fields, suggest
from stormproof.rules.catalog import Reading, metric_of
from stormproof.rules.drill_metrics import BLAST_REQUESTS, BLAST_TENANTS, BLAST_USERS
from stormproof.rules.grammar import objective, split_objective
from stormproof.rules.questions import Declared


def read_blast(fields: Fields) -> Blast:
    """Take a declared blast radius; a share that is not given is not judged."""
    blast = Blast(
        scenarios=fields.lines("scenarios"),
        parts=fields.lines("parts"),
        requests=_share(fields, "requests"),
        users=_share(fields, "users"),
        tenants=_share(fields, "tenants"),
        outside=fields.number("outside", default=0.0, low=0, high=1),
    )
    fields.done()
    return blast


def _share(fields: Fields, key: str) -> float | None:
    return fields.number(key, default=0.0, low=0, high=1) if fields.has(key) else None


def blast_objectives(blast: Blast, plan: Plan) -> list[Objective]:
    """Return the objectives that a declared blast radius stands for."""
    shares = {
        BLAST_REQUESTS: blast.requests,
        BLAST_USERS: blast.users,
        BLAST_TENANTS: blast.tenants,
    }
    bars = {metric: share for metric, share in shares.items() if share is not None}
    if blast.scenarios:
        for one in plan.scenarios:
            if one.name not in blast.scenarios:
                bars[f"{BLAST_REQUESTS}{{scenario:{one.name}}}"] = blast.outside
    return [objective(metric, f"value<={bar!r}") for metric, bar in bars.items()]


def blast_problems(blast: Blast, plan: Plan, where: str) -> list[Problem]:
    """Find faults that break more than was declared, and names that mean nothing."""
    place = f"{where}: blast"
    problems = []
    known = tuple(one.name for one in plan.scenarios)
    for name in blast.scenarios:
        if name not in known:
            what = f"there is no scenario {name!r}"
            problems.append(Problem(where=place, what=what, fix=suggest(name, known)))
    for fault in plan.faults:
        if blast.parts and fault.part not in blast.parts:
            what = f"the fault {fault.name} breaks {fault.part}, which is outside of it"
            fix = f"add {fault.part!r} to `parts`, or break only {', '.join(blast.parts)}"
            problems.append(Problem(where=place, what=what, fix=fix))
    return problems


def read_named(
    texts: Mapping[str, str], where: str, declared: Declared
) -> tuple[tuple[NamedObjective, ...], list[Problem]]:
    """Read objectives that have names, with all that is wrong with them."""
    read: list[NamedObjective] = []
    problems: list[Problem] = []
    for name, text in texts.items():
        try:
            metric, threshold = split_objective(text)
            made = objective(metric, threshold, declared=declared)
        except ValueError as error:
            problems.append(Problem(where=f"{where} {name}", what=str(error)))
        else:
            read.append(NamedObjective(name=name, objective=made))
    return tuple(read), problems


def hypothesis_problems(named: Iterable[NamedObjective], where: str) -> list[Problem]:
    """Find hypotheses that cannot be asked second by second."""
    problems = []
    for one in named:
        metric, asked = metric_of(one.objective), one.objective
        what = ""
        if metric.reading is Reading.MEASURED or metric.is_observed or asked.aggregation == "slope":
            what = f"{asked.metric} is not known second by second: ask for a metric of the load"
        elif asked.stretch is not None or asked.window != "load":
            what = "is asked in every second of the load: leave out window, over, every and for"
        if what:
            problems.append(Problem(where=f"{where} {one.name}", what=what))
    return problems


def slo_problems(named: Iterable[NamedObjective], where: str) -> list[Problem]:
    """Find service levels that leave nothing to burn, or that are no share."""
    problems = []
    for one in named:
        asked = one.objective
        is_share = metric_of(asked).reading in (Reading.FAILED_SHARE, Reading.PASSED_SHARE)
        allowed = 1 - asked.bar if asked.operator in (">", ">=") else asked.bar
        if not is_share or asked.aggregation != "rate" or asked.stretch is not None:
            what, fix = "is no share of failures", 'such as "http_req_failed: rate<0.001"'
            problems.append(Problem(where=f"{where} {one.name}", what=what, fix=fix))
        elif not 0 < allowed < 1:
            what = "allows nothing to fail, or everything: there is no budget to burn"
            problems.append(Problem(where=f"{where} {one.name}", what=what))
    return problems


def _backlog_problems(profile: Profile, plan: Plan) -> Iterator[Problem]:
    """Find backlogs that are no figure of a source that the plan reads."""
    known = tuple(one.name for one in plan.sources)
    for name in profile.backlogs:
        if name.partition(":")[0] not in known or not name.partition(":")[2]:
            what = f"{name!r} is no figure of a source that is read"
            fix = f'such as "target:queue_size"; sources: {", ".join(known) or "none"}'
            yield Problem(where=f"{profile.where}: backlogs", what=what, fix=fix)


def with_drill(plan: Plan, profile: Profile, declared: Declared) -> tuple[Plan, list[Problem]]:
    """Give a plan what its profile says of the drill as a whole, with all that is wrong with it."""
    where, blast = profile.where, profile.blast
    hypotheses, bad = read_named(profile.hypotheses, f"{where}: hypotheses", declared)
    slos, wrong = read_named(profile.slos, f"{where}: slos", declared)
    problems = [
        *bad,
        *wrong,
        *hypothesis_problems(hypotheses, f"{where}: hypotheses"),
        *slo_problems(slos, f"{where}: slos"),
    ]
    problems += _backlog_problems(profile, plan)
    drilled = msgspec.structs.replace(
        plan, hypotheses=hypotheses, slos=slos, backlogs=profile.backlogs
    )
    if blast is None:
        return drilled, problems
    problems += blast_problems(blast, plan, where)
    objectives = (*plan.objectives, *blast_objectives(blast, plan))
    return msgspec.structs.replace(drilled, blast=blast, objectives=objectives), problems


def asked_of(plan: Plan) -> Iterable[Objective]:
    """Return everything that is asked of a plan, whatever for."""
    named = (one.objective for one in (*plan.hypotheses, *plan.slos))
    return (*plan.gate, *plan.objectives, *plan.stops, *named)
