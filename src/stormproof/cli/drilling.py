"""`stormproof drill`: one drill under load, with its way back told at the end.

A drill is a trial that breaks something, and runs as `certify` would run it: the same plan, record,
verdict and limits. What is in another form is carried out by whoever reads that form, by its suffix
(`EXPERIMENTS`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from stormproof.cli.execution import Manner, carry_out
from stormproof.cli.plans import Order
from stormproof.cli.running import ordered
from stormproof.kernel.errors import BadInput, Problem
from stormproof.model.plan import Plan

# Suffix -> who runs such a file: takes the file, what else was asked, the folder for runs, and why.
Experiment = Callable[[Path, Order, Path, str], int]
EXPERIMENTS: Final[Mapping[str, Experiment]] = {}


def drill(order: Order, out: Path, environment: str, why: str) -> int:
    """Run a drill below `out`, judge it, print its way back, and return the exit code.

    Args:
        order: the drill's name or file, and what changes it.
        out: the folder that gets the run's own.
        environment: by name or file; empty: as STORMPROOF_ENV says, else none.
        why: it is done, for the record and the audit log.

    Raises:
        BadInput: it is no drill, or a form that nobody reads.
    """
    suffix = Path(order.plan).suffix
    if suffix in EXPERIMENTS:
        return EXPERIMENTS[suffix](Path(order.plan), order, out, why)
    if suffix not in ("", ".py"):
        known = ", ".join((".py", *EXPERIMENTS))
        fix = f"the name of a trial, or a file that ends in {known}"
        raise BadInput([Problem(where=order.plan, what="is no form of a drill", fix=fix)])
    plan, loaded, variables = ordered(order, environment)
    if problem := _nothing_broken(plan, order):
        raise BadInput([problem])
    manner = Manner(variables=variables, why=why)
    return carry_out(plan, loaded, out, manner).exit_code()


def _nothing_broken(plan: Plan, order: Order) -> Problem | None:
    """Say why a plan is no drill: it breaks nothing, or not there."""
    if plan.faults:
        return None
    if order.target:
        what = f"breaks nothing of {order.target}, whose parts are not ours to break"
        return Problem(where=order.plan, what=what, fix="leave out --target, or give --stack FILE")
    what = f"the trial {plan.trial} has no fault, so it is no drill"
    return Problem(where=order.plan, what=what, fix=f"stormproof certify {order.plan}")
