"""The recovery table: when each thing happened, and how long after the fault came or went."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stormproof.model.verdict import Instant, Recovery
from stormproof.report.number import clock, seconds_text

INJECTED = "fault injected"
UNDONE = "fault undone"
ALL_UNDONE = "all faults undone"
NOT_SEEN = "not seen"
WRITTEN_DIGITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class InstantRow:
    """One instant of one fault, as text; `since` counts from the injection or the undoing, and
    `sampling` is empty where the instant is that of a request or of our own act."""

    name: str
    at: str
    since: str
    sampling: str
    at_s: float | None


def instant_rows(recovery: Recovery) -> list[InstantRow]:
    """Return the rows of one fault in the order in which things happened, the unseen ones last."""
    known = {one.name: one.at_s for one in recovery.instants}
    told = sorted(recovery.instants, key=lambda one: (one.at_s is None, one.at_s or 0.0))
    return [_row(one, known) for one in told]


def _row(instant: Instant, known: dict[str, float | None]) -> InstantRow:
    at_s = instant.at_s
    return InstantRow(
        name=instant.name,
        at=NOT_SEEN if at_s is None else clock(at_s, 1),
        since=_since(instant, known),
        sampling=f"± {seconds_text(_widened(instant.sampling_s))}"
        if instant.sampling_s > 0
        else "",
        at_s=at_s,
    )


def _since(instant: Instant, known: dict[str, float | None]) -> str:
    at_s, injected_s = instant.at_s, known.get(INJECTED)
    undone_s = known.get(ALL_UNDONE, known.get(UNDONE))
    if at_s is None or instant.name == INJECTED:
        return ""
    if undone_s is not None and at_s >= undone_s and instant.name not in (UNDONE, ALL_UNDONE):
        return f"{_length(at_s - undone_s)} after undo"
    if injected_s is not None:
        return f"{_length(at_s - injected_s)} after injection"
    return ""


def _widened(seconds: float) -> float:
    """Round up to what is written, so that what is told holds what was measured."""
    unit = 10.0 ** (math.floor(math.log10(seconds)) - WRITTEN_DIGITS + 1)
    return math.ceil(round(seconds / unit, 6)) * unit


def _length(seconds: float) -> str:
    return seconds_text(round(seconds, 3))
