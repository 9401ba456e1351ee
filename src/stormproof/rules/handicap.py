"""What can a slower machine only spoil? Such a bar, met on a machine that was slowed, is met.

A shared host takes the core away in slices of milliseconds. Where the workers measured all the same
that they were on time, nothing is missing from the evidence, and what the target did took longer
than it would have. So such a second may help to pass, where that is harder, and never to fail.
"""

from __future__ import annotations

from typing import Final

from stormproof.model.objective import Objective
from stormproof.rules.catalog import Reading, metric_of

_CEILING: Final = ("<", "<=")
_FLOOR: Final = (">", ">=")
_HARM: Final = frozenset({"dropped_iterations", "ws_disconnects", "health_false_ready"})


def is_harder_when_slowed(objective: Objective) -> bool:
    """Return whether longer times can break an objective's bar and never help it to be met.

    A ceiling on times, on the share of failures and on what is counted as harm; a floor under what
    was done, a second or in all, and under the share of checks. A journey's own metrics may mean
    anything.
    """
    if objective.custom is not None:
        return False
    metric = metric_of(objective)
    ceiling = objective.operator in _CEILING
    if metric.name in _HARM:
        return ceiling or (objective.operator == "==" and objective.bar == 0)
    match metric.reading:
        case Reading.RESPONSE | Reading.SERVICE | Reading.FAILED_SHARE:
            return ceiling
        case Reading.COUNT | Reading.PASSED_SHARE:
            return objective.operator in _FLOOR
        case Reading.MEASURED:
            return ceiling if metric.unit == "s" else objective.operator in _FLOOR
        case _:
            return False
