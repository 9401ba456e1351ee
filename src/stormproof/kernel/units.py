"""Durations and quantities, read from and written for people."""

from __future__ import annotations

import re

MICROSECOND_NS = 1_000
MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS

_UNIT_NS = {
    "us": MICROSECOND_NS,
    "ms": MILLISECOND_NS,
    "s": SECOND_NS,
    "m": MINUTE_NS,
    "h": 3600 * SECOND_NS,
}
_TERM = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h)")


def parse_duration_ns(text: str) -> int:
    """Read a duration such as `90s`, `1m30s` or `500ms`, in nanoseconds.

    Raises:
        ValueError: `text` is no duration; the message says what would be right.
    """
    terms = _TERM.findall(text)
    if not terms or "".join(number + unit for number, unit in terms) != text:
        raise ValueError(f"{text!r} is not a duration; write it like 90s, 1m30s or 500ms")
    try:
        return round(sum(float(number) * _UNIT_NS[unit] for number, unit in terms))
    except OverflowError:
        raise ValueError(f"{text[:20]}... is longer than any clock runs") from None


def duration_text(duration_ns: int) -> str:
    """Write a duration with the two largest units that matter: `2m30s`, `1.5s`, `12ms`."""
    if duration_ns >= 60 * SECOND_NS:
        minutes, rest_ns = divmod(duration_ns, 60 * SECOND_NS)
        seconds = round(rest_ns / SECOND_NS)
        return f"{minutes}m{seconds:02d}s" if seconds else f"{minutes}m"
    if duration_ns >= SECOND_NS:
        return f"{duration_ns / SECOND_NS:.3g}s"
    if duration_ns >= MILLISECOND_NS:
        return f"{duration_ns / MILLISECOND_NS:.3g}ms"
    return f"{duration_ns / MICROSECOND_NS:.3g}us"
