"""Orders that change the load while it runs."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

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
