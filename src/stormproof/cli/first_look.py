"""Look at a target before a quick run: which bars on its own figures can be asked at all?

Whoever types a URL asks for no figures. So a target that serves none is told once and no bar on
them is kept, while a profile of one's own that asks for them stays undecided without them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from stormproof.cli.observing import source_of
from stormproof.kernel.errors import SourceSilent
from stormproof.model.objective import Objective
from stormproof.model.observed import TARGET, Observed, is_observed
from stormproof.model.plan import NotJudged, Plan
from stormproof.rules.catalog import REQUESTS_FAILED
from stormproof.rules.evidence import HEADROOM, is_counted
from stormproof.rules.observed import PARTS, REQUESTS, STATUS_TAGS
from stormproof.rules.promise import lines_of, planned_spans, promised
from stormproof.seams import Source


def with_served(plan: Plan, headers: Mapping[str, str], tell: Callable[[str], None]) -> Plan:
    """Return the plan with those bars on the target's figures that it serves and can decide.

    Raises:
        EnvironmentFailure: a file of the TLS settings cannot be used.
    """
    asked = [one for one in plan.objectives if is_observed(one.metric)]
    if not asked:
        return plan
    served, why = _look(plan, headers)
    if why:
        tell(f"the target's own figures are not judged: {why}")
    kept = [one for one in asked if _is_served(one, served)]
    missing = [one.metric for one in asked if served and one not in kept]
    if missing:
        tell(f"not served by the target, so not judged: {', '.join(dict.fromkeys(missing))}")
    why_not = {
        one.name: _too_few(one, plan) if one in kept else why or "not served by the target"
        for one in asked
    }
    dropped = {name: told for name, told in why_not.items() if told}
    not_judged = tuple(NotJudged(objective=name, why=told) for name, told in dropped.items())
    return msgspec.structs.replace(
        plan,
        objectives=tuple(one for one in plan.objectives if one.name not in dropped),
        not_judged=plan.not_judged + not_judged,
    )


def _look(plan: Plan, headers: Mapping[str, str]) -> tuple[Sequence[Observed], str]:
    """Read the target once; return its figures, or why there are none."""
    planned = next((one for one in plan.sources if one.name == TARGET), None)
    if planned is None:
        return (), "the profile does not read them"
    source = source_of(planned, plan, plan.target, headers)
    try:
        return asyncio.run(_all_of(source)), ""
    except SourceSilent as silence:
        return (), silence.why


async def _all_of(source: Source) -> Sequence[Observed]:
    return await source.read()


def _is_served(objective: Objective, served: Iterable[Observed]) -> bool:
    if objective.metric == REQUESTS_FAILED:
        return any(one.name == REQUESTS and _has_status(one) for one in served)
    name = objective.metric.partition(":")[2]
    return any(one.name in {name + part for part in PARTS} for one in served)


def _has_status(one: Observed) -> bool:
    return any(tag in one.tags for tag in STATUS_TAGS)


def _too_few(objective: Objective, plan: Plan) -> str:
    """Say that the load asks the target too rarely for a percentile or a share."""
    paced = [lines_of(one) for one in plan.scenarios]
    lines = [line for found in paced for line in found or ()]
    if is_counted(objective) or None in paced:
        return ""
    expected = promised(lines, planned_spans(plan, objective.window) or ())
    if expected >= objective.samples_min * HEADROOM:
        return ""
    return f"about {expected:.0f} requests expected, {objective.samples_min} needed"
