"""How far a value is from its bar, in words and as positions on a small scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stormproof.model.objective import Status
from stormproof.model.verdict import Judged
from stormproof.report.number import SHARE, figure, quantity
from stormproof.report.wording import unit_of

BAR_AT = 66.0  # where the bar stands on the scale of 0..100 when the value does not pass it
SCALE_END = 100.0
Good = Literal["below", "above", "equal"]
_GOOD: dict[str, Good] = {"<": "below", "<=": "below", ">": "above", ">=": "above"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """Positions on a scale of 0 to 100; `over`: the value is off the scale, `good`: which side."""

    bar: float
    value: float
    low: float | None
    high: float | None
    over: bool
    good: Good


def margin_text(judged: Judged) -> str:
    """Say how far the value is from the bar: `62 % below`, `7 above`, `met exactly`."""
    value, bar = judged.value, judged.bar
    if value is None:
        return "beyond any bar" if judged.beyond else ""
    distance = value - bar
    if distance == 0:
        return "met exactly" if _holds_at_bar(judged.operator) else "at the bar"
    side = "above" if distance > 0 else "below"
    if bar == 0:
        return f"{quantity(abs(distance), unit_of(judged))} {side}"
    ratio = abs(distance / bar)
    if distance > 0 and ratio >= 2:
        return f"{figure(value / bar)} times the bar"
    return f"{figure(_whole(ratio * 100))} % {side}"


def _holds_at_bar(operator: str) -> bool:
    return operator in ("<=", ">=", "==", "===")


def _whole(percentage: float) -> float:
    """Round a percentage, keeping 99.9 apart from the whole."""
    return round(percentage) if 1 <= percentage <= 99 else round(percentage, 2)


def gauge_of(judged: Judged) -> Gauge | None:
    """Return where value, bar and interval stand; None when there is no value to show."""
    value, bar = judged.value, judged.bar
    if value is None:
        if judged.status is not Status.FAIL or not judged.beyond:
            return None
        value = float("inf")
    start, end = _scale(judged, value)

    def place(one: float) -> float:
        return round(min(max((one - start) / (end - start), 0.0), 1.0) * SCALE_END, 2)

    low, high = judged.interval or (None, None)
    return Gauge(
        bar=place(bar),
        value=place(value),
        low=None if low is None else place(low),
        high=None if high is None else place(high),
        over=value > end,
        good=_GOOD.get(judged.operator, "equal"),
    )


def _scale(judged: Judged, value: float) -> tuple[float, float]:
    """Return the values at both ends of the scale.

    A share that must be large is shown by what it lacks: the bar stands a third from the left.
    """
    if unit_of(judged) != SHARE:
        return 0.0, _scale_end(value, judged.bar)
    if _GOOD.get(judged.operator) == "above" and 0.5 < judged.bar < 1:
        return max(0.0, 1.0 - _scale_end(1.0 - value, 1.0 - judged.bar)), 1.0
    return 0.0, min(_scale_end(value, judged.bar), 1.0)


def _scale_end(value: float, bar: float) -> float:
    """Return the value at the scale's end: the bar at two thirds, or further left when passed."""
    if bar > 0:
        shown = min(value, 4 * bar)
        return max(bar * SCALE_END / BAR_AT, shown * 1.1)
    return 1.0 if value <= 0 else (2 * value if value != float("inf") else 1.0)
