"""The load shape that a scenario's executor names."""

from __future__ import annotations

from stormproof.kernel.seeds import derive
from stormproof.model.plan import Scenario
from stormproof.workload.constant_arrival_rate import ConstantArrivalRate
from stormproof.workload.constant_vus import ConstantVus
from stormproof.workload.iterations import per_vu_iterations, shared_iterations
from stormproof.workload.ramping_arrival_rate import RampingArrivalRate
from stormproof.workload.ramping_vus import RampingVus

OpenShape = ConstantArrivalRate | RampingArrivalRate
ClosedShape = ConstantVus | RampingVus


def open_shape(scenario: Scenario, seed: int) -> OpenShape:
    """Return the schedule of an open scenario; random arrivals follow from the plan's `seed`."""
    own = derive(seed, scenario.name, "arrivals") if scenario.arrivals == "poisson" else None
    if scenario.executor == "ramping-arrival-rate":
        return RampingArrivalRate(
            start_rate=scenario.start_rate,
            stages=scenario.stages,
            time_unit_ns=scenario.time_unit_ns,
            seed=own,
        )
    return ConstantArrivalRate(
        rate=scenario.rate,
        time_unit_ns=scenario.time_unit_ns,
        duration_ns=scenario.duration_ns,
        seed=own,
    )


def closed_shape(scenario: Scenario) -> ClosedShape:
    """Return how many users a closed scenario has when."""
    if scenario.executor == "ramping-vus":
        return RampingVus(start_vus=scenario.start_vus, stages=scenario.stages)
    return ConstantVus(vus=scenario.vus)


def iterations_owed(scenario: Scenario, worker: int, workers: int) -> int | None:
    """Return how many iterations one of `workers` owes; None where time alone ends a scenario."""
    vus, iterations = scenario.vus, scenario.iterations
    if scenario.executor == "per-vu-iterations":
        return per_vu_iterations(vus, iterations, worker, workers)
    if scenario.executor == "shared-iterations":
        return shared_iterations(vus, iterations, worker, workers)
    return None
