"""The timeline in a few rows, for readers who cannot or would not look at charts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stormproof.report.number import clock, figure, quantity
from stormproof.report.tally import MetricSecond, Tally
from stormproof.report.timeline import Timeline

ROWS_MAX = 40
_STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestRow:
    """Some seconds of the run: a mean rate, sums of what went wrong, the worst second's times."""

    span: str
    rate: str
    failed: int
    dropped: int
    response_p95: str
    delivery_p95: str
    faults: str


def digest_of(tally: Tally, timeline: Timeline) -> list[DigestRow]:
    """Return at most `ROWS_MAX` rows; none when no second was seen."""
    if not tally.generator:
        return []
    length = timeline.to_s - timeline.from_s
    step = next((step for step in _STEPS_S if length / step <= ROWS_MAX - 1), length // 30 + 1)
    first = timeline.from_s // step * step
    return [
        _row(tally, timeline, range(max(start, timeline.from_s), min(start + step, timeline.to_s)))
        for start in range(first, timeline.to_s, step)
    ]


def _row(tally: Tally, timeline: Timeline, seconds: range) -> DigestRow:
    http, sends = _within(tally, "http_req", seconds), _within(tally, "ws_send", seconds)
    both = [*http, *sends]
    letters = {
        band.letter + ("" if band.kind == "fault" else " (recovery)")
        for band in timeline.bands
        if band.from_s < seconds.stop and band.to_s > seconds.start
    }
    return DigestRow(
        span=f"{clock(seconds.start)} to {clock(seconds.stop)}",
        rate=figure(round(sum(one.count for one in both) / max(1, len(seconds)), 1)),
        failed=sum(one.failed for one in both),
        dropped=sum(one.count for one in _within(tally, "dropped_iterations", seconds)),
        response_p95=_worst(http),
        delivery_p95=_worst(_within(tally, "message_delivery", seconds)),
        faults=", ".join(sorted(letters)),
    )


def _within(tally: Tally, metric: str, seconds: Iterable[int]) -> list[MetricSecond]:
    cells = tally.of(metric)
    return [cells[second] for second in seconds if second in cells]


def _worst(cells: Sequence[MetricSecond]) -> str:
    return quantity(
        max((one.p95_ms for one in cells if one.p95_ms is not None), default=None), "ms"
    )
