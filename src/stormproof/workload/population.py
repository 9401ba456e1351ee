"""Which of a scenario's users live in which worker."""

from __future__ import annotations

from collections.abc import Sequence

from stormproof.model.plan import Scenario


def indices_of(users: int, worker: int, workers: int) -> range:
    """Return the indices (0..users-1) of the users that live in `worker` of `workers`."""
    return range(worker, users, workers)


def first_ids(scenarios: Sequence[Scenario]) -> list[int]:
    """Return for each scenario the id of its user 0; ids count from 1 and are unique in the run."""
    ids, first = [], 1
    for scenario in scenarios:
        ids.append(first)
        first += max(scenario.vus, scenario.max_vus)
    return ids
