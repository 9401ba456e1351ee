"""Numbers and instants as people read them: three significant digits, units, separators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from stormproof.kernel.units import SECOND_NS

NONE = "—"
SHARE = "share"  # the unit of a share of 1, shown as a percentage
SMALL = 0.001  # below it, scientific notation is shorter and clearer


def figure(value: float | None) -> str:
    """Write a number with three significant digits at most; whole numbers keep all of theirs."""
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) < SMALL or abs(value) >= 1e15:
        return f"{value:.2e}"
    digits = 2 - math.floor(math.log10(abs(value)))
    text = f"{round(value, digits):,.{max(0, digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float | None, unit: str) -> str:
    """Write a number with its unit; shares (0..1) as percentages."""
    if value is None or math.isnan(value):
        return NONE
    if unit == SHARE:
        return percent(value)
    return f"{figure(value)} {unit}".rstrip()


def percent(share: float | None) -> str:
    """Write a share of 1 as a percentage; an unknown one (None or negative) as a dash."""
    return NONE if share is None or share < 0 else f"{figure(round(share * 100, 9))} %"


def clock(seconds: float | None, decimals: int = 0) -> str:
    """Write an instant since the load's start as `m:ss`, from an hour on `h:mm:ss`."""
    if seconds is None:
        return NONE
    ticks = round(abs(seconds) * 10**decimals)
    whole, rest = divmod(ticks, 10**decimals)
    minutes, second = divmod(whole, 60)
    fraction = f".{rest:0{decimals}d}" if decimals else ""
    sign = "-" if seconds < 0 and ticks else ""
    if minutes >= 60:
        return f"{sign}{minutes // 60}:{minutes % 60:02d}:{second:02d}{fraction}"
    return f"{sign}{minutes}:{second:02d}{fraction}"


def seconds_text(seconds: float | None) -> str:
    """Write a length of time: `240 ms`, `4.2 s`, `118 s`, `2 h 5 min`."""
    if seconds is None:
        return NONE
    if abs(seconds) < 1:
        return f"{figure(round(seconds * 1000, 3))} ms"
    if abs(seconds) < 600:
        return f"{figure(round(seconds, 3))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def spans_text(spans: Sequence[Sequence[int]], listed: int = 3) -> str:
    """Write spans of seconds as `0:10 to 1:02, 1:20 to 2:30`, at most `listed` of them."""
    texts = [f"{clock(span[0])} to {clock(span[1])}" for span in spans[:listed] if len(span) == 2]
    more = len(spans) - listed
    return ", ".join(texts) + (f" and {more:,} more" if more > 0 else "")


def counted(count: int, noun: str, plural: str = "") -> str:
    """Write a count with its noun: `1 fault`, `12,430 samples`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def bytes_text(count: int) -> str:
    """Write a number of bytes in the largest binary unit that keeps it above one."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{figure(value)} {unit}"


def wall_text(wall_ns: int) -> str:
    """Write an instant of the wall clock (nanoseconds since the epoch) in UTC."""
    moment = datetime.fromtimestamp(wall_ns // SECOND_NS, tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
