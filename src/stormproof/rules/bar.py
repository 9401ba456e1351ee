"""A value against a bar: whether it holds, and how bad it is."""

from __future__ import annotations

import math

from stormproof.model.objective import Objective, Operator
from stormproof.rules.aggregate import Value


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


def meets(objective: Objective, value: Value) -> bool:
    """Hold a value against the bar; one that is beyond counts as infinite."""
    return holds(_number(value), objective.operator, objective.bar)


def badness(objective: Objective, value: Value) -> float:
    """Return a number that is greater the worse a value is; those that break the bar are worst."""
    number = _number(value)
    match objective.operator:
        case "<" | "<=":
            return number
        case ">" | ">=":
            return -number
        case "==":
            return abs(number - objective.bar)
        case _:
            return -abs(number - objective.bar)


def _number(value: Value) -> float:
    return math.inf if value.value is None else value.value
