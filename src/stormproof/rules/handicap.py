"""What can a slower machine only spoil? Such a bar, met on a machine that was slowed, is met.

A shared host takes the core away in slices of milliseconds. Where the workers measured all the same
that they were on time, nothing is missing from the evidence, and what the target did took longer
than it would have. So such a second may help to pass, where that is harder, and never to fail.
"""

from __future__ import annotations

from typing import Final

from stormproof.model.objective import Objective
from stormproof.rules.aggregate import Value
from stormproof.rules.bar import holds
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
        case Reading.OBSERVED:
            return ceiling and objective.aggregation in ("p", "med")
        case Reading.OBSERVED_SHARE:
            return ceiling
        case Reading.COUNT | Reading.PASSED_SHARE:
            return objective.operator in _FLOOR
        case Reading.MEASURED:
            return ceiling if metric.unit == "s" else objective.operator in _FLOOR
        case _:
            return False


def is_broken_anyway(objective: Objective, without: Value, samples: int) -> bool:
    """Return whether a share breaks its bar, whatever the invalid seconds hide.

    Every sample in them, and every one that is missing to what the objective asks for, is taken for
    a success.

    Args:
        objective: with a bar on a share.
        without: its value over the valid seconds alone.
        samples: in all seconds.
    """
    reading, operator = metric_of(objective).reading, objective.operator
    bars = {Reading.FAILED_SHARE: _CEILING, Reading.PASSED_SHARE: _FLOOR}.get(reading, ())
    if operator not in bars or without.value is None or not without.samples:
        return False
    share = without.value if reading is Reading.FAILED_SHARE else 1 - without.value
    failed = round(share * without.samples)
    at_best = failed / max(samples, objective.samples_min)
    value = at_best if reading is Reading.FAILED_SHARE else 1 - at_best
    return not holds(value, operator, objective.bar)
