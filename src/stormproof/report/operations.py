"""The operations of a run as a table: how many, how often they failed, how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stormproof.model.histogram import Histogram
from stormproof.report.number import percent, quantity
from stormproof.report.tally import Tally, milliseconds

OPERATIONS_LISTED = 100
_KINDS = {
    "http_req": "HTTP",
    "ws_connect": "WebSocket handshake",
    "ws_send": "WebSocket exchange",
    "ws_receive": "WebSocket message",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """One operation over the whole run; times are response times as text."""

    kind: str
    name: str
    count: int
    failed: int
    failed_share: str
    times: Sequence[str]  # p50, p95, p99, longest


def operation_rows(tally: Tally) -> list[OperationRow]:
    """Return the most frequent operations."""
    return [
        OperationRow(
            kind=_KINDS.get(one.metric, one.metric),
            name=one.name,
            count=one.cell.count,
            failed=one.cell.failed,
            failed_share=percent(one.cell.failed / one.cell.count if one.cell.count else None),
            times=_times(one.cell.response),
        )
        for one in tally.sorted_operations()[:OPERATIONS_LISTED]
    ]


def _times(response: Histogram) -> list[str]:
    return [
        quantity(milliseconds(response.percentile_us(percentile)), "ms")
        for percentile in (50, 95, 99, 100)
    ]
