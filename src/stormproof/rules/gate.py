"""The steady state: does this run make sense? Decided live and replayed when judging."""

from __future__ import annotations

from collections.abc import Sequence

from stormproof.model.objective import Objective, Status
from stormproof.model.plan import Plan
from stormproof.model.series import AnyFrame
from stormproof.rules.aggregate import Value, value_of
from stormproof.rules.bar import meets
from stormproof.rules.evidence import is_counted
from stormproof.rules.fold import SeriesById, counted_series
from stormproof.rules.measure import measure

Decided = tuple[Objective, Status, float | None]


def decide(
    plan: Plan,
    frames: Sequence[AnyFrame],
    series: SeriesById,
    from_second: int,
    to_second: int,
) -> list[Decided]:
    """Answer each objective of the plan's gate over the seconds [from_second, to_second).

    Pure over frames, so that a live decision can be computed again from the record. Asks only for
    enough samples, not for the generator's health: the gate says whether going on makes sense, the
    objectives say what it was worth.
    """
    decided = []
    for objective in plan.gate:
        status, value = answer(objective, frames, series, range(from_second, to_second))
        decided.append((objective, status, value.value))
    return decided


def answer(
    objective: Objective, frames: Sequence[AnyFrame], series: SeriesById, seconds: range
) -> tuple[Status, Value]:
    """Answer one objective of a gate over some seconds, with the value that decided it.

    Only series that count in these frames are looked at: which others are known by the time of a
    live decision is a matter of milliseconds.
    """
    inside = [frame for frame in frames if frame.second in seconds]
    measured = measure(objective, inside, counted_series(inside, series), seconds)
    value = value_of(objective, measured.cells, len(seconds))
    return status_of(objective, value, seen=measured.seen), value


def status_of(objective: Objective, value: Value, *, seen: bool) -> Status:
    """Answer an objective by its value alone; INCONCLUSIVE without enough samples."""
    if not seen or (value.samples < objective.samples_min and not is_counted(objective)):
        return Status.INCONCLUSIVE
    return Status.PASS if meets(objective, value) else Status.FAIL
