"""Declare a checker of one's own: a function from what journeys told the ledger to what is wrong.

    @checker(metrics=("orders_unpaid",), needs=("write", "read"), keys="order:", final_reads=True)
    def orders_are_paid(history):
        ...
        return Checked(looked_at=len(orders), measured={"orders_unpaid": len(unpaid)}, ...)

It runs when the record is judged, in a process of its own, over what is in the record and nothing
else (`docs/histories.md`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from stormproof.kernel.limits import OWN_CHECKER_METRICS_MAX
from stormproof.model.metric import CustomMetric, MetricKind
from stormproof.model.own_checker import FUNCTIONS, Checker

Check = Callable[[Any], object]


def checker(
    *,
    metrics: tuple[str, ...],
    needs: tuple[str, ...],
    keys: str = "",
    final_reads: bool = False,
    bears_cuts: bool = False,
) -> Callable[[Check], Checker]:
    """Make a Checker of a function that takes a history and returns a `Checked`.

    Args:
        metrics: names of what it measures, which thresholds ask for: by `count`, or, where a name
            ends in `_s` and is in seconds, by `max`.
        needs: how operations are called ("write", "read_set", ...) that it cannot do without: with
            none of one of them it is not asked, and what it measures is undecided.
        keys: it sees only the operations on keys that begin with this.
        final_reads: every key that was changed must have been read after its last change.
        bears_cuts: what it finds is wrong even where the run was ended early or a part of its
            record is missing; else it is not asked then.

    Raises:
        TypeError: the function is not `def f(history)`, or an argument is of another type.
        ValueError: there is no metric, nothing that it needs, or no such operation.
    """
    named = _texts("metrics", metrics)
    if len(named) > OWN_CHECKER_METRICS_MAX:
        raise ValueError(f"a checker measures at most {OWN_CHECKER_METRICS_MAX} metrics")
    needed = _texts("needs", needs)
    for one in needed:
        if one not in FUNCTIONS:
            raise ValueError(f"needs: there is no operation {one!r}; known: {', '.join(FUNCTIONS)}")
    if not isinstance(keys, str):
        raise TypeError(f"keys must be the text that keys begin with, not {keys!r}")
    for said, flag in (("final_reads", final_reads), ("bears_cuts", bears_cuts)):
        if not isinstance(flag, bool):
            raise TypeError(f"{said} must be True or False, not {flag!r}")

    def make(function: Check) -> Checker:
        name = _name_of(function)
        doc = (inspect.getdoc(function) or "").partition("\n")[0]
        return Checker(
            name=name,
            doc=doc,
            run=function,
            metrics=tuple(_metric(one, doc) for one in named),
            needs=needed,
            keys=keys,
            final_reads=final_reads,
            bears_cuts=bears_cuts,
        )

    return make


def _texts(what: str, given: object) -> tuple[str, ...]:
    if not isinstance(given, tuple) or not all(isinstance(one, str) for one in given):
        raise TypeError(f'{what} must be a tuple of texts, such as ("one",), not {given!r}')
    if not given:
        raise ValueError(f"{what} must not be empty")
    return given


def _metric(name: str, doc: str) -> CustomMetric:
    unit = "s" if name.endswith("_s") else ""
    return CustomMetric(name=name, kind=MetricKind.CHECKED, unit=unit, doc=doc[:200])


def _name_of(function: Check) -> str:
    name: str = getattr(function, "__name__", repr(function))
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise TypeError(f"{name} must be a `def` function that returns a Checked")
    try:
        inspect.signature(function).bind(None)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must take one argument, the history") from None
    return name
