"""Objectives: what must hold, of which metric, in which window, on how much evidence."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from stormproof.model.metric import CustomMetric

Operator = Literal["<", "<=", ">", ">=", "==", "!="]
Aggregation = Literal["avg", "min", "med", "max", "p", "count", "rate", "value", "slope"]
Window = Literal["warmup", "load", "steady", "calm", "fault", "recovery", "disturbed", "run"]
StretchKind = Literal["over", "every", "for"]


class Status(StrEnum):
    """An answer; a set of answers is as good as its worst: PASS < INCONCLUSIVE < FAIL."""

    PASS = "pass"  # noqa: S105 - an answer, no password
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Ask about stretches of `seconds` in a row inside the window instead of about its whole.

    over   the bar must hold over each of them, whichever second it begins in (over the last T)
    every  the bar must hold over each of those that lie side by side
    for    the bar must not be broken by every second of one (shorter breaks are borne)
    """

    kind: StretchKind
    seconds: int


class Abort(msgspec.Struct, frozen=True, kw_only=True):
    """End the run once the objective is broken, but not before `after_ns` of its window."""

    after_ns: int = 0


class Objective(msgspec.Struct, frozen=True, kw_only=True):
    """One threshold on one metric.

    `name` is the threshold as a person writes it, `metric{tag:value}: p(95)<300`; `bar` is in the
    metric's unit (`unit`, milliseconds for durations as in k6). `percentile` goes with aggregation
    `p`. `samples_min` is the evidence it needs inside `window` before it is judged, with `stretch`
    inside each of them. `custom` is set where the metric is a journey file's own.
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
    stretch: Stretch | None = None
    abort: Abort | None = None
    custom: CustomMetric | None = None
