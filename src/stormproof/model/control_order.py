"""Orders that change the load while it runs."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

from stormproof.kernel.errors import BadInput, Problem
from stormproof.model.plan import Plan

ControlKind = Literal["pause", "resume", "scale", "stop"]
CONTROL_KINDS: Final = get_args(ControlKind)
SCALE_MAX: Final = 1_000.0


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


def refuse_unless_possible(order: ControlOrder, plan: Plan) -> None:
    """Check an order against the plan that it changes.

    Raises:
        BadInput: with all that is wrong with it.
    """
    problems = []
    names = [scenario.name for scenario in plan.scenarios]
    if order.scenario and order.scenario not in names:
        what, fix = f"the scenario {order.scenario!r} is unknown", f"known: {', '.join(names)}"
        problems.append(Problem(where="ctl", what=what, fix=fix))
    if order.kind == "scale" and not 0 < order.value <= SCALE_MAX:
        what, fix = f"cannot scale by {order.value:g}", f"above 0, up to {SCALE_MAX:g}; or pause"
        problems.append(Problem(where="ctl", what=what, fix=fix))
    if problems:
        raise BadInput(problems)
