"""The closed executors that are over when enough has been done, and who does how much of it."""

from __future__ import annotations

from stormproof.workload.population import indices_of


def per_vu_iterations(vus: int, iterations: int, worker: int, workers: int) -> int:
    """Return how many iterations a worker owes where each of `vus` users does `iterations`.

    Source: k6, `lib/executor/per_vu_iterations.go`.
    """
    return len(indices_of(vus, worker, workers)) * iterations


def shared_iterations(vus: int, iterations: int, worker: int, workers: int) -> int:
    """Return how many of `iterations` that `vus` users share a worker owes.

    They are dealt out to the users in turn, so that a worker without users gets none; within a
    worker whoever is free takes the next one.

    Source: k6, `lib/executor/shared_iterations.go`, `GetIterations`.
    """
    rounds, rest = divmod(iterations, vus)
    return rounds * len(indices_of(vus, worker, workers)) + len(indices_of(rest, worker, workers))
