"""Objectives: what must hold, of which metric, in which window, on how much evidence."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

Operator = Literal["<", "<=", ">", ">=", "==", "!="]
Aggregation = Literal["avg", "min", "med", "max", "p", "count", "rate", "value"]
Window = Literal["warmup", "load", "steady", "calm", "fault", "recovery", "disturbed", "run"]


class Status(StrEnum):
    """An answer; a set of answers is as good as its worst: PASS < INCONCLUSIVE < FAIL."""

    PASS = "pass"  # noqa: S105 - an answer, no password
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"


class Objective(msgspec.Struct, frozen=True, kw_only=True):
    """One threshold on one metric.

    `name` is the threshold as a person writes it, `metric{tag:value}: p(95)<300`; `bar` is in the
    metric's unit (`unit`, milliseconds for durations as in k6). `percentile` goes with aggregation
    `p`. `samples_min` is the evidence it needs inside `window` before it is judged.
    """

    name: str
    metric: str
    tags: dict[str, str] = {}
    window: Window = "load"
    aggregation: Aggregation
    percentile: float = 0.0
    operator: Operator
    bar: float
    unit: str = ""
    samples_min: int = 1
    exact: bool = False  # a finding needs no validity: one witness is FAIL
    blocking: bool = True
