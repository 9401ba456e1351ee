"""Orders that change the load while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import RATE_PER_S_MAX
from stormproof.model.plan import Plan

ControlKind = Literal["pause", "resume", "scale", "stop"]
CONTROL_KINDS: Final = get_args(ControlKind)
SCALE_MIN: Final = 0.001
SCALE_MAX: Final = 1_000.0
NOT_SCALED: Final[Mapping[str, float]] = {}


class ControlOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Change the load of one scenario, or of all (`scenario` empty).

    "pause" begins no more iterations until "resume"; what a schedule wanted meanwhile is neither
    made up for nor dropped. "scale" multiplies what the plan says by `value` (1: as planned): the
    rate where a schedule starts iterations, the number of users elsewhere. "stop" ends the
    scenario as if its time were over.
    """

    kind: ControlKind
    scenario: str = ""
    value: float = 0.0  # of "scale"

    def __str__(self) -> str:
        factor = f" {self.value:g}" if self.kind == "scale" else ""
        return f"{self.kind}{factor} {self.scenario or 'all scenarios'}"


class ControlAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order."""

    is_done: bool = False
    text: str


def refuse_unless_possible(
    order: ControlOrder, plan: Plan, factors: Mapping[str, float] = NOT_SCALED
) -> None:
    """Check an order against the plan that it changes.

    Args:
        order: what is asked for.
        plan: of the run.
        factors: what scenarios have been scaled by so far.

    Raises:
        BadInput: with all that is wrong with it.
    """
    problems = []
    names = [scenario.name for scenario in plan.scenarios]
    if order.scenario and order.scenario not in names:
        what, fix = f"the scenario {order.scenario!r} is unknown", f"known: {', '.join(names)}"
        problems.append(Problem(where="ctl", what=what, fix=fix))
    if order.kind == "scale" and not SCALE_MIN <= order.value <= SCALE_MAX:
        what, fix = f"cannot scale by {order.value:g}", f"{SCALE_MIN:g} to {SCALE_MAX:g}; or pause"
        problems.append(Problem(where="ctl", what=what, fix=fix))
    if order.kind == "scale" and not problems:
        problems += _too_much(
            plan, {**factors, **dict.fromkeys(concerned(order, plan), order.value)}
        )
    if problems:
        raise BadInput(problems)


def concerned(order: ControlOrder, plan: Plan) -> list[str]:
    """Return the names of the scenarios that an order changes."""
    names = [scenario.name for scenario in plan.scenarios]
    return [order.scenario] if order.scenario else names


def _too_much(plan: Plan, factors: Mapping[str, float]) -> list[Problem]:
    """Find that all schedules together would start more than they may."""
    peak = sum(one.peak_rate_per_s * factors.get(one.name, 1.0) for one in plan.scenarios)
    cap = RATE_PER_S_MAX if plan.rate_cap_per_s is None else plan.rate_cap_per_s
    if peak <= cap:
        return []
    what = f"up to {peak:g} iterations a second is more than this run may start"
    return [Problem(where="ctl", what=what, fix=f"<= {cap:g} in all; `limits` of the profile")]
