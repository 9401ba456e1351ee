"""`--dry-run`: what a plan would start and when, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator

from stormproof.kernel.units import SECOND_NS, duration_text
from stormproof.model.plan import Plan
from stormproof.workload.outlook import ScenarioOutlook, StageOutlook, outlook

FIRST_SHOWN = 8  # iterations
STAGES_SHOWN = 20


def outlook_lines(plan: Plan) -> list[str]:
    """Return the lines that say what every scenario of a plan will do; nothing is run."""
    scenarios = outlook(plan, first=FIRST_SHOWN)
    lines = [line for one in scenarios for line in _scenario(one)]
    known = [one.iterations for one in scenarios if one.iterations is not None]
    users = sum(one.users[0] for one in scenarios)
    most = sum(one.users[1] for one in scenarios)
    total = f"{_count(sum(known))} iterations" if known else "as many iterations as users manage"
    more = " and what the closed loops manage" if known and len(known) < len(scenarios) else ""
    faults = [
        f"fault {one.name}: {one.kind} of {one.part},"
        f" {_at(one.at_ns)} to {_at(one.at_ns + one.for_ns)}"
        for one in plan.faults
    ]
    return [*lines, *faults, f"in all: {total}{more}, {_range(users, most)} users"]


def _scenario(one: ScenarioOutlook) -> Iterator[str]:
    yield f"{one.name}: {one.executor}, {one.journey}"
    yield (
        f"  from {_at(one.start_ns)} to {_at(one.end_ns)}, cut at {_at(one.cut_ns)};"
        f" users {_range(*one.users)}; iterations {_iterations(one)}"
    )
    for number, stage in enumerate(one.stages[:STAGES_SHOWN], 1):
        yield f"  stage {number}: {_stage(stage)}"
    if len(one.stages) > STAGES_SHOWN:
        yield f"  and {len(one.stages) - STAGES_SHOWN} more stages"
    if one.first_ns:
        yield f"  first starts: {' '.join(_at(instant) for instant in one.first_ns)}"


def _iterations(one: ScenarioOutlook) -> str:
    if one.iterations is None:
        return "as many as the users manage"
    return f"{'about ' if one.is_random else ''}{_count(one.iterations)}"


def _stage(stage: StageOutlook) -> str:
    parts = [f"{_at(stage.from_ns)} to {_at(stage.to_ns)}"]
    if stage.rate_per_s is not None:
        parts.append(f"{_line(*stage.rate_per_s)} starts a second")
    if stage.users is not None:
        parts.append(f"{_line(*stage.users)} users")
    if stage.iterations is not None:
        parts.append(f"{_count(stage.iterations)} iterations")
    return ", ".join(parts)


def _line(begin: float, end: float) -> str:
    return f"{begin:,.4g}" if begin == end else f"{begin:,.4g} to {end:,.4g}"


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _count(iterations: float) -> str:
    return f"{iterations:,.0f}" if iterations == int(iterations) else f"{iterations:,.1f}"


def _at(instant_ns: int) -> str:
    """Write an instant as seconds since the start of the load, or as minutes where there are."""
    if instant_ns and instant_ns % (60 * SECOND_NS) == 0:
        return duration_text(instant_ns)
    return f"{instant_ns / SECOND_NS:.3f}".rstrip("0").rstrip(".") + "s"
