"""What a plan will start, and when: computed, nothing is run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Plan, Scenario
from stormproof.workload.choice import OpenShape, closed_shape, iterations_owed, open_shape

FIRST_MAX = 1_000
CHANGES_MAX = 10_000  # of the number of users, of one scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutlook:
    """A stretch of a scenario; instants count from the start of the load."""

    from_ns: int
    to_ns: int
    rate_per_s: tuple[float, float] | None  # at its beginning and end; None in closed scenarios
    users: tuple[int, int] | None  # at its beginning and end; None in open scenarios
    iterations: float | None  # that start in it; None: as many as the users manage


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioOutlook:
    """What a scenario will do. With random arrivals, numbers of iterations are their means."""

    name: str
    executor: str
    journey: str
    start_ns: int
    end_ns: int
    cut_ns: int  # when the graceful stop is over
    users: tuple[int, int]  # prepared beforehand, and at most
    iterations: float | None  # in all; None: as many as the users manage
    is_random: bool
    first_ns: tuple[int, ...]  # when the first iterations start
    changes: tuple[tuple[int, int], ...]  # (instant, users from then on); empty in open scenarios
    stages: tuple[StageOutlook, ...]


def outlook(plan: Plan, *, first: int = 10) -> tuple[ScenarioOutlook, ...]:
    """Return what every scenario of a plan will do.

    Args:
        plan: of the run.
        first: of how many iterations to say when they start, at most FIRST_MAX.
    """
    return tuple(_outlook(one, plan.seed, min(first, FIRST_MAX)) for one in plan.scenarios)


def _outlook(scenario: Scenario, seed: int, first: int) -> ScenarioOutlook:
    end_ns = scenario.start_ns + scenario.duration_ns
    is_open = scenario.is_open_model
    shape = open_shape(scenario, seed) if is_open else None
    changes = () if is_open else tuple(islice(_changes(scenario), CHANGES_MAX))
    return ScenarioOutlook(
        name=scenario.name,
        executor=scenario.executor,
        journey=str(scenario.journey),
        start_ns=scenario.start_ns,
        end_ns=end_ns,
        cut_ns=end_ns + scenario.graceful_stop_ns,
        users=(scenario.vus, max(scenario.vus, scenario.max_vus)),
        iterations=float(shape.count) if shape else _owed(scenario),
        is_random=scenario.arrivals == "poisson" and is_open,
        first_ns=_first(scenario, shape, changes, first),
        changes=changes,
        stages=tuple(_open_stages(scenario, shape) if shape else _closed_stages(scenario)),
    )


def _owed(scenario: Scenario) -> float | None:
    owed = iterations_owed(scenario, 0, 1)
    return None if owed is None else float(owed)


def _changes(scenario: Scenario) -> Iterator[tuple[int, int]]:
    for offset_ns, users in closed_shape(scenario).changes():
        yield scenario.start_ns + offset_ns, users


def _first(
    scenario: Scenario,
    shape: OpenShape | None,
    changes: tuple[tuple[int, int], ...],
    first: int,
) -> tuple[int, ...]:
    """Return when the first iterations start: of the schedule, or each user's first one."""
    if shape is not None:
        instants = islice(shape.instants_ns(0, 1), first)
        return tuple(scenario.start_ns + offset_ns for offset_ns in instants)
    starts: list[int] = []
    most = 0
    for at_ns, users in changes:
        starts += [at_ns] * min(max(0, users - most), first - len(starts))
        most = max(most, users)
    return tuple(starts)


def _open_stages(scenario: Scenario, shape: OpenShape) -> Iterator[StageOutlook]:
    curve = shape.curve
    per_s = SECOND_NS * 2 / curve.per_iteration  # a unit of height, as iterations a second
    for ramp in curve.ramps:
        from_ns = scenario.start_ns + ramp.start_ns
        yield StageOutlook(
            from_ns=from_ns,
            to_ns=from_ns + ramp.duration_ns,
            rate_per_s=(ramp.low * per_s, (ramp.low + ramp.rise) * per_s),
            users=None,
            iterations=(ramp.end_units - ramp.start_units) / curve.per_iteration,
        )


def _closed_stages(scenario: Scenario) -> Iterator[StageOutlook]:
    start_ns, owed = scenario.start_ns, _owed(scenario)
    lines = [(start_ns, scenario.start_vus)]
    for stage in scenario.stages:
        lines.append((lines[-1][0] + stage.duration_ns, int(stage.target)))
    if scenario.executor != "ramping-vus":
        lines = [(start_ns, scenario.vus), (start_ns + scenario.duration_ns, scenario.vus)]
    for (from_ns, users), (to_ns, then) in pairwise(lines):
        yield StageOutlook(
            from_ns=from_ns,
            to_ns=to_ns,
            rate_per_s=None,
            users=(users if to_ns > from_ns else then, then),
            iterations=owed,
        )
