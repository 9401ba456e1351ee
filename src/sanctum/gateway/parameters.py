"""Parameters of paths and queries."""

from __future__ import annotations

from sanctum.gateway.answers import Refusal


def whole_number(raw: str | None, name: str, default: int, low: int, high: int) -> int:
    """Read a whole number from a path or query.

    Args:
        raw: the text, None where the parameter is absent.
        name: the parameter, for the message.
        default: the value of an absent parameter.
        low: the smallest value allowed.
        high: the largest value allowed.

    Raises:
        Refusal: 422 when it is no number or out of range.
    """
    if raw is None:
        return default
    # The length is bounded before int() sees it; isdecimal alone admits the digits of any script.
    if len(raw) > len(str(high)) or not (raw.isascii() and raw.isdecimal()):
        raise Refusal(422, "invalid_parameter", f"{name} must be a whole number")
    value = int(raw)
    if not low <= value <= high:
        raise Refusal(422, "invalid_parameter", f"{name} must be between {low} and {high}")
    return value
