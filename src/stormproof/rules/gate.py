"""The steady state: does this run make sense? Decided live and replayed when judging."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stormproof.model.objective import Objective, Operator, Status
from stormproof.model.plan import Plan
from stormproof.model.series import Frame
from stormproof.rules.aggregate import Value, value_of
from stormproof.rules.fold import SeriesById
from stormproof.rules.measure import measure

Decided = tuple[Objective, Status, float | None]


def holds(value: float, operator: Operator, bar: float) -> bool:
    """Return whether `value operator bar`."""
    answers: dict[Operator, bool] = {
        "<": value < bar,
        "<=": value <= bar,
        ">": value > bar,
        ">=": value >= bar,
        "==": value == bar,
        "!=": value != bar,
    }
    return answers[operator]


def decide(
    plan: Plan,
    frames: Sequence[Frame],
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
    objective: Objective, frames: Sequence[Frame], series: SeriesById, seconds: range
) -> tuple[Status, Value]:
    """Answer one objective of a gate over some seconds, with the value that decided it."""
    measured = measure(objective, frames, series, seconds)
    value = value_of(objective, measured.cells, len(seconds))
    is_counted = objective.aggregation == "count"
    if not measured.seen or (value.samples < objective.samples_min and not is_counted):
        return Status.INCONCLUSIVE, value
    number = math.inf if value.value is None else value.value
    passed = holds(number, objective.operator, objective.bar)
    return (Status.PASS if passed else Status.FAIL), value
