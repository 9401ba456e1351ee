"""A scenario of the plan out of the trial's journey, the profile's numbers and the scale."""

from __future__ import annotations

from stormproof.model.plan import BY_ITERATIONS, Scenario, Source, Stage
from stormproof.model.profile import ScenarioNumbers
from stormproof.planning.scale import Scale
from stormproof.planning.scenarios import MAX_DURATION_NS
from stormproof.planning.trials import LoadedTrial


def planned_scenario(
    loaded: LoadedTrial, name: str, numbers: ScenarioNumbers, scaled: Scale
) -> Scenario:
    """Return a scenario as it will be run."""
    executor, start_ns = numbers.executor, scaled.time_ns(numbers.start_ns)
    stages = _stages(name, numbers, scaled)
    start_vus = scaled.vus(name, numbers.start_vus) if numbers.start_vus else 0
    peak = max([start_vus, *(int(stage.target) for stage in stages)])
    vus = max(1, peak) if executor == "ramping-vus" else scaled.vus(name, numbers.vus)
    iterations = scaled.iterations(numbers.iterations)
    return Scenario(
        name=name,
        journey=Source(
            file=loaded.path.name,
            function=loaded.trial.scenarios[name],
            sha256=loaded.sha256,
        ),
        executor=executor,
        duration_ns=_duration_ns(numbers, stages, scaled, start_ns),
        vus=vus,
        max_vus=max(vus, scaled.vus(name, numbers.max_vus)),
        rate=scaled.rate(name, numbers.rate),
        time_unit_ns=numbers.time_unit_ns,
        start_ns=start_ns,
        graceful_stop_ns=numbers.graceful_stop_ns,
        stages=stages,
        start_rate=scaled.rate(name, numbers.start_rate),
        start_vus=start_vus,
        iterations=max(iterations, vus) if executor == "shared-iterations" else iterations,
        graceful_ramp_down_ns=numbers.graceful_ramp_down_ns,
        arrivals=numbers.arrivals,
        tags=dict(numbers.tags),
        env=dict(numbers.env),
    )


def _stages(name: str, numbers: ScenarioNumbers, scaled: Scale) -> tuple[Stage, ...]:
    users = numbers.executor == "ramping-vus"
    return tuple(scaled.stage(name, stage, users=users) for stage in numbers.stages)


def _duration_ns(
    numbers: ScenarioNumbers, stages: tuple[Stage, ...], scaled: Scale, start_ns: int
) -> int:
    """Return how long a scenario may last: as it says, or as long as the load does."""
    rest_ns = scaled.duration_ns - start_ns
    if stages:
        return sum(stage.duration_ns for stage in stages)
    if numbers.duration_ns is not None:
        return scaled.time_ns(numbers.duration_ns)
    return min(rest_ns, MAX_DURATION_NS) if numbers.executor in BY_ITERATIONS else rest_ns
